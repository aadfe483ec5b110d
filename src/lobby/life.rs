//! A room's word: how many are inside, on which seats, and in which of its lives the room is.
//!
//! It has the shape of a slot, but is none: a slot's count moves alone, and here count, seats, lock and
//! generation have to move in one step. A lock must hold for the very head count at which it was set,
//! the last head out must close the room, and an id must not outlive its room between two looks.
//!
//! # Invariant
//!
//! As in every slot, the count goes up to a fixed ceiling and the flags stand above it, so that one
//! compare with a constant says whether there is a place.
//!
//! ```text
//! bit 63       CLOSED: nobody new gets in
//! bit 62       BUSY: somebody prepares or clears the room and owns all of it
//! bits 48..62  the count, with the CEILING at its top
//! bits 24..48  the seats that are taken, for rooms of up to 24 seats
//! bits  0..24  the generation: which of its lives the room is in, or goes to next
//! ```
//!
//! | heads | CLOSED | BUSY  | the room is                                                |
//! |-------|--------|-------|------------------------------------------------------------|
//! | some  | clear  | clear | *open*                                                     |
//! | some  | set    | clear | *locked*: those inside stay, nobody new gets in            |
//! | none  | set    | set   | *busy*: its state is being made or dropped                 |
//! | none  | set    | clear | *vacant*: to be opened under the generation that it bears  |
//! | none  | set    | clear | *retired*, if the generation is 0: never opened again      |
//!
//! There is no other word. The head that leaves last closes the room, and moves the generation on,
//! in the step in which it leaves, so that an open room is never empty.
//!
//! A gate is entered by an addition that is checked afterwards. Here that would let a caller with an
//! old id be a head of the room's next life for a moment, which `members`, the quorum and those who
//! find the room full could see. So places are claimed and given back by a compare-exchange that
//! covers count, lock and generation: nothing is added that is not admitted, and there is no surplus.
//! A caller repeats it only if others have come or gone in between. In rooms of up to 24 seats the
//! same step takes and frees the numbered seat; larger ones have a bitmap beside the word.

use crate::seats::lowest_free;
use crate::step::Step::{self, Done, Next};
use crate::sync::{AtomicU64, Ordering};

const CLOSED: u64 = 1 << 63;
const BUSY: u64 = 1 << 62;
const CEILING: u64 = 1 << 61;

/// The number of bits of a generation, and the last one.
pub(crate) const GENERATION_BITS: u32 = 24;
const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// Where the count begins.
const COUNT_SHIFT: u32 = 48;
const ONE: u64 = 1 << COUNT_SHIFT;

/// The most seats that fit into the word.
const SMALL: u32 = COUNT_SHIFT - GENERATION_BITS;

/// How many seats a room has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Size {
    seats: u32,
    /// The count of an empty room.
    empty: u64,
}

impl Size {
    pub(crate) fn new(seats: u32) -> Size {
        Size { seats, empty: CEILING - (u64::from(seats) << COUNT_SHIFT) }
    }

    #[inline]
    pub(crate) fn seats(self) -> u32 {
        self.seats
    }

    /// Whether the word has the seats.
    #[inline]
    pub(crate) fn is_small(self) -> bool {
        self.seats <= SMALL
    }

    /// One head in the count, with its seat if the word has the seats.
    #[inline]
    fn one(self, number: u32) -> u64 {
        let seat = if self.is_small() { 1 << (GENERATION_BITS + number) } else { 0 };
        ONE + seat
    }
}

/// One reading of a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Life(u64);

impl Life {
    fn vacant(generation: u32, size: Size) -> Life {
        Life(CLOSED | size.empty | u64::from(generation))
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.0 as u32 & LAST_GENERATION
    }

    /// Heads inside.
    #[inline]
    pub(crate) fn held(self, size: Size) -> u32 {
        (((self.0 & !(CLOSED | BUSY)) - size.empty) >> COUNT_SHIFT) as u32
    }

    /// Open, with a free seat.
    #[inline]
    pub(crate) fn admits(self) -> bool {
        self.0 < CEILING
    }

    /// Open, with one free seat: there is no room that it would be better to fill.
    #[inline]
    pub(crate) fn has_last_seat(self) -> bool {
        self.0.wrapping_sub(CEILING - ONE) < ONE
    }

    /// Whether that is the level at which the room is to be found.
    #[inline]
    pub(crate) fn is_at(self, level: u32, size: Size) -> bool {
        match level {
            0 => self.is_vacant(size),
            _ => self.admits() && self.held(size) == level,
        }
    }

    #[inline]
    pub(crate) fn is_busy(self) -> bool {
        self.0 & BUSY != 0
    }

    pub(crate) fn is_locked(self, size: Size) -> bool {
        self.0 & CLOSED != 0 && self.held(size) > 0
    }

    pub(crate) fn is_vacant(self, size: Size) -> bool {
        self.generation() != 0 && self == Life::vacant(self.generation(), size)
    }

    /// The lowest free seat, where the word has the seats.
    #[inline]
    fn next_seat(self) -> u32 {
        lowest_free(self.0 >> GENERATION_BITS)
    }

    /// With one head fewer; without the last, the room is busy and in its next generation.
    #[inline]
    fn without(self, number: u32, size: Size) -> Life {
        if self.held(size) > 1 {
            Life(self.0 - size.one(number))
        } else {
            self.emptied(size)
        }
    }

    #[cold]
    fn emptied(self, size: Size) -> Life {
        // After its last generation a room is retired: no id is ever used twice.
        let next = (self.generation() + 1) & LAST_GENERATION;
        Life(Life::vacant(next, size).0 | BUSY)
    }

