//! Shared by the benches: threads that start from a barrier, contenders, and pairwise ratios in a
//! table.
//!
//! # How a figure is made
//!
//! - Threads are started before anything is timed, and a barrier releases them. The time of a burst
//!   runs from the first start to the last end, and is divided by the operations *of one thread*.
//! - Two contenders are compared by the ratio of two bursts that ran right after each other. The
//!   median of many such ratios is printed, never a ratio of two figures that were taken
//!   separately.
//! - A burst of several threads counts only if the ideal, one counter per thread, ran as fast on
//!   that many threads as on one at that moment. Otherwise other programs had the cores.

// Each bench uses the part that it needs.
#![allow(dead_code)]

pub(crate) mod contenders;
pub(crate) mod crew;
pub(crate) mod ratio;
pub(crate) mod table;

use std::time::Duration;

use criterion::Criterion;

/// Returns a number of things: `1 key`, `2 keys`.
pub(crate) fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Returns whether the benches only have to show that they run: `-- --test`, or `cargo test`.
pub(crate) fn is_trial() -> bool {
    has_flag("--test") || !has_flag("--bench")
}

/// Returns whether the benches only have to be listed.
pub(crate) fn is_listing() -> bool {
    has_flag("--list")
}

fn has_flag(flag: &str) -> bool {
    std::env::args().any(|arg| arg == flag)
}

/// Returns Criterion, with times that let a file of forty figures end in about a minute.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .nresamples(5_000)
        .without_plots()
        .configure_from_args()
}
