//! The words of a `Holds`: whether a cell holds a guard, which cells have been given back, and the
//! bound below which no hold is due.
//!
//! # Invariant
//!
//! A cell's word ([`HoldWord`]):
//!
//! ```text
//! bits 2..34   the generation: how many holds have ended in the cell
//! bit  1       EXPIRED: the last hold ended by its deadline
//! bit  0       HELD: a guard is in the cell, under this generation
//! ```
//!
//! A hold begins by a store, made by the only caller that owns the vacant cell. It ends by one
//! compare-exchange from HELD to the next generation. So of all callers that try to end a hold, one
//! succeeds; that caller owns the guard and the cell until it gives the cell back. A generation is
//! never used twice: a cell whose generations are used up stays vacant.
//!
//! Cells are given back on a stack ([`ReturnStack`]) to which callers only push, and which is only
//! taken as a whole, so a cell that comes back in between does no harm.
//!
//! The bound ([`DueBound`]) is not greater than the deadline of any hold whose put has returned, or
//! it is a number below [`FIRST_TIME`], which stands for "unknown": times begin there. A put first
//! lowers the earliest deadline of its shard, then looks at the bound. A caller that raises the
//! bound first sets a token, which is one of the unknown numbers, then reads the earliest deadline
//! of each shard, and replaces the token if it is still there. All of these are SeqCst: if that
//! caller did not read the put's deadline, then the put sees the token or the raised bound, and
//! replaces it.

use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::{run, Step, Step::Done, Step::Next};
use crate::sync::{load_seq_cst, AtomicU64, Ordering};

const HELD: u64 = 1;
const EXPIRED: u64 = 2;
const GENERATION: u64 = 4;

/// How a hold ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum HoldEnd {
    /// A caller claimed or released it.
    Taken,
    /// Its deadline was acted upon.
    Expired,
}

/// What a cell's word says of one generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum HoldState {
    /// The hold of that generation is there.
    Held,
    /// It ended by its deadline, and no other hold has begun in the cell since.
    Expired,
    /// It ended in another way, or another hold has begun since, or it has not begun.
    Gone,
}

/// The atomic word of a cell.
pub(crate) struct HoldWord(AtomicU64);

impl HoldWord {
    /// Creates the word of a vacant cell.
    pub(crate) fn new() -> HoldWord {
        HoldWord(AtomicU64::new(0))
    }

    /// Returns the generation of the hold in the cell, or of the next one. `None` if the cell has
    /// used all generations.
    #[inline]
    pub(crate) fn generation(&self) -> Option<u32> {
        // Relaxed: the caller owns the vacant cell, or holds the lock of its shard.
        u32::try_from(self.0.load(Ordering::Relaxed) / GENERATION).ok()
    }

    /// Begins a hold in a vacant cell that the caller owns.
    #[inline]
    pub(crate) fn begin(&self, generation: u32) {
        let held = (u64::from(generation) * GENERATION) | HELD;
        // Release: pairs with the Acquire of `read`. A caller that finds the hold sees the guard
        // and the tag of its ticket.
        self.0.store(held, ordering!("hold-begin", Release => Relaxed));
    }

    /// Returns what the word says of the hold of that generation.
    #[inline]
    pub(crate) fn read(&self, generation: u32) -> HoldState {
        // Acquire: pairs with the Release of `begin`.
        let word = self.0.load(ordering!("hold-read", Acquire => Relaxed));
        let begun = u64::from(generation) * GENERATION;
        if word == begun | HELD {
            HoldState::Held
        } else if word == (begun + GENERATION) | EXPIRED {
            HoldState::Expired
        } else {
            HoldState::Gone
        }
    }

    /// Ends the hold of that generation, if it is there. Returns whether this call ended it. Then
    /// the guard and the cell are the caller's.
    ///
    /// The caller has read that the hold is there, by [`read`](Self::read) or under the lock of the
    /// shard.
    #[inline]
    pub(crate) fn end(&self, generation: u32, end: HoldEnd) -> bool {
        let begun = u64::from(generation) * GENERATION;
        let expired = if end == HoldEnd::Expired { EXPIRED } else { 0 };
        let ended = (begun + GENERATION) | expired;
        // Relaxed: the caller's reading of the word has synchronised with `begin`. What it does
        // with the guard comes before the next hold because of `ReturnStack`.
        let swapped =
            self.0.compare_exchange(begun | HELD, ended, Ordering::Relaxed, Ordering::Relaxed);
        swapped.is_ok() || mutant!("hold-ended-twice")
    }
}

/// Cells that have been given back and not been collected: how many, and the first.
///
/// ```text
/// bits 32..64   the number of cells
/// bits  0..32   the index of the first cell, if the number is not 0
/// ```
pub(crate) struct ReturnStack(AtomicU64);

/// What a [`ReturnStack`] contains.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Returned {
    pub(crate) count: u32,
    /// Meaningless if `count` is 0.
    pub(crate) first: u32,
}

