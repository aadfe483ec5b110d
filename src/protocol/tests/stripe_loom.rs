//! The striped gate, in every order of steps and with every stale value.
//!
//! Most models run the state machines on two stripes by hand, so that each caller's own stripe is
//! known. For each step that the protocol needs there is a rejected protocol without it, whose
//! model must fail.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

use crate::protocol::step::Step;
use crate::protocol::stripe::{AcquireStriped, AskFull, CountFree, ReleaseStriped, StripeWord};
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

    /// Acquires a place, from `home` first. Returns whether that succeeded.
    fn acquire(&self, home: usize) -> bool {
        self.run(AcquireStriped::new(2, home, false))
    }

    /// The same without a look, as a caller that believes, rightly or not, in a place at `home`.
    fn acquire_unseen(&self, home: usize) -> bool {
        self.run(AcquireStriped::new(2, home, true))
    }

    fn run(&self, mut state: AcquireStriped) -> bool {
        loop {
            match state.step(&self.words[state.at()]) {
                Step::Next(next) => state = next,
                Step::Done(acquired) => return acquired.is_some(),
            }
        }
    }

    fn release(&self, home: usize) {
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

    fn is_full(&self) -> bool {
        let mut state = AskFull::new(2, 0);
        loop {
            match state.step(&self.words[state.at()]) {
                Step::Next(next) => state = next,
                Step::Done(full) => return full,
            }
        }
    }

    /// Writes what only holders may: loom reports two writes that are not ordered.
    fn visit(&self) {
        self.witness.with_mut(|_| ());
    }

    /// As `acquire`, but refused after `rounds` rounds of empty stripes, whatever was given back in
    /// between.
    fn acquire_in_rounds(&self, home: usize, rounds: usize) -> bool {
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

    /// As `acquire`, with two rounds at most and the orderings given. Returns true unless refused.
    fn acquire_with(&self, home: usize, orderings: Orderings) -> bool {
        let mut rounds = [[0; 2]; 2];
        for round in &mut rounds {
            for index in [home, 1 - home] {
                let word = &self.words[index];
                let seen = StripeWord(word.load(orderings.look));
                if seen.free() > 0 && swap(word, seen, orderings.swap) {
                    return true;
                }
                round[index] = seen.0;
            }
        }
        rounds[0] != rounds[1]
    }
}

/// The orderings of the operations of an acquisition.
#[derive(Clone, Copy)]
struct Orderings {
    look: Ordering,
    swap: Ordering,
}

fn swap(word: &AtomicU64, seen: StripeWord, order: Ordering) -> bool {
    word.compare_exchange(seen.0, seen.0 - 1, order, Ordering::Relaxed).is_ok()
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    model_within(None, body);
}

/// With a bound on preemptions, where all orders of steps are too many.
fn model_within(preemptions: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(body);
}

/// One place is always free: a holder gives its place back at one stripe before it acquires the
/// other. So `acquire`, from `home` first, must succeed.
fn no_call_is_refused_while_a_place_moves(
    moves: usize,
    preemptions: Option<usize>,
    home: usize,
    acquire: fn(&Stripes, usize) -> bool,
) {
    model_within(preemptions, move || {
        let stripes = Stripes::new(0, 1);
        let mover = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || {
                for step in 0..moves {
                    stripes.release(step % 2);
                    assert!(acquire(&stripes, (step + 1) % 2), "the mover was refused");
                }
            })
        };
        assert!(acquire(&stripes, home), "refused while a place was free");
        mover.join().unwrap();
        assert_eq!(stripes.free(), 0);
    });
}

#[test]
fn exact_while_a_place_moves_once() {
    no_call_is_refused_while_a_place_moves(1, None, 0, Stripes::acquire);
}

#[test]
fn exact_while_a_place_moves_often() {
    no_call_is_refused_while_a_place_moves(3, Some(6), 0, Stripes::acquire);
}

/// The caller may lose the place at its own stripe to the mover: what its compare-exchange finds
/// then is a reading as well.
#[test]
fn exact_after_a_lost_compare_exchange() {
    no_call_is_refused_while_a_place_moves(1, None, 1, Stripes::acquire);
}

#[test]
fn exact_after_a_wrong_belief() {
    no_call_is_refused_while_a_place_moves(1, None, 0, Stripes::acquire_unseen);
    no_call_is_refused_while_a_place_moves(2, Some(4), 0, Stripes::acquire_unseen);
}

#[test]
#[should_panic = "refused while a place was free"]
fn rejected_single_round() {
    no_call_is_refused_while_a_place_moves(1, None, 0, |stripes, home| {
        stripes.acquire_in_rounds(home, 1)
    });
}

#[test]
#[should_panic = "refused while a place was free"]
fn rejected_rounds_that_ignore_releases() {
    no_call_is_refused_while_a_place_moves(3, Some(6), 0, |stripes, home| {
        stripes.acquire_in_rounds(home, 2)
    });
}

