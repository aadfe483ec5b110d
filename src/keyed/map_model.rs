//! The map of `map.rs` for the models: a list under loom's lock, which loom sees into.
//!
//! # Invariant
//!
//! As in `map.rs`. The lock is not held while an entry is shown, as nothing is held in the real one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::entry::Named;
use crate::sync::Mutex;

pub(crate) fn mix(hash: u64) -> u64 {
    hash
}

pub(crate) struct Map<K>(Mutex<Vec<Arc<Named<K>>>>);

impl<K: Eq> Map<K> {
    pub(crate) fn new() -> Self {
        Map(Mutex::new(Vec::new()))
    }

    pub(crate) fn with<R>(
        &self,
        key: &K,
        _hash: u64,
        f: impl FnOnce(&Arc<Named<K>>) -> R,
    ) -> Option<R> {
        let found = self.0.lock().unwrap().iter().find(|named| named.key == *key).cloned();
        found.as_ref().map(f)
    }

    pub(crate) fn insert(&self, named: Arc<Named<K>>) -> bool {
        let mut list = self.0.lock().unwrap();
        let vacant = !list.iter().any(|other| other.key == named.key);
        if vacant {
            list.push(named);
        }
        vacant
    }

    pub(crate) fn remove(&self, named: &Arc<Named<K>>) {
        self.0.lock().unwrap().retain(|other| !Arc::ptr_eq(other, named));
    }

    pub(crate) fn visit(&self, mut f: impl FnMut(&Named<K>) -> bool) {
        let _ = self.0.lock().unwrap().iter().all(|named| f(named));
    }
}
