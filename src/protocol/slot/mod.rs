//! The slot: one `AtomicU32` that counts heads up to a ceiling. The only place where a count changes.
//!
//! # Invariant
//!
//! A slot with `p` places is empty at `CEILING - p` and full at [`CEILING`]. Flags stand above the
//! count, so that one compare with a constant decides the fast path: whatever is unusual (full,
//! closed, somebody waiting) is `>= CEILING`.
//!
//! ```text
//! bit 31  CLOSED     nobody new gets in
//! bit 30  WAITING    whoever leaves looks after those who wait, or after places that are deficit
//! bits 0..=29        the count
//! ```
//!
//! | count           | WAITING clear                          | WAITING set                              |
//! |-----------------|----------------------------------------|------------------------------------------|
//! | below `CEILING` | that many places are free              | free; the flag is about to be cleared    |
//! | at `CEILING`    | full                                   | full                                     |
//! | above `CEILING` | full; the excess is *surplus*          | full; the excess is *deficit*               |
//!
//! *Surplus* is heads that nobody owns, left by callers who added to a full slot and were refused.
//! Anyone may remove it and nobody can read it. *Owed* places were withdrawn while they were held:
//! a leaver pays with the place that it gives up. The two look alike, so they never occur together:
//! setting WAITING removes the surplus in the same step, and under WAITING a caller who was refused
//! takes back exactly what it added.
//!
//! # Operations as steps
//!
//! Every operation that is more than one atomic operation is a small machine, see `step.rs`. The
//! methods of [`Slot`] run the machines to their end. `tests/exhaustive` runs the same machines in
//! every order that threads can take.

use crate::protocol::step::run;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{const_fn, AtomicU32, Ordering};

mod many;
mod word;

pub(crate) use many::{Give, Take, Withdraw};
pub(crate) use word::{Refusal, SlotWord, CEILING, CLOSED, WAITING};

#[cfg(feature = "wait")]
mod waiting;
#[cfg(feature = "wait")]
pub(crate) use waiting::Assigned;

/// Claims one place: load, add, check, roll back. Yields the level that includes the new head, with
/// WAITING if that stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Enter {
    Look,
    Add,
    /// Added to a full slot; holds what the word became. What was added is surplus.
    DropSurplus(SlotWord),
    /// Added to a slot that had been closed, or had begun to owe, since the look; holds the last
    /// word seen. What was added counts until it is taken back or turns out to be admissible.
    BackOut(SlotWord),
}

impl Enter {
    /// The addition itself. Yields what was there before.
    #[inline(always)]
    fn add(word: &AtomicU32) -> SlotWord {
        // Acquire: pairs with the Release of every `Leave` and `Give` before it.
        SlotWord(word.fetch_add(1, Ordering::Acquire))
    }

    /// What an addition to that word amounts to.
    #[inline(always)]
    fn judge(before: SlotWord) -> Step<Enter, Result<u32, Refusal>> {
        if before.0 < CEILING {
            Done(Ok(before.0 + 1))
        } else {
            Enter::check(before)
        }
    }

