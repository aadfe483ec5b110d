//! The table: 1024 cells, and the overflow map for keys whose cell is in use.
//!
//! # Invariant
//!
//! A key lives in its cell or in the overflow map, and for as long as it has an [`EntryRef`].
//! `protocol/cell.rs` says how it never lives in both.
#![allow(unsafe_code)] // A `CellRef` goes back to its cell: see `EntryRef`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Deref;

use crossbeam_utils::Backoff;

use super::cell::{Cell, CellRef, Entry, OverflowInsert};
#[cfg(not(headcount_loom))]
use super::map::OverflowMap;
#[cfg(headcount_loom)]
use super::map_model::OverflowMap;
use super::overflow::OverflowEntry;
use crate::error::TryAcquireError;
use crate::gate::Gate;
use crate::protocol::cell::{CellWord, Tag};
use crate::protocol::mutants::mutant;
use crate::sync::IN_MODEL;

/// The number of bits of the hash that choose the cell. In the models all keys have the same cell.
const CELL_BITS: u32 = if IN_MODEL { 0 } else { 10 };

/// How often a caller looks again at a busy cell before it inserts into the overflow map. Each wait
/// is twice as long as the one before; a cell is busy for about as long as the first few.
const BUSY_LOOKS: u32 = if IN_MODEL { 0 } else { 6 };

/// How long a caller that has lost a race for a key backs off, in spin-loop hints: long enough for
/// other callers to come and go a few times, which are faster while they have the cache lines.
const BACKOFF_SPINS: u32 = if IN_MODEL { 0 } else { 100 };

#[cold]
fn back_off() {
    (0..BACKOFF_SPINS).for_each(|_| core::hint::spin_loop());
}

pub(super) struct Table<K> {
    cells: Box<[Cell<K>]>,
    map: OverflowMap<K>,
}

/// Where a key lives.
enum Location<K> {
    /// In the cell of that index, which gave the ref.
    Cell(u32, CellRef),
    /// In the overflow map.
    Overflow(Arc<OverflowEntry<K>>),
}

/// A ref of a living key, and the places that are given back with it.
///
/// A `Location::Cell` is made together with its `EntryRef`, by [`Table::take_ref`] and
/// [`Table::join`], from a cell of that table and the cell's own index; [`by`](Self::by) moves it
/// to another pointer to the same table. So the cell of that index in `table` is always the one
/// that gave the ref. `T` is `&Table` or `Arc<Table>`, which deref to one table for good.
pub(super) struct EntryRef<T: Deref<Target = Table<K>>, K> {
    table: T,
    /// `None` once it has moved to another `EntryRef`.
    at: Option<Location<K>>,
    /// Places held.
    count: u32,
}

impl<T: Deref<Target = Table<K>>, K> Deref for EntryRef<T, K> {
    type Target = Gate;

    #[inline]
    fn deref(&self) -> &Gate {
        &self.entry().gate
    }
}

impl<T: Deref<Target = Table<K>>, K> EntryRef<T, K> {
    #[inline]
    pub(super) fn entry(&self) -> &Entry<K> {
        match self.at.as_ref().expect("it has not moved") {
            Location::Cell(index, cell_ref) => {
                // SAFETY: that cell gave the ref, as for every `EntryRef`.
                unsafe { self.table.cells[*index as usize].entry(cell_ref) }
            }
            Location::Overflow(node) => node.entry(),
        }
    }

    /// Returns the number of places held.
    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the same ref with `count` places, which the caller has acquired of the key's gate.
    #[cfg(feature = "wait")]
    #[inline]
    pub(super) fn with_places(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Acquires `count` places, 0 or 1, of the key's gate.
    #[inline]
    fn enter(mut self, count: u32) -> Result<Self, TryAcquireError> {
        if count > 0 {
            self.entry().gate.enter()?;
        }
        self.count = count;
        Ok(self)
    }
}

impl<K> EntryRef<&Table<K>, K> {
    /// Returns the same ref with an `Arc` of the same table.
    pub(super) fn by(mut self, table: Arc<Table<K>>) -> EntryRef<Arc<Table<K>>, K> {
        assert!(core::ptr::eq(self.table, &*table), "a ref of another table");
        EntryRef { table, at: self.at.take(), count: self.count }
    }
}

impl<T: Deref<Target = Table<K>>, K> Drop for EntryRef<T, K> {
    #[inline]
    fn drop(&mut self) {
        let count = self.count;
        match self.at.take() {
            Some(Location::Cell(index, cell_ref)) => {
                let cell = &self.table.cells[index as usize];
                // SAFETY: that cell gave the ref, as for every `EntryRef`.
                unsafe { cell.release(cell_ref, |gate| gate.give_back(count)) };
            }
            Some(Location::Overflow(node)) => self.table.release_node(&node, count),
            None => {}
        }
    }
}

impl<K> Table<K> {
    pub(super) fn new() -> Self {
        let cells = (0..1 << CELL_BITS).map(|_| Cell::vacant()).collect();
        Table { cells, map: OverflowMap::new() }
    }