    fn with_lock(self, locked: bool) -> Life {
        Life(if locked { self.0 | CLOSED } else { self.0 & !CLOSED })
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

/// Claims a place under a generation. Yields what the room became, and the seat if the word has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Enter {
    Look { generation: u32 },
    Swap { seen: Life },
}

impl Enter {
    fn decide(generation: u32, seen: Life, size: Size) -> Step<Enter, Result<(Life, u32), Shut>> {
        if seen.generation() != generation {
            Done(Err(Shut::Gone))
        } else if seen.admits() {
            Next(Enter::Swap { seen })
        } else if seen.is_locked(size) {
            Done(Err(Shut::Locked))
        } else if seen.held(size) > 0 {
            Done(Err(Shut::Full))
        } else if seen.is_vacant(size) {
            Done(Err(Shut::Vacant))
        } else {
            Done(Err(Shut::Gone))
        }
    }

    #[inline(always)]
    pub(crate) fn step(
        self,
        word: &AtomicU64,
        size: Size,
    ) -> Step<Enter, Result<(Life, u32), Shut>> {
        match self {
            Enter::Look { generation } => {
                // Relaxed: the swap checks what was read.
                Enter::decide(generation, Life(word.load(Ordering::Relaxed)), size)
            }
            Enter::Swap { seen } => {
                let number = if size.is_small() { seen.next_seat() } else { 0 };
                let entered = seen.0 + size.one(number);
                // SeqCst: its Acquire pairs with the Release of `Open` and of every `Leave` before
                // it. All of it pairs with `Lobby::offer`, see there.
                // Relaxed on failure: decides only what to try next.
                match word.compare_exchange(seen.0, entered, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Done(Ok((Life(entered), number))),
                    Err(now) => Enter::decide(seen.generation(), Life(now), size),
                }
            }
        }
    }
}

/// Gives one place back, with its seat if the word has it. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Leave {
    Look { number: u32 },
    Swap { number: u32, seen: Life },
}

impl Leave {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64, size: Size) -> Step<Leave, Life> {
        match self {
            // Relaxed: the swap checks what was read.
            Leave::Look { number } => {
                Next(Leave::Swap { number, seen: Life(word.load(Ordering::Relaxed)) })
            }
            Leave::Swap { number, seen } => {
                let left = seen.without(number, size);
                // SeqCst: its Release pairs with the Acquire of `Enter` and of the last `Leave`: who
                // takes this place next, or drops the state, comes after all that was done in here.
                // All of it pairs with `Lobby::offer`, see there. Relaxed on failure: as in `Enter`.
                match word.compare_exchange(seen.0, left.0, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Done(left),
                    Err(now) => Next(Leave::Swap { number, seen: Life(now) }),
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
    pub(crate) fn step(self, word: &AtomicU64, size: Size) -> Step<Claim, bool> {
        let vacant = Life::vacant(self.generation, size).0;
        // Acquire: pairs with the Release of `Vacate`: the last life's state is gone.
        // Relaxed on failure: nothing was had.
        let claimed =
            word.compare_exchange(vacant, vacant | BUSY, Ordering::Acquire, Ordering::Relaxed);
        Done(claimed.is_ok())
    }
}

/// Opens a room that one has claimed, with oneself inside, on seat 0. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Open;

impl Open {
    pub(crate) fn step(self, word: &AtomicU64, size: Size) -> Step<Open, Life> {
        let change = (CLOSED | BUSY) - size.one(0);
        // SeqCst: its Release pairs with the Acquire of `Enter`: who enters sees the state. All of it
        // pairs with `Lobby::offer`, see there.
        let before = word.fetch_sub(change, Ordering::SeqCst);
        Done(Life(before - change))
    }
}

/// Makes a busy room vacant, or retires it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Vacate;

impl Vacate {
    pub(crate) fn step(self, word: &AtomicU64) -> Step<Vacate, ()> {
        // SeqCst: its Release pairs with the Acquire of `Claim`. All of it pairs with
        // `Lobby::offer`, see there.
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
        size: Size,
    ) -> Step<SetLock, Option<Result<u32, u32>>> {
        let held = seen.held(size);
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
        size: Size,
    ) -> Step<SetLock, Option<Result<u32, u32>>> {
        match self {
            SetLock::Look { generation, locked, at_least } => {
                // Acquire: the answer is a reading: who reads that a head has left sees what it wrote.
                let seen = Life(word.load(Ordering::Acquire));
                if seen.generation() != generation {
                    return Done(None);
                }
                SetLock::decide((locked, at_least), seen, size)
            }
            SetLock::Swap { locked, at_least, seen } => {
                let set = seen.with_lock(locked);
                // SeqCst: as a reading, as in `Look`; an unlocking pairs with `Lobby::offer`, see
                // there. Acquire on failure: as in `Look`.
                match word.compare_exchange(seen.0, set.0, Ordering::SeqCst, Ordering::Acquire) {
                    Ok(_) => Done(Some(Ok(seen.held(size)))),
                    Err(now) if Life(now).generation() != seen.generation() => Done(None),
                    Err(now) => SetLock::decide((locked, at_least), Life(now), size),
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

/// A reading that comes after a change to a hint: see `Lobby::offer`.
#[inline]
pub(crate) fn read_after(word: &AtomicU64) -> Life {
    Life(crate::sync::load_seq_cst(word))
}

/// A room that is vacant in its first generation.
pub(crate) fn first(size: Size) -> AtomicU64 {
    AtomicU64::new(Life::vacant(1, size).0)
}
