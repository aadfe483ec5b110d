//! The steps of the waitlist on the slot, with the feature `wait`.
//!
//! # Invariant
//!
//! The caller of each operation holds the lock of the waitlist, so no two of them overlap, and no
//! other operation changes the flags. The word leaves the hands of the other threads in one step,
//! which tells the level, and comes back in one step, which sets it. In between, additions and
//! subtractions of callers that had not looked fall on a count that means nothing: those callers
//! see WAITING, and go away or come to the lock.

use super::{Slot, SlotWord, CEILING, CLOSED, WAITING};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::run;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// The word while the lock decides, but for CLOSED. Its count is above [`CEILING`], and stays so
/// whatever falls on it: one step for each thread until the next release renews the word.
pub(crate) const LOCKED: u32 = WAITING | (CEILING << 1);

/// Claims places, or else hands the word over to the lock. Returns the level at the hand-over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ClaimOrLock {
    Look(u32),
    Swap(u32, SlotWord),
}

impl ClaimOrLock {
    pub(crate) fn step(self, word: &AtomicU32) -> Step<ClaimOrLock, Option<u32>> {
        match self {
            // Relaxed: `Swap` checks what was read.
            ClaimOrLock::Look(n) => {
                Next(ClaimOrLock::Swap(n, SlotWord(word.load(Ordering::Relaxed))))
            }
            ClaimOrLock::Swap(n, seen) => {
                let level = seen.level();
                let locks = seen.free() < n;
                if locks && mutant!("slot-lock-unchecked") {
                    word.swap(LOCKED, Ordering::Relaxed);
                    return Done(Some(level));
                }
                let after = if locks { LOCKED } else { seen.with_level(level + n).0 };
                // Acquire, pairs with the Release of `Leave` and `Give`, as in `Enter::add`; on
                // behalf of the waiters, if the lock takes over.
                let success = ordering!("slot-claim-or-lock", Acquire => Relaxed);
                // Relaxed on failure: the value decides only what to try next.
                match word.compare_exchange(seen.0, after, success, Ordering::Relaxed) {
                    Ok(_) => Done(locks.then_some(level)),
                    Err(now) => Next(ClaimOrLock::Swap(n, SlotWord(now))),
                }
            }
        }
    }
}

/// Closes a slot of `places` places and hands the word over to the lock, if at least `at_least`
/// places are held. Returns how many are held, as an error if they are fewer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CloseAndLock {
    Look { at_least: u32, places: u32 },
    Swap { at_least: u32, places: u32, seen: SlotWord },
}

impl CloseAndLock {
    fn decide(at_least: u32, places: u32, seen: SlotWord) -> Step<CloseAndLock, Result<u32, u32>> {
        match seen.held(places) {
            held if held < at_least => Done(Err(held)),
            _ => Next(CloseAndLock::Swap { at_least, places, seen }),
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<CloseAndLock, Result<u32, u32>> {
        match self {
            CloseAndLock::Look { at_least, places } => {
                // Acquire, pairs with the Release of `Leave` and `Give`: the answer is a reading,
                // as in `Slot::read`.
                let ordering = ordering!("slot-close-and-lock-look", Acquire => Relaxed);
                CloseAndLock::decide(at_least, places, SlotWord(word.load(ordering)))
            }
            CloseAndLock::Swap { at_least, places, seen } => {
                // Relaxed on success: the caller reads the word again before the lock is free. That
                // load is Acquire (`Slot::read`), and reads what this exchange wrote, which
                // continues the release sequences of the holders that have left.
                // Acquire on failure: as in `Look`.
                let failure = ordering!("slot-close-and-lock-lost", Acquire => Relaxed);
                let closed = LOCKED | CLOSED;
                match word.compare_exchange(seen.0, closed, Ordering::Relaxed, failure) {
                    Ok(_) => Done(Ok(seen.held(places))),
                    Err(now) => CloseAndLock::decide(at_least, places, SlotWord(now)),
                }
            }
        }
    }
}

/// Renews the word while the lock decides: it is closed or open, and what fell on it is gone.
pub(crate) fn renew(word: &AtomicU32, closed: bool) {
    // Relaxed: while the lock decides, the lock orders. A swap, here and in `unlock`, as loom does
    // not know that no store comes between the load and the store of another thread's addition.
    word.swap(LOCKED | if closed { CLOSED } else { 0 }, Ordering::Relaxed);
}

/// Gives the word back to all threads, open and at that level.
pub(crate) fn unlock(word: &AtomicU32, level: u32) {
    debug_assert!(level <= CEILING);
    // Release, pairs with the Acquire of `Enter::add` and `Take`: a caller that enters from here on
    // sees the earlier writes of the holders that left, and of the caller that reopened, under the
    // lock.
    word.swap(level, ordering!("slot-unlock", Release => Relaxed));
}

impl Slot {
    /// Claims `n` places, or else hands the word over to the lock. Returns how many places are held
    /// at the hand-over. The lock must not have the word already.
    pub(crate) fn claim_or_lock(&self, n: u32) -> Option<u32> {
        run!(ClaimOrLock::Look(n), &self.word).map(|level| level + self.places() - CEILING)
    }

    /// Hands the word over to the lock. Returns how many places are held.
    pub(crate) fn lock(&self) -> u32 {
        self.claim_or_lock(CEILING + 1).expect("no slot has so many places")
    }

    /// Closes and hands the word over to the lock if at least `at_least` places are held. Returns
    /// how many are held, as an error if they are fewer.
    pub(crate) fn close_and_lock(&self, at_least: u32) -> Result<u32, u32> {
        run!(CloseAndLock::Look { at_least, places: self.places() }, &self.word)
    }

    /// Closes or opens the slot while the lock decides.
    pub(crate) fn renew(&self, closed: bool) {
        renew(&self.word, closed);
    }

    /// Gives the word back to all threads, with `held` places held.
    pub(crate) fn unlock(&self, held: u32) {
        unlock(&self.word, CEILING - self.places() + held);
    }
}
