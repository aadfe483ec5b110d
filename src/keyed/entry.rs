//! Entries: each has the memory for one key, its capacity, and its gate if it has one.
//!
//! # Invariant
//!
//! An entry never moves and is never freed before the table. The key is there unless the entry is
//! vacant; the gate is there while the word says so. Each ref that the word counts belongs to one
//! [`EntryRef`](super::table::EntryRef). The table in `protocol/cell.rs` has the states.
//!
//! A key with a destructor is never dormant: it is moved out, and dropped, by the call that ends
//! it. Neither is a key of a table that limits its keys: its end gives the limit's place back.
//!
//! # Safety
//!
//! What the unsafe code rests on: `key` and `gate` are written by the caller that has the lock of
//! the shard while the entry is vacant, and moved out by the caller that owns the busy entry; in
//! between they are only read, by callers with a ref.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::mem::{needs_drop, MaybeUninit};

use crate::gate::Gate;
use crate::protocol::cell::{CellState, Released};
use crate::protocol::mutants::mutant;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UnsafeCell};

/// One entry, on a cache line of its own. Its bytes may all be zero: it is vacant then.
#[repr(C, align(64))]
pub(super) struct Entry<K> {
    pub(super) state: CellState,
    /// The hash of the key. Checked together with `state`, see [`hash`](Self::hash).
    hash: AtomicU64,
    /// The capacity of the key. Once the key has a gate, the gate's own counts.
    capacity: AtomicU32,
    /// The next entry of the free list: its index, plus one. Used under the lock of the shard.
    pub(super) next_free: AtomicU32,
    /// The gate of the living keys of the table, if they are limited. The same for all keys that
    /// live here.
    limit: AtomicPtr<Gate>,
    gate: UnsafeCell<Option<Box<Gate>>>,
    key: UnsafeCell<MaybeUninit<K>>,
}

// SAFETY: callers with a ref read one key from several threads, so `K: Sync`; the thread that
// writes a key need not be the thread that drops it, so `K: Send`. `Gate` is both.
unsafe impl<K: Send + Sync> Sync for Entry<K> {}

impl<K> Entry<K> {
    #[cfg(any(headcount_loom, headcount_shuttle))]
    pub(super) fn vacant() -> Self {
        Entry {
            state: CellState::new(),
            hash: AtomicU64::new(0),
            capacity: AtomicU32::new(0),
            next_free: AtomicU32::new(0),
            limit: AtomicPtr::new(core::ptr::null_mut()),
            gate: UnsafeCell::new(None),
            key: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Returns the hash of the key. Without a ref: of some key that lives or has lived here; of the
    /// present one, if a change of `state` from a word that was read before then succeeds.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        // Relaxed: see above; `protocol/cell.rs` says why.
        self.hash.load(Ordering::Relaxed)
    }

    /// Returns the capacity that the key came to life with. Without a ref: as for `hash`.
    #[inline]
    pub(super) fn capacity(&self) -> u32 {
        // Relaxed: as for `hash`.
        self.capacity.load(Ordering::Relaxed)
    }

    /// Writes a key and opens the entry with `n` places held, or one pin if there are none. If
    /// there is a limit, the key holds one of its places until it has ended. If the key `returns`,
    /// because its hash was here before, the entry keeps it if it can.
    ///
    /// # Safety
    ///
    /// The entry must be vacant, and the caller must have the lock of its shard. The limit must be
    /// the same for all keys of the table, and live as long as the table.
    pub(super) unsafe fn open(
        &self,
        key: K,
        hash: u64,
        capacity: u32,
        n: u32,
        limit: Option<&Gate>,
        returns: bool,
    ) {
        let seen = self.state.read();
        // SAFETY: the entry is vacant, so no caller has a ref or takes one; the lock keeps other
        // openers away. The last key was left before (`vacate`, `forget` or `release` → `read`).
        self.key.with_mut(|memory| unsafe {
            (*memory).write(key);
        });
        // Relaxed, three times: `open` publishes them.
        if let Some(limit) = limit {
            self.limit.store(core::ptr::from_ref(limit).cast_mut(), Ordering::Relaxed);
        }
        self.hash.store(hash, Ordering::Relaxed);
        self.capacity.store(capacity, Ordering::Relaxed);
        self.state.open(seen, n, returns && limit.is_none() && !needs_drop::<K>());
    }

    /// Makes a dormant entry vacant. Returns whether the entry is vacant.
    ///
    /// The caller has the lock of the shard, or else the answer is soon out of date.
    pub(super) fn forget(&self) -> bool {
        loop {
            let seen = self.state.read();
            if !seen.is_dormant() {
                return seen.is_vacant();
            }
            if self.state.forget(seen) {
                return true;
            }
        }
    }

    /// Gives a plain entry a gate. Does nothing if no key lives here, or if it has one.
    ///
    /// # Safety
    ///
    /// The caller must have the lock of the entry's shard.
    pub(super) unsafe fn promote(&self, spare: &mut Option<Box<Gate>>) {
        loop {
            let seen = self.state.read();
            if !seen.is_live() || seen.is_gated() {
                return;
            }
            let Some(mut gate) = spare.take() else { return };
            *gate = Gate::with_occupied(self.capacity(), seen.places());
            // SAFETY: the entry was plain. Only a caller with the lock makes it gated, so until
            // `promote` succeeds below no caller reads the gate, and none clears it, also if the
            // key ends meanwhile; the lock keeps other writers away.
            self.gate.with_mut(|memory| unsafe { *memory = Some(gate) });
            if self.state.promote(seen) {
                return;
            }
            // SAFETY: as above.
            *spare = self.gate.with_mut(|memory| unsafe { (*memory).take() });
        }
    }

    /// Returns the key.
    ///
    /// # Safety
    ///
    /// The caller must have a ref of this entry for as long as it uses the result.
    #[inline]
    pub(super) unsafe fn key(&self) -> &K {
        // SAFETY: the key was written before the entry was opened (`open` → `read`), and is moved
        // out after the caller's ref is released (`release` → the last `release`).
        self.key.with(|key| unsafe { (*key).assume_init_ref() })
    }

    /// Returns the gate, of a gated entry.
    ///
    /// # Safety
    ///
    /// The caller must have a ref of this entry for as long as it uses the result, and know that
    /// the entry is gated.
    #[inline]
    pub(super) unsafe fn gate(&self) -> &Gate {
        // SAFETY: the gate was written before the entry became gated (`promote` → `read`), and is
        // moved out after the caller's ref is released.
        self.gate.with(|gate| unsafe { (*gate).as_deref() }).expect("a gated entry has a gate")
    }

    /// Gives back the place of the limit that a key has held, after its end.
    #[inline]
    fn ended(&self) {
        // Relaxed: the caller had a ref of a key of this entry.
        let limit = self.limit.load(Ordering::Relaxed);
        // SAFETY: null, or the limit of the table, which lives as long as this entry.
        if let Some(limit) = unsafe { limit.as_ref() } {
            limit.give_back(1);
        }
    }

    /// Releases a guard of `n` places.
    ///
    /// # Safety
    ///
    /// The guard's ref must be the caller's, and is gone afterwards.
    #[inline]
    pub(super) unsafe fn release(&self, n: u32) {
        match self.state.release(n, needs_drop::<K>()) {
            Released::Kept => {}
            Released::Vacant => self.ended(),
            // SAFETY: that was the last ref, and the entry is busy.
            Released::Busy => unsafe { self.clear(false) },
            // SAFETY: nothing has changed: the caller has the ref, and the entry is gated.
            Released::Gated => unsafe { self.release_gated(n) },
        }
    }

    /// As [`release`](Self::release), of a gated entry.
    #[cold]
    unsafe fn release_gated(&self, n: u32) {
        struct Refs<'a, K>(&'a Entry<K>, u32);

        impl<K> Drop for Refs<'_, K> {
            fn drop(&mut self) {
                if self.0.state.release_refs(self.1) && !mutant!("keyed-last-release-unseen") {
                    // SAFETY: those were the last refs, and the entry is busy.
                    unsafe { self.0.clear(true) };
                }
            }
        }

