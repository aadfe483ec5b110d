//! The lock of a shard.
//!
//! # Invariant
//!
//! The value is accessed only through a [`ShardGuard`], and there is at most one. A guard is made by
//! the compare-exchange that takes the lock.
//!
//! The lock is held for a few dozen instructions, seldom longer, and most callers that find it taken
//! go elsewhere. So it needs no queue: a caller that has to wait yields until the lock is free. That
//! saves an atomic read-modify-write in each put.
#![allow(unsafe_code)]

use core::ops::{Deref, DerefMut};

use crate::protocol::mutants::ordering;
use crate::sync::{yield_now, AtomicU32, Ordering, UnsafeCell};

const FREE: u32 = 0;
const TAKEN: u32 = 1;

pub(super) struct ShardLock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time access to the value.
unsafe impl<T: Send> Sync for ShardLock<T> {}

/// Proof that the lock is taken, and access to the value. Dropping it frees the lock.
pub(super) struct ShardGuard<'a, T>(&'a ShardLock<T>);

impl<T> ShardLock<T> {
    pub(super) fn new(value: T) -> ShardLock<T> {
        ShardLock { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Takes the lock, if it is free.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<ShardGuard<'_, T>> {
        // Acquire: pairs with the Release of `ShardGuard::drop`. The value is as the last owner
        // left it.
        let order = ordering!("holds-lock", Acquire => Relaxed);
        let taken = self.state.compare_exchange(FREE, TAKEN, order, Ordering::Relaxed);
        taken.is_ok().then(|| ShardGuard(self))
    }

    /// Waits until the lock is free, and takes it.
    pub(super) fn lock(&self) -> ShardGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            yield_now();
        }
    }
}

impl<T> Deref for ShardGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only access to the value, and the reference borrows the guard.
        self.0.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for ShardGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the reference borrows the guard exclusively.
        self.0.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for ShardGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `try_lock`.
        self.0.state.store(FREE, ordering!("holds-unlock", Release => Relaxed));
    }
}
