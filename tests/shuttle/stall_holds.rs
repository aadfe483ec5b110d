//! A thread stops for ever within a call of holds, also within the destructor of a guard. The
//! others claim and release (*claimed-once*, *unblocked*), and are not refused while a hold is due
//! that the stopped call has not ended.
//!
//! What waits for the lock of a shard is the exception that `Holds` documents: others extend,
//! expire and count in rounds of their own, which may wait, but only for calls that take the lock.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headcount::{Holds, Ticket};

use crate::support::stall::{Scene, Stalls};

const DUE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

#[derive(Default)]
struct Lives {
    living: AtomicUsize,
    step: shuttle::sync::atomic::AtomicUsize,
}

/// A guard whose destructor has steps at which a thread can stop.
struct Guard(Arc<Lives>);

impl Guard {
    fn new(lives: &Arc<Lives>) -> Guard {
        lives.living.fetch_add(1, SeqCst);
        Guard(Arc::clone(lives))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.step.fetch_add(1, shuttle::sync::atomic::Ordering::SeqCst);
        self.0.step.fetch_add(1, shuttle::sync::atomic::Ordering::SeqCst);
        self.0.living.fetch_sub(1, SeqCst);
    }
}

struct World {
    holds: Holds<Guard>,
    lives: Arc<Lives>,
    /// The guard of the hold that is due from the start.
    due_lives: Arc<Lives>,
    due: Ticket,
    /// The hold that the call which stalls is about, and how many calls have ended it.
    told: Ticket,
    told_ended: AtomicUsize,
    theirs: Mutex<Vec<Ticket>>,
}

impl World {
    fn new(shards: usize) -> World {
        let start = Instant::now();
        let holds = Holds::builder().clock(move || start).capacity(1).shards(shards).build();
        let (lives, due_lives) = <(Arc<Lives>, Arc<Lives>)>::default();
        let put = |lives: &Arc<Lives>, ttl| holds.put_for(Guard::new(lives), ttl);
        let (due, told) = (put(&due_lives, DUE), put(&lives, NEVER));
        let theirs = (0..6).map(|_| put(&lives, NEVER)).collect();
        let told_ended = AtomicUsize::new(0);
        World { holds, lives, due_lives, due, told, told_ended, theirs: Mutex::new(theirs) }
    }

    fn put(&self, ttl: Duration) -> Ticket {
        self.holds.put_for(Guard::new(&self.lives), ttl)
    }

    /// Asks for the place that the hold which is due occupies.
    fn or_expire(&self) -> bool {
        let ask = || (self.due_lives.living.load(SeqCst) == 0).then_some(()).ok_or(());
        self.holds.or_expire(ask).is_ok()
    }

    fn ends_told(&self, ended: bool) -> bool {
        assert!(self.told_ended.fetch_add(ended.into(), SeqCst) + usize::from(ended) <= 1);
        ended
    }

    fn make(&self, call: Call) {
        match call {
            Call::PutDue => _ = self.put(DUE),
            Call::PutNever => _ = self.put(NEVER),
            Call::Claim => _ = self.ends_told(self.holds.claim(self.told).is_ok()),
            Call::Release => _ = self.ends_told(self.holds.release(self.told)),
            Call::Extend => _ = self.holds.extend(self.told, NEVER),
            Call::Expire => _ = self.holds.expire(),
            Call::OrExpire => _ = self.or_expire(),
            Call::NextDeadline => _ = self.holds.next_deadline(),
            Call::Len => assert!(self.holds.len() <= 16),
        }
    }

    fn their(&self) -> Ticket {
        self.theirs.lock().unwrap().pop().expect("enough holds")
    }

    fn end(&self) {
        self.holds.expire();
        let living = || self.lives.living.load(SeqCst) + self.due_lives.living.load(SeqCst);
        assert_eq!(self.holds.len(), living(), "a guard is lost");
        // They work as new ones.
        let [due, never] = [self.put(DUE), self.put(NEVER)];
        assert_eq!(self.holds.expire(), 1);
        assert!(self.holds.claim(due).is_err_and(|refused| refused.is_expired()));
        assert!(self.holds.claim(never).is_ok());
        assert_eq!(self.holds.len(), living());
    }
}

