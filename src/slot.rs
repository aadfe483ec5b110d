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
//! bit 30  WAITING    whoever leaves looks after those who wait, or after places that are owed
//! bits 0..=29        the count
//! ```
//!
//! | count           | WAITING clear                          | WAITING set                              |
//! |-----------------|----------------------------------------|------------------------------------------|
//! | below `CEILING` | that many places are free              | free; the flag is about to be cleared    |
//! | at `CEILING`    | full                                   | full                                     |
//! | above `CEILING` | full; the excess is *surplus*          | full; the excess is *owed*               |
//!
//! *Surplus* is heads that nobody owns, left by callers who added to a full slot and were refused.
//! Anyone may remove it and nobody can read it. *Owed* places were withdrawn while they were held:
//! a leaver pays with the place that it gives up. The two look alike, so they never occur together:
//! setting WAITING removes the surplus in the same step, and under WAITING a caller who was refused
//! takes back exactly what it added.
//!
//! # Operations as steps
//!
//! Every operation that is more than one atomic operation is a small state machine whose `step` does
//! exactly one. The methods of [`Slot`] run the machines to their end. `tests/exhaustive.rs` runs the
//! same machines in every order that threads can take.

use crate::sync::{const_fn, AtomicU32, Ordering};

/// The count of a full slot, and the most places that a slot can have. Owed places and surplus fit
/// between it and the flags, with room for half a billion callers in flight.
pub(crate) const CEILING: u32 = 1 << 28;
/// Somebody waits, or places are owed.
pub(crate) const WAITING: u32 = 1 << 30;
/// Nobody new gets in.
pub(crate) const CLOSED: u32 = 1 << 31;

const COUNT: u32 = WAITING - 1;

/// One reading of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Word(pub(crate) u32);

impl Word {
    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    pub(crate) fn is_waiting(self) -> bool {
        self.0 & WAITING != 0
    }

    #[inline]
    fn count(self) -> u32 {
        self.0 & COUNT
    }

    /// The count without surplus: where the heads that somebody owns, and the places owed, end.
    pub(crate) fn level(self) -> u32 {
        if self.is_waiting() {
            self.count()
        } else {
            self.count().min(CEILING)
        }
    }

    /// Places that nobody holds.
    #[inline]
    pub(crate) fn free(self) -> u32 {
        CEILING.saturating_sub(self.count())
    }

    /// Places that were withdrawn while held, and not yet paid.
    pub(crate) fn owed(self) -> u32 {
        self.level().saturating_sub(CEILING)
    }

    /// Heads inside a slot of `places` places.
    pub(crate) fn held(self, places: u32) -> u32 {
        (self.level() + places).saturating_sub(CEILING)
    }

    /// What a caller who got in is told: the level, above [`CEILING`] if WAITING stands, so that the
    /// caller can look whether it has overtaken somebody.
    fn claimed(self) -> u32 {
        (self.0 & WAITING) | self.level()
    }

    /// Would a head less only pay for a surplus head?
    fn is_surplus(self) -> bool {
        self.level() < self.count()
    }

    /// The same flags over another level. Sets WAITING where places become owed.
    fn with_level(self, level: u32) -> Word {
        let owes = if level > CEILING { WAITING } else { 0 };
        Word((self.0 & !COUNT) | owes | level)
    }

    /// Can one place be had now? One compare, since CLOSED stands above the ceiling as well.
    #[inline]
    fn admits_one(self) -> bool {
        self.0 & !WAITING < CEILING
    }

    /// Why `wanted` places cannot be had now, if they cannot.
    #[inline]
    fn refusal(self, wanted: u32) -> Option<Refused> {
        (self.is_closed() || self.free() < wanted).then(|| self.why())
    }

    /// What a refused caller is told.
    #[inline]
    fn why(self) -> Refused {
        if self.is_closed() {
            Refused::Closed
        } else {
            Refused::Full
        }
    }
}

/// Where a word stands: in an atomic of its own, or in one half of a greater one.
pub(crate) trait Cell {
    fn load(&self, order: Ordering) -> u32;
    fn fetch_add(&self, n: u32, order: Ordering) -> u32;
    fn fetch_sub(&self, n: u32, order: Ordering) -> u32;
    fn compare_exchange(
        &self,
        from: u32,
        to: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32>;
}

impl Cell for AtomicU32 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u32 {
        self.load(order)
    }

    #[inline(always)]
    fn fetch_add(&self, n: u32, order: Ordering) -> u32 {
        self.fetch_add(n, order)
    }

    #[inline(always)]
    fn fetch_sub(&self, n: u32, order: Ordering) -> u32 {
        self.fetch_sub(n, order)
    }

    #[inline(always)]
    fn compare_exchange(
        &self,
        from: u32,
        to: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.compare_exchange(from, to, success, failure)
    }
}

/// Why a slot lets nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// What one step of an operation leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step<S, R> {
    Next(S),
    Done(R),
}

use Step::{Done, Next};

