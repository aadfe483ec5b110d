//! Holds beside the plain map of `headcount_spec`. Shared by the properties and the fuzz target.
//!
//! With one caller at a time, after every operation:
//! - *claimed-once*: each call is answered as the map says; exactly the guards of the holds in the
//!   map are alive, beside those that were claimed.
//! - Forged and foreign tickets are unknown, and change nothing.
//! - `next_deadline` is not after the earliest deadline of the map.
//! - `or_expire` refuses only if no hold is due.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headcount::{ClaimError, Holds, Ticket};
use headcount_spec::{HoldsAnswer, HoldsCall, Spec};

use super::bytes::Bytes;
use super::{caught, Ending};

/// One operation. A `u8` picks among the holds so far.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Puts a guard for that time, or for the usual one, whose destructor may panic.
    Put {
        ttl: Option<u64>,
        panics: bool,
    },
    Claim(u8),
    Release(u8),
    Extend(u8, u64),
    Expire,
    /// Asks for one of so many places, of which each guard that is alive takes one.
    OrExpire(u8),
    Pass(u64),
    /// Tries a ticket with one bit changed.
    Forged(u8, u8),
    /// Tries a ticket of other holds.
    Foreign(u8),
}

impl Bytes<'_> {
    /// A time: short, of any length, or too long for the clock.
    fn time(&mut self) -> u64 {
        match self.byte() {
            short @ 0..=127 => u64::from(short % 8),
            shift @ 128..=250 => u64::from(self.byte()) << (shift % 60),
            _ => u64::MAX,
        }
    }

    pub(crate) fn holds_op(&mut self) -> Op {
        match self.byte() % 16 {
            0..=2 => Op::Put { ttl: None, panics: false },
            3 | 4 => Op::Put { ttl: Some(self.time()), panics: false },
            5 => Op::Put { ttl: Some(self.time()), panics: true },
            6 | 7 => Op::Claim(self.byte()),
            8 => Op::Release(self.byte()),
            9 => Op::Extend(self.byte(), self.time()),
            10 => Op::Expire,
            11 => Op::OrExpire(self.byte()),
            // All together not so long that the clock ends.
            12 | 13 => Op::Pass(self.time().min(u64::MAX >> 16)),
            14 => Op::Forged(self.byte(), self.byte()),
            _ => Op::Foreign(self.byte()),
        }
    }
}

/// The numbers of the guards that are alive.
type Living = Arc<Mutex<BTreeSet<u32>>>;

struct Guard {
    number: u32,
    panics: bool,
    living: Living,
}

impl Guard {
    fn new(number: u32, panics: bool, living: &Living) -> Guard {
        assert!(living.lock().unwrap().insert(number));
        Guard { number, panics, living: Arc::clone(living) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        assert!(self.living.lock().unwrap().remove(&self.number), "a guard is dropped twice");
        if self.panics {
            _ = Ending::Panics.end();
        }
    }
}

const TTL: u64 = 20;

struct Pair {
    holds: Holds<Guard>,
    others: Holds<()>,
    clock: Arc<AtomicU64>,
    start: Instant,
    living: Living,
    /// The ticket of each hold.
    tickets: Vec<Ticket>,
    panicking: BTreeSet<u32>,
    spec: headcount_spec::Holds,
}

fn nanos(time: u64) -> Duration {
    if time == u64::MAX {
        Duration::MAX
    } else {
        Duration::from_nanos(time)
    }
}

impl Pair {
    fn pick(&self, pick: u8) -> Option<u32> {
        (!self.tickets.is_empty()).then(|| u32::from(pick) % self.tickets.len() as u32)
    }

    fn ticket(&self, hold: u32) -> Ticket {
        self.tickets[hold as usize]
    }

    /// What a call of the holds came to; `None` if it panicked, as it must exactly if the guard of
    /// one of `released` panics.
    fn releasing<T>(&self, released: &[u32], call: impl FnOnce(&Holds<Guard>) -> T) -> Option<T> {
        let outcome = caught(|| call(&self.holds));
        let panics = released.iter().any(|hold| self.panicking.contains(hold));
        assert_eq!(outcome.is_none(), panics, "the panic of a destructor goes on");
        outcome
    }

