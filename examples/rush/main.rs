//! Storms one course of 30 from several threads, or replays a trace of arrivals and departures.
//!
//! ```text
//! cargo run --release --example rush
//! cargo run --release --example rush -- --trace FILE --capacity 10 --svg occupancy.svg
//! ```

mod args;
mod books;
mod chart;
mod progress;
mod replay;
mod sign_up;
mod storm;
mod table;
mod trace;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use args::Args;
use clap::Parser;
use table::grouped;

/// What ends the run, in words for the one who started it.
type Failure = String;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.trace {
        None => rush(&args),
        Some(path) => replay_file(&args, path),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("rush: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The course of 30, stormed in three ways.
fn rush(args: &Args) -> Result<(), Failure> {
    let (capacity, threads) = (args.course_capacity(), args.threads());
    let bar = progress::bar("signing up", 3 * args.sign_ups);
    let results = storm::three_ways(capacity, args.sign_ups, threads, &bar);
    bar.finish_and_clear();

    say(&storm::report(&results, capacity, args.sign_ups, threads))?;
    storm::verdict(&results, capacity)
}

/// The trace, replayed at one gate per key.
fn replay_file(args: &Args, path: &Path) -> Result<(), Failure> {
    let (name, capacity, threads) = (path.display(), args.key_capacity(), args.threads());
    let text = read(path).map_err(|why| format!("cannot read {name}: {why}"))?;
    let trace = trace::parse(&text).map_err(|why| format!("{name}: {why}"))?;
    for bad in &trace.skipped {
        eprintln!("rush: {name}: line {}: {}, skipped", bad.line, bad.why);
    }
    if trace.events.is_empty() {
        return Err(format!("{name}: there is no event to replay"));
    }

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
        let name = path.display();
        let svg = chart::draw(&trace.keys, &replay, capacity)
            .map_err(|why| format!("cannot draw {name}: {why}"))?;
        fs::write(path, svg).map_err(|why| format!("cannot write {name}: {why}"))?;
        say(&format!("occupancy over time is drawn in {name}\n"))?;
    }
    books::verdict(&trace.keys, &replay.books, capacity)
}

/// The whole file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let bar = progress::bar("reading", file.metadata()?.len());
    let mut text = Vec::new();
    let read = bar.wrap_read(file).read_to_end(&mut text);
    bar.finish_and_clear();
    read.map(|_| text)
}

/// Prints to the standard output. A reader who has gone away, as `head` does, is no failure.
fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot print the report: {why}"))
        }
        _ => Ok(()),
    }
}
