//! The proof that no room of a lobby admits, or that none is vacant either.
//!
//! # Invariant
//!
//! A survey ends in one of two ways: with a room that it has just seen to admit (or to be vacant),
//! or with the proof that at an instant within the survey no room did.
//!
//! It adds up the bounds of all shards, again and again. Sums with the same number of announcements
//! enclose a span in which no call announced anything.
//! - If the bounds at the beginning of such a span were all 0, they were so to its end, and no room
//!   admitted.
//! - Otherwise calls are in the middle of something, perhaps for a long time. Between two sums the
//!   survey reads the words of all rooms, and clears the flag of rooms that count and do not admit.
//!   Suppose that some room admitted at each instant of the span. One was in the bounds at its
//!   beginning. So fewer than `count` calls had announced a room that did not count yet, and each
//!   of them makes at most one room count that a reading has passed. So of `count` readings at
//!   least one was undisturbed: the rooms that it had passed did not count until its end. At that
//!   end no room admitted, which is a contradiction.
//!
//! So a call that has stopped for ever costs others time and changes no answer. Vacant rooms are
//! proven alike, by the bound of vacant rooms and the same readings.
//!
//! For a party of several the readings alone are the proof (`party.rs`). They mark each open room
//! that does not admit the party as watched, and the sums are of the bounds of what was watched, in
//! place of those of rooms that admit. If `count` calls had announced something at the beginning of
//! the span, of `count + 1` readings at least one was undisturbed. The rooms that were open when it
//! passed them did not admit the party from then on until its end, and if no room was vacant then,
//! none was at its end. So at that end no room admitted the party, but for those that were opened
//! while the survey went on, and where vacant rooms were looked for there are none of these.

use super::bound::{Bound, BoundWord, Bounds};
use super::party::watch;
use super::room::{self, PassRoom, RoomSize, RoomWord};
use crate::protocol::mutants::mutant;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::AtomicU64;

/// The rooms of a lobby, by their numbers in each shard.
pub(crate) trait RoomTable {
    fn size(&self) -> RoomSize;
    fn shards(&self) -> usize;
    fn bounds(&self, shard: usize) -> &Bounds;

    /// Returns how many rooms of a shard may be open at once: its first ones. For each room that is
    /// retired, one more room may be used.
    fn quota(&self, shard: usize) -> u32;

    /// Returns the word of a room, `None` if it has never been opened.
    fn word(&self, shard: usize, number: u32) -> Option<&AtomicU64>;

    /// Returns whether a shard has memory for a room of that number.
    fn exists(&self, shard: usize, number: u32) -> bool;
}

/// What a survey looks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Goal {
    /// A room that admits so many.
    Seats(u32),
    /// A room that admits so many, or a vacant one.
    SeatsOrVacancy(u32),
    /// A vacant room.
    Vacancy,
}

impl Goal {
    /// Returns the number of seats, if it looks for any.
    fn seats(self) -> Option<u32> {
        match self {
            Goal::Seats(n) | Goal::SeatsOrVacancy(n) => Some(n),
            Goal::Vacancy => None,
        }
    }

    fn is_vacancy(self) -> bool {
        !matches!(self, Goal::Seats(_))
    }

    fn is_party(self) -> bool {
        self.seats().is_some_and(|n| n > 1)
    }

    /// Returns the bounds that concern it, one after the other.
    fn bound(self, kind: usize, bounds: &Bounds) -> Option<&Bound> {
        match (self, kind) {
            (Goal::Seats(1) | Goal::SeatsOrVacancy(1), 0) => Some(&bounds.admitting),
            (Goal::Seats(_) | Goal::SeatsOrVacancy(_), 0) => Some(&bounds.watched),
            (Goal::SeatsOrVacancy(_), 1) | (Goal::Vacancy, 0) => Some(&bounds.vacant),
            _ => None,
        }
    }
}

/// How a survey ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Surveyed {
    /// That room of that shard admits.
    Admits(usize, u32, RoomWord),
    /// That room of that shard is vacant and may be opened.
    Vacant(usize, u32),
    /// At an instant there was no such room.
    Nothing,
}

/// The sums of the bounds of all shards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Sums {
    announcements: u64,
    count: u32,
}

impl Sums {
    fn plus(self, bound: BoundWord) -> Sums {
        Sums {
            announcements: self.announcements.wrapping_add(bound.announcements()),
            count: self.count.saturating_add(bound.count()),
        }
    }
}

/// The rooms that a reading has come to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Place {
    shard: usize,
    number: u32,
    /// The retired rooms among those before.
    retired: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Sum { bound: usize, sums: Sums },
    Look(Place),
    Pass(Place, PassRoom),
    Watch(Place, RoomWord),
}

/// The survey.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Survey {
    goal: Goal,
    /// The sums at the beginning of the span, and the readings since that still have to be made.
    span: Option<(Sums, u32)>,
    phase: Phase,
}

