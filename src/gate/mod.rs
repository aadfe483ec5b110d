//! The gate: a slot with the interface of a semaphore that never waits unless asked.
//!
//! `core` has the fields and the shared operations, `permit` the guards, `acquire` the futures.
//! None of them depends on this file, which adds the public methods.

#[cfg(feature = "wait")]
mod acquire;
mod core;
#[cfg(feature = "wait")]
mod drain;
pub(crate) mod fast_hint;
mod permit;
#[cfg(feature = "wait")]
mod waiter;

use ::core::fmt;
use alloc::sync::Arc;

use crate::error::{QuorumError, TryAcquireError};
use crate::protocol::slot::{Resize, Wanted, CEILING};
use crate::sync::const_fn;
#[cfg(feature = "wait")]
pub use acquire::{Acquire, AcquireOwned};
pub use core::Gate;
#[cfg(feature = "wait")]
pub use drain::{Drain, DrainOwned};
pub(crate) use permit::PermitInner;
pub use permit::{OwnedPermit, Permit};
#[cfg(all(feature = "wait", target_has_atomic = "64"))]
pub(crate) use waiter::{waiting_future, Wait};

impl Gate {
    /// The greatest capacity: 2^28 = 268,435,456 places.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::Gate;
    /// assert_eq!(Gate::new(Gate::MAX_CAPACITY).available(), 268_435_456);
    /// ```
    pub const MAX_CAPACITY: u32 = CEILING;

