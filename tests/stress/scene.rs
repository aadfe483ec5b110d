//! What a scene is made of: a crowd of plain threads that act for a while, and witnesses.

// The witness of happens-before is memory without any synchronisation of its own.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Plain memory, guarded by nothing but what is under test.
pub(crate) struct Plain(UnsafeCell<u64>);

// SAFETY: none of its own. That no two threads are in it at once is what the scenes test.
unsafe impl Sync for Plain {}

impl Plain {
    pub(crate) const fn new() -> Plain {
        Plain(UnsafeCell::new(0))
    }

    /// Reads and writes, as one who is alone with it.
    pub(crate) fn update(&self, f: impl FnOnce(u64) -> u64) {
        // SAFETY: the caller holds the only place of a gate.
        unsafe { *self.0.get() = f(*self.0.get()) }
    }

    /// Reads, after the last write.
    pub(crate) fn read(&self) -> u64 {
        // SAFETY: the caller has seen the writer leave.
        unsafe { *self.0.get() }
    }
}

/// What the threads of a scene share: when to stop, and what happened.
#[derive(Default)]
pub(crate) struct Scene {
    stop: AtomicBool,
    admitted: AtomicU64,
    refused: AtomicU64,
}

impl Scene {
    /// CourseCounts one answer; passes it on. Whoever is refused lets others run now and then.
    pub(crate) fn saw<T, E>(&self, answer: Result<T, E>) -> Result<T, E> {
        if answer.is_ok() {
            self.admitted.fetch_add(1, Relaxed);
        } else if self.refused.fetch_add(1, Relaxed) % 16 == 15 {
            thread::yield_now();
        }
        answer
    }
}

/// A value that lives as long as the program: no thread frees what another has just used.
pub(crate) fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Runs `act` over and over on `threads` threads for as long as a scene takes. `act` is given the
/// number of its thread and of its round.
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
    for member in crowd {
        member.join().expect("a thread of the scene failed");
    }
    let (admitted, refused) = (scene.admitted.load(Relaxed), scene.refused.load(Relaxed));
    println!("{name}: {admitted} admitted, {refused} refused");
    assert!(admitted > 0, "{name}: nobody got in");
    assert!(refused > 0, "{name}: nobody was refused");
}

/// Stays inside for a moment, now and then long enough for others to run.
pub(crate) fn linger(round: u32) {
    if round % 8 == 0 {
        thread::yield_now();
    }
}
