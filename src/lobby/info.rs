//! What a lobby says about its rooms.

use super::id::RoomId;

/// One open room, at an instant.
///
/// ```
/// let lobby = headcount::Lobby::new(7);
/// let seat = lobby.join()?;
/// let info = lobby.room(seat.room_id()).expect("it is open: somebody sits in it");
/// assert_eq!((info.members, info.seats, info.locked), (1, 7, false));
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RoomInfo {
    /// Its id.
    pub id: RoomId,
    /// How many are in it: at least one.
    pub members: u32,
    /// How many seats it has.
    pub seats: u32,
    /// Whether it is locked.
    pub locked: bool,
}

impl RoomInfo {
    /// True if no seat is free.
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

/// The sums over all rooms of a lobby: see [`Lobby::stats`](crate::Lobby::stats).
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
    /// OpenRoom rooms.
    pub rooms: usize,
    /// Seats taken.
    pub members: usize,
    /// OpenRoom rooms without a free seat.
    pub full: usize,
    /// Locked rooms.
    pub locked: usize,
}
