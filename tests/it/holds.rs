//! Holds at their edges.

use std::collections::HashSet;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use headcount::{ClaimError, Gate, Holds, HoldsBuilder, Lobby, OwnedSeat, Permit, Ticket};

const SECOND: Duration = Duration::from_secs(1);

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct TestClock(Instant, Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> TestClock {
        TestClock(Instant::now(), Arc::default())
    }

    pub(crate) fn now(&self) -> Instant {
        self.0 + Duration::from_nanos(self.1.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.1.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Settings of holds that use this clock.
    pub(crate) fn builder(&self) -> HoldsBuilder {
        let clock = self.clone();
        Holds::builder().clock(move || clock.now())
    }
}

/// Counts in its destructor.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_hold_is_due_at_its_deadline_and_not_before() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(SECOND).build();
    let ticket = holds.put("seat");
    assert_eq!(holds.next_deadline(), Some(clock.now() + SECOND));
    clock.pass(SECOND - Duration::from_nanos(1));
    assert_eq!((holds.expire(), holds.len()), (0, 1));
    assert_eq!(holds.or_expire(|| Err::<(), _>(())), Err(()));
    assert_eq!(holds.len(), 1);
    clock.pass(Duration::from_nanos(1));
    assert_eq!((holds.expire(), holds.len()), (1, 0));
    assert_eq!(holds.claim(ticket), Err(ClaimError::Expired));
    assert_eq!(holds.next_deadline(), None);
}

#[test]
fn a_hold_that_is_due_can_be_claimed_until_a_call_expires_it() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(SECOND).build();
    let ticket = holds.put("seat");
    clock.pass(10 * SECOND);
    assert_eq!(holds.claim(ticket), Ok("seat"));
    assert_eq!(holds.expire(), 0);
}

#[test]
fn refusals_are_told_apart() {
    let (holds, others) = (Holds::new(SECOND), Holds::new(SECOND));
    let [claimed, released] = [holds.put(1), holds.put(2)];
    let expired = holds.put_for(3, Duration::ZERO);
    assert_eq!(holds.claim(claimed), Ok(1));
    assert!(holds.release(released));
    assert_eq!(holds.expire(), 1);
    assert_eq!(holds.claim(claimed), Err(ClaimError::Ended));
    assert_eq!(holds.claim(released), Err(ClaimError::Ended));
    assert_eq!(holds.claim(expired), Err(ClaimError::Expired));
    assert_eq!(holds.claim(others.put(4)), Err(ClaimError::Unknown));
    for number in [0, 1, u128::MAX, 1 << 127, u128::from(claimed) ^ 1] {
        assert_eq!(holds.claim(Ticket::from(number)), Err(ClaimError::Unknown));
    }
    let errors = [ClaimError::Expired, ClaimError::Ended, ClaimError::Unknown];
    let is = |error: ClaimError| [error.is_expired(), error.is_ended(), error.is_unknown()];
    for (place, error) in errors.into_iter().enumerate() {
        let expected: Vec<bool> = (0..3).map(|other| other == place).collect();
        assert_eq!(is(error).to_vec(), expected);
    }
    let texts = errors.map(|error| error.to_string());
    assert_eq!(
        texts,
        [
            "the hold has ended by its deadline",
            "the hold has ended",
            "the ticket is not one of these holds"
        ]
    );
}

/// The memory of a hold that has expired is the last to be used again, so its ticket is told apart
/// for a while.
#[test]
fn an_expired_ticket_is_told_apart_while_there_is_other_memory() {
    let holds = Holds::builder().shards(1).capacity(64).build();
    let expired = holds.put_for(0, Duration::ZERO);
    assert_eq!(holds.expire(), 1);
    for number in 1..1000 {
        assert_eq!(holds.claim(holds.put(number)), Ok(number));
        assert_eq!(holds.claim(expired), Err(ClaimError::Expired));
    }
    (0..100).for_each(|number| _ = holds.put(number));
    assert_eq!(holds.claim(expired), Err(ClaimError::Ended));
}

