//! The striped gate's machines, in every order in which threads can take their steps.
//!
//! Two or three threads on two stripes begin any operation at any time, from any own stripe, sure
//! of a place there or not, and give back permits that any of them has taken. After each step, a
//! monitor that knows nothing of stripes holds all the orders in which the calls so far can have
//! taken effect one after the other. An answer that none of them explains is a violation. All
//! operations on the words are sequentially consistent, so these orders are all there are.
//!
//! Rejected protocols, each of which leaves out one thought of the real machine, must be caught.

#[allow(dead_code)]
mod monitor;
mod rejected;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::protocol::step::Step;
use crate::protocol::stripe::{AcquireStriped, AskFull, CountFree, ReleaseStriped, StripeWord};
use crate::sync::AtomicU64;
use monitor::{Answer, Monitor, Question};
use rejected::Rejected;

const STRIPES: usize = 2;

/// A call that has begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Call {
    AcquireStriped(AcquireStriped),
    ReleaseStriped(usize),
    Rejected(Rejected),
    AskFull(AskFull),
    CountFree(CountFree),
}

impl Call {
    fn at(&self) -> usize {
        match self {
            Call::AcquireStriped(call) => call.at(),
            Call::ReleaseStriped(home) => *home,
            Call::Rejected(call) => call.at(),
            Call::AskFull(call) => call.at(),
            Call::CountFree(call) => call.at(),
        }
    }

