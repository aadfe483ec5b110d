//! Waiting at a gate, at its edges: what readings count, requests that the capacity cannot serve,
//! and wakers that panic or call the gate.

use std::future::Future;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use headcount::Gate;

/// Counts its wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Panics when it wakes.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// A payload whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload that panics when it is dropped");
    }
}

/// Panics when it wakes, with such a payload.
struct PanicsWithBomb;

impl Wake for PanicsWithBomb {
    fn wake(self: Arc<Self>) {
        panic_any(Bomb);
    }
}

/// Calls a function when it wakes.
struct Calls(Mutex<Box<dyn FnMut() + Send>>);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        (self.0.lock().unwrap())();
    }
}

fn poll_with<F: Future + Unpin>(
    future: &mut F,
    waker: Arc<impl Wake + Send + Sync + 'static>,
) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(waker)))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Arc::new(Count::default()))
}

/// The message of the panic in which `f` ends.
fn panics(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("no panic");
    payload.downcast_ref::<&str>().expect("a message").to_string()
}

/// Places that are kept for a waiter are not held, and no quorum counts them.
#[test]
fn places_kept_for_a_waiter_are_not_held() {
    let gate = Gate::new(5);
    let _two = gate.try_acquire_many(2).unwrap();
    let mut four = gate.acquire_many(4);
    assert!(poll(&mut four).is_pending());
    assert_eq!((gate.occupied(), gate.available(), gate.is_full()), (2, 0, true));
    let refused = gate.close_if_occupied(3).unwrap_err();
    assert_eq!((refused.occupied, refused.quorum), (2, 3));
    assert!(poll(&mut four).is_pending(), "the gate is open, and it still waits");
    assert_eq!(gate.close_if_occupied(2), Ok(2));
    assert!(matches!(poll(&mut four), Poll::Ready(Err(refused)) if refused.is_closed()));
}

/// Three come back at once; the waker of the first waiter panics, and the others are woken.
#[test]
fn a_waker_that_panics_strands_no_waiter() {
    let gate = Gate::new(3);
    let three = gate.try_acquire_many(3).unwrap();
    let mut waiters = [gate.acquire(), gate.acquire(), gate.acquire()];
    let counts = [(); 2].map(|()| Arc::new(Count::default()));
    assert!(poll_with(&mut waiters[0], Arc::new(Panics)).is_pending());
    assert!(poll_with(&mut waiters[1], counts[0].clone()).is_pending());
    assert!(poll_with(&mut waiters[2], counts[1].clone()).is_pending());
    assert_eq!(panics(|| drop(three)), "a waker that panics");
    assert_eq!(counts.map(|count| count.get()), [1, 1]);
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_ready()));
}

#[test]
fn a_waker_that_panics_strands_no_waiter_when_the_gate_closes() {
    let gate = Gate::new(0);
    let mut waiters = [gate.acquire(), gate.acquire()];
    let count = Arc::new(Count::default());
    assert!(poll_with(&mut waiters[0], Arc::new(Panics)).is_pending());
    assert!(poll_with(&mut waiters[1], count.clone()).is_pending());
    assert_eq!(panics(|| gate.close()), "a waker that panics");
    assert_eq!((gate.is_closed(), count.get()), (true, 1));
    let refused = |waiter: &mut headcount::Acquire<'_>| matches!(poll(waiter), Poll::Ready(Err(error)) if error.is_closed());
    assert!(waiters.iter_mut().all(refused));
}

