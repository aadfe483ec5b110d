//! Choosing: which room a newcomer is sent to.
//!
//! # Invariant
//!
//! A room that admits is the shard's *filling* room or has a hint at its level, and a vacant room has
//! a hint at level 0, once calls are quiet. Hints and filling room are never the truth: a room is
//! entered, opened or refused by its own word alone.
//!
//! Two rules keep this so. Whoever changes a room's word so that it is to be found at another level
//! *offers* it afterwards. Whoever clears a room's hint, or puts another room in the place of the
//! filling one, reads that room's word afterwards, and offers it. An offer writes nothing where the
//! right hint stands already or the room is filling. So of one who changes a room and finds it well
//! hinted, and one who takes that hint away and finds the room not in need of it, one came second
//! and saw what the other did: all these operations are SeqCst.
//!
//! Hints stay when a room leaves their level, for it often comes back to it: then nothing is written.
//! The search that comes upon them clears them, up to a word of them in one step. So a search may be
//! long, but never are more hints cleared than were set before.
//!
//! Two registers go before the hints, so that most who come write nothing but the room's own word. The
//! filling room is the one to which people come one after the other. The other is the memory that each
//! thread has of the room that it left last (`left`): a short cut only, which may be lost.

use crossbeam_utils::CachePadded;

use super::hints::{lower, raise, Found};
use super::room::{Page, RoomRef, TakenSeat};
use super::{last_left, Lobby};
use crate::protocol::room::{RoomSize, RoomWord};
use crate::sync::{load_seq_cst, AtomicU64, Ordering};

/// No room.
const NONE: u64 = u64::MAX;

/// What is known of the rooms among which a newcomer chooses.
pub(super) struct RoomIndex {
    /// The location of the filling room.
    filling: CachePadded<AtomicU64>,
    /// The location of a room that was found to be vacant: a short cut, as long as it is.
    next: CachePadded<AtomicU64>,
    /// One bit for every level at which there may be a hint.
    levels: Box<[AtomicU64]>,
    /// For every level one bit for every page in which there may be a hint.
    pages_at: Box<[AtomicU64]>,
}

/// Where a newcomer is sent.
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

    /// The highest level at which there may be a hint, or 0.
    #[inline]
    fn top(&self) -> u32 {
        // Relaxed: a hint.
        let bits = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let highest = |bits: u64| 63u32.wrapping_sub(bits.leading_zeros());
        match &*self.levels {
            [only] => highest(bits(only) | 1),
            words => words.iter().rposition(|word| bits(word) != 0).map_or(0, |position| {
                // Emptied since: found again by the next look.
                position as u32 * 64 + highest(bits(&words[position]) | 1)
            }),
        }
    }

    /// Sets the summaries above a page.
    fn surface(&self, level: u32, page: u32) {
        if !raise(&self.pages_at[level as usize], page) {
            let (word, bit) = self.level_bit(level);
            raise(word, bit);
        }
    }

    /// Clears the summary of a level at which no hint was found.
    fn sink(&self, level: u32) {
        let (word, bit) = self.level_bit(level);
        lower(word, 1 << bit);
        // SeqCst: as in `hints`: who puts a hint there now looks at that bit afterwards.
        if load_seq_cst(&self.pages_at[level as usize]) != 0 {
            raise(word, bit);
        }
    }

    fn level_bit(&self, level: u32) -> (&AtomicU64, u32) {
        (&self.levels[level as usize / 64], level % 64)
    }
}

impl<T> Lobby<T> {
    /// Enters the most populated room of a shard that admits. `None` if there is none.
    pub(super) fn join_in(&self, shard: usize) -> Option<(RoomRef<'_, T>, TakenSeat)> {
        loop {
            let Choice { at, seen } = self.choose(shard)?;
            if let Ok(entered) = at.enter_seen(seen) {
                self.offer(at, entered.word);
                return Some((at, entered));
            }
        }
    }

