//! Seats: RAII proof of one numbered place in a room.
//!
//! # Invariant
//!
//! A seat keeps its lobby, and one member inside its room. Dropping it makes that member leave,
//! once. The lobby of a seat is the one that seated it: the constructors below are the only ones.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::room::{RoomRef, Seated};
#[cfg(doc)]
use super::Party;
use super::{JoinError, JoinRoomError, Lobby, RoomId};
use crate::error::QuorumError;
use crate::protocol::room::{FlagWanted, RoomFlag};

/// The fields and operations that [`Seat`] and [`OwnedSeat`] share. `L` is a reference or an `Arc`:
/// it yields the same lobby each time.
pub(super) struct SeatInner<T, L: Deref<Target = Lobby<T>>> {
    lobby: L,
    /// `None` once the member has left.
    seated: Option<Seated>,
}

impl<T, L: Deref<Target = Lobby<T>>> SeatInner<T, L> {
    #[inline]
    pub(super) fn join(lobby: L) -> Result<Self, JoinError> {
        let seated = lobby.seat_anywhere().ok_or(JoinError::Full)?;
        Ok(SeatInner { lobby, seated: Some(seated) })
    }

    #[inline]
    pub(super) fn join_room(lobby: L, id: RoomId) -> Result<Self, JoinRoomError> {
        match lobby.seat_in_at_once(id) {
            Ok(seated) => Ok(SeatInner { lobby, seated: Some(seated) }),
            Err(Some(refusal)) => Err(lobby.refuse(refusal)),
            Err(None) => SeatInner::join_room_otherwise(lobby, id),
        }
    }

    #[inline(never)]
    fn join_room_otherwise(lobby: L, id: RoomId) -> Result<Self, JoinRoomError> {
        match lobby.seat_in(id) {
            Ok(seated) => Ok(SeatInner { lobby, seated: Some(seated) }),
            Err(refusal) => Err(lobby.refuse(refusal)),
        }
    }

    #[inline]
    pub(super) fn join_room_or_any(lobby: L, id: RoomId) -> Result<Self, JoinError> {
        let seated = lobby.seat_in_or_anywhere(id).ok_or(JoinError::Full)?;
        Ok(SeatInner { lobby, seated: Some(seated) })
    }

    /// Takes a seat in a room that it opens.
    pub(super) fn open(lobby: L, listed: bool) -> Result<Self, JoinError> {
        let seated = lobby.seat_in_new(listed)?;
        Ok(SeatInner::new(lobby, seated))
    }

    /// The lobby has seated that member.
    pub(super) fn new(lobby: L, seated: Seated) -> Self {
        SeatInner { lobby, seated: Some(seated) }
    }

    #[inline]
    pub(super) fn seated(&self) -> &Seated {
        self.seated.as_ref().expect("a member that has not left")
    }

    fn id(&self) -> RoomId {
        self.seated().room_id(self.lobby.mark)
    }

    #[inline]
    fn at(&self) -> RoomRef<'_, T> {
        self.lobby.pages.at(self.seated().location()).expect("the page of a room with a member")
    }

    fn members(&self) -> u32 {
        self.at().read().members()
    }

    fn state(&self) -> &T {
        self.lobby.state_of(self.seated())
    }

    fn start(&self) -> Result<u32, QuorumError> {
        let quorum = self.lobby.quorum;
        let (at, bounds) = (self.at(), self.lobby.bounds_of(self.at()));
        let wanted = FlagWanted { flag: RoomFlag::Locked, on: true, at_least: quorum };
        match at.set_flag(self.seated().generation(), wanted, bounds) {
            Some(Ok(members)) => Ok(members),
            Some(Err(members)) => Err(QuorumError { occupied: members, quorum }),
            None => unreachable!("the room of a member that has not left is open"),
        }
    }
}

impl<T, L: Deref<Target = Lobby<T>>> Drop for SeatInner<T, L> {
    #[inline]
    fn drop(&mut self) {
        if let Some(seated) = self.seated.take() {
            self.lobby.leave(seated);
        }
    }
}

