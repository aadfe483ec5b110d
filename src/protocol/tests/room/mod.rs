//! The room's word in every order in which threads can take their steps.
//!
//! Each thread begins any call that it may: outside, it enters or claims under any generation, and
//! sets the lock with and without a quorum; inside, it also leaves; with the exclusive right, it
//! opens the room or vacates it, as after a panic. The word starts a few generations before the
//! last, so the state space is finite although the number of calls is not.
//!
//! Guarantees: *seat-distinct*, *no-ghost*, *no-lost-room*, and *exact* for one room. [`Room`] says
//! what each call is answered; [`RoomSystem::check`] what holds between calls.

mod rejected;

use std::fmt::{self, Debug};

use headcount_spec::{Explanations, Room, RoomAnswer, RoomCall};

use super::search::{order_by, search, Failure, Fault, Move, System, Violation};
use crate::protocol::room::{
    self, ClaimRoom, EnterRoom, LeaveRoom, OpenRoom, RoomRefusal, RoomSize, RoomWord, SetLock,
    VacateRoom, GENERATION_BITS,
};
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::AtomicU64;
use rejected::{Rejected, RejectedOp};

const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// A machine of `room.rs`, or one that was not chosen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Op {
    Enter(EnterRoom),
    Leave(LeaveRoom),
    Claim(ClaimRoom),
    Open(OpenRoom),
    Vacate(VacateRoom),
    SetLock(SetLock),
    Rejected(RejectedOp),
}

fn refused(refusal: RoomRefusal) -> RoomAnswer {
    RoomAnswer::Refused(match refusal {
        RoomRefusal::Full => headcount_spec::RoomRefusal::Full,
        RoomRefusal::Locked => headcount_spec::RoomRefusal::Locked,
        RoomRefusal::Vacant => headcount_spec::RoomRefusal::Vacant,
        RoomRefusal::Gone => headcount_spec::RoomRefusal::Gone,
    })
}

fn left(word: RoomWord, size: RoomSize) -> RoomAnswer {
    match word.is_busy() {
        true => RoomAnswer::LeftLast,
        false => RoomAnswer::Left { members: word.held(size) },
    }
}

impl Op {
    fn begin(call: RoomCall) -> Op {
        match call {
            RoomCall::Enter { generation } => Op::Enter(EnterRoom::Look { generation }),
            RoomCall::Leave { seat } => Op::Leave(LeaveRoom::Look { number: seat }),
            RoomCall::Claim { generation } => Op::Claim(ClaimRoom { generation }),
            RoomCall::Open => Op::Open(OpenRoom),
            RoomCall::Vacate => Op::Vacate(VacateRoom),
            RoomCall::SetLock { generation, locked, at_least } => {
                Op::SetLock(SetLock::Look { generation, locked, at_least })
            }
        }
    }

    fn step(self, word: &AtomicU64, size: RoomSize) -> Step<Op, RoomAnswer> {
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
        match self {
            Op::Enter(op) => map(op.step(word, size), Op::Enter, |result| match result {
                Ok((word, seat)) => RoomAnswer::Entered { seat, members: word.held(size) },
                Err(refusal) => refused(refusal),
            }),
            Op::Leave(op) => map(op.step(word, size), Op::Leave, |word| left(word, size)),
            Op::Claim(op) => map(op.step(word, size), Op::Claim, RoomAnswer::Claimed),
            Op::Open(op) => map(op.step(word, size), Op::Open, |_| RoomAnswer::Opened),
            Op::Vacate(op) => map(op.step(word), Op::Vacate, |()| RoomAnswer::Vacated),
            Op::SetLock(op) => map(op.step(word, size), Op::SetLock, RoomAnswer::Lock),
            Op::Rejected(op) => op.step(word, size),
        }
    }
}

