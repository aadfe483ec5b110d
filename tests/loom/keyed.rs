//! The lives of a key, in every order of steps and with every stale value.
//!
//! All keys have the same shard, which is rebuilt when a third bucket comes into use, and a caller
//! that has lost a race tries again at once. All else is the code itself.
//!
//! A witness cell stands for what a holder works on: a place too many, or a write of an earlier
//! holder that is not visible, is a race on it. The keys are witnesses too: each is written when it
//! is dropped, and read when it is compared.

use std::cell::Cell;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// Keys below 8 have each their own hash, the others share one.
#[derive(Default)]
struct Few(u64);

impl Hasher for Few {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = u64::from(bytes[0].min(8));
    }
}

impl Few {
    fn hasher() -> BuildHasherDefault<Few> {
        BuildHasherDefault::default()
    }
}

/// Two keys with different hashes, and two with the same hash.
const TWO_HASHES: [u8; 2] = [1, 2];
const ONE_HASH: [u8; 2] = [8, 9];

/// How often a thread may be interrupted.
const BOUND: usize = 2;

struct Room {
    gates: Arc<KeyedGate<Key, BuildHasherDefault<Few>>>,
    witnesses: [UnsafeCell<()>; 10],
}

fn room(capacity: u32) -> Arc<Room> {
    let gates = KeyedGate::with_hasher(move |_: &Key| capacity, Few::hasher());
    Arc::new(Room { gates: Arc::new(gates), witnesses: Default::default() })
}

fn explore(bound: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.check(model);
}

impl Room {
    /// Acquires the only place of a key, if it is free, and writes the key's witness. Returns
    /// whether it was free.
    fn work(&self, number: u8) -> bool {
        let Ok(permit) = self.gates.try_acquire(key(number)) else { return false };
        self.witnesses[usize::from(number)].with_mut(|_| ());
        drop(permit);
        true
    }

    fn assert_gone(&self) {
        assert_eq!(self.gates.len(), 0);
        assert_eq!(self.gates.keys().count(), 0);
        assert_eq!(self.gates.occupied(&key(1)), 0);
        assert_eq!(LIVING.get(), 0, "a key was kept");
    }
}

#[test]
fn never_over_across_lives() {
    explore(3, || {
        let room = room(1);
        let other = room.clone();
        let thread = thread::spawn(move || (other.work(1), other.work(1)));
        let here = room.work(1);
        let (first, second) = thread.join().unwrap();
        assert!(here || (first && second), "a call was refused although the place was free");
        room.assert_gone();
        // Nothing of an earlier life is left in the way.
        assert!(room.work(1));
        room.assert_gone();
    });
}

