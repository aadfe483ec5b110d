//! Waiting for places of a key: the public methods and their futures.
//!
//! # Invariant
//!
//! A future has a ref of its key's entry, so the key lives while a caller waits for it. A future
//! that is ready with `Ok` has moved its ref and its places into the permit.

use alloc::sync::Arc;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::task::{Context, Poll};
use std::time::Instant;

use super::permit::{KeyedPermit, OwnedKeyedPermit};
use super::table::{Borrows, GateRef, Table};
use super::KeyedGate;
use crate::error::{AcquireError, AcquireTimeoutError, TryAcquireError};
use crate::gate::{waiting_future, Wait};

/// Waiting, with the feature `wait`.
///
/// Each key has a waitlist of its own: first come, first served, as at a
/// [`Gate`](crate::Gate#fairness). The methods return a future; `.await` it, or block the thread
/// with [`wait`](KeyedAcquire::wait), [`wait_timeout`](KeyedAcquire::wait_timeout) or
/// [`wait_deadline`](KeyedAcquire::wait_deadline).
///
/// The call itself brings the key to life, and the future keeps it alive until it is ready or
/// dropped. A capacity of 0 makes the caller wait until the capacity of this life is raised.
impl<K: Hash + Eq, S: BuildHasher> KeyedGate<K, S> {
    /// Acquires one place of a key, and waits for it if need be.
    ///
    /// # Errors
    ///
    /// - [`Closed`](crate::AcquireError::Closed) if the key's gate is closed through a
    ///   [handle](crate::KeyHandle), before or while this caller waits.
    /// - [`KeysFull`](crate::AcquireError::KeysFull) if the key did not live when this was called,
    ///   and as many keys lived as [`max_keys`](crate::KeyedGateBuilder::max_keys) allows.
    ///
    /// # Panics
    ///
    /// As [`try_hold`](Self::try_hold).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives its position up. If it had been served, its place goes to the next
    /// caller.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
    /// let permit = rooms.acquire(7).await?;
    /// let next = rooms.acquire(7);
    /// drop(permit);
    /// assert_eq!(next.await?.key(), &7);
    /// assert!(rooms.is_empty());
    /// # Ok(()) }
    /// ```
    pub fn acquire(&self, key: K) -> KeyedAcquire<'_, K> {
        self.acquire_many(key, 1)
    }

    /// Acquires `n` places of a key, all at once, and waits for them if need be.
    ///
    /// Otherwise as [`Gate::acquire_many`](crate::Gate::acquire_many).
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`try_hold`](Self::try_hold).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire). Places kept for it so far go to the next callers.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let rooms = headcount::KeyedGate::new(|_room: &u64| 5);
    /// let party = rooms.acquire_many(7, 3).await?;
    /// assert_eq!((party.count(), rooms.occupied(&7)), (3, 3));
    /// # Ok(()) }
    /// ```
    pub fn acquire_many(&self, key: K, n: u32) -> KeyedAcquire<'_, K> {
        KeyedAcquire { wait: KeyedWait::new(self.gated(key), n) }
    }

    /// Acquires one place of a key, as [`acquire`](Self::acquire), for a permit that is not tied to
    /// a borrow.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`try_hold`](Self::try_hold).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 1));
    /// let permit = rooms.clone().acquire_owned(7).await?;
    /// tokio::spawn(async move { drop(permit) });
    /// let _permit = rooms.acquire(7).await?;
    /// # Ok(()) }
    /// ```
    pub fn acquire_owned(self: Arc<Self>, key: K) -> KeyedAcquireOwned<K> {
        self.acquire_many_owned(key, 1)
    }

    /// Acquires `n` places of a key, as [`acquire_many`](Self::acquire_many), for a permit that is
    /// not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`try_hold`](Self::try_hold).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 5));
    /// let party = rooms.clone().acquire_many_owned(7, 5).await?;
    /// assert!(rooms.try_acquire(7).unwrap_err().is_full());
    /// drop(party);
    /// # Ok(()) }
    /// ```
    pub fn acquire_many_owned(self: Arc<Self>, key: K, n: u32) -> KeyedAcquireOwned<K> {
        KeyedAcquireOwned { wait: KeyedWait::new(self.gated_owned(key), n) }
    }
}