/// A raise and a lowering are whole although a waker panics in the middle of them.
#[test]
fn a_waker_that_panics_leaves_the_capacity_whole() {
    let gate = Gate::new(0);
    let mut waiter = gate.acquire();
    assert!(poll_with(&mut waiter, Arc::new(Panics)).is_pending());
    assert_eq!(panics(|| gate.set_capacity(3)), "a waker that panics");
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
    assert_eq!((gate.capacity(), gate.available()), (3, 3));

    // A lowering that wakes: two wait behind one that needs more than there will be.
    let one = gate.try_acquire().unwrap();
    let (mut three, mut behind) = (gate.acquire_many(3), gate.acquire());
    assert!(poll(&mut three).is_pending());
    assert!(poll_with(&mut behind, Arc::new(Panics)).is_pending());
    assert_eq!(panics(|| gate.set_capacity(2)), "a waker that panics");
    assert!(matches!(poll(&mut behind), Poll::Ready(Ok(_))));
    drop(three);
    assert_eq!((gate.capacity(), gate.occupied(), gate.available()), (2, 1, 1));
    drop(one);
    assert!(gate.try_acquire_many(2).is_ok());
}

/// A permit that a panic drops wakes a waker that panics too: the process goes on.
#[test]
fn a_waker_that_panics_during_a_panic_does_not_abort() {
    let gate = Gate::new(1);
    let mut waiter = gate.acquire();
    let message = panics(|| {
        let _permit = gate.try_acquire().unwrap();
        assert!(poll_with(&mut waiter, Arc::new(Panics)).is_pending());
        panic!("the first panic");
    });
    assert_eq!(message, "the first panic");
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
}

/// A waker may call the gate, in any way.
#[test]
fn a_waker_may_call_the_gate() {
    let gate = Arc::new(Gate::new(1));
    let permit = gate.try_acquire().unwrap();
    let (mut first, mut second) = (gate.acquire(), gate.acquire());
    let told = Arc::new(Mutex::new(None));
    let (theirs, tells) = (gate.clone(), told.clone());
    let calls = move || {
        theirs.set_capacity(3);
        let entered = theirs.try_acquire().is_ok();
        let quorum = theirs.close_if_occupied(9).is_err();
        theirs.close();
        theirs.reopen();
        *tells.lock().unwrap() = Some((theirs.occupied(), theirs.waiting(), entered, quorum));
    };
    let calls = Arc::new(Calls(Mutex::new(Box::new(calls))));
    assert!(poll_with(&mut first, calls).is_pending());
    assert!(poll(&mut second).is_pending());
    drop(permit);
    assert_eq!(*told.lock().unwrap(), Some((2, 0, true, true)));
    assert!(matches!(poll(&mut first), Poll::Ready(Ok(_))));
    assert!(matches!(poll(&mut second), Poll::Ready(Ok(_))));
}

/// A request above the capacity waits aside: it holds up neither waiters nor callers that do not
/// wait, and is served in its turn once the capacity is enough.
#[test]
fn a_request_above_the_capacity_holds_up_no_other() {
    let gate = Gate::new(2);
    let mut three = gate.acquire_many(3);
    assert!(poll(&mut three).is_pending());
    assert_eq!((gate.waiting(), gate.available()), (1, 2));
    let both = gate.try_acquire_many(2).unwrap();
    let mut one = gate.acquire();
    assert!(poll(&mut one).is_pending());
    assert_eq!((gate.waiting(), one.position()), (2, Some(0)));
    drop(both);
    assert!(matches!(poll(&mut one), Poll::Ready(Ok(_))));

    let held = gate.try_acquire().unwrap();
    gate.set_capacity(3);
    assert_eq!(three.position(), Some(0));
    assert!(gate.try_acquire().is_err(), "it waits in front now");
    drop(held);
    assert!(matches!(poll(&mut three), Poll::Ready(Ok(_))));
}

/// A lowering lets those behind a request pass that it makes too large, and a raise puts the
/// request back in front of those that came later.
#[test]
fn a_lowering_sets_requests_aside() {
    let gate = Gate::new(3);
    let held = gate.try_acquire_many(2).unwrap();
    let (mut three, mut one, mut two) =
        (gate.acquire_many(3), gate.acquire(), gate.acquire_many(2));
    for waiter in [&mut three, &mut one, &mut two] {
        assert!(poll(waiter).is_pending());
    }
    gate.set_capacity(2);
    assert!(poll(&mut one).is_pending(), "two of two places are held");
    assert_eq!((one.position(), two.position()), (Some(0), Some(1)));
    gate.set_capacity(3);
    assert_eq!((three.position(), one.position()), (Some(0), Some(1)));
    gate.set_capacity(2);
    drop(held);
    assert!(matches!(poll(&mut one), Poll::Ready(Ok(_))));
    assert!(matches!(poll(&mut two), Poll::Ready(Ok(_))));
    assert!(poll(&mut three).is_pending());
    gate.close();
    assert!(matches!(poll(&mut three), Poll::Ready(Err(refused)) if refused.is_closed()));
}