/// What the thread that stalls calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    PutDue,
    PutNever,
    Claim,
    Release,
    Extend,
    Expire,
    OrExpire,
    NextDeadline,
    Len,
}

const CALLS: [Call; 9] = [
    Call::PutDue,
    Call::PutNever,
    Call::Claim,
    Call::Release,
    Call::Extend,
    Call::Expire,
    Call::OrExpire,
    Call::NextDeadline,
    Call::Len,
];

impl Call {
    fn locks(self) -> bool {
        !matches!(self, Call::Claim | Call::Release | Call::NextDeadline)
    }

    fn expires(self) -> bool {
        matches!(self, Call::Expire | Call::OrExpire)
    }
}

type Round = fn(&World, Call);

fn stall(shards: usize, call: Call, others: Round) -> Stalls {
    let round = move |world: &World| others(world, call);
    let scene = Scene {
        name: format!("{call:?} of holds with {shards} shards"),
        world: Box::new(move || World::new(shards)),
        call: Box::new(move |world: &World| world.make(call)),
        rounds: vec![Box::new(round), Box::new(round)],
        end: Box::new(World::end),
    };
    let seen = scene.explore();
    println!("{call:?}, {shards} shards: {seen:?}");
    assert!(seen.ways > 1);
    seen
}

/// Each claim and release is answered, of holds that the stopped call concerns and of others.
fn claim_and_release(world: &World, _: Call) {
    let [one, other] = [world.their(), world.their()];
    assert!(world.holds.claim(one).is_ok());
    assert!(world.holds.release(other));
    for ended in [one, other] {
        assert!(world.holds.claim(ended).is_err_and(|refused| refused.is_ended()));
        assert!(!world.holds.release(ended));
    }
    world.ends_told(world.holds.claim(world.told).is_ok());
    assert!(world.holds.claim(world.told).is_err());
    world.holds.next_deadline();
}

fn put_and_claim(world: &World, _: Call) {
    let tickets = [world.put(NEVER), world.put(NEVER), world.put(NEVER)];
    for ticket in tickets {
        assert!(world.holds.claim(ticket).is_ok());
    }
}

/// Extends, expires and counts. Nothing that is due is left, but for what the stopped call is
/// about to drop.
fn expire_and_count(world: &World, call: Call) {
    let own = world.their();
    assert!(world.holds.extend(own, NEVER));
    let admitted = world.or_expire();
    assert!(admitted || call.expires(), "refused while a hold is due");
    assert!(world.holds.claim(world.due).is_err(), "a hold is due");
    let before = world.holds.len();
    assert!(world.holds.claim(own).is_ok());
    let after = world.holds.len();
    // The stopped call stays where it is.
    assert_eq!(before, after + 1);
    world.holds.expire();
}

/// *unblocked*: no claim, no release and no look at the next deadline waits for any call.
#[test]
fn no_claim_waits_for_a_thread_that_has_stopped() {
    for shards in [1, 2] {
        for call in CALLS {
            assert_eq!(stall(shards, call, claim_and_release).waited, 0, "{call:?}");
        }
    }
}

/// *unblocked*: a put waits for no call either, as long as the lock of a shard is free.
#[test]
fn no_put_waits_for_a_thread_that_has_stopped() {
    for call in CALLS {
        assert_eq!(stall(2, call, put_and_claim).waited, 0, "{call:?}");
        // With one shard the lock is the exception.
        let waited = stall(1, call, put_and_claim).waited;
        assert_eq!(waited > 0, call.locks(), "{call:?}");
    }
}

/// The exception: calls that take a lock wait for calls that have it, and for no others.
#[test]
fn calls_that_lock_wait_for_the_lock_alone() {
    for shards in [1, 2] {
        for call in CALLS {
            let waited = stall(shards, call, expire_and_count).waited;
            assert_eq!(waited > 0, call.locks(), "{call:?}");
        }
    }
}
