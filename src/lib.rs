//! A lock-free semaphore that answers at once, and limits of its kind within one process.
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
//! | [`Tally`](struct.Tally.html) | a counter whose additions return the new value |
//! | [`Lobby`](struct.Lobby.html) | many rooms of *n* numbered seats; it chooses the room |
//! | [`StripedGate`](struct.StripedGate.html) | one limit that all threads pass, and seldom reach |
//! | [`KeyedGate`](struct.KeyedGate.html) | a limit for each user or address, made on demand |
//! | [`Holds`](struct.Holds.html) | a place that waits for its owner until a deadline |
//!
//! The documentation of each type names its guarantees, and says what it does not promise.
//!
//! [`Gate`], `Course` and `Tally` can stand in a static; the others need a
//! `LazyLock`. A guard that is kept beyond a borrow, as in a task or in
//! `Holds`, is an owned one: [`try_acquire_owned`](Gate::try_acquire_owned) takes an `Arc`.
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
//! # One user, many tabs
//!
//! A user with many tabs, sockets or devices counts once if the key of a
//! [`KeyedGate`](struct.KeyedGate.html) carries a [`Tally`](struct.Tally.html) of them. Keys are
//! compared by the id alone, so all permits of a user lead to the one key that brought it to life,
//! and with it to one tally; `max_keys` is then a limit of users, whatever the number of tabs.
//!
//! ```
//! # #[cfg(feature = "keyed")] {
//! use headcount::{Gate, KeyedGate, Tally};
//! # use std::hash::{Hash, Hasher};
//!
//! struct User { id: u64, tabs: Tally } // `Eq` and `Hash` are those of the id
//! # impl PartialEq for User { fn eq(&self, other: &User) -> bool { self.id == other.id } }
//! # impl Eq for User {}
//! # impl Hash for User { fn hash<H: Hasher>(&self, state: &mut H) { self.id.hash(state) } }
//!
//! let users = KeyedGate::builder(|_: &User| Gate::MAX_CAPACITY).max_keys(1_000).build();
//! let open = |id| users.try_acquire(User { id, tabs: Tally::new(0) });
//!
//! let first = open(7)?;
//! assert_eq!(first.key().tabs.increment(), 1); // the user has come
//! let second = open(7)?;
//! assert_eq!(second.key().tabs.increment(), 2);
//!
//! assert_eq!(first.key().tabs.decrement(), 1); // then `first` is dropped
//! assert_eq!(second.key().tabs.decrement(), 0); // the user has left; then `second` is dropped
//! # }
//! # Ok::<(), headcount::TryAcquireError>(())
//! ```
//!
//! Each tab counts itself after it has its permit, and uncounts itself before it drops it; a guard
//! that does both is `examples/tabs.rs`. Then *first* (1) and *last* (0) alternate, and one tab is
//! told each: a permit keeps the key alive, so the tally is 0 when a key ends and when one begins.
//! A new tab that comes after the last one has counted itself out, and before that one has dropped
//! its permit, is a first one of the same key.
//!
//! Not promised:
//!
//! - the order in which two threads *act* on what they were told: news that a user has left can be
//!   sent after news that the user has come again. If it matters, change the count and send the
//!   news under one lock: a `Mutex<u64>` in the key instead of the tally.
//! - a place for a user who comes back in the moment of leaving, with `max_keys` users there: a
//!   user counts until the drop of its last permit has returned, so another thread's call can be
//!   refused until then. Further tabs of a user who is there are never refused for that limit.
//!
//! # Two limits at once
//!
//! For a limit in all and one for each customer, take the place of the key first, then that of the
//! total:
//!
//! ```
//! # #[cfg(feature = "keyed")] {
//! use headcount::{Gate, KeyedGate, KeyedPermit, Permit, TryAcquireError};
//!
//! struct Limits { total: Gate, each: KeyedGate<u64> }
//!
//! impl Limits {
//!     fn try_enter(&self, customer: u64) -> Result<(Permit, KeyedPermit<u64>), TryAcquireError> {
//!         let own = self.each.try_acquire(customer)?;
//!         let total = self.total.try_acquire()?; // a refusal drops `own`
//!         Ok((total, own))
//!     }
//! }
//! # let limits = Limits { total: Gate::new(1), each: KeyedGate::new(|_| 1) };
//! # let ann = limits.try_enter(1).unwrap();
//! # assert!(limits.try_enter(2).unwrap_err().is_full());
//! # assert_eq!(limits.each.len(), 1);
//! # }
//! ```
//!
//! With waiting, the two lines are `acquire(customer).await?` and `acquire().await?`, or `wait()?`
//! for `await?`; see `examples/two_limits.rs`. Then
//!
//! - neither limit is ever exceeded; a refusal or an error of the second gives the first place
//!   back; a future that is dropped at any point keeps nothing of either.
//! - no callers wait for each other in a circle: a caller that waits for the total waits for
//!   holders of both places, and they wait for nothing here. This holds if all callers take the
//!   two in the same order, and none waits for a pair while it holds another.
//! - a caller that waits for its key holds no place of the total, so a busy key holds up no other.
//!   A caller that waits for the total holds a place of its own key alone.
//!
//! Not promised: that the two are one step. A call can be refused by its key because of a call that
//! the total refuses in the same moment.
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
//! | `MAX_PERMITS` | [`Gate::MAX_CAPACITY`] |
//! | `SemaphorePermit::forget`, `merge`, `split` | the same names at [`Permit`] |
//! | `SemaphorePermit::num_permits` | [`Permit::count`] |
//! | `SemaphorePermit::semaphore` | [`Permit::gate`] |
//! | – | [`occupied`](Gate::occupied), [`capacity`](Gate::capacity) |
//! | – | [`set_capacity`](Gate::set_capacity), [`try_run`](Gate::try_run) |
//! | – | [`reopen`](Gate::reopen), [`close_if_occupied`](Gate::close_if_occupied) |
//! | – | [`try_acquire_all`](Gate::try_acquire_all), [`force_acquire`](Gate::force_acquire) |
//! | – | [`try_acquire_leaving`](Gate::try_acquire_leaving) |
//! | – | `Gate::waiting`, `Acquire::position`, `queue_limit`, `drain`, with the feature `wait` |
//! | – | a limit for each key, also with waiting: [`KeyedGate`](struct.KeyedGate.html) |
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
//! | `SemaphoreGuard::forget` | [`Permit::forget`] |
//! | `available_permits`, since 3.5 | [`available`](Gate::available) |
//! | – | what is new in the table of tokio |
//! | – | `…_many`, [`close`](Gate::close), and [`split`](Permit::split) and `merge` of permits |
//!
//! There a newcomer may overtake a waiter, one call takes one place, and there is no closing;
//! here waiters are served in order, one call can take many places, and a gate can close.
//!
//! | Java 8 to 21, `Semaphore` | here |
//! |---|---|
//! | `new Semaphore(n)` | [`Gate::new`] |
//! | `new Semaphore(n, true)`, `isFair()` | waiters are always served in order |
//! | `tryAcquire()` | [`try_acquire`](Gate::try_acquire) |
//! | `tryAcquire(n)` | [`try_acquire_many`](Gate::try_acquire_many) |
//! | `tryAcquire(timeout, unit)` | `acquire().wait_timeout(timeout)` |
//! | `tryAcquire(n, timeout, unit)` | `acquire_many(n).wait_timeout(timeout)` |
//! | `acquireUninterruptibly()`, `(n)` | `acquire().wait()`, `acquire_many(n).wait()` |
//! | `acquire()`, `acquire(n)`: an interrupt ends them | a future, which can be dropped |
//! | `release()`, `release(n)` of what was acquired | dropping the [`Permit`] |
//! | `release(n)` of what was not | [`raise_capacity`](Gate::raise_capacity) |
//! | `drainPermits()` | [`try_acquire_all`](Gate::try_acquire_all), an error where that is 0 |
//! | `reducePermits(n)`, protected | [`lower_capacity`](Gate::lower_capacity) |
//! | `availablePermits()` | [`available`](Gate::available) |
//! | `getQueueLength()` | `Gate::waiting` |
//! | `hasQueuedThreads()` | `Gate::waiting() > 0` |
//! | `getQueuedThreads()`, protected | – |
//! | – | `wait_deadline`, and what is new in the table of tokio |
//! | – | [`close`](Gate::close), and [`split`](Permit::split) and `merge` of permits |
//!
//! What differs from Java:
//!
//! - *Ownership.* There a place is a number that any thread can release, as often as it likes; a
//!   release too many is one more place for ever. Here only the permit gives its places back, once.
//! - *Overtaking.* There `tryAcquire()` takes a free place ahead of those that wait, at a fair
//!   semaphore too. Here it is refused as full while a caller waits that the capacity can serve.
//! - *Below zero.* There `availablePermits()` is negative after `reducePermits` below what is held,
//!   and `drainPermits()` then forgives the deficit. Here `available` is 0, the deficit is
//!   `occupied() - capacity()`, and only releases and a raise pay it; the capacity stops at 0.
//! - *Draining.* Java's `drainPermits` takes what is free. `drain` here closes the gate, and waits
//!   until all that is held has come back.
//! - *The length of the queue* is an estimate there. `waiting` is exact at an instant.
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

#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod block;
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
