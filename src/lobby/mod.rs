//! The lobby: rooms that are opened, filled and closed as members come and go.
//!
//! # Invariant
//!
//! All facts about a room are in its own word (`protocol/room.rs`). With a limit of *n* rooms, only
//! *n* rooms are used, divided among the shards; one more for each room that is retired. The
//! shards' hints choose the room that a caller is sent to; they never decide whether it is
//! admitted, refused, or opens a room (`protocol/survey.rs`). `index.rs` makes that choice,
//! `join.rs` has the steps of each call.

mod builder;
mod error;
mod hints;
mod id;
mod index;
mod info;
mod join;
mod last_left;
mod own_shard;
mod pages;
mod room;
mod seat;
#[cfg(all(test, not(headcount_shuttle)))]
mod tests;
mod words;

use alloc::sync::Arc;

use crossbeam_utils::CachePadded;

pub use builder::LobbyBuilder;
pub use error::{JoinError, JoinRoomError, JoinRoomErrorKind};
pub use id::{ParseRoomIdError, RoomId};
pub use info::{LobbyStats, RoomInfo};
pub use seat::{OwnedSeat, Seat};

use crate::protocol::room::RoomSize;
use crate::sync::AtomicU32;
use index::RoomIndex;
use pages::Pages;
use room::Waiters;
use seat::SeatInner;

/// A registry of rooms with numbered seats, which are filled one room after the other.
///
/// [`join`](Lobby::join) seats the caller in the *filling* room: the most populated room that has a
/// free seat. If no room has one, it opens a new room. A room closes when its last seat is dropped.
/// Every room may have a state of type `T`.
///
/// # Examples
///
/// Users are balanced over jams of at most seven:
///
/// ```
/// use headcount::Lobby;
///
/// let jams = Lobby::new(7);
/// let filling = jams.filling(); // the page load tells the client where to go
///
/// let seats: Vec<_> = (0..7).map(|_| jams.join()).collect::<Result<_, _>>()?;
/// assert!(seats.iter().all(|seat| seat.room_id() == filling)); // other clients were faster
///
/// let seat = jams.join_room_or_any(filling)?; // its socket joins: that jam is full by now
/// assert_ne!(seat.room_id(), filling);
/// assert_eq!(seat.number(), 0); // the first seat of a new jam, and thus its first loop
/// # Ok::<(), headcount::JoinError>(())
/// ```
///
/// A game has more than 2 but fewer than 6 players:
///
/// ```
/// use headcount::Lobby;
///
/// let games = Lobby::builder(5).quorum(3).build();
/// let mut players = vec![games.join()?, games.join()?];
/// assert_eq!(players[0].start().unwrap_err().occupied, 2);
///
/// players.push(games.join()?);
/// assert!(players[2].completed_quorum());
/// assert_eq!(players[2].start(), Ok(3)); // the room is locked while the game runs
/// assert_ne!(games.join()?.room_id(), players[0].room_id());
/// # Ok::<(), headcount::JoinError>(())
/// ```
///
/// # Guarantees
///
/// - *never-over*: no room has more members than seats, and at most `max_rooms` rooms are open.
/// - *seat-distinct*: two live seats of one room never have the same number.
/// - *no-ghost*: the id of a closed room never admits a caller.
/// - *exact-lobby*: [`join`](Self::join) is refused only if, at an instant within the call,
///   `max_rooms` rooms were open and none of them had a free seat and was unlocked.
/// - *no-needless-room*: with one shard, [`join`](Self::join) opens a room only if, at an instant
///   within the call, no open, unlocked room had a free seat. Callers that arrive at the same empty
///   lobby at the same time are sent to one room; only a room that closes meanwhile diverts them.
/// - *unblocked*: both also hold while other threads have stopped in the middle of their calls, for
///   however long. The exceptions: a thread that stops while it puts a new page of rooms in its
///   place holds up callers that need that page; [`state`](Seat::state) waits for the thread that
///   makes the state, and for an instant under a lock that all waiting members of the lobby share.
/// - *no-lost-room*: once calls are quiet, `join` finds every open, unlocked room with a free seat.
/// - *best-fit*: with one shard and one caller at a time, `join` takes the most populated room that
///   has a free seat, and opens a new room only if no room has one. With more shards, each thread
///   prefers the rooms of its own shard, then those of the others, and opens a new room only if it
///   finds no free seat in any shard.
/// - *no-leak*: each seat returns what it holds exactly once. When all seats have been dropped and
///   these calls have returned, no room is open and every state has been dropped.
///
/// # What is not promised
///
/// - Fairness among callers that join at the same time.
/// - Which of several equally populated rooms is chosen.
/// - That a caller gets the fullest room while other calls overlap. While one call is in the middle
///   of joining or leaving a room, others may overlook that room and take another one that is open.
///
/// # Memory ordering
///
/// Dropping a seat is a release operation, joining an acquire operation: what a member wrote before
/// it left is visible to members that join the room later, and to the destructor of the room's
/// state. What the constructor of the state wrote is visible to all members. A refusal synchronises
/// with nothing.
///
/// # Memory
///
/// A room takes 8 bytes and a little more than 1 bit for each seat and one more; a room of more
/// than 24 seats takes another 8 bytes for each 64 seats. With a state it takes another 16 bytes,
/// and while it is open an allocation for the state. Each shard allocates its rooms in pages that
/// double in size, and reuses them: its memory is at most about twice that of the most rooms that
/// it had open at once. The memory is returned when the lobby is dropped. A shard without rooms
/// takes about 5 KiB. A room's memory is retired after 2^24 - 1 uses, so that no id ever means two
/// rooms.
pub struct Lobby<T = ()> {
    size: RoomSize,
    quorum: u32,
    mark: u32,
    states: States<T>,
    waiters: Waiters,
    /// How many threads were given a shard.
    threads: AtomicU32,
    pages: Pages<T>,
    shards: Box<[CachePadded<RoomIndex>]>,
}

