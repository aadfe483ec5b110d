//! A search through every order in which threads can take their steps.
//!
//! A thread calls an operation, takes its steps one at a time, and gets an answer. Between two steps
//! of one thread any other may step. The state spaces are finite, so the number of operations is not
//! bounded: guests enter and leave for ever.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicU32;

use super::monitor::{explain, Answer, Call, Story};
use crate::protocol::step::Step;

pub(crate) const MOST_THREADS: usize = 5;

/// A protocol on one word, as steps of one atomic operation each.
pub(crate) trait Protocol {
    type Op: Copy + Eq + Hash + Debug;

    /// The word of `capacity` places, all free.
    fn empty(&self, capacity: u32) -> u32;
    /// The ways in which a call can begin, for a thread whose last entry succeeded or not.
    fn begin(&self, call: Call, capacity: u32, succeeded: bool) -> Vec<Self::Op>;
    fn step(&self, op: Self::Op, word: &AtomicU32) -> Step<Self::Op, Answer>;
}

/// What a thread goes on doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// Enters and leaves.
    Guest,
    /// Takes and gives back so many at once.
    Party(u32),
    /// Reads how many of so many places are held.
    Reader(u32),
    /// Does these one after another, once.
    Admin(&'static [Call]),
}

impl Role {
    fn next_call(self, holds: u32, done: usize) -> Option<Call> {
        match self {
            Role::Guest if holds == 0 => Some(Call::Enter),
            Role::Guest => Some(Call::Leave),
            Role::Party(n) if holds == 0 => Some(Call::Take(n)),
            Role::Party(n) => Some(Call::Give(n)),
            Role::Reader(places) => Some(Call::Occupied(places)),
            Role::Admin(script) => script.get(done).copied(),
        }
    }
}

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// More places were held than there have ever been.
    Over,
    /// No order of instants explains the answers.
    Inexact,
    /// An entry took more steps than its bound.
    TooManySteps,
    /// All had left, and some place still counted as held.
    Leaked,
}

/// A fault, and a shortest way to it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) way: String,
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
    within: Option<(Call, Op, u32)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State<Op> {
    word: u32,
    threads: Vec<Thread<Op>>,
    stories: Vec<Story>,
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

pub(crate) struct Search<'a, P> {
    pub(crate) protocol: &'a P,
    pub(crate) capacity: u32,
    pub(crate) roles: &'a [Role],
    /// The most steps that one entry may take, if that is bounded.
    pub(crate) entry_bound: Option<u32>,
}

