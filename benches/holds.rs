//! Holds beside what programs write instead: put and claim, and put and expire, in one run.
//!
//! `cargo bench --features holds --bench holds`; a part of the name of a scenario picks those, as
//! in `-- "put and claim, 10 held"`.
//!
//! *Put and claim*: so many guards are held. An operation claims one of them, drawn at random, and
//! puts another one in its place. *Put and expire*: beside so many guards that stay, an operation
//! puts 64 guards that are due at once, and expires what is due; the figure is for one of them. On
//! two threads, each thread has half of the guards, and all threads use one object.
//!
//! A guard is a number, so that its destructor costs nothing. Tickets are 128 bits that are not to
//! be guessed: the peers draw theirs from rand's generator of each thread, and need not hash them
//! again, so their maps use 64 of these bits as the hash. All of them read the same clock once for
//! a put, and none for a claim.
//!
//! The peers:
//! - `map and heap`: a map of guards and a heap of deadlines behind a `Mutex`. A claim removes the
//!   guard from the map and leaves its deadline in the heap; the heap is cleaned once more than
//!   half of it is left over. Guards are dropped after the lock is released.
//! - `DelayQueue`: that of tokio-util behind a `Mutex`, beside a map from tickets to its keys.
//! - `moka`: its concurrent cache, with a time to live for each entry.
//!
//! `or_expire` is paired with the bare call that it wraps, refused and not. The *longest put* is
//! the longest single call while one thread puts so many guards, in each of five rounds that begin
//! anew. The memory of a hold is printed at the end: what the allocator has given for the `Holds`
//! and its guards of 8 bytes.

mod common;
#[allow(dead_code)] // Each bench uses the part that it needs.
#[path = "common/keepers.rs"]
mod keepers;

use std::hash::BuildHasherDefault;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use headcount::{Gate, Holds};
use tokio::runtime::{EnterGuard, Runtime};
use tokio_util::time::delay_queue::{DelayQueue, Key};

use common::contenders::Contender;
use common::crew::Crew;
use common::plural;
use common::ratio::{compare, Effort, Side};
use common::table::{Table, Target};
use keepers::{Keeper, MapAndHeap, TicketHasher, TicketMap, TTL};

const THREADS: usize = 2;
const OUTSTANDING: [usize; 3] = [10, 10_000, 1_000_000];
const BATCH: usize = 64;

/// The runtime whose clock the queue uses. Each thread enters it once, as the threads of a program
/// that runs on tokio have.
fn enter_runtime() {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    thread_local! {
        static ENTERED: EnterGuard<'static> = RUNTIME
            .get_or_init(|| tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1).enable_time().build().unwrap())
            .enter();
    }
    ENTERED.with(|_| ());
}

struct Queue {
    keys: TicketMap<Key>,
    queue: DelayQueue<(u128, u64)>,
}

struct NoWaker;

impl Wake for NoWaker {
    fn wake(self: Arc<Self>) {}
}

impl Keeper for Mutex<Queue> {
    const NAME: &'static str = "DelayQueue";
    type Name = u128;

    fn new() -> Self {
        enter_runtime();
        Mutex::new(Queue { keys: TicketMap::default(), queue: DelayQueue::new() })
    }

    #[inline(always)]
    fn put(&self, guard: u64, ttl: Duration) -> u128 {
        enter_runtime();
        let (deadline, ticket) = (tokio::time::Instant::now() + ttl, rand::random());
        let mut all = self.lock().unwrap();
        let key = all.queue.insert_at((ticket, guard), deadline);
        all.keys.insert(ticket, key);
        ticket
    }

    #[inline(always)]
    fn claim(&self, ticket: u128) -> Option<u64> {
        let mut all = self.lock().unwrap();
        let key = all.keys.remove(&ticket)?;
        Some(all.queue.remove(&key).into_inner().1)
    }

    fn expire(&self) {
        enter_runtime();
        let waker = Waker::from(Arc::new(NoWaker));
        let mut released = Vec::new();
        let mut all = self.lock().unwrap();
        while let Poll::Ready(Some(expired)) =
            all.queue.poll_expired(&mut Context::from_waker(&waker))
        {
            let (ticket, guard) = expired.into_inner();
            all.keys.remove(&ticket);
            released.push(guard);
        }
        drop(all);
        black_box(released);
    }
}

struct TimeToLive;

impl moka::Expiry<u128, (u64, Duration)> for TimeToLive {
    fn expire_after_create(
        &self,
        _: &u128,
        &(_, ttl): &(u64, Duration),
        _: Instant,
    ) -> Option<Duration> {
        Some(ttl)
    }
}

type Moka = moka::sync::Cache<u128, (u64, Duration), BuildHasherDefault<TicketHasher>>;

impl Keeper for Moka {
    const NAME: &'static str = "moka";
    type Name = u128;

    fn new() -> Self {
        moka::sync::Cache::builder()
            .expire_after(TimeToLive)
            .build_with_hasher(BuildHasherDefault::default())
    }

