//! The gate: single places, one place from holder to holder, parties while a manager resizes.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;
use std::thread;

use headcount::Gate;

use crate::scene::{forever, linger, play, Plain};

/// *never-over*, *no-leak*: single places, borrowed, owned and dropped on another thread.
pub(crate) fn singles() {
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    let gate: &'static Arc<Gate> = forever(Arc::new(Gate::new(2)));
    play("singles", 4, |scene, me, round| {
        if me == 0 && round % 64 == 0 {
            // Another thread drops the permit.
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

/// *happens-before*: each holder of the only place sees the writes of the holder before it.
pub(crate) fn handing_on() {
    static MEMORY: Plain = Plain::new();
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let gate = forever(Gate::new(1));
    play("handing on", 4, |scene, me, round| {
        // Yields while it holds the place: on a single core no other thread would be refused.
        let write = || {
            linger(round);
            MEMORY.update(|n| n + 1)
        };
        let answer = match (me + round) % 3 {
            0 => gate.try_run(write),
            1 => gate.try_acquire().map(|_permit| write()),
            _ => gate.try_acquire_many(1).map(|_permit| write()),
        };
        if scene.saw(answer).is_ok() {
            ROUNDS.fetch_add(1, Relaxed);
        }
    });
    assert_eq!(MEMORY.read(), ROUNDS.load(Relaxed), "happens-before");
    assert_eq!(gate.occupied(), 0, "no-leak");
}

/// *never-over*, *no-leak*: parties that split and merge, while a manager closes, reopens and
/// resizes. No caller is admitted beyond a capacity that was lowered before its call.
pub(crate) fn parties_and_a_manager() {
    const LOW: u32 = 3;
    const HIGH: u32 = 6;
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    /// Odd while the capacity is certainly low.
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
