//! The keyed gate under random load, on threads. Also meant for ThreadSanitizer.
//!
//! `cargo test --release --features keyed --test stress -- keyed [rounds]`; with a number of
//! rounds, without the floods that show that memory stays flat.
//!
//! Each key guards a number in plain memory that only its holders write: with a capacity of 1, a
//! place too many, or a life that overlaps the next, is a lost write.

// The witness of happens-before is memory without any synchronisation of its own.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use headcount::KeyedGate;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const THREADS: u64 = 4;

/// A value that lives as long as the program: no thread frees what another has just used.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Runs `f` on plain threads. Uses nothing of the standard library that synchronises where
/// ThreadSanitizer cannot see it.
fn on_threads(f: impl Fn(SmallRng) + Send + Sync + 'static) {
    let f = forever(f);
    let all = (0..THREADS).map(|seed| std::thread::spawn(move || f(SmallRng::seed_from_u64(seed))));
    for thread in all.collect::<Vec<_>>() {
        thread.join().expect("a thread failed");
    }
}

/// Plain memory, guarded by nothing but what is under test.
struct Plain(UnsafeCell<u64>);

// SAFETY: none of its own. That no two threads are in it at once is what the test tests.
unsafe impl Sync for Plain {}

/// Capacity 1 is a lock that gives up: what it guards is read and written in two steps.
pub(crate) fn one_at_a_time(rounds: u64) {
    const KEYS: u64 = 8;
    let gates = forever(KeyedGate::new(|_: &u64| 1));
    let guarded: &[Plain] =
        forever((0..KEYS).map(|_| Plain(UnsafeCell::new(0))).collect::<Vec<_>>());
    let entered: &[AtomicU64] = forever((0..KEYS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
    on_threads(move |mut random| {
        for _ in 0..rounds {
            let key = random.random_range(0..KEYS);
            if let Ok(_permit) = gates.try_acquire(key) {
                let guarded = guarded[key as usize].0.get();
                // SAFETY: the holder of the only place is alone here.
                let seen = unsafe { *guarded };
                if random.random_ratio(1, 16) {
                    std::thread::yield_now();
                }
                // SAFETY: as above.
                unsafe { *guarded = seen + 1 };
                entered[key as usize].fetch_add(1, Relaxed);
            }
        }
    });
    for (guarded, entered) in guarded.iter().zip(entered) {
        // SAFETY: all threads have been joined.
        let guarded = unsafe { *guarded.0.get() };
        assert_eq!(guarded, entered.load(Relaxed), "two permits were held at once");
        assert!(guarded > 0, "no permit was acquired");
    }
    assert_eq!(gates.len(), 0);
    assert_eq!(gates.keys().count(), 0);
}

/// Permits, handles, owned permits that other threads drop, and capacities that change.
pub(crate) fn never_over(rounds: u64) {
    const KEYS: u64 = 4;
    const MOST: u32 = 3;
    let gates = forever(Arc::new(KeyedGate::new(|key: &u64| 1 + (*key as u32 % MOST))));
    let inside: &[AtomicU32] = forever((0..KEYS).map(|_| AtomicU32::new(0)).collect::<Vec<_>>());
    on_threads(move |mut random| {
        let mut kept = Vec::new();
        let mut elsewhere = Vec::new();
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
                        elsewhere.push(permit);
                    }
                    if elsewhere.len() == 8 {
                        let all = std::mem::take(&mut elsewhere);
                        std::thread::spawn(move || drop(all)).join().unwrap();
                    }
                }
                3 => kept.extend(gates.try_acquire(key).ok()),
                4 => drop(kept.pop()),
                // A reading may be off by what each overlapping resizing moves.
                5 => {
                    let occupied = gates.occupied(&key);
                    assert!(occupied <= THREADS as u32 * MOST, "{occupied} held");
                }
                _ => {
                    if let Ok(_permit) = gates.try_acquire(key) {
                        assert!(inside.fetch_add(1, Relaxed) < MOST, "a place too many");
                        inside.fetch_sub(1, Relaxed);
                    }
                }
            }
        }
    });
    assert_eq!(gates.keys().count(), 0);
    for key in 0..KEYS {
        let all: Vec<_> = (0..4).filter_map(|_| gates.try_acquire(key).ok()).collect();
        assert_eq!(all.len() as u64, 1 + key % u64::from(MOST), "places were lost or made");
    }
    assert!(gates.is_empty());
}

/// As many places as callers: a caller that meets a removal must be served.
pub(crate) fn every_caller_is_served(rounds: u64) {
    let gates = forever(KeyedGate::new(|_: &u64| THREADS as u32));
    on_threads(move |mut random| {
        for _ in 0..rounds {
            let key = random.random_range(0..2);
            drop(gates.try_acquire(key).expect("there is a place for each"));
        }
    });
    assert!(gates.is_empty());
}

/// A flood of distinct keys leaves nothing behind, alone and beside living keys.
pub(crate) fn memory_stays_flat(keys: u64, beside: u64) {
    let gates = forever(KeyedGate::new(|_: &u64| 1));
    let held: Vec<_> = (0..beside).map(|key| gates.try_acquire(key).unwrap()).collect();
    let flood = |from: u64| {
        on_threads(move |mut random| {
            let mine = random.random::<u64>();
            for key in 0..keys / THREADS {
                drop(gates.try_acquire(mine ^ (from + key)).expect("the key is new"));
            }
        });
    };
    flood(1 << 32);
    let before = resident();
    flood(1 << 40);
    let after = resident();
    assert_eq!(gates.len() as u64, beside);
    drop(held);
    assert_eq!(gates.len(), 0);
    println!("{keys} keys beside {beside}: {before:?} -> {after:?} KiB resident");
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

/// Runs `given` rounds of each scene; without a number, also the floods that show that memory stays
/// flat.
pub(crate) fn all(given: Option<u64>) {
    let rounds = given.unwrap_or(20_000);
    one_at_a_time(rounds);
    never_over(rounds);
    every_caller_is_served(rounds);
    if given.is_none() {
        memory_stays_flat(1_000_000, 0);
        memory_stays_flat(1_000_000, 5_000);
    }
}
