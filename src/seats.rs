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

/// The seats of one room: the first 64, and the rest.
#[derive(Clone, Copy)]
pub(crate) struct Seats<'a> {
    pub(crate) first: &'a AtomicU64,
    pub(crate) rest: &'a [AtomicU64],
}

impl Seats<'_> {
    /// Takes the lowest free seat. The caller is inside, and has no seat yet.
    #[inline]
    pub(crate) fn take(self) -> u32 {
        match take_from(self.first) {
            Some(number) => number,
            None => self.take_from_rest(),
        }
    }

    /// A head is owed a seat, but perhaps behind where it has looked already: each further round is
    /// due to another head that came or went.
    #[cold]
    fn take_from_rest(self) -> u32 {
        loop {
            for (words, word) in (0..).zip(core::iter::once(self.first).chain(self.rest)) {
                if let Some(number) = take_from(word) {
                    return words * 64 + number;
                }
            }
        }
    }

    /// Frees a seat.
    #[inline]
    pub(crate) fn free(self, number: u32) {
        let word = match (number / 64) as usize {
            0 => self.first,
            rest => &self.rest[rest - 1],
        };
        // Relaxed: see the module.
        word.fetch_and(!(1 << (number % 64)), Ordering::Relaxed);
    }
}

/// Sets the lowest clear bit of a word, if there is one.
#[inline]
fn take_from(word: &AtomicU64) -> Option<u32> {
    // Relaxed: see the module; the swap checks what was read.
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let number = seen.trailing_ones();
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
