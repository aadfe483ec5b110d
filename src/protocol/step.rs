//! Operations as machines, so that a test can put any order between their steps.
//!
//! # Invariant
//!
//! A machine's `step` makes exactly one atomic operation. All that it knows between two of them is in
//! its state.

/// What one step of an operation leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step<S, R> {
    Next(S),
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
