//! Permits: a place of one key.
//!
//! # Invariant
//!
//! A permit holds one head of its key's gate, and the stay that keeps the key alive.

use alloc::sync::Arc;
use core::fmt;

use super::table::{EntryRef, Table};

/// The methods of both permits. `$gate` and `$acquire` tell the examples how to acquire.
macro_rules! keyed_permit {
    ($permit:ty, $name:literal, $gate:literal, $acquire:literal) => {
        impl<K> $permit {
            /// The key of which this holds a place.
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = concat!("assert_eq!(", $acquire, "?.key(), &7);")]
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn key(&self) -> &K {
                &self.0.entry().key
            }
        }

        impl<K: fmt::Debug> fmt::Debug for $permit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("key", self.key()).finish_non_exhaustive()
            }
        }
    };
}

/// A place of one key in a [`KeyedGate`](super::KeyedGate), given back when this is dropped.
///
/// Returned by [`KeyedGate::try_acquire`](super::KeyedGate::try_acquire). It can be dropped on
/// whatever thread and also while panicking. The last one to be dropped takes the key along, unless
/// somebody has a [handle](super::KeyHandle). A permit that is leaked with [`core::mem::forget`]
/// keeps its place, and its key alive.
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
/// let permit = rooms.try_acquire(7)?;
/// drop(permit);
/// assert!(rooms.is_empty());
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the permit is dropped"]
pub struct KeyedPermit<'a, K>(pub(super) EntryRef<&'a Table<K>, K>);

keyed_permit!(
    KeyedPermit<'_, K>,
    "KeyedPermit",
    "let rooms = KeyedGate::new(|_room: &u64| 50);",
    "rooms.try_acquire(7)"
);

/// A place of one key in a [`KeyedGate`](super::KeyedGate) behind an `Arc`, given back when this is
/// dropped.
///
/// Returned by [`KeyedGate::try_acquire_owned`](super::KeyedGate::try_acquire_owned); otherwise the
/// same as [`KeyedPermit`].
///
/// ```
/// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 50));
/// let permit = rooms.clone().try_acquire_owned(7)?;
/// drop(permit);
/// assert!(rooms.is_empty());
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the permit is dropped"]
pub struct OwnedKeyedPermit<K>(pub(super) EntryRef<Arc<Table<K>>, K>);

keyed_permit!(
    OwnedKeyedPermit<K>,
    "OwnedKeyedPermit",
    "let rooms = std::sync::Arc::new(KeyedGate::new(|_room: &u64| 50));",
    "rooms.clone().try_acquire_owned(7)"
);
