//! A cell: the place of one tenant, that is, of one key and its gate.
//!
//! # Invariant
//!
//! The tenant is there exactly while the cell is open, and whoever has a ref holds a [`Pin`]. While
//! the cell is busy, the tenant's place belongs to the holder of its [`Claim`]. All else follows from
//! the table in `word.rs`.
//!
//! This is the only file of gates by key with `unsafe`. What its claims rest on is private to it: the
//! word, the tenant's place, and how pins and claims come about and go. What it asks of others is
//! that a pin goes back to the cell that gave it; whoever keeps a pin keeps the number of its cell
//! beside it, and debug builds check it.
#![allow(unsafe_code)]

use core::mem::{forget, needs_drop, MaybeUninit};

use super::word::{Home, Tag, Word};
use crate::gate::Gate;
use crate::origin::Origin;
use crate::slot::Slot;
use crate::sync::UnsafeCell;

/// What lives: a key, and its gate.
///
/// On a cache line of its own, so that who comes and goes and who is inside disturb each other less.
#[repr(align(64))]
pub(super) struct Tenant<K> {
    pub(super) key: K,
    pub(super) gate: Gate,
}

impl<K> Tenant<K> {
    /// With so many places, of which `heads` are held.
    pub(super) fn new(key: K, capacity: u32, heads: u32) -> Self {
        let mut gate = Gate::new(capacity);
        gate.slot = Slot::new(capacity, heads);
        Tenant { key, gate }
    }
}

/// Proof of one ref of a cell. It neither copies nor clones.
pub(super) struct Pin {
    /// What the cell was when the ref was taken: a guess at what it is.
    was: Word,
    origin: Origin,
}

/// Proof that a cell is busy, and the holder's. Dropping it makes the cell vacant.
pub(super) struct Claim<'a, K> {
    cell: &'a Cell<K>,
    was: Word,
}

/// Proof of one arrival at a cell. Dropping it turns back.
pub(super) struct Arrival<'a, K>(&'a Cell<K>);

/// Shares no cache line with its neighbours, who are strangers.
pub(super) struct Cell<K> {
    home: Home,
    tenant: UnsafeCell<MaybeUninit<Tenant<K>>>,
}

// SAFETY: those who have a ref read one tenant on several threads, so `K: Sync`; the thread that
// moves a key in need not be the one that drops it, so `K: Send`. `Gate` is both.
unsafe impl<K: Send + Sync> Sync for Cell<K> {}

impl<K> Cell<K> {
    pub(super) fn vacant() -> Self {
        Cell { home: Home::new(), tenant: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    #[inline]
    pub(super) fn read(&self) -> Word {
        self.home.read()
    }

    /// As [`read`](Self::read), for who goes on to something that checks what was read.
    #[inline]
    pub(super) fn peek(&self) -> Word {
        self.home.peek()
    }

    /// Takes a ref of an open cell, if it is still as it was seen, or else yields what it is now.
    #[inline]
    pub(super) fn pin(&self, seen: Word) -> Result<Pin, Word> {
        Ok(Pin { was: self.home.pin(seen)?, origin: Origin::of(self) })
    }

    /// The tenant.
    #[inline]
    pub(super) fn get<'a>(&'a self, pin: &'a Pin) -> &'a Tenant<K> {
        pin.origin.check(self);
        // SAFETY: there is a ref, so the tenant was written before it was taken (`open` → `pin`), and
        // goes after it is given up (`leave` → the last `leave`, or `claim`). It is given up by value,
        // so not while this borrow lives. Nobody writes in between.
        self.tenant.with(|tenant| unsafe { (*tenant).assume_init_ref() })
    }

    /// Gives up a ref. `part` is done before, unless nobody else would see it: with the last ref, the
    /// tenant goes.
    #[inline]
    pub(super) fn leave(&self, pin: Pin, part: impl FnOnce(&Gate)) {
        struct Leaves<'a, K>(&'a Cell<K>, Word);

        impl<K> Drop for Leaves<'_, K> {
            #[inline]
            fn drop(&mut self) {
                if self.0.home.leave() {
                    self.0.end(self.1);
                }
            }
        }

        pin.origin.check(self);
        let clears = needs_drop::<Tenant<K>>();
        if pin.was.is_sole() && self.home.leave_last(pin.was, clears) {
            if clears {
                self.end(pin.was);
            }
            return;
        }
        // Gives the ref up also if a waker panics that the parting has woken.
        let _leaves = Leaves(self, pin.was);
        part(&self.get(&pin).gate);
    }

