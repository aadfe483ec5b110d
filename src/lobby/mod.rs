//! The lobby: rooms that are opened, filled and closed as people come and go.
//!
//! # Invariant
//!
//! An open room has a place in `limit`, if there is one, from before it opens until after it has
//! closed. All else about a room stands in its own word (`word`); which room a newcomer is sent to is
//! the business of the shards, and never decides who gets in.

mod builder;
mod error;
mod hints;
mod id;
mod index;
mod info;
mod join;
mod last_left;
mod pages;
mod room;
mod seat;

use alloc::sync::Arc;

use crossbeam_utils::CachePadded;

pub use builder::LobbyBuilder;
pub use error::{JoinError, JoinRoomError, JoinRoomErrorKind};
pub use id::{ParseRoomIdError, RoomId};
pub use info::{LobbyStats, RoomInfo};
pub use seat::{OwnedSeat, Seat};

use crate::protocol::room::RoomSize;
use crate::protocol::slot::Slot;
use index::RoomIndex;
use pages::Pages;
use seat::SeatInner;

/// Any number of rooms with numbered seats, filled one after the other.
///
/// [`join`](Lobby::join) seats the caller in the *filling* room, the most populated one that still
/// has a free seat, or opens a new one. A room whose last seat goes is closed. Every room may have a
/// state of type `T`.
///
/// # Users are balanced over jams of at most seven
///
/// ```
/// use headcount::Lobby;
///
/// let jams = Lobby::new(7);
/// let filling = jams.filling(); // the page is loaded, and the client is told where to go
///
/// let seats: Vec<_> = (0..7).map(|_| jams.join()).collect::<Result<_, _>>()?;
/// assert!(seats.iter().all(|seat| seat.room_id() == filling)); // others were faster
///
/// let seat = jams.join_room_or_any(filling)?; // its socket joins: that jam is full by now
/// assert_ne!(seat.room_id(), filling);
/// assert_eq!(seat.number(), 0); // the first in a new one, and thus its first loop
/// # Ok::<(), headcount::JoinError>(())
/// ```
///
/// # More than 2 but fewer than 6 people in a game
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
/// assert_eq!(players[2].start(), Ok(3)); // the room is locked: nobody joins a running game
/// assert_ne!(games.join()?.room_id(), players[0].room_id());
/// # Ok::<(), headcount::JoinError>(())
/// ```
///
/// # What is promised
///
/// - *never-over*: no room has more members than seats, and no more than `max_rooms` are open.
/// - *seat-distinct*: two live seats of one room never bear one number.
/// - *no-ghost*: the id of a room that has closed admits nobody, ever.
/// - *no-lost-room*: once calls are quiet, `join` finds every open, unlocked room with a free seat.
/// - *best-fit*: with one shard and one caller at a time, `join` takes the most populated room that
///   has a free seat, and opens a new one only if there is none. With more shards each prefers its
///   own rooms, then those of others, and opens a new room only when it finds no free seat anywhere.
/// - *no-leak*: each seat gives back what it holds exactly once; when all are gone, no room is open
///   and every state has been dropped.
///
/// # Memory ordering
///
/// Leaving is a release operation, joining an acquire operation: what a member wrote before it left
/// is visible to whoever joins that room later, and to the destructor of the room's state. What was
/// done when the room was opened is visible to all its members. A refusal synchronises with nothing.
///
/// # What is not promised
///
/// Fairness among callers who try at the same time; which of several equally populated rooms is
/// chosen. Callers who find no free seat at the same time may each open a room. While somebody is
/// in the middle of joining or leaving, others may overlook the room concerned: they go to
/// another, or open one, or find a lobby at `max_rooms` full.
///
/// # Memory
///
/// 8 bytes a room and the size of its state, with 1 bit and a little more for each seat; rooms of more
/// than 24 seats take another 8 bytes for each 64 seats. In each shard memory grows in pages, with the
/// most rooms that were open there at once, up to twice their number, and is used again by its later
/// rooms; it is returned when the lobby is dropped. A shard without rooms takes 4 KiB. After 2^24 - 1
/// lives a room is retired and takes its memory with it, so that no id ever means two rooms.
pub struct Lobby<T = ()> {
    size: RoomSize,
    quorum: u32,
    mark: u32,
    limit: Option<Slot>,
    open: Box<dyn Fn(RoomId) -> T + Send + Sync>,
    pages: Pages<T>,
    shards: Box<[CachePadded<RoomIndex>]>,
}

impl Lobby {
    /// A lobby with any number of rooms of `seats` seats, with one shard, a quorum of one, and no
    /// state.
    ///
    /// # Panics
    ///
    /// If `seats` is 0 or above [`MAX_SEATS`](Self::MAX_SEATS).
    ///
    /// ```
    /// assert!(headcount::Lobby::new(7).join().is_ok());
    /// ```
    #[track_caller]
    pub fn new(seats: u32) -> Lobby {
        Lobby::builder(seats).build()
    }

    /// Settings for a lobby with rooms of `seats` seats.
    ///
    /// # Panics
    ///
    /// If `seats` is 0 or above [`MAX_SEATS`](Self::MAX_SEATS).
    ///
    /// ```
    /// let games = headcount::Lobby::builder(5).quorum(3).build();
    /// # drop(games);
    /// ```
    #[track_caller]
    pub fn builder(seats: u32) -> LobbyBuilder {
        LobbyBuilder::new(seats)
    }
}

