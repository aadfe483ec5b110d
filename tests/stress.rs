//! The crate under real threads, each scene for a moment. Also the program that runs under
//! ThreadSanitizer, and therefore plain `spawn` and `join`: the standard library's other tools
//! synchronise in code that is not instrumented there, and would be reported.
//!
//! Every scene holds something to the promises: a witness counts those inside (*never-over*), plain
//! memory is handed from holder to holder (*happens-before*), and at the end all is given back
//! (*no-leak*). A scene in which nobody was refused, or nobody got in, has shown nothing, and fails.

// The witness of happens-before is memory without any synchronisation of its own.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use headcount::{Course, Gate, Tally};

/// Plain memory, guarded by nothing but what is under test.
struct Plain(UnsafeCell<u64>);

// SAFETY: none of its own. That no two threads are in it at once is what the scenes test.
unsafe impl Sync for Plain {}

impl Plain {
    const fn new() -> Plain {
        Plain(UnsafeCell::new(0))
    }

    /// Reads and writes, as one who is alone with it.
    fn update(&self, f: impl FnOnce(u64) -> u64) {
        // SAFETY: the caller holds the only place of a gate.
        unsafe { *self.0.get() = f(*self.0.get()) }
    }

    /// Reads, after the last write.
    fn read(&self) -> u64 {
        // SAFETY: the caller has seen the writer leave.
        unsafe { *self.0.get() }
    }
}

/// What the threads of a scene share: when to stop, and what happened.
#[derive(Default)]
struct Scene {
    stop: AtomicBool,
    admitted: AtomicU64,
    refused: AtomicU64,
}

impl Scene {
    /// Counts one answer; passes it on. Whoever is refused lets others run now and then.
    fn saw<T, E>(&self, answer: Result<T, E>) -> Result<T, E> {
        if answer.is_ok() {
            self.admitted.fetch_add(1, Relaxed);
        } else if self.refused.fetch_add(1, Relaxed) % 16 == 15 {
            thread::yield_now();
        }
        answer
    }
}

