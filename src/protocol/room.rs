//! A room's word: how many members are inside, which seats they have, and the room's generation.
//!
//! The word has the shape of a slot but is not a [`slot`](super::slot): a slot's count changes
//! alone, while here count, seats, lock and generation change in one step. A lock holds for exactly
//! the count at which it was set, the last member to leave closes the room, and an id stops working
//! in the step that closes its room.
//!
//! # Invariant
//!
//! ```text
//! bit 63       COUNTED: the room counts in its shard's bound of rooms that may admit
//! bit 62       LOCKED
//! bit 61       UNLISTED
//! bits 48..61  the number of members
//! bits 24..48  the seats that are taken, for rooms of up to 24 seats
//! bit 23       WATCHED: a leave has to be announced, see `party`
//! bits  0..23  the generation of the room less 1, or the next one where the room is vacant
//! ```
//!
//! | members | LOCKED | UNLISTED | COUNTED | the room is                                          |
//! |---------|--------|----------|---------|------------------------------------------------------|
//! | some    | clear  | clear    | set     | *open*: it admits if a seat is free                  |
//! | some    | clear  | clear    | clear   | open and full                                        |
//! | some    | set    | either   | either  | *locked*: members stay or leave, and none come       |
//! | some    | clear  | set      | either  | *unlisted*: it takes callers that name it, no others |
//! | none    | clear  | clear    | clear   | *vacant*: to be opened under its generation          |
//! | none    | clear  | clear    | clear   | *retired*, if that is none: never opened again       |
//!
//! No other combination occurs. The last member to leave closes the room and advances the
//! generation in the same step, so an open room is never empty. A word of 0 is vacant in its first
//! generation: fresh memory is rooms.
//!
//! To *admit* is to take a caller that has not named the room. A room admits only while it is
//! COUNTED. A call that brings a room from not counted to counted
//! announces that in the bound beforehand; the step that lets the room admit sets the flag. A
//! search that comes upon a counted room that does not admit clears the flag ([`PassRoom`]) and
//! retracts it from the bound afterwards. So a bound of 0 proves that no room of the shard admits,
//! and members that leave and join around a full room that no search passes write nothing but the
//! room's word. The bound of vacant rooms is kept alike, without a flag.
//!
//! A gate is entered by an addition that is checked afterwards. Here such an addition would count a
//! caller with an old id as a member of the room's next generation for a moment, where readers of
//! `members`, the quorum and other callers could see it. Places are therefore taken and returned by
//! a compare-exchange over count, lock and generation: only admitted callers are counted, and there
//! is no surplus. A caller repeats the exchange only if another call has changed the word in
//! between. In rooms of up to 24 seats the same step takes or frees the numbered seat; larger rooms
//! keep a bitmap beside the word.

use super::bound::{Bounds, Pending};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{load_seq_cst, AtomicU64, Ordering};

const COUNTED: u64 = 1 << 63;
const LOCKED: u64 = 1 << 62;
const UNLISTED: u64 = 1 << 61;
pub(super) const WATCHED: u64 = 1 << 23;

/// The number of bits of a generation in an id. In a word the highest of them is WATCHED.
pub(crate) const GENERATION_BITS: u32 = 24;
/// The bits of a word that are the generation.
const GENERATION: u64 = WATCHED - 1;
/// The last generation of a room.
pub(crate) const LAST_GENERATION: u32 = crate::sync::LAST_GENERATION;

/// The lowest bit of the number of members.
const MEMBERS_SHIFT: u32 = 48;
const MEMBERS: u64 = 0x1fff << MEMBERS_SHIFT;
const ONE: u64 = 1 << MEMBERS_SHIFT;

/// The largest number of seats that fit into the word.
const SMALL: u32 = MEMBERS_SHIFT - GENERATION_BITS;

/// The number of seats of a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RoomSize {
    seats: u32,
    /// The number of members of a full room, in place.
    full: u64,
}

impl RoomSize {
    pub(crate) fn new(seats: u32) -> RoomSize {
        RoomSize { seats, full: u64::from(seats) << MEMBERS_SHIFT }
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
        let seat = if self.is_small() { (1 << GENERATION_BITS) << number } else { 0 };
        ONE + seat
    }

    /// As `one`, for `n` members on those seats.
    pub(super) fn many(self, n: u32, seats: u64) -> u64 {
        u64::from(n) * ONE + if self.is_small() { seats << GENERATION_BITS } else { 0 }
    }
}

/// What keeps callers out of a room that has a free seat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RoomFlag {
    Locked,
    Unlisted,
}

