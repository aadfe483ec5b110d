//! The deadlines of one shard: a hierarchical timing wheel over the indices of its cells.
//!
//! # Invariant
//!
//! A level has 64 slots. A slot of level 0 is one time long; a slot of a level is as long as all 64
//! of the level below. A cell is linked into at most one slot. Written in digits of 6 bits, its
//! deadline and `elapsed` are equal above the digit of its level, and its slot is that digit of its
//! deadline. So within a level the first occupied slot has the earliest deadlines. A deadline
//! before `elapsed` counts as `elapsed`.
//!
//! `elapsed` is never greater than a time at which [`Wheel::pop`] was called, nor than the deadline
//! of a linked cell, but for those that are due.
//!
//! `earliest` of a slot is its earliest deadline, or an earlier time if that cell has been
//! unlinked.
//!
//! A cell is either linked, or in use and unlinked, or spare. Spare cells are chained by `next`.

use core::hint::black_box;

use crate::protocol::hold::{FIRST_TIME, NEVER};

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;

/// No cell.
const NONE: u32 = u32::MAX;
/// In `prev` of the first cell of a slot: the low bits are the number of the level and the slot.
const FIRST: u32 = 1 << 31;
/// In `prev` of a cell that is not linked.
const UNLINKED: u32 = u32::MAX;

/// The largest number of cells of a wheel.
pub(super) const MAX_CELLS: u32 = FIRST;

/// The number of cells that [`Wheel::pop`] moves before it returns.
const MOVES: u32 = 64;

struct Link {
    deadline: u64,
    next: u32,
    prev: u32,
}

#[derive(Clone)]
struct Level {
    occupied: u64,
    firsts: [u32; SLOTS],
    earliest: [u64; SLOTS],
}

/// The result of [`Wheel::pop`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Popped {
    /// This cell is due. It has been unlinked.
    Due(u32),
    /// No cell is due.
    Nothing,
    /// Only cells that are not due have been moved so far.
    Unfinished,
}

/// When a cell is to be used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextUse {
    /// Before other spare cells: it is in the cache.
    Soon,
    /// After all other spare cells: its word tells how its last hold ended.
    Late,
    Never,
}

/// See the module.
pub(super) struct Wheel {
    links: Vec<Link>,
    levels: Vec<Level>,
    elapsed: u64,
    /// The first spare cell, and the last one if there is a first.
    first_spare: u32,
    last_spare: u32,
    /// The number of cells that are linked or in use.
    used: u32,
}

impl Wheel {
    pub(super) fn new() -> Wheel {
        Wheel {
            links: Vec::new(),
            levels: Vec::new(),
            elapsed: FIRST_TIME,
            first_spare: NONE,
            last_spare: NONE,
            used: 0,
        }
    }

    /// Returns the number of cells.
    pub(super) fn cells(&self) -> u32 {
        self.links.len() as u32
    }

    /// Returns the number of cells that are linked or in use.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// Adds so many cells, all spare.
    pub(super) fn add(&mut self, cells: u32) {
        self.links.reserve_exact(cells as usize);
        for _ in 0..cells {
            self.links.push(Link { deadline: 0, next: NONE, prev: UNLINKED });
            self.add_spare_last(self.cells() - 1);
        }
    }

    fn add_spare_last(&mut self, cell: u32) {
        self.links[cell as usize].next = NONE;
        if self.first_spare == NONE {
            self.first_spare = cell;
        } else {
            self.links[self.last_spare as usize].next = cell;
        }
        self.last_spare = cell;
    }

    fn add_spare_first(&mut self, cell: u32) {
        if self.first_spare == NONE {
            self.last_spare = cell;
        }
        self.links[cell as usize].next = self.first_spare;
        self.first_spare = cell;
    }

    /// Returns the first spare cell, for use.
    #[inline]
    pub(super) fn take_spare(&mut self) -> Option<u32> {
        let cell = self.first_spare;
        self.first_spare = self.links.get(cell as usize)?.next;
        self.used += 1;
        Some(cell)
    }

