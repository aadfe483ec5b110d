//! Whether an order of whole calls explains what callers were told (linearizability; J. M. Wing and
//! C. Gong, *Testing and Verifying Concurrent Objects*, 1993).
//!
//! Asked in two forms: of [whole histories](explain), of which only each thread's own order is
//! known, and of [each answer](Explanations::answer) at the step in which it is given.

use std::fmt::{self, Debug, Display};
use std::hash::Hash;

/// A sequential specification.
pub trait Spec: Clone + Ord + Hash + Debug {
    /// What a caller can ask for.
    type Call: Copy + Ord + Hash + Debug;
    /// What a caller can be told.
    type Answer: Copy + Ord + Hash + Debug;

    /// Carries out `call` and returns its answer.
    fn apply(&mut self, call: Self::Call) -> Self::Answer;

    /// Returns whether a caller can make `call` now: for instance, only a holder releases.
    fn allows(&self, _call: Self::Call) -> bool {
        true
    }

    /// Returns an answer that `call` may get as well, without an effect. Only for the exceptions
    /// that the documentation states.
    fn excused(&self, _call: Self::Call) -> Option<Self::Answer> {
        None
    }
}

/// Returns every state that `call` can lead to, with the answer that it then gets.
fn outcomes<S: Spec>(state: &S, call: S::Call) -> impl Iterator<Item = (S, S::Answer)> {
    let applied = state.allows(call).then(|| {
        let mut after = state.clone();
        let answer = after.apply(call);
        (after, answer)
    });
    let excused = state.excused(call).map(|answer| (state.clone(), answer));
    applied.into_iter().chain(excused)
}

/// What no order of calls explains. Prints it in full.
#[derive(Clone, PartialEq, Eq)]
pub struct Unexplained(String);

impl Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

fn name(thread: usize) -> char {
    (b'A' + thread as u8) as char
}

/// What is asked of one call of a history.
#[derive(Clone, Copy)]
enum Known<A> {
    /// It got this answer.
    Answer(A),
    /// It was carried out, whatever the answer.
    Made,
    /// It was carried out, or it was not.
    Nothing,
}

/// One call of a history.
type Entry<S> = (<S as Spec>::Call, Known<<S as Spec>::Answer>);

/// Finds an order of all calls that keeps each thread's own order and gives each call the answer
/// that it got. `histories` holds the calls of each thread.
///
/// # Errors
///
/// If there is none. The error shows as few calls and answers as are needed to see that.
pub fn explain<S: Spec>(
    start: &S,
    histories: &[Vec<(S::Call, S::Answer)>],
) -> Result<(), Unexplained> {
    let known = |&(call, answer): &(_, _)| (call, Known::Answer(answer));
    let mut histories: Vec<Vec<Entry<S>>> =
        histories.iter().map(|own| own.iter().map(known).collect()).collect();
    if is_explained(start, &histories) {
        return Ok(());
    }
    for thread in 0..histories.len() {
        for at in (0..histories[thread].len()).rev() {
            let whole = histories[thread][at].1;
            for less in [Known::Nothing, Known::Made, whole] {
                histories[thread][at].1 = less;
                if !is_explained(start, &histories) {
                    break;
                }
            }
        }
    }
    Err(Unexplained(describe(start, &histories)))
}

fn describe<S: Spec>(start: &S, histories: &[Vec<Entry<S>>]) -> String {
    let mut text = format!("no order of the calls explains the answers\n  at first: {start:?}");
    for (thread, own) in histories.iter().enumerate() {
        let matters = |entry: &Entry<S>| !matches!(entry.1, Known::Nothing);
        let Some(last) = own.iter().rposition(matters) else { continue };
        let calls = own[..=last].iter().map(|(call, known)| match known {
            Known::Answer(answer) => format!("{call:?} -> {answer:?}"),
            Known::Made => format!("{call:?}"),
            Known::Nothing => format!("({call:?})"),
        });
        text += &format!("\n  thread {}: {}", name(thread), calls.collect::<Vec<_>>().join(", "));
    }
    text + "\n  (answers that are not shown, and calls in parentheses or not shown, change nothing)"
}

