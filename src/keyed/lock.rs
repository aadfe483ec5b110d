//! The lock of a shard: short, and released by one store.
//!
//! # Invariant
//!
//! The value is used by the caller that has changed `locked` from 0 to 1, until it stores 0.
//!
//! # Why this lock
//!
//! A key that comes and goes changes two words: this lock and the word of its entry. The lock of
//! the standard library would be a third: it is released by a swap, to see whether a thread sleeps.
//! Here a thread that finds the lock taken spins, then yields, then sleeps for a bounded time. What
//! is done under the lock is short and calls no user code, so sleeping is rare: the thread that has
//! the lock must have been interrupted, or enlarge the table.
#![allow(unsafe_code)]

use crate::protocol::mutants::ordering;
use crate::sync::{relax, AtomicU32, Ordering, UnsafeCell};

pub(super) struct Lock<T> {
    locked: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time use the value.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Lock { locked: AtomicU32::new(0), value: UnsafeCell::new(T::default()) }
    }
}

impl<T> Lock<T> {
    /// Calls `f` under the lock.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        struct Unlock<'a>(&'a AtomicU32);

        impl Drop for Unlock<'_> {
            #[inline]
            fn drop(&mut self) {
                // Release, pairs with the Acquire below: the next caller sees what this one did.
                self.0.store(0, ordering!("keyed-unlock", Release => Relaxed));
            }
        }

        let mut tries = 0;
        loop {
            // Acquire, pairs with the Release above.
            let acquire = ordering!("keyed-lock", Acquire => Relaxed);
            if self.locked.compare_exchange(0, 1, acquire, Ordering::Relaxed).is_ok() {
                break;
            }
            // Relaxed: only a hint that trying again is worth it.
            while self.locked.load(Ordering::Relaxed) != 0 {
                relax(tries);
                tries += 1;
            }
        }
        let _unlock = Unlock(&self.locked);
        // SAFETY: the caller has the lock until `_unlock` is dropped.
        self.value.with_mut(|value| f(unsafe { &mut *value }))
    }
}
