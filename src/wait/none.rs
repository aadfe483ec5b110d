//! The waitlist of a gate at which nobody can wait.
//!
//! # Invariant
//!
//! It has no size, and its methods do what is left to do about places that are deficit.

use crate::protocol::slot::{Refusal, Slot, SlotWord};
use crate::sync::const_fn;

pub(crate) struct Waitlist;

impl Waitlist {
    const_fn! {
        pub(crate) const fn new() -> Waitlist {
            Waitlist
        }
    }

    /// Places were given back, and left that word under WAITING.
    #[cold]
    pub(crate) fn freed(&self, slot: &Slot, after: SlotWord) {
        slot.clear_flag(after);
    }

    /// Nobody is overtaken where nobody waits.
    #[inline]
    pub(crate) fn admit(&self, _: &Slot, _: u32, _: u32) -> Result<(), Refusal> {
        Ok(())
    }

    pub(crate) fn withdraw(&self, slot: &Slot, n: u32) {
        slot.withdraw(n);
    }

    /// Nothing above the places is anything but deficit.
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