    /// The most populated room of a shard that admits.
    #[inline(always)]
    pub(super) fn choose(&self, shard: usize) -> Option<Choice<'_, T>> {
        let known = self.known(shard);
        if known.is_some() || self.shards[shard].top() == 0 {
            return known;
        }
        self.choose_by_search(shard)
    }

    /// As `choose`, where the hints are to be followed.
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

    /// As `choose`, if it can be known without a search.
    #[inline(always)]
    fn known(&self, shard: usize) -> Option<Choice<'_, T>> {
        if let Some(left) = self.left_last(shard) {
            return Some(left);
        }
        let index = &*self.shards[shard];
        // Acquire: pairs with the exchange in `offer_at`, so that the room's page is there.
        let at = self.pages.at(index.filling.load(Ordering::Acquire) as u32)?;
        let seen = at.room.read();
        let is_best = seen.admits() && seen.held(self.size) >= index.top();
        is_best.then_some(Choice { at, seen })
    }

    /// The room that this thread left last, if it is one of that shard and has one seat left: there is
    /// none that it would be better to fill.
    #[inline]
    pub(super) fn left_last(&self, shard: usize) -> Option<Choice<'_, T>> {
        let at = self.pages.at(last_left::last(self)?)?;
        let seen = at.room.read();
        let is_best = seen.has_last_seat() && self.pages.shard_of(at.location) == shard;
        is_best.then_some(Choice { at, seen })
    }

    /// A vacant room of a shard. Makes a page if there is none.
    pub(super) fn vacant(&self, shard: usize) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        loop {
            // Acquire: pairs with the store below, so that the room's page is there.
            let next = self.pages.at(index.next.load(Ordering::Acquire) as u32);
            let next = next.map(|at| Choice { at, seen: at.room.read() });
            match next {
                Some(Choice { seen, .. }) if seen.is_vacant(self.size) => return next,
                _ => {}
            }
            match self.find(shard, 0) {
                // Release: pairs with the load above.
                Some(found) => index.next.store(found.at.location.into(), Ordering::Release),
                None => index.surface(0, self.pages.grow(shard)?),
            }
        }
    }

    /// Sees to it that a room that admits can be found, after a change to it that left it so.
    #[inline]
    pub(super) fn offer(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if word.admits() {
            self.offer_at(at.location, word);
        }
    }

    /// As `offer`, after a leaving: of the room that was left last its own thread knows.
    #[inline]
    pub(super) fn offer_left(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if word.admits() {
            last_left::note(self, at.location);
            let level = word.held(self.size);
            if !at.page.hints.stands(level, at.offset()) {
                self.hint_at(at.location, level);
            }
        }
    }

    /// Hints at a room unless it is filling.
    #[inline(never)]
    fn hint_at(&self, location: u32, level: u32) {
        let index = &*self.shards[self.pages.shard_of(location)];
        // SeqCst: comes after the change; see the module.
        if load_seq_cst(&index.filling) != u64::from(location) {
            self.set_hint(location, level);
        }
    }

    /// Puts a room in the place of the filling one if that does not admit or has fewer members, and
    /// else hints at it.
    #[inline(never)]
    fn offer_at(&self, location: u32, word: RoomWord) {
        let index = &*self.shards[self.pages.shard_of(location)];
        // SeqCst: comes after the change; see the module.
        let filling = load_seq_cst(&index.filling);
        if filling == u64::from(location) {
            return;
        }
        let other = self.pages.at(filling as u32);
        let seen = other.map(|other| other.room.read());
        let fewer = |seen: RoomWord| !seen.admits() || seen.held(self.size) < word.held(self.size);
        if seen.map_or(true, fewer) {
            // SeqCst: comes before the second reading of the other; see the module. Relaxed on
            // failure: somebody else offered a room; this one gets a hint.
            let replaced = index.filling.compare_exchange(
                filling,
                u64::from(location),
                Ordering::SeqCst,
                Ordering::Relaxed,
            );
            if replaced.is_ok() {
                if let Some(other) = other {
                    let word = other.room.read_after();
                    if word.admits() {
                        self.set_hint(other.location, word.held(self.size));
                    }
                }
                return;
            }
        }
        self.set_hint(location, word.held(self.size));
    }

    /// As `offer`, for a room that may be vacant, and after a change to a hint.
    pub(super) fn offer_again(&self, at: RoomRef<'_, T>) {
        let word = at.room.read_after();
        if word.is_vacant(self.size) {
            self.set_hint(at.location, 0);
        } else {
            self.offer(at, word);
        }
    }

    fn set_hint(&self, location: u32, level: u32) {
        let Some(RoomRef { page, .. }) = self.pages.at(location) else { return };
        if !page.hints.set(level, page.offset(location)) {
            let index = &self.shards[self.pages.shard_of(location)];
            index.surface(level, self.pages.number_of(location));
        }
    }

    /// A room of a shard at that level: one that admits, or a vacant one at level 0.
    fn find(&self, shard: usize, level: u32) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        let pages_at = &index.pages_at[level as usize];
        loop {
            // Acquire: pairs with `raise` in `surface`: a page that has a bit is there.
            let pages = pages_at.load(Ordering::Acquire);
            if pages == 0 {
                return None;
            }
            let number = pages.trailing_zeros();
            let (page, start) = self.pages.page(shard, number)?;
            match page.hints.find(level) {
                Found::Rooms(first, hints) => {
                    let found = self.pick(level, page, start + first as u32, hints);
                    if found.is_some() {
                        return found;
                    }
                }
                Found::Nothing => {
                    lower(pages_at, 1 << number);
                    if page.hints.any(level) {
                        index.surface(level, number);
                    }
                }
                Found::Again => {}
                Found::Surfaced => index.surface(level, number),
            }
        }
    }

    /// The first of 64 rooms that has a hint and is at that level. Clears the hints to those before it.
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
            let seen = at.room.read();
            if seen.is_at(level, self.size) {
                found = Some(Choice { at, seen });
                break;
            }
            rest &= rest - 1;
        }
        let mut stale = hints & !rest;
        if stale != 0 {
            page.hints.clear(level, page.offset(first), stale);
            while stale != 0 {
                self.offer_again(room(stale)?);
                stale &= stale - 1;
            }
        }
        found
    }
}