/// Once the memory of a hold is used again, its ticket has ended, and means no other hold.
#[test]
fn an_old_ticket_means_no_other_hold() {
    let holds = Holds::builder().shards(1).capacity(1).build();
    let first = holds.put(0);
    assert_eq!(holds.claim(first), Ok(0));
    let mut tickets = HashSet::from([first]);
    for number in 1..1000 {
        let ticket = holds.put(number);
        assert!(tickets.insert(ticket), "a ticket is issued twice");
        assert_eq!(holds.claim(first), Err(ClaimError::Ended));
        assert!(!holds.release(first) && !holds.extend(first, SECOND));
        assert_eq!(holds.claim(ticket), Ok(number));
    }
}

#[test]
fn memory_is_reused() {
    let holds = Holds::builder().shards(1).build();
    let fill = |holds: &Holds<u64>| {
        let tickets: Vec<_> = (0..1000).map(|number| holds.put(number)).collect();
        tickets.into_iter().for_each(|ticket| assert!(holds.claim(ticket).is_ok()));
    };
    fill(&holds);
    let grown = allocation_counter::measure(|| (0..100).for_each(|_| fill(&holds)));
    // The tickets are all that is allocated, and they are returned.
    assert_eq!((grown.bytes_current, grown.count_total), (0, 100));
}

/// Claims give back more cells than a put collects: the number of holds is exact meanwhile, and all
/// of the memory is used again before there is more of it.
#[test]
fn what_is_collected_piece_by_piece_is_counted_and_reused() {
    let holds = Holds::builder().shards(1).build();
    let tickets: Vec<_> = (0..1000).map(|number| holds.put(number)).collect();
    tickets.into_iter().for_each(|ticket| assert!(holds.claim(ticket).is_ok()));
    let grown = allocation_counter::measure(|| {
        for number in 1..=1000 {
            holds.put(number);
            assert_eq!(holds.len(), number);
        }
    });
    assert_eq!(grown.count_total, 0);
}

/// At every size the memory of a hold beside its guard is at most 64 bytes, all included.
#[test]
fn a_hold_takes_at_most_64_bytes() {
    for count in [1000, 1009, 1025, 1300, 2000, 2049, 5000, 20_000] {
        let mut holds = None;
        let given = allocation_counter::measure(|| {
            let holds = holds.insert(Holds::builder().shards(2).build());
            (0..count).for_each(|guard| _ = holds.put(guard));
        });
        let each = given.bytes_current as u64 / count - size_of::<u64>() as u64;
        assert!(each <= 64, "{each} bytes for each of {count} holds");
    }
}

/// A deadline ends nothing by itself.
#[test]
fn at_the_deadline_itself_a_hold_is_claimed_extended_or_released() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(SECOND).build();
    let [claimed, released, extended] = [holds.put(1), holds.put(2), holds.put(3)];
    clock.pass(SECOND);
    assert_eq!(holds.claim(claimed), Ok(1));
    assert!(holds.release(released));
    assert!(holds.extend(extended, Duration::from_nanos(1)));
    assert_eq!(holds.expire(), 0);
    clock.pass(Duration::from_nanos(1));
    assert_eq!(holds.expire(), 1);
}

/// A clock that panics costs the guard of its own call, which is dropped, and no other.
#[test]
fn a_clock_that_panics_costs_no_other_guard_anything() {
    let (panics, time) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let seen = Arc::clone(&panics);
    let clock = move || {
        if seen.load(Ordering::Relaxed) > 0 {
            resume_unwind(Box::new("a clock"));
        }
        time
    };
    let dropped = AtomicUsize::new(0);
    let holds = Holds::builder().clock(clock).ttl(Duration::ZERO).build();
    let ticket = holds.put(Counted(&dropped));
    panics.store(1, Ordering::Relaxed);
    let fails = |call: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    fails(&|| _ = holds.put(Counted(&dropped)));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    fails(&|| _ = holds.extend(ticket, SECOND));
    fails(&|| _ = holds.expire());
    fails(&|| _ = holds.or_expire(|| Err::<(), _>(())));
    assert_eq!((holds.len(), dropped.load(Ordering::Relaxed)), (1, 1));
    panics.store(0, Ordering::Relaxed);
    assert_eq!((holds.expire(), dropped.load(Ordering::Relaxed)), (1, 2));
}

