//! Handles: access to the gate of one key.
//!
//! # Invariant
//!
//! A handle has a ref of its key's entry. So the gate is there for as long as the handle is, and
//! for all that is borrowed from it.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::table::{Borrows, GateRef, Table};
use crate::gate::Gate;

/// The methods of both handles. `$gate` and `$hold` are lines of their examples.
macro_rules! key_handle {
    ($handle:ty, $name:literal, $gate:literal, $hold:literal) => {
        impl<K> $handle {
            /// Returns the key.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = $hold]
            /// assert_eq!(room.key(), &7);
            /// ```
            pub fn key(&self) -> &K {
                self.0.key()
            }
        }

        impl<K> Deref for $handle {
            type Target = Gate;

            #[inline]
            fn deref(&self) -> &Gate {
                &self.0
            }
        }

        impl<K: fmt::Debug> fmt::Debug for $handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("key", self.key())
                    .field("capacity", &self.capacity())
                    .field("occupied", &self.occupied())
                    .finish()
            }
        }
    };
}

/// The gate of one key of a [`KeyedGate`](super::KeyedGate), kept alive.
///
/// Returned by [`KeyedGate::hold`](super::KeyedGate::hold). It holds no place. It derefs to the
/// key's [`Gate`]: all that a gate does can be done with it, at the cost of a gate, such as
/// acquiring several places, changing the capacity, closing and reopening and, with the feature
/// `wait`, waiting for a place. While the gate is closed, callers by key are refused as
/// [`Closed`](crate::TryAcquireError::Closed).
///
/// The key lives at least as long as the handle; a handle that is leaked with
/// [`core::mem::forget`] keeps its key alive. A place whose permit was forgotten stays held until
/// the key is removed.
///
/// # Examples
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
/// let room = rooms.hold(7);
/// assert_eq!((rooms.len(), rooms.occupied(&7)), (1, 0));
/// let party = room.try_acquire_many(3)?;
/// assert_eq!((room.occupied(), rooms.occupied(&7)), (3, 3));
/// drop(party);
/// drop(room);
/// assert!(rooms.is_empty());
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the handle keeps its key alive only until it is dropped"]
pub struct KeyHandle<'a, K>(pub(super) GateRef<Borrows<'a, K>, K>);

key_handle!(
    KeyHandle<'_, K>,
    "KeyHandle",
    "let rooms = KeyedGate::new(|_room: &u64| 1);",
    "let room = rooms.hold(7);"
);

/// The gate of one key of a [`KeyedGate`](super::KeyedGate) behind an `Arc`, kept alive.
///
/// Returned by [`KeyedGate::hold_owned`](super::KeyedGate::hold_owned); otherwise the same as
/// [`KeyHandle`].
///
/// # Examples
///
/// ```
/// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 50));
/// let room = rooms.clone().hold_owned(7);
/// drop(room);
/// assert!(rooms.is_empty());
/// ```
#[must_use = "the handle keeps its key alive only until it is dropped"]
pub struct OwnedKeyHandle<K>(pub(super) GateRef<Arc<Table<K>>, K>);

key_handle!(
    OwnedKeyHandle<K>,
    "OwnedKeyHandle",
    "let rooms = std::sync::Arc::new(KeyedGate::new(|_room: &u64| 1));",
    "let room = rooms.clone().hold_owned(7);"
);
