//! A cell: the place of one entry, that is, of one key and its gate.
//!
//! # Invariant
//!
//! The entry is there exactly while the cell is open, and whoever has a ref holds a [`CellRef`]. While
//! the cell is busy, the entry's place belongs to the holder of its [`ExclusiveCell`]. All else follows from
//! the table in `word.rs`.
//!
//! This is the only file of gates by key with `unsafe`. What its claims rest on is private to it: the
//! word, the entry's place, and how pins and claims come about and go. What it asks of others is
//! that a pin goes back to the cell that gave it; whoever keeps a pin keeps the number of its cell
//! beside it, and debug builds check it.
#![allow(unsafe_code)]

use core::mem::{forget, needs_drop, MaybeUninit};

use crate::gate::Gate;
use crate::origin::Origin;
use crate::protocol::cell::{CellState, CellWord, Tag};
use crate::protocol::slot::Slot;
use crate::sync::UnsafeCell;

/// What lives: a key, and its gate.
///
/// On a cache line of its own, so that who comes and goes and who is inside disturb each other less.
#[repr(align(64))]
pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) gate: Gate,
}

impl<K> Entry<K> {
    /// With so many places, of which `heads` are held.
    pub(super) fn new(key: K, capacity: u32, heads: u32) -> Self {
        let mut gate = Gate::new(capacity);
        gate.slot = Slot::new(capacity, heads);
        Entry { key, gate }
    }
}

/// Proof of one ref of a cell. It neither copies nor clones.
pub(super) struct CellRef {
    /// What the cell was when the ref was taken: a guess at what it is.
    was: CellWord,
    origin: Origin,
}

/// Proof that a cell is busy, and the holder's. Dropping it makes the cell vacant.
pub(super) struct ExclusiveCell<'a, K> {
    cell: &'a Cell<K>,
    was: CellWord,
}

/// Proof of one arrival at a cell. Dropping it turns back.
pub(super) struct OverflowInsert<'a, K>(&'a Cell<K>);

/// Shares no cache line with its neighbours, who are strangers.
pub(super) struct Cell<K> {
    home: CellState,
    entry: UnsafeCell<MaybeUninit<Entry<K>>>,
}

// SAFETY: those who have a ref read one entry on several threads, so `K: Sync`; the thread that
// moves a key in need not be the one that drops it, so `K: Send`. `Gate` is both.
unsafe impl<K: Send + Sync> Sync for Cell<K> {}

impl<K> Cell<K> {
    pub(super) fn vacant() -> Self {
        Cell { home: CellState::new(), entry: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    #[inline]
    pub(super) fn read(&self) -> CellWord {
        self.home.read()
    }

    /// As [`read`](Self::read), for who goes on to something that checks what was read.
    #[inline]
    pub(super) fn peek(&self) -> CellWord {
        self.home.peek()
    }

    /// Takes a ref of an open cell, if it is still as it was seen, or else yields what it is now.
    #[inline]
    pub(super) fn pin(&self, seen: CellWord) -> Result<CellRef, CellWord> {
        Ok(CellRef { was: self.home.pin(seen)?, origin: Origin::of(self) })
    }

    /// The entry.
    #[inline]
    pub(super) fn get<'a>(&'a self, pin: &'a CellRef) -> &'a Entry<K> {
        pin.origin.check(self);
        // SAFETY: there is a ref, so the entry was written before it was taken (`open` → `pin`), and
        // goes after it is given up (`leave` → the last `leave`, or `claim`). It is given up by value,
        // so not while this borrow lives. Nobody writes in between.
        self.entry.with(|entry| unsafe { (*entry).assume_init_ref() })
    }

    /// Gives up a ref. `part` is done before, unless nobody else would see it: with the last ref, the
    /// entry goes.
    #[inline]
    pub(super) fn leave(&self, pin: CellRef, part: impl FnOnce(&Gate)) {
        struct Leaves<'a, K>(&'a Cell<K>, CellWord);

        impl<K> Drop for Leaves<'_, K> {
            #[inline]
            fn drop(&mut self) {
                if self.0.home.leave() {
                    self.0.end(self.1);
                }
            }
        }

        pin.origin.check(self);
        let clears = needs_drop::<Entry<K>>();
        if pin.was.is_sole() && self.home.leave_last(pin.was, clears) {
            if clears {
                self.end(pin.was);
            }
            return;
        }
        // Gives the ref up also if a waker panics that the parting has woken.
        let _leaves = Leaves(self, pin.was);
        part(&self.get(&pin).gate);
    }

