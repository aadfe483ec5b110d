//! The threads of a search over a slot, and what they do.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicU32;

use headcount_spec::{Explanations, Gate, GateAnswer, GateCall};

use crate::protocol::step::Step;
use crate::protocol::tests::search::{
    search, sort_threads, Failure, Fault, Move, System, Violation,
};
use crate::protocol::tests::slot::SlotFields;

/// A protocol on one word, as steps of one atomic operation each.
pub(crate) trait Protocol: Copy + Eq + Hash + Debug {
    type Op: Copy + Eq + Hash + Debug;

    /// The word of `capacity` places, all free.
    fn empty(&self, capacity: u32) -> u32;
    /// The ways in which a call can begin, for a thread whose last entry succeeded or not.
    /// `capacity` is what the thread knows it to be.
    fn begin(&self, call: GateCall, capacity: u32, succeeded: bool) -> Vec<Self::Op>;
    fn step(&self, op: Self::Op, word: &AtomicU32) -> Step<Self::Op, GateAnswer>;
}

/// What a thread goes on doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Role {
    /// Acquires one place and releases it.
    Entrant,
    /// Acquires so many places at once and releases them.
    Many(u32),
    /// Reads how many places are held.
    Reader,
    /// Makes these calls one after another, once.
    Admin(&'static [GateCall]),
}

impl Role {
    fn next_call(self, holds: u32, done: usize) -> Option<GateCall> {
        match self {
            Role::Entrant if holds == 0 => Some(GateCall::Acquire),
            Role::Entrant => Some(GateCall::Release),
            Role::Many(n) if holds == 0 => Some(GateCall::AcquireMany(n)),
            Role::Many(n) => Some(GateCall::ReleaseMany(n)),
            Role::Reader => Some(GateCall::Occupied),
            Role::Admin(script) => script.get(done).copied(),
        }
    }

    /// The capacity after the calls of a script that are done, for the thread that changes it.
    fn capacity(self, first: u32, done: usize) -> u32 {
        let Role::Admin(script) = self else { return first };
        sizes(&script[..done]).last().unwrap_or(first)
    }
}

