//! Room ids: where a room is, and which generation of it is meant.
//!
//! # Invariant
//!
//! ```text
//! bits 37..64   the location: the number of the shard, of the page in it, and the offset in that
//! bits 24..37   the lobby's mark
//! bits  0..24   the generation, never 0
//! ```
//!
//! A lobby uses each id for one room only: a location belongs to one room cell for as long as the
//! lobby exists, and a cell never returns to an earlier generation.

use core::error::Error;
use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use crate::protocol::room::{GENERATION_BITS, LAST_GENERATION};

/// The number of bits of a location.
pub(super) const LOCATION_BITS: u32 = 27;
/// The number of bits of a mark.
pub(super) const MARK_BITS: u32 = 13;
/// Where an id's location begins.
const LOCATION_SHIFT: u32 = GENERATION_BITS + MARK_BITS;
const _: () = assert!(LOCATION_SHIFT + LOCATION_BITS == u64::BITS);

/// A generation that no room has.
const NO_GENERATION: u32 = (1 << GENERATION_BITS) - 1;
const _: () = assert!(NO_GENERATION > LAST_GENERATION);

/// The id of one room, from its opening to its close.
///
/// It is small and `Copy`, prints as 16 hexadecimal digits and parses back, and converts to and
/// from a `u64`. A lobby uses each id once. It refuses an id whose room has closed, that was made
/// up, or that comes from another lobby.
///
/// Send an id as its text. Programs that read JSON numbers as floating-point numbers, as browsers
/// do, keep 53 bits of them: an id that is sent as a number may come back as that of another room.
///
/// An id is a name, not a secret: a client that knows the id of an open room can ask to join it. A
/// mark of 13 bits tells the ids of different lobbies apart. The first 8,192 lobbies of one process
/// have different marks. Beyond that, and across processes, a lobby takes another lobby's id for
/// its own in one of 8,192 cases, if the location and the generation fit as well.
///
/// # Examples
///
/// ```
/// use headcount::{Lobby, RoomId};
///
/// let lobby = Lobby::new(7);
/// let seat = lobby.join()?;
/// let printed = seat.room_id().to_string();
/// assert_eq!(printed.parse::<RoomId>(), Ok(seat.room_id()));
/// assert_eq!(RoomId::try_from(u64::from(seat.room_id())), Ok(seat.room_id()));
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(NonZeroU64);

impl RoomId {
    #[inline]
    pub(super) fn new(mark: u32, location: u32, generation: u32) -> RoomId {
        let id = u64::from(location) << LOCATION_SHIFT
            | u64::from(mark) << GENERATION_BITS
            | u64::from(generation);
        // A generation is never 0, so neither is the whole.
        RoomId(NonZeroU64::new(id).unwrap_or(NonZeroU64::MIN))
    }

    /// Returns an id of a lobby that is of no room: no room ever has that generation.
    pub(super) fn nowhere(mark: u32) -> RoomId {
        RoomId::new(mark, 0, NO_GENERATION)
    }

    /// Returns the id with another mark.
    #[inline]
    pub(super) fn with_mark(self, mark: u32) -> RoomId {
        RoomId::new(mark, self.location(), self.generation())
    }

    #[inline]
    pub(super) fn mark(self) -> u32 {
        (self.0.get() >> GENERATION_BITS) as u32 & ((1 << MARK_BITS) - 1)
    }

    #[inline]
    pub(super) fn location(self) -> u32 {
        (self.0.get() >> LOCATION_SHIFT) as u32
    }

    #[inline]
    pub(super) fn generation(self) -> u32 {
        self.0.get() as u32 & ((1 << GENERATION_BITS) - 1)
    }
}

impl From<RoomId> for u64 {
    fn from(id: RoomId) -> u64 {
        id.0.get()
    }
}

impl TryFrom<u64> for RoomId {
    type Error = ParseRoomIdError;

    /// Fails for a number that no lobby uses as an id. A number that passes may still name no room.
    fn try_from(number: u64) -> Result<RoomId, ParseRoomIdError> {
        let id = RoomId(NonZeroU64::new(number).ok_or(ParseRoomIdError(()))?);
        if id.generation() == 0 {
            return Err(ParseRoomIdError(()));
        }
        Ok(id)
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({self})")
    }
}

impl FromStr for RoomId {
    type Err = ParseRoomIdError;

    /// Accepts only what `Display` prints: 16 hexadecimal digits in lower case.
    fn from_str(printed: &str) -> Result<RoomId, ParseRoomIdError> {
        let digits = printed.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if printed.len() != 16 || !digits {
            return Err(ParseRoomIdError(()));
        }
        RoomId::try_from(u64::from_str_radix(printed, 16).map_err(|_| ParseRoomIdError(()))?)
    }
}

/// The text or number is not a [`RoomId`].
///
/// # Examples
///
/// ```
/// use headcount::RoomId;
///
/// let refused = "the jam session".parse::<RoomId>().unwrap_err();
/// assert_eq!(refused.to_string(), "not a room id, which is 16 lower-case hexadecimal digits");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ParseRoomIdError(());

impl fmt::Display for ParseRoomIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a room id, which is 16 lower-case hexadecimal digits")
    }
}

impl Error for ParseRoomIdError {}

/// Returns the mark of a new lobby. Marks are consecutive within a process and begin at a random
/// one.
pub(super) fn next_mark() -> u32 {
    static FIRST: OnceLock<u32> = OnceLock::new();
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = *FIRST.get_or_init(|| RandomState::new().hash_one(0) as u32);
    // Relaxed: each caller gets a value of its own, which publishes nothing.
    let given = GIVEN.fetch_add(1, Ordering::Relaxed);
    first.wrapping_add(given) & ((1 << MARK_BITS) - 1)
}
