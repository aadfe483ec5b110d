//! Keyed gates: one gate per course, customer, address or chat room, made when it is needed.
//!
//! # Invariant
//!
//! A key lives while it has a ref: a permit, a handle, or a call that looks at it. It ends with the
//! last ref. A key without a destructor that has come before stays in its entry then, dormant: the
//! next call with it takes the entry as it is. `table.rs` finds and makes entries; `entry.rs` ends
//! a key; `protocol/cell.rs` says how one word counts what keeps a key alive; `shard.rs` says why
//! no key lives twice.
#![allow(unsafe_code)] // A ref goes back to its table.

#[cfg(feature = "wait")]
mod acquire;
mod builder;
mod entry;
mod handle;
mod permit;
mod shard;
mod slab;
mod table;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};
use std::collections::hash_map::RandomState;

use crate::error::TryAcquireError;
use crate::gate::Gate;
use table::{mix, Borrowed, Borrows, EntryRef, GateRef, Owned, Table};

#[cfg(feature = "wait")]
pub use acquire::{KeyedAcquire, KeyedAcquireOwned};
pub use builder::KeyedGateBuilder;
pub use handle::{KeyHandle, OwnedKeyHandle};
pub use permit::{KeyedPermit, OwnedKeyedPermit};

/// One limit for each key, such as a user, an address or a chat room, made on demand.
///
/// Each key has a limit of its own, its capacity, which a closure returns. A key *lives* while a
/// [permit](KeyedPermit) or a [handle](KeyHandle) of it is held, or a call looks at it. It is
/// removed with the last of them: there is no timer and no sweep, and a flood of distinct keys
/// leaves nothing behind.
///
/// # Guarantees
///
/// For each key as for a [`Gate`]:
///
/// - *never-over*: the places held never exceed the capacity.
/// - *exact*: a call is refused as full only if, at an instant within the call, all places of the
///   key were held. A call that meets the removal of a key is served, never refused for it as full.
/// - *no-leak*: each permit and handle gives back what it holds exactly once.
/// - *happens-before*: what a holder wrote before it gave its place back is visible to each later
///   holder of a place of that key, also if the key was removed in between.
///
/// # The capacity
///
/// The closure is called when a key comes to life, and perhaps also by calls that meet the same key
/// coming to life or ending, or the table being rebuilt. It may return another capacity for the
/// key's next life.
/// A capacity of 0 refuses every caller and leaves nothing behind. If the closure panics, so does
/// the call, and nothing has changed. The closure may use this very `KeyedGate`, except for the key
/// that it is called with. [`set_capacity`](Self::set_capacity) changes the capacity of a living
/// key.
///
/// # What is not promised
///
/// - Anything about keys whose `Hash` or `Eq` contradict themselves, or change while the key lives
///   or an equal one does: places may be lost, and more than the capacity be held. A key without a
///   destructor, such as a reference, may stay in the table after its life.
/// - *exact*, at the first meeting of two keys whose hashes are equal in all 64 bits: a call with
///   one of them may hold places of the other until it has compared the two, and another call may
///   be refused for that, or see an ended one of the two alive, with the capacity of its last life.
///   Every call that begins after that meeting compares first. With a hasher that distributes, such
///   as the default one, no two keys ever meet so; with a `Hash` that ignores a part of the key,
///   they do.
/// - Which of several equal keys [`key`](KeyedPermit::key) returns, if they can be told apart: that
///   of a key without a destructor may be of an earlier life.
///
/// # Threads that stop
///
/// Giving a place back takes no lock, whether or not the key ends. A call that finds the key alive
/// takes none, unless the table is being rebuilt meanwhile. Nor does a call for at least one place
/// that brings a key to life, if the key has no destructor, came to life twice or more since the
/// table was last rebuilt, had no gate in its last life and has the same capacity as then, if no
/// two keys with equal hashes have met, and if [`max_keys`](KeyedGateBuilder::max_keys) is not set.
///
/// All other calls that bring a key to life, are refused without one, or give it a gate
/// ([`hold`](Self::hold), [`set_capacity`](Self::set_capacity), waiting, or 4,095 calls that look
/// at one key at once) take a lock that a 64th of the keys share; so do
/// [`occupied`](Self::occupied) and [`set_capacity`](Self::set_capacity) with a key that does not
/// live. A thread that stops for ever while it has that lock stops those calls for those keys, and
/// if it was rebuilding the table, also calls for living ones of them. No code of the user, such as
/// `Hash`, `Eq`, `Clone`, destructors and the capacity closure, runs under the lock: it may panic,
/// take its time, or use this `KeyedGate`.
///
/// # Cost
///
/// For a key that lives, acquiring places takes one read-modify-write and giving them back another;
/// a refusal takes two. The same holds for a key that comes and goes, if it comes back to life
/// without the lock, as said above; otherwise the lock takes one read-modify-write, and one more if
/// the key was there before. Nothing is allocated, except when the table is rebuilt, when more keys
/// live than ever before, or when another key with the same hash lives.
///
/// A key that was given a gate, by a handle, a waiter or a change of its capacity, takes two
/// read-modify-writes for each call until it ends. Giving it a gate is an allocation. For a path
/// that cannot afford even the search for the key, [`hold`](Self::hold) the key: a handle costs
/// what a [`Gate`] costs.
///
/// When more keys live than before, one call makes the table of its 64th larger, while calls that
/// need that lock wait. That takes a time that grows with the number of keys in it.
///
/// Calls are lock-free, not wait-free: steps are repeated while other calls change the same key. A
/// caller that loses a race for a key backs off for about a microsecond, which makes two threads at
/// one key nearly twice as fast.
///
/// # Memory
///
/// About 2 KiB while no key has lived. For each key that lives, 64 bytes if the key has at most 24
/// (64 more for each 64 bytes more), and 16 to 32 bytes of the tables that find it. Keys that have
/// ended are counted with them until the table is rebuilt: a flood of distinct keys, one at a time,
/// takes up to about 150 KiB, in 64 tables of their own. What was needed at the most is kept and
/// used again, until the `KeyedGate` and all its permits are dropped. A key with a destructor is
/// dropped in the call that ends it.
///
/// # Panics
///
/// A call with a key panics, and changes nothing, if 2^41 permits and handles of that key are held,
/// or 2^28 keys live.
///
/// # Memory ordering
///
/// Acquiring a place is an acquire operation and giving it back is a release operation, for all
/// lives of a key.
///
/// # Examples
///
/// At most two downloads at a time for each user, and ten for those that pay:
///
/// ```
/// use headcount::KeyedGate;
///
/// let downloads = KeyedGate::new(|user: &&str| if user.starts_with("paying") { 10 } else { 2 });
/// let first = downloads.try_acquire("ann")?;
/// let second = downloads.try_acquire("ann")?;
/// assert!(downloads.try_acquire("ann").unwrap_err().is_full());
/// assert!(downloads.try_acquire("bob").is_ok()); // each key has its own limit
///
/// drop(first);
/// assert!(downloads.try_acquire("ann").is_ok());
/// drop(second);
/// assert_eq!(downloads.len(), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
pub struct KeyedGate<K, S = RandomState> {
    hasher: S,
    capacity_of: Box<dyn Fn(&K) -> u32 + Send + Sync>,
    table: Arc<Table<K>>,
}

