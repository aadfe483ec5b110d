//! The slab: the entries of a table, by index.
//!
//! # Invariant
//!
//! Entries are in blocks, each twice as long as the one before. A block is never moved, and freed
//! only with the slab. The index of an entry has the number of its block in the high bits and its
//! place there in the others. Each of the first `next` indices was returned by [`Slab::add`] once.
#![allow(unsafe_code)]

use core::ptr::null_mut;

use super::entry::Entry;
use crate::protocol::mutants::ordering;
use crate::sync::{AtomicPtr, AtomicU32, Ordering, IN_MODEL};

/// The length of the first block, as a power of two.
const FIRST_BITS: u32 = if IN_MODEL { 0 } else { 3 };
/// The number of blocks: as many as an index can name.
const BLOCKS: usize = 1 << (u32::BITS - PLACE_BITS);
/// The number of bits of an index that have the place.
const PLACE_BITS: u32 = if IN_MODEL { 30 } else { 27 };
/// The number of entries of all blocks that are in use: the longest has as many as an index can
/// name.
const LIMIT: u32 = (2 << PLACE_BITS) - (1 << FIRST_BITS);

pub(super) struct Slab<K> {
    /// The first entry of each block; null until it is needed.
    blocks: [AtomicPtr<Entry<K>>; BLOCKS],
    next: AtomicU32,
}

// SAFETY: the blocks belong to the slab, which gives out shared references to their entries, and
// drops them with itself on any thread.
unsafe impl<K: Send + Sync> Send for Slab<K> {}
// SAFETY: as above.
unsafe impl<K: Send + Sync> Sync for Slab<K> {}

/// Returns the index of the entry that was added after `before` others.
#[inline]
fn index(before: u32) -> u32 {
    let from_first = before + (1 << FIRST_BITS);
    let bits = from_first.ilog2();
    ((bits - FIRST_BITS) << PLACE_BITS) | (from_first ^ (1 << bits))
}

/// Returns the block of an index, and the place in that block.
#[inline]
fn location(index: u32) -> (usize, usize) {
    ((index >> PLACE_BITS) as usize, (index & ((1 << PLACE_BITS) - 1)) as usize)
}

/// Returns the length of a block.
fn len(block: usize) -> usize {
    1 << FIRST_BITS << block
}

impl<K> Slab<K> {
    pub(super) fn new() -> Self {
        let blocks = core::array::from_fn(|_| AtomicPtr::new(null_mut()));
        Slab { blocks, next: AtomicU32::new(0) }
    }

    /// Returns the entry of an index; `None` if its block is not visible to this thread yet.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Entry<K>> {
        let (block, place) = location(index);
        // Acquire, pairs with the Release of `add`: the entries of the block are visible.
        let first = self.blocks[block].load(ordering!("keyed-block", Acquire => Relaxed));
        // SAFETY: the block has more than `place` entries and stays for as long as `self`.
        (!first.is_null()).then(|| unsafe { &*first.add(place) })
    }

    /// Returns all entries, except those whose block is not visible to this thread yet.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry<K>> {
        // Relaxed: `get` says which of them are visible.
        (0..self.next.load(Ordering::Relaxed)).filter_map(|before| self.get(index(before)))
    }

    /// Adds a vacant entry, and returns its index.
    #[cold]
    pub(super) fn add(&self) -> u32 {
        // Relaxed, twice: the caller publishes the index.
        let more = |next: u32| (next < LIMIT).then(|| next + 1);
        let added = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let index = index(added.expect("too many keys live at once"));
        self.make(location(index).0);
        index
    }

    /// Makes the blocks of that many entries.
    pub(super) fn reserve(&self, entries: usize) {
        let mut left = entries;
        for block in 0..BLOCKS {
            if left == 0 {
                return;
            }
            self.make(block);
            left = left.saturating_sub(len(block));
        }
    }

    /// Makes a block, if it is not there.
    fn make(&self, block: usize) {
        let first = &self.blocks[block];
        // Relaxed: only whether there is a block counts here.
        if first.load(Ordering::Relaxed).is_null() {
            let made = memory::allocate(len(block));
            // Release, pairs with the Acquire of `get`.
            let release = ordering!("keyed-block-made", Release => Relaxed);
            if first.compare_exchange(null_mut(), made, release, Ordering::Relaxed).is_err() {
                // SAFETY: another caller was first, and this block is nowhere else.
                unsafe { memory::free(made, len(block)) };
            }
        }
    }
}

impl<K> Drop for Slab<K> {
    fn drop(&mut self) {
        struct Block<K>(*mut Entry<K>, usize);

        impl<K> Drop for Block<K> {
            fn drop(&mut self) {
                if !self.0.is_null() {
                    // SAFETY: `make` made the block with that length, and it is in one place only.
                    unsafe { memory::free(self.0, self.1) };
                }
            }
        }

        // As an array: if a destructor of one block panics, the others are still freed. Relaxed: no
        // other caller has access to the slab any more.
        let block = |block: usize| Block(self.blocks[block].load(Ordering::Relaxed), len(block));
        drop::<[Block<K>; BLOCKS]>(core::array::from_fn(block));
    }
}

#[cfg(not(any(headcount_loom, headcount_shuttle)))]
mod memory {
    use core::alloc::Layout;

    use super::Entry;

    fn layout<K>(len: usize) -> Layout {
        Layout::array::<Entry<K>>(len).expect("a block fits into the address space")
    }

    /// Allocates vacant entries. A large block of zeros costs nothing until it is used: the
    /// operating system fills its pages one by one.
    pub(super) fn allocate<K>(len: usize) -> *mut Entry<K> {
        let layout = layout::<K>(len);
        // SAFETY: an entry has a size. All its fields may be zero: atomics, `None` of a box, and
        // memory that need not be initialized.
        let block = unsafe { alloc::alloc::alloc_zeroed(layout) };
        if block.is_null() {
            alloc::alloc::handle_alloc_error(layout);
        }
        block.cast()
    }

    /// Drops and frees a block.
    ///
    /// # Safety
    ///
    /// The block must come from `allocate` with that length, and not be used afterwards.
    pub(super) unsafe fn free<K>(block: *mut Entry<K>, len: usize) {
        struct Free(*mut u8, Layout);

        impl Drop for Free {
            fn drop(&mut self) {
                // SAFETY: allocated with that layout.
                unsafe { alloc::alloc::dealloc(self.0, self.1) };
            }
        }

        let _free = Free(block.cast(), layout::<K>(len));
        // SAFETY: the entries are there. If a destructor panics, the others still run.
        unsafe { core::ptr::slice_from_raw_parts_mut(block, len).drop_in_place() };
    }
}

#[cfg(any(headcount_loom, headcount_shuttle))]
mod memory {
    use alloc::boxed::Box;

    use super::Entry;

    pub(super) fn allocate<K>(len: usize) -> *mut Entry<K> {
        let entries: Box<[_]> = (0..len).map(|_| Entry::<K>::vacant()).collect();
        Box::into_raw(entries).cast()
    }

    /// # Safety
    ///
    /// As for the other one.
    pub(super) unsafe fn free<K>(block: *mut Entry<K>, len: usize) {
        // SAFETY: made by `allocate`.
        drop(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(block, len)) });
    }
}