    /// Clears the place of a tenant whose last ref this caller has just given up, and vacates.
    fn end(&self, was: Word) {
        // Vacates also if the destructor panics.
        let _claim = Claim { cell: self, was };
        if needs_drop::<Tenant<K>>() {
            // SAFETY: that was the last ref, so the tenant is there, and it is this caller's alone,
            // after everything that was done under other refs (`leave` → the last `leave`).
            self.tenant.with_mut(|tenant| unsafe { (*tenant).assume_init_drop() });
        }
    }

    /// Takes the place of the tenant of a cell that is to let, if it is still as it was seen, or else
    /// yields what it is now.
    #[inline]
    pub(super) fn claim(&self, seen: Word, tag: Tag) -> Result<Claim<'_, K>, Word> {
        Ok(Claim { cell: self, was: self.home.claim(seen, tag)? })
    }

    /// Becomes an arrival, if the cell is still as it was seen, or else yields what it is now.
    pub(super) fn arrive(&self, seen: Word) -> Result<Arrival<'_, K>, Word> {
        self.home.arrive(seen)?;
        Ok(Arrival(self))
    }

    /// Becomes an arrival, for who has a ref of a tenant of another key.
    pub(super) fn arrive_beside(&self, stranger: &Pin) -> Arrival<'_, K> {
        stranger.origin.check(self);
        self.home.arrive_beside();
        Arrival(self)
    }

    /// A node of a key at home here has been removed from the map.
    pub(super) fn remove_node(&self) {
        self.home.remove_node();
    }
}

impl<K> Claim<'_, K> {
    /// Moves a tenant in, with one ref. Yields the tenant if somebody has gone apart meanwhile.
    #[inline]
    pub(super) fn open(self, tenant: Tenant<K>) -> Result<Pin, Tenant<K>> {
        // SAFETY: the cell is busy and the place this caller's alone, after all that was done with the
        // last tenant (`leave` or `vacate` → `claim`), which was dropped or need not be.
        self.cell.tenant.with_mut(|place| unsafe {
            (*place).write(tenant);
        });
        if let Some(was) = self.cell.home.open(self.was) {
            let origin = Origin::of(self.cell);
            forget(self);
            return Ok(Pin { was, origin });
        }
        // SAFETY: it was written above, and the cell is still busy; nobody reads it again here.
        Err(self.cell.tenant.with_mut(|place| unsafe { (*place).assume_init_read() }))
    }
}

impl<K> Drop for Claim<'_, K> {
    fn drop(&mut self) {
        self.cell.home.vacate();
    }
}

impl<K> Arrival<'_, K> {
    /// The node has been inserted into the map.
    pub(super) fn settle(self) {
        self.0.home.settle();
        forget(self);
    }
}

impl<K> Drop for Arrival<'_, K> {
    fn drop(&mut self) {
        self.0.home.turn_back();
    }
}

impl<K> Drop for Cell<K> {
    fn drop(&mut self) {
        if self.home.read().is_open() {
            // SAFETY: the cell is open, so the tenant is there; those who had refs were forgotten, for
            // nobody else has the cell any more.
            self.tenant.with_mut(|tenant| unsafe { (*tenant).assume_init_drop() });
        }
    }
}
