//! Gates by key beside `DashMap<K, Semaphore>`: one acquire and release, in one run.
//!
//! `cargo bench --features keyed --bench keyed`
//!
//! Criterion times each contender by itself. Then the rivals are paired with the gates by key,
//! round by round, and a table of the ratios ends the run; `common` says how they are made. With a
//! filter that matches nothing, as in `-- table`, only the table is made.
//!
//! Each key has places for all, so no caller is refused. Keys are drawn at random beforehand, for
//! each thread its own. Caches are hot: a gate by key uses the same cells however many keys are
//! drawn.
//!
//! The rivals, as programs write them with dashmap and tokio:
//! - `dashmap removing`: does what this crate does. An acquire inserts the semaphore if it is
//!   missing, and takes a permit under the shard's lock, so that it is not removed meanwhile. A
//!   release gives the permit back and, under the shard's lock, removes the semaphore if all
//!   permits are back.
//! - `dashmap removing, arc`: the same with `Arc<Semaphore>` and owned permits, which can be held
//!   and dropped as the guards of this crate can.
//! - `dashmap of counters`: removes too, with a plain counter in place of the semaphore. The
//!   entry's lock, which an acquire and a release take anyway, makes it exact.
//! - `dashmap growing`: never removes, so it grows with every key that was ever seen.

mod common;

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion};
use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use headcount::{Gate, KeyedGate, OwnedKeyHandle};
use tokio::sync::Semaphore;

use common::contenders::{Contender, Pair};
use common::crew::Crew;
use common::ratio::{compare, Effort, Side};
use common::table::{Table, Target};

const CAPACITY: u32 = 8;
const THREADS: usize = 2;
const KEYS: [u64; 5] = [1, 10, 1_000, 100_000, 1_000_000];

/// A limit for each key.
trait Keyed: Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;

    /// Takes a place of the key and gives it back.
    fn visit(&self, key: u64);

    /// Takes a place of the key for good.
    fn stay(&self, key: u64);
}

impl Keyed for KeyedGate<u64> {
    const NAME: &'static str = "KeyedGate";

    fn new() -> Self {
        KeyedGate::new(|_| CAPACITY)
    }

    fn visit(&self, key: u64) {
        drop(black_box(self.try_acquire(key).unwrap()));
    }

    fn stay(&self, key: u64) {
        std::mem::forget(self.try_acquire(key).unwrap());
    }
}

struct Removing(DashMap<u64, Semaphore>);

impl Keyed for Removing {
    const NAME: &'static str = "dashmap removing";

    fn new() -> Self {
        Removing(DashMap::new())
    }

    fn visit(&self, key: u64) {
        let made = self.0.entry(key).or_insert_with(|| Semaphore::new(CAPACITY as usize));
        made.try_acquire().unwrap().forget();
        drop(made);
        self.0.remove_if(&key, |_, semaphore| {
            semaphore.add_permits(1);
            semaphore.available_permits() == CAPACITY as usize
        });
    }

    fn stay(&self, key: u64) {
        let made = self.0.entry(key).or_insert_with(|| Semaphore::new(CAPACITY as usize));
        made.try_acquire().unwrap().forget();
    }
}

struct RemovingArc(DashMap<u64, Arc<Semaphore>>);

impl Keyed for RemovingArc {
    const NAME: &'static str = "dashmap removing, arc";

    fn new() -> Self {
        RemovingArc(DashMap::new())
    }

    fn visit(&self, key: u64) {
        let made = self.0.entry(key).or_insert_with(|| Arc::new(Semaphore::new(CAPACITY as usize)));
        let permit = made.clone().try_acquire_owned().unwrap();
        drop(made);
        drop(black_box(permit));
        self.0.remove_if(&key, |_, semaphore| semaphore.available_permits() == CAPACITY as usize);
    }

    fn stay(&self, key: u64) {
        let made = self.0.entry(key).or_insert_with(|| Arc::new(Semaphore::new(CAPACITY as usize)));
        made.try_acquire().unwrap().forget();
    }
}

struct Counters(DashMap<u64, u32>);

impl Counters {
    fn acquire(&self, key: u64) -> bool {
        let mut taken = self.0.entry(key).or_insert(0);
        let free = *taken < CAPACITY;
        *taken += u32::from(free);
        free
    }
}

impl Keyed for Counters {
    const NAME: &'static str = "dashmap of counters";

    fn new() -> Self {
        Counters(DashMap::new())
    }

    fn visit(&self, key: u64) {
        assert!(black_box(self.acquire(key)));
        self.0.remove_if_mut(&key, |_, taken| {
            *taken -= 1;
            *taken == 0
        });
    }

    fn stay(&self, key: u64) {
        assert!(self.acquire(key));
    }
}

struct Growing(DashMap<u64, Semaphore>);

impl Keyed for Growing {
    const NAME: &'static str = "dashmap growing";

    fn new() -> Self {
        Growing(DashMap::new())
    }

    fn visit(&self, key: u64) {
        let made = self.0.entry(key).or_insert_with(|| Semaphore::new(CAPACITY as usize));
        made.try_acquire().unwrap().forget();
        drop(made);
        self.0.get(&key).unwrap().add_permits(1);
    }

    fn stay(&self, key: u64) {
        let made = self.0.entry(key).or_insert_with(|| Semaphore::new(CAPACITY as usize));
        made.try_acquire().unwrap().forget();
    }
}

/// The keys of a thread, in the order of use.
struct Draw {
    keys: Vec<u64>,
    next: AtomicUsize,
}

