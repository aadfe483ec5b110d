//! Waiting under tokio's threads, under async-executor and among plain threads: *no-lost-wakeup*,
//! *no-leak*, *never-over*. A test that hangs has lost a wake-up; a watchdog turns that into a
//! failure.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use async_executor::Executor;
use headcount::{AcquireError, AcquireTimeoutError, Course, Gate};
use rand::{Rng, SeedableRng};

const PLACES: u32 = 3;

/// Runs `test` and fails if it takes implausibly long.
fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let test = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match is_done.recv_timeout(Duration::from_secs(120)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a caller waits for ever"),
        _ => test.join().unwrap(),
    }
}

/// A gate, and a separate count of the places in use.
struct Room {
    gate: Gate,
    inside: AtomicU32,
    served: AtomicU32,
}

impl Room {
    fn new() -> Arc<Room> {
        Arc::new(Room {
            gate: Gate::new(PLACES),
            inside: AtomicU32::new(0),
            served: AtomicU32::new(0),
        })
    }

    /// Uses the places of `permit` for a moment.
    fn be_inside(&self, permit: headcount::Permit<'_>) {
        let n = permit.count();
        let inside = self.inside.fetch_add(n, Ordering::Relaxed) + n;
        assert!(inside <= PLACES, "{inside} inside");
        self.served.fetch_add(1, Ordering::Relaxed);
        self.inside.fetch_sub(n, Ordering::Relaxed);
        drop(permit);
    }

    /// Visits as a task. `kind` is drawn at random; `give_up` yields to other tasks.
    async fn visit<Y: std::future::Future<Output = ()>>(&self, kind: u32, give_up: impl Fn() -> Y) {
        match kind % 8 {
            0 => self.be_inside(self.gate.acquire_many(PLACES).await.unwrap()),
            1 => self.be_inside(self.gate.acquire_many(2).await.unwrap()),
            2 => {
                let acquire = self.gate.acquire();
                if let Some(permit) = futures_or(acquire, give_up()).await {
                    self.be_inside(permit.unwrap());
                }
            }
            3 => self.gate.try_acquire().into_iter().for_each(|permit| self.be_inside(permit)),
            4 => {
                let permit = self.gate.acquire().await.unwrap();
                give_up().await;
                self.be_inside(permit);
            }
            _ => self.be_inside(self.gate.acquire().await.unwrap()),
        }
    }

    fn visit_by_thread(&self, kind: u32) {
        match kind % 4 {
            0 => {
                match self.gate.acquire().wait_timeout(Duration::from_micros(u64::from(kind % 64)))
                {
                    Ok(permit) => self.be_inside(permit),
                    Err(refused) => assert!(refused.is_timeout()),
                }
            }
            1 => self.gate.try_acquire().into_iter().for_each(|permit| self.be_inside(permit)),
            2 => {
                let permit = self.gate.acquire().wait().unwrap();
                thread::yield_now();
                self.be_inside(permit);
            }
            _ => self.be_inside(self.gate.acquire().wait().unwrap()),
        }
    }

    fn is_as_new(&self) {
        assert_eq!((self.gate.waiting(), self.gate.occupied()), (0, 0));
        let all = self.gate.try_acquire_many(PLACES);
        assert!(all.is_ok());
        drop(all);
        assert!((0..PLACES)
            .map(|_| self.gate.try_acquire())
            .collect::<Vec<_>>()
            .iter()
            .all(Result::is_ok));
        assert!(self.served.load(Ordering::Relaxed) > 100);
    }
}

