//! Several places at once. Compare-exchange throughout: an addition of many from many threads could
//! carry into the flags.

use super::{Refusal, SlotWord};
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// Claims several places, all or none. Yields the level that includes them, with WAITING if that
/// stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Take {
    Look(u32),
    Swap(u32, SlotWord),
}

impl Take {
    fn decide(wanted: u32, seen: SlotWord) -> Step<Take, Result<u32, Refusal>> {
        match seen.refusal(wanted) {
            Some(refused) => Done(Err(refused)),
            None => Next(Take::Swap(wanted, seen)),
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Take, Result<u32, Refusal>> {
        match self {
            // Relaxed: `Swap` synchronises.
            Take::Look(wanted) => Take::decide(wanted, SlotWord(word.load(Ordering::Relaxed))),
            Take::Swap(wanted, seen) => {
                let taken = seen.with_level(seen.level() + wanted);
                // Acquire: as in `Enter::Add`. Relaxed on failure: decides only what to try next.
                match word.compare_exchange(seen.0, taken.0, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(taken.claimed())),
                    Err(now) => Take::decide(wanted, SlotWord(now)),
                }
            }
        }
    }
}

/// Gives several places back, or adds new ones. Yields the word that it
/// left behind if somebody waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Give {
    Look(u32),
    Swap(u32, SlotWord),
}

impl Give {
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Give, Option<SlotWord>> {
        match self {
            // Relaxed: the swap checks what was read.
            Give::Look(n) => Next(Give::Swap(n, SlotWord(word.load(Ordering::Relaxed)))),
            Give::Swap(n, seen) => {
                let given = seen.with_level(seen.level() - n);
                // Release: as in `Leave`.
                match word.compare_exchange(seen.0, given.0, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => Done(given.is_waiting().then_some(given)),
                    Err(now) => Next(Give::Swap(n, SlotWord(now))),
                }
            }
        }
    }
}

/// Withdraws places: free ones at once, the others are deficit by those who hold them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Withdraw {
    Look(u32),
    Swap(u32, SlotWord),
}

impl Withdraw {
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Withdraw, ()> {
        match self {
            // Relaxed: the swap checks what was read.
            Withdraw::Look(n) => Next(Withdraw::Swap(n, SlotWord(word.load(Ordering::Relaxed)))),
            Withdraw::Swap(n, seen) => {
                let fewer = seen.with_level(seen.level() + n);
                // Relaxed: nobody enters by this, and as a read-modify-write it continues the
                // leavers' release sequences for whoever takes these places when they come back.
                match word.compare_exchange(seen.0, fewer.0, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(now) => Next(Withdraw::Swap(n, SlotWord(now))),
                }
            }
        }
    }
}
