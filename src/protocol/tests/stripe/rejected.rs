//! Machines that are wrong, each by one thought.

use headcount_spec::GateAnswer as Answer;

use super::{Op, STRIPES};
use crate::protocol::step::Step;
use crate::protocol::stripe::{ReleaseStriped, StripeWord};
use crate::sync::{AtomicU64, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Rejected {
    /// Refuses after `rounds` rounds in which all stripes were empty, whatever was given back.
    AcquireStriped {
        rounds: usize,
        /// Fetches two places if it can, one of them for its own stripe.
        batch: bool,
        home: usize,
        seen: usize,
        swap: Option<StripeWord>,
        fetched: bool,
    },
    /// Adds up the free places in one pass.
    Count { home: usize, seen: usize, free: u64 },
}

impl Rejected {
    pub(crate) fn claim(home: usize, rounds: usize) -> Rejected {
        Rejected::AcquireStriped { rounds, batch: false, home, seen: 0, swap: None, fetched: false }
    }

    /// Refuses rightly, but for what is on its way.
    pub(crate) fn batch(home: usize) -> Rejected {
        Rejected::AcquireStriped {
            rounds: 2,
            batch: true,
            home,
            seen: 0,
            swap: None,
            fetched: false,
        }
    }

    pub(crate) fn count(home: usize) -> Rejected {
        Rejected::Count { home, seen: 0, free: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        match *self {
            Rejected::AcquireStriped { home, fetched: true, .. } => home,
            Rejected::AcquireStriped { home, seen, .. } | Rejected::Count { home, seen, .. } => {
                (home + seen) % STRIPES
            }
        }
    }

    pub(crate) fn step(self, word: &AtomicU64, capacity: u32) -> Step<Op, Answer> {
        match self {
            Rejected::Count { home, seen, free } => {
                let free = free + StripeWord(word.load(Ordering::SeqCst)).free();
                if seen + 1 < STRIPES {
                    return Step::Next(Op::Rejected(Rejected::Count {
                        home,
                        seen: seen + 1,
                        free,
                    }));
                }
                let held = capacity.saturating_sub(free as u32);
                Step::Done(Answer::Held(held))
            }
            Rejected::AcquireStriped { fetched: true, .. } => {
                let Step::Done(_) = ReleaseStriped.step(word) else {
                    unreachable!("no rejected protocol leaves deficit")
                };
                Step::Done(Answer::Acquired)
            }
            Rejected::AcquireStriped { rounds, batch, home, seen, swap: Some(from), .. } => {
                let n = if batch && from.free() > 1 { 2 } else { 1 };
                match word.compare_exchange(from.0, from.0 - n, Ordering::SeqCst, Ordering::SeqCst)
                {
                    Ok(_) if n == 2 => Step::Next(Op::Rejected(Rejected::AcquireStriped {
                        rounds,
                        batch,
                        home,
                        seen,
                        swap: None,
                        fetched: true,
                    })),
                    Ok(_) => Step::Done(Answer::Acquired),
                    Err(now) => self.consider(StripeWord(now)),
                }
            }
            Rejected::AcquireStriped { .. } => {
                self.consider(StripeWord(word.load(Ordering::SeqCst)))
            }
        }
    }

    fn consider(self, word: StripeWord) -> Step<Op, Answer> {
        let Rejected::AcquireStriped { rounds, batch, home, seen, fetched, .. } = self else {
            unreachable!()
        };
        if word.free() > 0 {
            let swap = Some(word);
            return Step::Next(Op::Rejected(Rejected::AcquireStriped {
                rounds,
                batch,
                home,
                seen,
                swap,
                fetched,
            }));
        }
        let seen = seen + 1;
        if seen == rounds * STRIPES {
            return Step::Done(Answer::Full);
        }
        Step::Next(Op::Rejected(Rejected::AcquireStriped {
            rounds,
            batch,
            home,
            seen,
            swap: None,
            fetched,
        }))
    }
}
