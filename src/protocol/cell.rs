//! The word of a keyed cell: its state, and how many of the cell's keys live in the overflow map.
//!
//! # Invariant
//!
//! ```text
//! bit 63       CONFLICT: an overflow insert has begun since the cell became busy
//! bits 52..63  tag: 10 bits of the entry's hash, and one bit that is set in every tag
//! bits 40..52  inserts: overflow inserts in progress
//! bits 28..40  nodes: keys of this cell in the overflow map; the greatest value means "that many
//!              or more"
//! bits  0..28  refs: permits and handles of the entry, and callers that look at it
//! ```
//!
//! | tag  | refs | the cell is                                                              |
//! |------|------|--------------------------------------------------------------------------|
//! | set  | some | *open*: the entry is there, and stays while there are refs               |
//! | set  | none | *busy*: the caller that fills or clears the cell owns the entry's memory |
//! | none | none | *vacant*; *claimable*, if no overflow insert is in progress              |
//!
//! The hash of a key chooses its cell. A living key is either the entry of that cell or a node of
//! the overflow map, never both and never twice, because of two rules:
//!
//! - *Overflow insert*: the caller first counts its insert, in a step from a word that shows that
//!   the entry is not its key; then it inserts the node; then it turns the insert into a counted
//!   node.
//! - *Claim*: the caller makes a claimable cell busy, then looks into the map if nodes are counted,
//!   and opens the cell only if CONFLICT is not set.
//!
//! A cell with an overflow insert in progress is not claimable. So an insert that began before a
//! claim has published its node, and the claimer finds it. An insert that begins while the cell is
//! busy sets CONFLICT, and the claim fails to open. One that begins when the cell is open does so
//! because the entry is another key.
//!
//! No caller waits for another: a caller that finds the cell in use inserts into the map, and a
//! caller that has lost a race tries again because another caller made progress.
//!
//! # Memory ordering
//!
//! Every change is a read-modify-write. So each release here is acquired by every later change with
//! Acquire: claims and overflow inserts. That orders the lives of a key, wherever they are.

use crate::protocol::mutants::{mutant, ordering};
use crate::sync::{AtomicU64, Ordering};

const NODE: u64 = 1 << 28;
const INSERT: u64 = 1 << 40;
const TAG: u64 = 1 << 52;
const CONFLICT: u64 = 1 << 63;

const REFS: u64 = NODE - 1;
const NODES: u64 = INSERT - NODE;
const INSERTS: u64 = TAG - INSERT;
const TAGS: u64 = CONFLICT - TAG;

/// The greatest number of refs of one entry.
pub(crate) const MAX_REFS: u32 = REFS as u32;

/// The tag of a hash, shifted to its place in the word.
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

    /// Returns whether the cell is vacant and no overflow insert is in progress.
    #[inline]
    pub(crate) fn is_claimable(self) -> bool {
        let ignored = if mutant!("cell-claim-beside-inserts") { INSERTS } else { 0 };
        self.0 & !(NODES | ignored) == 0
    }

    /// Returns whether keys of this cell may be in the overflow map.
    #[inline]
    pub(crate) fn has_nodes(self) -> bool {
        self.0 & (NODES | INSERTS) != 0
    }

    /// Returns whether the cell is open with exactly one ref.
    #[inline]
    pub(crate) fn has_one_ref(self) -> bool {
        self.0 & REFS == 1
    }

    /// Returns whether the count of nodes is exact. Once it has reached its greatest value, it
    /// stays there.
    fn counts_nodes(self) -> bool {
        self.0 & NODES != NODES
    }
}

/// The atomic word of a cell, and the only place where it changes.
pub(crate) struct CellState(AtomicU64);

