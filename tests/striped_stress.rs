//! The striped gate under as many threads as will run, for a while. Fit for a thread sanitizer.
//!
//! `cargo test --test striped_stress -- [SECONDS]`; one second if none are given.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use headcount::{StripedGate, StripedPermit};

fn main() {
    let seconds = std::env::args().filter_map(|arg| arg.parse::<f64>().ok()).next().unwrap_or(1.0);
    let each = Duration::from_secs_f64(seconds / 3.0);
    for (capacity, stripes) in [(1, 2), (2, 2), (3, 4)] {
        let one = never_over_and_no_leak(capacity, stripes, each / 3);
        let two = nobody_is_refused_while_a_place_is_free(capacity, stripes, each / 3);
        let three = permits_that_travel(capacity, stripes, each / 3);
        println!("{capacity} places, {stripes} stripes: {one} taken, {two} moved, {three} sent");
    }
}

fn workers() -> u32 {
    thread::available_parallelism().map_or(2, |n| n.get() as u32).clamp(2, 16) + 1
}

/// A generator of noise, good enough to vary what threads do.
struct Noise(Cell<u64>);

impl Noise {
    fn bits(&self) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x
    }
}

/// Threads come and go; those inside count themselves.
fn never_over_and_no_leak(capacity: u32, stripes: usize, time: Duration) -> u64 {
    let gate = StripedGate::with_stripes(capacity, stripes);
    let (inside, taken) = (AtomicU32::new(0), AtomicU64::new(0));
    let end = Instant::now() + time;
    thread::scope(|scope| {
        for seed in 1..=workers() {
            let (gate, inside, taken) = (&gate, &inside, &taken);
            scope.spawn(move || {
                let noise = Noise(Cell::new(u64::from(seed)));
                while Instant::now() < end {
                    for _ in 0..100 {
                        let Ok(_permit) = gate.try_acquire() else { continue };
                        let before = inside.fetch_add(1, Ordering::Relaxed);
                        assert!(before < capacity, "never-over: {before} others are inside");
                        if noise.bits() % 64 == 0 {
                            thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::Relaxed);
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    assert!(gate.occupied() <= capacity);
                }
            });
        }
    });
    assert_eq!(gate.occupied_exact(), 0, "no-leak");
    assert!(taken.load(Ordering::Relaxed) > 0, "nobody ever got in");
    taken.into_inner()
}

/// Each of `capacity` threads gives its place back and takes one again: there is always one for it.
fn nobody_is_refused_while_a_place_is_free(capacity: u32, stripes: usize, time: Duration) -> u64 {
    let gate = StripedGate::with_stripes(capacity, stripes);
    let moved = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let end = Instant::now() + time;
    thread::scope(|scope| {
        let movers: Vec<_> = (0..capacity)
            .map(|seed| {
                let (gate, moved) = (&gate, &moved);
                scope.spawn(move || {
                    let noise = Noise(Cell::new(u64::from(seed) + 1));
                    while Instant::now() < end {
                        for _ in 0..100 {
                            let permit =
                                gate.try_acquire().expect("exact: refused with a place free");
                            if noise.bits() % 64 == 0 {
                                thread::yield_now();
                            }
                            drop(permit);
                        }
                        moved.fetch_add(100, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        // Refused callers and readers must not get in the movers' way.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(gate.available() <= capacity);
                let _: bool = gate.is_full();
            }
        });
        for mover in movers {
            mover.join().expect("no mover was refused");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(gate.occupied_exact(), 0, "no-leak");
    moved.into_inner()
}

/// Permits are sent to another thread, which gives them back: places travel from stripe to stripe.
fn permits_that_travel(capacity: u32, stripes: usize, time: Duration) -> u64 {
    let gate = StripedGate::with_stripes(capacity, stripes);
    let mut sent = 0;
    let end = Instant::now() + time;
    thread::scope(|scope| {
        let (to, from) = mpsc::sync_channel::<StripedPermit<'_>>(capacity as usize);
        let leaver = scope.spawn(move || from.into_iter().map(drop).count() as u64);
        while Instant::now() < end {
            for _ in 0..50 {
                if let Ok(permit) = gate.try_acquire() {
                    to.send(permit).expect("the leaver listens");
                    sent += 1;
                }
            }
        }
        drop(to);
        assert_eq!(leaver.join().expect("the leaver"), sent);
    });
    assert_eq!(gate.occupied_exact(), 0, "no-leak");
    assert!(sent > 0, "nobody ever got in");
    sent
}