#[test]
fn a_caller_that_meets_the_removal_is_served() {
    explore(1, || {
        let room = room(3);
        let visit = |room: &Room| {
            let permit = room.gates.try_acquire(key(1)).expect("a place is free");
            assert!(room.gates.occupied(&key(1)) > 0, "a key was removed while a place was held");
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
    explore(BOUND, || {
        let room = room(2);
        let permit = room.gates.try_acquire(key(1)).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || {
            // Two places, and at most two permits at any time.
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

/// One of two places is held throughout, so the other one guards a witness. A caller that has read
/// the word before another one has come and gone sees what that one wrote.
#[test]
fn a_place_changes_hands_beside_a_holder() {
    explore(BOUND, || {
        let room = room(2);
        let holder = room.gates.clone().try_acquire_owned(key(1)).unwrap();
        let there = room.clone();
        let thread = thread::spawn(move || there.work(1));
        let here = room.work(1);
        assert!(thread.join().unwrap() || here, "both were refused");
        drop(holder);
        room.assert_gone();
    });
}

/// Each key has its own place: the only caller of a key is never refused.
fn two_keys([one, other]: [u8; 2]) {
    explore(BOUND, move || {
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
fn two_keys_of_one_shard() {
    two_keys(TWO_HASHES);
}

#[test]
fn two_keys_of_one_hash() {
    two_keys(ONE_HASH);
}

/// Two callers want a key while another key, in the bucket before, ends.
fn beside_an_end([one, other]: [u8; 2]) {
    explore(BOUND, move || {
        let room = room(1);
        let other_key = room.gates.try_acquire(key(other)).unwrap();
        let there = room.clone();
        let thread = thread::spawn(move || there.work(one));
        drop(other_key);
        let here = room.work(one);
        let there = thread.join().unwrap();
        assert!(here || there, "a call was refused although the place was free");
        room.assert_gone();
        assert!(room.work(one));
        room.assert_gone();
    });
}

#[test]
fn a_key_begins_beside_an_end() {
    beside_an_end(TWO_HASHES);
}

#[test]
fn a_key_begins_beside_an_end_of_its_hash() {
    beside_an_end(ONE_HASH);
}

/// A third bucket comes into use: the shard is rebuilt, while another caller finds a key that lives
/// there, or brings the key whose vacant entry goes to life.
#[test]
fn rebuilding_beside_a_living_and_a_vacant_entry() {
    explore(BOUND, || {
        let room = room(2);
        let living = room.gates.try_acquire(key(1)).unwrap();
        assert!(room.work(2));
        let there = room.clone();
        let thread = thread::spawn(move || {
            drop(there.gates.try_acquire(key(1)).expect("one of two places is free"));
            assert!(there.work(2), "the place is free");
        });
        assert!(room.work(3), "the place is free");
        thread.join().unwrap();
        drop(living);
        room.assert_gone();
    });
}

/// Two callers of the same new key: the second one takes the entry that the first one has made, or
/// its bucket, or makes the entry of its next life.
#[test]
fn two_callers_bring_a_key_to_life() {
    explore(BOUND, || {
        let room = room(2);
        let there = room.clone();
        let visit = |room: &Room| {
            let permit = room.gates.try_acquire(key(1)).expect("one of two places is free");
            assert_eq!(room.gates.len(), 1, "a key lives twice, or not at all");
            drop(permit);
        };
        let thread = thread::spawn(move || visit(&there));
        visit(&room);
        thread.join().unwrap();
        room.assert_gone();
    });
}

/// A key gets a gate while places are taken and released: none is lost or made.
#[test]
fn a_key_gets_a_gate_while_a_place_changes_hands() {
    explore(BOUND, || {
        let room = room(1);
        let permit = room.gates.clone().try_acquire_owned(key(1)).unwrap();
        let there = room.clone();
        let thread = thread::spawn(move || {
            there.witnesses[1].with_mut(|_| ());
            drop(permit);
            there.work(1);
        });
        let handle = room.gates.hold(key(1));
        let entered = handle.try_acquire().map(|permit| {
            room.witnesses[1].with_mut(|_| ());
            drop(permit);
        });
        thread.join().unwrap();
        assert_eq!((handle.occupied(), handle.capacity()), (0, 1));
        drop((entered, handle));
        room.assert_gone();
    });
}

/// Two callers give a key a gate at the same time: it gets one.
#[test]
fn two_callers_give_a_key_a_gate() {
    explore(BOUND, || {
        let room = room(1);
        let there = room.clone();
        let thread = thread::spawn(move || {
            let handle = there.gates.hold(key(1));
            let entered = handle.try_acquire().map(|_permit| {
                there.witnesses[1].with_mut(|_| ());
            });
            entered.is_ok()
        });
        let handle = room.gates.hold(key(1));
        let here = handle.try_acquire().map(|_permit| {
            room.witnesses[1].with_mut(|_| ());
        });
        assert!(thread.join().unwrap() || here.is_ok(), "refused although the place was free");
        drop((here, handle));
        room.assert_gone();
    });
}

/// Several places in one step, against single ones.
#[test]
fn many_places_against_single_ones() {
    explore(BOUND, || {
        let room = room(2);
        let there = room.clone();
        let thread = thread::spawn(move || there.gates.try_acquire_many(key(1), 2).is_ok());
        let here = room.gates.try_acquire(key(1)).is_ok();
        assert!(thread.join().unwrap() || here, "both were refused");
        room.assert_gone();
    });
}

/// At most one key may live: a caller of the other key is refused only if the first one lives.
#[test]
fn a_limit_of_keys() {
    explore(BOUND, || {
        let gates = KeyedGate::builder(|_: &Key| 1).max_keys(1).hasher(Few::hasher()).build();
        let gates = Arc::new(gates);
        let there = gates.clone();
        let work = |gates: &KeyedGate<Key, BuildHasherDefault<Few>>, number| {
            gates
                .try_acquire(key(number))
                .map(|_permit| assert!(gates.len() == 1, "too many"))
                .is_ok()
        };
        let thread = thread::spawn(move || work(&there, 1));
        let here = work(&gates, 2);
        assert!(thread.join().unwrap() || here, "both were refused");
        assert!(work(&gates, 3), "the last key has ended");
    });
}

/// Two callers want a key that is about to end.
#[test]
fn the_end_against_two_callers() {
    explore(1, || {
        let room = room(1);
        let permit = room.gates.try_acquire(key(1)).unwrap();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let room = room.clone();
                thread::spawn(move || room.work(1))
            })
            .collect();
        room.witnesses[1].with_mut(|_| ());
        drop(permit);
        for other in others {
            other.join().unwrap();
        }
        room.assert_gone();
        assert!(room.work(1));
    });
}

/// A caller that reads that a holder has left sees what it wrote.
fn left_is_seen(left: fn(&Room) -> bool) {
    explore(BOUND, move || {
        let room = room(1);
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
        room.assert_gone();
    });
}

#[test]
fn left_is_seen_by_occupied() {
    left_is_seen(|room| room.gates.occupied(&key(1)) == 0);
}

#[test]
fn left_is_seen_by_len() {
    left_is_seen(|room| room.gates.is_empty());
}

#[test]
fn a_handle_keeps_the_key_alive() {
    explore(BOUND, || {
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
fn handles_and_permits_go_in_any_order() {
    explore(BOUND, || {
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
fn resizing_meets_the_last_release() {
    explore(BOUND, || {
        let room = room(1);
        let permit = room.gates.try_acquire(key(1)).unwrap();
        let other = room.clone();
        let thread = thread::spawn(move || other.gates.set_capacity(&key(1), 2));
        drop(permit);
        thread.join().unwrap();
        room.assert_gone();
    });
}

/// Raised by one, a slot with one place held reads as one without does otherwise.
#[test]
fn raising_does_not_hide_a_held_place() {
    explore(2, || {
        let room = room(1);
        let first = room.gates.try_acquire(key(1)).unwrap();
        let raiser = room.clone();
        let raiser = thread::spawn(move || raiser.gates.set_capacity(&key(1), 2));
        let joiner = room.clone();
        let joiner = thread::spawn(move || {
            let permit = joiner.gates.try_acquire(key(1)).ok();
            if permit.is_some() {
                assert_eq!(joiner.gates.len(), 1, "a key was removed while a place was held");
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
fn a_lowering_is_paid_by_releases() {
    explore(BOUND, || {
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

/// Keys without a destructor: those that came before stay in their entries when they end.
///
/// Loom sees each access to the memory of a key, so a key that is written while it is read is a
/// race.
mod dormant {
    use super::*;

    type Gates = KeyedGate<u8, BuildHasherDefault<Few>>;

    struct Room {
        gates: Gates,
        witnesses: [UnsafeCell<()>; 10],
    }

    /// Makes gates where each of those keys is dormant.
    fn room(capacity: u32, dormant: &[u8]) -> Arc<Room> {
        let gates = KeyedGate::with_hasher(move |_: &u8| capacity, Few::hasher());
        let room = Room { gates, witnesses: Default::default() };
        for &number in dormant {
            // Its second life is the first that its entry keeps.
            for _ in 0..2 {
                drop(room.gates.try_acquire(number).expect("a place is free"));
            }
        }
        Arc::new(room)
    }

    impl Room {
        fn work(&self, number: u8) -> bool {
            let Ok(permit) = self.gates.try_acquire(number) else { return false };
            assert_eq!(*permit.key(), number, "a place of another key");
            self.witnesses[usize::from(number)].with_mut(|_| ());
            drop(permit);
            true
        }

        fn visit(&self, number: u8) {
            let permit = self.gates.try_acquire(number).expect("a place is free");
            assert_eq!(*permit.key(), number, "a place of another key");
        }

        fn assert_gone(&self) {
            assert_eq!(self.gates.len(), 0);
            assert_eq!(self.gates.keys().count(), 0);
            assert_eq!(self.gates.occupied(&1), 0);
        }
    }

    /// Two callers bring a key back to life: one at a time has the place.
    #[test]
    fn two_callers_of_a_dormant_key() {
        explore(3, || {
            let room = room(1, &[1]);
            let there = room.clone();
            let thread = thread::spawn(move || (there.work(1), there.work(1)));
            let here = room.work(1);
            let (first, second) = thread.join().unwrap();
            assert!(here || (first && second), "a call was refused although the place was free");
            room.assert_gone();
            assert!(room.work(1));
        });
    }

    /// A key comes back to life while its last holder leaves.
    #[test]
    fn a_key_comes_back_beside_its_end() {
        explore(BOUND, || {
            let room = room(2, &[1]);
            let there = room.clone();
            let thread = thread::spawn(move || {
                there.visit(1);
                there.visit(1);
            });
            room.visit(1);
            assert!(room.gates.len() <= 1, "a key lives twice");
            thread.join().unwrap();
            room.assert_gone();
        });
    }

    /// A caller that has not found the entry opens one, while a key comes back to life in it.
    #[test]
    fn a_key_is_opened_while_it_comes_and_goes() {
        explore(3, || {
            let room = room(1, &[]);
            let there = room.clone();
            let thread = thread::spawn(move || (0..4).map(|_| there.work(1)).all(|worked| worked));
            let here = room.work(1);
            assert!(thread.join().unwrap() || here, "both were refused");
            room.assert_gone();
        });
    }

    /// Another key of the same hash takes the entry of a dormant key, which comes back to life.
    #[test]
    fn a_key_comes_back_beside_an_opening_of_its_hash() {
        explore(BOUND, || {
            let room = room(1, &[8]);
            let there = room.clone();
            // At the first meeting each may be refused for the other.
            let thread = thread::spawn(move || there.work(8));
            room.work(9);
            thread.join().unwrap();
            room.assert_gone();
            assert!(room.work(8) && room.work(9));
            room.assert_gone();
        });
    }

    /// The same with places for both.
    #[test]
    fn both_keys_of_a_hash_are_served() {
        explore(BOUND, || {
            let room = room(2, &[8]);
            let there = room.clone();
            let thread = thread::spawn(move || there.visit(8));
            room.visit(9);
            thread.join().unwrap();
            room.assert_gone();
        });
    }

    /// A key that ends with its gate is brought to life in another entry meanwhile. From then on
    /// two entries have its hash; but the key is in one of them, whatever its capacities are.
    #[test]
    fn a_key_with_two_entries_is_in_one() {
        explore(BOUND, || {
            let capacity = Arc::new(AtomicU32::new(1));
            let returned = capacity.clone();
            let capacity_of = move |_: &u8| returned.load(Ordering::Relaxed);
            let gates: Arc<Gates> = Arc::new(KeyedGate::with_hasher(capacity_of, Few::hasher()));
            let handle = gates.clone().hold_owned(1);
            let thread = thread::spawn(move || drop(handle));
            drop(gates.try_acquire(1).expect("the place is free"));
            thread.join().unwrap();
            let acquire = |n| {
                capacity.store(n, Ordering::Relaxed);
                gates.try_acquire(1)
            };
            for n in [1, 1, 2] {
                drop(acquire(n).expect("a place is free"));
            }
            let _held = acquire(1).expect("the place is free");
            assert!(acquire(2).is_err(), "a key lives twice");
            assert_eq!(gates.len(), 1);
        });
    }

    /// A third bucket comes into use: the array is rebuilt while a key of it comes back to life.
    #[test]
    fn a_key_comes_back_beside_a_rebuilding() {
        explore(BOUND, || {
            let room = room(1, &[1, 2]);
            let there = room.clone();
            let thread = thread::spawn(move || {
                assert!(there.work(2), "the place is free");
            });
            assert!(room.work(3), "the place is free");
            assert!(room.work(4), "the place is free");
            thread.join().unwrap();
            room.assert_gone();
            assert!(room.work(1) && room.work(2));
        });
    }

    /// A key gets a gate while it comes and goes.
    #[test]
    fn a_handle_of_a_dormant_key() {
        explore(BOUND, || {
            let room = room(1, &[1]);
            let there = room.clone();
            let thread = thread::spawn(move || (there.work(1), there.work(1)));
            let handle = room.gates.hold(1);
            let entered = handle.try_acquire().map(|_permit| {
                room.witnesses[1].with_mut(|_| ());
            });
            assert!(room.gates.len() == 1);
            let (first, second) = thread.join().unwrap();
            assert!(entered.is_ok() || first || second, "all were refused");
            drop((entered, handle));
            room.assert_gone();
            assert!(room.work(1));
        });
    }

    /// A reader of all keys keeps a key alive that comes back and goes.
    #[test]
    fn keys_meets_a_dormant_key() {
        explore(BOUND, || {
            let room = room(1, &[1]);
            let there = room.clone();
            let thread = thread::spawn(move || (there.work(1), there.work(1)));
            assert!(room.gates.keys().count() <= 1);
            assert!(room.gates.occupied(&1) <= 1);
            assert_eq!(thread.join().unwrap(), (true, true), "refused although the place was free");
            room.assert_gone();
        });
    }

    /// At most one key may live: keys give their places of the limit back, and are not dormant.
    #[test]
    fn a_limit_of_keys_that_come_and_go() {
        explore(BOUND, || {
            let gates = KeyedGate::builder(|_: &u8| 1).max_keys(1).hasher(Few::hasher()).build();
            let gates = Arc::new(gates);
            let work = |gates: &Gates, number| {
                let permit = gates.try_acquire(number);
                permit.map(|_permit| assert!(gates.len() == 1, "too many")).is_ok()
            };
            assert!(work(&gates, 1) && work(&gates, 1));
            let there = gates.clone();
            let thread = thread::spawn(move || work(&there, 1));
            let here = work(&gates, 2);
            assert!(thread.join().unwrap() || here, "both were refused");
            assert!(work(&gates, 1) && work(&gates, 3), "the last key has ended");
        });
    }

    /// A caller that reads that the last holder has left sees what it wrote.
    #[test]
    fn left_is_seen_of_a_dormant_key() {
        explore(BOUND, || {
            let room = room(1, &[1]);
            let there = room.clone();
            let thread = thread::spawn(move || there.work(1));
            let before = room.gates.len();
            if before == 1 && room.gates.is_empty() {
                room.witnesses[1].with(|_| ());
            }
            assert!(thread.join().unwrap(), "the place is free");
            room.assert_gone();
        });
    }
}

/// Rejected protocols: gates that are removed from a map in the obvious ways. Their models must
/// fail, or the models above prove nothing.
mod rejected {
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

    /// Reads whether it was the last holder, and then removes: another caller may have entered
    /// between.
    #[test]
    #[should_panic(expected = "Causality violation")]
    fn looking_before_removing_is_not_enough() {
        explore(BOUND, || {
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

    /// Closes before it removes, but a caller that meets the closed gate is refused.
    #[test]
    #[should_panic(expected = "a place is free")]
    fn a_caller_that_meets_a_closed_gate_must_retry() {
        explore(BOUND, || {
            let naive = Naive::new(2, true);
            let other = naive.clone();
            let thread = thread::spawn(move || other.with(|| ()).expect("a place is free"));
            naive.with(|| ()).expect("a place is free");
            thread.join().unwrap();
        });
    }
}
