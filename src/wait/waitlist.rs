//! The waitlist: its lock, and what can be known without it.
//!
//! # Invariant
//!
//! `waiting` is the length of the queue; `served` is the ticket that was served last, so that a
//! waiter sees without the lock that its turn has come; `closings` counts how often everybody was
//! turned away, for a ticket from before that says nothing by its number. These three change only
//! under the lock. The waitlist is made before WAITING is first set, and nobody is woken under the lock.

use std::sync::PoisonError;
use std::task::Waker;

use super::queue::{not_before, Queue, WakeHandle, WakeList};
use crate::protocol::slot::{Assigned, Refusal, Slot, SlotWord};
use crate::sync::{const_fn, AtomicUsize, Lazy, Mutex, MutexGuard, Ordering};

struct Shared {
    queue: Mutex<Queue>,
    waiting: AtomicUsize,
    served: AtomicUsize,
    closings: AtomicUsize,
    lowerings: AtomicUsize,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            queue: Mutex::new(Queue::default()),
            waiting: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            closings: AtomicUsize::new(0),
            lowerings: AtomicUsize::new(0),
        }
    }
}

/// A place in waitlist.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: usize,
    closings: usize,
}

/// What came of an attempt to get in.
pub(crate) enum Enqueued {
    Served,
    Closed,
    Waits(Ticket),
}

/// How it stands with a ticket. `Served` and `Closed` are said once; the ticket is void then.
#[derive(PartialEq, Eq)]
pub(crate) enum WaitState {
    Served,
    Closed,
    Waits,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics under the lock; and if it did, every change to the queue is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has its turn come? Without the lock; `false` may mean that the lock is needed to know.
    fn is_served(&self, ticket: Ticket) -> bool {
        // Acquire: pairs with the Release in `assign_free`: one who is served sees what the last holder of
        // its place wrote, and each closing before.
        let served = self.served.load(Ordering::Acquire);
        // Relaxed: if a later ticket than ours was served after a closing, the load above has made
        // that closing visible.
        not_before(served, ticket.number)
            && self.closings.load(Ordering::Relaxed) == ticket.closings
    }

    fn turn(&self, queue: &mut Queue, ticket: Ticket) -> WaitState {
        // Relaxed, twice: both change only under the lock.
        if self.closings.load(Ordering::Relaxed) != ticket.closings
            && queue.take_closed(ticket.number)
        {
            WaitState::Closed
        } else if not_before(self.served.load(Ordering::Relaxed), ticket.number) {
            WaitState::Served
        } else {
            WaitState::Waits
        }
    }

    fn record_length(&self, queue: &Queue) {
        // Relaxed: whoever is known to have joined the waitlist is counted for all who know it.
        self.waiting.store(queue.len(), Ordering::Relaxed);
    }

    /// Hands out what is free, in order, as far as it goes.
    fn assign_free(&self, slot: &Slot, queue: &mut Queue, wake_list: &mut WakeList) {
        while let Some(head) = queue.head() {
            match slot.assign(head.wants, head.last) {
                Assigned::Places(0) => break,
                Assigned::Places(n) => {
                    if let Some((ticket, handle)) = queue.set_aside(n) {
                        // Release: pairs with the Acquire in `is_served`.
                        self.served.store(ticket, Ordering::Release);
                        wake_list.push(handle);
                    } else {
                        break;
                    }
                }
                Assigned::Owing(_) if head.has == 0 => break,
                Assigned::Owing(n) => {
                    let paid = n.min(head.has);
                    queue.take_back(paid);
                    slot.give(paid);
                }
            }
        }
        if queue.len() == 0 {
            slot.clear_waiting();
        }
        self.record_length(queue);
    }

    fn lock_and_assign(&self, slot: &Slot) {
        let mut wake_list = WakeList::default();
        self.assign_free(slot, &mut self.lock(), &mut wake_list);
        wake_list.wake_all();
    }

    /// Turns everybody away.
    fn close_all(&self, slot: &Slot, queue: &mut Queue, wake_list: &mut WakeList) {
        if queue.len() > 0 {
            let set_aside = queue.close_all(wake_list);
            // Relaxed: read under the lock, or after an Acquire, see `is_served`.
            self.closings.fetch_add(1, Ordering::Relaxed);
            if set_aside > 0 {
                slot.give(set_aside);
            }
            slot.clear_waiting();
            self.record_length(queue);
        }
    }
}

/// The waitlist of one slot, which all methods must be given.
pub(crate) struct Waitlist {
    shared: Lazy<Shared>,
}

impl Waitlist {
    const_fn! {
        pub(crate) const fn new() -> Waitlist {
            Waitlist { shared: Lazy::new() }
        }
    }