/// The methods of both seats. `$join` is the call that joins in the examples.
macro_rules! seat {
    ([$($generics:tt)*], $seat:ty, $name:literal, $join:literal) => {
        impl<$($generics)*> $seat {
            /// Returns the room's id.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("let seat = ", $join, "?;")]
            /// assert!(lobby.room(seat.room_id()).is_some());
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn room_id(&self) -> RoomId {
                self.0.id()
            }

            /// Returns this seat's number in its room, counted from 0.
            ///
            /// No other seat of the room has that number until this one is dropped. It was the
            /// lowest free number when its holder joined. In rooms of more than 24 seats it may be
            /// another free one if members joined or left during that call.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("let seats = [", $join, "?, ", $join, "?];")]
            /// assert_eq!(seats.map(|seat| seat.number()), [0, 1]);
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn number(&self) -> u32 {
                self.0.seated().number()
            }

            /// Returns the number of members of the room, this seat's holder included.
            ///
            /// The number is exact at an instant within the call.
            ///
            /// # Memory ordering
            ///
            /// Acquire: if this call observes that a member has left, what that member wrote before
            /// is visible.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("let seat = ", $join, "?;")]
            /// assert_eq!(seat.members(), 1);
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn members(&self) -> u32 {
                self.0.members()
            }

            /// Returns the room's state, which is dropped after the room's last seat. Waits for the
            /// call that opened the room if that is still making the state.
            ///
            /// # Panics
            ///
            /// If the constructor has panicked in that call, it runs again here, and may panic
            /// again. If the constructor itself asks for the state that it makes, on the thread
            /// that runs it.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::builder(7).build_with(|id| id.to_string()));
            #[doc = concat!("let seat = ", $join, "?;")]
            /// assert_eq!(*seat.state(), seat.room_id().to_string());
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn state(&self) -> &T {
                self.0.state()
            }

            /// Returns true if this join raised the number of members from below the quorum to the
            /// quorum. Each time the room reaches its quorum, exactly one join does.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::builder(5).quorum(2).build());
            #[doc = concat!("let seats = [", $join, "?, ", $join, "?, ", $join, "?];")]
            /// assert_eq!(seats.map(|seat| seat.completed_quorum()), [false, true, false]);
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn completed_quorum(&self) -> bool {
                self.0.seated().completed_quorum()
            }

            /// Locks the room if and only if it has at least its quorum of members at that instant,
            /// and returns their number.
            ///
            /// A locked room admits no new member; its members may leave. A room that is locked
            /// already stays locked.
            ///
            /// # Errors
            ///
            /// [`QuorumError`] if the room has fewer members. The room is unchanged then.
            ///
            /// # Cost
            ///
            /// A load and a compare-exchange, repeated if other members join or leave in between.
            ///
            /// # Memory ordering
            ///
            /// Acquire: if the number observes that a member has left, what that member wrote
            /// before is visible.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::builder(5).quorum(2).build());
            #[doc = concat!("let seat = ", $join, "?;")]
            /// assert_eq!(seat.start().unwrap_err().occupied, 1);
            #[doc = concat!("let other = ", $join, "?;")]
            /// assert_eq!(seat.start(), Ok(2));
            /// assert!(lobby.join_room(seat.room_id()).unwrap_err().is_locked());
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn start(&self) -> Result<u32, QuorumError> {
                self.0.start()
            }
        }

        impl<$($generics)*> fmt::Debug for $seat {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("room", &self.0.id())
                    .field("number", &self.0.seated().number())
                    .finish_non_exhaustive()
            }
        }
    };
}

/// A numbered place in a room of a [`Lobby`].
///
/// Returned by [`Lobby::join`], [`Lobby::open_room`] and others, and by [`Party::into_seats`].
/// Dropping it frees the place, on any thread and also while panicking. Dropping the last seat of a
/// room closes the room. A seat that is leaked with [`core::mem::forget`] keeps its place for as
/// long as the lobby exists.
///
/// # Examples
///
/// ```
/// let lobby = headcount::Lobby::new(7);
/// let seat = lobby.join()?;
/// assert_eq!((seat.number(), seat.members()), (0, 1));
/// drop(seat);
/// assert_eq!(lobby.stats().rooms, 0);
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[must_use = "the place is freed as soon as the seat is dropped"]
pub struct Seat<'a, T = ()>(pub(super) SeatInner<T, &'a Lobby<T>>);

seat!(['a, T], Seat<'a, T>, "Seat", "lobby.join()");

/// A numbered place in a room of a [`Lobby`] behind an `Arc`.
///
/// Returned by [`Lobby::join_owned`], [`Lobby::join_room_owned`] and
/// [`Lobby::join_room_or_any_owned`]. It is not tied to a borrow and keeps the lobby alive;
/// otherwise it is the same as [`Seat`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// let lobby = Arc::new(headcount::Lobby::new(7));
/// let seat = Arc::clone(&lobby).join_owned()?;
/// std::thread::spawn(move || drop(seat)).join().unwrap();
/// assert_eq!(lobby.stats().members, 0);
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[must_use = "the place is freed as soon as the seat is dropped"]
pub struct OwnedSeat<T = ()>(pub(super) SeatInner<T, Arc<Lobby<T>>>);

seat!([T], OwnedSeat<T>, "OwnedSeat", "lobby.clone().join_owned()");
