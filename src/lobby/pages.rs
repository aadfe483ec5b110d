//! The pages that hold a lobby's rooms.
//!
//! # Invariant
//!
//! A page is created once, never moves, and is dropped with its lobby, so a location always finds
//! the same room. A location is made of the number of the shard, the number of the page in it, and
//! the offset of the room in the page. A shard's pages are created in order. The first two have one
//! size; each later page is as large as all earlier ones together, up to the largest offset.

use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use super::id::LOCATION_BITS;
use super::room::{Page, RoomRef};
use crate::protocol::room::RoomSize;

/// The number of bits of a location that are the number of the page in its shard.
const PAGE_BITS: u32 = 5;

/// The largest number of pages of a shard.
const PAGES: usize = 1 << PAGE_BITS;

/// The largest size of a shard's first page, as a power of two.
const FIRST_BITS: u32 = 6;

/// The rooms of all shards, in pages that are created as they are needed.
pub(super) struct Pages<T> {
    /// The pages of one shard after the other.
    pages: Box<[CachePadded<OnceLock<Page<T>>>]>,
    size: RoomSize,
    /// The number of bits of an offset in the first page, and in the largest.
    first_bits: u32,
    offset_bits: u32,
}

impl<T> Pages<T> {
    /// Creates the pages of that many shards. A first page has room for `rooms` rooms, up to a
    /// limit.
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

    /// Returns the room at that location, if its page exists.
    #[inline]
    pub(super) fn at(&self, location: u32) -> Option<RoomRef<'_, T>> {
        self.pages.get((location >> self.offset_bits) as usize)?.get()?.at(location)
    }

    /// Returns the number of a room's shard.
    #[inline]
    pub(super) fn shard_of(&self, location: u32) -> usize {
        (location >> self.offset_bits) as usize / PAGES
    }

    /// Returns the number of a room's page within its shard.
    pub(super) fn number_of(&self, location: u32) -> u32 {
        (location >> self.offset_bits) % PAGES as u32
    }

    /// Returns that page of that shard, if it exists, and the location of its first room.
    pub(super) fn page(&self, shard: usize, number: u32) -> Option<(&Page<T>, u32)> {
        let place = shard * PAGES + number as usize;
        Some((self.pages[place].get()?, (place as u32) << self.offset_bits))
    }

    /// Returns all rooms of all pages, open or not.
    pub(super) fn all(&self) -> impl Iterator<Item = RoomRef<'_, T>> {
        (0..).zip(&*self.pages).flat_map(move |(place, page)| {
            let (page, start) = (page.get(), place << self.offset_bits);
            page.into_iter().flat_map(move |page| {
                (start..).take(page.len()).filter_map(|location| page.at(location))
            })
        })
    }

    /// Creates a page of vacant rooms in that shard and returns its number. If the last page has
    /// vacant rooms again, that page is returned. Returns `None` if the shard can have no more
    /// pages.
    #[cold]
    pub(super) fn grow(&self, shard: usize) -> Option<u32> {
        let pages = &self.pages[shard * PAGES..][..PAGES];
        let number = pages.iter().take_while(|page| page.get().is_some()).count();
        if let Some(last) = number.checked_sub(1) {
            // Without this check, each of several callers that found no vacant room would create a
            // page.
            if pages[last].get().is_some_and(|page| page.hints().any(0)) {
                return Some(last as u32);
            }
        }
        let bits = (self.first_bits + number.saturating_sub(1) as u32).min(self.offset_bits);
        pages.get(number)?.get_or_init(|| Page::new(1 << bits, self.size, self.offset_bits));
        Some(number as u32)
    }
}