/// What a thread has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Has {
    Nothing,
    /// A seat, entered by an id of that generation.
    Seat {
        number: u32,
        generation: u32,
    },
    /// The exclusive right to the room; the generation if it was claimed, to be opened.
    Exclusive {
        opens: Option<u32>,
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
    /// The step that is replaced by a rejected one.
    rejected: Option<Rejected>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct RoomSystem {
    plan: Plan,
    word: u64,
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
    closed: bool,
    busy: bool,
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
    fn of(word: u64, size: RoomSize) -> RoomFields {
        RoomFields {
            generation: read(word).generation(),
            members: read(word).held(size),
            seats_taken: Bits(word >> GENERATION_BITS & u64::from(LAST_GENERATION)),
            closed: word >> 63 == 1,
            busy: read(word).is_busy(),
        }
    }
}

impl RoomSystem {
    fn new(plan: Plan) -> RoomSystem {
        let first = LAST_GENERATION - plan.lives + 1;
        let vacant = room::first(RoomSize::new(plan.seats)).into_inner();
        RoomSystem {
            plan,
            // The first generation is 1, in the lowest bits.
            word: vacant - 1 + u64::from(first),
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
                    calls.push(RoomCall::Claim { generation });
                }
            }
            Has::Seat { number, .. } => calls.push(RoomCall::Leave { seat: number }),
            Has::Exclusive { opens } => {
                calls.push(RoomCall::Vacate);
                if opens.is_some() {
                    calls.push(RoomCall::Open);
                }
                return calls;
            }
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
        let step = op.step(&word, self.size());
        next.word = word.into_inner();
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
                Has::Seat { number: seat, generation }
            }
            (RoomCall::Leave { .. }, RoomAnswer::LeftLast) => Has::Exclusive { opens: None },
            (RoomCall::Leave { .. }, _) | (RoomCall::Vacate, _) => Has::Nothing,
            (RoomCall::Claim { generation }, RoomAnswer::Claimed(true)) => {
                Has::Exclusive { opens: Some(generation) }
            }
            (RoomCall::Open, _) => match own.has {
                Has::Exclusive { opens: Some(generation) } => Has::Seat { number: 0, generation },
                has => unreachable!("{has:?} opens a room"),
            },
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
                        Some(rejected) => rejected.begin(call),
                        None => Op::begin(call),
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
        let fields = RoomFields::of(self.word, self.size());
        let at_rest = || self.threads.iter().filter(|thread| thread.within.is_none());
        let sure = self.threads.iter().filter(|thread| match thread.within {
            Some((call, _)) => matches!(call, RoomCall::SetLock { .. }),
            None => true,
        });
        let mut seats = Vec::new();
        let mut owners = 0;
        for thread in sure {
            match thread.has {
                Has::Nothing => {}
                Has::Seat { number, generation } => {
                    if number >= self.plan.seats || seats.contains(&number) {
                        let seen = format_args!("two members on seat {number}: {fields:?}");
                        return Err(Fault::Shared.seen(seen));
                    }
                    if generation != fields.generation {
                        let seen = format_args!("a ghost of generation {generation}: {fields:?}");
                        return Err(Fault::Shared.seen(seen));
                    }
                    seats.push(number);
                }
                Has::Exclusive { .. } => owners += 1,
            }
        }
        if owners > 1 || (owners == 1 && !seats.is_empty()) {
            return Err(Fault::Shared.seen(format_args!("an exclusive right: {fields:?}")));
        }
        let quiet = at_rest().count() == self.threads.len();
        let has = |what: fn(Has) -> bool| at_rest().any(|thread| what(thread.has));
        let exclusive = has(|has| matches!(has, Has::Exclusive { .. }));
        let inside = seats.iter().fold(0, |bits, seat| bits | 1 << seat);
        if quiet
            && (fields.members != seats.len() as u32
                || fields.seats_taken.0 != inside
                || fields.busy != exclusive
                || (seats.is_empty() && !fields.closed))
        {
            return Err(Fault::Leaked.seen(format_args!("{fields:?}")));
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        let order = order_by(self.threads.len(), |thread| self.threads[thread]);
        self.threads = order.iter().map(|&thread| self.threads[thread]).collect();
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
        format!("{name} {call}{then}\n       {:?}", RoomFields::of(after.word, self.size()))
    }
}

impl RoomSystem {
    /// Names a step within a call.
    fn step_name(&self, op: Op) -> String {
        let seen = match op {
            Op::Enter(EnterRoom::Swap { seen })
            | Op::Leave(LeaveRoom::Swap { seen, .. })
            | Op::SetLock(SetLock::Swap { seen, .. }) => seen,
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

const TWO: Plan = Plan { threads: 2, seats: 2, lives: 2, locks: true, rejected: None };
const THREE: Plan = Plan { threads: 3, seats: 2, lives: 2, locks: false, rejected: None };

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
fn three_threads_and_the_lock() {
    for seats in 1..=2 {
        holds(Plan { seats, locks: true, ..THREE });
    }
}

#[test]
fn four_threads() {
    for seats in 2..=3 {
        holds(Plan { threads: 4, seats, ..THREE });
    }
}

/// After its last generation a room is never opened again: the word's generation is 0, which no id
/// bears.
#[test]
fn the_last_generation_retires_the_room() {
    let mut retired = 0;
    let plan = Plan { lives: 1, ..THREE };
    search([RoomSystem::new(plan)], |state| {
        let fields = RoomFields::of(state.word, state.size());
        if fields.generation == 0 && !fields.busy {
            assert!(!read(state.word).is_vacant(state.size()));
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
    assert_eq!(fault(LeaveTheSeatTaken, TWO), Fault::Leaked);
}

/// What is checked between calls can fail: states that no protocol should reach.
#[test]
fn checks_between_calls() {
    let generation = LAST_GENERATION - 1;
    let seat = |number, generation| Has::Seat { number, generation };
    let fault = |threads: [Has; 2]| {
        let mut state = RoomSystem::new(TWO);
        for (thread, has) in state.threads.iter_mut().zip(threads) {
            thread.has = has;
        }
        state.check().unwrap_err().fault
    };
    let exclusive = Has::Exclusive { opens: None };
    assert_eq!(fault([seat(0, generation); 2]), Fault::Shared);
    assert_eq!(fault([seat(0, generation), seat(2, generation)]), Fault::Shared);
    assert_eq!(fault([seat(0, generation), seat(1, generation - 1)]), Fault::Shared);
    assert_eq!(fault([exclusive; 2]), Fault::Shared);
    assert_eq!(fault([exclusive, seat(0, generation)]), Fault::Shared);
    assert_eq!(fault([seat(0, generation), Has::Nothing]), Fault::Leaked);
    assert_eq!(fault([exclusive, Has::Nothing]), Fault::Leaked);
}
