//! Waiting for a place: the waitlist, the futures, and blocking.
//!
//! # Invariant
//!
//! While somebody waits, WAITING stands in the slot, so a newcomer finds it full and a leaver comes
//! to the waitlist. Whoever holds the lock of the waitlist leaves it so that no place is both free and
//! wanted: free places are taken on behalf of the head of the waitlist, which learns of it when it has
//! all that it wants. A place thus goes from leaver to waiter, and is never up for grabs in between.
//!
//! - One who waits begins a waitlist with a compare-exchange from a word that has too few free places
//!   to one with WAITING. Every place that comes free after that is seen by its leaver under
//!   WAITING, and the leaver then takes the lock.
//! - WAITING is cleared only under the lock, with the stroke that serves the last in waitlist, or when
//!   the waitlist is empty.
//! - One who gave up hands on what was set aside for it, or the place itself if it had been served.
//! - One who takes a place under WAITING, because it had looked before, looks at the waitlist: if
//!   somebody waits, it gives the place back by way of the waitlist and is refused.
//! - Places that are deficit come first.
//!
//! Without the feature `wait` there is no waitlist, and WAITING means only that places are deficit.

#[cfg(all(feature = "wait", target_has_atomic = "64"))]
mod course;
#[cfg(feature = "wait")]
mod queue;
#[cfg(feature = "wait")]
mod waiter;

#[cfg(not(feature = "wait"))]
mod none;
#[cfg(feature = "wait")]
mod waitlist;

#[cfg(not(feature = "wait"))]
pub(crate) use none::Waitlist;
#[cfg(feature = "wait")]
pub(crate) use waitlist::Waitlist;

#[cfg(all(feature = "wait", target_has_atomic = "64"))]
pub use course::{Reserve, ReserveOwned};
#[cfg(feature = "wait")]
pub(crate) use waiter::{Door, Wait};

use crate::protocol::slot::Slot;

impl Waitlist {
    /// Gives `n` places back, to the waitlist if there is one.
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
