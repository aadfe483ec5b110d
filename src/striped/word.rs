//! The words of a striped gate, and how callers walk over them. The only place where they change.
//!
//! # Invariant
//!
//! ```text
//! bits 29..=63  how often a place was given back here, modulo 2^35
//! bits  0..=28  the places that are free here
//! ```
//!
//! | change | free | given back | when |
//! |--------|------|------------|------|
//! | claim  | -1   |            | only where a place is free |
//! | give   | +1   | +1         | in one step |
//!
//! The free places of all stripes and the places held add up to the capacity at every instant, so
//! there is nothing on the way from one stripe to another, and nothing to roll back.
//!
//! # How a caller knows about all stripes at once
//!
//! It walks over them in rounds. The instant in question is the last reading of a round: the next
//! round reads the other stripes again. Free places grow only where the number of places given back
//! grows too. So a stripe with the same number at both readings had, in between, at no time more
//! free places than at the first; if it has as many at the second, none was taken either. Numbers
//! only grow, so it is enough to compare their sums. The last stripe was read at the instant itself.
//!
//! The numbers wrap. A round is wrongly confirmed only if, during it, a multiple of 2^35 places is
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

use crate::sync::{AtomicU64, Ordering};

const FREE_BITS: u32 = 29;
const FREE: u64 = (1 << FREE_BITS) - 1;

/// What giving back one place adds: a free place, and a count of the giving.
const GIVEN: u64 = (1 << FREE_BITS) | 1;

/// One reading of a stripe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// A stripe at which nothing was ever given back.
    pub(crate) const fn new(free: u32) -> Word {
        Word(free as u64)
    }

    /// Places that nobody holds.
    pub(crate) fn free(self) -> u64 {
        self.0 & FREE
    }

    /// How often a place was given back, shifted; it wraps.
    fn given(self) -> u64 {
        self.0 & !FREE
    }
}

/// What one step of an operation leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step<S, R> {
    Next(S),
    Done(R),
}

use Step::{Done, Next};

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
    fn record(mut self, word: Word) -> Step<Walk, u64> {
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
pub(crate) struct Claim {
    walk: Walk,
    /// The word to swap, as it was last seen; to be looked at first if there is none.
    seen: Option<Word>,
}

impl Claim {
    /// Starts at `home`. Whoever believes to know the word there, and a free place in it, may do
    /// without the look.
    #[inline(always)]
    pub(crate) fn new(stripes: usize, home: usize, guess: Option<Word>) -> Claim {
        Claim { walk: Walk::new(stripes, home), seen: guess.filter(|word| word.free() > 0) }
    }

    /// The stripe whose word the next step needs.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.walk.at()
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<Claim, Option<Word>> {
        let Some(seen) = self.seen else {
            // SeqCst: part of a round, see the module.
            return self.consider(Word(word.load(Ordering::SeqCst)));
        };
        match swap(word, seen) {
            Ok(claimed) => Done(Some(claimed)),
            Err(now) => self.consider(now),
        }
    }

    /// Goes on after a reading: of the stripe that is to be read next.
    pub(crate) fn consider(self, word: Word) -> Step<Claim, Option<Word>> {
        if word.free() > 0 {
            return Next(Claim { walk: self.walk, seen: Some(word) });
        }
        match self.walk.record(word) {
            Next(walk) => Next(Claim { walk, seen: None }),
            Done(_) => Done(None),
        }
    }
}

/// Claims one of the places seen. Yields what the word became, or what it is instead.
#[inline(always)]
pub(crate) fn swap(word: &AtomicU64, seen: Word) -> Result<Word, Word> {
    let claimed = seen.0 - 1;
    // SeqCst: pairs, as an acquire operation, with the `give` of whoever held this place. On failure
    // too: what was found is a reading like any other.
    word.compare_exchange(seen.0, claimed, Ordering::SeqCst, Ordering::SeqCst)
        .map(|_| Word(claimed))
        .map_err(Word)
}

/// Gives one place back. Yields what the word became.
#[inline(always)]
pub(crate) fn give(word: &AtomicU64) -> Word {
    // SeqCst: pairs, as a release operation, with the swap of whoever claims this place next.
    Word(word.fetch_add(GIVEN, Ordering::SeqCst).wrapping_add(GIVEN))
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
        let word = Word(word.load(Ordering::SeqCst));
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
        // SeqCst: part of a round, see the module.
        match self.0.record(Word(word.load(Ordering::SeqCst))) {
            Next(walk) => Next(CountFree(walk)),
            Done(free) => Done(free),
        }
    }
}