/// A value that lives as long as the program: no thread frees what another has just used.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Runs `act` over and over on `threads` threads for as long as a scene takes. `act` is given the
/// number of its thread and of its round.
fn play(name: &str, threads: u32, act: impl Fn(&Scene, u32, u32) + Sync + Send + 'static) {
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
fn linger(round: u32) {
    if round % 8 == 0 {
        thread::yield_now();
    }
}

/// *never-over*, *no-leak*: single places, borrowed, owned and dropped elsewhere.
fn singles() {
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    let gate: &'static Arc<Gate> = forever(Arc::new(Gate::new(2)));
    play("singles", 4, |scene, me, round| {
        if me == 0 && round % 64 == 0 {
            // A permit goes to another thread, which gives it back.
            if let Ok(permit) = scene.saw(Arc::clone(gate).try_acquire_owned()) {
                thread::spawn(move || drop(permit)).join().unwrap();
            }
        } else if let Ok(permit) = scene.saw(gate.try_acquire()) {
            assert!(INSIDE.fetch_add(1, Relaxed) < 2, "never-over");
            linger(round);
            assert!(gate.occupied() <= 2);
            INSIDE.fetch_sub(1, Relaxed);
            drop(permit);
        }
    });
    assert_eq!(gate.occupied(), 0, "no-leak");
}

/// *happens-before*: each holder of the only place finds what the last one wrote.
fn handing_on() {
    static MEMORY: Plain = Plain::new();
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let gate = forever(Gate::new(1));
    play("handing on", 4, |scene, me, round| {
        let answer = match (me + round) % 3 {
            0 => gate.try_run(|| MEMORY.update(|n| n + 1)),
            1 => gate.try_acquire().map(|_permit| MEMORY.update(|n| n + 1)),
            _ => gate.try_acquire_many(1).map(|_permit| MEMORY.update(|n| n + 1)),
        };
        if scene.saw(answer).is_ok() {
            ROUNDS.fetch_add(1, Relaxed);
        }
        linger(round);
    });
    assert_eq!(MEMORY.read(), ROUNDS.load(Relaxed), "happens-before");
    assert_eq!(gate.occupied(), 0, "no-leak");
}

/// *never-over*, *no-leak*: parties that split and merge, with a manager who closes, reopens and
/// resizes, and who is held to it: nobody gets in beyond a capacity that was lowered before.
fn parties_and_a_manager() {
    const LOW: u32 = 3;
    const HIGH: u32 = 6;
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    /// Odd while the capacity is low for certain.
    static PHASE: AtomicU32 = AtomicU32::new(0);
    let gate = forever(Gate::new(HIGH));
    play("parties and a manager", 4, |scene, me, round| {
        if me == 0 {
            match round % 4 {
                0 => {
                    gate.set_capacity(LOW);
                    PHASE.fetch_add(1, SeqCst);
                    thread::yield_now();
                    PHASE.fetch_add(1, SeqCst);
                    gate.set_capacity(HIGH);
                }
                1 => gate.close(),
                2 => drop(gate.close_if_occupied(2)),
                _ => gate.reopen(),
            }
            return thread::yield_now();
        }
        let n = round % 3 + 1;
        let before = PHASE.load(SeqCst);
        let answer = match n {
            1 => gate.try_acquire(),
            _ => gate.try_acquire_many(n),
        };
        if let Ok(mut party) = scene.saw(answer) {
            let inside = INSIDE.fetch_add(n, SeqCst) + n;
            let after = PHASE.load(SeqCst);
            let limit = if before == after && before % 2 == 1 { LOW } else { HIGH };
            assert!(inside <= limit, "never-over: {inside} of {limit}");
            linger(round);
            let one = party.split(1).expect("a party has at least one");
            if round % 2 == 0 {
                party.merge(one);
                INSIDE.fetch_sub(n, Relaxed);
            } else {
                INSIDE.fetch_sub(1, Relaxed);
                drop(one);
                INSIDE.fetch_sub(n - 1, Relaxed);
            }
            drop(party);
        }
    });
    gate.reopen();
    gate.set_capacity(HIGH);
    assert_eq!(gate.occupied(), 0, "no-leak");
    assert_eq!(gate.try_acquire_many(HIGH).map(|all| all.count()), Ok(HIGH));
}

/// *both-counters*, *no-leak*: reservations that are confirmed, cancelled or withdrawn, and a reader.
fn course() {
    static ENROLLED: AtomicU64 = AtomicU64::new(0);
    static WITHDRAWN: AtomicU64 = AtomicU64::new(0);
    let course = forever(Course::new(2));
    play("course", 4, |scene, me, round| {
        if me == 0 {
            let counts = course.counts();
            assert!(counts.enrolled <= counts.taken && counts.taken <= counts.capacity);
        } else if me == 1 {
            if course.withdraw().is_ok() {
                WITHDRAWN.fetch_add(1, Relaxed);
            }
        } else if round % 2 == 0 {
            let answer = course.enroll(|head_count| {
                assert!((1..=2).contains(&head_count));
                linger(round);
                if round % 4 == 0 {
                    Ok(())
                } else {
                    Err(())
                }
            });
            if scene.saw(answer).is_ok() {
                ENROLLED.fetch_add(1, Relaxed);
            }
        } else if let Ok(reservation) = scene.saw(course.try_reserve()) {
            linger(round);
            if round % 3 == 0 {
                reservation.confirm();
                ENROLLED.fetch_add(1, Relaxed);
            }
        }
    });
    let left = ENROLLED.load(Relaxed) - WITHDRAWN.load(Relaxed);
    let counts = course.counts();
    assert_eq!((u64::from(counts.taken), u64::from(counts.enrolled)), (left, left), "no-leak");
}

/// *once*: every value up to the last goes to one caller, who finds what the one before it wrote.
fn tally() {
    const POSTS: u64 = 20_000;
    static WRITTEN: [Plain; POSTS as usize + 1] = [const { Plain::new() }; POSTS as usize + 1];
    static SEEN: [AtomicU32; POSTS as usize + 1] =
        [const { AtomicU32::new(0) }; POSTS as usize + 1];
    let posts = forever(Tally::new(0));
    let desks = forever(Gate::new(1));
    play("tally", 4, |scene, me, round| {
        if me == 0 {
            // A reader who never holds the desk: only the tally hands it what was written.
            let last = posts.get();
            assert_eq!(WRITTEN[last as usize].read(), last, "happens-before");
            return;
        }
        let Ok(_desk) = scene.saw(desks.try_acquire()) else { return };
        linger(round);
        let next = posts.get() + 1;
        if next <= POSTS {
            WRITTEN[next as usize].update(|_| next);
            SEEN[posts.increment() as usize].fetch_add(1, Relaxed);
        }
    });
    let last = posts.get();
    assert!(SEEN[1..=last as usize].iter().all(|seen| seen.load(Relaxed) == 1), "once");

    // Without desks: the values of all callers together are each value once.
    static CALLS: [AtomicU32; 4001] = [const { AtomicU32::new(0) }; 4001];
    let posts = forever(Tally::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..1000 {
                    CALLS[posts.increment() as usize].fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert!(CALLS[1..].iter().all(|calls| calls.load(Relaxed) == 1), "once");
    assert_eq!(posts.take(), 4000);
}

fn main() {
    let start = Instant::now();
    singles();
    handing_on();
    parties_and_a_manager();
    course();
    tally();
    println!("stress: all scenes held in {:.1} s", start.elapsed().as_secs_f32());
}
