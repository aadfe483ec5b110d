//! A semaphore that answers at once: lock-free limits within one process.
//!
//! A [`Gate`] admits at most *n* holders. [`Gate::try_acquire`] returns a [`Permit`] or the
//! reason why not, and never waits; dropping the permit gives its place back. The other types
//! apply the same idea to places that are confirmed later, to rooms, and to keys.
//!
//! ```
//! use headcount::Gate;
//!
//! static ROOM: Gate = Gate::new(2);
//!
//! let ann = ROOM.try_acquire().unwrap();
//! let bob = ROOM.try_acquire().unwrap();
//! assert!(ROOM.try_acquire().unwrap_err().is_full());
//!
//! drop(ann);
//! assert_eq!(ROOM.occupied(), 1);
//! assert!(ROOM.try_acquire().is_ok());
//! ```
//!
//! # Which type
//!
//! | type | use it for |
//! |---|---|
//! | [`Gate`] | at most *n* at once: jobs, connections, one chat room |
//! | [`Course`](struct.Course.html) | places that are reserved first and confirmed later |
//! | [`Tally`](struct.Tally.html) | a counter whose every change returns the new value |
//! | [`Lobby`](struct.Lobby.html) | many rooms of *n* numbered seats; it chooses the room |
//! | [`StripedGate`](struct.StripedGate.html) | one limit that all threads pass, and seldom reach |
//! | [`KeyedGate`](struct.KeyedGate.html) | a limit for each user or address, made on demand |
//! | [`Holds`](struct.Holds.html) | a place that waits for its owner until a deadline |
//!
//! The documentation of each type names its guarantees, and says what it does not promise.
//!
//! # Waiting
//!
//! Without the feature `wait` no call waits for a place. With it, `Gate::acquire` and
//! `Course::reserve` return a future that runs on any async runtime; threads can wait in the same
//! queue. Waiters are served first come, first served.
//!
//! These futures take no part in tokio's cooperative scheduling: while the gate has free places,
//! `acquire().await` is ready at once and never yields to the runtime. A task that does little
//! else in a loop then keeps its worker thread to itself. Such a loop should yield now and then,
//! with `tokio::task::coop::consume_budget().await` or `tokio::task::yield_now().await`.
//!
//! # Coming from another semaphore
//!
//! | tokio 1.54 | here |
//! |---|---|
//! | `Semaphore::new`, `const_new` | [`Gate::new`] |
//! | `try_acquire`, `try_acquire_many` | the same names |
//! | `try_acquire_owned`, `…_many_owned` | the same names |
//! | `TryAcquireError::NoPermits`, `Closed` | [`TryAcquireError::Full`], `Closed` |
//! | `acquire`, `acquire_many`, `…_owned` | the same names, with the feature `wait` |
//! | `blocking_acquire`, `…_many`, `…_owned` | `acquire().wait()`, `wait_timeout`, … |
//! | `AcquireError` | the error of `acquire`: the gate was closed |
//! | `available_permits` | [`available`](Gate::available) |
//! | `add_permits` | [`raise_capacity`](Gate::raise_capacity) |
//! | `forget_permits` | [`lower_capacity`](Gate::lower_capacity), for held places too |
//! | `close`, `is_closed` | the same names |
//! | `SemaphorePermit::forget`, `merge`, `split` | the same names at [`Permit`] |
//! | `SemaphorePermit::num_permits` | [`Permit::count`] |
//! | `SemaphorePermit::semaphore` | [`Permit::gate`] |
//! | – | [`occupied`](Gate::occupied), [`capacity`](Gate::capacity) |
//! | – | [`reopen`](Gate::reopen), [`close_if_occupied`](Gate::close_if_occupied) |
//! | – | [`try_acquire_all`](Gate::try_acquire_all), [`force_acquire`](Gate::force_acquire) |
//! | – | [`try_acquire_leaving`](Gate::try_acquire_leaving) |
//! | – | `Gate::waiting`, `Acquire::position`, `queue_limit`, `drain`, with the feature `wait` |
//!
//! What differs where the names agree:
//!
//! - *Closing.* If a waiter has been served, then the semaphore is closed, and then the waiter is
//!   polled, tokio returns `Err`. Here the waiter gets its permit: a place that was given is
//!   kept.
//! - *Resizing.* tokio's `forget_permits` removes free permits only, and says how many it
//!   removed. Here `set_capacity` takes the new total, and `lower_capacity` says what it became.
//!   Places that are held count, and are removed as their holders leave.
//! - *Futures.* Those of tokio are anonymous. `Acquire` and `AcquireOwned` can be named in a
//!   struct without a box, and need no pinning. They are not part of tokio's cooperative
//!   scheduling, see above.
//! - *Blocking.* tokio's `blocking_acquire` panics within a runtime. Here the thread blocks.
//! - *Numbers.* `u32` for `usize`, and at most 2^28 places. A request for more than the capacity
//!   is refused as full, and one that waits stands aside until the capacity is raised; in tokio it
//!   holds up all behind it. tokio panics above its `MAX_PERMITS`.
//!
//! | async-lock 3 | here |
//! |---|---|
//! | `try_acquire`, an `Option` | [`try_acquire`](Gate::try_acquire), a `Result` |
//! | `try_acquire_arc` | [`try_acquire_owned`](Gate::try_acquire_owned) |
//! | `acquire`, `acquire_arc` | `acquire`, `acquire_owned`, with the feature `wait` |
//! | `acquire_blocking`, `acquire_arc_blocking` | `acquire().wait()`, `acquire_owned().wait()` |
//! | `add_permits` | [`raise_capacity`](Gate::raise_capacity) |
//! | `SemaphoreGuard::forget` | [`lower_capacity`](Gate::lower_capacity) |
//! | `available_permits` | [`available`](Gate::available) |
//!
//! There a newcomer may overtake a waiter, one call takes one place, and there is no closing;
//! here waiters are served in order, one call can take many places, and a gate can close.
//!
//! # Features and platforms
//!
//! - `std`, by default: [`Lobby`](struct.Lobby.html), [`StripedGate`](struct.StripedGate.html),
//!   and a hint for each thread that makes a gate faster. Without it the crate needs only `core`
//!   and `alloc`.
//! - `wait`: waiting. A [`Gate`] grows from 8 to 24 bytes, and [`TryAcquireError::Full`] can also
//!   mean that another caller waits for the place. Cargo unites the features of a build, so any
//!   other crate in it can switch this on.
//! - `keyed`: [`KeyedGate`](struct.KeyedGate.html).
//! - `holds`: [`Holds`](struct.Holds.html), with a key from `getrandom` and tickets by `siphasher`.
//! - `serde`: room ids and tickets are serialised as the strings that they print.
//!
//! All types but [`Gate`] need 64-bit atomics. The minimum supported Rust version is 1.84.
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_has_atomic = "32"))]
compile_error!("headcount needs compare-exchange on 32-bit atomics (target_has_atomic = \"32\")");

