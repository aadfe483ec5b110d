//! Parties: several members that take their places in a room together, and the mark by which a
//! survey proves that no room has places for them.
//!
//! # Invariant
//!
//! A party takes all of its places in one exchange of the room's word. No other step takes or frees
//! more than one place.
//!
//! The bound of rooms that admit says nothing of rooms that admit one caller and not a party. So a
//! survey for a party marks every open room that it comes to as WATCHED. While a room is watched it
//! admits no larger party than when it was marked: a call that is to free a place, to unlock the
//! room or to list it announces that beforehand in the bound `watched`, clears the mark in the same
//! step, and retracts the announcement afterwards. That bound counts calls alone, and no room.
//! Joins leave the mark. The step that closes a room clears the mark without that announcement: it
//! announces the vacancy.

use super::room::{RoomRefusal, RoomSize, RoomWord, GENERATION_BITS, WATCHED};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::seat_bitmap::lowest_free;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU64, Ordering};

/// What a party asks of a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PartyWanted {
    /// The number of members.
    pub(crate) n: u32,
    /// Whether the caller has named the room. Otherwise an unlisted room refuses it.
    pub(crate) named: bool,
}

impl RoomWord {
    /// Returns whether the room is open, unlocked and listed, and has `n` free seats.
    pub(crate) fn admits_many(self, n: u32, size: RoomSize) -> bool {
        self.admits(size) && self.members() + n <= size.seats()
    }

    /// Returns whether the room takes that party.
    fn takes(self, PartyWanted { n, named }: PartyWanted, size: RoomSize) -> bool {
        match named || mutant!("party-enters-unlisted") {
            // A listed room with a free seat that is not locked admits.
            true => {
                let is_open = self.members() > 0 && !self.is_locked();
                is_open && self.members() + n <= size.seats()
            }
            false => self.admits_many(n, size),
        }
    }

    /// Returns the `n` lowest free seats of a small room.
    fn next_seats(self, n: u32) -> u64 {
        let taken = self.0 >> GENERATION_BITS;
        (0..n).fold(0, |seats, _| seats | 1 << lowest_free(taken | seats))
    }
}

/// Takes `n` places under a generation. Yields the new word and, in small rooms, the seats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum EnterMany {
    Look { generation: u32, wanted: PartyWanted },
    Swap { seen: RoomWord, wanted: PartyWanted },
}

impl EnterMany {
    fn decide(
        generation: u32,
        seen: RoomWord,
        wanted: PartyWanted,
        size: RoomSize,
    ) -> Step<EnterMany, Result<(RoomWord, u64), RoomRefusal>> {
        if seen.generation() != generation && !mutant!("party-any-generation") {
            Done(Err(RoomRefusal::Gone))
        } else if seen.takes(wanted, size) {
            Next(EnterMany::Swap { seen, wanted })
        } else {
            Done(Err(match seen.refusal(size) {
                RoomRefusal::Unlisted if wanted.named => RoomRefusal::Full,
                refusal => refusal,
            }))
        }
    }

    pub(crate) fn step(
        self,
        word: &AtomicU64,
        size: RoomSize,
    ) -> Step<EnterMany, Result<(RoomWord, u64), RoomRefusal>> {
        match self {
            EnterMany::Look { generation, wanted } => {
                // Relaxed: the exchange in `Swap` checks the value.
                let seen = RoomWord(word.load(Ordering::Relaxed));
                EnterMany::decide(generation, seen, wanted, size)
            }
            EnterMany::Swap { seen, wanted } => {
                let seats = if size.is_small() { seen.next_seats(wanted.n) } else { 0 };
                let entered = seen.0 + size.many(wanted.n, seats);
                // SeqCst: as in `EnterRoom`. Relaxed on failure: decides only what to try next.
                let order = ordering!("party-enter-no-acquire", SeqCst => Release);
                match word.compare_exchange(seen.0, entered, order, Ordering::Relaxed) {
                    Ok(_) => Done(Ok((RoomWord(entered), seats))),
                    Err(now) => EnterMany::decide(seen.generation(), RoomWord(now), wanted, size),
                }
            }
        }
    }
}

/// Marks an open room as watched. Returns its present word as an error if it has changed.
pub(crate) fn watch(word: &AtomicU64, seen: RoomWord) -> Result<(), RoomWord> {
    if mutant!("party-does-not-watch") {
        return Ok(());
    }
    let watched = seen.0 | WATCHED;
    // SeqCst: comes in the order of `bound`. As a read-modify-write it continues the release
    // sequence of earlier leavers. No model can kill its weakening: calls that a watched room
    // concerns exchange the same word, and of two exchanges the later sees the earlier.
    // Relaxed on failure: the caller reads the word again.
    let swapped = word.compare_exchange(seen.0, watched, Ordering::SeqCst, Ordering::Relaxed);
    swapped.map(drop).map_err(RoomWord)
}