/// Makes a state.
type MakeState<T> = Box<dyn Fn(RoomId) -> T + Send + Sync>;

/// The states of the rooms.
enum States<T> {
    /// All rooms have this one: it is that of rooms without a state.
    One(T),
    /// Each room has its own.
    Each(MakeState<T>),
}

impl Lobby {
    /// Creates a lobby with any number of rooms of `seats` seats. It has one shard, a quorum of
    /// one, and rooms without a state.
    ///
    /// # Panics
    ///
    /// If `seats` is 0 or above [`MAX_SEATS`](Self::MAX_SEATS).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::Lobby::new(7).join().is_ok());
    /// ```
    #[track_caller]
    pub fn new(seats: u32) -> Lobby {
        Lobby::builder(seats).build()
    }

    /// Returns the settings of a lobby with rooms of `seats` seats.
    ///
    /// # Panics
    ///
    /// If `seats` is 0 or above [`MAX_SEATS`](Self::MAX_SEATS).
    ///
    /// # Examples
    ///
    /// ```
    /// let games = headcount::Lobby::builder(5).quorum(3).build();
    /// assert_eq!(games.seats(), 5);
    /// ```
    #[track_caller]
    pub fn builder(seats: u32) -> LobbyBuilder {
        LobbyBuilder::new(seats)
    }
}

impl<T> Lobby<T> {
    /// The largest number of seats that a room can have.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Lobby::<()>::MAX_SEATS, 4096);
    /// ```
    pub const MAX_SEATS: u32 = 4096;

