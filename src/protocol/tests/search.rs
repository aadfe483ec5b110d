//! A breadth-first search through every order in which threads can take their steps.
//!
//! The state spaces are finite, so the number of calls is not bounded unless a system bounds it.
//! The first violation found is a nearest one, and a [`Failure`] prints a shortest path to it.

use std::collections::HashSet;
use std::fmt::{self, Debug, Display};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What a protocol did wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
// Not each search has each fault.
#[allow(dead_code)] // Not each search has each fault.
pub(super) enum Fault {
    /// More places were held than there have ever been.
    Over,
    /// No order of whole calls explains the answers.
    Inexact,
    /// A call took more steps than its bound.
    TooManySteps,
    /// A place counts as held that no thread holds, or the other way round.
    Leaked,
    /// Two threads have what only one may have.
    Shared,
    /// A caller waits although a place is free or the gate is closed, and no thread looks after it.
    LostWakeup,
}

/// A fault, with what was seen of it.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) fault: Fault,
    pub(super) seen: String,
}

impl Fault {
    pub(super) fn seen(self, seen: impl Display) -> Violation {
        Violation { fault: self, seen: seen.to_string() }
    }
}

/// One step of one thread.
pub(super) struct Move<S> {
    pub(super) thread: usize,
    /// Which of the steps that the thread can take.
    pub(super) way: usize,
    /// The state after the step, with the threads numbered as before.
    pub(super) after: Result<S, Violation>,
}

/// Words and threads that take steps.
pub(super) trait System: Clone + Eq + Hash {
    /// Returns every step that some thread can take now.
    fn moves(&self) -> Vec<Move<Self>>;

    /// Checks what holds in every state.
    fn check(&self) -> Result<(), Violation>;

    /// Renumbers threads that do the same: one order stands for all.
    fn sorted(self) -> Self;

    /// Describes a step of `thread` from here, to `after` if it violates nothing.
    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String;
}

/// A fault, and a shortest path to it, a step on each line.
pub(super) struct Failure {
    pub(super) fault: Fault,
    seen: String,
    path: Vec<String>,
}

impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}: {}", self.fault, self.seen)?;
        for (at, step) in self.path.iter().enumerate() {
            writeln!(f, "{:>3}. {step}", at + 1)?;
        }
        Ok(())
    }
}

/// Takes every step in every order from each of `starts`. Calls `visit` once for each state.
/// Returns the number of states, or the nearest violation.
pub(super) fn search<S: System>(
    starts: impl IntoIterator<Item = S>,
    mut visit: impl FnMut(&S),
) -> Result<usize, Failure> {
    let mut known: HashSet<S, BuildHasherDefault<Mix>> = HashSet::default();
    // Each state with the index of the one that it was first reached from.
    let mut states: Vec<(S, usize)> = Vec::new();
    for start in starts {
        let start = start.sorted();
        if known.insert(start.clone()) {
            states.push((start, states.len()));
        }
    }
    let mut at = 0;
    while at < states.len() {
        let state = states[at].0.clone();
        visit(&state);
        if let Err(violation) = state.check() {
            return Err(failure(&states, at, false, violation));
        }
        for Move { after, .. } in state.moves() {
            match after.map(S::sorted) {
                Ok(next) => {
                    if !known.contains(&next) {
                        known.insert(next.clone());
                        states.push((next, at));
                    }
                }
                Err(violation) => return Err(failure(&states, at, true, violation)),
            }
        }
        at += 1;
    }
    Ok(at)
}

/// Tells the path again from its start, with threads that keep their numbers.
fn failure<S: System>(
    states: &[(S, usize)],
    mut at: usize,
    within_a_step: bool,
    violation: Violation,
) -> Failure {
    let mut chain = vec![at];
    while states[at].1 != at {
        at = states[at].1;
        chain.push(at);
    }
    chain.reverse();
    let mut state = states[chain[0]].0.clone();
    let mut path = Vec::new();
    for &next in &chain[1..] {
        let goes_there = |after: &S| after.clone().sorted() == states[next].0;
        let taken = state.moves().into_iter().find_map(|taken| {
            taken.after.ok().filter(goes_there).map(|after| (taken.thread, taken.way, after))
        });
        let (thread, way, after) = taken.expect("sorting changes nothing that can happen");
        path.push(state.describe(thread, way, Some(&after)));
        state = after;
    }
    if within_a_step {
        let wrong = state
            .moves()
            .into_iter()
            .find(|taken| taken.after.as_ref().is_err_and(|other| other.fault == violation.fault));
        let wrong = wrong.expect("sorting changes nothing that can happen");
        path.push(state.describe(wrong.thread, wrong.way, None));
    }
    Failure { fault: violation.fault, seen: violation.seen, path }
}

/// Sorts threads by their hashes, so that states are equal whichever thread is which. Returns the
/// order: what was thread `order[n]` is thread `n` now.
pub(super) fn sort_threads<T: Copy + Hash>(threads: &mut Vec<T>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..threads.len()).collect();
    order.sort_by_cached_key(|&thread| {
        let mut hasher = Mix::default();
        threads[thread].hash(&mut hasher);
        hasher.finish()
    });
    *threads = order.iter().map(|&thread| threads[thread]).collect();
    order
}

/// A hasher that costs little even without optimisation.
#[derive(Default)]
pub(super) struct Mix(u64);

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

    fn write_u32(&mut self, n: u32) {
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