impl Returned {
    pub(crate) const NONE: Returned = Returned { count: 0, first: 0 };

    fn unpack(word: u64) -> Returned {
        Returned { count: (word >> 32) as u32, first: word as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.count) << 32 | u64::from(self.first)
    }
}

impl ReturnStack {
    pub(crate) fn new() -> ReturnStack {
        ReturnStack(AtomicU64::new(0))
    }

    /// Returns the number of cells.
    pub(crate) fn count(&self) -> u32 {
        // Relaxed: the number alone is of interest.
        Returned::unpack(self.0.load(Ordering::Relaxed)).count
    }

    /// Gives back a cell that the caller owns. `link` writes the cell that comes after it.
    #[inline]
    pub(crate) fn push(&self, cell: u32, link: impl Fn(u32)) {
        run!(PushReturned::Look { cell }, &self.0, &link);
    }

    /// Takes all cells. Each cell's link names the next one.
    #[inline]
    pub(crate) fn collect(&self) -> Returned {
        // Acquire: pairs with the Release of `push`.
        Returned::unpack(self.0.swap(0, ordering!("hold-collect", Acquire => Relaxed)))
    }
}

/// Gives a cell back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PushReturned {
    Look { cell: u32 },
    Swap { cell: u32, seen: u64 },
}

impl PushReturned {
    #[inline]
    pub(crate) fn step(self, stack: &AtomicU64, link: &impl Fn(u32)) -> Step<PushReturned, ()> {
        match self {
            PushReturned::Look { cell } => {
                // Relaxed: the compare-exchange decides.
                Next(PushReturned::Swap { cell, seen: stack.load(Ordering::Relaxed) })
            }
            PushReturned::Swap { cell, seen } => {
                let Returned { count, first } = Returned::unpack(seen);
                link(first);
                let after = Returned { count: count + 1, first: cell }.pack();
                // Release: pairs with the Acquire of `collect`. The next hold in the cell begins
                // after the guard was moved out, and the collector sees the link. Later pushes are
                // read-modify-writes, so they continue the release sequence.
                let order = ordering!("hold-return", Release => Relaxed);
                match stack.compare_exchange(seen, after, order, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(seen) => Next(PushReturned::Swap { cell, seen }),
                }
            }
        }
    }
}

/// The least number that is a time. Below it are the numbers that stand for "unknown".
pub(crate) const FIRST_TIME: u64 = 1 << 56;

/// No deadline.
pub(crate) const NEVER: u64 = u64::MAX;

/// The time before which no hold of any shard is due.
pub(crate) struct DueBound(AtomicU64);

/// The earliest deadline of a shard, or an earlier time. Only the owner of the shard's lock changes
/// it.
pub(crate) struct EarliestDue(AtomicU64);

impl EarliestDue {
    pub(crate) fn new() -> EarliestDue {
        EarliestDue(AtomicU64::new(NEVER))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // SeqCst, pairs with the store in `set`: see there.
        load_seq_cst(&self.0, ordering!("due-earliest-not-seq-cst", SeqCst => Acquire))
    }

    /// Lowers the time to the deadline of a hold that is about to be put, if it is later.
    #[inline]
    pub(crate) fn lower(&self, deadline: u64) {
        // Relaxed: only the owner of the lock, which is the caller, changes it.
        if self.0.load(Ordering::Relaxed) > deadline {
            self.set(deadline);
        }
    }

    /// Changes the time to the shard's earliest deadline.
    #[inline]
    pub(crate) fn set(&self, earliest: u64) {
        // SeqCst, pairs with the load in `RaiseDue::Read`:
        // - if this store comes first, that load sees it, and the bound is not raised above it;
        // - if that load comes first, the look of the same put at the bound (`LowerDue::Look`)
        //   comes after the token was set, and sees the token or what has replaced it.
        // No model can kill its weakening: loom's `load_seq_cst` has a fence, which comes after it.
        self.0.store(earliest, Ordering::SeqCst);
    }
}

impl AsRef<EarliestDue> for EarliestDue {
    fn as_ref(&self) -> &EarliestDue {
        self
    }
}

impl DueBound {
    pub(crate) fn new() -> DueBound {
        DueBound(AtomicU64::new(NEVER))
    }

    /// Returns the time before which no hold is due, or a number below [`FIRST_TIME`].
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // Acquire: pairs with the SeqCst of `LowerDue` and `RaiseDue`. A caller that sees the bound
        // of a hold sees the earliest deadline of its shard.
        // No model can kill its weakening: the look at the earliest deadline comes next, and loom's
        // `load_seq_cst` has a fence.
        self.0.load(Ordering::Acquire)
    }

    /// Lowers the bound to the deadline of a hold that was just put. The earliest deadline of the
    /// shard is not greater by now.
    #[inline]
    pub(crate) fn lower(&self, deadline: u64) {
        run!(LowerDue::Look { deadline }, &self.0);
    }

    /// Raises the bound to the earliest deadline of all shards. `token` is below [`FIRST_TIME`] and
    /// was never used before.
    pub(crate) fn raise<S: AsRef<EarliestDue>>(&self, token: u64, shards: &[S]) {
        run!(RaiseDue::Announce { token }, &self.0, shards);
    }
}

