//! The striped gate in every order, and with every stale value, that the memory model allows.
//!
//! Most models run the machines on two stripes by hand, so that each caller's own stripe is known. Each
//! thought that the machine cannot do without has a twin that lacks it, which must be caught.
//!
//! `RUSTFLAGS="--cfg headcount_loom" cargo test --release --test loom_striped`

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

use crate::protocol::step::Step;
use crate::protocol::stripe::{AcquireStriped, CountFree, ReleaseStriped, StripeWord};
use crate::StripedGate;

/// Two stripes, and something that only holders touch.
struct Stripes {
    words: [AtomicU64; 2],
    witness: UnsafeCell<()>,
}

impl Stripes {
    fn new(first: u32, second: u32) -> Arc<Stripes> {
        let word = |free| AtomicU64::new(StripeWord::new(0, free).0);
        Arc::new(Stripes { words: [word(first), word(second)], witness: UnsafeCell::new(()) })
    }

    /// Claims from `home` first. True if that succeeded.
    fn claim(&self, home: usize) -> bool {
        self.run(AcquireStriped::new(2, home, false))
    }

    /// The same without a look, as one who is sure of a place at `home`, if wrongly.
    fn claim_surely(&self, home: usize) -> bool {
        self.run(AcquireStriped::new(2, home, true))
    }

    fn run(&self, mut state: AcquireStriped) -> bool {
        loop {
            match state.step(&self.words[state.at()]) {
                Step::Next(next) => state = next,
                Step::Done(claimed) => return claimed.is_some(),
            }
        }
    }

    fn give(&self, home: usize) {
        while let Step::Next(_) = ReleaseStriped.step(&self.words[home]) {}
    }

    fn free(&self) -> u64 {
        let mut state = CountFree::new(2, 0);
        loop {
            match state.step(&self.words[state.at()]) {
                Step::Next(next) => state = next,
                Step::Done(free) => return free,
            }
        }
    }

    /// Touches what only holders may: loom reports two visits that are not ordered.
    fn visit(&self) {
        self.witness.with_mut(|_| ());
    }

    /// As `claim`, refused after `rounds` rounds of empty stripes, whatever was given back in between.
    fn claim_blindly(&self, home: usize, rounds: usize) -> bool {
        let mut empty = 0;
        while empty < 2 * rounds {
            let word = &self.words[(home + empty) % 2];
            let seen = StripeWord(word.load(Ordering::SeqCst));
            if seen.free() == 0 {
                empty += 1;
            } else if swap(word, seen, Ordering::SeqCst) {
                return true;
            }
        }
        false
    }

    /// As `claim`, with two rounds and no more, in the orders given. True unless refused.
    fn claim_in_orders(&self, home: usize, orders: Orders) -> bool {
        let mut rounds = [[0; 2]; 2];
        for round in &mut rounds {
            for index in [home, 1 - home] {
                let word = &self.words[index];
                let seen = StripeWord(word.load(orders.look));
                if seen.free() > 0 && swap(word, seen, orders.claim) {
                    return true;
                }
                round[index] = seen.0;
            }
        }
        rounds[0] != rounds[1]
    }
}

/// The orders of a claim's operations.
#[derive(Clone, Copy)]
struct Orders {
    look: Ordering,
    claim: Ordering,
}

fn swap(word: &AtomicU64, seen: StripeWord, order: Ordering) -> bool {
    word.compare_exchange(seen.0, seen.0 - 1, order, Ordering::Relaxed).is_ok()
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    model_within(None, body);
}

/// With a bound on preemptions, where all orders are too many.
fn model_within(preemptions: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(body);
}

/// One place is always free: a holder gives back at one stripe before it claims at the other.
fn nobody_is_refused_while_a_place_moves(
    moves: usize,
    preemptions: Option<usize>,
    claim: fn(&Stripes, usize) -> bool,
) {
    model_within(preemptions, move || {
        let stripes = Stripes::new(0, 1);
        let mover = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || {
                for step in 0..moves {
                    stripes.give(step % 2);
                    assert!(claim(&stripes, (step + 1) % 2), "the mover was refused");
                }
            })
        };
        assert!(claim(&stripes, 0), "refused while a place was free");
        mover.join().unwrap();
        assert_eq!(stripes.free(), 0);
    });
}

#[test]
fn exact_while_a_place_moves_once() {
    nobody_is_refused_while_a_place_moves(1, None, Stripes::claim);
}

#[test]
fn exact_while_a_place_moves_often() {
    nobody_is_refused_while_a_place_moves(3, Some(6), Stripes::claim);
}

#[test]
fn exact_for_those_who_are_wrongly_sure() {
    nobody_is_refused_while_a_place_moves(1, None, Stripes::claim_surely);
    nobody_is_refused_while_a_place_moves(2, Some(4), Stripes::claim_surely);
}

