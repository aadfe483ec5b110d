//! The pages that hold a lobby's rooms.
//!
//! # Invariant
//!
//! A page is created once, never moves, and is dropped with its lobby, so a location always finds
//! the same room. A location is made of the number of the shard, the number of the page in it, and
//! the offset of the room in the page. The first two pages of a shard have one size; each later
//! page is as large as all earlier ones together, up to the largest offset. So the rooms of a shard
//! are numbered from 0, page by page.

use core::array::from_fn;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use crossbeam_utils::CachePadded;

use super::id::LOCATION_BITS;
use super::room::{new_page, take_states, PageHead, PageRef, RoomRef};
use crate::block::Published;
use crate::protocol::room::RoomSize;
use crate::sync::{AtomicU64, PAGE_BITS};

/// The number of bits of a location that are the number of the page in its shard.
const NUMBER_BITS: u32 = 5;

/// The largest number of pages of a shard.
const PAGES: usize = 1 << NUMBER_BITS;

/// Where a page is, once it has been made.
type Place<T> = Published<PageHead<T>, AtomicU64>;

/// The rooms of all shards, in pages that are created as they are needed.
pub(super) struct Pages<T> {
    /// The pages of each shard.
    pages: Box<[CachePadded<[Place<T>; PAGES]>]>,
    size: RoomSize,
    has_states: bool,
    /// The number of bits of an offset in the first page, and in a location.
    first_bits: u32,
    offset_bits: u32,
    /// The bits of a location that are an offset.
    offsets: u32,
    /// The number of bits of an offset in the largest page.
    largest_bits: u32,
}

impl<T> Pages<T> {
    /// Creates the pages of that many shards. A first page has room for `rooms` rooms, up to a
    /// limit.
    pub(super) fn new(size: RoomSize, shards: u32, rooms: u32, has_states: bool) -> Pages<T> {
        let shard_bits = shards.next_power_of_two().trailing_zeros();
        let [first, largest] = PAGE_BITS;
        let offset_bits = LOCATION_BITS - NUMBER_BITS - shard_bits;
        Pages {
            pages: (0..shards).map(|_| CachePadded::new(from_fn(|_| Published::new()))).collect(),
            size,
            has_states,
            first_bits: rooms.clamp(2, 1 << first).next_power_of_two().trailing_zeros(),
            offset_bits,
            offsets: (1 << offset_bits) - 1,
            largest_bits: offset_bits.min(largest),
        }
    }

    /// Returns the room at that location, if its page exists.
    #[inline]
    pub(super) fn at(&self, location: u32) -> Option<RoomRef<'_, T>> {
        self.in_page(self.place(location)?.get()?, location)
    }

    /// Returns the place of that location's page.
    #[inline]
    fn place(&self, location: u32) -> Option<&Place<T>> {
        let place = (location >> self.offset_bits) as usize;
        Some(&self.pages.get(place / PAGES)?[place % PAGES])
    }

    #[inline]
    fn in_page<'a>(&self, page: PageRef<'a, T>, location: u32) -> Option<RoomRef<'a, T>> {
        // The mask is not read from the page: it is known before the page is.
        page.at(location, (location & self.offsets) as usize)
    }

    /// As `at`. Creates the page if need be.
    pub(super) fn make_at(&self, location: u32) -> Option<RoomRef<'_, T>> {
        let place = self.place(location)?;
        if place.get().is_none() {
            let rooms = 1 << self.page_bits(self.number_of(location) as usize);
            // If another caller is faster, its page stays.
            place.set(new_page(rooms, self.size, self.has_states));
        }
        self.in_page(place.get()?, location)
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
    pub(super) fn page(&self, shard: usize, number: u32) -> Option<(PageRef<'_, T>, u32)> {
        let place = shard * PAGES + number as usize;
        let page = self.pages[shard][number as usize].get()?;
        Some((page, (place as u32) << self.offset_bits))
    }

    fn page_bits(&self, page: usize) -> u32 {
        (self.first_bits + page.saturating_sub(1) as u32).min(self.largest_bits)
    }

    /// Returns how many rooms a shard can have.
    pub(super) fn most_rooms(&self) -> u32 {
        (0..PAGES).map(|page| 1 << self.page_bits(page)).sum()
    }

    /// Returns the location of a shard's room of that number, if the shard can have so many rooms.
    pub(super) fn location(&self, shard: usize, number: u32) -> Option<u32> {
        let (first, largest) = (self.first_bits, self.largest_bits);
        let (page, offset) = match number.checked_ilog2().unwrap_or(0) {
            bits if bits < first => (0, number),
            // This page is as large as all before.
            bits if bits <= largest => (bits - first + 1, number - (1 << bits)),
            // All pages are of the largest size, and the first of these begins at `1 << largest`.
            _ => ((number >> largest) + largest - first, number & ((1 << largest) - 1)),
        };
        let is_there = page < PAGES as u32;
        is_there.then(|| (shard as u32 * PAGES as u32 + page) << self.offset_bits | offset)
    }

    /// Returns all rooms of all pages, open or not.
    pub(super) fn all(&self) -> impl Iterator<Item = RoomRef<'_, T>> {
        let pages = self.pages.iter().flat_map(|shard| shard.iter());
        (0..).zip(pages).flat_map(move |(place, page)| {
            let (page, start) = (page.get(), place << self.offset_bits);
            page.into_iter().flat_map(move |page| {
                (0..page.len()).filter_map(move |offset| page.at(start + offset as u32, offset))
            })
        })
    }
}

impl<T> Drop for Pages<T> {
    /// Drops the states of rooms whose seats were forgotten. If destructors panic, all others run
    /// first, and then the first panic goes on.
    fn drop(&mut self) {
        let mut panic = None;
        let pages = self.pages.iter_mut().flat_map(|shard| shard.iter_mut());
        for mut page in pages.filter_map(Published::take) {
            for state in take_states(&mut page) {
                if let Err(first) = catch_unwind(AssertUnwindSafe(|| drop(state))) {
                    panic.get_or_insert(first);
                }
            }
        }
        if let Some(panic) = panic.filter(|_| !std::thread::panicking()) {
            resume_unwind(panic);
        }
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use super::{Pages, RoomSize, PAGES};

    #[test]
    fn rooms_are_numbered_page_by_page() {
        for (shards, rooms) in [(1, 1), (1, u32::MAX), (3, 5), (256, 1_000)] {
            let pages = Pages::<()>::new(RoomSize::new(2), shards, rooms, false);
            let shard = shards as usize - 1;
            let mut number = 0;
            for page in 0..PAGES {
                let start = ((shard * PAGES + page) as u32) << pages.offset_bits;
                let last = (1 << pages.page_bits(page)) - 1;
                assert_eq!(pages.location(shard, number), Some(start));
                assert_eq!(pages.location(shard, number + last), Some(start + last));
                number += last + 1;
            }
            assert_eq!((pages.location(shard, number), pages.most_rooms()), (None, number));
        }
    }
}
