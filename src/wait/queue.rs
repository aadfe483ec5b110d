//! The queue behind the lock: the waiters, in the order of their arrival.
//!
//! # Invariant
//!
//! Tickets ascend from front to back. A waiter that is cancelled leaves a gap; there is no gap at
//! the front or at the back, and never more gaps than waiters, but for a few. A waiter wants at
//! least one place. No ticket is in two of the collections; one that was handed out, and is in none
//! of them, has been served or is void.
//!
//! # Why not a library
//!
//! A listener (`event-listener`) tells a task that something has changed, and another caller may be
//! there first: it is no waitlist, knows neither how many places a waiter wants nor its position,
//! and allocates for each waiter. An intrusive list (`pin-list`) needs pinned futures, which cannot
//! be polled by reference and asked for their position, and has no room for threads that block.
//! What either leaves to write is this file.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
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
    fn wake(self) {
        match self {
            WakeHandle::Task(waker) => waker.wake(),
            WakeHandle::Thread(thread) => thread.unpark(),
        }
    }

    pub(super) fn will_wake(&self, waker: &Waker) -> bool {
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

    /// Wakes all, also if one of them panics. The first panic goes on when all have been woken,
    /// unless the thread panics already: a second panic would abort the process.
    pub(super) fn wake_all(self) {
        let mut panic: Option<Box<dyn Any + Send>> = None;
        for handle in self.first.into_iter().chain(self.rest) {
            if mutant!("waitlist-panic-strands") {
                handle.wake();
            } else if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handle.wake())) {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            if !std::thread::panicking() {
                resume_unwind(payload);
            }
        }
    }
}

struct Waiter {
    ticket: u64,
    wants: u32,
    /// `None`: cancelled.
    handle: Option<WakeHandle>,
}

#[derive(Default)]
pub(super) struct Queue {
    /// The number of places held, while WAITING is set in the slot.
    pub(super) held: u32,
    waiters: VecDeque<Waiter>,
    gaps: usize,
    /// The waiters that want more places than there are, and how many they want.
    aside: BTreeMap<u64, (u32, WakeHandle)>,
    /// The callers that wait until no place is held.
    drainers: BTreeMap<u64, WakeHandle>,
    /// The tickets that were refused, and whose waiters have not learned of it yet.
    refused: BTreeSet<u64>,
    last_ticket: u64,
}

impl Queue {
    /// Returns the number of waiters, those aside included.
    pub(super) fn len(&self) -> usize {
        self.in_line() + self.aside.len()
    }

    /// Returns the number of waiters in line.
    pub(super) fn in_line(&self) -> usize {
        self.waiters.len() - self.gaps
    }

    fn draw_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Adds a waiter at the back of the line. Returns its ticket.
    pub(super) fn push(&mut self, wants: u32, handle: WakeHandle) -> u64 {
        let ticket = self.draw_ticket();
        self.waiters.push_back(Waiter { ticket, wants, handle: Some(handle) });
        ticket
    }

    /// Adds a waiter aside. Returns its ticket.
    pub(super) fn push_aside(&mut self, wants: u32, handle: WakeHandle) -> u64 {
        let ticket = self.draw_ticket();
        self.aside.insert(ticket, (wants, handle));
        ticket
    }

    /// Adds a caller that waits until no place is held. Returns its ticket.
    pub(super) fn push_drainer(&mut self, handle: WakeHandle) -> u64 {
        let ticket = self.draw_ticket();
        self.drainers.insert(ticket, handle);
        ticket
    }

    /// Ends the wait of all that wait until no place is held: each is served, or else refused.
    pub(super) fn end_draining(&mut self, served: bool, wake_list: &mut WakeList) {
        for (ticket, handle) in std::mem::take(&mut self.drainers) {
            if !served {
                self.refused.insert(ticket);
            }
            wake_list.push(handle);
        }
    }

    /// Returns how many places the head of the line wants.
    pub(super) fn head_wants(&self) -> Option<u32> {
        self.waiters.front().map(|head| head.wants)
    }

    /// Serves the head of the line: it holds its places from now on. Returns its ticket and its
    /// handle.
    pub(super) fn serve_head(&mut self) -> Option<(u64, WakeHandle)> {
        let head = self.waiters.pop_front()?;
        self.held += head.wants;
        self.trim();
        Some((head.ticket, head.handle?))
    }

