//! Numbered seats: a bitmap of the seats that are taken.
//!
//! # Invariant
//!
//! A member's bit is set from when the member takes its seat, after it has entered the room, until
//! it frees the seat, before it leaves. A room admits at most as many members as it has seats, so a
//! bit below the number of seats is free for every member that has entered and has no seat yet.
//!
//! All orderings are Relaxed. The room's word orders a member that leaves before the next holder of
//! its place, and read-modify-writes alone ensure that no two members get the same bit.

use crate::protocol::mutants::mutant;
use crate::sync::{AtomicU64, Ordering};

/// Returns the lowest clear bit of a word, or 64.
#[inline]
pub(crate) fn lowest_free(word: u64) -> u32 {
    word.trailing_ones()
}

/// Takes the lowest free seat. The caller has entered the room and has no seat yet.
///
/// A seat is free for the caller, but it may become free behind the point that the loop has
/// reached. Each further round is due to another member that took or freed a seat.
pub(crate) fn take(words: &[AtomicU64]) -> u32 {
    loop {
        for (before, word) in (0..).step_by(64).zip(words) {
            if let Some(number) = take_from(word) {
                return before + number;
            }
        }
    }
}

/// Frees a seat.
pub(crate) fn free(words: &[AtomicU64], number: u32) {
    // Relaxed: see the module.
    words[number as usize / 64].fetch_and(!(1 << (number % 64)), Ordering::Relaxed);
}

/// Sets the lowest clear bit of a word, if there is one.
fn take_from(word: &AtomicU64) -> Option<u32> {
    // Relaxed: see the module; the exchange checks the value.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let number = lowest_free(seen);
        if number == 64 {
            return None;
        }
        let taken = seen | 1 << number;
        if mutant!("room-seat-by-store") {
            word.store(taken, Ordering::Relaxed);
            return Some(number);
        }
        // Relaxed: see the module.
        match word.compare_exchange(seen, taken, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Some(number),
            Err(now) => seen = now,
        }
    }
}
