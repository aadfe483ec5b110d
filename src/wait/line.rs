//! The line: its lock, and what can be known without it.
//!
//! # Invariant
//!
//! `waiting` is the length of the queue; `served` is the ticket that was served last, so that a
//! waiter sees without the lock that its turn has come; `closings` counts how often everybody was
//! turned away, for a ticket from before that says nothing by its number. These three change only
//! under the lock. The line is made before WAITING is first set, and nobody is woken under the lock.

use std::sync::PoisonError;
use std::task::Waker;

use super::queue::{not_before, Alarm, Alarms, Queue};
use crate::slot::{Granted, Refused, Slot, Word};
use crate::sync::{const_fn, AtomicUsize, Lazy, Mutex, MutexGuard, Ordering};

struct Desk {
    queue: Mutex<Queue>,
    waiting: AtomicUsize,
    served: AtomicUsize,
    closings: AtomicUsize,
    lowerings: AtomicUsize,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            queue: Mutex::new(Queue::default()),
            waiting: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            closings: AtomicUsize::new(0),
            lowerings: AtomicUsize::new(0),
        }
    }
}

/// A place in line.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: usize,
    closings: usize,
}

/// What came of an attempt to get in.
pub(crate) enum Joined {
    Served,
    Closed,
    Waits(Ticket),
}

/// How it stands with a ticket. `Served` and `Closed` are said once; the ticket is void then.
#[derive(PartialEq, Eq)]
pub(crate) enum Turn {
    Served,
    Closed,
    Waits,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics under the lock; and if it did, every change to the queue is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has its turn come? Without the lock; `false` may mean that the lock is needed to know.
    fn is_served(&self, ticket: Ticket) -> bool {
        // Acquire: pairs with the Release in `serve`: one who is served sees what the last holder of
        // its place wrote, and each closing before.
        let served = self.served.load(Ordering::Acquire);
        // Relaxed: if a later ticket than ours was served after a closing, the load above has made
        // that closing visible.
        not_before(served, ticket.number)
            && self.closings.load(Ordering::Relaxed) == ticket.closings
    }

    fn turn(&self, queue: &mut Queue, ticket: Ticket) -> Turn {
        // Relaxed, twice: both change only under the lock.
        if self.closings.load(Ordering::Relaxed) != ticket.closings
            && queue.learns_that_it_was_turned_away(ticket.number)
        {
            Turn::Closed
        } else if not_before(self.served.load(Ordering::Relaxed), ticket.number) {
            Turn::Served
        } else {
            Turn::Waits
        }
    }

    fn note_length(&self, queue: &Queue) {
        // Relaxed: whoever is known to have joined the line is counted for all who know it.
        self.waiting.store(queue.len(), Ordering::Relaxed);
    }

    /// Hands out what is free, in order, as far as it goes.
    fn serve(&self, slot: &Slot, queue: &mut Queue, alarms: &mut Alarms) {
        while let Some(head) = queue.head() {
            match slot.grant(head.wants, head.last) {
                Granted::Places(0) => break,
                Granted::Places(n) => {
                    if let Some((ticket, alarm)) = queue.set_aside(n) {
                        // Release: pairs with the Acquire in `is_served`.
                        self.served.store(ticket, Ordering::Release);
                        alarms.push(alarm);
                    } else {
                        break;
                    }
                }
                Granted::Owing(_) if head.has == 0 => break,
                Granted::Owing(n) => {
                    let paid = n.min(head.has);
                    queue.take_back(paid);
                    slot.give(paid);
                }
            }
        }
        if queue.len() == 0 {
            slot.lower();
        }
        self.note_length(queue);
    }

    fn lock_and_serve(&self, slot: &Slot) {
        let mut alarms = Alarms::default();
        self.serve(slot, &mut self.lock(), &mut alarms);
        alarms.ring();
    }

    /// Turns everybody away.
    fn turn_away(&self, slot: &Slot, queue: &mut Queue, alarms: &mut Alarms) {
        if queue.len() > 0 {
            let set_aside = queue.turn_away(alarms);
            // Relaxed: read under the lock, or after an Acquire, see `is_served`.
            self.closings.fetch_add(1, Ordering::Relaxed);
            if set_aside > 0 {
                slot.give(set_aside);
            }
            slot.lower();
            self.note_length(queue);
        }
    }
}

/// The line of one slot, which all methods must be given.
pub(crate) struct Line {
    desk: Lazy<Desk>,
}

impl Line {
    const_fn! {
        pub(crate) const fn new() -> Line {
            Line { desk: Lazy::new() }
        }
    }

