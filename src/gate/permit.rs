//! Permits: RAII proof of places in a gate.
//!
//! # Invariant
//!
//! The counts of a gate's permits, forgotten ones included, add up to the number of places that the
//! gate has handed out and not got back.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::core::Gate;

/// The common part of [`Permit`] and [`OwnedPermit`]: a number of places of a gate.
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

/// The methods of both permits. `$gate` and `$acquire` are code of the examples: how to create a
/// gate and how to acquire places.
macro_rules! permit {
    ($permit:ty, $name:literal, $gate:literal, $acquire:literal) => {
        impl $permit {
            /// Returns the number of places that this permit holds.
            ///
            /// # Examples
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

            /// Returns the gate whose places this permit holds.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Gate;
            #[doc = $gate]
            #[doc = concat!("let permit = ", $acquire, "(3)?;")]
            /// assert_eq!(permit.gate().available(), 2);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn gate(&self) -> &Gate {
                &self.0.gate
            }

            /// Moves `n` of the places into a new permit. No place is free in between.
            ///
            /// Returns `None`, and changes nothing, if this permit holds fewer than `n` places.
            /// With `n == 0` it returns a permit of no places.
            ///
            /// # Examples
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
            /// If the two are permits of different gates. This permit is unchanged then, and
            /// `other` gives its places back to its own gate.
            ///
            /// # Examples
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

            /// Consumes the permit without giving its places back: they stay occupied for ever.
            ///
            /// To remove places from the gate, use [`Gate::set_capacity`]. With the feature `wait`,
            /// a caller that wants more places than are left holds up all behind it, see
            /// [fairness](Gate#fairness).
            ///
            /// # Examples
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

/// Holds places of a [`Gate`] and gives them back when it is dropped.
///
/// Returned by [`Gate::try_acquire`] and [`Gate::try_acquire_many`]. A permit that is leaked with
/// [`core::mem::forget`] keeps its places, as with [`forget`](Permit::forget). It can be dropped on
/// any thread, and by a panic.
///
/// # Cost
///
/// Dropping a permit of one place takes one atomic operation, and one more for each refused call
/// that left its increment behind; of several places, a load and a compare-exchange, repeated for
/// as long as other callers change the count in between. While there is a deficit it takes one
/// more; with the feature `wait`, while callers wait, there is a deficit or the gate is closed, it
/// takes the lock of the waitlist instead, and can wake callers. If their wakers panic, all are
/// woken before the first panic goes on.
///
/// # Memory ordering
///
/// Dropping it is a release operation: the next holder of its places sees the earlier writes of
/// this holder.
///
/// # Examples
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

/// Holds places of a [`Gate`] behind an `Arc` and gives them back when it is dropped.
///
/// Returned by [`Gate::try_acquire_owned`] and [`Gate::try_acquire_many_owned`]; otherwise the same
/// as [`Permit`].
///
/// # Examples
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
