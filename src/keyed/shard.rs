//! Shards: which entry has which key, by the hash of the key.
//!
//! # Invariant
//!
//! A living key has one bucket in the present array of its shard. Buckets change under the lock.
//!
//! # Buckets
//!
//! The array of a shard is made of groups of six buckets, two groups on a cache line, with linear
//! probing from group to group. A bucket has seven bits of a hash and the index of an entry,
//! or is empty. A group is searched for those bits as a whole, without a branch for each bucket. A
//! bucket whose entry is vacant or dormant stays: the next key with the same hash takes bucket and
//! entry over, and otherwise the next rebuilding clears it. So a key ends by a change of its entry
//! alone, without the lock. When two thirds of the buckets are in use, the array is rebuilt with
//! the living keys, in a length that suits their number: longer, shorter, or the same. That costs a
//! constant number of steps for each key that has come to life, on average.
//!
//! # Reading without the lock
//!
//! An array that was replaced is kept, and used again when its length is. So a reader never meets
//! freed memory, and all arrays of a shard together are at most twice as long as the longest. What
//! a reader finds is only a hint: the entry itself says whether it has the key. A caller that finds
//! nothing looks again under the lock.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::null_mut;

use super::entry::Entry;
use super::slab::Slab;
use crate::gate::Gate;
use crate::protocol::mutants::{mutant, ordering};
use crate::short_lock::ShortLock;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Lazy, Ordering, IN_MODEL};

/// The number of groups of the shortest array.
const SHORTEST: usize = if IN_MODEL { 1 } else { 8 };

/// The number of buckets for each group that may be in use, before the array is rebuilt and after.
const USED: usize = if IN_MODEL { 2 } else { 4 };
const USED_AT_FIRST: usize = if IN_MODEL { 1 } else { 3 };

/// The number of buckets of a group.
const GROUP: usize = 6;

/// The lowest bit of the hash that chooses the group.
const GROUP_BITS_FROM: u32 = 32;

/// The lowest bit and the highest one of each byte of a group's tags.
const LOW_BITS: u64 = 0x0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;

/// Six buckets, on half a cache line.
#[derive(Default)]
#[repr(C, align(32))]
struct Group {
    /// A byte for each bucket: 0 if it is empty, else the high bit and seven bits of the hash. Two
    /// bytes more are always 0.
    tags: AtomicU64,
    /// The index of the entry of each bucket.
    entries: [AtomicU32; GROUP],
}

impl Group {
    // Relaxed, in all of them: under the lock, or a hint.

    #[inline]
    fn entry(&self, bucket: usize) -> u32 {
        self.entries[bucket].load(Ordering::Relaxed)
    }

    /// Returns the indices of the entries of the buckets that are in use.
    fn used(&self) -> impl Iterator<Item = u32> + use<'_> {
        // Buckets come into use in order.
        let in_use = (self.tags.load(Ordering::Relaxed) & HIGH_BITS).count_ones();
        (0..in_use as usize).map(|bucket| self.entry(bucket))
    }

    #[inline]
    fn set(&self, bucket: usize, hash: u64, index: u32) {
        self.entries[bucket].store(index, Ordering::Relaxed);
        let tags = self.tags.load(Ordering::Relaxed);
        self.tags.store(tags | (tag(hash) << (8 * bucket)), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.tags.store(0, Ordering::Relaxed);
    }
}

/// Returns the tag of a hash. Higher bits of the hash choose the group, and the highest the shard.
#[inline]
fn tag(hash: u64) -> u64 {
    0x80 | ((hash >> (GROUP_BITS_FROM - 7)) & 0x7f)
}

/// Returns the bucket of the lowest one of some high bits.
#[inline]
fn lowest(high_bits: u64) -> usize {
    high_bits.trailing_zeros() as usize / 8
}

/// A search for the entries that may have a hash: from group to group, up to the first empty
/// bucket.
pub(super) struct Probe<'a> {
    groups: &'a [Group],
    hash: u64,
    /// How many groups were searched before the present one.
    step: usize,
    /// The high bits of the empty buckets of the present group.
    empty: u64,
    /// The high bits of the buckets with the tag that is looked for, as far as they have not been
    /// returned. Where a lower bucket matches, a bucket may match in vain.
    matches: u64,
}

impl<'a> Probe<'a> {
    /// Begins a search of an array, whose length is a power of two or zero.
    #[inline]
    fn new(groups: &'a [Group], hash: u64) -> Self {
        let mut probe = Probe { groups, hash, step: 0, empty: 0, matches: 0 };
        if !groups.is_empty() {
            probe.look();
        }
        probe
    }

