//! The queue behind the lock: the waiters, in the order of their arrival.
//!
//! # Invariant
//!
//! Tickets ascend from front to back. A waiter that is cancelled leaves a gap; there is no gap at
//! the front or at the back, and never more gaps than waiters, but for a few. A waiter wants at
//! least one place.
//!
//! # Why not a library
//!
//! A listener (`event-listener`) tells a task that something has changed, and another caller may be
//! there first: it is no waitlist, knows neither how many places a waiter wants nor its position,
//! and allocates for each waiter. An intrusive list (`pin-list`) needs pinned futures, which cannot
//! be polled by reference and asked for their position, and has no room for threads that block.
//! What either leaves to write is this file.

use std::collections::VecDeque;
use std::task::Waker;

use crate::protocol::mutants::mutant;
use crate::sync::Thread;

/// A number of gaps for which it is not worth moving the waiters.
const FEW: usize = 16;

/// How to wake a waiter.
pub(crate) enum WakeHandle {
    Task(Waker),
    Thread(Thread),
}

impl WakeHandle {
    pub(super) fn wake(self) {
        match self {
            WakeHandle::Task(waker) => waker.wake(),
            WakeHandle::Thread(thread) => thread.unpark(),
        }
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        matches!(self, WakeHandle::Task(ours) if ours.will_wake(waker))
    }
}

/// The waiters to be woken once the lock is free. Nearly always one, for which nothing is
/// allocated.
#[derive(Default)]
pub(super) struct WakeList {
    first: Option<WakeHandle>,
    rest: Vec<WakeHandle>,
}

impl WakeList {
    pub(super) fn push(&mut self, handle: WakeHandle) {
        match self.first {
            None => self.first = Some(handle),
            Some(_) => self.rest.push(handle),
        }
    }

    pub(super) fn wake_all(self) {
        self.first.into_iter().chain(self.rest).for_each(WakeHandle::wake);
    }
}

struct Waiter {
    ticket: usize,
    /// The number of places still wanted.
    wants: u32,
    /// The number of places set aside so far.
    has: u32,
    /// `None`: cancelled.
    handle: Option<WakeHandle>,
}

/// The waiters that one closing refused: their tickets, and how many have not learned of it yet.
struct ClosedBatch {
    first: usize,
    last: usize,
    unaware: usize,
}

/// The head of the queue.
pub(super) struct Head {
    pub(super) wants: u32,
    pub(super) has: u32,
    pub(super) last: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
    gaps: usize,
    last_ticket: usize,
    closed_batches: Vec<ClosedBatch>,
}

/// Returns whether `ticket` is `other` or was drawn after it. Tickets may wrap around.
pub(super) fn not_before(ticket: usize, other: usize) -> bool {
    ticket.wrapping_sub(other) as isize >= 0
}

impl Queue {
    /// Returns the number of waiters.
    pub(super) fn len(&self) -> usize {
        self.waiters.len() - self.gaps
    }

    /// Adds a waiter at the back. Returns its ticket.
    pub(super) fn push(&mut self, wants: u32, has: u32, handle: WakeHandle) -> usize {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        let ticket = self.last_ticket;
        self.waiters.push_back(Waiter { ticket, wants, has, handle: Some(handle) });
        ticket
    }

    pub(super) fn head(&self) -> Option<Head> {
        let last = self.waiters.len() == 1;
        self.waiters.front().map(|head| Head { wants: head.wants, has: head.has, last })
    }

    /// Sets `n` more places aside for the head. If it then has all that it wants, it leaves the
    /// queue, and its ticket and handle are returned.
    pub(super) fn set_aside(&mut self, n: u32) -> Option<(usize, WakeHandle)> {
        let head = self.waiters.front_mut()?;
        head.wants -= n;
        head.has += n;
        if head.wants > 0 {
            return None;
        }
        let served = self.waiters.pop_front()?;
        self.trim();
        Some((served.ticket, served.handle?))
    }

    /// Takes `n` of the places back that were set aside for the head.
    pub(super) fn take_back(&mut self, n: u32) {
        if let Some(head) = self.waiters.front_mut() {
            head.has -= n;
            head.wants += n;
        }
    }

    fn index(&self, ticket: usize) -> Option<usize> {
        let after = self.waiters.partition_point(|waiter| not_before(ticket, waiter.ticket));
        let index = after.checked_sub(1)?;
        let waiter = &self.waiters[index];
        (waiter.ticket == ticket && waiter.handle.is_some()).then_some(index)
    }

    /// Returns how many waiters are ahead of that ticket, if it is in the queue.
    pub(super) fn position(&self, ticket: usize) -> Option<usize> {
        let index = self.index(ticket)?;
        Some(self.waiters.iter().take(index).filter(|waiter| waiter.handle.is_some()).count())
    }

    /// Returns the handle of that ticket, if it does not wake the task of `waker`.
    pub(super) fn outdated(
        &mut self,
        ticket: usize,
        waker: &Waker,
    ) -> Option<&mut Option<WakeHandle>> {
        let index = self.index(ticket)?;
        let handle = &mut self.waiters[index].handle;
        match handle {
            _ if mutant!("waitlist-keep-waker") => None,
            Some(ours) if ours.will_wake(waker) => None,
            _ => Some(handle),
        }
    }

    /// Replaces the handle of that ticket, if it is in the queue. Returns the old one.
    pub(super) fn replace(&mut self, ticket: usize, handle: WakeHandle) -> Option<WakeHandle> {
        let index = self.index(ticket)?;
        self.waiters[index].handle.replace(handle)
    }

    /// Removes a waiter, if it is in the queue. Returns its handle and the number of places that
    /// were set aside for it.
    pub(super) fn remove(&mut self, ticket: usize) -> Option<(WakeHandle, u32)> {
        let index = self.index(ticket)?;
        let waiter = &mut self.waiters[index];
        let removed = (waiter.handle.take()?, waiter.has);
        self.gaps += 1;
        self.trim();
        if self.gaps > self.len() + FEW {
            self.waiters.retain(|waiter| waiter.handle.is_some());
            self.gaps = 0;
        }
        Some(removed)
    }

    fn trim(&mut self) {
        while self.waiters.front().is_some_and(|waiter| waiter.handle.is_none()) {
            self.waiters.pop_front();
            self.gaps -= 1;
        }
        while self.waiters.back().is_some_and(|waiter| waiter.handle.is_none()) {
            self.waiters.pop_back();
            self.gaps -= 1;
        }
    }

    /// Refuses all waiters. Returns the number of places that were set aside for them.
    pub(super) fn close_all(&mut self, wake_list: &mut WakeList) -> u32 {
        if let (Some(first), Some(last)) = (self.waiters.front(), self.waiters.back()) {
            let (first, last, unaware) = (first.ticket, last.ticket, self.len());
            self.closed_batches.push(ClosedBatch { first, last, unaware });
        }
        self.gaps = 0;
        let mut set_aside = 0;
        for waiter in self.waiters.drain(..) {
            set_aside += waiter.has;
            waiter.handle.into_iter().for_each(|handle| wake_list.push(handle));
        }
        set_aside
    }

    /// Returns whether a closing refused that ticket. True once: the waiter has learned of it then.
    pub(super) fn take_closed(&mut self, ticket: usize) -> bool {
        let found = self
            .closed_batches
            .iter()
            .position(|batch| not_before(ticket, batch.first) && not_before(batch.last, ticket));
        let Some(index) = found else { return false };
        self.closed_batches[index].unaware -= 1;
        if self.closed_batches[index].unaware == 0 {
            self.closed_batches.swap_remove(index);
        }
        true
    }
}
