//! The life of a key in every order of events and memory, over a map of loom's own.
//!
//! `RUSTFLAGS="--cfg headcount_loom" cargo test --release --features keyed --test loom_keyed`
//!
//! loom cannot see into the real map; here it is a list under loom's lock that gives nothing away
//! while the lock is not held (`src/keyed/map_model.rs`). All else is the code itself. A witness
//! cell stands for what a holder works on: a place too many, or a lost write of a former holder,
//! is a race on it.
#![cfg(all(feature = "keyed", headcount_loom))]

use std::sync::Arc;

use headcount::KeyedGate;
use loom::cell::UnsafeCell;
use loom::thread;

struct Room {
    gates: KeyedGate<u8>,
    witness: UnsafeCell<()>,
}

fn room(capacity: u32) -> Arc<Room> {
    let gates = KeyedGate::new(move |_: &u8| capacity);
    Arc::new(Room { gates, witness: UnsafeCell::new(()) })
}

fn explore(bound: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.check(model);
}

impl Room {
    /// Takes the only place, if it is free, and works on what it guards.
    fn work(&self) -> bool {
        let Ok(permit) = self.gates.try_acquire(1) else { return false };
        self.witness.with_mut(|_| ());
        drop(permit);
        true
    }

    fn assert_gone(&self) {
        assert_eq!(self.gates.len(), 0);
        assert_eq!(self.gates.snapshot(), []);
        assert_eq!(self.gates.occupied(&1), 0);
    }
}

#[test]
fn never_over_across_lives() {
    explore(3, || {
        let room = room(1);
        let other = room.clone();
        let thread = thread::spawn(move || (other.work(), other.work()));
        let here = room.work();
        let (first, second) = thread.join().unwrap();
        assert!(here || (first && second), "somebody was refused by nobody");
        room.assert_gone();
        // Nothing of a former life is left in the way.
        assert!(room.work());
        room.assert_gone();
    });
}

#[test]
fn who_meets_the_removal_is_served() {
    explore(4, || {
        let room = room(3);
        let visit = |room: &Room| {
            let permit = room.gates.try_acquire(1).expect("a place is free");
            assert!(room.gates.occupied(&1) > 0, "a key went while somebody was inside");
            drop(permit);
        };
        let first = room.gates.try_acquire(1).unwrap();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let room = room.clone();
                thread::spawn(move || visit(&room))
            })
            .collect();
        drop(first);
        for other in others {
            other.join().unwrap();
        }
        room.assert_gone();
    });
}

#[test]
fn exact_across_lives() {
    explore(3, || {
        let room = room(2);
        let permit = room.gates.try_acquire(1).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || {
            // Two may be in, and only two ever are.
            for _ in 0..2 {
                drop(other.gates.try_acquire(1).expect("one of two places is free"));
            }
        });
        drop(permit);
        drop(room.gates.try_acquire(1).expect("one of two places is free"));
        thread.join().unwrap();
        room.assert_gone();
    });
}

#[test]
fn another_key_may_drive_an_entry_from_its_seat() {
    explore(3, || {
        let room = room(1);
        let other = room.clone();
        // There is one seat in the models, and each thread's first new entry tries for it.
        let thread = thread::spawn(move || {
            drop(other.gates.try_acquire(2).expect("nobody else wants that key"));
        });
        assert!(room.work());
        assert!(room.work());
        thread.join().unwrap();
        room.assert_gone();
        assert!(room.work());
        drop(room.gates.try_acquire(2).unwrap());
        room.assert_gone();
    });
}

#[test]
fn a_handle_keeps_the_key_alive() {
    explore(3, || {
        let room = room(1);
        let other = room.clone();
        let thread = thread::spawn(move || other.work());
        let handle = room.gates.hold(1);
        let entered = handle.try_acquire().map(|permit| {
            room.witness.with_mut(|_| ());
            drop(permit);
        });
        assert_eq!(room.gates.len(), 1);
        let entered_there = thread.join().unwrap();
        assert!(entered.is_ok() || entered_there);
        drop(handle);
        room.assert_gone();
    });
}

