//! The facts that a lobby reports about its rooms.

use super::id::RoomId;

/// The facts about one open room, at an instant.
///
/// # Examples
///
/// ```
/// let lobby = headcount::Lobby::new(7);
/// let seat = lobby.join()?;
/// let info = lobby.room(seat.room_id()).expect("it has a member, so it is open");
/// assert_eq!((info.members, info.seats, info.locked), (1, 7, false));
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RoomInfo {
    /// The room's id.
    pub id: RoomId,
    /// The number of members, which is at least 1.
    pub members: u32,
    /// The number of seats.
    pub seats: u32,
    /// Whether the room is locked.
    pub locked: bool,
    /// Whether the room is listed: calls that name no room may choose it.
    pub listed: bool,
}

impl RoomInfo {
    /// Returns true if no seat is free.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(1);
    /// let seat = lobby.join()?;
    /// assert!(lobby.room(seat.room_id()).unwrap().is_full());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.members >= self.seats
    }
}

/// The sums over all rooms of a lobby, as [`Lobby::stats`](crate::Lobby::stats) returns them.
///
/// # Examples
///
/// ```
/// let lobby = headcount::Lobby::new(2);
/// let _seats = [lobby.join()?, lobby.join()?, lobby.join()?];
/// let stats = lobby.stats();
/// assert_eq!((stats.rooms, stats.members, stats.full, stats.locked), (2, 3, 1, 0));
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct LobbyStats {
    /// The number of open rooms.
    pub rooms: usize,
    /// The number of members in all rooms.
    pub members: usize,
    /// The number of open rooms without a free seat.
    pub full: usize,
    /// The number of locked rooms.
    pub locked: usize,
    /// The number of unlisted rooms.
    pub unlisted: usize,
}
