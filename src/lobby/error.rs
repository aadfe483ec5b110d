//! The lobby's refusals.

use core::error::Error;
use core::fmt;

use super::id::RoomId;

/// All rooms are full, and as many are open as may be, or as there can be ids.
///
/// Trying again can succeed once someone has left.
///
/// ```
/// let lobby = headcount::Lobby::builder(1).max_rooms(1).build();
/// let _seat = lobby.join()?;
/// let refused = lobby.join().unwrap_err();
/// assert_eq!(refused.to_string(), "all rooms are full: try again when someone has left");
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JoinError;

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all rooms are full: try again when someone has left")
    }
}

impl Error for JoinError {}

/// Why [`Lobby::join_room`](crate::Lobby::join_room) seated nobody, and where to go instead.
///
/// ```
/// use headcount::{JoinRoomErrorKind, Lobby};
///
/// let lobby = Lobby::new(1);
/// let seat = lobby.join()?;
/// let refused = lobby.join_room(seat.room_id()).unwrap_err();
/// assert_eq!(refused.reason, JoinRoomErrorKind::Full);
///
/// let next = refused.try_next.expect("this lobby may open any number of rooms");
/// assert_eq!(refused.to_string(), format!("the room is full: try {next}"));
/// assert!(lobby.join_room(next).is_ok());
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct JoinRoomError {
    /// Why not this room.
    pub reason: JoinRoomErrorKind,
    /// The filling room, or `None` if all rooms were full and no more may be opened.
    pub try_next: Option<RoomId>,
}

impl fmt::Display for JoinRoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_next {
            Some(id) => write!(f, "{}: try {id}", self.reason),
            None => {
                write!(f, "{}, and so are all others: try again when someone has left", self.reason)
            }
        }
    }
}

impl Error for JoinRoomError {}

/// Why a room let somebody not in.
///
/// ```
/// use headcount::JoinRoomErrorKind;
/// assert_eq!(JoinRoomErrorKind::Locked.to_string(), "the room is locked");
/// assert!(JoinRoomErrorKind::Locked.is_locked() && !JoinRoomErrorKind::Locked.is_full());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum JoinRoomErrorKind {
    /// All its seats are taken. Trying again can succeed once someone has left.
    Full,
    /// It is locked. Trying again can succeed once it is unlocked.
    Locked,
    /// It has closed, or there never was one of that name; or somebody else is opening it at this
    /// instant. Trying again succeeds in the last case only.
    Gone,
}

impl JoinRoomErrorKind {
    /// True if this is [`Full`](Self::Full).
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::Full.is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, JoinRoomErrorKind::Full)
    }

    /// True if this is [`Locked`](Self::Locked).
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::Locked.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        matches!(self, JoinRoomErrorKind::Locked)
    }

    /// True if this is [`Gone`](Self::Gone).
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::Gone.is_gone());
    /// ```
    pub fn is_gone(&self) -> bool {
        matches!(self, JoinRoomErrorKind::Gone)
    }
}

impl fmt::Display for JoinRoomErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinRoomErrorKind::Full => "the room is full",
            JoinRoomErrorKind::Locked => "the room is locked",
            JoinRoomErrorKind::Gone => "there is no such room any more",
        })
    }
}

/// That is not the id of a room.
///
/// ```
/// use headcount::RoomId;
/// let no_id = "the jam session".parse::<RoomId>().unwrap_err();
/// assert_eq!(no_id.to_string(), "not a room id: 16 hexadecimal digits that a lobby has printed");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ParseRoomIdError;

impl fmt::Display for ParseRoomIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a room id: 16 hexadecimal digits that a lobby has printed")
    }
}

impl Error for ParseRoomIdError {}
