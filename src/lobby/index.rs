//! The choice of the room that `join` goes to.
//!
//! # Invariant
//!
//! Once calls are quiet, a room that admits is the shard's *filling* room or has a hint at its
//! level, and a vacant room has a hint at level 0. Hints and the filling room are only hints: a
//! room is entered, opened or refused by its own word alone.
//!
//! Two rules maintain the invariant. A thread that changes a room's word, so that the room belongs
//! to another level, *offers* the room afterwards. A thread that clears a room's hint, or replaces
//! the filling room, reads the word of that room afterwards and offers the room. An offer writes
//! nothing if the right hint is set already or the room is the filling one.
//!
//! Store buffering (Dekker): A changes a room's word, then reads the hint (or the filling room); B
//! clears the hint (or replaces the filling room), then reads the word. All four are SeqCst:
//! - if A's change comes first, B reads the new word and sets the hint;
//! - if B's clearing comes first, A finds no hint and sets it.
//!
//! A hint stays when its room leaves the level, as the room often returns to it: then nothing is
//! written. A search that comes upon such hints clears up to 64 of them in one step. A search may
//! therefore be long, but all searches together clear no more hints than were set.
//!
//! Two shortcuts are tried before the hints, so that most callers write only the room's word. One
//! is the filling room, which successive callers join. The other is the last-left cache of each
//! thread (`last_left`), whose entry may be lost.

use crossbeam_utils::CachePadded;

use super::hints::{look, lower, raise, Found};
use super::room::{Page, RoomRef, TakenSeat};
use super::{last_left, Lobby};
use crate::protocol::mutants::mutant;
use crate::protocol::room::{RoomSize, RoomWord};
use crate::sync::{load_seq_cst, AtomicU64, Ordering};

/// The value of a location that is no room.
const NONE: u64 = u64::MAX;

/// The hints of one shard to its rooms.
pub(super) struct RoomIndex {
    /// The location of the filling room.
    filling: CachePadded<AtomicU64>,
    /// The location of a room that a search found to be vacant. It is of use while the room is
    /// vacant.
    next: CachePadded<AtomicU64>,
    /// One bit for every level at which hints may be set.
    levels: Box<[AtomicU64]>,
    /// For every level, one bit for every page in which hints may be set.
    pages_at: Box<[AtomicU64]>,
}

/// The room that a caller is sent to.
pub(super) struct Choice<'a, T> {
    pub(super) at: RoomRef<'a, T>,
    pub(super) seen: RoomWord,
}

fn zeros(n: usize) -> Box<[AtomicU64]> {
    core::iter::repeat_with(|| AtomicU64::new(0)).take(n).collect()
}

impl RoomIndex {
    pub(super) fn new(size: RoomSize) -> RoomIndex {
        let levels = size.seats() as usize;
        RoomIndex {
            filling: CachePadded::new(AtomicU64::new(NONE)),
            next: CachePadded::new(AtomicU64::new(NONE)),
            levels: zeros(levels.div_ceil(64)),
            pages_at: zeros(levels),
        }
    }

    /// Returns the highest level at which hints may be set, or 0.
    #[inline]
    fn top(&self) -> u32 {
        // Relaxed: only a hint.
        let bits = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let highest = |bits: u64| 63u32.wrapping_sub(bits.leading_zeros());
        match &*self.levels {
            [only] => highest(bits(only) | 1),
            words => words.iter().rposition(|word| bits(word) != 0).map_or(0, |position| {
                // If the word was cleared in between, the caller looks again.
                position as u32 * 64 + highest(bits(&words[position]) | 1)
            }),
        }
    }

    /// Sets the summaries above a page.
    fn surface(&self, level: u32, page: u32) {
        raise(&self.pages_at[level as usize], page);
        let (word, bit) = self.level_bit(level);
        raise(word, bit);
    }

    /// Clears the summary of a level at which the caller found no hint.
    fn sink(&self, level: u32) {
        let (word, bit) = self.level_bit(level);
        lower(word, 1 << bit);
        // SeqCst, the second look after `lower`. Pairs with `raise`: see `hints`.
        let pages = look(&self.pages_at[level as usize], mutant!("lobby-level-look-not-seq-cst"));
        if pages != 0 && !mutant!("lobby-level-not-read-again") {
            raise(word, bit);
        }
    }