impl CellState {
    pub(crate) fn new() -> CellState {
        CellState(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn read(&self) -> CellWord {
        // Acquire: pairs with the Release of `release`, `release_last` and `vacate`. A caller that
        // reads that an entry has gone sees what the holders of its refs wrote.
        CellWord(self.0.load(ordering!("cell-read", Acquire => Relaxed)))
    }

    /// As [`read`](Self::read), for a caller that goes on to a compare-exchange from this word.
    #[inline]
    pub(crate) fn peek(&self) -> CellWord {
        // Relaxed: the compare-exchange synchronises.
        CellWord(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    fn swap(&self, seen: CellWord, after: u64, success: Ordering) -> Result<CellWord, CellWord> {
        // Relaxed on failure: the result only decides what is tried next.
        match self.0.compare_exchange(seen.0, after, success, Ordering::Relaxed) {
            Ok(_) => Ok(CellWord(after)),
            Err(now) => Err(CellWord(now)),
        }
    }

    /// Takes a ref of an open cell. Returns what the word became.
    #[inline]
    pub(crate) fn take_ref(&self, seen: CellWord) -> Result<CellWord, CellWord> {
        debug_assert!(seen.is_open());
        assert!(seen.0 & REFS < REFS, "too many permits and handles of one key");
        // Acquire: pairs with the Release of `open`, so that the entry's fields are visible.
        self.swap(seen, seen.0 + 1, ordering!("cell-take-ref", Acquire => Relaxed))
    }

    /// Gives up a ref. Returns whether it was the last; the cell is busy then, and the caller's.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Release: pairs with the Acquire of `claim`, `begin_insert`, `read` and the last
        // `release`. The next entry, the key's next life and the end of this life come after all
        // that was done under this ref.
        // Acquire: pairs with the Release of the earlier calls. The last caller clears the entry
        // after all that was done under the other refs.
        let order = ordering!(
            "cell-release-acquires-only", AcqRel => Acquire;
            "cell-release-releases-only", AcqRel => Release
        );
        CellWord(self.0.fetch_sub(1, order)).has_one_ref()
    }

    /// Gives up the last ref, if the word is still as it was seen. The cell is busy then if the
    /// entry is to be cleared, or else vacant. Returns whether the word was as it was seen.
    #[inline]
    pub(crate) fn release_last(&self, seen: CellWord, clears: bool) -> bool {
        debug_assert!(seen.has_one_ref());
        let after = if clears { seen.0 - 1 } else { seen.0 & (NODES | INSERTS) };
        // AcqRel: as in `release`.
        let order = ordering!(
            "cell-release-last-acquires-only", AcqRel => Acquire;
            "cell-release-last-releases-only", AcqRel => Release
        );
        self.swap(seen, after, order).is_ok()
    }

    /// Makes a claimable cell busy.
    #[inline]
    pub(crate) fn claim(&self, seen: CellWord, tag: Tag) -> Result<CellWord, CellWord> {
        debug_assert!(seen.is_claimable());
        // Acquire: pairs with the Release of
        // - `release`, `release_last` and `vacate`: the entry's memory is free;
        // - `finish_insert`: the look into the map finds the node;
        // - `remove_node`: the writes of that node's holders are visible.
        self.swap(seen, seen.0 | tag.0, ordering!("cell-claim", Acquire => Relaxed))
    }

    /// Opens a busy cell, with one ref. Returns `None`, and leaves the cell busy, if an overflow
    /// insert has begun since the claim.
    #[inline]
    pub(crate) fn open(&self, mut seen: CellWord) -> Option<CellWord> {
        while mutant!("cell-open-despite-conflict") || seen.0 & CONFLICT == 0 {
            // Release: pairs with the Acquire of `take_ref`, which sees the entry's fields.
            match self.swap(seen, seen.0 + 1, ordering!("cell-open", Release => Relaxed)) {
                Ok(opened) => return Some(opened),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Makes a busy cell vacant.
    pub(crate) fn vacate(&self) {
        // Release: pairs with the Acquire of `claim`, `begin_insert` and `read`, as in `release`.
        self.0.fetch_and(NODES | INSERTS, ordering!("cell-vacate", Release => Relaxed));
    }

    /// Counts an overflow insert, and sets CONFLICT if the cell is busy.
    pub(crate) fn begin_insert(&self, seen: CellWord) -> Result<CellWord, CellWord> {
        assert!(seen.0 & INSERTS < INSERTS, "too many callers at once");
        let conflicts = seen.is_busy() && !mutant!("cell-insert-without-conflict");
        let conflict = if conflicts { CONFLICT } else { 0 };
        // Acquire: pairs with the Release of `release`, `release_last` and `vacate`. The key's next
        // life, in the map, comes after all that was done in this one.
        let order = ordering!("cell-begin-insert", Acquire => Relaxed);
        self.swap(seen, (seen.0 + INSERT) | conflict, order)
    }

    /// Ends an overflow insert that has not inserted a node.
    pub(crate) fn abandon_insert(&self) {
        // Relaxed: the caller has changed nothing.
        self.0.fetch_sub(INSERT, Ordering::Relaxed);
    }

    /// Ends an overflow insert that has inserted its node, and counts the node.
    pub(crate) fn finish_insert(&self) {
        self.change(|seen| {
            let counts = seen.counts_nodes() && !mutant!("cell-insert-uncounted");
            seen.0 - INSERT + if counts { NODE } else { 0 }
        });
    }

    /// Uncounts a node that was removed from the map.
    pub(crate) fn remove_node(&self) {
        self.change(|seen| {
            debug_assert!(seen.0 & NODES > 0);
            seen.0 - if seen.counts_nodes() { NODE } else { 0 }
        });
    }

    fn change(&self, after: impl Fn(CellWord) -> u64) {
        let mut seen = self.peek();
        // Release: pairs with the Acquire of `claim`. No model can see `finish_insert` without it,
        // since the lock of the models' map orders the node as well; `remove_node` is seen.
        let order = ordering!("cell-change", Release => Relaxed);
        while let Err(now) = self.swap(seen, after(seen), order) {
            seen = now;
        }
    }
}
