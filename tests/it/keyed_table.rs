//! The table under a keyed gate: what it costs in memory, and that no code of the user runs while
//! another call could be held up by it.

use std::cell::Cell;
use std::hash::{Hash, Hasher, RandomState};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::support::colliding_hasher::Same;
use allocation_counter::measure;
use headcount::{KeyedGate, TryAcquireError};

#[test]
fn an_idle_gate_takes_at_most_4_kib() {
    let mut gates = None;
    let info = measure(|| gates = Some(KeyedGate::new(|_: &u64| 1)));
    assert!(info.bytes_current <= 4096, "{} bytes", info.bytes_current);
}

#[test]
fn a_living_key_takes_about_a_cache_line() {
    const KEYS: u64 = 100_000;
    let gates = KeyedGate::new(|_: &u64| 1);
    let mut permits = Vec::with_capacity(KEYS as usize);
    let info = measure(|| permits.extend((0..KEYS).map(|key| gates.try_acquire(key).unwrap())));
    let each = info.bytes_current as f64 / KEYS as f64;
    // Blocks of entries double, so up to half of the address space is not in use.
    assert!((64.0..160.0).contains(&each), "{each} bytes");
}

#[test]
fn memory_is_used_again_after_a_flood() {
    let gates = KeyedGate::new(|_: &u64| 1);
    let crowd = |from: u64| {
        let permits: Vec<_> = (from..from + 26_000).map(|key| gates.try_acquire(key)).collect();
        assert!(permits.iter().all(Result::is_ok));
    };
    let flood = |from: u64| (from..from + 50_000).for_each(|key| drop(gates.try_acquire(key)));
    crowd(0);
    flood(1 << 20);
    let info = measure(|| {
        crowd(1 << 40);
        flood(1 << 50);
    });
    // The crowd's own list, and the lists of a rebuilding. Other hashes may need another array.
    assert!(info.bytes_current < 8 * 1024, "{} bytes kept", info.bytes_current);
    assert!(gates.is_empty());
}

#[test]
fn a_table_made_beforehand_is_not_made_larger() {
    const KEYS: u64 = 10_000;
    let gates = KeyedGate::builder(|_: &u64| 1).capacity(KEYS as usize).build();
    let mut permits = Vec::with_capacity(KEYS as usize);
    let info = measure(|| permits.extend((0..KEYS).map(|key| gates.try_acquire(key).unwrap())));
    assert_eq!(info.count_total, 0);
    drop(permits);
    (0..KEYS * 10).for_each(|key| drop(gates.try_acquire(key).unwrap()));
}

#[test]
fn a_refusal_by_reference_allocates_nothing() {
    let gates = KeyedGate::new(|_: &String| 1);
    let mut permit = None;
    let born = measure(|| permit = gates.try_acquire_ref("lobby").ok());
    assert!(permit.is_some() && born.count_total > 0, "the key is made when it comes to life");
    let refused = measure(|| {
        assert_eq!(gates.try_acquire_ref("lobby").unwrap_err(), TryAcquireError::Full);
        assert_eq!(gates.occupied("lobby"), 1);
        assert_eq!(gates.occupied("kitchen"), 0);
    });
    assert_eq!(refused.count_total, 0);
    assert!(gates.set_capacity("lobby", 2));
    let admitted = measure(|| assert!(gates.try_acquire_ref("lobby").is_ok()));
    assert_eq!(admitted.count_total, 0);
}

#[test]
fn a_refusal_allocates_nothing_and_a_key_that_comes_and_goes_neither() {
    let gates = KeyedGate::new(|_: &u64| 1);
    let _held = gates.try_acquire(1).unwrap();
    drop(gates.try_acquire(2).unwrap());
    let info = measure(|| {
        for _ in 0..100 {
            assert!(gates.try_acquire(1).is_err());
            drop(gates.try_acquire(2).unwrap());
        }
    });
    assert_eq!(info.count_total, 0);
}

/// A crowd of keys with one hash makes calls for that hash slow only for as long as it lives.
#[test]
fn a_crowd_of_equal_hashes_leaves_no_trace() {
    static COMPARED: AtomicUsize = AtomicUsize::new(0);

    struct Key(u32);

    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            COMPARED.fetch_add(1, Ordering::Relaxed);
            self.0 == other.0
        }
    }

    impl Eq for Key {}

    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    let gates = KeyedGate::with_hasher(|_: &Key| 1, Same);
    let permits: Vec<_> = (0..5_000).map(|key| gates.try_acquire(Key(key)).unwrap()).collect();
    drop(permits);
    COMPARED.store(0, Ordering::Relaxed);
    for key in 0..100 {
        drop(gates.try_acquire(Key(key)).unwrap());
    }
    assert_eq!(COMPARED.load(Ordering::Relaxed), 0, "compared with keys that have ended");
}

