//! What every bench here shares: threads that start from a barrier, things to compare, and pairwise
//! ratios in a table.
//!
//! # How a figure comes about
//!
//! - The threads exist before anything is timed; a barrier releases them, and the time of a burst is
//!   that from the first start to the last end, divided by the operations *of one thread*.
//! - Two contenders are compared by the ratio of two bursts that ran right after each other, and the
//!   median of many such ratios is quoted, never a ratio of two figures taken apart.
//! - A burst of several threads counts only if the ideal, one counter per thread, ran as fast on
//!   that many threads as on one at that moment: otherwise somebody else had the cores.

// Each bench uses the part that it needs.
#![allow(dead_code)]

pub(crate) mod contenders;
pub(crate) mod crew;
pub(crate) mod ratio;
pub(crate) mod table;

use std::time::Duration;

use criterion::Criterion;

/// True if the benches are to be run once, for whether they run at all: `-- --test`, or `cargo test`.
pub(crate) fn is_trial() -> bool {
    has_flag("--test") || !has_flag("--bench")
}

/// True if the benches are only to be listed.
pub(crate) fn is_listing() -> bool {
    has_flag("--list")
}

fn has_flag(flag: &str) -> bool {
    std::env::args().any(|arg| arg == flag)
}

/// Criterion, with times that let a file of forty figures end in about a minute.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .nresamples(5_000)
        .without_plots()
        .configure_from_args()
}
