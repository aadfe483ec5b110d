//! Thresholds, forced entries, and changes of the capacity by so much.

use std::sync::Arc;
use std::thread;

use headcount::Gate;

use crate::panic_message;

#[test]
fn all_free_places_are_acquired_in_one_step() {
    let gate = Arc::new(Gate::new(5));
    let _held = gate.try_acquire_many(2).unwrap();
    let all = gate.try_acquire_all().unwrap();
    assert_eq!(all.count(), 3);
    assert!(gate.try_acquire_all().unwrap_err().is_full());
    drop(all);
    assert_eq!(gate.clone().try_acquire_all_owned().unwrap().count(), 3);
    gate.close();
    assert!(gate.try_acquire_all().unwrap_err().is_closed());
}

/// 20 places, of which 2 are for members: both thresholds are exact, also among threads.
#[test]
fn places_are_left_for_others() {
    let gate = Gate::new(20);
    let guests = || (0..30).filter_map(|_| gate.try_acquire_leaving(1, 2).ok()).collect::<Vec<_>>();
    let permits = thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(guests)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!((permits.len(), gate.available()), (18, 2));
    assert!(gate.try_acquire_leaving(1, 2).unwrap_err().is_full());
    assert!(gate.try_acquire_leaving(0, 2).is_ok());
    assert!(gate.try_acquire_leaving(0, 3).is_err());
    assert!(gate.try_acquire_leaving(u32::MAX, u32::MAX).is_err());
    assert!(gate.try_acquire_many(2).is_ok());
}

#[test]
fn a_forced_entry_is_a_deficit_until_it_is_paid() {
    let gate = Arc::new(Gate::new(1));
    let guest = gate.try_acquire().unwrap();
    let moderator = gate.clone().force_acquire_owned(2);
    assert_eq!((gate.occupied(), gate.capacity(), gate.available()), (3, 1, 0));
    drop(guest);
    assert!(gate.try_acquire().unwrap_err().is_full());
    drop(moderator);
    assert_eq!((gate.occupied(), gate.available()), (0, 1));
    gate.close();
    assert_eq!(gate.force_acquire(1).count(), 1);
    assert_eq!(gate.force_acquire(0).count(), 0);
}

#[test]
fn forced_entries_have_a_limit() {
    let gate = Gate::new(1);
    let most = gate.force_acquire(Gate::MAX_CAPACITY + 1);
    assert_eq!(gate.occupied(), Gate::MAX_CAPACITY + 1);
    let message = panic_message(|| drop(gate.force_acquire(1)));
    assert_eq!(message, "places held above the capacity exceed Gate::MAX_CAPACITY");
    assert!(panic_message(|| drop(gate.force_acquire(u32::MAX))).contains("MAX_CAPACITY"));
    assert_eq!(gate.occupied(), Gate::MAX_CAPACITY + 1);
    drop(most);
    assert_eq!((gate.occupied(), gate.available()), (0, 1));
}

#[test]
fn a_raise_and_a_lowering_return_the_new_capacity() {
    let gate = Gate::new(3);
    assert_eq!((gate.raise_capacity(2), gate.lower_capacity(1)), (5, 4));
    assert_eq!((gate.lower_capacity(100_000), gate.capacity()), (0, 0));
    assert_eq!(gate.raise_capacity(Gate::MAX_CAPACITY), Gate::MAX_CAPACITY);
    assert!(panic_message(|| assert!(gate.raise_capacity(1) > 0)).contains("MAX_CAPACITY"));
    assert_eq!(gate.available(), Gate::MAX_CAPACITY);
}

/// Through `set_capacity(capacity() + 1)`, some of these would be lost.
#[test]
fn no_raise_and_no_lowering_is_lost() {
    const EACH: u32 = 50_000;
    let gate = Gate::new(EACH);
    let _permit = gate.try_acquire_many(10).unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..EACH).for_each(|_| assert!(gate.raise_capacity(1) > 0)));
        }
        scope.spawn(|| (0..EACH).for_each(|_| assert!(gate.lower_capacity(1) < 3 * EACH)));
    });
    assert_eq!((gate.capacity(), gate.available()), (2 * EACH, 2 * EACH - 10));
}