/// Large requests that the capacity can serve are not starved by small ones.
#[test]
fn a_large_request_is_not_starved() {
    let gate = Gate::new(2);
    let mut permits = vec![gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
    let mut both = gate.acquire_many(2);
    assert!(poll(&mut both).is_pending());
    permits.pop();
    assert!(gate.try_acquire().is_err());
    let mut one = gate.acquire();
    assert!(poll(&mut one).is_pending());
    permits.pop();
    assert!(poll(&mut one).is_pending());
    assert!(matches!(poll(&mut both), Poll::Ready(Ok(_))));
}

/// What a raise adds goes to those that wait, in order.
#[test]
fn a_raise_serves_in_order() {
    let gate = Gate::new(0);
    let (mut two, mut one, mut last) = (gate.acquire_many(2), gate.acquire(), gate.acquire());
    gate.set_capacity(2);
    let held = gate.try_acquire_many(2).unwrap();
    for waiter in [&mut two, &mut one, &mut last] {
        assert!(poll(waiter).is_pending());
    }
    assert_eq!(gate.raise_capacity(1), 3);
    assert!(poll(&mut two).is_pending(), "one of two");
    assert!(poll(&mut one).is_pending(), "it is not its turn");
    assert_eq!(gate.raise_capacity(2), 5);
    let permits = [poll(&mut two), poll(&mut one)];
    assert!(permits.iter().all(|permit| matches!(permit, Poll::Ready(Ok(_)))));
    assert!(poll(&mut last).is_pending());
    drop((held, permits));
    assert!(matches!(poll(&mut last), Poll::Ready(Ok(_))));
}

#[test]
fn a_queue_has_the_length_that_callers_allow() {
    let gate = Gate::new(1);
    let permit = gate.acquire().queue_limit(0).wait().unwrap();
    assert!(gate.acquire().queue_limit(0).wait().unwrap_err().is_queue_full());
    let (mut first, mut second) = (gate.acquire().queue_limit(1), gate.acquire().queue_limit(1));
    assert!(poll(&mut first).is_pending());
    assert!(matches!(poll(&mut second), Poll::Ready(Err(refused)) if refused.is_queue_full()));
    assert_eq!((gate.waiting(), gate.occupied()), (1, 1));
    assert!(gate.acquire().wait_timeout(std::time::Duration::ZERO).unwrap_err().is_timeout());
    let timeout = std::time::Duration::from_secs(1);
    assert!(gate.acquire().queue_limit(1).wait_timeout(timeout).unwrap_err().is_queue_full());
    drop(permit);
    drop(first);
    assert_eq!((gate.available(), gate.is_full()), (1, false));
    gate.close();
    assert!(gate.acquire().queue_limit(0).wait().unwrap_err().is_closed());
}

#[test]
fn a_request_that_no_gate_can_serve_is_refused() {
    let gate = Gate::new(1);
    let refused = gate.acquire_many(Gate::MAX_CAPACITY + 1).wait().unwrap_err();
    assert!(refused.is_too_many());
    assert_eq!(refused.to_string(), "more places asked for than there can be");
    assert_eq!((gate.waiting(), gate.available()), (0, 1));
    gate.close();
    assert!(gate.acquire_many(u32::MAX).wait().unwrap_err().is_closed());
}

/// A forced entry overtakes those that wait, and they wait until it is paid.
#[test]
fn a_forced_entry_overtakes_the_line() {
    let gate = Gate::new(1);
    let permit = gate.try_acquire().unwrap();
    let mut waiter = gate.acquire();
    assert!(poll(&mut waiter).is_pending());
    let forced = gate.force_acquire(1);
    drop(permit);
    assert!(poll(&mut waiter).is_pending());
    assert_eq!(gate.occupied(), 1);
    drop(forced);
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
}

#[test]
fn a_gate_shows_how_many_wait() {
    let gate = Gate::new(0);
    let mut waiter = gate.acquire();
    assert!(poll(&mut waiter).is_pending());
    assert_eq!(format!("{gate:?}"), "Gate { capacity: 0, occupied: 0, closed: false, waiting: 1 }");
}

/// A waker whose functions panic when they are told to.
mod bad_waker {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::task::{RawWaker, RawWakerVTable, Waker};

    pub(super) struct Panics {
        pub(super) when_cloned: AtomicBool,
        pub(super) when_dropped: AtomicBool,
    }

    pub(super) fn new() -> &'static Panics {
        Box::leak(Box::new(Panics { when_cloned: false.into(), when_dropped: false.into() }))
    }

    fn flags(data: *const ()) -> &'static Panics {
        // SAFETY: `waker` gives no other data, and that lives for ever.
        #[allow(unsafe_code)]
        unsafe {
            &*data.cast()
        }
    }

    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            assert!(!flags(data).when_cloned.load(Relaxed), "a waker that panics");
            RawWaker::new(data, &TABLE)
        },
        |_| (),
        |_| (),
        |data| assert!(!flags(data).when_dropped.load(Relaxed), "a waker that panics"),
    );

    pub(super) fn waker(panics: &'static Panics) -> Waker {
        let raw = RawWaker::new(std::ptr::from_ref(panics).cast(), &TABLE);
        // SAFETY: the functions of the table only read what lives for ever, from any thread.
        #[allow(unsafe_code)]
        unsafe {
            Waker::from_raw(raw)
        }
    }
}

