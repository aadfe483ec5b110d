//! The fields of a gate, and the operations that its public methods, its permits and its futures
//! share.
//!
//! # Invariant
//!
//! The waitlist is only ever given the slot of its own gate.

use super::fast_hint;
use crate::error::TryAcquireError;
use crate::protocol::slot::{Refusal, Slot, Wanted, CEILING};
use crate::sync::const_fn;
use crate::wait::Waitlist;

/// A counting semaphore that answers at once.
///
/// A gate has a number of places, its capacity. [`try_acquire`](Gate::try_acquire) takes one and
/// returns a [`Permit`](crate::Permit), or returns the reason for which it cannot; it never waits.
/// Dropping the permit gives the place back. The capacity can be changed and the gate closed at any
/// time, while permits are held.
///
/// # Guarantees
///
/// - *never-over*: a caller is admitted only if the places held then, with its own, are within the
///   capacity. The exception is [`force_acquire`](Gate::force_acquire).
/// - *exact*: [`TryAcquireError::Full`] is returned only if, at an instant within the call, fewer
///   places were free than asked for, or (with the feature `wait`) a caller waited for a place. A
///   call is never refused because another call is in the middle of being refused. Without the
///   feature `wait` there are two exceptions, see [below](#closing-reopening-and-lowering).
/// - *no-leak*: each place is given back exactly once, when its permit is dropped.
/// - *wait-free enter*: `try_acquire` takes at most three atomic operations; without the feature
///   `wait`, only while the gate is neither closed nor lowered. The drop of a permit of one place
///   takes one, and one more for each refused call that left its increment behind, while the gate
///   is open, there is no deficit and no caller waits.
/// - *cheap no*: a refusal by a gate that is full or closed when the call begins is one load and
///   writes nothing, so that refused callers do not slow the holders down. The exception is a
///   thread's first refusal after an admission, see [`try_acquire`](Gate::try_acquire).
///
/// - *unblocked*: if a thread stops for ever within a call, the calls of others keep every
///   guarantee. With the feature `wait` there is one exception: a thread that stops while it has
///   the lock of the waitlist stops those that need the lock. `try_acquire` never does.
///
/// # Closing, reopening and lowering
///
/// With the feature `wait`, a closed gate and a deficit (the places held above the capacity, after
/// a lowering or a [forced entry](Gate::force_acquire)) are looked after under the lock of the
/// waitlist: each release takes the lock then, and so does each reading of the counts. All of them
/// are exact, but for a reading that overlaps a change of the capacity.
///
/// Without the feature there is no lock. A closing, and a lowering to fewer places than are held,
/// can come between the moment in which a call finds a free place and the moment in which it takes
/// that place. Such a call backs out and is refused. Backing out takes as many steps as other calls
/// change the count meanwhile; if the call finds the gate open and its place free again, it is
/// admitted instead. Until then [`occupied`](Gate::occupied) and
/// [`close_if_occupied`](Gate::close_if_occupied) can count it. *never-over* and *no-leak* hold
/// throughout. *exact* has two exceptions, which end with the calls in progress:
///
/// - A call that overlaps a reopening and the next closing can cause another call to be refused as
///   full, and be refused itself.
/// - So can a call that overlaps a deficit, or a release that pays one, or two changes of the
///   capacity at the same time.
///
/// # What is not promised
///
/// - Fairness among callers that try at the same time.
/// - That a place reported by [`available`](Gate::available) is still free afterwards.
///
/// # The feature `wait`
///
/// Any crate of a program can switch the feature on, for all of them. A gate then grows, see
/// [below](#size), and [`Full`](TryAcquireError::Full) can also mean that a caller waits: as long
/// as one does, `try_acquire` is refused, even if a place is free at that instant.
///
/// # Cost
///
/// Each method states its own. Nothing allocates without the feature `wait`; with it, the first
/// call of a gate that waits, closes, forces an entry or changes the capacity allocates the
/// waitlist.
///
/// # Memory ordering
///
/// *happens-before*: giving a place back is a release operation and taking one is an acquire
/// operation, so a caller that takes a place sees the earlier writes of the holders that gave
/// places back before. A refusal orders nothing.
///
/// # Size
///
/// 8 bytes; with the feature `wait` 24 bytes, or 16 on a 32-bit target. A gate is not padded: gates
/// that different threads use heavily belong on different cache lines, for instance each in a
/// `crossbeam_utils::CachePadded`.
///
/// # Examples
///
/// A chat room of at most 50:
///
/// ```
/// use headcount::Gate;
///
/// static ROOM: Gate = Gate::new(50);
///
/// let guests: Vec<_> = (0..60).filter_map(|_| ROOM.try_acquire().ok()).collect();
/// assert_eq!(guests.len(), 50);
/// drop(guests);
/// assert_eq!(ROOM.occupied(), 0);
/// ```
///
/// More than 2 but fewer than 6 players in a game:
///
/// ```
/// use headcount::Gate;
///
/// let game = Gate::new(5);
/// let mut players = vec![game.try_acquire()?, game.try_acquire()?];
/// assert_eq!(game.close_if_occupied(3).unwrap_err().occupied, 2); // too few to start
///
/// players.push(game.try_acquire()?);
/// assert_eq!(game.close_if_occupied(3), Ok(3)); // started: a running game admits no player
/// assert!(game.try_acquire().unwrap_err().is_closed());
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
///
/// Only one thread at a time reorders a large data set, and the others do not wait for it:
///
/// ```
/// use headcount::Gate;
///
/// static REORDER: Gate = Gate::new(1);
///
/// let outcome = REORDER.try_run(|| {
///     assert!(REORDER.try_run(|| ()).is_err()); // it runs already
///     "reordered"
/// });
/// assert_eq!(outcome, Ok("reordered"));
/// ```
pub struct Gate {
    pub(crate) slot: Slot,
    pub(crate) waitlist: Waitlist,
}

