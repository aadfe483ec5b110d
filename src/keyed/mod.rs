//! Gates by key: one gate per course, entry, address or chat room, made when it is needed.
//!
//! # Invariant
//!
//! A key lives while somebody holds a place or a handle of it, or is about to, and is gone when the
//! last one has left. `table.rs` has who comes and goes, `word.rs` why no key lives twice.

mod cell;
mod handle;
#[cfg(not(headcount_loom))]
mod map;
#[cfg(headcount_loom)]
mod map_model;
mod overflow;
mod permit;
mod table;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::hash_map::RandomState;

use crate::error::TryAcquireError;
use crate::gate::Gate;
#[cfg(not(headcount_loom))]
use map::mix;
#[cfg(headcount_loom)]
use map_model::mix;
use table::{EntryRef, Table};

pub use handle::{KeyHandle, OwnedKeyHandle};
pub use permit::{KeyedPermit, OwnedKeyedPermit};

/// One limit per key, for as many keys as there are people who ask.
///
/// Each key has a gate of its own, with a capacity that a closure says. A key lives while somebody
/// holds a [place](KeyedPermit) or a [handle](KeyHandle) of it, or is in the middle of a call that
/// has found it alive; with the last one it is gone: there is no timer and no sweep, and nothing to
/// grow under a flood of distinct keys.
///
/// # Location most two downloads per address, ten for those who pay
///
/// ```
/// use headcount::KeyedGate;
///
/// let downloads = KeyedGate::new(|user: &&str| if user.starts_with("paying") { 10 } else { 2 });
/// let first = downloads.try_acquire("ann")?;
/// let second = downloads.try_acquire("ann")?;
/// assert!(downloads.try_acquire("ann").unwrap_err().is_full());
/// assert!(downloads.try_acquire("bob").is_ok()); // each key for itself
///
/// drop(first);
/// assert!(downloads.try_acquire("ann").is_ok());
/// drop(second);
/// assert_eq!(downloads.len(), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
///
/// # What is promised
///
/// For each key as for a [`Gate`]:
///
/// - *never-over*: the places held never exceed the capacity.
/// - *exact*: a refusal means that all places of the key were held at an instant within the call. A
///   caller who meets the removal of a key is served, never refused for it.
/// - *no-leak*: each permit and handle gives back what it holds exactly once.
/// - *happens-before*: what a holder wrote before it left is visible to whoever next takes a place
///   of that key, also where the key was gone in between.
///
/// # The capacity
///
/// The closure is asked whenever a key comes to life, perhaps more than once by callers who do so
/// at the same time. It may answer differently in the next life. A capacity of 0 refuses everybody,
/// and leaves nothing behind. If the closure panics, so does the call, and nothing has changed. The
/// closure may use this very `KeyedGate`, if it does not ask for the key that it is asked about.
///
/// [`set_capacity`](Self::set_capacity) changes it for the life that goes on.
///
/// # Cost
///
/// A key's hash names its home, one of 1024 cells. A key that finds its home vacant moves in, and
/// moves out when the last one leaves: three read-modify-writes from coming to leaving, four if key or
/// gate have something to drop, and no allocation. Who comes while the key lives there has a place for four. A refusal is two. For a
/// path that cannot afford as much, [`hold`](Self::hold) the key: a handle is as good as a [`Gate`].
///
/// A key whose home is another's at that moment lives apart, in a concurrent map whose readers take
/// no lock. To come by it there is a look into the map besides, and to bring it to life and to its
/// end costs about ten times what it costs at home: several times what a map under locks costs. So
/// this type is at its best while far fewer than 1024 keys live at the same time, and at its worst
/// where many more do and others come to life beside them; how many there are in all does not matter.
///
/// All of it may be repeated for as long as others come and go (lock-free, not wait-free). Nobody
/// waits for anybody: who meets another that is moving in or out looks a few times more, and then
/// lives apart; who loses a race for a key stands aside for a microsecond or so, which makes two
/// threads at one key nearly twice as fast. Only while the map grows may those who come to it have to
/// wait for its growth.
///
/// # Memory
///
/// 128 KiB for the cells if keys are small (128 bytes a cell if a key and its gate fit into 64, and
/// 64 more for each 64 that they need), whether or not anybody is there, and an allocation for each
/// key that lives apart. Location home a key is dropped with its last permit or handle; apart it may be
/// dropped later, when no reader of the map can be looking at it and there are some dozens to be dropped
/// at once; a panic of its destructor goes no further then.
///
/// # Panics
///
/// Every call that comes by a key panics, and nothing has changed, where 2^28 - 1 permits and handles
/// are held of that key, or of another whose home and tag are the same, or where 4095 callers at once are about to live apart from the same home.
///
/// # What is not promised
///
/// Anything about keys whose `Hash` or `Eq` contradict themselves or change while a key lives: its
/// places may then never come back. That the destructor of a thread-local may drop the permit of a key
/// that lives apart: the map may have left that thread already, and the program aborts.
pub struct KeyedGate<K, S = RandomState> {
    hasher: S,
    capacity_of: Box<dyn Fn(&K) -> u32 + Send + Sync>,
    table: Arc<Table<K>>,
}

impl<K: Hash + Eq> KeyedGate<K> {
    /// A gate for each key, with the capacity that `capacity_of` says.
    ///
    /// A capacity above [`Gate::MAX_CAPACITY`] panics where the key would come to life.
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// assert!(rooms.try_acquire(7).is_ok());
    /// ```
    pub fn new(capacity_of: impl Fn(&K) -> u32 + Send + Sync + 'static) -> Self {
        KeyedGate::with_hasher(capacity_of, RandomState::new())
    }
}

