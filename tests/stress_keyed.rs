//! Gates by key under random load, with the real map. Also meant to be run under ThreadSanitizer.
//!
//! `cargo test --release --features keyed --test stress_keyed -- [rounds]`
//!
//! Each key guards a number that only its holders write, without synchronising: with a capacity of
//! 1, a place too many or a life that overlaps the next is a lost write.

#[cfg(headcount_loom)]
fn main() {}

#[cfg(not(headcount_loom))]
fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(20_000);
    stress::one_at_a_time(rounds);
    stress::never_over(rounds);
    stress::everybody_is_served(rounds);
    stress::memory_stays_flat(rounds.max(1_000_000));
    println!("stress_keyed: ok");
}

#[cfg(not(headcount_loom))]
mod stress {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
    use std::sync::Arc;

    use headcount::KeyedGate;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const THREADS: u64 = 4;

    fn on_threads(f: impl Fn(SmallRng) + Sync) {
        std::thread::scope(|scope| {
            for seed in 0..THREADS {
                let f = &f;
                scope.spawn(move || f(SmallRng::seed_from_u64(seed)));
            }
        });
    }

    /// Capacity 1 is a lock that gives up: what it guards is read and written in two steps.
    pub(crate) fn one_at_a_time(rounds: u64) {
        const KEYS: u64 = 8;
        let gates = KeyedGate::new(|_: &u64| 1);
        let guarded: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        let entered: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        on_threads(|mut random| {
            for _ in 0..rounds {
                let key = random.random_range(0..KEYS);
                if let Ok(_permit) = gates.try_acquire(key) {
                    let seen = guarded[key as usize].load(Relaxed);
                    if random.random_ratio(1, 16) {
                        std::thread::yield_now();
                    }
                    guarded[key as usize].store(seen + 1, Relaxed);
                    entered[key as usize].fetch_add(1, Relaxed);
                }
            }
        });
        for (guarded, entered) in guarded.iter().zip(&entered) {
            assert_eq!(guarded.load(Relaxed), entered.load(Relaxed), "two were inside at once");
            assert!(entered.load(Relaxed) > 0, "nobody was ever inside");
        }
        assert_eq!(gates.len(), 0);
        assert_eq!(gates.snapshot(), []);
    }

    /// Places, handles, owned permits that go elsewhere, and capacities that change.
    pub(crate) fn never_over(rounds: u64) {
        const KEYS: u64 = 4;
        const MOST: u32 = 3;
        let gates = Arc::new(KeyedGate::new(|key: &u64| 1 + (*key as u32 % MOST)));
        let inside: Vec<AtomicU32> = (0..KEYS).map(|_| AtomicU32::new(0)).collect();
        let (sender, receiver) = std::sync::mpsc::channel();
        let dropper = std::thread::spawn(move || for _ in receiver {});
        on_threads(|mut random| {
            let mut kept = Vec::new();
            let sender = sender.clone();
            for _ in 0..rounds {
                let key = random.random_range(0..KEYS);
                let inside = &inside[key as usize];
                match random.random_range(0..8) {
                    0 => {
                        let handle = gates.hold(key);
                        if let Ok(_permit) = handle.try_acquire() {
                            assert!(inside.fetch_add(1, Relaxed) < MOST, "a place too many");
                            inside.fetch_sub(1, Relaxed);
                        };
                    }
                    1 => {
                        gates.set_capacity(&key, random.random_range(0..=MOST));
                    }
                    2 => {
                        if let Ok(permit) = gates.clone().try_acquire_owned(key) {
                            sender.send(permit).unwrap();
                        }
                    }
                    3 => kept.extend(gates.try_acquire(key).ok()),
                    4 => drop(kept.pop()),
                    // A reading that overlaps a resizing may be off by as much as that moves.
                    5 => assert!(gates.occupied(&key) <= 2 * MOST),
                    _ => {
                        if let Ok(_permit) = gates.try_acquire(key) {
                            assert!(inside.fetch_add(1, Relaxed) < MOST, "a place too many");
                            inside.fetch_sub(1, Relaxed);
                        }
                    }
                }
            }
        });
        drop(sender);
        dropper.join().unwrap();
        assert_eq!(gates.snapshot(), []);
        for key in 0..KEYS {
            let all: Vec<_> = (0..4).filter_map(|_| gates.try_acquire(key).ok()).collect();
            assert_eq!(all.len() as u64, 1 + key % u64::from(MOST), "places were lost or made");
        }
        assert!(gates.is_empty());
    }

    /// As many places as callers: whoever meets a removal must be served.
    pub(crate) fn everybody_is_served(rounds: u64) {
        let gates = KeyedGate::new(|_: &u64| THREADS as u32);
        on_threads(|mut random| {
            for _ in 0..rounds {
                let key = random.random_range(0..2);
                drop(gates.try_acquire(key).expect("there is a place for each"));
            }
        });
        assert!(gates.is_empty());
    }

    /// A flood of distinct keys leaves nothing behind.
    pub(crate) fn memory_stays_flat(keys: u64) {
        let gates = KeyedGate::new(|_: &u64| 1);
        let flood = |from: u64| {
            on_threads(|mut random| {
                let mine = random.random::<u64>();
                for key in 0..keys / THREADS {
                    drop(gates.try_acquire(mine ^ (from + key)).expect("the key is new"));
                }
            });
        };
        flood(0);
        let before = resident();
        flood(1 << 40);
        let after = resident();
        assert_eq!(gates.len(), 0);
        println!("a flood of {keys} keys: {before:?} -> {after:?} KiB resident");
        if let (Some(before), Some(after)) = (before, after) {
            assert!(after < before + 8 * 1024, "memory has grown");
        }
    }

    /// Resident memory in KiB, where the system tells.
    fn resident() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}
