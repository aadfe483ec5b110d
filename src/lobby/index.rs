//! The choice of the room that `join` goes to.
//!
//! # Invariant
//!
//! Once calls are quiet, a room that is counted (`protocol/room.rs`) is the shard's *filling* room
//! or has a hint at some level, a room that admits is the filling room or has a hint at its own
//! level, and a vacant room that was open before has a hint at level 0. Hints and the filling room
//! are only hints: a room is entered, opened or refused by its own word alone, and before a caller
//! is refused or opens a room, a survey (`protocol/survey.rs`) proves that no room admits. So a
//! call that stops in the middle hides nothing.
//!
//! Two rules maintain the invariant. A thread that changes a room's word, so that the room belongs
//! to another level, *offers* the room afterwards. A thread that clears a room's hint, or replaces
//! the filling room, reads the word of that room afterwards, and offers the room. An offer writes
//! nothing if the right hint is set already or the room is the filling one.
//!
//! A room that is counted and does not admit has a hint at a last level of its own, or another one
//! that is out of date. A search for a free seat does not look at that level. A caller that finds
//! no seat clears it, and *passes* its rooms: then they do not count any more.
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
//! thread (`last_left`), whose entries may be lost.
//!
//! The rooms of a shard are opened in the order of their numbers. `fresh` is the first that was not
//! opened yet, as far as that was noticed; rooms below it that are vacant have hints.

use crossbeam_utils::CachePadded;

use super::hints::{lower, raise, Found};
use super::id::RoomId;
use super::room::{PageRef, RoomRef, TakenSeat};
use super::words::Words;
use super::{last_left, Lobby};
use crate::protocol::bound::Bounds;
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::room::{RoomSize, RoomWord};
use crate::sync::{load_seq_cst, AtomicU32, AtomicU64, Ordering};

/// The value of a location that is no room.
const NONE: u64 = u64::MAX;

/// The hints of one shard to its rooms, and the bounds.
pub(super) struct RoomIndex {
    /// The location of the filling room.
    filling: CachePadded<AtomicU64>,
    /// The location of a room that a search found to be vacant, or that has no page yet. It is of
    /// use while the room is vacant.
    next: CachePadded<AtomicU64>,
    /// The number of levels but for the last, which is for full rooms.
    levels: u32,
    /// One bit for every level at which hints may be set, but for the last; then, for every level,
    /// one bit for every page in which hints may be set.
    summaries: Words,
    /// The bounds on the rooms that count and on those that are vacant.
    pub(super) bounds: CachePadded<Bounds>,
    /// The number of the first room that was not opened yet, or a lower one.
    fresh: CachePadded<AtomicU32>,
    /// How many rooms may be open at once.
    pub(super) quota: u32,
    /// How many rooms may be used: the quota, and one for each retired room, or fewer.
    allowed: AtomicU32,
}

/// The room that a caller is sent to.
pub(super) struct Choice<'a, T> {
    pub(super) at: RoomRef<'a, T>,
    pub(super) seen: RoomWord,
}

impl RoomIndex {
    pub(super) fn new(size: RoomSize, quota: u32) -> RoomIndex {
        let levels = size.seats();
        RoomIndex {
            filling: CachePadded::new(AtomicU64::new(NONE)),
            next: CachePadded::new(AtomicU64::new(NONE)),
            levels,
            summaries: Words::new((levels.div_ceil(64) + levels + 1) as usize),
            bounds: CachePadded::new(Bounds::new(quota)),
            fresh: CachePadded::new(AtomicU32::new(0)),
            quota,
            allowed: AtomicU32::new(quota),
        }
    }

    /// Returns the highest level at which hints may be set, or 0.
    #[inline]
    fn top(&self) -> u32 {
        // Relaxed: only a hint.
        let bits = |word| self.summaries.word(word).load(Ordering::Relaxed);
        let highest = |bits: u64| 63u32.wrapping_sub((bits | 1).leading_zeros());
        if self.levels <= 64 {
            return highest(bits(0));
        }
        let words = (0..self.levels.div_ceil(64)).rev();
        // If a word was cleared in between, the caller looks again.
        words
            .map(|word| (word, bits(word as usize)))
            .find(|&(_, bits)| bits != 0)
            .map_or(0, |(word, bits)| word * 64 + highest(bits))
    }

    /// Returns whether hints may be set at a level above that one, at which a room admits.
    #[inline]
    fn has_hint_above(&self, level: u32) -> bool {
        if self.levels > 64 {
            return self.top() > level;
        }
        // Relaxed: only a hint.
        self.summaries.word(0).load(Ordering::Relaxed) >> level > 1
    }