fn is_explained<S: Spec>(start: &S, histories: &[Vec<Entry<S>>]) -> bool {
    fn go<S: Spec>(state: &S, rest: &mut [&[Entry<S>]]) -> bool {
        if rest.iter().all(|own| own.is_empty()) {
            return true;
        }
        (0..rest.len()).any(|thread| {
            let Some((&(call, known), behind)) = rest[thread].split_first() else { return false };
            let whole = std::mem::replace(&mut rest[thread], behind);
            let mut made = outcomes(state, call).filter(|(_, answer)| match known {
                Known::Answer(known) => *answer == known,
                Known::Made | Known::Nothing => true,
            });
            let explained = made.any(|(after, _)| go(&after, rest))
                || (matches!(known, Known::Nothing) && go(state, rest));
            rest[thread] = whole;
            explained
        })
    }
    let mut rest: Vec<_> = histories.iter().map(Vec::as_slice).collect();
    go(start, &mut rest)
}

/// Every way to explain the answers so far, for any number of threads that call at the same time.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Explanations<S: Spec> {
    /// The call that each thread is within.
    pending: Vec<Option<S::Call>>,
    possible: Vec<Explanation<S>>,
}

/// One way: the state, and the answers of those pending calls that have taken effect already, by
/// thread.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Explanation<S: Spec> {
    state: S,
    settled: Vec<(usize, S::Answer)>,
}

impl<S: Spec> Explanation<S> {
    fn settled(&self, thread: usize) -> Option<S::Answer> {
        self.settled.iter().find(|settled| settled.0 == thread).map(|settled| settled.1)
    }

    /// The same, with that call of `thread` in effect.
    fn longer(&self, thread: usize, call: S::Call) -> impl Iterator<Item = Self> + '_ {
        outcomes(&self.state, call).map(move |(state, answer)| {
            let mut settled = self.settled.clone();
            settled.push((thread, answer));
            settled.sort();
            Explanation { state, settled }
        })
    }
}

