//! Rooms of a lobby in every order in which joiners, leavers and others can take their steps.
//!
//! The hints of a lobby are only hints. Here they find nothing at all, or the caller is led to any
//! room: whatever a joiner is told rests on the survey, the bounds and the rooms' words. Every step
//! of a thread may be its last, since the others may go on without it for as long as they like.
//!
//! Guarantees: *exact-lobby*, *no-needless-room*, *never-over*, and *unblocked*. While a call is
//! under way, the system notes whether there was an instant at which no room admitted, and one at
//! which none was vacant either; an answer needs its instant. A party needs an instant at which no
//! room had places for all of it, and a caller that opens a room of its own one at which none was
//! vacant.

use super::search::{search, sort_threads, Failure, Fault, Move, System, Violation};
use crate::protocol::bound::{Bound, Bounds};
use crate::protocol::party::{EnterMany, PartyWanted};
use crate::protocol::room::{
    EnterRoom, FlagWanted, LeaveRoom, OpenRoom, RoomFlag, RoomSize, RoomWord, SetFlag,
    LAST_GENERATION,
};
use crate::protocol::step::Step::{Done, Next};
use crate::protocol::survey::{Goal, RoomTable, Survey, Surveyed};
use crate::sync::AtomicU64;

/// What a search tries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Plan {
    threads: usize,
    /// How many calls each thread makes.
    calls: u32,
    seats: u32,
    shards: usize,
    /// The number of rooms of each shard, and how many of them may be open.
    rooms: u32,
    quota: u32,
    /// How many generations the rooms have left.
    lives: u32,
    /// Whether threads lock and unlock the first room, or list it and not.
    flag: Option<RoomFlag>,
    /// The size of the parties that threads join as, if any do. They leave as single members.
    party: u32,
    /// Whether threads open rooms of their own, or unlisted ones.
    opens: Option<bool>,
    /// Whether members leave.
    leaves: bool,
    /// The seats that are taken before the calls begin, room by room.
    filled: u32,
    /// How many of the first room the second thread has, and whether it has left them already.
    own: u32,
    left: bool,
}

/// The words of the rooms and the bounds, as a survey reads them.
struct Table {
    plan: Plan,
    words: Vec<AtomicU64>,
    bounds: Vec<Bounds>,
}

impl RoomTable for Table {
    fn size(&self) -> RoomSize {
        RoomSize::new(self.plan.seats)
    }

    fn shards(&self) -> usize {
        self.plan.shards
    }

    fn bounds(&self, shard: usize) -> &Bounds {
        &self.bounds[shard]
    }

    fn quota(&self, _: usize) -> u32 {
        self.plan.quota
    }

    fn word(&self, shard: usize, number: u32) -> Option<&AtomicU64> {
        let room = shard * self.plan.rooms as usize + number as usize;
        (number < self.plan.rooms).then(|| &self.words[room])
    }

    fn exists(&self, _: usize, _: u32) -> bool {
        false
    }
}

/// What a joiner asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Asks {
    /// So many seats of one room.
    Seats(u32),
    /// A room of its own.
    Own { listed: bool },
}

/// A call of a thread, between two of its steps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Op {
    /// A joiner that looks for a vacant room. The index may fail to find it.
    Join(Asks),
    /// A joiner that looks for a room with free seats, and opens that vacant one if there is none.
    Prove {
        n: u32,
        room: usize,
        generation: u32,
        survey: Survey,
    },
    /// A joiner that looks for any room, and is refused if there is none.
    Despair(Asks, Survey),
    Open {
        asks: Asks,
        room: usize,
        open: OpenRoom,
    },
    /// A joiner that looks again if it does not get in.
    Enter {
        room: usize,
        enter: EnterRoom,
    },
    EnterMany {
        n: u32,
        room: usize,
        enter: EnterMany,
    },
    /// A joiner by hint or by id, that gives up if it does not get in.
    EnterAny {
        room: usize,
        enter: Option<EnterRoom>,
    },
    Leave {
        room: usize,
        leave: LeaveRoom,
    },
    SetFlag {
        set: SetFlag,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    /// The room and the seats that it has, as bits.
    seats: Option<(usize, u32)>,
    calls: u32,
    within: Option<Op>,
    /// What it asks for, if it is a joiner.
    asks: Asks,
    /// The rooms that were opened since its call began or began anew, as bits. For a party alone.
    new_rooms: u32,
    /// Whether there was an instant, since the call began or began anew, at which no room admitted
    /// it, but for those new ones; and one at which none admitted it and none was vacant either.
    no_seat: bool,
    no_vacancy: bool,
}