    fn unknown(&self, ticket: Ticket) {
        assert!(matches!(self.holds.claim(ticket), Err(ClaimError::Unknown)));
        assert!(!self.holds.release(ticket));
        assert!(!self.holds.extend(ticket, Duration::MAX));
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Put { ttl, panics } => {
                let number = self.tickets.len() as u32;
                let guard = Guard::new(number, panics, &self.living);
                if panics {
                    self.panicking.insert(number);
                }
                self.tickets.push(match ttl {
                    None => self.holds.put(guard),
                    Some(ttl) => self.holds.put_for(guard, nanos(ttl)),
                });
                let answer = self.spec.apply(HoldsCall::Put(ttl.unwrap_or(TTL)));
                assert_eq!(answer, HoldsAnswer::Put(number));
            }
            Op::Claim(pick) => {
                let Some(hold) = self.pick(pick) else { return };
                let call = HoldsCall::Claim(hold);
                let excused = self.spec.excused(call);
                let expected = self.spec.apply(call);
                let answer = match self.holds.claim(self.ticket(hold)) {
                    Ok(guard) => {
                        assert_eq!(guard.number, hold, "another guard");
                        caught(|| drop(guard));
                        HoldsAnswer::Claimed
                    }
                    Err(ClaimError::Expired) => HoldsAnswer::Expired,
                    Err(ClaimError::Ended) => HoldsAnswer::Ended,
                    Err(other) => panic!("{other}, for a ticket that was issued"),
                };
                assert!(answer == expected || Some(answer) == excused, "{answer:?}, {expected:?}");
            }
            Op::Release(pick) => {
                let Some(hold) = self.pick(pick) else { return };
                let expected = self.spec.apply(HoldsCall::Release(hold));
                let held = expected == HoldsAnswer::WasHeld(true);
                let ticket = self.ticket(hold);
                let released = if held { &[hold][..] } else { &[] };
                if let Some(answer) = self.releasing(released, |holds| holds.release(ticket)) {
                    assert_eq!(answer, held);
                }
            }
            Op::Extend(pick, ttl) => {
                let Some(hold) = self.pick(pick) else { return };
                let expected = self.spec.apply(HoldsCall::Extend(hold, ttl));
                let answer = self.holds.extend(self.ticket(hold), nanos(ttl));
                assert_eq!(HoldsAnswer::WasHeld(answer), expected);
            }
            Op::Expire => {
                let due = self.spec.due();
                let expected = self.spec.apply(HoldsCall::Expire);
                if let Some(count) = self.releasing(&due, Holds::expire) {
                    assert_eq!(HoldsAnswer::Count(count), expected);
                }
            }
            Op::OrExpire(places) => self.or_expire(usize::from(places) % 8),
            Op::Pass(time) => {
                self.spec.apply(HoldsCall::Pass(time));
                self.clock.store(self.spec.now, Ordering::Relaxed);
            }
            Op::Forged(pick, bit) => {
                let Some(hold) = self.pick(pick) else { return };
                let forged = u128::from(self.ticket(hold)) ^ 1 << (bit % 128);
                self.unknown(Ticket::from(forged));
            }
            Op::Foreign(pick) => {
                let foreign = (0..=pick % 4).map(|_| self.others.put(())).last();
                self.unknown(foreign.expect("at least one"));
            }
        }
    }

    fn or_expire(&mut self, places: usize) {
        let is_full = || self.living.lock().unwrap().len() >= places;
        let (was_full, due) = (is_full(), self.spec.due());
        let mut calls = 0;
        let ask = || {
            calls += 1;
            if is_full() {
                Err(())
            } else {
                Ok(())
            }
        };
        let released = if was_full { &due[..] } else { &[] };
        let answer = self.releasing(released, |holds| holds.or_expire(ask));
        if was_full {
            self.spec.apply(HoldsCall::Expire);
        }
        if let Some(answer) = answer {
            assert_eq!(answer.is_err(), self.spec.held.len() >= places, "exact");
            assert!(calls == 1 || (calls == 2 && was_full), "{calls} calls");
        }
    }

    fn compare(&mut self) {
        let living: Vec<u32> = self.living.lock().unwrap().iter().copied().collect();
        assert_eq!(living, self.spec.held.keys().copied().collect::<Vec<_>>(), "guards alive");
        assert_eq!(HoldsAnswer::Count(self.holds.len()), self.spec.apply(HoldsCall::Len));
        let HoldsAnswer::Deadline(earliest) = self.spec.apply(HoldsCall::NextDeadline) else {
            unreachable!("a deadline is asked for");
        };
        // A deadline that is centuries away may count as none.
        if let Some(earliest) = earliest.filter(|&time| time <= u64::MAX / 2) {
            let earliest = self.start + Duration::from_nanos(earliest);
            assert!(self.holds.next_deadline().expect("there is one") <= earliest);
        }
    }
}

/// Applies `ops` to holds of so many shards and to the map. Panics where they differ.
pub(crate) fn check(shards: usize, ops: impl IntoIterator<Item = Op>) {
    let (start, clock) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let time = Arc::clone(&clock);
    let holds = Holds::builder()
        .ttl(nanos(TTL))
        .clock(move || start + Duration::from_nanos(time.load(Ordering::Relaxed)))
        .capacity(4)
        .shards(shards)
        .build();
    let mut pair = Pair {
        holds,
        others: Holds::new(Duration::MAX),
        clock,
        start,
        living: Living::default(),
        tickets: Vec::new(),
        panicking: BTreeSet::new(),
        spec: headcount_spec::Holds::default(),
    };
    for op in ops {
        pair.act(op);
        pair.compare();
    }
    // With the holds all guards go, also beside one that panics.
    let Pair { holds, living, panicking, spec, .. } = pair;
    let panics = spec.held.keys().any(|hold| panicking.contains(hold));
    assert_eq!(caught(|| drop(holds)).is_none(), panics);
    assert!(living.lock().unwrap().is_empty(), "a guard outlives the holds");
}

/// Fails unless a text that parses prints as it was.
pub(crate) fn check_text(text: &str) {
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.to_string(), text);
        check_number(ticket.into());
    }
}

/// Fails unless a number converts to a ticket and back, and prints as a text that parses.
pub(crate) fn check_number(number: u128) {
    let ticket = Ticket::from(number);
    assert_eq!(u128::from(ticket), number);
    assert_eq!(ticket.to_string().parse(), Ok(ticket));
}