    /// Returns the cell of a hash, and its index.
    #[inline]
    fn cell_of(&self, hash: u64) -> (u32, &Cell<K>) {
        let index = (hash >> 1 >> (63 - CELL_BITS)) as u32;
        (index, &self.cells[index as usize])
    }

    #[inline]
    fn entry_ref(&self, at: Location<K>, count: u32) -> EntryRef<&Self, K> {
        EntryRef { table: self, at: Some(at), count }
    }

    /// Takes a ref of an open cell if the word is still as it was seen, or else returns the word.
    #[inline]
    fn take_ref(&self, index: u32, seen: CellWord) -> Result<EntryRef<&Self, K>, CellWord> {
        let cell_ref = self.cells[index as usize].take_ref(seen)?;
        Ok(self.entry_ref(Location::Cell(index, cell_ref), 0))
    }

    /// Takes a ref of an overflow entry, or removes the entry from the map if it is dead.
    fn take_node_ref(&self, node: &Arc<OverflowEntry<K>>) -> Option<EntryRef<&Self, K>> {
        if node.take_ref() {
            return Some(self.entry_ref(Location::Overflow(node.clone()), 0));
        }
        self.map.remove(node);
        None
    }

    #[cold]
    fn release_node(&self, node: &Arc<OverflowEntry<K>>, count: u32) {
        struct Release<'a, K>(&'a Table<K>, &'a Arc<OverflowEntry<K>>);

        impl<K> Drop for Release<'_, K> {
            fn drop(&mut self) {
                let Release(table, node) = *self;
                if node.release() {
                    table.map.remove(node);
                    // SAFETY: `insert_overflow` counted the node at the cell of its hash while it
                    // had a ref itself, and only one call gives up the last ref.
                    unsafe { table.cell_of(node.hash).1.remove_node() };
                }
            }
        }

        // Gives up the ref also if a place that is given back wakes a waiter and its waker panics.
        let _release = Release(self, node);
        node.entry().gate.give_back(count);
    }

    /// Returns the number of living keys, counted no further than `enough`.
    pub(super) fn count(&self, enough: usize) -> usize {
        let mut living =
            self.cells.iter().filter(|cell| cell.read().is_open()).take(enough).count();
        self.map.visit(|node| {
            living += usize::from(node.is_live());
            living < enough
        });
        living
    }

    /// Calls `f` with a ref of every living key. `f` runs while the map is read: it must not call
    /// the user's code.
    pub(super) fn visit<'a>(&'a self, mut f: impl FnMut(EntryRef<&'a Self, K>)) {
        for (index, cell) in self.cells.iter().enumerate() {
            let mut seen = cell.read();
            while seen.is_open() {
                match self.take_ref(index as u32, seen) {
                    Ok(found) => {
                        f(found);
                        break;
                    }
                    Err(_) => seen = cell.read(),
                }
            }
        }
        self.map.visit(|node| {
            self.take_node_ref(node).into_iter().for_each(&mut f);
            true
        });
    }
}

impl<K: Eq> Table<K> {
    /// Returns a ref of a key, if it lives.
    pub(super) fn find(&self, key: &K, hash: u64) -> Option<EntryRef<&Self, K>> {
        let (index, cell) = self.cell_of(hash);
        let mut seen = cell.read();
        while seen.is_open_under(Tag::of(hash)) {
            match self.take_ref(index, seen) {
                Ok(found) if found.entry().key == *key => return Some(found),
                Ok(_) => break,
                // Read again: a failed compare-exchange does not acquire.
                Err(now) => {
                    seen = if mutant!("keyed-find-without-rereading") { now } else { cell.read() };
                }
            }
        }
        self.find_overflow(key, hash, seen)
    }