    /// One step. Yields the answer.
    fn step(self, word: &AtomicU64, capacity: u64) -> Step<Call, Answer> {
        fn map<S, R>(
            step: Step<S, R>,
            next: impl Fn(S) -> Call,
            done: impl Fn(R) -> Answer,
        ) -> Step<Call, Answer> {
            match step {
                Step::Next(state) => Step::Next(next(state)),
                Step::Done(result) => Step::Done(done(result)),
            }
        }
        let claimed = |word| if word { Answer::Claimed } else { Answer::Refused };
        match self {
            Call::AcquireStriped(call) => {
                map(call.step(word), Call::AcquireStriped, |word| claimed(word.is_some()))
            }
            Call::ReleaseStriped(home) => {
                map(ReleaseStriped.step(word), |_| Call::ReleaseStriped(home), |_| Answer::Given)
            }
            Call::Rejected(call) => call.step(word, capacity),
            Call::AskFull(call) => map(call.step(word), Call::AskFull, |full| {
                if full {
                    Answer::Full
                } else {
                    Answer::NotFull
                }
            }),
            Call::CountFree(call) => {
                map(call.step(word), Call::CountFree, |free| Answer::Held((capacity - free) as u8))
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    call: Option<Call>,
    /// Calls that it may still begin.
    left: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    words: [u64; STRIPES],
    threads: Vec<Thread>,
    /// Permits that were handed out and not given back; any thread may give any back.
    permits: u64,
    monitor: Monitor,
}

/// A hasher that costs little even without optimisation.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl State {
    /// Returns the same state with its threads sorted by what they do next: which thread is which
    /// makes no difference.
    fn sorted(mut self) -> State {
        let mut order: Vec<usize> = (0..self.threads.len()).collect();
        order.sort_by_cached_key(|&index| {
            let mut hasher = Mix::default();
            self.threads[index].hash(&mut hasher);
            hasher.finish()
        });
        self.threads = order.iter().map(|&index| self.threads[index]).collect();
        self.monitor.reorder(&order);
        self
    }
}

/// What the threads of a search do.
#[derive(Clone, Copy)]
struct Plan {
    /// How many calls each thread makes.
    calls: &'static [u8],
    capacity: u64,
    /// The calls that may be begun.
    claims: fn(usize, bool) -> Call,
    readings: fn(usize) -> Vec<Call>,
}

/// A search for an order of steps that no order of whole calls explains.
struct Search {
    plan: Plan,
    seen: HashSet<State, BuildHasherDefault<Mix>>,
}

impl Search {
    /// The number of states, or the first violation.
    fn run(plan: Plan) -> Result<usize, String> {
        let mut search = Search { plan, seen: HashSet::default() };
        let mut open = Vec::new();
        for first in 0..=plan.capacity {
            for second in 0..=plan.capacity - first {
                let thread = |&left: &u8| Thread { call: None, left };
                let permits = plan.capacity - first - second;
                open.push(State {
                    words: [
                        StripeWord::new(0, first as u32).0,
                        StripeWord::new(0, second as u32).0,
                    ],
                    threads: plan.calls.iter().map(thread).collect(),
                    permits,
                    monitor: Monitor::new(plan.capacity as u8, permits as u8),
                });
            }
        }
        while let Some(state) = open.pop() {
            let state = state.sorted();
            if !search.seen.contains(&state) {
                search.successors(&state, &mut open)?;
                search.seen.insert(state);
            }
        }
        Ok(search.seen.len())
    }

    fn successors(&self, state: &State, open: &mut Vec<State>) -> Result<(), String> {
        for index in 0..state.threads.len() {
            let thread = state.threads[index];
            if let Some(call) = thread.call {
                open.push(self.step(state.clone(), index, call)?);
                continue;
            }
            if thread.left == 0 {
                continue;
            }
            for home in 0..STRIPES {
                let mut calls = (self.plan.readings)(home);
                calls.extend([false, true].map(|sure| (self.plan.claims)(home, sure)));
                if state.permits > 0 {
                    calls.push(Call::ReleaseStriped(home));
                }
                for call in calls {
                    let mut next = state.clone();
                    next.threads[index].left -= 1;
                    if matches!(call, Call::ReleaseStriped(_)) {
                        next.permits -= 1;
                    }
                    next.monitor.begin(index, question(&call));
                    open.push(self.step(next, index, call)?);
                }
            }
        }
        Ok(())
    }

    fn step(&self, mut state: State, index: usize, call: Call) -> Result<State, String> {
        let at = call.at();
        let word = AtomicU64::new(state.words[at]);
        let stepped = call.step(&word, self.plan.capacity);
        state.words[at] = word.into_inner();
        match stepped {
            Step::Next(next) => state.threads[index].call = Some(next),
            Step::Done(answer) => {
                state.threads[index].call = None;
                if answer == Answer::Claimed {
                    state.permits += 1;
                }
                self.answer(&mut state, index, answer)?;
            }
        }
        Ok(state)
    }

    fn answer(&self, state: &mut State, index: usize, answer: Answer) -> Result<(), String> {
        if state.permits > self.plan.capacity {
            return Err(format!("never-over: {} permits", state.permits));
        }
        if !state.monitor.answer(index, answer) {
            return Err(format!("exact: no order of calls explains {answer:?}"));
        }
        Ok(())
    }
}

fn question(call: &Call) -> Question {
    match call {
        Call::AcquireStriped(_) | Call::Rejected(Rejected::AcquireStriped { .. }) => {
            Question::AcquireStriped
        }
        Call::ReleaseStriped(_) => Question::ReleaseStriped,
        Call::AskFull(_) => Question::AskFull,
        Call::CountFree(_) | Call::Rejected(Rejected::Count { .. }) => Question::Count,
    }
}

fn real(home: usize, sure: bool) -> Call {
    Call::AcquireStriped(AcquireStriped::new(STRIPES, home, sure))
}

fn no_readings(_: usize) -> Vec<Call> {
    Vec::new()
}

fn all_readings(home: usize) -> Vec<Call> {
    vec![Call::AskFull(AskFull::new(STRIPES, home)), Call::CountFree(CountFree::new(STRIPES, home))]
}

fn holds(plan: Plan) {
    let states = Search::run(plan).expect("the real machines");
    println!("calls {:?}, capacity {}: {states} states", plan.calls, plan.capacity);
    assert!(states > 1000, "a search of {states} states proves nothing");
}

/// The rejected protocol is caught, and the real machine passes the same search.
fn caught(plan: Plan) {
    let violation = Search::run(plan).expect_err("the rejected protocol was not caught");
    assert!(violation.starts_with("exact"), "{violation}");
    holds(Plan { claims: real, readings: no_readings, ..plan });
}

#[test]
fn exact_two_threads() {
    for capacity in 1..=2 {
        holds(Plan { calls: &[3, 3], capacity, claims: real, readings: no_readings });
    }
}

#[test]
fn exact_three_threads() {
    for capacity in 1..=2 {
        holds(Plan { calls: &[2, 2, 1], capacity, claims: real, readings: no_readings });
    }
}

#[test]
fn exact_readings() {
    for capacity in 1..=2 {
        holds(Plan { calls: &[3, 2], capacity, claims: real, readings: all_readings });
    }
}

// With one place, a caller that finds all stripes empty is right: the place was held whenever it
// moved. The rejected protocols need two.

#[test]
fn rejected_no_second_look() {
    let claims = |home, _| Call::Rejected(Rejected::claim(home, 1));
    caught(Plan { calls: &[1, 2], capacity: 2, claims, readings: no_readings });
}

#[test]
fn rejected_second_look_that_ignores_releases() {
    let claims = |home, _| Call::Rejected(Rejected::claim(home, 2));
    caught(Plan { calls: &[1, 6], capacity: 2, claims, readings: no_readings });
}

#[test]
fn rejected_batch_on_its_way() {
    let claims = |home, _| Call::Rejected(Rejected::batch(home));
    caught(Plan { calls: &[1, 2], capacity: 2, claims, readings: no_readings });
}

#[test]
fn rejected_reading_in_one_pass() {
    let readings = |home| vec![Call::Rejected(Rejected::count(home))];
    caught(Plan { calls: &[1, 3], capacity: 2, claims: real, readings });
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
