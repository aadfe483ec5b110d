//! The steps of the lobby's calls: finding a room, entering it, opening it and leaving it.
//!
//! # Invariant
//!
//! A room's word decides who enters it, who opens it and who closes it; each of these is one step.
//! What follows the step, the state and the hints, is in arrears only for as long as the call
//! lasts. A caller opens a room, other than one that it was told, only after a proof that no room
//! admitted. The room is that which the shard names to all callers as the next: of callers that
//! need a room at the same time, one opens it. A caller is refused only with the proof that no room
//! admitted and none was vacant.
#![allow(unsafe_code)]

use core::hint::spin_loop;

use super::error::{JoinError, JoinRoomError, JoinRoomErrorKind};
use super::id::RoomId;
use super::index::Choice;
use super::info::RoomInfo;
use super::room::{Departure, RoomRef, Seated, TakenSeat};
use super::{last_left, own_shard, Lobby, States};

use crate::protocol::bound::Bounds;
use crate::protocol::mutants::mutant;
use crate::protocol::room::{RoomRefusal, RoomSize, RoomWord};
use crate::protocol::step::Step;
use crate::protocol::survey::{Goal, RoomTable, Survey, Surveyed};
use crate::sync::{AtomicU64, PATIENCE};

/// What a caller finds that no hint has led to a seat.
enum Outlook<'a, T> {
    /// A room that admits.
    Admits(Choice<'a, T>),
    /// At an instant no room admitted; that vacant room is the next to be opened.
    Opens(RoomId),
    /// At an instant, as many rooms were open as may be, and none admitted.
    Full,
    /// The search has to be repeated.
    Again,
}

impl<T> Lobby<T> {
    pub(super) fn info(&self, at: RoomRef<'_, T>) -> Option<RoomInfo> {
        let word = at.read();
        let members = word.members();
        (members > 0).then(|| RoomInfo {
            id: RoomId::new(self.mark, at.location(), word.generation()),
            members,
            seats: self.seats(),
            locked: word.is_locked(),
        })
    }

