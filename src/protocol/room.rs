//! A room's word: how many members are inside, which seats they have, and the room's generation.
//!
//! The word has the shape of a slot but is not a [`slot`](super::slot): a slot's count changes
//! alone, while here count, seats, lock and generation change in one step. A lock holds for exactly
//! the count at which it was set, the last member to leave closes the room, and an id stops working
//! in the step that closes its room.
//!
//! # Invariant
//!
//! As in a slot, the count goes up to a fixed ceiling and the flags stand above it, so that one
//! compare with a constant decides whether a place is free.
//!
//! ```text
//! bit 63       CLOSED: the room admits no new member
//! bit 62       BUSY: one thread owns the room, to make or to drop its state
//! bits 48..62  the count, with the CEILING at its top
//! bits 24..48  the seats that are taken, for rooms of up to 24 seats
//! bits  0..24  the generation of the room, or the next one where the room is vacant
//! ```
//!
//! | members | CLOSED | BUSY  | the room is                                               |
//! |---------|--------|-------|-----------------------------------------------------------|
//! | some    | clear  | clear | *open*                                                    |
//! | some    | set    | clear | *locked*: members stay or leave, new ones are refused     |
//! | none    | set    | set   | *busy*: its state is being made or dropped                |
//! | none    | set    | clear | *vacant*: to be opened under the generation in the word   |
//! | none    | set    | clear | *retired*, if the generation is 0: never opened again     |
//!
//! No other combination occurs. The last member to leave closes the room and advances the
//! generation in the same step, so an open room is never empty.
//!
//! A gate is entered by an addition that is checked afterwards. Here such an addition would count a
//! caller with an old id as a member of the room's next generation for a moment, where readers of
//! `members`, the quorum and other callers could see it. Places are therefore taken and returned by
//! a compare-exchange over count, lock and generation: only admitted callers are counted, and there
//! is no surplus. A caller repeats the exchange only if another call has changed the word in
//! between. In rooms of up to 24 seats the same step takes or frees the numbered seat; larger rooms
//! keep a bitmap beside the word.

use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::seat_bitmap::lowest_free;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU64, Ordering};

const CLOSED: u64 = 1 << 63;
const BUSY: u64 = 1 << 62;
const CEILING: u64 = 1 << 61;

/// The number of bits of a generation.
pub(crate) const GENERATION_BITS: u32 = 24;
/// The last generation of a room.
const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// The lowest bit of the count.
const COUNT_SHIFT: u32 = 48;
const ONE: u64 = 1 << COUNT_SHIFT;

/// The largest number of seats that fit into the word.
const SMALL: u32 = COUNT_SHIFT - GENERATION_BITS;

/// The number of seats of a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RoomSize {
    seats: u32,
    /// The count of an empty room, in place.
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

    /// Returns whether the word holds the bitmap of seats.
    #[inline]
    pub(crate) fn is_small(self) -> bool {
        self.seats <= SMALL
    }

    /// Returns what one member adds to the word: one to the count, and the bit of its seat if the
    /// room is small.
    #[inline]
    fn one(self, number: u32) -> u64 {
        let seat = if self.is_small() { 1 << (GENERATION_BITS + number) } else { 0 };
        ONE + seat
    }
}

/// A value of a room's word.
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

    /// Returns the number of members.
    #[inline]
    pub(crate) fn held(self, size: RoomSize) -> u32 {
        (((self.0 & !(CLOSED | BUSY)) - size.empty) >> COUNT_SHIFT) as u32
    }

    /// Returns whether the room is open and has a free seat.
    #[inline]
    pub(crate) fn admits(self) -> bool {
        self.0 < CEILING
    }

    /// Returns whether the room is open and has exactly one free seat, so that no room fits better.
    #[inline]
    pub(crate) fn has_last_seat(self) -> bool {
        self.0.wrapping_sub(CEILING - ONE) < ONE
    }

    /// Returns whether a search at that level may yield the room: `level` members and a free seat,
    /// or vacant at level 0.
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

    /// Returns the lowest free seat of a small room.
    #[inline]
    fn next_seat(self) -> u32 {
        lowest_free(self.0 >> GENERATION_BITS)
    }

    /// Returns the word without one member. Without its last member a room is busy, and in its next
    /// generation.
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
        // After its last generation a room is retired, so that no id is used twice.
        let advance = u32::from(!mutant!("room-same-generation"));
        let next = (self.generation() + advance) & LAST_GENERATION;
        RoomWord(RoomWord::vacant(next, size).0 | BUSY)
    }

    fn with_lock(self, locked: bool) -> RoomWord {
        RoomWord(if locked { self.0 | CLOSED } else { self.0 & !CLOSED })
    }
}

