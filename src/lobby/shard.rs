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
//! Hints at levels that a room has left stay, and are cleared by the search that stumbles over them.
//!
//! The filling room is a register before the hints. Most who join go to the room that the last one
//! went to, or to the one that somebody has just left: for these no hint is written at all.

use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use super::hints::{lower, raise, Found};
use super::life::{Life, Shut, Size};
use super::room::{At, Entered, Page};
use crate::sync::{load_seq_cst, AtomicU64, Ordering};

/// No room is filling.
const NONE: u64 = u64::MAX;

/// How many bits of an index say which page it is in.
pub(super) const PAGE_BITS: u32 = 5;

const PAGES: usize = 1 << PAGE_BITS;

/// Rooms among which a newcomer chooses.
pub(super) struct Shard<T> {
    /// The index of the room to try first.
    filling: CachePadded<AtomicU64>,
    /// One bit for every level at which there may be a hint.
    levels: Box<[AtomicU64]>,
    /// For every level one bit for every page in which there may be a hint.
    pages_at: Box<[AtomicU64]>,
    pages: [OnceLock<Page<T>>; PAGES],
    size: Size,
    /// The number of bits of an offset in the first page, and in the largest.
    first_bits: u32,
    offset_bits: u32,
}

/// Where a newcomer is sent.
pub(super) struct Choice<'a, T> {
    pub(super) at: At<'a, T>,
    pub(super) seen: Life,
    /// The level of the hint that led there; `None` if the room is filling.
    level: Option<u32>,
}

fn zeros(n: usize) -> Box<[AtomicU64]> {
    core::iter::repeat_with(|| AtomicU64::new(0)).take(n).collect()
}

impl<T> Shard<T> {
    /// For rooms of so many seats, with `1 << first_bits` of them in the first page, and at most
    /// `1 << offset_bits` in any.
    pub(super) fn new(size: Size, first_bits: u32, offset_bits: u32) -> Shard<T> {
        let levels = size.seats() as usize;
        Shard {
            filling: CachePadded::new(AtomicU64::new(NONE)),
            levels: zeros(levels.div_ceil(64)),
            pages_at: zeros(levels),
            pages: [const { OnceLock::new() }; PAGES],
            size,
            first_bits,
            offset_bits,
        }
    }