    /// Clears the place of a entry whose last ref this caller has just given up, and vacates.
    fn end(&self, was: CellWord) {
        // Vacates also if the destructor panics.
        let _claim = ExclusiveCell { cell: self, was };
        if needs_drop::<Entry<K>>() {
            // SAFETY: that was the last ref, so the entry is there, and it is this caller's alone,
            // after everything that was done under other refs (`leave` → the last `leave`).
            self.entry.with_mut(|entry| unsafe { (*entry).assume_init_drop() });
        }
    }

    /// Takes the place of the entry of a cell that is to let, if it is still as it was seen, or else
    /// yields what it is now.
    #[inline]
    pub(super) fn claim(&self, seen: CellWord, tag: Tag) -> Result<ExclusiveCell<'_, K>, CellWord> {
        Ok(ExclusiveCell { cell: self, was: self.home.claim(seen, tag)? })
    }

    /// Becomes an arrival, if the cell is still as it was seen, or else yields what it is now.
    pub(super) fn arrive(&self, seen: CellWord) -> Result<OverflowInsert<'_, K>, CellWord> {
        self.home.arrive(seen)?;
        Ok(OverflowInsert(self))
    }

    /// Becomes an arrival, for who has a ref of a entry of another key.
    pub(super) fn arrive_beside(&self, stranger: &CellRef) -> OverflowInsert<'_, K> {
        stranger.origin.check(self);
        self.home.arrive_beside();
        OverflowInsert(self)
    }

    /// A node of a key at home here has been removed from the map.
    pub(super) fn remove_node(&self) {
        self.home.remove_node();
    }
}

impl<K> ExclusiveCell<'_, K> {
    /// Moves a entry in, with one ref. Yields the entry if somebody has gone apart meanwhile.
    #[inline]
    pub(super) fn open(self, entry: Entry<K>) -> Result<CellRef, Entry<K>> {
        // SAFETY: the cell is busy and the place this caller's alone, after all that was done with the
        // last entry (`leave` or `vacate` → `claim`), which was dropped or need not be.
        self.cell.entry.with_mut(|place| unsafe {
            (*place).write(entry);
        });
        if let Some(was) = self.cell.home.open(self.was) {
            let origin = Origin::of(self.cell);
            forget(self);
            return Ok(CellRef { was, origin });
        }
        // SAFETY: it was written above, and the cell is still busy; nobody reads it again here.
        Err(self.cell.entry.with_mut(|place| unsafe { (*place).assume_init_read() }))
    }
}

impl<K> Drop for ExclusiveCell<'_, K> {
    fn drop(&mut self) {
        self.cell.home.vacate();
    }
}

impl<K> OverflowInsert<'_, K> {
    /// The node has been inserted into the map.
    pub(super) fn settle(self) {
        self.0.home.settle();
        forget(self);
    }
}

impl<K> Drop for OverflowInsert<'_, K> {
    fn drop(&mut self) {
        self.0.home.turn_back();
    }
}

impl<K> Drop for Cell<K> {
    fn drop(&mut self) {
        if self.home.read().is_open() {
            // SAFETY: the cell is open, so the entry is there; those who had refs were forgotten, for
            // nobody else has the cell any more.
            self.entry.with_mut(|entry| unsafe { (*entry).assume_init_drop() });
        }
    }
}
