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
    /// The gate where it last was, its own stripe there, and the word that it last left there.
    gate: Cell<usize>,
    home: Cell<usize>,
    word: Cell<Word>,
    /// The thread's number, from which its stripe follows at every gate; `usize::MAX`: none yet.
    number: Cell<usize>,
}

/// In place of a word that is not known: no place is believed to be in it.
const UNKNOWN: Word = Word(0);

per_thread! {
    static HERE: Here = Here {
        gate: Cell::new(0),
        home: Cell::new(0),
        word: Cell::new(UNKNOWN),
        number: Cell::new(usize::MAX),
    };
}

impl Here {
    /// Comes to a gate from another one.
    #[cold]
    #[inline(never)]
    fn arrive(&self, gate: usize, stripes: usize) {
        if self.number.get() == usize::MAX {
            self.number.set(next_number() & (usize::MAX >> 1));
        }
        self.home.set(self.number.get() & (stripes - 1));
        self.word.set(UNKNOWN);
        self.gate.set(gate);
    }
}

/// This thread's own stripe at `gate`, which has that many, and the word that it left there.
#[inline(always)]
pub(super) fn at<T>(gate: &T, stripes: usize) -> (usize, Word) {
    HERE.with(|here| {
        let gate = gate as *const T as usize;
        // Another gate, with fewer stripes, may stand where the last one stood.
        if here.gate.get() != gate || here.home.get() >= stripes {
            here.arrive(gate, stripes);
        }
        (here.home.get(), here.word.get())
    })
}

/// Remembers the word of this thread's own stripe, at the gate where it is.
#[inline(always)]
pub(super) fn note(word: Word) {
    HERE.with(|here| here.word.set(word));
}

/// Moves this thread to the next stripe, at every gate.
#[cold]
pub(super) fn move_on() {
    HERE.with(|here| {
        here.number.set(here.number.get().wrapping_add(1) & (usize::MAX >> 1));
        here.gate.set(0);
    });
}
