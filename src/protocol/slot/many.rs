//! Several places at once. Compare-exchange throughout: if many threads each added many, the sum
//! could carry into the flags.

use super::{Refusal, SlotWord};
use crate::protocol::mutants::ordering;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// How many places a caller wants, depending on how many are free.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Wanted {
    Exactly(u32),
    /// `n` places, if `spare` more are free.
    Leaving {
        n: u32,
        spare: u32,
    },
    /// All that are free, but at least one.
    All,
}

impl Wanted {
    /// Returns how many places the caller gets if `free` are free.
    fn of(self, free: u32) -> Option<u32> {
        let (n, spare) = match self {
            Wanted::Exactly(n) => (n, 0),
            Wanted::Leaving { n, spare } => (n, spare),
            Wanted::All => (free.max(1), 0),
        };
        (free.checked_sub(n)? >= spare).then_some(n)
    }
}

/// Claims several places in one step. Returns how many.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Take {
    Look(Wanted),
    Swap(Wanted, SlotWord),
}

impl Take {
    fn decide(wanted: Wanted, seen: SlotWord) -> Step<Take, Result<u32, Refusal>> {
        if seen.is_closed() || wanted.of(seen.free()).is_none() {
            Done(Err(seen.reason()))
        } else {
            Next(Take::Swap(wanted, seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Take, Result<u32, Refusal>> {
        match self {
            // Relaxed: the exchange in `Swap` synchronizes.
            Take::Look(wanted) => Take::decide(wanted, SlotWord(word.load(Ordering::Relaxed))),
            Take::Swap(wanted, seen) => {
                let n = wanted.of(seen.free()).unwrap_or(0);
                let taken = seen.with_level(seen.level() + n);
                // Acquire, pairs with the Release of `Leave` and `Give`: the earlier writes of the
                // holders whose places this takes are visible.
                let success = ordering!("slot-take", Acquire => Relaxed);
                // Relaxed on failure: the value decides only what to try next.
                match word.compare_exchange(seen.0, taken.0, success, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(n)),
                    Err(now) => Take::decide(wanted, SlotWord(now)),
                }
            }
        }
    }
}

/// Gives several places back, or adds new ones. Returns the word that it wrote if WAITING is set;
/// with the feature `wait`, the word that it left as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Give {
    Look(u32),
    Swap(u32, SlotWord),
}

impl Give {
    fn decide(n: u32, seen: SlotWord) -> Step<Give, Option<SlotWord>> {
        if cfg!(feature = "wait") && seen.is_waiting() {
            Done(Some(seen))
        } else {
            Next(Give::Swap(n, seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Give, Option<SlotWord>> {
        match self {
            // Relaxed: the exchange checks the value.
            Give::Look(n) => Give::decide(n, SlotWord(word.load(Ordering::Relaxed))),
            Give::Swap(n, seen) => {
                let given = seen.with_level(seen.level() - n);
                // Release, pairs with the Acquire of `Enter::add` and `Take`: the next holder of
                // these places sees the earlier writes of this one.
                let success = ordering!("slot-give", Release => Relaxed);
                // Relaxed on failure: the value decides only what to try next.
                match word.compare_exchange(seen.0, given.0, success, Ordering::Relaxed) {
                    Ok(_) => Done(given.is_waiting().then_some(given)),
                    Err(now) => Give::decide(n, SlotWord(now)),
                }
            }
        }
    }
}