    #[inline(always)]
    fn put(&self, guard: u64, ttl: Duration) -> u128 {
        let ticket = rand::random();
        self.insert(ticket, (guard, ttl));
        ticket
    }

    #[inline(always)]
    fn claim(&self, ticket: u128) -> Option<u64> {
        self.remove(&ticket).map(|(guard, _)| guard)
    }

    fn expire(&self) {
        self.run_pending_tasks();
    }
}

/// Numbers drawn at random by one thread.
struct Draw(AtomicU64);

impl Draw {
    /// Returns the next number below `end`. Only one thread uses this draw.
    #[inline(always)]
    fn below(&self, end: usize) -> usize {
        let mut state = self.0.load(Ordering::Relaxed);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.store(state, Ordering::Relaxed);
        ((u128::from(state) * end as u128) >> 64) as usize
    }
}

/// A keeper of so many guards, and the tickets of each thread.
struct Claims<K: Keeper> {
    keeper: K,
    threads: Vec<CachePadded<Own<K::Name>>>,
}

/// What one thread has: no other thread locks its tickets.
struct Own<N> {
    tickets: Mutex<Vec<N>>,
    draw: Draw,
}

impl<K: Keeper> Claims<K> {
    fn new(outstanding: usize, threads: usize) -> Arc<Self> {
        let keeper = K::new();
        let own = |thread: usize| {
            let put = |_| keeper.put(thread as u64, TTL);
            let tickets = (0..outstanding.div_ceil(threads)).map(put).collect();
            CachePadded::new(Own {
                tickets: Mutex::new(tickets),
                draw: Draw(AtomicU64::new(0x9e37_79b9_7f4a_7c15 + thread as u64)),
            })
        };
        let threads = (0..threads).map(own).collect();
        Arc::new(Claims { keeper, threads })
    }

    /// Has each thread claim and put so many times.
    fn side(self: &Arc<Self>) -> Side<'_> {
        Side::of(K::NAME, self.threads.len(), |crew, operations| {
            let claims = Arc::clone(self);
            let work = move |thread: usize| {
                let own = &claims.threads[thread];
                let mut tickets = own.tickets.lock().unwrap();
                for _ in 0..operations {
                    let which = own.draw.below(tickets.len());
                    let ticket = &mut tickets[which];
                    let guard = claims.keeper.claim(black_box(*ticket)).expect("it was put");
                    *ticket = claims.keeper.put(guard, TTL);
                }
            };
            crew.work(self.threads.len(), Arc::new(work))
        })
    }
}

/// A keeper of so many guards that stay, and of others that are due at once.
struct Expires<K>(K, usize);

impl<K: Keeper> Expires<K> {
    fn new(outstanding: usize, threads: usize) -> Arc<Self> {
        let keeper = K::new();
        (0..outstanding).for_each(|_| _ = keeper.put(0, TTL));
        Arc::new(Expires(keeper, threads))
    }

    /// Has each thread put so many guards and expire them.
    fn side(self: &Arc<Self>) -> Side<'_> {
        Side::of(K::NAME, self.1, |crew, operations| {
            let expires = Arc::clone(self);
            let work = move |_| {
                for _ in 0..operations.div_ceil(BATCH as u64) {
                    (0..BATCH).for_each(|_| _ = black_box(expires.0.put(0, Duration::ZERO)));
                    expires.0.expire();
                }
            };
            crew.work(self.1, Arc::new(work))
        })
    }
}

/// A call that is wrapped by `or_expire` beside a hold that is not due, and the same call bare.
struct Wrapped<const WRAPS: bool>(CachePadded<Gate>, Holds<u64>);

impl<const WRAPS: bool> Contender for Wrapped<WRAPS> {
    const NAME: &'static str = if WRAPS { "or_expire" } else { "bare" };

    #[inline(always)]
    fn once(&self, _: usize) {
        if WRAPS {
            drop(black_box(self.1.or_expire(|| self.0.try_acquire())));
        } else {
            drop(black_box(self.0.try_acquire()));
        }
    }
}

/// The same, with a reading of the clock and a load after a refusal.
struct Least(CachePadded<Gate>, CachePadded<AtomicU64>);

impl Contender for Least {
    const NAME: &'static str = "bare, and a load and the clock";

    #[inline(always)]
    fn once(&self, _: usize) {
        let due = self.1.load(Ordering::Acquire);
        let answer = self.0.try_acquire();
        if answer.is_err() {
            black_box((due, Instant::now()));
        }
        drop(black_box(answer));
    }
}

/// Shared by all scenarios.
struct Bench {
    crew: Crew,
    table: Table,
}

impl Bench {
    /// Returns whether that scenario is to be run.
    fn wants(&self, name: &str) -> bool {
        std::env::args().skip(1).all(|word| word.starts_with('-') || name.contains(&word))
    }

    fn row(&mut self, name: &str, operations: u64, subject: &Side, peer: &Side, target: Target) {
        let effort = if common::is_trial() {
            Effort { rounds: 1, operations: 100 }
        } else {
            Effort { rounds: 41, operations }
        };
        let comparison = compare(&self.crew, subject, peer, effort);
        eprintln!(
            "{name}, beside {}: {:.2?}",
            peer.name(),
            comparison.ratio.map(|ratio| ratio.median)
        );
        self.table.add(name, peer.name(), comparison, target);
    }

