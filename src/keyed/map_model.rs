//! The map of `map.rs` for the models: a list under loom's lock, which loom sees into.
//!
//! # Invariant
//!
//! As in `map.rs`. The lock is not held while a node is shown, as nothing is held in the real one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::node::Node;
use crate::sync::Mutex;

pub(crate) fn mix(hash: u64) -> u64 {
    hash
}

pub(crate) struct Map<K>(Mutex<Vec<Arc<Node<K>>>>);

impl<K> Map<K> {
    pub(crate) fn new() -> Self {
        Map(Mutex::new(Vec::new()))
    }

    pub(crate) fn remove(&self, node: &Arc<Node<K>>) {
        self.0.lock().unwrap().retain(|other| !Arc::ptr_eq(other, node));
    }

    pub(crate) fn visit(&self, f: impl FnMut(&Arc<Node<K>>) -> bool) {
        let shown = self.0.lock().unwrap().clone();
        let _ = shown.iter().all(f);
    }
}

impl<K: Eq> Map<K> {
    pub(crate) fn with<R>(
        &self,
        key: &K,
        _hash: u64,
        f: impl FnOnce(&Arc<Node<K>>) -> R,
    ) -> Option<R> {
        let found = self.0.lock().unwrap().iter().find(|node| node.tenant().key == *key).cloned();
        found.as_ref().map(f)
    }

    pub(crate) fn insert(&self, node: Arc<Node<K>>) -> bool {
        let mut list = self.0.lock().unwrap();
        let vacant = !list.iter().any(|other| other.tenant().key == node.tenant().key);
        if vacant {
            list.push(node);
        }
        vacant
    }
}
