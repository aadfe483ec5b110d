#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod error;
mod gate;
mod permit;
mod recent;
mod slot;
mod step;
mod sync;
mod wait;

#[cfg(target_has_atomic = "64")]
mod course;
#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
mod keyed;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod lobby;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod origin;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod seats;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod striped;
#[cfg(target_has_atomic = "64")]
mod tally;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod thread;

pub use error::{CapacityError, EnrollError, NotEnrolled, TryAcquireError};
pub use gate::Gate;
pub use permit::{OwnedPermit, Permit};

#[cfg(feature = "wait")]
pub use error::{AcquireTimeoutError, Closed};
#[cfg(feature = "wait")]
pub use wait::{Acquire, AcquireOwned};
#[cfg(all(feature = "wait", target_has_atomic = "64"))]
pub use wait::{Reserve, ReserveOwned};

#[cfg(target_has_atomic = "64")]
pub use course::{Counts, Course, OwnedReservation, Reservation};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use lobby::{
    JoinError, JoinRefusal, Lobby, LobbyBuilder, LobbyFull, LobbyStats, OwnedSeat, RoomId,
    RoomIdError, RoomInfo, Seat, TooFew,
};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use striped::{OwnedStripedPermit, StripedGate, StripedPermit};
#[cfg(target_has_atomic = "64")]
pub use tally::Tally;

#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
pub use keyed::{KeyHandle, KeyedGate, KeyedPermit, OwnedKeyHandle, OwnedKeyedPermit};
