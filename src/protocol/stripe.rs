//! The words of a striped gate, and the only place where they change.
//!
//! # Invariant
//!
//! ```text
//! bits 30..=63  releases: how often a place was given back at this stripe, modulo 2^34
//! bits  0..=29  level: BASE plus the places that are free at this stripe, or BASE less the deficit
//! ```
//!
//! | level        | meaning |
//! |--------------|---------|
//! | above `BASE` | that many places are free |
//! | `BASE`       | no place is free |
//! | below `BASE` | no place is free; what is missing is the *deficit* |
//!
//! A caller that decremented a stripe without a free place leaves a deficit. It is owned by no
//! permit and invisible to readers. Either that caller removes it, if the word has not changed
//! since, or the next release at this stripe pays it. The deficit is never greater than the number
//! of callers, since a caller decrements without a look only where it believes a place to be free.
//!
//! | change              | free | releases | when |
//! |---------------------|------|----------|------|
//! | acquire             | -1   |          | a place is free |
//! | release             | +1   | +1       | in one step, once there is no deficit |
//! | deficit and payment |      | any      | no place is free |
//!
//! The free places of all stripes and the places held add up to the capacity at every instant: no
//! place is ever in transit between stripes.
//!
//! # How a caller knows about all stripes at one instant
//!
//! A caller reads the stripes in rounds. The instant in question is the last reading of a round;
//! the next round reads the other stripes again. The free places of a stripe grow only when its
//! releases grow. So if both readings of a stripe show the same number of releases, it had at no
//! time in between more free places than at the first reading; if both also show as many free
//! places, none was taken either. Releases only grow, so comparing their sums is enough. The last
//! stripe of the round was read at the instant itself.
//!
//! Releases wrap. A round would be confirmed wrongly if, during it, a multiple of 2^34 places were
//! given back at the stripes that it reads: minutes of nothing else at the speed of one cache line,
//! during one call, and stopped at exactly that number.
//!
//! # Memory ordering
//!
//! Every operation here is SeqCst. "All stripes at one instant" means something only in an order
//! that all callers share: with less, two callers could see the changes of two stripes in different
//! orders, and each be refused at an instant that did not exist for the other. So the orders that
//! `src/protocol/tests/stripe` searches are all that there are. The acquire and release that
//! *happens-before* needs are part of SeqCst.
//!
//! Loom cannot tell SeqCst from AcqRel. The named weakenings here are those that break what acquire
//! and release give; that more than those is needed rests on the argument above.

use core::fmt;

use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU64, Ordering};

const LEVEL_BITS: u32 = 30;
const LEVEL: u64 = (1 << LEVEL_BITS) - 1;

/// The level of a stripe without a free place. The deficit fits below it, the greatest capacity
/// above.
const BASE: u64 = 1 << 28;

/// What giving back one place adds to a word: one release, and one free place.
const RELEASE_UNIT: u64 = (1 << LEVEL_BITS) | 1;

/// One reading of a stripe.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StripeWord(pub(crate) u64);

impl StripeWord {
    /// Creates the word of a stripe with `releases` so far and `free` places.
    pub(crate) const fn new(releases: u32, free: u32) -> StripeWord {
        StripeWord(((releases as u64) << LEVEL_BITS) + BASE + free as u64)
    }

    /// Returns the number of free places.
    pub(crate) fn free(self) -> u64 {
        (self.0 & LEVEL).saturating_sub(BASE)
    }

    pub(crate) fn has_deficit(self) -> bool {
        self.0 & LEVEL < BASE
    }

    /// Returns how often a place was given back here, modulo 2^34.
    pub(crate) fn releases(self) -> u64 {
        self.0 >> LEVEL_BITS
    }
}

// For the searches, which print the words of a path.
impl fmt::Debug for StripeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeWord")
            .field("free", &self.free())
            .field("deficit", &BASE.saturating_sub(self.0 & LEVEL))
            .field("releases", &self.releases())
            .finish()
    }
}

/// Sums over the stripes of a round.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Sums {
    releases: u64,
    free: u64,
}

/// A caller's rounds over the stripes, and what it has read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Walk {
    /// The number of stripes, a power of two, less one.
    mask: usize,
    /// The caller's own stripe, where each first round begins.
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

    /// Returns the stripe that has to be read next.
    #[inline(always)]
    fn at(&self) -> usize {
        (self.home + self.seen) & self.mask
    }

    /// Records a reading. Done, with the free places of all stripes, once they are known for one
    /// instant.
    #[inline(always)]
    fn record(mut self, word: StripeWord) -> Step<Walk, u64> {
        if self.seen < self.mask {
            self.seen += 1;
            self.sums.releases = self.sums.releases.wrapping_add(word.releases());
            self.sums.free += word.free();
        } else {
            let free = self.sums.free + word.free();
            if mutant!("stripe-single-round") {
                return Done(free);
            }
            self.before = Some((self.sums, free));
            self.seen = 0;
            self.sums = Sums::default();
        }
        let confirms = |sums: Sums| {
            let releases_alike = sums.releases == self.sums.releases;
            (mutant!("stripe-rounds-ignore-releases") || releases_alike)
                && sums.free == self.sums.free
        };
        match self.before {
            Some((sums, free)) if self.seen == self.mask && confirms(sums) => Done(free),
            _ => Next(self),
        }
    }
}

/// Acquires one place at the first stripe that has one. Returns what that word became, or `None` if
/// at one instant no stripe had a free place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AcquireStriped {
    walk: Walk,
    next: NextStep,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum NextStep {
    Look,
    /// Take one of the places that were seen.
    Swap(StripeWord),
    /// Take a place that the caller believes to be there.
    Take,
    /// No place was there: remove the deficit, if the word is still the one that `take` left.
    DropDeficit(StripeWord),
}

