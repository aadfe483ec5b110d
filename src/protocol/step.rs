//! Operations as state machines, so that a test can put any order between their steps.
//!
//! # Invariant
//!
//! Each call of a machine's `step` makes exactly one atomic operation. What the machine knows
//! between two of them is in its state.

/// The outcome of one step of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step<S, R> {
    /// The operation continues in this state.
    Next(S),
    /// The operation has ended with this result.
    Done(R),
}

/// Runs a machine to its end.
macro_rules! run {
    ($start:expr, $($word:expr),+) => {{
        let mut state = $start;
        loop {
            match state.step($($word),+) {
                $crate::protocol::step::Step::Next(next) => state = next,
                $crate::protocol::step::Step::Done(result) => break result,
            }
        }
    }};
}

pub(crate) use run;
