//! The settings of a lobby, and its construction.

use core::fmt;

use crossbeam_utils::CachePadded;

use super::id::next_mark;
use super::index::RoomIndex;
use super::pages::Pages;
use super::room::Waiters;
use super::{Lobby, RoomId, States};
use crate::protocol::room::RoomSize;
use crate::sync::AtomicU32;

/// The largest number of shards of a lobby.
const MAX_SHARDS: u32 = 256;

/// Settings of a new [`Lobby`].
///
/// Created by [`Lobby::builder`]. By default a lobby has one shard, a quorum of one, and no limit
/// on its rooms.
///
/// # Examples
///
/// ```
/// use headcount::Lobby;
///
/// let games = Lobby::builder(5).quorum(3).max_rooms(1_000).shards(4).build();
/// assert_eq!(games.seats(), 5);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct LobbyBuilder {
    seats: u32,
    quorum: u32,
    shards: u32,
    max_rooms: Option<u32>,
}

impl LobbyBuilder {
    #[track_caller]
    pub(super) fn new(seats: u32) -> Self {
        assert!(seats > 0, "a room needs a seat");
        assert!(seats <= Lobby::<()>::MAX_SEATS, "more seats than Lobby::MAX_SEATS");
        LobbyBuilder { seats, quorum: 1, shards: 1, max_rooms: None }
    }

    /// Sets the number of members that a room needs to [start](crate::Seat::start). Default: 1.
    ///
    /// # Panics
    ///
    /// If `members` is 0 or above the number of seats of a room.
    ///
    /// # Examples
    ///
    /// ```
    /// let game = headcount::Lobby::builder(5).quorum(2).build();
    /// let first = game.join()?;
    /// let second = game.join()?;
    /// assert!(!first.completed_quorum() && second.completed_quorum());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    #[track_caller]
    pub fn quorum(mut self, members: u32) -> Self {
        assert!((1..=self.seats).contains(&members), "a quorum is from 1 to the number of seats");
        self.quorum = members;
        self
    }

    /// Sets the number of parts that the rooms are divided into, to reduce contention between
    /// threads. Default: 1.
    ///
    /// Each thread prefers the rooms of one shard, then those of the others, and opens new rooms in
    /// its own shard. Each lobby assigns threads to its shards in turn, in the order of their first
    /// calls. A thread that uses more than four sharded lobbies by turns is assigned anew.
    /// With one shard, *best-fit* holds over all rooms. With more, a thread chooses a room of its
    /// own shard before a more populated one of another shard. About one shard for each thread that
    /// joins is right.
    ///
    /// # Panics
    ///
    /// If `shards` is 0 or above 256.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(7).shards(8).build();
    /// # drop(lobby);
    /// ```
    #[track_caller]
    pub fn shards(mut self, shards: u32) -> Self {
        assert!((1..=MAX_SHARDS).contains(&shards), "a lobby has from 1 to 256 shards");
        self.shards = shards;
        self
    }

    /// Sets the number of rooms that may be open at once, unlisted ones included. By default only
    /// the ids limit it: about 2^26 rooms.
    ///
    /// The number is divided evenly among the shards. A thread whose shard has opened its share
    /// opens rooms in the others.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(1).max_rooms(1).build();
    /// let seat = lobby.join()?;
    /// assert!(lobby.join().is_err());
    /// drop(seat);
    /// assert!(lobby.join().is_ok());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn max_rooms(mut self, rooms: u32) -> Self {
        self.max_rooms = Some(rooms);
        self
    }

    /// Creates a lobby whose rooms have no state.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(7).build();
    /// assert_eq!(lobby.stats().rooms, 0);
    /// ```
    pub fn build(self) -> Lobby {
        self.build_of(States::One(()))
    }

    /// Creates a lobby whose rooms have a state: `open` makes it when a room opens, and it is
    /// dropped after the room's last seat.
    ///
    /// `open` runs in the call that opens the room, without a lock. The room is open meanwhile:
    /// others may join it, and only [`state`](crate::Seat::state) waits for `open`. The destructor
    /// of a state runs in the call that drops the room's last seat, or, if that call is overtaken,
    /// in the call that makes the next state in its place. The room has closed by then, so others
    /// may open the next one in its place: more states than `max_rooms` can exist for as long as
    /// destructors run.
    ///
    /// `open` may join the same lobby. It may be seated in the very room whose state it makes, and
    /// must not ask for that state: that panics, or waits for ever if it is done on another thread
    /// for which `open` waits. If it is seated in another room that opens for it, `open` runs again
    /// within that call, and so on: ending this is up to `open`.
    ///
    /// # Panics
    ///
    /// This call does not panic. If `open` panics, the call that opens the room panics, and its
    /// caller has left the room. If others have joined meanwhile, the room stays open, and `open`
    /// runs again in the next call of [`state`](crate::Seat::state). If the destructor of a state
    /// panics, the call in which it runs panics: the drop of a room's last seat, and the room is
    /// closed; or the call that opens the next room in its place, whose caller has left that room.
    /// If destructors panic while the lobby is dropped, all others run, and then the first panic
    /// goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::Lobby;
    /// use std::sync::Mutex;
    ///
    /// let chats = Lobby::builder(50)
    ///     .build_with(|id| Mutex::new(vec![format!("welcome to {id}")]));
    /// let seat = chats.join()?;
    /// seat.state().lock().unwrap().push("hello".into());
    /// assert_eq!(chats.join()?.state().lock().unwrap().len(), 2);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn build_with<T>(self, open: impl Fn(RoomId) -> T + Send + Sync + 'static) -> Lobby<T> {
        self.build_of(States::Each(Box::new(open)))
    }

    fn build_of<T>(self, states: States<T>) -> Lobby<T> {
        let size = RoomSize::new(self.seats);
        let rooms = self.max_rooms.unwrap_or(u32::MAX);
        let has_states = matches!(states, States::Each(_));
        let pages = Pages::new(size, self.shards, rooms.div_ceil(self.shards), has_states);
        let quota = |shard| {
            let share = rooms / self.shards + u32::from(shard < rooms % self.shards);
            share.min(pages.most_rooms())
        };
        let shards = (0..self.shards).map(|shard| RoomIndex::new(size, quota(shard)));
        Lobby {
            size,
            quorum: self.quorum,
            mark: next_mark(),
            states,
            waiters: Waiters::default(),
            threads: AtomicU32::new(0),
            shards: shards.map(CachePadded::new).collect(),
            pages,
        }
    }
}

impl<T> fmt::Debug for Lobby<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lobby")
            .field("seats", &self.seats())
            .field("quorum", &self.quorum)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
