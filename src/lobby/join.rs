//! What the lobby's calls are made of: finding a room, entering, opening and leaving it.
//!
//! # Invariant
//!
//! Whoever opens a room has a place in the limit before it claims the room; whoever closes one gives
//! that place back after the room is vacant, or retired, and offered. Both hold if the making or the
//! dropping of a state panics.

use super::error::{JoinError, JoinRoomError, JoinRoomErrorKind};
use super::id::RoomId;
use super::index::Choice;
use super::info::RoomInfo;
use super::room::{RoomRef, TakenSeat};
use super::room_cell::{Departure, Entered, Exclusive};
use super::seat::Seated;
use super::Lobby;
use crate::protocol::room::RoomRefusal;
use crate::thread_number;

impl<T> Lobby<T> {
    pub(super) fn info(&self, at: RoomRef<'_, T>) -> Option<RoomInfo> {
        let word = at.room.read();
        let members = word.held(self.size);
        (members > 0).then(|| RoomInfo {
            id: RoomId::new(self.mark, at.location, word.generation()),
            members,
            seats: self.seats(),
            locked: word.is_locked(self.size),
        })
    }

    /// The number of the calling thread's shard.
    #[inline]
    pub(super) fn own(&self) -> usize {
        match self.shards.len() {
            1 => 0,
            // Of 32 bits: a division of 64 takes longer.
            count => (thread_number::current() as u32 % count as u32) as usize,
        }
    }

    /// The numbers of all shards, beginning with the calling thread's.
    fn home(&self) -> impl Iterator<Item = usize> {
        let own = self.own();
        (own..self.shards.len()).chain(0..own)
    }

    #[inline]
    pub(super) fn seat_anywhere(&self) -> Result<Seated, JoinError> {
        if let Some(Choice { at, seen }) = self.left_last(self.own()) {
            if let Some(entered) = at.enter_last(seen) {
                return Ok(self.seated(at, entered));
            }
        }
        self.seat_where_best()
    }