    /// Ends the use of a cell, and unlinks it if it is linked. It becomes the first or the last
    /// spare cell, or is never used again.
    pub(super) fn put_back(&mut self, cell: u32, next_use: NextUse) {
        self.unlink(cell);
        self.used -= 1;
        match next_use {
            NextUse::Soon => self.add_spare_first(cell),
            NextUse::Late => self.add_spare_last(cell),
            NextUse::Never => {}
        }
    }

    /// Reads the links that [`put_back`](Self::put_back) of these cells changes. The reads do not
    /// depend on each other, so the processor fetches what is not in its cache side by side.
    pub(super) fn fetch(&self, cells: &[u32]) {
        let deadline = |cell: u32| self.links.get(cell as usize).map_or(0, |link| link.deadline);
        let read = cells.iter().fold(0, |read, &cell| {
            let Link { next, prev, .. } = self.links[cell as usize];
            read ^ deadline(next) ^ deadline(prev)
        });
        black_box(read);
    }

    /// Returns the deadline of a linked cell.
    pub(super) fn deadline(&self, cell: u32) -> u64 {
        self.links[cell as usize].deadline
    }

    /// Links a cell in use.
    #[inline]
    pub(super) fn link(&mut self, cell: u32, deadline: u64) {
        let counts_as = deadline.max(self.elapsed);
        let differing = (counts_as ^ self.elapsed) | 1;
        let level = (differing.ilog2() / SLOT_BITS) as usize;
        let slot = (counts_as >> (level as u32 * SLOT_BITS)) as usize % SLOTS;
        if level >= self.levels.len() {
            self.add_levels(level + 1);
        }
        let at = &mut self.levels[level];
        at.occupied |= 1 << slot;
        at.earliest[slot] = at.earliest[slot].min(deadline);
        let next = core::mem::replace(&mut at.firsts[slot], cell);
        if let Some(next) = self.links.get_mut(next as usize) {
            next.prev = cell;
        }
        let prev = FIRST | (level * SLOTS + slot) as u32;
        self.links[cell as usize] = Link { deadline, next, prev };
    }

    #[cold]
    fn add_levels(&mut self, levels: usize) {
        let level = Level { occupied: 0, firsts: [NONE; SLOTS], earliest: [NEVER; SLOTS] };
        self.levels.resize(levels, level);
    }

    /// Unlinks a cell, if it is linked.
    #[inline]
    pub(super) fn unlink(&mut self, cell: u32) {
        let Link { next, prev, .. } = self.links[cell as usize];
        if prev == UNLINKED {
            return;
        }
        self.links[cell as usize].prev = UNLINKED;
        if let Some(next) = self.links.get_mut(next as usize) {
            next.prev = prev;
        }
        if prev & FIRST == 0 {
            self.links[prev as usize].next = next;
            return;
        }
        let (level, slot) = ((prev - FIRST) as usize / SLOTS, prev as usize % SLOTS);
        let at = &mut self.levels[level];
        at.firsts[slot] = next;
        if next == NONE {
            at.occupied &= !(1 << slot);
            at.earliest[slot] = NEVER;
        }
    }