fn sizes(script: &'static [GateCall]) -> impl Iterator<Item = u32> {
    script.iter().filter_map(|call| match call {
        GateCall::SetCapacity(to) => Some(*to),
        _ => None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread<Op> {
    role: Role,
    /// How much of its script an admin has done.
    done: usize,
    holds: u32,
    /// Did its last entry succeed?
    succeeded: bool,
    /// The call that it is within, the step that comes next, and how many it has taken.
    within: Option<(GateCall, Op, u32)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct SlotSystem<P: Protocol> {
    protocol: P,
    capacity: u32,
    /// The most steps that one entry may take, if that is bounded.
    entry_bound: Option<u32>,
    word: u32,
    threads: Vec<Thread<P::Op>>,
    explanations: Explanations<Gate>,
    last: Last,
}

/// What the last step ended in. Counted once for each state, so it is no more than a sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Last {
    Other,
    Admission { steps: u32 },
    Refusal { steps: u32 },
}

/// What a search has seen.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Seen {
    pub(crate) states: usize,
    pub(crate) admissions: usize,
    pub(crate) refusals: usize,
    /// The most steps that one entry took.
    pub(crate) entry_steps: u32,
}

/// Takes every step of `roles` in every order.
pub(crate) fn run<P: Protocol>(
    protocol: P,
    capacity: u32,
    roles: &[Role],
    entry_bound: Option<u32>,
) -> Result<Seen, Failure> {
    let at_rest = |&role| Thread { role, done: 0, holds: 0, succeeded: false, within: None };
    let spec = Gate { excuses_lowering: true, ..Gate::new(capacity) };
    let start = SlotSystem {
        protocol,
        capacity,
        entry_bound,
        word: protocol.empty(capacity),
        threads: roles.iter().map(at_rest).collect(),
        explanations: Explanations::new(spec, roles.len()),
        last: Last::Other,
    };
    let mut seen = Seen::default();
    let states = search([start], |state| match state.last {
        Last::Other => {}
        Last::Admission { steps } => {
            seen.admissions += 1;
            seen.entry_steps = seen.entry_steps.max(steps);
        }
        Last::Refusal { steps } => {
            seen.refusals += 1;
            seen.entry_steps = seen.entry_steps.max(steps);
        }
    })?;
    Ok(Seen { states, ..seen })
}

impl<P: Protocol> SlotSystem<P> {
    /// The steps that `thread` can take. A call begins with its first step: had it begun earlier,
    /// it could only be easier to explain.
    fn ways(&self, thread: usize) -> Vec<(GateCall, P::Op, u32)> {
        let own = self.threads[thread];
        if let Some(within) = own.within {
            return vec![within];
        }
        let Some(call) = own.role.next_call(own.holds, own.done) else { return Vec::new() };
        let capacity = own.role.capacity(self.capacity, own.done);
        let ops = self.protocol.begin(call, capacity, own.succeeded);
        ops.into_iter().map(|op| (call, op, 0)).collect()
    }

    fn step(
        &self,
        thread: usize,
        call: GateCall,
        op: P::Op,
        steps: u32,
    ) -> Result<Self, Violation> {
        let mut next = self.clone();
        next.last = Last::Other;
        if self.threads[thread].within.is_none() {
            next.explanations.begin(thread, call);
        }
        let word = AtomicU32::new(self.word);
        let step = self.protocol.step(op, &word);
        next.word = word.into_inner();
        // Counted only where there is a bound: loops would make the space infinite.
        let steps = match self.entry_bound {
            Some(_) if call == GateCall::Acquire => steps + 1,
            _ => 0,
        };
        if self.entry_bound.is_some_and(|bound| steps > bound) {
            return Err(Fault::TooManySteps.seen(format_args!("{steps} steps")));
        }
        let own = &mut next.threads[thread];
        let answer = match step {
            Step::Next(op) => {
                own.within = Some((call, op, steps));
                return Ok(next);
            }
            Step::Done(answer) => answer,
        };
        own.within = None;
        match (call, answer) {
            (GateCall::Acquire, GateAnswer::Acquired) => own.holds = 1,
            (GateCall::AcquireMany(n), GateAnswer::Acquired) => own.holds = n,
            (GateCall::Release | GateCall::ReleaseMany(_), _) => own.holds = 0,
            _ => {}
        }
        match answer {
            GateAnswer::Acquired => {
                own.succeeded = true;
                next.last = Last::Admission { steps };
            }
            GateAnswer::Full | GateAnswer::Closed => {
                own.succeeded = false;
                next.last = Last::Refusal { steps };
            }
            _ => {}
        }
        if let Role::Admin(_) = own.role {
            own.done += 1;
        }
        let held = next.held();
        if held > next.most_places() {
            return Err(Fault::Over.seen(format_args!("{held} places held")));
        }
        match next.explanations.answer(thread, answer) {
            Ok(()) => Ok(next),
            Err(unexplained) => Err(Fault::Inexact.seen(unexplained)),
        }
    }

    /// Places held for certain: those of threads that are not just giving them back.
    fn held(&self) -> u32 {
        let at_rest = self.threads.iter().filter(|thread| thread.within.is_none());
        at_rest.map(|thread| thread.holds).sum()
    }

    /// The greatest capacity that there ever is.
    fn most_places(&self) -> u32 {
        let scripts = self.threads.iter().filter_map(|thread| match thread.role {
            Role::Admin(script) => Some(script),
            _ => None,
        });
        scripts.flat_map(sizes).fold(self.capacity, u32::max)
    }
}

impl<P: Protocol> System for SlotSystem<P> {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.threads.len() {
            for (way, (call, op, steps)) in self.ways(thread).into_iter().enumerate() {
                moves.push(Move { thread, way, after: self.step(thread, call, op, steps) });
            }
        }
        moves
    }

    /// When all is quiet and no place is held, none counts as held.
    fn check(&self) -> Result<(), Violation> {
        let quiet = self.threads.iter().all(|thread| thread.within.is_none());
        if !quiet || self.held() > 0 {
            return Ok(());
        }
        let capacity = self.explanations.a_state().capacity;
        for op in self.protocol.begin(GateCall::Occupied, capacity, false) {
            let reading = self.protocol.step(op, &AtomicU32::new(self.word));
            if reading != Step::Done(GateAnswer::Held(0)) {
                return Err(Fault::Leaked.seen(format_args!("no place is held: {reading:?}")));
            }
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
        let (call, op, _) = self.ways(thread)[way];
        let verb = if self.threads[thread].within.is_some() { "goes on with" } else { "calls" };
        let step = format!("{name} {verb} {call:?}, step {op:?}");
        let Some(after) = after else { return step };
        let then = match after.threads[thread] {
            Thread { within: Some(_), .. } => String::new(),
            Thread { holds, .. } => format!(", is done and holds {holds}"),
        };
        format!("{step}{then}\n       {:?}", SlotFields::of(after.word))
    }
}
