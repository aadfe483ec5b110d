//! *happens-before*, one pair of operations in each model: the writes of one thread before the
//! first operation are visible to another thread after the second.
//!
//! The crowds with a witness hold the same for each holder and the next. Here are the pairs in
//! which an operation admits no caller.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{Gate, Tally};
use loom::cell::UnsafeCell;
use loom::thread::spawn;

use crate::crowd::explore;

/// One thread writes and runs the first part. The other runs the second part, and writes as well if
/// that returns that it comes after the first. Loom fails if the two writes are not ordered.
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
        // The second part runs on the spawned thread: see `Crowd` for why that matters to loom.
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

/// Returns a gate and a permit of it.
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

/// The number is read at the look, or after the exchange has failed.
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

/// As many places are held as at the look, though one was given back and taken meanwhile.
#[test]
fn leave_and_close_if_occupied_that_closes() {
    hands_on(|| {
        let (gate, permit) = one_inside(1);
        // Not an atomic of loom: it orders nothing, and tells what has happened in this execution.
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