/// Returns the output of `a`, or `None` if `b` is ready first; drops the other.
async fn futures_or<A, B>(a: A, b: B) -> Option<A::Output>
where
    A: std::future::Future,
    B: std::future::Future<Output = ()>,
{
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    std::future::poll_fn(move |cx| {
        if let std::task::Poll::Ready(output) = a.as_mut().poll(cx) {
            return std::task::Poll::Ready(Some(output));
        }
        b.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Is pending once.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await
}

#[test]
fn under_tokio() {
    watched(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let room = Room::new();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..16)
                .map(|seed| {
                    let room = Arc::clone(&room);
                    tokio::spawn(async move {
                        let mut chance = rand::rngs::SmallRng::seed_from_u64(seed);
                        for _ in 0..1000 {
                            room.visit(chance.random(), tokio::task::yield_now).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        room.is_as_new();
    });
}

#[test]
fn under_async_executor() {
    watched(|| {
        let room = Room::new();
        let executor = Arc::new(Executor::new());
        // A gate as a signal: closing it ends all waiting.
        let stop = Gate::new(0);
        let tasks: Vec<_> = (0..16)
            .map(|seed| {
                let room = Arc::clone(&room);
                executor.spawn(async move {
                    let mut chance = rand::rngs::SmallRng::seed_from_u64(seed);
                    for _ in 0..1000 {
                        room.visit(chance.random(), yield_once).await;
                    }
                })
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| block_on(executor.run(stop.acquire())).unwrap_err());
            }
            block_on(async {
                for task in tasks {
                    task.await;
                }
            });
            stop.close();
        });
        room.is_as_new();
    });
}

fn block_on<F: std::future::Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread, AtomicBool);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Ordering::Release);
            self.0.unpark();
        }
    }
    let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
    let waker = std::task::Waker::from(Arc::clone(&unpark));
    let mut future = std::pin::pin!(future);
    loop {
        let polled = future.as_mut().poll(&mut std::task::Context::from_waker(&waker));
        if let std::task::Poll::Ready(output) = polled {
            return output;
        }
        while !unpark.1.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

#[test]
fn among_threads() {
    watched(|| {
        let room = Room::new();
        thread::scope(|scope| {
            for seed in 0..8 {
                let room = &room;
                scope.spawn(move || {
                    let mut chance = rand::rngs::SmallRng::seed_from_u64(seed);
                    (0..2000).for_each(|_| room.visit_by_thread(chance.random()));
                });
            }
        });
        room.is_as_new();
    });
}

/// Threads and tasks in one queue, while the capacity goes down and up again.
#[test]
fn threads_and_tasks_while_resizing() {
    watched(|| {
        let room = Room::new();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut capacity = 0;
                while !over.load(Ordering::Relaxed) {
                    room.gate.set_capacity(capacity);
                    capacity = (capacity + 1) % (PLACES + 1);
                    thread::yield_now();
                }
                room.gate.set_capacity(PLACES);
            });
            let visitors: Vec<_> = (0..6)
                .map(|seed| {
                    let room = &room;
                    scope.spawn(move || {
                        let mut chance = rand::rngs::SmallRng::seed_from_u64(seed);
                        for _ in 0..500 {
                            let kind = chance.random();
                            if seed % 2 == 0 {
                                room.visit_by_thread(kind);
                            } else {
                                block_on(room.visit(kind, yield_once));
                            }
                        }
                    })
                })
                .collect();
            visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
            over.store(true, Ordering::Relaxed);
        });
        room.is_as_new();
    });
}

/// Closing and reopening over and over: each waiter is served or refused.
#[test]
fn closing_and_reopening() {
    watched(|| {
        let gate = Gate::new(1);
        let over = AtomicBool::new(false);
        let (served, away) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    gate.close();
                    gate.reopen();
                    thread::yield_now();
                }
            });
            let visitors: Vec<_> = (0..6)
                .map(|seed| {
                    let (gate, served, away) = (&gate, &served, &away);
                    scope.spawn(move || {
                        for turn in 0..1000 {
                            let outcome = match (seed + turn) % 3 {
                                0 => gate.acquire().wait(),
                                1 => match gate.acquire().wait_timeout(Duration::from_micros(20)) {
                                    Err(AcquireTimeoutError::Closed) => Err(AcquireError::Closed),
                                    Err(_) => continue,
                                    Ok(permit) => Ok(permit),
                                },
                                _ => block_on(gate.acquire()),
                            };
                            thread::yield_now();
                            let count = if outcome.is_ok() { served } else { away };
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!((gate.waiting(), gate.occupied()), (0, 0));
        assert!(gate.try_acquire().is_ok());
        assert!(served.into_inner() > 0);
    });
}

/// Eight blocked threads are served in the order in which they queued.
#[test]
fn first_come_first_served() {
    watched(|| {
        let gate = Gate::new(1);
        let permit = gate.try_acquire().unwrap();
        let (tell, order) = mpsc::channel();
        thread::scope(|scope| {
            for number in 0..8 {
                let (gate, tell) = (&gate, tell.clone());
                scope.spawn(move || {
                    let _permit = gate.acquire().wait().unwrap();
                    tell.send(number).unwrap();
                });
                while gate.waiting() <= number {
                    thread::yield_now();
                }
            }
            assert!(gate.try_acquire().unwrap_err().is_full());
            drop(permit);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    });
}

/// Many callers that want one place each, again and again, do not starve one that wants all.
#[test]
fn a_large_one_is_not_starved() {
    watched(|| {
        let gate = Gate::new(PLACES);
        let over = AtomicBool::new(false);
        let start = Barrier::new(5);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    while !over.load(Ordering::Relaxed) {
                        let _permit = gate.acquire().wait().unwrap();
                        thread::yield_now();
                    }
                });
            }
            start.wait();
            for _ in 0..100 {
                assert_eq!(block_on(gate.acquire_many(PLACES)).unwrap().count(), PLACES);
            }
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!(gate.occupied(), 0);
    });
}

/// Each waiter learns of the closing, and the gate works again afterwards.
#[test]
fn closing_refuses_every_waiter() {
    watched(|| {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(gate.acquire().wait().unwrap_err(), AcquireError::Closed));
            scope.spawn(|| {
                assert!(gate.acquire().wait_timeout(Duration::MAX).unwrap_err().is_closed())
            });
            scope.spawn(|| {
                assert_eq!(block_on(gate.acquire_many(5)).unwrap_err(), AcquireError::Closed)
            });
            let owner = Arc::clone(&gate);
            scope.spawn(|| {
                assert_eq!(block_on(owner.acquire_owned()).unwrap_err(), AcquireError::Closed)
            });
            while gate.waiting() < 4 {
                thread::yield_now();
            }
            assert_eq!(gate.close_if_occupied(2).map_err(|error| error.occupied), Err(1));
            assert_eq!(gate.waiting(), 4);
            assert_eq!(gate.close_if_occupied(1), Ok(1));
        });
        assert_eq!(gate.waiting(), 0);
        drop(permit);
        assert_eq!(block_on(gate.acquire()).unwrap_err(), AcquireError::Closed);
        gate.reopen();
        assert!(gate.acquire().wait().is_ok());
    });
}

