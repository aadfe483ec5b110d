//! Words on cache lines of their own.

#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::sync::{zeros, AtomicU64, LINES};

/// Words of 0 that share no cache line with anything else, and begin at a cache line.
pub(super) struct Words {
    /// A block of its own. No `Box`: whatever moves a box claims its memory for it alone.
    block: NonNull<[AtomicU64]>,
    /// The first of `len` words of `block`.
    first: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: as `Box<[AtomicU64]>`; `first` points into the block.
unsafe impl Send for Words {}

// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    pub(super) fn new(len: usize) -> Words {
        // Most of a large block is never touched, so it is not moved into a type with an alignment.
        let block = zeros(len.next_multiple_of(LINES) + LINES - 1);
        let block = NonNull::from(Box::leak(block));
        let address = block.cast::<AtomicU64>().as_ptr() as usize / size_of::<u64>();
        let first = address.wrapping_neg() % LINES;
        // SAFETY: at most the last word of the block, or its end if it has no more.
        let first = unsafe { block.cast::<AtomicU64>().add(first) };
        Words { block, first, len }
    }

    #[inline]
    pub(super) fn word(&self, index: usize) -> &AtomicU64 {
        self.get(index).expect("a word that there is")
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: there are `len` words from `first` on, until the drop.
        (index < self.len).then(|| unsafe { self.first.add(index).as_ref() })
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`, and not used afterwards.
        drop(unsafe { Box::from_raw(self.block.as_ptr()) });
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use super::{AtomicU64, Words, LINES};

    #[test]
    fn words_begin_at_a_cache_line_and_fill_their_last_one() {
        for len in (1..200).chain([1 << 20]) {
            let words = Words::new(len);
            assert_eq!(words.word(0).as_ptr() as usize % (LINES * size_of::<u64>()), 0);
            let block = words.block.cast::<AtomicU64>().as_ptr() as usize;
            let end = block + words.block.len() * size_of::<u64>();
            let last_line = (len - 1) / LINES * LINES;
            assert!(words.word(last_line).as_ptr() as usize + LINES * size_of::<u64>() <= end);
            assert!(words.get(len - 1).is_some() && words.get(len).is_none());
        }
        assert!(Words::new(0).get(0).is_none());
    }
}
