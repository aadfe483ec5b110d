//! The life of a key: a slot's word, and beside it whatever else keeps the key alive, in one
//! `AtomicU64`.
//!
//! # Invariant
//!
//! A life ends only by one compare-exchange from a word that says that nobody is there, so nobody
//! can have come in between. What a word means depends on its places: they are those that the life
//! began with until RESIZED is set, and from then on change, and end the life, under a lock only.
//!
//! ```text
//! bit 63        KEPT     when the last one leaves, the life rests instead of ending
//! bit 62        RESIZED  the places are no longer those that the life began with
//! bits 32..=61           stakes: those who keep the key alive without holding a place
//! bits 0..=31            the slot's word
//! ```
//!
//! | CLOSED | KEPT  | the life                                                        |
//! |--------|-------|-----------------------------------------------------------------|
//! | clear  | any   | goes on                                                         |
//! | set    | set   | rests: no heads, no stakes, not RESIZED; may be revived or end  |
//! | set    | clear | has ended: the word never changes again                         |
//!
//! Whoever comes by the key enters by compare-exchange, so that nothing is ever added to a closed
//! word. Whoever has a stake enters as at a gate: nothing closes while the stake stands.

use super::{Cell, Enter, Give, Leave, Refused, Settle, Step, Withdraw, Word, CEILING, CLOSED};
use crate::sync::{AtomicU64, Ordering};

use Step::{Done, Next};

const KEPT: u64 = 1 << 63;
const RESIZED: u64 = 1 << 62;
const STAKE: u64 = 1 << 32;
const STAKES: u64 = RESIZED - STAKE;

/// One reading of a life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reading(u64);

impl Reading {
    fn of(places: u32, heads: u32, stakes: u64) -> Reading {
        Reading(u64::from(CEILING - places + heads) | (stakes * STAKE))
    }

    pub(crate) fn slot(self) -> Word {
        Word(self.0 as u32)
    }

    /// Nobody is there, or will be unless the life is revived.
    pub(crate) fn is_over(self) -> bool {
        self.slot().is_closed()
    }

    pub(crate) fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    fn is_resized(self) -> bool {
        self.0 & RESIZED != 0
    }

    /// The life goes on, with no stake and that many heads in one of `places` places.
    fn is_held_by(self, heads: u32, places: u32) -> bool {
        let word = self.slot();
        !self.is_over() && self.0 & STAKES == 0 && word.level() == CEILING - places + heads
    }

    /// As [`is_held_by`](Self::is_held_by) one head, of places that the life began with.
    pub(crate) fn is_last_head(self, places: u32) -> bool {
        !self.is_resized() && self.is_held_by(1, places)
    }

    /// What follows when the last one leaves.
    fn ended(self, places: u32) -> Reading {
        let kept = if self.is_resized() { 0 } else { self.0 & KEPT };
        Reading(kept | u64::from(CLOSED | (CEILING - places)))
    }
}

/// Why there is no place to be had in a life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum NoPlace {
    Full,
    Resting,
    Ended,
}

fn over(seen: Reading) -> Option<NoPlace> {
    seen.is_over().then_some(if seen.is_kept() { NoPlace::Resting } else { NoPlace::Ended })
}

/// What a leaver leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Left {
    /// A life that goes on.
    Alive,
    /// A life that rests, and may be revived.
    Resting,
    /// A life that has ended: its entry must go.
    Ended,
    /// A life that may be empty: whether it is can only be said under the lock.
    Resized,
}

/// What an ending leads to.
fn left(ended: Reading) -> Left {
    if ended.is_kept() {
        Left::Resting
    } else {
        Left::Ended
    }
}

/// Claims one place. Yields the reading that includes the new head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Join {
    Look,
    Swap(Reading),
}

impl Join {
    fn decide(seen: Reading) -> Step<Join, Result<Reading, NoPlace>> {
        match over(seen) {
            Some(why) => Done(Err(why)),
            None if seen.slot().free() == 0 => Done(Err(NoPlace::Full)),
            None => Next(Join::Swap(seen)),
        }
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64) -> Step<Join, Result<Reading, NoPlace>> {
        match self {
            // Acquire: pairs with the Release of `Part`: who finds the life over, and begins
            // another, sees what its holders wrote, whatever the map orders.
            Join::Look => Join::decide(Reading(word.load(Ordering::Acquire))),
            Join::Swap(seen) => {
                let joined = seen.0 + 1;
                // Acquire: pairs with the Release of `Part` and of `Leave`. On failure as in `Look`.
                let swap =
                    word.compare_exchange(seen.0, joined, Ordering::Acquire, Ordering::Acquire);
                match swap {
                    Ok(_) => Done(Ok(Reading(joined))),
                    Err(now) => Join::decide(Reading(now)),
                }
            }
        }
    }
}

