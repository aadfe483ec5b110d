//! The last-left cache: each thread remembers the rooms that it left last.
//!
//! A member that leaves a full room frees a seat for the next caller, which is often on the same
//! thread. Members that leave in a wave free one seat after the other, and the next callers take
//! them in the opposite order.
//!
//! # Invariant
//!
//! Only hints: the room's own word decides whether it admits. The rooms stand in a ring, the latest
//! on top, and the place below the oldest of them is empty. If the ring is full, a new room takes
//! the place of the oldest one.

use core::cell::Cell;

use super::Lobby;
use crate::sync::per_thread;

/// The number of rooms that a thread remembers.
pub(super) const ROOMS: usize = 64;

/// Rooms, each as the mark of its lobby and its location.
struct Ring {
    rooms: [Cell<u64>; ROOMS],
    /// The place above the latest room.
    top: Cell<usize>,
}

/// The value of an empty place.
const NONE: u64 = u64::MAX;

per_thread! {
    static LEFT: Ring = Ring { rooms: [const { Cell::new(NONE) }; ROOMS], top: Cell::new(0) };
}

impl Ring {
    /// Returns the place of the latest room.
    #[inline(always)]
    fn latest(&self) -> &Cell<u64> {
        &self.rooms[self.top.get().wrapping_sub(1) % ROOMS]
    }
}

/// Records the location of a room of that lobby that the calling thread has just left.
#[inline(always)]
pub(super) fn record<T>(lobby: &Lobby<T>, location: u32) {
    record_room(u64::from(lobby.mark) << u32::BITS | u64::from(location));
}

/// A call of its own, the last of most leaves: they keep nothing meanwhile.
#[inline(never)]
fn record_room(room: u64) {
    LEFT.with(|left| {
        left.top.set(left.top.get().wrapping_add(1));
        left.latest().set(room);
    });
}

/// Returns the location of the latest room, if it was of that lobby.
#[inline(always)]
pub(super) fn last<T>(lobby: &Lobby<T>) -> Option<u32> {
    let room = LEFT.with(|left| left.latest().get());
    (room >> u32::BITS == u64::from(lobby.mark)).then_some(room as u32)
}

/// Forgets the latest room.
#[inline(always)]
pub(super) fn forget() {
    LEFT.with(|left| {
        left.latest().set(NONE);
        left.top.set(left.top.get().wrapping_sub(1));
    });
}

#[cfg(all(test, not(headcount_loom)))]
mod tests {
    use super::{forget, last, record, Lobby, ROOMS};
    use std::thread;

    #[test]
    fn the_cache_is_of_one_lobby() {
        let (one, other) = (Lobby::new(2), Lobby::new(2));
        let seats = [one.join().unwrap(), one.join().unwrap()];
        let location = seats[0].room_id().location();
        assert_eq!(last(&one), None);
        drop(seats);
        assert_eq!((last(&one), last(&other)), (Some(location), None));
    }

    #[test]
    fn the_latest_rooms_are_remembered() {
        let lobby = Lobby::new(2);
        let rooms = 0..3 * ROOMS as u32;
        rooms.clone().for_each(|room| record(&lobby, room));
        for room in rooms.rev().take(ROOMS) {
            assert_eq!(last(&lobby), Some(room));
            forget();
        }
        assert_eq!(last(&lobby), None);
        record(&lobby, 7);
        assert_eq!(last(&lobby), Some(7));
    }

    #[test]
    fn a_wave_comes_back_to_the_rooms_that_it_left() {
        let lobby = Lobby::new(2);
        let mut seats: Vec<_> = (0..20).map(|_| lobby.join().unwrap()).collect();
        let left: Vec<_> = [18, 14, 9, 0].map(|seat| seats.swap_remove(seat).room_id()).into();
        for id in left.into_iter().rev() {
            seats.push(lobby.join().unwrap());
            assert_eq!(seats.last().unwrap().room_id(), id);
        }
        assert_eq!(last(&lobby), None);
    }

    #[test]
    fn a_room_of_the_own_shard_goes_before_the_cached_one() {
        let lobby = Lobby::builder(2).shards(2).build();
        let own = lobby.join().unwrap();
        // Threads are numbered over the whole process, so some belong to the same shard.
        let elsewhere = || {
            let is_elsewhere = lobby.own() != lobby.pages.shard_of(own.room_id().location());
            is_elsewhere.then(|| [(); 3].map(|()| lobby.join().unwrap()))
        };
        let [last_seat, one, _other] = thread::scope(|scope| {
            std::iter::repeat_with(|| scope.spawn(elsewhere).join().unwrap())
                .flatten()
                .next()
                .unwrap()
        });
        drop((last_seat, one));
        assert_ne!(last(&lobby), Some(own.room_id().location()));
        assert_eq!(lobby.join().unwrap().room_id(), own.room_id());
    }
}