    #[inline]
    fn group(&self) -> &'a Group {
        debug_assert!(self.groups.len().is_power_of_two());
        let first = (self.hash >> GROUP_BITS_FROM) as usize;
        let place = first.wrapping_add(self.step) & (self.groups.len() - 1);
        // SAFETY: the length is a power of two, so the place is below it: without a group, none is
        // looked at.
        unsafe { self.groups.get_unchecked(place) }
    }

    #[inline]
    fn look(&mut self) {
        // Relaxed: under the lock, or a hint.
        let tags = self.group().tags.load(Ordering::Relaxed);
        let different = tags ^ (tag(self.hash) * LOW_BITS);
        self.matches = different.wrapping_sub(LOW_BITS) & !different & HIGH_BITS;
        self.empty = !tags & HIGH_BITS;
    }

    /// As `next`, in the present group only.
    #[inline]
    pub(super) fn next_near(&mut self) -> Option<u32> {
        if self.matches == 0 {
            return None;
        }
        let bucket = lowest(self.matches);
        self.matches &= self.matches - 1;
        Some(self.group().entry(bucket))
    }

    /// Returns whether `next` may return an index.
    #[inline]
    pub(super) fn may_go_on(&self) -> bool {
        self.matches != 0 || (self.empty == 0 && !self.groups.is_empty())
    }

    /// Goes to the group that has the first empty bucket, and returns that bucket.
    #[inline]
    fn end(mut self) -> (&'a Group, usize) {
        while self.empty == 0 {
            self.step += 1;
            self.look();
        }
        (self.group(), lowest(self.empty))
    }
}

impl Iterator for Probe<'_> {
    /// The index of an entry.
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.matches == 0 {
            if self.empty != 0 || self.step + 1 >= self.groups.len() {
                return None;
            }
            self.step += 1;
            self.look();
        }
        self.next_near()
    }
}

/// What the lock protects.
#[derive(Default)]
struct Shelf {
    /// Arrays by their length: the first has `SHORTEST` groups, each other one twice as many.
    arrays: Vec<Option<Box<[Group]>>>,
    /// The number of buckets of the present array that are not empty.
    used: usize,
    /// Vacant entries that are in no bucket: the index of the first, plus one.
    free: u32,
    /// The number of keys for which there is always an array.
    expected: usize,
}

/// One lock, on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Locked(ShortLock<Shelf>);

pub(super) struct Shard {
    /// The present array: the address of its first group, plus the logarithm of its length, for
    /// which the alignment leaves room. Null until there is one.
    present: AtomicPtr<Group>,
    lock: Lazy<Locked>,
}

/// The bits of an array's address that have the logarithm of its length.
const LENGTH: usize = align_of::<Group>() - 1;

/// What a caller has found under the lock.
pub(super) enum Found<'a, K> {
    /// Keys with the same hash live that the caller has to compare with its own.
    Others,
    /// The key has come to life, in this entry.
    Opened(&'a Entry<K>),
    /// The key does not live.
    Absent,
    /// The key does not live, and as many keys live as may live at once.
    KeysFull,
}

impl Shard {
    pub(super) fn new() -> Self {
        Shard { present: AtomicPtr::new(null_mut()), lock: Lazy::new() }
    }

    /// Returns the present array; an empty one if there is none yet.
    #[inline]
    fn groups(&self) -> &[Group] {
        // Acquire, pairs with the Release of `rebuild`: the array is initialized.
        let present = self.present.load(ordering!("keyed-array", Acquire => Relaxed));
        if present.is_null() {
            return &[];
        }
        let first = present.map_addr(|address| address & !LENGTH);
        // SAFETY: `rebuild` made an array of that length, which stays for as long as the shard.
        unsafe { core::slice::from_raw_parts(first, 1 << (present.addr() & LENGTH)) }
    }