/// A waker that panics when it is cloned leaves the caller where it was: not in line, or in line
/// with the waker before.
#[test]
fn a_waker_that_panics_when_it_is_cloned_changes_nothing() {
    let gate = Gate::new(1);
    let permit = gate.try_acquire().unwrap();
    let flags = bad_waker::new();
    let waker = bad_waker::waker(flags);
    flags.when_cloned.store(true, Ordering::Relaxed);
    let poll_bad = |future: &mut headcount::Acquire<'_>| {
        panics(|| drop(Pin::new(future).poll(&mut Context::from_waker(&waker))))
    };
    let mut first = gate.acquire();
    assert_eq!(poll_bad(&mut first), "a waker that panics");
    assert_eq!((gate.waiting(), first.position()), (0, None));

    let count = Arc::new(Count::default());
    assert!(poll_with(&mut first, count.clone()).is_pending());
    assert_eq!(poll_bad(&mut first), "a waker that panics");
    assert_eq!((gate.waiting(), first.position()), (1, Some(0)));
    drop(permit);
    assert_eq!(count.get(), 1, "the waker before is woken");
    assert!(matches!(poll(&mut first), Poll::Ready(Ok(_))));
}

/// A waker that panics when it is dropped: the one that replaces it is in place, and a caller that
/// gives up is gone.
#[test]
fn a_waker_that_panics_when_it_is_dropped_costs_no_other_caller() {
    let gate = Gate::new(1);
    let permit = gate.try_acquire().unwrap();
    let flags = bad_waker::new();
    let waker = bad_waker::waker(flags);
    let wait = || {
        let mut acquire = gate.acquire();
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut acquire).poll(&mut cx).is_pending());
        acquire
    };
    let (mut first, second) = (wait(), wait());
    let mut third = gate.acquire();
    let counts = [(); 2].map(|()| Arc::new(Count::default()));
    assert!(poll_with(&mut third, counts[1].clone()).is_pending());
    flags.when_dropped.store(true, Ordering::Relaxed);
    assert_eq!(panics(|| drop(poll_with(&mut first, counts[0].clone()))), "a waker that panics");
    assert_eq!(panics(|| drop(second)), "a waker that panics");
    assert_eq!((gate.waiting(), third.position()), (2, Some(1)));
    flags.when_dropped.store(false, Ordering::Relaxed);
    drop(permit);
    let permit = match poll(&mut first) {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("{other:?}"),
    };
    drop(permit);
    assert_eq!(counts.map(|count| count.get()), [1, 1]);
    assert!(matches!(poll(&mut third), Poll::Ready(Ok(_))));
}