    #[inline(never)]
    fn seat_where_best(&self) -> Result<Seated, JoinError> {
        for shard in self.home() {
            if let Some((at, entered)) = self.join_in(shard) {
                return Ok(self.seated(at, entered));
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
            Ok(entered) => {
                self.offer(at, entered.word);
                Ok(self.seated(at, entered))
            }
            Err(RoomRefusal::Vacant) => self.open_told(id),
            Err(shut) => Err(shut),
        }
    }

    #[inline]
    pub(super) fn seat_in_or_anywhere(&self, id: RoomId) -> Result<Seated, JoinError> {
        self.seat_in(id).or_else(|_| self.seat_anywhere())
    }

    #[inline]
    fn seated(&self, at: RoomRef<'_, T>, entered: TakenSeat) -> Seated {
        let completed_quorum = entered.word.held(self.size) == self.quorum;
        Seated::new(at.location, entered, completed_quorum)
    }

    /// Opens a vacant room that the caller was told of, if it is still the next to be opened.
    #[cold]
    fn open_told(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        let next = self.vacancy(self.pages.shard_of(id.location()));
        if next == Some(id) {
            self.open_room(id)
        } else {
            Err(RoomRefusal::Gone)
        }
    }

    /// Opens a room in the calling thread's shard, or where there is space for one.
    #[cold]
    fn open_any(&self) -> Result<Seated, JoinError> {
        for shard in self.home() {
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

    /// Opens that vacant room: `Full` at `max_rooms`, `Gone` if somebody else was faster.
    #[cold]
    fn open_room(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        let at = self.pages.at(id.location()).ok_or(RoomRefusal::Gone)?;
        if let Some(limit) = &self.limit {
            limit.enter().map_err(|_| RoomRefusal::Full)?;
        }
        let mut closing = ClosingRoom { lobby: self, at, returns: true };
        let claimed = at.room.claim(id.generation(), self.size).ok_or(RoomRefusal::Gone)?;
        let unopened = UnopenedRoom { at, claimed: Some(claimed) };
        let state = (self.open)(id);
        let entered = at.open(unopened.into_claimed(), state);
        closing.returns = false;
        drop(closing);
        Ok(self.seated(at, entered))
    }

    /// The inverse of joining.
    #[inline]
    pub(super) fn leave(&self, location: u32, number: u32, inside: Entered) {
        let Some(at) = self.pages.at(location) else { return };
        match at.leave(inside, number) {
            Departure::OpenRoom(word) => self.offer_left(at, word),
            Departure::Empty(busy) => self.close(location, busy),
        }
    }

    #[inline(never)]
    fn close(&self, location: u32, busy: Exclusive) {
        let at = self.pages.at(location).expect("the page of a room that was left");
        let _closing = ClosingRoom { lobby: self, at, returns: true };
        at.room.clear(busy);
    }

    pub(super) fn set_lock(&self, id: RoomId, locked: bool) -> bool {
        let Some(at) = self.pages.at(id.location()) else { return false };
        let generation = id.generation();
        let known =
            id.mark() == self.mark && at.room.set_lock(generation, locked, 0, self.size).is_some();
        if known && !locked {
            self.offer_again(at);
        }
        known
    }

    /// Where `join` would go now: a room that admits, or that is vacant if another `may_open`.
    #[inline]
    pub(super) fn next(&self, may_open: impl FnOnce() -> bool) -> Option<RoomId> {
        match self.choose(self.own()) {
            Some(choice) => Some(self.id(choice)),
            None => self.next_elsewhere(may_open),
        }
    }

    #[inline(never)]
    fn next_elsewhere(&self, may_open: impl FnOnce() -> bool) -> Option<RoomId> {
        for shard in self.home().skip(1) {
            if let Some(choice) = self.choose(shard) {
                return Some(self.id(choice));
            }
        }
        if may_open() {
            self.home().find_map(|shard| self.vacancy(shard))
        } else {
            None
        }
    }

    /// The vacant room that a shard opens next.
    fn vacancy(&self, shard: usize) -> Option<RoomId> {
        Some(self.id(self.vacant(shard)?))
    }

    #[inline]
    fn id(&self, Choice { at, seen }: Choice<'_, T>) -> RoomId {
        RoomId::new(self.mark, at.location, seen.generation())
    }

    #[inline(never)]
    pub(super) fn refuse<S>(&self, shut: RoomRefusal) -> Result<S, JoinRoomError> {
        let kind = match shut {
            RoomRefusal::Full => JoinRoomErrorKind::Full,
            RoomRefusal::Locked => JoinRoomErrorKind::Locked,
            RoomRefusal::Vacant | RoomRefusal::Gone => JoinRoomErrorKind::Gone,
        };
        let may_open = || self.limit.as_ref().map_or(true, |limit| limit.read().free() > 0);
        Err(JoinRoomError::new(kind, self.next(may_open)))
    }
}

/// Offers a room that was opened or closed, and gives back the place of a closed one in the limit,
/// also if making or dropping the state has panicked.
struct ClosingRoom<'a, T> {
    lobby: &'a Lobby<T>,
    at: RoomRef<'a, T>,
    returns: bool,
}

impl<T> Drop for ClosingRoom<'_, T> {
    fn drop(&mut self) {
        self.lobby.offer_again(self.at);
        if let (true, Some(limit)) = (self.returns, &self.lobby.limit) {
            limit.leave();
        }
    }
}

/// A claimed room that is vacant again unless it is opened.
struct UnopenedRoom<'a, T> {
    at: RoomRef<'a, T>,
    claimed: Option<Exclusive>,
}

impl<T> UnopenedRoom<'_, T> {
    fn into_claimed(mut self) -> Exclusive {
        self.claimed.take().expect("a claim is taken once")
    }
}

impl<T> Drop for UnopenedRoom<'_, T> {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            self.at.room.vacate(claimed);
        }
    }
}