impl RoomFlag {
    fn bit(self) -> u64 {
        match self {
            RoomFlag::Locked => LOCKED,
            RoomFlag::Unlisted => UNLISTED,
        }
    }
}

/// A value of a room's word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RoomWord(pub(super) u64);

impl RoomWord {
    /// The word of a room that has never been opened.
    pub(crate) const FRESH: RoomWord = RoomWord(0);

    /// Returns the word of a vacant room, or of a retired one if the generation is 0.
    fn vacant(generation: u32) -> RoomWord {
        RoomWord(u64::from(generation).wrapping_sub(1) & GENERATION)
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        ((self.0 + 1) & GENERATION) as u32
    }

    /// Returns the number of members.
    #[inline]
    pub(crate) fn members(self) -> u32 {
        ((self.0 & MEMBERS) >> MEMBERS_SHIFT) as u32
    }

    /// Returns the word of a room that was just opened with `n` members, on the lowest seats.
    fn opened(generation: u32, n: u32, size: RoomSize) -> RoomWord {
        let open = RoomWord::vacant(generation).0 + size.many(n, (1 << n.min(SMALL)) - 1);
        RoomWord(if n < size.seats { open | COUNTED } else { open })
    }

    /// As `opened`, for an unlisted room, in the place of a vacant one of that generation. Its own
    /// generation is the next one: as the next room to be opened, the vacant room may have been
    /// named to others. Returns the word of a retired room if there is no next generation.
    fn opened_unlisted(generation: u32, size: RoomSize) -> RoomWord {
        let next = match mutant!("room-unlisted-same-generation") {
            true => RoomWord::vacant(generation),
            false => RoomWord::vacant(generation).emptied(),
        };
        match next.is_retired() {
            true => next,
            false => RoomWord((next.0 + size.one(0)) | UNLISTED),
        }
    }

    /// Returns whether the room is open, unlocked and listed, and has a free seat.
    #[inline]
    pub(crate) fn admits(self, size: RoomSize) -> bool {
        self.0 ^ COUNTED < size.full
    }

    /// Returns whether the room is open and has exactly one free seat, so that no room fits better.
    #[inline]
    pub(crate) fn has_last_seat(self, size: RoomSize) -> bool {
        self.0.wrapping_sub(size.full - ONE + COUNTED) < ONE
    }

    /// Returns whether a search at that level may yield the room: `level` members and a free seat,
    /// or vacant at level 0.
    #[inline]
    pub(crate) fn is_at(self, level: u32, size: RoomSize) -> bool {
        match level {
            0 => self.is_vacant(),
            _ => self.admits(size) && self.members() == level,
        }
    }

    #[inline]
    pub(crate) fn is_counted(self) -> bool {
        self.0 & COUNTED != 0
    }

    pub(crate) fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    pub(crate) fn is_unlisted(self) -> bool {
        self.0 & UNLISTED != 0
    }

    pub(crate) fn is_watched(self) -> bool {
        self.0 & WATCHED != 0
    }

    pub(crate) fn is_vacant(self) -> bool {
        self.members() == 0 && !self.is_retired()
    }

    pub(crate) fn is_retired(self) -> bool {
        self == RoomWord::vacant(0)
    }

    /// Returns whether the room has never been opened.
    pub(crate) fn is_fresh(self) -> bool {
        self == RoomWord::FRESH
    }

    /// Returns why the room refuses a caller that knows its generation.
    #[inline]
    pub(super) fn refusal(self, size: RoomSize) -> RoomRefusal {
        if (self.0 & !COUNTED).wrapping_sub(size.full) < ONE {
            // Listed and unlocked, as most are that refuse.
            RoomRefusal::Full
        } else if self.members() == 0 {
            RoomRefusal::Vacant
        } else if self.is_locked() {
            RoomRefusal::Locked
        } else if self.is_unlisted() && self.members() < size.seats {
            RoomRefusal::Unlisted
        } else {
            RoomRefusal::Full
        }
    }

    /// Returns the bit of the lowest free seat of a small room. The room has a free seat.
    #[inline]
    fn next_seat(self) -> u64 {
        let taken = self.0 | ((1 << GENERATION_BITS) - 1);
        !taken & taken.wrapping_add(1)
    }

    /// Returns whether the room is counted, unlocked and listed and has more than one member: then
    /// it is counted after a leave too. A room that is watched needs an announcement.
    #[inline(always)]
    fn stays_counted(self) -> bool {
        let is_watched = self.is_watched() && !mutant!("room-watched-left-plainly");
        self.0.wrapping_sub(COUNTED + 2 * ONE) < UNLISTED - 2 * ONE && !is_watched
    }

