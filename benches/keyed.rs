//! Gates by key beside `DashMap<K, Semaphore>`: one acquire and release, in one run.
//!
//! `cargo bench --features keyed --bench keyed`
//!
//! The figure is the time of one acquire and release, over all threads: the wall time of the slowest
//! thread, divided by the pairs that each did. Threads start behind a barrier; making them is not
//! timed. Each key has room for all, so nobody is refused. Keys are drawn by a generator of each
//! thread's own, from a table that was made before.
//!
//! The rivals, written as people write them with dashmap and tokio:
//! - `dashmap removing`: does what this crate does. The semaphore is made in the map if it is not
//!   there, a permit is taken under the shard's lock, so that nobody removes it meanwhile; the
//!   release gives it back, and removes the semaphore if it is whole again, under the shard's lock.
//! - `dashmap removing, arc`: the same with `Arc<Semaphore>` and owned permits, which can be
//!   held and dropped as a guard like ours can.
//! - `dashmap growing`: never removes: grows with every key that was ever seen. All keys are there
//!   before the time starts.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use dashmap::DashMap;
use headcount::{Gate, KeyedGate};
use tokio::sync::Semaphore;

const CAPACITY: u32 = 8;

/// Keys in the order in which a thread uses them.
fn draw(keys: u64, thread: u64) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(thread + 1);
    let drawn = (0..1 << 16).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 32) * keys) >> 32
    });
    drawn.collect()
}

/// The wall time of the slowest of `threads`, each of which does `pairs`.
fn time(threads: u64, keys: u64, pairs: u64, pair: &(impl Fn(u64) + Sync)) -> Duration {
    let barrier = Barrier::new(threads as usize);
    std::thread::scope(|scope| {
        let barrier = &barrier;
        let all: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let drawn = draw(keys, thread);
                    barrier.wait();
                    let start = Instant::now();
                    for &key in drawn.iter().cycle().take(pairs as usize) {
                        pair(black_box(key));
                    }
                    start.elapsed()
                })
            })
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

fn by_key(c: &mut Criterion) {
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("keyed/{threads} threads"));
        group.warm_up_time(Duration::from_millis(200));
        group.measurement_time(Duration::from_millis(800));
        group.sample_size(10);
        for keys in [1, 10, 1_000, 100_000, 1_000_000] {
            let mut measure = |name: &str, pair: &(dyn Fn(u64) + Sync)| {
                group.bench_function(BenchmarkId::new(name, keys), |b| {
                    b.iter_custom(|pairs| time(threads, keys, pairs, &|key| pair(key)))
                });
            };

            let gates = KeyedGate::new(|_: &u64| CAPACITY);
            measure("headcount", &|key| drop(black_box(gates.try_acquire(key).unwrap())));
            assert!(gates.is_empty());

            let rival = DashMap::<u64, Semaphore>::new();
            measure("dashmap removing", &|key| {
                let made = rival.entry(key).or_insert_with(|| Semaphore::new(CAPACITY as usize));
                made.try_acquire().unwrap().forget();
                drop(made);
                rival.remove_if(&key, |_, semaphore| {
                    semaphore.add_permits(1);
                    semaphore.available_permits() == CAPACITY as usize
                });
            });
            assert!(rival.is_empty());

            let rival = DashMap::<u64, Arc<Semaphore>>::new();
            measure("dashmap removing, arc", &|key| {
                let made =
                    rival.entry(key).or_insert_with(|| Arc::new(Semaphore::new(CAPACITY as usize)));
                let permit = made.clone().try_acquire_owned().unwrap();
                drop(made);
                drop(black_box(permit));
                rival.remove_if(&key, |_, semaphore| {
                    semaphore.available_permits() == CAPACITY as usize
                });
            });
            assert!(rival.is_empty());

            let rival = DashMap::<u64, Semaphore>::new();
            for key in 0..keys {
                rival.insert(key, Semaphore::new(CAPACITY as usize));
            }
            measure("dashmap growing", &|key| {
                rival.get(&key).unwrap().try_acquire().unwrap().forget();
                rival.get(&key).unwrap().add_permits(1);
            });
        }
        group.finish();
    }
}

/// A key that somebody is in all the time, so that it neither comes nor goes.
fn busy(c: &mut Criterion) {
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("keyed/busy, {threads} threads"));
        group.warm_up_time(Duration::from_millis(200));
        group.measurement_time(Duration::from_millis(800));
        group.sample_size(10);
        let mut measure = |name: &str, pair: &(dyn Fn(u64) + Sync)| {
            group.bench_function(name, |b| {
                b.iter_custom(|pairs| time(threads, 1, pairs, &|key| pair(key)))
            });
        };

        let gates = KeyedGate::new(|_: &u64| CAPACITY);
        let _inside = gates.try_acquire(0).unwrap();
        measure("headcount", &|key| drop(black_box(gates.try_acquire(key).unwrap())));

        let rival = DashMap::<u64, Semaphore>::new();
        rival.insert(0, Semaphore::new(CAPACITY as usize));
        measure("dashmap growing", &|key| {
            rival.get(&key).unwrap().try_acquire().unwrap().forget();
            rival.get(&key).unwrap().add_permits(1);
        });

        let handle = gates.hold(0);
        measure("headcount, handle", &|_| drop(black_box(handle.try_acquire().unwrap())));
        let gate = Gate::new(CAPACITY);
        measure("headcount, gate", &|_| drop(black_box(gate.try_acquire().unwrap())));
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    by_key(&mut criterion);
    busy(&mut criterion);
    criterion.final_summary();
}
