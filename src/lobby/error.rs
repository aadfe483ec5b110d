//! The lobby's refusals.

use core::error::Error;
use core::fmt;

use super::id::RoomId;

/// Why [`Lobby::join`](crate::Lobby::join) and other calls that name no room gave the caller no
/// seat.
///
/// # Examples
///
/// ```
/// use headcount::{JoinError, Lobby};
///
/// let lobby = Lobby::builder(1).max_rooms(1).build();
/// let _seat = lobby.join()?;
/// let refused = lobby.join().unwrap_err();
/// assert_eq!(refused, JoinError::Full);
/// let text = "no open room fits the request, and no more rooms may be opened";
/// assert_eq!(refused.to_string(), text);
/// # Ok::<(), JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
// As wide as what a seat keeps, whose bytes it shares in a `Result`: see `TryAcquireError`.
#[repr(u64)]
pub enum JoinError {
    /// As many rooms were open as `max_rooms` allows, or as there are ids for, and no listed,
    /// unlocked one had enough free seats, at an instant within the call. A caller that asks for a
    /// room of its own is refused whatever seats are free. Trying again can succeed once a member
    /// has left or a room was unlocked or listed.
    Full,
    /// The party has no member, or more than a room has seats. Trying again cannot succeed.
    PartySize,
}

impl JoinError {
    /// Returns true if this is [`Full`](Self::Full).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(1).max_rooms(0).build();
    /// assert!(lobby.join().unwrap_err().is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, JoinError::Full)
    }

    /// Returns true if this is [`PartySize`](Self::PartySize).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// assert!(lobby.join_many(8).unwrap_err().is_party_size());
    /// ```
    pub fn is_party_size(&self) -> bool {
        matches!(self, JoinError::PartySize)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinError::Full => "no open room fits the request, and no more rooms may be opened",
            JoinError::PartySize => PARTY_SIZE,
        })
    }
}

impl Error for JoinError {}

const PARTY_SIZE: &str = "a party has from one member to as many as a room has seats";

/// Why [`Lobby::join_room`](crate::Lobby::join_room) gave the caller no seat, and which room to try
/// instead.
///
/// # Examples
///
/// ```
/// use headcount::{JoinRoomErrorKind, Lobby};
///
/// let lobby = Lobby::new(1);
/// let seat = lobby.join()?;
/// let refused = lobby.join_room(seat.room_id()).unwrap_err();
/// assert_eq!(refused.kind(), JoinRoomErrorKind::Full);
///
/// let next = refused.try_next().expect("this lobby may open any number of rooms");
/// assert_eq!(refused.to_string(), format!("the room has too few free seats: try {next}"));
/// assert!(lobby.join_room(next).is_ok());
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JoinRoomError {
    kind: JoinRoomErrorKind,
    try_next: Option<RoomId>,
}

impl JoinRoomError {
    #[inline]
    pub(super) fn new(kind: JoinRoomErrorKind, try_next: Option<RoomId>) -> JoinRoomError {
        JoinRoomError { kind, try_next }
    }

