//! The room's word in every order in which threads can take their steps.
//!
//! Each thread begins any call that it may: outside, it enters or opens under any generation, alone
//! or as a party, passes or watches the room as a search does, opens an unlisted room, lists the
//! room or not, and sets the lock with and without a quorum; inside, it also leaves, seat by seat.
//! The word starts a few generations before the last, so the state space is finite although the
//! number of calls is not.
//!
//! Guarantees: *seat-distinct*, *no-ghost*, *no-lost-room*, and *exact* for one room. [`Room`] says
//! what each call is answered; [`RoomSystem::check`] what holds between calls, and that the bounds
//! are exact in every state but for what the calls within them have pending.

mod rejected;

use std::fmt::{self, Debug};

use headcount_spec::{Explanations, Room, RoomAnswer, RoomCall};

use super::search::{search, sort_threads, Failure, Fault, Move, System, Violation};
use crate::protocol::bound::{Bound, Bounds, Pending};
use crate::protocol::party::{self, EnterMany, PartyWanted};
use crate::protocol::room::{
    self, EnterRoom, FlagWanted, LeaveOther, LeaveRoom, OpenRoom, PassRoom, RoomFlag, RoomRefusal,
    RoomSize, RoomWord, SetFlag, GENERATION_BITS, LAST_GENERATION,
};
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::AtomicU64;
use rejected::{Rejected, RejectedOp};

/// A machine of `room.rs`, or one that was not chosen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Op {
    Enter(EnterRoom),
    EnterMany(EnterMany),
    Leave(LeaveRoom),
    Open(OpenRoom),
    /// Before a look at the room, and afterwards.
    Pass(Option<PassRoom>),
    Watch(Option<RoomWord>),
    SetFlag(SetFlag),
    Rejected(RejectedOp),
}

fn refused(refusal: RoomRefusal) -> RoomAnswer {
    RoomAnswer::Refused(match refusal {
        RoomRefusal::Full => headcount_spec::RoomRefusal::Full,
        RoomRefusal::Locked => headcount_spec::RoomRefusal::Locked,
        RoomRefusal::Unlisted => headcount_spec::RoomRefusal::Unlisted,
        RoomRefusal::Vacant => headcount_spec::RoomRefusal::Vacant,
        RoomRefusal::Gone => headcount_spec::RoomRefusal::Gone,
    })
}

fn left(word: RoomWord) -> RoomAnswer {
    match word.members() {
        0 => RoomAnswer::Closed,
        members => RoomAnswer::Left { members },
    }
}

impl Op {
    fn begin(call: RoomCall, size: RoomSize) -> Op {
        match call {
            RoomCall::Enter { generation } => Op::Enter(EnterRoom::Look { generation }),
            RoomCall::EnterMany { generation, n, named } => {
                Op::EnterMany(EnterMany::Look { generation, wanted: PartyWanted { n, named } })
            }
            RoomCall::Leave { seat } => Op::Leave(LeaveRoom::Look { number: seat }),
            RoomCall::Open { generation, n } => Op::Open(OpenRoom::new(generation, n, size)),
            RoomCall::OpenUnlisted { generation } => Op::Open(OpenRoom::unlisted(generation, size)),
            RoomCall::Pass => Op::Pass(None),
            RoomCall::Watch => Op::Watch(None),
            RoomCall::SetLock { generation, locked: on, at_least } => {
                let wanted = FlagWanted { flag: RoomFlag::Locked, on, at_least };
                Op::SetFlag(SetFlag::Look { generation, wanted })
            }
            RoomCall::SetListed { generation, listed } => {
                let wanted = FlagWanted { flag: RoomFlag::Unlisted, on: !listed, at_least: 0 };
                Op::SetFlag(SetFlag::Look { generation, wanted })
            }
        }
    }