/// A destructor that panics while the holds are dropped by a panic does not end the program.
#[test]
fn holds_that_a_panic_drops_drop_all_guards() {
    let dropped = AtomicUsize::new(0);
    let holds = Holds::builder().ttl(SECOND).shards(1).build();
    (0..9).for_each(|n| _ = holds.put(Panics(&dropped, n % 4 == 1)));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _holds = holds;
        resume_unwind(Box::new("the first"));
    }));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the first");
    assert_eq!(dropped.load(Ordering::Relaxed), 9);
}

#[test]
fn a_raised_deadline_counts_and_a_shorter_one_does_not() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(10 * SECOND).build();
    let ticket = holds.put("seat");
    assert!(holds.extend(ticket, SECOND));
    clock.pass(9 * SECOND);
    // Another hold is due, so that the call looks at all of them.
    holds.put_for("another seat", Duration::ZERO);
    assert_eq!(holds.expire(), 1);
    assert!(holds.extend(ticket, 10 * SECOND));
    clock.pass(SECOND);
    // The instant of the first deadline: the earliest is corrected.
    assert_eq!(holds.expire(), 0);
    assert_eq!(holds.next_deadline(), Some(clock.now() + 9 * SECOND));
    clock.pass(9 * SECOND);
    assert_eq!(holds.expire(), 1);
    assert!(!holds.extend(ticket, SECOND));
}

#[test]
fn times_that_are_too_long_never_end() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(Duration::MAX).build();
    // So many seconds are a multiple of 2^64 nanoseconds.
    let tickets = [holds.put(1), holds.put_for(2, Duration::from_secs(1 << 55))];
    clock.pass(Duration::from_secs(3600 * 24 * 365 * 100));
    assert_eq!((holds.expire(), holds.next_deadline()), (0, None));
    assert_eq!(tickets.map(|ticket| holds.claim(ticket)), [Ok(1), Ok(2)]);
}

/// A thread whose clock reads earlier does not undo what another thread has seen.
#[test]
fn a_clock_that_runs_backwards_does_no_harm() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(SECOND).shards(1).build();
    clock.pass(5 * SECOND);
    holds.put(1);
    clock.pass(SECOND);
    assert_eq!(holds.expire(), 1);
    clock.1.store(0, Ordering::Relaxed);
    let early = holds.put(2);
    let zero = holds.put_for(3, Duration::ZERO);
    assert_eq!(holds.len(), 2);
    clock.pass(10 * SECOND);
    assert_eq!(holds.expire(), 2);
    assert!(holds.claim(early).is_err() && holds.claim(zero).is_err());
}

/// Many holds with deadlines at all distances expire each at its own.
#[test]
fn each_hold_expires_at_its_own_deadline() {
    let clock = TestClock::new();
    let holds = clock.builder().build();
    let start = clock.now();
    let mut deadlines: Vec<Duration> = Vec::new();
    for bits in 0..50 {
        for place in [0, 1, 12_345] {
            deadlines.push(Duration::from_nanos((1 << bits) + place));
        }
    }
    deadlines.iter().rev().for_each(|&ttl| _ = holds.put_for(ttl, ttl));
    deadlines.sort();
    let mut expired = 0;
    while let Some(next) = holds.next_deadline() {
        let due = deadlines.iter().filter(|&&ttl| start + ttl <= next).count();
        clock.pass(next - clock.now());
        let before = expired;
        expired += holds.expire();
        assert!(expired == due && expired > before, "at {:?}", next - start);
    }
    assert_eq!(expired, deadlines.len());
}

#[test]
fn dropping_the_holds_drops_what_they_keep() {
    let dropped = AtomicUsize::new(0);
    let holds = Holds::new(SECOND);
    let tickets: Vec<_> = (0..100).map(|_| holds.put(Counted(&dropped))).collect();
    drop(holds.claim(tickets[7]));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    drop(holds);
    assert_eq!(dropped.load(Ordering::Relaxed), 100);
}

/// Panics in its destructor, which counts before.
struct Panics<'a>(&'a AtomicUsize, bool);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        if self.1 {
            resume_unwind(Box::new("a destructor"));
        }
    }
}