impl<K: Hash + Eq, S: BuildHasher> KeyedGate<K, S> {
    /// As [`new`](KeyedGate::new), with a hasher of your own.
    ///
    /// Each call hashes its key once. A hasher that attackers can predict lets them choose keys that
    /// collide, which makes each look as slow as there are such keys.
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
        KeyedGate { hasher, capacity_of: Box::new(capacity_of), table: Arc::new(Table::new()) }
    }

    /// Takes a place of this key, or says why not. Never waits.
    ///
    /// # Errors
    ///
    /// [`Full`](TryAcquireError::Full) if all places of the key were held, and
    /// [`Closed`](TryAcquireError::Closed) if the key's gate was closed by way of a
    /// [handle](KeyHandle).
    ///
    /// # Panics
    ///
    /// If the capacity closure does, or says more than [`Gate::MAX_CAPACITY`]; see also
    /// [above](Self#panics).
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
        Ok(KeyedPermit(self.join(key, 1)?))
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that is not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
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
        Ok(OwnedKeyedPermit(self.join(key, 1)?.by(self.table.clone())))
    }

    /// Holds a key, so that its places can be had at the price of a gate.
    ///
    /// The handle keeps the key alive without holding a place, and with it the capacity that it
    /// has now, or that [`set_capacity`](Self::set_capacity) gives it.
    ///
    /// # Panics
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
    /// let room = rooms.hold(7);
    /// let permit = room.try_acquire()?;
    /// assert!(rooms.try_acquire(7).is_err()); // it is the same gate
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn hold(&self, key: K) -> KeyHandle<'_, K> {
        KeyHandle(self.stay(key))
    }

    /// As [`hold`](Self::hold), for a handle that is not tied to a borrow.
    ///
    /// # Panics
    ///
    /// As [`hold`](Self::hold).
    ///
    /// ```
    /// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 1));
    /// let room = rooms.clone().hold_owned(7);
    /// std::thread::spawn(move || assert!(room.try_acquire().is_ok())).join().unwrap();
    /// assert!(rooms.is_empty());
    /// ```
    pub fn hold_owned(self: Arc<Self>, key: K) -> OwnedKeyHandle<K> {
        OwnedKeyHandle(self.stay(key).by(self.table.clone()))
    }

    /// Changes the number of places of a key that lives, for as long as it lives.
    ///
    /// Otherwise as [`Gate::set_capacity`]: nobody is thrown out, and once a lowering has returned,
    /// nobody is admitted beyond the new capacity. False, and nothing has changed, if the key does
    /// not live. [Hold](Self::hold) the key if the capacity shall outlast the holders of its places.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`Gate::MAX_CAPACITY`]. Nothing has changed then.
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
    /// let _ann = rooms.try_acquire(7)?;
    /// assert!(rooms.set_capacity(&7, 2));
    /// assert!(rooms.try_acquire(7).is_ok());
    /// assert!(!rooms.set_capacity(&8, 2)); // nobody is there
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn set_capacity(&self, key: &K, capacity: u32) -> bool {
        assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
        self.find(key).is_some_and(|stay| {
            stay.entry().gate.set_capacity(capacity);
            true
        })
    }

    /// The number of places of this key that are held; 0 if it does not live.
    ///
    /// As exact as [`Gate::occupied`].
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// let _permit = rooms.try_acquire(7)?;
    /// assert_eq!((rooms.occupied(&7), rooms.occupied(&8)), (1, 0));
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn occupied(&self, key: &K) -> u32 {
        self.find(key).map_or(0, |stay| stay.entry().gate.occupied())
    }

    /// The number of keys that live.
    ///
    /// CourseCounts them one by one: keys that come or go meanwhile may be counted or not.
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

    /// True if no key lives. Ends at the first that does; otherwise as [`len`](Self::len).
    ///
    /// ```
    /// assert!(headcount::KeyedGate::new(|_room: &u64| 50).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.table.count(1) == 0
    }

    /// Each key that lives, with its places held and its capacity, in no order.
    ///
    /// Each key's counts are a reading of their own: the whole is not of one instant. Keys that come
    /// or go meanwhile may be there or not, and one that does both may be there twice.
    ///
    /// ```
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
    /// let _permit = rooms.try_acquire(7)?;
    /// assert_eq!(rooms.snapshot(), [(7, 1, 50)]);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn snapshot(&self) -> Vec<(K, u32, u32)>
    where
        K: Clone,
    {
        let mut shown = Vec::new();
        self.table.visit(|entry| {
            let gate = &entry.gate;
            shown.push((entry.key.clone(), gate.occupied(), gate.capacity()));
        });
        shown
    }

    #[inline]
    fn hash(&self, key: &K) -> u64 {
        mix(self.hasher.hash_one(key))
    }

    #[inline]
    fn join(&self, key: K, heads: u32) -> Result<EntryRef<&Table<K>, K>, TryAcquireError> {
        let hash = self.hash(&key);
        self.table.join(key, hash, heads, |key| self.capacity_of(key))
    }

    fn stay(&self, key: K) -> EntryRef<&Table<K>, K> {
        self.join(key, 0).expect("only a place can be refused")
    }

    fn find(&self, key: &K) -> Option<EntryRef<&Table<K>, K>> {
        self.table.find(key, self.hash(key))
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
