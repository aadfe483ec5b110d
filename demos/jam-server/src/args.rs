//! The arguments of the program.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::Parser;

/// What the server allows, and where it listens.
#[derive(Clone, Debug, Parser)]
#[command(name = "jam-server", about = "Jams of seven: each user has a loop of its own")]
pub struct Args {
    /// The address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub address: IpAddr,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 4000)]
    pub port: u16,
    /// The greatest number of jams at once.
    #[arg(long, default_value_t = 1000)]
    pub jams: u32,
    /// The greatest number of sockets.
    #[arg(long, default_value_t = 5000)]
    pub sockets: u32,
    /// The greatest number of sockets of one address.
    #[arg(long, default_value_t = 100)]
    pub sockets_of_address: u32,
    /// The greatest number of topics of one socket.
    #[arg(long, default_value_t = 4)]
    pub topics: usize,
    /// The greatest number of bytes of a frame.
    #[arg(long, default_value_t = 16 * 1024)]
    pub frame_bytes: usize,
    /// The number of messages that a socket may send in a second.
    #[arg(long, default_value_t = 50)]
    pub messages_per_second: u32,
    /// After so many seconds a connection is closed on which no whole request head has come.
    #[arg(long, value_parser = seconds, default_value = "10")]
    pub head: Duration,
    /// The number of messages that may wait for a slow client.
    #[arg(long, default_value_t = 256)]
    pub outgoing: usize,
    /// After so many seconds without a message a socket is closed.
    #[arg(long, value_parser = seconds, default_value = "60")]
    pub idle: Duration,
    /// For so many seconds a seat is held for a page that was served, or for a client that was
    /// refused elsewhere.
    #[arg(long, value_parser = seconds, default_value = "15")]
    pub page_hold: Duration,
    /// The Redis or Valkey that several processes share, as `redis://127.0.0.1/`. Without it the
    /// jams are in this process.
    #[arg(long)]
    pub redis: Option<String>,
    /// With `--redis`, for so many seconds the engine keeps a seat whose process or connection
    /// broke.
    #[arg(long, value_parser = seconds, default_value = "10")]
    pub seat_ttl: Duration,
    /// For so many seconds a seat is held for a client whose connection broke.
    #[arg(long, value_parser = seconds, default_value = "30")]
    pub reconnect_hold: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Default for Args {
    fn default() -> Args {
        Args::parse_from(["jam-server"])
    }
}
