//! A room's slot: the slot's word, and above it whose turn it is.
//!
//! # Invariant
//!
//! ```text
//! bits 0..=31   a slot's word: the count, and CLOSED
//! bits 32..=55  the generation: which of its successive lives the room is in, or goes to next
//! bit 56        BUSY: somebody prepares or clears the room and owns all of it
//! ```
//!
//! | heads | CLOSED | BUSY | the room is                                                |
//! |-------|--------|------|------------------------------------------------------------|
//! | some  | clear  | -    | *open*                                                     |
//! | some  | set    | -    | *locked*: those inside stay, nobody new gets in            |
//! | none  | set    | set  | *busy*: its state is being made or dropped                 |
//! | none  | set    | clear| *vacant*: to be opened under the generation that it bears  |
//! | none  | set    | clear| *retired*, if the generation is 0: never opened again      |
//!
//! There is no other word. The head that leaves last closes the room, and moves the generation on,
//! in the step in which it leaves, so that an open room is never empty.
//!
//! A gate's slot is entered by an addition that is checked afterwards. Here that would let a caller
//! with an old id be a head of the room's next life for a moment, which `members`, the quorum and
//! those who find the room full could see. So places are claimed and given back by a
//! compare-exchange that covers count, lock and generation: nothing is added that is not admitted,
//! and there is no surplus. A caller repeats it only if others have come or gone in between.

use crate::slot::Step::{self, Done, Next};
use crate::slot::{Word, CEILING, CLOSED};
use crate::sync::{AtomicU64, Ordering};

const BUSY: u64 = 1 << 56;

/// The number of bits of a generation, and the last one.
pub(crate) const GENERATION_BITS: u32 = 24;
const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// One reading of a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Life(u64);

impl Life {
    pub(crate) fn vacant(generation: u32, seats: u32) -> Life {
        Life(u64::from(generation) << 32 | u64::from(CLOSED | (CEILING - seats)))
    }

    fn slot(self) -> Word {
        Word(self.0 as u32)
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & LAST_GENERATION
    }

    /// Heads inside.
    #[inline]
    pub(crate) fn held(self, seats: u32) -> u32 {
        self.slot().held(seats)
    }

    /// Open, with a free seat.
    #[inline]
    pub(crate) fn admits(self) -> bool {
        self.slot().0 < CEILING
    }

    pub(crate) fn is_locked(self, seats: u32) -> bool {
        self.slot().is_closed() && self.held(seats) > 0
    }

    pub(crate) fn is_vacant(self, seats: u32) -> bool {
        self.generation() != 0 && self == Life::vacant(self.generation(), seats)
    }

    /// Where the room is to be found: under the number of its heads if it admits, under 0 if it is
    /// vacant, and else nowhere.
    #[inline]
    pub(crate) fn level(self, seats: u32) -> Option<u32> {
        if self.admits() {
            Some(self.held(seats))
        } else {
            self.is_vacant(seats).then_some(0)
        }
    }

    /// With one head fewer; without the last, the room is busy and in its next generation.
    fn without_one(self, seats: u32) -> Life {
        if self.held(seats) > 1 {
            return Life(self.0 - 1);
        }
        // After its last generation a room is retired: no id is ever used twice.
        let next = (self.generation() + 1) & LAST_GENERATION;
        Life(Life::vacant(next, seats).0 | BUSY)
    }

    fn with_lock(self, locked: bool) -> Life {
        let closed = u64::from(CLOSED);
        Life(if locked { self.0 | closed } else { self.0 & !closed })
    }
}

/// Why a room lets nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Shut {
    Full,
    Locked,
    /// Not opened yet under this generation.
    Vacant,
    /// Of another generation, or between two.
    Gone,
}

/// Claims a place under a generation. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Enter {
    Look { generation: u32 },
    Swap { seen: Life },
}

impl Enter {
    fn decide(generation: u32, seen: Life, seats: u32) -> Step<Enter, Result<Life, Shut>> {
        if seen.generation() != generation {
            Done(Err(Shut::Gone))
        } else if seen.admits() {
            Next(Enter::Swap { seen })
        } else if seen.is_locked(seats) {
            Done(Err(Shut::Locked))
        } else if seen.held(seats) > 0 {
            Done(Err(Shut::Full))
        } else if seen.is_vacant(seats) {
            Done(Err(Shut::Vacant))
        } else {
            Done(Err(Shut::Gone))
        }
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64, seats: u32) -> Step<Enter, Result<Life, Shut>> {
        match self {
            Enter::Look { generation } => {
                // Relaxed: the swap checks what was read.
                Enter::decide(generation, Life(word.load(Ordering::Relaxed)), seats)
            }
            Enter::Swap { seen } => {
                let entered = seen.0 + 1;
                // SeqCst: its Acquire pairs with the Release of `Open` and of every `Leave` before
                // it. All of it pairs with `Shard::offer`, see there.
                // Relaxed on failure: decides only what to try next.
                match word.compare_exchange(seen.0, entered, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(Life(entered))),
                    Err(now) => Enter::decide(seen.generation(), Life(now), seats),
                }
            }
        }
    }
}

