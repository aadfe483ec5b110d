//! Models of waiting: *no-lost-wakeup*, *no-leak* of waiters that cancel, *happens-before*.
//!
//! Loom runs each model in every order and with every stale value, up to the preemption bound that
//! the model states. A waiter that is never woken is a deadlock, which loom reports. The models of
//! `models.rs` run over gates, by future and by thread, and must fail over the protocols of
//! `rejected.rs` that have one known flaw each. Those of `gate.rs` are about what only the gate and
//! the course can do.
//!
//! `ci/loom wait::`

mod drain;
mod gate;
mod models;
mod readings;
mod rejected;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use headcount::Gate;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::{current, park, Thread};

/// Runs `model` in every order with at most that many preemptions.
pub(crate) fn explore(bound: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.check(model);
}

/// A limit at which callers can wait.
pub(crate) trait Door: Send + Sync + Sized + 'static {
    /// Proof of a place held, given back when dropped.
    type Pass<'a>: Send;

    fn new(places: u32) -> Self;
    fn try_enter(&self) -> Option<Self::Pass<'_>>;
    fn wait(&self) -> Self::Pass<'_>;
    /// Takes a place, or queues and cancels at once.
    fn give_up(&self) -> Option<Self::Pass<'_>>;
    fn free(&self) -> u32;
}

/// A gate whose callers wait by future.
pub(crate) struct ByFuture(Gate);

impl Door for ByFuture {
    type Pass<'a> = headcount::Permit<'a>;

    fn new(places: u32) -> Self {
        ByFuture(Gate::new(places))
    }

    fn try_enter(&self) -> Option<Self::Pass<'_>> {
        self.0.try_acquire().ok()
    }

    fn wait(&self) -> Self::Pass<'_> {
        block_on(self.0.acquire()).unwrap()
    }

    fn give_up(&self) -> Option<Self::Pass<'_>> {
        match poll_once(&mut self.0.acquire()) {
            Poll::Ready(permit) => Some(permit.unwrap()),
            Poll::Pending => None,
        }
    }

    fn free(&self) -> u32 {
        assert_eq!(self.0.waiting(), 0);
        self.0.available()
    }
}

/// A gate whose callers block a thread.
pub(crate) struct ByThread(Gate);

impl Door for ByThread {
    type Pass<'a> = headcount::Permit<'a>;

    fn new(places: u32) -> Self {
        ByThread(Gate::new(places))
    }

    fn try_enter(&self) -> Option<Self::Pass<'_>> {
        self.0.try_acquire().ok()
    }

    fn wait(&self) -> Self::Pass<'_> {
        self.0.acquire().wait().unwrap()
    }

    fn give_up(&self) -> Option<Self::Pass<'_>> {
        let mut acquire = self.0.acquire();
        match poll_once(&mut acquire) {
            Poll::Ready(permit) => Some(permit.unwrap()),
            // It is in line, and cancels, or has been served by now.
            Poll::Pending => acquire.wait_timeout(std::time::Duration::ZERO).ok(),
        }
    }

    fn free(&self) -> u32 {
        assert_eq!(self.0.waiting(), 0);
        self.0.available()
    }
}

/// A waker that loom drives: it wakes a thread of the model.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        // A swap, as loom may put a plain store before a swap that has not read it.
        self.woken.swap(true, Ordering::Release);
        self.thread.unpark();
    }
}

pub(crate) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let unpark = Arc::new(Unpark { thread: current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            park();
        }
    }
}

/// Fails unless no caller waits and all `places` are free.
pub(crate) fn assert_free(gate: &Gate, places: u32) {
    assert_eq!((gate.waiting(), gate.occupied(), gate.available()), (0, 0, places));
}

/// Counts, in all executions of a model, which of two outcomes it had.
pub(crate) type Outcomes = Arc<[AtomicUsize; 2]>;

/// As [`explore`], and fails unless both outcomes were counted.
pub(crate) fn explore_both(bound: usize, model: impl Fn(&Outcomes) + Sync + Send + 'static) {
    let outcomes = Outcomes::default();
    let counted = Arc::clone(&outcomes);
    explore(bound, move || model(&counted));
    assert!(outcomes.iter().all(|times| times.load(Relaxed) > 0), "{outcomes:?}");
}

/// Polls with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Silent));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

struct Silent;

impl Wake for Silent {
    fn wake(self: Arc<Self>) {}
}

pub(crate) fn spawn<D: 'static>(
    door: &Arc<D>,
    act: impl FnOnce(&D) + 'static,
) -> loom::thread::JoinHandle<()> {
    let door = Arc::clone(door);
    loom::thread::spawn(move || act(&door))
}