    const_fn! {
        /// Creates a gate with `capacity` places, all of them free.
        ///
        /// A gate with 0 places refuses every caller.
        ///
        /// # Panics
        ///
        /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY); in a constant, that is a
        /// compile error.
        ///
        /// # Examples
        ///
        /// ```
        /// static DOOR: headcount::Gate = headcount::Gate::new(7);
        /// assert_eq!(DOOR.capacity(), 7);
        /// ```
        #[track_caller]
        pub const fn new(capacity: u32) -> Gate {
            assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
            Gate::with_occupied(capacity, 0)
        }
    }

    /// Acquires one place, without waiting.
    ///
    /// # Errors
    ///
    /// - [`Full`](TryAcquireError::Full) if no place was free.
    /// - [`Closed`](TryAcquireError::Closed) if the gate was closed.
    ///
    /// # Cost
    ///
    /// A load and a `fetch_add`; a refusal by a full or closed gate is the load alone. If another
    /// caller takes the last place in between, the refusal adds one compare-exchange.
    ///
    /// With the feature `std`, each thread remembers the gate at which its last admission left a
    /// place free, and skips the load there. If that gate has filled since, the thread's next
    /// refusal costs a `fetch_add` and a compare-exchange, and those after it the load again.
    ///
    /// It never takes the lock of the waitlist.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// let permit = gate.try_acquire()?;
    /// assert!(gate.try_acquire().is_err());
    /// drop(permit);
    /// assert!(gate.try_acquire().is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.enter()?;
        Ok(Permit(PermitInner::new(self, 1)))
    }

    /// Acquires `n` places, all or none, without waiting.
    ///
    /// With `n == 0` it returns a permit of no places, unless the gate is closed. With `n` above
    /// the capacity it is refused as [`Full`](TryAcquireError::Full), however often it is tried.
    ///
    /// # Errors
    ///
    /// In either case no place is taken.
    ///
    /// - [`Full`](TryAcquireError::Full) if fewer than `n` places were free.
    /// - [`Closed`](TryAcquireError::Closed) if the gate was closed.
    ///
    /// # Cost
    ///
    /// A load and a compare-exchange, repeated for as long as other callers change the count in
    /// between (lock-free, not wait-free).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(5);
    /// let party = gate.try_acquire_many(3)?;
    /// assert!(gate.try_acquire_many(3).is_err());
    /// assert_eq!(gate.available(), 2); // the refused call took nothing
    /// drop(party);
    /// assert_eq!(gate.available(), 5);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_many(&self, n: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.take(n)?;
        Ok(Permit(PermitInner::new(self, n)))
    }

    /// Acquires one place, as [`try_acquire`](Self::try_acquire), for a permit that owns its gate.
    ///
    /// The permit holds the `Arc` instead of a borrow: it can move to another thread or task, and
    /// keeps the gate alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let gate = Arc::new(headcount::Gate::new(1));
    /// let permit = Arc::clone(&gate).try_acquire_owned()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(gate.occupied(), 0);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.enter()?;
        Ok(OwnedPermit(PermitInner::new(self, 1)))
    }

    /// Acquires `n` places, as [`try_acquire_many`](Self::try_acquire_many), for a permit that owns
    /// its gate.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let gate = Arc::new(headcount::Gate::new(5));
    /// let party = Arc::clone(&gate).try_acquire_many_owned(5)?;
    /// assert!(gate.is_full());
    /// drop(party);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedPermit, TryAcquireError> {
        self.take(n)?;
        Ok(OwnedPermit(PermitInner::new(self, n)))
    }

    /// Acquires every free place, at least one, in one step.
    ///
    /// The [count](Permit::count) of the permit says how many they are.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Cost
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(5);
    /// let _held = gate.try_acquire_many(2)?;
    /// assert_eq!(gate.try_acquire_all()?.count(), 3);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_all(&self) -> Result<Permit<'_>, TryAcquireError> {
        Ok(Permit(PermitInner::new(self, self.take_wanted(Wanted::All)?)))
    }

    /// Acquires every free place, as [`try_acquire_all`](Self::try_acquire_all), for a permit that
    /// owns its gate.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = std::sync::Arc::new(headcount::Gate::new(5));
    /// assert_eq!(gate.try_acquire_all_owned()?.count(), 5);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_all_owned(self: Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        let n = self.take_wanted(Wanted::All)?;
        Ok(OwnedPermit(PermitInner::new(self, n)))
    }

    /// Acquires `n` places, all or none, only if `spare` places stay free.
    ///
    /// Both are decided in one step, so two kinds of callers can share one count and keep their
    /// thresholds exactly.
    ///
    /// # Errors
    ///
    /// - [`Full`](TryAcquireError::Full) if fewer than `n + spare` places were free.
    /// - [`Closed`](TryAcquireError::Closed) if the gate was closed.
    ///
    /// # Cost
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many).
    ///
    /// # Examples
    ///
    /// 20 places, of which 2 are for members:
    ///
    /// ```
    /// let gate = headcount::Gate::new(20);
    /// let guests: Vec<_> = (0..30).filter_map(|_| gate.try_acquire_leaving(1, 2).ok()).collect();
    /// assert_eq!(guests.len(), 18);
    /// let members: Vec<_> = (0..30).filter_map(|_| gate.try_acquire().ok()).collect();
    /// assert_eq!(members.len(), 2);
    /// ```
    pub fn try_acquire_leaving(&self, n: u32, spare: u32) -> Result<Permit<'_>, TryAcquireError> {
        let n = self.take_wanted(Wanted::Leaving { n, spare })?;
        Ok(Permit(PermitInner::new(self, n)))
    }

    /// Acquires `n` places, as [`try_acquire_leaving`](Self::try_acquire_leaving), for a permit
    /// that owns its gate.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_leaving`](Self::try_acquire_leaving). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = std::sync::Arc::new(headcount::Gate::new(3));
    /// let _permit = gate.clone().try_acquire_leaving_owned(1, 2)?;
    /// assert!(gate.try_acquire_leaving_owned(1, 2).is_err());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_leaving_owned(
        self: Arc<Self>,
        n: u32,
        spare: u32,
    ) -> Result<OwnedPermit, TryAcquireError> {
        let n = self.take_wanted(Wanted::Leaving { n, spare })?;
        Ok(OwnedPermit(PermitInner::new(self, n)))
    }

    /// Acquires `n` places whether or not they are free, and also from a closed gate: for a caller
    /// that must get in, as a moderator.
    ///
    /// Free places are taken, ahead of callers that wait; the rest becomes a deficit, as after a
    /// [lowering](Self::set_capacity): [`occupied`](Self::occupied) exceeds the capacity, and no
    /// other caller is admitted, until enough places have been given back.
    ///
    /// # Panics
    ///
    /// If the places held would exceed the capacity by more than
    /// [`MAX_CAPACITY`](Self::MAX_CAPACITY). The gate is unchanged then.
    ///
    /// # Cost
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many); with the feature `wait` it takes the lock
    /// of the waitlist.
    ///
    /// # Memory ordering
    ///
    /// As of any entry.
    ///
    /// # Examples
    ///
    /// ```
    /// let room = headcount::Gate::new(1);
    /// let guest = room.try_acquire()?;
    /// let moderator = room.force_acquire(1);
    /// assert_eq!((room.occupied(), room.capacity()), (2, 1));
    /// drop(guest);
    /// assert!(room.try_acquire().is_err()); // the moderator has the only place
    /// drop(moderator);
    /// assert!(room.try_acquire().is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn force_acquire(&self, n: u32) -> Permit<'_> {
        self.force(n);
        Permit(PermitInner::new(self, n))
    }

    /// Acquires `n` places, as [`force_acquire`](Self::force_acquire), for a permit that owns its
    /// gate.
    ///
    /// # Panics
    ///
    /// As [`force_acquire`](Self::force_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let room = std::sync::Arc::new(headcount::Gate::new(0));
    /// let _moderator = room.clone().force_acquire_owned(1);
    /// assert_eq!(room.occupied(), 1);
    /// ```
    #[track_caller]
    pub fn force_acquire_owned(self: Arc<Self>, n: u32) -> OwnedPermit {
        self.force(n);
        OwnedPermit(PermitInner::new(self, n))
    }

    #[track_caller]
    fn force(&self, n: u32) {
        let forced = n == 0 || self.waitlist.force(&self.slot, n);
        assert!(forced, "places held above the capacity exceed Gate::MAX_CAPACITY");
    }

    /// Calls `f` while it holds one place, and returns the result of `f`.
    ///
    /// The place is given back when `f` returns or panics. With capacity 1 this is a lock that
    /// refuses instead of waiting.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). `f` is not called then.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// assert_eq!(gate.try_run(|| 6 * 7), Ok(42));
    /// assert_eq!(gate.occupied(), 0);
    /// ```
    pub fn try_run<T>(&self, f: impl FnOnce() -> T) -> Result<T, TryAcquireError> {
        let _permit = self.try_acquire()?;
        Ok(f())
    }

    /// Returns the number of places, held or free.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Gate::new(7).capacity(), 7);
    /// ```
    pub fn capacity(&self) -> u32 {
        self.slot.places()
    }

    /// Returns the number of places held, forgotten permits included.
    ///
    /// Exact at an instant within the call: neither callers that are refused nor places that are
    /// kept for a caller that waits are counted; a caller that has been served is, also before it
    /// is polled. After a lowering or a forced entry the number exceeds the capacity until enough
    /// places have been given back. A reading that overlaps a change of the capacity can be off by
    /// as many places as that call moves. Without the feature `wait`, while the gate is closed or
    /// there is a deficit, callers that are about to back out can be counted, see [closing,
    /// reopening and lowering](Self#closing-reopening-and-lowering).
    ///
    /// # Cost
    ///
    /// Two loads. With the feature `wait`, while a caller waits, there is a deficit or the gate is
    /// closed, it takes the lock of the waitlist.
    ///
    /// # Memory ordering
    ///
    /// An acquire operation: if this call observes a release, the holder's earlier writes are
    /// visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(7);
    /// let _permit = gate.try_acquire_many(3)?;
    /// assert_eq!(gate.occupied(), 3);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn occupied(&self) -> u32 {
        self.waitlist.counts(&self.slot).0
    }

    /// Returns the number of free places, whether or not the gate is closed.
    ///
    /// Exact at an instant within the call, and possibly out of date when it returns:
    /// [`try_acquire`](Self::try_acquire) checks and takes in one step. With the feature `wait`,
    /// places that are kept for a caller that waits are not free.
    ///
    /// # Cost
    ///
    /// As [`occupied`](Self::occupied).
    ///
    /// # Memory ordering
    ///
    /// An acquire operation, as [`occupied`](Self::occupied).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(7);
    /// let _permit = gate.try_acquire_many(3)?;
    /// assert_eq!(gate.available(), 4);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn available(&self) -> u32 {
        self.waitlist.counts(&self.slot).1
    }

    /// Returns whether no place is free, whether or not the gate is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// assert!(!gate.is_full());
    /// let _permit = gate.try_acquire()?;
    /// assert!(gate.is_full());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.available() == 0
    }

    /// Changes the number of places, also while they are held.
    ///
    /// A raise adds free places. A lowering removes free places at once; if they are fewer than it
    /// removes, the rest becomes a deficit, which the next releases pay with the places that they
    /// give back. Permits stay valid: [`occupied`](Self::occupied) exceeds the capacity until the
    /// deficit is paid, and no caller is admitted before. Once a lowering has returned, no caller
    /// is admitted beyond the new capacity.
    ///
    /// Calls that run at the same time end in the capacity of one of them. Without the feature
    /// `wait` they are lock-free: until they have returned, each can hold back places that it is
    /// about to remove, or has removed in vain, and callers can be refused for that. With it, they
    /// take turns at the lock of the waitlist, and what a raise adds goes to callers that wait, in
    /// order.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY). The gate is unchanged then.
    ///
    /// # Cost
    ///
    /// Two compare-exchanges for each 4,096 places, repeated for as long as other callers change
    /// the count in between. With the feature `wait`, the lock of the waitlist, and a pass over the
    /// callers that wait if some want more places than the new capacity or the old one.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(3);
    /// let mut permits = vec![gate.try_acquire()?, gate.try_acquire()?, gate.try_acquire()?];
    ///
    /// gate.set_capacity(2);
    /// assert_eq!((gate.occupied(), gate.capacity()), (3, 2)); // the permits stay valid
    /// permits.pop();
    /// assert!(gate.try_acquire().is_err()); // 2 of 2
    /// permits.pop();
    /// assert!(gate.try_acquire().is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn set_capacity(&self, capacity: u32) {
        let set = self.waitlist.resize(&self.slot, Resize::To(capacity));
        assert!(set.is_ok(), "capacity is above Gate::MAX_CAPACITY");
    }

    /// Adds `n` places, and returns the new capacity.
    ///
    /// Unlike a [`set_capacity`](Self::set_capacity) that adds to what was read before, it loses no
    /// change that another call makes at the same time. With the feature `wait` the new places go
    /// to callers that wait, in order.
    ///
    /// # Panics
    ///
    /// If the capacity would be above [`MAX_CAPACITY`](Self::MAX_CAPACITY). The gate is unchanged
    /// then.
    ///
    /// # Cost
    ///
    /// As [`set_capacity`](Self::set_capacity).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(3);
    /// assert_eq!(gate.raise_capacity(2), 5);
    /// ```
    #[track_caller]
    pub fn raise_capacity(&self, n: u32) -> u32 {
        let raised = self.waitlist.resize(&self.slot, Resize::Raise(n));
        raised.unwrap_or_else(|()| panic!("capacity is above Gate::MAX_CAPACITY"))
    }

    /// Removes `n` places, or all if there are fewer, and returns the new capacity.
    ///
    /// Unlike a [`set_capacity`](Self::set_capacity) that subtracts from what was read before, it
    /// loses no change that another call makes at the same time. Places that are held are removed
    /// as `set_capacity` does. Without the feature `wait`, more than 4,096 places are removed in
    /// several steps, between which other callers can see some of them gone.
    ///
    /// # Cost
    ///
    /// As [`set_capacity`](Self::set_capacity).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(3);
    /// assert_eq!(gate.lower_capacity(2), 1);
    /// assert_eq!(gate.lower_capacity(2), 0);
    /// ```
    pub fn lower_capacity(&self, n: u32) -> u32 {
        // A lowering is never above the greatest capacity.
        self.waitlist.resize(&self.slot, Resize::Lower(n)).unwrap_or(0)
    }

    /// Closes the gate: from now on it refuses every caller. Permits stay valid.
    ///
    /// Once this has returned, each [`try_acquire`](Self::try_acquire) that begins is refused as
    /// [`Closed`](TryAcquireError::Closed), until the gate is [reopened](Self::reopen). Closing a
    /// closed gate has no effect. With the feature `wait`, callers that wait are refused;
    /// `drain` also waits until the last permit is back.
    ///
    /// # Cost
    ///
    /// One atomic operation. With the feature `wait` it takes the lock of the waitlist, and so does
    /// each release while the gate is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(2);
    /// let permit = gate.try_acquire()?;
    /// gate.close();
    /// assert!(gate.try_acquire().unwrap_err().is_closed());
    /// drop(permit);
    /// assert_eq!(gate.occupied(), 0);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn close(&self) {
        self.waitlist.close(&self.slot);
    }

    /// Reopens a closed gate: it admits callers again. Reopening an open gate has no effect.
    ///
    /// # Memory ordering
    ///
    /// A release operation: a caller that is admitted after it sees the earlier writes of the
    /// caller that reopened.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(2);
    /// gate.close();
    /// gate.reopen();
    /// assert!(gate.try_acquire().is_ok());
    /// ```
    pub fn reopen(&self) {
        self.waitlist.reopen(&self.slot);
    }

    /// Returns whether the gate is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(2);
    /// gate.close();
    /// assert!(gate.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.slot.read().is_closed()
    }

    /// Closes the gate if and only if at least `at_least` places are held at that instant, and
    /// returns how many are.
    ///
    /// A gate that is closed already stays closed; the result is `Ok` if enough places are held.
    ///
    /// The number counts what [`occupied`](Self::occupied) counts: with the feature `wait` it is
    /// exact without exception, as it is decided under the lock of the waitlist. Without the
    /// feature, if the gate was closed before or there is a deficit, it can include callers that
    /// are about to back out, so that the gate is closed although fewer places are held, see
    /// [closing, reopening and lowering](Self#closing-reopening-and-lowering); and a call that
    /// overlaps a change of the capacity can be off by as many places as that moves.
    ///
    /// # Errors
    ///
    /// [`QuorumError`] with the number of places held, if they are too few. The gate is unchanged
    /// then.
    ///
    /// # Cost
    ///
    /// A load and a compare-exchange, repeated for as long as other callers change the count in
    /// between; with the feature `wait`, under the lock of the waitlist.
    ///
    /// # Memory ordering
    ///
    /// An acquire operation, as [`occupied`](Self::occupied), whether or not it closes.
    ///
    /// # Examples
    ///
    /// ```
    /// let game = headcount::Gate::new(5);
    /// let _players = game.try_acquire_many(3)?;
    /// assert_eq!(game.close_if_occupied(4).unwrap_err().occupied, 3);
    /// assert_eq!(game.close_if_occupied(3), Ok(3));
    /// assert!(game.is_closed());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn close_if_occupied(&self, at_least: u32) -> Result<u32, QuorumError> {
        let closed = self.waitlist.close_if(&self.slot, at_least);
        closed.map_err(|occupied| QuorumError { occupied, quorum: at_least })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gate = f.debug_struct("Gate");
        gate.field("capacity", &self.capacity())
            .field("occupied", &self.occupied())
            .field("closed", &self.is_closed());
        #[cfg(feature = "wait")]
        gate.field("waiting", &self.waiting());
        gate.finish()
    }
}
