#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(feature = "std", test)), no_std)]

#[cfg(not(target_has_atomic = "32"))]
compile_error!("headcount needs compare-exchange on 32-bit atomics (target_has_atomic = \"32\")");

extern crate alloc;

mod error;
mod gate;
mod protocol;
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
mod striped;
#[cfg(target_has_atomic = "64")]
mod tally;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod thread_number;

pub use error::{CapacityError, EnrollError, QuorumError, TryAcquireError, WithdrawError};
pub use gate::{Gate, OwnedPermit, Permit};

#[cfg(all(feature = "wait", target_has_atomic = "64"))]
pub use course::{Reserve, ReserveOwned};
#[cfg(feature = "wait")]
pub use error::{AcquireError, AcquireTimeoutError};
#[cfg(feature = "wait")]
pub use gate::{Acquire, AcquireOwned};

#[cfg(target_has_atomic = "64")]
pub use course::{Course, CourseCounts, OwnedReservation, Reservation};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use lobby::{
    JoinError, JoinRoomError, JoinRoomErrorKind, Lobby, LobbyBuilder, LobbyStats, OwnedSeat,
    ParseRoomIdError, RoomId, RoomInfo, Seat,
};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use striped::{OwnedStripedPermit, StripedGate, StripedPermit};
#[cfg(target_has_atomic = "64")]
pub use tally::Tally;

#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
pub use keyed::{KeyHandle, KeyedGate, KeyedPermit, OwnedKeyHandle, OwnedKeyedPermit};
