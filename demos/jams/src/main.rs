//! Balances members over jams of seven, as a web page with music jams does: the page names the jam
//! that is filling, and by the time its socket joins, that jam may be full, or gone. Some arrivals
//! come with such a name; the join checks, and a refusal says where to go instead.
//!
//! ```text
//! cargo run --release -p jams
//! cargo run --release -p jams -- --trace FILE --rooms 7 --late 0.3 --svg jams.svg
//! ```

mod args;
mod books;
mod chart;
mod jam;
mod plan;
mod replay;
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
        None => storm(&args),
        Some(path) => replay_file(&args, path),
    };
    console::exit("jams", outcome)
}

/// Storms a lobby with arrivals that come from no trace.
fn storm(args: &Args) -> Result<(), Failure> {
    let plan = args.plan();
    let bar = progress::bar("joining", args.arrivals);
    let outcome = storm::run(args.arrivals, &plan, &bar);
    bar.finish_and_clear();

    say(&storm::report(&outcome, args.arrivals, &plan))?;
    outcome.0.verdict()
}

/// Replays the trace through one lobby.
fn replay_file(args: &Args, path: &Path) -> Result<(), Failure> {
    let plan = args.plan();
    let trace = console::load("jams", path)?;

    let bar = progress::bar("replaying", trace.events.len() as u64);
    let begun = Instant::now();
    let replay = replay::run(&trace, &plan, &bar);
    let took = begun.elapsed();
    bar.finish_and_clear();

    say(&format!(
        "{} events of {} keys in one lobby of jams of {}, {} threads, {took:.2?}; lines skipped: {}\n\n{}",
        grouped(trace.events.len() as u64),
        grouped(trace.keys.len() as u64),
        grouped(plan.seats),
        plan.threads,
        grouped(trace.skipped.len() as u64),
        replay.report(&plan),
    ))?;
    if let Some(path) = &args.svg {
        console::write(path, chart::draw(&replay, &plan))?;
        say(&format!("the jams over time are drawn in {}\n", path.display()))?;
    }
    replay.account.verdict()
}
