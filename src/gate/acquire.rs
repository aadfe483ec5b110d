//! Waiting at a gate: the public methods and their futures.
//!
//! # Invariant
//!
//! A future of this module that is ready with `Ok` has moved its places into the permit.

use std::sync::Arc;

use super::core::Gate;
use super::permit::{OwnedPermit, Permit, PermitInner};
use super::waiter::{waiting_future, Wait};

/// Waiting, with the feature `wait`.
///
/// [`acquire`](Gate::acquire) and its variants return a future. `.await` it, or block the thread
/// with [`wait`](Acquire::wait), [`wait_timeout`](Acquire::wait_timeout) or
/// [`wait_deadline`](Acquire::wait_deadline). It needs no particular runtime.
///
/// # Fairness
///
/// First come, first served. *no-lost-wakeup*: a waiter is woken when it is its turn and its places
/// are free. A caller that cannot be admitted at once joins the waitlist; a place
/// that is given back goes to the head of the waitlist, and no other caller takes it in between.
/// While a caller waits, [`try_acquire`](Gate::try_acquire) is refused as
/// [`Full`](crate::TryAcquireError::Full) and [`acquire`](Gate::acquire) goes to the end of the
/// waitlist. Places are kept for the head of the waitlist until there are as many as it wants, so
/// callers that want one place each cannot starve a caller that wants several: they wait behind it
/// even if a place is free for them. Places that are kept are neither
/// [`occupied`](Gate::occupied) nor [`available`](Gate::available). A lowering of the capacity and
/// a [forced entry](Gate::force_acquire) come before the waitlist, and take kept places too. A
/// future joins the waitlist when it is first polled.
///
/// A caller that wants more places than the capacity, when it joins or after a lowering, stands
/// aside: it holds up neither those behind it nor callers that do not wait, and keeps its turn.
/// Once the capacity is enough it is back in line, ahead of all that came later. A request for more
/// than [`MAX_CAPACITY`](Gate::MAX_CAPACITY) is refused at once. Places of permits that were
/// [forgotten](crate::Permit::forget) belong to the capacity: a caller that wants more than are
/// left without them waits in line, and so do those behind it, until the capacity is changed, the
/// gate is closed or the caller gives up.
///
/// Of priorities among those that wait there are none. A few fixed classes, each with a queue and a
/// turn of its own, would not slow down callers that need not wait; each release would look at as
/// many queues as there are classes, and a position would no longer tell how many are ahead.
///
/// # Cooperative scheduling
///
/// On a gate with a free place the future is ready at its first poll and takes no part in a
/// runtime's cooperative scheduling. A task that only loops over `acquire().await` of such a gate
/// therefore never yields, and under tokio the other tasks of its thread do not run. Such a loop
/// should yield itself, for instance with `tokio::task::yield_now().await` or, cheaper, with
/// `tokio::task::consume_budget().await` in each round; newer versions of tokio can also wrap the
/// future in `tokio::task::coop::cooperative`.
///
/// # Cancellation
///
/// A permit is never lost. A future can be dropped at any time: if it had been served, its places
/// go to the next callers. A call with a timeout returns the permit or has passed it on. A future
/// that is kept but not polled keeps its position and, once it is served, the places.
///
/// [`close`](Gate::close) refuses all callers that have not been served. A future that was served
/// before the closing is ready with its permit.
///
/// # Wakers
///
/// A waker runs when the lock is free and the call that wakes has made all its changes, so it may
/// call the gate. If a waker panics, all others are woken first; then the panic goes on in the call
/// that woke, unless that thread panics already.
///
/// # Cost
///
/// Without contention this costs what [`try_acquire`](Gate::try_acquire) costs and does not
/// allocate. Queueing takes a short lock; so do release and each reading while a caller waits. The
/// waitlist is allocated when it is first needed, grows to the greatest number of callers that ever
/// wait at once, and is kept until the gate is dropped.
///
/// Dropping a future that waits, or that was refused and has not learned of it, takes a number of
/// steps logarithmic in the number of such futures, amortised.
///
/// # Memory ordering
///
/// As for a gate without waiting: a caller that is served sees the earlier writes of the holder
/// that gave its place back.
impl Gate {
    /// Acquires one place, and waits for it if need be.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::AcquireError::Closed) if the gate is closed, or is closed while this
    /// caller waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives its position up. If it had been served, its place goes to the next
    /// caller.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let gate = headcount::Gate::new(1);
    /// let permit = gate.acquire().await?;
    /// let mut next = gate.acquire();
    /// tokio::select! {
    ///     biased;
    ///     _ = &mut next => unreachable!("the place is held"),
    ///     _ = std::future::ready(()) => {}
    /// }
    /// assert_eq!((gate.waiting(), next.position()), (1, Some(0)));
    /// drop(permit);
    /// let _permit = next.await?;
    /// # Ok(()) }
    /// ```
    ///
    /// A thread waits with [`wait`](Acquire::wait):
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// let permit = gate.acquire().wait()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| gate.acquire().wait().unwrap());
    ///     drop(permit);
    /// });
    /// assert_eq!(gate.occupied(), 0);
    /// # Ok::<(), headcount::AcquireError>(())
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Acquires `n` places, all at once, and waits for them if need be.
    ///
    /// With `n == 0` it returns a permit of no places without waiting, unless the gate is closed. A
    /// caller that wants more places than the capacity stands aside until that is raised, see
    /// [fairness](#fairness).
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and [`TooMany`](crate::AcquireError::TooMany) if `n` is above
    /// [`MAX_CAPACITY`](Self::MAX_CAPACITY).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire). Places kept for it so far go to the next callers.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let gate = headcount::Gate::new(5);
    /// let party = gate.acquire_many(3).await?;
    /// assert_eq!((party.count(), gate.available()), (3, 2));
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire_many(&self, n: u32) -> Acquire<'_> {
        Acquire { wait: Wait::new(self, n) }
    }

    /// Acquires one place, as [`acquire`](Self::acquire), for a permit that owns its gate.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). The `Arc` is dropped then.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let gate = std::sync::Arc::new(headcount::Gate::new(1));
    /// let permit = gate.clone().acquire_owned().await?;
    /// tokio::spawn(async move { drop(permit) });
    /// let _permit = gate.acquire().await?;
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned(1)
    }

    /// Acquires `n` places, as [`acquire_many`](Self::acquire_many), for a permit that owns its
    /// gate.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). The `Arc` is dropped then.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let gate = std::sync::Arc::new(headcount::Gate::new(5));
    /// assert_eq!(gate.acquire_many_owned(3).await?.count(), 3);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire_many_owned(self: Arc<Self>, n: u32) -> AcquireOwned {
        AcquireOwned { wait: Wait::new(self, n) }
    }

    /// Returns the number of callers that wait for places, however many each of them wants.
    ///
    /// A caller that has been served is not counted, even if it has not been polled since.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Gate::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.waitlist.len(&self.slot)
    }
}

