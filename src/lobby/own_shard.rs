//! The shard that each thread prefers in a lobby.
//!
//! # Invariant
//!
//! Only a preference. A thread keeps its shard in the lobbies that it used last; a lobby gives its
//! shards to new threads in turn.

use core::cell::Cell;

use super::Lobby;
use crate::sync::{per_thread, Ordering};

/// The number of lobbies in which a thread remembers its shard.
const LOBBIES: usize = 4;

per_thread! {
    static SHARDS: Cell<[(usize, u32); LOBBIES]> = Cell::new([(0, 0); LOBBIES]);
}

/// Returns the number of the calling thread's shard in a lobby of that many shards.
#[inline]
pub(super) fn of<T>(lobby: &Lobby<T>, shards: usize) -> usize {
    let address = core::ptr::from_ref(lobby) as usize;
    let known = SHARDS.with(Cell::get);
    match known.iter().find(|&&(of, shard)| of == address && (shard as usize) < shards) {
        Some(&(_, shard)) => shard as usize,
        None => first_call(lobby, address, shards),
    }
}

#[cold]
fn first_call<T>(lobby: &Lobby<T>, address: usize, shards: usize) -> usize {
    // Relaxed: the number orders nothing else.
    let number = lobby.threads.fetch_add(1, Ordering::Relaxed);
    let shard = number % shards as u32;
    SHARDS.with(|own| {
        let mut known = own.get();
        known.rotate_right(1);
        known[0] = (address, shard);
        own.set(known);
    });
    shard as usize
}