    /// What to do about an addition to an unusual word.
    #[cold]
    #[inline(never)]
    fn check(before: SlotWord) -> Step<Enter, Result<u32, Refusal>> {
        let after = SlotWord(before.0 + 1);
        if before.admits_one() {
            Done(Ok(after.claimed()))
        } else if before.free() == 0 && !before.is_waiting() {
            Next(Enter::DropSurplus(after))
        } else {
            Next(Enter::BackOut(after))
        }
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Enter, Result<u32, Refusal>> {
        match self {
            Enter::Look => {
                // Relaxed: decides only whether to try; `Add` synchronises.
                let seen = SlotWord(word.load(Ordering::Relaxed));
                if seen.admits_one() {
                    Next(Enter::Add)
                } else {
                    Done(Err(seen.why()))
                }
            }
            Enter::Add => Enter::judge(Enter::add(word)),
            Enter::DropSurplus(after) => {
                // Relaxed: nobody reads surplus, and a read-modify-write of any ordering continues
                // the leavers' release sequences. On failure whoever leaves next pays for it.
                let _ = word.compare_exchange(
                    after.0,
                    after.0 - 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                Done(Err(after.why()))
            }
            Enter::BackOut(seen) => {
                let less = seen.with_level(seen.level() - 1);
                // Relaxed on success: gives back a place that was never used, see `DropSurplus`.
                // Acquire on failure: the word read may admit; pairs as in `Add`.
                match word.compare_exchange(seen.0, less.0, Ordering::Relaxed, Ordering::Acquire) {
                    Ok(_) => Done(Err(seen.why())),
                    Err(now) if SlotWord(now).is_closed() || SlotWord(now).deficit() > 0 => {
                        Next(Enter::BackOut(SlotWord(now)))
                    }
                    Err(now) => Done(Ok(SlotWord(now).claimed())),
                }
            }
        }
    }
}

/// Gives one place back. Yields the word that it left behind if somebody waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Leave;

impl Leave {
    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Leave, Option<SlotWord>> {
        // Release: pairs with the Acquire of `Enter::Add` and `Take`: who takes this place next
        // sees what its holder wrote.
        let before = SlotWord(word.fetch_sub(1, Ordering::Release));
        if before.0 <= CEILING {
            Done(None)
        } else {
            Leave::check(before)
        }
    }

    /// What to do about a subtraction from an unusual word.
    #[cold]
    #[inline(never)]
    fn check(before: SlotWord) -> Step<Leave, Option<SlotWord>> {
        if before.is_surplus() {
            // That only paid for a surplus head.
            return Next(Leave);
        }
        let after = SlotWord(before.0 - 1);
        Done(after.is_waiting().then_some(after))
    }
}

/// Clears a WAITING flag that nobody needs any more. Best effort: a flag that stays costs time only.
///
/// Not where one can wait: there the flag falls under the lock of the line only.
#[cfg_attr(feature = "wait", allow(dead_code))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ClearFlag(pub(crate) SlotWord);

#[cfg_attr(feature = "wait", allow(dead_code))]
impl ClearFlag {
    pub(crate) fn step(self, word: &AtomicU32) -> Step<ClearFlag, ()> {
        let ClearFlag(seen) = self;
        if seen.deficit() == 0 {
            // Relaxed: changes no count. On failure somebody else has moved the word and looks.
            let _ = word.compare_exchange(
                seen.0,
                seen.0 & !WAITING,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        Done(())
    }
}

/// Closes the slot if at least that many heads are inside one of `places` places.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CloseIf {
    Look { at_least: u32, places: u32 },
    Swap { at_least: u32, places: u32, seen: SlotWord },
}

impl CloseIf {
    fn decide(at_least: u32, places: u32, seen: SlotWord) -> Step<CloseIf, Result<u32, u32>> {
        let held = seen.held(places);
        if held < at_least {
            Done(Err(held))
        } else if seen.is_closed() {
            Done(Ok(held))
        } else {
            Next(CloseIf::Swap { at_least, places, seen })
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<CloseIf, Result<u32, u32>> {
        match self {
            CloseIf::Look { at_least, places } => {
                // Acquire: the answer is a reading, see `Slot::read`.
                CloseIf::decide(at_least, places, SlotWord(word.load(Ordering::Acquire)))
            }
            CloseIf::Swap { at_least, places, seen } => {
                let closed = seen.0 | CLOSED;
                // Acquire, on failure too: as in `Look`.
                match word.compare_exchange(seen.0, closed, Ordering::Acquire, Ordering::Acquire) {
                    Ok(_) => Done(Ok(seen.held(places))),
                    Err(now) => CloseIf::decide(at_least, places, SlotWord(now)),
                }
            }
        }
    }
}

/// Lets nobody new in. True if the slot was open.
pub(crate) fn close(word: &AtomicU32) -> bool {
    // Relaxed: forbids what comes later and publishes nothing.
    !SlotWord(word.fetch_or(CLOSED, Ordering::Relaxed)).is_closed()
}

/// Lets people in again. True if the slot was closed.
pub(crate) fn reopen(word: &AtomicU32) -> bool {
    // Release: who enters after the reopening sees what was written before it.
    SlotWord(word.fetch_and(!CLOSED, Ordering::Release)).is_closed()
}

/// A count of heads that never passes its ceiling.
pub(crate) struct Slot {
    word: AtomicU32,
}

impl Slot {
    const_fn! {
        /// A slot with `places` places of which `held` are held.
        pub(crate) const fn new(places: u32, held: u32) -> Slot {
            Slot { word: AtomicU32::new(CEILING - places + held) }
        }
    }

    /// Claims one place; yields the level that includes the new head, with WAITING if that stands.
    #[inline]
    pub(crate) fn enter(&self) -> Result<u32, Refusal> {
        self.look()?;
        self.enter_unseen()
    }

    /// The first half of [`enter`](Self::enter): refuses if there is nothing to be had.
    #[inline]
    pub(crate) fn look(&self) -> Result<(), Refusal> {
        match Enter::Look.step(&self.word) {
            Done(Err(refused)) => Err(refused),
            _ => Ok(()),
        }
    }

    /// The second half of [`enter`](Self::enter); alone, for a caller who has reason to believe that
    /// a place is free.
    #[inline]
    pub(crate) fn enter_unseen(&self) -> Result<u32, Refusal> {
        match Enter::Add.step(&self.word) {
            Next(state) => self.finish_entering(state),
            Done(result) => result,
        }
    }

    /// As [`enter_unseen`](Self::enter_unseen). Everything but an entry that leaves room to spare
    /// goes through `otherwise`, so that one compare decides the way of such an entry.
    #[inline]
    pub(crate) fn enter_roomy<E>(
        &self,
        otherwise: impl FnOnce(Result<u32, Refusal>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = Enter::add(&self.word);
        if before.0 < CEILING - 1 {
            return Ok(());
        }
        otherwise(match Enter::judge(before) {
            Next(state) => self.finish_entering(state),
            Done(result) => result,
        })
    }

    #[cold]
    #[inline(never)]
    fn finish_entering(&self, state: Enter) -> Result<u32, Refusal> {
        run!(state, &self.word)
    }

    /// Gives one place back; yields the word that it left behind if somebody waits.
    #[inline]
    pub(crate) fn leave(&self) -> Option<SlotWord> {
        match Leave.step(&self.word) {
            Next(state) => self.finish_leaving(state),
            Done(left) => left,
        }
    }

    #[cold]
    #[inline(never)]
    fn finish_leaving(&self, state: Leave) -> Option<SlotWord> {
        run!(state, &self.word)
    }

    /// Claims `n` places, all or none; yields the level that includes them, with WAITING if that
    /// stands.
    pub(crate) fn take(&self, n: u32) -> Result<u32, Refusal> {
        run!(Take::Look(n), &self.word)
    }

    /// Gives `n` places back, or adds `n` new ones; yields the word that it left behind if somebody
    /// waits.
    pub(crate) fn give(&self, n: u32) -> Option<SlotWord> {
        run!(Give::Look(n), &self.word)
    }

    /// Withdraws `n` places, now or as their holders leave.
    pub(crate) fn withdraw(&self, n: u32) {
        run!(Withdraw::Look(n), &self.word)
    }

    /// Clears WAITING after `seen` if no place is deficit.
    #[cfg(not(feature = "wait"))]
    #[cold]
    #[inline(never)]
    pub(crate) fn clear_flag(&self, seen: SlotWord) {
        run!(ClearFlag(seen), &self.word)
    }

    /// Lets nobody new in. True if the slot was open.
    pub(crate) fn close(&self) -> bool {
        close(&self.word)
    }

    /// Lets people in again. True if the slot was closed.
    pub(crate) fn reopen(&self) -> bool {
        reopen(&self.word)
    }

    /// Closes if at least that many of `places` are held, and says how many are.
    pub(crate) fn close_if(&self, at_least: u32, places: u32) -> Result<u32, u32> {
        run!(CloseIf::Look { at_least, places }, &self.word)
    }

    /// One reading.
    #[inline]
    pub(crate) fn read(&self) -> SlotWord {
        // Acquire: pairs with the Release of `Leave`: who reads that a holder has left sees what the
        // holder wrote.
        SlotWord(self.word.load(Ordering::Acquire))
    }
}
