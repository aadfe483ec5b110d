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
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use super::error::{JoinError, JoinRoomError, JoinRoomErrorKind};
use super::id::RoomId;
use super::index::Choice;
use super::info::RoomInfo;
use super::room::{Departure, Opening, RoomRef, Seated, TakenSeat, TakenSeats};
use super::{last_left, own_shard, Lobby, States};

use crate::protocol::bound::Bounds;
use crate::protocol::mutants::mutant;
use crate::protocol::room::{FlagWanted, RoomFlag, RoomRefusal, RoomSize, RoomWord};
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
            listed: !word.is_unlisted(),
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

    /// Returns `None` if no room admits and none may be opened. An error with several reasons would
    /// not fit into a register beside a seat.
    #[inline]
    pub(super) fn seat_anywhere(&self) -> Option<Seated> {
        if self.shards.len() > 1 || !self.size.is_small() {
            return self.seat_in_large();
        }
        let seated = self.seat_where_left(None, RoomRef::enter_unchanged);
        seated.or_else(|| self.seat_where_best())
    }

    /// As `seat_anywhere`, in a lobby of large rooms or with several shards.
    #[inline(never)]
    fn seat_in_large(&self) -> Option<Seated> {
        let seated = self.seat_where_left(Some(self.own()), RoomRef::enter_any_unchanged);
        seated.or_else(|| self.seat_where_best())
    }

    /// Takes a seat in the room that this thread left last, if that is known to be the best and no
    /// other call has changed the room since.
    #[inline(always)]
    fn seat_where_left<'a>(
        &'a self,
        shard: Option<usize>,
        enter: impl FnOnce(RoomRef<'a, T>, RoomWord) -> Option<TakenSeat>,
    ) -> Option<Seated> {
        let Choice { at, seen } = self.left_last(shard)?;
        // The room is not read before: that would have to wait for the exchange of the leave.
        let taken = enter(at, seen)?;
        last_left::forget();
        Some(self.seated(taken))
    }

    #[inline(never)]
    fn seat_where_best(&self) -> Option<Seated> {
        let mut patience = PATIENCE;
        loop {
            for shard in self.shards_in_order() {
                if let Some(taken) = self.join_in(shard) {
                    return Some(self.seated(taken));
                }
            }
            match self.outlook(&mut patience) {
                Outlook::Admits(Choice { at, seen }) => {
                    if let Ok(taken) = at.enter_seen(seen) {
                        self.offer(at, taken.word());
                        return Some(self.seated(taken));
                    }
                }
                Outlook::Opens(id) => {
                    if let Some(seated) = self.open(id, true) {
                        return Some(seated);
                    }
                }
                Outlook::Full => return None,
                Outlook::Again => {}
            }
        }
    }

    /// Takes `n` seats of one room together.
    pub(super) fn seats_anywhere(&self, n: u32) -> Result<TakenSeats<'_, T>, JoinError> {
        loop {
            let chosen = self.shards_in_order().find_map(|shard| self.choose_for(shard, n));
            match chosen.map_or_else(|| self.prospect(n), Outlook::Admits) {
                Outlook::Admits(Choice { at, seen }) => {
                    if let Ok(taken) = at.enter_many_seen(seen, n) {
                        self.offer(at, taken.word());
                        return Ok(taken);
                    }
                }
                Outlook::Opens(id) => {
                    if let Some(taken) = self.open_for(id, n, true) {
                        return Ok(taken);
                    }
                }
                Outlook::Full => return Err(JoinError::Full),
                Outlook::Again => {}
            }
        }
    }

    /// Takes a seat in a room that the caller opens.
    pub(super) fn seat_in_new(&self, listed: bool) -> Result<Seated, JoinError> {
        loop {
            let next = self.shards_in_order().find_map(|shard| self.vacancy(shard));
            let outlook = next.map(Outlook::Opens).or_else(|| self.survey(Goal::Vacancy));
            match outlook {
                Some(Outlook::Opens(id)) => {
                    if let Some(seated) = self.open(id, listed) {
                        return Ok(seated);
                    }
                }
                Some(_) => {}
                None => return Err(JoinError::Full),
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
        self.prospect(1)
    }

    /// Finds out what is true for `n` callers that are to sit together.
    fn prospect(&self, n: u32) -> Outlook<'_, T> {
        // Before the survey, so that callers that arrive at the same time are to open the same
        // room: one opens it, and the others find it.
        match self.shards_in_order().find_map(|shard| self.vacancy(shard)) {
            Some(id) => self.survey(Goal::Seats(n)).unwrap_or(Outlook::Opens(id)),
            None => self.survey(Goal::SeatsOrVacancy(n)).unwrap_or(Outlook::Full),
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
                // Chosen before the proof, as in `prospect`.
                let admits = match goal {
                    Goal::Seats(n) | Goal::SeatsOrVacancy(n) => self.survey(Goal::Seats(n)),
                    Goal::Vacancy => None,
                };
                Some(admits.unwrap_or(Outlook::Opens(id)))
            }
        }
    }

    /// As `seat_in`, if a reading and at most one exchange tell the outcome. Returns `Err(None)`
    /// otherwise: then it is left to `seat_in`.
    #[inline]
    pub(super) fn seat_in_at_once(&self, id: RoomId) -> Result<Seated, Option<RoomRefusal>> {
        if id.mark() != self.mark {
            return Err(Some(RoomRefusal::Gone));
        }
        let at = self.pages.at(id.location()).ok_or(None)?;
        let taken = at.enter_at_once(id.generation())?;
        let word = taken.word();
        // Before the offer, which is a call: then less is kept for after it.
        let seated = self.seated(taken);
        self.offer(at, word);
        Ok(seated)
    }

    pub(super) fn seat_in(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        if id.mark() != self.mark {
            return Err(RoomRefusal::Gone);
        }
        match self.enter_by_id(id) {
            Err(RoomRefusal::Vacant) => self.seat_by_opening(id),
            entered => entered,
        }
    }

    /// Takes `n` seats in that room together.
    pub(super) fn seats_in(&self, id: RoomId, n: u32) -> Result<TakenSeats<'_, T>, RoomRefusal> {
        if id.mark() != self.mark {
            return Err(RoomRefusal::Gone);
        }
        match self.enter_many_by_id(id, n) {
            Err(RoomRefusal::Vacant) => self.open_named(id, n),
            entered => entered,
        }
    }

    /// Enters that room. Returns `Vacant` also for a room without a page.
    fn enter_by_id(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        let at = self.named(id)?;
        let taken = at.enter(id.generation())?;
        self.offer(at, taken.word());
        Ok(self.seated(taken))
    }

    /// As `enter_by_id`, for `n` callers.
    fn enter_many_by_id(&self, id: RoomId, n: u32) -> Result<TakenSeats<'_, T>, RoomRefusal> {
        let at = self.named(id)?;
        let taken = at.enter_many(id.generation(), n)?;
        self.offer(at, taken.word());
        Ok(taken)
    }

    fn named(&self, id: RoomId) -> Result<RoomRef<'_, T>, RoomRefusal> {
        let is_first = id.generation() == 1;
        let without = if is_first { RoomRefusal::Vacant } else { RoomRefusal::Gone };
        self.pages.at(id.location()).ok_or(without)
    }

    #[inline]
    pub(super) fn seat_in_or_anywhere(&self, id: RoomId) -> Option<Seated> {
        match self.seat_in_at_once(id) {
            Ok(seated) => Some(seated),
            Err(Some(_)) => self.seat_anywhere(),
            Err(None) => self.seat_in(id).ok().or_else(|| self.seat_anywhere()),
        }
    }

    #[inline]
    fn seated(&self, taken: TakenSeat) -> Seated {
        let completed_quorum = taken.word().members() == self.quorum;
        taken.into_seated(completed_quorum)
    }

    #[cold]
    fn seat_by_opening(&self, id: RoomId) -> Result<Seated, RoomRefusal> {
        self.seat_first(self.open_named(id, 1)?).ok_or(RoomRefusal::Full)
    }

    /// Opens a vacant room that the caller has named, if it is the next to be opened. If another
    /// caller opens it meanwhile, enters it.
    #[cold]
    fn open_named(&self, id: RoomId, n: u32) -> Result<TakenSeats<'_, T>, RoomRefusal> {
        loop {
            let shard = self.pages.shard_of(id.location());
            let next = if shard < self.shards.len() { self.vacancy(shard) } else { None };
            if next == Some(id) {
                if let Some(taken) = self.open_for(id, n, true) {
                    return Ok(taken);
                }
            }
            match self.enter_many_by_id(id, n) {
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
    /// `None` if it was not opened.
    #[cold]
    fn open(&self, id: RoomId, listed: bool) -> Option<Seated> {
        self.seat_first(self.open_for(id, 1, listed)?)
    }

    /// Opens that vacant room for `n` callers, which are to make its state. Returns `None` if it
    /// was not opened.
    fn open_for(&self, id: RoomId, n: u32, listed: bool) -> Option<TakenSeats<'_, T>> {
        let at = self.pages.make_at(id.location())?;
        match at.open(id.generation(), n, listed, self.bounds_of(at)) {
            Opening::Opened(taken) => {
                self.offer(at, taken.word());
                Some(taken)
            }
            Opening::Retired => {
                self.closed(at, true);
                None
            }
            Opening::Lost => None,
        }
    }

    /// Seats a single caller. Makes the state if it has opened the room, unless another member is
    /// doing that.
    fn seat_first(&self, mut taken: TakenSeats<'_, T>) -> Option<Seated> {
        let is_new = taken.is_new();
        let seated = self.seated(taken.next()?);
        Some(if is_new {
            self.make_state(seated, |seated| seated, |seated| self.leave(seated))
        } else {
            seated
        })
    }

    /// Seats the members of a party, as if they had come one after the other.
    pub(super) fn seated_together<'a>(
        &'a self,
        taken: TakenSeats<'a, T>,
    ) -> impl Iterator<Item = Seated> + 'a {
        let before = taken.word().members() - taken.size_hint().0 as u32;
        let members = before + 1..;
        members.zip(taken).map(|(members, taken)| taken.into_seated(members == self.quorum))
    }

    /// Leaves the room of a seat of this lobby, and closes the room after its last member.
    #[inline]
    pub(super) fn leave(&self, seated: Seated) {
        let Some(at) = self.pages.at(seated.location()) else { return };
        // SAFETY: this lobby seated the member at that location, and a location finds the same room
        // for as long as the lobby exists (`Pages`).
        match unsafe { at.leave_plainly(seated, || self.bounds_of(at)) } {
            Ok(word) => self.left(at, word),
            Err(seated) => self.leave_otherwise(seated),
        }
    }

    /// After a leave from a room that admits.
    #[inline]
    fn left(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if !mutant!("lobby-left-not-offered") {
            self.offer_left(at, word);
        }
    }

    /// As `leave`, if that is not plain.
    #[inline(never)]
    fn leave_otherwise(&self, seated: Seated) {
        let Some(at) = self.pages.at(seated.location()) else { return };
        // SAFETY: as in `leave`.
        match unsafe { at.leave(seated, self.bounds_of(at)) } {
            Departure::Occupied(word) if word.admits(self.size) => self.left(at, word),
            Departure::Occupied(_) => {}
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

    pub(super) fn set_flag(&self, id: RoomId, flag: RoomFlag, on: bool) -> bool {
        let Some(at) = self.pages.at(id.location()) else { return false };
        let wanted = FlagWanted { flag, on, at_least: 0 };
        let known = id.mark() == self.mark
            && at.set_flag(id.generation(), wanted, self.bounds_of(at)).is_some();
        if known && !on && !mutant!("lobby-unlocked-not-offered") {
            self.offer_again(at);
        }
        known
    }

    /// Returns the room where `join` would go now, by the hints: one that admits, or else a vacant
    /// one. Returns `None` if they lead to no room. The answer is a suggestion and needs no proof,
    /// so other calls that have stopped do not prolong this one.
    #[inline]
    pub(super) fn next(&self) -> Option<RoomId> {
        if self.shards.len() == 1 && last_left::last(self).is_none() {
            if let Some(filling) = self.filling_room(0) {
                return Some(self.id(filling));
            }
        }
        self.next_by_search()
    }

    /// As `next`, if it is not known that the filling room is the best.
    #[inline(never)]
    fn next_by_search(&self) -> Option<RoomId> {
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

    /// As `next`, for `n` callers that are to sit together.
    fn next_for(&self, n: u32) -> Option<RoomId> {
        let mut shards = self.shards_in_order();
        let admits = shards.find_map(|shard| self.choose_for(shard, n)).map(|room| self.id(room));
        admits.or_else(|| self.shards_in_order().find_map(|shard| self.vacancy(shard)))
    }

    /// Returns the id of a room that is not to be opened, or of none if there is no such room.
    pub(super) fn unopened(&self) -> RoomId {
        let location = self.shards_in_order().find_map(|shard| self.unused(shard));
        location.map_or(RoomId::nowhere(self.mark), |at| RoomId::new(self.mark, at, 1))
    }

    #[inline]
    pub(super) fn id(&self, Choice { at, seen }: Choice<'_, T>) -> RoomId {
        RoomId::new(self.mark, at.location(), seen.generation())
    }

    #[inline(never)]
    pub(super) fn refuse(&self, refusal: RoomRefusal) -> JoinRoomError {
        JoinRoomError::new(kind_of(refusal), self.next())
    }

    /// As `refuse`, for `n` callers that were to sit together.
    pub(super) fn refuse_many(&self, refusal: RoomRefusal, n: u32) -> JoinRoomError {
        JoinRoomError::new(kind_of(refusal), if n == 1 { self.next() } else { self.next_for(n) })
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

#[inline]
fn kind_of(refusal: RoomRefusal) -> JoinRoomErrorKind {
    match refusal {
        // A caller that names the room is not told that it is unlisted.
        RoomRefusal::Full | RoomRefusal::Unlisted => JoinRoomErrorKind::Full,
        RoomRefusal::Locked => JoinRoomErrorKind::Locked,
        RoomRefusal::Vacant | RoomRefusal::Gone => JoinRoomErrorKind::Gone,
    }
}

impl<T> Lobby<T> {
    /// Makes the state of the room that the holder of `seats` has opened, unless another member is
    /// doing that. If this panics, the members leave.
    pub(super) fn make_state<S>(
        &self,
        seats: S,
        first: impl FnOnce(&S) -> &Seated,
        leave: impl FnOnce(S),
    ) -> S {
        let States::Each(make) = &self.states else { return seats };
        let seated = first(&seats);
        let at = self.pages.at(seated.location()).expect("the page of a room with a member");
        // SAFETY: as in `leave`.
        let make = || unsafe {
            at.make_state(seated, &self.waiters, || make(seated.room_id(self.mark)));
        };
        // The constructor may panic, or the destructor of an earlier state.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(make)) {
            // So may the destructor of the new state. The first panic goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| leave(seats)));
            resume_unwind(panic);
        }
        seats
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
