//! Every future, dropped after each of its polls, in every order with others: none of its places is
//! lost, and no caller behind it waits for ever.

use std::sync::Arc;

use headcount::{Course, Gate};

use crate::every_order::{caller, every_order, Orders};

/// Fails unless futures were dropped before their first poll, after one, and after more than one.
fn all_seen(seen: Orders) {
    assert!(seen.orders > 1000 && seen.cancelled[..2].iter().all(|&n| n > 0), "{seen:?}");
}

#[test]
fn of_a_gate() {
    all_seen(every_order(
        3,
        || Arc::new(Gate::new(2)),
        |gate| {
            let (one, two) = (gate.acquire(), gate.acquire_many(2));
            let (owned, both) = (gate.clone().acquire_owned(), gate.clone().acquire_many_owned(2));
            vec![
                caller(async { one.await.unwrap() }),
                caller(async { two.await.unwrap() }),
                caller(async { owned.await.unwrap() }),
                caller(async { both.await.unwrap() }),
            ]
        },
        |gate, _| assert!(gate.occupied() <= 2),
        |gate| {
            assert_eq!((gate.occupied(), gate.waiting(), gate.available()), (0, 0, 2));
            assert_eq!(Arc::strong_count(gate), 1);
        },
    ));
}

#[cfg(feature = "keyed")]
#[test]
fn of_a_keyed_gate() {
    use headcount::KeyedGate;

    all_seen(every_order(
        3,
        || Arc::new(KeyedGate::new(|_: &u8| 2)),
        |gates| {
            let (one, two) = (gates.acquire(1), gates.acquire_many(1, 2));
            let owned = gates.clone().acquire_owned(1);
            let both = gates.clone().acquire_many_owned(1, 2);
            vec![
                caller(async { one.await.unwrap() }),
                caller(async { two.await.unwrap() }),
                caller(async { owned.await.unwrap() }),
                caller(async { both.await.unwrap() }),
            ]
        },
        |gates, _| assert!(gates.occupied(&1) <= 2),
        |gates| assert!(gates.is_empty() && gates.try_acquire_many(1, 2).is_ok()),
    ));
}

/// The same with a limit of living keys: a future that was refused for it holds nothing.
#[cfg(feature = "keyed")]
#[test]
fn of_a_keyed_gate_with_one_key() {
    use headcount::KeyedGate;

    let seen = every_order(
        2,
        || KeyedGate::builder(|_: &u8| 1).max_keys(1).build(),
        |gates| [1, 2, 1].map(|key| gates.acquire(key)).map(caller).into(),
        |gates, _| assert!(gates.occupied(&1) <= 1 && gates.occupied(&2) == 0),
        |gates| assert!(gates.is_empty() && gates.try_acquire(2).is_ok()),
    );
    assert!(seen.cancelled[..2].iter().all(|&n| n > 0), "{seen:?}");
}

#[test]
fn of_a_course() {
    all_seen(every_order(
        3,
        || Arc::new(Course::new(2)),
        |course| {
            let (one, two) = (course.reserve(), course.reserve_many(2));
            let owned = course.clone().reserve_owned();
            let both = course.clone().reserve_many_owned(2);
            vec![
                caller(async { one.await.unwrap() }),
                caller(async { two.await.unwrap() }),
                caller(async { owned.await.unwrap() }),
                caller(async { both.await.unwrap() }),
            ]
        },
        |course, _| assert!(course.counts().taken <= 2),
        |course| {
            assert_eq!((course.counts().taken, course.waiting(), course.available()), (0, 0, 2));
            assert_eq!(Arc::strong_count(course), 1);
        },
    ));
}

/// *drained*: a drain that resolves finds no place held, and one that is dropped costs no other.
#[test]
fn of_a_drain() {
    all_seen(every_order(
        3,
        || Arc::new(Gate::new(1)),
        |gate| {
            let (drain, owned) = (gate.drain(), gate.clone().drain_owned());
            let drained = || assert_eq!((gate.occupied(), gate.is_closed()), (0, true));
            vec![
                // Refused if it comes after the closing.
                caller(gate.acquire()),
                caller(gate.acquire()),
                caller(async move {
                    drain.await.unwrap();
                    drained();
                }),
                caller(async move {
                    owned.await.unwrap();
                    drained();
                }),
            ]
        },
        |gate, _| assert!(gate.occupied() <= 1),
        |gate| {
            assert_eq!((gate.occupied(), gate.waiting()), (0, 0));
            gate.reopen();
            assert!(gate.try_acquire().is_ok() && Arc::strong_count(gate) == 1);
        },
    ));
}