/// Gives one place back, and ends the life if that was the last head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Part {
    /// Believed to be the last head: leaves and ends the life in one step.
    Last {
        places: u32,
        seen: Reading,
    },
    Leave {
        places: u32,
    },
    Settle {
        seen: Reading,
    },
    End(End),
}

impl Part {
    /// `seen` is what the life is believed to read.
    #[inline(always)]
    pub(crate) fn start(places: u32, seen: Reading) -> Part {
        if seen.is_last_head(places) {
            Part::Last { places, seen }
        } else {
            Part::Leave { places }
        }
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &AtomicU64) -> Step<Part, Left> {
        match self {
            Part::Last { places, seen } => {
                let ended = seen.ended(places);
                // Release: as in `Leave`. Relaxed on failure: decides only what to try next.
                let swap =
                    word.compare_exchange(seen.0, ended.0, Ordering::Release, Ordering::Relaxed);
                match swap {
                    Ok(_) => Done(left(ended)),
                    Err(now) => Next(Part::start(places, Reading(now))),
                }
            }
            Part::Leave { places } => {
                // Release: pairs with the Acquire of `Join`, `Revive` and `Enter`: who takes this
                // place next, or begins the key's next life, sees what its holder wrote.
                let before = Reading(word.fetch_sub(1, Ordering::Release));
                let after = Reading(before.0 - 1);
                if before.slot().is_surplus() {
                    // That only paid for a surplus head.
                    Next(self)
                } else if after.slot().is_waiting() && after.slot().owed() == 0 {
                    Next(Part::Settle { seen: after })
                } else {
                    match End::decide(places, after) {
                        Next(end) => Next(Part::End(end)),
                        Done(left) => Done(left),
                    }
                }
            }
            Part::Settle { seen } => {
                // Where places were owed, they have been resized.
                run!(Settle(seen.slot()), &Half(word));
                Done(Left::Resized)
            }
            Part::End(end) => match end.step(word) {
                Next(end) => Next(Part::End(end)),
                Done(left) => Done(left),
            },
        }
    }
}

/// Ends a life that was seen with nobody there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct End {
    places: u32,
    seen: Reading,
}

impl End {
    fn decide(places: u32, seen: Reading) -> Step<End, Left> {
        if seen.is_resized() {
            Done(Left::Resized)
        } else if seen.is_held_by(0, places) {
            Next(End { places, seen })
        } else {
            Done(Left::Alive)
        }
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<End, Left> {
        let End { places, seen } = self;
        let ended = seen.ended(places);
        // Relaxed: as a read-modify-write it continues the leavers' release sequences.
        match word.compare_exchange(seen.0, ended.0, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Done(left(ended)),
            Err(now) => End::decide(places, Reading(now)),
        }
    }
}

/// Takes a stake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Hold {
    Look,
    Swap(Reading),
}

impl Hold {
    fn decide(seen: Reading) -> Step<Hold, Result<(), NoPlace>> {
        match over(seen) {
            Some(why) => Done(Err(why)),
            None => {
                assert!(seen.0 & STAKES != STAKES, "too many handles of one key");
                Next(Hold::Swap(seen))
            }
        }
    }

    pub(crate) fn step(self, word: &AtomicU64) -> Step<Hold, Result<(), NoPlace>> {
        match self {
            // Acquire: as in `Join::Look`.
            Hold::Look => Hold::decide(Reading(word.load(Ordering::Acquire))),
            Hold::Swap(seen) => {
                // Relaxed on success: takes no place, and continues the leavers' release sequences
                // for `Enter`. Acquire on failure: as in `Join::Look`.
                let swap = word.compare_exchange(
                    seen.0,
                    seen.0 + STAKE,
                    Ordering::Relaxed,
                    Ordering::Acquire,
                );
                match swap {
                    Ok(_) => Done(Ok(())),
                    Err(now) => Hold::decide(Reading(now)),
                }
            }
        }
    }
}

/// The low half, for the operations of a slot.
struct Half<'a>(&'a AtomicU64);

impl Cell for Half<'_> {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u32 {
        self.0.load(order) as u32
    }

    #[inline(always)]
    fn fetch_add(&self, n: u32, order: Ordering) -> u32 {
        self.0.fetch_add(n.into(), order) as u32
    }

    #[inline(always)]
    fn fetch_sub(&self, n: u32, order: Ordering) -> u32 {
        self.0.fetch_sub(n.into(), order) as u32
    }

    fn compare_exchange(
        &self,
        from: u32,
        to: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        let mut seen = self.0.load(failure);
        while seen as u32 == from {
            let next = (seen & !u64::from(u32::MAX)) | u64::from(to);
            match self.0.compare_exchange(seen, next, success, failure) {
                Ok(_) => return Ok(from),
                Err(now) => seen = now,
            }
        }
        Err(seen as u32)
    }
}

