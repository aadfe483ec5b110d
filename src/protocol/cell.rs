//! The word of a keyed entry: whether its key lives, and what keeps it alive.
//!
//! # Invariant
//!
//! ```text
//! bits 43..64  generation: how many keys have left this entry, until it wraps
//! bit  42      KEEPS: the key stays here when its last ref goes
//! bit  41      GATE: the entry has a gate, which counts the places
//! bits 29..41  pins: callers that look at the key            (without GATE)
//! bits  0..29  places: held places of the key                (without GATE)
//! bits  0..41  refs: places, pins, handles and waiters       (with GATE)
//! ```
//!
//! | GATE  | KEEPS | bits 0..41 | the entry is                                             |
//! |-------|-------|------------|----------------------------------------------------------|
//! | clear | any   | some       | *plain*: the key lives; the word counts its places       |
//! | set   | any   | some       | *gated*: the key lives; its gate counts its places       |
//! | set   | any   | none       | *busy*: the caller that released the last ref clears it  |
//! | clear | set   | none       | *dormant*: the key does not live, and is still here      |
//! | clear | clear | none       | *vacant*: there is no key here                           |
//!
//! A vacant entry is opened by a store, under the lock of the shard. A busy one is vacated by a
//! store of the caller that owns it. All else is a read-modify-write. A key that ends in an entry
//! that does not keep it stays ended: to take places or a ref of a living entry is possible only
//! while there are some. A dormant key is brought back to life by the step that takes places of a
//! living one. The caller that has the lock makes a dormant entry vacant before it writes another
//! key there; that and a taker exclude each other, because both change the same word.
//!
//! The generation makes a compare-exchange fail if the key that was here when the caller read the
//! word has left. What the caller read of the entry in between, its hash and its capacity, then
//! belongs to the key whose word it changes: another key would have moved the generation on before
//! it wrote its own. A caller would have to be stopped during exactly 2^21 changes of the key of
//! one entry, or a multiple, to be wrong. It then holds places of the wrong key until it has
//! compared the keys.

use crate::protocol::mutants::{mutant, ordering};
use crate::sync::{load_to_change, AtomicU64, Ordering};

const PIN: u64 = 1 << 29;
const GATE: u64 = 1 << 41;
const KEEPS: u64 = 1 << 42;
const GENERATION: u64 = 1 << 43;

const PLACES: u64 = PIN - 1;
const REFS: u64 = GATE - 1;
const PINS: u64 = GATE - PIN;

/// One reading of an entry's word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct CellWord(u64);

impl CellWord {
    /// Returns whether a key lives here.
    #[inline]
    pub(crate) fn is_live(self) -> bool {
        self.0 & REFS != 0
    }

    /// Returns whether there is no key here.
    #[inline]
    pub(crate) fn is_vacant(self) -> bool {
        self.0 & (REFS | GATE | KEEPS) == 0
    }

    /// Returns whether a key is here that does not live.
    #[inline]
    pub(crate) fn is_dormant(self) -> bool {
        self.0 & (REFS | GATE | KEEPS) == KEEPS
    }

    /// Returns whether the places are counted by a gate.
    #[inline]
    pub(crate) fn is_gated(self) -> bool {
        self.0 & GATE != 0
    }

    /// Returns the number of places held, of a plain entry.
    #[inline]
    pub(crate) fn places(self) -> u32 {
        (self.0 & PLACES) as u32
    }

    /// Returns whether the word can count one more pin or ref.
    #[inline]
    pub(crate) fn can_pin(self) -> bool {
        let counted = if self.is_gated() { REFS } else { PINS };
        self.0 & counted != counted
    }

    /// Returns whether `n` more places are within `capacity`, of a plain entry.
    #[inline]
    pub(crate) fn admits(self, n: u32, capacity: u32) -> bool {
        (self.0 & PLACES) + u64::from(n) <= u64::from(capacity)
    }

