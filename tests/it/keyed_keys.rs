//! What becomes of the keys of gates by key: each is kept while it lives, and dropped once; what it does
//! when it is compared or dropped harms no other.

use std::hash::Hasher;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::support::colliding_hasher::Same;
use headcount::KeyedGate;

/// A key that counts. It does not clone: nothing of a key is needed but itself.
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
    // At home, and it never leaves; the others live apart.
    std::mem::forget(gates.try_acquire(Counted::new(0, &alive)).unwrap());
    for key in 1..100 {
        drop(gates.try_acquire(Counted::new(key, &alive)).unwrap());
    }
    assert_eq!(gates.len(), 1);
    drop(gates);
    assert_eq!(alive.0.load(Ordering::Relaxed), 0, "keys were leaked");
}

#[test]
fn more_keys_of_one_home_than_it_counts() {
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

/// A key that does what it is told when it is compared, or dropped.
struct Told<'a> {
    number: u32,
    compared: &'a (dyn Fn() + Sync),
    dropped: &'a (dyn Fn(u32) + Sync),
}

impl PartialEq for Told<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.compared)();
        self.number == other.number
    }
}

impl Eq for Told<'_> {}

impl std::hash::Hash for Told<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        (self.dropped)(self.number);
    }
}

#[test]
fn a_panicking_comparison_changes_nothing() {
    let fail = AtomicU32::new(0);
    let compared = || assert_eq!(fail.load(Ordering::Relaxed), 0, "no comparison today");
    let key = |number| Told { number, compared: &compared, dropped: &|_| () };
    let gates = KeyedGate::with_hasher(|_: &Told<'_>| 1, Same);
    for round in 0..10 {
        let home = gates.try_acquire(key(1)).unwrap();
        let apart = gates.try_acquire(key(2)).unwrap();
        fail.store(1, Ordering::Relaxed);
        for number in 1..4 {
            assert!(
                catch_unwind(AssertUnwindSafe(|| gates.try_acquire(key(number)).is_ok())).is_err()
            );
            assert!(catch_unwind(AssertUnwindSafe(|| gates.occupied(&key(number)))).is_err());
        }
        fail.store(0, Ordering::Relaxed);
        assert_eq!(gates.len(), 2, "round {round}");
        drop(home);
        // Its home is vacant now, so that who comes looks at the node alone.
        fail.store(1, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| gates.try_acquire(key(1)).is_ok())).is_err());
        fail.store(0, Ordering::Relaxed);
        drop(apart);
        assert!(gates.is_empty());
    }
}

#[test]
fn a_panicking_destructor_leaves_the_home_to_others() {
    let fail = AtomicU32::new(0);
    let dropped = |_| assert_eq!(fail.swap(0, Ordering::Relaxed), 0, "not to be dropped");
    let key = || Told { number: 1, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::with_hasher(|_: &Told<'_>| 1, Same);
    for _ in 0..10 {
        let permit = gates.try_acquire(key()).unwrap();
        fail.store(1, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(permit))).is_err());
        assert!(gates.is_empty());
    }
    assert!(gates.try_acquire(key()).is_ok());
}

#[test]
fn a_panicking_destructor_of_who_comes_takes_no_place() {
    let fail = AtomicU32::new(0);
    let dropped = |number| assert_ne!(fail.swap(0, Ordering::Relaxed), number, "not to be dropped");
    let key = |number| Told { number, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::with_hasher(|_: &Told<'_>| 2, Same);
    let first = [gates.try_acquire(key(1)).unwrap(), gates.try_acquire(key(2)).unwrap()];
    for number in [1, 2] {
        // It lives: what is dropped in the call is the key that was brought along.
        fail.store(number, Ordering::Relaxed);
        let second = catch_unwind(AssertUnwindSafe(|| gates.try_acquire(key(number)).is_ok()));
        // At home the panic comes through; nowhere does it keep the place that was taken.
        assert!(second.is_err());
        assert_eq!(gates.occupied(&key(number)), 1);
    }
    drop(first);
    assert!(gates.is_empty());
}

#[test]
fn a_panicking_destructor_apart_interrupts_nobody() {
    let fail = AtomicU32::new(0);
    let panics = AtomicU32::new(0);
    let dropped = |_| {
        if fail.load(Ordering::Relaxed) > 0 {
            panics.fetch_add(1, Ordering::Relaxed);
            panic!("not to be dropped");
        }
    };
    let key = |number| Told { number, compared: &|| (), dropped: &dropped };
    let gates = KeyedGate::with_hasher(|_: &Told<'_>| 1, Same);
    let home = gates.try_acquire(key(0)).unwrap();
    fail.store(1, Ordering::Relaxed);
    for number in 1..1_000 {
        drop(gates.try_acquire(key(number)).unwrap());
    }
    fail.store(0, Ordering::Relaxed);
    assert!(panics.load(Ordering::Relaxed) > 500, "the keys are dropped by and by");
    assert_eq!(gates.len(), 1);
    drop(home);
    assert!(gates.is_empty());
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
