//! The parts of a scene: plain threads that act for a while, and witnesses.

// The witness of happens-before is memory without any synchronization of its own.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Plain memory, guarded only by the code under test.
pub(crate) struct Plain(UnsafeCell<u64>);

// SAFETY: none by itself. The scenes test that no two threads are in it at once.
unsafe impl Sync for Plain {}

impl Plain {
    pub(crate) const fn new() -> Plain {
        Plain(UnsafeCell::new(0))
    }

    /// Reads and writes. The caller holds the only place of a gate.
    pub(crate) fn update(&self, f: impl FnOnce(u64) -> u64) {
        // SAFETY: the caller holds the only place of a gate.
        unsafe { *self.0.get() = f(*self.0.get()) }
    }

    /// Reads. The caller has observed that the last writer left.
    pub(crate) fn read(&self) -> u64 {
        // SAFETY: the caller has observed that the last writer left.
        unsafe { *self.0.get() }
    }
}

/// The state that the threads of a scene share: whether to stop, and the counts of results.
#[derive(Default)]
pub(crate) struct Scene {
    stop: AtomicBool,
    admitted: AtomicU64,
    refused: AtomicU64,
}

impl Scene {
    /// Counts one result and returns it. Yields after every sixteenth refusal.
    pub(crate) fn saw<T, E>(&self, answer: Result<T, E>) -> Result<T, E> {
        if answer.is_ok() {
            self.admitted.fetch_add(1, Relaxed);
        } else if self.refused.fetch_add(1, Relaxed) % 16 == 15 {
            thread::yield_now();
        }
        answer
    }
}

/// Leaks a value, so that no thread frees it while another uses it.
pub(crate) fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Runs `act` repeatedly on `threads` threads for the time of a scene. `act` receives the number of
/// its thread and of its round.
pub(crate) fn play(
    name: &str,
    threads: u32,
    act: impl Fn(&Scene, u32, u32) + Sync + Send + 'static,
) {
    let millis = std::env::var("HEADCOUNT_STRESS_MS").ok().and_then(|text| text.parse().ok());
    let lasts = Duration::from_millis(millis.unwrap_or(400));
    let (scene, act) = (forever(Scene::default()), forever(act));
    let crowd: Vec<_> = (0..threads)
        .map(|me| {
            thread::spawn(move || {
                let mut round = 0;
                while !scene.stop.load(Relaxed) {
                    act(scene, me, round);
                    round += 1;
                }
            })
        })
        .collect();
    let start = Instant::now();
    let both = || scene.admitted.load(Relaxed) > 0 && scene.refused.load(Relaxed) > 0;
    while start.elapsed() < lasts || (!both() && start.elapsed() < 50 * lasts) {
        thread::sleep(Duration::from_millis(5));
    }
    scene.stop.store(true, Relaxed);
    for thread in crowd {
        thread.join().expect("a thread of the scene failed");
    }
    let (admitted, refused) = (scene.admitted.load(Relaxed), scene.refused.load(Relaxed));
    println!("{name}: {admitted} admitted, {refused} refused");
    assert!(admitted > 0, "{name}: no admission");
    assert!(refused > 0, "{name}: no refusal");
}

/// Yields in every eighth round, for the caller to keep its place while other threads run.
pub(crate) fn linger(round: u32) {
    if round % 8 == 0 {
        thread::yield_now();
    }
}