/// Waits for places of a [`Gate`]: as a future, or by blocking the thread.
///
/// Returned by [`Gate::acquire`] and [`Gate::acquire_many`]. It does not need to be pinned: it can
/// be polled by reference, and asked in between for its [`position`](Self::position).
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let gate = headcount::Gate::new(1);
/// let permit = gate.acquire().wait()?;
/// assert_eq!(permit.count(), 1);
/// # Ok::<(), headcount::AcquireError>(())
/// ```
#[must_use = "it joins the waitlist only when it is awaited or waited for"]
pub struct Acquire<'a> {
    wait: Wait<&'a Gate>,
}

waiting_future! {
    ['a] Acquire<'a>, "Acquire" => Permit<'a>,
    |gate, count| Permit(PermitInner::new(gate, count));
    "let gate = headcount::Gate::new(1);",
    "let gate = headcount::Gate::new(0);",
    "gate.acquire()"
}

/// Waits for places of a [`Gate`] behind an `Arc`.
///
/// Returned by [`Gate::acquire_owned`] and [`Gate::acquire_many_owned`]; otherwise the same as
/// [`Acquire`].
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let gate = std::sync::Arc::new(headcount::Gate::new(1));
/// let permit = gate.acquire_owned().wait()?;
/// assert_eq!(permit.count(), 1);
/// # Ok::<(), headcount::AcquireError>(())
/// ```
#[must_use = "it joins the waitlist only when it is awaited or waited for"]
pub struct AcquireOwned {
    wait: Wait<Arc<Gate>>,
}

waiting_future! {
    [] AcquireOwned, "AcquireOwned" => OwnedPermit,
    |gate, count| OwnedPermit(PermitInner::new(gate, count));
    "let gate = std::sync::Arc::new(headcount::Gate::new(1));",
    "let gate = std::sync::Arc::new(headcount::Gate::new(0));",
    "gate.clone().acquire_owned()"
}
