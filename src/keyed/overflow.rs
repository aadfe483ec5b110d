//! Overflow entries: keys that live in the overflow map, while their cell is in use.
//!
//! # Invariant
//!
//! An overflow entry lives while it has refs: permits and handles, and callers that look at it.
//! When its last ref is given up, it is dead for good. The caller that gave up that ref removes it
//! from the map, unless another caller finds it dead and removes it before.
//!
//! The map drops an entry at some later time, within a call of any thread. A panic of the key's
//! destructor must not interrupt that call between two steps that belong together, so it is caught
//! here.

use core::mem::{forget, needs_drop};
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::cell::Entry;
use crate::protocol::cell::MAX_REFS;
use crate::protocol::mutants::{mutant, ordering};
use crate::sync::{AtomicU32, Ordering};

pub(super) struct OverflowEntry<K> {
    /// `None` in the destructor only.
    entry: Option<Entry<K>>,
    pub(super) hash: u64,
    refs: AtomicU32,
}

impl<K> OverflowEntry<K> {
    /// Creates an overflow entry with one ref.
    pub(super) fn new(entry: Entry<K>, hash: u64) -> Self {
        OverflowEntry { entry: Some(entry), hash, refs: AtomicU32::new(1) }
    }

    pub(super) fn entry(&self) -> &Entry<K> {
        self.entry.as_ref().expect("it is there until the drop")
    }

    pub(super) fn is_live(&self) -> bool {
        // Acquire: pairs with the Release of `release`. A caller that reads that all refs are given
        // up sees what their holders wrote.
        self.refs.load(ordering!("keyed-node-read", Acquire => Relaxed)) > 0
    }

    /// Takes a ref. Returns false if the entry is dead.
    pub(super) fn take_ref(&self) -> bool {
        // Acquire: pairs with the Release of `release`. A caller that finds the entry dead, and
        // begins the key's next life, comes after all that was done under its refs.
        let mut refs = self.refs.load(ordering!("keyed-node-take-ref", Acquire => Relaxed));
        while refs > 0 || mutant!("keyed-node-revived") {
            assert!(refs < MAX_REFS, "too many permits and handles of one key");
            // Relaxed on success: the map has published the entry, and the gate orders its holders.
            let success = Ordering::Relaxed;
            // Acquire on failure: as in the load above.
            let failure = ordering!("keyed-node-take-ref-failed", Acquire => Relaxed);
            match self.refs.compare_exchange_weak(refs, refs + 1, success, failure) {
                Ok(_) => return true,
                Err(now) => refs = now,
            }
        }
        false
    }

    /// Gives up a ref. Returns whether it was the last: the caller has to remove the entry then.
    pub(super) fn release(&self) -> bool {
        // Release: pairs with the Acquire of `take_ref` and `is_live`, and with that of the last
        // `release`.
        // Acquire: pairs with the Release of the earlier calls. What the last caller releases at
        // the key's cell comes after all that was done under the other refs.
        let order = ordering!(
            "keyed-node-release-acquires-only", AcqRel => Acquire;
            "keyed-node-release-releases-only", AcqRel => Release
        );
        self.refs.fetch_sub(1, order) == 1
    }
}

impl<K> Drop for OverflowEntry<K> {
    fn drop(&mut self) {
        if needs_drop::<Entry<K>>() {
            let entry = self.entry.take();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(entry))) {
                // The payload's destructor might panic as well.
                forget(panic);
            }
        }
    }
}
