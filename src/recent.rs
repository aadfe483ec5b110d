//! What each thread remembers: the last slot at which it found room to spare.
//!
//! A look before an addition is what makes a refusal cheap, and costs the more the hotter the slot:
//! the load waits for this thread's own last change to the same word, and fetches from the other
//! core a cache line that the addition will fetch again. A thread that found room left after its
//! last entry may skip it: an addition that is wrong after all is only surplus. A thread that was
//! refused looks again, or surplus could grow without bound.
//!
//! # Invariant
//!
//! A memory, never the truth: whatever stands here, who gets in is decided by the slot alone. Without
//! `std` nothing is remembered, and everybody looks.

#[cfg(feature = "std")]
mod memory {
    use core::cell::Cell;

    crate::sync::per_thread! {
        static ROOM_AT: Cell<usize> = Cell::new(0);
    }

    /// Does this thread remember room to spare at `slot`?
    #[inline]
    pub(crate) fn had_room<T>(slot: &T) -> bool {
        ROOM_AT.with(Cell::get) == slot as *const T as usize
    }

    /// Remembers whether there is room to spare at `slot`.
    #[inline]
    pub(crate) fn note<T>(slot: &T, room: bool) {
        if had_room(slot) != room {
            ROOM_AT.with(|at| at.set(if room { slot as *const T as usize } else { 0 }));
        }
    }
}

#[cfg(not(feature = "std"))]
mod memory {
    pub(crate) fn had_room<T>(_: &T) -> bool {
        false
    }

    pub(crate) fn note<T>(_: &T, _: bool) {}
}

pub(crate) use memory::{had_room, note};
