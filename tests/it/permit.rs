//! Permits: count, split, merge, forget, drop.

use std::sync::Arc;
use std::thread;

use headcount::{Gate, TryAcquireError};

use crate::panic_message;

/// Defines a test twice, for the borrowed and for the owned permit.
macro_rules! both {
    ($name:ident, $capacity:expr, |$gate:ident, $acquire:ident| $body:block) => {
        mod $name {
            use super::*;

            #[test]
            fn borrowed() {
                let $gate = Gate::new($capacity);
                let $acquire = |n: u32| $gate.try_acquire_many(n);
                $body
            }

            #[test]
            fn owned() {
                let $gate = Arc::new(Gate::new($capacity));
                let $acquire = |n: u32| Arc::clone(&$gate).try_acquire_many_owned(n);
                $body
            }
        }
    };
}

both!(a_permit_counts_its_places_and_gives_them_back, 5, |gate, acquire| {
    for n in 0..=5 {
        let permit = acquire(n).unwrap();
        assert_eq!(permit.count(), n);
        assert_eq!(gate.occupied(), n);
        drop(permit);
        assert_eq!(gate.occupied(), 0);
    }
});

both!(splitting_moves_places_and_gives_none_back, 5, |gate, acquire| {
    let mut permit = acquire(5).unwrap();
    let two = permit.split(2).unwrap();
    assert_eq!((permit.count(), two.count(), gate.occupied()), (3, 2, 5));
    drop(permit);
    assert_eq!(gate.occupied(), 2);
    drop(two);
    assert_eq!(gate.occupied(), 0);
});

both!(splitting_off_all_or_nothing, 5, |gate, acquire| {
    let mut permit = acquire(3).unwrap();
    let nothing = permit.split(0).unwrap();
    assert_eq!((permit.count(), nothing.count()), (3, 0));
    let all = permit.split(3).unwrap();
    assert_eq!((permit.count(), all.count()), (0, 3));
    drop((permit, nothing));
    assert_eq!(gate.occupied(), 3);
    drop(all);
    assert_eq!(gate.occupied(), 0);
});

both!(splitting_off_more_than_there_is_changes_nothing, 5, |gate, acquire| {
    let mut permit = acquire(3).unwrap();
    for n in [4, u32::MAX] {
        assert!(permit.split(n).is_none());
        assert_eq!((permit.count(), gate.occupied()), (3, 3));
    }
});

both!(merging_moves_places_and_gives_none_back, 5, |gate, acquire| {
    let mut permit = acquire(2).unwrap();
    permit.merge(acquire(3).unwrap());
    assert_eq!((permit.count(), gate.occupied()), (5, 5));
    assert_eq!(acquire(1).unwrap_err(), TryAcquireError::Full);
    drop(permit);
    assert_eq!(gate.occupied(), 0);
});

both!(forgotten_places_stay_occupied, 5, |gate, acquire| {
    acquire(2).unwrap().forget();
    std::mem::forget(acquire(1).unwrap());
    assert_eq!((gate.occupied(), gate.available()), (3, 2));
    assert_eq!(acquire(3).unwrap_err(), TryAcquireError::Full);
    drop(acquire(2).unwrap());
    assert_eq!(gate.occupied(), 3);
});

both!(debug_shows_the_count, 5, |gate, acquire| {
    let text = format!("{:?}", acquire(3).unwrap());
    assert!(text == "Permit { count: 3, .. }" || text == "OwnedPermit { count: 3, .. }");
    let waiting = if cfg!(feature = "wait") { ", waiting: 0" } else { "" };
    let text = format!("Gate {{ capacity: 5, occupied: 0, closed: false{waiting} }}");
    assert_eq!(format!("{gate:?}"), text);
});

#[test]
fn merging_permits_of_two_gates_panics_and_both_keep_their_books() {
    let (one, other) = (Gate::new(5), Gate::new(5));
    let mut permit = one.try_acquire_many(2).unwrap();
    let foreign = other.try_acquire_many(3).unwrap();
    let message = panic_message(|| permit.merge(foreign));
    assert_eq!(message, "cannot merge permits of two different gates");
    assert_eq!((permit.count(), one.occupied(), other.occupied()), (2, 2, 0));
    drop(permit);
    assert_eq!(one.occupied(), 0);
}

#[test]
fn merging_owned_permits_of_two_gates_panics_and_both_keep_their_books() {
    let (one, other) = (Arc::new(Gate::new(5)), Arc::new(Gate::new(5)));
    let mut permit = Arc::clone(&one).try_acquire_many_owned(2).unwrap();
    let foreign = Arc::clone(&other).try_acquire_many_owned(3).unwrap();
    let message = panic_message(|| permit.merge(foreign));
    assert_eq!(message, "cannot merge permits of two different gates");
    assert_eq!((permit.count(), one.occupied(), other.occupied()), (2, 2, 0));
    assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (2, 1));
}

#[test]
fn a_permit_dropped_on_another_thread_gives_back() {
    let gate = Arc::new(Gate::new(2));
    let borrowed = gate.try_acquire().unwrap();
    thread::scope(|scope| scope.spawn(move || drop(borrowed)).join()).unwrap();
    assert_eq!(gate.occupied(), 0);
    let owned = Arc::clone(&gate).try_acquire_owned().unwrap();
    thread::spawn(move || drop(owned)).join().unwrap();
    assert_eq!(gate.occupied(), 0);
}

#[test]
fn a_permit_dropped_by_a_panic_gives_back() {
    let gate = Arc::new(Gate::new(2));
    let permit = Arc::clone(&gate).try_acquire_owned().unwrap();
    let ended = thread::spawn(move || {
        let _permit = permit;
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(ended.join().is_err());
    assert_eq!(gate.occupied(), 0);
}

#[test]
fn a_permit_that_was_split_off_leaves_by_itself() {
    let gate = Gate::new(3);
    let mut permit = gate.try_acquire_many(3).unwrap();
    permit.split(2).unwrap().forget();
    drop(permit);
    assert_eq!(gate.occupied(), 2);
}

#[test]
fn the_places_of_many_can_be_taken_one_by_one() {
    let gate = Gate::new(3);
    drop(gate.try_acquire_many(3).unwrap());
    let singles: Vec<_> = (0..4).filter_map(|_| gate.try_acquire().ok()).collect();
    assert_eq!(singles.len(), 3);
}

#[test]
fn a_permit_knows_its_gate() {
    let gate = std::sync::Arc::new(Gate::new(2));
    let borrowed = gate.try_acquire().unwrap();
    let owned = gate.clone().try_acquire_owned().unwrap();
    assert!(std::ptr::eq(borrowed.gate(), &*gate) && std::ptr::eq(owned.gate(), &*gate));
}