    /// Returns the level, the slot, and the time of the slot that has the earliest deadline.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let occupied = self.levels.iter().enumerate().filter(|(_, level)| level.occupied > 0);
        let firsts = occupied.map(|(number, level)| {
            let slot = level.occupied.trailing_zeros() as usize;
            (number, slot, level.earliest[slot])
        });
        firsts.min_by_key(|&(.., earliest)| earliest)
    }

    /// Returns the earliest deadline, or an earlier time if the cell with the earliest deadline has
    /// been unlinked. [`NEVER`] if no cell is linked.
    pub(super) fn earliest(&self) -> u64 {
        self.first().map_or(NEVER, |(.., earliest)| earliest)
    }

    /// Unlinks a cell that is due at that time, if there is one. Cells that are not due move to a
    /// lower level on the way, each at most once for each level.
    pub(super) fn pop(&mut self, now: u64) -> Popped {
        // Another caller has seen that time.
        let now = now.max(self.elapsed);
        for _ in 0..MOVES {
            let Some((level, slot, _)) = self.first().filter(|&(.., earliest)| earliest <= now)
            else {
                self.elapsed = now;
                return Popped::Nothing;
            };
            let cell = self.levels[level].firsts[slot];
            self.unlink(cell);
            let deadline = self.deadline(cell);
            if deadline <= now {
                return Popped::Due(cell);
            }
            // The slot begins not after `now`, since one of its deadlines was not after it. With
            // `elapsed` in the slot, its cells belong to lower levels.
            let length = level as u32 * SLOT_BITS;
            self.elapsed = self.elapsed.max(deadline >> length << length);
            self.link(cell, deadline);
        }
        Popped::Unfinished
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A deadline or a time: near, or at any distance.
    fn distance() -> impl Strategy<Value = u64> {
        (0..63_u32, any::<u64>()).prop_map(|(bits, random)| random % (1 << bits))
    }

    #[derive(Clone, Debug)]
    enum Op {
        Link(u64),
        Unlink(usize),
        Relink(usize, u64),
        Advance(u64),
        /// A caller pops whose clock is so far behind.
        Behind(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => distance().prop_map(Op::Link),
            2 => any::<usize>().prop_map(Op::Unlink),
            1 => (any::<usize>(), distance()).prop_map(|(pick, by)| Op::Relink(pick, by)),
            3 => distance().prop_map(Op::Advance),
            1 => distance().prop_map(Op::Behind),
        ]
    }

    /// Pops all that is due, and checks that it is what the map has due.
    fn advance(wheel: &mut Wheel, map: &mut BTreeMap<u32, u64>, now: u64, behind: u64) {
        loop {
            match wheel.pop(now - behind) {
                Popped::Due(cell) => {
                    let deadline = map.remove(&cell).expect("a linked cell");
                    assert!(deadline <= now, "{cell} is not due");
                    wheel.put_back(cell, NextUse::Soon);
                }
                Popped::Nothing => break,
                Popped::Unfinished => {}
            }
        }
        assert!(map.values().all(|&deadline| deadline > now), "not all that is due");
    }

    proptest! {
        #[test]
        fn a_wheel_is_a_map_of_deadlines(ops in prop::collection::vec(op(), 1..200)) {
            let (mut wheel, mut map) = (Wheel::new(), BTreeMap::new());
            let mut now = FIRST_TIME;
            let mut exact = true;
            for op in ops {
                let pick = |pick: usize| map.keys().nth(pick % map.len().max(1)).copied();
                match op {
                    Op::Link(by) => {
                        let cell = wheel.take_spare().unwrap_or_else(|| {
                            wheel.add(3);
                            wheel.take_spare().expect("it was added")
                        });
                        let deadline = now.saturating_add(by);
                        wheel.link(cell, deadline);
                        assert_eq!(map.insert(cell, deadline), None, "two uses of one cell");
                    }
                    Op::Unlink(which) => if let Some(cell) = pick(which) {
                        map.remove(&cell);
                        wheel.put_back(cell, NextUse::Late);
                        exact = false;
                    },
                    Op::Relink(which, by) => if let Some(cell) = pick(which) {
                        let deadline = now.saturating_add(by);
                        map.insert(cell, deadline);
                        wheel.unlink(cell);
                        wheel.link(cell, deadline);
                        assert_eq!(wheel.deadline(cell), deadline);
                        exact = false;
                    },
                    Op::Advance(by) => {
                        now = now.saturating_add(by).min(NEVER - 1);
                        advance(&mut wheel, &mut map, now, 0);
                    }
                    Op::Behind(by) => {
                        advance(&mut wheel, &mut map, now, by.min(now - FIRST_TIME));
                    }
                }
                let earliest = map.values().min().copied().unwrap_or(NEVER);
                prop_assert!(wheel.earliest() <= earliest);
                if exact || map.is_empty() {
                    prop_assert_eq!(wheel.earliest(), earliest);
                }
                prop_assert_eq!(wheel.used() as usize, map.len());
            }
        }
    }
}
