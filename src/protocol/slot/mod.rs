//! The slot: one `AtomicU32` that counts held permits up to a ceiling. A gate's or course's count
//! changes nowhere else.
//!
//! # Invariant
//!
//! A slot with `p` places is empty at `CEILING - p` and full at [`CEILING`]. Flags stand above the
//! count, so that one compare with a constant decides the fast path: every unusual state (full,
//! closed, callers waiting) is `>= CEILING`.
//!
//! ```text
//! bit 31  CLOSED     new callers are rejected
//! bit 30  WAITING    each release has more to do than to lower the count
//! bits 0..=29        the count
//! ```
//!
//! | count           | without WAITING                 | with WAITING, without the feature `wait` |
//! |-----------------|---------------------------------|------------------------------------------|
//! | below `CEILING` | the difference is free          | free; the flag is about to be cleared    |
//! | at `CEILING`    | full                            | full                                     |
//! | above `CEILING` | full; the excess is *surplus*   | full; the excess is *deficit*            |
//!
//! A caller that increments a full counter is rejected. Its increment becomes *surplus*: owned by
//! no permit, invisible to readers, removable by any thread. Its bound is the room between
//! [`CEILING`] and WAITING: while the slot stays full each thread adds at most once, since a thread
//! that was rejected looks before it adds again (`gate/fast_hint.rs`).
//!
//! *Deficit* counts the places that were removed while they were held: each release pays with the
//! place that it gives back. Surplus and deficit look alike, so they never occur together: the step
//! that sets WAITING removes the surplus, and under WAITING a rejected caller takes its own
//! increment back.
//!
//! # With the feature `wait`
//!
//! WAITING means that the lock of the waitlist decides: a caller waits, or there is a deficit, or
//! the slot is closed (CLOSED is set only together with WAITING). The count of permits held is
//! behind that lock then, and the count in the word means nothing. A caller that meets WAITING is
//! rejected, and its increment is forgotten; a holder that meets it comes to the lock to give its
//! places back. `waiting` has the steps from one to the other.
//!
//! # Operations as steps
//!
//! An operation of more than one atomic operation is a state machine (see
//! [`step`](crate::protocol::step)). The methods of [`Slot`] run the machines to their end;
//! `src/protocol/tests/slot` runs the same machines in every order that threads can take.

use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::step::run;
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{const_fn, AtomicU32, Ordering};

mod many;
mod resize;
mod word;

pub(crate) use many::{Give, Take, Wanted};
pub(crate) use resize::Resize;
#[allow(unused_imports)] // Not every set of features has a use for each.
pub(crate) use word::{Refusal, SlotWord, CEILING, CLOSED, WAITING};

#[cfg(not(feature = "wait"))]
mod alone;
#[cfg(not(feature = "wait"))]
#[allow(unused_imports)] // The searches use them.
pub(crate) use alone::{close, reopen, ClearFlag, CloseIf, Force, Withdraw};
#[cfg(feature = "wait")]
mod waiting;
#[cfg(feature = "wait")]
#[allow(unused_imports)] // The searches use them.
pub(crate) use waiting::{renew, unlock, ClaimOrLock, CloseAndLock, LOCKED};

/// Claims one place: load, add, check, roll back. Returns the level that includes the new permit,
/// with WAITING if that is set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Enter {
    Look,
    Add,
    /// The addition met a full slot and is surplus now. Holds the word that it led to.
    DropSurplus(SlotWord),
    /// The addition met a slot that had been closed, or had got a deficit, since the look. It
    /// counts until it is taken back or turns out to be admissible. Holds the last word seen.
    /// Without the feature `wait` only.
    BackOut(SlotWord),
}

impl Enter {
    /// Adds one. Returns the word before the addition.
    #[inline(always)]
    fn add(word: &AtomicU32) -> SlotWord {
        // Acquire, pairs with the Release of `Leave` and `Give`: the earlier writes of the holders
        // that have left, and of the caller that has reopened, are visible.
        SlotWord(word.fetch_add(1, ordering!("slot-enter", Acquire => Relaxed)))
    }

