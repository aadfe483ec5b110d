//! Limits by key: the gates of this crate, and counters in maps.

use std::hint::black_box;

use dashmap::DashMap;
use headcount::KeyedGate;

/// The places of each key.
pub(crate) const CAPACITY: u32 = 8;

/// A limit for each key.
pub(crate) trait Keyed: Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;

    /// Takes a place of the key and gives it back.
    fn visit(&self, key: u64);

    /// Takes a place of the key for good.
    fn stay(&self, key: u64);
}

impl Keyed for KeyedGate<u64> {
    const NAME: &'static str = "KeyedGate";

    fn new() -> Self {
        KeyedGate::new(|_| CAPACITY)
    }

    fn visit(&self, key: u64) {
        drop(black_box(self.try_acquire(key).unwrap()));
    }

    fn stay(&self, key: u64) {
        std::mem::forget(self.try_acquire(key).unwrap());
    }
}

pub(crate) struct Counter(DashMap<u64, u32>);

/// A place of a key in a `Counter`.
pub(crate) struct Counted<'a>(&'a Counter, u64);

impl Counter {
    fn acquire(&self, key: u64) -> Option<Counted<'_>> {
        match self.0.entry(key) {
            dashmap::Entry::Occupied(mut held) if *held.get() < CAPACITY => *held.get_mut() += 1,
            dashmap::Entry::Occupied(_) => return None,
            dashmap::Entry::Vacant(none) => drop(none.insert(1)),
        }
        Some(Counted(self, key))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let Counted(Counter(map), key) = *self;
        if let dashmap::Entry::Occupied(mut held) = map.entry(key) {
            if *held.get() == 1 {
                held.remove();
            } else {
                *held.get_mut() -= 1;
            }
        }
    }
}

impl Keyed for Counter {
    const NAME: &'static str = "dashmap counter";

    fn new() -> Self {
        Counter(DashMap::new())
    }

    fn visit(&self, key: u64) {
        drop(black_box(self.acquire(key).unwrap()));
    }

    fn stay(&self, key: u64) {
        std::mem::forget(self.acquire(key).unwrap());
    }
}

pub(crate) struct SccCounter(scc::HashMap<u64, u32>);

/// A place of a key in an `SccCounter`.
pub(crate) struct SccCounted<'a>(&'a SccCounter, u64);

impl SccCounter {
    fn acquire(&self, key: u64) -> Option<SccCounted<'_>> {
        match self.0.entry_sync(key) {
            scc::hash_map::Entry::Occupied(mut held) if *held < CAPACITY => *held += 1,
            scc::hash_map::Entry::Occupied(_) => return None,
            scc::hash_map::Entry::Vacant(none) => drop(none.insert_entry(1)),
        }
        Some(SccCounted(self, key))
    }
}

impl Drop for SccCounted<'_> {
    fn drop(&mut self) {
        let SccCounted(SccCounter(map), key) = *self;
        if let scc::hash_map::Entry::Occupied(mut held) = map.entry_sync(key) {
            if *held == 1 {
                let _ = held.remove();
            } else {
                *held -= 1;
            }
        }
    }
}

impl Keyed for SccCounter {
    const NAME: &'static str = "scc counter";

    fn new() -> Self {
        SccCounter(scc::HashMap::new())
    }

    fn visit(&self, key: u64) {
        drop(black_box(self.acquire(key).unwrap()));
    }

    fn stay(&self, key: u64) {
        std::mem::forget(self.acquire(key).unwrap());
    }
}
