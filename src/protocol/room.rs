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
//! old id be a head of the room's next word for a moment, which `members`, the quorum and those who
//! find the room full could see. So places are claimed and given back by a compare-exchange that
//! covers count, lock and generation: nothing is added that is not admitted, and there is no surplus.
//! A caller repeats it only if others have come or gone in between. In rooms of up to 24 seats the
//! same step takes and frees the numbered seat; larger ones have a bitmap beside the word.

use crate::protocol::seat_bitmap::lowest_free;
use crate::protocol::step::Step::{self, Done, Next};
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
pub(crate) struct RoomSize {
    seats: u32,
    /// The count of an empty room.
    empty: u64,
}

impl RoomSize {
    pub(crate) fn new(seats: u32) -> RoomSize {
        RoomSize { seats, empty: CEILING - (u64::from(seats) << COUNT_SHIFT) }
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
pub(crate) struct RoomWord(u64);

impl RoomWord {
    fn vacant(generation: u32, size: RoomSize) -> RoomWord {
        RoomWord(CLOSED | size.empty | u64::from(generation))
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.0 as u32 & LAST_GENERATION
    }

    /// Heads inside.
    #[inline]
    pub(crate) fn held(self, size: RoomSize) -> u32 {
        (((self.0 & !(CLOSED | BUSY)) - size.empty) >> COUNT_SHIFT) as u32
    }

    /// OpenRoom, with a free seat.
    #[inline]
    pub(crate) fn admits(self) -> bool {
        self.0 < CEILING
    }

    /// OpenRoom, with one free seat: there is no room that it would be better to fill.
    #[inline]
    pub(crate) fn has_last_seat(self) -> bool {
        self.0.wrapping_sub(CEILING - ONE) < ONE
    }

    /// Whether that is the level at which the room is to be found.
    #[inline]
    pub(crate) fn is_at(self, level: u32, size: RoomSize) -> bool {
        match level {
            0 => self.is_vacant(size),
            _ => self.admits() && self.held(size) == level,
        }
    }

    #[inline]
    pub(crate) fn is_busy(self) -> bool {
        self.0 & BUSY != 0
    }

    pub(crate) fn is_locked(self, size: RoomSize) -> bool {
        self.0 & CLOSED != 0 && self.held(size) > 0
    }

    pub(crate) fn is_vacant(self, size: RoomSize) -> bool {
        self.generation() != 0 && self == RoomWord::vacant(self.generation(), size)
    }

    /// The lowest free seat, where the word has the seats.
    #[inline]
    fn next_seat(self) -> u32 {
        lowest_free(self.0 >> GENERATION_BITS)
    }

    /// With one head fewer; without the last, the room is busy and in its next generation.
    #[inline]
    fn without(self, number: u32, size: RoomSize) -> RoomWord {
        if self.held(size) > 1 {
            RoomWord(self.0 - size.one(number))
        } else {
            self.emptied(size)
        }
    }

    #[cold]
    fn emptied(self, size: RoomSize) -> RoomWord {
        // After its last generation a room is retired: no id is ever used twice.
        let next = (self.generation() + 1) & LAST_GENERATION;
        RoomWord(RoomWord::vacant(next, size).0 | BUSY)
    }

    fn with_lock(self, locked: bool) -> RoomWord {
        RoomWord(if locked { self.0 | CLOSED } else { self.0 & !CLOSED })
    }
}

/// Why a room lets nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RoomRefusal {
    Full,
    Locked,
    /// Not opened yet under this generation.
    Vacant,
    /// Of another generation, or between two.
    Gone,
}

/// Claims a place under a generation. Yields what the room became, and the seat if the word has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum EnterRoom {
    Look { generation: u32 },
    Swap { seen: RoomWord },
}

impl EnterRoom {
    fn decide(
        generation: u32,
        seen: RoomWord,
        size: RoomSize,
    ) -> Step<EnterRoom, Result<(RoomWord, u32), RoomRefusal>> {
        if seen.generation() != generation {
            Done(Err(RoomRefusal::Gone))
        } else if seen.admits() {
            Next(EnterRoom::Swap { seen })
        } else if seen.is_locked(size) {
            Done(Err(RoomRefusal::Locked))
        } else if seen.held(size) > 0 {
            Done(Err(RoomRefusal::Full))
        } else if seen.is_vacant(size) {
            Done(Err(RoomRefusal::Vacant))
        } else {
            Done(Err(RoomRefusal::Gone))
        }
    }