    fn put_and_claim<P: Keeper>(&mut self, outstanding: usize, threads: usize) {
        let name =
            format!("put and claim, {outstanding} held, {}", plural(threads as u64, "thread"));
        if !self.wants(&name) {
            return;
        }
        let (ours, peer) = (
            Claims::<Holds<u64>>::new(outstanding, threads),
            Claims::<P>::new(outstanding, threads),
        );
        self.row(&name, 10_000, &ours.side(), &peer.side(), target(threads));
    }

    fn put_and_expire<P: Keeper>(&mut self, outstanding: usize, threads: usize) {
        let name =
            format!("put and expire beside {outstanding}, {}", plural(threads as u64, "thread"));
        if !self.wants(&name) {
            return;
        }
        let (ours, peer) = (
            Expires::<Holds<u64>>::new(outstanding, threads),
            Expires::<P>::new(outstanding, threads),
        );
        self.row(&name, 10_000, &ours.side(), &peer.side(), target(threads));
    }

    fn or_expire(&mut self, places: u32) {
        let name = format!("or_expire, {}", if places > 0 { "admitted" } else { "refused" });
        if !self.wants(&name) {
            return;
        }
        let gate = || CachePadded::new(Gate::new(places));
        let holds = Holds::new(TTL);
        holds.put(0);
        let wrapped = Arc::new(Wrapped::<true>(gate(), holds));
        let bare = Arc::new(Wrapped::<false>(gate(), Holds::new(TTL)));
        let least = Arc::new(Least(gate(), CachePadded::new(AtomicU64::new(0))));
        let wrapped = Side::new(&wrapped, 1);
        self.row(&name, 10_000, &wrapped, &Side::new(&bare, 1), Target::None);
        self.row(&name, 10_000, &wrapped, &Side::new(&least, 1), Target::AtMost(1.1));
    }
}

fn target(threads: usize) -> Target {
    Target::AtMost(if threads > 1 { 0.4 } else { 0.8 })
}

/// Returns the bytes that the allocator has given for each of so many holds, beside their guards.
fn memory(holds: usize) -> f64 {
    let mut kept = None;
    let given = allocation_counter::measure(|| {
        let kept = kept.insert(Holds::new(TTL));
        (0..holds).for_each(|guard| _ = kept.put(guard as u64));
    });
    given.bytes_current as f64 / holds as f64 - size_of::<u64>() as f64
}

/// Prints the longest single put of a keeper that grows to so many guards.
fn longest_put<K: Keeper>(name: &str, new: impl Fn(usize) -> K, guards: usize, rounds: u32) {
    let longest = |_| {
        let keeper = new(guards);
        let put = |guard| {
            let begun = Instant::now();
            black_box(keeper.put(guard as u64, TTL));
            begun.elapsed()
        };
        (0..guards).map(put).max().unwrap_or_default()
    };
    let mut rounds: Vec<Duration> = (0..rounds).map(longest).collect();
    rounds.sort();
    let ms = rounds.iter().map(|longest| format!("{:.1}", longest.as_secs_f64() * 1000.0));
    println!("- {guards} guards, {name}: {} ms", ms.collect::<Vec<_>>().join(", "));
}

fn main() {
    if common::is_listing() {
        return;
    }
    let table = Table::new("Holds", "cargo bench --features holds --bench holds", "Holds");
    let mut bench = Bench { crew: Crew::new(THREADS), table };
    for threads in [1, THREADS] {
        for outstanding in OUTSTANDING {
            bench.put_and_claim::<Mutex<MapAndHeap>>(outstanding, threads);
            bench.put_and_claim::<Mutex<Queue>>(outstanding, threads);
            bench.put_and_claim::<Moka>(outstanding, threads);
        }
        for outstanding in [0, 10_000] {
            bench.put_and_expire::<Mutex<MapAndHeap>>(outstanding, threads);
            bench.put_and_expire::<Mutex<Queue>>(outstanding, threads);
            bench.put_and_expire::<Moka>(outstanding, threads);
        }
    }
    for places in [1, 0] {
        bench.or_expire(places);
    }
    if bench.wants("longest put") {
        println!("The longest put, in each round:");
        let (sizes, rounds) =
            if common::is_trial() { ([10, 100], 1) } else { ([1_000_000, 10_000_000], 5) };
        for guards in sizes {
            longest_put("Holds", |_| Holds::new(TTL), guards, rounds);
            let expecting = |guards| Holds::builder().capacity(guards).build();
            longest_put("Holds with that capacity", expecting, guards, rounds);
            longest_put("map and heap", |_| Mutex::<MapAndHeap>::default(), guards, rounds);
        }
    }
    println!("\n{}", bench.table);
    println!("Memory of a hold beside its guard, as the allocator gave it:");
    for holds in [1_000, 10_000, 100_000, 1_000_000] {
        println!("- {holds} holds: {:.1} bytes each", memory(holds));
    }
}