/// A key whose every operation uses the gate that it is a key of.
#[derive(Debug)]
struct Nosy(u32);

static NOSY: OnceLock<KeyedGate<Nosy, Same>> = OnceLock::new();

std::thread_local! {
    static WITHIN: Cell<bool> = const { Cell::new(false) };
    static USES: Cell<u32> = const { Cell::new(0) };
}

/// Brings another key to life, asks after it, gives it a gate and ends it.
fn use_the_gate() {
    let Some(gates) = NOSY.get() else { return };
    if !WITHIN.replace(true) {
        USES.set(USES.get() + 1);
        for number in [100, 101] {
            let permit = gates.try_acquire(Nosy(number)).unwrap();
            assert!(gates.set_capacity(&Nosy(number), 3));
            assert_eq!(gates.occupied(&Nosy(number)), 1);
            drop(permit);
        }
        WITHIN.set(false);
    }
}

impl PartialEq for Nosy {
    fn eq(&self, other: &Self) -> bool {
        use_the_gate();
        self.0 == other.0
    }
}

impl Eq for Nosy {}

impl Hash for Nosy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        use_the_gate();
        self.0.hash(state);
    }
}

impl Clone for Nosy {
    fn clone(&self) -> Self {
        use_the_gate();
        Nosy(self.0)
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        use_the_gate();
    }
}

#[test]
fn every_operation_of_a_key_may_use_the_gate() {
    let capacity_of = |_: &Nosy| {
        use_the_gate();
        2
    };
    let gates = NOSY.get_or_init(|| KeyedGate::with_hasher(capacity_of, Same));
    let permits: Vec<_> = (0..10).map(|number| gates.try_acquire(Nosy(number)).unwrap()).collect();
    assert_eq!(gates.keys().count(), 10);
    let handle = gates.hold(Nosy(3));
    assert_eq!(gates.occupied(&Nosy(3)), 1);
    assert!(gates.try_acquire_many(Nosy(3), 2).unwrap_err().is_full());
    drop((permits, handle));
    assert!(gates.is_empty());
    assert!(USES.get() > 50);
}

#[test]
fn a_panicking_hash_changes_nothing() {
    std::thread_local! { static FAILS: Cell<bool> = const { Cell::new(false) }; }

    #[derive(PartialEq, Eq)]
    struct Key(u32);

    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            assert!(!FAILS.get(), "the hash panics");
            self.0.hash(state);
        }
    }

    let gates = KeyedGate::new(|_: &Key| 1);
    let permit = gates.try_acquire(Key(1)).unwrap();
    FAILS.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| gates.try_acquire(Key(1)).is_ok())).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| gates.occupied(&Key(1)))).is_err());
    drop(permit); // giving back does not hash
    FAILS.set(false);
    assert!(gates.is_empty());
    assert!(gates.try_acquire(Key(1)).is_ok());
}

#[test]
fn at_most_max_keys_live() {
    let gates = KeyedGate::builder(|_: &u64| 2).hasher(RandomState::new()).max_keys(2).build();
    for round in 0..100 {
        let (one, other) = (gates.try_acquire(round).unwrap(), gates.hold(round + 1));
        assert_eq!(gates.try_acquire(round + 2).unwrap_err(), TryAcquireError::KeysFull);
        assert_eq!(gates.try_acquire_many(round + 2, 2).unwrap_err(), TryAcquireError::KeysFull);
        assert!(gates.try_hold(round + 2).unwrap_err().is_keys_full());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(gates.hold(round + 2)))).is_err());
        assert!(gates.try_acquire_many(round + 2, 3).unwrap_err().is_full());
        // A key that lives is not refused for it.
        drop(gates.try_acquire(round).unwrap());
        drop(gates.try_acquire(round + 1).unwrap());
        drop(one);
        drop(gates.try_acquire(round + 2).unwrap());
        drop(other);
        assert!(gates.is_empty());
    }
}

