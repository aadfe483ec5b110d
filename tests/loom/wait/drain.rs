//! Draining, forced entries, limits of the queue, and changes of the capacity by so much, while other
//! callers come, wait and leave.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::thread::JoinHandle;

use super::{block_on, explore, poll_once, spawn};
use headcount::{DrainError, Gate};

/// A thread that reads a cell and then gives a place back.
fn leaver(gate: &Arc<Gate>, cell: &Arc<UnsafeCell<()>>) -> JoinHandle<()> {
    let permit = Arc::clone(gate).try_acquire_owned().unwrap();
    let cell = Arc::clone(cell);
    loom::thread::spawn(move || {
        cell.with(|_| ());
        drop(permit);
    })
}

/// The last holder wakes a drainer, whichever way it waits, and the drainer sees what each did.
fn drains(drain: fn(&Gate) -> Result<(), DrainError>) {
    explore(3, move || {
        let gate = Arc::new(Gate::new(2));
        let cell = Arc::new(UnsafeCell::new(()));
        let leavers = [leaver(&gate, &cell), leaver(&gate, &cell)];
        assert_eq!(drain(&gate), Ok(()));
        cell.with_mut(|_| ());
        assert_eq!((gate.occupied(), gate.is_closed()), (0, true));
        leavers.into_iter().for_each(|leaver| leaver.join().unwrap());
        gate.reopen();
        assert_eq!(gate.try_acquire_all().map(|all| all.count()), Ok(2));
    });
}

#[test]
fn drained_by_future() {
    drains(|gate| block_on(gate.drain()));
}

#[test]
fn drained_by_thread() {
    drains(|gate| gate.drain().wait());
}

/// Two drain one gate, and each learns of its end.
#[test]
fn drained_by_two() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let leaver = leaver(&gate, &Arc::new(UnsafeCell::new(())));
        let other = spawn(&gate, |gate| assert_eq!(block_on(gate.drain()), Ok(())));
        assert_eq!(gate.drain().wait(), Ok(()));
        other.join().unwrap();
        leaver.join().unwrap();
    });
}

/// A drain against the last release and a reopening: it was drained, or it learns of the reopening.
#[test]
fn a_drain_against_a_reopening() {
    let outcomes = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&outcomes);
    explore(3, move || {
        let gate = Arc::new(Gate::new(1));
        let leaver = leaver(&gate, &Arc::new(UnsafeCell::new(())));
        let mut drain = gate.drain();
        let told = match poll_once(&mut drain) {
            Poll::Ready(told) => told,
            Poll::Pending => {
                let reopener = spawn(&gate, |gate| gate.reopen());
                let told = block_on(drain);
                reopener.join().unwrap();
                told
            }
        };
        counted[usize::from(told.is_ok())].fetch_add(1, Relaxed);
        leaver.join().unwrap();
        gate.reopen();
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
    assert!(outcomes.iter().all(|times| times.load(Relaxed) > 0), "{outcomes:?}");
}

/// A forced entry during a drain is waited for, if it comes before the end.
#[test]
fn a_drain_against_a_forced_entry() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let leaver = leaver(&gate, &Arc::new(UnsafeCell::new(())));
        let forced = spawn(&gate, |gate| drop(gate.force_acquire(1)));
        assert_eq!(gate.drain().wait(), Ok(()));
        leaver.join().unwrap();
        forced.join().unwrap();
        assert_eq!((gate.occupied(), gate.is_closed()), (0, true));
        gate.reopen();
        assert_eq!(gate.available(), 1);
    });
}

/// A drain that is given up against the last release.
#[test]
fn a_drain_given_up_against_the_last_release() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let leaver = leaver(&gate, &Arc::new(UnsafeCell::new(())));
        let _ = gate.drain().wait_timeout(Duration::ZERO);
        leaver.join().unwrap();
        assert_eq!((gate.occupied(), gate.is_closed()), (0, true));
        gate.reopen();
        assert_eq!(gate.available(), 1);
    });
}

/// A forced entry against a newcomer and a leaver: the deficit is paid, and no place is lost.
#[test]
fn a_forced_entry_against_a_newcomer() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let leaver = leaver(&gate, &Arc::new(UnsafeCell::new(())));
        let forced = gate.force_acquire(1);
        let newcomer = spawn(&gate, |gate| assert!(gate.try_acquire().is_err()));
        newcomer.join().unwrap();
        drop(forced);
        leaver.join().unwrap();
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
}

/// Of two that allow one waiter, one waits at most, and whoever is refused holds nothing.
#[test]
fn a_queue_limit_is_never_passed() {
    let outcomes = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&outcomes);
    explore(3, move || {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let wait = |counted: Arc<[AtomicUsize; 2]>| {
            move |gate: &Gate| {
                let mut acquire = gate.acquire().queue_limit(1);
                let polled = poll_once(&mut acquire);
                assert!(gate.waiting() <= 1);
                let refused = matches!(&polled, Poll::Ready(Err(error)) if error.is_queue_full());
                counted[usize::from(refused)].fetch_add(1, Relaxed);
            }
        };
        let other = spawn(&gate, wait(Arc::clone(&counted)));
        wait(Arc::clone(&counted))(&gate);
        other.join().unwrap();
        drop(permit);
        assert_eq!((gate.waiting(), gate.available()), (0, 1));
    });
    assert!(outcomes.iter().all(|times| times.load(Relaxed) > 0), "{outcomes:?}");
}

/// Raises and lowerings at the same time, with a caller that waits: none is lost, and the waiter is
/// served.
#[test]
fn raises_and_lowerings_against_a_waiter() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let waiter = spawn(&gate, |gate| drop(block_on(gate.acquire()).unwrap()));
        let lowering = spawn(&gate, |gate| assert!(gate.lower_capacity(1) <= 1));
        gate.raise_capacity(1);
        lowering.join().unwrap();
        assert_eq!(gate.capacity(), 1);
        drop(permit);
        waiter.join().unwrap();
        assert_eq!((gate.waiting(), gate.occupied(), gate.available()), (0, 0, 1));
    });
}

/// A raise that lets a request back in line, against newcomers: none overtakes it.
#[test]
fn a_raise_puts_a_request_back_in_line() {
    explore(3, || {
        let gate = Arc::new(Gate::new(1));
        let mut both = gate.acquire_many(2);
        assert!(poll_once(&mut both).is_pending());
        let newcomer = spawn(&gate, |gate| drop(gate.try_acquire_all()));
        gate.raise_capacity(1);
        newcomer.join().unwrap();
        assert!(matches!(poll_once(&mut both), Poll::Ready(Ok(_))));
        assert_eq!((gate.waiting(), gate.occupied()), (0, 0));
    });
}
