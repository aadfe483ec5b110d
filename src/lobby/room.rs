//! Rooms, a page of them, and what one does in a room.
//!
//! # Invariant
//!
//! Who is in a room has a seat there: it stands in the room's word, or in a bitmap beside it. Who
//! leaves gives up the seat first.

use core::mem::needs_drop;

use super::hints::Hints;
use super::room_cell::{Departure, Entered, RoomCell};
use crate::protocol::room::{RoomRefusal, RoomSize, RoomWord};
use crate::protocol::seat_bitmap;
use crate::sync::AtomicU64;

/// Some rooms, and the hints to them.
pub(super) struct Page<T> {
    rooms: Box<[RoomCell<T>]>,
    /// The bitmaps of rooms whose words have no seats.
    seats: Box<[AtomicU64]>,
    pub(super) hints: Hints,
    size: RoomSize,
    /// The bits of a location that say where in the page its room is.
    offsets: u32,
}

/// The number of words that a room's seats take beside its own.
fn words(size: RoomSize) -> usize {
    if size.is_small() {
        0
    } else {
        (size.seats() as usize).div_ceil(64)
    }
}

impl<T> Page<T> {
    /// `rooms` vacant rooms of that size; so many bits of a location are the offset.
    pub(super) fn new(rooms: usize, size: RoomSize, offset_bits: u32) -> Page<T> {
        let free = core::iter::repeat_with(|| AtomicU64::new(0));
        Page {
            rooms: core::iter::repeat_with(|| RoomCell::vacant(size)).take(rooms).collect(),
            seats: free.take(rooms * words(size)).collect(),
            hints: Hints::new(rooms, size.seats()),
            size,
            offsets: (1 << offset_bits) - 1,
        }
    }

    /// The room at a location in this page.
    #[inline]
    pub(super) fn at(&self, location: u32) -> Option<RoomRef<'_, T>> {
        let room = self.rooms.get(self.offset(location))?;
        Some(RoomRef { page: self, room, location })
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    #[inline]
    pub(super) fn offset(&self, location: u32) -> usize {
        (location & self.offsets) as usize
    }
}

impl<T> Drop for Page<T> {
    fn drop(&mut self) {
        if needs_drop::<T>() {
            for room in &mut self.rooms {
                room.abandon(self.size);
            }
        }
    }
}

/// One room, found.
pub(super) struct RoomRef<'a, T> {
    pub(super) page: &'a Page<T>,
    pub(super) room: &'a RoomCell<T>,
    pub(super) location: u32,
}

impl<T> Clone for RoomRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RoomRef<'_, T> {}

/// A head that has got in and has a seat.
pub(super) struct TakenSeat {
    pub(super) inside: Entered,
    pub(super) number: u32,
    /// What the room became.
    pub(super) word: RoomWord,
}

impl<'a, T> RoomRef<'a, T> {
    #[inline]
    pub(super) fn offset(self) -> usize {
        self.page.offset(self.location)
    }

    fn seats(self) -> &'a [AtomicU64] {
        let words = words(self.page.size);
        &self.page.seats[self.offset() * words..][..words]
    }

    /// Takes the lowest free seat where the word has not done so.
    #[inline]
    fn sit(self, (inside, (word, number)): (Entered, (RoomWord, u32))) -> TakenSeat {
        let small = self.page.size.is_small();
        let number = if small { number } else { seat_bitmap::take(self.seats()) };
        TakenSeat { inside, number, word }
    }

    /// Enters under a generation.
    #[inline]
    pub(super) fn enter(self, generation: u32) -> Result<TakenSeat, RoomRefusal> {
        Ok(self.sit(self.room.enter(generation, self.page.size)?))
    }

    /// Enters a room that has just been seen to admit.
    #[inline]
    pub(super) fn enter_seen(self, seen: RoomWord) -> Result<TakenSeat, RoomRefusal> {
        Ok(self.sit(self.room.enter_seen(seen, self.page.size)?))
    }

    /// Enters a room that is as it was seen, with one seat left that stands in the word.
    #[inline]
    pub(super) fn enter_last(self, seen: RoomWord) -> Option<TakenSeat> {
        if !self.page.size.is_small() {
            return None;
        }
        let (inside, (word, number)) = self.room.enter_unchanged(seen, self.page.size)?;
        Some(TakenSeat { inside, number, word })
    }

    /// Leaves, and frees the seat of that number before.
    #[inline]
    pub(super) fn leave(self, inside: Entered, number: u32) -> Departure {
        if !self.page.size.is_small() {
            seat_bitmap::free(self.seats(), number);
        }
        self.room.leave(inside, number, self.page.size)
    }

    /// Opens a room that one has claimed.
    pub(super) fn open(self, busy: super::room_cell::Exclusive, value: T) -> TakenSeat {
        if !self.page.size.is_small() {
            // Seat 0: nobody else is inside.
            seat_bitmap::take(self.seats());
        }
        let (inside, word) = self.room.open(busy, value, self.page.size);
        TakenSeat { inside, number: 0, word }
    }
}