    fn step(self, word: &AtomicU64, size: RoomSize, bounds: &Bounds) -> Step<Op, RoomAnswer> {
        fn map<S, R>(
            step: Step<S, R>,
            next: impl Fn(S) -> Op,
            done: impl Fn(R) -> RoomAnswer,
        ) -> Step<Op, RoomAnswer> {
            match step {
                Next(state) => Next(next(state)),
                Done(result) => Done(done(result)),
            }
        }
        let bounds = || bounds;
        match self {
            Op::Enter(op) => map(op.step(word, size), Op::Enter, |result| match result {
                Ok((word, seat)) => RoomAnswer::Entered { seat, members: word.members() },
                Err(refusal) => refused(refusal),
            }),
            Op::EnterMany(op) => map(op.step(word, size), Op::EnterMany, |result| match result {
                Ok((word, seats)) => {
                    RoomAnswer::EnteredMany { seats: seats.into(), members: word.members() }
                }
                Err(refusal) => refused(refusal),
            }),
            Op::Leave(op) => map(op.step(word, size, bounds), Op::Leave, left),
            Op::Open(op) => map(op.step(word, bounds), Op::Open, |opened| {
                RoomAnswer::Opened(opened.is_some_and(|word| !word.is_retired()))
            }),
            Op::Watch(None) => {
                let seen = room::read_after(word);
                match seen.members() > 0 && !seen.is_watched() {
                    true => Next(Op::Watch(Some(seen))),
                    false => Done(RoomAnswer::Passed),
                }
            }
            Op::Watch(Some(seen)) => {
                let _ = party::watch(word, seen);
                Done(RoomAnswer::Passed)
            }
            Op::Pass(None) => {
                let seen = room::read_after(word);
                if seen.is_counted() && !seen.admits(size) {
                    Next(Op::Pass(Some(PassRoom::Swap { seen })))
                } else {
                    Done(RoomAnswer::Passed)
                }
            }
            Op::Pass(Some(op)) => {
                map(op.step(word, bounds), |op| Op::Pass(Some(op)), |_| RoomAnswer::Passed)
            }
            Op::SetFlag(op) => map(op.step(word, size, bounds), Op::SetFlag, RoomAnswer::Lock),
            Op::Rejected(op) => op.step(word, size, bounds()),
        }
    }

    /// What the call has announced and not brought about, or has to retract.
    fn pending(self) -> Pending {
        match self {
            Op::Leave(LeaveRoom::Other(
                LeaveOther::Announce { pending, .. }
                | LeaveOther::Swap { pending, .. }
                | LeaveOther::Settle { pending, .. },
            )) => pending,
            Op::Open(OpenRoom::Swap { pending, .. } | OpenRoom::Settle { pending, .. }) => pending,
            Op::SetFlag(
                SetFlag::Announce { pending, .. }
                | SetFlag::Swap { pending, .. }
                | SetFlag::Settle { pending, .. },
            ) => pending,
            Op::Pass(Some(PassRoom::Settle { .. })) => {
                Pending { admitting: 1, ..Pending::default() }
            }
            _ => Pending::default(),
        }
    }
}

/// What a thread has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Has {
    Nothing,
    /// Seats, as bits, entered by an id of that generation.
    Seats {
        bits: u32,
        generation: u32,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    has: Has,
    within: Option<(RoomCall, Op)>,
}

/// What a search tries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Plan {
    threads: usize,
    seats: u32,
    /// How many generations the room has left.
    lives: u32,
    /// Whether threads set the lock.
    locks: bool,
    /// Whether threads pass the room.
    passes: bool,
    /// The largest party. Threads of parties watch the room.
    party: u32,
    /// Whether threads list the room or not.
    lists: bool,
    /// The step that is replaced by a rejected one.
    rejected: Option<Rejected>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct RoomSystem {
    plan: Plan,
    word: u64,
    /// The bounds on counted rooms, on vacant ones, and of what was watched. How often they were
    /// announced plays no part.
    bounds: [u32; 3],
    threads: Vec<Thread>,
    explanations: Explanations<Room>,
}

/// The fields of a room's word.
#[derive(Debug)]
#[allow(dead_code)] // Read by `Debug` only.
struct RoomFields {
    generation: u32,
    members: u32,
    seats_taken: Bits,
    locked: bool,
    unlisted: bool,
    counted: bool,
    watched: bool,
}

struct Bits(u64);

impl Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..64).filter(|bit| self.0 >> bit & 1 == 1)).finish()
    }
}

fn read(word: u64) -> RoomWord {
    room::read(&AtomicU64::new(word))
}

impl RoomFields {
    fn of(word: u64) -> RoomFields {
        RoomFields {
            generation: read(word).generation(),
            members: read(word).members(),
            seats_taken: Bits((word >> GENERATION_BITS) & 0xff_ffff),
            locked: read(word).is_locked(),
            unlisted: read(word).is_unlisted(),
            counted: read(word).is_counted(),
            watched: read(word).is_watched(),
        }
    }
}

