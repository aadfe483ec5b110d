//! The command line.

use std::path::PathBuf;

use clap::{value_parser, Parser};
use headcount::Gate;

/// Storms one course with sign-ups from several threads, in three ways side by side:
/// check-then-act, a mutex and headcount. With --trace, replays real arrivals and departures
/// instead.
#[derive(Parser, Debug)]
#[command(name = "rush")]
pub(crate) struct Args {
    /// Replay the arrivals and departures in FILE: minute,event,member,key
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Places in the course, or at each key of the trace [default: 30, with --trace 10]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = value_parser!(u32).range(..=i64::from(Gate::MAX_CAPACITY)))]
    capacity: Option<u32>,

    /// Threads that sign up, or that replay
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = value_parser!(u32).range(1..=1024))]
    threads: u32,

    /// Sign-ups in each of the three ways
    #[arg(long, value_name = "N", default_value_t = 100_000, conflicts_with = "trace")]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(crate) sign_ups: u64,

    /// Draw occupancy over time against the capacity
    #[arg(long, value_name = "FILE", requires = "trace")]
    pub(crate) svg: Option<PathBuf>,
}

impl Args {
    pub(crate) fn course_capacity(&self) -> u32 {
        self.capacity.unwrap_or(30)
    }

    pub(crate) fn key_capacity(&self) -> u32 {
        self.capacity.unwrap_or(10)
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        Args::try_parse_from([&["rush"], args].concat()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn the_course_has_30_places_and_a_key_10() {
        let args = parse(&[]).unwrap();
        assert_eq!((args.course_capacity(), args.key_capacity()), (30, 10));
        let args = parse(&["--capacity", "7"]).unwrap();
        assert_eq!((args.course_capacity(), args.key_capacity()), (7, 7));
    }

    #[test]
    fn a_capacity_that_no_gate_can_have_is_refused() {
        let (most, over) = (Gate::MAX_CAPACITY, Gate::MAX_CAPACITY + 1);
        assert!(parse(&["--capacity", &most.to_string()]).is_ok());
        let refused = parse(&["--capacity", &over.to_string()]).unwrap_err();
        assert!(refused.contains(&most.to_string()), "{refused}");
    }

    #[test]
    fn a_drawing_needs_a_trace_and_a_storm_needs_threads() {
        assert!(parse(&["--svg", "x.svg"]).unwrap_err().contains("--trace"));
        assert!(parse(&["--trace", "x.csv", "--svg", "x.svg"]).is_ok());
        assert!(parse(&["--threads", "0"]).is_err());
    }
}