    fn pages_at(&self, level: u32) -> &AtomicU64 {
        self.summaries.word((self.levels.div_ceil(64) + level) as usize)
    }

    /// Sets the summaries above a page.
    fn surface(&self, level: u32, page: u32) {
        raise(self.pages_at(level), page);
        if level < self.levels {
            let (word, bit) = self.level_bit(level);
            raise(word, bit);
        }
    }

    /// Clears the summary of a level at which the caller found no hint.
    fn sink(&self, level: u32) {
        let (word, bit) = self.level_bit(level);
        lower(word, 1 << bit);
        // SeqCst, the second look after `lower`. Pairs with `raise`: see `hints`.
        let pages = load_seq_cst(
            self.pages_at(level),
            ordering!("lobby-level-look-not-seq-cst", SeqCst => Acquire),
        );
        if pages != 0 && !mutant!("lobby-level-not-read-again") {
            raise(word, bit);
        }
    }

    fn level_bit(&self, level: u32) -> (&AtomicU64, u32) {
        (self.summaries.word(level as usize / 64), level % 64)
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
        if last_left::last(self).is_some() {
            let left = self.left_or_forgotten(shard);
            if left.is_some() {
                return left;
            }
        }
        self.filling_room(shard)
    }

    /// Returns the filling room of a shard, if it admits and by the hints no room fits better.
    #[inline(always)]
    pub(super) fn filling_room(&self, shard: usize) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        // Relaxed: only a hint. If the caller does not see the room's page yet, it looks elsewhere.
        let at = self.pages.at(index.filling.load(Ordering::Relaxed) as u32)?;
        let seen = at.read();
        let is_best = seen.admits(self.size) && !index.has_hint_above(seen.members());
        is_best.then_some(Choice { at, seen })
    }

    /// Returns the room that this thread left last, with the word that it had then, if no room fits
    /// better: if it had exactly one free seat and is in that shard, where there are several.
    #[inline]
    pub(super) fn left_last(&self, shard: Option<usize>) -> Option<Choice<'_, T>> {
        let (location, seen) = last_left::last(self)?;
        let choice = Choice { at: self.pages.at(location)?, seen };
        self.fits_best(&choice, shard).then_some(choice)
    }

    #[inline]
    fn fits_best(&self, Choice { at, seen }: &Choice<'_, T>, shard: Option<usize>) -> bool {
        let is_there = shard.is_none_or(|shard| self.pages.shard_of(at.location()) == shard);
        seen.has_last_seat(self.size) && is_there
    }

    /// Returns the most populated room of a shard that admits `n` callers together.
    pub(super) fn choose_for(&self, shard: usize, n: u32) -> Option<Choice<'_, T>> {
        let index = &*self.shards[shard];
        // Relaxed: as in `filling_room`.
        let filling = self.pages.at(index.filling.load(Ordering::Relaxed) as u32);
        let filling = filling.map(|at| Choice { at, seen: at.read() });
        let filling = filling.filter(|choice| choice.seen.admits_many(n, self.size));
        let least = filling.as_ref().map_or(0, |choice| choice.seen.members());
        for level in (least + 1..=self.size.seats() - n).rev() {
            let (word, bit) = index.level_bit(level);
            // Relaxed: only a hint.
            if word.load(Ordering::Relaxed) & 1 << bit != 0 {
                match self.find(shard, level) {
                    None => index.sink(level),
                    found => return found,
                }
            }
        }
        filling
    }

    /// As `left_last`, with the present word. Forgets the rooms that are no answer, up to one that
    /// is.
    #[inline(never)]
    fn left_or_forgotten(&self, shard: usize) -> Option<Choice<'_, T>> {
        loop {
            let (location, _) = last_left::last(self)?;
            let left = self.pages.at(location).map(|at| Choice { at, seen: at.read() });
            let left = left.filter(|left| self.fits_best(left, Some(shard)));
            if left.is_some() {
                return left;
            }
            last_left::forget();
        }
    }

    /// Returns the id of the vacant room that a shard opens next. The room's page may not exist
    /// yet.
    #[inline]
    pub(super) fn vacancy(&self, shard: usize) -> Option<RoomId> {
        // Relaxed, here and below: only a hint, and the room's own word decides.
        let next = self.shards[shard].next.load(Ordering::Relaxed);
        self.if_vacant(next).or_else(|| self.other_vacancy(shard, next))
    }

    /// Returns the id of the room at that location if it is vacant.
    #[inline]
    fn if_vacant(&self, location: u64) -> Option<RoomId> {
        let Some(at) = self.pages.at(location as u32) else {
            // Without a page the room was never opened, as far as the caller can tell.
            return (location != NONE).then(|| RoomId::new(self.mark, location as u32, 1));
        };
        let seen = at.read();
        seen.is_vacant().then(|| self.id(Choice { at, seen }))
    }

    /// As `vacancy`, if `next` is not vacant.
    #[inline(never)]
    fn other_vacancy(&self, shard: usize, mut next: u64) -> Option<RoomId> {
        loop {
            let found = match self.find(shard, 0) {
                Some(found) => found.at.location(),
                None => self.fresh(shard)?,
            };
            // All callers are to name one room, so only a room that is not vacant is replaced.
            let replaced = self.shards[shard].next.compare_exchange(
                next,
                found.into(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            next = replaced.map_or_else(|now| now, |_| found.into());
            let vacant = self.if_vacant(next);
            if vacant.is_some() {
                return vacant;
            }
        }
    }

    /// Returns the location of the first room of a shard that was never opened and may be used.
    fn fresh(&self, shard: usize) -> Option<u32> {
        let index = &*self.shards[shard];
        loop {
            // Relaxed here and below: the room's own word decides.
            let number = index.fresh.load(Ordering::Relaxed);
            if number >= index.allowed.load(Ordering::Relaxed) {
                return None;
            }
            let location = self.pages.location(shard, number)?;
            match self.pages.at(location) {
                Some(at) if !at.read().is_fresh() => {
                    let _ = index.fresh.compare_exchange(
                        number,
                        number + 1,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    );
                }
                _ => return Some(location),
            }
        }
    }

    /// Returns the location of a room of a shard that may not be used and was never opened, if the
    /// shard can have such a room. The first rooms beyond `allowed` may be open: see
    /// `replace_retired`.
    pub(super) fn unused(&self, shard: usize) -> Option<u32> {
        // Relaxed: as in `fresh`.
        let allowed = self.shards[shard].allowed.load(Ordering::Relaxed);
        let mut beyond = (allowed..).map_while(|number| self.pages.location(shard, number));
        beyond.find(|&location| self.pages.at(location).is_none_or(|at| at.read().is_fresh()))
    }

    /// Lets one more room of a shard be used for one that is retired, if the shard can have one.
    /// Nothing else raises `allowed`: a room that a survey finds beyond it, while the call that
    /// closed a room for the last time is on its way here, is opened by its own number.
    #[cold]
    pub(super) fn replace_retired(&self, shard: usize) {
        let index = &*self.shards[shard];
        // Relaxed: as in `fresh`.
        let number = index.allowed.fetch_add(1, Ordering::Relaxed);
        if number >= self.pages.most_rooms() {
            index.bounds.vacant.retract(1);
        }
    }

    /// Makes a room findable, if it admits after a change by the caller.
    #[inline]
    pub(super) fn offer(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if word.admits(self.size) {
            self.offer_at(at.location(), word);
        }
    }

    /// As `offer`, after a leave, of a room that admits. The calling thread also remembers the room
    /// if it was full.
    #[inline]
    pub(super) fn offer_left(&self, at: RoomRef<'_, T>, word: RoomWord) {
        debug_assert!(word.admits(self.size));
        let level = word.members();
        if !at.page().hints().stands(level, at.offset()) {
            self.hint_at(at.location(), level);
        }
        if level + 1 == self.size.seats() {
            last_left::record(self, at.location(), word);
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
        let filling = load_seq_cst(&index.filling, Ordering::SeqCst);
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
        let filling = load_seq_cst(&index.filling, Ordering::SeqCst);
        if filling == u64::from(location) {
            return;
        }
        let other = self.pages.at(filling as u32);
        let seen = other.map(|other| other.read());
        let fewer = |seen: RoomWord| !seen.admits(self.size) || seen.members() < word.members();
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
                    if !mutant!("lobby-replaced-not-read-again") {
                        self.hint_again(other, other.read_after());
                    }
                }
                return;
            }
        }
        self.set_hint(location, word.members());
    }

    /// As `offer`, for a room that may be vacant, or after the caller cleared a hint to it.
    pub(super) fn offer_again(&self, at: RoomRef<'_, T>) {
        let word = at.read_after();
        if word.admits(self.size) {
            self.offer(at, word);
        } else {
            self.hint_again(at, word);
        }
    }

    /// Sets the hint that a room needs once it has lost one. Its word was read afterwards.
    fn hint_again(&self, at: RoomRef<'_, T>, word: RoomWord) {
        if word.is_vacant() {
            self.set_hint(at.location(), 0);
        } else if word.admits(self.size) {
            self.set_hint(at.location(), word.members());
        } else if word.is_counted() && !at.page().hints().stands(self.size.seats(), at.offset()) {
            self.set_hint(at.location(), self.size.seats());
        }
    }

    /// Passes all rooms of a shard that count and do not admit. Others may be left if calls change
    /// them meanwhile.
    pub(super) fn pass_full(&self, shard: usize) {
        // Relaxed: as in `filling_room`.
        let filling = self.shards[shard].filling.load(Ordering::Relaxed);
        if let Some(at) = self.pages.at(filling as u32) {
            self.read_or_pass(at);
        }
        // No room is at this level: all its hints are cleared.
        let found = self.find(shard, self.size.seats());
        debug_assert!(found.is_none());
    }

    /// Reads the word of a room that the caller may have made harder to find. If the room is
    /// counted and does not admit, it does not count afterwards.
    fn read_or_pass(&self, at: RoomRef<'_, T>) -> RoomWord {
        let mut word = at.read_after();
        while word.is_counted() && !word.admits(self.size) {
            match at.pass(word, self.bounds_of(at)) {
                Ok(passed) => return passed,
                // It may have been changed back before this thread reads it again.
                Err(_) => word = at.read_after(),
            }
        }
        word
    }

    /// Returns the bounds of a room's shard.
    #[inline]
    pub(super) fn bounds_of(&self, at: RoomRef<'_, T>) -> &Bounds {
        &self.shards[self.pages.shard_of(at.location())].bounds
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
        let pages_at = index.pages_at(level);
        loop {
            // Relaxed: only a hint. A page that the caller does not see yet is passed over.
            let pages = pages_at.load(Ordering::Relaxed);
            if pages == 0 {
                return None;
            }
            let number = pages.trailing_zeros();
            let (page, start) = self.pages.page(shard, number)?;
            match page.hints().find(level) {
                Found::Rooms(first, hints) => {
                    let found = self.pick(level, page, (start, first), hints);
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

    /// Returns the first room of one word that has a hint and is at that level. Clears the hints to
    /// the rooms before it. The page begins at location `start`, and the word at offset `first`.
    fn pick<'a>(
        &self,
        level: u32,
        page: PageRef<'a, T>,
        (start, first): (u32, usize),
        hints: u64,
    ) -> Option<Choice<'a, T>> {
        let room = |bits: u64| {
            let offset = first + bits.trailing_zeros() as usize;
            page.at(start + offset as u32, offset)
        };
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
            page.hints().clear(level, first, stale);
            while stale != 0 {
                let at = room(stale)?;
                if level == self.size.seats() {
                    let word = self.read_or_pass(at);
                    self.offer(at, word);
                } else if !mutant!("lobby-cleared-not-offered") {
                    self.offer_again(at);
                }
                stale &= stale - 1;
            }
        }
        found
    }
}