/// A count of heads and stakes that can end.
pub(crate) struct Life {
    word: AtomicU64,
}

impl Life {
    /// A life of `places` places that begins with so many heads and stakes.
    pub(crate) fn new(places: u32, heads: u32, stakes: u32) -> Life {
        Life { word: AtomicU64::new(Reading::of(places, heads, stakes.into()).0) }
    }

    /// What a life reads that was begun or revived by one head.
    pub(crate) fn begun(places: u32, kept: bool) -> Reading {
        Reading(Reading::of(places, 1, 0).0 | if kept { KEPT } else { 0 })
    }

    #[inline]
    pub(crate) fn join(&self) -> Result<Reading, NoPlace> {
        run!(Join::Look, &self.word)
    }

    /// `seen` is what the life is believed to read, a head of the caller's included.
    #[inline]
    pub(crate) fn part(&self, places: u32, seen: Reading) -> Left {
        run!(Part::start(places, seen), &self.word)
    }

    pub(crate) fn hold(&self) -> Result<(), NoPlace> {
        run!(Hold::Look, &self.word)
    }

    /// Gives up a stake.
    pub(crate) fn let_go(&self, places: u32) -> Left {
        // Release: as in `Part`; what happened under the stake comes before the key's next life.
        let before = self.word.fetch_sub(STAKE, Ordering::Release);
        match End::decide(places, Reading(before - STAKE)) {
            Next(end) => run!(end, &self.word),
            Done(left) => left,
        }
    }

    /// Makes a resting life go on, with so many heads and stakes. False if it does not rest.
    pub(crate) fn revive(&self, places: u32, heads: u32, stakes: u32) -> bool {
        let resting = KEPT | u64::from(CLOSED | (CEILING - places));
        let revived = KEPT | Reading::of(places, heads, stakes.into()).0;
        // Acquire: pairs with the Release of `Part`, as in `Join`. Relaxed on failure: the caller
        // looks again.
        let swap =
            self.word.compare_exchange(resting, revived, Ordering::Acquire, Ordering::Relaxed);
        swap.is_ok()
    }

    /// Lets the life rest when its last head leaves. The caller has a head in it.
    pub(crate) fn keep(&self) {
        // Relaxed: says only what a later ending leads to.
        self.word.fetch_or(KEPT, Ordering::Relaxed);
    }

    /// Takes back [`keep`](Self::keep). True if that has ended the life.
    pub(crate) fn drop_kept(&self) -> bool {
        // Relaxed: as in `End`.
        over(Reading(self.word.fetch_and(!KEPT, Ordering::Relaxed))) == Some(NoPlace::Resting)
    }

    /// Announces that the places will change. False if the life is over. Under the lock only.
    pub(crate) fn begin_resizing(&self) -> bool {
        // Relaxed: changes no place.
        let marked = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            (!Reading(seen).is_over()).then_some(seen | RESIZED)
        });
        marked.is_ok()
    }

    /// Ends a resized life if nobody is there. Under the lock only.
    pub(crate) fn end_resized(&self, places: u32) -> bool {
        // Relaxed: as in `End`.
        let ended = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            Reading(seen).is_held_by(0, places).then(|| Reading(seen).ended(places).0)
        });
        ended.is_ok()
    }

    /// Is nobody there? For who has just let go of the lock.
    pub(crate) fn is_vacant(&self, places: u32) -> bool {
        // AcqRel: a read-modify-write, so that either this sees the leave of one who found the lock
        // taken, or that leave sees the lock free.
        Reading(self.word.fetch_or(0, Ordering::AcqRel)).is_held_by(0, places)
    }

    /// Claims one place as at a gate. The caller has a stake.
    #[inline]
    pub(crate) fn enter(&self) -> Result<u32, Refused> {
        run!(Enter::Look, &Half(&self.word))
    }

    /// As [`enter`](Self::enter), for a caller who has reason to believe that a place is free.
    #[inline]
    pub(crate) fn enter_unseen(&self) -> Result<u32, Refused> {
        run!(Enter::Add, &Half(&self.word))
    }

    /// Gives back a place as at a gate. The caller has a stake.
    #[inline]
    pub(crate) fn leave(&self) {
        if let Some(after) = run!(Leave, &Half(&self.word)) {
            run!(Settle(after), &Half(&self.word))
        }
    }

    /// Adds `n` places.
    pub(crate) fn give(&self, n: u32) {
        if let Some(after) = run!(Give::Look(n), &Half(&self.word)) {
            run!(Settle(after), &Half(&self.word))
        }
    }

    /// Withdraws `n` places, now or as their holders leave.
    pub(crate) fn withdraw(&self, n: u32) {
        run!(Withdraw::Look(n), &Half(&self.word))
    }

    pub(crate) fn read(&self) -> Reading {
        // Acquire: as in `Slot::read`.
        Reading(self.word.load(Ordering::Acquire))
    }
}
