//! Draining a gate.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use headcount::{DrainError, Gate};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(count.clone())))
}

#[test]
fn an_empty_gate_is_drained_at_once() {
    let gate = Arc::new(Gate::new(3));
    assert_eq!(gate.drain().wait(), Ok(()));
    assert!(gate.is_closed());
    assert_eq!(gate.clone().drain_owned().wait_timeout(Duration::ZERO), Ok(()));
    gate.reopen();
    assert_eq!(gate.try_acquire_many(3).map(|all| all.count()), Ok(3));
}

#[test]
fn the_last_release_wakes_every_drainer() {
    let gate = Gate::new(2);
    let permits = [gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
    let (mut first, mut second) = (gate.drain(), gate.drain());
    let counts = [(); 2].map(|()| Arc::new(Count::default()));
    assert!(!gate.is_closed(), "it is closed when the future is polled");
    assert!(poll(&mut first, &counts[0]).is_pending());
    assert!(gate.is_closed());
    assert!(poll(&mut second, &counts[1]).is_pending());
    let [one, other] = permits;
    drop(one);
    assert!(poll(&mut first, &counts[0]).is_pending());
    drop(other);
    assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    assert_eq!(poll(&mut first, &counts[0]), Poll::Ready(Ok(())));
    assert_eq!(poll(&mut second, &counts[1]), Poll::Ready(Ok(())));
    assert!(gate.is_closed());
}

#[test]
fn waiters_are_refused_and_those_served_are_waited_for() {
    let gate = Gate::new(1);
    let count = Arc::new(Count::default());
    let permit = gate.try_acquire().unwrap();
    let (mut served, mut refused) = (gate.acquire(), gate.acquire());
    assert!(poll(&mut served, &count).is_pending());
    assert!(poll(&mut refused, &count).is_pending());
    drop(permit);
    let mut drain = gate.drain();
    assert!(poll(&mut drain, &count).is_pending());
    assert!(matches!(poll(&mut refused, &count), Poll::Ready(Err(error)) if error.is_closed()));
    drop(served);
    assert_eq!(poll(&mut drain, &count), Poll::Ready(Ok(())));
}

#[test]
fn a_reopening_ends_a_drain() {
    let gate = Gate::new(1);
    let count = Arc::new(Count::default());
    let permit = gate.try_acquire().unwrap();
    let mut drain = gate.drain();
    assert!(poll(&mut drain, &count).is_pending());
    gate.reopen();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    drop(permit);
    assert_eq!(poll(&mut drain, &count), Poll::Ready(Err(DrainError::Reopened)));
    assert!(gate.try_acquire().is_ok());
}

/// What was drained before a reopening was drained.
#[test]
fn a_drain_that_was_over_is_not_undone() {
    let gate = Gate::new(1);
    let count = Arc::new(Count::default());
    let permit = gate.try_acquire().unwrap();
    let mut drain = gate.drain();
    assert!(poll(&mut drain, &count).is_pending());
    drop(permit);
    gate.reopen();
    let _next = gate.try_acquire().unwrap();
    assert_eq!(poll(&mut drain, &count), Poll::Ready(Ok(())));
}

#[test]
fn forced_entries_and_lowerings_during_a_drain() {
    let gate = Gate::new(2);
    let count = Arc::new(Count::default());
    let permit = gate.try_acquire_many(2).unwrap();
    let mut drain = gate.drain();
    assert!(poll(&mut drain, &count).is_pending());
    gate.set_capacity(1);
    let forced = gate.force_acquire(1);
    drop(permit);
    assert!(poll(&mut drain, &count).is_pending());
    drop(forced);
    assert_eq!(poll(&mut drain, &count), Poll::Ready(Ok(())));
    gate.reopen();
    assert_eq!((gate.capacity(), gate.available()), (1, 1));
}

#[test]
fn a_drain_that_is_given_up_leaves_the_gate_closed() {
    let gate = Gate::new(1);
    let permit = gate.try_acquire().unwrap();
    assert_eq!(gate.drain().wait_timeout(Duration::from_millis(1)), Err(DrainError::Timeout));
    let mut drain = gate.drain();
    assert!(poll(&mut drain, &Arc::new(Count::default())).is_pending());
    drop(drain);
    assert!(gate.is_closed());
    drop(permit);
    assert_eq!(gate.drain().wait(), Ok(()));
}

/// A task that was polled and then blocks a thread is woken as a thread.
#[test]
fn threads_drain_too() {
    for _ in 0..100 {
        let gate = Gate::new(3);
        thread::scope(|scope| {
            for _ in 0..3 {
                let permit = gate.try_acquire().unwrap();
                scope.spawn(move || drop(permit));
            }
            scope.spawn(|| assert_eq!(gate.drain().wait(), Ok(())));
            let mut drain = gate.drain();
            match poll(&mut drain, &Arc::new(Count::default())) {
                Poll::Ready(drained) => assert_eq!(drained, Ok(())),
                Poll::Pending => assert_eq!(drain.wait(), Ok(())),
            }
        });
        assert_eq!((gate.occupied(), gate.is_closed()), (0, true));
    }
}
