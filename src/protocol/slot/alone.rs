//! Closing and lowering without a waitlist: what the steps of the slot are without the feature
//! `wait`.
//!
//! # Invariant
//!
//! WAITING is set as long as there is a deficit, and means no more. A release that pays the last of
//! it by one subtraction leaves the flag, and clears it in its next step; a caller that backs out
//! clears it if its own increment was all that stood above the ceiling. So the flag outlives a
//! deficit only within these calls.

use super::{Resize, Slot, SlotWord, CEILING, CLOSED, WAITING};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::run;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU32, Ordering};

/// The greatest number of places that one step of a lowering removes. Each such call in progress
/// can have removed one step too many; of this size, 32,767 steps fit between what can be held and
/// the flags.
const STEP_DOWN: u32 = 1 << 12;
/// The greatest deficit that forced entries make.
const MOST_FORCED: u32 = CEILING;
const _: () = assert!(2 * CEILING + MOST_FORCED + 32_767 * STEP_DOWN < WAITING);

/// Removes places: free ones at once; held ones become deficit, which the next releases pay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Withdraw {
    Look(u32),
    Swap(u32, SlotWord),
}

impl Withdraw {
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Withdraw, ()> {
        match self {
            // Relaxed: the exchange checks the value.
            Withdraw::Look(n) => Next(Withdraw::Swap(n, SlotWord(word.load(Ordering::Relaxed)))),
            Withdraw::Swap(n, seen) => {
                let fewer = seen.with_level(seen.level() + n);
                // Relaxed: it admits no caller. As a read-modify-write it continues the release
                // sequences of earlier leavers, for the caller that takes these places if they
                // come back.
                match word.compare_exchange(seen.0, fewer.0, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(now) => Next(Withdraw::Swap(n, SlotWord(now))),
                }
            }
        }
    }
}

/// Takes places whether or not they are free: what is not becomes deficit. Returns whether it did:
/// the deficit stays within [`MOST_FORCED`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Force {
    Look(u32),
    Swap(u32, SlotWord),
}

impl Force {
    fn decide(n: u32, seen: SlotWord) -> Step<Force, bool> {
        if n > CEILING + MOST_FORCED - seen.level().min(CEILING + MOST_FORCED) {
            Done(false)
        } else {
            Next(Force::Swap(n, seen))
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Force, bool> {
        match self {
            // Relaxed: the exchange in `Swap` synchronizes.
            Force::Look(n) => Force::decide(n, SlotWord(word.load(Ordering::Relaxed))),
            Force::Swap(n, seen) => {
                let more = seen.with_level(seen.level() + n);
                // Acquire, pairs with the Release of `Leave` and `Give`, as in `Take`.
                let success = ordering!("slot-force", Acquire => Relaxed);
                // Relaxed on failure: the value decides only what to try next.
                match word.compare_exchange(seen.0, more.0, success, Ordering::Relaxed) {
                    Ok(_) => Done(true),
                    Err(now) => Force::decide(n, SlotWord(now)),
                }
            }
        }
    }
}

/// Clears WAITING unless there is a deficit. Holds the last word seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ClearFlag(pub(crate) SlotWord);

impl ClearFlag {
    pub(crate) fn step(self, word: &AtomicU32) -> Step<ClearFlag, ()> {
        let ClearFlag(seen) = self;
        if !seen.is_waiting() || seen.deficit() > 0 {
            // The release that pays the deficit clears the flag, or the caller that backs out.
            return Done(());
        }
        // Relaxed: the count stays, and the value decides only what to try next.
        let clear = seen.0 & !WAITING;
        match word.compare_exchange(seen.0, clear, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Done(()),
            Err(now) => Next(ClearFlag(SlotWord(now))),
        }
    }
}

/// Closes a slot of `places` places if at least `at_least` permits are held. Returns how many are
/// held, as an error if they are fewer.
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
                // Acquire, pairs with the Release of `Leave` and `Give`: the answer is a reading,
                // as in `Slot::read`.
                let ordering = ordering!("slot-close-if-look", Acquire => Relaxed);
                CloseIf::decide(at_least, places, SlotWord(word.load(ordering)))
            }
            CloseIf::Swap { at_least, places, seen } => {
                let closed = seen.0 | CLOSED;
                // Acquire, on success and on failure: as in `Look`. Releases may have come between
                // the look and a success, if as many callers entered.
                let success = ordering!("slot-close-if-swap", Acquire => Relaxed);
                let failure = ordering!("slot-close-if-lost", Acquire => Relaxed);
                match word.compare_exchange(seen.0, closed, success, failure) {
                    Ok(_) => Done(Ok(seen.held(places))),
                    Err(now) => CloseIf::decide(at_least, places, SlotWord(now)),
                }
            }
        }
    }
}

/// Closes. Returns whether the slot was open.
pub(crate) fn close(word: &AtomicU32) -> bool {
    // Relaxed: it publishes no data; every later entry meets the flag in the same word.
    !SlotWord(word.fetch_or(CLOSED, Ordering::Relaxed)).is_closed()
}

/// Reopens. Returns whether the slot was closed.
pub(crate) fn reopen(word: &AtomicU32) -> bool {
    // Release, pairs with the Acquire of `Enter::add` and `Take`: a caller that enters after the
    // reopening sees the earlier writes of the caller that reopened.
    SlotWord(word.fetch_and(!CLOSED, ordering!("slot-reopen", Release => Relaxed))).is_closed()
}

impl Slot {
    /// Removes `n` places from the word: free ones at once, held ones as they are given back.
    pub(crate) fn withdraw(&self, n: u32) {
        run!(Withdraw::Look(n), &self.word)
    }

    /// Takes `n` places whether or not they are free. Returns false, and takes none, if that would
    /// be too many.
    pub(crate) fn force(&self, n: u32) -> bool {
        run!(Force::Look(n), &self.word)
    }

    /// Clears WAITING unless there is a deficit. `seen` is a word of this slot.
    #[cold]
    #[inline(never)]
    pub(crate) fn clear_flag(&self, seen: SlotWord) {
        run!(ClearFlag(seen), &self.word)
    }

    /// Closes. Returns whether the slot was open.
    pub(crate) fn close(&self) -> bool {
        close(&self.word)
    }

    /// Reopens. Returns whether the slot was closed.
    pub(crate) fn reopen(&self) -> bool {
        reopen(&self.word)
    }

    /// Closes if at least `at_least` places are held. Returns how many are held, as an error if
    /// they are fewer.
    pub(crate) fn close_if(&self, at_least: u32) -> Result<u32, u32> {
        run!(CloseIf::Look { at_least, places: self.places() }, &self.word)
    }

    /// Makes `change` to the number of places. Returns the new number, or an error if it would be
    /// too great; then nothing is changed.
    pub(crate) fn resize(&self, mut change: Resize) -> Result<u32, ()> {
        let mut from = self.places();
        loop {
            let to = change.target(from)?.max(from.saturating_sub(STEP_DOWN));
            if to == from {
                return Ok(to);
            }
            let removed = from.saturating_sub(to);
            if removed > 0 {
                self.withdraw(removed);
            }
            // Relaxed: see `places`.
            match self.places.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.give_and_clear(to.saturating_sub(from));
                    change = change.rest(from, to);
                    from = to;
                }
                Err(now) => {
                    if !mutant!("gate-lost-resize-keeps") {
                        self.give_and_clear(removed);
                    }
                    from = now;
                }
            }
        }
    }

    fn give_and_clear(&self, n: u32) {
        if n > 0 {
            if let Some(after) = self.give(n) {
                self.clear_flag(after);
            }
        }
    }
}
