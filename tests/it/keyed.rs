//! The keyed gate: one behaviour a test.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use crate::support::colliding_hasher::Same;
use headcount::{Gate, KeyedGate, KeyedPermit, OwnedKeyHandle, OwnedKeyedPermit, TryAcquireError};

fn rooms(capacity: u32) -> KeyedGate<u64> {
    KeyedGate::new(move |_| capacity)
}

/// Each living key with its places held and its capacity.
fn living<K: Hash + Eq + Clone, S: BuildHasher>(gates: &KeyedGate<K, S>) -> Vec<(K, u32, u32)> {
    gates.keys().map(|info| (info.key, info.occupied, info.capacity)).collect()
}

#[test]
fn each_key_has_a_limit_of_its_own() {
    let gates = KeyedGate::new(|key: &u32| *key);
    let mut permits = Vec::new();
    for key in 0..20 {
        for _ in 0..key {
            permits.push(gates.try_acquire(key).expect("a place is free"));
        }
        assert_eq!(gates.try_acquire(key).unwrap_err(), TryAcquireError::Full);
        assert_eq!(gates.occupied(&key), key);
    }
    assert_eq!(gates.len(), 19); // 0 has no place, so it does not live
    drop(permits);
    assert_eq!(gates.len(), 0);
}

#[test]
fn the_last_permit_removes_the_key() {
    let gates = rooms(3);
    for _ in 0..100 {
        let first = gates.try_acquire(1).unwrap();
        let second = gates.try_acquire(1).unwrap();
        drop(first);
        assert_eq!((gates.len(), gates.is_empty()), (1, false));
        drop(second);
        assert_eq!((gates.len(), gates.is_empty()), (0, true));
        assert_eq!(living(&gates), []);
        assert_eq!(gates.occupied(&1), 0);
    }
}

#[test]
fn capacity_zero_refuses_and_leaves_nothing_behind() {
    let gates = rooms(0);
    for key in 0..100 {
        assert_eq!(gates.try_acquire(key).unwrap_err(), TryAcquireError::Full);
    }
    assert!(gates.is_empty());

    let handle = gates.hold(7);
    assert!(handle.try_acquire().unwrap_err().is_full());
    assert!(gates.try_acquire(7).unwrap_err().is_full());
    handle.set_capacity(1);
    assert!(gates.try_acquire(7).is_ok());
    drop(handle);
    assert!(gates.is_empty());
}

#[test]
fn each_life_has_its_own_capacity() {
    let limit = Arc::new(AtomicU32::new(1));
    let gates = KeyedGate::new({
        let limit = limit.clone();
        move |_: &u32| limit.load(Ordering::Relaxed)
    });
    for capacity in [1, 1, 1, 2, 2, 0, 0, 3, 1] {
        limit.store(capacity, Ordering::Relaxed);
        let permits: Vec<_> = (0..5).filter_map(|_| gates.try_acquire(9).ok()).collect();
        assert_eq!(permits.len(), capacity as usize);
        limit.store(100, Ordering::Relaxed); // does not change the present life
        if capacity > 0 {
            assert!(gates.try_acquire(9).is_err());
        }
    }
    assert!(gates.is_empty());
}

#[test]
fn a_panicking_capacity_changes_nothing() {
    let fail = Arc::new(AtomicU32::new(1));
    let gates = KeyedGate::new({
        let fail = fail.clone();
        move |_: &u32| {
            assert_eq!(fail.load(Ordering::Relaxed), 0, "the capacity panics");
            1
        }
    });
    for round in 0..20 {
        fail.store(1, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| gates.try_acquire(1).is_ok())).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(gates.hold(1)))).is_err());
        assert_eq!(gates.len(), 0, "round {round}");
        fail.store(0, Ordering::Relaxed);
        let permit = gates.try_acquire(1).unwrap();
        assert!(gates.try_acquire(1).unwrap_err().is_full());
        drop(permit);
        assert_eq!(gates.len(), 0);
    }
}

#[test]
fn a_capacity_above_the_greatest_panics() {
    let gates = rooms(Gate::MAX_CAPACITY + 1);
    assert!(catch_unwind(AssertUnwindSafe(|| gates.try_acquire(1).is_ok())).is_err());
    assert!(gates.is_empty());

    let gates = rooms(Gate::MAX_CAPACITY);
    let permit = gates.try_acquire(1).unwrap();
    let raised = AssertUnwindSafe(|| gates.set_capacity(&1, Gate::MAX_CAPACITY + 1));
    assert!(catch_unwind(raised).is_err());
    assert_eq!(living(&gates), [(1, 1, Gate::MAX_CAPACITY)]);
    drop(permit);
    assert!(gates.is_empty());
}

#[test]
fn keys_that_collide_are_told_apart() {
    let gates = KeyedGate::with_hasher(|key: &usize| 1 + (*key % 2) as u32, Same);
    for _ in 0..20 {
        let permits: Vec<_> = (0..64).map(|key| gates.try_acquire(key).unwrap()).collect();
        for key in 0..64 {
            assert_eq!(gates.try_acquire(key).is_ok(), key % 2 == 1);
        }
        assert_eq!(gates.len(), 64);
        drop(permits);
        assert_eq!(gates.len(), 0);
    }
}

