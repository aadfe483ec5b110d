//! Gates by key beside what a program would write instead: one acquire and release, in one run.
//!
//! `cargo bench --features keyed --bench keyed`
//!
//! Criterion times each contender by itself. Then the rivals are paired with the gates by key,
//! round by round, and a table of the ratios ends the run; `common` says how they are made. With a
//! filter that matches nothing, as in `-- table`, only the tables are made.
//!
//! Each key has places for all, so no caller is refused. Keys are drawn at random beforehand, for
//! each thread its own. Up to 1000 keys are called *hot*: all that the contenders touch stays in
//! the caches of a core. With 10000 drawn keys or more, each operation meets memory that has left
//! them: *cold*. A flood uses the same memory again and again, which is hot.
//!
//! The rivals:
//! - `dashmap counter`: a `DashMap<u64, u32>` from a key to the number of places held. An acquire
//!   adds one under the shard's lock; the drop of the guard subtracts it there, and removes the key
//!   with the last place. The least that does what this crate does.
//! - `scc counter`: the same on an `scc::HashMap`.
//! - `dashmap removing, arc`: `Arc<Semaphore>` of tokio in the map, with owned permits. A release
//!   gives the permit back and, under the shard's lock, removes the semaphore if all are back.
//! - `moka counter`: a `moka::sync::Cache` of `Arc<AtomicU32>`. An acquire gets the counter, or
//!   makes it, and adds one; the guard has the `Arc` and subtracts. Keys leave when they were idle
//!   for a minute, held or not, or when the cache is full: less than a limit promises.
//! - `dashmap growing`: never removes, so it grows with every key that was ever seen.
//!
//! After the table: what one more living key costs in memory and time, from ten to a million.

#![allow(unsafe_code)] // An allocator that counts.

mod common;
#[allow(dead_code)] // Each bench uses the part that it needs.
#[path = "common/keyed.rs"]
mod keyed;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use headcount::{Gate, KeyedGate, OwnedKeyHandle};
use tokio::sync::Semaphore;

use common::contenders::{Contender, Pair};
use common::crew::Crew;
use common::plural;
use common::ratio::{compare, Effort, Side};
use common::table::{Table, Target};
use keyed::{Counter, Keyed, SccCounter, CAPACITY};

const THREADS: usize = 2;
const KEYS: [u64; 5] = [1, 10, 1_000, 100_000, 1_000_000];
/// Keys that come and go, and keys that live on.
const BESIDE: [(u64, u64); 4] =
    [(1_000, 10_000), (1_000, 100_000), (10_000, 100_000), (1_000, 1_000_000)];

/// The targets beside a plain counter, on one thread and on several.
const TARGETS: [Target; 2] = [Target::AtMost(0.7), Target::AtMost(0.5)];
const NONE: [Target; 2] = [Target::None; 2];

struct MokaCounter(moka::sync::Cache<u64, Arc<AtomicU32>>);

/// A place of a key in a `MokaCounter`.
struct MokaCounted(Arc<AtomicU32>);

impl MokaCounter {
    fn acquire(&self, key: u64) -> Option<MokaCounted> {
        let held = self.0.get_with(key, Default::default);
        let more = |held: u32| (held < CAPACITY).then(|| held + 1);
        let added = held.fetch_update(Ordering::Acquire, Ordering::Relaxed, more);
        added.is_ok().then(|| MokaCounted(held))
    }
}

impl Drop for MokaCounted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Keyed for MokaCounter {
    const NAME: &'static str = "moka counter";

    fn new() -> Self {
        let cache = moka::sync::Cache::builder();
        MokaCounter(cache.max_capacity(2_000_000).time_to_idle(Duration::from_secs(60)).build())
    }

    fn visit(&self, key: u64) {
        drop(black_box(self.acquire(key).unwrap()));
    }

