//! The waitlist without the feature `wait`: no caller can wait.
//!
//! # Invariant
//!
//! It has no size. Its methods do what is left to do about a deficit.

use crate::protocol::slot::{Refusal, Slot, SlotWord};
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
    pub(crate) fn freed(&self, slot: &Slot, after: SlotWord) {
        slot.clear_flag(after);
    }

    /// Admits every caller: there is no waiter that it could have overtaken.
    #[inline]
    pub(crate) fn admit(&self, _: &Slot, _: u32, _: u32) -> Result<(), Refusal> {
        Ok(())
    }

    pub(crate) fn withdraw(&self, slot: &Slot, n: u32) {
        slot.withdraw(n);
    }

    /// Returns the most that can be held of any number of places: what is above them is deficit.
    pub(crate) fn most(&self, _: u32) -> u32 {
        u32::MAX
    }

    pub(crate) fn close(&self, slot: &Slot) {
        slot.close();
    }

    pub(crate) fn closed(&self, _: &Slot) {}

    pub(crate) fn reopen(&self, slot: &Slot) {
        slot.reopen();
    }
}
