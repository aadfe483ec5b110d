//! The words of a striped gate, and how callers walk over them. The only place where they change.
//!
//! # Invariant
//!
//! ```text
//! bits 30..=63  how often a place was given back affinity, modulo 2^34
//! bits  0..=29  the level: BASE and the places that are free affinity, or BASE less the deficit
//! ```
//!
//! | level        | means |
//! |--------------|-------|
//! | above `BASE` | that many places are free |
//! | at `BASE`    | none is free |
//! | below `BASE` | none is free; what is missing is *deficit* |
//!
//! A deficit is left by a caller who took a place without looking and found none. Nobody owns it, nobody can
//! read it, anyone may remove it: the caller itself, if nothing has changed since, or whoever gives a
//! place back next. There are never more deficit than callers, for it takes a place to be sure of
//! another.
//!
//! | change | free | given back | when |
//! |--------|------|------------|------|
//! | claim  | -1   |            | where a place is free |
//! | give   | +1   | +1         | in one step, once it has met no deficit |
//! | deficit, and its removal | | any | where no place is free |
//!
//! The free places of all stripes and the places held add up to the capacity at every instant: there is
//! nothing on its way from one stripe to another.
//!
//! # How a caller knows about all stripes at once
//!
//! It walks over them in rounds. The instant in question is the last reading of a round: the next
//! round reads the other stripes again. Free places grow only where the number of places given back
//! grows too. So a stripe with the same number at both readings had, in between, at no time more
//! free places than at the first; if it has as many at the second, none was taken either. Numbers
//! only grow, so it is enough to compare their sums. The last stripe was read at the instant itself.
//!
//! The numbers wrap. A round is wrongly confirmed only if, during it, a multiple of 2^34 places is
//! given back at the stripes that it reads: minutes of nothing else, at the speed of one cache line,
//! while the caller sleeps within one call, ended at just that number.
//!
//! # Orderings
//!
//! Everything is sequentially consistent. "All stripes at one instant" has a meaning only in an order
//! that all callers share: with less, two callers may see two changes to two stripes in different
//! orders, and each be refused at an instant that did not exist for the other. Thus the orders that
//! `tests/exhaustive_striped.rs` goes through are all there are. The acquire and release that *happens-before*
//! needs are included.

use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU64, Ordering};

const LEVEL_BITS: u32 = 30;
const LEVEL: u64 = (1 << LEVEL_BITS) - 1;

/// The level of a stripe without a free place. Debts fit below it, the greatest capacity above.
const BASE: u64 = 1 << 28;

/// What giving back one place adds: a free place, and a count of the giving.
const RELEASE_UNIT: u64 = (1 << LEVEL_BITS) | 1;

/// One reading of a stripe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct StripeWord(pub(crate) u64);

impl StripeWord {
    /// A stripe at which `given` places were given back, of which `free` are still there.
    pub(crate) const fn new(given: u32, free: u32) -> StripeWord {
        StripeWord(((given as u64) << LEVEL_BITS) + BASE + free as u64)
    }

    /// Places that nobody holds.
    pub(crate) fn free(self) -> u64 {
        (self.0 & LEVEL).saturating_sub(BASE)
    }

    fn has_deficit(self) -> bool {
        self.0 & LEVEL < BASE
    }

    /// How often a place was given back; it wraps.
    pub(crate) fn given(self) -> u64 {
        self.0 >> LEVEL_BITS
    }
}

/// Sums over the stripes of a round.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Sums {
    given: u64,
    free: u64,
}

/// A caller's walk over the stripes, and what it found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Walk {
    /// The number of stripes, a power of two, less one.
    mask: usize,
    home: usize,
    /// Stripes read in this round, and the sums over them.
    seen: usize,
    sums: Sums,
    /// The round before: the sums over all but its last stripe, and all free places.
    before: Option<(Sums, u64)>,
}

impl Walk {
    fn new(stripes: usize, home: usize) -> Walk {
        debug_assert!(stripes.is_power_of_two());
        Walk { mask: stripes - 1, home, seen: 0, sums: Sums::default(), before: None }
    }

    /// The stripe that is to be read next.
    #[inline(always)]
    fn at(&self) -> usize {
        (self.home + self.seen) & self.mask
    }

    /// Takes a reading down. Done with the free places of all stripes, once they are known for one
    /// instant.
    #[inline(always)]
    fn record(mut self, word: StripeWord) -> Step<Walk, u64> {
        if self.seen < self.mask {
            self.seen += 1;
            self.sums.given = self.sums.given.wrapping_add(word.given());
            self.sums.free += word.free();
        } else {
            self.before = Some((self.sums, self.sums.free + word.free()));
            self.seen = 0;
            self.sums = Sums::default();
        }
        match self.before {
            Some((sums, free)) if self.seen == self.mask && sums == self.sums => Done(free),
            _ => Next(self),
        }
    }
}

