//! The steps of the waitlist on the slot.
//!
//! # Invariant
//!
//! The caller of each operation holds the lock of the waitlist, so no two of them overlap, and no
//! other operation clears WAITING. While a caller waits, WAITING is set, and no place is free
//! unless the holder that gave it back is on its way to the lock: what was free has been set aside
//! for the head of the waitlist.

use super::{Refusal, Slot, SlotWord, WAITING};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::run;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// Claims as many of the places wanted as are free, and sets WAITING if they are fewer than wanted.
/// Returns how many it claimed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum AcquireOrSetWaiting {
    Look(u32),
    Swap(u32, SlotWord),
}

impl AcquireOrSetWaiting {
    fn decide(wanted: u32, seen: SlotWord) -> Step<AcquireOrSetWaiting, Result<u32, Refusal>> {
        if seen.is_closed() {
            Done(Err(Refusal::Closed))
        } else {
            Next(AcquireOrSetWaiting::Swap(wanted, seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<AcquireOrSetWaiting, Result<u32, Refusal>> {
        match self {
            // Relaxed: `Swap` checks what was read.
            AcquireOrSetWaiting::Look(wanted) => {
                AcquireOrSetWaiting::decide(wanted, SlotWord(word.load(Ordering::Relaxed)))
            }
            AcquireOrSetWaiting::Swap(wanted, seen) => {
                let taken = seen.free().min(wanted);
                let flag = if taken < wanted { WAITING } else { 0 };
                let after = seen.with_level(seen.level() + taken).0 | flag;
                if flag != 0 && mutant!("slot-set-waiting-unchecked") {
                    word.fetch_or(WAITING, Ordering::Relaxed);
                    return Done(Ok(0));
                }
                // Acquire, pairs with the Release of `Leave` and `Give`, as in `Enter::add`. As the
                // word still has too few free places, every later release meets WAITING.
                let success = ordering!("slot-acquire-or-set-waiting", Acquire => Relaxed);
                match word.compare_exchange(seen.0, after, success, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(taken)),
                    Err(now) => AcquireOrSetWaiting::decide(wanted, SlotWord(now)),
                }
            }
        }
    }
}

/// What the head of the waitlist gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Assigned {
    /// So many places, which are claimed now.
    Places(u32),
    /// Nothing, because of a deficit of so many places.
    Deficit(u32),
}

/// Claims free places for the head of the waitlist. Clears WAITING in the same step if the head is
/// the last waiter and gets all that it wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Assign {
    Look { wanted: u32, last: bool },
    Swap { wanted: u32, last: bool, seen: SlotWord },
}

impl Assign {
    fn decide(wanted: u32, last: bool, seen: SlotWord) -> Step<Assign, Assigned> {
        if seen.deficit() > 0 {
            Done(Assigned::Deficit(seen.deficit()))
        } else if seen.is_closed() || seen.free() == 0 {
            Done(Assigned::Places(0))
        } else {
            Next(Assign::Swap { wanted, last, seen })
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Assign, Assigned> {
        match self {
            Assign::Look { wanted, last } => {
                // Relaxed: `Swap` checks what was read. If this misses a release, the holder that
                // left has yet to take the lock, and assigns its place then.
                Assign::decide(wanted, last, SlotWord(word.load(Ordering::Relaxed)))
            }
            Assign::Swap { wanted, last, seen } => {
                let taken = seen.free().min(wanted);
                let mut after = seen.with_level(seen.level() + taken).0;
                if last && taken == wanted {
                    after &= !WAITING;
                }
                // Acquire, pairs with the Release of `Leave` and `Give`, on behalf of the waiter.
                let success = ordering!("slot-assign", Acquire => Relaxed);
                match word.compare_exchange(seen.0, after, success, Ordering::Relaxed) {
                    Ok(_) => Done(Assigned::Places(taken)),
                    Err(now) => Assign::decide(wanted, last, SlotWord(now)),
                }
            }
        }
    }
}

/// Clears WAITING, unless there is a deficit. The waitlist is empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ClearWaiting {
    Look,
    Swap(SlotWord),
}

impl ClearWaiting {
    fn decide(seen: SlotWord) -> Step<ClearWaiting, ()> {
        let deficit = seen.deficit() > 0 && !mutant!("slot-clear-waiting-despite-deficit");
        if !seen.is_waiting() || deficit {
            Done(())
        } else {
            Next(ClearWaiting::Swap(seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<ClearWaiting, ()> {
        match self {
            // Relaxed: the count stays, also in `Swap`.
            ClearWaiting::Look => ClearWaiting::decide(SlotWord(word.load(Ordering::Relaxed))),
            ClearWaiting::Swap(seen) => {
                let after = seen.0 & !WAITING;
                // Relaxed: as in `Look`.
                match word.compare_exchange(seen.0, after, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(now) => ClearWaiting::decide(SlotWord(now)),
                }
            }
        }
    }
}

impl Slot {
    /// Claims up to `wanted` places, and sets WAITING if that is not all. Returns how many it
    /// claimed. The waitlist must be empty.
    pub(crate) fn acquire_or_set_waiting(&self, wanted: u32) -> Result<u32, Refusal> {
        run!(AcquireOrSetWaiting::Look(wanted), &self.word)
    }

    /// Claims up to `wanted` places for the head of the waitlist. `last`: no other caller waits.
    pub(crate) fn assign(&self, wanted: u32, last: bool) -> Assigned {
        run!(Assign::Look { wanted, last }, &self.word)
    }

    /// Clears WAITING, unless there is a deficit. The waitlist must be empty.
    pub(crate) fn clear_waiting(&self) {
        run!(ClearWaiting::Look, &self.word)
    }

    /// Reopens the slot if WAITING is clear. If it is set, returns false: the lock is needed.
    pub(crate) fn reopen_unless_waiting(&self) -> bool {
        // Relaxed: the swap checks what was read.
        let mut seen = SlotWord(self.word.load(Ordering::Relaxed));
        while !seen.is_waiting() || mutant!("slot-reopen-although-waiting") {
            let open = seen.0 & !super::CLOSED;
            // Release, pairs with the Acquire of `Enter::add` and `Take`, as in `reopen`.
            let success = ordering!("slot-reopen-unless-waiting", Release => Relaxed);
            match self.word.compare_exchange(seen.0, open, success, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = SlotWord(now),
            }
        }
        false
    }
}