    /// Decides what follows an addition to the word `before`.
    #[inline(always)]
    fn judge(before: SlotWord) -> Step<Enter, Result<u32, Refusal>> {
        if before.0 < CEILING {
            Done(Ok(before.0 + 1))
        } else {
            Enter::check(before)
        }
    }

    /// As [`judge`](Self::judge), for an unusual word.
    #[cold]
    #[inline(never)]
    fn check(before: SlotWord) -> Step<Enter, Result<u32, Refusal>> {
        let after = SlotWord(before.0 + 1);
        if mutant!("slot-enter-unchecked") || before.admits_one() {
            Done(Ok(after.claimed()))
        } else if cfg!(feature = "wait") && before.is_waiting() && !mutant!("slot-enter-backs-out")
        {
            // The lock decides, and this increment means nothing.
            Done(Err(before.reason()))
        } else if mutant!("slot-surplus-always") || (before.free() == 0 && !before.is_waiting()) {
            Next(Enter::DropSurplus(after))
        } else {
            Next(Enter::BackOut(after))
        }
    }

    /// Returns whether a caller that is backing out, and is counted in `now`, is still refused.
    fn keeps_out(now: SlotWord) -> bool {
        let closed = now.is_closed() && !mutant!("slot-back-out-although-closed");
        let deficit = now.deficit() > 0 && !mutant!("slot-back-out-despite-deficit");
        closed || deficit || mutant!("slot-back-out-never-admitted")
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Enter, Result<u32, Refusal>> {
        match self {
            Enter::Look => {
                // Relaxed: the value decides only whether to try; `Add` synchronizes.
                let seen = SlotWord(word.load(Ordering::Relaxed));
                if seen.admits_one() {
                    Next(Enter::Add)
                } else {
                    Done(Err(seen.reason()))
                }
            }
            Enter::Add => Enter::judge(Enter::add(word)),
            Enter::DropSurplus(after) => {
                // Relaxed: surplus carries no data, and a read-modify-write of any ordering
                // continues the release sequences of leavers. On failure the next leaver removes
                // the surplus.
                let _ = word.compare_exchange(
                    after.0,
                    after.0 - 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                Done(Err(after.reason()))
            }
            Enter::BackOut(seen) => {
                let less = seen.with_level(seen.level() - 1);
                // Relaxed on success: takes back a place that was never used, see `DropSurplus`.
                // Acquire on failure, pairs as in `add`: the word read may admit this caller.
                let failure = ordering!("slot-back-out", Acquire => Relaxed);
                match word.compare_exchange(seen.0, less.0, Ordering::Relaxed, failure) {
                    Ok(_) => Done(Err(seen.reason())),
                    Err(now) if Enter::keeps_out(SlotWord(now)) => {
                        Next(Enter::BackOut(SlotWord(now)))
                    }
                    Err(now) => Done(Ok(SlotWord(now).claimed())),
                }
            }
        }
    }
}

/// Gives one place back. Returns the word that it wrote if WAITING is set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Leave;

impl Leave {
    /// Subtracts one. Returns the word before the subtraction.
    #[inline(always)]
    fn subtract(word: &AtomicU32) -> SlotWord {
        // Release, pairs with the Acquire of `Enter::add`, `Take` and `Slot::read`: the next holder
        // of this place, and a reader that sees it free, see the earlier writes of this holder.
        SlotWord(word.fetch_sub(1, ordering!("slot-leave", Release => Relaxed)))
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU32) -> Step<Leave, Option<SlotWord>> {
        let before = Leave::subtract(word);
        if before.0 <= CEILING {
            Done(None)
        } else {
            Leave::check(before)
        }
    }

    /// Decides what follows a subtraction from an unusual word.
    #[cold]
    #[inline(never)]
    fn check(before: SlotWord) -> Step<Leave, Option<SlotWord>> {
        if before.is_surplus() && !mutant!("slot-leave-unchecked") {
            // The subtraction only cancelled surplus: the place is still to be given back.
            return Next(Leave);
        }
        let after = SlotWord(before.0 - 1);
        Done(after.is_waiting().then_some(after))
    }
}

/// A number of places, and a count of held permits that never passes it.
///
/// # Invariant
///
/// The word has at most `places` places, and exactly as many whenever no call changes `places`: a
/// raise changes `places` first and the word after it, a lowering the word first.
pub(crate) struct Slot {
    word: AtomicU32,
    places: AtomicU32,
}

impl Slot {
    const_fn! {
        /// Returns a slot with `places` places of which `held` are held.
        pub(crate) const fn new(places: u32, held: u32) -> Slot {
            let word = AtomicU32::new(CEILING - places + held);
            Slot { word, places: AtomicU32::new(places) }
        }
    }

    /// Returns the number of places.
    #[inline]
    pub(crate) fn places(&self) -> u32 {
        // Relaxed: the word decides which callers are admitted. *never-over* needs only that the
        // word never has more places than this says, which the order of each change keeps.
        self.places.load(Ordering::Relaxed)
    }

    /// Changes the number of places. The caller has the lock of the waitlist, and changes the word.
    #[cfg(feature = "wait")]
    pub(crate) fn set_places(&self, places: u32) {
        // Relaxed: see `places`.
        self.places.store(places, Ordering::Relaxed);
    }

    /// Claims one place. Returns the level that includes the new permit, with WAITING if that is
    /// set.
    #[cfg(any(test, target_has_atomic = "64"))]
    #[inline]
    pub(crate) fn enter(&self) -> Result<u32, Refusal> {
        self.look()?;
        self.enter_unseen()
    }

    /// Checks whether a place can be taken: the first half of `enter`.
    #[inline]
    pub(crate) fn look(&self) -> Result<(), Refusal> {
        match Enter::Look.step(&self.word) {
            Done(Err(refused)) => Err(refused),
            _ => Ok(()),
        }
    }

    /// Claims one place without a look: the second half of `enter`.
    #[inline]
    pub(crate) fn enter_unseen(&self) -> Result<u32, Refusal> {
        match Enter::Add.step(&self.word) {
            Next(state) => self.finish_entering(state),
            Done(result) => result,
        }
    }

    /// Claims one place without a look, as [`enter_unseen`](Self::enter_unseen). Every outcome but
    /// an entry that leaves a place free goes through `otherwise`, so that such an entry is decided
    /// by one compare.
    #[inline]
    pub(crate) fn enter_unseen_or_else<E>(
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

    /// Gives one place back. Returns the word that it wrote if WAITING is set.
    #[allow(dead_code)] // Not every set of features has a use for it.
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

    /// Gives one place back, as [`leave`](Self::leave). What follows a subtraction from an unusual
    /// word is left to `otherwise`, which gets that word, so that the usual drop is decided by one
    /// compare.
    #[inline]
    pub(crate) fn leave_or_else(&self, otherwise: impl FnOnce(SlotWord)) {
        let before = Leave::subtract(&self.word);
        if before.0 > CEILING {
            otherwise(before);
        }
    }

    /// Ends what a subtraction from the unusual word `before` began: the rest of `leave`.
    pub(crate) fn left(&self, before: SlotWord) -> Option<SlotWord> {
        match Leave::check(before) {
            Next(state) => self.finish_leaving(state),
            Done(left) => left,
        }
    }

    /// Claims several places in one step. Returns how many.
    pub(crate) fn take(&self, wanted: Wanted) -> Result<u32, Refusal> {
        run!(Take::Look(wanted), &self.word)
    }

    /// Gives `n` places back, or adds `n` new ones. Returns the word that it wrote if WAITING is
    /// set.
    pub(crate) fn give(&self, n: u32) -> Option<SlotWord> {
        run!(Give::Look(n), &self.word)
    }

    /// Reads the word.
    #[inline]
    pub(crate) fn read(&self) -> SlotWord {
        // Acquire, pairs with the Release of `Leave` and `Give`: if this call observes a release,
        // the holder's earlier writes are visible.
        SlotWord(self.word.load(ordering!("slot-read", Acquire => Relaxed)))
    }
}
