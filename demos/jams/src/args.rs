//! The command line.

use std::path::PathBuf;

use clap::{value_parser, Parser};
use headcount::Lobby;

use crate::plan::Plan;

/// Balances members over jams of seven from several threads, though some come late to the jam that
/// their page has named. With --trace, replays real arrivals and departures instead of a storm.
#[derive(Parser, Debug)]
#[command(name = "jams")]
pub(crate) struct Args {
    /// Replay the arrivals and departures in FILE: minute,event,member,key
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Seats in each room
    #[arg(long, value_name = "SEATS", default_value_t = 7)]
    #[arg(value_parser = value_parser!(u32).range(1..=i64::from(Lobby::<()>::MAX_SEATS)))]
    rooms: u32,

    /// The share of members whose page names a jam before they join, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    late: f64,

    /// How long before: minutes, or in the storm arrivals on the same thread
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u32).range(..=1_000_000))]
    ahead: u32,

    /// Threads that join and leave
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = value_parser!(u32).range(1..=1024))]
    threads: u32,

    /// Arrivals in the storm
    #[arg(long, value_name = "N", default_value_t = 1_000_000, conflicts_with = "trace")]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(crate) arrivals: u64,

    /// Draw the jams over time
    #[arg(long, value_name = "FILE", requires = "trace")]
    pub(crate) svg: Option<PathBuf>,
}

impl Args {
    pub(crate) fn plan(&self) -> Plan {
        let Args { rooms: seats, late, .. } = *self;
        Plan { seats, late, ahead: self.ahead.into(), threads: self.threads as usize }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        Args::try_parse_from([&["jams"], args].concat()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn jams_of_seven_and_three_in_ten_come_late() {
        let Plan { seats, late, ahead, threads } = parse(&[]).unwrap().plan();
        assert_eq!((seats, late, ahead, threads), (7, 0.3, 5, 8));
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        for fine in ["0", "1", "0.25"] {
            assert!(parse(&["--late", fine]).is_ok(), "{fine}");
        }
        for bad in ["1.1", "-0.1", "NaN", "inf", "some", ""] {
            let refused = parse(&[&format!("--late={bad}")]).unwrap_err();
            assert!(refused.contains("a share is a number from 0 to 1"), "{refused}");
        }
    }

    #[test]
    fn a_room_that_no_lobby_can_have_is_refused() {
        let most = Lobby::<()>::MAX_SEATS;
        assert!(parse(&["--rooms", &most.to_string()]).is_ok());
        let refused = parse(&["--rooms", &(most + 1).to_string()]).unwrap_err();
        assert!(refused.contains(&most.to_string()), "{refused}");
        assert!(parse(&["--rooms", "0"]).is_err());
    }

    #[test]
    fn a_drawing_needs_a_trace_and_a_storm_needs_arrivals() {
        assert!(parse(&["--svg", "x.svg"]).unwrap_err().contains("--trace"));
        assert!(parse(&["--threads", "0"]).is_err());
        assert!(parse(&["--arrivals", "0"]).is_err());
        assert!(parse(&["--arrivals", "5", "--trace", "x.csv"]).is_err());
    }
}
