//! The last-left cache: each thread remembers the rooms that it left last.
//!
//! A member that leaves a full room frees a seat for the next caller, which is often on the same
//! thread. Members that leave in a wave free one seat after the other, and the next callers take
//! them in the opposite order.
//!
//! # Invariant
//!
//! Only hints: the room's own word decides whether it admits. The word that is remembered with a
//! room is of use while it is still the room's: the exchange compares them. The rooms stand in a
//! ring, the latest on top, and the place below the oldest of them is empty. If the ring is full, a
//! new room takes the place of the oldest one.

use core::cell::Cell;

use super::Lobby;
use crate::protocol::room::RoomWord;
use crate::sync::per_thread;

/// The number of rooms that a thread remembers.
pub(super) const ROOMS: usize = 64;

/// A room, and the word that it had after the leave.
struct LeftRoom {
    /// The mark of the lobby and the location.
    room: Cell<u64>,
    word: Cell<RoomWord>,
}

struct Ring {
    rooms: [LeftRoom; ROOMS],
    /// The place of the latest room, and any number of times [`ROOMS`].
    top: Cell<usize>,
}

/// The value of an empty place.
const NONE: u64 = u64::MAX;

per_thread! {
    static LEFT: Ring = Ring { rooms: [const { LeftRoom::none() }; ROOMS], top: Cell::new(0) };
}

impl LeftRoom {
    const fn none() -> LeftRoom {
        LeftRoom { room: Cell::new(NONE), word: Cell::new(RoomWord::FRESH) }
    }
}

/// Records the location of a room of that lobby that the calling thread has just left, and the word
/// of the room.
#[inline]
pub(super) fn record<T>(lobby: &Lobby<T>, location: u32, word: RoomWord) {
    // Otherwise the thread has dropped its thread-locals already, and remembers nothing.
    let _ = LEFT.try_with(|left| {
        let top = left.top.get().wrapping_add(1);
        left.top.set(top);
        let latest = &left.rooms[top % ROOMS];
        latest.room.set(u64::from(lobby.mark) << u32::BITS | u64::from(location));
        latest.word.set(word);
    });
}

/// Returns the location of the latest room, if it was of that lobby, and the word that it had then.
#[inline]
pub(super) fn last<T>(lobby: &Lobby<T>) -> Option<(u32, RoomWord)> {
    let latest = LEFT.try_with(|left| {
        let latest = &left.rooms[left.top.get() % ROOMS];
        (latest.room.get(), latest.word.get())
    });
    let (room, word) = latest.unwrap_or((NONE, RoomWord::FRESH));
    (room >> u32::BITS == u64::from(lobby.mark)).then_some((room as u32, word))
}

/// Forgets the latest room.
#[inline]
pub(super) fn forget() {
    let _ = LEFT.try_with(|left| {
        let top = left.top.get();
        left.rooms[top % ROOMS].room.set(NONE);
        left.top.set(top.wrapping_sub(1));
    });
}

#[cfg(all(test, not(headcount_loom)))]
mod tests {
    use super::{forget, last, record, Lobby, RoomWord, ROOMS};
    use std::thread;

    #[test]
    fn the_cache_is_of_one_lobby() {
        let (one, other) = (Lobby::new(2), Lobby::new(2));
        let [left, _stays] = [one.join().unwrap(), one.join().unwrap()];
        let at = one.pages.at(left.room_id().location()).unwrap();
        assert_eq!(last(&one), None);
        drop(left);
        assert_eq!((last(&one), last(&other)), (Some((at.location(), at.read())), None));
    }

    #[test]
    fn the_latest_rooms_are_remembered() {
        let lobby = Lobby::new(2);
        let rooms = 0..3 * ROOMS as u32;
        rooms.clone().for_each(|room| record(&lobby, room, RoomWord::FRESH));
        for room in rooms.rev().take(ROOMS) {
            assert_eq!(last(&lobby), Some((room, RoomWord::FRESH)));
            forget();
        }
        assert_eq!(last(&lobby), None);
        record(&lobby, 7, RoomWord::FRESH);
        assert_eq!(last(&lobby), Some((7, RoomWord::FRESH)));
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
        assert_ne!(last(&lobby).map(|(room, _)| room), Some(own.room_id().location()));
        assert_eq!(lobby.join().unwrap().room_id(), own.room_id());
    }
}
