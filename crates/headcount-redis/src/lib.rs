#![doc = include_str!("../README.md")]

mod block;
mod connection;
mod course;
mod error;
mod gate;
mod lease;
mod leased;
mod lobby;
mod mutants;
mod object;
mod sync;
mod tally;

pub use connection::{Connection, ConnectionBuilder};
pub use course::{RemoteCourse, RemoteCourseCounts, RemoteEnrollment, RemoteReservation};
pub use error::{EngineError, EngineErrorKind, RemoteEnrollError, RemoteError};
pub use gate::{RemoteGate, RemoteLease};
pub use leased::{LeasedGate, LeasedPermit};
pub use lobby::{
    HeldSeat, RemoteJoinRoomError, RemoteLobby, RemoteLobbyBuilder, RemoteLobbyStats, RemoteRoomId,
    RemoteRoomInfo, RemoteSeat, RemoteStartError,
};
pub use tally::RemoteTally;
