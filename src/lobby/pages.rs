//! The pages that rooms live in.
//!
//! # Invariant
//!
//! A page is made once, never moves, and never goes before its lobby does, so a location finds its
//! room for good. It is made of the number of the shard, of the page in it, and of the room's offset in
//! that. A shard's pages are made in order. The first two are of one size, and each of the others as
//! large as all before it together, as far as an offset goes.

use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use super::id::LOCATION_BITS;
use super::room::{Page, RoomRef};
use crate::protocol::room::RoomSize;

/// How many bits of a location say which of its shard's pages it is in.
const PAGE_BITS: u32 = 5;

/// The most pages of a shard.
const PAGES: usize = 1 << PAGE_BITS;

/// The most rooms in a shard's first page, as a power of two.
const FIRST_BITS: u32 = 6;

/// Rooms, as many as were ever needed.
pub(super) struct Pages<T> {
    /// Those of one shard after the other.
    pages: Box<[CachePadded<OnceLock<Page<T>>>]>,
    size: RoomSize,
    /// The number of bits of an offset in the first page, and in the largest.
    first_bits: u32,
    offset_bits: u32,
}

impl<T> Pages<T> {
    /// For so many shards, whose first pages need not have more than `rooms` rooms.
    pub(super) fn new(size: RoomSize, shards: u32, rooms: u32) -> Pages<T> {
        let shard_bits = shards.next_power_of_two().trailing_zeros();
        let page = || CachePadded::new(OnceLock::new());
        Pages {
            pages: (0..shards as usize * PAGES).map(|_| page()).collect(),
            size,
            first_bits: rooms.next_power_of_two().trailing_zeros().clamp(1, FIRST_BITS),
            offset_bits: LOCATION_BITS - PAGE_BITS - shard_bits,
        }
    }

    /// The room at that location, if there is one.
    #[inline]
    pub(super) fn at(&self, location: u32) -> Option<RoomRef<'_, T>> {
        self.pages.get((location >> self.offset_bits) as usize)?.get()?.at(location)
    }

    /// The number of the shard that a room is in.
    #[inline]
    pub(super) fn shard_of(&self, location: u32) -> usize {
        (location >> self.offset_bits) as usize / PAGES
    }

    /// The number of the page that a room is in, among those of its shard.
    pub(super) fn number_of(&self, location: u32) -> u32 {
        (location >> self.offset_bits) % PAGES as u32
    }

    /// That page of that shard, if it is there, and the location of its first room.
    pub(super) fn page(&self, shard: usize, number: u32) -> Option<(&Page<T>, u32)> {
        let place = shard * PAGES + number as usize;
        Some((self.pages[place].get()?, (place as u32) << self.offset_bits))
    }

    /// All rooms that ever were.
    pub(super) fn all(&self) -> impl Iterator<Item = RoomRef<'_, T>> {
        (0..).zip(&*self.pages).flat_map(move |(place, page)| {
            let (page, start) = (page.get(), place << self.offset_bits);
            page.into_iter().flat_map(move |page| {
                (start..).take(page.len()).filter_map(|location| page.at(location))
            })
        })
    }

    /// Makes a page of vacant rooms in that shard, unless somebody has just done so, and yields its
    /// number; `None` if there can be no more.
    #[cold]
    pub(super) fn grow(&self, shard: usize) -> Option<u32> {
        let pages = &self.pages[shard * PAGES..][..PAGES];
        let number = pages.iter().take_while(|page| page.get().is_some()).count();
        if let Some(last) = number.checked_sub(1) {
            // Without this each of those who found no vacant room at once would make a page.
            if pages[last].get().is_some_and(|page| page.hints().any(0)) {
                return Some(last as u32);
            }
        }
        let bits = (self.first_bits + number.saturating_sub(1) as u32).min(self.offset_bits);
        pages.get(number)?.get_or_init(|| Page::new(1 << bits, self.size, self.offset_bits));
        Some(number as u32)
    }
}
