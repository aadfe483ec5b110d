//! Parties: the seats of several members that have joined one room together.
//!
//! # Invariant
//!
//! A party has at least one seat, and all of its seats are of one room. Each of them is a seat like
//! any other, so a party that is dropped leaves seat by seat.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use super::room::TakenSeats;
use super::seat::{OwnedSeat, Seat, SeatInner};
use super::{JoinError, JoinRoomError, JoinRoomErrorKind, Lobby, RoomId};

/// Takes `n` seats of a lobby by `take`, and makes the state of a room that this has opened.
fn seats<T, L: Deref<Target = Lobby<T>> + Clone, E>(
    lobby: &L,
    n: u32,
    take: impl FnOnce(&Lobby<T>) -> Result<TakenSeats<'_, T>, E>,
) -> Result<Vec<SeatInner<T, L>>, E> {
    // Before the seats are taken: from then on nothing panics until each of them has its guard.
    let mut seats = Vec::with_capacity(n as usize);
    let taken = take(lobby)?;
    let is_new = taken.is_new();
    let seated = lobby.seated_together(taken);
    seats.extend(seated.map(|seated| SeatInner::new(lobby.clone(), seated)));
    Ok(if is_new { lobby.make_state(seats, |seats| seats[0].seated(), drop) } else { seats })
}

impl<T> Lobby<T> {
    fn can_seat(&self, n: u32) -> bool {
        (1..=self.seats()).contains(&n)
    }
}

pub(super) fn join_many<T, L: Deref<Target = Lobby<T>> + Clone>(
    lobby: &L,
    n: u32,
) -> Result<Vec<SeatInner<T, L>>, JoinError> {
    match n {
        _ if !lobby.can_seat(n) => Err(JoinError::PartySize),
        // A single caller pays less.
        1 => Ok(Vec::from([SeatInner::join(lobby.clone())?])),
        _ => seats(lobby, n, |lobby| lobby.seats_anywhere(n)),
    }
}

pub(super) fn join_room_many<T, L: Deref<Target = Lobby<T>> + Clone>(
    lobby: &L,
    id: RoomId,
    n: u32,
) -> Result<Vec<SeatInner<T, L>>, JoinRoomError> {
    if !lobby.can_seat(n) {
        return Err(JoinRoomError::new(JoinRoomErrorKind::PartySize, None));
    }
    seats(lobby, n, |lobby| lobby.seats_in(id, n)).map_err(|refusal| lobby.refuse_many(refusal, n))
}

/// The methods of both parties. `$join` is the call that joins in the examples.
macro_rules! party {
    ([$($generics:tt)*], $party:ty, $seat:ty, $inner:ty, $name:literal, $join:literal) => {
        impl<$($generics)*> $party {
            pub(super) fn new(seats: Vec<$inner>, seat: impl Fn($inner) -> $seat) -> Self {
                Self { seats: seats.into_iter().map(seat).collect() }
            }

            /// Returns the room's id.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("let party = ", $join, "(3)?;")]
            /// assert_eq!(lobby.room(party.room_id()).map(|room| room.members), Some(3));
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn room_id(&self) -> RoomId {
                self.seats[0].room_id()
            }

            /// Returns the number of seats, which is at least 1.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("assert_eq!(", $join, "(3)?.len(), 3);")]
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            #[allow(clippy::len_without_is_empty)] // A party is never empty.
            pub fn len(&self) -> usize {
                self.seats.len()
            }

            /// Returns the seats, by their numbers in rooms of up to 24 seats. The numbers are
            /// distinct; they are consecutive only if the free seats were.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("let party = ", $join, "(3)?;")]
            /// assert!(party.seats().iter().map(|seat| seat.number()).eq([0, 1, 2]));
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn seats(&self) -> &[$seat] {
                &self.seats
            }

            /// Splits the party into its seats, each of which is then dropped on its own.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::new(7));
            #[doc = concat!("let mut seats = ", $join, "(3)?.into_seats();")]
            /// drop(seats.pop());
            /// assert_eq!(lobby.stats().members, 2);
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn into_seats(self) -> Vec<$seat> {
                self.seats
            }

            /// Returns the room's state, as [`Seat::state`] does.
            ///
            /// # Panics
            ///
            /// As [`Seat::state`].
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::builder(7).build_with(|id| id.to_string()));
            #[doc = concat!("let party = ", $join, "(3)?;")]
            /// assert_eq!(*party.state(), party.room_id().to_string());
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn state(&self) -> &T {
                self.seats[0].state()
            }

            /// Returns true if this party raised the number of members from below the quorum to the
            /// quorum or above. Exactly one of its seats
            /// [completed the quorum](Seat::completed_quorum) then.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::builder(5).quorum(2).build());
            #[doc = concat!("assert!(", $join, "(3)?.completed_quorum());")]
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn completed_quorum(&self) -> bool {
                self.seats.iter().any(|seat| seat.completed_quorum())
            }
        }

        impl<$($generics)*> fmt::Debug for $party {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let numbers: Vec<_> = self.seats.iter().map(|seat| seat.number()).collect();
                f.debug_struct($name)
                    .field("room", &self.room_id())
                    .field("numbers", &numbers)
                    .finish_non_exhaustive()
            }
        }
    };
}

/// Several seats of one room of a [`Lobby`] that were taken together.
///
/// Returned by [`Lobby::join_many`] and [`Lobby::join_room_many`]. Dropping it frees the seats one
/// after the other, on any thread and also while panicking; the room closes if they were its last.
/// A party that is leaked keeps its places for as long as the lobby exists.
///
/// # Examples
///
/// ```
/// let lobby = headcount::Lobby::new(4);
/// let party = lobby.join_many(3)?;
/// assert!(party.seats().iter().all(|seat| seat.room_id() == party.room_id()));
/// assert_ne!(lobby.join_many(2)?.room_id(), party.room_id()); // one free seat is not enough
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[must_use = "the places are freed as soon as the party is dropped"]
pub struct Party<'a, T = ()> {
    seats: Vec<Seat<'a, T>>,
}

party!(
    ['a, T],
    Party<'a, T>,
    Seat<'a, T>,
    SeatInner<T, &'a Lobby<T>>,
    "Party",
    "lobby.join_many"
);

/// Several seats of one room of a [`Lobby`] behind an `Arc`.
///
/// Returned by [`Lobby::join_many_owned`] and [`Lobby::join_room_many_owned`]. It is not tied to a
/// borrow and keeps the lobby alive; otherwise it is the same as [`Party`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// let lobby = Arc::new(headcount::Lobby::new(4));
/// let party = Arc::clone(&lobby).join_many_owned(3)?;
/// std::thread::spawn(move || drop(party)).join().unwrap();
/// assert_eq!(lobby.stats().members, 0);
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[must_use = "the places are freed as soon as the party is dropped"]
pub struct OwnedParty<T = ()> {
    seats: Vec<OwnedSeat<T>>,
}

party!(
    [T],
    OwnedParty<T>,
    OwnedSeat<T>,
    SeatInner<T, Arc<Lobby<T>>>,
    "OwnedParty",
    "lobby.clone().join_many_owned"
);