    fn level_bit(&self, level: u32) -> (&AtomicU64, u32) {
        (&self.levels[level as usize / 64], level % 64)
    }
}

impl<T> Lobby<T> {
    /// Enters the most populated room of a shard that admits. Returns `None` if no room admits.
    pub(super) fn join_in(&self, shard: usize) -> Option<TakenSeat> {
        loop {
            let Choice { at, seen } = self.choose(shard)?;
            if let Ok(taken) = at.enter_seen(seen) {
                self.offer(at, taken.word());
                return Some(taken);
            }
        }
    }

    /// Returns the most populated room of a shard that admits.
    #[inline(always)]
    pub(super) fn choose(&self, shard: usize) -> Option<Choice<'_, T>> {
        let known = self.known(shard);
        if known.is_some() || self.shards[shard].top() == 0 {
            return known;
        }
        self.choose_by_search(shard)
    }

    /// As `choose`, by a search through the hints.
    #[inline(never)]
    fn choose_by_search(&self, shard: usize) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        loop {
            match index.top() {
                0 => return self.known(shard),
                level => match self.find(shard, level) {
                    None => index.sink(level),
                    found => return found,
                },
            }
            let known = self.known(shard);
            if known.is_some() {
                return known;
            }
        }
    }

    /// As `choose`, if the answer is known without a search.
    #[inline(always)]
    fn known(&self, shard: usize) -> Option<Choice<'_, T>> {
        if let Some(left) = self.left_last(shard) {
            return Some(left);
        }
        let index = &*self.shards[shard];
        // Acquire, pairs with the exchange in `offer_at`: the room's page is initialized. No model
        // can kill its weakening: the page is in a `OnceLock`, which synchronises by itself.
        let at = self.pages.at(index.filling.load(Ordering::Acquire) as u32)?;
        let seen = at.read();
        let is_best = seen.admits() && seen.held(self.size) >= index.top();
        is_best.then_some(Choice { at, seen })
    }

    /// Returns the room that this thread left last, if it is in that shard and has exactly one free
    /// seat: no room fits better.
    #[inline]
    pub(super) fn left_last(&self, shard: usize) -> Option<Choice<'_, T>> {
        let at = self.pages.at(last_left::last(self)?)?;
        let seen = at.read();
        let is_best = seen.has_last_seat() && self.pages.shard_of(at.location()) == shard;
        is_best.then_some(Choice { at, seen })
    }

    /// Returns a vacant room of a shard. Creates a page if the shard has no vacant room.
    pub(super) fn vacant(&self, shard: usize) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        loop {
            // Acquire, pairs with the store below: the room's page is initialized. No model can
            // kill the weakening of either: the page is in a `OnceLock`, which synchronises by
            // itself.
            let next = self.pages.at(index.next.load(Ordering::Acquire) as u32);
            let next = next.map(|at| Choice { at, seen: at.read() });
            match next {
                Some(Choice { seen, .. }) if seen.is_vacant(self.size) => return next,
                _ => {}
            }
            match self.find(shard, 0) {
                // Release, pairs with the load above.
                Some(found) => index.next.store(found.at.location().into(), Ordering::Release),
                None => index.surface(0, self.pages.grow(shard)?),
            }
        }
    }

    /// Makes a room findable, if it admits after a change by the caller.
    #[inline]
    pub(super) fn offer(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if word.admits() {
            self.offer_at(at.location(), word);
        }
    }

    /// As `offer`, after a leave. The calling thread also remembers the room as the one it left
    /// last.
    #[inline]
    pub(super) fn offer_left(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if word.admits() {
            last_left::record(self, at.location());
            let level = word.held(self.size);
            if !at.page().hints().stands(level, at.offset()) {
                self.hint_at(at.location(), level);
            }
        }
    }

    /// Sets a hint to a room unless it is the filling room.
    #[inline(never)]
    fn hint_at(&self, location: u32, level: u32) {
        let index = &*self.shards[self.pages.shard_of(location)];
        // SeqCst, comes after the change to the room. Pairs with the exchange in `offer_at`:
        // - if this load comes first and finds the room filling, the thread that replaces it reads
        //   the room's new word afterwards and sets a hint;
        // - if the exchange comes first, this load finds another room filling, and a hint is set.
        // No model can kill its weakening: the fence in loom's `stands` comes first.
        let filling = load_seq_cst(&index.filling);
        if filling != u64::from(location) && !mutant!("lobby-left-not-hinted") {
            self.set_hint(location, level);
        }
    }

    /// Makes the room the filling one if the present filling room does not admit or has fewer
    /// members; sets a hint to the room otherwise.
    #[inline(never)]
    fn offer_at(&self, location: u32, word: RoomWord) {
        let index = &*self.shards[self.pages.shard_of(location)];
        // SeqCst, comes after the change to the room. Pairs with the exchange below: as in
        // `hint_at`. No model can kill its weakening: wherever the room did not admit before the
        // change, the fence in loom's `read_after` comes first.
        let filling = load_seq_cst(&index.filling);
        if filling == u64::from(location) {
            return;
        }
        let other = self.pages.at(filling as u32);
        let seen = other.map(|other| other.read());
        let fewer = |seen: RoomWord| !seen.admits() || seen.held(self.size) < word.held(self.size);
        if seen.is_none_or(fewer) {
            // SeqCst, comes before the second reading of the replaced room. Pairs with the loads of
            // `filling` in `hint_at` and above: see there. No model can kill its weakening: loom's
            // `load_seq_cst` has a fence, which comes after it.
            // Relaxed on failure: another caller has replaced the filling room; this room gets a
            // hint.
            let replaced = index.filling.compare_exchange(
                filling,
                u64::from(location),
                Ordering::SeqCst,
                Ordering::Relaxed,
            );
            if replaced.is_ok() {
                if let Some(other) = other {
                    let word = other.read_after();
                    if word.admits() && !mutant!("lobby-replaced-not-read-again") {
                        self.set_hint(other.location(), word.held(self.size));
                    }
                }
                return;
            }
        }
        self.set_hint(location, word.held(self.size));
    }

    /// As `offer`, for a room that may be vacant, or after the caller cleared a hint to it.
    pub(super) fn offer_again(&self, at: RoomRef<'_, T>) {
        let word = at.read_after();
        if word.is_vacant(self.size) {
            self.set_hint(at.location(), 0);
        } else {
            self.offer(at, word);
        }
    }

    fn set_hint(&self, location: u32, level: u32) {
        let Some(at) = self.pages.at(location) else { return };
        at.page().hints().set(level, at.offset());
        let index = &self.shards[self.pages.shard_of(location)];
        index.surface(level, self.pages.number_of(location));
    }

    /// Returns a room of a shard at that level: one that admits, or a vacant one at level 0.
    fn find(&self, shard: usize, level: u32) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        let pages_at = &index.pages_at[level as usize];
        loop {
            // Acquire, pairs with `raise` in `surface`: a page that has a bit is initialized. No
            // model can kill its weakening: the page is in a `OnceLock`, which synchronises by
            // itself.
            let pages = pages_at.load(Ordering::Acquire);
            if pages == 0 {
                return None;
            }
            let number = pages.trailing_zeros();
            let (page, start) = self.pages.page(shard, number)?;
            match page.hints().find(level) {
                Found::Rooms(first, hints) => {
                    let found = self.pick(level, page, start + first as u32, hints);
                    if found.is_some() {
                        return found;
                    }
                }
                Found::Nothing => {
                    lower(pages_at, 1 << number);
                    if page.hints().any(level) && !mutant!("lobby-page-not-read-again") {
                        index.surface(level, number);
                    }
                }
                Found::Again => {}
                Found::Surfaced => index.surface(level, number),
            }
        }
    }

    /// Returns the first of 64 rooms that has a hint and is at that level. Clears the hints to the
    /// rooms before it.
    fn pick<'a>(
        &self,
        level: u32,
        page: &'a Page<T>,
        first: u32,
        hints: u64,
    ) -> Option<Choice<'a, T>> {
        let room = |bits: u64| page.at(first + bits.trailing_zeros());
        let mut found = None;
        let mut rest = hints;
        while rest != 0 {
            let at = room(rest)?;
            let seen = at.read();
            if seen.is_at(level, self.size) {
                found = Some(Choice { at, seen });
                break;
            }
            rest &= rest - 1;
        }
        let mut stale = hints & !rest;
        if stale != 0 {
            page.hints().clear(level, page.offset(first), stale);
            while stale != 0 {
                if !mutant!("lobby-cleared-not-offered") {
                    self.offer_again(room(stale)?);
                }
                stale &= stale - 1;
            }
        }
        found
    }
}