    /// Sets the waiters aside that want more than `places`. Returns whether there were any.
    pub(super) fn set_aside(&mut self, places: u32) -> bool {
        let before = self.aside.len();
        self.waiters.retain_mut(|waiter| {
            if let Some(handle) = waiter.handle.take_if(|_| waiter.wants > places) {
                self.aside.insert(waiter.ticket, (waiter.wants, handle));
            }
            waiter.handle.is_some()
        });
        self.gaps = 0;
        self.aside.len() > before
    }

    /// Returns whether a waiter that is aside wants no more than `places`.
    pub(super) fn is_back(&self, places: u32) -> bool {
        self.aside.values().any(|(wants, _)| *wants <= places)
    }

    /// Puts the waiters that are aside, and want no more than `places`, back in line.
    pub(super) fn put_back(&mut self, places: u32) {
        let all = std::mem::take(&mut self.aside).into_iter();
        let (back, aside): (BTreeMap<_, _>, _) = all.partition(|(_, (wants, _))| *wants <= places);
        self.aside = aside;
        self.waiters.extend(back.into_iter().map(|(ticket, (wants, handle))| Waiter {
            ticket,
            wants,
            handle: Some(handle),
        }));
        self.waiters.make_contiguous().sort_by_key(|waiter| waiter.ticket);
    }

    fn index(&self, ticket: u64) -> Option<usize> {
        let index = self.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()?;
        self.waiters[index].handle.is_some().then_some(index)
    }

    /// Returns whether that ticket waits.
    pub(super) fn waits(&self, ticket: u64) -> bool {
        self.index(ticket).is_some()
            || self.aside.contains_key(&ticket)
            || self.drainers.contains_key(&ticket)
    }

    /// Returns how many waiters are ahead of that ticket, if it waits. Those aside are ahead only of
    /// others aside.
    pub(super) fn position(&self, ticket: u64) -> Option<usize> {
        let aside = match self.index(ticket) {
            Some(_) => 0,
            None if self.aside.contains_key(&ticket) => self.aside.range(..ticket).count(),
            None => return None,
        };
        let ahead = self.waiters.iter().take_while(|waiter| waiter.ticket < ticket);
        Some(ahead.filter(|waiter| waiter.handle.is_some()).count() + aside)
    }

    /// Returns the handle of that ticket, if it waits.
    pub(super) fn handle(&mut self, ticket: u64) -> Option<&mut WakeHandle> {
        match self.index(ticket) {
            Some(index) => self.waiters[index].handle.as_mut(),
            None => match self.aside.get_mut(&ticket) {
                Some((_, handle)) => Some(handle),
                None => self.drainers.get_mut(&ticket),
            },
        }
    }

    /// Removes a waiter, if it waits. Returns its handle.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<WakeHandle> {
        let Some(index) = self.index(ticket) else {
            let aside = self.aside.remove(&ticket).map(|(_, handle)| handle);
            return aside.or_else(|| self.drainers.remove(&ticket));
        };
        let removed = self.waiters[index].handle.take();
        self.gaps += 1;
        self.trim();
        if self.gaps > self.in_line() + FEW {
            self.waiters.retain(|waiter| waiter.handle.is_some());
            self.gaps = 0;
        }
        removed
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

    /// Refuses all waiters, those aside included.
    pub(super) fn refuse_all(&mut self, wake_list: &mut WakeList) {
        self.gaps = 0;
        let in_line = self.waiters.drain(..);
        let in_line = in_line.filter_map(|waiter| Some((waiter.ticket, waiter.handle?)));
        let aside = std::mem::take(&mut self.aside).into_iter();
        let aside = aside.map(|(ticket, (_, handle))| (ticket, handle));
        for (ticket, handle) in in_line.chain(aside) {
            self.refused.insert(ticket);
            wake_list.push(handle);
        }
    }

    /// Returns whether that ticket was refused. True once: the waiter has learned of it then.
    pub(super) fn take_refused(&mut self, ticket: u64) -> bool {
        self.refused.remove(&ticket)
    }
}