/// A place is always free, so no reading says that the gate is full, or that no place is free.
fn no_reading_misses_a_moving_place(preemptions: Option<usize>, misses: fn(&Stripes) -> bool) {
    model_within(preemptions, move || {
        let stripes = Stripes::new(0, 1);
        let mover = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || {
                stripes.release(0);
                assert!(stripes.acquire(1), "the mover was refused");
            })
        };
        assert!(!misses(&stripes), "a place was free throughout");
        mover.join().unwrap();
        assert_eq!(stripes.free(), 1);
    });
}

#[test]
fn exact_is_full_while_a_place_moves() {
    no_reading_misses_a_moving_place(None, Stripes::is_full);
}

#[test]
fn exact_count_while_a_place_moves() {
    no_reading_misses_a_moving_place(None, |stripes| stripes.free() == 0);
}

/// The same with one move, and other orderings than the protocol's. Loom does not tell sequential
/// consistency from acquire and release; with less than these, a caller is refused on a stale word.
fn no_call_is_refused_with(orderings: Orderings) {
    model(move || {
        let stripes = Stripes::new(0, 1);
        let mover = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || {
                stripes.release(0);
                stripes.acquire_with(1, orderings);
            })
        };
        assert!(stripes.acquire_with(0, orderings), "refused while a place was free");
        mover.join().unwrap();
    });
}

#[test]
fn exact_with_acquire_and_release() {
    no_call_is_refused_with(Orderings { look: Ordering::Acquire, swap: Ordering::AcqRel });
}

#[test]
#[should_panic = "refused while a place was free"]
fn rejected_swap_without_release() {
    no_call_is_refused_with(Orderings { look: Ordering::Acquire, swap: Ordering::Acquire });
}

#[test]
#[should_panic = "refused while a place was free"]
fn rejected_look_without_acquire() {
    no_call_is_refused_with(Orderings { look: Ordering::Relaxed, swap: Ordering::AcqRel });
}

/// A holder gives its place back at another stripe than the one it came from: the next holder sees
/// its writes.
#[test]
fn happens_before_across_stripes() {
    model(|| {
        let stripes = Stripes::new(1, 0);
        let pass = |stripes: &Stripes, home: usize| {
            if stripes.acquire(home) {
                stripes.visit();
                stripes.release(1 - home);
            }
        };
        let other = {
            let stripes = Arc::clone(&stripes);
            thread::spawn(move || pass(&stripes, 1))
        };
        pass(&stripes, 0);
        other.join().unwrap();
        assert_eq!(stripes.free(), 1);
        assert!(stripes.acquire(0), "a free place was refused");
        stripes.visit();
    });
}

/// A holder gives the only place back and wants one again, and another caller wants one: exactly
/// one of them gets it.
#[test]
fn exact_holder_that_returns() {
    for acquire in [Stripes::acquire, Stripes::acquire_unseen] {
        model(move || {
            let stripes = Stripes::new(0, 0);
            let other = {
                let stripes = Arc::clone(&stripes);
                thread::spawn(move || acquire(&stripes, 0))
            };
            stripes.release(1);
            let again = acquire(&stripes, 0);
            let taken = other.join().unwrap();
            assert!(again != taken, "again: {again}, taken by the other: {taken}");
            assert_eq!(stripes.free(), 0);
        });
    }
}

/// Three threads: two of them want the place that the third gives back.
#[test]
fn never_over_two_after_one_place() {
    model_within(Some(3), || {
        let stripes = Stripes::new(0, 0);
        let callers: Vec<_> = [0, 1]
            .map(|home| {
                let stripes = Arc::clone(&stripes);
                thread::spawn(move || {
                    let acquired = stripes.acquire_unseen(home);
                    if acquired {
                        stripes.visit();
                    }
                    u64::from(acquired)
                })
            })
            .into();
        stripes.visit();
        stripes.release(1);
        let acquired: u64 = callers.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(acquired + stripes.free(), 1);
    });
}

/// The gate itself, with thread affinity: each thread calls twice, and a third one drops a permit.
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
        let permit = gate.try_acquire().expect("all places are free");
        assert!(gate.is_full() && gate.try_acquire().is_err());
        drop(permit);
    });
}

/// A reading of a free place shows what the holder that gave it back wrote.
#[test]
fn happens_before_available() {
    model(|| {
        let gate = std::sync::Arc::new(StripedGate::with_stripes(1, 2));
        let witness = Arc::new(UnsafeCell::new(()));
        let permit = std::sync::Arc::clone(&gate).try_acquire_owned().unwrap();
        let holder = {
            let witness = Arc::clone(&witness);
            thread::spawn(move || {
                witness.with_mut(|_| ());
                drop(permit);
            })
        };
        if gate.available() == 1 {
            witness.with_mut(|_| ());
        }
        holder.join().unwrap();
        assert_eq!(gate.occupied_exact(), 0);
    });
}
