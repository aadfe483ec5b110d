//! The table: 64 shards, and the slab of their entries.
//!
//! # Invariant
//!
//! A key lives in one entry for all of its life, and for as long as it has an [`EntryRef`].
//!
//! # User code
//!
//! `Hash`, `Eq` and the destructor of a key and the capacity closure run while no lock is held and
//! with a ref of each key that they can see. So they may panic, take their time, or use the table.
//!
//! # Keys with the same hash
//!
//! A caller takes its places in the step in which it takes its ref, if the hashes are the same in
//! all 64 bits; then it compares the keys. If they differ, it has held places of another key for a
//! moment. The table remembers that this can happen, and from then on every caller compares first.
#![allow(unsafe_code)] // An `EntryRef` is a ref of its entry.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cell::RefCell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use super::entry::Entry;
use super::shard::{Found, Shard};
use super::slab::Slab;
use crate::error::TryAcquireError;
use crate::gate::Gate;
use crate::protocol::mutants::mutant;
use crate::sync::{AtomicU32, Ordering, IN_MODEL};

/// The number of bits of the hash that choose the shard.
const SHARD_BITS: u32 = if IN_MODEL { 0 } else { 6 };

/// How long a caller that has lost a race for a key backs off, in spin-loop hints: long enough for
/// other callers to come and go a few times, which are faster while they have the cache lines.
const BACKOFF_SPINS: u32 = if IN_MODEL { 0 } else { 100 };

#[cold]
fn back_off() {
    (0..BACKOFF_SPINS).for_each(|_| core::hint::spin_loop());
}

/// Spreads the differences of two hashes over the high bits, of which the shard, the group and the
/// tag are made. Different hashes stay different.
#[inline]
pub(super) fn mix(hash: u64) -> u64 {
    if IN_MODEL {
        return hash;
    }
    // A multiplication moves differences up only, so those of the high half are first copied down.
    // The factor is odd, and its bits look random: 2^64 divided by the golden ratio.
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A key that a caller asks for: owned, or borrowed and made when it comes to life.
pub(super) trait Asked<K> {
    fn is(&self, key: &K) -> bool;
    fn capacity(&self, capacity_of: impl Fn(&K) -> u32) -> u32;
    fn into_key(self) -> K;
}

pub(super) struct Owned<K>(pub(super) K);

impl<K: Eq> Asked<K> for Owned<K> {
    #[inline]
    fn is(&self, key: &K) -> bool {
        self.0 == *key
    }

    #[inline]
    fn capacity(&self, capacity_of: impl Fn(&K) -> u32) -> u32 {
        capacity_of(&self.0)
    }

    #[inline]
    fn into_key(self) -> K {
        self.0
    }
}

pub(super) struct Borrowed<'a, Q: ?Sized>(pub(super) &'a Q);

impl<K: Borrow<Q>, Q: Eq + ToOwned<Owned = K> + ?Sized> Asked<K> for Borrowed<'_, Q> {
    #[inline]
    fn is(&self, key: &K) -> bool {
        self.0 == key.borrow()
    }

    fn capacity(&self, capacity_of: impl Fn(&K) -> u32) -> u32 {
        capacity_of(&self.0.to_owned())
    }

    fn into_key(self) -> K {
        self.0.to_owned()
    }
}

pub(super) struct Table<K> {
    shards: [Shard; 1 << SHARD_BITS],
    slab: Slab<K>,
    /// Counts the living keys, if they are limited.
    limit: Option<Box<Gate>>,
    /// 1 once two keys with the same hash were met.
    same_hash: AtomicU32,
}

/// Returns whether a dormant key whose last life had a capacity can come back to life with another.
#[inline]
fn is_the_same(last: u32, capacity: u32) -> bool {
    last == capacity || mutant!("keyed-capacity-of-last-life")
}

/// What came of a try to take places of an entry in one step.
enum Taken<R> {
    Places(R),
    /// The entry does not have the key.
    Absent,
    /// The caller has to look closer.
    Unsettled,
    /// Another caller has changed the entry meanwhile.
    Lost,
}

/// A ref of a living key, and the places that are released with it.
///
/// Made by [`Table::entry_ref`] of an entry that has just counted the ref. `T` keeps the table of
/// the entry: a borrow, as [`Borrows`], or an `Arc`. It is two words long if it can be: the larger
/// it is, the longer it takes to hand it out.
pub(super) struct EntryRef<T, K> {
    entry: NonNull<Entry<K>>,
    /// Places held. With none, the ref counts as a pin.
    places: u32,
    _keeps: T,
}

