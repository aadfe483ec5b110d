//! The striped gate, through its public interface.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Barrier};
use std::thread;

use headcount::{OwnedStripedPermit, StripedGate, StripedPermit, TryAcquireError};

/// Runs `act` on a new thread, which has another stripe of its own.
fn on_new_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(act).join().expect("it does not panic"))
}

#[test]
fn never_over_all_places_from_one_thread() {
    for stripes in [1, 2, 16, 256] {
        for capacity in [0, 1, 2, 15, 16, 17, 1000] {
            let gate = StripedGate::with_stripes(capacity, stripes);
            let permits: Vec<_> = std::iter::from_fn(|| gate.try_acquire().ok()).collect();
            assert_eq!(permits.len(), capacity as usize, "{stripes} stripes");
            assert!(gate.is_full());
            assert_eq!((gate.occupied(), gate.available()), (capacity, 0));
            drop(permits);
            assert_eq!((gate.occupied(), gate.available()), (0, capacity));
        }
    }
}

#[test]
fn exact_a_place_at_any_other_stripe_is_found() {
    let gate = StripedGate::with_stripes(3, 8);
    for _ in 0..20 {
        let held: Vec<_> = (0..3).map(|_| gate.try_acquire().unwrap()).collect();
        assert_eq!(on_new_thread(|| gate.try_acquire().err()), Some(TryAcquireError::Full));
        on_new_thread(|| drop(held)); // to the stripe of a thread that then ends
        assert_eq!(gate.occupied(), 0);
    }
}

#[test]
fn stripes_follow_the_machine_and_the_capacity() {
    let threads = thread::available_parallelism().unwrap().get();
    let many = StripedGate::new(1_000_000).stripes();
    assert!(many.is_power_of_two() && many >= threads.min(StripedGate::MAX_STRIPES));
    assert_eq!(StripedGate::new(0).stripes(), 1);
    assert_eq!(StripedGate::new(1).stripes(), 1);
    assert_eq!(StripedGate::with_stripes(1, 5).stripes(), 8);
}

#[test]
fn the_greatest_capacity_fits_into_one_stripe() {
    let most = StripedGate::MAX_CAPACITY;
    let gate = StripedGate::with_stripes(most, 1);
    let permit = gate.try_acquire().unwrap();
    assert_eq!((gate.occupied(), gate.available()), (1, most - 1));
    drop(permit);
    assert_eq!((gate.occupied_exact(), gate.available()), (0, most));
}

#[test]
fn impossible_arguments_panic() {
    let message = |make: fn() -> StripedGate| {
        let panic = catch_unwind(make).expect_err("it panics");
        panic.downcast_ref::<&str>().expect("a text").to_string()
    };
    let above = || StripedGate::new(StripedGate::MAX_CAPACITY + 1);
    assert_eq!(message(above), "capacity is above StripedGate::MAX_CAPACITY");
    assert_eq!(message(|| StripedGate::with_stripes(1, 0)), "a striped gate needs a stripe");
    let above = || StripedGate::with_stripes(1, StripedGate::MAX_STRIPES + 1);
    assert_eq!(message(above), "stripes are above StripedGate::MAX_STRIPES");
}

#[test]
fn no_leak_on_panic_and_on_other_threads() {
    let gate = Arc::new(StripedGate::with_stripes(2, 4));
    let panicked = catch_unwind(AssertUnwindSafe(|| gate.try_run(|| panic!("inside"))));
    assert!(panicked.is_err());
    let permit = gate.clone().try_acquire_owned().unwrap();
    on_new_thread(move || drop(permit));
    assert_eq!(gate.occupied_exact(), 0);
    assert_eq!(Arc::strong_count(&gate), 1);
}

#[test]
fn forgotten_permits_keep_their_places_and_not_the_gate() {
    let gate = Arc::new(StripedGate::with_stripes(3, 2));
    gate.try_acquire().unwrap().forget();
    gate.clone().try_acquire_owned().unwrap().forget();
    assert_eq!((gate.occupied(), gate.available(), gate.occupied_exact()), (2, 1, 2));
    assert_eq!(Arc::strong_count(&gate), 1);
}

#[test]
fn one_thread_uses_two_gates() {
    let (one, two) = (StripedGate::with_stripes(1, 1), StripedGate::with_stripes(2, 1));
    for _ in 0..100 {
        let first = one.try_acquire().unwrap();
        let second = two.try_acquire().unwrap();
        assert!(one.try_acquire().is_err());
        let third = two.try_acquire().unwrap();
        assert!(two.try_acquire().is_err());
        drop((first, second, third));
        assert_eq!((one.occupied(), two.occupied()), (0, 0));
    }
}

#[test]
fn readings_stay_within_bounds_while_places_move() {
    const THREADS: usize = 3;
    let gate = StripedGate::with_stripes(2, 4);
    let start = Barrier::new(THREADS + 1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..20_000 {
                    drop(gate.try_acquire());
                }
            });
        }
        start.wait();
        for _ in 0..20_000 {
            assert!(gate.occupied() <= 2 && gate.available() <= 2);
        }
    });
    assert_eq!(gate.occupied_exact(), 0);
}

#[test]
fn permits_are_small_send_and_sync() {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<StripedGate>();
    send_and_sync::<StripedPermit<'_>>();
    send_and_sync::<OwnedStripedPermit>();
    assert_eq!(size_of::<StripedPermit<'_>>(), size_of::<usize>());
    assert_eq!(size_of::<OwnedStripedPermit>(), size_of::<usize>());
}

#[test]
fn debug_shows_the_state() {
    let gate = Arc::new(StripedGate::with_stripes(3, 2));
    let permit = gate.try_acquire().unwrap();
    assert_eq!(format!("{gate:?}"), "StripedGate { capacity: 3, occupied: 1, stripes: 2 }");
    assert_eq!(format!("{permit:?}"), "StripedPermit { .. }");
    let owned = gate.clone().try_acquire_owned().unwrap();
    assert_eq!(format!("{owned:?}"), "OwnedStripedPermit { .. }");
}