impl<P: Protocol> Search<'_, P> {
    /// Takes every step in every order.
    pub(crate) fn run(&self) -> Result<Seen, Failure> {
        let at_rest = |&role| Thread { role, done: 0, holds: 0, succeeded: false, within: None };
        let start = State {
            word: self.protocol.empty(self.capacity),
            threads: self.roles.iter().map(at_rest).collect(),
            stories: vec![Story::new(self.capacity)],
        };
        let mut known = HashSet::from([start.clone()]);
        // Each state with the one that it was first reached from: breadth first, so that the way to
        // a fault is a shortest one.
        let mut states = vec![(start, 0)];
        let mut seen = Seen::default();
        while seen.states < states.len() {
            let at = seen.states;
            seen.states += 1;
            let fail = |fault| Failure { fault, way: way(&states, at) };
            let state = states[at].0.clone();
            self.check_books(&state).map_err(fail)?;
            let mut found = Vec::new();
            for who in 0..state.threads.len() {
                found.extend(self.moves(&state, who, &mut seen).map_err(fail)?);
            }
            for next in found.into_iter().map(sorted) {
                if known.insert(next.clone()) {
                    states.push((next, at));
                }
            }
        }
        Ok(seen)
    }

    /// All states to which one step of `who` leads. A call begins with its first step: had it begun
    /// earlier, it could only be easier to explain.
    fn moves(
        &self,
        state: &State<P::Op>,
        who: usize,
        seen: &mut Seen,
    ) -> Result<Vec<State<P::Op>>, Fault> {
        let thread = state.threads[who];
        if let Some((call, op, steps)) = thread.within {
            return Ok(vec![self.step(state, who, call, op, steps, seen)?]);
        }
        let Some(call) = thread.role.next_call(thread.holds, thread.done) else {
            return Ok(Vec::new());
        };
        let ways = self.protocol.begin(call, self.capacity, thread.succeeded);
        ways.into_iter().map(|op| self.step(state, who, call, op, 0, seen)).collect()
    }

    fn step(
        &self,
        state: &State<P::Op>,
        who: usize,
        call: Call,
        op: P::Op,
        steps: u32,
        seen: &mut Seen,
    ) -> Result<State<P::Op>, Fault> {
        let mut next = state.clone();
        let word = AtomicU32::new(state.word);
        let step = self.protocol.step(op, &word);
        next.word = word.into_inner();
        // Counted only where there is a bound: loops would make the space infinite.
        let steps = match self.entry_bound {
            Some(_) if call == Call::Enter => steps + 1,
            _ => 0,
        };
        seen.entry_steps = seen.entry_steps.max(steps);
        if self.entry_bound.is_some_and(|bound| steps > bound) {
            return Err(Fault::TooManySteps);
        }
        let thread = &mut next.threads[who];
        let answer = match step {
            Step::Next(op) => {
                thread.within = Some((call, op, steps));
                return Ok(next);
            }
            Step::Done(answer) => answer,
        };
        thread.within = None;
        match (call, answer) {
            (Call::Enter, Answer::In) => thread.holds = 1,
            (Call::Take(n), Answer::In) => thread.holds = n,
            (Call::Leave | Call::Give(_), _) => thread.holds = 0,
            _ => {}
        }
        match answer {
            Answer::In => {
                thread.succeeded = true;
                seen.admissions += 1;
            }
            Answer::Full | Answer::Closed => {
                thread.succeeded = false;
                seen.refusals += 1;
            }
            Answer::Done | Answer::Held(_) => {}
        }
        if let Role::Admin(_) = thread.role {
            thread.done += 1;
        }
        if self.held(&next) > self.most_places() {
            return Err(Fault::Over);
        }
        let mut pending: Vec<_> =
            state.threads.iter().map(|thread| thread.within.map(|within| within.0)).collect();
        pending[who] = Some(call);
        next.stories = explain(&state.stories, &pending, who, answer);
        if next.stories.is_empty() {
            return Err(Fault::Inexact);
        }
        Ok(next)
    }

    /// Places held for certain: those of threads that are not just giving them back.
    fn held(&self, state: &State<P::Op>) -> u32 {
        let at_rest = state.threads.iter().filter(|thread| thread.within.is_none());
        at_rest.map(|thread| thread.holds).sum()
    }

    /// The greatest capacity that there ever is.
    fn most_places(&self) -> u32 {
        let scripts = self.roles.iter().filter_map(|role| match role {
            Role::Admin(script) => Some(*script),
            _ => None,
        });
        let sizes = scripts.flatten().filter_map(|call| match call {
            Call::Resize { to, .. } => Some(*to),
            _ => None,
        });
        sizes.fold(self.capacity, u32::max)
    }

    /// When all is quiet and nobody holds a place, none counts as held.
    fn check_books(&self, state: &State<P::Op>) -> Result<(), Fault> {
        let quiet = state.threads.iter().all(|thread| thread.within.is_none());
        if !quiet || self.held(state) > 0 {
            return Ok(());
        }
        let capacity = state.stories[0].capacity;
        for op in self.protocol.begin(Call::Occupied(capacity), capacity, false) {
            let reading = self.protocol.step(op, &AtomicU32::new(state.word));
            if reading != Step::Done(Answer::Held(0)) {
                return Err(Fault::Leaked);
            }
        }
        Ok(())
    }
}

/// The states that lead to the one at `at`, a line each.
fn way<Op: Debug>(states: &[(State<Op>, usize)], mut at: usize) -> String {
    let mut lines = Vec::new();
    while at > 0 {
        let (state, from) = &states[at];
        let threads: Vec<_> =
            state.threads.iter().map(|thread| (thread.within.as_ref(), thread.holds)).collect();
        lines.push(format!("{:#x} {threads:?}", state.word));
        at = *from;
    }
    lines.reverse();
    lines.join("\n")
}

/// Threads that do the same are alike: one order stands for all.
fn sorted<Op: Copy + Eq + Hash + Debug>(state: State<Op>) -> State<Op> {
    use std::hash::{DefaultHasher, Hasher};
    let key = |who: &usize| {
        let mut hasher = DefaultHasher::new();
        state.threads[*who].hash(&mut hasher);
        hasher.finish()
    };
    let mut order: Vec<usize> = (0..state.threads.len()).collect();
    order.sort_by_cached_key(key);
    let reordered = |story: &Story| {
        let mut effects = [None; MOST_THREADS];
        for (to, &from) in order.iter().enumerate() {
            effects[to] = story.effects[from];
        }
        Story { effects, ..*story }
    };
    let mut stories: Vec<Story> = state.stories.iter().map(reordered).collect();
    stories.sort();
    State {
        word: state.word,
        threads: order.iter().map(|&who| state.threads[who]).collect(),
        stories,
    }
}