#[cfg(test)]
impl<T> Lobby<T> {
    /// Fails unless the invariant of this module holds, for a lobby whose calls are quiet.
    #[track_caller]
    pub(super) fn assert_index(&self) {
        for (number, index) in self.shards.iter().enumerate() {
            let mut counted = 0;
            for at in
                self.pages.all().filter(|at| self.bounds_of(*at) as *const _ == &*index.bounds)
            {
                let word = at.read();
                let findable = |level: u32| {
                    let page = 1 << self.pages.number_of(at.location());
                    let (levels, bit) = index.level_bit(level.min(index.levels - 1));
                    at.page().hints().is_findable(level, at.offset())
                        && index.pages_at(level).load(Ordering::SeqCst) & page != 0
                        && (level == index.levels || levels.load(Ordering::SeqCst) & 1 << bit != 0)
                };
                let filling = index.filling.load(Ordering::SeqCst) == u64::from(at.location());
                if word.admits(self.size) {
                    assert!(filling || findable(word.members()), "{word:?} has no hint");
                } else if word.is_counted() {
                    assert!(filling || (1..=index.levels).any(findable), "{word:?} is overlooked");
                } else if word.is_vacant() && !word.is_fresh() {
                    assert!(findable(0), "{word:?} has no hint at level 0");
                }
                counted += u32::from(word.is_counted());
            }
            assert_eq!(index.bounds.admitting.read().count(), counted, "of shard {number}");
        }
    }
}
