//! The fast hint: each thread remembers the last slot at which its admission left a place free.
//!
//! The look before an addition makes a refusal cheap, but it costs more the more contended the slot
//! is: the load waits for this thread's own last change to the same word, and fetches from another
//! core the cache line that the addition fetches again. A thread whose last admission left a place
//! free skips the look: if its addition fails after all, it only leaves surplus. A thread that was
//! refused looks again, since surplus could otherwise grow without bound.
//!
//! # Invariant
//!
//! Only a hint: a wrong value costs time and never changes which callers are admitted. Without
//! `std` there is none, and each entry looks.

#[cfg(feature = "std")]
mod hint {
    use core::cell::Cell;

    use crate::protocol::mutants::mutant;

    crate::sync::per_thread! {
        static AVAILABLE_AT: Cell<usize> = Cell::new(0);
    }

    /// Returns whether this thread's last admission at `slot` left a place free.
    #[inline]
    pub(crate) fn likely_available<T>(slot: &T) -> bool {
        AVAILABLE_AT.with(Cell::get) == slot as *const T as usize
    }

    /// Records whether an entry at `slot` left a place free.
    #[inline]
    pub(crate) fn record<T>(slot: &T, available: bool) {
        if likely_available(slot) != available && (available || !mutant!("gate-hint-stays")) {
            AVAILABLE_AT.with(|at| at.set(if available { slot as *const T as usize } else { 0 }));
        }
    }
}

#[cfg(not(feature = "std"))]
mod hint {
    pub(crate) fn likely_available<T>(_: &T) -> bool {
        false
    }

    pub(crate) fn record<T>(_: &T, _: bool) {}
}

pub(crate) use hint::{likely_available, record};

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
        for available in [true, true, false] {
            permits.extend(gate.try_acquire());
            assert_eq!(likely_available(&gate), available);
        }
        assert!(gate.try_acquire().is_err());
        permits.clear();
        permits.extend(gate.try_acquire());
        assert!(likely_available(&gate));
        permits.extend(gate.try_acquire_many(2));
        assert!(gate.try_acquire().is_err());
        assert!(!likely_available(&gate), "after a refusal the next entry looks");

        let gate = Gate::new(1);
        let _permit = gate.try_acquire();
        assert!(!likely_available(&gate));
    }
}
