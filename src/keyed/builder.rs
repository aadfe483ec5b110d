//! The settings of a keyed gate.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::hash_map::RandomState;

use super::table::Table;
use super::KeyedGate;
use crate::gate::Gate;

/// The settings of a [`KeyedGate`]. Returned by [`KeyedGate::builder`].
///
/// # Examples
///
/// ```
/// use std::hash::{BuildHasherDefault, DefaultHasher};
/// use headcount::KeyedGate;
///
/// let rooms = KeyedGate::builder(|_room: &u64| 50)
///     .hasher(BuildHasherDefault::<DefaultHasher>::default())
///     .max_keys(10_000)
///     .capacity(500)
///     .build();
/// assert!(rooms.try_acquire(7).is_ok());
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct KeyedGateBuilder<K, S = RandomState> {
    hasher: S,
    capacity_of: Box<dyn Fn(&K) -> u32 + Send + Sync>,
    max_keys: Option<u32>,
    capacity: usize,
}

impl<K> KeyedGateBuilder<K> {
    pub(super) fn new(capacity_of: impl Fn(&K) -> u32 + Send + Sync + 'static) -> Self {
        let (hasher, capacity_of) = (RandomState::new(), Box::new(capacity_of));
        KeyedGateBuilder { hasher, capacity_of, max_keys: None, capacity: 0 }
    }
}

impl<K, S> KeyedGateBuilder<K, S> {
    /// Uses a hasher of the caller's choice. The default is the standard library's `RandomState`.
    ///
    /// Each call hashes its key once. If attackers can predict the hasher, they can choose keys
    /// that collide; a call then compares its key with all living keys of the same hash.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::hash::RandomState;
    ///
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).hasher(RandomState::new());
    /// assert!(rooms.build().try_acquire(7).is_ok());
    /// ```
    pub fn hasher<H: BuildHasher>(self, hasher: H) -> KeyedGateBuilder<K, H> {
        let KeyedGateBuilder { capacity_of, max_keys, capacity, .. } = self;
        KeyedGateBuilder { hasher, capacity_of, max_keys, capacity }
    }

    /// Limits how many keys may live at once. The default is no limit.
    ///
    /// A call that would bring one more key to life is refused as
    /// [`KeysFull`](crate::TryAcquireError::KeysFull), and only if, at an instant within the call,
    /// `max_keys` keys lived. A key counts until the drop that has ended it returns. Living keys
    /// are not refused for it.
    ///
    /// # Panics
    ///
    /// If `max_keys` is above [`Gate::MAX_CAPACITY`].
    ///
    /// # Cost
    ///
    /// Two read-modify-writes of one word, which all keys share, for each life of a key.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).max_keys(1).build();
    /// let ann = rooms.try_acquire(7)?;
    /// assert!(rooms.try_acquire(8).unwrap_err().is_keys_full());
    /// assert!(rooms.try_acquire(7).is_ok());
    /// drop(ann);
    /// assert!(rooms.try_acquire(8).is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn max_keys(mut self, max_keys: u32) -> Self {
        assert!(max_keys <= Gate::MAX_CAPACITY, "max_keys is above Gate::MAX_CAPACITY");
        self.max_keys = Some(max_keys);
        self
    }

    /// Makes the table large enough for that many keys that live at once, so that no call makes it
    /// larger before. It never gets smaller. The default is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).capacity(10_000).build();
    /// assert!(rooms.is_empty());
    /// ```
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }
}

impl<K: Hash + Eq, S: BuildHasher> KeyedGateBuilder<K, S> {
    /// Returns the keyed gate, without a living key.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).build();
    /// assert!(rooms.is_empty());
    /// ```
    pub fn build(self) -> KeyedGate<K, S> {
        let table = Table::new(self.max_keys);
        if self.capacity > 0 {
            table.reserve(self.capacity);
        }
        let KeyedGateBuilder { hasher, capacity_of, .. } = self;
        KeyedGate { hasher, capacity_of, table: Arc::new(table) }
    }
}

impl<K, S> fmt::Debug for KeyedGateBuilder<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedGateBuilder")
            .field("max_keys", &self.max_keys)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
