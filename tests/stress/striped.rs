//! The striped gate: places that move from stripe to stripe, and callers that may not be refused.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;
use std::thread;

use headcount::StripedGate;

use crate::scene::{forever, linger, play, Plain};

pub(crate) fn all() {
    for (capacity, stripes) in [(1, 2), (2, 2), (3, 4)] {
        never_over(capacity, stripes);
        refused_only_if_full(capacity, stripes);
    }
    handing_on();
}

/// *never-over*, *no-leak*: places that are given back at other stripes than they came from.
fn never_over(capacity: u32, stripes: usize) {
    let gate = forever(Arc::new(StripedGate::with_stripes(capacity, stripes)));
    let inside = forever(AtomicU32::new(0));
    play(&format!("striped, {capacity} in {stripes}"), 4, move |scene, me, round| {
        if me == 0 && round % 64 == 0 {
            // Another thread drops the permit, at its own stripe.
            if let Ok(permit) = scene.saw(Arc::clone(gate).try_acquire_owned()) {
                thread::spawn(move || drop(permit)).join().unwrap();
            }
        } else if let Ok(permit) = scene.saw(gate.try_acquire()) {
            assert!(inside.fetch_add(1, Relaxed) < capacity, "never-over");
            linger(round);
            assert!(gate.occupied() <= capacity);
            inside.fetch_sub(1, Relaxed);
            drop(permit);
        }
    });
    assert_eq!(gate.occupied_exact(), 0, "no-leak");
}

/// *exact*: there are as many tickets as places, so a thread with a ticket is never refused,
/// however many others try meanwhile and wherever the free place is.
fn refused_only_if_full(capacity: u32, stripes: usize) {
    let gate = forever(StripedGate::with_stripes(capacity, stripes));
    // Tickets handed out: each is taken before its place, and given back after it.
    let tickets = forever(AtomicU32::new(0));
    play(
        &format!("striped, {capacity} tickets in {stripes}"),
        capacity + 1,
        move |scene, _, round| {
            let ticket =
                tickets.fetch_update(SeqCst, SeqCst, |out| (out < capacity).then_some(out + 1));
            if scene.saw(ticket).is_err() {
                // Readings must not cause a refusal.
                assert!(gate.available() <= capacity);
                let _: bool = gate.is_full();
                return;
            }
            let permit = gate.try_acquire().expect("exact: refused with a place free");
            linger(round);
            drop(permit);
            tickets.fetch_sub(1, SeqCst);
        },
    );
    assert_eq!(gate.occupied_exact(), 0, "no-leak");
}

/// *happens-before*: each holder of the only place finds what the last holder wrote, though that
/// one may have given the place back at another stripe.
fn handing_on() {
    static MEMORY: Plain = Plain::new();
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let gate = forever(StripedGate::with_stripes(1, 4));
    play("striped, handing on", 4, |scene, _, round| {
        if scene.saw(gate.try_run(|| MEMORY.update(|n| n + 1))).is_ok() {
            ROUNDS.fetch_add(1, Relaxed);
        }
        linger(round);
    });
    assert_eq!(MEMORY.read(), ROUNDS.load(Relaxed), "happens-before");
    assert_eq!(gate.occupied_exact(), 0, "no-leak");
}
