//! Cells: each has the memory for one entry, that is, one key and its gate.
//!
//! # Invariant
//!
//! The entry is there exactly while the cell is open, and each ref that the cell's word counts is
//! one [`CellRef`]. While the cell is busy, the entry's memory belongs to the [`ExclusiveCell`].
//! The table in `protocol/cell.rs` has the states.
//!
//! # Safety
//!
//! What the unsafe code rests on is private to this file: the word, the entry's memory, and the
//! making and unmaking of the tokens. [`ExclusiveCell`] and [`OverflowInsert`] borrow their cell,
//! so they cannot go to another one. A [`CellRef`] does not, because a permit keeps it beside the
//! `Arc` that keeps the cell; the functions that it goes back to are `unsafe`.
#![allow(unsafe_code)]

use core::mem::{forget, needs_drop, MaybeUninit};

use crate::gate::Gate;
use crate::origin::Origin;
use crate::protocol::cell::{CellState, CellWord, Tag};
use crate::protocol::mutants::mutant;
use crate::sync::UnsafeCell;

/// A living key, and its gate.
///
/// It starts on a cache line of its own, so that the cell's word and the gate's do not share one.
#[repr(align(64))]
pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) gate: Gate,
}

impl<K> Entry<K> {
    /// Creates an entry whose gate has `capacity` places, of which `occupied` are held.
    pub(super) fn new(key: K, capacity: u32, occupied: u32) -> Self {
        Entry { key, gate: Gate::with_occupied(capacity, occupied) }
    }
}

/// Proof of one ref of a cell. It is neither `Copy` nor `Clone`.
///
/// It does not know its cell. The caller keeps the cell's index beside it; debug builds check it.
pub(super) struct CellRef {
    /// The word when the ref was taken: a guess at what it is.
    seen: CellWord,
    origin: Origin,
}

/// Proof that the cell is busy and that the caller owns the entry's memory. Dropping it makes the
/// cell vacant.
pub(super) struct ExclusiveCell<'a, K> {
    cell: &'a Cell<K>,
    seen: CellWord,
}

/// Proof of one overflow insert in progress. Dropping it abandons the insert.
pub(super) struct OverflowInsert<'a, K>(&'a Cell<K>);

/// The state of a cell and the memory of its entry. Cells share no cache line.
pub(super) struct Cell<K> {
    state: CellState,
    entry: UnsafeCell<MaybeUninit<Entry<K>>>,
}

// SAFETY: callers with a ref read one entry from several threads, so `K: Sync`; the thread that
// writes a key need not be the thread that drops it, so `K: Send`. `Gate` is both.
unsafe impl<K: Send + Sync> Sync for Cell<K> {}

impl<K> Cell<K> {
    pub(super) fn vacant() -> Self {
        Cell { state: CellState::new(), entry: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    #[inline]
    pub(super) fn read(&self) -> CellWord {
        self.state.read()
    }

    /// As [`read`](Self::read), for a caller that goes on to a step that checks what was read.
    #[inline]
    pub(super) fn peek(&self) -> CellWord {
        self.state.peek()
    }

    /// Takes a ref of an open cell if the word is still as it was seen, or else returns the word.
    #[inline]
    pub(super) fn take_ref(&self, seen: CellWord) -> Result<CellRef, CellWord> {
        Ok(CellRef { seen: self.state.take_ref(seen)?, origin: Origin::of(self) })
    }

    /// Returns the entry.
    ///
    /// # Safety
    ///
    /// `cell_ref` must come from this cell.
    #[inline]
    pub(super) unsafe fn entry<'a>(&'a self, cell_ref: &'a CellRef) -> &'a Entry<K> {
        cell_ref.origin.check(self);
        // SAFETY: the ref is of this cell, as the caller promises. The entry was written before the
        // ref was taken (`open` → `take_ref`), and is cleared after the ref is given up (`release`
        // → the last `release`, or `claim`). A ref is given up by value, so not during this borrow.
        // No thread writes the entry in between.
        self.entry.with(|entry| unsafe { (*entry).assume_init_ref() })
    }

    /// Gives up a ref. Calls `part` with the gate before, unless this is the only ref: no other
    /// caller could see the effect then, because the entry goes with the last ref.
    ///
    /// # Safety
    ///
    /// `cell_ref` must come from this cell.
    #[inline]
    pub(super) unsafe fn release(&self, cell_ref: CellRef, part: impl FnOnce(&Gate)) {
        struct Release<'a, K>(&'a Cell<K>, CellWord);

        impl<K> Drop for Release<'_, K> {
            #[inline]
            fn drop(&mut self) {
                if self.0.state.release() && !mutant!("keyed-last-release-unseen") {
                    // SAFETY: that was the last ref of the cell, and it is busy.
                    unsafe { self.0.clear(self.1) };
                }
            }
        }

        cell_ref.origin.check(self);
        let clears = needs_drop::<Entry<K>>();
        let unchecked = mutant!("keyed-last-release-unchecked");
        let seen = if unchecked { self.peek() } else { cell_ref.seen };
        if cell_ref.seen.has_one_ref() && (self.state.release_last(seen, clears) || unchecked) {
            if clears {
                // SAFETY: that was the last ref of the cell, and it is busy, because `clears`.
                unsafe { self.clear(cell_ref.seen) };
            }
            return;
        }
        // Gives up the ref also if `part` wakes a waiter and its waker panics.
        let _release = Release(self, cell_ref.seen);
        // SAFETY: the ref is of this cell, as the caller promises.
        part(&unsafe { self.entry(&cell_ref) }.gate);
    }

