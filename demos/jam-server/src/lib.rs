//! Jams of seven, as in Loops With Friends: each user of a jam has a loop of its own. Clients speak
//! the Phoenix channel protocol, so the official client joins as it is.
//!
//! - `server` has the routes and the limits on sockets, and starts and ends it all;
//! - `session` is one socket, with the limits on its messages;
//! - `jams` says which user sits where, and holds seats for pages and broken connections;
//! - `jam` is one jam: its members and what they are told;
//! - `hall` has the seats, here or in an engine that several processes share, and `relay` is what
//!   these processes tell each other;
//! - `user` proves who a user is, and `outbox` is what waits for one socket.

mod args;
mod hall;
mod jam;
mod jams;
mod outbox;
mod relay;
mod server;
mod session;
mod user;

pub use args::Args;
pub use jam::{LOOPS, SEATS};
pub use server::Running;