/// Two wakers panic, and the payloads of their panics panic in turn when they are dropped.
#[test]
fn a_payload_that_panics_strands_no_waiter() {
    let gate = Gate::new(3);
    let three = gate.try_acquire_many(3).unwrap();
    let count = Arc::new(Count::default());
    let mut waiters = [gate.acquire(), gate.acquire(), gate.acquire()];
    assert!(poll_with(&mut waiters[0], Arc::new(PanicsWithBomb)).is_pending());
    assert!(poll_with(&mut waiters[1], Arc::new(PanicsWithBomb)).is_pending());
    assert!(poll_with(&mut waiters[2], count.clone()).is_pending());
    let payload = catch_unwind(AssertUnwindSafe(|| drop(three))).unwrap_err();
    assert!(payload.is::<Bomb>());
    std::mem::forget(payload);
    assert_eq!((gate.waiting(), count.get()), (0, 1));
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_ready()));
}

/// The first poll of a drain refuses a waiter, whose waker panics. The gate is closed, and keeps
/// nothing of that drain.
#[test]
fn a_drain_that_meets_a_panic_leaves_nothing_behind() {
    let gate = Gate::new(1);
    let permit = gate.try_acquire().unwrap();
    let mut waiter = gate.acquire();
    assert!(poll_with(&mut waiter, Arc::new(Panics)).is_pending());
    let count = Arc::new(Count::default());
    let mut drain = gate.drain();
    let first = panics(|| assert!(poll_with(&mut drain, count.clone()).is_ready()));
    assert_eq!((first.as_str(), gate.is_closed()), ("a waker that panics", true));
    drop(drain);
    assert_eq!(Arc::strong_count(&count), 1);
    drop(permit);
}

/// The other calls that wake: a caller that gives up, a reopening, and the last release of a drain.
#[test]
fn a_waker_that_panics_strands_no_waiter_of_any_call() {
    let gate = Gate::new(2);
    let permit = gate.try_acquire().unwrap();
    let mut both = gate.acquire_many(2);
    let (mut one, mut last) = (gate.acquire(), gate.acquire());
    assert!(poll(&mut both).is_pending());
    assert!(poll_with(&mut one, Arc::new(Panics)).is_pending());
    assert!(poll(&mut last).is_pending());
    assert_eq!(panics(|| drop(both)), "a waker that panics");
    let one = match poll(&mut one) {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("{other:?}"),
    };
    drop(permit);
    drop((one, last));

    let permit = gate.try_acquire().unwrap();
    let count = Arc::new(Count::default());
    let (mut first, mut second) = (gate.drain(), gate.drain());
    assert!(poll_with(&mut first, Arc::new(Panics)).is_pending());
    assert!(poll_with(&mut second, count.clone()).is_pending());
    assert_eq!(panics(|| gate.reopen()), "a waker that panics");
    assert!(matches!(poll(&mut second), Poll::Ready(Err(error)) if error.is_reopened()));
    assert_eq!((gate.is_closed(), gate.available()), (false, 1));

    let mut drain = gate.drain();
    let mut other = gate.drain();
    assert!(poll_with(&mut drain, Arc::new(Panics)).is_pending());
    assert!(poll_with(&mut other, count.clone()).is_pending());
    assert_eq!(panics(|| drop(permit)), "a waker that panics");
    assert_eq!(poll(&mut other), Poll::Ready(Ok(())));
    assert_eq!(gate.occupied(), 0);
}
