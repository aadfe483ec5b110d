//! Storms one course of 30 from several threads, or replays a trace of arrivals and departures.
//!
//! ```text
//! cargo run --release -p rush
//! cargo run --release -p rush -- --trace FILE --capacity 10 --svg occupancy.svg
//! ```

mod args;
mod books;
mod chart;
mod replay;
mod sign_up;
mod storm;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use args::Args;
use clap::Parser;
use demo_common::console::{self, say, Failure};
use demo_common::progress;
use demo_common::table::grouped;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.trace {
        None => rush(&args),
        Some(path) => replay_file(&args, path),
    };
    console::exit("rush", outcome)
}

/// Storms the course of 30 in three ways.
fn rush(args: &Args) -> Result<(), Failure> {
    let (capacity, threads) = (args.course_capacity(), args.threads());
    let bar = progress::bar("signing up", 3 * args.sign_ups);
    let results = storm::three_ways(capacity, args.sign_ups, threads, &bar);
    bar.finish_and_clear();

    say(&storm::report(&results, capacity, args.sign_ups, threads))?;
    storm::verdict(&results, capacity)
}

/// Replays the trace at one gate per key.
fn replay_file(args: &Args, path: &Path) -> Result<(), Failure> {
    let (capacity, threads) = (args.key_capacity(), args.threads());
    let trace = console::load("rush", path)?;

    let bar = progress::bar("replaying", trace.events.len() as u64);
    let begun = Instant::now();
    let replay = replay::run(&trace, capacity, threads, &bar);
    let took = begun.elapsed();
    bar.finish_and_clear();

    say(&format!(
        "{} events at {} keys of {} places each, {threads} threads, {took:.2?}; lines skipped: {}\n\n{}",
        grouped(trace.events.len() as u64),
        grouped(trace.keys.len() as u64),
        grouped(capacity),
        grouped(trace.skipped.len() as u64),
        books::report(&trace.keys, &replay.books, capacity),
    ))?;
    if let Some(path) = &args.svg {
        console::write(path, chart::draw(&trace.keys, &replay, capacity))?;
        say(&format!("occupancy over time is drawn in {}\n", path.display()))?;
    }
    books::verdict(&trace.keys, &replay.books, capacity)
}
