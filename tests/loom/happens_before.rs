//! *happens-before*, one pair of operations a model: what one thread wrote before the first of them,
//! another sees after the second.
//!
//! The crowds with a witness hold the same for whoever follows whom inside; here are the operations
//! that let nobody in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{Gate, Tally};
use loom::cell::UnsafeCell;
use loom::thread::spawn;

use crate::crowd::explore;

/// One thread writes and goes through the first part; the other goes through the second, and writes
/// as well if that says that it comes after the first. Loom fails if the two writes are not ordered.
fn hands_on<F, S>(parts: impl Fn() -> (F, S) + Send + Sync + 'static)
where
    F: FnOnce(),
    S: FnOnce() -> bool + Send + 'static,
{
    let after = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&after);
    explore(None, move || {
        let cell = Arc::new(UnsafeCell::new(()));
        let (first, second) = parts();
        // The reader is the one that is spawned: see `Crowd` for why the order matters to loom.
        let other = {
            let (cell, counted) = (Arc::clone(&cell), Arc::clone(&counted));
            spawn(move || {
                if second() {
                    cell.with_mut(|_| ());
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        cell.with_mut(|_| ());
        first();
        other.join().unwrap();
    });
    assert!(after.load(Ordering::Relaxed) > 0, "the second never came after the first");
}

/// A gate with one permit out.
fn one_inside(capacity: u32) -> (Arc<Gate>, headcount::OwnedPermit) {
    let gate = Arc::new(Gate::new(capacity));
    let permit = Arc::clone(&gate).try_acquire_owned().unwrap();
    (gate, permit)
}

#[test]
fn leave_and_occupied() {
    hands_on(|| {
        let (gate, permit) = one_inside(1);
        (move || drop(permit), move || gate.occupied() == 0)
    });
}

/// The answer is read at the look, or after the swap has failed.
#[test]
fn leave_and_close_if_occupied_that_refuses() {
    hands_on(|| {
        let (gate, permit) = one_inside(1);
        (
            move || drop(permit),
            move || gate.close_if_occupied(1).is_err_and(|error| error.occupied == 0),
        )
    });
}

/// As many inside as at the look, though somebody has left and another come meanwhile.
#[test]
fn leave_and_close_if_occupied_that_closes() {
    hands_on(|| {
        let (gate, permit) = one_inside(1);
        // Not loom's: a flag that orders nothing and says what has happened in this execution.
        let left = Arc::new(AtomicUsize::new(0));
        let first = {
            let (gate, left) = (Arc::clone(&gate), Arc::clone(&left));
            move || {
                drop(permit);
                if let Ok(next) = gate.try_acquire() {
                    left.store(1, Ordering::Relaxed);
                    next.forget();
                }
            }
        };
        (first, move || left.load(Ordering::Relaxed) == 1 && gate.close_if_occupied(1) == Ok(1))
    });
}

#[test]
fn reopen_and_enter() {
    hands_on(|| {
        let gate = Arc::new(Gate::new(1));
        gate.close();
        let reopened = Arc::clone(&gate);
        (move || reopened.reopen(), move || gate.try_acquire().is_ok())
    });
}

#[test]
fn increment_and_get() {
    hands_on(|| {
        let tally = Arc::new(Tally::new(0));
        let counted = Arc::clone(&tally);
        (move || assert_eq!(counted.increment(), 1), move || tally.get() == 1)
    });
}

#[test]
fn take_and_increment() {
    hands_on(|| {
        let tally = Arc::new(Tally::new(0));
        tally.add(5);
        let taken = Arc::clone(&tally);
        (move || assert!(taken.reset() >= 5), move || tally.increment() == 1)
    });
}
