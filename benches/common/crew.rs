//! The crew: threads that are started before anything is timed, and begin at a barrier.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::contenders::Contender;

/// The work of one burst; its argument is the number of the thread.
type Work = Arc<dyn Fn(usize) + Send + Sync>;

struct Order {
    work: Work,
    barrier: Arc<Barrier>,
}

struct Worker {
    orders: Sender<Order>,
    spans: Receiver<(Instant, Instant)>,
}

/// Threads that wait for work.
pub(crate) struct Crew {
    workers: Vec<Worker>,
}

impl Crew {
    /// Starts a crew of `size` threads, which end when it is dropped.
    pub(crate) fn new(size: usize) -> Crew {
        let worker = |number| {
            let (orders, inbox) = channel::<Order>();
            let (outbox, spans) = channel();
            thread::spawn(move || {
                for Order { work, barrier } in inbox {
                    barrier.wait();
                    let start = Instant::now();
                    work(number);
                    let _ = outbox.send((start, Instant::now()));
                }
            });
            Worker { orders, spans }
        };
        Crew { workers: (0..size).map(worker).collect() }
    }

    /// Runs `work` on `threads` threads at once. Returns the time from the first start to the last
    /// end.
    pub(crate) fn work(&self, threads: usize, work: Work) -> Duration {
        let barrier = Arc::new(Barrier { missing: AtomicUsize::new(threads) });
        let called = &self.workers[..threads];
        for worker in called {
            let order = Order { work: Arc::clone(&work), barrier: Arc::clone(&barrier) };
            worker.orders.send(order).expect("a worker lives as long as its crew");
        }
        let spans = called.iter().map(|worker| worker.spans.recv().expect("the work panicked"));
        let (starts, ends): (Vec<_>, Vec<_>) = spans.unzip();
        let first = starts.into_iter().min().expect("at least one thread");
        let last = ends.into_iter().max().expect("at least one thread");
        last - first
    }

    /// Has each of `threads` threads do `operations` operations. Returns the time.
    pub(crate) fn burst<C: Contender>(
        &self,
        contender: &Arc<C>,
        threads: usize,
        operations: u64,
    ) -> Duration {
        let contender = Arc::clone(contender);
        self.work(threads, Arc::new(move |thread| repeat(&*contender, thread, operations)))
    }
}

/// The timed loop: the same for every contender; no call goes through a pointer.
#[inline(never)]
fn repeat<C: Contender>(contender: &C, thread: usize, operations: u64) {
    for _ in 0..operations {
        black_box(contender).once(thread);
    }
}

/// Releases all threads when the last one arrives. Threads spin, so that all are awake then.
struct Barrier {
    missing: AtomicUsize,
}

impl Barrier {
    fn wait(&self) {
        self.missing.fetch_sub(1, Ordering::AcqRel);
        let mut turns = 0u32;
        while self.missing.load(Ordering::Acquire) > 0 {
            turns += 1;
            // A thread that has not arrived may need this core.
            if turns % 4096 == 0 {
                thread::yield_now();
            } else {
                spin_loop();
            }
        }
    }
}