    /// Returns the word without one member. Unless it is locked or unlisted, the room is counted
    /// then, as it admits. Without its last member a room is vacant, and in its next generation.
    #[inline]
    fn without(self, number: u32, size: RoomSize) -> RoomWord {
        if self.members() <= 1 {
            return self.emptied();
        }
        let less = (self.0 - size.one(number)) & !WATCHED;
        RoomWord(if self.0 & (LOCKED | UNLISTED) != 0 { less } else { less | COUNTED })
    }

    #[cold]
    fn emptied(self) -> RoomWord {
        if mutant!("room-same-generation") {
            return RoomWord::vacant(self.generation());
        }
        let last = self.generation() >= LAST_GENERATION && !mutant!("room-generation-wraps");
        // After its last generation a room is retired, so that no id is used twice.
        RoomWord::vacant(if last { 0 } else { self.generation() % LAST_GENERATION + 1 })
    }

    /// Returns the word with or without that flag. A room that is neither locked nor unlisted any
    /// more is counted if it has a free seat, and is not watched.
    fn with_flag(self, flag: RoomFlag, on: bool, size: RoomSize) -> RoomWord {
        if on {
            return RoomWord(self.0 | flag.bit());
        }
        let less = self.0 & !flag.bit();
        if less & (LOCKED | UNLISTED) != 0 {
            return RoomWord(less);
        }
        let has_free_seat = self.members() < size.seats;
        let unwatched = if mutant!("room-unlocked-stays-watched") { less } else { less & !WATCHED };
        RoomWord(unwatched | if has_free_seat { COUNTED } else { 0 })
    }

    /// Returns what a call has to announce before it makes `self` of `seen`.
    #[inline]
    fn announces(self, seen: RoomWord) -> Pending {
        let stays = self.members() > 0;
        Pending {
            admitting: u32::from(self.is_counted() && !seen.is_counted()),
            vacant: u32::from(!stays && seen.members() > 0),
            watched: u32::from(stays && seen.is_watched() && !self.is_watched()),
        }
    }

    /// Returns what a call has pending once it has made `self` of `seen`, of `pending` before. The
    /// bound of what was watched counts only calls, so what they announced there stays pending.
    #[inline]
    fn leaves_pending(self, seen: RoomWord, pending: Pending) -> Pending {
        let announced = self.announces(seen);
        Pending {
            admitting: pending.admitting - announced.admitting + seen.announces(self).admitting,
            vacant: pending.vacant - announced.vacant + seen.announces(self).vacant,
            watched: pending.watched,
        }
    }
}

/// Why a room refuses a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RoomRefusal {
    Full,
    Locked,
    /// The room admits callers that name it, and no other.
    Unlisted,
    /// The room is not open yet under this generation.
    Vacant,
    /// The room has another generation.
    Gone,
}

/// Takes a place under a generation, unless the room is unlisted: then it is left to
/// [`EnterMany`](super::party::EnterMany). Yields the new word and, in small rooms, the number of
/// the seat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum EnterRoom {
    Look { generation: u32 },
    Swap { seen: RoomWord },
}

impl EnterRoom {
    #[inline(always)]
    fn decide(
        generation: u32,
        seen: RoomWord,
        size: RoomSize,
    ) -> Step<EnterRoom, Result<(RoomWord, u32), RoomRefusal>> {
        if seen.generation() != generation && !mutant!("room-any-generation") {
            Done(Err(RoomRefusal::Gone))
        } else if seen.admits(size) {
            Next(EnterRoom::Swap { seen })
        } else {
            Done(Err(seen.refusal(size)))
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
                let seat = if size.is_small() { seen.next_seat() } else { 0 };
                let entered = seen.0 + ONE + seat;
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
                    Ok(_) => {
                        let number = seat.trailing_zeros().wrapping_sub(GENERATION_BITS);
                        Done(Ok((RoomWord(entered), number)))
                    }
                    Err(now) => EnterRoom::decide(seen.generation(), RoomWord(now), size),
                }
            }
        }
    }
}

/// Returns one place and, in small rooms, its seat. Yields the new word.
///
/// Most leaves are plain: the room is counted before and after, and another member stays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LeaveRoom {
    Look { number: u32 },
    Plain { number: u32, seen: RoomWord },
    Other(LeaveOther),
}

