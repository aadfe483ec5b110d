//! Blocks: a head and cells behind it in one piece of memory, which threads find by one pointer.
//!
//! # Invariant
//!
//! A block is made as a whole before its pointer is published, and does not move. A [`Published`]
//! is empty, or has the same block until it is dropped. Several threads may make a block for it at
//! the same time: the first to set the pointer wins, and the others drop theirs. No thread waits
//! for another, and a thread that stops in the middle leaves the place empty or filled.
//!
//! The cells have the alignment of the head as well as their own, and the block ends at a multiple
//! of it. So with a padded head, head and cells share no cache line with each other or anything
//! else.
#![allow(unsafe_code)]

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

use crate::protocol::mutants::ordering;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// The beginning of a block. The cells stand behind it.
#[repr(C)]
struct Start<H> {
    /// The memory as it was allocated, which may begin before the block.
    memory: NonNull<u8>,
    len: usize,
    head: H,
}

/// A head and cells, which it owns.
pub(crate) struct Block<H, C> {
    start: NonNull<Start<H>>,
    _owns: PhantomData<(H, C)>,
}

// SAFETY: as a struct with a head and a box of cells.
unsafe impl<H: Send, C: Send> Send for Block<H, C> {}

// SAFETY: as above.
unsafe impl<H: Sync, C: Sync> Sync for Block<H, C> {}

/// A shared reference to a block. As small as a pointer; it derefs to the head.
pub(crate) struct BlockRef<'a, H, C> {
    start: NonNull<Start<H>>,
    _borrows: PhantomData<&'a Block<H, C>>,
}

// SAFETY: as a shared reference to a block.
unsafe impl<H: Sync, C: Sync> Send for BlockRef<'_, H, C> {}

// SAFETY: as above.
unsafe impl<H: Sync, C: Sync> Sync for BlockRef<'_, H, C> {}

impl<H, C> Clone for BlockRef<'_, H, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H, C> Copy for BlockRef<'_, H, C> {}

impl<H, C> Block<H, C> {
    /// The alignment that the allocator is asked for. If it is larger than this, the standard
    /// library writes all of the zeros itself, and so touches memory that nothing uses yet.
    const ASKED: usize = align_of::<u64>();

    /// The alignment of the block.
    const ALIGN: usize = if align_of::<C>() > align_of::<Start<H>>() {
        align_of::<C>()
    } else {
        align_of::<Start<H>>()
    };

    /// The distance of the cells from the beginning of the block.
    const CELLS: usize = size_of::<Start<H>>().next_multiple_of(align_of::<C>());

    /// Returns the layout of the memory of a block of `len` cells. It is large enough for the block
    /// wherever it begins.
    fn layout(len: usize) -> Layout {
        let slack = Self::ALIGN.saturating_sub(Self::ASKED);
        let size = size_of::<C>().checked_mul(len).and_then(|size| size.checked_add(Self::CELLS));
        let size = size.and_then(|size| size.checked_next_multiple_of(Self::ALIGN));
        let size = size.and_then(|size| size.checked_add(slack));
        let align = Self::ALIGN.min(Self::ASKED);
        let layout = size.and_then(|size| Layout::from_size_align(size, align).ok());
        layout.expect("a block that fits into memory")
    }

    /// Creates a block of `len` cells, all bits of which are 0.
    ///
    /// # Safety
    ///
    /// The caller writes every cell before it uses the block, unless 0 is a value of it.
    unsafe fn zeroed(head: H, len: usize) -> Block<H, C> {
        let layout = Self::layout(len);
        // SAFETY: the size is not 0, as the start is part of it.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) });
        let memory = memory.unwrap_or_else(|| handle_alloc_error(layout));
        let slack = (memory.as_ptr() as usize).wrapping_neg() % Self::ALIGN;
        // SAFETY: the memory begins at a multiple of the smaller alignment, so the slack is at most
        // what `layout` has added.
        let start = unsafe { memory.add(slack) }.cast::<Start<H>>();
        // SAFETY: it is aligned, and the memory is large enough and the caller's.
        unsafe { start.write(Start { memory, len, head }) };
        Block { start, _owns: PhantomData }
    }

    /// Creates a block of `len` cells.
    pub(crate) fn new(head: H, len: usize, mut cell: impl FnMut() -> C) -> Block<H, C> {
        // SAFETY: every cell is written below. If `cell` panics, the memory is leaked.
        let block = core::mem::ManuallyDrop::new(unsafe { Self::zeroed(head, len) });
        let cells = block.get().first();
        for index in 0..len {
            // SAFETY: the memory has space for `len` cells, and no other reference to it exists.
            unsafe { cells.add(index).write(cell()) };
        }
        core::mem::ManuallyDrop::into_inner(block)
    }

    pub(crate) fn get(&self) -> BlockRef<'_, H, C> {
        BlockRef { start: self.start, _borrows: PhantomData }
    }
}

impl<H> Block<H, AtomicU64> {
    /// Creates a block of `len` words of 0. The allocator hands out most of a large one untouched.
    pub(crate) fn zeros(head: H, len: usize) -> Block<H, AtomicU64> {
        if cfg!(any(headcount_loom, headcount_shuttle)) {
            return Block::new(head, len, || AtomicU64::new(0));
        }
        // SAFETY: an atomic integer is in memory as the integer itself, and may be 0.
        unsafe { Self::zeroed(head, len) }
    }
}

impl<H, C> Drop for Block<H, C> {
    /// If a destructor panics, the rest is leaked.
    fn drop(&mut self) {
        let (memory, len) = (self.get().start().memory, self.get().len());
        let cells = ptr::slice_from_raw_parts_mut(self.get().first().as_ptr(), len);
        // SAFETY: the block has all of these, by `new` and `zeros`. No reference to it is left, as
        // it is borrowed exclusively, and it is not used afterwards.
        unsafe {
            cells.drop_in_place();
            ptr::drop_in_place(&raw mut (*self.start.as_ptr()).head);
            dealloc(memory.as_ptr(), Self::layout(len));
        }
    }
}

