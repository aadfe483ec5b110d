//! The striped gate's machines, in every order in which threads can take their steps.
//!
//! Two or three threads on two stripes begin any operation at any time, from any own stripe, sure
//! of a place there or not, and give back permits that any of them has taken. What the answers must
//! agree with is the plain gate of `headcount-spec`, which knows nothing of stripes. All operations
//! on the words are sequentially consistent, so these orders are all there are.
//!
//! Rejected protocols, each the real machine with one thought left out, must be caught.

mod rejected;

use headcount_spec::{Explanations, Gate, GateAnswer, GateCall};

use crate::protocol::step::Step;
use crate::protocol::stripe::{AcquireStriped, AskFull, CountFree, ReleaseStriped, StripeWord};
use crate::protocol::tests::search::{
    search, sort_threads, Failure, Fault, Move, System, Violation,
};
use crate::sync::AtomicU64;
use rejected::Rejected;

const STRIPES: usize = 2;

/// The next step of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Op {
    AcquireStriped(AcquireStriped),
    ReleaseStriped { home: usize },
    Rejected(Rejected),
    AskFull(AskFull),
    CountFree(CountFree),
}

impl Op {
    fn call(&self) -> GateCall {
        match self {
            Op::AcquireStriped(_) | Op::Rejected(Rejected::AcquireStriped { .. }) => {
                GateCall::Acquire
            }
            Op::ReleaseStriped { .. } => GateCall::Release,
            Op::AskFull(_) => GateCall::IsFull,
            Op::CountFree(_) | Op::Rejected(Rejected::Count { .. }) => GateCall::Occupied,
        }
    }

    /// Returns the stripe that the step concerns.
    fn at(&self) -> usize {
        match self {
            Op::AcquireStriped(op) => op.at(),
            Op::ReleaseStriped { home } => *home,
            Op::Rejected(op) => op.at(),
            Op::AskFull(op) => op.at(),
            Op::CountFree(op) => op.at(),
        }
    }

