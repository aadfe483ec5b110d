//! Numbers threads, so that they can be distributed over shards and stripes.
//!
//! # Invariant
//!
//! A thread keeps its number, and no two threads have the same, until the counter wraps.

use core::cell::Cell;

use crate::sync::{next_number, per_thread};

per_thread! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// Returns the calling thread's number. Numbers count from 0 in the order of first calls.
#[inline]
pub(crate) fn current() -> usize {
    match NUMBER.with(Cell::get) {
        0 => first_call(),
        number => number - 1,
    }
}

#[cold]
fn first_call() -> usize {
    let number = next_number();
    NUMBER.with(|own| own.set(number + 1));
    number
}