impl<'a, H, C> BlockRef<'a, H, C> {
    #[inline]
    fn start(self) -> &'a Start<H> {
        // SAFETY: the block was written by `Block::zeroed`, and is borrowed for as long as that.
        unsafe { self.start.as_ref() }
    }

    #[inline]
    fn first(self) -> NonNull<C> {
        // SAFETY: the cells are in the same memory.
        unsafe { self.start.cast::<u8>().add(Block::<H, C>::CELLS) }.cast()
    }

    #[inline]
    pub(crate) fn head(self) -> &'a H {
        &self.start().head
    }

    /// Returns the number of cells.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.start().len
    }

    #[inline]
    pub(crate) fn cells(self) -> &'a [C] {
        // SAFETY: there are so many cells, and the block is borrowed for as long as that.
        unsafe { NonNull::slice_from_raw_parts(self.first(), self.len()).as_ref() }
    }
}

impl<H, C> Deref for BlockRef<'_, H, C> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        self.head()
    }
}

/// A place for a block, which the first of several threads fills.
pub(crate) struct Published<H, C> {
    start: AtomicPtr<Start<H>>,
    _owns: PhantomData<Block<H, C>>,
    /// A block goes in through a shared reference, so no lifetime in it may be shortened.
    _takes: PhantomData<fn(Block<H, C>)>,
}

// SAFETY: threads put blocks in and drop them, so they are `Send`, and share them, so they are
// `Sync`. The pointer itself is an atomic.
unsafe impl<H: Send + Sync, C: Send + Sync> Sync for Published<H, C> {}

// SAFETY: as a block.
unsafe impl<H: Send, C: Send> Send for Published<H, C> {}

impl<H, C> Published<H, C> {
    pub(crate) fn new() -> Published<H, C> {
        Published {
            start: AtomicPtr::new(ptr::null_mut()),
            _owns: PhantomData,
            _takes: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<BlockRef<'_, H, C>> {
        // Acquire, pairs with the exchange in `set`: the block was written.
        let start = self.start.load(ordering!("block-get-no-acquire", Acquire => Relaxed));
        Some(BlockRef { start: NonNull::new(start)?, _borrows: PhantomData })
    }

    /// Puts a block into the place, or drops it if the place has one.
    pub(crate) fn set(&self, block: Block<H, C>) {
        // Release, pairs with the load in `get`: the block was written. Relaxed on failure: the
        // caller gets the other block by `get`.
        let set = self.start.compare_exchange(
            ptr::null_mut(),
            block.start.as_ptr(),
            ordering!("block-set-no-release", Release => Relaxed),
            Ordering::Relaxed,
        );
        if set.is_ok() {
            core::mem::forget(block);
        }
    }

    /// Takes the block out of the place.
    pub(crate) fn take(&mut self) -> Option<Block<H, C>> {
        // Relaxed: the place is borrowed exclusively.
        let start = self.start.swap(ptr::null_mut(), Ordering::Relaxed);
        Some(Block { start: NonNull::new(start)?, _owns: PhantomData })
    }
}

impl<H, C> Drop for Published<H, C> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, headcount_loom))]
mod models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Two threads make a block, and a third one finds none or one of them as a whole.
    #[test]
    fn a_block_that_is_found_was_written() {
        loom::model(|| {
            let place = Arc::new(Published::<u32, AtomicU64>::new());
            let maker = |number: u32| {
                let place = Arc::clone(&place);
                thread::spawn(move || {
                    let block = Block::<_, AtomicU64>::zeros(number, 1);
                    // Relaxed: published with the block.
                    block.get().cells()[0].store(number.into(), Ordering::Relaxed);
                    place.set(block);
                    *place.get().expect("a place that was filled")
                })
            };
            let makers = [maker(1), maker(2)];
            if let Some(block) = place.get() {
                assert_eq!(block.cells()[0].load(Ordering::Relaxed), u64::from(*block));
            }
            let found = makers.map(|maker| maker.join().unwrap());
            assert_eq!(found, [*place.get().unwrap(); 2]);
        });
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use std::sync::Arc;

    use crossbeam_utils::CachePadded;

    use super::*;

    #[test]
    fn cells_begin_at_a_cache_line_behind_a_padded_head() {
        let line = align_of::<CachePadded<u8>>();
        for len in (0..200).chain([1 << 20]) {
            let block = Block::zeros(CachePadded::new(len), len);
            let cells = block.get().cells();
            assert_eq!((cells.len(), **block.get()), (len, len));
            assert_eq!(cells.as_ptr() as usize % line, 0);
            assert_eq!(block.get().head() as *const _ as usize % line, 0);
            assert!(cells.iter().all(|cell| cell.load(Ordering::Relaxed) == 0));
            let end = block.get().start().memory.as_ptr() as usize
                + Block::<CachePadded<usize>, AtomicU64>::layout(len).size();
            let last_line = cells.as_ptr_range().end as usize;
            assert!(last_line.next_multiple_of(line) <= end);
        }
    }

    #[test]
    fn a_block_is_dropped_once_with_its_head_and_cells() {
        let witness = Arc::new(());
        let place = Published::new();
        let block = || Block::new(Arc::clone(&witness), 3, || Arc::clone(&witness));
        assert!(place.get().is_none());
        place.set(block());
        place.set(block());
        assert_eq!(Arc::strong_count(&witness), 1 + 4);
        assert_eq!(place.get().map(BlockRef::len), Some(3));
        drop(place);
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}
