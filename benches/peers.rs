//! The gate beside its peers: `cargo bench --bench peers`.
//!
//! Criterion times each contender by itself. Then each peer is paired with the gate, round by
//! round, and a table of the ratios ends the run; `common` says how they are made. Caches are hot:
//! a burst repeats one operation on one object.

mod common;

use std::sync::{Arc, Mutex};

use async_lock::Semaphore as AsyncSemaphore;
use criterion::Criterion;
use headcount::Gate;
use tokio::sync::Semaphore as TokioSemaphore;

use common::contenders::{Answer, BareLoad, CasLoop, Contender, Ideal, Locked, Owned, Pair, Raw};
use common::crew::Crew;
use common::plural;
use common::ratio::{compare, Effort, Side};
use common::table::{Table, Target};

/// Places of a limit that is never full.
const ROOMY: u32 = 100;
const THREADS: usize = 2;

/// One scenario on a number of threads: the gate, and its peers with the target of each ratio.
struct Scenario<'a> {
    name: String,
    /// Operations of one thread in one burst: about a quarter of a millisecond.
    operations: u64,
    gate: Side<'a>,
    peers: Vec<(Side<'a>, Target)>,
}

impl<'a> Scenario<'a> {
    fn new<C: Contender>(what: &str, gate: &'a Arc<C>, threads: usize) -> Scenario<'a> {
        let name = format!("{what}, {}", plural(threads as u64, "thread"));
        Scenario { name, operations: 5_000, gate: Side::new(gate, threads), peers: Vec::new() }
    }

    fn with_operations(self, operations: u64) -> Scenario<'a> {
        Scenario { operations, ..self }
    }

    fn beside<C: Contender>(mut self, peer: &'a Arc<C>, target: Target) -> Scenario<'a> {
        self.peers.push((Side::new(peer, self.gate.threads()), target));
        self
    }

    fn beside_fewer_threads<C: Contender>(
        mut self,
        same: &'a Arc<C>,
        threads: usize,
        target: Target,
    ) -> Scenario<'a> {
        self.peers.push((Side::new(same, threads).called("itself, 1 thread"), target));
        self
    }

    fn time_each(&self, criterion: &mut Criterion, crew: &Crew) {
        let mut group = criterion.benchmark_group(&self.name);
        let peers = self.peers.iter().map(|(peer, _)| peer);
        for side in std::iter::once(&self.gate).chain(peers) {
            if side.threads() == self.gate.threads() {
                group.bench_function(side.name(), |bencher| {
                    bencher.iter_custom(|operations| side.burst(crew, operations));
                });
            }
        }
    }

    fn compare_each(&self, table: &mut Table, crew: &Crew) {
        let effort = if common::is_trial() {
            Effort { rounds: 1, operations: 100 }
        } else {
            Effort { rounds: 41, operations: self.operations }
        };
        for (peer, target) in &self.peers {
            let comparison = compare(crew, &self.gate, peer, effort);
            table.add(&self.name, peer.name(), comparison, *target);
        }
    }
}

fn main() {
    let crew = Crew::new(THREADS);

    let ideal = Arc::new(Ideal::default());
    let raw = Pair::<Raw>::new(ROOMY);
    let cas = Pair::<CasLoop>::new(ROOMY);
    let std_mutex = Pair::<Locked<Mutex<u32>>>::new(ROOMY);
    let parking_lot = Pair::<Locked<parking_lot::Mutex<u32>>>::new(ROOMY);
    let tokio = Pair::<TokioSemaphore>::new(ROOMY);
    let async_lock = Pair::<AsyncSemaphore>::new(ROOMY);
    let gate = Pair::<Gate>::new(ROOMY);
    let pair = |threads, to_raw, to_tokio| {
        Scenario::new("acquire and release", &gate, threads)
            .beside(&raw, Target::AtMost(to_raw))
            .beside(&cas, Target::None)
            .beside(&std_mutex, Target::None)
            .beside(&parking_lot, Target::None)
            .beside(&tokio, Target::AtMost(to_tokio))
            .beside(&async_lock, Target::None)
            .beside(&ideal, Target::None)
    };

    let full_load = Answer::<BareLoad>::new(0);
    let full_cas = Answer::<CasLoop>::new(0);
    let full_std_mutex = Answer::<Locked<Mutex<u32>>>::new(0);
    let full_parking_lot = Answer::<Locked<parking_lot::Mutex<u32>>>::new(0);
    let full_tokio = Answer::<TokioSemaphore>::new(0);
    let full_async_lock = Answer::<AsyncSemaphore>::new(0);
    let full_gate = Answer::<Gate>::new(0);
    let refusal = |threads| {
        Scenario::new("refusal", &full_gate, threads)
            .with_operations(200_000)
            .beside(&full_load, Target::None)
            .beside(&full_cas, Target::None)
            .beside(&full_std_mutex, Target::None)
            .beside(&full_parking_lot, Target::None)
            .beside(&full_tokio, Target::AtMost(1.0))
            .beside(&full_async_lock, Target::None)
    };

    let owned_raw = Owned::<Raw>::new(ROOMY);
    let owned_tokio = Owned::<TokioSemaphore>::new(ROOMY);
    let owned_async_lock = Owned::<AsyncSemaphore>::new(ROOMY);
    let owned_gate = Owned::<Gate>::new(ROOMY);
    let owned = |threads| {
        Scenario::new("owned permit", &owned_gate, threads)
            .beside(&owned_raw, Target::None)
            .beside(&owned_tokio, Target::Below(1.0))
            .beside(&owned_async_lock, Target::None)
    };

    let narrow_cas = Answer::<CasLoop>::new(1);
    let narrow_tokio = Answer::<TokioSemaphore>::new(1);
    let narrow_async_lock = Answer::<AsyncSemaphore>::new(1);
    let narrow_gate = Answer::<Gate>::new(1);

    let scenarios = [
        pair(1, 1.15, 0.5),
        pair(THREADS, 1.1, 1.0 / 3.0),
        refusal(1),
        refusal(THREADS).beside_fewer_threads(&full_gate, 1, Target::AtMost(1.1)),
        owned(1),
        owned(THREADS),
        Scenario::new("an attempt at one place", &narrow_gate, THREADS)
            .beside(&narrow_cas, Target::None)
            .beside(&narrow_tokio, Target::None)
            .beside(&narrow_async_lock, Target::None),
    ];

    let mut criterion = common::criterion();
    for scenario in &scenarios {
        scenario.time_each(&mut criterion, &crew);
    }
    criterion.final_summary();
    if common::is_listing() {
        return;
    }

    let mut table = Table::new("Gate beside its peers", "cargo bench --bench peers", "Gate");
    for scenario in &scenarios {
        scenario.compare_each(&mut table, &crew);
    }
    println!("\n{table}");
}