/// A leave that is not plain, or was not at first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LeaveOther {
    Look { number: u32 },
    Announce { number: u32, seen: RoomWord, pending: Pending },
    Swap { number: u32, seen: RoomWord, pending: Pending },
    Settle { left: RoomWord, pending: Pending },
}

impl LeaveRoom {
    #[inline(always)]
    fn decide(number: u32, seen: RoomWord) -> LeaveRoom {
        if seen.stays_counted() {
            LeaveRoom::Plain { number, seen }
        } else {
            LeaveRoom::Other(LeaveOther::Look { number })
        }
    }

    #[inline(always)]
    pub(crate) fn step<'a>(
        self,
        word: &AtomicU64,
        size: RoomSize,
        bounds: impl FnOnce() -> &'a Bounds,
    ) -> Step<LeaveRoom, RoomWord> {
        match self {
            LeaveRoom::Look { number } => {
                // Relaxed: the exchange checks the value.
                let seen = RoomWord(word.load(Ordering::Relaxed));
                Next(LeaveRoom::decide(number, seen))
            }
            LeaveRoom::Plain { number, seen } => {
                let left = RoomWord(seen.0 - size.one(number));
                match leave(word, seen, left) {
                    Ok(()) => Done(left),
                    Err(now) => Next(LeaveRoom::decide(number, now)),
                }
            }
            LeaveRoom::Other(other) => match other.step(word, size, bounds) {
                Next(other) => Next(LeaveRoom::Other(other)),
                Done(left) => Done(left),
            },
        }
    }
}

/// The exchange of a leave.
#[inline(always)]
fn leave(word: &AtomicU64, seen: RoomWord, left: RoomWord) -> Result<(), RoomWord> {
    // SeqCst. Its Release pairs with the Acquire of `EnterRoom`, of readers, and of the last
    // `LeaveRoom`: the next holder of the place, and the thread that drops the state, see all that
    // this member wrote. Its Acquire is for the last member, which takes the state: it sees whether
    // another member has made it. As SeqCst the exchange pairs with the removal of hints, as in
    // `EnterRoom`, and follows the announcement in the order of `bound`.
    // Relaxed on failure: decides only what to try next.
    let order = ordering!(
        "room-leave-no-release", SeqCst => Acquire;
        "room-leave-no-acquire", SeqCst => Release;
    );
    let swapped = word.compare_exchange(seen.0, left.0, order, Ordering::Relaxed);
    swapped.map(drop).map_err(RoomWord)
}

impl LeaveOther {
    #[cold]
    fn decide(number: u32, seen: RoomWord, pending: Pending, size: RoomSize) -> LeaveOther {
        match pending.covers(seen.without(number, size).announces(seen)) {
            true => LeaveOther::Swap { number, seen, pending },
            false => LeaveOther::Announce { number, seen, pending },
        }
    }

    pub(crate) fn step<'a>(
        self,
        word: &AtomicU64,
        size: RoomSize,
        bounds: impl FnOnce() -> &'a Bounds,
    ) -> Step<LeaveOther, RoomWord> {
        match self {
            LeaveOther::Look { number } => {
                // Relaxed: the exchange checks the value.
                let seen = RoomWord(word.load(Ordering::Relaxed));
                Next(LeaveOther::decide(number, seen, Pending::default(), size))
            }
            LeaveOther::Announce { number, seen, pending } => {
                let need = seen.without(number, size).announces(seen);
                let pending = announce(bounds(), need, pending);
                Next(LeaveOther::decide(number, seen, pending, size))
            }
            LeaveOther::Swap { number, seen, pending } => {
                let left = seen.without(number, size);
                match leave(word, seen, left) {
                    Ok(()) => LeaveOther::end(left, left.leaves_pending(seen, pending)),
                    Err(now) => Next(LeaveOther::decide(number, now, pending, size)),
                }
            }
            LeaveOther::Settle { left, pending } => LeaveOther::end(left, pending.settle(bounds())),
        }
    }

    fn end(left: RoomWord, pending: Pending) -> Step<LeaveOther, RoomWord> {
        if pending.is_nothing() {
            Done(left)
        } else {
            Next(LeaveOther::Settle { left, pending })
        }
    }
}

