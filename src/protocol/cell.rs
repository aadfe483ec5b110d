//! The word of a cell: who uses the cell's entry, and who of its home lives elsewhere.
//!
//! # Invariant
//!
//! ```text
//! bit 63       CONFLICT: somebody has gone apart since the cell became busy
//! bits 52..63  the tag: some bits of the entry's hash, and one that is set in every tag
//! bits 40..52  arrivals: callers who are going apart
//! bits 28..40  nodes: keys at home here that live in the map; at its greatest, that many or more
//! bits  0..28  refs: permits and handles of the entry, and callers who look at it
//! ```
//!
//! | tag  | refs | the cell is                                                                      |
//! |------|------|----------------------------------------------------------------------------------|
//! | set  | some | *open*: the entry is there, and stays while there are refs                      |
//! | set  | none | *busy*: the entry's place belongs to who moves in, or has given up the last ref |
//! | none | none | *vacant*; who wants to move in may do so if there are no arrivals                |
//!
//! A key lives in its home cell, as the entry, or apart, as a node in the map; never in both and
//! never twice. What makes it so:
//!
//! - *To go apart*, a caller becomes an arrival first, by a step from a word that shows the entry
//!   not to be its key; then it inserts the node, and then the arrival becomes a node of the count.
//! - *To move in*, a caller makes a vacant cell busy that has no arrivals, then looks into the map if
//!   there are nodes, and then opens the cell if nobody has gone apart meanwhile.
//!
//! So whoever goes apart before the cell is busy has inserted its node by then, where the look finds
//! it; and who goes apart later is seen as CONFLICT, or comes when the cell is open, to another key's
//! entry. Nobody waits: who is in somebody's way goes apart, or tries again because another has got
//! further.
//!
//! # Memory ordering
//!
//! Every change is a read-modify-write, so each release in here is acquired by everybody who
//! changes the word later with Acquire: those who move in, and those who go apart. That orders a
//! key's lives, wherever they are.

use crate::sync::{AtomicU64, Ordering};

const NODE: u64 = 1 << 28;
const ARRIVAL: u64 = 1 << 40;
const TAG: u64 = 1 << 52;
const CONFLICT: u64 = 1 << 63;

const REFS: u64 = NODE - 1;
const NODES: u64 = ARRIVAL - NODE;
const ARRIVALS: u64 = TAG - ARRIVAL;
const TAGS: u64 = CONFLICT - TAG;

/// The most permits and handles of one key.
pub(crate) const MOST_REFS: u32 = REFS as u32;

/// The tag of a hash, in its place.
#[derive(Clone, Copy)]
pub(crate) struct Tag(u64);

impl Tag {
    #[inline]
    pub(crate) fn of(hash: u64) -> Tag {
        Tag((hash.wrapping_mul(TAG) & TAGS) | TAG)
    }
}

/// One reading of a cell.
#[derive(Clone, Copy)]
pub(crate) struct CellWord(u64);

impl CellWord {
    #[inline]
    pub(crate) fn is_open(self) -> bool {
        self.0 & REFS > 0
    }

    #[inline]
    pub(crate) fn is_open_under(self, tag: Tag) -> bool {
        self.is_open() && self.0 & TAGS == tag.0
    }

    #[inline]
    pub(crate) fn is_busy(self) -> bool {
        !self.is_open() && self.0 & TAGS != 0
    }

    /// Vacant, without arrivals.
    #[inline]
    pub(crate) fn is_claimable(self) -> bool {
        self.0 & !NODES == 0
    }

    /// Keys at home here may live in the map.
    #[inline]
    pub(crate) fn has_nodes(self) -> bool {
        self.0 & (NODES | ARRIVALS) != 0
    }

    /// Open, with one ref.
    #[inline]
    pub(crate) fn is_sole(self) -> bool {
        self.0 & REFS == 1
    }

    /// Where the count of nodes has come to its end, it says nothing any more, and stays.
    fn counts_nodes(self) -> bool {
        self.0 & NODES != NODES
    }
}

/// The word, and all that happens to it.
pub(crate) struct CellState(AtomicU64);

