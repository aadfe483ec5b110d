//! Whether an order of whole calls explains what callers were told (linearizability; J. M. Wing and
//! C. Gong, *Testing and Verifying Concurrent Objects*, 1993).

use std::fmt::Debug;
use std::hash::Hash;

/// A sequential specification.
pub trait Spec: Clone + Ord + Hash + Debug {
    /// What a caller can ask for.
    type Call: Copy + Ord + Hash + Debug;
    /// What a caller can be told.
    type Answer: Copy + Ord + Hash + Debug;

    /// Carries out `call` and returns its answer.
    fn apply(&mut self, call: Self::Call) -> Self::Answer;

    /// Returns an answer that `call` may get as well, without an effect. Only for the exceptions
    /// that the documentation states.
    fn excused(&self, _call: Self::Call) -> Option<Self::Answer> {
        None
    }
}

/// Returns whether some order of all calls that keeps each thread's own order gives each call the
/// answer that it got. `histories` holds the calls of each thread.
pub fn explains<S: Spec>(spec: &S, histories: &[Vec<(S::Call, S::Answer)>]) -> bool {
    fn go<S: Spec>(spec: &S, rest: &mut [&[(S::Call, S::Answer)]]) -> bool {
        if rest.iter().all(|own| own.is_empty()) {
            return true;
        }
        (0..rest.len()).any(|thread| {
            let Some((&(call, answer), behind)) = rest[thread].split_first() else { return false };
            let mut after = spec.clone();
            let possible = after.apply(call) == answer && {
                let whole = std::mem::replace(&mut rest[thread], behind);
                let explained = go(&after, rest);
                rest[thread] = whole;
                explained
            };
            possible || {
                spec.excused(call) == Some(answer) && {
                    let whole = std::mem::replace(&mut rest[thread], behind);
                    let explained = go(spec, rest);
                    rest[thread] = whole;
                    explained
                }
            }
        })
    }
    let mut rest: Vec<_> = histories.iter().map(Vec::as_slice).collect();
    go(spec, &mut rest)
}

/// Every way to explain the answers so far, for any number of threads that call at the same time.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Explanations<S: Spec> {
    /// The call that each thread is within.
    pending: Vec<Option<S::Call>>,
    possible: Vec<Explanation<S>>,
}

/// One way: the state, and the answer of each pending call that has taken effect already.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Explanation<S: Spec> {
    state: S,
    settled: Vec<Option<S::Answer>>,
}

impl<S: Spec> Explanations<S> {
    /// Creates the explanation of a history in which nothing has happened yet.
    pub fn new(start: S, threads: usize) -> Self {
        let first = Explanation { state: start, settled: vec![None; threads] };
        Explanations { pending: vec![None; threads], possible: vec![first] }
    }

    /// `thread` begins `call`.
    ///
    /// # Panics
    ///
    /// If the thread is within a call.
    pub fn begin(&mut self, thread: usize, call: S::Call) {
        assert!(self.pending[thread].is_none(), "a thread makes one call at a time");
        self.pending[thread] = Some(call);
    }

    /// The call of `thread` ends with `answer`. Returns whether an order of calls explains that.
    pub fn answer(&mut self, thread: usize, answer: S::Answer) -> bool {
        // Effects are put off until an answer needs them: any set of pending calls, in any order.
        let mut at = 0;
        while at < self.possible.len() {
            for other in 0..self.pending.len() {
                let now = &self.possible[at];
                let (Some(call), None) = (self.pending[other], now.settled[other]) else {
                    continue;
                };
                let mut applied = now.clone();
                applied.settled[other] = Some(applied.state.apply(call));
                let excused = now.state.excused(call).map(|answer| {
                    let mut excused = now.clone();
                    excused.settled[other] = Some(answer);
                    excused
                });
                for longer in [Some(applied), excused].into_iter().flatten() {
                    if !self.possible.contains(&longer) {
                        self.possible.push(longer);
                    }
                }
            }
            at += 1;
        }
        self.possible.retain_mut(|possible| possible.settled[thread].take() == Some(answer));
        self.possible.sort();
        self.possible.dedup();
        self.pending[thread] = None;
        !self.possible.is_empty()
    }

    /// Renumbers the threads: thread `order[n]` becomes thread `n`.
    pub fn reorder(&mut self, order: &[usize]) {
        self.pending = order.iter().map(|&thread| self.pending[thread]).collect();
        for possible in &mut self.possible {
            possible.settled = order.iter().map(|&thread| possible.settled[thread]).collect();
        }
        self.possible.sort();
    }

    /// Returns one of the states in which the history may have ended.
    ///
    /// # Panics
    ///
    /// If no order of calls explains the history.
    pub fn a_state(&self) -> &S {
        &self.possible[0].state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gate, GateAnswer::*, GateCall::*};

    #[test]
    fn an_answer_needs_an_instant_within_its_call() {
        let mut both = Explanations::new(Gate::new(1), 2);
        both.begin(0, Acquire);
        assert!(both.answer(0, Acquired));
        both.begin(1, Acquire);
        both.begin(0, Release);
        let mut refused = both.clone();
        assert!(refused.answer(1, Full), "the place may have been released too late");
        assert!(both.answer(0, Done));
        assert!(both.answer(1, Acquired));

        refused.answer(0, Done);
        refused.begin(1, Acquire);
        assert!(!refused.answer(1, Full), "the place was free throughout");
    }

    #[test]
    fn a_history_keeps_each_threads_order() {
        let gate = Gate::new(1);
        let enters = vec![(Acquire, Acquired), (Release, Done)];
        assert!(explains(&gate, &[enters.clone(), vec![(Acquire, Full)]]));
        assert!(explains(&gate, &[enters.clone(), enters.clone()]));
        assert!(!explains(&gate, &[vec![(Acquire, Acquired)], vec![(Acquire, Acquired)]]));
        assert!(!explains(
            &gate,
            &[enters, vec![(Acquire, Full), (Acquire, Full), (Acquire, Closed)]]
        ));
    }

    #[test]
    fn renumbered_threads_keep_their_calls() {
        let mut gate = Explanations::new(Gate::new(1), 2);
        gate.begin(1, Acquire);
        gate.reorder(&[1, 0]);
        assert!(gate.answer(0, Acquired));
        assert_eq!(gate.a_state().held, 1);
    }
}