    /// Returns why the room refused the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::{JoinRoomErrorKind, Lobby};
    ///
    /// let lobby = Lobby::new(7);
    /// let seat = lobby.join()?;
    /// let id = seat.room_id();
    /// drop(seat);
    /// assert_eq!(lobby.join_room(id).unwrap_err().kind(), JoinRoomErrorKind::Gone);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn kind(&self) -> JoinRoomErrorKind {
        self.kind
    }

    /// Returns the room where [`join`](crate::Lobby::join) would have gone at the time of the
    /// refusal, or `None` if `join` would have been refused too; for a party, where
    /// [`join_many`](crate::Lobby::join_many) would have gone. It is only a suggestion: while other
    /// calls overlap, the call may go elsewhere, or find a room although this is `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::builder(1).max_rooms(2).build();
    /// let first = lobby.join()?;
    /// let refused = lobby.join_room(first.room_id()).unwrap_err();
    /// assert_eq!(refused.try_next(), Some(lobby.filling()));
    ///
    /// let second = lobby.join()?;
    /// let refused = lobby.join_room(second.room_id()).unwrap_err();
    /// assert_eq!(refused.try_next(), None);
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn try_next(&self) -> Option<RoomId> {
        self.try_next
    }

    /// Returns true if the kind is [`Full`](JoinRoomErrorKind::Full).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(1);
    /// let seat = lobby.join()?;
    /// assert!(lobby.join_room(seat.room_id()).unwrap_err().is_full());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.kind.is_full()
    }

    /// Returns true if the kind is [`Locked`](JoinRoomErrorKind::Locked).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let seat = lobby.join()?;
    /// lobby.lock(seat.room_id());
    /// assert!(lobby.join_room(seat.room_id()).unwrap_err().is_locked());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn is_locked(&self) -> bool {
        self.kind.is_locked()
    }

    /// Returns true if the kind is [`Gone`](JoinRoomErrorKind::Gone).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let seat = lobby.join()?;
    /// let id = seat.room_id();
    /// drop(seat);
    /// assert!(lobby.join_room(id).unwrap_err().is_gone());
    /// # Ok::<(), headcount::JoinError>(())
    /// ```
    pub fn is_gone(&self) -> bool {
        self.kind.is_gone()
    }

    /// Returns true if the kind is [`PartySize`](JoinRoomErrorKind::PartySize).
    ///
    /// # Examples
    ///
    /// ```
    /// let lobby = headcount::Lobby::new(7);
    /// let id = lobby.filling();
    /// assert!(lobby.join_room_many(id, 0).unwrap_err().is_party_size());
    /// ```
    pub fn is_party_size(&self) -> bool {
        self.kind.is_party_size()
    }
}

impl fmt::Display for JoinRoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_next {
            Some(id) => write!(f, "{}: try {id}", self.kind),
            None => write!(f, "{}, and no other room was found", self.kind),
        }
    }
}

impl Error for JoinRoomError {}

/// The reason of a [`JoinRoomError`].
///
/// # Examples
///
/// ```
/// use headcount::JoinRoomErrorKind;
///
/// assert_eq!(JoinRoomErrorKind::Locked.to_string(), "the room is locked");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum JoinRoomErrorKind {
    /// All seats of the room are taken, or too many for the party; or the room is the next to be
    /// opened, and `max_rooms` are open. Trying again can succeed once a member has left.
    Full,
    /// The room is locked. Trying again can succeed once it is unlocked.
    Locked,
    /// No room is open under that id: the room has closed, or the lobby has not opened it and it is
    /// not the next to be opened.
    Gone,
    /// The party has no member, or more than a room has seats. Trying again cannot succeed.
    PartySize,
}

impl JoinRoomErrorKind {
    /// Returns true if this is [`Full`](Self::Full).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::Full.is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, JoinRoomErrorKind::Full)
    }

    /// Returns true if this is [`Locked`](Self::Locked).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::Locked.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        matches!(self, JoinRoomErrorKind::Locked)
    }

    /// Returns true if this is [`Gone`](Self::Gone).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::Gone.is_gone());
    /// ```
    pub fn is_gone(&self) -> bool {
        matches!(self, JoinRoomErrorKind::Gone)
    }

    /// Returns true if this is [`PartySize`](Self::PartySize).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::JoinRoomErrorKind::PartySize.is_party_size());
    /// ```
    pub fn is_party_size(&self) -> bool {
        matches!(self, JoinRoomErrorKind::PartySize)
    }
}

impl fmt::Display for JoinRoomErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinRoomErrorKind::Full => "the room has too few free seats",
            JoinRoomErrorKind::Locked => "the room is locked",
            JoinRoomErrorKind::Gone => "no room is open under that id",
            JoinRoomErrorKind::PartySize => PARTY_SIZE,
        })
    }
}