impl RoomSystem {
    fn new(plan: Plan) -> RoomSystem {
        let first = LAST_GENERATION - plan.lives + 1;
        RoomSystem {
            plan,
            // The first generation is 1, as 0 in the lowest bits.
            word: u64::from(first - 1),
            bounds: [0, 1, 0],
            threads: vec![Thread { has: Has::Nothing, within: None }; plan.threads],
            explanations: Explanations::new(
                Room::new(plan.seats, first, LAST_GENERATION),
                plan.threads,
            ),
        }
    }

    fn size(&self) -> RoomSize {
        RoomSize::new(self.plan.seats)
    }

    /// The calls that `thread` may begin.
    fn calls(&self, thread: usize) -> Vec<RoomCall> {
        let generations = LAST_GENERATION - self.plan.lives + 1..=LAST_GENERATION;
        let mut calls = Vec::new();
        match self.threads[thread].has {
            Has::Nothing => {
                for generation in generations.clone() {
                    calls.push(RoomCall::Enter { generation });
                    calls.extend(
                        (1..=self.plan.party.max(1)).map(|n| RoomCall::Open { generation, n }),
                    );
                    for n in 1..=self.plan.party {
                        let enter = |named| RoomCall::EnterMany { generation, n, named };
                        calls.extend([enter(false), enter(true)]);
                    }
                    if self.plan.lists {
                        calls.push(RoomCall::OpenUnlisted { generation });
                    }
                }
            }
            Has::Seats { bits, .. } => {
                let seats = (0..self.plan.seats).filter(|seat| bits & 1 << seat != 0);
                calls.extend(seats.map(|seat| RoomCall::Leave { seat }));
            }
        }
        if self.plan.party > 0 {
            calls.push(RoomCall::Watch);
        }
        if self.plan.lists {
            for generation in generations.clone() {
                let set = |listed| RoomCall::SetListed { generation, listed };
                calls.extend([set(false), set(true)]);
            }
        }
        if self.plan.passes {
            calls.push(RoomCall::Pass);
        }
        if self.plan.locks {
            for generation in generations {
                calls.push(RoomCall::SetLock { generation, locked: false, at_least: 0 });
                calls.push(RoomCall::SetLock { generation, locked: true, at_least: 0 });
                calls.push(RoomCall::SetLock { generation, locked: true, at_least: 2 });
            }
        }
        calls
    }

    fn step(&self, thread: usize, call: RoomCall, op: Op) -> Result<RoomSystem, Violation> {
        let mut next = self.clone();
        if self.threads[thread].within.is_none() {
            next.explanations.begin(thread, call);
        }
        let word = AtomicU64::new(self.word);
        let [admitting, vacant, watched] = self.bounds.map(Bound::new);
        let bounds = Bounds { admitting, vacant, watched };
        let step = op.step(&word, self.size(), &bounds);
        next.word = word.into_inner();
        next.bounds =
            [bounds.admitting, bounds.vacant, bounds.watched].map(|bound| bound.read().count());
        let own = &mut next.threads[thread];
        let answer = match step {
            Next(op) => {
                own.within = Some((call, op));
                return Ok(next);
            }
            Done(answer) => answer,
        };
        own.within = None;
        own.has = match (call, answer) {
            (RoomCall::Enter { generation }, RoomAnswer::Entered { seat, .. }) => {
                Has::Seats { bits: 1 << seat, generation }
            }
            (RoomCall::EnterMany { generation, .. }, RoomAnswer::EnteredMany { seats, .. }) => {
                Has::Seats { bits: seats as u32, generation }
            }
            (RoomCall::Leave { seat }, _) => match own.has {
                Has::Seats { bits, generation } if bits != 1 << seat => {
                    Has::Seats { bits: bits & !(1 << seat), generation }
                }
                _ => Has::Nothing,
            },
            (RoomCall::Open { generation, n }, RoomAnswer::Opened(true)) => {
                Has::Seats { bits: (1 << n) - 1, generation }
            }
            (RoomCall::OpenUnlisted { generation }, RoomAnswer::Opened(true)) => {
                Has::Seats { bits: 1, generation: generation + 1 }
            }
            _ => own.has,
        };
        match next.explanations.answer(thread, answer) {
            Ok(()) => Ok(next),
            Err(unexplained) => Err(Fault::Inexact.seen(unexplained)),
        }
    }
}

