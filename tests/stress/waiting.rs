//! Waiting for a place: threads and tasks that wait their turn, and some that give up.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use headcount::Gate;

use crate::scene::{forever, linger, play, Plain};

/// Says that a task was woken. The thread that runs the task looks at it, and needs nothing of the
/// standard library, which is not instrumented.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Release);
    }
}

/// Polls a future each time it was woken, for `looks` looks. Returns `None` if that was not enough,
/// and drops the future.
fn poll_for<F: Future>(looks: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    for _ in 0..looks {
        if flag.0.swap(false, Acquire) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
        }
        thread::yield_now();
    }
    None
}

/// *never-over*, *happens-before*, *no-leak*, *no-lost-wakeup*: the only place goes from waiter to
/// waiter. A lost wake-up makes the test hang.
pub(crate) fn in_line() {
    static MEMORY: Plain = Plain::new();
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    let gate = forever(Gate::new(1));
    play("waiting in line", 4, |scene, me, round| {
        let permit = match (me + round) % 4 {
            0 => Ok(gate.acquire().wait().expect("no thread closes it")),
            1 => poll_for(u32::MAX, gate.acquire()).expect("no bound on looks").map_err(|_| ()),
            2 => gate.acquire().wait_timeout(Duration::from_micros(20)).map_err(|_| ()),
            _ => poll_for(2, gate.acquire())
                .ok_or(())
                .map(|permit| permit.expect("no thread closes it")),
        };
        if let Ok(permit) = scene.saw(permit) {
            assert_eq!(INSIDE.fetch_add(1, Relaxed), 0, "never-over");
            MEMORY.update(|n| n + 1);
            ROUNDS.fetch_add(1, Relaxed);
            linger(round);
            INSIDE.fetch_sub(1, Relaxed);
            drop(permit);
        }
    });
    assert_eq!(MEMORY.read(), ROUNDS.load(Relaxed), "happens-before");
    assert_eq!((gate.occupied(), gate.waiting()), (0, 0), "no-leak");
}