/// Why a room refuses a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RoomRefusal {
    Full,
    Locked,
    /// The room is not open yet under this generation.
    Vacant,
    /// The room has another generation, or is busy.
    Gone,
}

/// Takes a place under a generation. Yields the new word and, in small rooms, the number of the
/// seat.
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
        if seen.generation() != generation && !mutant!("room-any-generation") {
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
                // Relaxed: the exchange in `Swap` checks the value.
                EnterRoom::decide(generation, RoomWord(word.load(Ordering::Relaxed)), size)
            }
            EnterRoom::Swap { seen } => {
                let number = if size.is_small() { seen.next_seat() } else { 0 };
                let entered = seen.0 + size.one(number);
                // SeqCst. Its Acquire pairs with the Release of `OpenRoom` (the member sees the
                // state), of `LeaveRoom` (it sees what earlier members wrote) and of `SetLock` (it
                // sees what was written before the unlocking). As SeqCst it pairs with the removal
                // of hints (`Lobby::offer`):
                // - if this exchange comes first, the thread that removes the hint reads the new
                //   word afterwards and hints at the room again;
                // - if the removal comes first, the caller sees no hint afterwards and sets one.
                // Loom cannot tell SeqCst from AcqRel here: its `load_seq_cst` has a fence.
                // Relaxed on failure: decides only what to try next.
                let order = ordering!("room-enter-no-acquire", SeqCst => Release);
                match word.compare_exchange(seen.0, entered, order, Ordering::Relaxed) {
                    Ok(_) => Done(Ok((RoomWord(entered), number))),
                    Err(now) => EnterRoom::decide(seen.generation(), RoomWord(now), size),
                }
            }
        }
    }
}

/// Returns one place and, in small rooms, its seat. Yields the new word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LeaveRoom {
    Look { number: u32 },
    Swap { number: u32, seen: RoomWord },
}

impl LeaveRoom {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64, size: RoomSize) -> Step<LeaveRoom, RoomWord> {
        match self {
            // Relaxed: the exchange in `Swap` checks the value.
            LeaveRoom::Look { number } => {
                Next(LeaveRoom::Swap { number, seen: RoomWord(word.load(Ordering::Relaxed)) })
            }
            LeaveRoom::Swap { number, seen } => {
                let left = seen.without(number, size);
                // SeqCst. Its Release pairs with the Acquire of `EnterRoom`, of readers, and of the
                // last `LeaveRoom`: the next holder of the place, and the thread that drops the
                // state, see all that this member wrote. Its Acquire is for the last member, which
                // drops the state. As SeqCst it pairs with the removal of hints, as in `EnterRoom`.
                // Relaxed on failure: decides only what to try next.
                let order = ordering!(
                    "room-leave-no-release", SeqCst => Acquire;
                    "room-leave-no-acquire", SeqCst => Release;
                );
                match word.compare_exchange(seen.0, left.0, order, Ordering::Relaxed) {
                    Ok(_) => Done(left),
                    Err(now) => Next(LeaveRoom::Swap { number, seen: RoomWord(now) }),
                }
            }
        }
    }
}

/// Claims a vacant room, to open it under that generation. Yields whether this call claimed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ClaimRoom {
    pub(crate) generation: u32,
}

impl ClaimRoom {
    pub(crate) fn step(self, word: &AtomicU64, size: RoomSize) -> Step<ClaimRoom, bool> {
        let vacant = RoomWord::vacant(self.generation, size).0;
        // Acquire, pairs with the Release of `VacateRoom`: the previous state has been dropped. No
        // model can kill its weakening: every caller has read the word before with Acquire. It is
        // kept so that the claim needs no promise by the caller. Relaxed on failure: nothing was
        // claimed.
        let claimed =
            word.compare_exchange(vacant, vacant | BUSY, Ordering::Acquire, Ordering::Relaxed);
        Done(claimed.is_ok())
    }
}

