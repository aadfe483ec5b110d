//! Rooms, and the pages that they live in.
//!
//! # Invariant
//!
//! A page never moves and never goes before its lobby does, so an index finds its room for good.
//! Page 0 has a power of two of rooms, page 1 as many again, and each later one twice as many as the
//! one before: an index says by its leading zeros which page it is in.

use super::hints::Hints;
use super::life::{Life, Shut};
use super::state::{Inside, State};
use crate::seats::Seats;
use crate::sync::AtomicU64;

/// What belongs to one room, together in one place of memory: 16 bytes and the state.
pub(super) struct Room<T> {
    pub(super) state: State<T>,
    seats: AtomicU64,
}

/// Some rooms, and the hints to them.
pub(super) struct Page<T> {
    rooms: Box<[Room<T>]>,
    /// The bitmaps of rooms with more than 64 seats, beyond the first words.
    more_seats: Box<[AtomicU64]>,
    pub(super) hints: Hints,
    seats: u32,
}

/// The number of words that a room's seats take beyond the first.
fn more_words(seats: u32) -> usize {
    (seats as usize - 1) / 64
}

impl<T> Page<T> {
    /// `rooms` vacant rooms of so many seats.
    pub(super) fn new(rooms: usize, seats: u32) -> Page<T> {
        let vacant = || Room { state: State::vacant(seats), seats: AtomicU64::new(0) };
        Page {
            rooms: core::iter::repeat_with(vacant).take(rooms).collect(),
            more_seats: core::iter::repeat_with(|| AtomicU64::new(0))
                .take(rooms * more_words(seats))
                .collect(),
            hints: Hints::new(rooms, seats),
            seats,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }
}

impl<T> Drop for Page<T> {
    fn drop(&mut self) {
        for room in &mut self.rooms {
            room.state.clear(self.seats);
        }
    }
}

/// One room, found.
pub(super) struct At<'a, T> {
    pub(super) index: usize,
    pub(super) page: &'a Page<T>,
    /// The number of the page.
    pub(super) number: u32,
    /// The index within the page.
    pub(super) offset: usize,
}

impl<T> Clone for At<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for At<'_, T> {}

impl<'a, T> At<'a, T> {
    #[inline]
    pub(super) fn state(self) -> &'a State<T> {
        &self.page.rooms[self.offset].state
    }

    #[inline]
    fn seats(self) -> Seats<'a> {
        let rest = match more_words(self.page.seats) {
            0 => &[][..],
            words => &self.page.more_seats[self.offset * words..][..words],
        };
        Seats { first: &self.page.rooms[self.offset].seats, rest }
    }

    /// Takes the lowest free seat, for one who is inside or about to open the room.
    #[inline]
    pub(super) fn sit(self) -> u32 {
        self.seats().take()
    }

    /// Frees a seat, for one who is about to leave.
    #[inline]
    pub(super) fn stand_up(self, number: u32) {
        self.seats().free(number);
    }

    /// Enters a room that has just been seen to admit.
    #[inline]
    pub(super) fn enter_seen(self, seen: Life) -> Result<(Inside, Life), Shut> {
        self.state().enter_seen(seen, self.page.seats)
    }

    /// Where the room is to be found, for one who has just seen it so.
    #[inline]
    pub(super) fn level(self, life: Life) -> Option<u32> {
        life.level(self.page.seats)
    }
}
