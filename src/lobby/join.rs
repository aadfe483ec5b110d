//! The steps of the lobby's calls: finding a room, entering it, opening it and leaving it.
//!
//! # Invariant
//!
//! The caller that opens a room takes a place in the limit before it claims the room. The caller
//! that closes a room returns that place after the room is vacant, or retired, and offered. Both
//! hold also if the constructor or the destructor of a state panics.

use super::error::{JoinError, JoinRoomError, JoinRoomErrorKind};
use super::id::RoomId;
use super::index::Choice;
use super::info::RoomInfo;
use super::room::{Departure, EmptiedRoom, RoomRef, Seated, TakenSeat};
use super::Lobby;
use crate::protocol::mutants::mutant;
use crate::protocol::room::RoomRefusal;
use crate::thread_number;

impl<T> Lobby<T> {
    pub(super) fn info(&self, at: RoomRef<'_, T>) -> Option<RoomInfo> {
        let word = at.read();
        let members = word.held(self.size);
        (members > 0).then(|| RoomInfo {
            id: RoomId::new(self.mark, at.location(), word.generation()),
            members,
            seats: self.seats(),
            locked: word.is_locked(self.size),
        })
    }

    /// Returns the number of the calling thread's shard.
    #[inline]
    pub(super) fn own(&self) -> usize {
        match self.shards.len() {
            1 => 0,
            // 32 bits: a division of 64 bits takes longer.
            count => (thread_number::current() as u32 % count as u32) as usize,
        }
    }

    /// Returns the numbers of all shards, the calling thread's first.
    fn shards_in_order(&self) -> impl Iterator<Item = usize> {
        let own = self.own();
        (own..self.shards.len()).chain(0..own)
    }

    #[inline]
    pub(super) fn seat_anywhere(&self) -> Result<Seated, JoinError> {
        if let Some(Choice { at, seen }) = self.left_last(self.own()) {
            if let Some(taken) = at.enter_unchanged(seen) {
                return Ok(self.seated(taken));
            }
        }
        self.seat_where_best()
    }

    #[inline(never)]
    fn seat_where_best(&self) -> Result<Seated, JoinError> {
        for shard in self.shards_in_order() {
            if let Some(taken) = self.join_in(shard) {
                return Ok(self.seated(taken));
            }
        }
        self.open_any()
    }

    #[inline]
    pub(super) fn seat_in(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        if id.mark() != self.mark {
            return Err(RoomRefusal::Gone);
        }
        let at = self.pages.at(id.location()).ok_or(RoomRefusal::Gone)?;
        match at.enter(id.generation()) {
            Ok(taken) => {
                self.offer(at, taken.word());
                Ok(self.seated(taken))
            }
            Err(RoomRefusal::Vacant) => self.open_named(at, id),
            Err(refusal) => Err(refusal),
        }
    }

    #[inline]
    pub(super) fn seat_in_or_anywhere(&self, id: RoomId) -> Result<Seated, JoinError> {
        self.seat_in(id).or_else(|_| self.seat_anywhere())
    }

    #[inline]
    fn seated(&self, taken: TakenSeat) -> Seated {
        let completed_quorum = taken.word().held(self.size) == self.quorum;
        taken.into_seated(completed_quorum)
    }

    /// Opens a vacant room that the caller has named, if it is still the next to be opened. If
    /// another caller has opened it meanwhile, enters it.
    #[cold]
    fn open_named(&self, at: RoomRef<'_, T>, id: RoomId) -> Result<Seated, RoomRefusal> {
        let next = self.vacancy(self.pages.shard_of(id.location()));
        if next == Some(id) {
            match self.open_room(id) {
                Err(RoomRefusal::Gone) => {}
                opened => return opened,
            }
        }
        match at.enter(id.generation()) {
            Ok(taken) => {
                self.offer(at, taken.word());
                Ok(self.seated(taken))
            }
            Err(RoomRefusal::Vacant) => Err(RoomRefusal::Gone),
            Err(refusal) => Err(refusal),
        }
    }

    /// Opens a room in the calling thread's shard, or in another one that has an id left.
    #[cold]
    fn open_any(&self) -> Result<Seated, JoinError> {
        for shard in self.shards_in_order() {
            while let Some(id) = self.vacancy(shard) {
                match self.open_room(id) {
                    Ok(seated) => return Ok(seated),
                    Err(RoomRefusal::Full) => return Err(JoinError::Full),
                    Err(_) => {}
                }
            }
        }
        Err(JoinError::Full)
    }

