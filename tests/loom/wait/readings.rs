//! What readings and quorums count while a caller waits, and what comes between a caller that waits
//! and the places that come free for it.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::{assert_free, block_on, explore, explore_both, poll_once, spawn};
use headcount::{AcquireError, AcquireTimeoutError, Gate};

/// Two places are held, and a caller waits for both. One comes back, and a newcomer meets the gate
/// at that moment: whatever its call does, the gate never counts it.
fn one_of_two_comes_back(reads: fn(&Gate) -> u32) {
    explore_both(4, move |counted| {
        let gate = Arc::new(Gate::new(2));
        let [first, second] = [gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
        let mut both = gate.acquire_many(2);
        assert!(poll_once(&mut both).is_pending());
        // It has the fast hint of a gate with a free place, and so does not look.
        let newcomer = spawn(&gate, |gate| assert!(gate.try_acquire().is_err()));
        let counts = Arc::clone(counted);
        let reader = spawn(&gate, move |gate| {
            let held = reads(gate);
            assert!((1..=2).contains(&held));
            counts[held as usize - 1].fetch_add(1, Relaxed);
        });
        drop(first);
        newcomer.join().unwrap();
        reader.join().unwrap();
        assert_eq!((reads(&gate), gate.available(), gate.is_full()), (1, 0, true));
        drop(second);
        assert!(matches!(poll_once(&mut both), Poll::Ready(Ok(_))));
    });
}

#[test]
fn occupied_counts_holders_only() {
    one_of_two_comes_back(Gate::occupied);
}

#[test]
fn a_quorum_counts_holders_only() {
    one_of_two_comes_back(|gate| gate.close_if_occupied(3).unwrap_err().occupied);
}

/// A quorum that is reached closes, and refuses the caller that waits; one that is not reached lets
/// it wait.
#[test]
fn a_quorum_against_a_waiter_and_a_leaver() {
    explore_both(3, move |counted| {
        let gate = Arc::new(Gate::new(2));
        let [first, second] = [gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
        let mut both = gate.acquire_many(2);
        assert!(poll_once(&mut both).is_pending());
        let closer = spawn(&gate, |gate| {
            let _ = gate.close_if_occupied(2);
        });
        drop(first);
        closer.join().unwrap();
        let closed = gate.is_closed();
        counted[usize::from(closed)].fetch_add(1, Relaxed);
        assert_eq!(gate.occupied(), 1);
        drop(second);
        let told = poll_once(&mut both);
        match told {
            Poll::Ready(Ok(permit)) => assert_eq!((permit.count(), closed), (2, false)),
            Poll::Ready(Err(refused)) => assert!(refused.is_closed() && closed),
            Poll::Pending => panic!("it was neither served nor refused"),
        }
    });
}

/// A caller that looked, or has the fast hint, meets a gate that another caller has begun to wait
/// at.
#[test]
fn a_newcomer_in_flight_leaves_nothing() {
    explore(4, || {
        let gate = Arc::new(Gate::new(1));
        let newcomer = spawn(&gate, |gate| drop(gate.try_acquire()));
        let waiter = spawn(&gate, |gate| drop(block_on(gate.acquire()).unwrap()));
        newcomer.join().unwrap();
        waiter.join().unwrap();
        assert_free(&gate, 1);
    });
}

/// A caller waits and cancels while a newcomer enters: the newcomer is counted if it is admitted,
/// also if its increment came while the lock had the word.
#[test]
fn a_newcomer_that_is_admitted_is_counted() {
    explore_both(3, move |counted| {
        let gate = Arc::new(Gate::new(2));
        let _one = gate.try_acquire().unwrap();
        let quitter = spawn(&gate, |gate| {
            let mut both = gate.acquire_many(2);
            assert!(poll_once(&mut both).is_pending());
        });
        let entered = gate.try_acquire();
        quitter.join().unwrap();
        let admitted = u32::from(entered.is_ok());
        assert_eq!((gate.waiting(), gate.occupied()), (0, 1 + admitted));
        counted[admitted as usize].fetch_add(1, Relaxed);
    });
}

/// A lowering against a place that comes back for a caller that waits: the deficit comes first, and
/// a request that the new capacity cannot serve stands aside.
#[test]
fn a_lowering_against_a_place_kept_for_a_waiter() {
    explore(3, || {
        let gate = Arc::new(Gate::new(2));
        let [first, second] = [gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
        let mut both = gate.acquire_many(2);
        let mut behind = gate.acquire();
        assert!(poll_once(&mut both).is_pending());
        assert!(poll_once(&mut behind).is_pending());
        let lowering = spawn(&gate, |gate| gate.set_capacity(1));
        drop(first);
        lowering.join().unwrap();
        assert_eq!(gate.occupied(), 1);
        assert!(poll_once(&mut behind).is_pending());
        drop(second);
        assert!(matches!(poll_once(&mut behind), Poll::Ready(Ok(_))));
        assert!(poll_once(&mut both).is_pending());
        gate.set_capacity(2);
        assert!(matches!(poll_once(&mut both), Poll::Ready(Ok(_))));
    });
}

/// A wait whose time is over against a closing: it is told one or the other, and holds nothing.
#[test]
fn a_timeout_against_a_closing() {
    explore_both(3, move |counted| {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let counted = Arc::clone(counted);
        let waiter = spawn(&gate, move |gate| {
            let mut acquire = gate.acquire();
            if poll_once(&mut acquire).is_ready() {
                return;
            }
            match acquire.wait_timeout(Duration::ZERO) {
                Ok(_) => {}
                Err(AcquireTimeoutError::Timeout) => {
                    counted[0].fetch_add(1, Relaxed);
                }
                Err(_) => {
                    counted[1].fetch_add(1, Relaxed);
                }
            }
        });
        let closer = spawn(&gate, |gate| gate.close());
        drop(permit);
        waiter.join().unwrap();
        closer.join().unwrap();
        assert_free(&gate, 1);
        gate.reopen();
        assert!(gate.try_acquire().is_ok());
    });
}

/// A holder meets WAITING, and the caller that waited gives up before the holder comes to the lock.
#[test]
fn a_release_that_comes_late_to_the_lock() {
    explore(4, || {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let quitter = spawn(&gate, |gate| {
            let mut acquire = gate.acquire();
            let _ = poll_once(&mut acquire);
        });
        drop(permit);
        quitter.join().unwrap();
        assert_free(&gate, 1);
    });
}

/// A caller that gives up at once, for which too few places are free, refuses no other.
fn refuses_no_other(gives_up: fn(&Gate)) {
    explore(2, move || {
        let gate = Arc::new(Gate::new(2));
        let _one = gate.try_acquire().unwrap();
        let other = spawn(&gate, gives_up);
        assert!(gate.try_acquire().is_ok(), "a place is free, and no caller ever waits");
        other.join().unwrap();
    });
}

#[test]
fn a_caller_beyond_the_queue_limit_refuses_no_other() {
    refuses_no_other(|gate| {
        let refused = gate.acquire_many(2).queue_limit(0).wait().map(drop);
        assert_eq!(refused, Err(AcquireError::QueueFull));
    });
}

#[test]
fn a_caller_whose_time_is_over_refuses_no_other() {
    refuses_no_other(|gate| {
        let refused = gate.acquire_many(2).wait_timeout(Duration::ZERO).map(drop);
        assert_eq!(refused, Err(AcquireTimeoutError::Timeout));
    });
}