/// A key that has come before, in an entry that keeps it or not, with a capacity of its own in each
/// life. The closure is called once for each.
#[test]
fn each_life_has_the_capacity_that_the_closure_returns() {
    static CAPACITY: AtomicUsize = AtomicUsize::new(1);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let gates = KeyedGate::new(|_: &u32| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        CAPACITY.load(Ordering::Relaxed) as u32
    });
    let lives = [1, 1, 1, 1, 2, 2, 5, 0, 1, 1, 3];
    for capacity in lives {
        CAPACITY.store(capacity, Ordering::Relaxed);
        let before = CALLS.load(Ordering::Relaxed);
        let permits: Vec<_> = std::iter::from_fn(|| gates.try_acquire(7).ok()).collect();
        assert_eq!(permits.len(), capacity);
        // The refused call finds the key alive, unless there is no place at all.
        assert_eq!(CALLS.load(Ordering::Relaxed) - before, 1);
        assert_eq!(gates.len(), capacity.min(1));
    }
    CAPACITY.store(2, Ordering::Relaxed);
    drop(gates.try_acquire(7).unwrap());
    assert!(gates.try_acquire_many(7, 3).unwrap_err().is_full());
    assert_eq!(gates.try_acquire_many(7, 2).unwrap().count(), 2);
    assert_eq!(gates.hold(7).capacity(), 2);
    assert!(gates.is_empty());
}

#[test]
fn max_keys_of_keys_with_destructors() {
    let gates = KeyedGate::builder(|_: &String| 1).max_keys(1).build();
    for _ in 0..10 {
        let permit = gates.try_acquire_ref("ann").unwrap();
        assert!(gates.try_acquire_ref("bob").unwrap_err().is_keys_full());
        drop(permit);
        drop(gates.hold("bob".to_owned()));
    }
}

#[cfg(feature = "wait")]
#[test]
fn a_wait_for_a_key_too_many_is_refused() {
    let gates = Arc::new(KeyedGate::builder(|_: &u64| 1).max_keys(1).build());
    let _held = gates.try_acquire(1).unwrap();
    assert!(gates.acquire(2).wait().unwrap_err().is_keys_full());
    let owned = gates.clone().acquire_many_owned(2, 3);
    assert_eq!((owned.position(), format!("{owned:?}").contains("wants: 3")), (None, true));
    assert!(owned.wait_timeout(std::time::Duration::ZERO).unwrap_err().is_keys_full());
    assert!(gates.acquire(1).wait_timeout(std::time::Duration::ZERO).unwrap_err().is_timeout());
}

#[test]
fn many_places_are_taken_all_or_none() {
    let gates = Arc::new(KeyedGate::new(|key: &u32| *key));
    assert!(gates.try_acquire_many(5, 6).unwrap_err().is_full());
    assert!(gates.is_empty());
    let party = gates.try_acquire_many(5, 3).unwrap();
    assert!(gates.clone().try_acquire_many_owned(5, 3).unwrap_err().is_full());
    let others = gates.clone().try_acquire_many_owned(5, 2).unwrap();
    assert_eq!((party.count(), others.count(), gates.occupied(&5)), (3, 2, 5));
    drop(party);
    let none = gates.try_acquire_many(5, 0).unwrap();
    drop(others);
    assert_eq!((none.count(), gates.occupied(&5), gates.len()), (0, 0, 1));
    drop(none);
    assert!(gates.is_empty());

    // The same while the key has a gate, and across the change.
    let before = gates.try_acquire_many(5, 2).unwrap();
    let handle = gates.hold(5);
    assert_eq!(handle.occupied(), 2);
    let after = gates.try_acquire_many(5, 3).unwrap();
    assert!(handle.try_acquire().is_err());
    drop(before);
    drop(handle);
    assert_eq!((gates.occupied(&5), gates.len()), (3, 1));
    let none = gates.try_acquire_many(5, 0).unwrap();
    drop(after);
    assert_eq!((gates.occupied(&5), gates.len()), (0, 1));
    drop(none);
    assert!(gates.is_empty());
}

/// More calls at once look at a plain key than its word counts.
#[test]
fn thousands_of_permits_of_no_places() {
    let gates = KeyedGate::new(|_: &u32| 1);
    let none: Vec<_> = (0..10_000).map(|_| gates.try_acquire_many(1, 0).unwrap()).collect();
    let permit = gates.try_acquire(1).unwrap();
    assert!(gates.try_acquire(1).unwrap_err().is_full());
    drop(none);
    assert_eq!((gates.occupied(&1), gates.len()), (1, 1));
    drop(permit);
    assert!(gates.is_empty());
}

/// Keys whose threads have ended are dropped all the same.
#[test]
fn keys_of_ended_threads_are_dropped() {
    let alive = Arc::new(());
    let gates = Arc::new(KeyedGate::new(|_: &(u32, Held)| 1));
    for thread in 0..8 {
        let (gates, alive) = (gates.clone(), alive.clone());
        std::thread::spawn(move || {
            for key in 0..100 {
                drop(gates.try_acquire((thread * 1_000 + key, Held(alive.clone()))).unwrap());
            }
        })
        .join()
        .unwrap();
    }
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[derive(Clone)]
struct Held(#[allow(dead_code)] Arc<()>);

impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
