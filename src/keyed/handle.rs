//! Handles: a key's gate in the hand, at the price of a gate.
//!
//! # Invariant
//!
//! A handle has a stake in its key's life, so the life does not end, and its permits can do without
//! the map and without looking whether they were the last.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::entry::{Entry, Named};
use super::registry::Registry;
use crate::error::TryAcquireError;
use crate::gate::Gate;
use crate::recent;
use crate::slot::CEILING;

/// What both handles share: a stake in the life of one key.
pub(super) struct Stake<R: Deref<Target = Registry<K>>, K: Eq> {
    pub(super) registry: R,
    pub(super) named: Arc<Named<K>>,
}

impl<R: Deref<Target = Registry<K>>, K: Eq> Drop for Stake<R, K> {
    fn drop(&mut self) {
        self.registry.let_go(&self.named);
    }
}

impl Entry {
    /// Claims one place. Does without the look if this thread has just found room to spare here.
    #[inline]
    fn enter(&self) -> Result<(), TryAcquireError> {
        if recent::had_room(self) {
            let entered = self.life.enter_unseen();
            if !matches!(entered, Ok(level) if level < CEILING) {
                recent::note(self, false);
            }
            entered?;
        } else {
            let level = self.life.enter()?;
            recent::note(self, level < CEILING);
        }
        Ok(())
    }

    fn held_and_capacity(&self) -> (u32, u32) {
        let capacity = self.capacity();
        (self.life.read().slot().held(capacity), capacity)
    }
}

/// A place of a key that somebody holds, given back when this is dropped.
///
/// Returned by [`KeyHandle::try_acquire`]. Dropping it costs one atomic operation, on whatever
/// thread and also while panicking.
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
/// let room = rooms.hold(7);
/// let permit = room.try_acquire()?;
/// assert_eq!(rooms.occupied(&7), 1);
/// drop(permit);
/// assert_eq!(rooms.occupied(&7), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the permit is dropped"]
pub struct HeldPermit<'a>(&'a Entry);

impl Drop for HeldPermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.life.leave();
    }
}

impl fmt::Debug for HeldPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPermit").finish_non_exhaustive()
    }
}

/// The methods of both handles. `$gate` and `$hold` tell the examples how to hold.
macro_rules! key_handle {
    ($handle:ty, $name:literal, $gate:literal, $hold:literal) => {
        impl<K: Eq> $handle {
            /// Takes a place of the key, or says why not. Never waits.
            ///
            /// # Errors
            ///
            /// [`Full`](TryAcquireError::Full) if all places of the key were held.
            ///
            /// # Cost
            ///
            /// As [`Gate::try_acquire`].
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = $hold]
            /// let permit = room.try_acquire()?;
            /// assert!(room.try_acquire().unwrap_err().is_full());
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            #[inline]
            pub fn try_acquire(&self) -> Result<HeldPermit<'_>, TryAcquireError> {
                self.0.named.entry.enter()?;
                Ok(HeldPermit(&self.0.named.entry))
            }

            /// The key.
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = $hold]
            /// assert_eq!(room.key(), &7);
            /// ```
            pub fn key(&self) -> &K {
                &self.0.named.key
            }

            /// The number of places of the key, held or not.
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = $hold]
            /// assert_eq!(room.capacity(), 1);
            /// ```
            pub fn capacity(&self) -> u32 {
                self.0.named.entry.capacity()
            }

            /// The number of places of the key that are held, by whomever. See [`Gate::occupied`].
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = $hold]
            /// assert_eq!(room.occupied(), 0);
            /// ```
            pub fn occupied(&self) -> u32 {
                self.0.named.entry.held_and_capacity().0
            }

            /// Changes the number of places, as
            /// [`KeyedGate::set_capacity`](super::KeyedGate::set_capacity) does.
            ///
            /// # Panics
            ///
            /// If `capacity` is above [`Gate::MAX_CAPACITY`]. Nothing has changed then.
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = $hold]
            /// room.set_capacity(2);
            /// assert_eq!(room.capacity(), 2);
            /// ```
            #[track_caller]
            pub fn set_capacity(&self, capacity: u32) {
                assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
                // While the stake stands, the life goes on.
                self.0.named.entry.set_capacity(capacity);
            }
        }

        impl<K: Eq + fmt::Debug> fmt::Debug for $handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (occupied, capacity) = self.0.named.entry.held_and_capacity();
                f.debug_struct($name)
                    .field("key", self.key())
                    .field("capacity", &capacity)
                    .field("occupied", &occupied)
                    .finish()
            }
        }
    };
}

/// One key of a [`KeyedGate`](super::KeyedGate), kept alive.
///
/// Returned by [`KeyedGate::hold`](super::KeyedGate::hold). It holds no place; its
/// [`try_acquire`](Self::try_acquire) takes places at the price of a [`Gate`], without a look into
/// the map. The key lives at least as long as the handle; a handle that is leaked with
/// [`core::mem::forget`] keeps its key alive.
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
/// let room = rooms.hold(7);
/// assert_eq!(rooms.snapshot(), [(7, 0, 50)]);
/// drop(room);
/// assert!(rooms.is_empty());
/// ```
#[must_use = "the key is let go as soon as the handle is dropped"]
pub struct KeyHandle<'a, K: Eq>(pub(super) Stake<&'a Registry<K>, K>);

key_handle!(
    KeyHandle<'_, K>,
    "KeyHandle",
    "let rooms = KeyedGate::new(|_room: &u64| 1);",
    "let room = rooms.hold(7);"
);

/// One key of a [`KeyedGate`](super::KeyedGate) behind an `Arc`, kept alive.
///
/// Returned by [`KeyedGate::hold_owned`](super::KeyedGate::hold_owned); otherwise the same as
/// [`KeyHandle`].
///
/// ```
/// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 50));
/// let room = rooms.clone().hold_owned(7);
/// drop(room);
/// assert!(rooms.is_empty());
/// ```
#[must_use = "the key is let go as soon as the handle is dropped"]
pub struct OwnedKeyHandle<K: Eq>(pub(super) Stake<Arc<Registry<K>>, K>);

key_handle!(
    OwnedKeyHandle<K>,
    "OwnedKeyHandle",
    "let rooms = std::sync::Arc::new(KeyedGate::new(|_room: &u64| 1));",
    "let room = rooms.clone().hold_owned(7);"
);
