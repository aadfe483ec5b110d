//! Words on cache lines of their own.

#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::sync::{zeros, AtomicU64, LINES};

/// Words of 0 that share no cache line with anything else, and begin at a cache line.
pub(super) struct Words {
    /// The first of `len` words of `_padded`.
    first: NonNull<AtomicU64>,
    len: usize,
    _padded: Box<[AtomicU64]>,
}

// SAFETY: as `_padded`, whose words `first` points to.
unsafe impl Send for Words {}

// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    pub(super) fn new(len: usize) -> Words {
        // Most of a large block is never touched, so it is not moved into a type with an alignment.
        let padded = zeros(len.next_multiple_of(LINES) + LINES - 1);
        let address = padded.as_ptr() as usize / size_of::<u64>();
        let first = address.wrapping_neg() % LINES;
        Words { first: NonNull::from(&padded[first..first + len]).cast(), len, _padded: padded }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn word(&self, index: usize) -> &AtomicU64 {
        self.get(index).expect("a word that there is")
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: there are `len` words from `first` on, and the box neither moves nor changes them
        // for as long as it exists.
        (index < self.len).then(|| unsafe { self.first.add(index).as_ref() })
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use super::{Words, LINES};

    #[test]
    fn words_begin_at_a_cache_line_and_fill_their_last_one() {
        for len in (1..200).chain([1 << 20]) {
            let words = Words::new(len);
            assert_eq!(words.word(0).as_ptr() as usize % (LINES * size_of::<u64>()), 0);
            let end = words._padded.as_ptr_range().end as usize;
            let last_line = (len - 1) / LINES * LINES;
            assert!(words.word(last_line).as_ptr() as usize + LINES * size_of::<u64>() <= end);
            assert!(words.get(len - 1).is_some() && words.get(len).is_none());
        }
        assert!(Words::new(0).get(0).is_none());
    }
}
