//! A node: a key that lives apart, in the map, while its home cell is another's.
//!
//! # Invariant
//!
//! A node lives while it has refs: permits and handles, and callers who look at it. With the last
//! one it is dead for ever, and is removed from the map by whoever gave that up, or by anybody who
//! comes upon it before.
//!
//! The map drops nodes at some time in some call, of whomever. So a panic of a key's destructor goes
//! no further than this file: it would interrupt a stranger, between two steps that belong together.

use core::mem::{forget, needs_drop};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::cell::Entry;
use crate::protocol::cell::MOST_REFS;
use crate::sync::{AtomicU32, Ordering};

pub(super) struct OverflowEntry<K> {
    /// `None` in the destructor only.
    entry: Option<Entry<K>>,
    pub(super) hash: u64,
    refs: AtomicU32,
}

impl<K> OverflowEntry<K> {
    /// With one ref.
    pub(super) fn new(entry: Entry<K>, hash: u64) -> Self {
        OverflowEntry { entry: Some(entry), hash, refs: AtomicU32::new(1) }
    }

    pub(super) fn entry(&self) -> &Entry<K> {
        self.entry.as_ref().expect("it is there until the node is dropped")
    }

    pub(super) fn is_live(&self) -> bool {
        // Acquire: pairs with the Release of `leave`: who reads that all have left sees what they
        // wrote.
        self.refs.load(Ordering::Acquire) > 0
    }

    /// Takes a ref. False if the node is dead.
    pub(super) fn pin(&self) -> bool {
        // Acquire, and on failure too: who finds the node dead, and begins the key's next life, comes
        // after the Release of every `leave`.
        let mut refs = self.refs.load(Ordering::Acquire);
        while refs > 0 {
            assert!(refs < MOST_REFS, "too many permits and handles of one key");
            let (success, failure) = (Ordering::Relaxed, Ordering::Acquire);
            // Relaxed on success: the map has shown the node, and the gate orders its holders.
            match self.refs.compare_exchange_weak(refs, refs + 1, success, failure) {
                Ok(_) => return true,
                Err(now) => refs = now,
            }
        }
        false
    }

    /// Gives up a ref. True if it was the last: the node is to be removed.
    pub(super) fn leave(&self) -> bool {
        // Release: pairs with the Acquire of `pin` and `is_live`, and with that of the last `leave`:
        // what that one releases at the node's home comes after all that was done under other refs.
        self.refs.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl<K> Drop for OverflowEntry<K> {
    fn drop(&mut self) {
        if needs_drop::<Entry<K>>() {
            let entry = self.entry.take();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(entry))) {
                // Its destructor might panic as well.
                forget(panic);
            }
        }
    }
}
