//! A gate that several processes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{check_ttl, Connection};
use crate::error::RemoteError;
use crate::lease::{Guard, Keeper};
use crate::object::{args, fresh_id, ms, script, Object};

/// Returns the object of the gate of that name; a [`LeasedGate`](crate::LeasedGate) of the same
/// name shares it.
pub(crate) fn gate_object(connection: &Connection, name: &str) -> Object {
    Object::new(connection, script!("gate.lua"), "gate", name, &["leases", "state"])
}

/// A gate that several processes share: at most so many places are held at once.
///
/// A place is held by a [`RemoteLease`], which ends after the ttl unless it is renewed; it is
/// renewed in the background while the process holds it. Each call names its own capacity, so
/// processes with different settings can share one gate.
///
/// # Guarantees
///
/// While one primary loses no writes:
///
/// - *never-over*: the weights of the leases that are not [lost](RemoteLease::is_lost) never exceed
///   the capacity.
/// - *exact*: a caller is refused only if, at an instant within the call, too few places were free
///   of leases that had not ended.
/// - *once*: a call that is repeated, because its answer was lost, takes its places once.
/// - Each fence is greater than all fences that this gate has given before.
///
/// # What is not promised
///
/// - After a failover with lost writes, or a restart without an append-only file, the gate admits
///   too many: at most as many as the grants that were lost, for at most one ttl. Renewals register
///   again what was forgotten. See [`learning`](Self::learning).
/// - A machine that sleeps may stop its own clock, too: afterwards a lease is found lost by its
///   next renewal only.
/// - A process that is paused cannot be stopped. When it goes on, its leases are lost, but code
///   between a check and its use may still run: let the resource refuse a
///   [fence](RemoteLease::fence) below one that it has seen.
/// - A call that is delayed in the network until after its lease was released can take the places
///   again, for at most one ttl.
/// - The server's clock decides. If it jumps forwards, leases end early: the gate can admit others
///   before the holders learn that, which is by their next renewal, within a third of the ttl. If
///   it jumps back, the leases of crashed processes last longer by the jump.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use headcount_redis::{Connection, RemoteGate};
///
/// let connection = Connection::open("redis://127.0.0.1/").await?;
/// let gate = RemoteGate::new(&connection, "uploads", 10, Duration::from_secs(10))?;
/// match gate.try_acquire().await {
///     Ok(lease) => tokio::select! {
///         () = lease.lost() => eprintln!("stop: the place may be another's"),
///         () = tokio::time::sleep(Duration::from_secs(60)) => lease.release().await?,
///     },
///     Err(refused) if refused.is_full() => eprintln!("{refused}"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteGate {
    keeper: Arc<Keeper>,
    capacity: u32,
    learning: bool,
}