/// How a call goes on.
enum Then {
    On(Op),
    Seated(usize, u32),
    Opened(usize, Asks),
    Refused,
    Over,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct LobbySystem {
    plan: Plan,
    words: Vec<u64>,
    bounds: Vec<[u64; 3]>,
    threads: Vec<Thread>,
}

fn read(word: u64) -> RoomWord {
    crate::protocol::room::read(&AtomicU64::new(word))
}

impl LobbySystem {
    fn new(plan: Plan) -> LobbySystem {
        let count = plan.rooms as usize * plan.shards;
        let fresh = u64::from(LAST_GENERATION - plan.lives);
        let outside = Thread {
            seats: None,
            calls: 0,
            within: None,
            asks: Asks::Seats(1),
            new_rooms: 0,
            no_seat: false,
            no_vacancy: false,
        };
        let mut start = LobbySystem {
            plan,
            words: vec![fresh; count],
            bounds: vec![[0, plan.quota.into(), 0]; plan.shards],
            threads: vec![outside; plan.threads],
        };
        for seat in 0..plan.filled {
            let room = (seat / plan.seats) as usize;
            let op = match seat % plan.seats {
                0 => {
                    let open = OpenRoom::new(start.generation(room), 1, start.size());
                    Op::Open { asks: Asks::Seats(1), room, open }
                }
                _ => Op::EnterAny { room, enter: None },
            };
            start = start.run_alone(0, op).expect("one thread alone ends");
            start.threads[0].calls = 0;
            if (seat as usize) < plan.threads - 1 {
                // The first seats are those of threads, the rest are never left.
                start.threads[seat as usize + 1].seats = start.threads[0].seats;
            }
            start.threads[0].seats = None;
        }
        if plan.own > 0 {
            start.threads[1].seats = Some((0, (1 << plan.own) - 1));
            for number in 0..if plan.left { plan.own } else { 0 } {
                let op = Op::Leave { room: 0, leave: LeaveRoom::Look { number } };
                start = start.run_alone(1, op).expect("one thread alone ends");
            }
            start.threads[1].calls = 0;
        }
        start
    }

    fn generation(&self, room: usize) -> u32 {
        read(self.words[room]).generation()
    }

    /// A joiner that is to open that room.
    fn prove(&self, room: usize, asks: Asks) -> Op {
        let generation = self.generation(room);
        match asks {
            Asks::Seats(n) => {
                Op::Prove { n, room, generation, survey: Survey::new(Goal::Seats(n)) }
            }
            Asks::Own { listed: true } => {
                Op::Open { asks, room, open: OpenRoom::new(generation, 1, self.size()) }
            }
            Asks::Own { listed: false } => {
                Op::Open { asks, room, open: OpenRoom::unlisted(generation, self.size()) }
            }
        }
    }

    fn size(&self) -> RoomSize {
        RoomSize::new(self.plan.seats)
    }

    fn shard(&self, room: usize) -> usize {
        room / self.plan.rooms as usize
    }

    /// The rooms that may be open: the first ones of each shard, one more for each retired.
    fn may_be_used(&self, room: usize) -> bool {
        let shard = self.shard(room) * self.plan.rooms as usize;
        let before = &self.words[shard..room];
        let retired = before.iter().filter(|&&word| read(word).is_retired()).count();
        room - shard < self.plan.quota as usize + retired
    }

