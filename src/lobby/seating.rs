//! What the lobby's calls are made of: finding a room, entering, opening and leaving it.
//!
//! # Invariant
//!
//! Whoever opens a room has a place in the limit before it claims the room; whoever closes one gives
//! that place back after the room is vacant, or retired, and offered. Both hold if the making or the
//! dropping of a state panics.

use super::error::{JoinError, JoinRefusal, LobbyFull};
use super::id::RoomId;
use super::info::RoomInfo;
use super::life::Shut;
use super::room::{At, Entered};
use super::seat::Seated;
use super::shard::Shard;
use super::state::{Busy, Inside, Left};
use super::Lobby;
use crate::thread;

impl<T> Lobby<T> {
    #[inline]
    pub(super) fn location(&self, shard: usize, at: At<'_, T>) -> u32 {
        (at.index << self.shard_bits | shard) as u32
    }

    #[inline]
    fn shard_of(&self, id: RoomId) -> Option<&Shard<T>> {
        let number = id.location() & ((1 << self.shard_bits) - 1);
        self.shards.get(number as usize).map(|shard| &**shard)
    }

    /// The room at the place that an id names, whatever its generation.
    #[inline]
    pub(super) fn locate(&self, id: RoomId) -> Option<At<'_, T>> {
        self.shard_of(id)?.at((id.location() >> self.shard_bits) as usize)
    }

    pub(super) fn info(&self, location: u32, at: At<'_, T>) -> Option<RoomInfo> {
        let life = at.state().read();
        let members = life.held(self.size);
        (members > 0).then(|| RoomInfo {
            id: RoomId::new(self.mark, location, life.generation()),
            members,
            seats: self.seats(),
            locked: life.is_locked(self.size),
        })
    }

    /// The number of the calling thread's shard.
    #[inline]
    fn own(&self) -> usize {
        match self.shards.len() {
            1 => 0,
            count => thread::number() % count,
        }
    }

    /// The numbers of all shards, beginning with the calling thread's.
    pub(super) fn home(&self) -> impl Iterator<Item = usize> {
        let own = self.own();
        (own..self.shards.len()).chain(0..own)
    }

    #[inline]
    pub(super) fn seat_anywhere(&self) -> Result<Seated, LobbyFull> {
        let own = self.own();
        match self.shards[own].join() {
            Some((at, entered)) => Ok(self.seated(self.location(own, at), entered)),
            None => self.seat_elsewhere(),
        }
    }

    #[cold]
    fn seat_elsewhere(&self) -> Result<Seated, LobbyFull> {
        for shard in self.home().skip(1) {
            if let Some((at, entered)) = self.shards[shard].join() {
                return Ok(self.seated(self.location(shard, at), entered));
            }
        }
        self.open_any()
    }

    #[inline]
    pub(super) fn seat_in(&self, id: RoomId) -> Result<Seated, Shut> {
        let (Some(shard), true) = (self.shard_of(id), id.mark() == self.mark) else {
            return Err(Shut::Gone);
        };
        let at = shard.at((id.location() >> self.shard_bits) as usize).ok_or(Shut::Gone)?;
        match shard.join_room(at, id.generation()) {
            Ok(entered) => Ok(self.seated(id.location(), entered)),
            Err(Shut::Vacant) => self.open_told(shard, id, at),
            Err(shut) => Err(shut),
        }
    }

    #[inline]
    pub(super) fn seat_in_or_anywhere(&self, id: RoomId) -> Result<Seated, LobbyFull> {
        self.seat_in(id).or_else(|_| self.seat_anywhere())
    }

    #[inline]
    fn seated(&self, location: u32, entered: Entered) -> Seated {
        let completed_quorum = entered.life.held(self.size) == self.quorum;
        Seated::new(location, entered, completed_quorum)
    }

    /// Opens a vacant room that the caller was told of, if it is still the next to be opened.
    #[cold]
    fn open_told(&self, shard: &Shard<T>, id: RoomId, at: At<'_, T>) -> Result<Seated, Shut> {
        if shard.opens_next(at) {
            self.open_room(shard, id, at)
        } else {
            Err(Shut::Gone)
        }
    }

    /// Opens a room in the calling thread's shard, or where there is space for one.
    #[cold]
    fn open_any(&self) -> Result<Seated, LobbyFull> {
        for number in self.home() {
            while let Some(id) = self.vacancy(number) {
                let at = self.locate(id).expect("the page of a vacancy");
                match self.open_room(&self.shards[number], id, at) {
                    Ok(seated) => return Ok(seated),
                    Err(Shut::Full) => return Err(LobbyFull),
                    Err(_) => {}
                }
            }
        }
        Err(LobbyFull)
    }

    /// Opens that vacant room: `Full` at `max_rooms`, `Gone` if somebody else was faster.
    #[cold]
    fn open_room(&self, shard: &Shard<T>, id: RoomId, at: At<'_, T>) -> Result<Seated, Shut> {
        if let Some(limit) = &self.limit {
            limit.enter().map_err(|_| Shut::Full)?;
        }
        let mut closing = Closing { lobby: self, shard, at, returns: true };
        let claimed = at.state().claim(id.generation(), self.size).ok_or(Shut::Gone)?;
        shard.forget_vacancy(at);
        let unopened = Unopened { at, claimed: Some(claimed) };
        let state = (self.open)(id);
        let entered = at.open(unopened.into_claimed(), state);
        closing.returns = false;
        drop(closing);
        Ok(self.seated(id.location(), entered))
    }

    /// The inverse of joining.
    #[inline]
    pub(super) fn leave(&self, id: RoomId, number: u32, inside: Inside) {
        let (Some(shard), Some(at)) = (self.shard_of(id), self.locate(id)) else { return };
        match at.leave(inside, number) {
            Left::Open(life) => shard.offer(at, life),
            Left::Empty(busy) => self.close(shard, at, busy),
        }
    }

    #[inline(never)]
    fn close(&self, shard: &Shard<T>, at: At<'_, T>, busy: Busy) {
        let _closing = Closing { lobby: self, shard, at, returns: true };
        at.state().clear(busy);
    }

    pub(super) fn set_lock(&self, id: RoomId, locked: bool) -> bool {
        let (Some(shard), Some(at)) = (self.shard_of(id), self.locate(id)) else { return false };
        let generation = id.generation();
        let known = id.mark() == self.mark
            && at.state().set_lock(generation, locked, 0, self.size).is_some();
        if known && !locked {
            shard.offer_again(at);
        }
        known
    }

    /// The most populated room that admits.
    pub(super) fn free_seat(&self) -> Option<RoomId> {
        self.home().find_map(|number| {
            let choice = self.shards[number].choose()?;
            let location = self.location(number, choice.at);
            Some(RoomId::new(self.mark, location, choice.seen.generation()))
        })
    }

    /// The vacant room that a shard opens next.
    pub(super) fn vacancy(&self, shard: usize) -> Option<RoomId> {
        let (at, generation) = self.shards[shard].vacancy()?;
        Some(RoomId::new(self.mark, self.location(shard, at), generation))
    }

    #[cold]
    pub(super) fn refusal(&self, shut: Shut) -> JoinError {
        let reason = match shut {
            Shut::Full => JoinRefusal::Full,
            Shut::Locked => JoinRefusal::Locked,
            Shut::Vacant | Shut::Gone => JoinRefusal::Gone,
        };
        let may_open = || self.limit.as_ref().map_or(true, |limit| limit.read().free() > 0);
        let vacant = || self.home().find_map(|shard| self.vacancy(shard));
        let try_next = self.free_seat().or_else(|| may_open().then(vacant).flatten());
        JoinError { reason, try_next }
    }
}

/// Offers a room that was opened or closed, and gives back the place of a closed one in the limit,
/// also if making or dropping the state has panicked.
struct Closing<'a, T> {
    lobby: &'a Lobby<T>,
    shard: &'a Shard<T>,
    at: At<'a, T>,
    returns: bool,
}

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.shard.offer_again(self.at);
        if let (true, Some(limit)) = (self.returns, &self.lobby.limit) {
            limit.leave();
        }
    }
}

/// A claimed room that is vacant again unless it is opened.
struct Unopened<'a, T> {
    at: At<'a, T>,
    claimed: Option<Busy>,
}

impl<T> Unopened<'_, T> {
    fn into_claimed(mut self) -> Busy {
        self.claimed.take().expect("a claim is taken once")
    }
}

impl<T> Drop for Unopened<'_, T> {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            self.at.state().vacate(claimed);
        }
    }
}
