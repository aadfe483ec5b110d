//! Words on cache lines of their own.

#![allow(unsafe_code)]

use core::ptr::NonNull;

use crossbeam_utils::CachePadded;

use crate::block::Block;
use crate::sync::AtomicU64;

/// Words of 0 that share no cache line with anything else, and begin at a cache line.
pub(super) struct Words {
    /// The words of the block: found without its head, which is on another cache line.
    words: NonNull<[AtomicU64]>,
    _block: Block<CachePadded<()>, AtomicU64>,
}

// SAFETY: as the block, whose words these are.
unsafe impl Send for Words {}

// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    pub(super) fn new(len: usize) -> Words {
        let block = Block::zeros(CachePadded::new(()), len);
        Words { words: NonNull::from(block.get().cells()), _block: block }
    }

    #[inline]
    pub(super) fn word(&self, index: usize) -> &AtomicU64 {
        self.get(index).expect("a word that there is")
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: the block has these words until it is dropped with this, and does not move.
        unsafe { self.words.as_ref() }.get(index)
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use super::{AtomicU64, CachePadded, Words};

    #[test]
    fn words_begin_at_a_cache_line() {
        for len in (1..200).chain([1 << 20]) {
            let words = Words::new(len);
            let line = align_of::<CachePadded<AtomicU64>>();
            assert_eq!(words.word(0).as_ptr() as usize % line, 0);
            assert!(words.get(len - 1).is_some() && words.get(len).is_none());
        }
        assert!(Words::new(0).get(0).is_none());
    }
}