    /// The calls that `thread` may begin, and the ways in which a joiner may go on.
    fn ways(&self, thread: usize) -> Vec<Op> {
        let own = self.threads[thread];
        let mut ways = Vec::new();
        match own.within {
            Some(Op::Join(asks)) => {
                let goal = match asks {
                    Asks::Seats(n) => Goal::SeatsOrVacancy(n),
                    Asks::Own { .. } => Goal::Vacancy,
                };
                ways.push(Op::Despair(asks, Survey::new(goal)));
                let vacant = (0..self.words.len())
                    .filter(|&room| self.may_be_used(room) && read(self.words[room]).is_vacant());
                // All callers are told the same one, unless it is of another shard.
                for shard in 0..self.plan.shards {
                    let first = vacant.clone().find(|&room| self.shard(room) == shard);
                    ways.extend(first.map(|room| self.prove(room, asks)));
                }
            }
            Some(op) => ways.push(op),
            None if own.calls == self.plan.calls => {}
            None => {
                match own.seats {
                    Some((room, bits)) if self.plan.leaves => {
                        let number = bits.trailing_zeros();
                        ways.push(Op::Leave { room, leave: LeaveRoom::Look { number } });
                    }
                    Some(_) => {}
                    None => {
                        ways.push(Op::Join(Asks::Seats(1)));
                        if self.plan.party > 1 {
                            ways.push(Op::Join(Asks::Seats(self.plan.party)));
                        }
                        let own = self.plan.opens.map(|listed| Op::Join(Asks::Own { listed }));
                        ways.extend(own);
                        if self.plan.leaves {
                            let rooms = 0..self.words.len();
                            ways.extend(rooms.map(|room| Op::EnterAny { room, enter: None }));
                        }
                    }
                }
                if let Some(flag) = self.plan.flag {
                    for on in [false, true] {
                        let wanted = FlagWanted { flag, on, at_least: 0 };
                        let set = SetFlag::Look { generation: self.generation(0), wanted };
                        ways.push(Op::SetFlag { set });
                    }
                }
            }
        }
        ways
    }

    /// Makes one atomic operation of that call.
    fn advance(&self, op: Op) -> (Vec<u64>, Vec<[u64; 3]>, Then) {
        let bounds = self.bounds.iter().map(|&bits| {
            let [admitting, vacant, watched] = bits.map(Bound::from_bits);
            Bounds { admitting, vacant, watched }
        });
        let table = Table {
            plan: self.plan,
            words: self.words.iter().copied().map(AtomicU64::new).collect(),
            bounds: bounds.collect(),
        };
        let then = self.advance_in(&table, op);
        let words = table.words.into_iter().map(AtomicU64::into_inner).collect();
        let bounds = table.bounds.into_iter();
        let bounds = bounds
            .map(|bounds| [bounds.admitting, bounds.vacant, bounds.watched].map(Bound::into_bits));
        (words, bounds.collect(), then)
    }

    fn advance_in(&self, table: &Table, op: Op) -> Then {
        let size = self.size();
        let bounds = |room| &table.bounds[self.shard(room)];
        let room_of =
            |shard: usize, number: u32| shard * self.plan.rooms as usize + number as usize;
        let enters = |n, room, seen| match n {
            1 => Op::Enter { room, enter: EnterRoom::Swap { seen } },
            n => {
                let wanted = PartyWanted { n, named: false };
                Op::EnterMany { n, room, enter: EnterMany::Swap { seen, wanted } }
            }
        };
        match op {
            Op::Join(_) => unreachable!("it goes on in one of several ways"),
            Op::Prove { n, room, generation, survey } => match survey.step(table) {
                Next(survey) => Then::On(Op::Prove { n, room, generation, survey }),
                Done(Surveyed::Admits(shard, number, seen)) => {
                    Then::On(enters(n, room_of(shard, number), seen))
                }
                Done(Surveyed::Nothing) => {
                    let open = OpenRoom::new(generation, n, size);
                    Then::On(Op::Open { asks: Asks::Seats(n), room, open })
                }
                Done(Surveyed::Vacant(..)) => unreachable!("it was not asked for"),
            },
            Op::Despair(asks, survey) => match survey.step(table) {
                Next(survey) => Then::On(Op::Despair(asks, survey)),
                Done(Surveyed::Admits(shard, number, seen)) => match asks {
                    Asks::Seats(n) => Then::On(enters(n, room_of(shard, number), seen)),
                    Asks::Own { .. } => unreachable!("it was not asked for"),
                },
                Done(Surveyed::Vacant(shard, number)) => {
                    let room = room_of(shard, number);
                    // It may have been opened since.
                    match read(self.words[room]).is_vacant() {
                        true => Then::On(self.prove(room, asks)),
                        false => Then::On(Op::Join(asks)),
                    }
                }
                Done(Surveyed::Nothing) => Then::Refused,
            },
            Op::Open { asks, room, open } => match open.step(&table.words[room], || bounds(room)) {
                Next(open) => Then::On(Op::Open { asks, room, open }),
                Done(Some(word)) if !word.is_retired() => Then::Opened(room, asks),
                Done(_) => Then::On(Op::Join(asks)),
            },
            Op::Enter { room, enter } => match enter.step(&table.words[room], size) {
                Next(enter) => Then::On(Op::Enter { room, enter }),
                Done(Ok((_, number))) => Then::Seated(room, 1 << number),
                Done(Err(_)) => Then::On(Op::Join(Asks::Seats(1))),
            },
            Op::EnterMany { n, room, enter } => match enter.step(&table.words[room], size) {
                Next(enter) => Then::On(Op::EnterMany { n, room, enter }),
                Done(Ok((_, seats))) => Then::Seated(room, seats as u32),
                Done(Err(_)) => Then::On(Op::Join(Asks::Seats(n))),
            },
            Op::EnterAny { room, enter } => {
                let enter = enter.unwrap_or(EnterRoom::Look { generation: self.generation(room) });
                match enter.step(&table.words[room], size) {
                    Next(enter) => Then::On(Op::EnterAny { room, enter: Some(enter) }),
                    Done(Ok((_, number))) => Then::Seated(room, 1 << number),
                    Done(Err(_)) => Then::Over,
                }
            }
            Op::Leave { room, leave } => {
                match leave.step(&table.words[room], size, || bounds(room)) {
                    Next(leave) => Then::On(Op::Leave { room, leave }),
                    Done(_) => Then::Over,
                }
            }
            Op::SetFlag { set } => match set.step(&table.words[0], size, || bounds(0)) {
                Next(set) => Then::On(Op::SetFlag { set }),
                Done(_) => Then::Over,
            },
        }
    }

