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

#[cfg(all(test, feature = "std", not(headcount_loom)))]
mod tests {
    use super::{had_room, note};
    use alloc::vec::Vec;

    use crate::Gate;

    #[test]
    fn a_thread_remembers_one_slot_and_forgets_only_that() {
        let (one, other) = (1, 2);
        assert!(!had_room(&one));
        note(&one, true);
        assert!(had_room(&one) && !had_room(&other));
        note(&other, false);
        assert!(had_room(&one));
        note(&other, true);
        assert!(had_room(&other) && !had_room(&one));
        note(&other, false);
        assert!(!had_room(&other));
    }

    #[test]
    fn an_entry_is_remembered_while_there_is_room_to_spare() {
        let gate = Gate::new(3);
        let mut permits = Vec::new();
        for room in [true, true, false] {
            permits.extend(gate.try_acquire());
            assert_eq!(had_room(&gate), room);
        }
        assert!(gate.try_acquire().is_err());
        permits.clear();
        permits.extend(gate.try_acquire());
        assert!(had_room(&gate));
        permits.extend(gate.try_acquire_many(2));
        assert!(gate.try_acquire().is_err());
        assert!(!had_room(&gate), "a refusal is remembered: the next one is a look");

        let gate = Gate::new(1);
        let _permit = gate.try_acquire();
        assert!(!had_room(&gate));
    }
}
