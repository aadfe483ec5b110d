//! The gate: a slot with the API of a semaphore that never waits unless asked.
//!
//! `core` has the fields and the shared operations, `permit` what a caller holds, `acquire` how it
//! waits. Those three do not use this file, which has the public methods.

#[cfg(feature = "wait")]
mod acquire;
mod core;
pub(crate) mod fast_hint;
mod permit;

use ::core::fmt;
use alloc::sync::Arc;

use crate::error::{QuorumError, TryAcquireError};
use crate::protocol::slot::{CEILING, WAITING};
use crate::sync::{const_fn, Ordering};
#[cfg(feature = "wait")]
pub use acquire::{Acquire, AcquireOwned};
pub use core::Gate;
pub(crate) use permit::PermitInner;
pub use permit::{OwnedPermit, Permit};

/// The most places that one step of `set_capacity` withdraws. Each such call in progress may have
/// withdrawn a step too many: this small, 32,768 of them fit between the ceiling and the flags.
const STEP_DOWN: u32 = 1 << 14;
const _: () = assert!(2 * CEILING + 32_767 * STEP_DOWN < WAITING);

impl Gate {
    /// The greatest capacity: 2^28 = 268,435,456 places.
    ///
    /// ```
    /// use headcount::Gate;
    /// assert_eq!(Gate::new(Gate::MAX_CAPACITY).available(), 268_435_456);
    /// ```
    pub const MAX_CAPACITY: u32 = CEILING;

    const_fn! {
        /// A gate with `capacity` places, all free. With capacity 0 it refuses everybody.
        ///
        /// # Panics
        ///
        /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY); in a constant, that is a
        /// compile error.
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

    /// Takes a place, or says why not. Never waits.
    ///
    /// # Errors
    ///
    /// [`Full`](TryAcquireError::Full) if all places were held, [`Closed`](TryAcquireError::Closed)
    /// if the gate was closed.
    ///
    /// # Cost
    ///
    /// A load and a `fetch_add`; a refusal by a full or closed gate is the load alone. A caller who
    /// loses the last place to another in between adds one compare-exchange.
    ///
    /// With the feature `std`, a thread remembers the gate at which it last found room to spare, and
    /// does without the load there. If that gate has filled since, the thread's next refusal costs
    /// a `fetch_add` and a compare-exchange, and those after it the load again.
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

    /// Takes `n` places, all or none. Never waits.
    ///
    /// `n == 0` gets a permit for nothing unless the gate is closed. An `n` above the capacity is
    /// refused as [`Full`](TryAcquireError::Full), and always will be.
    ///
    /// # Errors
    ///
    /// [`Full`](TryAcquireError::Full) if fewer than `n` places were free,
    /// [`Closed`](TryAcquireError::Closed) if the gate was closed. No place is taken then.
    ///
    /// # Cost
    ///
    /// A load and a compare-exchange, repeated for as long as others change the count in between
    /// (lock-free, not wait-free).
    ///
    /// ```
    /// let gate = headcount::Gate::new(5);
    /// let party = gate.try_acquire_many(3)?;
    /// assert!(gate.try_acquire_many(3).is_err());
    /// assert_eq!(gate.available(), 2); // the refused party took nothing
    /// drop(party);
    /// assert_eq!(gate.available(), 5);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_many(&self, n: u32) -> Result<Permit<'_>, TryAcquireError> {
        self.take(n)?;
        Ok(Permit(PermitInner::new(self, n)))
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that is not tied to a borrow: it can move
    /// to another thread or task and keeps the gate alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
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

    /// As [`try_acquire_many`](Self::try_acquire_many), for an owned permit.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many). The `Arc` is dropped then.
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

    /// Runs `f` inside, if there is a place: a lock that gives up at once when the capacity is 1.
    ///
    /// The place is given back when `f` returns or panics.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); `f` is not called then.
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

    /// The number of places, held or not.
    ///
    /// ```
    /// assert_eq!(headcount::Gate::new(7).capacity(), 7);
    /// ```
    pub fn capacity(&self) -> u32 {
        self.places()
    }

