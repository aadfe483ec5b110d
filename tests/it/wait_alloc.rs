//! Without contention, the waiting calls allocate nothing. Once the waitlist is there, handing a
//! place over allocates nothing.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use allocation_counter::measure;
use headcount::{Course, Gate};

/// Wakes no task.
struct Silent;

impl Wake for Silent {
    fn wake(self: Arc<Self>) {}
}

fn at_once<F: Future>(future: F, waker: &Waker) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a place is free"),
    }
}

#[test]
fn acquiring_without_waiting_allocates_nothing() {
    let waker = Waker::from(Arc::new(Silent));
    let gate = Arc::new(Gate::new(3));
    let course = Course::new(3);
    let owner = gate.clone();
    let info = measure(|| {
        drop(at_once(gate.acquire(), &waker).unwrap());
        drop(at_once(gate.acquire_many(3), &waker).unwrap());
        drop(at_once(owner.acquire_owned(), &waker).unwrap());
        drop(gate.acquire().wait().unwrap());
        drop(gate.acquire().wait_timeout(std::time::Duration::from_secs(1)).unwrap());
        drop(at_once(course.reserve(), &waker).unwrap());
        drop(course.reserve().wait().unwrap());
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn a_waitlist_that_is_there_allocates_nothing() {
    let gate = Gate::new(1);
    let waker = Waker::from(Arc::new(Silent));
    let mut cx = Context::from_waker(&waker);
    let mut wait_and_be_served = || {
        let permit = gate.try_acquire().unwrap();
        let (mut first, mut second) = (gate.acquire(), gate.acquire());
        assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
        drop(permit);
        for waiter in [&mut first, &mut second] {
            assert!(Pin::new(waiter).poll(&mut cx).is_ready());
        }
    };
    let first_time = measure(&mut wait_and_be_served);
    assert!(first_time.count_total > 0, "the first waiter makes the waitlist");
    assert_eq!(measure(&mut wait_and_be_served).count_total, 0);
}

#[test]
fn a_gate_stays_small() {
    assert!(size_of::<Gate>() <= 24, "{}", size_of::<Gate>());
    let waker = Waker::from(Arc::new(Silent));
    static IN_A_STATIC: Gate = Gate::new(1);
    assert!(at_once(IN_A_STATIC.acquire(), &waker).is_ok());
}
