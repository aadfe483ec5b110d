//! The striped gate: places that are handed on, that are never refused without cause, and that
//! travel from stripe to stripe.

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

/// *never-over*, *no-leak*: places that are taken here and given back there.
fn never_over(capacity: u32, stripes: usize) {
    let gate = forever(Arc::new(StripedGate::with_stripes(capacity, stripes)));
    let inside = forever(AtomicU32::new(0));
    play(&format!("striped, {capacity} in {stripes}"), 4, move |scene, me, round| {
        if me == 0 && round % 64 == 0 {
            // A permit goes to another thread, which gives it back at its own stripe.
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

/// *exact*: who holds a ticket, of which there are as many as places, always gets in, however many
/// others are refused meanwhile and wherever the free place is.
fn refused_only_if_full(capacity: u32, stripes: usize) {
    let gate = forever(StripedGate::with_stripes(capacity, stripes));
    // Tickets that are out: taken before a place is asked for, given back after it was given back.
    let tickets = forever(AtomicU32::new(0));
    play(
        &format!("striped, {capacity} tickets in {stripes}"),
        capacity + 1,
        move |scene, _, round| {
            let ticket =
                tickets.fetch_update(SeqCst, SeqCst, |out| (out < capacity).then_some(out + 1));
            if scene.saw(ticket).is_err() {
                // Readers must not get in anybody's way.
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

/// *happens-before*: each holder of the only place finds what the last one wrote, though it may have
/// given the place back at another stripe.
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
