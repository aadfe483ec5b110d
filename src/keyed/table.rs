//! The table: where each key is at home, and who comes and goes.
//!
//! # Invariant
//!
//! A key lives in its home cell or in the map, and while somebody has a [`EntryRef`] there. How the two
//! are kept apart stands in `word.rs`.

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
use crate::protocol::cell::{CellWord, Tag};
use crate::sync::IN_MODEL;

/// Bits of the hash that choose the home. In the models all keys have the same.
const HOME_BITS: u32 = if IN_MODEL { 0 } else { 10 };

/// How often a caller looks again at a cell that somebody is moving in or out of, before it goes
/// apart. Each time takes twice as long as the last; a move takes as long as the first few.
const PATIENCE: u32 = if IN_MODEL { 0 } else { 6 };

/// How long a caller who has lost a race for a key stands aside, in pauses of the processor: as long
/// as others come and go a few times, who are quicker for it while they have the cache lines.
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
    /// In the cell of that number.
    CellState(u32, CellRef),
    /// In the map.
    Overflow(Arc<OverflowEntry<K>>),
}

/// A ref of a key that lives, and the heads that are given back with it.
pub(super) struct EntryRef<T: Deref<Target = Table<K>>, K> {
    table: T,
    /// `None` if it has been handed on.
    at: Option<Location<K>>,
    heads: u32,
}

impl<T: Deref<Target = Table<K>>, K> EntryRef<T, K> {
    #[inline]
    pub(super) fn entry(&self) -> &Entry<K> {
        match self.at.as_ref().expect("nobody asks after it is handed on") {
            Location::CellState(home, pin) => self.table.cells[*home as usize].get(pin),
            Location::Overflow(node) => node.entry(),
        }
    }

    /// Claims that many heads, 0 or 1.
    #[inline]
    fn enter(mut self, heads: u32) -> Result<Self, TryAcquireError> {
        if heads > 0 {
            self.entry().gate.enter()?;
        }
        self.heads = heads;
        Ok(self)
    }
}

impl<K> EntryRef<&Table<K>, K> {
    /// The same, with another way to the same table.
    pub(super) fn by(mut self, table: Arc<Table<K>>) -> EntryRef<Arc<Table<K>>, K> {
        debug_assert!(core::ptr::eq(self.table, &*table));
        EntryRef { table, at: self.at.take(), heads: self.heads }
    }
}

impl<T: Deref<Target = Table<K>>, K> Drop for EntryRef<T, K> {
    #[inline]
    fn drop(&mut self) {
        let heads = self.heads;
        match self.at.take() {
            Some(Location::CellState(home, pin)) => {
                self.table.cells[home as usize].leave(pin, |gate| gate.give_back(heads));
            }
            Some(Location::Overflow(node)) => self.table.leave_node(&node, heads),
            None => {}
        }
    }
}

impl<K> Table<K> {
    pub(super) fn new() -> Self {
        let cells = (0..1 << HOME_BITS).map(|_| Cell::vacant()).collect();
        Table { cells, map: OverflowMap::new() }
    }

    #[inline]
    fn home(&self, hash: u64) -> (u32, &Cell<K>) {
        let home = (hash >> 1 >> (63 - HOME_BITS)) as u32;
        (home, &self.cells[home as usize])
    }

    #[inline]
    fn stay(&self, at: Location<K>, heads: u32) -> EntryRef<&Self, K> {
        EntryRef { table: self, at: Some(at), heads }
    }

    #[inline]
    fn pin(&self, home: u32, seen: CellWord) -> Result<EntryRef<&Self, K>, CellWord> {
        let pin = self.cells[home as usize].pin(seen)?;
        Ok(self.stay(Location::CellState(home, pin), 0))
    }

    /// A ref of a node, if it lives; or else it is out of the way.
    fn pin_node(&self, node: &Arc<OverflowEntry<K>>) -> Option<EntryRef<&Self, K>> {
        if node.pin() {
            return Some(self.stay(Location::Overflow(node.clone()), 0));
        }
        self.map.remove(node);
        None
    }

    #[cold]
    fn leave_node(&self, node: &Arc<OverflowEntry<K>>, heads: u32) {
        struct Leaves<'a, K>(&'a Table<K>, &'a Arc<OverflowEntry<K>>);

        impl<K> Drop for Leaves<'_, K> {
            fn drop(&mut self) {
                let Leaves(table, node) = *self;
                if node.leave() {
                    table.map.remove(node);
                    table.home(node.hash).1.remove_node();
                }
            }
        }

