//! What each thread remembers: which stripe is its own, and the word that it last left there.
//!
//! # Invariant
//!
//! Memories, never the truth: any stripe serves any thread, and a word that is remembered is only
//! ever compared with the one that stands there.

use core::cell::Cell;

use super::word::Word;
use crate::sync::{next_number, per_thread};

struct Here {
    /// The thread's number, from which its stripe follows at every gate; `usize::MAX`: none yet.
    number: Cell<usize>,
    /// The gate where it last changed its own stripe, and what the word became by that.
    gate: Cell<usize>,
    word: Cell<u64>,
}

per_thread! {
    static HERE: Here = Here {
        number: Cell::new(usize::MAX),
        gate: Cell::new(0),
        word: Cell::new(0),
    };
}

/// This thread's number. Numbers are given out in turn, so that threads start on stripes of their own.
#[inline]
pub(super) fn number() -> usize {
    HERE.with(|here| match here.number.get() {
        usize::MAX => first_number(here),
        number => number,
    })
}

#[cold]
fn first_number(here: &Here) -> usize {
    let number = next_number() & (usize::MAX >> 1);
    here.number.set(number);
    number
}

/// Moves this thread to the next stripe, at every gate.
#[cold]
pub(super) fn move_on() {
    HERE.with(|here| {
        here.number.set(here.number.get().wrapping_add(1) & (usize::MAX >> 1));
        here.gate.set(0);
    });
}

/// The word that this thread last left on its own stripe of `gate`, if that is where it last was.
#[inline]
pub(super) fn last_word<T>(gate: &T) -> Option<Word> {
    HERE.with(|here| (here.gate.get() == gate as *const T as usize).then(|| Word(here.word.get())))
}

/// Remembers `word` for this thread's own stripe of `gate`.
#[inline]
pub(super) fn note<T>(gate: &T, word: Word) {
    HERE.with(|here| {
        here.gate.set(gate as *const T as usize);
        here.word.set(word.0);
    });
}
