//! The waitlist: the queue, its lock, and what can be known without the lock.
//!
//! # Invariant
//!
//! `waiting` is the length of the queue. `served` is the ticket that was served last, so that a
//! waiter learns without the lock that it has been served. `closings` counts how often all waiters
//! were refused: the number of a ticket from before a closing says nothing about `served`. These
//! three change only under the lock. The waitlist exists before WAITING is first set, and no waiter
//! is woken under the lock.

use std::sync::PoisonError;
use std::task::Waker;

use super::queue::{not_before, Queue, WakeHandle, WakeList};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::slot::{Assigned, Refusal, Slot, SlotWord, CEILING};
use crate::sync::{const_fn, AtomicUsize, Lazy, Mutex, MutexGuard, Ordering, Thread};

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

/// A place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: usize,
    closings: usize,
}

/// The result of joining the waitlist.
pub(crate) enum Enqueued {
    Served,
    Closed,
    Waits(Ticket),
}

/// The state of a ticket. `Served` and `Closed` are returned once; the ticket is void then.
#[derive(Clone, Copy, PartialEq, Eq)]
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

    /// Returns whether the ticket has been served, without the lock. `false` can also mean that the
    /// lock is needed to know.
    fn is_served(&self, ticket: Ticket) -> bool {
        // Acquire, pairs with the Release in `assign_free`: a waiter that is served sees the
        // earlier writes of the last holder of its place, and each closing before.
        let served = self.served.load(ordering!("waitlist-is-served", Acquire => Relaxed));
        // Relaxed: if a later ticket was served after a closing, the load above has made that
        // closing visible.
        not_before(served, ticket.number)
            && (mutant!("waitlist-is-served-after-closing")
                || self.closings.load(Ordering::Relaxed) == ticket.closings)
    }

    /// Returns the state of the ticket, under the lock.
    fn state(&self, queue: &mut Queue, ticket: Ticket) -> WaitState {
        // Relaxed, twice: both change only under the lock.
        if !mutant!("waitlist-state-ignores-closing")
            && self.closings.load(Ordering::Relaxed) != ticket.closings
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
        // Relaxed: a caller that knows by other means that another one waits sees it counted, since
        // this store comes before.
        self.waiting.store(queue.len(), Ordering::Relaxed);
    }

    /// Hands out the free places, in order, as far as they go.
    fn assign_free(&self, slot: &Slot, queue: &mut Queue, wake_list: &mut WakeList) {
        while let Some(head) = queue.head() {
            match slot.assign(head.wants, head.last) {
                Assigned::Places(0) => break,
                Assigned::Places(n) => {
                    if let Some((ticket, handle)) = queue.set_aside(n) {
                        // Release, pairs with the Acquire in `is_served`.
                        let release = ordering!("waitlist-served", Release => Relaxed);
                        self.served.store(ticket, release);
                        wake_list.push(handle);
                    } else {
                        break;
                    }
                }
                Assigned::Deficit(_) if head.has == 0 => break,
                Assigned::Deficit(_) if mutant!("waitlist-keep-gathered") => break,
                Assigned::Deficit(n) => {
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

    /// Refuses all waiters.
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

/// The waitlist of one slot. The caller gives that slot to each method.
pub(crate) struct Waitlist {
    shared: Lazy<Shared>,
}

impl Waitlist {
    const_fn! {
        pub(crate) const fn new() -> Waitlist {
            Waitlist { shared: Lazy::new() }
        }
    }

    /// Returns the number of waiters.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: the value orders nothing else.
        self.shared.get().map_or(0, |shared| shared.waiting.load(Ordering::Relaxed))
    }

    /// Serves the waitlist after a release under WAITING.
    #[cold]
    pub(crate) fn freed(&self, slot: &Slot, _: SlotWord) {
        if !mutant!("waitlist-release-serves-none") {
            self.shared.get_or_make().lock_and_assign(slot);
        }
    }

    /// Decides whether a caller keeps the `n` places that it has just claimed. `level` is the
    /// result of that claim. A caller that has overtaken a waiter gives them back.
    #[inline]
    pub(crate) fn admit(&self, slot: &Slot, level: u32, n: u32) -> Result<(), Refusal> {
        if level <= CEILING || mutant!("waitlist-admit-overtakes") {
            return Ok(());
        }
        self.admit_under_waiting(slot, n)
    }

    #[cold]
    fn admit_under_waiting(&self, slot: &Slot, n: u32) -> Result<(), Refusal> {
        if n == 0 || self.len() == 0 {
            return Ok(());
        }
        if mutant!("waitlist-overtaker-serves-none") {
            slot.give(n);
        } else {
            self.give_back(slot, n);
        }
        Err(Refusal::Full)
    }

    /// Claims `wants` places if they are free and no caller waits, else joins the queue.
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

    /// Returns the state of the ticket. If it waits, `waker` is woken when that changes.
    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> WaitState {
        let shared = self.shared.get_or_make();
        if shared.is_served(ticket) {
            return WaitState::Served;
        }
        let mut spare = None;
        loop {
            let mut queue = shared.lock();
            let state = match spare {
                Some(_) if mutant!("waitlist-poll-no-recheck") => WaitState::Waits,
                _ => shared.state(&mut queue, ticket),
            };
            if state != WaitState::Waits {
                return state;
            }
            let Some(handle) = queue.outdated(ticket.number, waker) else { return state };
            // The lock is free while a waker is cloned or dropped, which can run any code.
            if spare.is_some() {
                core::mem::swap(handle, &mut spare);
                drop(queue);
                return state;
            }
            drop(queue);
            spare = Some(WakeHandle::Task(waker.clone()));
        }
    }

    /// Returns the state of the ticket. If it waits, `thread` is unparked when that changes, in
    /// place of the task that was to be woken.
    pub(crate) fn switch_to_thread(&self, ticket: Ticket, thread: Thread) -> WaitState {
        let shared = self.shared.get_or_make();
        let mut queue = shared.lock();
        let state = shared.state(&mut queue, ticket);
        let mut old = None;
        if state == WaitState::Waits && !mutant!("waitlist-thread-keeps-waker") {
            old = queue.replace(ticket.number, WakeHandle::Thread(thread));
        }
        // The lock is free while a waker is dropped, which can run any code.
        drop(queue);
        drop(old);
        state
    }

    /// Returns the state of the ticket of a thread.
    pub(crate) fn look(&self, ticket: Ticket) -> WaitState {
        let shared = self.shared.get_or_make();
        if shared.is_served(ticket) {
            WaitState::Served
        } else {
            shared.state(&mut shared.lock(), ticket)
        }
    }

    /// Returns how many waiters are ahead of the ticket, while it waits.
    pub(crate) fn position(&self, ticket: Ticket) -> Option<usize> {
        self.shared.get_or_make().lock().position(ticket.number)
    }

    /// Cancels the ticket. Returns whether it had been served: then its places are the caller's to
    /// give back. Otherwise what was set aside for it goes to the next waiters.
    pub(crate) fn cancel(&self, slot: &Slot, ticket: Ticket) -> bool {
        let shared = self.shared.get_or_make();
        if shared.is_served(ticket) {
            return !mutant!("waitlist-cancel-loses-served");
        }
        let mut wake_list = WakeList::default();
        let mut queue = shared.lock();
        match shared.state(&mut queue, ticket) {
            WaitState::Served => return !mutant!("waitlist-cancel-no-recheck"),
            WaitState::Closed => return false,
            WaitState::Waits => {}
        }
        let removed = queue.remove(ticket.number);
        if let Some((_, set_aside @ 1..)) = removed {
            if !mutant!("waitlist-cancel-loses-gathered") {
                slot.give(set_aside);
            }
        }
        if !mutant!("waitlist-cancel-serves-none") {
            shared.assign_free(slot, &mut queue, &mut wake_list);
        }
        drop(queue);
        wake_list.wake_all();
        false
    }

    /// Removes `n` places from the slot, those first that were set aside for the head of the queue.
    pub(crate) fn withdraw(&self, slot: &Slot, n: u32) {
        if n == 0 {
            return;
        }
        // The waitlist must exist before another thread sees WAITING.
        let shared = self.shared.get_or_make();
        // Relaxed: a caller that knows of this lowering by other means sees it counted.
        shared.lowerings.fetch_add(1, Ordering::Relaxed);
        slot.withdraw(n);
        if slot.read().is_waiting() && !mutant!("waitlist-withdraw-no-look") {
            shared.lock_and_assign(slot);
        }
    }

    /// Returns the most that can be held of `places` places. Without a lowering that is all of
    /// them: a count above is of callers that have overtaken a waiter and are about to back out.
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

    /// Refuses all waiters after the slot was closed.
    pub(crate) fn closed(&self, slot: &Slot) {
        if slot.read().is_waiting() && !mutant!("waitlist-close-no-look") {
            let shared = self.shared.get_or_make();
            let mut wake_list = WakeList::default();
            let mut queue = shared.lock();
            // If the slot is open again, the caller that reopened it has refused them.
            if slot.read().is_closed() || mutant!("waitlist-close-no-recheck") {
                shared.close_all(slot, &mut queue, &mut wake_list);
            }
            drop(queue);
            wake_list.wake_all();
        }
    }

    /// Reopens the slot. Callers that waited when it was closed are refused, even if the thread
    /// that closed it has not come to that yet. The lock keeps later waiters apart from them.
    pub(crate) fn reopen(&self, slot: &Slot) {
        if slot.reopen_unless_waiting() {
            return;
        }
        let shared = self.shared.get_or_make();
        let mut wake_list = WakeList::default();
        let mut queue = shared.lock();
        // The change itself says whether the slot was closed: a load before it could miss a
        // closing.
        if slot.reopen() && !mutant!("waitlist-reopen-refuses-none") {
            shared.close_all(slot, &mut queue, &mut wake_list);
        }
        drop(queue);
        wake_list.wake_all();
    }
}