    fn step(&self, thread: usize, op: Op) -> Result<LobbySystem, Violation> {
        let mut next = self.clone();
        let own = &mut next.threads[thread];
        if own.within.is_none() {
            own.calls += 1;
        }
        if own.within.is_none() || matches!(own.within, Some(Op::Join(_))) {
            (own.no_seat, own.no_vacancy, own.new_rooms) = (false, false, 0);
            own.within = Some(op);
            if let Op::Join(asks) = op {
                own.asks = asks;
                next.note();
                return Ok(next);
            }
            next.note();
        }
        let then;
        (next.words, next.bounds, then) = next.advance(op);
        next.note_new(self);
        let own = &mut next.threads[thread];
        own.within = None;
        match then {
            Then::On(op) => own.within = Some(op),
            Then::Seated(room, bits) => own.seats = Some((room, bits)),
            Then::Opened(room, asks) => {
                let n = match asks {
                    Asks::Seats(n) => n,
                    Asks::Own { .. } => 1,
                };
                let needs = matches!(asks, Asks::Seats(_)) && self.plan.seats > 1;
                if needs && !own.no_seat {
                    return Err(Fault::Inexact.seen("opened, though a room admitted throughout"));
                }
                own.seats = Some((room, (1 << n) - 1));
            }
            Then::Refused if !own.no_vacancy => {
                return Err(Fault::Inexact.seen("refused, though there was a seat throughout"));
            }
            Then::Refused => {}
            Then::Over => {
                if let (Op::Leave { .. }, Some((room, bits))) = (op, own.seats) {
                    let rest = bits & (bits - 1);
                    own.seats = (rest != 0).then_some((room, rest));
                }
            }
        }
        next.note();
        Ok(next)
    }

    /// Notes for each party under way which rooms were opened in a step.
    fn note_new(&mut self, before: &LobbySystem) {
        let opened = (0..self.words.len()).filter(|&room| {
            read(before.words[room]).members() == 0 && read(self.words[room]).members() > 0
        });
        let opened = opened.fold(0, |bits, room| bits | 1 << room);
        for thread in self.threads.iter_mut() {
            if let (Some(_), Asks::Seats(2..)) = (thread.within, thread.asks) {
                thread.new_rooms |= opened;
            }
        }
    }

