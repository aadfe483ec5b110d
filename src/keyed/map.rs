//! The overflow map: keys whose cell is in use, by their hash.
//!
//! # Invariant
//!
//! A key has at most one node here. A removal names its node, so it cannot remove another node that
//! was inserted for the same key since. What happens before a removal happens before a later look
//! that finds the key missing.
//!
//! The map goes from hashes to chains of nodes, and a chain is replaced as a whole. The map
//! underneath grows until few keys share a hash in it. Keys with the same hash would make it grow
//! without end, so they are chained. Keys with the same lower bits would make it grow in vain, so
//! hashes are mixed.
//!
//! # Why this map
//!
//! Nanoseconds on one thread with 1,000 keys, for two lookups with an addition each, and for an
//! insertion with a removal. The last map locks its readers; it is here for comparison.
//!
//! | map                  | lookups | insertion, removal | besides                            |
//! |----------------------|---------|--------------------|------------------------------------|
//! | papaya 0.2           | 78      | 450                | needs a hash and equality only     |
//! | `scc::HashIndex` 3.8 | 90      | 871                | needs a newer compiler than this   |
//! | flurry 0.5           | 141     | 389                | needs an order of the keys as well |
//! | dashmap 6            | 95      | 110                | locks                              |
//!
//! The cells make insertions and removals rare.
//!
//! `map_model.rs` has the same interface over loom's lock, for the models.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::hash::{BuildHasherDefault, Hasher};

use papaya::Operation;

use super::overflow::OverflowEntry;

/// Returns the hash that it is given, which was computed before.
#[derive(Default)]
pub(crate) struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are hashed")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Spreads the differences of two hashes over all bits. Different hashes stay different.
#[inline]
pub(crate) fn mix(hash: u64) -> u64 {
    // The finalizer of MurmurHash3.
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The nodes of one hash: nearly always one.
struct Chain<K> {
    first: Arc<OverflowEntry<K>>,
    rest: Box<[Arc<OverflowEntry<K>>]>,
}

impl<K> Chain<K> {
    fn new(first: Arc<OverflowEntry<K>>) -> Self {
        Chain { first, rest: Box::default() }
    }

    fn links(&self) -> impl Iterator<Item = &Arc<OverflowEntry<K>>> {
        core::iter::once(&self.first).chain(&*self.rest)
    }

    fn find(&self, key: &K) -> Option<&Arc<OverflowEntry<K>>>
    where
        K: Eq,
    {
        self.links().find(|node| node.entry().key == *key)
    }

    fn with(&self, node: &Arc<OverflowEntry<K>>) -> Self {
        let rest = self.rest.iter().chain([node]).cloned().collect();
        Chain { first: self.first.clone(), rest }
    }

    /// Returns the chain without that node, or `None` if it would be empty.
    fn without(&self, node: &Arc<OverflowEntry<K>>) -> Option<Self> {
        let mut links = self.links().filter(|link| !Arc::ptr_eq(link, node)).cloned();
        let first = links.next()?;
        Some(Chain { first, rest: links.collect() })
    }
}

pub(crate) struct OverflowMap<K>(papaya::HashMap<u64, Chain<K>, BuildHasherDefault<Given>>);

impl<K> OverflowMap<K> {
    pub(crate) fn new() -> Self {
        OverflowMap(papaya::HashMap::default())
    }

    /// Removes that node, if it is still there.
    pub(crate) fn remove(&self, node: &Arc<OverflowEntry<K>>) {
        let guard = self.0.guard();
        let only =
            |_: &u64, chain: &Chain<K>| chain.rest.is_empty() && Arc::ptr_eq(&chain.first, node);
        if self.0.remove_if(&node.hash, only, &guard).is_ok() {
            return;
        }
        self.0.compute(
            node.hash,
            |found| match found {
                Some((_, chain)) if chain.links().any(|link| Arc::ptr_eq(link, node)) => {
                    match chain.without(node) {
                        Some(less) => Operation::Insert(less),
                        None => Operation::Remove,
                    }
                }
                _ => Operation::Abort(()),
            },
            &guard,
        );
    }

    /// Calls `f` with all nodes that are there throughout, and perhaps others, until it returns
    /// false. Nothing that is removed meanwhile can be freed before `f` returns.
    pub(crate) fn visit(&self, mut f: impl FnMut(&Arc<OverflowEntry<K>>) -> bool) {
        for (_, chain) in self.0.iter(&self.0.guard()) {
            if !chain.links().all(&mut f) {
                return;
            }
        }
    }
}

impl<K: Eq> OverflowMap<K> {
    /// Calls `f` with the node of a key, if there is one. It may be removed at the same time.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        key: &K,
        hash: u64,
        f: impl FnOnce(&Arc<OverflowEntry<K>>) -> R,
    ) -> Option<R> {
        let guard = self.0.guard();
        let chain = self.0.get(&hash, &guard)?;
        if chain.first.entry().key == *key {
            Some(f(&chain.first))
        } else {
            chain.find(key).map(f)
        }
    }

    /// Inserts a node, unless its key has one. Returns whether it was inserted.
    pub(crate) fn insert(&self, node: Arc<OverflowEntry<K>>) -> bool {
        let guard = self.0.guard();
        let hash = node.hash;
        let node = match self.0.try_insert(hash, Chain::new(node), &guard) {
            Ok(_) => return true,
            Err(other) => other.not_inserted.first,
        };
        let computed = self.0.compute(
            hash,
            |found| match found {
                None => Operation::Insert(Chain::new(node.clone())),
                Some((_, chain)) if chain.find(&node.entry().key).is_some() => Operation::Abort(()),
                Some((_, chain)) => Operation::Insert(chain.with(&node)),
            },
            &guard,
        );
        !matches!(computed, papaya::Compute::Aborted(()))
    }
}
