//! Holds, in every order of steps and with every stale value, up to a number of preemptions.
//!
//! The clock stands still: a hold is due at once, or never. A guard has a witness cell that is
//! written when the guard is made and when it is dropped; loom sees the memory of a cell itself as
//! well, which is written by a put and read by the caller that ends the hold.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headcount::{ClaimError, Holds, Lobby, OwnedSeat, Ticket};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;

const DUE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

/// Counts the guards that are alive.
#[derive(Default)]
struct Living(AtomicUsize);

impl Living {
    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

struct Guard {
    number: u32,
    witness: UnsafeCell<()>,
    living: Arc<Living>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.witness.with_mut(|_| ());
        self.living.0.fetch_sub(1, Relaxed);
    }
}

struct Model {
    holds: Holds<Guard>,
    living: Arc<Living>,
}

impl Model {
    fn put(&self, number: u32, ttl: Duration) -> Ticket {
        self.living.0.fetch_add(1, Relaxed);
        let witness = UnsafeCell::new(());
        witness.with_mut(|_| ());
        self.holds.put_for(Guard { number, witness, living: Arc::clone(&self.living) }, ttl)
    }

    /// Claims, and drops the guard. Returns whether it was there.
    fn claim(&self, ticket: Ticket, number: u32) -> bool {
        match self.holds.claim(ticket) {
            Ok(guard) => {
                assert_eq!(guard.number, number, "another guard");
                true
            }
            Err(refused) => {
                assert!(!refused.is_unknown());
                false
            }
        }
    }

    /// Asks for a place that is free if no guard is alive.
    fn or_expire(&self) -> bool {
        let ask = || (self.living.count() == 0).then_some(()).ok_or(());
        self.holds.or_expire(ask).is_ok()
    }
}

/// Runs a model with that many shards. At its end no guard may be held, and the holds have to work
/// as new ones.
fn explore(shards: usize, preemptions: usize, model: impl Fn(&Arc<Model>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    let start = Instant::now();
    builder.check(move || {
        let holds = Holds::builder().clock(move || start).capacity(1).shards(shards).build();
        let all = Arc::new(Model { holds, living: Arc::default() });
        model(&all);
        assert_eq!((all.holds.len(), all.living.count()), (0, 0), "claimed-once");
        let tickets = [all.put(1, DUE), all.put(2, NEVER)];
        assert!(all.claim(tickets[1], 2));
        assert_eq!(all.holds.expire(), 1);
        assert_eq!(all.holds.claim(tickets[0]).map(drop), Err(ClaimError::Expired));
    });
}

/// Runs `other` on a thread of its own beside `own`. Returns what both return.
fn beside<T: 'static, U>(
    all: &Arc<Model>,
    other: impl FnOnce(&Model) -> T + 'static,
    own: impl FnOnce(&Model) -> U,
) -> (T, U) {
    let there = Arc::clone(all);
    let thread = thread::spawn(move || other(&there));
    let own = own(all);
    (thread.join().unwrap(), own)
}

#[test]
fn claim_against_expire() {
    explore(1, 3, |all| {
        let ticket = all.put(7, DUE);
        let (claimed, expired) =
            beside(all, move |all| all.claim(ticket, 7), |all| all.holds.expire());
        assert_eq!(usize::from(claimed) + expired, 1, "claimed-once");
    });
}

#[test]
fn claim_against_release() {
    explore(1, 3, |all| {
        let ticket = all.put(7, NEVER);
        let (claimed, released) =
            beside(all, move |all| all.claim(ticket, 7), |all| all.holds.release(ticket));
        assert!(claimed != released, "claimed-once");
    });
}

#[test]
fn two_claimers() {
    explore(1, 3, |all| {
        let ticket = all.put(7, NEVER);
        let (there, here) =
            beside(all, move |all| all.claim(ticket, 7), |all| all.claim(ticket, 7));
        assert!(there != here, "claimed-once");
    });
}

#[test]
fn two_claimers_against_expire() {
    explore(1, 2, |all| {
        let ticket = all.put(7, DUE);
        let third = Arc::clone(all);
        let third = thread::spawn(move || third.claim(ticket, 7));
        let (there, expired) =
            beside(all, move |all| all.claim(ticket, 7), |all| all.holds.expire());
        let claimed = usize::from(there) + usize::from(third.join().unwrap());
        assert_eq!(claimed + expired, 1, "claimed-once");
    });
}

#[test]
fn claim_against_extend() {
    explore(1, 3, |all| {
        let ticket = all.put(7, DUE);
        let (claimed, _) =
            beside(all, move |all| all.claim(ticket, 7), |all| all.holds.extend(ticket, NEVER));
        assert!(claimed, "no other call ends the hold");
    });
}

/// A hold that was extended does not expire.
#[test]
fn extend_against_expire() {
    explore(1, 3, |all| {
        let ticket = all.put(7, DUE);
        let (extended, expired) =
            beside(all, move |all| all.holds.extend(ticket, NEVER), |all| all.holds.expire());
        assert_eq!(usize::from(extended) + expired, 1);
        assert_eq!(all.claim(ticket, 7), extended);
    });
}

/// The cell of a hold is used again while its claimer moves the guard out.
#[test]
fn claim_against_a_put_that_reuses_the_cell() {
    explore(1, 3, |all| {
        let first = all.put(1, NEVER);
        let (claimed, second) =
            beside(all, move |all| all.claim(first, 1), |all| all.put(2, NEVER));
        assert!(claimed);
        assert!(!all.claim(first, 1), "claimed-once");
        assert!(all.claim(second, 2));
    });
}