impl System for RoomSystem {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.threads.len() {
            let ways = match self.threads[thread].within {
                Some(within) => vec![within],
                None => {
                    let begin = |call| match self.plan.rejected {
                        Some(rejected) => rejected.begin(call, self.size()),
                        None => Op::begin(call, self.size()),
                    };
                    self.calls(thread).into_iter().map(|call| (call, begin(call))).collect()
                }
            };
            for (way, (call, op)) in ways.into_iter().enumerate() {
                moves.push(Move { thread, way, after: self.step(thread, call, op) });
            }
        }
        moves
    }

    /// What threads have at the same time, whatever they were told: a place that a thread is giving
    /// back or getting counts for neither side.
    fn check(&self) -> Result<(), Violation> {
        let fields = RoomFields::of(self.word);
        let sure = self.threads.iter().filter(|thread| match thread.within {
            Some((call, _)) => matches!(
                call,
                RoomCall::SetLock { .. }
                    | RoomCall::SetListed { .. }
                    | RoomCall::Pass
                    | RoomCall::Watch
            ),
            None => true,
        });
        let mut inside = 0_u32;
        for thread in sure {
            if let Has::Seats { bits, generation } = thread.has {
                if bits >= 1 << self.plan.seats || inside & bits != 0 {
                    return Err(Fault::Shared
                        .seen(format_args!("two members on seats {bits:b}: {fields:?}")));
                }
                if generation != fields.generation {
                    return Err(Fault::Shared
                        .seen(format_args!("a ghost of generation {generation}: {fields:?}")));
                }
                inside |= bits;
            }
        }
        let quiet = self.threads.iter().all(|thread| thread.within.is_none());
        let is_right =
            fields.members == inside.count_ones() && fields.seats_taken.0 == u64::from(inside);
        if quiet && !is_right {
            return Err(Fault::Leaked.seen(format_args!("{fields:?}")));
        }
        if self.plan.rejected.is_none() {
            self.check_bounds()?;
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        let order = sort_threads(&mut self.threads);
        self.explanations.reorder(&order);
        self
    }

    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String {
        let name = (b'A' + thread as u8) as char;
        let call = match self.threads[thread].within {
            Some((call, op)) => format!("goes on with {call:?}, {}", self.step_name(op)),
            None => format!("calls {:?}", self.calls(thread)[way]),
        };
        let Some(after) = after else { return format!("{name} {call}") };
        let then = match after.threads[thread] {
            Thread { within: Some(_), .. } => String::new(),
            Thread { has, .. } => format!(", and has {has:?}"),
        };
        format!("{name} {call}{then}\n       {:?}", RoomFields::of(after.word))
    }
}

impl RoomSystem {
    /// An open room that is not counted has no free seat, and the bounds are exact.
    fn check_bounds(&self) -> Result<(), Violation> {
        let (fields, word) = (RoomFields::of(self.word), read(self.word));
        let has_free_seat =
            (1..self.plan.seats).contains(&fields.members) && !(fields.locked || fields.unlisted);
        if has_free_seat && !word.admits(self.size()) || fields.counted && fields.members == 0 {
            return Err(Fault::Inexact.seen(format_args!("{fields:?}")));
        }
        let pending = self.threads.iter().filter_map(|thread| Some(thread.within?.1.pending()));
        let pending = pending.fold([0; 3], |[admitting, vacant, watched], pending| {
            [admitting + pending.admitting, vacant + pending.vacant, watched + pending.watched]
        });
        let [admitting, vacant, watched] = pending;
        // In the place of a retired room another one may be opened.
        let vacancies = u32::from(fields.members == 0);
        if self.bounds != [u32::from(fields.counted) + admitting, vacancies + vacant, watched] {
            return Err(Fault::Leaked.seen(format_args!("bounds {:?}: {fields:?}", self.bounds)));
        }
        Ok(())
    }

    /// Names a step within a call.
    fn step_name(&self, op: Op) -> String {
        let seen = match op {
            Op::Enter(EnterRoom::Swap { seen })
            | Op::Leave(
                LeaveRoom::Plain { seen, .. } | LeaveRoom::Other(LeaveOther::Swap { seen, .. }),
            )
            | Op::EnterMany(EnterMany::Swap { seen, .. })
            | Op::SetFlag(SetFlag::Swap { seen, .. }) => seen,
            op => return format!("{op:?}"),
        };
        let fresh = seen == read(self.word);
        format!("compare-exchange from {} word", if fresh { "the present" } else { "an earlier" })
    }
}

fn run(plan: Plan) -> Result<usize, Failure> {
    search([RoomSystem::new(plan)], |_| {})
}

