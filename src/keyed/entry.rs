//! What the map holds for each key: a life, and the number of its places.
//!
//! # Invariant
//!
//! `capacity` is `places` until somebody resizes, and changes under the lock only. The lock is never
//! waited for by a leaver: whoever holds it looks, once it has let go, whether all have left.

use core::ops::Deref;

use crate::slot::life::{Left, Life, NoPlace, Reading};
use crate::sync::{AtomicU32, Mutex, Ordering};

pub(crate) struct Entry {
    pub(crate) life: Life,
    /// The places that the life began with.
    pub(crate) places: u32,
    capacity: AtomicU32,
    resizing: Mutex<()>,
}

impl Entry {
    pub(crate) fn new(places: u32, heads: u32, stakes: u32) -> Entry {
        Entry {
            life: Life::new(places, heads, stakes),
            places,
            capacity: AtomicU32::new(places),
            resizing: Mutex::new(()),
        }
    }

    pub(crate) fn capacity(&self) -> u32 {
        // Relaxed: a number that stands for itself; the lock orders the changes.
        self.capacity.load(Ordering::Relaxed)
    }

    /// Heads and capacity, unless the life is over.
    pub(crate) fn counts(&self) -> Option<(u32, u32)> {
        let seen = self.life.read();
        let capacity = self.capacity();
        (!seen.is_over()).then(|| (seen.slot().held(capacity), capacity))
    }

    /// Gives a place back. True if the entry must go.
    #[inline]
    pub(crate) fn part(&self, seen: Reading) -> bool {
        self.must_go(self.life.part(self.places, seen))
    }

    /// Gives up a stake. True if the entry must go.
    pub(crate) fn let_go(&self) -> bool {
        self.must_go(self.life.let_go(self.places))
    }

    /// Takes a stake.
    pub(crate) fn hold(&self) -> Result<(), NoPlace> {
        self.life.hold()
    }

    /// Changes the capacity, unless the life is over. What has to be done afterwards is
    /// [`end_if_vacant`](Self::end_if_vacant)'s.
    pub(crate) fn set_capacity(&self, capacity: u32) -> bool {
        let _lock = self.resizing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !self.life.begin_resizing() {
            return false;
        }
        let from = self.capacity();
        // Relaxed, twice: as in `Gate::set_capacity`, the slot never has more places than this says.
        if capacity > from {
            self.capacity.store(capacity, Ordering::Relaxed);
            self.life.give(capacity - from);
        } else {
            self.life.withdraw(from - capacity);
            self.capacity.store(capacity, Ordering::Relaxed);
        }
        true
    }

    /// Ends a resized life if nobody is there. True if the entry must go.
    #[cold]
    pub(crate) fn end_if_vacant(&self) -> bool {
        loop {
            {
                // A panic cannot have happened under the lock, so a refusal means that it is taken,
                // and that whoever has it will look.
                let Ok(_lock) = self.resizing.try_lock() else { return false };
                if self.life.end_resized(self.capacity()) {
                    return true;
                }
            }
            if !self.life.is_vacant(self.capacity()) {
                return false;
            }
        }
    }

    #[inline]
    fn must_go(&self, left: Left) -> bool {
        match left {
            Left::Alive | Left::Resting => false,
            Left::Ended => true,
            Left::Resized => self.end_if_vacant(),
        }
    }
}

/// An entry with the key that it is found by.
pub(crate) struct Named<K> {
    pub(crate) key: K,
    pub(crate) hash: u64,
    pub(crate) entry: Entry,
}

impl<K> Deref for Named<K> {
    type Target = Entry;

    #[inline]
    fn deref(&self) -> &Entry {
        &self.entry
    }
}