#[test]
fn a_destructor_that_panics_costs_no_other_guard_anything() {
    let message = |f: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("no panic");
        *panic.downcast::<&str>().expect("its own panic")
    };
    let dropped = AtomicUsize::new(0);
    let holds = Holds::builder().ttl(Duration::ZERO).shards(2).build();
    let put = || (0..9).for_each(|n| _ = holds.put(Panics(&dropped, n % 4 == 1)));
    put();
    assert_eq!(message(&|| _ = holds.expire()), "a destructor");
    assert_eq!((dropped.load(Ordering::Relaxed), holds.len()), (9, 0));

    put();
    assert_eq!(message(&|| _ = holds.or_expire(|| Err::<(), _>(()))), "a destructor");
    assert_eq!((dropped.load(Ordering::Relaxed), holds.len()), (18, 0));

    let ticket = holds.put(Panics(&dropped, true));
    assert_eq!(message(&|| _ = holds.release(ticket)), "a destructor");
    assert!(holds.claim(ticket).is_err_and(|refused| refused.is_ended()));
    assert_eq!((dropped.load(Ordering::Relaxed), holds.len()), (19, 0));

    put();
    let holds = std::cell::Cell::new(Some(holds));
    assert_eq!(message(&|| drop(holds.take())), "a destructor");
    assert_eq!(dropped.load(Ordering::Relaxed), 28);
}

/// Calls the holds that keep it in its destructor.
struct Reenters(Weak<Holds<Reenters>>, Option<Ticket>);

impl Drop for Reenters {
    fn drop(&mut self) {
        let Some(holds) = self.0.upgrade() else { return };
        assert!(self.1.is_none_or(|other| holds.claim(other).is_ok()));
        holds.put_for(Reenters(Weak::new(), None), Duration::MAX);
        assert_eq!(holds.expire(), 0);
        assert_eq!(holds.or_expire(|| Err::<(), _>(())), Err(()));
        _ = (holds.len(), holds.next_deadline());
    }
}

#[test]
fn a_destructor_may_call_the_holds() {
    let holds = Arc::new(Holds::builder().ttl(Duration::ZERO).shards(1).build());
    let other = holds.put_for(Reenters(Weak::new(), None), Duration::MAX);
    holds.put(Reenters(Arc::downgrade(&holds), Some(other)));
    assert_eq!(holds.expire(), 1);
    assert_eq!(holds.len(), 1);
    let ticket = holds.put(Reenters(Arc::downgrade(&holds), None));
    assert!(holds.release(ticket));
    assert_eq!(holds.len(), 2);
}

/// Tells in its destructor that it has begun, and waits until it may go on.
struct Waits<'a>(Option<(&'a Barrier, &'a Barrier)>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some((begun, may_end)) = self.0 {
            begun.wait();
            may_end.wait();
        }
    }
}

/// *unblocked*: while a destructor does not come to its end, all other calls go on, also for the
/// holds that are due with its own.
#[test]
fn a_destructor_that_does_not_end_keeps_no_other_call_waiting() {
    let (begun, may_end) = (Barrier::new(2), Barrier::new(2));
    let holds = Holds::builder().ttl(Duration::ZERO).shards(1).build();
    holds.put(Waits(Some((&begun, &may_end))));
    thread::scope(|scope| {
        let expirer = scope.spawn(|| holds.expire());
        begun.wait();
        let [due, extended] = [holds.put(Waits(None)), holds.put(Waits(None))];
        assert!(holds.extend(extended, Duration::MAX));
        assert_eq!(holds.len(), 2);
        assert_eq!(holds.expire(), 1);
        assert!(holds.claim(due).is_err());
        assert!(holds.claim(extended).is_ok());
        may_end.wait();
        assert!(expirer.join().unwrap() >= 1);
    });
}

/// The refusal is exact also if another caller expires the hold between `f` and the look.
#[test]
fn a_hold_that_another_caller_expires_meanwhile_counts_as_due() {
    let gate = Gate::new(1);
    let holds: Holds<Permit<'_>> = Holds::new(Duration::ZERO);
    holds.put(gate.try_acquire().unwrap());
    let mut calls = 0;
    let permit = holds.or_expire(|| {
        calls += 1;
        let answer = gate.try_acquire();
        if calls == 1 {
            assert!(answer.is_err());
            assert_eq!(holds.expire(), 1);
        }
        answer
    });
    assert!(permit.is_ok());
    assert_eq!(calls, 2);
}

