//! Permits of a striped gate: RAII proof of one place.
//!
//! # Invariant
//!
//! The permits of a gate, with the forgotten ones, are as many as its places that are not free. A
//! permit does not know which stripe its place came from: the place goes back to the stripe of the
//! thread that drops the permit.

use alloc::sync::Arc;
use core::fmt;
use core::mem::ManuallyDrop;

use super::StripedGate;

/// One place in a [`StripedGate`], given back when this is dropped.
///
/// Returned by [`StripedGate::try_acquire`]. The place goes back to the stripe of the thread that
/// drops the permit, also while panicking; that costs one atomic addition, and one more for each
/// rejected call whose deficit it pays. A permit that is leaked with [`core::mem::forget`] keeps
/// its place, as with [`forget`](StripedPermit::forget).
///
/// # Examples
///
/// ```
/// let gate = headcount::StripedGate::new(5);
/// let permit = gate.try_acquire()?;
/// assert_eq!(gate.occupied(), 1);
/// drop(permit);
/// assert_eq!(gate.occupied(), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the permit is dropped"]
pub struct StripedPermit<'a>(&'a StripedGate);

/// One place in a [`StripedGate`] behind an `Arc`, given back when this is dropped.
///
/// Returned by [`StripedGate::try_acquire_owned`]; otherwise the same as [`StripedPermit`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// let gate = Arc::new(headcount::StripedGate::new(5));
/// let permit = Arc::clone(&gate).try_acquire_owned()?;
/// assert_eq!(gate.occupied(), 1);
/// drop(permit);
/// assert_eq!(gate.occupied(), 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the permit is dropped"]
pub struct OwnedStripedPermit(
    /// `None` once the permit is forgotten.
    Option<Arc<StripedGate>>,
);

impl<'a> StripedPermit<'a> {
    #[inline]
    pub(super) fn new(gate: &'a StripedGate) -> Self {
        StripedPermit(gate)
    }

    /// Consumes the permit without giving the place back: the gate counts it as held from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(5);
    /// gate.try_acquire()?.forget();
    /// assert_eq!(gate.available(), 4);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn forget(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl OwnedStripedPermit {
    #[inline]
    pub(super) fn new(gate: Arc<StripedGate>) -> Self {
        OwnedStripedPermit(Some(gate))
    }

    /// Consumes the permit without giving the place back: the gate counts it as held from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = std::sync::Arc::new(headcount::StripedGate::new(5));
    /// gate.clone().try_acquire_owned()?.forget();
    /// assert_eq!(gate.available(), 4);
    /// assert_eq!(std::sync::Arc::strong_count(&gate), 1); // the gate itself is not leaked
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for StripedPermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Drop for OwnedStripedPermit {
    #[inline]
    fn drop(&mut self) {
        if let Some(gate) = &self.0 {
            gate.give_back();
        }
    }
}

impl fmt::Debug for StripedPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripedPermit").finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedStripedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedStripedPermit").finish_non_exhaustive()
    }
}
