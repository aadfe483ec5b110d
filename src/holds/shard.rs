//! One shard of the holds: cells, and the wheel of their deadlines behind a lock.
//!
//! # Invariant
//!
//! A cell is spare in the wheel, or in use. In use it is ready, with the tag of its next ticket; or
//! held and linked; or its hold has ended, and then it is with the caller that ended the hold, or
//! on the stack of returned cells. A hold begins and expires under the lock. It is claimed and
//! released without.
//!
//! A page is made before its cells are added to the wheel, by a caller that does not have the lock.
//!
//! `earliest` is not later than the wheel's, whenever the lock is free.

use crossbeam_utils::CachePadded;

use super::cell::HoldCell;
use super::ticket::{Ticket, TicketKey};
use super::wheel::{NextUse, Popped, Wheel, MAX_CELLS};
use crate::block::{Block, BlockRef, Published};
use crate::protocol::hold::{EarliestDue, HoldEnd, HoldState, ReturnStack, Returned};
use crate::short_lock::ShortLock;

/// The number of pages of a shard: the first, and then four for each doubling.
const PAGES: usize = 1 + 4 * 31;

/// The number of cells that are made ready at once: their tags are computed side by side.
const BATCH: usize = 16;

/// The number of returned cells that are made spare at once: a caller that has the lock keeps it
/// for a bounded time, however many cells have been returned.
const COLLECTED: usize = 4 * BATCH;

/// A vacant cell, and the ticket of the next hold in it.
#[derive(Clone, Copy)]
struct Ready {
    cell: u32,
    ticket: Ticket,
}

/// What the lock of a shard guards.
struct Locked {
    wheel: Wheel,
    ready: Vec<Ready>,
    /// Cells that have been taken from the stack of returned cells, and are not spare yet.
    returned: Returned,
}

pub(super) struct HoldShard<G> {
    locked: CachePadded<ShortLock<Locked>>,
    returned: CachePadded<ReturnStack>,
    earliest: EarliestDue,
    pages: [Published<CachePadded<()>, HoldCell<G>>; PAGES],
    /// The place of the first cell, and the largest number of cells.
    start: u32,
    limit: u32,
    /// The size of the first page, as a power of two.
    first_bits: u32,
}

impl<G> AsRef<EarliestDue> for HoldShard<G> {
    fn as_ref(&self) -> &EarliestDue {
        &self.earliest
    }
}

impl<G> HoldShard<G> {
    /// Creates a shard whose places are `start` and the `limit - 1` numbers after it.
    pub(super) fn new(start: u32, limit: u32, first_bits: u32) -> HoldShard<G> {
        HoldShard {
            locked: CachePadded::new(ShortLock::new(Locked {
                wheel: Wheel::new(),
                ready: Vec::new(),
                returned: Returned::NONE,
            })),
            returned: CachePadded::new(ReturnStack::new()),
            earliest: EarliestDue::new(),
            pages: core::array::from_fn(|_| Published::new()),
            start,
            limit: limit.min(MAX_CELLS),
            first_bits,
        }
    }

    /// Returns the number of a cell's page, and its offset there.
    #[inline]
    fn position(&self, cell: u32) -> (usize, usize) {
        if cell >> self.first_bits == 0 {
            return (0, cell as usize);
        }
        let shifted = cell + (1 << self.first_bits);
        let bits = shifted.ilog2();
        let size_bits = Self::size_bits(bits);
        let quarter = (shifted >> size_bits) % 4;
        let page = 1 + 4 * (bits - self.first_bits - 1) + quarter;
        (page as usize, (shifted % (1 << size_bits)) as usize)
    }

    /// Returns the size of a page, as a power of two: a quarter of the cells before it, about, of
    /// which there are less than 2^`bits`.
    #[inline]
    fn size_bits(bits: u32) -> u32 {
        bits.saturating_sub(2)
    }

    #[inline]
    fn cell(&self, cell: u32) -> Option<&HoldCell<G>> {
        let (page, offset) = self.position(cell);
        self.pages.get(page)?.get()?.cells().get(offset)
    }

    /// Puts a guard until a deadline. Returns the guard if the lock is not free and the caller
    /// does not wait for it, or if no more cells can be had.
    #[inline]
    pub(super) fn put(
        &self,
        guard: G,
        deadline: u64,
        key: &TicketKey,
        waits: bool,
    ) -> Result<Ticket, G> {
        loop {
            let locked = if waits { Some(self.locked.lock()) } else { self.locked.try_lock() };
            let Some(mut locked) = locked else { return Err(guard) };
            let ready = locked.ready.pop().or_else(|| self.refill(&mut locked, key));
            if let Some(ready) = ready {
                return Ok(self.begin(&mut locked.wheel, ready, guard, deadline));
            }
            let next_page = self.next_page(&locked.wheel);
            drop(locked);
            let Some((page, cells)) = next_page else { return Err(guard) };
            self.make(page, cells);
        }
    }

    /// Begins a hold in a cell that is ready. The caller has the lock.
    #[inline]
    #[allow(unsafe_code)]
    fn begin(&self, wheel: &mut Wheel, ready: Ready, guard: G, deadline: u64) -> Ticket {
        let Ready { cell, ticket } = ready;
        wheel.link(cell, deadline);
        self.earliest.lower(deadline);
        let at = self.cell(cell).expect("the page of a cell");
        // SAFETY: the cell was ready, and spare before that. So the caller that ended the last hold
        // in it has given it away: under this lock, or by the stack (`ReturnStack::push` →
        // `collect`).
        unsafe { at.begin(ticket.generation(), ticket.tag(), guard) };
        ticket
    }