    fn stay(&self, key: u64) {
        std::mem::forget(self.acquire(key).unwrap());
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

    /// Each key once, of which each thread has its own.
    fn each(thread: usize) -> Draw {
        Draw { keys: Vec::new(), next: AtomicUsize::new(thread << 32) }
    }

    /// Returns the next key. Only one thread uses this draw.
    fn next(&self) -> u64 {
        let next = self.next.load(Ordering::Relaxed);
        self.next.store(next + 1, Ordering::Relaxed);
        if self.keys.is_empty() {
            return next as u64;
        }
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

    /// Keys that are held all the time, so that they neither come nor go.
    fn living(keys: u64) -> Arc<Self> {
        let spread = Self::new(keys);
        for key in 0..keys {
            spread.limit.stay(key);
        }
        spread
    }

    /// Keys of which each is used once, until their numbers wrap around.
    fn flood() -> Arc<Self> {
        let draws = (0..THREADS).map(|thread| CachePadded::new(Draw::each(thread))).collect();
        Arc::new(Spread { limit: L::new(), draws })
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

/// A peer, with the targets of the ratio to it, on one thread and on several.
struct Beside<C>(Arc<C>, [Target; 2]);

trait Peer {
    fn side(&self, threads: usize) -> (Side<'_>, Target);
}

impl<C: Contender> Peer for Beside<C> {
    fn side(&self, threads: usize) -> (Side<'_>, Target) {
        (Side::new(&self.0, threads), self.1[usize::from(threads > 1)])
    }
}

/// Bytes that are allocated.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a living key costs while a table grows from nothing: bytes allocated for each key, and the
/// longest call. A call is longer than its work if the thread is interrupted, so each call's time
/// is the least of several runs: each run makes the table larger at other calls, because hashes
/// differ, but the largest step of each run counts, and the least of those is shown.
fn growth() {
    let rounds = if common::is_trial() { 1 } else { 11 };
    println!("idle KeyedGate: {} bytes", grow::<KeyedGate<u64>>(0).0);
    for keys in KEYS.map(|keys| if common::is_trial() { keys.min(1_000) } else { keys }) {
        let ours = (0..rounds).map(|_| grow::<KeyedGate<u64>>(keys)).min_by_key(|grown| grown.1);
        let peer = (0..rounds).map(|_| grow::<Counter>(keys)).min_by_key(|grown| grown.1);
        for (name, grown) in [(<KeyedGate<u64>>::NAME, ours), (Counter::NAME, peer)] {
            let (bytes, longest) = grown.expect("there are rounds");
            let each = bytes as f64 / keys as f64;
            println!("{keys} living, {name}: {each:.0} bytes each, longest call {longest:?}");
        }
    }
}

/// Brings that many keys to life. Returns the bytes allocated, and the longest call.
fn grow<L: Keyed>(keys: u64) -> (usize, Duration) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let limit = L::new();
    let mut longest = Duration::ZERO;
    for key in 0..keys {
        let begun = Instant::now();
        limit.stay(key);
        longest = longest.max(begun.elapsed());
    }
    (ALLOCATED.load(Ordering::Relaxed) - before, longest)
}

/// Whether that many keys, drawn at random, stay in the caches of a core.
fn heat(keys: u64) -> &'static str {
    if keys <= 1_000 {
        "hot"
    } else {
        "cold"
    }
}

fn main() {
    let table =
        Table::new("Gates by key", "cargo bench --features keyed --bench keyed", "KeyedGate");
    let mut bench = Bench { criterion: common::criterion(), crew: Crew::new(THREADS), table };

    for keys in KEYS {
        let ours = Spread::<KeyedGate<u64>>::new(keys);
        bench.play(
            &format!("{}, {}", plural(keys, "key"), heat(keys)),
            &ours,
            &[
                &Beside(Spread::<Counter>::new(keys), TARGETS),
                &Beside(Spread::<SccCounter>::new(keys), NONE),
                &Beside(Spread::<MokaCounter>::new(keys), NONE),
                &Beside(Spread::<RemovingArc>::new(keys), NONE),
                &Beside(Spread::<Growing>::new(keys), NONE),
            ],
        );
        assert!(ours.limit.is_empty());
    }

    for (keys, others) in BESIDE {
        bench.play(
            &format!("{keys} keys beside {others} that live on, {}", heat(keys)),
            &Spread::<KeyedGate<u64>>::beside(keys, others),
            &[
                &Beside(Spread::<Counter>::beside(keys, others), TARGETS),
                &Beside(Spread::<SccCounter>::beside(keys, others), NONE),
                &Beside(Spread::<RemovingArc>::beside(keys, others), NONE),
            ],
        );
    }

    // Keys that live: they neither come nor go.
    for keys in KEYS {
        bench.play(
            &format!(
                "{} that {}, {}",
                plural(keys, "key"),
                if keys == 1 { "lives" } else { "live" },
                heat(keys)
            ),
            &Spread::<KeyedGate<u64>>::living(keys),
            &[
                &Beside(Spread::<Counter>::living(keys), TARGETS),
                &Beside(Spread::<SccCounter>::living(keys), NONE),
            ],
        );
    }

    // Every key once.
    bench.play(
        "a flood, hot",
        &Spread::<KeyedGate<u64>>::flood(),
        &[
            &Beside(Spread::<Counter>::flood(), TARGETS),
            &Beside(Spread::<SccCounter>::flood(), NONE),
            &Beside(Spread::<MokaCounter>::flood(), NONE),
        ],
    );

    let limit = Arc::new(KeyedGate::<u64>::new(|_| CAPACITY));
    let _inside = Arc::clone(&limit).try_acquire_owned(0).unwrap();
    let busy = Arc::new(Busy(Arc::clone(&limit)));
    bench.play("a busy key", &busy, &[&Beside(Spread::<Growing>::new(1), NONE)]);

    let held = Arc::new(Held(limit.hold_owned(0)));
    let gate = Pair::<Gate>::new(CAPACITY);
    bench.play("a held key", &held, &[&Beside(gate, [Target::AtMost(1.1); 2])]);

    bench.criterion.final_summary();
    if !common::is_listing() {
        println!("\n{}", bench.table);
        growth();
    }
}