/// Gives one place back. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Leave {
    Look,
    Swap { seen: Life },
}

impl Leave {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64, seats: u32) -> Step<Leave, Life> {
        match self {
            // Relaxed: the swap checks what was read.
            Leave::Look => Next(Leave::Swap { seen: Life(word.load(Ordering::Relaxed)) }),
            Leave::Swap { seen } => {
                let left = seen.without_one(seats);
                // SeqCst: its Release pairs with the Acquire of `Enter` and of the last `Leave`: who
                // takes this place next, or drops the state, comes after all that was done in here.
                // All of it pairs with `Shard::offer`, see there. Relaxed on failure: as in `Enter`.
                match word.compare_exchange(seen.0, left.0, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Done(left),
                    Err(now) => Next(Leave::Swap { seen: Life(now) }),
                }
            }
        }
    }
}

/// Takes a vacant room for oneself, to open it under that generation. Yields whether it was had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claim {
    pub(crate) generation: u32,
}

impl Claim {
    pub(crate) fn step(self, word: &AtomicU64, seats: u32) -> Step<Claim, bool> {
        let vacant = Life::vacant(self.generation, seats).0;
        // Acquire: pairs with the Release of `Vacate`: the last life's state is gone.
        // Relaxed on failure: nothing was had.
        let claimed =
            word.compare_exchange(vacant, vacant | BUSY, Ordering::Acquire, Ordering::Relaxed);
        Done(claimed.is_ok())
    }
}

/// Opens a room that one has claimed, with oneself inside. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Open;

impl Open {
    pub(crate) fn step(self, word: &AtomicU64) -> Step<Open, Life> {
        let change = BUSY | u64::from(CLOSED);
        // SeqCst: its Release pairs with the Acquire of `Enter`: who enters sees the state. All of it
        // pairs with `Shard::offer`, see there.
        let before = word.fetch_sub(change - 1, Ordering::SeqCst);
        Done(Life(before - (change - 1)))
    }
}

/// Makes a busy room vacant, or retires it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Vacate;

impl Vacate {
    pub(crate) fn step(self, word: &AtomicU64) -> Step<Vacate, ()> {
        // SeqCst: its Release pairs with the Acquire of `Claim`. All of it pairs with
        // `Shard::offer`, see there.
        word.fetch_and(!BUSY, Ordering::SeqCst);
        Done(())
    }
}

/// Locks or unlocks a room of some generation in which at least so many are inside. Yields how many
/// are: `None` in another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum SetLock {
    Look { generation: u32, locked: bool, at_least: u32 },
    Swap { locked: bool, at_least: u32, seen: Life },
}

impl SetLock {
    fn decide(
        (locked, at_least): (bool, u32),
        seen: Life,
        seats: u32,
    ) -> Step<SetLock, Option<Result<u32, u32>>> {
        let held = seen.held(seats);
        if held == 0 {
            Done(None)
        } else if held < at_least {
            Done(Some(Err(held)))
        } else if seen == seen.with_lock(locked) {
            Done(Some(Ok(held)))
        } else {
            Next(SetLock::Swap { locked, at_least, seen })
        }
    }

    pub(crate) fn step(
        self,
        word: &AtomicU64,
        seats: u32,
    ) -> Step<SetLock, Option<Result<u32, u32>>> {
        match self {
            SetLock::Look { generation, locked, at_least } => {
                // Acquire: the answer is a reading: who reads that a head has left sees what it wrote.
                let seen = Life(word.load(Ordering::Acquire));
                if seen.generation() != generation {
                    return Done(None);
                }
                SetLock::decide((locked, at_least), seen, seats)
            }
            SetLock::Swap { locked, at_least, seen } => {
                let set = seen.with_lock(locked);
                // SeqCst: as a reading, as in `Look`; an unlocking pairs with `Shard::offer`, see
                // there. Acquire on failure: as in `Look`.
                match word.compare_exchange(seen.0, set.0, Ordering::SeqCst, Ordering::Acquire) {
                    Ok(_) => Done(Some(Ok(seen.held(seats)))),
                    Err(now) if Life(now).generation() != seen.generation() => Done(None),
                    Err(now) => SetLock::decide((locked, at_least), Life(now), seats),
                }
            }
        }
    }
}

/// One reading, that needs no more than itself.
#[inline]
pub(crate) fn read(word: &AtomicU64) -> Life {
    // Acquire: pairs with the Release of `Leave`: who reads that a head has left sees what it wrote.
    Life(word.load(Ordering::Acquire))
}

/// A reading that comes after a change to a hint: see `Shard::offer`.
#[inline]
pub(crate) fn read_after(word: &AtomicU64) -> Life {
    Life(crate::sync::load_seq_cst(word))
}

/// A room that is vacant in its first generation.
pub(crate) fn first(seats: u32) -> AtomicU64 {
    AtomicU64::new(Life::vacant(1, seats).0)
}
