//! Hints: which rooms of a page are worth a look, by how populated they are.
//!
//! # Invariant
//!
//! For every *level* (the number of heads in a room that has a free seat, or 0 for a vacant room) a
//! page has one bit for every room. Above the bits stand layers of summaries, each with one bit for
//! every word of the layer below. Once calls are quiet, a word that is not zero has its bit set in
//! the layer above. A summary bit over a word that is zero stays until a search comes upon it.
//!
//! Whoever clears a summary bit looks at the word below again afterwards, and whoever makes that
//! word other than zero looks at the summary bit afterwards. All four are SeqCst, so one of the two
//! sees what the other did.

use crate::sync::{load_seq_cst, AtomicU64, Ordering};

/// Sets a bit; true if it was set already, and nothing was written.
#[inline]
pub(super) fn raise(word: &AtomicU64, bit: u32) -> bool {
    // SeqCst: comes after the caller's change to what the bit stands for; pairs with `lower`.
    if load_seq_cst(word) & 1 << bit != 0 {
        return true;
    }
    // SeqCst: comes before the caller's look at the next layer; pairs with `lower`.
    word.fetch_or(1 << bit, Ordering::SeqCst);
    false
}

/// Clears some bits. The caller looks again, afterwards, at what they stand for.
#[inline]
pub(super) fn lower(word: &AtomicU64, bits: u64) {
    // SeqCst: comes before the caller's second look; pairs with `raise`.
    word.fetch_and(!bits, Ordering::SeqCst);
}

/// The most layers that a page can have: 64^5 rooms are more than any page has.
const LAYERS: usize = 5;

/// The hints of one page.
pub(super) struct Hints {
    /// Layer by layer, and in each of them level by level.
    words: Box<[AtomicU64]>,
    /// Where each layer begins, and how many words each level has in it.
    layers: [(u32, u32); LAYERS],
    /// The number of the topmost layer, which has one word for each level.
    top: u8,
}

/// A word in the midst of a page's hints.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    level: u32,
    layer: usize,
    word: usize,
}

/// Where a search ended.
pub(super) enum Found {
    /// RoomRef hints: those to the 64 rooms from this one on.
    Rooms(usize, u64),
    /// The page has no hint at that level.
    Nothing,
    /// RoomRef a summary that was out of date: to be tried again.
    Again,
    /// As `Again`; and the summary of the page as a whole is to be set.
    Surfaced,
}

impl Hints {
    /// For `rooms` rooms, all of them at level 0 of `levels`.
    pub(super) fn new(rooms: usize, levels: u32) -> Hints {
        let mut layers = [(0, 0); LAYERS];
        let mut words = Vec::new();
        let (mut top, mut bits) = (0, rooms);
        loop {
            let width = bits.div_ceil(64);
            layers[top] = (words.len() as u32, width as u32);
            words.extend((0..width).map(|word| u64::MAX >> (64 - (bits - word * 64).min(64))));
            words.resize(words.len() + width * (levels as usize - 1), 0);
            if width == 1 {
                break;
            }
            (top, bits) = (top + 1, width);
        }
        let words = words.into_iter().map(AtomicU64::new).collect();
        Hints { words, layers, top: top as u8 }
    }

    #[inline]
    fn word(&self, spot: Spot) -> &AtomicU64 {
        let (start, width) = self.layers[spot.layer];
        &self.words[start as usize + spot.level as usize * width as usize + spot.word]
    }

    /// Whether a room's hint stands, for one who has changed that room.
    #[inline]
    pub(super) fn stands(&self, level: u32, room: usize) -> bool {
        // SeqCst: comes after the change; pairs with `lower`.
        let bits = load_seq_cst(self.word(Spot { level, layer: 0, word: room / 64 }));
        bits & 1 << (room % 64) != 0
    }

    /// Sets a room's hint and the summaries above it; true if nothing more is to be done above.
    #[inline]
    pub(super) fn set(&self, level: u32, room: usize) -> bool {
        self.raise_from(Spot { level, layer: 0, word: room / 64 }, room % 64)
    }

    /// Sets a bit and the summaries above it, up to the first that stands already.
    fn raise_from(&self, mut spot: Spot, mut bit: usize) -> bool {
        loop {
            if raise(self.word(spot), bit as u32) {
                return true;
            }
            if spot.layer == self.top as usize {
                return false;
            }
            bit = spot.word % 64;
            spot = Spot { layer: spot.layer + 1, word: spot.word / 64, ..spot };
        }
    }

    /// Clears hints to the 64 rooms from that one on. The caller looks at these rooms again
    /// afterwards.
    pub(super) fn clear(&self, level: u32, first: usize, bits: u64) {
        lower(self.word(Spot { level, layer: 0, word: first / 64 }), bits);
    }

    /// Looks for rooms with a hint at that level.
    #[inline]
    pub(super) fn find(&self, level: u32) -> Found {
        let top = self.top as usize;
        let mut spot = Spot { level, layer: top, word: 0 };
        loop {
            // Relaxed: a hint; what is found at its end is looked at again.
            let bits = self.word(spot).load(Ordering::Relaxed);
            if bits == 0 {
                return if spot.layer == top { Found::Nothing } else { self.tidy(spot) };
            }
            if spot.layer == 0 {
                return Found::Rooms(spot.word * 64, bits);
            }
            let below = spot.word * 64 + bits.trailing_zeros() as usize;
            spot = Spot { layer: spot.layer - 1, word: below, ..spot };
        }
    }

    /// Clears the summary bit above a word that was found empty.
    #[cold]
    fn tidy(&self, spot: Spot) -> Found {
        let above = Spot { layer: spot.layer + 1, word: spot.word / 64, ..spot };
        let bit = spot.word % 64;
        lower(self.word(above), 1 << bit);
        // SeqCst: pairs with `raise`, see the module.
        if load_seq_cst(self.word(spot)) != 0 && !self.raise_from(above, bit) {
            return Found::Surfaced;
        }
        Found::Again
    }

    /// Whether anything is to be found at that level, for one who has just cleared the summary of the
    /// page as a whole.
    pub(super) fn any(&self, level: u32) -> bool {
        let top = self.top as usize;
        // SeqCst: pairs with `raise`, see the module.
        load_seq_cst(self.word(Spot { level, layer: top, word: 0 })) != 0
    }
}
