//! What the line of those who wait does to the slot.
//!
//! # Invariant
//!
//! Each operation here is run by a thread that holds the line's lock, so no two of them overlap, and
//! nobody else clears WAITING. While somebody waits, WAITING stands, and no place is free unless a
//! leaver is on its way to the lock: what was free has been set aside for the head of the line.

use super::{Refusal, Slot, SlotWord, WAITING};
use crate::protocol::step::run;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// Begins a line: takes as many of the places wanted as are free, and sets WAITING if they are fewer
/// than wanted. Yields how many it took.
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
                // Acquire: as in `Enter::Add`. That the word is still the one that had too few free
                // places is what makes every later leaver see WAITING.
                match word.compare_exchange(seen.0, after, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(taken)),
                    Err(now) => AcquireOrSetWaiting::decide(wanted, SlotWord(now)),
                }
            }
        }
    }
}

/// What there was for the head of the line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Assigned {
    /// So many places; they are taken now.
    Places(u32),
    /// Nothing: so many places are deficit and come first.
    Owing(u32),
}

/// Takes free places for the head of the line. Clears WAITING with the same stroke if the head is
/// the last in line and gets all that it wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Assign {
    Look { wanted: u32, last: bool },
    Swap { wanted: u32, last: bool, seen: SlotWord },
}

impl Assign {
    fn decide(wanted: u32, last: bool, seen: SlotWord) -> Step<Assign, Assigned> {
        if seen.deficit() > 0 {
            Done(Assigned::Owing(seen.deficit()))
        } else if seen.is_closed() || seen.free() == 0 {
            Done(Assigned::Places(0))
        } else {
            Next(Assign::Swap { wanted, last, seen })
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Assign, Assigned> {
        match self {
            Assign::Look { wanted, last } => {
                // Relaxed: `Swap` checks what was read. A place whose leaver is not seen yet is
                // that leaver's to bring, as it has yet to take the lock.
                Assign::decide(wanted, last, SlotWord(word.load(Ordering::Relaxed)))
            }
            Assign::Swap { wanted, last, seen } => {
                let taken = seen.free().min(wanted);
                let mut after = seen.with_level(seen.level() + taken).0;
                if last && taken == wanted {
                    after &= !WAITING;
                }
                // Acquire: as in `Enter::Add`, on behalf of the one who waits.
                match word.compare_exchange(seen.0, after, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => Done(Assigned::Places(taken)),
                    Err(now) => Assign::decide(wanted, last, SlotWord(now)),
                }
            }
        }
    }
}

/// Clears WAITING when the line is empty, unless places are deficit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ClearWaiting {
    Look,
    Swap(SlotWord),
}

impl ClearWaiting {
    fn decide(seen: SlotWord) -> Step<ClearWaiting, ()> {
        if !seen.is_waiting() || seen.deficit() > 0 {
            Done(())
        } else {
            Next(ClearWaiting::Swap(seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<ClearWaiting, ()> {
        match self {
            // Relaxed: changes no count, as does the swap.
            ClearWaiting::Look => ClearWaiting::decide(SlotWord(word.load(Ordering::Relaxed))),
            ClearWaiting::Swap(seen) => {
                let after = seen.0 & !WAITING;
                // Relaxed: as above.
                match word.compare_exchange(seen.0, after, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(now) => ClearWaiting::decide(SlotWord(now)),
                }
            }
        }
    }
}

impl Slot {
    /// Takes up to `wanted` places, and sets WAITING if that is not all; yields how many it took.
    /// Only for an empty line.
    pub(crate) fn acquire_or_set_waiting(&self, wanted: u32) -> Result<u32, Refusal> {
        run!(AcquireOrSetWaiting::Look(wanted), &self.word)
    }

    /// Takes up to `wanted` places for the head of the line, who may be the `last` in it.
    pub(crate) fn assign(&self, wanted: u32, last: bool) -> Assigned {
        run!(Assign::Look { wanted, last }, &self.word)
    }

    /// Clears WAITING unless places are deficit. Only for an empty line.
    pub(crate) fn clear_waiting(&self) {
        run!(ClearWaiting::Look, &self.word)
    }

    /// Reopens a closed slot at which nobody waits. False if it has to be done under the lock.
    pub(crate) fn reopen_unless_waiting(&self) -> bool {
        // Relaxed: the swap checks what was read.
        let mut seen = SlotWord(self.word.load(Ordering::Relaxed));
        while !seen.is_waiting() {
            let open = seen.0 & !super::CLOSED;
            // Release: as in `reopen`.
            match self.word.compare_exchange(seen.0, open, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = SlotWord(now),
            }
        }
        false
    }
}