    /// The number of those who wait.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: a number that stands for itself.
        self.desk.get().map_or(0, |desk| desk.waiting.load(Ordering::Relaxed))
    }

    /// Places were given back, and left that word under WAITING.
    #[cold]
    pub(crate) fn freed(&self, slot: &Slot, _: Word) {
        self.desk.get_or_make().lock_and_serve(slot);
    }

    /// Decides about one who has just taken `n` places by way of the slot, which then was at
    /// `level`: nobody overtakes those who wait.
    #[inline]
    pub(crate) fn admit(&self, slot: &Slot, level: u32, n: u32) -> Result<(), Refused> {
        if level <= crate::slot::CEILING {
            return Ok(());
        }
        self.admit_under_waiting(slot, n)
    }

    #[cold]
    fn admit_under_waiting(&self, slot: &Slot, n: u32) -> Result<(), Refused> {
        if n == 0 || self.len() == 0 {
            return Ok(());
        }
        self.give_back(slot, n);
        Err(Refused::Full)
    }

    /// Takes `wants` places if they are free and nobody waits, else joins the line.
    pub(crate) fn join(&self, slot: &Slot, wants: u32, alarm: Alarm) -> Joined {
        let desk = self.desk.get_or_make();
        let mut queue = desk.lock();
        let mut has = 0;
        if queue.len() == 0 {
            match slot.line_up(wants) {
                Ok(all) if all == wants => return Joined::Served,
                Ok(some) => has = some,
                Err(_) => return Joined::Closed,
            }
        } else if slot.read().is_closed() {
            return Joined::Closed;
        }
        let number = queue.push(wants - has, has, alarm);
        desk.note_length(&queue);
        // Relaxed: changes only under the lock.
        Joined::Waits(Ticket { number, closings: desk.closings.load(Ordering::Relaxed) })
    }

    /// How it stands with that ticket. If it waits, `waker` will be woken when that changes.
    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> Turn {
        let desk = self.desk.get_or_make();
        if desk.is_served(ticket) {
            return Turn::Served;
        }
        let mut spare = None;
        loop {
            let mut queue = desk.lock();
            let turn = desk.turn(&mut queue, ticket);
            if turn != Turn::Waits {
                return turn;
            }
            let Some(alarm) = queue.outdated(ticket.number, waker) else { return turn };
            // Wakers are cloned and dropped outside the lock: what they do is not ours to know.
            if spare.is_some() {
                core::mem::swap(alarm, &mut spare);
                drop(queue);
                return turn;
            }
            drop(queue);
            spare = Some(Alarm::Task(waker.clone()));
        }
    }

    /// How it stands with the ticket of a thread.
    pub(crate) fn look(&self, ticket: Ticket) -> Turn {
        let desk = self.desk.get_or_make();
        if desk.is_served(ticket) {
            Turn::Served
        } else {
            desk.turn(&mut desk.lock(), ticket)
        }
    }

    /// How many are ahead of that ticket, while it waits.
    pub(crate) fn position(&self, ticket: Ticket) -> Option<usize> {
        self.desk.get_or_make().lock().position(ticket.number)
    }

    /// Gives a ticket up. True if it had been served already: its places are the caller's to give
    /// back. Else what was set aside for it goes to those behind it.
    pub(crate) fn quit(&self, slot: &Slot, ticket: Ticket) -> bool {
        let desk = self.desk.get_or_make();
        if desk.is_served(ticket) {
            return true;
        }
        let mut alarms = Alarms::default();
        let mut queue = desk.lock();
        match desk.turn(&mut queue, ticket) {
            Turn::Served => return true,
            Turn::Closed => return false,
            Turn::Waits => {}
        }
        let removed = queue.remove(ticket.number);
        if let Some((_, set_aside @ 1..)) = removed {
            slot.give(set_aside);
        }
        desk.serve(slot, &mut queue, &mut alarms);
        drop(queue);
        alarms.ring();
        false
    }

    /// Withdraws `n` places, those first that were set aside for the head of the line.
    pub(crate) fn withdraw(&self, slot: &Slot, n: u32) {
        if n == 0 {
            return;
        }
        // The line must be there before anybody sees WAITING.
        let desk = self.desk.get_or_make();
        // Relaxed: who knows of the lowering knows of this.
        desk.lowerings.fetch_add(1, Ordering::Relaxed);
        slot.withdraw(n);
        if slot.read().is_waiting() {
            desk.lock_and_serve(slot);
        }
    }

    /// The most that can be held of so many places. More only if some were withdrawn: above that
    /// stand those who came too late under WAITING and are about to back out.
    pub(crate) fn most(&self, places: u32) -> u32 {
        // Relaxed: as in `withdraw`.
        match self.desk.get().map_or(0, |desk| desk.lowerings.load(Ordering::Relaxed)) {
            0 => places,
            _ => u32::MAX,
        }
    }

    pub(crate) fn close(&self, slot: &Slot) {
        slot.close();
        self.closed(slot);
    }

    /// The slot was closed: turns everybody away.
    pub(crate) fn closed(&self, slot: &Slot) {
        if slot.read().is_waiting() {
            let desk = self.desk.get_or_make();
            let mut alarms = Alarms::default();
            let mut queue = desk.lock();
            // If it is open again, whoever reopened it has done this.
            if slot.read().is_closed() {
                desk.turn_away(slot, &mut queue, &mut alarms);
            }
            drop(queue);
            alarms.ring();
        }
    }

    /// Reopens. Whoever waited when it was closed is turned away, even if the one who closed it has
    /// not come to that yet; the lock keeps those apart who come to wait afterwards.
    pub(crate) fn reopen(&self, slot: &Slot) {
        if slot.reopen_unless_waiting() {
            return;
        }
        let desk = self.desk.get_or_make();
        let mut alarms = Alarms::default();
        let mut queue = desk.lock();
        // A load might miss a closing that the reopening undoes.
        if slot.reopen() {
            desk.turn_away(slot, &mut queue, &mut alarms);
        }
        drop(queue);
        alarms.ring();
    }
}