#[cfg(all(headcount_loom, not(feature = "_loom")))]
compile_error!("cfg(headcount_loom) needs the feature `_loom`: use ci/loom");

#[cfg(all(headcount_shuttle, not(feature = "_shuttle")))]
compile_error!("cfg(headcount_shuttle) needs the feature `_shuttle`: use ci/shuttle");

extern crate alloc;

// The example of the README is compiled and run as a doc test.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod error;
mod gate;
mod protocol;
mod sync;
mod wait;

#[cfg(target_has_atomic = "64")]
mod course;
#[cfg(all(feature = "holds", target_has_atomic = "64"))]
mod holds;
#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
mod keyed;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod lobby;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod origin;
#[cfg(all(feature = "serde", target_has_atomic = "64"))]
mod serde;
#[cfg(all(any(feature = "holds", feature = "keyed"), target_has_atomic = "64"))]
mod short_lock;
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
pub use error::{AcquireError, AcquireTimeoutError, DrainError};
#[cfg(feature = "wait")]
pub use gate::{Acquire, AcquireOwned, Drain, DrainOwned};

#[cfg(target_has_atomic = "64")]
pub use course::{
    Course, CourseCounts, Enrollment, OwnedEnrollment, OwnedReservation, Reservation,
};
#[cfg(all(feature = "holds", target_has_atomic = "64"))]
pub use holds::{ClaimError, Holds, HoldsBuilder, ParseTicketError, Ticket};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use lobby::{
    JoinError, JoinRoomError, JoinRoomErrorKind, Lobby, LobbyBuilder, LobbyStats, OwnedParty,
    OwnedSeat, ParseRoomIdError, Party, RoomId, RoomInfo, Seat,
};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use striped::{OwnedStripedPermit, StripedGate, StripedPermit};
#[cfg(target_has_atomic = "64")]
pub use tally::Tally;

#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
pub use keyed::{
    KeyHandle, KeyInfo, KeyedGate, KeyedGateBuilder, KeyedPermit, OwnedKeyHandle, OwnedKeyedPermit,
};
#[cfg(all(feature = "keyed", feature = "wait", target_has_atomic = "64"))]
pub use keyed::{KeyedAcquire, KeyedAcquireOwned};
