//! What each thread remembers: the room that it left last.
//!
//! Whoever leaves makes room for the next who comes, and that is often a caller on the same thread.
//!
//! # Invariant
//!
//! A memory, never the truth: whatever stands here, the room's own word says whether it admits.

use core::cell::Cell;

use super::Lobby;
use crate::sync::per_thread;

per_thread! {
    static LEFT: Cell<(usize, u32)> = Cell::new((0, 0));
}

fn address<T>(lobby: &Lobby<T>) -> usize {
    core::ptr::from_ref(lobby) as usize
}

/// Remembers a room of that lobby, by its location.
#[inline]
pub(super) fn note<T>(lobby: &Lobby<T>, location: u32) {
    LEFT.with(|left| left.set((address(lobby), location)));
}

/// The location of the room of that lobby that this thread left last, if that was its last leaving.
#[inline]
pub(super) fn last<T>(lobby: &Lobby<T>) -> Option<u32> {
    let (of, location) = LEFT.with(Cell::get);
    (of == address(lobby)).then_some(location)
}

#[cfg(all(test, not(headcount_loom)))]
mod tests {
    use super::{last, Lobby};
    use std::thread;

    #[test]
    fn it_is_of_one_lobby() {
        let (one, other) = (Lobby::new(2), Lobby::new(2));
        let seats = [one.join().unwrap(), one.join().unwrap()];
        let location = seats[0].room_id().location();
        assert_eq!(last(&one), None);
        drop(seats);
        assert_eq!((last(&one), last(&other)), (Some(location), None));
    }

    #[test]
    fn it_does_not_go_before_a_room_of_ones_own_shard() {
        let lobby = Lobby::builder(2).shards(2).build();
        let own = lobby.join().unwrap();
        // Threads are numbered over the whole process: some do not come to the other shard.
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
