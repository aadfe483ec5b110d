//! The crate on real threads, each scene for a moment. This program also runs under
//! ThreadSanitizer. It therefore uses plain `spawn` and `join`: other tools of the standard library
//! synchronize in code that is not instrumented there, and would be reported.
//!
//! Every scene checks guarantees: a witness counts the holders (*never-over*), plain memory is
//! handed from holder to holder (*happens-before*), and at the end all places are free (*no-leak*).
//! A scene without an admission or without a refusal has shown nothing, and fails.
//!
//! `cargo test --release --test stress -- [scenes [rounds]]`: scenes are `core`, `holds`,
//! `keyed` or `lobby`; without a name all run.

#![cfg_attr(any(headcount_loom, headcount_shuttle), allow(dead_code))]

mod course;
mod gate;
#[cfg(feature = "holds")]
mod holds;
#[cfg(feature = "keyed")]
mod keyed;
#[cfg(feature = "std")]
mod lobby;
mod scene;
#[cfg(feature = "std")]
mod striped;
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
mod tally;
#[cfg(feature = "wait")]
mod waiting;

use std::time::Instant;

fn core() {
    gate::singles();
    gate::handing_on();
    gate::parties_and_a_manager();
    course::course();
    tally::tally();
    #[cfg(feature = "std")]
    striped::all();
    #[cfg(feature = "wait")]
    waiting::in_line();
}

fn main() {
    // Models run under loom and shuttle instead; their atomics work nowhere else.
    if cfg!(any(headcount_loom, headcount_shuttle)) {
        return;
    }
    let mut words = std::env::args().skip(1);
    let scenes = words.next();
    let rounds: Option<u64> = words.next().map(|word| word.parse().expect("a number of rounds"));
    let wanted = |name: &str| scenes.as_deref().is_none_or(|scenes| scenes == name);
    let known = ["core", "holds", "keyed", "lobby"];
    assert!(known.iter().any(|name| wanted(name)), "scenes are one of {known:?}");
    let start = Instant::now();
    if wanted("core") {
        core();
    }
    #[cfg(feature = "holds")]
    if wanted("holds") {
        holds::all(rounds);
    }
    #[cfg(feature = "keyed")]
    if wanted("keyed") {
        keyed::all(rounds);
    }
    #[cfg(feature = "std")]
    if wanted("lobby") {
        lobby::all(rounds.map(|rounds| rounds as usize));
    }
    let _ = rounds;
    println!("stress: all scenes held in {:.1} s", start.elapsed().as_secs_f32());
}