/// Announces one of the changes that a call needs to announce and has not announced.
#[cold]
fn announce(bounds: &Bounds, need: Pending, pending: Pending) -> Pending {
    if need.admitting > pending.admitting {
        if !mutant!("room-counted-not-announced") {
            bounds.admitting.announce();
        }
        Pending { admitting: pending.admitting + 1, ..pending }
    } else if need.vacant > pending.vacant {
        if !mutant!("room-vacancy-not-announced") {
            bounds.vacant.announce();
        }
        Pending { vacant: pending.vacant + 1, ..pending }
    } else {
        if !mutant!("room-watched-not-announced") {
            bounds.watched.announce();
        }
        Pending { watched: pending.watched + 1, ..pending }
    }
}

/// Opens a vacant room of that generation, with the callers as members on the lowest seats. Yields
/// the new word, or `None` if another call has opened the room. The new word is that of a retired
/// room if the generation was the last and the room was to be unlisted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum OpenRoom {
    Announce { generation: u32, opened: RoomWord },
    Swap { generation: u32, opened: RoomWord, pending: Pending },
    Settle { opened: Option<RoomWord>, pending: Pending },
}

impl OpenRoom {
    pub(crate) fn new(generation: u32, n: u32, size: RoomSize) -> OpenRoom {
        OpenRoom::begin(generation, RoomWord::opened(generation, n, size))
    }

    /// As `new`, for one caller and an unlisted room.
    pub(crate) fn unlisted(generation: u32, size: RoomSize) -> OpenRoom {
        OpenRoom::begin(generation, RoomWord::opened_unlisted(generation, size))
    }

    fn begin(generation: u32, opened: RoomWord) -> OpenRoom {
        match opened.is_counted() {
            true => OpenRoom::Announce { generation, opened },
            false => OpenRoom::Swap { generation, opened, pending: Pending::default() },
        }
    }

    pub(crate) fn step<'a>(
        self,
        word: &AtomicU64,
        bounds: impl FnOnce() -> &'a Bounds,
    ) -> Step<OpenRoom, Option<RoomWord>> {
        match self {
            OpenRoom::Announce { generation, opened } => {
                bounds().admitting.announce();
                let pending = Pending { admitting: 1, ..Pending::default() };
                Next(OpenRoom::Swap { generation, opened, pending })
            }
            OpenRoom::Swap { generation, opened, pending } => {
                let vacant = RoomWord::vacant(generation);
                // SeqCst. Its Acquire pairs with the Release of `LeaveRoom`: the new members see
                // what those of earlier generations wrote. As SeqCst it pairs with the removal of
                // hints, as in `EnterRoom`, and follows the announcement in the order of `bound`.
                // No model can kill the weakening of its Acquire: the callers have read the vacant
                // word before, with Acquire.
                // Relaxed on failure: nothing was opened.
                let order = ordering!("room-open-no-release", SeqCst => Acquire);
                let swapped = word.compare_exchange(vacant.0, opened.0, order, Ordering::Relaxed);
                let (opened, pending) = match swapped {
                    Ok(_) => (Some(opened), opened.leaves_pending(vacant, pending)),
                    Err(_) => (None, pending),
                };
                OpenRoom::end(opened, pending)
            }
            OpenRoom::Settle { opened, pending } => OpenRoom::end(opened, pending.settle(bounds())),
        }
    }

    fn end(opened: Option<RoomWord>, pending: Pending) -> Step<OpenRoom, Option<RoomWord>> {
        match pending.is_nothing() {
            true => Done(opened),
            false => Next(OpenRoom::Settle { opened, pending }),
        }
    }
}

/// Marks a room that does not admit as not counted. Yields the new word, or the present one if it
/// has changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PassRoom {
    Swap { seen: RoomWord },
    Settle { passed: RoomWord },
}

impl PassRoom {
    pub(crate) fn step<'a>(
        self,
        word: &AtomicU64,
        bounds: impl FnOnce() -> &'a Bounds,
    ) -> Step<PassRoom, Result<RoomWord, RoomWord>> {
        match self {
            PassRoom::Swap { seen } => {
                let passed = RoomWord(seen.0 & !COUNTED);
                // SeqCst, comes before the retraction in the order of `bound`. As a
                // read-modify-write it continues the release sequence of earlier leavers. No model
                // can kill its weakening: the retraction comes next and is a release.
                // Relaxed on failure: the caller reads the word again.
                match word.compare_exchange(seen.0, passed.0, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => Next(PassRoom::Settle { passed }),
                    Err(now) => Done(Err(RoomWord(now))),
                }
            }
            PassRoom::Settle { passed } => {
                bounds().admitting.retract(1);
                Done(Ok(passed))
            }
        }
    }
}

