//! The waitlist without the feature `wait`: no caller can wait.
//!
//! # Invariant
//!
//! It has no size. Its methods do what is left to do about a deficit.

use crate::protocol::slot::{Resize, Slot, SlotWord};
use crate::sync::const_fn;

pub(crate) struct Waitlist;

impl Waitlist {
    const_fn! {
        pub(crate) const fn new() -> Waitlist {
            Waitlist
        }
    }

    /// Clears WAITING if the deficit is paid. `after` is the word that the release wrote.
    #[cold]
    #[inline(never)]
    pub(super) fn freed(&self, slot: &Slot, _: u32, after: SlotWord) {
        slot.clear_flag(after);
    }

    /// Returns the number of places held, and the number of those that are free.
    pub(crate) fn counts(&self, slot: &Slot) -> (u32, u32) {
        let word = slot.read();
        (word.held(slot.places()), word.free())
    }

    /// Takes `n` places whether or not they are free. Returns false, and takes none, if that would
    /// be too many.
    pub(crate) fn force(&self, slot: &Slot, n: u32) -> bool {
        slot.force(n)
    }

    pub(crate) fn resize(&self, slot: &Slot, change: Resize) -> Result<u32, ()> {
        slot.resize(change)
    }

    pub(crate) fn close(&self, slot: &Slot) {
        slot.close();
    }

    pub(crate) fn close_if(&self, slot: &Slot, at_least: u32) -> Result<u32, u32> {
        slot.close_if(at_least)
    }

    pub(crate) fn reopen(&self, slot: &Slot) {
        slot.reopen();
    }
}
