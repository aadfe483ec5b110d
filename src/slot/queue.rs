//! What the line of those who wait does to the slot.
//!
//! # Invariant
//!
//! Each operation here is run by a thread that holds the line's lock, so no two of them overlap, and
//! nobody else clears WAITING. While somebody waits, WAITING stands, and no place is free unless a
//! leaver is on its way to the lock: what was free has been set aside for the head of the line.

use super::{Refused, Slot, Word, WAITING};
use crate::step::run;
use crate::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// Begins a line: takes as many of the places wanted as are free, and sets WAITING if they are fewer
/// than wanted. Yields how many it took.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LineUp {
    Look(u32),
    Swap(u32, Word),
}

impl LineUp {
    fn decide(wanted: u32, seen: Word) -> Step<LineUp, Result<u32, Refused>> {
        if seen.is_closed() {
            Done(Err(Refused::Closed))
        } else {
            Next(LineUp::Swap(wanted, seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<LineUp, Result<u32, Refused>> {
        match self {
            // Relaxed: `Swap` checks what was read.
            LineUp::Look(wanted) => LineUp::decide(wanted, Word(word.load(Ordering::Relaxed))),
            LineUp::Swap(wanted, seen) => {
                let taken = seen.free().min(wanted);
                let flag = if taken < wanted { WAITING } else { 0 };
                let after = seen.with_level(seen.level() + taken).0 | flag;
                // Acquire: as in `Enter::Add`. That the word is still the one that had too few free
                // places is what makes every later leaver see WAITING.
                match word.compare_exchange(seen.0, after, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(taken)),
                    Err(now) => LineUp::decide(wanted, Word(now)),
                }
            }
        }
    }
}

/// What there was for the head of the line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Granted {
    /// So many places; they are taken now.
    Places(u32),
    /// Nothing: so many places are owed and come first.
    Owing(u32),
}

/// Takes free places for the head of the line. Clears WAITING with the same stroke if the head is
/// the last in line and gets all that it wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Grant {
    Look { wanted: u32, last: bool },
    Swap { wanted: u32, last: bool, seen: Word },
}

impl Grant {
    fn decide(wanted: u32, last: bool, seen: Word) -> Step<Grant, Granted> {
        if seen.owed() > 0 {
            Done(Granted::Owing(seen.owed()))
        } else if seen.is_closed() || seen.free() == 0 {
            Done(Granted::Places(0))
        } else {
            Next(Grant::Swap { wanted, last, seen })
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Grant, Granted> {
        match self {
            Grant::Look { wanted, last } => {
                // Relaxed: `Swap` checks what was read. A place whose leaver is not seen yet is
                // that leaver's to bring, as it has yet to take the lock.
                Grant::decide(wanted, last, Word(word.load(Ordering::Relaxed)))
            }
            Grant::Swap { wanted, last, seen } => {
                let taken = seen.free().min(wanted);
                let mut after = seen.with_level(seen.level() + taken).0;
                if last && taken == wanted {
                    after &= !WAITING;
                }
                // Acquire: as in `Enter::Add`, on behalf of the one who waits.
                match word.compare_exchange(seen.0, after, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => Done(Granted::Places(taken)),
                    Err(now) => Grant::decide(wanted, last, Word(now)),
                }
            }
        }
    }
}

/// Clears WAITING when the line is empty, unless places are owed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Lower {
    Look,
    Swap(Word),
}

impl Lower {
    fn decide(seen: Word) -> Step<Lower, ()> {
        if !seen.is_waiting() || seen.owed() > 0 {
            Done(())
        } else {
            Next(Lower::Swap(seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Lower, ()> {
        match self {
            // Relaxed: changes no count, as does the swap.
            Lower::Look => Lower::decide(Word(word.load(Ordering::Relaxed))),
            Lower::Swap(seen) => {
                let after = seen.0 & !WAITING;
                // Relaxed: as above.
                match word.compare_exchange(seen.0, after, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(now) => Lower::decide(Word(now)),
                }
            }
        }
    }
}

impl Slot {
    /// Takes up to `wanted` places, and sets WAITING if that is not all; yields how many it took.
    /// Only for an empty line.
    pub(crate) fn line_up(&self, wanted: u32) -> Result<u32, Refused> {
        run!(LineUp::Look(wanted), &self.word)
    }

    /// Takes up to `wanted` places for the head of the line, who may be the `last` in it.
    pub(crate) fn grant(&self, wanted: u32, last: bool) -> Granted {
        run!(Grant::Look { wanted, last }, &self.word)
    }

    /// Clears WAITING unless places are owed. Only for an empty line.
    pub(crate) fn lower(&self) {
        run!(Lower::Look, &self.word)
    }

    /// Reopens a closed slot at which nobody waits. False if it has to be done under the lock.
    pub(crate) fn reopen_unless_waiting(&self) -> bool {
        // Relaxed: the swap checks what was read.
        let mut seen = Word(self.word.load(Ordering::Relaxed));
        while !seen.is_waiting() {
            let open = seen.0 & !super::CLOSED;
            // Release: as in `reopen`.
            match self.word.compare_exchange(seen.0, open, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = Word(now),
            }
        }
        false
    }
}