impl Survey {
    pub(crate) fn new(goal: Goal) -> Survey {
        Survey { goal, span: None, phase: Phase::Sum { bound: 0, sums: Sums::default() } }
    }

    /// Makes one atomic operation.
    pub(crate) fn step(self, table: &impl RoomTable) -> Step<Survey, Surveyed> {
        match self.phase {
            Phase::Sum { bound, sums } => {
                let shards = table.shards();
                let of = |bound| self.goal.bound(bound / shards, table.bounds(bound % shards));
                let sums = of(bound).map_or(sums, |bound| sums.plus(bound.read()));
                if of(bound + 1).is_some() {
                    return Next(Survey { phase: Phase::Sum { bound: bound + 1, sums }, ..self });
                }
                self.judge(sums, table)
            }
            Phase::Look(at) => {
                let Some(word) = table.word(at.shard, at.number) else { unreachable!("{at:?}") };
                let seen = room::read_after(word);
                if self.goal.seats().is_some_and(|n| seen.admits_many(n, table.size())) {
                    return Done(Surveyed::Admits(at.shard, at.number, seen));
                }
                if seen.is_vacant() && self.goal.is_vacancy() {
                    return Done(Surveyed::Vacant(at.shard, at.number));
                }
                match self.goal.seats() {
                    Some(1) if seen.is_counted() && !mutant!("survey-does-not-pass") => {
                        let phase = Phase::Pass(at, PassRoom::Swap { seen });
                        Next(Survey { phase, ..self })
                    }
                    Some(2..) if seen.members() > 0 && !seen.is_watched() => {
                        Next(Survey { phase: Phase::Watch(at, seen), ..self })
                    }
                    _ => self.go_on(at, seen.is_retired(), table),
                }
            }
            Phase::Watch(at, seen) => {
                let Some(word) = table.word(at.shard, at.number) else { unreachable!("{at:?}") };
                match watch(word, seen) {
                    Ok(()) => self.go_on(at, false, table),
                    Err(_) => Next(Survey { phase: Phase::Look(at), ..self }),
                }
            }
            Phase::Pass(at, pass) => {
                let word = table.word(at.shard, at.number);
                let Some(word) = word else { unreachable!("{at:?}") };
                match pass.step(word, || table.bounds(at.shard)) {
                    Next(pass) => Next(Survey { phase: Phase::Pass(at, pass), ..self }),
                    Done(Ok(_)) => self.go_on(at, false, table),
                    Done(Err(_)) => Next(Survey { phase: Phase::Look(at), ..self }),
                }
            }
        }
    }

    /// Decides what the sums prove.
    fn judge(self, sums: Sums, table: &impl RoomTable) -> Step<Survey, Surveyed> {
        let rounds = |sums: Sums| match mutant!("survey-one-round-less") {
            true => sums.count.saturating_sub(1),
            false if self.goal.is_party() && !mutant!("survey-one-round-less-for-a-party") => {
                sums.count + 1
            }
            false => sums.count,
        };
        let left = match self.span {
            Some((began, left))
                if began.announcements == sums.announcements
                    || mutant!("survey-announcements-ignored") =>
            {
                if left == 0 {
                    return Done(Surveyed::Nothing);
                }
                left.min(rounds(sums))
            }
            _ => rounds(sums),
        };
        let is_one = matches!(self.goal, Goal::Seats(1) | Goal::Vacancy) && table.shards() == 1;
        if sums.count == 0 && is_one {
            // The sum is one bound, read at one instant.
            return Done(Surveyed::Nothing);
        }
        if left == 0 {
            let phase = Phase::Sum { bound: 0, sums: Sums::default() };
            return Next(Survey { span: Some((sums, 0)), phase, ..self });
        }
        let read = Survey { span: Some((sums, left - 1)), ..self };
        read.look_at(Place::default(), table)
    }

    fn go_on(self, at: Place, is_retired: bool, table: &impl RoomTable) -> Step<Survey, Surveyed> {
        let retired = at.retired + u32::from(is_retired);
        self.look_at(Place { number: at.number + 1, retired, ..at }, table)
    }

    /// Goes to the first room from there on.
    fn look_at(self, mut at: Place, table: &impl RoomTable) -> Step<Survey, Surveyed> {
        while at.shard < table.shards() {
            let may_be_used = at.number < table.quota(at.shard).saturating_add(at.retired);
            if may_be_used && table.word(at.shard, at.number).is_some() {
                return Next(Survey { phase: Phase::Look(at), ..self });
            }
            if may_be_used && self.goal.is_vacancy() && table.exists(at.shard, at.number) {
                return Done(Surveyed::Vacant(at.shard, at.number));
            }
            at = Place { shard: at.shard + 1, ..Place::default() };
        }
        Next(Survey { phase: Phase::Sum { bound: 0, sums: Sums::default() }, ..self })
    }
}
