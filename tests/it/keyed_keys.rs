//! The keys of a keyed gate: each is kept while it lives, and dropped once. What a key does when it
//! is compared, cloned or dropped harms no other key.

use std::hash::Hasher;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::support::colliding_hasher::Same;
use headcount::KeyedGate;

/// A key that counts how many of its kind exist. It is not `Clone`: the gate does not need that.
#[derive(PartialEq, Eq, Hash)]
struct Counted(u64, Shared);

#[derive(Clone)]
struct Shared(Arc<AtomicUsize>);

impl PartialEq for Shared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Shared {}

impl std::hash::Hash for Shared {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Counted {
    fn new(key: u64, alive: &Shared) -> Counted {
        alive.0.fetch_add(1, Ordering::Relaxed);
        Counted(key, alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1 .0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_of_keys_leaves_nothing_behind() {
    let alive = Shared(Arc::new(AtomicUsize::new(0)));
    let gates = KeyedGate::new(|_: &Counted| 1);
    for key in 0..100_000 {
        drop(gates.try_acquire(Counted::new(key, &alive)).unwrap());
        assert_eq!(alive.0.load(Ordering::Relaxed), 0, "a key was kept");
    }
    assert_eq!(gates.len(), 0);
}

#[test]
fn no_key_is_lost_with_the_gates() {
    let alive = Shared(Arc::new(AtomicUsize::new(0)));
    let gates = KeyedGate::with_hasher(|_: &Counted| 1, Same);
    std::mem::forget(gates.try_acquire(Counted::new(0, &alive)).unwrap());
    for key in 1..100 {
        drop(gates.try_acquire(Counted::new(key, &alive)).unwrap());
    }
    assert_eq!(gates.len(), 1);
    drop(gates);
    assert_eq!(alive.0.load(Ordering::Relaxed), 0, "keys were leaked");
}

#[test]
fn thousands_of_keys_with_one_hash() {
    let gates = KeyedGate::with_hasher(|_: &u32| 1, Same);
    for _ in 0..2 {
        let permits: Vec<_> = (0..4_200).map(|key| gates.try_acquire(key).unwrap()).collect();
        assert_eq!(gates.len(), 4_200);
        assert!(gates.try_acquire(0).is_err());
        assert!(gates.try_acquire(4_199).is_err());
        drop(permits);
        assert!(gates.is_empty());
    }
}

/// A key that calls a closure when it is compared, and one when it is dropped.
struct Hooked<'a> {
    number: u32,
    compared: &'a (dyn Fn() + Sync),
    dropped: &'a (dyn Fn(u32) + Sync),
}

impl PartialEq for Hooked<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.compared)();
        self.number == other.number
    }
}

impl Eq for Hooked<'_> {}

impl std::hash::Hash for Hooked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl Drop for Hooked<'_> {
    fn drop(&mut self) {
        (self.dropped)(self.number);
    }
}

#[test]
fn a_panicking_comparison_changes_nothing() {
    let fail = AtomicU32::new(0);
    let compared = || assert_eq!(fail.load(Ordering::Relaxed), 0, "the comparison panics");
    let key = |number| Hooked { number, compared: &compared, dropped: &|_| () };
    let gates = KeyedGate::with_hasher(|_: &Hooked<'_>| 1, Same);
    for round in 0..10 {
        let one = gates.try_acquire(key(1)).unwrap();
        let other = gates.try_acquire(key(2)).unwrap();
        fail.store(1, Ordering::Relaxed);
        for number in 1..4 {
            assert!(
                catch_unwind(AssertUnwindSafe(|| gates.try_acquire(key(number)).is_ok())).is_err()
            );
            assert!(catch_unwind(AssertUnwindSafe(|| gates.occupied(&key(number)))).is_err());
        }
        fail.store(0, Ordering::Relaxed);
        assert_eq!(gates.len(), 2, "round {round}");
        drop(one);
        fail.store(1, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| gates.try_acquire(key(1)).is_ok())).is_err());
        fail.store(0, Ordering::Relaxed);
        drop(other);
        assert!(gates.is_empty());
    }
}

#[test]
fn a_panicking_destructor_leaves_the_entry_usable() {
    let fail = AtomicU32::new(0);
    let dropped = |_| assert_eq!(fail.swap(0, Ordering::Relaxed), 0, "the destructor panics");
    let key = || Hooked { number: 1, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::with_hasher(|_: &Hooked<'_>| 1, Same);
    for _ in 0..10 {
        let permit = gates.try_acquire(key()).unwrap();
        fail.store(1, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(permit))).is_err());
        assert!(gates.is_empty());
    }
    assert!(gates.try_acquire(key()).is_ok());
}

