//! What each thread remembers: which stripe is its own, and if it left a place there.
//!
//! A store between two locked operations makes the second wait for it. So on the way that most calls
//! take, nothing is stored affinity; it is only read.
//!
//! # Invariant
//!
//! Memories, never the truth: any stripe serves any thread, and who gets a place is decided by the
//! words alone.

use core::cell::Cell;

use crate::sync::per_thread;
use crate::thread_number;

/// How many givings at its stripe lie between two at which a thread looks if it is alone there.
pub(super) const COLLISION_INTERVAL: u64 = 64;

struct Affinity {
    /// The gate where it last was, and its own stripe there.
    gate: Cell<usize>,
    home: Cell<usize>,
    /// Did it leave a place there?
    room: Cell<bool>,
    /// The last giving there at which it looked if it was alone, if any.
    checked: Cell<Option<u64>>,
    /// The thread's number, from which its stripe follows at every gate; `usize::MAX`: none yet.
    number: Cell<usize>,
}

per_thread! {
    static AFFINITY: Affinity = Affinity {
        gate: Cell::new(0),
        home: Cell::new(0),
        room: Cell::new(false),
        checked: Cell::new(None),
        number: Cell::new(usize::MAX),
    };
}

impl Affinity {
    /// Comes to a gate from another one.
    #[cold]
    #[inline(never)]
    fn arrive(&self, gate: usize, stripes: usize) {
        if self.number.get() == usize::MAX {
            self.number.set(thread_number::current() & (usize::MAX >> 1));
        }
        self.home.set(self.number.get() & (stripes - 1));
        self.room.set(false);
        self.checked.set(None);
        self.gate.set(gate);
    }
}

/// This thread's own stripe at `gate`, which has that many, and if it remembers a place there.
#[inline(always)]
pub(super) fn at<T>(gate: &T, stripes: usize) -> (usize, bool) {
    AFFINITY.with(|affinity| {
        let gate = gate as *const T as usize;
        // Another gate, with fewer stripes, may stand where the last one stood.
        if affinity.gate.get() != gate || affinity.home.get() >= stripes {
            affinity.arrive(gate, stripes);
        }
        (affinity.home.get(), affinity.room.get())
    })
}

/// Remembers if there is a place at this thread's own stripe, at the gate where it is.
#[inline(always)]
pub(super) fn record(room: bool) {
    AFFINITY.with(|affinity| {
        if affinity.room.get() != room {
            affinity.room.set(room);
        }
    });
}

/// Takes down a giving at this thread's own stripe, each `COLLISION_INTERVAL`-th. A thread that is alone there sees
/// them all. One that missed some shares the stripe, and moves on to the next one, at every gate: that
/// is how threads whose numbers collide find stripes of their own.
#[cold]
#[inline(never)]
pub(super) fn detect_collision(giving: u64) {
    AFFINITY.with(|affinity| {
        let last = affinity.checked.replace(Some(giving));
        if last.is_some_and(|last| giving.wrapping_sub(last) != COLLISION_INTERVAL) {
            affinity.number.set(affinity.number.get().wrapping_add(1) & (usize::MAX >> 1));
            affinity.gate.set(0);
        }
    });
}
