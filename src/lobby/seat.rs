//! Seats: RAII proof of one numbered place in a room.
//!
//! # Invariant
//!
//! A seat keeps its lobby where it is, holds one head inside its room, and one bit of the room's
//! bitmap. It gives back both exactly once, the bit first.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::id::MARK_SHIFT;
use super::room::{RoomRef, TakenSeat};
use super::room_cell::Entered;
use super::{Lobby, RoomId};
use crate::error::QuorumError;

/// What [`Seat`] and [`OwnedSeat`] share.
pub(super) struct SeatInner<T, L: Deref<Target = Lobby<T>>> {
    lobby: L,
    /// `None` once the head has left.
    seated: Option<Seated>,
}

const NUMBER_BITS: u32 = 12;
const _: () = assert!(Lobby::<()>::MAX_SEATS <= 1 << NUMBER_BITS);
const _: () = assert!(NUMBER_BITS < u64::BITS - MARK_SHIFT);

/// A head that has got in and sat down.
pub(super) struct Seated {
    /// The room's id, with the seat in place of the mark: its number, and above that whether it
    /// completed the quorum.
    packed: RoomId,
    inside: Entered,
}

impl Seated {
    #[inline]
    pub(super) fn new(location: u32, entered: TakenSeat, completed_quorum: bool) -> Seated {
        let TakenSeat { inside, number, word } = entered;
        let seat = u32::from(completed_quorum) << NUMBER_BITS | number;
        Seated { packed: RoomId::new(seat, location, word.generation()), inside }
    }

    #[inline]
    fn number(&self) -> u32 {
        self.packed.mark() & ((1 << NUMBER_BITS) - 1)
    }
}

impl<T, L: Deref<Target = Lobby<T>>> SeatInner<T, L> {
    #[inline]
    pub(super) fn new(lobby: L, seated: Seated) -> Self {
        SeatInner { lobby, seated: Some(seated) }
    }

    #[inline]
    fn seated(&self) -> &Seated {
        self.seated.as_ref().expect("a head that has not left")
    }

    fn id(&self) -> RoomId {
        self.seated().packed.with_mark(self.lobby.mark)
    }

    fn completed_quorum(&self) -> bool {
        self.seated().packed.mark() >> NUMBER_BITS != 0
    }

    #[inline]
    fn at(&self) -> RoomRef<'_, T> {
        self.lobby
            .pages
            .at(self.seated().packed.location())
            .expect("the page of a room with a head inside")
    }

    fn members(&self) -> u32 {
        self.at().room.read().held(self.lobby.size)
    }

    fn state(&self) -> &T {
        self.at().room.get(&self.seated().inside)
    }

    fn start(&self) -> Result<u32, QuorumError> {
        let quorum = self.lobby.quorum;
        let room = self.at().room;
        match room.set_lock(self.seated().packed.generation(), true, quorum, self.lobby.size) {
            Some(Ok(members)) => Ok(members),
            Some(Err(members)) => Err(QuorumError { occupied: members, quorum }),
            None => unreachable!("the room of a head that has not left is open"),
        }
    }
}

impl<T, L: Deref<Target = Lobby<T>>> Drop for SeatInner<T, L> {
    #[inline]
    fn drop(&mut self) {
        if let Some(seated) = self.seated.take() {
            self.lobby.leave(seated.packed.location(), seated.number(), seated.inside);
        }
    }
}

/// The methods of both seats. `$lobby` and `$join` tell the examples how to join.
macro_rules! seat {
    ([$($generics:tt)*], $seat:ty, $name:literal, $join:literal) => {
        impl<$($generics)*> $seat {
            /// The room's id.
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

            /// This seat's number in its room, from 0. No other seat of the room has it meanwhile;
            /// it was the lowest free one when its holder joined.
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

            /// How many are in the room, this seat's holder included.
            ///
            /// Exact at an instant within the call. An acquire operation: who reads that a member
            /// has left sees what it wrote.
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

            /// The room's state, made when the room opened, and there until its last seat goes.
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

            /// True if it was this join that completed the room's quorum: of all that raise the
            /// members from below the quorum to it, each time exactly one.
            ///
            /// ```
            /// # use headcount::Lobby;
            /// let lobby = std::sync::Arc::new(Lobby::builder(5).quorum(2).build());
            #[doc = concat!("let seats = [", $join, "?, ", $join, "?, ", $join, "?];")]
            /// assert_eq!(seats.map(|seat| seat.completed_quorum()), [false, true, false]);
            /// # Ok::<(), headcount::JoinError>(())
            /// ```
            pub fn completed_quorum(&self) -> bool {
                self.0.completed_quorum()
            }

            /// Locks the room if and only if at least as many as its quorum are in it at that
            /// instant, and says how many are. Nobody joins a locked room; who is in it may leave.
            ///
            /// A room that is locked already stays so.
            ///
            /// # Errors
            ///
            /// [`QuorumError`] if the quorum is not there (any more). Nothing is changed then.
            ///
            /// # Cost
            ///
            /// A load and a compare-exchange, repeated for as long as others join or leave in
            /// between.
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
/// Returned by [`Lobby::join`] and its kin. Dropping it gives the place back, on whatever thread and
/// also while panicking; the last seat of a room closes it. A seat that is leaked with
/// [`core::mem::forget`] keeps its place for as long as the lobby lives.
///
/// ```
/// let lobby = headcount::Lobby::new(7);
/// let seat = lobby.join()?;
/// assert_eq!((seat.number(), seat.members()), (0, 1));
/// drop(seat);
/// assert_eq!(lobby.stats().rooms, 0);
/// # Ok::<(), headcount::JoinError>(())
/// ```
#[must_use = "the place is given back as soon as the seat is dropped"]
pub struct Seat<'a, T = ()>(pub(super) SeatInner<T, &'a Lobby<T>>);

seat!(['a, T], Seat<'a, T>, "Seat", "lobby.join()");

/// A numbered place in a room of a [`Lobby`] behind an `Arc`.
///
/// Returned by [`Lobby::join_owned`] and its kin; otherwise the same as [`Seat`].
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
#[must_use = "the place is given back as soon as the seat is dropped"]
pub struct OwnedSeat<T = ()>(pub(super) SeatInner<T, Arc<Lobby<T>>>);

seat!([T], OwnedSeat<T>, "OwnedSeat", "lobby.clone().join_owned()");
