//! One place is handed over among 2, 8 or 64 waiters, by a gate and by its peers.
//!
//! A round: one holder has the only place, the waiters queue, the holder releases, and each waiter
//! in turn is woken, takes the place and releases it. No waiter asks twice in a round, so a peer
//! that lets newcomers overtake hands over as often as one that does not.
//!
//! - *tasks*: all on one thread, under an executor that does next to nothing. The time is that of
//!   the whole round with its queueing: what waiting itself costs.
//! - *threads*: each waiter blocks a thread of its own. The time runs from the first release to the
//!   last: mostly what the operating system takes to wake a thread.
//!
//! The table at the end comes from turns: in each turn every contender does the same work once, in
//! rotating order, and a ratio is taken within the turn.
//!
//! `cargo bench --features wait --bench waiting`

mod common;
#[allow(dead_code)] // Each bench uses the part that it needs.
#[path = "common/waiting.rs"]
mod waiting;

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use headcount::Gate;

use waiting::{block_on, next_woken, Limit, Task};

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks that acquire once a round, each when it is polled next.
struct Tasks<L> {
    limit: Arc<L>,
    tasks: Vec<(Boxed, Waker)>,
}

impl<L: Limit> Tasks<L> {
    fn new(waiters: usize) -> Self {
        let limit = Arc::new(L::new());
        let task = |number| {
            let limit = Arc::clone(&limit);
            let task = async move {
                loop {
                    drop(limit.acquire().await);
                    // Not woken: the next round begins with a poll.
                    let mut round_over = false;
                    let next_round = poll_fn(|_| match std::mem::replace(&mut round_over, true) {
                        false => Poll::Pending,
                        true => Poll::Ready(()),
                    });
                    next_round.await;
                }
            };
            (Box::pin(task) as Boxed, Waker::from(Arc::new(Task(number))))
        };
        let tasks = (0..waiters).map(task).collect();
        Tasks { limit, tasks }
    }

    fn poll(&mut self, number: usize) {
        let (task, waker) = &mut self.tasks[number];
        assert!(task.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }

    fn round(&mut self) {
        let limit = Arc::clone(&self.limit);
        let permit = block_on(limit.acquire());
        for number in 0..self.tasks.len() {
            self.poll(number);
        }
        drop(permit);
        for done in 0..self.tasks.len() {
            let next =
                next_woken().unwrap_or_else(|| panic!("the place was lost after {done} waiters"));
            self.poll(next);
        }
    }
}

/// Threads that acquire once a round.
struct Threads<L: Limit> {
    limit: Arc<L>,
    state: Arc<State>,
    waiters: usize,
}

struct State {
    start: Barrier,
    left: AtomicUsize,
    coming: AtomicUsize,
    over: AtomicBool,
    main: Thread,
}

impl<L: Limit> Threads<L> {
    fn new(waiters: usize) -> Self {
        let limit = Arc::new(L::new());
        let state = Arc::new(State {
            start: Barrier::new(waiters + 1),
            left: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            main: thread::current(),
        });
        for _ in 0..waiters {
            let (limit, state) = (Arc::clone(&limit), Arc::clone(&state));
            thread::spawn(move || loop {
                state.start.wait();
                if state.over.load(Ordering::Acquire) {
                    return;
                }
                state.coming.fetch_add(1, Ordering::AcqRel);
                drop(limit.acquire_blocking());
                if state.left.fetch_add(1, Ordering::AcqRel) + 1 == waiters {
                    state.main.unpark();
                }
            });
        }
        Threads { limit, state, waiters }
    }

    /// Returns the time from the first release to the last.
    fn round(&mut self) -> Duration {
        let permit = self.limit.acquire_blocking();
        self.state.left.store(0, Ordering::Release);
        self.state.coming.store(0, Ordering::Release);
        self.state.start.wait();
        while self.state.coming.load(Ordering::Acquire) < self.waiters {
            thread::sleep(Duration::from_micros(50));
        }
        // No call tells from outside that the last thread sleeps.
        thread::sleep(Duration::from_micros(300));
        let start = Instant::now();
        drop(permit);
        while self.state.left.load(Ordering::Acquire) < self.waiters {
            thread::park();
        }
        start.elapsed()
    }
}

impl<L: Limit> Drop for Threads<L> {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Release);
        self.state.start.wait();
    }
}

/// Returns nanoseconds for each handing over, of one batch of rounds.
type Batch = Box<dyn FnMut() -> f64>;

fn tasks<L: Limit>(waiters: usize) -> Batch {
    let mut tasks = Tasks::<L>::new(waiters);
    let rounds = 40_000 / waiters;
    Box::new(move || {
        let start = Instant::now();
        (0..rounds).for_each(|_| tasks.round());
        start.elapsed().as_nanos() as f64 / (rounds * waiters) as f64
    })
}

fn threads<L: Limit>(waiters: usize) -> Batch {
    let mut threads = Threads::<L>::new(waiters);
    Box::new(move || {
        let elapsed: Duration = (0..8).map(|_| threads.round()).sum();
        elapsed.as_nanos() as f64 / (8 * waiters) as f64
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints one row of the table: turns of the gate and both peers.
fn print_row(kind: &str, waiters: usize, turns: usize, mut batches: [Batch; 3]) {
    batches.iter_mut().for_each(|batch| _ = batch());
    let turns: Vec<[f64; 3]> = (0..turns)
        .map(|turn| {
            let mut times = [0.0; 3];
            for step in 0..3 {
                let turned = (turn + step) % 3;
                times[turned] = batches[turned]();
            }
            times
        })
        .collect();
    let [gate, tokio, async_lock] = [0, 1, 2].map(|i| median(turns.iter().map(|t| t[i])));
    let better = if tokio <= async_lock { 1 } else { 2 };
    let ratio = median(turns.iter().map(|t| t[0] / t[better]));
    println!(
        "{kind:<8} {waiters:>7} {gate:>10.1} {tokio:>10.1} {async_lock:>12.1} {ratio:>7.2} {:>10}",
        ["", "tokio", "async_lock"][better]
    );
}

fn with_criterion(criterion: &mut Criterion) {
    fn one<L: Limit>(criterion: &mut Criterion, waiters: usize) {
        let mut group = criterion.benchmark_group("waiting/tasks");
        let mut tasks = Tasks::<L>::new(waiters);
        group.throughput(criterion::Throughput::Elements(waiters as u64));
        group.bench_function(BenchmarkId::new(L::NAME, waiters), |b| b.iter(|| tasks.round()));
        group.finish();
    }
    for waiters in [2, 8, 64] {
        one::<Gate>(criterion, waiters);
        one::<tokio::sync::Semaphore>(criterion, waiters);
        one::<async_lock::Semaphore>(criterion, waiters);
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    with_criterion(&mut criterion);
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }

    println!("\nns for each handing over, and Gate / the better peer; medians over turns");
    println!("kind     waiters       Gate      tokio   async_lock   ratio   against");
    for waiters in [2, 8, 64] {
        print_row(
            "tasks",
            waiters,
            51,
            [
                tasks::<Gate>(waiters),
                tasks::<tokio::sync::Semaphore>(waiters),
                tasks::<async_lock::Semaphore>(waiters),
            ],
        );
    }
    for waiters in [2, 8, 64] {
        print_row(
            "threads",
            waiters,
            15,
            [
                threads::<Gate>(waiters),
                threads::<tokio::sync::Semaphore>(waiters),
                threads::<async_lock::Semaphore>(waiters),
            ],
        );
    }
}
