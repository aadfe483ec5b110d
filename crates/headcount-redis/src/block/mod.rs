//! The block of a batched gate, as the callers of this process see it.
//!
//! One task grants, takes back and loses places; any thread hands them out meanwhile. That no more
//! places are handed out than were granted is the promise of the local [`Gate`]. The two atomics
//! decide of which block a place is, and whether that block can still be relied upon.

#[cfg(all(test, headcount_loom))]
mod tests;

use headcount::{Gate, Permit};

use crate::mutants::{mutant, ordering};
use crate::sync::{AtomicU64, Ordering};

pub(crate) struct LocalBlock {
    gate: Gate,
    /// The fence of the block, or 0 if there is none.
    fence: AtomicU64,
    /// Until when the block is relied upon, on the clock of the caller.
    until: AtomicU64,
}

impl LocalBlock {
    /// Returns the state in which there is no block.
    pub(crate) fn new() -> LocalBlock {
        LocalBlock { gate: Gate::new(0), fence: AtomicU64::new(0), until: AtomicU64::new(0) }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Hands out `n` places, at least one, with the fence of a block that covers them. Reads no
    /// clock, and allocates nothing.
    #[inline]
    pub(crate) fn hand_out(&self, n: u32) -> Option<(Permit<'_>, u64)> {
        // Acquire, pairs with the store in `grant`. The fence is read before the places are taken:
        // if the block is lost in between, the permit has the fence of the lost block and is lost.
        // A permit with the fence of the next block must not hold places of the lost one. Acquire
        // keeps the taking behind this load, and `grant` is after the places of the lost block were
        // removed. No mutant: in a model of loom, no thread takes a place before a load that stands
        // in front of that.
        let before = self.fence.load(Ordering::Acquire);
        if before == 0 {
            return None;
        }
        let permit = if n == 1 { self.gate.try_acquire() } else { self.gate.try_acquire_many(n) };
        let permit = permit.ok()?;
        let fence = if mutant!("block-fence-after-places") {
            self.fence.load(Ordering::Acquire)
        } else {
            before
        };
        Some((permit, fence))
    }

    /// Returns whether the block of that fence has ended by that time.
    pub(crate) fn is_lost(&self, fence: u64, now: u64) -> bool {
        // Acquire, pairs with the store in `grant`: a caller that reads the end of the next block
        // also sees that its own was lost, by the Relaxed load behind it.
        let until = self.until.load(ordering!("block-until-load", Acquire => Relaxed));
        let has_ended = now >= until && !mutant!("block-reads-no-clock");
        has_ended || self.fence.load(Ordering::Relaxed) != fence
    }

    /// The engine has granted, or renewed, a block of so many places.
    pub(crate) fn grant(&self, places: u32, fence: u64, until: u64) {
        // Release, pairs with the load in `is_lost`: the loss of the last block before the end of
        // this one.
        self.until.store(until, ordering!("block-until-store", Release => Relaxed));
        // Release, pairs with the load in `hand_out`: the places of the last block are gone before
        // callers see this fence. No mutant, for the reason given there.
        self.fence.store(fence, Ordering::Release);
        self.gate.set_capacity(places);
    }

    /// The block has ended: no place is handed out, and every permit of it is lost.
    pub(crate) fn lose(&self) {
        // Relaxed: a caller that sees this late has a permit of the lost block, and the store in
        // `grant` comes before all that callers learn of the next one.
        self.fence.store(0, Ordering::Relaxed);
        if !mutant!("block-lost-keeps-places") {
            self.gate.set_capacity(0);
        }
    }

    /// Takes up to `n` idle places out of the reach of callers, and returns how many: afterwards
    /// the engine may be told that they are free.
    pub(crate) fn take_back(&self, n: u32) -> u32 {
        let places = self.gate.capacity();
        let is_closed = self.gate.is_closed() && !mutant!("block-stays-while-closed");
        if is_closed || mutant!("block-takes-what-it-saw") {
            // No caller is admitted, so what is idle stays idle.
            let idle = n.min(self.gate.available());
            self.gate.set_capacity(places - idle);
            return idle;
        }
        // All or none: if callers were faster, nothing is returned this time.
        let n = n.min(places);
        let Ok(idle) = self.gate.try_acquire_many(n) else { return 0 };
        // What is taken is removed when the permit is dropped.
        if !mutant!("block-takes-and-keeps") {
            self.gate.set_capacity(places - n);
        }
        drop(idle);
        n
    }
}