    /// The number of those who wait.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: a number that stands for itself.
        self.shared.get().map_or(0, |shared| shared.waiting.load(Ordering::Relaxed))
    }

    /// Places were given back, and left that word under WAITING.
    #[cold]
    pub(crate) fn freed(&self, slot: &Slot, _: SlotWord) {
        self.shared.get_or_make().lock_and_assign(slot);
    }

    /// Decides about one who has just taken `n` places by way of the slot, which then was at
    /// `level`: nobody overtakes those who wait.
    #[inline]
    pub(crate) fn admit(&self, slot: &Slot, level: u32, n: u32) -> Result<(), Refusal> {
        if level <= crate::protocol::slot::CEILING {
            return Ok(());
        }
        self.admit_under_waiting(slot, n)
    }

    #[cold]
    fn admit_under_waiting(&self, slot: &Slot, n: u32) -> Result<(), Refusal> {
        if n == 0 || self.len() == 0 {
            return Ok(());
        }
        self.give_back(slot, n);
        Err(Refusal::Full)
    }

    /// Takes `wants` places if they are free and nobody waits, else joins the waitlist.
    pub(crate) fn join(&self, slot: &Slot, wants: u32, handle: WakeHandle) -> Enqueued {
        let shared = self.shared.get_or_make();
        let mut queue = shared.lock();
        let mut has = 0;
        if queue.len() == 0 {
            match slot.acquire_or_set_waiting(wants) {
                Ok(all) if all == wants => return Enqueued::Served,
                Ok(some) => has = some,
                Err(_) => return Enqueued::Closed,
            }
        } else if slot.read().is_closed() {
            return Enqueued::Closed;
        }
        let number = queue.push(wants - has, has, handle);
        shared.record_length(&queue);
        // Relaxed: changes only under the lock.
        Enqueued::Waits(Ticket { number, closings: shared.closings.load(Ordering::Relaxed) })
    }

    /// How it stands with that ticket. If it waits, `waker` will be woken when that changes.
    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> WaitState {
        let shared = self.shared.get_or_make();
        if shared.is_served(ticket) {
            return WaitState::Served;
        }
        let mut spare = None;
        loop {
            let mut queue = shared.lock();
            let turn = shared.turn(&mut queue, ticket);
            if turn != WaitState::Waits {
                return turn;
            }
            let Some(handle) = queue.outdated(ticket.number, waker) else { return turn };
            // Wakers are cloned and dropped outside the lock: what they do is not ours to know.
            if spare.is_some() {
                core::mem::swap(handle, &mut spare);
                drop(queue);
                return turn;
            }
            drop(queue);
            spare = Some(WakeHandle::Task(waker.clone()));
        }
    }

    /// How it stands with the ticket of a thread.
    pub(crate) fn look(&self, ticket: Ticket) -> WaitState {
        let shared = self.shared.get_or_make();
        if shared.is_served(ticket) {
            WaitState::Served
        } else {
            shared.turn(&mut shared.lock(), ticket)
        }
    }

    /// How many are ahead of that ticket, while it waits.
    pub(crate) fn position(&self, ticket: Ticket) -> Option<usize> {
        self.shared.get_or_make().lock().position(ticket.number)
    }

    /// Gives a ticket up. True if it had been served already: its places are the caller's to give
    /// back. Else what was set aside for it goes to those behind it.
    pub(crate) fn cancel(&self, slot: &Slot, ticket: Ticket) -> bool {
        let shared = self.shared.get_or_make();
        if shared.is_served(ticket) {
            return true;
        }
        let mut wake_list = WakeList::default();
        let mut queue = shared.lock();
        match shared.turn(&mut queue, ticket) {
            WaitState::Served => return true,
            WaitState::Closed => return false,
            WaitState::Waits => {}
        }
        let removed = queue.remove(ticket.number);
        if let Some((_, set_aside @ 1..)) = removed {
            slot.give(set_aside);
        }
        shared.assign_free(slot, &mut queue, &mut wake_list);
        drop(queue);
        wake_list.wake_all();
        false
    }

    /// Withdraws `n` places, those first that were set aside for the head of the waitlist.
    pub(crate) fn withdraw(&self, slot: &Slot, n: u32) {
        if n == 0 {
            return;
        }
        // The waitlist must be there before anybody sees WAITING.
        let shared = self.shared.get_or_make();
        // Relaxed: who knows of the lowering knows of this.
        shared.lowerings.fetch_add(1, Ordering::Relaxed);
        slot.withdraw(n);
        if slot.read().is_waiting() {
            shared.lock_and_assign(slot);
        }
    }

    /// The most that can be held of so many places. More only if some were withdrawn: above that
    /// stand those who came too late under WAITING and are about to back out.
    pub(crate) fn most(&self, places: u32) -> u32 {
        // Relaxed: as in `withdraw`.
        match self.shared.get().map_or(0, |shared| shared.lowerings.load(Ordering::Relaxed)) {
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
            let shared = self.shared.get_or_make();
            let mut wake_list = WakeList::default();
            let mut queue = shared.lock();
            // If it is open again, whoever reopened it has done this.
            if slot.read().is_closed() {
                shared.close_all(slot, &mut queue, &mut wake_list);
            }
            drop(queue);
            wake_list.wake_all();
        }
    }

    /// Reopens. Whoever waited when it was closed is turned away, even if the one who closed it has
    /// not come to that yet; the lock keeps those apart who come to wait afterwards.
    pub(crate) fn reopen(&self, slot: &Slot) {
        if slot.reopen_unless_waiting() {
            return;
        }
        let shared = self.shared.get_or_make();
        let mut wake_list = WakeList::default();
        let mut queue = shared.lock();
        // A load might miss a closing that the reopening undoes.
        if slot.reopen() {
            shared.close_all(slot, &mut queue, &mut wake_list);
        }
        drop(queue);
        wake_list.wake_all();
    }
}
