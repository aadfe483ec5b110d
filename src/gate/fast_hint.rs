//! What each thread remembers: the last slot at which it found room to spare.
//!
//! A look before an addition is what makes a refusal cheap, and costs the more the hotter the slot:
//! the load waits for this thread's own last change to the same word, and fetches from the other
//! core a cache waitlist that the addition will fetch again. A thread that found room left after its
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
        static AVAILABLE_AT: Cell<usize> = Cell::new(0);
    }

    /// Does this thread remember room to spare at `slot`?
    #[inline]
    pub(crate) fn likely_available<T>(slot: &T) -> bool {
        AVAILABLE_AT.with(Cell::get) == slot as *const T as usize
    }

    /// Remembers whether there is room to spare at `slot`.
    #[inline]
    pub(crate) fn record<T>(slot: &T, room: bool) {
        if likely_available(slot) != room {
            AVAILABLE_AT.with(|at| at.set(if room { slot as *const T as usize } else { 0 }));
        }
    }
}

#[cfg(not(feature = "std"))]
mod memory {
    pub(crate) fn likely_available<T>(_: &T) -> bool {
        false
    }

    pub(crate) fn record<T>(_: &T, _: bool) {}
}

pub(crate) use memory::{likely_available, record};

#[cfg(all(test, feature = "std", not(headcount_loom)))]
mod tests {
    use super::{likely_available, record};
    use alloc::vec::Vec;

    use crate::Gate;

    #[test]
    fn a_thread_remembers_one_slot_and_forgets_only_that() {
        let (one, other) = (1, 2);
        assert!(!likely_available(&one));
        record(&one, true);
        assert!(likely_available(&one) && !likely_available(&other));
        record(&other, false);
        assert!(likely_available(&one));
        record(&other, true);
        assert!(likely_available(&other) && !likely_available(&one));
        record(&other, false);
        assert!(!likely_available(&other));
    }

    #[test]
    fn an_entry_is_remembered_while_there_is_room_to_spare() {
        let gate = Gate::new(3);
        let mut permits = Vec::new();
        for room in [true, true, false] {
            permits.extend(gate.try_acquire());
            assert_eq!(likely_available(&gate), room);
        }
        assert!(gate.try_acquire().is_err());
        permits.clear();
        permits.extend(gate.try_acquire());
        assert!(likely_available(&gate));
        permits.extend(gate.try_acquire_many(2));
        assert!(gate.try_acquire().is_err());
        assert!(!likely_available(&gate), "a refusal is remembered: the next one is a look");

        let gate = Gate::new(1);
        let _permit = gate.try_acquire();
        assert!(!likely_available(&gate));
    }
}