impl<T> Lobby<T> {
    /// The most seats that a room can have.
    ///
    /// ```
    /// assert_eq!(headcount::Lobby::<()>::MAX_SEATS, 4096);
    /// ```
    pub const MAX_SEATS: u32 = 4096;

    /// Takes a seat in the filling room, or opens a room. Never waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if no free seat was found and `max_rooms` are open.
    ///
    /// # Panics
    ///
    /// If making the new room's state does. Nothing is lost then.
    ///
    /// # Cost
    ///
    /// One compare-exchange where the best room is known: it is filling, or it has one seat left and
    /// the calling thread has just left it. Else also a walk down a tree of hints, of a depth of at
    /// most six whatever the number of rooms, and the clearing of hints that are out of date. All calls
    /// together clear no more than they have set, up to 64 in one step; but one call may come upon many:
    /// the first who finds all of a million rooms full, after each of them was left and filled again,
    /// is busy for some milliseconds. Rooms of more than 24 seats take a second compare-exchange for
    /// the seat. They are repeated for as long as others join or leave the same room in between.
    /// Opening a room may allocate, and then those of the same shard who need one wait for it.
    ///
    /// Dropping the seat takes one compare-exchange. Where the room comes to be as populated as it had
    /// not been before, or not since a search came by, there is a hint to be written, and up to as
    /// many summaries of hints as the tree is deep.
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

    /// Takes a seat in that room, if it admits. Never waits.
    ///
    /// The room need not be open yet if it is what [`filling`](Self::filling) named: then this opens
    /// it.
    ///
    /// # Errors
    ///
    /// [`JoinRoomError`], which says whether the room was full, locked or gone, and which room to try
    /// instead. Room and refusal belong together; the other room may change before it is tried.
    /// [`join_room_or_any`](Self::join_room_or_any) goes there itself.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cost
    ///
    /// As [`join`](Self::join) into the filling room, with one or two more atomic operations where the
    /// room is not filling and has a free seat left. A refusal only reads, unless its search for the
    /// other room comes upon hints that are out of date.
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

    /// Takes a seat in that room, or else as [`join`](Self::join) does. Never waits.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
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

    /// As [`join`](Self::join), for a seat that is not tied to a borrow: it can move to another
    /// thread or task and keeps the lobby alive.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join). The `Arc` is dropped then.
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

    /// As [`join_room`](Self::join_room), for an owned seat.
    ///
    /// # Errors
    ///
    /// As [`join_room`](Self::join_room). The `Arc` is dropped then.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(7));
    /// let seat = lobby.clone().join_room_owned(lobby.filling()).expect("it is opened");
    /// # drop(seat);
    /// ```
    pub fn join_room_owned(self: Arc<Self>, id: RoomId) -> Result<OwnedSeat<T>, JoinRoomError> {
        SeatInner::join_room(self, id).map(OwnedSeat)
    }

    /// As [`join_room_or_any`](Self::join_room_or_any), for an owned seat.
    ///
    /// # Errors
    ///
    /// As [`join_room_or_any`](Self::join_room_or_any). The `Arc` is dropped then.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(7));
    /// let seat = lobby.clone().join_room_or_any_owned(lobby.filling())?;
    /// # drop(seat);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn join_room_or_any_owned(self: Arc<Self>, id: RoomId) -> Result<OwnedSeat<T>, JoinError> {
        SeatInner::join_room_or_any(self, id).map(OwnedSeat)
    }

    /// The id of the room where [`join`](Self::join) would go now.
    ///
    /// If no room has a free seat, it is the id of a room that is not open yet;
    /// [`join_room`](Self::join_room) opens it, as long as it is the next to be opened. RoomRef
    /// `max_rooms` that is refused as full. May allocate, as opening a room does.
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let filling = lobby.filling();
    /// assert!(lobby.room(filling).is_none()); // not open yet
    /// assert_eq!(lobby.join()?.room_id(), filling);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn filling(&self) -> RoomId {
        // Without any, for there are no more ids: that of the first room, whatever became of it.
        self.next(|| true).unwrap_or_else(|| RoomId::new(self.mark, 0, 1))
    }

    /// Lets nobody new into that room; who is in it may stay or leave. False if it is not open.
    ///
    /// Locking a locked room is locking it once. A locked room closes as others do.
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

    /// Lets people into that room again. False if it is not open.
    ///
    /// A release operation, if the room was locked: who joins after it sees what was written before it.
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

    /// What there is to say about that room at an instant, or `None` if it is not open.
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

    /// All open rooms, in no particular order.
    ///
    /// # Consistency
    ///
    /// Every row is true for its room at an instant within the call of `next` that yields it. The
    /// rows are not of one instant: a room that opens, closes or changes meanwhile may be seen
    /// before or after. A room that is open for the whole iteration is seen exactly once.
    ///
    /// # Cost
    ///
    /// A load for each room that was ever open at once.
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

    /// How many rooms and members there are.
    ///
    /// # Consistency
    ///
    /// The sums of one pass over [`rooms`](Self::rooms). Each is exact if nobody joins or leaves
    /// meanwhile; otherwise it counts whoever stays throughout, and may or may not count those who
    /// come or go. A member who changes rooms in that time may be counted twice, or not at all.
    ///
    /// # Cost
    ///
    /// As [`rooms`](Self::rooms).
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

    /// The number of seats of each room.
    ///
    /// ```
    /// assert_eq!(headcount::Lobby::new(7).seats(), 7);
    /// ```
    pub fn seats(&self) -> u32 {
        self.size.seats()
    }
}