impl<S: Spec> Explanations<S> {
    /// Creates the explanation of a history in which nothing has happened yet.
    pub fn new(start: S, threads: usize) -> Self {
        let first = Explanation { state: start, settled: Vec::new() };
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

    /// The call of `thread` ends with `answer`.
    ///
    /// # Errors
    ///
    /// If no order of calls explains that. Nothing more can be asked then.
    pub fn answer(&mut self, thread: usize, answer: S::Answer) -> Result<(), Unexplained> {
        // Effects are put off until an answer needs them: any set of pending calls, in any order.
        let mut steps = Vec::new();
        let mut at = 0;
        while at < self.possible.len() {
            for other in 0..self.pending.len() {
                let now = &self.possible[at];
                let (Some(call), None) = (self.pending[other], now.settled(other)) else {
                    continue;
                };
                for longer in now.longer(other, call).collect::<Vec<_>>() {
                    let known = self.possible.iter().position(|possible| *possible == longer);
                    steps.push((at, known.unwrap_or(self.possible.len())));
                    if known.is_none() {
                        self.possible.push(longer);
                    }
                }
            }
            at += 1;
        }
        let explains = |at: usize| self.possible[at].settled(thread) == Some(answer);
        let mut kept: Vec<bool> = (0..at).map(explains).collect();
        if !kept.contains(&true) {
            return Err(self.unexplained(thread, answer));
        }
        // What follows from another that is kept can be found again.
        steps.retain(|&(from, _)| kept[from]);
        steps.iter().for_each(|&(_, to)| kept[to] = false);
        let mut kept = kept.into_iter();
        self.possible.retain(|_| kept.next().expect("one for each"));
        for possible in &mut self.possible {
            possible.settled.retain(|settled| settled.0 != thread);
        }
        self.possible.sort();
        self.pending[thread] = None;
        Ok(())
    }

    fn unexplained(&self, thread: usize, answer: S::Answer) -> Unexplained {
        let call = self.pending[thread].expect("the thread is within a call");
        let mut others: Vec<_> = self.possible.iter().filter_map(|it| it.settled(thread)).collect();
        others.sort();
        others.dedup();
        let others: Vec<_> = others.iter().map(|other| format!("{other:?}")).collect();
        let others = others.join(" or ");
        Unexplained(format!(
            "{call:?} -> {answer:?}, where an order of the calls explains {others} only"
        ))
    }

    /// Renumbers the threads: thread `order[n]` becomes thread `n`.
    pub fn reorder(&mut self, order: &[usize]) {
        self.pending = order.iter().map(|&thread| self.pending[thread]).collect();
        for (settled, _) in self.possible.iter_mut().flat_map(|possible| &mut possible.settled) {
            *settled = order.iter().position(|thread| thread == settled).expect("it is there");
        }
        self.possible.iter_mut().for_each(|possible| possible.settled.sort());
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
        both.answer(0, Acquired).unwrap();
        both.begin(1, Acquire);
        both.begin(0, Release);
        let mut refused = both.clone();
        refused.answer(1, Full).expect("the place may have been released too late");
        both.answer(0, Done).unwrap();
        both.answer(1, Acquired).unwrap();

        refused.answer(0, Done).unwrap();
        refused.begin(1, Acquire);
        let unexplained = refused.answer(1, Full).expect_err("the place was free throughout");
        let text = "Acquire -> Full, where an order of the calls explains Acquired only";
        assert_eq!(unexplained.to_string(), text);
    }

    #[test]
    fn a_history_keeps_each_threads_order() {
        let gate = Gate::new(1);
        let enters = vec![(Acquire, Acquired), (Release, Done)];
        assert!(explain(&gate, &[enters.clone(), vec![(Acquire, Full)]]).is_ok());
        assert!(explain(&gate, &[enters.clone(), enters.clone()]).is_ok());
        assert!(explain(&gate, &[vec![(Acquire, Acquired)], vec![(Acquire, Acquired)]]).is_err());
        let other = vec![(Acquire, Full), (Acquire, Full), (Acquire, Closed)];
        assert!(explain(&gate, &[enters, other]).is_err());
    }

    /// A call is shown only if the rest could be explained without it, and so is an answer.
    #[test]
    fn the_smallest_history_is_shown() {
        let first = vec![(Acquire, Acquired), (Occupied, Held(1)), (Release, Done)];
        let second = vec![(Close, Done), (Acquire, Full), (Occupied, Held(0))];
        let unexplained = explain(&Gate::new(1), &[first, second]).unwrap_err().to_string();
        let lines: Vec<_> = unexplained.lines().collect();
        assert_eq!(lines[0], "no order of the calls explains the answers");
        assert!(lines[1].starts_with("  at first: Gate { capacity: 1, held: 0,"));
        assert_eq!(lines[2], "  thread B: Close, Acquire -> Full");
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn renumbered_threads_keep_their_calls() {
        let mut gate = Explanations::new(Gate::new(1), 2);
        gate.begin(1, Acquire);
        let mut settled = gate.clone();
        gate.reorder(&[1, 0]);
        gate.answer(0, Acquired).unwrap();
        assert_eq!(gate.a_state().held, 1);

        settled.begin(0, Acquire);
        settled.answer(0, Full).unwrap();
        settled.reorder(&[1, 0]);
        settled.answer(0, Acquired).unwrap();
    }

    /// Histories that allow the same in future are equal, so that a search meets few states.
    #[test]
    fn only_the_shortest_explanations_are_kept() {
        let mut gate = Explanations::new(Gate::new(1), 2);
        gate.begin(0, Acquire);
        let before = gate.clone();
        gate.begin(1, Occupied);
        gate.answer(1, Held(0)).unwrap();
        assert_eq!(gate, before);
    }
}