/// Lowers the bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LowerDue {
    Look { deadline: u64 },
    Swap { deadline: u64, seen: u64 },
}

impl LowerDue {
    #[inline]
    pub(crate) fn step(self, bound: &AtomicU64) -> Step<LowerDue, ()> {
        match self {
            LowerDue::Look { deadline } => {
                // SeqCst, pairs with the swap in `RaiseDue::Announce`: see `EarliestDue::set`.
                let seen =
                    load_seq_cst(bound, ordering!("due-bound-not-seq-cst", SeqCst => Acquire));
                LowerDue::after(deadline, seen)
            }
            LowerDue::Swap { deadline, seen } => {
                // A token is replaced by another unknown number, so that its owner does not set a
                // bound that may be too high.
                let after = if seen < FIRST_TIME { 0 } else { deadline };
                // SeqCst: as the look, since the value that it fails on is looked at. No model can
                // kill its weakening: the look comes before and has a fence in loom, whose exchange
                // fails on the latest value only.
                match bound.compare_exchange(seen, after, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => Done(()),
                    Err(seen) => LowerDue::after(deadline, seen),
                }
            }
        }
    }

    #[inline]
    fn after(deadline: u64, seen: u64) -> Step<LowerDue, ()> {
        let is_token = 0 < seen && seen < FIRST_TIME && !mutant!("due-token-left");
        if is_token || seen > deadline {
            Next(LowerDue::Swap { deadline, seen })
        } else {
            Done(())
        }
    }
}

/// Raises the bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RaiseDue {
    Announce { token: u64 },
    Read { token: u64, shard: usize, earliest: u64 },
    Set { token: u64, earliest: u64 },
}

impl RaiseDue {
    pub(crate) fn step<S: AsRef<EarliestDue>>(
        self,
        bound: &AtomicU64,
        shards: &[S],
    ) -> Step<RaiseDue, ()> {
        match self {
            RaiseDue::Announce { token } => {
                // SeqCst, pairs with the load in `LowerDue::Look`:
                // - if this swap comes first, a put sees the token, or what has replaced it;
                // - if that load comes first, so did the put's store to the earliest deadline of
                //   its shard, and `Read` sees it.
                // No model can kill its weakening: as in `EarliestDue::set`.
                bound.swap(token, Ordering::SeqCst);
                Next(RaiseDue::Read { token, shard: 0, earliest: NEVER })
            }
            RaiseDue::Read { token, shard, earliest } => {
                let earliest = earliest.min(shards[shard].as_ref().get());
                Next(if shard + 1 < shards.len() {
                    RaiseDue::Read { token, shard: shard + 1, earliest }
                } else {
                    RaiseDue::Set { token, earliest }
                })
            }
            RaiseDue::Set { token, earliest } => {
                if mutant!("due-raised-despite-put") {
                    bound.store(earliest, Ordering::SeqCst);
                    return Done(());
                }
                // SeqCst: a put that looks later has to see the bound, as it would the token. No
                // model can kill its weakening: a put that sees the token instead exchanges it, and
                // so finds the bound. Relaxed on failure: the bound stays unknown until the next
                // call raises it.
                let order = Ordering::SeqCst;
                let _ = bound.compare_exchange(token, earliest, order, Ordering::Relaxed);
                Done(())
            }
        }
    }
}

/// The words, for a test that steps them.
#[cfg(all(test, not(headcount_loom)))]
mod steps {
    use super::*;

    impl HoldWord {
        pub(crate) fn of(word: u64) -> HoldWord {
            HoldWord(AtomicU64::new(word))
        }

        /// Returns the word of a vacant cell that has had so many holds.
        pub(crate) fn vacant(generation: u32) -> HoldWord {
            HoldWord::of(u64::from(generation) * GENERATION)
        }

        pub(crate) fn into_inner(self) -> u64 {
            self.0.into_inner()
        }
    }

    impl ReturnStack {
        pub(crate) fn of(stack: u64) -> ReturnStack {
            ReturnStack(AtomicU64::new(stack))
        }
    }

    impl EarliestDue {
        pub(crate) fn of(earliest: u64) -> EarliestDue {
            EarliestDue(AtomicU64::new(earliest))
        }
    }

    impl DueBound {
        pub(crate) fn of(bound: u64) -> DueBound {
            DueBound(AtomicU64::new(bound))
        }

        pub(crate) fn word(&self) -> &AtomicU64 {
            &self.0
        }
    }
}