    /// What a guard of `n` places counts for. A guard of none counts as a pin.
    #[inline]
    fn part(self, n: u32) -> u64 {
        match (n, self.is_gated()) {
            (0, false) => PIN,
            (0, true) => 1,
            (n, _) => u64::from(n),
        }
    }

    /// Returns the vacant word of the next generation.
    // Cold: where it is inlined, a release computes two words and chooses one, and takes longer.
    #[cold]
    fn vacated(self) -> u64 {
        (self.0 & !(GENERATION - 1)).wrapping_add(GENERATION)
    }
}

/// What a release has led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Released {
    /// The key lives on, or is dormant.
    Kept,
    /// The key has ended, and the entry is vacant.
    Vacant,
    /// The key has ended. The caller owns the entry, clears it and vacates it.
    Busy,
    /// Nothing has changed: the places are to be given back to the gate first.
    Gated,
}

/// The word of an entry.
pub(crate) struct CellState(AtomicU64);

impl CellState {
    #[cfg(any(headcount_loom, headcount_shuttle))]
    pub(crate) fn new() -> Self {
        CellState(AtomicU64::new(0))
    }

    /// Reads the word.
    #[inline]
    pub(crate) fn read(&self) -> CellWord {
        // Acquire, pairs with the Release of `open`, of `promote`, and of the releases: the key and
        // the gate are visible; a caller that sees that a holder has left sees its earlier writes.
        CellWord(self.0.load(ordering!("cell-read", Acquire => Relaxed)))
    }

    #[inline]
    fn swap(&self, seen: CellWord, next: u64, success: Ordering) -> Option<CellWord> {
        // Relaxed on failure: the caller reads again.
        let swapped = self.0.compare_exchange(seen.0, next, success, Ordering::Relaxed);
        swapped.ok().map(|_| CellWord(next))
    }

    /// Takes `n` places, 1 or more, of a plain or dormant entry if the word is still as it was
    /// seen. A dormant key comes to life.
    #[inline]
    pub(crate) fn take(&self, seen: CellWord, n: u32) -> Option<CellWord> {
        debug_assert!((seen.is_live() && !seen.is_gated()) || seen.is_dormant());
        // Acquire, pairs with the Release of `release`: releases may have come between the reading
        // and this, if as many places were taken again.
        self.swap(seen, seen.0 + u64::from(n), ordering!("cell-take", Acquire => Relaxed))
    }

    /// Takes a pin, or a ref of a gated entry, if the word is still as it was seen.
    #[inline]
    pub(crate) fn pin(&self, seen: CellWord) -> Option<CellWord> {
        debug_assert!(seen.is_live() && seen.can_pin());
        // Relaxed: `seen` was read with Acquire, so the key and the gate are visible. A caller that
        // goes on to take places acquires them then.
        self.swap(seen, seen.0 + seen.part(0), Ordering::Relaxed)
    }

    /// Makes the caller's pin of a plain entry `n` places, 1 or more, if the word is still as it
    /// was seen.
    #[inline]
    pub(crate) fn admit(&self, seen: CellWord, n: u32) -> Option<CellWord> {
        debug_assert!(!seen.is_gated());
        // Acquire: as in `take`.
        let order = ordering!("cell-admit", Acquire => Relaxed);
        self.swap(seen, seen.0 - PIN + u64::from(n), order)
    }

    /// Makes the caller's ref of a gated entry count as `n` places, 1 or more.
    pub(crate) fn add_refs(&self, n: u32) {
        // Relaxed: the caller's own ref keeps the key alive.
        self.0.fetch_add(u64::from(n) - 1, Ordering::Relaxed);
    }

    /// Makes a plain entry a gated one, whose gate the caller has written, if the word is still as
    /// it was seen.
    pub(crate) fn promote(&self, seen: CellWord) -> bool {
        let refs = u64::from(seen.places()) + ((seen.0 & PINS) / PIN);
        let gated = (seen.0 & !REFS) | GATE | refs;
        // Release, pairs with the Acquire of `read` and of `release`: the gate is visible.
        self.swap(seen, gated, ordering!("cell-promote", Release => Relaxed)).is_some()
    }