#[test]
fn permits_may_be_dropped_elsewhere_and_while_panicking() {
    let gates = Arc::new(rooms(8));
    let borrowed = gates.try_acquire(1).unwrap();
    let owned = gates.clone().try_acquire_owned(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(borrowed));
    });
    assert_eq!(gates.occupied(&1), 1);
    let panicked = std::thread::spawn(move || {
        let _owned = owned;
        panic!("while holding a permit");
    });
    assert!(panicked.join().is_err());
    assert!(gates.is_empty());
}

#[test]
fn owned_permits_and_handles_outlive_the_gate() {
    let gates = Arc::new(rooms(1));
    let permit = gates.clone().try_acquire_owned(1).unwrap();
    let handle = gates.clone().hold_owned(1);
    drop(gates);
    assert!(handle.try_acquire().unwrap_err().is_full());
    drop(permit);
    assert!(handle.try_acquire().is_ok());
}

#[test]
fn a_handle_keeps_the_key_alive_and_holds_no_place() {
    let gates = rooms(2);
    let handle = gates.hold(5);
    let again = gates.hold(5);
    assert_eq!(living(&gates), [(5, 0, 2)]);
    let through = handle.try_acquire().unwrap();
    let by_key = gates.try_acquire(5).unwrap();
    assert!(again.try_acquire().unwrap_err().is_full());
    drop(through);
    drop(handle);
    assert_eq!(living(&gates), [(5, 1, 2)]);
    drop(by_key);
    assert_eq!(living(&gates), [(5, 0, 2)]);
    assert_eq!((again.occupied(), again.capacity(), *again.key()), (0, 2, 5));
    drop(again);
    assert!(gates.is_empty());
}

#[test]
fn the_holder_of_a_place_outlives_the_handle() {
    let gates = rooms(2);
    for _ in 0..30 {
        let handle = gates.hold(5);
        let permit = gates.try_acquire(5).unwrap();
        drop(handle);
        assert_eq!(living(&gates), [(5, 1, 2)]);
        drop(permit);
        assert!(gates.is_empty());
    }
}

#[test]
fn a_capacity_can_be_changed_while_the_key_lives() {
    let gates = rooms(2);
    assert!(!gates.set_capacity(&5, 9));
    for _ in 0..20 {
        let first = gates.try_acquire(5).unwrap();
        let second = gates.try_acquire(5).unwrap();
        assert!(gates.set_capacity(&5, 3));
        let third = gates.try_acquire(5).unwrap();
        assert!(gates.try_acquire(5).unwrap_err().is_full());

        assert!(gates.set_capacity(&5, 1));
        assert_eq!(living(&gates), [(5, 3, 1)]); // no holder loses its place
        drop((first, second));
        assert_eq!(living(&gates), [(5, 1, 1)]);
        assert!(gates.try_acquire(5).unwrap_err().is_full());

        // Raised by as much as is held: the slot counts what it counts with no place held.
        assert!(gates.set_capacity(&5, 2));
        assert!(gates.set_capacity(&5, 3));
        assert_eq!(gates.occupied(&5), 1);
        drop(third);
        assert!(gates.is_empty());
        assert!(!gates.set_capacity(&5, 9));
        // The next life begins with the capacity that the closure returns.
        let fresh = gates.try_acquire(5).unwrap();
        assert_eq!(living(&gates), [(5, 1, 2)]);
        drop(fresh);
    }
}

#[test]
fn a_capacity_of_zero_while_the_key_lives() {
    let gates = rooms(1);
    let permit = gates.try_acquire(5).unwrap();
    assert!(gates.set_capacity(&5, 0));
    assert_eq!(living(&gates), [(5, 1, 0)]);
    drop(permit);
    assert!(gates.is_empty());
    assert!(gates.try_acquire(5).is_ok());
}

#[test]
fn a_handle_keeps_a_changed_capacity() {
    let gates = rooms(1);
    let handle = gates.hold(5);
    assert!(gates.set_capacity(&5, 2));
    drop((gates.try_acquire(5).unwrap(), gates.try_acquire(5).unwrap()));
    assert_eq!(living(&gates), [(5, 0, 2)]);
    handle.set_capacity(0);
    assert!(gates.try_acquire(5).is_err());
    drop(handle);
    assert!(gates.is_empty());
}

#[test]
fn the_closure_may_use_the_gate() {
    let inner: Arc<KeyedGate<u32>> = Arc::new(KeyedGate::new(|_| 4));
    let gates = KeyedGate::new({
        let inner = inner.clone();
        move |key: &u32| inner.occupied(key) + 1
    });
    let _inside = inner.try_acquire(1).unwrap();
    let _first = gates.try_acquire(1).unwrap();
    assert_eq!(living(&gates), [(1, 1, 2)]);
}