impl Draw {
    fn of(keys: u64, thread: usize) -> Draw {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(thread as u64 + 1);
        let drawn = (0..1 << 16).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 32) * keys) >> 32
        });
        Draw { keys: drawn.collect(), next: AtomicUsize::new(0) }
    }

    /// Returns the next key. Only one thread uses this draw.
    fn next(&self) -> u64 {
        let next = self.next.load(Ordering::Relaxed);
        self.next.store(next + 1, Ordering::Relaxed);
        self.keys[next % self.keys.len()]
    }
}

/// A limit by key whose keys come and go.
struct Spread<L> {
    limit: L,
    draws: Vec<CachePadded<Draw>>,
}

impl<L: Keyed> Spread<L> {
    fn new(keys: u64) -> Arc<Self> {
        let draws = (0..THREADS).map(|thread| CachePadded::new(Draw::of(keys, thread))).collect();
        let spread = Spread { limit: L::new(), draws };
        // Afterwards all that grows has grown, and is in the cache if it fits.
        for key in 0..keys {
            spread.limit.visit(key);
        }
        Arc::new(spread)
    }

    /// The same beside `others` keys that are held all the time.
    fn beside(keys: u64, others: u64) -> Arc<Self> {
        let spread = Self::new(keys);
        for other in 0..others {
            spread.limit.stay(u64::MAX - other);
        }
        spread
    }
}

impl<L: Keyed> Contender for Spread<L> {
    const NAME: &'static str = L::NAME;

    #[inline(always)]
    fn once(&self, thread: usize) {
        self.limit.visit(black_box(self.draws[thread].next()));
    }
}

/// One key that is held all the time, so that it neither comes nor goes.
struct Busy(Arc<KeyedGate<u64>>);

impl Contender for Busy {
    const NAME: &'static str = "KeyedGate";

    #[inline(always)]
    fn once(&self, _: usize) {
        self.0.visit(black_box(0));
    }
}

struct Held(OwnedKeyHandle<u64>);

impl Contender for Held {
    const NAME: &'static str = "KeyHandle";

    #[inline(always)]
    fn once(&self, _: usize) {
        let permit = self.0.try_acquire();
        let _ = permit.is_ok();
    }
}

/// Shared by all scenarios.
struct Bench {
    criterion: Criterion,
    crew: Crew,
    table: Table,
}

impl Bench {
    /// Times and compares `subject` and its peers on one thread and on several.
    fn play<C: Contender>(&mut self, name: &str, subject: &Arc<C>, peers: &[&dyn Peer]) {
        for threads in [1, THREADS] {
            let name = format!("{name}, {}", plural(threads as u64, "thread"));
            let subject = Side::new(subject, threads);
            let peers: Vec<_> = peers.iter().map(|peer| peer.side(threads)).collect();
            let mut group = self.criterion.benchmark_group("keyed");
            for side in std::iter::once(&subject).chain(peers.iter().map(|(side, _)| side)) {
                group.bench_function(BenchmarkId::new(&name, side.name()), |bencher| {
                    bencher.iter_custom(|operations| side.burst(&self.crew, operations));
                });
            }
            drop(group);
            if common::is_listing() {
                continue;
            }
            let effort = if common::is_trial() {
                Effort { rounds: 1, operations: 100 }
            } else {
                Effort { rounds: 41, operations: 5_000 }
            };
            for (peer, target) in &peers {
                let comparison = compare(&self.crew, &subject, peer, effort);
                self.table.add(&name, peer.name(), comparison, *target);
            }
        }
    }
}

/// A peer, with the target of the ratio to it.
struct Beside<C>(Arc<C>, Target);

trait Peer {
    fn side(&self, threads: usize) -> (Side<'_>, Target);
}

impl<C: Contender> Peer for Beside<C> {
    fn side(&self, threads: usize) -> (Side<'_>, Target) {
        (Side::new(&self.0, threads), self.1)
    }
}

fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn main() {
    let table =
        Table::new("Gates by key", "cargo bench --features keyed --bench keyed", "KeyedGate");
    let mut bench = Bench { criterion: common::criterion(), crew: Crew::new(THREADS), table };

    for keys in KEYS {
        let ours = Spread::<KeyedGate<u64>>::new(keys);
        bench.play(
            &plural(keys, "key"),
            &ours,
            &[
                &Beside(Spread::<Removing>::new(keys), Target::AtMost(0.7)),
                &Beside(Spread::<RemovingArc>::new(keys), Target::AtMost(0.7)),
                &Beside(Spread::<Counters>::new(keys), Target::None),
                &Beside(Spread::<Growing>::new(keys), Target::None),
            ],
        );
        assert!(ours.limit.is_empty());
    }

    // Most keys live in the overflow map: the weak spot.
    bench.play(
        "1000 keys beside 10000",
        &Spread::<KeyedGate<u64>>::beside(1_000, 10_000),
        &[
            &Beside(Spread::<Removing>::beside(1_000, 10_000), Target::None),
            &Beside(Spread::<RemovingArc>::beside(1_000, 10_000), Target::None),
            &Beside(Spread::<Counters>::beside(1_000, 10_000), Target::None),
        ],
    );

    let limit = Arc::new(KeyedGate::<u64>::new(|_| CAPACITY));
    let _inside = Arc::clone(&limit).try_acquire_owned(0).unwrap();
    let busy = Arc::new(Busy(Arc::clone(&limit)));
    bench.play("a busy key", &busy, &[&Beside(Spread::<Growing>::new(1), Target::None)]);

    let held = Arc::new(Held(limit.hold_owned(0)));
    let gate = Pair::<Gate>::new(CAPACITY);
    bench.play("a held key", &held, &[&Beside(gate, Target::AtMost(1.1))]);

    bench.criterion.final_summary();
    if !common::is_listing() {
        println!("\n{}", bench.table);
    }
}