    /// Opens that vacant room. Returns `Full` at `max_rooms`, `Gone` if another caller claimed it.
    #[cold]
    fn open_room(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        let at = self.pages.at(id.location()).ok_or(RoomRefusal::Gone)?;
        if let Some(limit) = &self.limit {
            limit.enter().map_err(|_| RoomRefusal::Full)?;
        }
        let mut closing = ClosingRoom { lobby: self, at, returns: true };
        // Dropped before `closing` if the constructor panics: the room is vacant again by then.
        let claimed = at.claim(id.generation()).ok_or(RoomRefusal::Gone)?;
        let state = (self.open)(id);
        let taken = claimed.open(state);
        closing.returns = mutant!("lobby-limit-returned-early");
        drop(closing);
        Ok(self.seated(taken))
    }

    /// Completes a leave: offers the room, or clears it after its last member.
    #[inline]
    pub(super) fn left(&self, at: RoomRef<'_, T>, departure: Departure<'_, T>) {
        match departure {
            Departure::Occupied(word) => {
                if !mutant!("lobby-left-not-offered") {
                    self.offer_left(at, word);
                }
            }
            Departure::Emptied(emptied) => self.close(emptied),
        }
    }

    #[inline(never)]
    fn close(&self, emptied: EmptiedRoom<'_, T>) {
        let _closing = ClosingRoom { lobby: self, at: emptied.room(), returns: true };
        emptied.clear();
    }

    pub(super) fn set_lock(&self, id: RoomId, locked: bool) -> bool {
        let Some(at) = self.pages.at(id.location()) else { return false };
        let known = id.mark() == self.mark && at.set_lock(id.generation(), locked, 0).is_some();
        if known && !locked && !mutant!("lobby-unlocked-not-offered") {
            self.offer_again(at);
        }
        known
    }

    /// Returns the room where `join` would go now: one that admits, or a vacant one if `may_open`.
    #[inline]
    pub(super) fn next(&self, may_open: impl FnOnce() -> bool) -> Option<RoomId> {
        match self.choose(self.own()) {
            Some(choice) => Some(self.id(choice)),
            None => self.next_elsewhere(may_open),
        }
    }

    #[inline(never)]
    fn next_elsewhere(&self, may_open: impl FnOnce() -> bool) -> Option<RoomId> {
        for shard in self.shards_in_order().skip(1) {
            if let Some(choice) = self.choose(shard) {
                return Some(self.id(choice));
            }
        }
        if may_open() {
            self.shards_in_order().find_map(|shard| self.vacancy(shard))
        } else {
            None
        }
    }

    /// Returns the vacant room that a shard opens next.
    fn vacancy(&self, shard: usize) -> Option<RoomId> {
        Some(self.id(self.vacant(shard)?))
    }

    #[inline]
    fn id(&self, Choice { at, seen }: Choice<'_, T>) -> RoomId {
        RoomId::new(self.mark, at.location(), seen.generation())
    }

    #[inline(never)]
    pub(super) fn refuse<S>(&self, refusal: RoomRefusal) -> Result<S, JoinRoomError> {
        let kind = match refusal {
            RoomRefusal::Full => JoinRoomErrorKind::Full,
            RoomRefusal::Locked => JoinRoomErrorKind::Locked,
            RoomRefusal::Vacant | RoomRefusal::Gone => JoinRoomErrorKind::Gone,
        };
        let may_open = || self.limit.as_ref().is_none_or(|limit| limit.read().free() > 0);
        Err(JoinRoomError::new(kind, self.next(may_open)))
    }
}

/// Offers a room that was opened or closed, and returns the place of a closed one in the limit. Its
/// destructor does so, thus also if the constructor or the destructor of a state panics.
struct ClosingRoom<'a, T> {
    lobby: &'a Lobby<T>,
    at: RoomRef<'a, T>,
    returns: bool,
}

impl<T> Drop for ClosingRoom<'_, T> {
    fn drop(&mut self) {
        if !mutant!("lobby-closed-not-offered") {
            self.lobby.offer_again(self.at);
        }
        if let (true, Some(limit)) = (self.returns, &self.lobby.limit) {
            limit.leave();
        }
    }
}
