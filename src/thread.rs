//! Deals threads out to shards.
//!
//! # Invariant
//!
//! A thread keeps its number, and no two have the same.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

crate::sync::per_thread! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// The calling thread's number, counted from 0 in the order of first calls.
#[inline]
pub(super) fn number() -> usize {
    match NUMBER.with(Cell::get) {
        0 => first_call(),
        number => number - 1,
    }
}

#[cold]
fn first_call() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: each value goes to one thread, and stands for itself.
    let number = THREADS.fetch_add(1, Ordering::Relaxed);
    NUMBER.with(|own| own.set(number + 1));
    number
}