    #[inline(always)]
    pub(crate) fn step(
        self,
        word: &AtomicU64,
        size: RoomSize,
    ) -> Step<EnterRoom, Result<(RoomWord, u32), RoomRefusal>> {
        match self {
            EnterRoom::Look { generation } => {
                // Relaxed: the swap checks what was read.
                EnterRoom::decide(generation, RoomWord(word.load(Ordering::Relaxed)), size)
            }
            EnterRoom::Swap { seen } => {
                let number = if size.is_small() { seen.next_seat() } else { 0 };
                let entered = seen.0 + size.one(number);
                // SeqCst: its Acquire pairs with the Release of `OpenRoom` and of every `LeaveRoom` before
                // it. All of it pairs with `Lobby::offer`, see there.
                // Relaxed on failure: decides only what to try next.
                match word.compare_exchange(seen.0, entered, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Done(Ok((RoomWord(entered), number))),
                    Err(now) => EnterRoom::decide(seen.generation(), RoomWord(now), size),
                }
            }
        }
    }
}

/// Gives one place back, with its seat if the word has it. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LeaveRoom {
    Look { number: u32 },
    Swap { number: u32, seen: RoomWord },
}

impl LeaveRoom {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64, size: RoomSize) -> Step<LeaveRoom, RoomWord> {
        match self {
            // Relaxed: the swap checks what was read.
            LeaveRoom::Look { number } => {
                Next(LeaveRoom::Swap { number, seen: RoomWord(word.load(Ordering::Relaxed)) })
            }
            LeaveRoom::Swap { number, seen } => {
                let left = seen.without(number, size);
                // SeqCst: its Release pairs with the Acquire of `EnterRoom` and of the last `LeaveRoom`: who
                // takes this place next, or drops the state, comes after all that was done in here.
                // All of it pairs with `Lobby::offer`, see there. Relaxed on failure: as in `EnterRoom`.
                match word.compare_exchange(seen.0, left.0, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Done(left),
                    Err(now) => Next(LeaveRoom::Swap { number, seen: RoomWord(now) }),
                }
            }
        }
    }
}

/// Takes a vacant room for oneself, to open it under that generation. Yields whether it was had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ClaimRoom {
    pub(crate) generation: u32,
}

impl ClaimRoom {
    pub(crate) fn step(self, word: &AtomicU64, size: RoomSize) -> Step<ClaimRoom, bool> {
        let vacant = RoomWord::vacant(self.generation, size).0;
        // Acquire: pairs with the Release of `VacateRoom`: the last word's state is gone.
        // Relaxed on failure: nothing was had.
        let claimed =
            word.compare_exchange(vacant, vacant | BUSY, Ordering::Acquire, Ordering::Relaxed);
        Done(claimed.is_ok())
    }
}

/// Opens a room that one has claimed, with oneself inside, on seat 0. Yields what the room became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct OpenRoom;

impl OpenRoom {
    pub(crate) fn step(self, word: &AtomicU64, size: RoomSize) -> Step<OpenRoom, RoomWord> {
        let change = (CLOSED | BUSY) - size.one(0);
        // SeqCst: its Release pairs with the Acquire of `EnterRoom`: who enters sees the state. All of it
        // pairs with `Lobby::offer`, see there.
        let before = word.fetch_sub(change, Ordering::SeqCst);
        Done(RoomWord(before - change))
    }
}

/// Makes a busy room vacant, or retires it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct VacateRoom;

impl VacateRoom {
    pub(crate) fn step(self, word: &AtomicU64) -> Step<VacateRoom, ()> {
        // SeqCst: its Release pairs with the Acquire of `ClaimRoom`. All of it pairs with
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
    Swap { locked: bool, at_least: u32, seen: RoomWord },
}

impl SetLock {
    fn decide(
        (locked, at_least): (bool, u32),
        seen: RoomWord,
        size: RoomSize,
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
        size: RoomSize,
    ) -> Step<SetLock, Option<Result<u32, u32>>> {
        match self {
            SetLock::Look { generation, locked, at_least } => {
                // Acquire: the answer is a reading: who reads that a head has left sees what it wrote.
                let seen = RoomWord(word.load(Ordering::Acquire));
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
                    Err(now) if RoomWord(now).generation() != seen.generation() => Done(None),
                    Err(now) => SetLock::decide((locked, at_least), RoomWord(now), size),
                }
            }
        }
    }
}

/// One reading, that needs no more than itself.
#[inline]
pub(crate) fn read(word: &AtomicU64) -> RoomWord {
    // Acquire: pairs with the Release of `LeaveRoom`: who reads that a head has left sees what it wrote.
    RoomWord(word.load(Ordering::Acquire))
}

/// A reading that comes after a change to a hint: see `Lobby::offer`.
#[inline]
pub(crate) fn read_after(word: &AtomicU64) -> RoomWord {
    RoomWord(crate::sync::load_seq_cst(word))
}

/// A room that is vacant in its first generation.
pub(crate) fn first(size: RoomSize) -> AtomicU64 {
    AtomicU64::new(RoomWord::vacant(1, size).0)
}