/// Claims one place at the first stripe that has one. Yields what the word became, or nothing if at
/// one instant no stripe had a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AcquireStriped {
    walk: Walk,
    next: Act,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Act {
    Look,
    /// Take one of the places that were seen.
    Swap(StripeWord),
    /// Take a place that is believed to be there.
    Take,
    /// None was there; holds what the word became. What was taken is a deficit.
    DropDeficit(StripeWord),
}

impl AcquireStriped {
    /// Starts at `home`, without a look if the caller is `sure` of a place there.
    pub(crate) fn new(stripes: usize, home: usize, sure: bool) -> AcquireStriped {
        let next = if sure { Act::Take } else { Act::Look };
        AcquireStriped { walk: Walk::new(stripes, home), next }
    }

    /// As [`new`](Self::new), for a caller who was sure and whose [`take`] failed.
    pub(crate) fn after_taking(stripes: usize, home: usize, after: StripeWord) -> AcquireStriped {
        AcquireStriped { walk: Walk::new(stripes, home), next: Act::DropDeficit(after) }
    }

    /// The stripe whose word the next step needs.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.walk.at()
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<AcquireStriped, Option<StripeWord>> {
        let walk = self.walk;
        match self.next {
            Act::Look => {
                // SeqCst: part of a round, see the module.
                self.consider(StripeWord(word.load(Ordering::SeqCst)))
            }
            Act::Swap(seen) => {
                let claimed = seen.0 - 1;
                // SeqCst: pairs, as an acquire operation, with the `ReleaseStriped` of whoever held this place.
                // On failure too: what was found is a reading like any other.
                match word.compare_exchange(seen.0, claimed, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => Done(Some(StripeWord(claimed))),
                    Err(now) => self.consider(StripeWord(now)),
                }
            }
            Act::Take => match take(word) {
                Ok(claimed) => Done(Some(claimed)),
                Err(after) => Next(AcquireStriped { walk, next: Act::DropDeficit(after) }),
            },
            Act::DropDeficit(after) => {
                let before = after.0 + 1;
                // SeqCst: as all changes. On failure whoever gives a place back next pays for it.
                let _ = word.compare_exchange(after.0, before, Ordering::SeqCst, Ordering::SeqCst);
                // The stripe was empty when the place was taken: that was the reading.
                self.consider(StripeWord(before))
            }
        }
    }

    /// Goes on after a reading of the stripe that is to be read next.
    #[inline(always)]
    fn consider(self, word: StripeWord) -> Step<AcquireStriped, Option<StripeWord>> {
        if word.free() > 0 {
            return Next(AcquireStriped { walk: self.walk, next: Act::Swap(word) });
        }
        match self.walk.record(word) {
            Next(walk) => Next(AcquireStriped { walk, next: Act::Look }),
            Done(_) => Done(None),
        }
    }
}

/// Takes a place that is believed to be there. Yields what the word became; an error if none was
/// there, and a deficit was left.
#[inline(always)]
pub(crate) fn take(word: &AtomicU64) -> Result<StripeWord, StripeWord> {
    // SeqCst: pairs, as an acquire operation, with the `ReleaseStriped` of whoever held this place.
    let before = StripeWord(word.fetch_sub(1, Ordering::SeqCst));
    let after = StripeWord(before.0 - 1);
    if before.free() > 0 {
        Ok(after)
    } else {
        Err(after)
    }
}

/// Gives one place back. Yields what the word became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ReleaseStriped;

impl ReleaseStriped {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64) -> Step<ReleaseStriped, StripeWord> {
        // SeqCst: pairs, as a release operation, with `take` and the swap of whoever claims this place
        // next.
        let before = StripeWord(word.fetch_add(RELEASE_UNIT, Ordering::SeqCst));
        if before.has_deficit() {
            // That only paid for a deficit.
            return Next(ReleaseStriped);
        }
        Done(StripeWord(before.0.wrapping_add(RELEASE_UNIT)))
    }
}

/// Finds out if at one instant no stripe had a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AskFull(Walk);

impl AskFull {
    pub(crate) fn new(stripes: usize, home: usize) -> AskFull {
        AskFull(Walk::new(stripes, home))
    }

    pub(crate) fn at(&self) -> usize {
        self.0.at()
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<AskFull, bool> {
        // SeqCst: part of a round, see the module.
        let word = StripeWord(word.load(Ordering::SeqCst));
        if word.free() > 0 {
            return Done(false);
        }
        match self.0.record(word) {
            Next(walk) => Next(AskFull(walk)),
            Done(_) => Done(true),
        }
    }
}

/// CourseCounts the places that were free at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct CountFree(Walk);

impl CountFree {
    pub(crate) fn new(stripes: usize, home: usize) -> CountFree {
        CountFree(Walk::new(stripes, home))
    }

    pub(crate) fn at(&self) -> usize {
        self.0.at()
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<CountFree, u64> {
        // SeqCst: part of a round, see the module.
        match self.0.record(StripeWord(word.load(Ordering::SeqCst))) {
            Next(walk) => Next(CountFree(walk)),
            Done(free) => Done(free),
        }
    }
}