/// A borrow of a table, without its address.
pub(super) type Borrows<'a, K> = PhantomData<&'a Table<K>>;

// SAFETY: `entry` is a shared reference to an entry, which is `Sync` if `K` is `Send` and `Sync`.
unsafe impl<T: Send, K: Send + Sync> Send for EntryRef<T, K> {}
// SAFETY: as above.
unsafe impl<T: Sync, K: Send + Sync> Sync for EntryRef<T, K> {}

impl<T, K> EntryRef<T, K> {
    #[inline]
    fn entry(&self) -> &Entry<K> {
        // SAFETY: an entry of a table that `self` keeps.
        unsafe { self.entry.as_ref() }
    }

    /// Returns the key.
    #[inline]
    pub(super) fn key(&self) -> &K {
        // SAFETY: `self` is a ref of this entry, for as long as the result is borrowed.
        unsafe { self.entry().key() }
    }

    /// Returns the number of places held.
    #[inline]
    pub(super) fn places(&self) -> u32 {
        self.places
    }

    /// Returns the gate of the key, if it has one.
    #[inline]
    fn gate_if_any(&self) -> Option<&Gate> {
        let entry = self.entry();
        // SAFETY: `self` is a ref of this entry, for as long as the result is borrowed.
        entry.state.read().is_gated().then(|| unsafe { entry.gate() })
    }

    /// Returns the number of places of the key that are held.
    pub(super) fn occupied(&self) -> u32 {
        let word = self.entry().state.read();
        match self.gate_if_any() {
            Some(gate) if word.is_gated() => gate.occupied(),
            _ => word.places(),
        }
    }

    /// Returns the capacity of the key.
    pub(super) fn capacity(&self) -> u32 {
        self.gate_if_any().map_or_else(|| self.entry().capacity(), Gate::capacity)
    }

    /// Acquires `n` places of the key. The ref has held none.
    pub(super) fn enter(&mut self, n: u32) -> Result<(), TryAcquireError> {
        debug_assert_eq!(self.places, 0);
        loop {
            let entry = self.entry();
            let seen = entry.state.read();
            if let Some(gate) = self.gate_if_any() {
                gate.take(n)?;
                self.gated_places(n);
                return Ok(());
            }
            if !seen.admits(n, entry.capacity()) {
                return Err(TryAcquireError::Full);
            }
            if n == 0 || entry.state.admit(seen, n).is_some() {
                self.places = n;
                return Ok(());
            }
            back_off();
        }
    }

    /// Records that the ref holds `n` places that were acquired of the key's gate.
    pub(super) fn gated_places(&mut self, n: u32) {
        if n > 1 {
            self.entry().state.add_refs(n);
        }
        self.places = n;
    }
}

impl<K> EntryRef<Borrows<'_, K>, K> {
    /// Returns the same ref with an `Arc` of the same table.
    ///
    /// # Safety
    ///
    /// The ref must be of an entry of that table.
    pub(super) unsafe fn by(self, table: Arc<Table<K>>) -> EntryRef<Arc<Table<K>>, K> {
        let this = core::mem::ManuallyDrop::new(self);
        EntryRef { entry: this.entry, places: this.places, _keeps: table }
    }
}

