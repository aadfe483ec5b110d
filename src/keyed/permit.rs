//! Permits: each holds one place of one key.
//!
//! # Invariant
//!
//! A permit holds one place of its key's gate, and the ref that keeps the key alive.

use alloc::sync::Arc;
use core::fmt;

use super::table::{Borrows, EntryRef, Table};

/// The methods of both permits. `$gate` and `$acquire` are lines of their examples.
macro_rules! keyed_permit {
    ($permit:ty, $name:literal, $gate:literal, $acquire:literal) => {
        impl<K> $permit {
            /// Returns the key of which this permit holds a place.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = concat!("assert_eq!(", $acquire, "?.key(), &7);")]
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn key(&self) -> &K {
                self.0.key()
            }

            /// Returns the number of places that this permit holds.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::KeyedGate;
            #[doc = $gate]
            #[doc = concat!("assert_eq!(", $acquire, "?.count(), 1);")]
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn count(&self) -> u32 {
                self.0.places()
            }
        }

        impl<K: fmt::Debug> fmt::Debug for $permit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("key", self.key()).finish_non_exhaustive()
            }
        }
    };
}

/// One place of one key in a [`KeyedGate`](super::KeyedGate), given back when this is dropped.
///
/// Returned by [`KeyedGate::try_acquire`](super::KeyedGate::try_acquire). It can be dropped on any
/// thread, and while panicking. The drop of a key's last permit removes the key, unless there is a
/// [handle](super::KeyHandle) of it. A permit that is leaked with [`core::mem::forget`] keeps its
/// place held and its key alive.
///
/// # Examples
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 50);
/// let permit = rooms.try_acquire(7)?;
/// drop(permit);
/// assert!(rooms.is_empty());
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the permit is dropped"]
pub struct KeyedPermit<'a, K>(pub(super) EntryRef<Borrows<'a, K>, K>);

keyed_permit!(
    KeyedPermit<'_, K>,
    "KeyedPermit",
    "let rooms = KeyedGate::new(|_room: &u64| 50);",
    "rooms.try_acquire(7)"
);

/// One place of one key in a [`KeyedGate`](super::KeyedGate) behind an `Arc`, given back when this
/// is dropped.
///
/// Returned by [`KeyedGate::try_acquire_owned`](super::KeyedGate::try_acquire_owned); otherwise the
/// same as [`KeyedPermit`].
///
/// # Examples
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