    fn step(self, word: &AtomicU64, capacity: u32) -> Step<Op, GateAnswer> {
        fn map<S, R>(
            step: Step<S, R>,
            next: impl Fn(S) -> Op,
            done: impl Fn(R) -> GateAnswer,
        ) -> Step<Op, GateAnswer> {
            match step {
                Step::Next(state) => Step::Next(next(state)),
                Step::Done(result) => Step::Done(done(result)),
            }
        }
        match self {
            Op::AcquireStriped(op) => map(op.step(word), Op::AcquireStriped, |word| match word {
                Some(_) => GateAnswer::Acquired,
                None => GateAnswer::Full,
            }),
            Op::ReleaseStriped { .. } => {
                map(ReleaseStriped.step(word), |_| self, |_| GateAnswer::Done)
            }
            Op::Rejected(op) => op.step(word, capacity),
            Op::AskFull(op) => map(op.step(word), Op::AskFull, GateAnswer::IsFull),
            Op::CountFree(op) => {
                let held = |free| GateAnswer::Held(capacity - free as u32);
                map(op.step(word), Op::CountFree, held)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    within: Option<Op>,
    /// Calls that it may still begin.
    left: u8,
}

/// What the threads of a search do.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Plan {
    /// How many calls each thread makes.
    calls: &'static [u8],
    capacity: u32,
    /// How a place is acquired.
    acquires: Acquires,
    reads: Reads,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Acquires {
    Real,
    /// Refuses after so many rounds in which all stripes were empty.
    Rounds(usize),
    /// Takes two places if it can, and brings one of them home.
    Batch,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reads {
    Nothing,
    Real,
    /// Counts in one pass.
    OnePass,
}

impl Plan {
    /// The calls that a thread can begin from its own stripe.
    fn begin(&self, home: usize, releases: bool) -> Vec<Op> {
        let mut ops = match self.acquires {
            Acquires::Real => {
                let acquire = |sure| Op::AcquireStriped(AcquireStriped::new(STRIPES, home, sure));
                vec![acquire(false), acquire(true)]
            }
            Acquires::Rounds(rounds) => vec![Op::Rejected(Rejected::claim(home, rounds))],
            Acquires::Batch => vec![Op::Rejected(Rejected::batch(home))],
        };
        match self.reads {
            Reads::Nothing => {}
            Reads::Real => {
                ops.push(Op::AskFull(AskFull::new(STRIPES, home)));
                ops.push(Op::CountFree(CountFree::new(STRIPES, home)));
            }
            Reads::OnePass => ops.push(Op::Rejected(Rejected::count(home))),
        }
        if releases {
            ops.push(Op::ReleaseStriped { home });
        }
        ops
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Stripes {
    plan: Plan,
    words: [u64; STRIPES],
    threads: Vec<Thread>,
    /// Permits that were handed out and not given back; any thread may give any back.
    permits: u32,
    explanations: Explanations<Gate>,
}

impl Stripes {
    /// The gate with each share of its free places on each stripe, and the rest held.
    fn starts(plan: Plan) -> Vec<Stripes> {
        let shares = (0..=plan.capacity)
            .flat_map(|first| (0..=plan.capacity - first).map(move |second| (first, second)));
        let start = |(first, second)| {
            let permits = plan.capacity - first - second;
            let thread = |&left: &u8| Thread { within: None, left };
            let spec = Gate { held: permits, ..Gate::new(plan.capacity) };
            Stripes {
                plan,
                words: [first, second].map(|free| StripeWord::new(0, free).0),
                threads: plan.calls.iter().map(thread).collect(),
                permits,
                explanations: Explanations::new(spec, plan.calls.len()),
            }
        };
        shares.map(start).collect()
    }

    fn ways(&self, thread: usize) -> Vec<Op> {
        match self.threads[thread] {
            Thread { within: Some(op), .. } => vec![op],
            Thread { left: 0, .. } => Vec::new(),
            _ => (0..STRIPES).flat_map(|home| self.plan.begin(home, self.permits > 0)).collect(),
        }
    }

    fn step(&self, thread: usize, op: Op) -> Result<Stripes, Violation> {
        let mut next = self.clone();
        let own = &mut next.threads[thread];
        if own.within.is_none() {
            own.left -= 1;
            next.permits -= u32::from(op.call() == GateCall::Release);
            next.explanations.begin(thread, op.call());
        }
        let word = AtomicU64::new(self.words[op.at()]);
        let step = op.step(&word, self.plan.capacity);
        next.words[op.at()] = word.into_inner();
        let answer = match step {
            Step::Next(op) => {
                own.within = Some(op);
                return Ok(next);
            }
            Step::Done(answer) => answer,
        };
        own.within = None;
        next.permits += u32::from(answer == GateAnswer::Acquired);
        if next.permits > self.plan.capacity {
            return Err(Fault::Over.seen(format_args!("{} permits", next.permits)));
        }
        match next.explanations.answer(thread, answer) {
            Ok(()) => Ok(next),
            Err(unexplained) => Err(Fault::Inexact.seen(unexplained)),
        }
    }
}

impl System for Stripes {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.threads.len() {
            for (way, op) in self.ways(thread).into_iter().enumerate() {
                moves.push(Move { thread, way, after: self.step(thread, op) });
            }
        }
        moves
    }

    /// When all is quiet, the free places of the stripes and the permits are all that there are.
    fn check(&self) -> Result<(), Violation> {
        let quiet = self.threads.iter().all(|thread| thread.within.is_none());
        let words = self.words.map(StripeWord);
        let free: u64 = words.iter().map(|word| word.free()).sum();
        if quiet && free as u32 + self.permits != self.plan.capacity {
            let permits = self.permits;
            return Err(Fault::Leaked.seen(format_args!("{permits} permits, {free} places free")));
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
        let op = self.ways(thread)[way];
        let verb = if self.threads[thread].within.is_some() { "goes on with" } else { "calls" };
        let step = format!("{name} {verb} {:?}, at stripe {}: {op:?}", op.call(), op.at());
        let Some(after) = after else { return step };
        let done = if after.threads[thread].within.is_none() { ", and is done" } else { "" };
        let fields = after.words.map(|word| StripeFields::of(StripeWord(word)));
        format!("{step}{done}\n       {fields:?}, permits: {}", after.permits)
    }
}

#[derive(Debug)]
#[allow(dead_code)] // Read by `Debug` only.
struct StripeFields {
    free: u64,
    has_deficit: bool,
    releases: u64,
}

impl StripeFields {
    fn of(word: StripeWord) -> StripeFields {
        StripeFields {
            free: word.free(),
            has_deficit: word.has_deficit(),
            releases: word.releases(),
        }
    }
}

fn run(plan: Plan) -> Result<usize, Failure> {
    search(Stripes::starts(plan), |_| {})
}

#[track_caller]
fn holds(plan: Plan) {
    let states = run(plan).unwrap_or_else(|failure| panic!("{failure:?}"));
    println!("calls {:?}, capacity {}: {states} states", plan.calls, plan.capacity);
    assert!(states > 1000, "a search of {states} states proves nothing");
}

/// The rejected protocol is caught, and the real machine passes the same search.
#[track_caller]
fn caught(plan: Plan) {
    let failure = run(plan).expect_err("the rejected protocol was not caught");
    println!("{failure:?}");
    assert_eq!(failure.fault, Fault::Inexact);
    holds(Plan { acquires: Acquires::Real, reads: Reads::Nothing, ..plan });
}

const TWO: Plan =
    Plan { calls: &[3, 3], capacity: 2, acquires: Acquires::Real, reads: Reads::Nothing };

#[test]
fn exact_two_threads() {
    for capacity in 1..=2 {
        holds(Plan { capacity, ..TWO });
    }
}

#[test]
fn exact_three_threads() {
    for capacity in 1..=2 {
        holds(Plan { calls: &[2, 2, 1], capacity, ..TWO });
    }
}

#[test]
fn exact_readings() {
    for capacity in 1..=2 {
        holds(Plan { calls: &[3, 2], capacity, reads: Reads::Real, ..TWO });
    }
}

// With one place, a caller that finds all stripes empty is right: the place was held whenever it
// moved. The rejected protocols need two.

#[test]
fn rejected_no_second_look() {
    caught(Plan { calls: &[1, 2], acquires: Acquires::Rounds(1), ..TWO });
}

#[test]
fn rejected_second_look_that_ignores_releases() {
    caught(Plan { calls: &[1, 6], acquires: Acquires::Rounds(2), ..TWO });
}

#[test]
fn rejected_batch_on_its_way() {
    caught(Plan { calls: &[1, 2], acquires: Acquires::Batch, ..TWO });
}

#[test]
fn rejected_reading_in_one_pass() {
    caught(Plan { calls: &[1, 3], reads: Reads::OnePass, ..TWO });
}

/// A caller alone: what it costs, and that a refusal writes nothing.
#[test]
fn cost_of_a_refusal() {
    for stripes in [1_usize, 2, 4, 16] {
        for home in 0..stripes {
            let words: Vec<_> =
                (0..stripes).map(|i| AtomicU64::new(StripeWord::new(i as u32, 0).0)).collect();
            let before: Vec<_> =
                words.iter().map(|word| word.load(crate::sync::Ordering::SeqCst)).collect();
            let mut reads = vec![0; stripes];
            let mut state = AcquireStriped::new(stripes, home, false);
            let refused = loop {
                reads[state.at()] += 1;
                match state.step(&words[state.at()]) {
                    Step::Next(next) => state = next,
                    Step::Done(result) => break result.is_none(),
                }
            };
            let after: Vec<_> =
                words.iter().map(|word| word.load(crate::sync::Ordering::SeqCst)).collect();
            assert!(refused);
            assert_eq!(before, after);
            assert!(reads.iter().all(|n| (1..=2).contains(n)), "{reads:?}");
            assert_eq!(reads.iter().sum::<usize>(), 2 * stripes - 1);
        }
    }
}
