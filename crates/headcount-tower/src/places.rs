//! What a layer takes places of.

use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use std::sync::Arc;

use headcount::{
    Acquire, AcquireError, AcquireOwned, Gate, KeyedAcquireOwned, KeyedGate, OwnedKeyedPermit,
    OwnedPermit, Permit, TryAcquireError,
};
use http::Request;

/// What a layer takes places of: an `Arc<Gate>`, a `&'static Gate`, or [`ByKey`]. Sealed.
pub trait Places<Q>: Clone + Sealed {
    /// The proof of a place.
    type Permit: Send + Sync + 'static;

    #[doc(hidden)]
    type Acquire: Future<Output = Result<Self::Permit, AcquireError>> + Unpin;

    #[doc(hidden)]
    fn try_acquire(&self, request: &Request<Q>) -> Result<Self::Permit, TryAcquireError>;

    /// `None` if as many wait already as the limit allows. That only saves the future: it is
    /// refused itself if as many wait when it is first polled.
    #[doc(hidden)]
    fn acquire(&self, request: &Request<Q>, queue_limit: usize) -> Option<Self::Acquire>;
}

/// Keeps [`Places`] from being implemented elsewhere.
pub trait Sealed {
    /// Whether the limit is one of a key.
    const KEYED: bool;
}

impl Sealed for Arc<Gate> {
    const KEYED: bool = false;
}

impl<Q> Places<Q> for Arc<Gate> {
    type Permit = OwnedPermit;
    type Acquire = AcquireOwned;

    #[inline]
    fn try_acquire(&self, _request: &Request<Q>) -> Result<OwnedPermit, TryAcquireError> {
        // A rejected request need not clone the `Arc`. While no request waits, this is one load.
        if self.is_full() {
            return Err(if self.is_closed() {
                TryAcquireError::Closed
            } else {
                TryAcquireError::Full
            });
        }
        Gate::try_acquire_owned(self.clone())
    }

    fn acquire(&self, _request: &Request<Q>, queue_limit: usize) -> Option<AcquireOwned> {
        (self.waiting() < queue_limit)
            .then(|| self.clone().acquire_owned().queue_limit(queue_limit))
    }
}

impl Sealed for &'static Gate {
    const KEYED: bool = false;
}

impl<Q> Places<Q> for &'static Gate {
    type Permit = Permit<'static>;
    type Acquire = Acquire<'static>;

    #[inline]
    fn try_acquire(&self, _request: &Request<Q>) -> Result<Permit<'static>, TryAcquireError> {
        Gate::try_acquire(self)
    }

    fn acquire(&self, _request: &Request<Q>, queue_limit: usize) -> Option<Acquire<'static>> {
        (self.waiting() < queue_limit).then(|| Gate::acquire(self).queue_limit(queue_limit))
    }
}

/// The gates of a [`KeyedGate`], with the key of a request.
pub struct ByKey<K, F, H> {
    gates: Arc<KeyedGate<K, H>>,
    key_of: F,
}

impl<K, F, H> ByKey<K, F, H> {
    pub(crate) fn new(gates: Arc<KeyedGate<K, H>>, key_of: F) -> Self {
        ByKey { gates, key_of }
    }
}

impl<K, F: Clone, H> Clone for ByKey<K, F, H> {
    fn clone(&self) -> Self {
        ByKey { gates: self.gates.clone(), key_of: self.key_of.clone() }
    }
}

impl<K, F, H> fmt::Debug for ByKey<K, F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").finish_non_exhaustive()
    }
}

impl<K, F, H> Sealed for ByKey<K, F, H> {
    const KEYED: bool = true;
}

impl<K, F, H, Q> Places<Q> for ByKey<K, F, H>
where
    K: Hash + Eq + Send + Sync + 'static,
    F: Fn(&Request<Q>) -> K + Clone,
    H: BuildHasher,
{
    type Permit = OwnedKeyedPermit<K>;
    type Acquire = KeyedAcquireOwned<K>;

    fn try_acquire(&self, request: &Request<Q>) -> Result<Self::Permit, TryAcquireError> {
        let key = (self.key_of)(request);
        self.gates.clone().try_acquire_owned(key)
    }

    fn acquire(&self, request: &Request<Q>, queue_limit: usize) -> Option<Self::Acquire> {
        let key = || (self.key_of)(request);
        (self.gates.hold(key()).waiting() < queue_limit)
            .then(|| self.gates.clone().acquire_owned(key()).queue_limit(queue_limit))
    }
}