impl<T, K> Drop for EntryRef<T, K> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` is a ref of this entry with that many places, and is gone afterwards.
        unsafe { self.entry().release(self.places) };
    }
}

/// A ref of a living key that has a gate.
pub(super) struct GateRef<T, K> {
    entry_ref: EntryRef<T, K>,
    /// The gate of that entry.
    gate: NonNull<Gate>,
}

// SAFETY: `gate` is a shared reference, and `Gate` is `Sync`.
unsafe impl<T: Send, K: Send + Sync> Send for GateRef<T, K> {}
// SAFETY: as above.
unsafe impl<T: Sync, K: Send + Sync> Sync for GateRef<T, K> {}

impl<T, K> GateRef<T, K> {
    pub(super) fn key(&self) -> &K {
        self.entry_ref.key()
    }

    /// Returns the ref with `n` places, which the caller has acquired of the gate.
    #[cfg(feature = "wait")]
    pub(super) fn with_places(self, n: u32) -> EntryRef<T, K> {
        let mut entry_ref = self.entry_ref;
        entry_ref.gated_places(n);
        entry_ref
    }
}

impl<T, K> Deref for GateRef<T, K> {
    type Target = Gate;

    #[inline]
    fn deref(&self) -> &Gate {
        // SAFETY: a gate is in a box of its own, which its key keeps for as long as it lives.
        unsafe { self.gate.as_ref() }
    }
}

impl<K> Table<K> {
    pub(super) fn new(max_keys: Option<u32>) -> Self {
        let shards = core::array::from_fn(|_| Shard::new());
        let limit = max_keys.map(|max_keys| Box::new(Gate::new(max_keys)));
        Table { shards, slab: Slab::new(), limit, same_hash: AtomicU32::new(0) }
    }

    /// Makes buckets for that many keys, so that no call makes them until more keys live.
    pub(super) fn reserve(&self, keys: usize) {
        let each = keys.div_ceil(self.shards.len());
        // Hashes spread keys unevenly: one shard in a million has more than five deviations more.
        let most = each + 5 * each.isqrt();
        self.slab.reserve(keys);
        self.shards.iter().for_each(|shard| shard.reserve(&self.slab, most));
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[(hash >> 1 >> (63 - SHARD_BITS)) as usize]
    }

    #[inline]
    fn entry_ref(&self, entry: &Entry<K>, places: u32) -> EntryRef<Borrows<'_, K>, K> {
        EntryRef { entry: NonNull::from(entry), places, _keeps: PhantomData }
    }

    /// Gives an entry a gate, if a key lives there and has none.
    #[cold]
    fn promote(&self, entry: &Entry<K>) {
        // Allocated before the lock is taken, and dropped after it is released.
        let mut spare = Some(Box::new(Gate::new(0)));
        self.shard(entry.hash()).locked(|| {
            // SAFETY: that is the lock of the entry's shard: all keys that have lived in an entry
            // of this table, since the first, have the same shard.
            unsafe { entry.promote(&mut spare) };
        });
    }

    /// Gives the key of a ref a gate, if it has none.
    ///
    /// # Safety
    ///
    /// The ref must be of an entry of this table.
    pub(super) unsafe fn gated<T>(&self, entry_ref: EntryRef<T, K>) -> GateRef<T, K> {
        if entry_ref.gate_if_any().is_none() {
            self.promote(entry_ref.entry());
        }
        let gate = entry_ref.gate_if_any().expect("a gate stays for as long as the key lives");
        GateRef { gate: NonNull::from(gate), entry_ref }
    }

    /// Takes a pin of the key that lives in an entry. Returns `None` if none lives there, or if
    /// `is_it` is false of the entry. `promote` gives a gate to an entry whose word is full of
    /// pins.
    fn pin(
        &self,
        entry: &Entry<K>,
        is_it: impl Fn() -> bool,
        promote: impl Fn(),
    ) -> Option<EntryRef<Borrows<'_, K>, K>> {
        loop {
            let seen = entry.state.read();
            if !seen.is_live() || !is_it() {
                return None;
            }
            if !seen.can_pin() {
                assert!(!seen.is_gated(), "too many permits and handles of one key");
                promote();
            } else if entry.state.pin(seen).is_some() {
                return Some(self.entry_ref(entry, 0));
            } else {
                back_off();
            }
        }
    }

    /// As [`pin`](Self::pin), of a caller under the lock of the entry's shard.
    ///
    /// # Safety
    ///
    /// The caller must have that lock.
    unsafe fn pin_locked(&self, entry: &Entry<K>) -> Option<EntryRef<Borrows<'_, K>, K>> {
        // SAFETY: the caller has the lock.
        let promote = || unsafe { entry.promote(&mut Some(Box::new(Gate::new(0)))) };
        self.pin(entry, || true, promote)
    }

    /// Returns the number of living keys, counted no further than `enough`.
    pub(super) fn count(&self, enough: usize) -> usize {
        self.slab.all().filter(|entry| entry.state.read().is_live()).take(enough).count()
    }

    /// Returns a ref of every living key, one after the other.
    pub(super) fn visit(&self) -> impl Iterator<Item = EntryRef<Borrows<'_, K>, K>> {
        self.slab.all().filter_map(|entry| self.pin(entry, || true, || self.promote(entry)))
    }

    /// Takes `n` places, 1 or more, of the key that has a hash in an entry, in one step. If the key
    /// is dormant, it comes to life if `has_capacity` is true of its capacity.
    #[inline]
    fn take(
        &self,
        entry: &Entry<K>,
        hash: u64,
        n: u32,
        has_capacity: impl FnOnce(u32) -> bool,
    ) -> Taken<EntryRef<Borrows<'_, K>, K>> {
        // Relaxed: the caller that has met two keys with one hash sees it; to all others it was at
        // no instant known before.
        if self.same_hash.load(Ordering::Relaxed) != 0 {
            return Taken::Unsettled;
        }
        let seen = entry.state.read();
        if entry.hash() != hash {
            return Taken::Absent;
        }
        let capacity = entry.capacity();
        if !(seen.is_live() || seen.is_dormant() && n <= capacity && has_capacity(capacity)) {
            return Taken::Absent;
        }
        if seen.is_gated() || !seen.admits(n, capacity) {
            return Taken::Unsettled;
        }
        if entry.state.take(seen, n).is_none() {
            return Taken::Lost;
        }
        Taken::Places(self.entry_ref(entry, n))
    }

    /// Returns a ref of an entry with `wants` places, if the entry has the key that is asked for.
    /// If the key is dormant, it comes to life if `has_capacity` is true of its capacity.
    fn try_entry(
        &self,
        entry: &Entry<K>,
        hash: u64,
        wants: Option<u32>,
        is_it: impl Fn(&K) -> bool,
        mut has_capacity: impl FnMut(u32) -> bool,
    ) -> Option<Result<EntryRef<Borrows<'_, K>, K>, TryAcquireError>> {
        while let Some(n @ 1..) = wants {
            match self.take(entry, hash, n, &mut has_capacity) {
                Taken::Places(found) => return self.checked(found, is_it).map(Ok),
                Taken::Absent => return None,
                Taken::Unsettled => break,
                Taken::Lost => back_off(),
            }
        }
        let found = self.pin(entry, || entry.hash() == hash, || self.promote(entry))?;
        let mut found = self.checked(found, is_it)?;
        Some(match wants {
            Some(n) => found.enter(n).map(|()| found),
            None => Ok(found),
        })
    }

    /// Returns a ref whose key has the hash that is asked for, if it is the key itself.
    #[inline]
    fn checked<'a>(
        &self,
        found: EntryRef<Borrows<'a, K>, K>,
        is_it: impl Fn(&K) -> bool,
    ) -> Option<EntryRef<Borrows<'a, K>, K>> {
        if is_it(found.key()) {
            return Some(found);
        }
        // Before the ref is released. Relaxed: see `take`.
        self.same_hash.store(1, Ordering::Relaxed);
        None
    }

    /// Returns a ref of a key with `wants` places, if one of the entries has it.
    fn try_entries<'a>(
        &self,
        entries: impl Iterator<Item = &'a Entry<K>>,
        hash: u64,
        wants: Option<u32>,
        is_it: impl Fn(&K) -> bool,
        mut has_capacity: impl FnMut(u32) -> bool,
    ) -> Option<Result<EntryRef<Borrows<'_, K>, K>, TryAcquireError>>
    where
        K: 'a,
    {
        for entry in entries {
            if let Some(found) = self.try_entry(entry, hash, wants, &is_it, &mut has_capacity) {
                return Some(found);
            }
        }
        None
    }

    /// Decides under the lock whether a key lives, as [`Shard::settle`]. Returns a ref of it if it
    /// does. `differs` is true of a key that is another one.
    fn settle(
        &self,
        hash: u64,
        differs: impl Fn(&K) -> bool,
        mut open: Option<impl FnMut(&Entry<K>, bool)>,
    ) -> Result<EntryRef<Borrows<'_, K>, K>, Found<'_, K>> {
        // Refs of all other keys with that hash that were compared, by the address of their entry:
        // none of them can end, and another key take its entry, before the lock is taken again.
        let mut others: Vec<EntryRef<Borrows<'_, K>, K>> = Vec::new();
        loop {
            let compared = others.len();
            let known = |others: &[EntryRef<_, K>], entry| {
                others[..compared].binary_search_by_key(&entry, |other| other.entry).is_ok()
            };
            let differs_or_new = |entry: &Entry<K>| {
                if known(&others, NonNull::from(entry)) {
                    return Some(true);
                }
                // SAFETY: `settle` calls this under the lock of the shard.
                others.push(unsafe { self.pin_locked(entry) }?);
                Some(false)
            };
            let limit = self.limit.as_deref();
            let settled =
                self.shard(hash).settle(&self.slab, hash, differs_or_new, open.as_mut(), limit);
            if !matches!(settled, Found::Others) {
                return Err(settled);
            }
            if let Some(at) = (compared..others.len()).find(|&at| !differs(others[at].key())) {
                return Ok(others.swap_remove(at));
            }
            // Relaxed: see `try_entry`.
            self.same_hash.store(1, Ordering::Relaxed);
            others.sort_unstable_by_key(|other| other.entry);
        }
    }

    /// Returns a ref of a key, if it lives.
    pub(super) fn find(
        &self,
        hash: u64,
        is_it: impl Fn(&K) -> bool,
    ) -> Option<EntryRef<Borrows<'_, K>, K>> {
        let entries = self.shard(hash).hints(hash).filter_map(|index| self.slab.get(index));
        if let Some(found) = self.try_entries(entries, hash, None, &is_it, |_| false) {
            return found.ok();
        }
        self.settle(hash, |key| !is_it(key), None::<fn(&Entry<K>, bool)>).ok()
    }
}

impl<K: Eq> Table<K> {
    /// Returns a ref of a key with `wants` places. Brings the key to life if it does not live.
    // Inlined: as in `KeyedGate`.
    #[inline(always)]
    pub(super) fn join(
        &self,
        asked: impl Asked<K>,
        hash: u64,
        wants: Option<u32>,
        capacity_of: impl Fn(&K) -> u32,
    ) -> Result<EntryRef<Borrows<'_, K>, K>, TryAcquireError> {
        // Called before anything changes: it may panic, take its time, or use this table.
        let mut capacity = None;
        let mut hints = self.shard(hash).hints(hash);
        // Most callers that want places find their key here, or nothing.
        let first = hints.next_near().and_then(|index| self.slab.get(index));
        let mut unsettled = first;
        if let (Some(entry), Some(n @ 1..)) = (first, wants) {
            let has_capacity = |other| {
                let known = asked.capacity(&capacity_of);
                capacity = Some(known);
                is_the_same(other, known)
            };
            match self.take(entry, hash, n, has_capacity) {
                Taken::Places(found) => {
                    if let Some(found) = self.checked(found, |key| asked.is(key)) {
                        // Here, where a panic of the key's destructor releases what was found.
                        drop(asked);
                        return Ok(found);
                    }
                    unsettled = None;
                }
                Taken::Absent => unsettled = None,
                Taken::Unsettled => {}
                Taken::Lost => back_off(),
            }
        }
        if unsettled.is_some() || hints.may_go_on() {
            let others = hints.filter_map(|index| self.slab.get(index));
            let entries = unsettled.into_iter().chain(others);
            return self.join_slowly(entries, asked, hash, wants, capacity, capacity_of);
        }
        let key = asked.into_key();
        let capacity = capacity.unwrap_or_else(|| capacity_of(&key));
        self.join_new(key, hash, wants, capacity)
    }

    /// As [`join`](Self::join), for a key that was not found at once, and that one of the entries
    /// may have.
    #[inline(never)]
    fn join_slowly<'a>(
        &self,
        entries: impl Iterator<Item = &'a Entry<K>>,
        asked: impl Asked<K>,
        hash: u64,
        wants: Option<u32>,
        mut capacity: Option<u32>,
        capacity_of: impl Fn(&K) -> u32,
    ) -> Result<EntryRef<Borrows<'_, K>, K>, TryAcquireError>
    where
        K: 'a,
    {
        let mut known =
            |asked: &_| *capacity.get_or_insert_with(|| Asked::capacity(asked, &capacity_of));
        let has_capacity = |other| is_the_same(other, known(&asked));
        let is_it = |key: &K| asked.is(key);
        let found = self.try_entries(entries, hash, wants, is_it, has_capacity);
        if let Some(found) = found {
            // Here, where a panic of the key's destructor releases what was found.
            drop(asked);
            return found;
        }
        let key = asked.into_key();
        let capacity = capacity.unwrap_or_else(|| capacity_of(&key));
        self.join_new(key, hash, wants, capacity)
    }

    /// As [`join`](Self::join), for a key that probably does not live.
    #[inline(never)]
    fn join_new(
        &self,
        key: K,
        hash: u64,
        wants: Option<u32>,
        capacity: u32,
    ) -> Result<EntryRef<Borrows<'_, K>, K>, TryAcquireError> {
        let n = wants.unwrap_or(0);
        let key = RefCell::new(Some(key));
        let open = |entry: &Entry<K>, returns| {
            let key = key.take().expect("it is taken once");
            // SAFETY: `settle` calls this under the lock of the shard with a vacant entry. The
            // limit is in a box of the table's own, for good.
            unsafe { entry.open(key, hash, capacity, n, self.limit.as_deref(), returns) };
        };
        let differs = |other: &K| key.borrow().as_ref() != Some(other);
        match self.settle(hash, differs, (capacity >= n).then_some(open)) {
            Err(Found::Opened(entry)) => Ok(self.entry_ref(entry, n)),
            Err(Found::KeysFull) => Err(TryAcquireError::KeysFull),
            Err(_) => Err(TryAcquireError::Full),
            Ok(mut found) => {
                // Here, where a panic of the key's destructor releases what was found.
                drop(key);
                match wants {
                    Some(n) => found.enter(n).map(|()| found),
                    None => Ok(found),
                }
            }
        }
    }
}