/// Runs a machine to its end.
macro_rules! run {
    ($start:expr, $($word:expr),+) => {{
        let mut state = $start;
        loop {
            match state.step($($word),+) {
                Next(next) => state = next,
                Done(result) => break result,
            }
        }
    }};
}

#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
#[path = "slot/life.rs"]
pub(crate) mod life;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) use run;

#[cfg(feature = "wait")]
#[path = "slot/queue.rs"]
mod queue;
#[cfg(feature = "wait")]
pub(crate) use queue::Granted;

/// Claims one place: load, add, check, roll back. Yields the level that includes the new head, with
/// WAITING if that stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Enter {
    Look,
    Add,
    /// Added to a full slot; holds what the word became. What was added is surplus.
    DropSurplus(Word),
    /// Added to a slot that had been closed, or had begun to owe, since the look; holds the last
    /// word seen. What was added counts until it is taken back or turns out to be admissible.
    BackOut(Word),
}

impl Enter {
    /// The addition itself. Yields what was there before.
    #[inline(always)]
    fn add(word: &impl Cell) -> Word {
        // Acquire: pairs with the Release of every `Leave` and `Give` before it.
        Word(word.fetch_add(1, Ordering::Acquire))
    }

    /// What an addition to that word amounts to.
    #[inline(always)]
    fn judge(before: Word) -> Step<Enter, Result<u32, Refused>> {
        if before.0 < CEILING {
            Done(Ok(before.0 + 1))
        } else {
            Enter::check(before)
        }
    }

    /// What to do about an addition to an unusual word.
    #[cold]
    #[inline(never)]
    fn check(before: Word) -> Step<Enter, Result<u32, Refused>> {
        let after = Word(before.0 + 1);
        if before.admits_one() {
            Done(Ok(after.claimed()))
        } else if before.free() == 0 && !before.is_waiting() {
            Next(Enter::DropSurplus(after))
        } else {
            Next(Enter::BackOut(after))
        }
    }

    #[inline(always)]
    pub(crate) fn step(self, word: &impl Cell) -> Step<Enter, Result<u32, Refused>> {
        match self {
            Enter::Look => {
                // Relaxed: decides only whether to try; `Add` synchronises.
                let seen = Word(word.load(Ordering::Relaxed));
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
                    Err(now) if Word(now).is_closed() || Word(now).owed() > 0 => {
                        Next(Enter::BackOut(Word(now)))
                    }
                    Err(now) => Done(Ok(Word(now).claimed())),
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
    pub(crate) fn step(self, word: &impl Cell) -> Step<Leave, Option<Word>> {
        // Release: pairs with the Acquire of `Enter::Add` and `Take`: who takes this place next
        // sees what its holder wrote.
        let before = Word(word.fetch_sub(1, Ordering::Release));
        if before.0 <= CEILING {
            Done(None)
        } else {
            Leave::check(before)
        }
    }

    /// What to do about a subtraction from an unusual word.
    #[cold]
    #[inline(never)]
    fn check(before: Word) -> Step<Leave, Option<Word>> {
        if before.is_surplus() {
            // That only paid for a surplus head.
            return Next(Leave);
        }
        let after = Word(before.0 - 1);
        Done(after.is_waiting().then_some(after))
    }
}

/// Claims several places, all or none. Yields the level that includes them, with WAITING if that
/// stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Take {
    Look(u32),
    Swap(u32, Word),
}

impl Take {
    fn decide(wanted: u32, seen: Word) -> Step<Take, Result<u32, Refused>> {
        match seen.refusal(wanted) {
            Some(refused) => Done(Err(refused)),
            None => Next(Take::Swap(wanted, seen)),
        }
    }

    pub(crate) fn step(self, word: &AtomicU32) -> Step<Take, Result<u32, Refused>> {
        match self {
            // Relaxed: `Swap` synchronises.
            Take::Look(wanted) => Take::decide(wanted, Word(word.load(Ordering::Relaxed))),
            Take::Swap(wanted, seen) => {
                let taken = seen.with_level(seen.level() + wanted);
                // Acquire: as in `Enter::Add`. Relaxed on failure: decides only what to try next.
                match word.compare_exchange(seen.0, taken.0, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => Done(Ok(taken.claimed())),
                    Err(now) => Take::decide(wanted, Word(now)),
                }
            }
        }
    }
}

/// Gives several places back, or adds new ones. Yields the word that it
/// left behind if somebody waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Give {
    Look(u32),
    Swap(u32, Word),
}

impl Give {
    pub(crate) fn step(self, word: &impl Cell) -> Step<Give, Option<Word>> {
        match self {
            // Relaxed: the swap checks what was read.
            Give::Look(n) => Next(Give::Swap(n, Word(word.load(Ordering::Relaxed)))),
            Give::Swap(n, seen) => {
                let given = seen.with_level(seen.level() - n);
                // Release: as in `Leave`.
                match word.compare_exchange(seen.0, given.0, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => Done(given.is_waiting().then_some(given)),
                    Err(now) => Next(Give::Swap(n, Word(now))),
                }
            }
        }
    }
}

/// Withdraws places: free ones at once, the others are owed by those who hold them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Withdraw {
    Look(u32),
    Swap(u32, Word),
}

