//! Waiting for a place: the line, the futures, and blocking.
//!
//! # Invariant
//!
//! While somebody waits, WAITING stands in the slot, so a newcomer finds it full and a leaver comes
//! to the line. Whoever holds the lock of the line leaves it so that no place is both free and
//! wanted: free places are taken on behalf of the head of the line, which learns of it when it has
//! all that it wants. A place thus goes from leaver to waiter, and is never up for grabs in between.
//!
//! - One who waits begins a line with a compare-exchange from a word that has too few free places
//!   to one with WAITING. Every place that comes free after that is seen by its leaver under
//!   WAITING, and the leaver then takes the lock.
//! - WAITING is cleared only under the lock, with the stroke that serves the last in line, or when
//!   the line is empty.
//! - One who gave up hands on what was set aside for it, or the place itself if it had been served.
//! - One who takes a place under WAITING, because it had looked before, looks at the line: if
//!   somebody waits, it gives the place back by way of the line and is refused.
//! - Places that are owed come first.
//!
//! Without the feature `wait` there is no line, and WAITING means only that places are owed.

#[cfg(all(feature = "wait", target_has_atomic = "64"))]
mod course;
#[cfg(feature = "wait")]
mod gate;
#[cfg(feature = "wait")]
mod queue;
#[cfg(feature = "wait")]
mod turn;

#[cfg(feature = "wait")]
mod line;
#[cfg(not(feature = "wait"))]
#[path = "none.rs"]
mod line;

pub(crate) use line::Line;

#[cfg(all(feature = "wait", target_has_atomic = "64"))]
pub use course::{Reserve, ReserveOwned};
#[cfg(feature = "wait")]
pub use gate::{Acquire, AcquireOwned};

use crate::slot::Slot;

impl Line {
    /// Gives `n` places back, to the line if there is one.
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