    /// Notes for each call under way what is true at this instant.
    fn note(&mut self) {
        let size = self.size();
        let admits = |n: u32, without: u32| {
            let rooms = (0..self.words.len()).filter(|room| without & 1 << room == 0);
            let words = rooms.map(|room| read(self.words[room]));
            words.into_iter().any(|word| word.admits_many(n, size))
        };
        let vacant = (0..self.words.len())
            .any(|room| self.may_be_used(room) && read(self.words[room]).is_vacant());
        let notes = self.threads.iter().map(|thread| match thread.asks {
            _ if thread.within.is_none() => (false, false),
            Asks::Seats(n) => (!admits(n, thread.new_rooms), !admits(n, 0) && !vacant),
            Asks::Own { .. } => (true, !vacant),
        });
        let notes: Vec<_> = notes.collect();
        for (thread, (no_seat, no_vacancy)) in self.threads.iter_mut().zip(notes) {
            thread.no_seat |= no_seat;
            thread.no_vacancy |= no_vacancy;
        }
    }

    /// Makes that call to its end, while all other threads have stopped.
    fn run_alone(&self, thread: usize, op: Op) -> Result<LobbySystem, Violation> {
        let mut state = self.step(thread, op)?;
        for _ in 0..200 {
            let Some(op) = state.threads[thread].within else { return Ok(state) };
            // The index finds a vacant room, if there is one.
            let way = match op {
                Op::Join(_) => state.ways(thread).pop().expect("a way"),
                op => op,
            };
            state = state.step(thread, way)?;
        }
        Err(Fault::TooManySteps.seen(format_args!("{op:?}")))
    }

    fn open_rooms(&self) -> usize {
        self.words.iter().filter(|&&word| read(word).members() > 0).count()
    }
}

impl System for LobbySystem {
    fn moves(&self) -> Vec<Move<Self>> {
        let threads = 0..self.threads.len();
        let moves = threads.flat_map(|thread| {
            let ways = self.ways(thread).into_iter().enumerate();
            ways.map(move |(way, op)| Move { thread, way, after: self.step(thread, op) })
        });
        moves.collect()
    }