/// One living key, as [`KeyedGate::keys`] found it.
///
/// # Examples
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
/// let _permit = rooms.try_acquire(7)?;
/// let info = rooms.keys().next().expect("one key lives");
/// assert_eq!((info.key, info.occupied, info.capacity), (7, 1, 50));
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyInfo<K> {
    /// The key.
    pub key: K,
    /// The number of places held.
    pub occupied: u32,
    /// The number of places, held or free.
    pub capacity: u32,
}

impl<K: Hash + Eq> KeyedGate<K> {
    /// Creates a keyed gate without a living key. `capacity_of` returns the capacity of a key.
    ///
    /// A capacity above [`Gate::MAX_CAPACITY`] panics in the call that would bring the key to life.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// assert!(rooms.try_acquire(7).is_ok());
    /// ```
    pub fn new(capacity_of: impl Fn(&K) -> u32 + Send + Sync + 'static) -> Self {
        KeyedGate::builder(capacity_of).build()
    }

    /// Returns a builder, to limit how many keys live at once, to choose the hasher, or to make the
    /// table beforehand.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).max_keys(1_000).build();
    /// assert!(rooms.try_acquire(7).is_ok());
    /// ```
    pub fn builder(capacity_of: impl Fn(&K) -> u32 + Send + Sync + 'static) -> KeyedGateBuilder<K> {
        KeyedGateBuilder::new(capacity_of)
    }
}