    /// Returns the number of the calling thread's shard.
    #[inline]
    pub(super) fn own(&self) -> usize {
        match self.shards.len() {
            1 => 0,
            count => own_shard::of(self, count),
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
                last_left::forget();
                return Ok(self.seated(taken));
            }
        }
        self.seat_where_best()
    }

    #[inline(never)]
    fn seat_where_best(&self) -> Result<Seated, JoinError> {
        let mut patience = PATIENCE;
        loop {
            for shard in self.shards_in_order() {
                if let Some(taken) = self.join_in(shard) {
                    return Ok(self.seated(taken));
                }
            }
            match self.outlook(&mut patience) {
                Outlook::Admits(Choice { at, seen }) => {
                    if let Ok(taken) = at.enter_seen(seen) {
                        self.offer(at, taken.word());
                        return Ok(self.seated(taken));
                    }
                }
                Outlook::Opens(id) => {
                    if let Some(seated) = self.open(id) {
                        return Ok(seated);
                    }
                }
                Outlook::Full => return Err(JoinError::Full),
                Outlook::Again => {}
            }
        }
    }

    /// Finds out what is true for a caller that no hint has led to a room.
    #[cold]
    fn outlook(&self, patience: &mut u32) -> Outlook<'_, T> {
        let mut count = 0;
        for (shard, index) in self.shards.iter().enumerate() {
            if index.bounds.admitting.read().count() > 0 {
                self.pass_full(shard);
                count += index.bounds.admitting.read().count();
            }
        }
        if count > 0 && *patience > 0 {
            // Another call is in the middle of something, and makes a room findable soon.
            *patience -= 1;
            spin_loop();
            return Outlook::Again;
        }
        // Before the survey, so that callers that arrive at the same time are to open the same
        // room: one opens it, and the others find it.
        match self.shards_in_order().find_map(|shard| self.vacancy(shard)) {
            Some(id) => self.survey(Goal::Seat).unwrap_or(Outlook::Opens(id)),
            None => self.survey(Goal::SeatOrVacancy).unwrap_or(Outlook::Full),
        }
    }

    /// Returns `None` if at an instant within the call there was no such room.
    fn survey(&self, goal: Goal) -> Option<Outlook<'_, T>> {
        let mut survey = Survey::new(goal);
        let surveyed = loop {
            match survey.step(self) {
                Step::Next(next) => survey = next,
                Step::Done(surveyed) => break surveyed,
            }
        };
        match surveyed {
            Surveyed::Nothing => None,
            Surveyed::Admits(shard, number, seen) => {
                let location = self.pages.location(shard, number)?;
                Some(Outlook::Admits(Choice { at: self.pages.at(location)?, seen }))
            }
            Surveyed::Vacant(shard, number) => {
                let location = self.pages.location(shard, number)?;
                let id = match self.pages.at(location) {
                    Some(at) => {
                        // For the callers that are told that room.
                        self.offer_again(at);
                        let seen = at.read();
                        if !seen.is_vacant() {
                            return Some(Outlook::Again);
                        }
                        self.id(Choice { at, seen })
                    }
                    None => RoomId::new(self.mark, location, 1),
                };
                // Chosen before the proof, as in `outlook`.
                Some(self.survey(Goal::Seat).unwrap_or(Outlook::Opens(id)))
            }
        }
    }

    #[inline]
    pub(super) fn seat_in(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        if id.mark() != self.mark {
            return Err(RoomRefusal::Gone);
        }
        match self.enter_by_id(id) {
            Err(RoomRefusal::Vacant) => self.open_named(id),
            entered => entered,
        }
    }

    /// Enters that room. Returns `Vacant` also for a room without a page.
    #[inline]
    fn enter_by_id(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        let Some(at) = self.pages.at(id.location()) else {
            return Err(if id.generation() == 1 { RoomRefusal::Vacant } else { RoomRefusal::Gone });
        };
        let taken = at.enter(id.generation())?;
        self.offer(at, taken.word());
        Ok(self.seated(taken))
    }

    #[inline]
    pub(super) fn seat_in_or_anywhere(&self, id: RoomId) -> Result<Seated, JoinError> {
        self.seat_in(id).or_else(|_| self.seat_anywhere())
    }

    #[inline]
    fn seated(&self, taken: TakenSeat) -> Seated {
        let completed_quorum = taken.word().members() == self.quorum;
        taken.into_seated(completed_quorum)
    }

    /// Opens a vacant room that the caller has named, if it is the next to be opened. If another
    /// caller opens it meanwhile, enters it.
    #[cold]
    fn open_named(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        loop {
            let shard = self.pages.shard_of(id.location());
            let next = if shard < self.shards.len() { self.vacancy(shard) } else { None };
            if next == Some(id) {
                if let Some(seated) = self.open(id) {
                    return Ok(seated);
                }
            }
            match self.enter_by_id(id) {
                Err(RoomRefusal::Vacant) if next != Some(id) => {
                    let may_open =
                        self.shards_in_order().any(|shard| self.vacancy(shard).is_some());
                    return Err(if may_open { RoomRefusal::Gone } else { RoomRefusal::Full });
                }
                Err(RoomRefusal::Vacant) => {}
                entered => return entered,
            }
        }
    }

    /// Opens that vacant room and makes its state, unless another member is doing that. Returns
    /// `None` if another caller has opened it.
    #[cold]
    fn open(&self, id: RoomId) -> Option<Seated> {
        let at = self.pages.make_at(id.location())?;
        let taken = at.open(id.generation(), self.bounds_of(at))?;
        self.offer(at, taken.word());
        let mut opener = Opener { lobby: self, seated: Some(self.seated(taken)) };
        opener.make_state();
        opener.seated.take()
    }

    /// Leaves the room of a seat of this lobby, and closes the room after its last member.
    #[inline]
    pub(super) fn leave(&self, seated: Seated) {
        let Some(at) = self.pages.at(seated.location()) else { return };
        // SAFETY: this lobby seated the member at that location, and a location finds the same room
        // for as long as the lobby exists (`Pages`).
        match unsafe { at.leave_plainly(seated, || self.bounds_of(at)) } {
            Ok(word) => self.left(at, word),
            Err(seated) => self.leave_otherwise(at, seated),
        }
    }

    #[inline]
    fn left(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if !mutant!("lobby-left-not-offered") {
            self.offer_left(at, word);
        }
    }

    /// As `leave`, if that is not plain.
    #[inline(never)]
    fn leave_otherwise(&self, at: RoomRef<'_, T>, seated: Seated) {
        // SAFETY: as in `leave`; `at` is the room at the location of the seat.
        match unsafe { at.leave(seated, self.bounds_of(at)) } {
            Departure::Occupied(word) => self.left(at, word),
            Departure::Closed(word, state) => {
                self.closed(at, word.is_retired());
                // Last, since it is the user's code: it may panic, take its time, and join.
                drop(state);
            }
        }
    }

    #[inline(never)]
    fn closed(&self, at: RoomRef<'_, T>, is_retired: bool) {
        if is_retired {
            self.replace_retired(self.pages.shard_of(at.location()));
        } else if !mutant!("lobby-closed-not-offered") {
            self.offer_again(at);
        }
    }

    pub(super) fn set_lock(&self, id: RoomId, locked: bool) -> bool {
        let Some(at) = self.pages.at(id.location()) else { return false };
        let known = id.mark() == self.mark
            && at.set_lock(id.generation(), locked, 0, self.bounds_of(at)).is_some();
        if known && !locked && !mutant!("lobby-unlocked-not-offered") {
            self.offer_again(at);
        }
        known
    }

    /// Returns the room where `join` would go now, by the hints: one that admits, or else a vacant
    /// one. Returns `None` if they lead to no room. The answer is a suggestion and needs no proof,
    /// so other calls that have stopped do not prolong this one.
    #[inline]
    pub(super) fn next(&self) -> Option<RoomId> {
        match self.choose(self.own()) {
            Some(choice) => Some(self.id(choice)),
            None => self.next_elsewhere(),
        }
    }

    /// As `next`, if the calling thread's shard has no room that admits.
    #[inline]
    fn next_elsewhere(&self) -> Option<RoomId> {
        if self.shards.len() == 1 {
            return self.vacancy(0);
        }
        let admits = self.shards_in_order().skip(1).find_map(|shard| self.choose(shard));
        match admits {
            Some(choice) => Some(self.id(choice)),
            None => self.shards_in_order().find_map(|shard| self.vacancy(shard)),
        }
    }

    /// Returns the id of a room that is not to be opened, or of the first room if there is none.
    pub(super) fn unopened(&self) -> RoomId {
        let location = self.shards_in_order().find_map(|shard| self.unused(shard));
        RoomId::new(self.mark, location.unwrap_or(0), 1)
    }

    #[inline]
    pub(super) fn id(&self, Choice { at, seen }: Choice<'_, T>) -> RoomId {
        RoomId::new(self.mark, at.location(), seen.generation())
    }

    #[inline(never)]
    pub(super) fn refuse<S>(&self, refusal: RoomRefusal) -> Result<S, JoinRoomError> {
        let kind = match refusal {
            RoomRefusal::Full => JoinRoomErrorKind::Full,
            RoomRefusal::Locked => JoinRoomErrorKind::Locked,
            RoomRefusal::Vacant | RoomRefusal::Gone => JoinRoomErrorKind::Gone,
        };
        Err(JoinRoomError::new(kind, self.next()))
    }

    /// Returns the state of the room of a seat of this lobby. Makes it if no member has.
    pub(super) fn state_of<'a>(&'a self, seated: &'a Seated) -> &'a T {
        match &self.states {
            States::One(state) => state,
            States::Each(make) => {
                let at = self.pages.at(seated.location());
                let at = at.expect("the page of a room with a member");
                // SAFETY: as in `leave`.
                unsafe { at.state(seated, &self.waiters, || make(seated.room_id(self.mark))) }
            }
        }
    }
}