    #[inline]
    fn find_overflow(&self, key: &K, hash: u64, seen: CellWord) -> Option<EntryRef<&Self, K>> {
        if seen.has_nodes() {
            self.find_node(key, hash)
        } else {
            None
        }
    }

    /// Returns a ref of a key that lives in the overflow map.
    fn find_node(&self, key: &K, hash: u64) -> Option<EntryRef<&Self, K>> {
        self.map.with(key, hash, |node| self.take_node_ref(node)).flatten()
    }

    /// Returns a ref of a key with `count` places, 0 or 1. Makes an entry if the key does not live.
    #[inline]
    pub(super) fn join(
        &self,
        mut key: K,
        hash: u64,
        count: u32,
        capacity_of: impl Fn(&K) -> u32,
    ) -> Result<EntryRef<&Self, K>, TryAcquireError> {
        let ((index, cell), tag) = (self.cell_of(hash), Tag::of(hash));
        let backoff = Backoff::new();
        let mut looks = BUSY_LOOKS;
        let capacity = |key: &K| match capacity_of(key) {
            capacity if capacity < count => Err(TryAcquireError::Full),
            capacity => Ok(capacity),
        };
        let mut seen = cell.peek();
        loop {
            // A ref of the cell's entry, if that is another key.
            let mut other = None;
            if seen.is_open_under(tag) {
                match self.take_ref(index, seen) {
                    Ok(found) if mutant!("keyed-join-by-tag") || found.entry().key == key => {
                        // Here, where a panic of its destructor gives up the ref: see below.
                        drop(key);
                        return found.enter(count);
                    }
                    Ok(found) => other = Some(found),
                    Err(_) => {
                        back_off();
                        seen = cell.peek();
                        continue;
                    }
                }
            } else if seen.is_busy() && looks > 0 {
                looks -= 1;
                backoff.spin();
                seen = cell.peek();
                continue;
            }
            if let Some(found) = self.find_overflow(&key, hash, seen) {
                // Before there is a result, which a panic of the key's destructor would leak.
                drop((other, key));
                return found.enter(count);
            }
            // Called before anything changes: it may panic, take its time, or use this table.
            let capacity = capacity(&key)?;
            if seen.is_claimable() {
                match cell.claim(seen, tag) {
                    Ok(exclusive) => {
                        // Second look: a node may have been inserted between the first look and the
                        // claim, and the word be what it was.
                        let looked = mutant!("keyed-claim-without-second-look");
                        let node = if looked { None } else { self.find_overflow(&key, hash, seen) };
                        if let Some(found) = node {
                            drop((exclusive, key));
                            return found.enter(count);
                        }
                        match exclusive.open(Entry::new(key, capacity, count)) {
                            Ok(cell_ref) => {
                                return Ok(self.entry_ref(Location::Cell(index, cell_ref), count));
                            }
                            Err(entry) => key = entry.key,
                        }
                        seen = cell.peek();
                    }
                    Err(now) => seen = now,
                }
                continue;
            }
            let insert = match &other {
                Some(EntryRef { at: Some(Location::Cell(_, cell_ref)), .. }) => {
                    cell.begin_insert_under(cell_ref)
                }
                _ => match cell.begin_insert(seen) {
                    Ok(insert) => insert,
                    Err(now) => {
                        seen = now;
                        continue;
                    }
                },
            };
            drop(other);
            let node = Arc::new(OverflowEntry::new(Entry::new(key, capacity, count), hash));
            return self.insert_overflow(insert, node, count);
        }
    }

    /// Inserts a node into the overflow map, unless its key lives there.
    #[cold]
    fn insert_overflow(
        &self,
        insert: OverflowInsert<'_, K>,
        node: Arc<OverflowEntry<K>>,
        count: u32,
    ) -> Result<EntryRef<&Self, K>, TryAcquireError> {
        let insert = if mutant!("keyed-count-before-insert") {
            insert.finish();
            None
        } else {
            Some(insert)
        };
        loop {
            if self.map.insert(node.clone()) {
                insert.into_iter().for_each(OverflowInsert::finish);
                return Ok(self.entry_ref(Location::Overflow(node), count));
            }
            if let Some(found) = self.find_node(&node.entry().key, node.hash) {
                return found.enter(count);
            }
        }
    }
}