    /// Releases `n` places, or a pin if there are none, of a plain entry. If the key ends and its
    /// entry `clears`, the caller owns the entry. Such an entry does not keep its key.
    #[inline]
    pub(crate) fn release(&self, n: u32, clears: bool) -> Released {
        let mut seen = CellWord(load_to_change(&self.0));
        loop {
            if seen.is_gated() {
                // Acquire, pairs with the Release of `promote`: the gate is visible.
                self.0.load(ordering!("cell-release-gated", Acquire => Relaxed));
                return Released::Gated;
            }
            let rest = seen.0 - seen.part(n);
            let (next, released) = match rest & REFS {
                0 if clears => (rest | GATE, Released::Busy),
                0 if rest & KEEPS == 0 => (CellWord(rest).vacated(), Released::Vacant),
                _ => (rest, Released::Kept),
            };
            // Release: pairs with the Acquire of `read`, `take` and `admit`: the next holder, and
            // the caller that opens the entry again, see the earlier writes of this one.
            // Acquire: pairs with the Release of the earlier releases. What the last caller does
            // with the key comes after all that was done with it.
            let order = ordering!(
                "cell-release-acquires-only", AcqRel => Acquire;
                "cell-release-releases-only", AcqRel => Release
            );
            match self.swap(seen, next, order) {
                Some(_) => return released,
                None => seen = CellWord(load_to_change(&self.0)),
            }
        }
    }

    /// Releases the refs of a guard of `n` places of a gated entry. Returns whether the key has
    /// ended: the caller owns the entry then.
    pub(crate) fn release_refs(&self, n: u32) -> bool {
        // Release and Acquire: as in `release`.
        let order = ordering!(
            "cell-refs-acquires-only", AcqRel => Acquire;
            "cell-refs-releases-only", AcqRel => Release
        );
        let refs = u64::from(n.max(1));
        self.0.fetch_sub(refs, order) & REFS == refs
    }

    /// Opens a vacant entry with `n` places held, or one pin if there are none. The caller has the
    /// lock of the shard, and has written the key. Whether the entry `keeps` the key.
    #[inline]
    pub(crate) fn open(&self, seen: CellWord, n: u32, keeps: bool) {
        debug_assert!(seen.is_vacant());
        let kept = if keeps { KEEPS } else { 0 };
        // Release, pairs with the Acquire of `read`: the key is visible.
        self.0.store(seen.0 + seen.part(n) + kept, ordering!("cell-open", Release => Relaxed));
    }

    /// Makes a dormant entry vacant if the word is still as it was seen. The caller has the lock of
    /// the shard.
    #[inline]
    pub(crate) fn forget(&self, seen: CellWord) -> bool {
        debug_assert!(seen.is_dormant());
        if mutant!("cell-forget-stores") {
            self.0.store(seen.vacated(), Ordering::Release);
            return true;
        }
        // Relaxed: the caller that writes the next key reads the word again, with Acquire.
        self.swap(seen, seen.vacated(), Ordering::Relaxed).is_some()
    }

    /// Makes a busy entry vacant. The caller owns it.
    #[inline]
    pub(crate) fn vacate(&self) {
        // Relaxed: the word does not change while it is busy.
        let busy = CellWord(self.0.load(Ordering::Relaxed));
        debug_assert!(busy.is_gated() && !busy.is_live());
        // Release, pairs with the Acquire of `read`: the next key is written after the last one was
        // taken out, and sees what the holders of that one wrote.
        self.0.store(busy.vacated(), ordering!("cell-vacate", Release => Relaxed));
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
impl CellState {
    /// Makes one step of a word, and returns what came of it.
    pub(crate) fn step<R>(word: &mut u64, step: impl FnOnce(&CellState) -> R) -> R {
        let state = CellState(AtomicU64::new(*word));
        let result = step(&state);
        *word = state.0.into_inner();
        result
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
impl CellWord {
    pub(crate) fn into_inner(self) -> u64 {
        self.0
    }
}
