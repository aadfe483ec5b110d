//! Permits: RAII proof of places in a gate.
//!
//! # Invariant
//!
//! The counts of a gate's permits, with those of the forgotten ones, add up to what it has handed
//! out and not got back.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::core::Gate;

/// What [`Permit`] and [`OwnedPermit`] share: some places, and a way to their gate.
pub(crate) struct PermitInner<G: Deref<Target = Gate>> {
    gate: G,
    count: u32,
}

impl<G: Deref<Target = Gate>> PermitInner<G> {
    #[inline]
    pub(crate) fn new(gate: G, count: u32) -> Self {
        PermitInner { gate, count }
    }

    fn split(&mut self, n: u32) -> Option<Self>
    where
        G: Clone,
    {
        self.count = self.count.checked_sub(n)?;
        Some(PermitInner::new(self.gate.clone(), n))
    }

    #[track_caller]
    fn merge(&mut self, mut other: Self) {
        let (ours, theirs): (&Gate, &Gate) = (&self.gate, &other.gate);
        assert!(core::ptr::eq(ours, theirs), "cannot merge permits of two different gates");
        self.count += core::mem::take(&mut other.count);
    }

    fn forget(mut self) {
        self.count = 0;
    }
}

impl<G: Deref<Target = Gate>> Drop for PermitInner<G> {
    #[inline]
    fn drop(&mut self) {
        self.gate.give_back(self.count);
    }
}

/// The methods of both permits. `$owned` tells the examples how to acquire.
macro_rules! permit {
    ($permit:ty, $name:literal, $gate:literal, $acquire:literal) => {
        impl $permit {
            /// The number of places that this permit holds.
            ///
            /// ```
            /// # use headcount::Gate;
            #[doc = $gate]
            #[doc = concat!("let permit = ", $acquire, "(3)?;")]
            /// assert_eq!(permit.count(), 3);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn count(&self) -> u32 {
                self.0.count
            }

            /// Moves `n` of the places into a permit of their own. None are given back in between.
            ///
            /// Returns `None`, and changes nothing, if this permit holds fewer than `n`.
            /// `n == 0` gives a permit for nothing.
            ///
            /// ```
            /// # use headcount::Gate;
            #[doc = $gate]
            #[doc = concat!("let mut permit = ", $acquire, "(3)?;")]
            /// let one = permit.split(1).expect("three are more than one");
            /// assert_eq!((permit.count(), one.count()), (2, 1));
            /// assert!(permit.split(3).is_none());
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn split(&mut self, n: u32) -> Option<Self> {
                self.0.split(n).map(Self)
            }

            /// Moves the places of `other` into this permit.
            ///
            /// # Panics
            ///
            /// If the two are permits of different gates. Nothing is lost: this permit is unchanged,
            /// and `other` gives its places back to its own gate.
            ///
            /// ```
            /// # use headcount::Gate;
            #[doc = $gate]
            #[doc = concat!("let mut permit = ", $acquire, "(2)?;")]
            #[doc = concat!("permit.merge(", $acquire, "(1)?);")]
            /// assert_eq!(permit.count(), 3);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            #[track_caller]
            pub fn merge(&mut self, other: Self) {
                self.0.merge(other.0);
            }

            /// Never gives the places back: the gate counts them as occupied from now on.
            ///
            /// To shrink the gate instead, use [`Gate::set_capacity`].
            ///
            /// ```
            /// # use headcount::Gate;
            #[doc = $gate]
            #[doc = concat!($acquire, "(3)?.forget();")]
            /// assert_eq!(gate.available(), 2);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn forget(self) {
                self.0.forget();
            }
        }

        impl fmt::Debug for $permit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("count", &self.count()).finish_non_exhaustive()
            }
        }
    };
}

/// PermitInner in a [`Gate`], given back when this is dropped.
///
/// Returned by [`Gate::try_acquire`] and [`Gate::try_acquire_many`].
///
/// Dropping it costs one atomic operation, on whatever thread and also while panicking. A permit
/// that is leaked with [`core::mem::forget`] keeps its places, as with [`forget`](Permit::forget).
///
/// ```
/// let gate = headcount::Gate::new(5);
/// let permit = gate.try_acquire()?;
/// assert_eq!(gate.occupied(), 1);
/// drop(permit);
/// assert_eq!(gate.occupied(), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the places are given back as soon as the permit is dropped"]
pub struct Permit<'a>(pub(crate) PermitInner<&'a Gate>);

permit!(Permit<'_>, "Permit", "let gate = Gate::new(5);", "gate.try_acquire_many");

/// PermitInner in a [`Gate`] behind an `Arc`, given back when this is dropped.
///
/// Returned by [`Gate::try_acquire_owned`] and [`Gate::try_acquire_many_owned`]; otherwise the same
/// as [`Permit`].
///
/// ```
/// use std::sync::Arc;
///
/// let gate = Arc::new(headcount::Gate::new(5));
/// let permit = Arc::clone(&gate).try_acquire_owned()?;
/// assert_eq!(gate.occupied(), 1);
/// drop(permit);
/// assert_eq!(gate.occupied(), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the places are given back as soon as the permit is dropped"]
pub struct OwnedPermit(pub(crate) PermitInner<Arc<Gate>>);

permit!(
    OwnedPermit,
    "OwnedPermit",
    "let gate = std::sync::Arc::new(Gate::new(5));",
    "gate.clone().try_acquire_many_owned"
);