impl CellState {
    pub(crate) fn new() -> CellState {
        CellState(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn read(&self) -> CellWord {
        // Acquire: pairs with the Release of `leave`, `leave_last` and `vacate`: who reads that a entry
        // has gone sees what its holders wrote.
        CellWord(self.0.load(Ordering::Acquire))
    }

    /// As [`read`](Self::read), for who goes on to a swap that checks what was read.
    #[inline]
    pub(crate) fn peek(&self) -> CellWord {
        // Relaxed: the swap synchronises.
        CellWord(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    fn swap(&self, seen: CellWord, after: u64, success: Ordering) -> Result<CellWord, CellWord> {
        // Relaxed on failure: decides only what to try next.
        match self.0.compare_exchange(seen.0, after, success, Ordering::Relaxed) {
            Ok(_) => Ok(CellWord(after)),
            Err(now) => Err(CellWord(now)),
        }
    }

    /// Takes a ref of an open cell. Yields what the word became.
    #[inline]
    pub(crate) fn pin(&self, seen: CellWord) -> Result<CellWord, CellWord> {
        debug_assert!(seen.is_open());
        assert!(seen.0 & REFS < REFS, "too many permits and handles of one key");
        // Acquire: pairs with the Release of `open`: the entry is there.
        self.swap(seen, seen.0 + 1, Ordering::Acquire)
    }

    /// Gives up a ref. True if it was the last, and the cell is busy.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        // Release: pairs with the Acquire of `claim`, `arrive` and `read`, and with that of the last
        // `leave`: the next entry, the next life of the key, and the end of this one come after all
        // that was done under this ref. Acquire: the last one clears, after all others.
        CellWord(self.0.fetch_sub(1, Ordering::AcqRel)).is_sole()
    }

    /// Gives up the last ref. The cell is busy then if there is something to clear, or else vacant.
    /// False if the word is not what was seen.
    #[inline]
    pub(crate) fn leave_last(&self, seen: CellWord, clears: bool) -> bool {
        debug_assert!(seen.is_sole());
        let after = if clears { seen.0 - 1 } else { seen.0 & (NODES | ARRIVALS) };
        // AcqRel: as in `leave`.
        self.swap(seen, after, Ordering::AcqRel).is_ok()
    }

    /// Makes a cell that is to let busy.
    #[inline]
    pub(crate) fn claim(&self, seen: CellWord, tag: Tag) -> Result<CellWord, CellWord> {
        debug_assert!(seen.is_claimable());
        // Acquire: pairs with the Release of `leave`, `leave_last` and `vacate`, so that the place is
        // free; with that of `settle`, so that the look into the map finds the node; and with that of
        // `remove_node`, for what the node's holders wrote.
        self.swap(seen, seen.0 | tag.0, Ordering::Acquire)
    }

    /// Opens a busy cell, with one ref. `None`, and the cell is still busy, if somebody has gone apart.
    #[inline]
    pub(crate) fn open(&self, mut seen: CellWord) -> Option<CellWord> {
        while seen.0 & CONFLICT == 0 {
            // Release: pairs with the Acquire of `pin`.
            match self.swap(seen, seen.0 + 1, Ordering::Release) {
                Ok(opened) => return Some(opened),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Makes a busy cell vacant.
    pub(crate) fn vacate(&self) {
        // Release: pairs with the Acquire of `claim`, `arrive` and `read`, as in `leave`.
        self.0.fetch_and(NODES | ARRIVALS, Ordering::Release);
    }

    /// Becomes an arrival.
    pub(crate) fn arrive(&self, seen: CellWord) -> Result<CellWord, CellWord> {
        assert!(seen.0 & ARRIVALS < ARRIVALS, "too many callers at once");
        let met = if seen.is_busy() { CONFLICT } else { 0 };
        // Acquire: pairs with the Release of `leave`, `leave_last` and `vacate`: the key's next life, in
        // the map, comes after all that was done in this one.
        self.swap(seen, (seen.0 + ARRIVAL) | met, Ordering::Acquire)
    }

    /// Becomes an arrival, for who has a ref of a entry of another key.
    pub(crate) fn arrive_beside(&self) {
        while self.arrive(self.peek()).is_err() {}
    }

    /// An arrival that has not inserted a node goes.
    pub(crate) fn turn_back(&self) {
        // Relaxed: it has changed nothing.
        self.0.fetch_sub(ARRIVAL, Ordering::Relaxed);
    }

    /// An arrival has inserted its node.
    pub(crate) fn settle(&self) {
        self.change(|seen| seen.0 - ARRIVAL + if seen.counts_nodes() { NODE } else { 0 });
    }

    /// A node has been removed from the map.
    pub(crate) fn remove_node(&self) {
        self.change(|seen| seen.0 - if seen.counts_nodes() { NODE } else { 0 });
    }

    fn change(&self, after: impl Fn(CellWord) -> u64) {
        let mut seen = self.peek();
        // Release: pairs with the Acquire of `claim`.
        while let Err(now) = self.swap(seen, after(seen), Ordering::Release) {
            seen = now;
        }
    }
}