impl Gate {
    const_fn! {
        /// Returns a gate with `capacity` places of which `occupied` are held.
        ///
        /// The caller has checked that `occupied <= capacity <= CEILING`.
        pub(crate) const fn with_occupied(capacity: u32, occupied: u32) -> Gate {
            Gate { slot: Slot::new(capacity, occupied), waitlist: Waitlist::new() }
        }
    }

    /// Claims one place. Skips the look if this thread's last entry here left a place free.
    ///
    /// This body is inlined into the caller: an entry without a look, and a refusal. The rest is
    /// called, and marked cold so that it stays out of the refusal's path.
    #[inline]
    pub(crate) fn enter(&self) -> Result<(), TryAcquireError> {
        if fast_hint::likely_available(self) {
            self.slot.enter_unseen_or_else(|entered| self.finish_entering(entered))
        } else {
            self.slot.look()?;
            self.enter_after_look()
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_after_look(&self) -> Result<(), TryAcquireError> {
        self.finish_entering(self.slot.enter_unseen())
    }

    /// Records whether an entry left a place free.
    #[cold]
    #[inline(never)]
    fn finish_entering(&self, entered: Result<u32, Refusal>) -> Result<(), TryAcquireError> {
        fast_hint::record(self, matches!(entered, Ok(level) if level < CEILING));
        Ok(entered.map(drop)?)
    }

    /// Claims one place. Returns how many places are held at that instant, the new one included.
    ///
    /// The result is off by what a `set_capacity` moves that runs at the same time.
    #[cfg(target_has_atomic = "64")]
    #[inline]
    pub(crate) fn enter_counted(&self) -> Result<u32, TryAcquireError> {
        let level = self.slot.enter()?;
        Ok(crate::protocol::slot::SlotWord(level).held(self.slot.places()))
    }

    /// Claims `n` places, all or none.
    pub(crate) fn take(&self, n: u32) -> Result<(), TryAcquireError> {
        self.take_wanted(Wanted::Exactly(n)).map(drop)
    }

    /// Claims several places in one step. Returns how many.
    pub(crate) fn take_wanted(&self, wanted: Wanted) -> Result<u32, TryAcquireError> {
        Ok(self.slot.take(wanted)?)
    }

    /// Gives `n` places back.
    #[inline]
    pub(crate) fn give_back(&self, n: u32) {
        self.waitlist.give_back(&self.slot, n);
    }
}
