//! Limits with callers that wait, and what wakes them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use headcount::Gate;

/// A limit of one place, with callers that wait.
pub(crate) trait Limit: Send + Sync + 'static {
    const NAME: &'static str;
    type Permit<'a>;

    fn new() -> Self;
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> + Send;
    fn acquire_blocking(&self) -> Self::Permit<'_>;
}

impl Limit for Gate {
    const NAME: &'static str = "Gate";
    type Permit<'a> = headcount::Permit<'a>;

    fn new() -> Self {
        Gate::new(1)
    }

    async fn acquire(&self) -> Self::Permit<'_> {
        Gate::acquire(self).await.unwrap()
    }

    fn acquire_blocking(&self) -> Self::Permit<'_> {
        Gate::acquire(self).wait().unwrap()
    }
}

impl Limit for tokio::sync::Semaphore {
    const NAME: &'static str = "tokio::sync::Semaphore";
    type Permit<'a> = tokio::sync::SemaphorePermit<'a>;

    fn new() -> Self {
        tokio::sync::Semaphore::new(1)
    }

    async fn acquire(&self) -> Self::Permit<'_> {
        tokio::sync::Semaphore::acquire(self).await.unwrap()
    }

    /// tokio has no blocking acquire without a runtime, so the future blocks the thread.
    fn acquire_blocking(&self) -> Self::Permit<'_> {
        block_on(tokio::sync::Semaphore::acquire(self)).unwrap()
    }
}

impl Limit for async_lock::Semaphore {
    const NAME: &'static str = "async_lock::Semaphore";
    type Permit<'a> = async_lock::SemaphoreGuard<'a>;

    fn new() -> Self {
        async_lock::Semaphore::new(1)
    }

    async fn acquire(&self) -> Self::Permit<'_> {
        async_lock::Semaphore::acquire(self).await
    }

    fn acquire_blocking(&self) -> Self::Permit<'_> {
        async_lock::Semaphore::acquire_blocking(self)
    }
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Blocks the thread until the future is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => {
                while !unpark.woken.swap(false, Ordering::Acquire) {
                    thread::park();
                }
            }
        }
    }
}

thread_local! {
    /// The tasks that have been woken.
    static READY: RefCell<VecDeque<usize>> = const { RefCell::new(VecDeque::new()) };
}

/// Wakes the task of a number.
pub(crate) struct Task(pub(crate) usize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        READY.with_borrow_mut(|ready| ready.push_back(self.0));
    }
}

/// Returns the number of the task that was woken first.
pub(crate) fn next_woken() -> Option<usize> {
    READY.with_borrow_mut(VecDeque::pop_front)
}
