//! The life of a key in every order of events and memory, over a map of loom's own.
//!
//! `RUSTFLAGS="--cfg headcount_loom" cargo test --release --features keyed --test loom_keyed`
//!
//! loom cannot see into the real map; here it is a list under loom's lock that gives nothing away
//! while the lock is not held (`src/keyed/map_model.rs`). All keys have the same home, and nobody is
//! patient with a busy cell. All else is the code itself. A witness cell stands for what a holder
//! works on: a place too many, or a lost write of a former holder, is a race on it. The keys are
//! witnesses too: each is written when it is dropped, and read when it is compared.

use std::cell::Cell;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use headcount::KeyedGate;
use loom::cell::UnsafeCell;
use loom::thread;

std::thread_local! {
    /// Keys that have not been dropped. All threads of a model are run by one.
    static LIVING: Cell<u32> = const { Cell::new(0) };
}

/// A key that notices when it is compared while it is dropped.
#[derive(Debug)]
struct Key(u8, UnsafeCell<()>);

fn key(number: u8) -> Key {
    LIVING.set(LIVING.get() + 1);
    Key(number, UnsafeCell::new(()))
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.1.with(|_| ());
        other.1.with(|_| ());
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.0);
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        self.1.with(|_| ());
        key(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // A second panic would abort, and not be told.
        if !std::thread::panicking() {
            self.1.with_mut(|_| ());
            LIVING.set(LIVING.get() - 1);
        }
    }
}

/// Keys below 8 have a tag of their own, the others share one.
#[derive(Default)]
struct Tagged(u64);

impl Hasher for Tagged {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = u64::from(bytes[0].min(8));
    }
}

/// Two keys with tags of their own, and two that share one.
const APART: [u8; 2] = [1, 2];
const ALIKE: [u8; 2] = [8, 9];

struct Room {
    gates: Arc<KeyedGate<Key, BuildHasherDefault<Tagged>>>,
    witnesses: [UnsafeCell<()>; 10],
}

fn room(capacity: u32) -> Arc<Room> {
    let gates = KeyedGate::with_hasher(move |_: &Key| capacity, BuildHasherDefault::default());
    Arc::new(Room { gates: Arc::new(gates), witnesses: Default::default() })
}

fn explore(bound: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.check(model);
}

impl Room {
    /// Takes the only place of a key, if it is free, and works on what it guards.
    fn work(&self, number: u8) -> bool {
        let Ok(permit) = self.gates.try_acquire(key(number)) else { return false };
        self.witnesses[usize::from(number)].with_mut(|_| ());
        drop(permit);
        true
    }

    fn assert_gone(&self) {
        assert_eq!(self.gates.len(), 0);
        assert_eq!(self.gates.snapshot(), []);
        assert_eq!(self.gates.occupied(&key(1)), 0);
        assert_eq!(LIVING.get(), 0, "a key was kept");
    }
}

#[test]
fn never_over_across_lives() {
    explore(4, || {
        let room = room(1);
        let other = room.clone();
        let thread = thread::spawn(move || (other.work(1), other.work(1)));
        let here = room.work(1);
        let (first, second) = thread.join().unwrap();
        assert!(here || (first && second), "somebody was refused by nobody");
        room.assert_gone();
        // Nothing of a former life is left in the way.
        assert!(room.work(1));
        room.assert_gone();
    });
}

#[test]
fn who_meets_the_removal_is_served() {
    explore(3, || {
        let room = room(3);
        let visit = |room: &Room| {
            let permit = room.gates.try_acquire(key(1)).expect("a place is free");
            assert!(room.gates.occupied(&key(1)) > 0, "a key went while somebody was inside");
            drop(permit);
        };
        let first = room.gates.try_acquire(key(1)).unwrap();
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
    explore(4, || {
        let room = room(2);
        let permit = room.gates.try_acquire(key(1)).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || {
            // Two may be in, and only two ever are.
            for _ in 0..2 {
                drop(other.gates.try_acquire(key(1)).expect("one of two places is free"));
            }
        });
        drop(permit);
        drop(room.gates.try_acquire(key(1)).expect("one of two places is free"));
        thread.join().unwrap();
        room.assert_gone();
    });
}

/// Each key has its place, whoever is at home: nobody who is alone with a key is refused.
fn two_keys([one, other]: [u8; 2]) {
    explore(4, move || {
        let room = room(1);
        let there = room.clone();
        let thread = thread::spawn(move || {
            assert!(there.work(one), "refused by another key");
        });
        assert!(room.work(other), "refused by another key");
        assert!(room.work(other), "refused by another key");
        thread.join().unwrap();
        room.assert_gone();
        assert!(room.work(one));
        assert!(room.work(other));
        room.assert_gone();
    });
}

#[test]
fn two_keys_of_one_home() {
    two_keys(APART);
}

#[test]
fn two_keys_of_one_tag() {
    two_keys(ALIKE);
}

/// While another key is at home, a key lives apart; once it has left, at home: in this model its
/// lives are in both places, and go over from one to the other.
fn home_and_apart([one, other]: [u8; 2]) {
    explore(4, move || {
        let room = room(1);
        let stranger = room.gates.try_acquire(key(other)).unwrap();
        let there = room.clone();
        let thread = thread::spawn(move || there.work(one));
        drop(stranger);
        let here = room.work(one);
        let there = thread.join().unwrap();
        assert!(here || there, "somebody was refused by nobody");
        room.assert_gone();
        assert!(room.work(one));
        room.assert_gone();
    });
}

#[test]
fn a_key_lives_at_home_or_apart() {
    home_and_apart(APART);
}

#[test]
fn a_key_lives_at_home_or_apart_from_one_of_its_tag() {
    home_and_apart(ALIKE);
}

/// A node is there, so who moves in looks into the map, while another goes apart and comes back.
#[test]
fn moving_in_beside_a_node() {
    explore(3, || {
        let room = room(1);
        let stranger = room.gates.try_acquire(key(2)).unwrap();
        let node = room.gates.try_acquire(key(3)).unwrap();
        drop(stranger);
        let there = room.clone();
        let thread = thread::spawn(move || (there.work(1), there.work(1)));
        let here = room.work(1);
        let (first, second) = thread.join().unwrap();
        assert!(here || (first && second), "somebody was refused by nobody");
        assert_eq!(room.gates.len(), 1);
        drop(node);
        room.assert_gone();
        assert!(room.work(1));
        room.assert_gone();
    });
}

/// Who moves in has looked and found no node of its key; then the other key at home, and its node, are
/// replaced by another that leaves such a node behind, and the word is what it was.
#[test]
fn a_node_comes_between_the_look_and_the_claim() {
    explore(3, || {
        let room = room(1);
        let stranger = room.gates.try_acquire(key(2)).unwrap();
        let node = room.gates.clone().try_acquire_owned(key(3)).unwrap();
        drop(stranger);
        let there = room.clone();
        let thread = thread::spawn(move || {
            let stranger = there.gates.try_acquire(key(2)).unwrap();
            let permit = there.gates.try_acquire(key(1));
            drop((node, stranger));
            if permit.is_ok() {
                there.witnesses[1].with_mut(|_| ());
            }
            permit.is_ok()
        });
        let here = room.work(1);
        assert!(thread.join().unwrap() || here, "somebody was refused by nobody");
        room.assert_gone();
    });
}

/// A key whose node is about to go is wanted again by two.
#[test]
fn the_last_leaver_of_a_node_against_two_joiners() {
    explore(2, || {
        let room = room(1);
        let stranger = room.gates.try_acquire(key(2)).unwrap();
        let node = room.gates.try_acquire(key(1)).unwrap();
        drop(stranger);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let room = room.clone();
                thread::spawn(move || room.work(1))
            })
            .collect();
        room.witnesses[1].with_mut(|_| ());
        drop(node);
        for other in others {
            other.join().unwrap();
        }
        room.assert_gone();
        assert!(room.work(1));
    });
}

