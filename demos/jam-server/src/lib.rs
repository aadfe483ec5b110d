//! Jams of seven, as in Loops With Friends: each user of a jam has a loop of its own. Clients speak
//! the Phoenix channel protocol, so the official client joins as it is.
//!
//! - `server` has the routes and the limits on sockets, and starts and ends it all;
//! - `session` is one socket, with the limits on its messages;
//! - `jams` says which user sits where, and holds seats for pages and broken connections;
//! - `user` proves who a user is, and `outbox` is what waits for one socket.

mod args;
mod jams;
mod outbox;
mod server;
mod session;
mod user;

pub use args::Args;
pub use jams::{LOOPS, SEATS};
pub use server::Running;