    /// The number of places held, forgotten permits included.
    ///
    /// Exact at an instant within the call, and never the overshoot of callers who are being
    /// refused. It exceeds the capacity after a lowering, until enough holders have left. A reading
    /// that overlaps a [`set_capacity`](Self::set_capacity) may be off by as many places as that
    /// call moves; see also [closing and lowering](Self#closing-reopening-and-lowering).
    ///
    /// This is an acquire operation: who reads that a holder has left sees what it wrote.
    ///
    /// ```
    /// let gate = headcount::Gate::new(7);
    /// let _permit = gate.try_acquire_many(3)?;
    /// assert_eq!(gate.occupied(), 3);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn occupied(&self) -> u32 {
        let capacity = self.capacity();
        self.slot.read().held(capacity).min(self.waitlist.most(capacity))
    }

    /// The number of places that nobody holds, whether or not the gate is closed.
    ///
    /// Exact at an instant within the call. Whoever acts on it must expect it to have changed:
    /// [`try_acquire`](Self::try_acquire) is the way to ask and take in one step.
    ///
    /// ```
    /// let gate = headcount::Gate::new(7);
    /// let _permit = gate.try_acquire_many(3)?;
    /// assert_eq!(gate.available(), 4);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn available(&self) -> u32 {
        self.slot.read().free()
    }

    /// True if no place is free, whether or not the gate is closed.
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

    /// Changes the number of places, at any time.
    ///
    /// Raising adds free places. Lowering takes free places at once and the others as their holders
    /// leave: nobody is thrown out, [`occupied`](Self::occupied) exceeds the capacity until then, and
    /// nobody gets in before it is below. Once a lowering call has returned, nobody is admitted
    /// beyond the new capacity.
    ///
    /// Lock-free: calls that run at the same time end in the capacity of one of them. Until they do,
    /// each may hold places that it is about to withdraw or has just withdrawn in vain, and callers
    /// may be refused for it.
    ///
    /// # Cost
    ///
    /// Two compare-exchanges for each 16,384 places, more where others change the same meanwhile.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY). Nothing has changed then.
    ///
    /// ```
    /// let gate = headcount::Gate::new(3);
    /// let mut permits = vec![gate.try_acquire()?, gate.try_acquire()?, gate.try_acquire()?];
    ///
    /// gate.set_capacity(2);
    /// assert_eq!((gate.occupied(), gate.capacity()), (3, 2)); // the three stay
    /// permits.pop();
    /// assert!(gate.try_acquire().is_err()); // two of two
    /// permits.pop();
    /// assert!(gate.try_acquire().is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn set_capacity(&self, capacity: u32) {
        assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
        let mut from = self.capacity();
        while from != capacity {
            let to = capacity.max(from.saturating_sub(STEP_DOWN));
            let lowered = from.saturating_sub(to);
            self.waitlist.withdraw(&self.slot, lowered);
            // Relaxed: the slot decides who gets in. The order that *never-over* needs, that the
            // slot never has more places than this says, is that of each call's own two changes.
            let swapped =
                self.capacity.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
            from = match swapped {
                Ok(_) => {
                    self.give_back(to.saturating_sub(from));
                    to
                }
                Err(now) => {
                    self.give_back(lowered);
                    now
                }
            };
        }
    }

    /// Lets nobody new in. Holders stay and give back as ever.
    ///
    /// Once this has returned, every [`try_acquire`](Self::try_acquire) that begins is refused as
    /// [`Closed`](TryAcquireError::Closed). Closing twice is closing once.
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

    /// Lets people in again. Reopening an open gate does nothing.
    ///
    /// This is a release operation: who gets in after it sees what was written before it.
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

    /// True if the gate is closed.
    ///
    /// ```
    /// let gate = headcount::Gate::new(2);
    /// gate.close();
    /// assert!(gate.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.slot.read().is_closed()
    }

    /// Closes the gate if and only if at least that many places are held at that instant.
    ///
    /// Returns how many were held. A gate that is closed already stays closed, and the answer is
    /// `Ok` if enough places are held.
    ///
    /// Among those held may be a caller who is about to back out, if the gate was closed before,
    /// see [closing and lowering](Self#closing-reopening-and-lowering). A call that overlaps a
    /// [`set_capacity`](Self::set_capacity) may be off by as many places as that moves.
    ///
    /// # Errors
    ///
    /// How many places were held, if they were too few. The gate is unchanged then.
    ///
    /// # Cost
    ///
    /// A load and a compare-exchange, repeated for as long as others change the count in between.
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
        let capacity = self.capacity();
        let most = self.waitlist.most(capacity);
        let too_few = |occupied| QuorumError { occupied, quorum: at_least };
        if at_least > most {
            return Err(too_few(self.occupied()));
        }
        let closed = self.slot.close_if(at_least, capacity);
        let held = closed.map_err(|held| too_few(held.min(most)))?;
        self.waitlist.closed(&self.slot);
        Ok(held.min(most))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("capacity", &self.capacity())
            .field("occupied", &self.occupied())
            .field("closed", &self.is_closed())
            .finish()
    }
}