    /// Takes a seat in the filling room, or opens a room. Never waits for a seat.
    ///
    /// # Errors
    ///
    /// [`JoinError::Full`] if no room has a free seat and no more rooms may be opened.
    ///
    /// # Panics
    ///
    /// If the constructor of the new room's state panics. The caller has left the room then, so
    /// that it has closed unless others have joined it; see
    /// [`build_with`](LobbyBuilder::build_with).
    ///
    /// # Cost
    ///
    /// One compare-exchange where the best room is known: the filling room, or the latest of up to
    /// 64 rooms that the calling thread left full, if one seat is free there. Of those, rooms
    /// that have changed are read once each and forgotten. Otherwise the call also walks down a
    /// tree of hints, of a depth of at most six for any number of rooms, and clears hints that are
    /// out of date. All calls together clear no more hints than were set, up to 64 in one step, but
    /// one call may clear many, one for each level of each room: the first call that finds a
    /// million rooms of 24 seats full takes tens of milliseconds. Rooms of more than 24 seats take
    /// a second compare-exchange for the seat. An exchange is repeated if other callers join or
    /// leave the same room in between.
    ///
    /// Before a refusal, and before a room opens, the call proves that no room admits: a load or
    /// two for each shard. While another call has stopped in the middle, that takes a reading of
    /// every room instead, as often as calls have stopped. The proof begins anew whenever another
    /// call makes a full room admit, closes a room, or opens one. So while calls have stopped, a
    /// steady flow of such changes may prolong a call without limit, though each change is another
    /// call that goes on. Opening a room may allocate; no other caller waits for that.
    ///
    /// Dropping the seat takes one compare-exchange. If the room has no hint for its new number of
    /// members, it also writes that hint, and up to one summary for each layer of the tree. The
    /// first leave after a refused caller has passed the full room takes another addition, and so
    /// does the last leave of a room.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(2);
    /// let seats = [lobby.join()?, lobby.join()?, lobby.join()?];
    /// assert_eq!(seats[0].room_id(), seats[1].room_id());
    /// assert_ne!(seats[0].room_id(), seats[2].room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    #[inline]
    pub fn join(&self) -> Result<Seat<'_, T>, JoinError> {
        SeatInner::join(self).map(Seat)
    }

    /// Takes a seat in that room. Never waits for a seat.
    ///
    /// The room need not be open if [`filling`](Self::filling) or a refusal has named it and it is
    /// still the next to be opened: then this call opens it, or enters it if another caller was
    /// first.
    ///
    /// # Errors
    ///
    /// [`JoinRoomError`], which says whether the room was full, locked or gone, and which room to
    /// try instead. That room may change before the caller tries it;
    /// [`join_room_or_any`](Self::join_room_or_any) makes the second attempt itself.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cost
    ///
    /// That of [`join`](Self::join) into the filling room, with one or two more atomic operations
    /// if the room is not the filling one and still has a free seat. A refusal allocates nothing,
    /// and only reads unless its search for another room comes upon hints that are out of date.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(2);
    /// let seat = lobby.join()?;
    /// let friend = lobby.join_room(seat.room_id()).expect("there are two seats");
    /// assert!(lobby.join_room(seat.room_id()).unwrap_err().is_full());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    #[inline]
    pub fn join_room(&self, id: RoomId) -> Result<Seat<'_, T>, JoinRoomError> {
        SeatInner::join_room(self, id).map(Seat)
    }

    /// Takes a seat in that room, or else where [`join`](Self::join) does. Never waits for a seat.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(1);
    /// let seat = lobby.join()?;
    /// assert_ne!(lobby.join_room_or_any(seat.room_id())?.room_id(), seat.room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    #[inline]
    pub fn join_room_or_any(&self, id: RoomId) -> Result<Seat<'_, T>, JoinError> {
        SeatInner::join_room_or_any(self, id).map(Seat)
    }

    /// Takes a seat as [`join`](Self::join) does. The seat is not tied to a borrow: it can move to
    /// another thread or task, and keeps the lobby alive.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(7));
    /// let seat = Arc::clone(&lobby).join_owned()?;
    /// drop(lobby);
    /// assert_eq!(seat.members(), 1);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn join_owned(self: Arc<Self>) -> Result<OwnedSeat<T>, JoinError> {
        SeatInner::join(self).map(OwnedSeat)
    }

    /// Takes an owned seat as [`join_room`](Self::join_room) does.
    ///
    /// # Errors
    ///
    /// As [`join_room`](Self::join_room). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(7));
    /// let filling = lobby.filling();
    /// let seat = lobby.join_room_owned(filling)?;
    /// assert_eq!(seat.room_id(), filling);
    /// # Ok::<(), headcount::JoinRoomError>(())
    /// ```
    pub fn join_room_owned(self: Arc<Self>, id: RoomId) -> Result<OwnedSeat<T>, JoinRoomError> {
        SeatInner::join_room(self, id).map(OwnedSeat)
    }

    /// Takes an owned seat as [`join_room_or_any`](Self::join_room_or_any) does.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(1));
    /// let full = lobby.clone().join_owned()?;
    /// let seat = lobby.join_room_or_any_owned(full.room_id())?;
    /// assert_ne!(seat.room_id(), full.room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn join_room_or_any_owned(self: Arc<Self>, id: RoomId) -> Result<OwnedSeat<T>, JoinError> {
        SeatInner::join_room_or_any(self, id).map(OwnedSeat)
    }

    /// Returns the id of the room where [`join`](Self::join) would go now.
    ///
    /// If no room has a free seat, this is the id of a room that is not open yet.
    /// [`join_room`](Self::join_room) opens that room as long as it is the next to be opened, and
    /// refuses it as full while `max_rooms` rooms are open. The call allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let filling = lobby.filling();
    /// assert!(lobby.room(filling).is_none()); // not open yet
    /// assert_eq!(lobby.join()?.room_id(), filling);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn filling(&self) -> RoomId {
        self.next().unwrap_or_else(|| self.unopened())
    }

    /// Locks that room: it admits no new member, and its members may stay or leave. Returns false
    /// if the room is not open.
    ///
    /// Locking a locked room changes nothing. A locked room closes when its last seat is dropped,
    /// as others do.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let seat = lobby.join()?;
    /// assert!(lobby.lock(seat.room_id()));
    /// assert_ne!(lobby.join()?.room_id(), seat.room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn lock(&self, id: RoomId) -> bool {
        self.set_lock(id, true)
    }

    /// Unlocks that room: it admits new members again. Returns false if the room is not open.
    ///
    /// # Memory ordering
    ///
    /// A release operation if the room was locked: what the caller wrote before is visible to
    /// members that join the room later.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let seat = lobby.join()?;
    /// lobby.lock(seat.room_id());
    /// assert!(lobby.unlock(seat.room_id()));
    /// assert_eq!(lobby.join()?.room_id(), seat.room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn unlock(&self, id: RoomId) -> bool {
        self.set_lock(id, false)
    }

    /// Returns the facts about that room at an instant within the call, or `None` if it is not
    /// open.
    ///
    /// # Memory ordering
    ///
    /// Acquire: if this call observes that a member has left, what that member wrote before is
    /// visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let seat = lobby.join()?;
    /// assert_eq!(lobby.room(seat.room_id()).map(|room| room.members), Some(1));
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn room(&self, id: RoomId) -> Option<RoomInfo> {
        let info = self.info(self.pages.at(id.location())?)?;
        (info.id == id).then_some(info)
    }

    /// Returns all open rooms, in no particular order.
    ///
    /// # Guarantees
    ///
    /// Each item is true for its room at an instant within the call of `next` that yields it. The
    /// items are not of one instant: if a room opens, closes or changes during the iteration, the
    /// iterator may show it before or after. A room that is open for the whole iteration is yielded
    /// exactly once.
    ///
    /// # Cost
    ///
    /// One load for each room in the lobby's memory, open or not.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(2);
    /// let _seats = [lobby.join()?, lobby.join()?, lobby.join()?];
    /// let members: Vec<_> = lobby.rooms().map(|room| room.members).collect();
    /// assert_eq!(members, [2, 1]);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn rooms(&self) -> impl Iterator<Item = RoomInfo> + '_ {
        self.pages.all().filter_map(|at| self.info(at))
    }

    /// Returns the numbers of rooms and members.
    ///
    /// # Guarantees
    ///
    /// The sums of one pass over [`rooms`](Self::rooms). They are exact if no member joins or
    /// leaves during the call. Otherwise they count every member that stays throughout, and may
    /// count those that join or leave. A member that changes rooms during the call may be counted
    /// twice or not at all.
    ///
    /// # Cost
    ///
    /// As [`rooms`](Self::rooms).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(2);
    /// let _seats = [lobby.join()?, lobby.join()?, lobby.join()?];
    /// assert_eq!((lobby.stats().rooms, lobby.stats().members), (2, 3));
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn stats(&self) -> LobbyStats {
        let mut stats = LobbyStats::default();
        for room in self.rooms() {
            stats.rooms += 1;
            stats.members += room.members as usize;
            stats.full += usize::from(room.is_full());
            stats.locked += usize::from(room.locked);
        }
        stats
    }

    /// Returns the number of seats of each room.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Lobby::new(7).seats(), 7);
    /// ```
    pub fn seats(&self) -> u32 {
        self.size.seats()
    }
}