/// A refusal may keep a place of its own, which the second call gets.
#[test]
fn the_first_refusal_is_dropped_before_the_second_call() {
    let (room, other) = (Gate::new(1), Gate::new(1));
    let _inside = room.try_acquire().unwrap();
    let holds = Holds::new(Duration::ZERO);
    holds.put("due");
    let refusal = holds.or_expire(|| room.try_acquire().map_err(|_| other.try_acquire()));
    assert!(refusal.unwrap_err().is_ok(), "the first refusal keeps the place");
}

#[test]
fn any_capacity_can_be_expected() {
    for shards in [1, 64] {
        for capacity in [0, 1, usize::MAX] {
            drop(Holds::builder().capacity(capacity).shards(shards).build::<()>());
        }
    }
}

#[test]
fn or_expire_asks_once_if_no_hold_is_due() {
    let clock = TestClock::new();
    let holds = clock.builder().ttl(SECOND).build();
    holds.put(());
    let calls = AtomicUsize::new(0);
    let ask = |answer: Result<(), ()>| {
        let asked = holds.or_expire(|| {
            calls.fetch_add(1, Ordering::Relaxed);
            answer
        });
        assert_eq!(asked, answer);
        calls.swap(0, Ordering::Relaxed)
    };
    assert_eq!((ask(Ok(())), ask(Err(()))), (1, 1));
    clock.pass(SECOND);
    assert_eq!((ask(Ok(())), holds.len()), (1, 1));
    assert_eq!((ask(Err(())), holds.len()), (2, 0));
    assert_eq!(ask(Err(())), 1);
}

#[test]
fn of_many_claimers_one_gets_the_guard() {
    let holds = Holds::new(Duration::ZERO);
    for _ in 0..200 {
        let (start, ends) = (Barrier::new(4), AtomicUsize::new(0));
        let ticket = holds.put(());
        thread::scope(|scope| {
            for act in 0..4 {
                let (holds, start, ends) = (&holds, &start, &ends);
                scope.spawn(move || {
                    start.wait();
                    let ended = match act {
                        0 | 1 => usize::from(holds.claim(ticket).is_ok()),
                        2 => usize::from(holds.release(ticket)),
                        _ => holds.expire(),
                    };
                    ends.fetch_add(ended, Ordering::Relaxed);
                });
            }
        });
        assert_eq!((ends.into_inner(), holds.len()), (1, 0), "claimed-once");
    }
}

/// Guards of this crate that are not borrowed can wait anywhere.
#[test]
fn holds_and_tickets_can_be_sent_and_shared() {
    fn shared<T: Send + Sync + Unpin>() {}
    shared::<Holds<Permit<'static>>>();
    shared::<Holds<OwnedSeat>>();
    shared::<Holds<std::cell::Cell<u32>>>();
    shared::<Ticket>();
    shared::<ClaimError>();
    static HOLDS: OnceLock<Holds<OwnedSeat>> = OnceLock::new();
    let holds = HOLDS.get_or_init(|| Holds::new(SECOND));
    let lobby = Arc::new(Lobby::new(7));
    let ticket = holds.put(lobby.clone().join_owned().unwrap());
    let seat = thread::spawn(move || holds.claim(ticket).unwrap()).join().unwrap();
    assert_eq!(lobby.stats().members, 1);
    drop(seat);
    assert_eq!(lobby.stats().rooms, 0);
}

#[test]
fn a_ticket_does_not_show_in_debug_output() {
    let holds = Holds::new(SECOND);
    let ticket = holds.put(());
    assert_eq!(format!("{ticket:?}"), "Ticket(..)");
    assert!(format!("{holds:?}").starts_with("Holds { ttl: 1s, len: 1"));
    assert!(format!("{:?}", Holds::builder()).starts_with("HoldsBuilder { ttl: 30s"));
    for text in ["", "0", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), &"+".repeat(32)] {
        assert!(text.parse::<Ticket>().is_err(), "{text}");
    }
}

#[test]
fn no_shards_and_too_many_are_refused() {
    for shards in [0, 65] {
        let message = crate::panic_message(|| _ = Holds::builder().shards(shards));
        assert_eq!(message, "holds have from 1 to 64 shards");
    }
    for shards in [1, 3, 64] {
        let holds = Holds::builder().shards(shards).build();
        assert_eq!(holds.claim(holds.put(())), Ok(()));
    }
}
