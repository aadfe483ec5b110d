//! Plain models, and checks that run a list of operations on the real thing and on its model side
//! by side. `tests/it` and `fuzz/` share them.
//!
//! A model does sums on ordinary numbers and knows nothing of slots, ceilings or flags. What gates,
//! courses, tallies, lobbies and holds are stands in `crates/spec`, for the tests of
//! `headcount-redis` too.

pub(crate) mod bytes;
pub(crate) mod course;
pub(crate) mod gate;
#[cfg(feature = "holds")]
pub(crate) mod holds;
#[cfg(feature = "keyed")]
pub(crate) mod keyed;
#[cfg(feature = "std")]
pub(crate) mod lobby;
#[cfg(feature = "std")]
pub(crate) mod room_id;
#[cfg(feature = "std")]
pub(crate) mod striped;
pub(crate) mod tally;
#[cfg(feature = "wait")]
pub(crate) mod waiting;

/// How a block that was handed to the crate ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    Succeeds,
    Fails,
    Panics,
}

/// The error of a block that fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed;

impl Ending {
    /// Ends a block this way. The panic runs no hook: nothing is printed, and a fuzzer that aborts
    /// on panics lets it pass.
    pub(crate) fn end(self) -> Result<(), Failed> {
        match self {
            Ending::Succeeds => Ok(()),
            Ending::Fails => Err(Failed),
            Ending::Panics => std::panic::resume_unwind(Box::new(Failed)),
        }
    }
}

/// Runs `f`; `None` if it ended in the panic of [`Ending::end`]. Other panics go on.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
        Ok(outcome) => Some(outcome),
        Err(payload) if payload.is::<Failed>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Removes one of `items`, whichever `pick` names, if there are any.
fn remove<T>(items: &mut Vec<T>, pick: u8) -> Option<T> {
    (!items.is_empty()).then(|| items.swap_remove(pick as usize % items.len()))
}