#[test]
fn handles_and_holders_leave_in_any_order() {
    explore(3, || {
        let room = room(1);
        let other = room.clone();
        let permit = room.gates.try_acquire(1).unwrap();
        let thread = thread::spawn(move || drop(other.gates.hold(1)));
        drop(permit);
        thread.join().unwrap();
        room.assert_gone();
    });
}

#[test]
fn resizing_meets_the_last_leaver() {
    explore(3, || {
        let room = room(1);
        let permit = room.gates.try_acquire(1).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || other.gates.set_capacity(&1, 2));
        drop(permit);
        thread.join().unwrap();
        room.assert_gone();
    });
}

/// Raised by one, a word with one head reads as an empty one does otherwise.
#[test]
fn raising_does_not_hide_a_head() {
    explore(3, || {
        let room = room(1);
        let first = room.gates.try_acquire(1).unwrap();
        let raiser = room.clone();
        let raiser = thread::spawn(move || raiser.gates.set_capacity(&1, 2));
        let joiner = room.clone();
        let joiner = thread::spawn(move || {
            let permit = joiner.gates.try_acquire(1).ok();
            if permit.is_some() {
                assert_eq!(joiner.gates.len(), 1, "a key went while somebody was inside");
            }
        });
        drop(first);
        raiser.join().unwrap();
        joiner.join().unwrap();
        room.assert_gone();
        assert!(room.work());
    });
}

#[test]
fn lowering_is_paid_by_leavers() {
    explore(2, || {
        let room = room(2);
        let first = room.gates.try_acquire(1).unwrap();
        let second = room.gates.try_acquire(1).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || assert!(other.gates.set_capacity(&1, 1)));
        drop(first);
        thread.join().unwrap();
        assert!(room.gates.try_acquire(1).is_err());
        drop(second);
        room.assert_gone();
    });
}

/// What must fail: the same models over gates that are removed from a map as one would do it first.
/// If these stop failing, the models above see nothing.
mod twins {
    use super::*;
    use headcount::{Gate, TryAcquireError};
    use loom::sync::Mutex;

    struct Naive {
        gates: Mutex<Vec<Arc<Gate>>>,
        capacity: u32,
        closes: bool,
        witness: UnsafeCell<()>,
    }

    impl Naive {
        fn new(capacity: u32, closes: bool) -> Arc<Self> {
            let gates = Mutex::new(Vec::new());
            Arc::new(Naive { gates, capacity, closes, witness: UnsafeCell::new(()) })
        }

        fn with(&self, f: impl FnOnce()) -> Result<(), TryAcquireError> {
            let gate = {
                let mut gates = self.gates.lock().unwrap();
                if gates.is_empty() {
                    gates.push(Arc::new(Gate::new(self.capacity)));
                }
                gates[0].clone()
            };
            let permit = gate.try_acquire()?;
            f();
            drop(permit);
            if gate.occupied() == 0 {
                if self.closes {
                    gate.close();
                }
                self.gates.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &gate));
            }
            Ok(())
        }
    }

    /// Looks whether it was the last, and then removes: somebody may have come in between.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn looking_before_removing_is_not_enough() {
        explore(3, || {
            let naive = Naive::new(1, false);
            let other = naive.clone();
            let thread = thread::spawn(move || {
                for _ in 0..2 {
                    let _ = other.with(|| other.witness.with_mut(|_| ()));
                }
            });
            let _ = naive.with(|| naive.witness.with_mut(|_| ()));
            thread.join().unwrap();
        });
    }

    /// Closes before it removes, but whoever meets the closed gate is refused.
    #[test]
    #[should_panic(expected = "a place is free")]
    fn who_meets_a_closed_gate_must_come_again() {
        explore(3, || {
            let naive = Naive::new(2, true);
            let other = naive.clone();
            let thread = thread::spawn(move || other.with(|| ()).expect("a place is free"));
            naive.with(|| ()).expect("a place is free");
            thread.join().unwrap();
        });
    }
}