        // Gives the ref up also if a waker panics that the giving back has woken.
        let _leaves = Leaves(self, node);
        node.entry().gate.give_back(heads);
    }

    /// The number of keys that live; perhaps no more than `enough` of them.
    pub(super) fn count(&self, enough: usize) -> usize {
        let mut living =
            self.cells.iter().filter(|cell| cell.read().is_open()).take(enough).count();
        self.map.visit(|node| {
            living += usize::from(node.is_live());
            living < enough
        });
        living
    }

    /// Shows `f` every key that lives.
    pub(super) fn visit(&self, mut f: impl FnMut(&Entry<K>)) {
        for (home, cell) in self.cells.iter().enumerate() {
            let mut seen = cell.read();
            while seen.is_open() {
                match self.pin(home as u32, seen) {
                    Ok(stay) => {
                        f(stay.entry());
                        break;
                    }
                    Err(_) => seen = cell.read(),
                }
            }
        }
        self.map.visit(|node| {
            if let Some(stay) = self.pin_node(node) {
                f(stay.entry());
            }
            true
        });
    }
}

impl<K: Eq> Table<K> {
    /// A ref of a key, if it lives.
    pub(super) fn find(&self, key: &K, hash: u64) -> Option<EntryRef<&Self, K>> {
        let (home, cell) = self.home(hash);
        let mut seen = cell.read();
        while seen.is_open_under(Tag::of(hash)) {
            match self.pin(home, seen) {
                Ok(stay) if stay.entry().key == *key => return Some(stay),
                Ok(_) => break,
                Err(_) => seen = cell.read(),
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

    /// A ref of a key that lives in the map.
    fn find_node(&self, key: &K, hash: u64) -> Option<EntryRef<&Self, K>> {
        self.map.with(key, hash, |node| self.pin_node(node)).flatten()
    }

    /// Comes by a key with so many heads, 0 or 1; brings the key to life if need be.
    #[inline]
    pub(super) fn join(
        &self,
        mut key: K,
        hash: u64,
        heads: u32,
        capacity_of: impl Fn(&K) -> u32,
    ) -> Result<EntryRef<&Self, K>, TryAcquireError> {
        let ((home, cell), tag) = (self.home(hash), Tag::of(hash));
        let backoff = Backoff::new();
        let mut patience = PATIENCE;
        let capacity = |key: &K| match capacity_of(key) {
            capacity if capacity < heads => Err(TryAcquireError::Full),
            capacity => Ok(capacity),
        };
        let mut seen = cell.peek();
        loop {
            let mut stranger = None;
            if seen.is_open_under(tag) {
                match self.pin(home, seen) {
                    Ok(stay) if stay.entry().key == key => {
                        // Here, where a panic takes the stay back: see below.
                        drop(key);
                        return stay.enter(heads);
                    }
                    Ok(stay) => stranger = Some(stay),
                    Err(_) => {
                        back_off();
                        seen = cell.peek();
                        continue;
                    }
                }
            } else if seen.is_busy() && patience > 0 {
                patience -= 1;
                backoff.spin();
                seen = cell.peek();
                continue;
            }
            if let Some(stay) = self.find_overflow(&key, hash, seen) {
                // Before there is a result: what unwinds from a destructor after that would leak it.
                drop((stranger, key));
                return stay.enter(heads);
            }
            // Asked before anything changes: it may panic, take its time, or ask for other keys.
            let capacity = capacity(&key)?;
            if seen.is_claimable() {
                match cell.claim(seen, tag) {
                    Ok(claim) => {
                        // Again: a node may have come between the look and the claim.
                        if let Some(stay) = self.find_overflow(&key, hash, seen) {
                            drop((claim, key));
                            return stay.enter(heads);
                        }
                        match claim.open(Entry::new(key, capacity, heads)) {
                            Ok(pin) => return Ok(self.stay(Location::CellState(home, pin), heads)),
                            Err(entry) => key = entry.key,
                        }
                        seen = cell.peek();
                    }
                    Err(now) => seen = now,
                }
                continue;
            }
            let arrival = match &stranger {
                Some(EntryRef { at: Some(Location::CellState(_, pin)), .. }) => {
                    cell.arrive_beside(pin)
                }
                _ => match cell.arrive(seen) {
                    Ok(arrival) => arrival,
                    Err(now) => {
                        seen = now;
                        continue;
                    }
                },
            };
            drop(stranger);
            let node = Arc::new(OverflowEntry::new(Entry::new(key, capacity, heads), hash));
            return self.insert_overflow(arrival, node, heads);
        }
    }

    /// Brings a node to life, unless its key lives already.
    #[cold]
    fn insert_overflow(
        &self,
        arrival: OverflowInsert<'_, K>,
        node: Arc<OverflowEntry<K>>,
        heads: u32,
    ) -> Result<EntryRef<&Self, K>, TryAcquireError> {
        loop {
            if self.map.insert(node.clone()) {
                arrival.settle();
                return Ok(self.stay(Location::Overflow(node), heads));
            }
            if let Some(stay) = self.find_node(&node.entry().key, node.hash) {
                return stay.enter(heads);
            }
        }
    }
}
