//! The waitlist of a slot, and what gives places back to it.
//!
//! # Invariant
//!
//! While a caller waits, WAITING is set in the slot: a new caller finds the slot full, and a holder
//! that leaves comes to the waitlist. A thread that holds the lock of the waitlist releases it only
//! when no place is both free and wanted: free places are taken on behalf of the head of the
//! waitlist, which is woken once it has all that it wants. A place thus goes from the holder to the
//! waiter, and is never free in between.
//!
//! - The first waiter sets WAITING with a compare-exchange from a word that has too few free
//!   places.
//!   The holder of every place that is given back after that sees WAITING, and takes the lock.
//! - WAITING is cleared only under the lock, in the step that serves the last waiter, or when the
//!   waitlist is empty.
//! - A waiter that is cancelled passes on what was set aside for it, or its places if it had been
//!   served.
//! - A caller that claims a place under WAITING, because it had looked before, checks the waitlist:
//!   if another caller waits, it gives the place back by way of the waitlist and is refused.
//! - A deficit is paid before any waiter is served.
//!
//! Without the feature `wait` no caller waits, and WAITING means only that there is a deficit:
//! `none` is the waitlist then.

#[cfg(not(feature = "wait"))]
mod none;
#[cfg(feature = "wait")]
mod queue;
#[cfg(feature = "wait")]
mod waitlist;

#[cfg(not(feature = "wait"))]
pub(crate) use none::Waitlist;
#[cfg(feature = "wait")]
pub(crate) use queue::WakeHandle;
#[cfg(feature = "wait")]
pub(crate) use waitlist::{Enqueued, Ticket, WaitState, Waitlist};

use crate::protocol::slot::Slot;

impl Waitlist {
    /// Gives `n` places back. If WAITING is set, serves the waitlist.
    #[inline]
    pub(crate) fn give_back(&self, slot: &Slot, n: u32) {
        let after = match n {
            0 => return,
            1 => slot.leave(),
            _ => slot.give(n),
        };
        if let Some(after) = after {
            self.freed(slot, after);
        }
    }
}