impl AcquireStriped {
    /// Starts at `home`; without a look if the caller believes that a place is free there.
    pub(crate) fn new(stripes: usize, home: usize, believed: bool) -> AcquireStriped {
        let next = if believed { NextStep::Take } else { NextStep::Look };
        AcquireStriped { walk: Walk::new(stripes, home), next }
    }

    /// Starts after a [`take`] at `home` that found no place; `after` is the word that it left.
    pub(crate) fn after_taking(stripes: usize, home: usize, after: StripeWord) -> AcquireStriped {
        AcquireStriped { walk: Walk::new(stripes, home), next: NextStep::DropDeficit(after) }
    }

    /// Returns the stripe whose word the next step needs.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.walk.at()
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<AcquireStriped, Option<StripeWord>> {
        let walk = self.walk;
        match self.next {
            NextStep::Look => {
                // SeqCst: a reading of a round; pairs with every change, see the module:
                // - if a release comes first, this reading shows it and the caller finds the place;
                // - if this reading comes first, the release is after the instant, or the second
                //   reading shows it and the round is not confirmed.
                let order = ordering!("stripe-look", SeqCst => Relaxed);
                self.consider(StripeWord(word.load(order)))
            }
            NextStep::Swap(seen) => {
                let taken = seen.0 - 1;
                // SeqCst: pairs with the `ReleaseStriped` of the place's last holder, as an acquire
                // operation, and with the looks of rounds:
                // - if a look comes after it, that caller also sees what this caller gave back;
                // - if a look comes before it, the place was free at that instant.
                // No model can see its acquire weakened: the reading of `seen` has acquired
                // already, and a word with a free place does not come back, because releases only
                // grow.
                let success = ordering!("stripe-swap", SeqCst => Acquire);
                // SeqCst on failure: what was found is a reading of the round, as `Look` makes.
                let failure = ordering!("stripe-swap-failed", SeqCst => Relaxed);
                match word.compare_exchange(seen.0, taken, success, failure) {
                    Ok(_) => Done(Some(StripeWord(taken))),
                    Err(now) => self.consider(StripeWord(now)),
                }
            }
            NextStep::Take => match take(word) {
                Ok(taken) => Done(Some(taken)),
                Err(after) => Next(AcquireStriped { walk, next: NextStep::DropDeficit(after) }),
            },
            NextStep::DropDeficit(after) => {
                let before = after.0 + 1;
                // SeqCst: as all changes. No model can kill its weakening: the caller does nothing
                // between `take` and this step that it could publish.
                // Relaxed on failure: the next release at this stripe pays the deficit.
                let _ = word.compare_exchange(after.0, before, Ordering::SeqCst, Ordering::Relaxed);
                // The stripe had no free place when `take` decremented it: that was the reading.
                self.consider(StripeWord(before))
            }
        }
    }

    /// Goes on after a reading of the stripe that had to be read next.
    #[inline(always)]
    fn consider(self, word: StripeWord) -> Step<AcquireStriped, Option<StripeWord>> {
        if word.free() > 0 {
            return Next(AcquireStriped { walk: self.walk, next: NextStep::Swap(word) });
        }
        match self.walk.record(word) {
            Next(walk) => Next(AcquireStriped { walk, next: NextStep::Look }),
            Done(_) => Done(None),
        }
    }
}

/// Takes a place that the caller believes to be free. Returns what the word became; as an error, if
/// no place was free and the caller has left a deficit.
#[inline(always)]
pub(crate) fn take(word: &AtomicU64) -> Result<StripeWord, StripeWord> {
    // SeqCst: as the compare-exchange of `AcquireStriped`.
    let order = ordering!(
        "stripe-take-acquires-only", SeqCst => Acquire;
        "stripe-take-releases-only", SeqCst => Release
    );
    let before = StripeWord(word.fetch_sub(1, order));
    let after = StripeWord(before.0 - 1);
    if mutant!("stripe-take-unchecked") || before.free() > 0 {
        Ok(after)
    } else {
        Err(after)
    }
}

/// Gives one place back. Returns what the word became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ReleaseStriped;

impl ReleaseStriped {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64) -> Step<ReleaseStriped, StripeWord> {
        // SeqCst: pairs with `take` and the compare-exchange of the place's next holder, as a
        // release operation, and with the looks of rounds, see `AcquireStriped`. No model can see
        // its acquire weakened: what it reads decides nothing that other words could contradict.
        let order = ordering!("stripe-release", SeqCst => Acquire);
        let before = StripeWord(word.fetch_add(RELEASE_UNIT, order));
        if before.has_deficit() && !mutant!("stripe-deficit-taken-for-place") {
            // This only paid for a deficit.
            return Next(ReleaseStriped);
        }
        Done(StripeWord(before.0.wrapping_add(RELEASE_UNIT)))
    }
}

/// Returns whether, at one instant, no stripe had a free place.
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
        // SeqCst: a reading of a round, as the look of `AcquireStriped`.
        let word = StripeWord(word.load(ordering!("stripe-ask-full", SeqCst => Relaxed)));
        if word.free() > 0 {
            return Done(false);
        }
        match self.0.record(word) {
            Next(walk) => Next(AskFull(walk)),
            Done(_) => Done(true),
        }
    }
}

/// Counts the places that were free at one instant.
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
        // SeqCst: a reading of a round, as the look of `AcquireStriped`.
        let order = ordering!("stripe-count-free", SeqCst => Relaxed);
        match self.0.record(StripeWord(word.load(order))) {
            Next(walk) => Next(CountFree(walk)),
            Done(free) => Done(free),
        }
    }
}
