//! An upper bound on the number of a shard's rooms that are in some state.
//!
//! # Invariant
//!
//! ```text
//! bits 28..64  the number of announcements so far, which wraps around
//! bits  0..28  the bound
//! ```
//!
//! A thread that is about to bring a room into the state *announces* that first, which adds one to
//! both numbers. A thread that has brought a room out of the state *retracts* one from the bound
//! afterwards, and so does a thread whose announced change did not come about. So the bound is
//! never below the number of rooms in the state: the rest are calls that are between the two steps.
//! If it is 0, no room is in the state. As long as the number of announcements stays, no call comes
//! to be between the two steps that was not there before.
//!
//! All operations are SeqCst, and so are the changes and second looks of the rooms' words: that no
//! room is in the state *at an instant* means something only in an order that all threads share.

use crate::protocol::mutants::ordering;
use crate::sync::{load_seq_cst, AtomicU64, Ordering};

const COUNT_BITS: u32 = 28;
const ONE: u64 = (1 << COUNT_BITS) + 1;

/// The value of a bound at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct BoundWord(u64);

impl BoundWord {
    pub(crate) fn announcements(self) -> u64 {
        self.0 >> COUNT_BITS
    }

    pub(crate) fn count(self) -> u32 {
        self.0 as u32 & ((1 << COUNT_BITS) - 1)
    }
}

/// The bound.
#[derive(Debug)]
pub(crate) struct Bound(AtomicU64);

impl Bound {
    pub(crate) fn new(count: u32) -> Bound {
        Bound(AtomicU64::new(count.into()))
    }

    pub(crate) fn read(&self) -> BoundWord {
        // SeqCst: see the module.
        BoundWord(load_seq_cst(&self.0, ordering!("bound-read-no-acquire", SeqCst => Relaxed)))
    }

    /// Announces a change of one room.
    pub(crate) fn announce(&self) {
        // SeqCst: see the module. No model can kill its weakening: the announced change comes next
        // and is a release, so a survey that sees the change sees the announcement. To a survey
        // that does not see it, the change comes later.
        self.0.fetch_add(ONE, Ordering::SeqCst);
    }

    /// Takes `n` off the bound.
    pub(crate) fn retract(&self, n: u32) {
        // SeqCst: see the module.
        self.0.fetch_sub(n.into(), ordering!("bound-retract-no-release", SeqCst => Acquire));
    }

    #[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
    pub(crate) fn from_bits(bits: u64) -> Bound {
        Bound(AtomicU64::new(bits))
    }

    #[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
    pub(crate) fn into_bits(self) -> u64 {
        self.0.into_inner()
    }
}

/// The bounds of one shard.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// On the rooms that are *counted*: see the room's word.
    pub(crate) admitting: Bound,
    /// On the rooms that are vacant and may be opened.
    pub(crate) vacant: Bound,
    /// On the calls that are about to make a *watched* room admit more: see `party`.
    pub(crate) watched: Bound,
}

impl Bounds {
    /// Creates the bounds of a shard of `rooms` vacant rooms.
    pub(crate) fn new(rooms: u32) -> Bounds {
        Bounds { admitting: Bound::new(0), vacant: Bound::new(rooms), watched: Bound::new(0) }
    }
}

/// What one call has announced and not yet brought about, or still has to retract.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) admitting: u32,
    pub(crate) vacant: u32,
    pub(crate) watched: u32,
}

impl Pending {
    #[inline]
    pub(crate) fn is_nothing(self) -> bool {
        self == Pending::default()
    }

    /// Returns whether all that a change needs was announced.
    #[inline]
    pub(crate) fn covers(self, need: Pending) -> bool {
        self.admitting >= need.admitting
            && self.vacant >= need.vacant
            && self.watched >= need.watched
    }

    /// Retracts from one of the bounds. Returns what is still pending.
    pub(crate) fn settle(self, bounds: &Bounds) -> Pending {
        if self.admitting > 0 {
            bounds.admitting.retract(self.admitting);
            return Pending { admitting: 0, ..self };
        }
        if self.vacant > 0 {
            bounds.vacant.retract(self.vacant);
            return Pending { vacant: 0, ..self };
        }
        bounds.watched.retract(self.watched);
        Pending::default()
    }
}