impl<K: Hash + Eq, S: BuildHasher> KeyedGate<K, S> {
    /// As [`new`](KeyedGate::new), with a hasher of the caller's choice.
    ///
    /// The same as [`hasher`](KeyedGateBuilder::hasher) of the builder.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    /// use headcount::KeyedGate;
    ///
    /// let hasher = BuildHasherDefault::<DefaultHasher>::default();
    /// let rooms = KeyedGate::with_hasher(|_room: &u64| 50, hasher);
    /// assert!(rooms.try_acquire(7).is_ok());
    /// ```
    pub fn with_hasher(
        capacity_of: impl Fn(&K) -> u32 + Send + Sync + 'static,
        hasher: S,
    ) -> KeyedGate<K, S> {
        KeyedGateBuilder::new(capacity_of).hasher(hasher).build()
    }

    /// Acquires one place of a key, without waiting.
    ///
    /// # Errors
    ///
    /// - [`Full`](TryAcquireError::Full) if all places of the key were held or, with the feature
    ///   `wait`, a caller waited for one.
    /// - [`Closed`](TryAcquireError::Closed) if the key's gate was closed through a
    ///   [handle](KeyHandle).
    /// - [`KeysFull`](TryAcquireError::KeysFull) if the key did not live, and as many keys lived as
    ///   [`max_keys`](KeyedGateBuilder::max_keys) allows.
    ///
    /// # Panics
    ///
    /// If the capacity closure panics or returns more than [`Gate::MAX_CAPACITY`], and if there are
    /// too many permits and handles, see [above](Self#panics).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
    /// let permit = rooms.try_acquire(7)?;
    /// assert!(rooms.try_acquire(7).unwrap_err().is_full());
    /// drop(permit);
    /// assert!(rooms.try_acquire(7).is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self, key: K) -> Result<KeyedPermit<'_, K>, TryAcquireError> {
        Ok(KeyedPermit(self.join(key, Some(1))?))
    }

    /// Acquires one place, as [`try_acquire`](Self::try_acquire), for a permit that is not tied to
    /// a borrow.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let rooms = Arc::new(headcount::KeyedGate::new(|_room: &u64| 1));
    /// let permit = Arc::clone(&rooms).try_acquire_owned(7)?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert!(rooms.is_empty());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_owned(
        self: Arc<Self>,
        key: K,
    ) -> Result<OwnedKeyedPermit<K>, TryAcquireError> {
        Ok(OwnedKeyedPermit(self.join_owned(key, Some(1))?))
    }

    /// Acquires `n` places of a key, all or none, without waiting.
    ///
    /// With `n == 0` it returns a permit of no places, which keeps the key alive. With `n` above
    /// the capacity it is refused as [`Full`](TryAcquireError::Full), however often it is tried.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); in each case no place is taken.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 5);
    /// let party = rooms.try_acquire_many(7, 3)?;
    /// assert!(rooms.try_acquire_many(7, 3).unwrap_err().is_full());
    /// assert_eq!((party.count(), rooms.occupied(&7)), (3, 3));
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_many(&self, key: K, n: u32) -> Result<KeyedPermit<'_, K>, TryAcquireError> {
        Ok(KeyedPermit(self.join(key, Some(n))?))
    }

    /// Acquires `n` places, as [`try_acquire_many`](Self::try_acquire_many), for a permit that is
    /// not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 5));
    /// let party = rooms.clone().try_acquire_many_owned(7, 5)?;
    /// assert!(rooms.try_acquire(7).unwrap_err().is_full());
    /// drop(party);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        key: K,
        n: u32,
    ) -> Result<OwnedKeyedPermit<K>, TryAcquireError> {
        Ok(OwnedKeyedPermit(self.join_owned(key, Some(n))?))
    }

    /// Acquires one place of a key that is given by reference, without waiting.
    ///
    /// Makes a `K` only to ask for the capacity of a key and to bring it to life: if the key does
    /// not live, and perhaps while the table is being rebuilt.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &String| 1);
    /// let permit = rooms.try_acquire_ref("lobby")?;
    /// assert!(rooms.try_acquire_ref("lobby").unwrap_err().is_full()); // without a `String`
    /// assert_eq!(permit.key(), "lobby");
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_acquire_ref<Q>(&self, key: &Q) -> Result<KeyedPermit<'_, K>, TryAcquireError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let capacity_of = |key: &K| self.capacity_of(key);
        let joined = self.table.join(Borrowed(key), self.hash(key), Some(1), capacity_of);
        Ok(KeyedPermit(joined?))
    }

    /// Returns a handle, with which the places of a key cost what those of a [`Gate`] cost.
    ///
    /// The handle keeps the key alive without holding a place, and with the key its capacity, also
    /// one that [`set_capacity`](Self::set_capacity) has changed.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire), and where [`try_hold`](Self::try_hold) is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
    /// let room = rooms.hold(7);
    /// let permit = room.try_acquire()?;
    /// assert!(rooms.try_acquire(7).is_err()); // it is the same gate
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn hold(&self, key: K) -> KeyHandle<'_, K> {
        self.try_hold(key).expect("as many keys live as may live at once")
    }

    /// Returns a handle, as [`hold`](Self::hold), unless too many keys live.
    ///
    /// # Errors
    ///
    /// [`KeysFull`](TryAcquireError::KeysFull) if the key did not live, and as many keys lived as
    /// [`max_keys`](KeyedGateBuilder::max_keys) allows.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 1).max_keys(1).build();
    /// let room = rooms.try_hold(7)?;
    /// assert!(rooms.try_hold(8).unwrap_err().is_keys_full());
    /// assert!(room.try_acquire().is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_hold(&self, key: K) -> Result<KeyHandle<'_, K>, TryAcquireError> {
        Ok(KeyHandle(self.gated(key)?))
    }

    /// Returns a handle, as [`hold`](Self::hold), that is not tied to a borrow.
    ///
    /// # Panics
    ///
    /// As [`hold`](Self::hold).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 1));
    /// let room = rooms.clone().hold_owned(7);
    /// std::thread::spawn(move || assert!(room.try_acquire().is_ok())).join().unwrap();
    /// assert!(rooms.is_empty());
    /// ```
    #[track_caller]
    pub fn hold_owned(self: Arc<Self>, key: K) -> OwnedKeyHandle<K> {
        self.try_hold_owned(key).expect("as many keys live as may live at once")
    }

    /// Returns a handle, as [`try_hold`](Self::try_hold), that is not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`try_hold`](Self::try_hold). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 1).max_keys(1).build();
    /// let rooms = std::sync::Arc::new(rooms);
    /// let _room = rooms.clone().try_hold_owned(7)?;
    /// assert!(rooms.clone().try_hold_owned(8).unwrap_err().is_keys_full());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_hold_owned(self: Arc<Self>, key: K) -> Result<OwnedKeyHandle<K>, TryAcquireError> {
        Ok(OwnedKeyHandle(self.gated_owned(key)?))
    }

    /// Changes the capacity of a living key, for as long as it lives. Returns whether the key
    /// lived.
    ///
    /// Otherwise as [`Gate::set_capacity`]: no holder loses its place, and once a lowering has
    /// returned, no caller is admitted above the new capacity. If the key does not live, nothing
    /// changes. [Hold](Self::hold) the key if the capacity has to outlast the holders of its
    /// places.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`Gate::MAX_CAPACITY`]. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
    /// let _ann = rooms.try_acquire(7)?;
    /// assert!(rooms.set_capacity(&7, 2));
    /// assert!(rooms.try_acquire(7).is_ok());
    /// assert!(!rooms.set_capacity(&8, 2)); // no such key lives
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn set_capacity<Q>(&self, key: &Q, capacity: u32) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
        self.find(key).is_some_and(|found| {
            // SAFETY: found in this table.
            unsafe { self.table.gated(found) }.set_capacity(capacity);
            true
        })
    }

    /// Returns the number of places of a key that are held; 0 if the key does not live.
    ///
    /// As exact as [`Gate::occupied`]. Places that a caller holds for the instant of the first
    /// meeting of two hashes are counted, see [above](Self#what-is-not-promised).
    ///
    /// # Memory ordering
    ///
    /// This is an acquire operation: if it observes that a holder has given its place back, the
    /// holder's earlier writes are visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// let _permit = rooms.try_acquire(7)?;
    /// assert_eq!((rooms.occupied(&7), rooms.occupied(&8)), (1, 0));
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn occupied<Q>(&self, key: &Q) -> u32
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(key).map_or(0, |found| found.occupied())
    }

    /// Returns the number of living keys.
    ///
    /// Keys that come to life or are removed during the call may be counted or not.
    ///
    /// # Cost
    ///
    /// One load for each key of the greatest number that ever lived at once.
    ///
    /// # Memory ordering
    ///
    /// This is an acquire operation: if it observes that a key was removed, the earlier writes of
    /// its holders are visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// let permit = rooms.try_acquire(7)?;
    /// assert_eq!(rooms.len(), 1);
    /// drop(permit);
    /// assert_eq!(rooms.len(), 0);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.table.count(usize::MAX)
    }

    /// Returns whether no key lives. Stops at the first living key; otherwise as
    /// [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::KeyedGate::new(|_room: &u64| 50).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.table.count(1) == 0
    }

    /// Returns all living keys with their counts, in no particular order.
    ///
    /// The keys are found and cloned within the call, so the iterator borrows nothing. A key that
    /// lives throughout the call is returned once. A key that comes to life or is removed during
    /// the call may be missing, and may be returned twice if it does both. `occupied` and
    /// `capacity` are each read at an instant of their own: the keys are not a picture of one
    /// instant.
    ///
    /// Each key found stays alive until it was cloned. Nothing is locked, and no other key kept
    /// alive, while `K::clone` runs.
    ///
    /// # Cost
    ///
    /// One load for each key of the greatest number that ever lived at once, and two
    /// read-modify-writes and a clone for each living key.
    ///
    /// # Examples
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// let _permits = [rooms.try_acquire(7)?, rooms.try_acquire(7)?, rooms.try_acquire(9)?];
    /// let mut held: Vec<_> = rooms.keys().map(|info| (info.key, info.occupied)).collect();
    /// held.sort();
    /// assert_eq!(held, [(7, 2), (9, 1)]);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = KeyInfo<K>>
    where
        K: Clone,
    {
        let info = |entry_ref: EntryRef<Borrows<'_, K>, K>| KeyInfo {
            key: entry_ref.key().clone(),
            occupied: entry_ref.occupied(),
            capacity: entry_ref.capacity(),
        };
        self.table.visit().map(info).collect::<Vec<_>>().into_iter()
    }

    #[inline]
    #[allow(clippy::manual_hash_one)] // See below.
    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        // `BuildHasher::hash_one` does the same, but is not inlined, and keeps the state in memory.
        let mut hasher = self.hasher.build_hasher();
        key.hash(&mut hasher);
        mix(hasher.finish())
    }

    // Inlined: what is found goes to the caller in registers.
    #[inline(always)]
    fn join(
        &self,
        key: K,
        wants: Option<u32>,
    ) -> Result<EntryRef<Borrows<'_, K>, K>, TryAcquireError> {
        let hash = self.hash(&key);
        self.table.join(Owned(key), hash, wants, |key| self.capacity_of(key))
    }

    fn join_owned(
        &self,
        key: K,
        wants: Option<u32>,
    ) -> Result<EntryRef<Arc<Table<K>>, K>, TryAcquireError> {
        // SAFETY: joined in this table.
        Ok(unsafe { self.join(key, wants)?.by(self.table.clone()) })
    }

    /// Returns a ref of a key with a gate, without a place.
    fn gated(&self, key: K) -> Result<GateRef<Borrows<'_, K>, K>, TryAcquireError> {
        let entry_ref = self.join(key, None)?;
        // SAFETY: joined in this table.
        Ok(unsafe { self.table.gated(entry_ref) })
    }

    fn gated_owned(&self, key: K) -> Result<GateRef<Arc<Table<K>>, K>, TryAcquireError> {
        let entry_ref = self.join_owned(key, None)?;
        // SAFETY: joined in this table.
        Ok(unsafe { self.table.gated(entry_ref) })
    }

    fn find<Q>(&self, key: &Q) -> Option<EntryRef<Borrows<'_, K>, K>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.table.find(self.hash(key), |other| other.borrow() == key)
    }

    fn capacity_of(&self, key: &K) -> u32 {
        let capacity = (self.capacity_of)(key);
        assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
        capacity
    }
}

impl<K, S> fmt::Debug for KeyedGate<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedGate").finish_non_exhaustive()
    }
}
