//! Cells: each has the memory for one guard.
//!
//! # Invariant
//!
//! The guard is there exactly while the cell's word says that it holds one. The caller that ends
//! the hold owns the guard and the vacant cell; see `protocol/hold.rs`.
//!
//! The field `tag` has the tag of the hold's ticket while the cell is held. While the cell is on
//! the stack of returned cells, it has the next cell of that stack.
#![allow(unsafe_code)]

use core::mem::MaybeUninit;

use super::wheel::NextUse;
use crate::protocol::hold::{HoldEnd, HoldState, HoldWord};
use crate::protocol::mutants::mutant;
use crate::sync::{AtomicU64, Ordering, UnsafeCell};

pub(super) struct HoldCell<G> {
    word: HoldWord,
    tag: AtomicU64,
    guard: UnsafeCell<MaybeUninit<G>>,
}

// SAFETY: threads move guards in and out, so `G: Send`. No two threads have access to a guard at
// the same time, so it need not be `Sync`.
unsafe impl<G: Send> Sync for HoldCell<G> {}

impl<G> HoldCell<G> {
    pub(super) fn new() -> HoldCell<G> {
        HoldCell {
            word: HoldWord::new(),
            tag: AtomicU64::new(0),
            guard: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Returns the generation of the hold in the cell, or of the next one, for a caller that has
    /// the lock of the shard. `None` if the cell can have no more.
    #[inline]
    pub(super) fn generation(&self) -> Option<u32> {
        self.word.generation()
    }

    /// Returns `next_use`, or that the cell can have no more holds.
    pub(super) fn next_use(&self, next_use: NextUse) -> NextUse {
        self.generation().map_or(NextUse::Never, |_| next_use)
    }

    /// Begins a hold in the vacant cell, under its generation.
    ///
    /// # Safety
    ///
    /// The caller owns the cell: it is new, or all uses of it since the last call of
    /// [`end`](Self::end) that returned a guard come before this call.
    #[inline]
    pub(super) unsafe fn begin(&self, generation: u32, tag: u64, guard: G) {
        // Relaxed: `HoldWord::begin` publishes it.
        self.tag.store(tag, Ordering::Relaxed);
        // SAFETY: the memory is the caller's, and the last guard was moved out of it.
        self.guard.with_mut(|memory| unsafe {
            (*memory).write(guard);
        });
        self.word.begin(generation);
    }

    /// Returns what has become of the hold of that generation.
    #[inline]
    pub(super) fn state(&self, generation: u32) -> HoldState {
        self.word.read(generation)
    }

    /// Returns whether the cell has the hold of that generation, and its ticket has that tag.
    #[inline]
    pub(super) fn is_held_under(&self, generation: u32, tag: u64) -> bool {
        // The word is read first: a tag that was read before could be the one of an earlier hold.
        let early = mutant!("hold-tag-before-word").then(|| self.tag());
        self.state(generation) == HoldState::Held && early.unwrap_or_else(|| self.tag()) == tag
    }

    #[inline]
    fn tag(&self) -> u64 {
        // Relaxed: the reading of the word comes first and is Acquire. If the tag is a later one,
        // the hold has ended, and `end` fails.
        self.tag.load(Ordering::Relaxed)
    }

    /// Ends the hold of that generation and moves its guard out, if it is there. Then the cell is
    /// the caller's.
    #[inline]
    pub(super) fn end(&self, generation: u32, end: HoldEnd) -> Option<G> {
        if self.state(generation) != HoldState::Held || !self.word.end(generation, end) {
            return None;
        }
        // SAFETY: the word was held, so `begin` has written the guard, and it is visible
        // (`HoldWord::begin` → `HoldWord::read`). Of all callers this one has ended the hold, so no
        // other one reads the guard, and no hold begins before the caller gives the cell away.
        Some(self.guard.with(|memory| unsafe { (*memory).assume_init_read() }))
    }

    /// Writes the cell that comes after this one on the stack of returned cells.
    #[inline]
    pub(super) fn set_next_returned(&self, next: u32) {
        // Relaxed: `ReturnStack::push` publishes it.
        self.tag.store(next.into(), Ordering::Relaxed);
    }

    /// Returns the cell that comes after this one on the stack of returned cells.
    #[inline]
    pub(super) fn next_returned(&self) -> u32 {
        // Relaxed: `ReturnStack::collect` has made it visible.
        self.tag.load(Ordering::Relaxed) as u32
    }
}
