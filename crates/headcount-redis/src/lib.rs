//! The objects of `headcount`, shared by several processes, on Redis or Valkey.
mod connection;
mod error;
mod gate;
mod lease;
mod object;

pub use connection::{Connection, ConnectionBuilder};
pub use error::{EngineError, EngineErrorKind, RemoteEnrollError, RemoteError};
pub use gate::{RemoteGate, RemoteLease};