    fn check(&self) -> Result<(), Violation> {
        for shard in 0..self.plan.shards {
            let rooms = (0..self.words.len()).filter(|&room| self.shard(room) == shard);
            let open = rooms.filter(|&room| read(self.words[room]).members() > 0).count();
            if open > self.plan.quota as usize {
                return Err(Fault::Over.seen(format_args!("{:?}", self.words)));
            }
        }
        // A seat that a thread is giving back counts for neither side.
        let sure = self.threads.iter();
        let sure = sure.filter(|thread| !matches!(thread.within, Some(Op::Leave { .. })));
        let seats: Vec<_> = sure.filter_map(|thread| thread.seats).collect();
        let share =
            |one: (usize, u32), other: (usize, u32)| one.0 == other.0 && one.1 & other.1 != 0;
        if (1..seats.len()).any(|at| seats[..at].iter().any(|&one| share(one, seats[at]))) {
            return Err(Fault::Shared.seen(format_args!("{seats:?}")));
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        sort_threads(&mut self.threads);
        self
    }

    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String {
        let name = (b'A' + thread as u8) as char;
        let goes = format!("{name}: {:?}", self.ways(thread)[way]);
        let Some(after) = after else { return goes };
        let rooms = after.words.iter().map(|&word| {
            let (word, size) = (read(word), after.size());
            let flags =
                (word.is_locked(), word.is_unlisted(), word.is_counted(), word.is_watched());
            (word.members(), flags, word.admits(size))
        });
        let rooms: Vec<_> = rooms.collect();
        let bounds = after.bounds.iter().map(|bounds| {
            bounds
                .map(|bits| Bound::from_bits(bits).read())
                .map(|word| (word.announcements(), word.count()))
        });
        let bounds: Vec<_> = bounds.collect();
        format!(
            "{goes}\n       members, (locked, unlisted, counted, watched), admits {rooms:?}; bounds {bounds:?}"
        )
    }
}

fn run(plan: Plan, visit: impl FnMut(&LobbySystem)) -> Result<usize, Failure> {
    search([LobbySystem::new(plan)], visit)
}

#[track_caller]
fn holds(plan: Plan) {
    // *unblocked*: from any state on, a thread alone ends its call.
    let mut seen = 0_u32;
    let states = run(plan, |state| {
        seen += 1;
        for thread in 0..plan.threads {
            if let (true, Some(op)) = (seen % 7 == 0, state.threads[thread].within) {
                let way = match op {
                    Op::Join(_) => state.ways(thread).pop().expect("a way"),
                    op => op,
                };
                state.run_alone(thread, way).unwrap_or_else(|violation| {
                    panic!("a thread alone: {} {:?} {:?}", violation.seen, state.words, op)
                });
            }
        }
    });
    let states = states.unwrap_or_else(|failure| panic!("{plan:?}\n{failure:?}"));
    println!("{plan:?}: {states} states");
    assert!(states > 1_000, "a search of {states} states proves nothing");
}

const PLAN: Plan = Plan {
    threads: 2,
    calls: 3,
    seats: 2,
    shards: 1,
    rooms: 2,
    quota: 2,
    lives: 9,
    flag: None,
    party: 0,
    opens: None,
    leaves: true,
    filled: 0,
    own: 0,
    left: false,
};

#[test]
fn two_threads_in_two_rooms() {
    for seats in 1..=2 {
        holds(Plan { seats, calls: 4, ..PLAN });
    }
}

#[test]
fn two_threads_and_the_lock() {
    for flag in [RoomFlag::Locked, RoomFlag::Unlisted] {
        holds(Plan { flag: Some(flag), calls: 3, ..PLAN });
    }
}

/// One room is full, the other has a free seat or two; a thread that stops in the middle of a leave
/// hides nothing.
#[test]
fn three_threads_in_full_rooms() {
    holds(Plan { threads: 3, calls: 2, filled: 4, ..PLAN });
    holds(Plan { threads: 3, calls: 2, filled: 3, ..PLAN });
}

#[test]
fn three_threads_in_one_room_of_one() {
    holds(Plan { threads: 3, calls: 3, seats: 1, rooms: 1, quota: 1, ..PLAN });
}

#[test]
fn two_shards() {
    holds(Plan { shards: 2, rooms: 1, quota: 1, filled: 3, ..PLAN });
    holds(Plan { shards: 2, rooms: 1, quota: 1, threads: 3, calls: 2, seats: 1, ..PLAN });
}

/// Rooms that retire are replaced by others.
#[test]
fn rooms_that_retire() {
    holds(Plan { lives: 1, rooms: 3, quota: 1, calls: 4, ..PLAN });
}

/// Parties of two against single callers and leavers, in rooms of two and of three.
#[test]
fn parties_of_two() {
    holds(Plan { party: 2, ..PLAN });
    holds(Plan { party: 2, seats: 3, ..PLAN });
    holds(Plan { party: 2, filled: 4, calls: 4, ..PLAN });
    holds(Plan { party: 2, filled: 3, seats: 3, rooms: 1, quota: 1, threads: 3, calls: 2, ..PLAN });
}

/// At each instant one of two rooms has two free seats: a party is not refused.
#[test]
fn a_party_while_free_seats_move() {
    holds(Plan { party: 2, seats: 3, filled: 4, own: 2, ..PLAN });
}

#[test]
fn parties_and_the_lock() {
    for flag in [RoomFlag::Locked, RoomFlag::Unlisted] {
        holds(Plan { flag: Some(flag), party: 2, seats: 3, filled: 4, own: 2, left: true, ..PLAN });
    }
}

#[test]
fn parties_in_two_shards() {
    holds(Plan { party: 2, shards: 2, rooms: 1, quota: 1, filled: 3, ..PLAN });
}

#[test]
fn callers_that_open_rooms_of_their_own() {
    for listed in [false, true] {
        holds(Plan { opens: Some(listed), ..PLAN });
        holds(Plan { opens: Some(listed), lives: 2, rooms: 3, quota: 1, ..PLAN });
        holds(Plan { opens: Some(listed), threads: 3, calls: 2, seats: 1, quota: 1, ..PLAN });
    }
}

/// Callers that arrive at the same empty lobby at the same time sit together.
#[test]
fn joiners_of_an_empty_lobby_sit_together() {
    for threads in 2..=3 {
        let plan = Plan { threads, calls: 1, seats: 3, leaves: false, ..PLAN };
        let mut quiet = 0;
        run(plan, |state| {
            if state.threads.iter().all(|thread| thread.seats.is_some()) {
                assert_eq!(state.open_rooms(), 1, "{:?}", state.words);
                quiet += 1;
            }
        })
        .unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(quiet > 0, "no thread was seated");
    }
}