/// A ticket reaches its claimer by a way that does not synchronise: the claim may not find the
/// hold, but if it does, the guard is visible.
#[test]
fn a_ticket_that_is_passed_on_unsynchronised() {
    explore(1, 3, |all| {
        // Loom does not see how a page is made known, so the cell is there before. The second hold
        // has the place 0 and the generation 1: only the tag is to be passed on.
        let first = all.put(1, NEVER);
        assert!(all.claim(first, 1));
        let tag = Arc::new(AtomicU64::new(0));
        let passed = Arc::clone(&tag);
        let (ticket, claimed) = beside(
            all,
            move |all| {
                let ticket = all.put(7, NEVER);
                assert_eq!(u128::from(ticket) >> 64, 1);
                passed.store(u128::from(ticket) as u64, Relaxed);
                ticket
            },
            |all| match tag.load(Relaxed) {
                0 => false,
                tag => all.claim(Ticket::from(1 << 64 | u128::from(tag)), 7),
            },
        );
        assert_eq!(all.claim(ticket, 7), !claimed, "claimed-once");
    });
}

/// A claimer and an expirer of the same holds, and a put that reuses a cell of either.
#[test]
fn claim_and_expire_against_a_put() {
    explore(1, 2, |all| {
        let first = all.put(1, DUE);
        let (claimed, (expired, second)) = beside(
            all,
            move |all| all.claim(first, 1),
            |all| (all.holds.expire(), all.put(2, NEVER)),
        );
        assert_eq!(usize::from(claimed) + expired, 1, "claimed-once");
        assert!(all.claim(second, 2));
    });
}

/// Two cells come back on the stack at the same time.
#[test]
fn two_cells_are_returned_against_a_put() {
    explore(1, 2, |all| {
        let tickets = [all.put(1, NEVER), all.put(2, NEVER)];
        let third = all.put(3, NEVER);
        let other = Arc::clone(all);
        let other = thread::spawn(move || other.claim(tickets[0], 1));
        let (claimed, fourth) =
            beside(all, move |all| all.claim(tickets[1], 2), |all| all.put(4, NEVER));
        assert!(claimed && other.join().unwrap());
        assert_eq!(all.holds.len(), 2);
        assert!(all.claim(third, 3) && all.claim(fourth, 4));
    });
}

/// A client that has the old ticket of a cell forges the next one: the generation is right, the tag
/// is that of the old one.
#[test]
fn an_old_tag_opens_no_later_hold() {
    explore(1, 3, |all| {
        let first = all.put(1, NEVER);
        let forged = Ticket::from(u128::from(first) + (1 << 64));
        let (refused, second) = beside(
            all,
            move |all| all.holds.claim(forged).map(drop),
            |all| {
                assert!(all.claim(first, 1));
                all.put(2, NEVER)
            },
        );
        assert_eq!(refused, Err(ClaimError::Unknown), "a forged ticket");
        assert!(all.claim(second, 2));
    });
}

/// The bound is not above a hold whose put has returned, while another thread raises it.
fn put_against_raise(shards: usize) {
    explore(shards, 3, |all| {
        // A hold that is due makes the other thread raise the bound.
        all.put(1, DUE);
        let (there, expired) = beside(
            all,
            |all| {
                all.put(2, DUE);
                // The other thread may be about to drop what it has expired.
                let admitted = all.or_expire();
                (admitted, all.holds.expire())
            },
            |all| all.holds.expire(),
        );
        let ((admitted, also), left) = (there, all.holds.len());
        assert_eq!(left, 0, "a hold is due, and the bound says that none is");
        assert!(admitted || expired > 0, "refused while a hold was due");
        assert!(expired + also <= 2);
        assert!(all.or_expire());
    });
}

#[test]
fn put_against_raise_in_one_shard() {
    put_against_raise(1);
}

#[test]
fn put_against_raise_in_two_shards() {
    put_against_raise(2);
}

/// A thread puts, and another one raises: afterwards a refused caller finds the hold.
#[test]
fn a_hold_is_found_after_a_raise() {
    explore(2, 4, |all| {
        all.put(1, DUE);
        let (_, expired) = beside(all, |all| all.put(2, DUE), |all| all.holds.expire());
        assert!((1..=2).contains(&expired));
        assert!(all.or_expire(), "a hold is due, and the bound says that none is");
    });
}

/// The last guard of a lobby expires while a caller joins: the caller gets the seat, unless another
/// call is about to drop the guard.
#[test]
fn the_last_seat_of_a_lobby_expires_against_a_join() {
    let start = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(move || {
        let lobby = Arc::new(Lobby::builder(1).max_rooms(1).build());
        let holds: Holds<OwnedSeat> =
            Holds::builder().clock(move || start).capacity(1).shards(1).build();
        let holds = Arc::new(holds);
        holds.put_for(lobby.clone().join_owned().unwrap(), DUE);
        let (there, other) = (Arc::clone(&holds), Arc::clone(&lobby));
        let joiner = thread::spawn(move || {
            there.or_expire(|| other.clone().join_owned()).is_ok_and(|seat| seat.number() == 0)
        });
        let expired = holds.expire();
        let joined = joiner.join().unwrap();
        assert!(joined || expired == 1, "refused while a hold was due");
        assert_eq!((holds.len(), lobby.stats().rooms), (0, 0));
        assert!(lobby.join().is_ok());
    });
}
