//! Hints: which rooms of a page are worth a look, by the number of their members.
//!
//! # Invariant
//!
//! For every *level* (the number of members of a room that has a free seat, or 0 for a vacant room)
//! a page has one bit for every room. Above these bits stand layers of summaries, each with one bit
//! for every word of the layer below. Once calls are quiet, a word that is not zero has its bit set
//! in the layer above. A summary bit over a word that is zero stays until a search comes upon it.
//!
//! Store buffering (Dekker): A sets a bit in a word, then reads the summary bit above it; B clears
//! the summary bit, then reads the word. All four are SeqCst:
//! - if A's bit comes first, B reads it and sets the summary bit again;
//! - if B's clearing comes first, A reads the summary bit as clear and sets it.
//!
//! The same holds between a room's word and the hint to it: see `Lobby::offer`.

use super::words::Words;
use crate::protocol::mutants::{mutant, ordering};
use crate::sync::{load_seq_cst, AtomicU64, Ordering, FAN_OUT};

/// Sets a bit, unless it is set already.
#[inline]
pub(super) fn raise(word: &AtomicU64, bit: u32) {
    // SeqCst, comes after the caller's change to what the bit stands for. Pairs with `lower`:
    // - if this load comes first and finds the bit, the thread that clears the bit reads the change
    //   afterwards and sets the bit again;
    // - if the clearing comes first, this load finds the bit clear, and it is set below.
    if load_seq_cst(word, ordering!("lobby-raise-look-not-seq-cst", SeqCst => Acquire)) & 1 << bit
        != 0
    {
        return;
    }
    // SeqCst, comes before the caller's look at the next layer. Pairs with `lower` there:
    // - if this write comes first, the thread that clears the summary reads this bit afterwards and
    //   sets the summary again;
    // - if the clearing comes first, the caller finds the summary clear and sets it.
    // No model can kill its weakening: loom's `load_seq_cst` has a fence, which comes after it.
    word.fetch_or(1 << bit, Ordering::SeqCst);
}

/// Clears some bits. The caller reads again, afterwards, what they stand for.
#[inline]
pub(super) fn lower(word: &AtomicU64, bits: u64) {
    // SeqCst, comes before the caller's second look. Pairs with the first load in `raise`:
    // - if this write comes first, that load finds the bit clear, and its thread sets it;
    // - if that load comes first, the caller's second look sees the change that preceded it.
    // No model can kill its weakening: as in `raise`.
    word.fetch_and(!bits, Ordering::SeqCst);
}

/// The largest number of layers of a page: 64^5 rooms are more than any page has.
const LAYERS: usize = 5;

/// How many rooms, or words of a layer, one word is for.
pub(super) const BITS: usize = FAN_OUT;

/// The hints of one page.
pub(super) struct Hints {
    /// The words, layer by layer, and level by level in each layer.
    words: Words,
    /// The index of the first word of each layer, and the number of words of each level in it.
    layers: [(u32, u32); LAYERS],
    /// The topmost layer, which has one word for each level.
    top: u8,
}

/// The position of one word of hints.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    level: u32,
    layer: usize,
    word: usize,
}

/// The outcome of a search.
pub(super) enum Found {
    /// The hints to the rooms of one word, which begin with this one.
    Rooms(usize, u64),
    /// The page has no hint at that level.
    Nothing,
    /// A summary was out of date and was cleared: the search has to be repeated.
    Again,
    /// As `Again`; and the caller has to set the summary of the page as a whole.
    Surfaced,
}

impl Hints {
    /// Creates the hints of `rooms` rooms of `levels` levels, none of them set.
    pub(super) fn new(rooms: usize, levels: u32) -> Hints {
        let mut layers = [(0, 0); LAYERS];
        let mut words = 0;
        let (mut top, mut bits) = (0, rooms);
        loop {
            let width = bits.div_ceil(BITS);
            layers[top] = (words as u32, width as u32);
            words += width * levels as usize;
            if width == 1 {
                break;
            }
            (top, bits) = (top + 1, width);
        }
        Hints { words: Words::new(words), layers, top: top as u8 }
    }

