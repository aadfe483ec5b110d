//! The gate's fields, and the operations that all that stands on a gate shares: the public methods, the
//! permits, the futures.
//!
//! # Invariant
//!
//! The slot has at most `capacity` places; it has exactly as many whenever no `set_capacity` is
//! running. Raising moves `capacity` first and the slot after, lowering the slot first.

use super::fast_hint;
use crate::error::TryAcquireError;
use crate::protocol::slot::{Refusal, Slot, SlotWord, CEILING};
use crate::sync::{const_fn, AtomicU32, Ordering};
use crate::wait::Waitlist;

/// A limit on how many may be inside at once.
///
/// A gate is a semaphore that never waits unless asked: [`try_acquire`](Gate::try_acquire) either
/// hands out a [`Permit`] or says why not, after one or two atomic operations. Dropping the permit
/// gives the place back. Names and behaviour are those of tokio's `Semaphore` wherever both have the thing.
///
/// # A chat room of at most 50
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
/// # More than 2 but fewer than 6 players in a game
///
/// ```
/// use headcount::Gate;
///
/// let game = Gate::new(5);
/// let mut players = vec![game.try_acquire()?, game.try_acquire()?];
/// assert_eq!(game.close_if_occupied(3).unwrap_err().occupied, 2); // too few to start
///
/// players.push(game.try_acquire()?);
/// assert_eq!(game.close_if_occupied(3), Ok(3)); // started: nobody joins a running game
/// assert!(game.try_acquire().unwrap_err().is_closed());
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
///
/// # Only one at a time reorders a large data set
///
/// ```
/// use headcount::Gate;
///
/// static REORDER: Gate = Gate::new(1);
///
/// let outcome = REORDER.try_run(|| {
///     assert!(REORDER.try_run(|| ()).is_err()); // somebody is at it already
///     "reordered"
/// });
/// assert_eq!(outcome, Ok("reordered"));
/// ```
///
/// # What is promised
///
/// - *never-over*: the places held never exceed the capacity.
/// - *exact*: [`TryAcquireError::Full`] is returned only if, at an instant within the call, as many
///   places as were asked for were not free, or (with the feature `wait`) somebody waited for a
///   place. A caller is never refused because another was in the middle of being refused.
/// - *wait-free enter*: `try_acquire` takes at most three atomic operations, the drop of a permit
///   one, and one more for each caller that was just refused, unless somebody waits for the place.
/// - *cheap no*: a refusal by a full gate is one load and writes nothing, so that a refused crowd
///   does not slow the holders.
///
/// # Closing, reopening and lowering
///
/// [`close`](Gate::close), and a [`set_capacity`](Gate::set_capacity) to fewer places than are held,
/// meet callers who have found a free place and are about to take it. Such a caller is refused and
/// backs out, in as many steps as others leave or back out at the same time; if it finds the gate
/// open and its place there again, it is admitted instead. Until then
/// [`occupied`](Gate::occupied) may count it. *never-over* and *no-leak* hold throughout; *exact*
/// holds with two exceptions, which end with the calls that are in progress:
///
/// - A call that overlaps a reopening and the next closing may cause another to be refused as full
///   in its favour, and be refused itself.
/// - So may one that overlaps the time in which places are deficit, from a lowering until enough
///   holders have left.
///
/// # Memory ordering
///
/// Giving a place back is a release operation, taking one is an acquire operation: what a holder
/// wrote before it left is visible to whoever takes that place next. A refusal synchronises with
/// nothing.
///
/// # What is not promised
///
/// Fairness among callers who try at the same time. That a place seen free by
/// [`available`](Gate::available) is still free afterwards.
///
/// # Size
///
/// 8 bytes, and 24 with the feature `wait`. It is not padded: gates that different threads hammer
/// belong on cache lines of their own, for instance in `crossbeam_utils::CachePadded`.
pub struct Gate {
    pub(crate) slot: Slot,
    pub(super) capacity: AtomicU32,
    pub(crate) waitlist: Waitlist,
}

impl Gate {
    const_fn! {
        /// Returns a gate with `capacity` places of which `occupied` are held.
        ///
        /// The caller has checked that `occupied <= capacity <= CEILING`.
        pub(crate) const fn with_occupied(capacity: u32, occupied: u32) -> Gate {
            Gate {
                slot: Slot::new(capacity, occupied),
                capacity: AtomicU32::new(capacity),
                waitlist: Waitlist::new(),
            }
        }
    }

    /// Reads the capacity.
    #[inline]
    pub(super) fn places(&self) -> u32 {
        // Relaxed: a number that stands for itself.
        self.capacity.load(Ordering::Relaxed)
    }

    /// Claims one place. Does without the look if this thread has just found room to spare here.
    ///
    /// What is written here ends up in the caller: an entry without a look, and a refusal. The rest
    /// is called, and marked cold so that it stands out of the way of the refusal.
    #[inline]
    pub(crate) fn enter(&self) -> Result<(), TryAcquireError> {
        if fast_hint::likely_available(self) {
            self.slot.enter_unseen_or_else(|entered| self.remember(entered))
        } else {
            self.slot.look()?;
            self.enter_after_look()
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_after_look(&self) -> Result<(), TryAcquireError> {
        self.remember(self.slot.enter_unseen())
    }

    /// Notes whether an entry found room to spare.
    #[cold]
    #[inline(never)]
    fn remember(&self, entered: Result<u32, Refusal>) -> Result<(), TryAcquireError> {
        fast_hint::record(self, matches!(entered, Ok(level) if level < CEILING));
        Ok(self.waitlist.admit(&self.slot, entered?, 1)?)
    }

    /// Claims one place. Returns how many places are held then, the new one included.
    ///
    /// Exact at the instant of the entry, but for a `set_capacity` that runs at the same time.
    #[allow(dead_code)]
    #[inline]
    pub(crate) fn enter_counted(&self) -> Result<u32, TryAcquireError> {
        let level = self.slot.enter()?;
        self.waitlist.admit(&self.slot, level, 1)?;
        Ok(SlotWord(level).held(self.places()))
    }

    /// Claims `n` places, all or none.
    pub(crate) fn take(&self, n: u32) -> Result<(), TryAcquireError> {
        let level = self.slot.take(n)?;
        Ok(self.waitlist.admit(&self.slot, level, n)?)
    }

    /// Gives `n` places back. What is left of a WAITING flag that nobody needs goes with them.
    #[inline]
    pub(crate) fn give_back(&self, n: u32) {
        self.waitlist.give_back(&self.slot, n);
    }
}