#[test]
fn a_panicking_destructor_of_the_callers_key_takes_no_place() {
    let fail = AtomicU32::new(0);
    let dropped =
        |number| assert_ne!(fail.swap(0, Ordering::Relaxed), number, "the destructor panics");
    let key = |number| Hooked { number, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::with_hasher(|_: &Hooked<'_>| 2, Same);
    let first = [gates.try_acquire(key(1)).unwrap(), gates.try_acquire(key(2)).unwrap()];
    for number in [1, 2] {
        // The key lives, so the call drops the key that it was called with.
        fail.store(number, Ordering::Relaxed);
        let second = catch_unwind(AssertUnwindSafe(|| gates.try_acquire(key(number)).is_ok()));
        // The panic comes through, and the place that was acquired is given back.
        assert!(second.is_err());
        assert_eq!(gates.occupied(&key(number)), 1);
    }
    drop(first);
    assert!(gates.is_empty());
}

#[test]
fn a_panicking_destructor_beside_a_living_key_harms_none() {
    let fail = AtomicU32::new(0);
    let dropped = |_| assert_eq!(fail.load(Ordering::Relaxed), 0, "the destructor panics");
    let key = |number| Hooked { number, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::with_hasher(|_: &Hooked<'_>| 1, Same);
    let living = gates.try_acquire(key(0)).unwrap();
    for number in 1..1_000 {
        let permit = gates.try_acquire(key(number)).unwrap();
        fail.store(1, Ordering::Relaxed);
        // The panic comes through in the call that ends the key.
        assert!(catch_unwind(AssertUnwindSafe(|| drop(permit))).is_err());
        fail.store(0, Ordering::Relaxed);
        assert_eq!(gates.len(), 1);
    }
    drop(living);
    assert!(gates.is_empty());
}

#[test]
fn a_panicking_destructor_with_the_gates_leaks_no_other_key() {
    let count = AtomicU32::new(0);
    let dropped = |number| {
        count.fetch_add(1, Ordering::Relaxed);
        assert_ne!(number, 3, "the destructor panics");
    };
    let key = |number| Hooked { number, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::new(|_: &Hooked<'_>| 1);
    (0..100).for_each(|number| std::mem::forget(gates.try_acquire(key(number)).unwrap()));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(gates))).is_err());
    assert_eq!(count.load(Ordering::Relaxed), 100);
}

#[test]
fn a_destructor_may_use_the_gate() {
    static GATES: OnceLock<KeyedGate<Loud, Same>> = OnceLock::new();

    /// A key that takes a place of the next key when it is dropped.
    #[derive(PartialEq, Eq, Hash)]
    struct Loud(u32);

    impl Drop for Loud {
        fn drop(&mut self) {
            if self.0 > 0 {
                let gates = GATES.get().expect("the gates are there");
                assert!(gates.try_acquire(Loud(self.0 - 1)).is_ok());
            }
        }
    }

    let gates = GATES.get_or_init(|| KeyedGate::with_hasher(|_| 1, Same));
    drop(gates.try_acquire(Loud(10)).unwrap());
    assert!(gates.is_empty());
}

/// A key that calls a function when it is cloned.
struct Cloned(Counted, fn());

impl PartialEq for Cloned {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Cloned {}

impl std::hash::Hash for Cloned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Clone for Cloned {
    fn clone(&self) -> Self {
        (self.1)();
        Cloned(Counted::new(self.0 .0, &self.0 .1), self.1)
    }
}

#[test]
fn keys_are_freed_while_a_key_is_cloned() {
    static GATES: OnceLock<KeyedGate<Cloned, Same>> = OnceLock::new();
    static MOST: AtomicUsize = AtomicUsize::new(0);
    static RAN: AtomicBool = AtomicBool::new(false);

    fn flood() {
        let gates = GATES.get().expect("the gates are there");
        let alive = Shared(Arc::new(AtomicUsize::new(0)));
        for key in 2..2_000 {
            drop(gates.try_acquire(Cloned(Counted::new(key, &alive), || ())).unwrap());
            MOST.fetch_max(alive.0.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        RAN.store(true, Ordering::Relaxed);
    }

    let gates = GATES.get_or_init(|| KeyedGate::with_hasher(|_| 1, Same));
    let alive = Shared(Arc::new(AtomicUsize::new(0)));
    let permits =
        [0, 1].map(|key| gates.try_acquire(Cloned(Counted::new(key, &alive), flood)).unwrap());
    assert_eq!(gates.keys().count(), 2);
    let most = MOST.load(Ordering::Relaxed);
    assert_eq!(most, 0, "keys were kept while a key was cloned");
    assert!(RAN.load(Ordering::Relaxed));
    drop(permits);
    assert!(gates.is_empty());
}

#[test]
fn a_panicking_clone_keeps_no_key_alive() {
    let alive = Shared(Arc::new(AtomicUsize::new(0)));
    let gates = KeyedGate::with_hasher(|_: &Cloned| 1, Same);
    let key = |key| Cloned(Counted::new(key, &alive), || panic!("the clone panics"));
    let permits = [0, 1, 2].map(|number| gates.try_acquire(key(number)).unwrap());
    assert!(catch_unwind(AssertUnwindSafe(|| gates.keys().count())).is_err());
    drop(permits);
    assert!(gates.is_empty());
}
