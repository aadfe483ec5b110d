//! The last-left cache: each thread remembers the room that it left last.
//!
//! A member that leaves frees a seat for the next caller, which is often on the same thread.
//!
//! # Invariant
//!
//! Only a hint: the room's own word decides whether it admits.

use core::cell::Cell;

use super::Lobby;
use crate::sync::per_thread;

per_thread! {
    static LEFT: Cell<(usize, u32)> = Cell::new((0, 0));
}

fn address<T>(lobby: &Lobby<T>) -> usize {
    core::ptr::from_ref(lobby) as usize
}

/// Records the location of the room of that lobby that the calling thread has just left.
#[inline]
pub(super) fn record<T>(lobby: &Lobby<T>, location: u32) {
    LEFT.with(|left| left.set((address(lobby), location)));
}

/// Returns the location of the room that the calling thread left last, if it was of that lobby.
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
    fn the_cache_is_of_one_lobby() {
        let (one, other) = (Lobby::new(2), Lobby::new(2));
        let seats = [one.join().unwrap(), one.join().unwrap()];
        let location = seats[0].room_id().location();
        assert_eq!(last(&one), None);
        drop(seats);
        assert_eq!((last(&one), last(&other)), (Some(location), None));
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