    /// Drops the entry and makes the cell vacant.
    ///
    /// # Safety
    ///
    /// The cell must be busy because the caller has just given up its last ref.
    unsafe fn clear(&self, seen: CellWord) {
        // Makes the cell vacant also if the key's destructor panics.
        let _exclusive = ExclusiveCell { cell: self, seen };
        if needs_drop::<Entry<K>>() {
            // SAFETY: the caller gave up the last ref. So the entry is there, it is the caller's
            // alone, and all that was done under other refs came before (`release` → the last
            // `release`).
            self.entry.with_mut(|entry| unsafe { (*entry).assume_init_drop() });
        }
    }

    /// Makes a claimable cell busy if the word is still as it was seen, or else returns the word.
    #[inline]
    pub(super) fn claim(&self, seen: CellWord, tag: Tag) -> Result<ExclusiveCell<'_, K>, CellWord> {
        Ok(ExclusiveCell { cell: self, seen: self.state.claim(seen, tag)? })
    }

    /// Begins an overflow insert if the word is still as it was seen, or else returns the word.
    pub(super) fn begin_insert(&self, seen: CellWord) -> Result<OverflowInsert<'_, K>, CellWord> {
        self.state.begin_insert(seen)?;
        Ok(OverflowInsert(self))
    }

    /// Begins an overflow insert for a caller that has a ref of this cell whose entry is another
    /// key: whatever the word is, the caller's key is not the entry while that ref lives.
    pub(super) fn begin_insert_under(&self, other: &CellRef) -> OverflowInsert<'_, K> {
        other.origin.check(self);
        loop {
            if let Ok(insert) = self.begin_insert(self.peek()) {
                return insert;
            }
        }
    }

    /// Uncounts a node of this cell that was removed from the map.
    ///
    /// # Safety
    ///
    /// [`OverflowInsert::finish`] must have counted a node at this cell, and each counted node is
    /// uncounted once: one too many would borrow from the other fields of the word.
    pub(super) unsafe fn remove_node(&self) {
        self.state.remove_node();
    }
}

impl<K> ExclusiveCell<'_, K> {
    /// Writes the entry and opens the cell, with one ref. Returns the entry, and makes the cell
    /// vacant, if an overflow insert has begun since the claim.
    #[inline]
    pub(super) fn open(self, entry: Entry<K>) -> Result<CellRef, Entry<K>> {
        // SAFETY: the cell is busy and its memory this caller's alone, after all that was done with
        // the last entry (`release` or `vacate` → `claim`), which was dropped or need not be.
        self.cell.entry.with_mut(|memory| unsafe {
            (*memory).write(entry);
        });
        if let Some(seen) = self.cell.state.open(self.seen) {
            let origin = Origin::of(self.cell);
            forget(self);
            return Ok(CellRef { seen, origin });
        }
        // SAFETY: the entry was written above and the cell is still busy. No thread reads it after
        // this, and it is moved out once.
        Err(self.cell.entry.with_mut(|memory| unsafe { (*memory).assume_init_read() }))
    }
}

impl<K> Drop for ExclusiveCell<'_, K> {
    fn drop(&mut self) {
        self.cell.state.vacate();
    }
}

impl<K> OverflowInsert<'_, K> {
    /// Counts the node, after the caller has inserted it into the map.
    pub(super) fn finish(self) {
        self.0.state.finish_insert();
        forget(self);
    }
}

impl<K> Drop for OverflowInsert<'_, K> {
    fn drop(&mut self) {
        self.0.state.abandon_insert();
    }
}

impl<K> Drop for Cell<K> {
    fn drop(&mut self) {
        if self.state.read().is_open() {
            // SAFETY: the cell is open, so the entry is there. Its refs were forgotten, because no
            // other caller has access to the cell during its drop.
            self.entry.with_mut(|entry| unsafe { (*entry).assume_init_drop() });
        }
    }
}