        // Releases the refs also if a waiter is woken and its waker panics.
        let _refs = Refs(self, n);
        // SAFETY: the caller has the ref, and the entry is gated.
        unsafe { self.gate() }.give_back(n);
    }

    /// Moves the key out, and the gate if the entry was gated, makes the entry vacant, and drops
    /// them.
    ///
    /// # Safety
    ///
    /// The entry must be busy because the caller has just released the last ref. `was_gated` says
    /// whether it was gated then.
    unsafe fn clear(&self, was_gated: bool) {
        // SAFETY: the last ref is gone, so the key is there and the caller's alone, and all that
        // was done under other refs came before (`release` → the last `release`).
        let _key = unsafe { self.key.with_mut(|key| (*key).assume_init_read()) };
        // SAFETY: as the key. Of an entry that was plain, the gate is not touched: a caller with
        // the lock may be writing it, in `promote`.
        let _gate = was_gated.then(|| unsafe { self.gate.with_mut(|gate| (*gate).take()) });
        self.state.vacate();
        self.ended();
        // The destructors, which can run any code, come last: the entry is vacant already.
    }
}

impl<K> Drop for Entry<K> {
    fn drop(&mut self) {
        if self.state.read().is_live() {
            // SAFETY: a key lives here, so it is there. Its refs were forgotten, because no other
            // caller has access to the entry during its drop.
            self.key.with_mut(|key| unsafe { (*key).assume_init_drop() });
        }
    }
}

#[cfg(all(test, headcount_loom))]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A caller with the lock and without a ref gives a key a gate, while the key's last ref goes.
    #[test]
    fn a_gate_for_a_key_that_ends() {
        loom::model(|| {
            let entry = Arc::new(Entry::vacant());
            // SAFETY: the entry is vacant, and no other caller has it.
            unsafe { entry.open(Box::new(1), 7, 3, 0, None, false) };
            let other = entry.clone();
            let promoter = loom::thread::spawn(move || {
                let mut spare = Some(Box::new(Gate::new(0)));
                // SAFETY: there is no other caller with the lock.
                unsafe { other.promote(&mut spare) };
                spare.is_some()
            });
            // The ref that `open` counted.
            let was_gated = match entry.state.release(0, true) {
                Released::Busy => {
                    // SAFETY: that was the last ref.
                    unsafe { entry.clear(false) };
                    false
                }
                // SAFETY: nothing has changed: the ref is still there.
                _ => {
                    unsafe { entry.release_gated(0) };
                    true
                }
            };
            assert_eq!(promoter.join().unwrap(), !was_gated, "a gate was lost, or is there twice");
            assert!(entry.state.read().is_vacant());
        });
    }
}