impl RemoteGate {
    /// Returns the gate of that name. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RemoteError::Invalid) if the ttl is below a millisecond or above a day.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let connection = headcount_redis::Connection::open("redis://127.0.0.1/").await?;
    /// let ttl = Duration::from_secs(5);
    /// let gate = headcount_redis::RemoteGate::new(&connection, "door", 7, ttl)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        connection: &Connection,
        name: &str,
        capacity: u32,
        ttl: Duration,
    ) -> Result<RemoteGate, RemoteError> {
        let ttl = check_ttl(ttl)?;
        Ok(RemoteGate::with_learning(gate_object(connection, name), capacity, ttl, false))
    }

    fn with_learning(object: Object, capacity: u32, ttl: Duration, learning: bool) -> RemoteGate {
        let renew = args!["renew", ms(ttl), capacity, u32::from(learning)];
        let keeper = Arc::new(Keeper::new(object, ttl, renew, args!["release"]));
        RemoteGate { keeper, capacity, learning }
    }

    /// Lets the gate learn: if the engine knows nothing of it, as after a loss of all data, it
    /// admits no caller for one ttl, and only registers again the leases that are renewed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(gate: headcount_redis::RemoteGate) {
    /// let gate = gate.learning();
    /// # }
    /// ```
    #[must_use]
    pub fn learning(self) -> RemoteGate {
        let object = self.keeper.object().clone();
        RemoteGate::with_learning(object, self.capacity, self.keeper.ttl(), true)
    }

    /// Acquires one place, without waiting for one.
    ///
    /// # Errors
    ///
    /// [`Full`](RemoteError::Full) with the time until the first lease ends;
    /// [`Closed`](RemoteError::Closed); [`Lost`](RemoteError::Lost) if the answer took longer than
    /// the ttl; or the engine's failure.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a place that the call may have taken is released in the
    /// background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
    /// let lease = gate.try_acquire().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_acquire(&self) -> Result<RemoteLease, RemoteError> {
        self.try_acquire_many(1).await
    }

    /// Acquires `n` places, all or none, without waiting for them.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); [`Invalid`](RemoteError::Invalid) if `n` is zero.
    /// With `n` above the capacity the call is refused, however often it is tried.
    ///
    /// # Cancel safety
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
    /// let lease = gate.try_acquire_many(3).await?;
    /// assert_eq!(lease.count(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_acquire_many(&self, n: u32) -> Result<RemoteLease, RemoteError> {
        if n == 0 {
            return Err(RemoteError::Invalid("no places"));
        }
        let id = fresh_id()?;
        let mut guard = self.keeper.guard(args![&id, n]);
        let learning = u32::from(self.learning);
        let args = args!["acquire", &id, n, ms(self.keeper.ttl()), self.capacity, learning];
        let answer = self.keeper.object().run(&args).await?;
        match answer.get(0)? {
            0 => {
                guard.disarm();
                Err(RemoteError::full(answer.get(1)?))
            }
            1 => {
                let fence = answer.number(1)?;
                guard.keep(answer.sent, args![&id, n, fence]);
                let lease = RemoteLease { guard, count: n, fence };
                if lease.is_lost() {
                    return Err(RemoteError::Lost);
                }
                Ok(lease)
            }
            2 => {
                guard.disarm();
                Err(RemoteError::Closed)
            }
            _ => Err(answer.unexpected().into()),
        }
    }

    /// Closes the gate, for all processes: it admits no caller until it is reopened. Leases stay.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
    /// gate.close().await?;
    /// assert!(gate.try_acquire().await.unwrap_err().is_closed());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) -> Result<(), RemoteError> {
        self.keeper.object().run(&args!["close"]).await?;
        Ok(())
    }

    /// Reopens the gate. Reopening an open gate changes nothing.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
    /// gate.reopen().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reopen(&self) -> Result<(), RemoteError> {
        self.keeper.object().run(&args!["reopen"]).await?;
        Ok(())
    }

    /// Returns the number of places held by leases that have not ended.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Cost
    ///
    /// Grows with the number of leases that have ended and not been reaped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
    /// assert!(gate.occupied().await? <= gate.capacity());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn occupied(&self) -> Result<u32, RemoteError> {
        Ok(self.keeper.object().run(&args!["read"]).await?.number(0)?)
    }

    /// Returns whether the gate is closed.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
    /// assert!(!gate.is_closed().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn is_closed(&self) -> Result<bool, RemoteError> {
        Ok(self.keeper.object().run(&args!["read"]).await?.get(1)? == 1)
    }

    /// Returns the capacity that the calls of this value name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(gate: headcount_redis::RemoteGate) {
    /// assert_eq!(gate.capacity(), 10);
    /// # }
    /// ```
    pub fn capacity(&self) -> u32 {
        self.capacity
    }
}

impl fmt::Debug for RemoteGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteGate").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// Places of a [`RemoteGate`], held until they are released or the lease ends.
///
/// While the process holds the lease, it is renewed in the background. Dropping it stops that and
/// releases the places in the background, if the engine can be reached;
/// [`release`](Self::release) returns once they are free.
///
/// # Examples
///
/// ```no_run
/// # async fn example(gate: headcount_redis::RemoteGate) -> Result<(), headcount_redis::RemoteError> {
/// let lease = gate.try_acquire().await?;
/// println!("write with fence {}", lease.fence());
/// if !lease.is_lost() {
///     lease.release().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a lease releases its places"]
pub struct RemoteLease {
    guard: Guard,
    count: u32,
    fence: u64,
}

impl RemoteLease {
    /// Returns the number of places.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(lease: headcount_redis::RemoteLease) {
    /// assert_eq!(lease.count(), 1);
    /// # }
    /// ```
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the fence: a number above those of all leases that the gate gave before. A resource
    /// that refuses a number below the highest it has seen is safe from holders that were paused.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(earlier: headcount_redis::RemoteLease, later: headcount_redis::RemoteLease) {
    /// assert!(earlier.fence() < later.fence());
    /// # }
    /// ```
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Returns whether the lease has ended: it could not be renewed in time, or the engine has
    /// given its places away. Reads the clock; a lost lease stays lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(lease: headcount_redis::RemoteLease) {
    /// assert!(!lease.is_lost());
    /// # }
    /// ```
    pub fn is_lost(&self) -> bool {
        self.guard.is_lost()
    }

    /// Returns once the lease is lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lease: headcount_redis::RemoteLease) {
    /// tokio::select! {
    ///     () = lease.lost() => {}
    ///     () = async { /* the work */ } => {}
    /// }
    /// # }
    /// ```
    pub async fn lost(&self) {
        self.guard.lost().await;
    }

    /// Releases the places, and returns once the engine has confirmed that they are free. Releasing
    /// a lost lease succeeds, and frees no other's places.
    ///
    /// # Errors
    ///
    /// The engine's failure. The lease ends by itself then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the lease is released in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lease: headcount_redis::RemoteLease) -> Result<(), headcount_redis::RemoteError> {
    /// lease.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn release(self) -> Result<(), RemoteError> {
        Ok(self.guard.release().await?)
    }
}