    /// The room of that index, if there is one.
    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<At<'_, T>> {
        let page = self.pages.get(index >> self.offset_bits)?.get()?;
        let offset = index & ((1 << self.offset_bits) - 1);
        (offset < page.len()).then_some(At { page, index, offset })
    }

    /// The index of a room.
    fn index(&self, page: u32, offset: usize) -> usize {
        (page as usize) << self.offset_bits | offset
    }

    /// All rooms that ever were.
    pub(super) fn all(&self) -> impl Iterator<Item = At<'_, T>> {
        self.pages.iter().map_while(OnceLock::get).zip(0..).flat_map(move |(page, number)| {
            (0..page.len()).map(move |offset| At {
                page,
                index: self.index(number, offset),
                offset,
            })
        })
    }

    /// Enters the most populated room that admits. `None` if there is none.
    #[inline]
    pub(super) fn join(&self) -> Option<(At<'_, T>, Entered)> {
        loop {
            let Choice { at, seen, level } = self.choose()?;
            let Ok(entered) = at.enter_seen(seen) else { continue };
            match level {
                Some(level) => self.drop_hint(level, at),
                None => self.offer(at, entered.life),
            }
            return Some((at, entered));
        }
    }

    /// Enters that room under that generation.
    #[inline]
    pub(super) fn join_room(&self, at: At<'_, T>, generation: u32) -> Result<Entered, Shut> {
        let entered = at.enter(generation)?;
        self.offer(at, entered.life);
        Ok(entered)
    }

    /// The most populated room that admits.
    #[inline]
    pub(super) fn choose(&self) -> Option<Choice<'_, T>> {
        // Relaxed: a hint.
        let filling = self.filling.load(Ordering::Relaxed);
        if let Some(at) = self.at(filling as usize) {
            let seen = at.state().read();
            if seen.admits() && seen.held(self.size) >= self.top() {
                return Some(Choice { at, seen, level: None });
            }
        }
        self.search()
    }

    /// As `choose`, where the filling room is not the one, or may not be.
    #[inline(never)]
    fn search(&self) -> Option<Choice<'_, T>> {
        loop {
            // Relaxed: a hint.
            let filling = self.at(self.filling.load(Ordering::Relaxed) as usize);
            let filling =
                filling.map(|at| (at, at.state().read())).filter(|(_, life)| life.admits());
            let level = self.top();
            if filling.is_some_and(|(_, life)| life.held(self.size) >= level) || level == 0 {
                return filling.map(|(at, seen)| Choice { at, seen, level: None });
            }
            let Some(at) = self.find(level) else {
                let (word, bit) = self.level_bit(level);
                lower(word, bit);
                // SeqCst: as in `hints`: who puts a hint there now looks at that bit afterwards.
                if load_seq_cst(&self.pages_at[level as usize]) != 0 {
                    raise(word, bit);
                }
                continue;
            };
            let seen = at.state().read();
            if seen.admits() && seen.held(self.size) == level {
                return Some(Choice { at, seen, level: Some(level) });
            }
            self.drop_hint(level, at);
        }
    }

    /// A vacant room and its generation. Makes a page if there is none.
    pub(super) fn vacancy(&self) -> Option<(At<'_, T>, u32)> {
        loop {
            match self.find(0) {
                Some(at) => {
                    let life = at.state().read();
                    if life.is_vacant(self.size) {
                        return Some((at, life.generation()));
                    }
                    self.drop_hint(0, at);
                }
                None => self.grow()?,
            }
        }
    }

    /// True if that is the vacant room that would be opened now.
    pub(super) fn opens_next(&self, at: At<'_, T>) -> bool {
        self.vacancy().is_some_and(|(next, _)| next.index == at.index)
    }

    /// Clears the hint to a room that one has claimed, and will offer again.
    pub(super) fn forget_vacancy(&self, at: At<'_, T>) {
        at.page.hints.clear(0, at.offset);
    }

    #[cold]
    fn grow(&self) -> Option<()> {
        let number = self.pages.iter().take_while(|page| page.get().is_some()).count() as u32;
        let bits = (self.first_bits + number.saturating_sub(1)).min(self.offset_bits);
        let page = self.pages.get(number as usize)?;
        page.get_or_init(|| Page::new(1 << bits, self.size));
        self.surface(0, number);
        Some(())
    }

    /// Sees to it that a room that admits can be found, after a change to it that left it so.
    #[inline]
    pub(super) fn offer(&self, at: At<'_, T>, life: Life) {
        if life.admits() {
            // SeqCst: comes after the change; see the module.
            let filling = load_seq_cst(&self.filling);
            if filling != at.index as u64 {
                self.offer_beside(filling, at, life);
            }
        }
    }

    /// Puts a room in the place of the filling one if that does not admit or has fewer members, and
    /// else hints at it.
    #[inline]
    fn offer_beside(&self, filling: u64, at: At<'_, T>, life: Life) {
        let other = self.at(filling as usize);
        let seen = other.map(|other| other.state().read());
        let fewer = |seen: Life| !seen.admits() || seen.held(self.size) < life.held(self.size);
        if seen.map_or(true, fewer) {
            // SeqCst: comes before the second reading of the other; see the module. Relaxed on
            // failure: somebody else offered a room; this one gets a hint.
            let replaced = self.filling.compare_exchange(
                filling,
                at.index as u64,
                Ordering::SeqCst,
                Ordering::Relaxed,
            );
            if replaced.is_ok() {
                if let Some(other) = other {
                    let life = other.state().read_after();
                    if life.admits() {
                        self.set_hint(life.held(self.size), other);
                    }
                }
                return;
            }
        }
        self.set_hint(life.held(self.size), at);
    }

    /// As `offer`, for a room that may be vacant, and after a change to a hint.
    pub(super) fn offer_again(&self, at: At<'_, T>) {
        let life = at.state().read_after();
        if life.is_vacant(self.size) {
            self.set_hint(0, at);
        } else {
            self.offer(at, life);
        }
    }

    #[cold]
    fn set_hint(&self, level: u32, at: At<'_, T>) {
        if !at.page.hints.set(level, at.offset) {
            self.surface(level, (at.index >> self.offset_bits) as u32);
        }
    }

    /// Clears a hint, whether it was followed or is out of date.
    pub(super) fn drop_hint(&self, level: u32, at: At<'_, T>) {
        at.page.hints.clear(level, at.offset);
        self.offer_again(at);
    }

    /// Sets the summaries above a page.
    fn surface(&self, level: u32, page: u32) {
        if !raise(&self.pages_at[level as usize], page) {
            let (word, bit) = self.level_bit(level);
            raise(word, bit);
        }
    }

    fn level_bit(&self, level: u32) -> (&AtomicU64, u32) {
        (&self.levels[level as usize / 64], level % 64)
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

    /// A room with a hint at that level.
    fn find(&self, level: u32) -> Option<At<'_, T>> {
        let pages_at = &self.pages_at[level as usize];
        loop {
            // Acquire: pairs with `raise` in `surface`: a page that has a bit is there.
            let pages = pages_at.load(Ordering::Acquire);
            if pages == 0 {
                return None;
            }
            let number = pages.trailing_zeros();
            let page = self.pages[number as usize].get()?;
            match page.hints.find(level) {
                Found::Room(offset) => {
                    return Some(At { page, index: self.index(number, offset), offset });
                }
                Found::Nothing => {
                    lower(pages_at, number);
                    if page.hints.any(level) {
                        self.surface(level, number);
                    }
                }
                Found::Again => {}
                Found::Surfaced => self.surface(level, number),
            }
        }
    }
}