/// A caller that has opened a room, while it makes the state. It leaves if the constructor panics.
struct Opener<'a, T> {
    lobby: &'a Lobby<T>,
    seated: Option<Seated>,
}

impl<T> Opener<'_, T> {
    fn make_state(&self) {
        if let (States::Each(make), Some(seated)) = (&self.lobby.states, &self.seated) {
            let at = self.lobby.pages.at(seated.location());
            let at = at.expect("the page of a room with a member");
            let id = seated.room_id(self.lobby.mark);
            // SAFETY: as in `leave`.
            unsafe { at.make_state(seated, &self.lobby.waiters, || make(id)) };
        }
    }
}

impl<T> Drop for Opener<'_, T> {
    fn drop(&mut self) {
        if let Some(seated) = self.seated.take() {
            self.lobby.leave(seated);
        }
    }
}

impl<T> RoomTable for Lobby<T> {
    fn size(&self) -> RoomSize {
        self.size
    }

    fn shards(&self) -> usize {
        self.shards.len()
    }

    fn bounds(&self, shard: usize) -> &Bounds {
        &self.shards[shard].bounds
    }

    fn quota(&self, shard: usize) -> u32 {
        self.shards[shard].quota
    }

    fn word(&self, shard: usize, number: u32) -> Option<&AtomicU64> {
        Some(self.pages.at(self.pages.location(shard, number)?)?.word())
    }

    fn exists(&self, shard: usize, number: u32) -> bool {
        self.pages.location(shard, number).is_some()
    }
}
