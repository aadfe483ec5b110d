//! The lobby: rooms that are opened, filled and closed as members come and go.
//!
//! # Invariant
//!
//! All facts about a room are in its own word (`protocol/room.rs`). With a limit of *n* rooms, only
//! *n* rooms are used, divided among the shards; one more for each room that is retired. The
//! shards' hints choose the room that a caller is sent to; they never decide whether it is
//! admitted, refused, or opens a room (`protocol/survey.rs`). `index.rs` makes that choice
//! within a shard (`choose`, for parties `choose_for`). `join.rs` goes from shard to shard, tries
//! the room that the thread left last before, and has the steps of the other calls.

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
mod party;
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
pub use party::{OwnedParty, Party};
pub use seat::{OwnedSeat, Seat};

use crate::protocol::room::{RoomFlag, RoomSize};
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
/// - *never-over*: no room has more members than seats, and at most `max_rooms` rooms are open,
///   unlisted ones included.
/// - *seat-distinct*: two live seats of one room never have the same number.
/// - *no-ghost*: the id of a closed room never admits a caller.
/// - *exact-lobby*: [`join`](Self::join) is refused only if, at an instant within the call,
///   `max_rooms` rooms were open and none of them had a free seat and was listed and unlocked.
///   [`open_room`](Self::open_room) and [`open_unlisted`](Self::open_unlisted) are refused only if,
///   at an instant within the call, `max_rooms` rooms were open.
/// - *no-needless-room*: with one shard, [`join`](Self::join) opens a room only if, at an instant
///   within the call, no listed, unlocked room had a free seat. Callers that arrive at the same
///   empty lobby at the same time are sent to one room; only a room that closes meanwhile diverts
///   them.
/// - *together*: [`join_many`](Self::join_many) seats a party in one room, all or none. For
///   parties, *exact-lobby* and *no-needless-room* read as that call says.
/// - *unblocked*: these also hold while other threads have stopped in the middle of their calls,
///   for however long. The exception: [`state`](Seat::state) waits for the thread that makes the
///   state, and for an instant under a lock that all waiting members of the lobby share.
/// - *no-lost-room*: once calls are quiet, `join` finds every open, listed, unlocked room with a
///   free seat, and `join_many` every one with enough free seats.
/// - *best-fit*: with one shard and one caller at a time, `join` takes the most populated room that
///   has a free seat, and opens a new room only if no room has one; so does `join_many` with enough
///   free seats. With more shards, each thread prefers the rooms of its own shard, then those of
///   the others, and opens a new room only if it finds no free seat in any shard.
/// - *no-leak*: each seat, of a party or not, returns what it holds exactly once. When all seats
///   have been dropped and these calls have returned, no room is open and every state has been
///   dropped.
///
/// # What is not promised
///
/// - Fairness among callers that join at the same time. In particular, no seat is kept for a party:
///   callers that come alone may take each seat that becomes free.
/// - Which of several equally populated rooms is chosen.
/// - That a caller gets the fullest room while other calls overlap. While one call is in the middle
///   of joining or leaving a room, others may overlook that room and take another one that is open.
///
/// # Memory ordering
///
/// *happens-before*: dropping a seat is a release operation, joining an acquire operation. What a
/// member wrote before it left is visible to members that join the room later, and to the
/// destructor of the room's state. What the constructor of the state wrote is visible to all
/// members. A refusal synchronises with nothing.
///
/// # Memory
///
/// A room takes 8 bytes and a little more than 1 bit for each seat and one more; a room of more
/// than 24 seats takes another 8 bytes for each 64 seats. With a state it takes another 16 bytes,
/// and while it is open an allocation for the state. Each shard allocates its rooms in pages that
/// double in size, and reuses them: its memory is at most about twice that of the most rooms that
/// it had open at once. The memory is returned when the lobby is dropped. A shard without rooms
/// takes about 1 KiB, and 8 bytes for each seat of a room. A room's memory is retired after
/// 2^23 - 1 uses, so that no id ever means two rooms.
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

    /// Returns the settings of a lobby with rooms of `seats` seats. It is called without a type,
    /// also if the rooms have a state: [`build_with`](LobbyBuilder::build_with) infers its type.
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
    /// 64 rooms that the calling thread left full, if one seat is free there. Of those, rooms that
    /// have changed are read once each and forgotten, the latest after an exchange in vain.
    /// Otherwise the call also walks down a tree of hints, of a depth of at most six for any number
    /// of rooms, and clears hints that are out of date. All calls together clear no more hints than
    /// were set, up to 64 in one step, but one call may clear many, one for each level of each
    /// room: the first call that finds a million rooms of 24 seats full takes tens of milliseconds.
    /// Rooms of more than 24 seats take a second compare-exchange for the seat. An exchange is
    /// repeated if other callers join or leave the same room in between.
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
    /// The room may be [unlisted](Self::open_unlisted). It need not be open if
    /// [`filling`](Self::filling) or a refusal has named it and it is still the next to be opened:
    /// then this call opens it, or enters it if another caller was first.
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

    /// Takes `n` seats of one room together: all of them or none. Never waits for a seat.
    ///
    /// The room is the most populated one that has `n` free seats, or a new one. With `n == 1` the
    /// call is [`join`](Self::join).
    ///
    /// # Errors
    ///
    /// - [`JoinError::PartySize`] if `n` is 0 or above [`seats`](Self::seats).
    /// - [`JoinError::Full`] if no listed, unlocked room has `n` free seats and no more rooms may
    ///   be opened.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join). All members of the party have left the room then.
    ///
    /// # Guarantees
    ///
    /// - *together*: no call ever finds a part of the party in the room. The party takes its places
    ///   in one step.
    /// - *exact-lobby*: the call is refused as full only if, at an instant within the call,
    ///   `max_rooms` rooms were open and none of them had `n` free seats and was listed and
    ///   unlocked.
    /// - *no-needless-room* (one shard): the call opens a room only if, at an instant within the
    ///   call, no listed, unlocked room had `n` free seats, but for rooms that others have opened
    ///   since the call began.
    /// - Both also hold while other threads have stopped in the middle of their calls.
    ///
    /// # What is not promised
    ///
    /// Fairness: no seat is kept for a party, so callers that come alone may take each seat that
    /// becomes free, and a party that tries again and again may be refused for ever.
    ///
    /// # Cost
    ///
    /// A load for each number of members at which a party fits, an allocation for the seats, and a
    /// compare-exchange; in rooms of more than 24 seats another one for each seat. The exchange is
    /// repeated if other callers join or leave the same room in between.
    ///
    /// Before a refusal, and before a room opens, the call reads every open room, and marks those
    /// that it has not found marked, with a compare-exchange each. The first leave from a marked
    /// room takes two more additions. While calls have stopped in the middle of such leaves, the
    /// rooms are read once more for each of them; the proof begins anew whenever another call makes
    /// such a leave.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(4).max_rooms(1).build();
    /// let party = lobby.join_many(3)?;
    /// assert_eq!(party.len(), 3);
    /// assert!(lobby.join_many(2).unwrap_err().is_full());
    /// assert!(lobby.join().is_ok());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn join_many(&self, n: u32) -> Result<Party<'_, T>, JoinError> {
        party::join_many(&self, n).map(|seats| Party::new(seats, Seat))
    }

    /// Takes `n` seats of that room together: all of them or none. Never waits for a seat.
    ///
    /// As with [`join_room`](Self::join_room), the room may be the next to be opened, and it may be
    /// unlisted.
    ///
    /// # Errors
    ///
    /// [`JoinRoomError`], which says whether the room had too few free seats, was locked or gone,
    /// or whether `n` is 0 or above [`seats`](Self::seats), and which room the party may try
    /// instead.
    ///
    /// # Panics
    ///
    /// As [`join_many`](Self::join_many).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(4);
    /// let host = lobby.join()?;
    /// let guests = lobby.join_room_many(host.room_id(), 3).expect("three seats are free");
    /// assert_eq!((guests.len(), host.members()), (3, 4));
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn join_room_many(&self, id: RoomId, n: u32) -> Result<Party<'_, T>, JoinRoomError> {
        party::join_room_many(&self, id, n).map(|seats| Party::new(seats, Seat))
    }

    /// Takes owned seats as [`join_many`](Self::join_many) does.
    ///
    /// # Errors
    ///
    /// As [`join_many`](Self::join_many). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`join_many`](Self::join_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(4));
    /// let party = Arc::clone(&lobby).join_many_owned(3)?;
    /// assert_eq!(lobby.stats().members, 3);
    /// # drop(party);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn join_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedParty<T>, JoinError> {
        party::join_many(&self, n).map(|seats| OwnedParty::new(seats, OwnedSeat))
    }

    /// Takes owned seats as [`join_room_many`](Self::join_room_many) does.
    ///
    /// # Errors
    ///
    /// As [`join_room_many`](Self::join_room_many). The `Arc` is dropped then.
    ///
    /// # Panics
    ///
    /// As [`join_many`](Self::join_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lobby = Arc::new(headcount::Lobby::new(4));
    /// let filling = lobby.filling();
    /// let party = lobby.join_room_many_owned(filling, 3)?;
    /// assert_eq!(party.room_id(), filling);
    /// # Ok::<(), headcount::JoinRoomError>(())
    /// ```
    pub fn join_room_many_owned(
        self: Arc<Self>,
        id: RoomId,
        n: u32,
    ) -> Result<OwnedParty<T>, JoinRoomError> {
        party::join_room_many(&self, id, n).map(|seats| OwnedParty::new(seats, OwnedSeat))
    }

    /// Opens a room and takes its first seat, whatever other rooms have free seats. Never waits.
    ///
    /// Others may join the room from then on.
    ///
    /// # Errors
    ///
    /// [`JoinError::Full`] if, at an instant within the call, `max_rooms` rooms were open.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let seat = lobby.join()?;
    /// let host = lobby.open_room()?;
    /// assert_ne!(host.room_id(), seat.room_id());
    /// assert_eq!(host.members(), 1);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn open_room(&self) -> Result<Seat<'_, T>, JoinError> {
        SeatInner::open(self, true).map(Seat)
    }

    /// Takes an owned seat as [`open_room`](Self::open_room) does.
    ///
    /// # Errors
    ///
    /// As [`open_room`](Self::open_room). The `Arc` is dropped then.
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
    /// let rooms = [lobby.clone().open_room_owned()?, lobby.open_room_owned()?];
    /// assert_ne!(rooms[0].room_id(), rooms[1].room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn open_room_owned(self: Arc<Self>) -> Result<OwnedSeat<T>, JoinError> {
        SeatInner::open(self, true).map(OwnedSeat)
    }

    /// Opens an unlisted room and takes its first seat. Never waits.
    ///
    /// An unlisted room is joined by its id alone: calls that name no room never choose it, and
    /// neither [`filling`](Self::filling) nor a refusal names it. Its id is a new one, which no
    /// call has named before. It counts as one of `max_rooms`.
    /// [`set_listed`](Self::set_listed) lists it.
    ///
    /// # Errors
    ///
    /// As [`open_room`](Self::open_room).
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cost
    ///
    /// That of [`open_room`](Self::open_room). It uses up two of the ids that the memory of a room
    /// has, so the memory is retired sooner.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let host = lobby.open_unlisted()?;
    /// assert_ne!(lobby.join()?.room_id(), host.room_id());
    /// assert!(lobby.join_room(host.room_id()).is_ok());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn open_unlisted(&self) -> Result<Seat<'_, T>, JoinError> {
        SeatInner::open(self, false).map(Seat)
    }

    /// Takes an owned seat as [`open_unlisted`](Self::open_unlisted) does.
    ///
    /// # Errors
    ///
    /// As [`open_room`](Self::open_room). The `Arc` is dropped then.
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
    /// let host = Arc::clone(&lobby).open_unlisted_owned()?;
    /// assert!(!lobby.room(host.room_id()).expect("it has a member").listed);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn open_unlisted_owned(self: Arc<Self>) -> Result<OwnedSeat<T>, JoinError> {
        SeatInner::open(self, false).map(OwnedSeat)
    }

    /// Returns the id of the room where [`join`](Self::join) would go now.
    ///
    /// If no room has a free seat, this is the id of a room that is not open yet.
    /// [`join_room`](Self::join_room) opens that room as long as it is the next to be opened, and
    /// refuses it as full while `max_rooms` rooms are open. If the lobby cannot have another room,
    /// which takes more than 100,000 open or retired rooms in each shard, the id is of no room at
    /// all, and `join_room` refuses it as gone. The call allocates nothing.
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
        self.set_flag(id, RoomFlag::Locked, true)
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
        self.set_flag(id, RoomFlag::Locked, false)
    }

    /// Lists that room or makes it unlisted. Returns false if the room is not open.
    ///
    /// An unlisted room is joined by its id alone: calls that name no room never choose it, and
    /// neither [`filling`](Self::filling) nor a refusal names it once this call has returned. Its
    /// id does not change, so a client that was told it before can still join. A room that is
    /// listed again is found again. Whether a room is locked is another matter: an unlisted room
    /// that is unlocked stays unlisted.
    ///
    /// # Memory ordering
    ///
    /// Listing an unlisted room is a release operation, as [`unlock`](Self::unlock) is.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let host = lobby.join()?;
    /// assert!(lobby.set_listed(host.room_id(), false));
    /// assert_ne!(lobby.join()?.room_id(), host.room_id());
    /// assert!(lobby.set_listed(host.room_id(), true));
    /// assert_eq!(lobby.join()?.room_id(), host.room_id());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn set_listed(&self, id: RoomId, listed: bool) -> bool {
        self.set_flag(id, RoomFlag::Unlisted, !listed)
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

    /// Returns all open rooms, unlisted ones too, in no particular order.
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
            stats.unlisted += usize::from(!room.listed);
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
