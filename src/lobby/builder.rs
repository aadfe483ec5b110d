//! How a lobby is made.

use core::fmt;

use crossbeam_utils::CachePadded;

use super::id::next_mark;
use super::index::RoomIndex;
use super::pages::Pages;
use super::{Lobby, RoomId};
use crate::protocol::room::RoomSize;
use crate::protocol::slot::{Slot, CEILING};

/// The most shards that a lobby can have.
const MAX_SHARDS: u32 = 256;

/// Settings of a new [`Lobby`].
///
/// Made by [`Lobby::builder`]. Unless told otherwise, a lobby has one shard, a quorum of one, and as
/// many rooms as it needs.
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

    /// How many are needed for a room to [start](crate::Seat::start). Default: 1.
    ///
    /// # Panics
    ///
    /// If `members` is 0 or more than the room has seats.
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

    /// How many parts the rooms are kept in, so that threads do not meet. Default: 1.
    ///
    /// Each thread prefers the rooms of one shard, then those of the others, and opens a new room in
    /// its own. Threads are dealt out to the shards in the order in which they first join. With one
    /// shard, *best-fit* holds over all rooms; with more, a room of one's own shard goes before a
    /// more populated one elsewhere. About as many shards as there are threads that join is right.
    ///
    /// # Panics
    ///
    /// If `shards` is 0 or above 256.
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

    /// How many rooms may be open at once. Default: no limit but that of the ids, about 2^26, shared
    /// out evenly among the shards.
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

    /// A lobby whose rooms have no state.
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(7).build();
    /// assert_eq!(lobby.stats().rooms, 0);
    /// ```
    pub fn build(self) -> Lobby {
        self.build_with(|_| ())
    }

    /// A lobby that gives each room a state when it opens, and drops it when its last seat goes.
    ///
    /// `open` runs in the call that opens the room, with no lock held. If it panics, that call does,
    /// and the room is not opened. It may join the same lobby; it would then be seated in another
    /// room.
    ///
    /// ```
    /// use headcount::Lobby;
    /// use std::sync::Mutex;
    ///
    /// let chats = Lobby::builder(50).build_with(|id| Mutex::new(vec![format!("welcome to {id}")]));
    /// let seat = chats.join()?;
    /// seat.state().lock().unwrap().push("hello".into());
    /// assert_eq!(chats.join()?.state().lock().unwrap().len(), 2);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn build_with<T>(self, open: impl Fn(RoomId) -> T + Send + Sync + 'static) -> Lobby<T> {
        // A lobby of few rooms has a small first page. One more than may be open: there is a vacant
        // room to tell late clients about.
        let rooms = self.max_rooms.unwrap_or(u32::MAX).min(CEILING - 1) + 1;
        let size = RoomSize::new(self.seats);
        Lobby {
            size,
            quorum: self.quorum,
            mark: next_mark(),
            // Beyond that many rooms there are no ids.
            limit: self
                .max_rooms
                .filter(|&rooms| rooms <= CEILING)
                .map(|rooms| Slot::new(rooms, 0)),
            open: Box::new(open),
            pages: Pages::new(size, self.shards, rooms),
            shards: (0..self.shards).map(|_| CachePadded::new(RoomIndex::new(size))).collect(),
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