#[track_caller]
fn holds(plan: Plan) {
    let states = run(plan).unwrap_or_else(|failure| panic!("{plan:?}\n{failure:?}"));
    println!("{plan:?}: {states} states");
    assert!(states > 100, "a search of {states} states proves nothing");
}

const TWO: Plan = Plan {
    threads: 2,
    seats: 2,
    lives: 2,
    locks: true,
    passes: true,
    party: 0,
    lists: false,
    rejected: None,
};
const THREE: Plan = Plan { threads: 3, locks: false, passes: false, ..TWO };

#[test]
fn two_threads_and_the_lock() {
    for seats in 1..=2 {
        holds(Plan { seats, ..TWO });
    }
}

#[test]
fn three_threads() {
    for seats in 2..=3 {
        holds(Plan { seats, ..THREE });
    }
}

#[test]
fn three_threads_and_a_search() {
    for seats in 2..=3 {
        holds(Plan { seats, passes: true, ..THREE });
    }
}

#[test]
fn three_threads_and_the_lock() {
    for seats in 1..=2 {
        holds(Plan { seats, locks: true, ..THREE });
    }
}

#[test]
fn four_threads() {
    holds(Plan { threads: 4, ..THREE });
    holds(Plan { threads: 4, seats: 3, lives: 1, ..THREE });
}

/// A party of up to three against single callers, leavers and searches.
#[test]
fn two_parties() {
    holds(Plan { party: 2, ..TWO });
    holds(Plan { seats: 3, party: 3, locks: false, ..TWO });
}

#[test]
fn two_threads_that_list_and_lock() {
    for seats in 1..=2 {
        holds(Plan { seats, lists: true, ..TWO });
        holds(Plan { seats, lists: true, party: seats, locks: false, ..TWO });
    }
}

#[test]
fn three_threads_with_parties_in_an_unlisted_room() {
    holds(Plan { lives: 1, party: 2, ..THREE });
    holds(Plan { lists: true, ..THREE });
}

/// After its last generation a room is never opened again: the word's generation is 0, which no id
/// bears.
#[test]
fn the_last_generation_retires_the_room() {
    let mut retired = 0;
    let plan = Plan { lives: 1, ..THREE };
    search([RoomSystem::new(plan)], |state| {
        if read(state.word).generation() == 0 {
            assert!(!read(state.word).is_vacant());
            retired += 1;
        }
    })
    .unwrap();
    assert!(retired > 0, "no life ended");
}

#[test]
fn rejected_steps() {
    use Rejected::*;
    let fault = |rejected, plan| {
        let failure = run(Plan { rejected: Some(rejected), ..plan }).expect_err("it was not seen");
        println!("{rejected:?}: {failure:?}");
        failure.fault
    };
    assert_eq!(fault(EnterByAddition, TWO), Fault::Inexact);
    assert_eq!(fault(EnterWhateverLife, TWO), Fault::Inexact);
    assert_eq!(fault(LeaveThenClose, THREE), Fault::Inexact);
    assert_eq!(fault(SeatAfterwards, Plan { lives: 1, ..THREE }), Fault::Inexact);
    assert_eq!(fault(LockWithoutSwap, TWO), Fault::Inexact);
    assert_eq!(fault(VacateIntoTheSameLife, TWO), Fault::Inexact);
    assert_eq!(fault(LeaveTheSeatTaken, TWO), Fault::Inexact);
}

/// What is checked between calls can fail: states that no protocol should reach.
#[test]
fn checks_between_calls() {
    let generation = LAST_GENERATION - 1;
    let seat = |number: u32, generation| Has::Seats { bits: 1 << number, generation };
    let fault = |threads: [Has; 2]| {
        let mut state = RoomSystem::new(TWO);
        for (thread, has) in state.threads.iter_mut().zip(threads) {
            thread.has = has;
        }
        state.check().unwrap_err().fault
    };
    assert_eq!(fault([seat(0, generation); 2]), Fault::Shared);
    assert_eq!(fault([seat(0, generation), seat(2, generation)]), Fault::Shared);
    assert_eq!(fault([seat(0, generation), seat(1, generation - 1)]), Fault::Shared);
    assert_eq!(fault([seat(0, generation), Has::Nothing]), Fault::Leaked);
    let mut state = RoomSystem::new(TWO);
    state.bounds = [1, 1, 0];
    assert_eq!(state.check().unwrap_err().fault, Fault::Leaked);
    state.word = 1 << 48;
    assert_eq!(state.check_bounds().unwrap_err().fault, Fault::Inexact);
}