#[test]
#[should_panic = "refused while a place was free"]
fn caught_no_second_look() {
    nobody_is_refused_while_a_place_moves(1, None, |stripes, home| stripes.claim_blindly(home, 1));
}

#[test]
#[should_panic = "refused while a place was free"]
fn caught_second_look_that_ignores_releases() {
    nobody_is_refused_while_a_place_moves(3, Some(6), |stripes, home| {
        stripes.claim_blindly(home, 2)
    });
}

/// The same with one move, in other orders than the machine's. Loom does not tell sequential
/// consistency from acquire and release; with less than these, a caller is refused on a stale word.
fn nobody_is_refused_in_orders(orders: Orders) {
    model(move || {
        let stripes = Stripes::new(0, 1);
        let mover = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || {
                stripes.give(0);
                stripes.claim_in_orders(1, orders);
            })
        };
        assert!(stripes.claim_in_orders(0, orders), "refused while a place was free");
        mover.join().unwrap();
    });
}

#[test]
fn exact_with_acquire_and_release() {
    nobody_is_refused_in_orders(Orders { look: Ordering::Acquire, claim: Ordering::AcqRel });
}

#[test]
#[should_panic = "refused while a place was free"]
fn caught_claim_that_releases_nothing() {
    nobody_is_refused_in_orders(Orders { look: Ordering::Acquire, claim: Ordering::Acquire });
}

#[test]
#[should_panic = "refused while a place was free"]
fn caught_look_that_acquires_nothing() {
    nobody_is_refused_in_orders(Orders { look: Ordering::Relaxed, claim: Ordering::AcqRel });
}

/// A holder leaves by another stripe than the one where it came in; what it wrote is seen by the next.
#[test]
fn happens_before_across_stripes() {
    model(|| {
        let stripes = Stripes::new(1, 0);
        let pass = |stripes: &Stripes, home: usize| {
            if stripes.claim(home) {
                stripes.visit();
                stripes.give(1 - home);
            }
        };
        let other = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || pass(&stripes, 1))
        };
        pass(&stripes, 0);
        other.join().unwrap();
        assert_eq!(stripes.free(), 1);
        assert!(stripes.claim(0), "a free place was refused");
        stripes.visit();
    });
}

/// One gives its only place back and wants one again, another wants it: exactly one gets it.
#[test]
fn exact_leaver_who_returns() {
    for claim in [Stripes::claim, Stripes::claim_surely] {
        model(move || {
            let stripes = Stripes::new(0, 0);
            let other = {
                let stripes = Arc::clone(&stripes);
                thread::spawn(move || claim(&stripes, 0))
            };
            stripes.give(1);
            let again = claim(&stripes, 0);
            let taken = other.join().unwrap();
            assert!(again != taken, "again: {again}, taken by the other: {taken}");
            assert_eq!(stripes.free(), 0);
        });
    }
}

/// Three threads: two want the place that the third gives back.
#[test]
fn never_over_two_after_one_place() {
    model_within(Some(3), || {
        let stripes = Stripes::new(0, 0);
        let claims: Vec<_> = [0, 1]
            .map(|home| {
                let stripes = Arc::clone(&stripes);
                thread::spawn(move || {
                    let claimed = stripes.claim_surely(home);
                    if claimed {
                        stripes.visit();
                    }
                    u64::from(claimed)
                })
            })
            .into();
        stripes.visit();
        stripes.give(1);
        let claimed: u64 = claims.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(claimed + stripes.free(), 1);
    });
}

/// The gate itself, with what its threads remember: each comes twice, a permit goes elsewhere.
#[test]
fn no_leak_in_the_whole_gate() {
    model_within(Some(3), || {
        let gate = std::sync::Arc::new(StripedGate::with_stripes(1, 2));
        let witness = Arc::new(UnsafeCell::new(()));
        let permit = std::sync::Arc::clone(&gate).try_acquire_owned().unwrap();
        witness.with_mut(|_| ());
        let visit_twice = |gate: &StripedGate, witness: &UnsafeCell<()>| {
            for _ in 0..2 {
                if let Ok(_permit) = gate.try_acquire() {
                    witness.with_mut(|_| ());
                }
            }
        };
        let visitor = {
            let (gate, witness) = (std::sync::Arc::clone(&gate), Arc::clone(&witness));
            thread::spawn(move || visit_twice(&gate, &witness))
        };
        let leaver = thread::spawn(move || drop(permit));
        visit_twice(&gate, &witness);
        leaver.join().unwrap();
        visitor.join().unwrap();
        assert_eq!(gate.occupied_exact(), 0);
        assert_eq!(gate.occupied(), 0);
        let permit = gate.try_acquire().expect("everybody has left");
        assert!(gate.is_full() && gate.try_acquire().is_err());
        drop(permit);
    });
}
