//! The overflow map of `map.rs` for the models: a list under loom's lock, which loom can see into.
//!
//! # Invariant
//!
//! As in `map.rs`. The lock is not held while `f` runs with a node, as the real map holds none.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::overflow::OverflowEntry;
use crate::sync::Mutex;

pub(crate) fn mix(hash: u64) -> u64 {
    hash
}

pub(crate) struct OverflowMap<K>(Mutex<Vec<Arc<OverflowEntry<K>>>>);

impl<K> OverflowMap<K> {
    pub(crate) fn new() -> Self {
        OverflowMap(Mutex::new(Vec::new()))
    }

    pub(crate) fn remove(&self, node: &Arc<OverflowEntry<K>>) {
        self.0.lock().unwrap().retain(|other| !Arc::ptr_eq(other, node));
    }

    pub(crate) fn visit(&self, f: impl FnMut(&Arc<OverflowEntry<K>>) -> bool) {
        let shown = self.0.lock().unwrap().clone();
        let _ = shown.iter().all(f);
    }
}

impl<K: Eq> OverflowMap<K> {
    pub(crate) fn with<R>(
        &self,
        key: &K,
        _hash: u64,
        f: impl FnOnce(&Arc<OverflowEntry<K>>) -> R,
    ) -> Option<R> {
        let found = self.0.lock().unwrap().iter().find(|node| node.entry().key == *key).cloned();
        found.as_ref().map(f)
    }

    pub(crate) fn insert(&self, node: Arc<OverflowEntry<K>>) -> bool {
        let mut list = self.0.lock().unwrap();
        let vacant = !list.iter().any(|other| other.entry().key == node.entry().key);
        if vacant {
            list.push(node);
        }
        vacant
    }
}