/// Sets or clears a flag of a room of that generation if it has at least so many members. Yields
/// the number of members, as an error if they are too few, or `None` if the generation is another
/// one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum SetFlag {
    Look { generation: u32, wanted: FlagWanted },
    Announce { wanted: FlagWanted, seen: RoomWord, pending: Pending },
    Swap { wanted: FlagWanted, seen: RoomWord, pending: Pending },
    Settle { result: Option<Result<u32, u32>>, pending: Pending },
}

/// What a call makes of a flag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FlagWanted {
    pub(crate) flag: RoomFlag,
    pub(crate) on: bool,
    pub(crate) at_least: u32,
}

impl FlagWanted {
    fn apply(self, seen: RoomWord, size: RoomSize) -> RoomWord {
        seen.with_flag(self.flag, self.on, size)
    }
}

impl SetFlag {
    fn decide(
        wanted: FlagWanted,
        seen: RoomWord,
        pending: Pending,
        size: RoomSize,
    ) -> Step<SetFlag, Option<Result<u32, u32>>> {
        let members = seen.members();
        if members == 0 {
            SetFlag::end(None, pending)
        } else if members < wanted.at_least && !mutant!("room-start-without-quorum") {
            SetFlag::end(Some(Err(members)), pending)
        } else if (seen.0 & wanted.flag.bit() != 0) == wanted.on {
            SetFlag::end(Some(Ok(members)), pending)
        } else if pending.covers(wanted.apply(seen, size).announces(seen)) {
            Next(SetFlag::Swap { wanted, seen, pending })
        } else {
            Next(SetFlag::Announce { wanted, seen, pending })
        }
    }

    fn end(
        result: Option<Result<u32, u32>>,
        pending: Pending,
    ) -> Step<SetFlag, Option<Result<u32, u32>>> {
        if pending.is_nothing() {
            Done(result)
        } else {
            Next(SetFlag::Settle { result, pending })
        }
    }

    pub(crate) fn step<'a>(
        self,
        word: &AtomicU64,
        size: RoomSize,
        bounds: impl FnOnce() -> &'a Bounds,
    ) -> Step<SetFlag, Option<Result<u32, u32>>> {
        match self {
            SetFlag::Look { generation, wanted } => {
                // Acquire, pairs with the Release of `LeaveRoom`: the call may return the count
                // read here, and a caller that observes a leave sees what that member wrote.
                let order = ordering!("room-lock-look-no-acquire", Acquire => Relaxed);
                let seen = RoomWord(word.load(order));
                if seen.generation() != generation {
                    return Done(None);
                }
                SetFlag::decide(wanted, seen, Pending::default(), size)
            }
            SetFlag::Announce { wanted, seen, pending } => {
                let need = wanted.apply(seen, size).announces(seen);
                SetFlag::decide(wanted, seen, announce(bounds(), need, pending), size)
            }
            SetFlag::Swap { wanted, seen, pending } => {
                let set = wanted.apply(seen, size);
                // SeqCst. Its Release pairs with the Acquire of `EnterRoom`: a caller that joins
                // after an unlocking sees what was written before it. As SeqCst an unlocking pairs
                // with the removal of hints, as in `EnterRoom`, and follows the announcement in the
                // order of `bound`. No model can kill the weakening of its Acquire: the value was
                // read before, with Acquire.
                // Acquire on failure: the call may return the count read here, as in `Look`.
                let (order, failure) = (
                    ordering!("room-unlock-no-release", SeqCst => Acquire),
                    ordering!("room-lock-retry-no-acquire", Acquire => Relaxed),
                );
                match word.compare_exchange(seen.0, set.0, order, failure) {
                    Ok(_) => {
                        SetFlag::end(Some(Ok(seen.members())), set.leaves_pending(seen, pending))
                    }
                    Err(now)
                        if RoomWord(now).generation() != seen.generation()
                            && !mutant!("room-lock-any-generation") =>
                    {
                        SetFlag::end(None, pending)
                    }
                    Err(now) => SetFlag::decide(wanted, RoomWord(now), pending, size),
                }
            }
            SetFlag::Settle { result, pending } => SetFlag::end(result, pending.settle(bounds())),
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

/// Reads the word after a hint to the room was removed, or in a survey: see `Lobby::offer`.
#[inline]
pub(crate) fn read_after(word: &AtomicU64) -> RoomWord {
    // SeqCst, pairs with the exchanges above: see `EnterRoom` and `bound`.
    RoomWord(load_seq_cst(word, ordering!("room-read-after-not-seq-cst", SeqCst => Acquire)))
}