    /// Makes some cells ready, and returns one of them: such as have been returned, or others that
    /// are spare, or new ones.
    #[cold]
    fn refill(&self, locked: &mut Locked, key: &TicketKey) -> Option<Ready> {
        let returned = self.returned.count() + locked.returned.count;
        if returned as usize >= BATCH {
            self.collect(locked);
        }
        let mut first = locked.wheel.take_spare();
        if first.is_none() {
            self.collect(locked);
            first = locked.wheel.take_spare().or_else(|| self.grow(&mut locked.wheel));
        }
        let Locked { wheel, ready, .. } = locked;
        let more = core::iter::from_fn(|| wheel.take_spare());
        ready.extend(first.into_iter().chain(more).take(BATCH).map(|cell| {
            let at = self.cell(cell).expect("the page of a cell");
            let generation = at.generation().expect("a spare cell is not worn out");
            let place = self.start + cell;
            Ready { cell, ticket: Ticket::new(place, generation, key.tag(place, generation)) }
        }));
        ready.pop()
    }

    /// Makes up to [`COLLECTED`] cells spare that have been returned.
    fn collect(&self, Locked { wheel, returned, .. }: &mut Locked) {
        if returned.count == 0 {
            *returned = self.returned.collect();
        }
        let mut cells = [0; COLLECTED];
        let cells = &mut cells[..COLLECTED.min(returned.count as usize)];
        for cell in &mut *cells {
            *cell = returned.first;
            let at = self.cell(*cell).expect("the page of a cell");
            *returned = Returned { count: returned.count - 1, first: at.next_returned() };
        }
        wheel.fetch(cells);
        for &mut cell in cells {
            let at = self.cell(cell).expect("the page of a cell");
            wheel.put_back(cell, at.next_use(NextUse::Soon));
        }
    }

    /// Returns the number and the size of the page that comes next, unless there are cells enough.
    fn next_page(&self, wheel: &Wheel) -> Option<(usize, u32)> {
        let before = wheel.cells();
        let (page, _) = self.position(before);
        let cells = match page {
            0 => 1 << self.first_bits,
            _ => 1 << Self::size_bits((before + (1 << self.first_bits)).ilog2()),
        };
        (cells <= self.limit - before && page < PAGES).then_some((page, cells))
    }

    /// Makes a page. Not under the lock, as that takes as long as the page is large. Of several
    /// callers that make the same one at the same time, the others drop theirs.
    #[cold]
    fn make(&self, page: usize, cells: u32) {
        if self.pages[page].get().is_none() {
            self.pages[page].set(Block::new(CachePadded::new(()), cells as usize, HoldCell::new));
        }
    }

    /// Adds the cells of the page that comes next, if it has been made, and returns a spare one.
    fn grow(&self, wheel: &mut Wheel) -> Option<u32> {
        let (page, cells) = self.next_page(wheel)?;
        self.pages[page].get()?;
        wheel.add(cells);
        wheel.take_spare()
    }

    /// Returns the cell of a place in this shard, if its page exists.
    #[inline]
    fn at(&self, place: u32) -> Option<&HoldCell<G>> {
        self.cell(place - self.start)
    }

    /// Returns what has become of the hold of that place and generation.
    pub(super) fn state(&self, place: u32, generation: u32) -> HoldState {
        self.at(place).map_or(HoldState::Gone, |at| at.state(generation))
    }

    /// Ends the hold of that ticket and returns its guard, if it is there.
    #[inline]
    pub(super) fn take(&self, ticket: Ticket) -> Option<G> {
        let at = self.at(ticket.place())?;
        if !at.is_held_under(ticket.generation(), ticket.tag()) {
            return None;
        }
        let guard = at.end(ticket.generation(), HoldEnd::Taken)?;
        self.returned.push(ticket.place() - self.start, |next| at.set_next_returned(next));
        Some(guard)
    }

    /// Moves the deadline of that hold to a later one. Returns whether the hold is there.
    pub(super) fn extend(&self, ticket: Ticket, deadline: u64) -> bool {
        let wheel = &mut self.locked.lock().wheel;
        let held = |at: &HoldCell<G>| at.is_held_under(ticket.generation(), ticket.tag());
        if !self.at(ticket.place()).is_some_and(held) {
            return false;
        }
        let cell = ticket.place() - self.start;
        let later = wheel.deadline(cell).max(deadline);
        wheel.unlink(cell);
        wheel.link(cell, later);
        true
    }

    /// Ends a hold that is due at that time, if there is one, and returns its guard.
    pub(super) fn expire(&self, now: u64) -> Option<G> {
        loop {
            let wheel = &mut self.locked.lock().wheel;
            match wheel.pop(now) {
                Popped::Due(cell) => {
                    let at = self.cell(cell).expect("the page of a cell");
                    // Otherwise another caller has ended the hold, and returns the cell.
                    let generation = at.generation();
                    let guard = generation.and_then(|now| at.end(now, HoldEnd::Expired));
                    if guard.is_some() {
                        wheel.put_back(cell, at.next_use(NextUse::Late));
                        return guard;
                    }
                }
                Popped::Nothing => {
                    self.earliest.set(wheel.earliest());
                    return None;
                }
                Popped::Unfinished => {}
            }
        }
    }

    /// Returns the number of holds.
    pub(super) fn len(&self) -> u32 {
        let locked = self.locked.lock();
        let returned = locked.returned.count + self.returned.count();
        locked.wheel.used() - locked.ready.len() as u32 - returned
    }

    /// Ends all holds, and calls `release` with each guard.
    pub(super) fn clear(&mut self, mut release: impl FnMut(G)) {
        for at in self.pages.iter().filter_map(Published::get).flat_map(BlockRef::cells) {
            let guard = at.generation().and_then(|now| at.end(now, HoldEnd::Taken));
            guard.into_iter().for_each(&mut release);
        }
    }
}
