//! Numbered seats: a bitmap of those that are taken.
//!
//! # Invariant
//!
//! A bit is set from when a head that is inside the room claims it until that head clears it, which
//! it does before it leaves. At most as many heads as there are seats are inside, so whoever is in
//! is owed a bit below the number of seats.
//!
//! All orderings are Relaxed: the room's slot orders a leaving head before whoever takes its place,
//! and that two heads never get one bit is due to the read-modify-writes alone.

use crate::sync::{AtomicU64, Ordering};

/// The lowest clear bit of a word, or 64.
#[inline]
pub(crate) fn lowest_free(word: u64) -> u32 {
    word.trailing_ones()
}

/// Takes the lowest free seat. The caller is inside, and has no seat yet.
///
/// A head is owed a seat, but perhaps behind where it has looked already: each further round is due
/// to another head that came or went.
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
    // Relaxed: see the module; the swap checks what was read.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let number = lowest_free(seen);
        if number == 64 {
            return None;
        }
        let taken = seen | 1 << number;
        // Relaxed: see the module.
        match word.compare_exchange(seen, taken, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Some(number),
            Err(now) => seen = now,
        }
    }
}