/// Who reads that a holder has left sees what it wrote.
fn left_is_seen(strangers: bool, left: fn(&Room) -> bool) {
    explore(4, move || {
        let room = room(1);
        let stranger = strangers.then(|| room.gates.try_acquire(key(2)).unwrap());
        let permit = room.gates.clone().try_acquire_owned(key(1)).unwrap();
        let there = room.clone();
        let thread = thread::spawn(move || {
            there.witnesses[1].with_mut(|_| ());
            drop(permit);
        });
        if left(&room) {
            room.witnesses[1].with(|_| ());
        }
        thread.join().unwrap();
        drop(stranger);
        room.assert_gone();
    });
}

#[test]
fn left_is_seen_by_occupied() {
    left_is_seen(false, |room| room.gates.occupied(&key(1)) == 0);
}

#[test]
fn left_is_seen_by_occupied_apart() {
    left_is_seen(true, |room| room.gates.occupied(&key(1)) == 0);
}

#[test]
fn left_is_seen_by_len() {
    left_is_seen(false, |room| room.gates.is_empty());
}

#[test]
fn left_is_seen_by_len_apart() {
    left_is_seen(true, |room| room.gates.len() == 1);
}

#[test]
fn a_handle_keeps_the_key_alive() {
    explore(4, || {
        let room = room(1);
        let other = room.clone();
        let thread = thread::spawn(move || other.work(1));
        let handle = room.gates.hold(key(1));
        let entered = handle.try_acquire().map(|permit| {
            room.witnesses[1].with_mut(|_| ());
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
    explore(4, || {
        let room = room(1);
        let other = room.clone();
        let permit = room.gates.try_acquire(key(1)).unwrap();
        let thread = thread::spawn(move || drop(other.gates.hold(key(1))));
        drop(permit);
        thread.join().unwrap();
        room.assert_gone();
    });
}

#[test]
fn resizing_meets_the_last_leaver() {
    explore(4, || {
        let room = room(1);
        let permit = room.gates.try_acquire(key(1)).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || other.gates.set_capacity(&key(1), 2));
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
        let first = room.gates.try_acquire(key(1)).unwrap();
        let raiser = room.clone();
        let raiser = thread::spawn(move || raiser.gates.set_capacity(&key(1), 2));
        let joiner = room.clone();
        let joiner = thread::spawn(move || {
            let permit = joiner.gates.try_acquire(key(1)).ok();
            if permit.is_some() {
                assert_eq!(joiner.gates.len(), 1, "a key went while somebody was inside");
            }
        });
        drop(first);
        raiser.join().unwrap();
        joiner.join().unwrap();
        room.assert_gone();
        assert!(room.work(1));
    });
}

#[test]
fn lowering_is_paid_by_leavers() {
    explore(4, || {
        let room = room(2);
        let first = room.gates.try_acquire(key(1)).unwrap();
        let second = room.gates.try_acquire(key(1)).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || assert!(other.gates.set_capacity(&key(1), 1)));
        drop(first);
        thread.join().unwrap();
        assert!(room.gates.try_acquire(key(1)).is_err());
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
        explore(4, || {
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
        explore(4, || {
            let naive = Naive::new(2, true);
            let other = naive.clone();
            let thread = thread::spawn(move || other.with(|| ()).expect("a place is free"));
            naive.with(|| ()).expect("a place is free");
            thread.join().unwrap();
        });
    }
}