    #[inline]
    fn word(&self, spot: Spot) -> &AtomicU64 {
        let (start, width) = self.layers[spot.layer];
        self.words.word(start as usize + spot.level as usize * width as usize + spot.word)
    }

    /// Returns whether a room's hint is set, for a caller that has just changed that room.
    #[inline]
    pub(super) fn stands(&self, level: u32, room: usize) -> bool {
        // SeqCst, comes after the change. Pairs with `lower`: as the first load in `raise`.
        let word = self.words.word(level as usize * self.layers[0].1 as usize + room / BITS);
        let bits = load_seq_cst(word, ordering!("lobby-stands-not-seq-cst", SeqCst => Acquire));
        bits & 1 << (room % BITS) != 0
    }

    /// Sets a room's hint and all summaries above it in the page. The caller sets the summary of
    /// the page as a whole afterwards.
    #[inline]
    pub(super) fn set(&self, level: u32, room: usize) {
        self.raise_from(Spot { level, layer: 0, word: room / BITS }, room % BITS);
    }

    /// Sets a bit and all summaries above it.
    ///
    /// A summary that is set proves nothing about those above it: the thread that set it may not
    /// have come to them yet.
    fn raise_from(&self, mut spot: Spot, mut bit: usize) {
        loop {
            raise(self.word(spot), bit as u32);
            if spot.layer == self.top as usize {
                return;
            }
            bit = spot.word % BITS;
            spot = Spot { layer: spot.layer + 1, word: spot.word / BITS, ..spot };
        }
    }

    /// Clears hints to rooms of one word, which begins with `first`. The caller reads these rooms
    /// again afterwards.
    pub(super) fn clear(&self, level: u32, first: usize, bits: u64) {
        lower(self.word(Spot { level, layer: 0, word: first / BITS }), bits);
    }

    /// Looks for rooms with a hint at that level.
    #[inline]
    pub(super) fn find(&self, level: u32) -> Found {
        let top = self.top as usize;
        let mut spot = Spot { level, layer: top, word: 0 };
        loop {
            // Relaxed: only a hint; the caller reads the room's own word.
            let bits = self.word(spot).load(Ordering::Relaxed);
            if bits == 0 {
                return if spot.layer == top { Found::Nothing } else { self.tidy(spot) };
            }
            if spot.layer == 0 {
                return Found::Rooms(spot.word * BITS, bits);
            }
            let below = spot.word * BITS + bits.trailing_zeros() as usize;
            spot = Spot { layer: spot.layer - 1, word: below, ..spot };
        }
    }

    /// Clears the summary bit above a word that was found empty.
    #[cold]
    fn tidy(&self, spot: Spot) -> Found {
        let above = Spot { layer: spot.layer + 1, word: spot.word / BITS, ..spot };
        let bit = spot.word % BITS;
        lower(self.word(above), 1 << bit);
        // SeqCst, the second look after `lower`. Pairs with `raise`: see the module.
        let again = load_seq_cst(
            self.word(spot),
            ordering!("lobby-tidy-look-not-seq-cst", SeqCst => Acquire),
        );
        if again == 0 || mutant!("lobby-tidy-not-read-again") {
            return Found::Again;
        }
        self.raise_from(above, bit);
        Found::Surfaced
    }

    /// Returns whether the page has any hint at that level, for a caller that has just cleared the
    /// summary of the page as a whole.
    pub(super) fn any(&self, level: u32) -> bool {
        let top = self.top as usize;
        // SeqCst, the second look after `lower`. Pairs with `raise`: see the module.
        let word = self.word(Spot { level, layer: top, word: 0 });
        load_seq_cst(word, ordering!("lobby-any-not-seq-cst", SeqCst => Acquire)) != 0
    }

    /// Returns whether a room has a hint at that level and all summaries above it in the page.
    #[cfg(test)]
    pub(super) fn is_findable(&self, level: u32, room: usize) -> bool {
        (0..=self.top as usize)
            .scan(room, |below, layer| {
                let bit = *below % BITS;
                *below /= BITS;
                let word = self.word(Spot { level, layer, word: *below });
                Some(word.load(Ordering::SeqCst) & 1 << bit != 0)
            })
            .all(|is_set| is_set)
    }
}
