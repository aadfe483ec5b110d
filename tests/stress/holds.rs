//! Holds under random load, with a real clock. Also meant for ThreadSanitizer.
//!
//! `cargo test --release --all-features --test stress -- holds [rounds]`
//!
//! Each guard owns a place of a gate of one, and plain memory that only its owner touches: what
//! reaches a claimer, or the destructor in an expiring call, comes after all that was done with the
//! guard before (*happens-before*, *claimed-once*). Threads put, claim, release and extend with
//! tickets that they leave to each other in a few open places, so that several threads try the same
//! ticket, and tickets that have ended long ago.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use headcount::{Gate, Holds, OwnedPermit, Ticket};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::scene::{forever, Plain};

const THREADS: u64 = 6;
const GUARDS: usize = 24;
const OPEN: usize = 16;

/// What is held: the only place of a gate, and memory that goes with it.
struct Kept {
    number: usize,
    permit: Option<OwnedPermit>,
    scene: &'static HoldsScene,
}

impl Kept {
    fn touch(&self) {
        let visits = &self.scene.visits[self.number];
        self.scene.memory[self.number].update(|seen| seen + 1);
        visits.fetch_add(1, Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.touch();
        // Only now may another owner come.
        drop(self.permit.take());
    }
}

struct HoldsScene {
    holds: Holds<Kept>,
    gates: Vec<Arc<Gate>>,
    memory: Vec<Plain>,
    /// How often each memory was touched.
    visits: Vec<AtomicU64>,
    /// Two halves of a ticket each. Halves of different tickets are a forged one.
    open: Vec<[AtomicU64; 2]>,
    sums: [AtomicU64; 4],
}

/// What the sums count.
const PUT: usize = 0;
const CLAIMED: usize = 1;
const REFUSED: usize = 2;
const EXPIRED: usize = 3;

impl HoldsScene {
    fn new(shards: usize) -> HoldsScene {
        let numbers = || std::iter::repeat_with(|| AtomicU64::new(0));
        HoldsScene {
            holds: Holds::builder().shards(shards).capacity(1).build(),
            gates: (0..GUARDS).map(|_| Arc::new(Gate::new(1))).collect(),
            memory: (0..GUARDS).map(|_| Plain::new()).collect(),
            visits: numbers().take(GUARDS).collect(),
            open: std::iter::repeat_with(Default::default).take(OPEN).collect(),
            sums: Default::default(),
        }
    }

    fn count(&self, sum: usize, n: u64) {
        self.sums[sum].fetch_add(n, Relaxed);
    }

    fn act(&'static self, dice: &mut SmallRng) {
        let open = &self.open[dice.random_range(0..OPEN)];
        let ticket = || {
            let [low, high] = [0, 1].map(|half: usize| open[half].load(Relaxed));
            Ticket::from(u128::from(high) << 64 | u128::from(low))
        };
        // None is long: a ticket that another one has replaced is lost, and its hold has to expire.
        let ttl = [0, 50, 1_000].map(Duration::from_micros);
        match dice.random_range(0..16) {
            0..=5 => {
                let number = dice.random_range(0..GUARDS);
                let acquire = || Arc::clone(&self.gates[number]).try_acquire_owned();
                // Some refusals are of places whose hold is due.
                let permit = match dice.random_range(0..4) {
                    0 => self.holds.or_expire(acquire),
                    _ => acquire(),
                };
                if let Ok(permit) = permit {
                    let kept = Kept { number, permit: Some(permit), scene: self };
                    kept.touch();
                    let ticket = self.holds.put_for(kept, ttl[dice.random_range(0..3)]);
                    let number = u128::from(ticket);
                    open[0].store(number as u64, Relaxed);
                    open[1].store((number >> 64) as u64, Relaxed);
                    self.count(PUT, 1);
                }
            }
            6..=9 => match self.holds.claim(ticket()) {
                Ok(kept) => {
                    kept.touch();
                    self.count(CLAIMED, 1);
                }
                Err(_) => self.count(REFUSED, 1),
            },
            10 => self.count(CLAIMED, self.holds.release(ticket()).into()),
            11 | 12 => _ = self.holds.extend(ticket(), ttl[dice.random_range(0..3)]),
            13 | 14 => self.count(EXPIRED, self.holds.expire() as u64),
            _ => _ = (self.holds.len(), self.holds.next_deadline()),
        }
        if dice.random_range(0..8) == 0 {
            thread::yield_now();
        }
    }
}

fn stress(shards: usize, rounds: usize) {
    let scene = forever(HoldsScene::new(shards));
    let crowd = (0..THREADS).map(|seed| {
        thread::spawn(move || {
            let mut dice = SmallRng::seed_from_u64(seed);
            (0..rounds).for_each(|_| scene.act(&mut dice));
        })
    });
    crowd
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|thread| thread.join().expect("a thread failed"));
    // All threads are quiet: what is held is what holds a place, and what is due expires.
    let occupied = || scene.gates.iter().map(|gate| gate.occupied() as usize).sum::<usize>();
    assert_eq!(scene.holds.len(), occupied(), "no-leak");
    let refused = || Err::<(), _>(());
    let _ = scene.holds.or_expire(refused);
    assert_eq!(scene.holds.len(), occupied(), "no-leak");
    for (memory, visits) in scene.memory.iter().zip(&scene.visits) {
        assert_eq!(memory.read(), visits.load(Relaxed), "two owners of one guard");
    }
    let [put, claimed, refused, expired] = scene.sums.each_ref().map(|sum| sum.load(Relaxed));
    print!("holds, {shards} shards: {put} put, {claimed} claimed, ");
    println!("{refused} refused, {expired} expired");
    assert!(put > 0 && claimed > 0 && refused > 0 && expired > 0, "a scene without all of these");
}

pub(crate) fn all(rounds: Option<u64>) {
    let rounds = rounds.unwrap_or(100_000) as usize;
    for shards in [1, 2, 4] {
        stress(shards, rounds);
    }
}
