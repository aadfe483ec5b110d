//! Seats: entries of keys that are gone, which rest so that the next life of a busy key need not
//! be inserted anew.
//!
//! # Invariant
//!
//! An entry that rests sits in one of a fixed number of seats, so that no more entries rest than
//! there are seats. Whoever takes a seat drives out the entry that had it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use std::sync::OnceLock;

use super::entry::Named;
use crate::sync::Mutex;

/// Bits of the hash that choose a seat.
#[cfg(not(headcount_loom))]
const BITS: u32 = 10;
#[cfg(headcount_loom)]
const BITS: u32 = 0;

/// One in so many knocks is answered: a flood of keys that are used once should not pay for seats.
const PATIENCE: u32 = 8;

crate::sync::per_thread! {
    static KNOCKS: Cell<u32> = Cell::new(0);
}

type Seat<K> = Mutex<Option<Arc<Named<K>>>>;

/// Made when the first one sits down.
pub(crate) struct Seats<K>(OnceLock<Box<[Seat<K>]>>);

impl<K> Seats<K> {
    pub(crate) fn new() -> Self {
        Seats(OnceLock::new())
    }

    /// Should a new entry try for a seat?
    pub(crate) fn knock(&self) -> bool {
        KNOCKS.with(|knocks| {
            let turn = knocks.get() % PATIENCE;
            knocks.set(turn + 1);
            turn == 0
        })
    }

    /// Seats an entry in which the caller has a head. Yields who had the seat before, or nothing at
    /// all if somebody else is at the seat just now.
    pub(crate) fn seat(&self, newcomer: Arc<Named<K>>) -> Option<Option<Arc<Named<K>>>> {
        let seat = (newcomer.hash >> 1 >> (63 - BITS)) as usize;
        let seats = self.0.get_or_init(|| (0..1 << BITS).map(|_| Mutex::new(None)).collect());
        let mut sitter = seats[seat].try_lock().ok()?;
        // Under the lock: who drives this entry out must find it kept.
        newcomer.life.keep();
        Some(sitter.replace(newcomer))
    }
}
