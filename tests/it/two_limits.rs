//! Two limits at once: the recipe of the crate's documentation. The place of the key is taken
//! first, then the place of the total.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use headcount::{AcquireError, Gate, KeyedGate, KeyedPermit, Permit, TryAcquireError};

use crate::every_order::{caller, every_order};

/// The field that is declared first is dropped first.
#[allow(dead_code)]
struct Both<'a> {
    total: Permit<'a>,
    own: KeyedPermit<'a, u8>,
}

struct Limits {
    total: Gate,
    each: KeyedGate<u8>,
}

impl Limits {
    fn new(total: u32, each: u32) -> Limits {
        Limits { total: Gate::new(total), each: KeyedGate::new(move |_| each) }
    }

    fn try_enter(&self, key: u8) -> Result<Both<'_>, TryAcquireError> {
        let own = self.each.try_acquire(key)?;
        let total = self.total.try_acquire()?;
        Ok(Both { total, own })
    }

    async fn enter(&self, key: u8) -> Result<Both<'_>, AcquireError> {
        let own = self.each.acquire(key).await?;
        let total = self.total.acquire().await?;
        Ok(Both { total, own })
    }

    fn enter_blocking(&self, key: u8) -> Result<Both<'_>, AcquireError> {
        let own = self.each.acquire(key).wait()?;
        let total = self.total.acquire().wait()?;
        Ok(Both { total, own })
    }

    fn assert_free(&self) {
        assert_eq!((self.total.occupied(), self.total.waiting()), (0, 0));
        assert!(self.each.is_empty());
        let all = self.total.try_acquire_all().unwrap();
        assert_eq!(all.count(), self.total.capacity());
    }
}

#[test]
fn a_refusal_by_the_second_gives_the_first_back() {
    let limits = Limits::new(2, 1);
    let _both = [limits.try_enter(1).unwrap(), limits.try_enter(2).unwrap()];
    assert!(limits.try_enter(3).is_err_and(|refused| refused.is_full()));
    assert_eq!((limits.each.len(), limits.each.occupied(&3)), (2, 0));
}

#[test]
fn a_refusal_by_the_first_takes_nothing_of_the_second() {
    let limits = Limits::new(2, 1);
    let _one = limits.try_enter(1).unwrap();
    assert!(limits.try_enter(1).is_err_and(|refused| refused.is_full()));
    assert_eq!((limits.total.occupied(), limits.each.occupied(&1)), (1, 1));
    assert!(limits.try_enter(2).is_ok());
}

/// A caller that waits for the place of its key holds no place of the total.
#[test]
fn a_busy_key_holds_up_no_other_key() {
    let limits = Limits::new(2, 1);
    let one = limits.try_enter(1).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert!(limits.enter_blocking(1).is_ok()));
        while limits.each.hold(1).waiting() == 0 {
            thread::yield_now();
        }
        assert!(limits.try_enter(2).is_ok());
        drop(one);
    });
    limits.assert_free();
}

/// A closed total and one that times out give the place of the key back.
#[test]
fn an_error_of_the_second_gives_the_first_back() {
    let limits = Limits::new(0, 1);
    let own = limits.each.acquire(1).wait().unwrap();
    assert!(limits.total.acquire().wait_timeout(Duration::from_millis(1)).is_err());
    drop(own);
    limits.total.close();
    assert!(limits.enter_blocking(1).is_err_and(|refused| refused.is_closed()));
    assert!(limits.each.is_empty());
}

/// Two callers of each of two keys in every order, with one place in all or two; up to two of them
/// are dropped after any of their polls, and those that have entered leave at any time. Never over,
/// no caller waits for ever, and nothing is left.
#[test]
fn every_order_of_waiting_and_giving_up() {
    for total in [1, 2] {
        let seen = every_order(
            2,
            || Limits::new(total, 1),
            |limits| {
                [1, 1, 2, 2]
                    .map(|key| caller(async move { limits.enter(key).await.unwrap() }))
                    .into()
            },
            |limits, inside| {
                assert!(limits.total.occupied() <= total && inside <= total as usize);
                assert!([1, 2].iter().all(|key| limits.each.occupied(key) <= 1));
            },
            Limits::assert_free,
        );
        let [never, once, later] = seen.cancelled.map(|n| n > 0);
        // With two places in all, a caller that is polled twice has both.
        assert!(seen.orders > 1000 && never && once && later == (total == 1), "{seen:?}");
    }
}

/// Threads that wait and threads that do not, of more keys than there are places.
#[test]
fn threads_are_never_over_either_limit() {
    const KEYS: usize = 3;
    let limits = Limits::new(3, 2);
    let total = AtomicU32::new(0);
    let own: [AtomicU32; KEYS] = Default::default();
    thread::scope(|scope| {
        for number in 0..6 {
            let (limits, total, own) = (&limits, &total, &own[number % KEYS]);
            scope.spawn(move || {
                let key = (number % KEYS) as u8;
                for step in 0..2_000 {
                    let both = if number < KEYS || step % 4 == 0 {
                        Some(limits.enter_blocking(key).unwrap())
                    } else {
                        limits.try_enter(key).ok()
                    };
                    let Some(both) = both else { continue };
                    assert!(own.fetch_add(1, Ordering::SeqCst) < 2, "more than two of one key");
                    assert!(total.fetch_add(1, Ordering::SeqCst) < 3, "more than three in all");
                    thread::yield_now();
                    total.fetch_sub(1, Ordering::SeqCst);
                    own.fetch_sub(1, Ordering::SeqCst);
                    drop(both);
                }
            });
        }
    });
    limits.assert_free();
}
