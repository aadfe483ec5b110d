//! A lock for a few dozen instructions: taken by one compare-exchange, freed by one store.
//!
//! # Invariant
//!
//! The value is accessed only through a [`ShortGuard`], and there is at most one. A guard is made
//! by the compare-exchange that takes the lock.
//!
//! # Why this lock
//!
//! A lock of the standard library is freed by a swap, to see whether a thread sleeps. This one is
//! freed by a store, and saves that read-modify-write in each call. A thread that has to wait
//! spins, then yields, then sleeps for a bounded time. No code of the user runs under it, so
//! sleeping is rare: the thread that has the lock was interrupted, or it enlarges what the lock
//! guards.
#![allow(unsafe_code)]

use core::ops::{Deref, DerefMut};

use crate::protocol::mutants::ordering;
use crate::sync::{relax, AtomicU32, Ordering, UnsafeCell};

const FREE: u32 = 0;
const TAKEN: u32 = 1;

pub(crate) struct ShortLock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time access to the value.
unsafe impl<T: Send> Sync for ShortLock<T> {}

#[cfg(feature = "keyed")]
impl<T: Default> Default for ShortLock<T> {
    fn default() -> Self {
        ShortLock::new(T::default())
    }
}

/// Proof that the lock is taken, and access to the value. Dropping it frees the lock.
pub(crate) struct ShortGuard<'a, T>(&'a ShortLock<T>);

impl<T> ShortLock<T> {
    pub(crate) fn new(value: T) -> ShortLock<T> {
        ShortLock { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Takes the lock, if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<ShortGuard<'_, T>> {
        // Acquire, pairs with the Release of `ShortGuard::drop`: the value is as the last owner
        // left it.
        let order = ordering!("short-lock", Acquire => Relaxed);
        let taken = self.state.compare_exchange(FREE, TAKEN, order, Ordering::Relaxed);
        taken.is_ok().then(|| ShortGuard(self))
    }

    /// Waits until the lock is free, and takes it.
    #[inline]
    pub(crate) fn lock(&self) -> ShortGuard<'_, T> {
        let mut tries = 0;
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            // Relaxed: only a hint that trying again is worth it.
            while self.state.load(Ordering::Relaxed) == TAKEN {
                relax(tries);
                tries += 1;
            }
        }
    }

    /// Calls `f` under the lock.
    #[cfg(feature = "keyed")]
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.lock())
    }
}

impl<T> Deref for ShortGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only access to the value, and the reference borrows the guard.
        self.0.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for ShortGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the reference borrows the guard exclusively.
        self.0.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for ShortGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release, pairs with the Acquire of `try_lock`.
        self.0.state.store(FREE, ordering!("short-unlock", Release => Relaxed));
    }
}

#[cfg(all(test, headcount_loom))]
mod tests {
    use std::sync::Arc;

    use super::ShortLock;

    /// Two threads change the value, one of which does not wait for the lock. No change is lost.
    #[test]
    fn each_owner_sees_what_the_last_one_did() {
        loom::model(|| {
            let lock = Arc::new(ShortLock::new(0));
            let other = Arc::clone(&lock);
            let thread = loom::thread::spawn(move || *other.lock() += 1);
            let tried = lock.try_lock().map(|mut value| *value += 1).is_some();
            thread.join().unwrap();
            assert_eq!(*lock.lock(), 1 + i32::from(tried));
        });
    }
}