#[test]
fn keys_returns_every_key_once() {
    let gates = rooms(4);
    let permits: Vec<_> = (0..2000).map(|i| gates.try_acquire(i % 1000).unwrap()).collect();
    let shown = living(&gates);
    let keys: BTreeSet<u64> = shown.iter().map(|(key, ..)| *key).collect();
    assert_eq!((shown.len(), keys.len(), gates.len()), (1000, 1000, 1000));
    assert!(shown.iter().all(|&(_, held, capacity)| (held, capacity) == (2, 4)));
    drop(permits);
    assert!(gates.is_empty());
}

#[test]
fn a_handle_does_what_a_gate_does() {
    let gates = rooms(5);
    let handle = gates.hold(1);
    let party = handle.try_acquire_many(4).unwrap();
    assert_eq!((handle.available(), gates.occupied(&1)), (1, 4));
    let by_key = gates.try_acquire(1).unwrap();
    assert!(gates.try_acquire(1).unwrap_err().is_full());
    drop(party);

    handle.close();
    assert!(gates.try_acquire(1).unwrap_err().is_closed());
    handle.reopen();
    assert_eq!(handle.try_run(|| gates.occupied(&1)), Ok(2));

    // A forgotten place and a closing last until the key is removed.
    handle.try_acquire().unwrap().forget();
    handle.close();
    drop(handle);
    assert_eq!(living(&gates), [(1, 2, 5)]);
    assert!(gates.try_acquire(1).unwrap_err().is_closed());
    drop(by_key);
    assert!(gates.is_empty());
    assert!(gates.try_acquire(1).is_ok());
}

#[cfg(feature = "wait")]
#[test]
fn a_handle_waits_for_a_permit_taken_by_key() {
    use std::time::Duration;

    let gates = rooms(1);
    let by_key = gates.try_acquire(1).unwrap();
    let handle = gates.hold(1);
    assert!(handle.acquire().wait_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    std::thread::scope(|scope| {
        let waiter =
            scope.spawn(|| drop(handle.acquire().wait().expect("no call closes the gate")));
        while handle.waiting() == 0 {
            std::thread::yield_now();
        }
        assert!(gates.try_acquire(1).unwrap_err().is_full());
        drop(by_key);
        waiter.join().unwrap();
    });
    drop(handle);
    assert!(gates.is_empty());
}

#[cfg(feature = "wait")]
#[test]
fn a_panicking_waker_keeps_no_key_alive() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Wake, Waker};

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the waker panics");
        }
    }

    let gates = KeyedGate::with_hasher(|_: &u64| 1, Same);
    let permits = [gates.try_acquire(1).unwrap(), gates.try_acquire(2).unwrap()];
    for permit in permits {
        let handle = gates.hold(*permit.key());
        let mut waiting = pin!(handle.acquire());
        let waker = Waker::from(Arc::new(Panics));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(permit))).is_err());
    }
    assert!(gates.is_empty());
}

#[test]
fn debug_shows_keys_and_counts() {
    let gates = Arc::new(rooms(2));
    let permit = gates.try_acquire(7).unwrap();
    let owned = gates.clone().try_acquire_owned(7).unwrap();
    let handle = gates.hold(7);
    let owned_handle = gates.clone().hold_owned(7);
    assert_eq!(format!("{gates:?}"), "KeyedGate { .. }");
    assert_eq!(format!("{permit:?}"), "KeyedPermit { key: 7, .. }");
    assert_eq!(format!("{owned:?}"), "OwnedKeyedPermit { key: 7, .. }");
    assert_eq!(format!("{handle:?}"), "KeyHandle { key: 7, capacity: 2, occupied: 2 }");
    assert_eq!(format!("{owned_handle:?}"), "OwnedKeyHandle { key: 7, capacity: 2, occupied: 2 }");
    drop((permit, owned));
    assert_eq!(format!("{:?}", handle.try_acquire().unwrap()), "Permit { count: 1, .. }");
}

#[test]
fn all_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<KeyedGate<String>>();
    check::<KeyedPermit<'_, String>>();
    check::<OwnedKeyedPermit<String>>();
    check::<headcount::KeyHandle<'_, String>>();
    check::<OwnedKeyHandle<String>>();
}

#[cfg(feature = "wait")]
#[test]
fn a_key_lives_while_a_caller_waits_for_it() {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Wake, Waker};

    struct Silent;

    impl Wake for Silent {
        fn wake(self: Arc<Self>) {}
    }

    let gates = Arc::new(rooms(2));
    let waker = Waker::from(Arc::new(Silent));
    let mut cx = Context::from_waker(&waker);
    let permit = gates.try_acquire(1).unwrap();
    let mut ann = gates.clone().acquire_many_owned(1, 2);
    let mut bob = gates.acquire(1);
    assert!(Pin::new(&mut ann).poll(&mut cx).is_pending());
    assert!(Pin::new(&mut bob).poll(&mut cx).is_pending());
    assert_eq!((ann.position(), bob.position()), (Some(0), Some(1)));
    drop(permit);
    let Poll::Ready(Ok(party)) = Pin::new(&mut ann).poll(&mut cx) else { panic!("served") };
    drop(ann);
    assert_eq!((party.count(), gates.occupied(&1)), (2, 2));
    drop(party);
    assert_eq!(living(&gates), [(1, 1, 2)]); // served, and not polled since
    drop(bob);
    assert!(gates.is_empty());
}
