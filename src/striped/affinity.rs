//! Thread affinity: which stripe is the thread's own, and whether it left a free place there.
//!
//! A store between two locked operations makes the second wait for it. So on the path that most
//! calls take, nothing is stored here, only read.
//!
//! # Invariant
//!
//! All of this is only a hint: any stripe serves any thread, and a wrong value costs time and never
//! changes which callers are admitted.

use core::cell::Cell;

use crate::sync::per_thread;
use crate::thread_number;

/// The number of releases at a stripe between two checks for another thread there.
pub(super) const COLLISION_INTERVAL: u64 = 64;

struct Affinity {
    /// The gate that the thread used last, and its own stripe there.
    gate: Cell<usize>,
    home: Cell<usize>,
    /// Whether the thread left a free place at its own stripe.
    likely_free: Cell<bool>,
    /// The number of releases at its own stripe when it last checked for a collision, if it did.
    checked: Cell<Option<u64>>,
    /// The thread's number, which chooses its stripe at every gate; `usize::MAX`: none yet.
    number: Cell<usize>,
}

per_thread! {
    static AFFINITY: Affinity = Affinity {
        gate: Cell::new(0),
        home: Cell::new(0),
        likely_free: Cell::new(false),
        checked: Cell::new(None),
        number: Cell::new(usize::MAX),
    };
}

impl Affinity {
    /// Changes to another gate.
    #[cold]
    #[inline(never)]
    fn change_gate(&self, gate: usize, stripes: usize) {
        if self.number.get() == usize::MAX {
            self.number.set(thread_number::current() & (usize::MAX >> 1));
        }
        self.home.set(self.number.get() & (stripes - 1));
        self.likely_free.set(false);
        self.checked.set(None);
        self.gate.set(gate);
    }
}

/// Returns this thread's own stripe at `gate`, and whether it left a free place there.
#[inline(always)]
pub(super) fn at<T>(gate: &T, stripes: usize) -> (usize, bool) {
    AFFINITY.with(|affinity| {
        let gate = gate as *const T as usize;
        // A gate with fewer stripes may have been allocated where the last gate was.
        if affinity.gate.get() != gate || affinity.home.get() >= stripes {
            affinity.change_gate(gate, stripes);
        }
        (affinity.home.get(), affinity.likely_free.get())
    })
}

/// Records whether a place is free at this thread's own stripe, at the gate that it used last.
#[inline(always)]
pub(super) fn record(likely_free: bool) {
    AFFINITY.with(|affinity| {
        if affinity.likely_free.get() != likely_free {
            affinity.likely_free.set(likely_free);
        }
    });
}

/// Checks whether another thread uses the same stripe. `releases` is a multiple of
/// [`COLLISION_INTERVAL`] that the stripe's count reached with a release by this thread.
///
/// A thread alone at its stripe sees every multiple. A thread that has missed one shares the
/// stripe: it moves on to the next stripe, at every gate, so that threads with colliding numbers
/// separate.
#[cold]
#[inline(never)]
pub(super) fn detect_collision(releases: u64) {
    AFFINITY.with(|affinity| {
        let last = affinity.checked.replace(Some(releases));
        if last.is_some_and(|last| releases.wrapping_sub(last) != COLLISION_INTERVAL) {
            affinity.number.set(affinity.number.get().wrapping_add(1) & (usize::MAX >> 1));
            affinity.gate.set(0);
        }
    });
}