/// A future that a task has polled keeps its position when a thread goes on waiting with it.
#[test]
fn a_polled_future_that_blocks_keeps_its_position() {
    watched(|| {
        let gate = Gate::new(1);
        let permit = gate.try_acquire().unwrap();
        let silent = std::task::Waker::from(Arc::new(Silent));
        let mut cx = std::task::Context::from_waker(&silent);
        let (mut first, mut second) = (gate.acquire(), gate.acquire());
        assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
        let deadline = Instant::now() + Duration::from_millis(5);
        assert!(gate.acquire().wait_deadline(deadline).unwrap_err().is_timeout());
        assert!(Instant::now() >= deadline);
        thread::scope(|scope| {
            let blocked = scope.spawn(|| drop(first.wait().unwrap()));
            // Time for the thread to block; the test holds without it.
            thread::sleep(Duration::from_millis(5));
            assert_eq!((gate.waiting(), second.position()), (2, Some(1)));
            drop(permit);
            blocked.join().unwrap();
        });
        // Served since: waiting returns the permit although the time is up.
        assert_eq!(second.wait_timeout(Duration::ZERO).unwrap().count(), 1);
        assert_eq!((gate.waiting(), gate.occupied()), (0, 0));
    });
}

/// Every way to wait panics on a future that was ready before.
#[test]
fn a_future_that_was_ready_cannot_be_used_again() {
    let gate = Gate::new(9);
    let course = Course::new(9);
    let used = || {
        let mut acquire = gate.acquire();
        drop(block_on(&mut acquire).unwrap());
        acquire
    };
    let calls: [Box<dyn Fn()>; 5] = [
        Box::new(|| drop(block_on(used()))),
        Box::new(|| drop(used().wait())),
        Box::new(|| drop(used().wait_timeout(Duration::ZERO))),
        Box::new(|| drop(used().wait_deadline(Instant::now()))),
        Box::new(|| {
            let mut reserve = course.reserve();
            drop(block_on(&mut reserve).unwrap());
            drop(block_on(reserve));
        }),
    ];
    for (number, call) in calls.iter().enumerate() {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
        let message = panic.expect_err(&format!("call {number}"));
        assert_eq!(
            message.downcast_ref(),
            Some(&"polled again after it was ready".to_string()),
            "{number}"
        );
    }
    assert_eq!((gate.occupied(), course.counts().taken), (0, 0));
}

struct Silent;

impl std::task::Wake for Silent {
    fn wake(self: Arc<Self>) {}
}

/// A course's waitlist, with callers that cancel, confirm and withdraw.
#[test]
fn waitlist() {
    watched(|| {
        let course = Arc::new(Course::new(2));
        thread::scope(|scope| {
            for seed in 0..6 {
                let course = &course;
                scope.spawn(move || {
                    for turn in 0..1000 {
                        let reservation = match (seed + turn) % 3 {
                            0 => course.reserve().wait().ok(),
                            1 => block_on(course.reserve()).ok(),
                            _ => course.reserve().wait_timeout(Duration::from_micros(50)).ok(),
                        };
                        let Some(reservation) = reservation else { continue };
                        if turn % 2 == 0 {
                            reservation.confirm();
                            course.withdraw().unwrap();
                        }
                    }
                });
            }
        });
        let counts = course.counts();
        assert_eq!((counts.taken, counts.enrolled, course.waiting()), (0, 0, 0));
        let mut owned = block_on(Arc::clone(&course).reserve_owned()).ok();
        owned.take().unwrap().confirm();
        assert_eq!(course.counts().enrolled, 1);
        course.close();
        assert_eq!(block_on(course.reserve()).unwrap_err(), AcquireError::Closed);
        assert!(course.reserve().wait_timeout(Duration::ZERO).unwrap_err().is_closed());
    });
}