impl Withdraw {
    pub(crate) fn step(self, word: &impl Cell) -> Step<Withdraw, ()> {
        match self {
            // Relaxed: the swap checks what was read.
            Withdraw::Look(n) => Next(Withdraw::Swap(n, Word(word.load(Ordering::Relaxed)))),
            Withdraw::Swap(n, seen) => {
                let fewer = seen.with_level(seen.level() + n);
                // Relaxed: nobody enters by this, and as a read-modify-write it continues the
                // leavers' release sequences for whoever takes these places when they come back.
                match word.compare_exchange(seen.0, fewer.0, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => Done(()),
                    Err(now) => Next(Withdraw::Swap(n, Word(now))),
                }
            }
        }
    }
}

/// Clears a WAITING flag that nobody needs any more. Best effort: a flag that stays costs time only.
///
/// Not where one can wait: there the flag falls under the lock of the line only.
#[cfg_attr(feature = "wait", allow(dead_code))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Settle(pub(crate) Word);

#[cfg_attr(feature = "wait", allow(dead_code))]
impl Settle {
    pub(crate) fn step(self, word: &impl Cell) -> Step<Settle, ()> {
        let Settle(seen) = self;
        if seen.owed() == 0 {
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
    Swap { at_least: u32, places: u32, seen: Word },
}

impl CloseIf {
    fn decide(at_least: u32, places: u32, seen: Word) -> Step<CloseIf, Result<u32, u32>> {
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
                CloseIf::decide(at_least, places, Word(word.load(Ordering::Acquire)))
            }
            CloseIf::Swap { at_least, places, seen } => {
                let closed = seen.0 | CLOSED;
                // Acquire, on failure too: as in `Look`.
                match word.compare_exchange(seen.0, closed, Ordering::Acquire, Ordering::Acquire) {
                    Ok(_) => Done(Ok(seen.held(places))),
                    Err(now) => CloseIf::decide(at_least, places, Word(now)),
                }
            }
        }
    }
}

/// Lets nobody new in. True if the slot was open.
pub(crate) fn close(word: &AtomicU32) -> bool {
    // Relaxed: forbids what comes later and publishes nothing.
    !Word(word.fetch_or(CLOSED, Ordering::Relaxed)).is_closed()
}

/// Lets people in again. True if the slot was closed.
pub(crate) fn reopen(word: &AtomicU32) -> bool {
    // Release: who enters after the reopening sees what was written before it.
    Word(word.fetch_and(!CLOSED, Ordering::Release)).is_closed()
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
    pub(crate) fn enter(&self) -> Result<u32, Refused> {
        self.look()?;
        self.enter_unseen()
    }

    /// The first half of [`enter`](Self::enter): refuses if there is nothing to be had.
    #[inline]
    pub(crate) fn look(&self) -> Result<(), Refused> {
        match Enter::Look.step(&self.word) {
            Done(Err(refused)) => Err(refused),
            _ => Ok(()),
        }
    }

    /// The second half of [`enter`](Self::enter); alone, for a caller who has reason to believe that
    /// a place is free.
    #[inline]
    pub(crate) fn enter_unseen(&self) -> Result<u32, Refused> {
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
        otherwise: impl FnOnce(Result<u32, Refused>) -> Result<(), E>,
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
    fn finish_entering(&self, state: Enter) -> Result<u32, Refused> {
        run!(state, &self.word)
    }

    /// Gives one place back; yields the word that it left behind if somebody waits.
    #[inline]
    pub(crate) fn leave(&self) -> Option<Word> {
        match Leave.step(&self.word) {
            Next(state) => self.finish_leaving(state),
            Done(left) => left,
        }
    }

    #[cold]
    #[inline(never)]
    fn finish_leaving(&self, state: Leave) -> Option<Word> {
        run!(state, &self.word)
    }

    /// Claims `n` places, all or none; yields the level that includes them, with WAITING if that
    /// stands.
    pub(crate) fn take(&self, n: u32) -> Result<u32, Refused> {
        run!(Take::Look(n), &self.word)
    }

    /// Gives `n` places back, or adds `n` new ones; yields the word that it left behind if somebody
    /// waits.
    pub(crate) fn give(&self, n: u32) -> Option<Word> {
        run!(Give::Look(n), &self.word)
    }

    /// Withdraws `n` places, now or as their holders leave.
    pub(crate) fn withdraw(&self, n: u32) {
        run!(Withdraw::Look(n), &self.word)
    }

    /// Clears WAITING after `seen` if no place is owed.
    #[cfg(not(feature = "wait"))]
    #[cold]
    #[inline(never)]
    pub(crate) fn settle(&self, seen: Word) {
        run!(Settle(seen), &self.word)
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
    pub(crate) fn read(&self) -> Word {
        // Acquire: pairs with the Release of `Leave`: who reads that a holder has left sees what the
        // holder wrote.
        Word(self.word.load(Ordering::Acquire))
    }
}