/// One wait for places of a key.
enum KeyedWait<T, K> {
    Waits(Wait<GateRef<T, K>>),
    /// The key did not live, and too many keys lived. Holds the number of places wanted.
    KeysFull(u32),
}

impl<T, K> KeyedWait<T, K> {
    fn new(gated: Result<GateRef<T, K>, TryAcquireError>, wants: u32) -> Self {
        match gated {
            Ok(gate_ref) => KeyedWait::Waits(Wait::new(gate_ref, wants)),
            Err(_) => KeyedWait::KeysFull(wants),
        }
    }

    fn set_limit(&mut self, limit: usize) {
        if let KeyedWait::Waits(wait) = self {
            wait.set_limit(limit);
        }
    }

    fn wants(&self) -> u32 {
        match self {
            KeyedWait::Waits(wait) => wait.wants(),
            KeyedWait::KeysFull(wants) => *wants,
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            KeyedWait::Waits(wait) => wait.position(),
            KeyedWait::KeysFull(_) => None,
        }
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("wants", &self.wants())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<GateRef<T, K>, AcquireError>> {
        match self {
            KeyedWait::Waits(wait) => wait.poll(cx),
            KeyedWait::KeysFull(_) => Poll::Ready(Err(AcquireError::KeysFull)),
        }
    }

    fn wait(self) -> Result<GateRef<T, K>, AcquireError> {
        match self {
            KeyedWait::Waits(wait) => wait.wait(),
            KeyedWait::KeysFull(_) => Err(AcquireError::KeysFull),
        }
    }

    fn wait_until(self, at: Option<Instant>) -> Result<GateRef<T, K>, AcquireTimeoutError> {
        match self {
            KeyedWait::Waits(wait) => wait.wait_until(at),
            KeyedWait::KeysFull(_) => Err(AcquireTimeoutError::KeysFull),
        }
    }
}

/// Waits for places of a key in a [`KeyedGate`].
///
/// Returned by [`KeyedGate::acquire`] and [`KeyedGate::acquire_many`]. It does not need to be
/// pinned: it can be polled by reference, and asked in between for its
/// [`position`](Self::position).
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let rooms = headcount::KeyedGate::new(|_room: &u64| 1);
/// let permit = rooms.acquire(7).wait()?;
/// assert_eq!(permit.key(), &7);
/// # Ok::<(), headcount::AcquireError>(())
/// ```
#[must_use = "it joins the waitlist only when it is awaited or waited for"]
pub struct KeyedAcquire<'a, K> {
    wait: KeyedWait<Borrows<'a, K>, K>,
}

waiting_future! {
    ['a, K] KeyedAcquire<'a, K>, "KeyedAcquire" => KeyedPermit<'a, K>,
    |gate_ref: GateRef<Borrows<'a, K>, K>, count| KeyedPermit(gate_ref.with_places(count));
    "let rooms = headcount::KeyedGate::new(|_room: &u64| 1);",
    "let rooms = headcount::KeyedGate::new(|_room: &u64| 0);",
    "rooms.acquire(7)"
}

/// Waits for places of a key in a [`KeyedGate`] behind an `Arc`.
///
/// Returned by [`KeyedGate::acquire_owned`] and [`KeyedGate::acquire_many_owned`]; otherwise the
/// same as [`KeyedAcquire`].
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 1));
/// let permit = rooms.clone().acquire_owned(7).wait()?;
/// std::thread::spawn(move || drop(permit)).join().unwrap();
/// assert!(rooms.is_empty());
/// # Ok::<(), headcount::AcquireError>(())
/// ```
#[must_use = "it joins the waitlist only when it is awaited or waited for"]
pub struct KeyedAcquireOwned<K> {
    wait: KeyedWait<Arc<Table<K>>, K>,
}

waiting_future! {
    [K] KeyedAcquireOwned<K>, "KeyedAcquireOwned" => OwnedKeyedPermit<K>,
    |gate_ref: GateRef<Arc<Table<K>>, K>, count| OwnedKeyedPermit(gate_ref.with_places(count));
    "let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 1));",
    "let rooms = std::sync::Arc::new(headcount::KeyedGate::new(|_room: &u64| 0));",
    "rooms.clone().acquire_owned(7)"
}
