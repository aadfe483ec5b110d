//! The waitlist of a slot, and what gives places back to it.
//!
//! # Invariant
//!
//! While a caller waits for places that the slot has, WAITING is set in the slot, and the lock of the
//! waitlist decides: it guards the queue, the number of places held, and all changes of the flags.
//! A new caller finds the slot full, without the lock; a holder that leaves comes to the lock. Free
//! places are those that the capacity has more than are held; the head of the queue is served, and
//! counts as a holder, as soon as there are enough for it. A place thus goes from the holder to the
//! waiter, and no other caller can take it in between.
//!
//! - The lock takes the word over in one step, which tells how many places are held. It gives the
//!   word back, with the number of places held at that time, when no caller waits, no more places
//!   are held than there are, and the slot is open.
//! - A release that meets WAITING has changed nothing: under the lock it lowers the number of
//!   places held or, if the word is back, the count in the word.
//! - A waiter that wants more places than there are stands aside: it keeps its turn, and holds up
//!   no other caller, until the capacity is raised.
//!
//! User code (a waker's functions) runs only when the lock is free and all changes are made.
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
    /// Gives `n` places back. If WAITING is set, there is more to do.
    #[inline]
    pub(crate) fn give_back(&self, slot: &Slot, n: u32) {
        let after = match n {
            0 => return,
            1 => slot.leave(),
            _ => slot.give(n),
        };
        if let Some(after) = after {
            self.freed(slot, n, after);
        }
    }
}