/// Opens a claimed room, with the caller as member on seat 0. Yields the new word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct OpenRoom;

impl OpenRoom {
    pub(crate) fn step(self, word: &AtomicU64, size: RoomSize) -> Step<OpenRoom, RoomWord> {
        let change = (CLOSED | BUSY) - size.one(0);
        // SeqCst. Its Release pairs with the Acquire of `EnterRoom`: later members see the state.
        // As SeqCst it pairs with the removal of hints, as in `EnterRoom`.
        let before = word.fetch_sub(change, ordering!("room-open-no-release", SeqCst => Acquire));
        Done(RoomWord(before - change))
    }
}

/// Makes a busy room vacant, or retires it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct VacateRoom;

impl VacateRoom {
    pub(crate) fn step(self, word: &AtomicU64) -> Step<VacateRoom, ()> {
        // SeqCst. Its Release pairs with the Acquire of `ClaimRoom` and of readers: the next state
        // is made after the previous one was dropped. As SeqCst it pairs with the removal of hints,
        // as in `EnterRoom`.
        word.fetch_and(!BUSY, ordering!("room-vacate-no-release", SeqCst => Acquire));
        Done(())
    }
}

/// Locks or unlocks a room of that generation if it has at least so many members. Yields the number
/// of members, as an error if they are too few, or `None` if the generation is another one.
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
        } else if held < at_least && !mutant!("room-start-without-quorum") {
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
                // Acquire, pairs with the Release of `LeaveRoom`: the call may return the count
                // read here, and a caller that observes a leave sees what that member wrote.
                let order = ordering!("room-lock-look-no-acquire", Acquire => Relaxed);
                let seen = RoomWord(word.load(order));
                if seen.generation() != generation {
                    return Done(None);
                }
                SetLock::decide((locked, at_least), seen, size)
            }
            SetLock::Swap { locked, at_least, seen } => {
                let set = seen.with_lock(locked);
                // SeqCst. Its Release pairs with the Acquire of `EnterRoom`: a caller that joins
                // after an unlocking sees what was written before it. As SeqCst an unlocking pairs
                // with the removal of hints, as in `EnterRoom`. No model can kill the weakening of
                // its Acquire: the value was read before, with Acquire.
                // Acquire on failure: the call may return the count read here, as in `Look`.
                let (order, failure) = (
                    ordering!("room-unlock-no-release", SeqCst => Acquire),
                    ordering!("room-lock-retry-no-acquire", Acquire => Relaxed),
                );
                match word.compare_exchange(seen.0, set.0, order, failure) {
                    Ok(_) => Done(Some(Ok(seen.held(size)))),
                    Err(now)
                        if RoomWord(now).generation() != seen.generation()
                            && !mutant!("room-lock-any-generation") =>
                    {
                        Done(None)
                    }
                    Err(now) => SetLock::decide((locked, at_least), RoomWord(now), size),
                }
            }
        }
    }
}

/// Reads the word.
#[inline]
pub(crate) fn read(word: &AtomicU64) -> RoomWord {
    // Acquire, pairs with the Release of `LeaveRoom`: a reader that observes a leave sees what that
    // member wrote.
    RoomWord(word.load(ordering!("room-read-no-acquire", Acquire => Relaxed)))
}

/// Reads the word after a hint to the room was removed: see `Lobby::offer`.
#[inline]
pub(crate) fn read_after(word: &AtomicU64) -> RoomWord {
    if mutant!("room-read-after-not-seq-cst") {
        return RoomWord(word.load(Ordering::Acquire));
    }
    // SeqCst, pairs with the exchanges above: see `EnterRoom`.
    RoomWord(crate::sync::load_seq_cst(word))
}

/// Returns the word of a room that is vacant in its first generation.
pub(crate) fn first(size: RoomSize) -> AtomicU64 {
    AtomicU64::new(RoomWord::vacant(1, size).0)
}