    /// Returns the indices of entries that may have a hash. May miss entries that come to have it
    /// during the call, and all if the array is replaced.
    #[inline]
    pub(super) fn hints(&self, hash: u64) -> Probe<'_> {
        Probe::new(self.groups(), hash)
    }

    /// Makes an array for that many keys.
    pub(super) fn reserve<K>(&self, slab: &Slab<K>, expected: usize) {
        self.lock.get_or_make().0.with(|shelf| {
            shelf.expected = expected;
            self.rebuild(shelf, slab);
        });
    }

    /// Calls `f` under the lock.
    pub(super) fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        self.lock.get_or_make().0.with(|_| f())
    }

    /// Decides under the lock whether a key lives, and opens an entry with `open` if it does not
    /// and `open` is given. `differs` is called with each entry whose key lives and has the same
    /// hash. It returns whether that key is known to be another one, or `None` if it has ended.
    /// `open` is also told whether the entry had the same hash before. `limit` is the gate of the
    /// living keys, if they are limited.
    #[inline]
    pub(super) fn settle<'a, K>(
        &self,
        slab: &'a Slab<K>,
        hash: u64,
        mut differs: impl FnMut(&Entry<K>) -> Option<bool>,
        open: Option<impl FnOnce(&Entry<K>, bool)>,
        limit: Option<&Gate>,
    ) -> Found<'a, K> {
        let lock = match self.lock.get() {
            Some(lock) => lock,
            // No key has lived here.
            None if open.is_none() => return Found::Absent,
            None => self.lock.get_or_make(),
        };
        lock.0.with(|shelf| {
            let mut others = false;
            let mut vacant = None;
            let mut probe = Probe::new(self.groups(), hash);
            for index in &mut probe {
                let entry = slab.get(index).expect("a bucket has an entry");
                if entry.hash() != hash {
                    continue;
                }
                // Until it is settled what the entry has: a key that is neither gone nor another
                // one could come back to life beside the one that is opened here.
                loop {
                    let seen = entry.state.read();
                    if seen.is_live() {
                        match differs(entry) {
                            Some(known) => others |= !known,
                            None if mutant!("keyed-ended-while-compared") => {}
                            None => continue,
                        }
                    } else if seen.is_dormant() && open.is_some() {
                        // Also beside another one: each of them may have the key.
                        if vacant.is_some() && mutant!("keyed-dormant-beside") {
                            break;
                        }
                        if !entry.state.forget(seen) {
                            continue;
                        }
                        vacant = Some(entry);
                    } else if seen.is_vacant() {
                        vacant = Some(entry);
                    }
                    break;
                }
            }
            if others {
                return Found::Others;
            }
            let Some(open) = open else { return Found::Absent };
            if limit.is_some_and(|limit| limit.take(1).is_err()) {
                return Found::KeysFull;
            }
            let returns = vacant.is_some();
            let entry = vacant.unwrap_or_else(|| self.add(shelf, slab, probe));
            open(entry, returns);
            Found::Opened(entry)
        })
    }

    /// Puts a vacant entry into the first empty bucket for a hash. `probe` has searched for the
    /// hash.
    #[inline]
    fn add<'a, 'b, K>(
        &'b self,
        shelf: &mut Shelf,
        slab: &'a Slab<K>,
        mut probe: Probe<'b>,
    ) -> &'a Entry<K> {
        let hash = probe.hash;
        if shelf.used + 1 > self.groups().len() * USED {
            self.rebuild(shelf, slab);
            probe = Probe::new(self.groups(), hash);
        }
        let index = shelf.take_free(slab).unwrap_or_else(|| slab.add());
        let (group, bucket) = probe.end();
        group.set(bucket, hash, index);
        shelf.used += 1;
        slab.get(index).expect("it was added")
    }

    /// Replaces the array by one that has the living keys only, and suits their number.
    #[cold]
    fn rebuild<K>(&self, shelf: &mut Shelf, slab: &Slab<K>) {
        let mut kept = Vec::new();
        for index in self.groups().iter().flat_map(Group::used) {
            let entry = slab.get(index).expect("a bucket has an entry");
            if entry.forget() {
                // Relaxed: under the lock.
                entry.next_free.store(shelf.free, Ordering::Relaxed);
                shelf.free = index + 1;
            } else {
                kept.push((entry.hash(), index));
            }
        }
        // At least a sixth of the buckets can come into use before the next rebuilding.
        let keys = kept.len().max(shelf.expected) + 1;
        let len = keys.div_ceil(USED_AT_FIRST).next_power_of_two().max(SHORTEST);
        let level = (len / SHORTEST).ilog2() as usize;
        if shelf.arrays.len() <= level {
            shelf.arrays.resize_with(level + 1, || None);
        }
        let array =
            shelf.arrays[level].get_or_insert_with(|| (0..len).map(|_| Group::default()).collect());
        array.iter().for_each(Group::clear);
        for &(hash, index) in &kept {
            let (group, bucket) = Probe::new(array, hash).end();
            group.set(bucket, hash, index);
        }
        shelf.used = kept.len();
        // Release, pairs with the Acquire of `groups`.
        let release = ordering!("keyed-array-made", Release => Relaxed);
        let first = array.as_ptr().cast_mut();
        self.present.store(first.map_addr(|address| address | len.ilog2() as usize), release);
    }
}

impl Shelf {
    /// Takes a vacant entry that is in no bucket.
    fn take_free<K>(&mut self, slab: &Slab<K>) -> Option<u32> {
        let index = self.free.checked_sub(1)?;
        let entry = slab.get(index).expect("a free entry is there");
        // Relaxed: under the lock.
        self.free = entry.next_free.load(Ordering::Relaxed);
        Some(index)
    }
}
