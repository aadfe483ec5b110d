//! What only the gate and the course can do: close, reopen, resize, many at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::Poll;

use loom::cell::UnsafeCell;

use super::{assert_free, block_on, explore, explore_both, poll_once, spawn};
use headcount::{Acquire, AcquireError, Course, Gate};

/// A closing meets a caller that starts to wait and a holder that leaves. No caller is left
/// waiting.
fn close(wait: fn(&Gate) -> Result<(), AcquireError>) {
    explore_both(3, move |seen| {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let counted = Arc::clone(seen);
        let waiter = spawn(&gate, move |gate| {
            counted[usize::from(wait(gate).is_ok())].fetch_add(1, Relaxed);
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

#[test]
fn close_refuses_by_future() {
    close(|gate| block_on(gate.acquire()).map(drop));
}

#[test]
fn close_refuses_by_thread() {
    close(|gate| gate.acquire().wait().map(drop));
}

/// A closing refuses a caller that waits, though no place ever comes free.
#[test]
fn close_refuses_without_a_release() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let _permit = gate.try_acquire().unwrap();
        let waiter = spawn(&gate, |gate| {
            assert_eq!(gate.acquire().wait().map(drop), Err(AcquireError::Closed));
        });
        gate.close();
        waiter.join().unwrap();
        assert_eq!((gate.waiting(), gate.occupied()), (0, 1));
    });
}

/// A caller that waited before the closing is refused, even if a thread reopens at once; one that
/// waits after the reopening is not.
#[test]
fn close_against_reopen() {
    explore(3, || {
        let gate = Arc::new(Gate::new(0));
        let mut early = gate.acquire();
        assert!(poll_once(&mut early).is_pending());
        let closer = spawn(&gate, |gate| gate.close());
        gate.reopen();
        closer.join().unwrap();
        gate.reopen();
        let mut late = gate.acquire();
        assert!(poll_once(&mut late).is_pending());
        gate.set_capacity(1);
        assert!(matches!(poll_once(&mut late), Poll::Ready(Ok(_))));
        // It learns of the closing only now, and must not take the later one's turn for its own.
        assert!(matches!(poll_once(&mut early), Poll::Ready(Err(AcquireError::Closed))));
    });
}

/// One raise serves all waiters that fit, before or after they queue.
#[test]
fn raising_wakes_as_many_as_fit() {
    explore(2, || {
        let gate = Arc::new(Gate::new(0));
        let stay = |gate: &Gate| block_on(gate.acquire()).unwrap().forget();
        let block = |gate: &Gate| gate.acquire().wait().unwrap().forget();
        let waiters = [spawn(&gate, stay), spawn(&gate, block)];
        gate.set_capacity(2);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!((gate.waiting(), gate.occupied()), (0, 2));
    });
}

/// A deficit is paid before any waiter is served, and then the queue moves on.
#[test]
fn a_deficit_comes_first() {
    explore(3, || {
        let gate = Arc::new(Gate::new(2));
        let permits = (gate.try_acquire().unwrap(), gate.try_acquire().unwrap());
        let waiter = spawn(&gate, |gate| {
            let _permit = block_on(gate.acquire()).unwrap();
            assert_eq!(gate.occupied(), 1);
        });
        let lowering = spawn(&gate, |gate| gate.set_capacity(1));
        lowering.join().unwrap();
        drop(permits.0);
        drop(permits.1);
        waiter.join().unwrap();
        assert_free(&gate, 1);
    });
}

/// A lowering meets a leaver: WAITING must stay set for the deficit while a caller waits.
#[test]
fn lowering_against_leaver_and_waiter() {
    explore(3, || {
        let gate = Arc::new(Gate::new(2));
        let permits = (gate.try_acquire().unwrap(), gate.try_acquire().unwrap());
        let waiter = spawn(&gate, |gate| drop(gate.acquire().wait().unwrap()));
        let lowering = spawn(&gate, |gate| gate.set_capacity(1));
        drop(permits.0);
        drop(permits.1);
        lowering.join().unwrap();
        waiter.join().unwrap();
        assert_free(&gate, 1);
    });
}

/// Two single places come free for a waiter that wants both; another waits behind it.
#[test]
fn many_are_gathered() {
    explore(3, || {
        let gate = Arc::new(Gate::new(2));
        let permits = (gate.try_acquire().unwrap(), gate.try_acquire().unwrap());
        let mut both = gate.acquire_many(2);
        assert!(poll_once(&mut both).is_pending());
        let single = spawn(&gate, |gate| drop(block_on(gate.acquire()).unwrap()));
        drop(permits.0);
        assert!(poll_once(&mut both).is_pending(), "one of two, and no caller overtakes");
        drop(permits.1);
        // At once, or when a caller that came too late has passed on what it had taken.
        assert_eq!(block_on(&mut both).unwrap().count(), 2);
        single.join().unwrap();
        assert_free(&gate, 2);
    });
}

/// A waiter that has gathered a part of its places cancels while another place comes free.
#[test]
fn what_was_gathered_is_passed_on() {
    explore(3, || {
        let gate = Arc::new(Gate::new(2));
        let permit = gate.try_acquire().unwrap();
        let quitter = spawn(&gate, |gate| {
            let mut both = gate.acquire_many(2);
            let _ = poll_once(&mut both);
        });
        let single = spawn(&gate, |gate| drop(block_on(gate.acquire()).unwrap()));
        drop(permit);
        quitter.join().unwrap();
        single.join().unwrap();
        assert_free(&gate, 2);
    });
}

/// A waiter that wants more places than come free cancels: one is free for another behind it.
#[test]
fn a_waiter_that_cancels_serves_those_behind() {
    explore(4, || {
        let gate = Arc::new(Gate::new(2));
        let permit = gate.try_acquire().unwrap();
        let mut both = gate.acquire_many(2);
        assert!(poll_once(&mut both).is_pending());
        let single = spawn(&gate, |gate| drop(block_on(gate.acquire()).unwrap()));
        drop(both);
        single.join().unwrap();
        drop(permit);
        assert_free(&gate, 2);
    });
}

/// A future is polled once with a waker that does nothing, and then waits as `finish` does.
fn polled_before(finish: fn(Acquire<'_>)) {
    explore(3, move || {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let waiter = spawn(&gate, move |gate| {
            let mut acquire = gate.acquire();
            match poll_once(&mut acquire) {
                Poll::Ready(permit) => drop(permit.unwrap()),
                Poll::Pending => finish(acquire),
            }
        });
        drop(permit);
        waiter.join().unwrap();
        assert_free(&gate, 1);
    });
}

/// A waiter that is polled with another waker is woken by that waker.
#[test]
fn the_last_waker_counts() {
    polled_before(|acquire| drop(block_on(acquire).unwrap()));
}

/// A thread that waits on a future which was polled before is unparked in place of the task.
#[test]
fn a_thread_takes_over_from_a_task() {
    polled_before(|acquire| drop(acquire.wait().unwrap()));
}

/// A waiter that polls again before it is woken, and finds itself served, sees what the last holder
/// of its place wrote.
#[test]
fn served_before_it_is_woken() {
    let served = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&served);
    explore(3, move || {
        let gate = Arc::new(Gate::new(1));
        let cell = Arc::new(UnsafeCell::new(()));
        let permit = gate.try_acquire().unwrap();
        let (theirs, counted) = (Arc::clone(&cell), Arc::clone(&counted));
        let waiter = spawn(&gate, move |gate| {
            let mut acquire = gate.acquire();
            if poll_once(&mut acquire).is_pending() && poll_once(&mut acquire).is_ready() {
                theirs.with_mut(|_| ());
                counted.fetch_add(1, Relaxed);
            }
        });
        cell.with_mut(|_| ());
        drop(permit);
        waiter.join().unwrap();
    });
    assert!(served.load(Relaxed) > 0);
}

/// A closing refuses exactly those that wait at that instant: a caller that comes after a reopening
/// is refused only if the closing comes later still.
#[test]
fn a_closing_spares_later_waiters() {
    explore_both(3, move |counted| {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let closer = spawn(&gate, |gate| gate.close());
        gate.reopen();
        let mut late = gate.acquire();
        let waits = poll_once(&mut late).is_pending();
        closer.join().unwrap();
        counted[usize::from(waits)].fetch_add(1, Relaxed);
        if waits && !gate.is_closed() {
            assert_eq!(late.position(), Some(0));
        } else if waits {
            assert!(poll_once(&mut late).is_ready());
        }
        assert_eq!(gate.occupied(), 1);
        drop(permit);
    });
}

/// A caller that is known to wait is not overtaken.
#[test]
fn no_caller_overtakes() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let mut first = gate.acquire();
        assert!(poll_once(&mut first).is_pending());
        let newcomer = spawn(&gate, |gate| assert!(gate.try_acquire().is_err()));
        let party = spawn(&gate, |gate| assert!(gate.try_acquire_many(1).is_err()));
        drop(permit);
        // It holds the place until both have been refused, whichever of the three came first.
        newcomer.join().unwrap();
        party.join().unwrap();
        assert!(matches!(poll_once(&mut first), Poll::Ready(Ok(_))));
        assert_free(&gate, 1);
    });
}

/// A withdrawal and a cancelled reservation serve the waitlist of a course.
#[test]
fn waitlist() {
    explore(3, || {
        let course = Arc::new(Course::with_enrolled(2, 1).unwrap());
        let reservation = course.try_reserve().unwrap();
        let by_future = spawn(&course, |course| block_on(course.reserve()).unwrap().confirm());
        let by_thread = spawn(&course, |course| course.reserve().wait().unwrap().confirm());
        course.withdraw().unwrap();
        reservation.cancel();
        by_future.join().unwrap();
        by_thread.join().unwrap();
        let counts = course.counts();
        assert_eq!((counts.taken, counts.enrolled, course.waiting()), (2, 2, 0));
    });
}
