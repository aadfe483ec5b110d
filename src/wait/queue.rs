//! The queue behind the lock: who waits, in the order of their coming.
//!
//! # Invariant
//!
//! Tickets ascend from front to back. Who gives up leaves a gap; there is never a gap at the front
//! or the back, and never more gaps than waiters, but for a few. A waiter wants at least one place.
//!
//! # Why not a library
//!
//! A listener (`event-listener`) tells somebody that something has changed, and a newcomer may be
//! there first: it is no line, knows neither how many places one wants nor where one stands, and
//! allocates for each who waits. An intrusive list (`pin-list`) needs futures that are pinned, which
//! then cannot be polled by reference and asked for their position, and has no room for threads that
//! block. What is left to write over either is what stands here.

use std::collections::VecDeque;
use std::task::Waker;

use crate::sync::Thread;

/// Gaps that are not worth moving the others for.
const FEW: usize = 16;

/// How to tell one who waits.
pub(crate) enum Alarm {
    Task(Waker),
    Thread(Thread),
}

impl Alarm {
    pub(super) fn ring(self) {
        match self {
            Alarm::Task(waker) => waker.wake(),
            Alarm::Thread(thread) => thread.unpark(),
        }
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        matches!(self, Alarm::Task(ours) if ours.will_wake(waker))
    }
}

/// Those to be told once the lock is free. Nearly always one, for whom nothing is allocated.
#[derive(Default)]
pub(super) struct Alarms {
    first: Option<Alarm>,
    rest: Vec<Alarm>,
}

impl Alarms {
    pub(super) fn push(&mut self, alarm: Alarm) {
        match self.first {
            None => self.first = Some(alarm),
            Some(_) => self.rest.push(alarm),
        }
    }

    pub(super) fn ring(self) {
        self.first.into_iter().chain(self.rest).for_each(Alarm::ring);
    }
}

struct Waiter {
    ticket: usize,
    /// Places still wanted.
    wants: u32,
    /// Places set aside so far.
    has: u32,
    /// `None`: gave up.
    alarm: Option<Alarm>,
}

/// Tickets whose holders were turned away when the gate closed, and how many do not know it yet.
struct TurnedAway {
    first: usize,
    last: usize,
    unaware: usize,
}

/// The head of the line.
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
    turned_away: Vec<TurnedAway>,
}

/// True if `ticket` is `other` or was drawn after it. Tickets may wrap around.
pub(super) fn not_before(ticket: usize, other: usize) -> bool {
    ticket.wrapping_sub(other) as isize >= 0
}

impl Queue {
    /// The number of those who wait.
    pub(super) fn len(&self) -> usize {
        self.waiters.len() - self.gaps
    }

    /// Adds one who waits; yields its ticket.
    pub(super) fn push(&mut self, wants: u32, has: u32, alarm: Alarm) -> usize {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        let ticket = self.last_ticket;
        self.waiters.push_back(Waiter { ticket, wants, has, alarm: Some(alarm) });
        ticket
    }

    pub(super) fn head(&self) -> Option<Head> {
        let last = self.waiters.len() == 1;
        self.waiters.front().map(|head| Head { wants: head.wants, has: head.has, last })
    }

    /// Sets `n` more places aside for the head of the line. If that is all it wants, it is no longer
    /// in line: yields its ticket and alarm.
    pub(super) fn set_aside(&mut self, n: u32) -> Option<(usize, Alarm)> {
        let head = self.waiters.front_mut()?;
        head.wants -= n;
        head.has += n;
        if head.wants > 0 {
            return None;
        }
        let served = self.waiters.pop_front()?;
        self.trim();
        Some((served.ticket, served.alarm?))
    }

    /// Takes `n` of the places back that were set aside for the head of the line.
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
        (waiter.ticket == ticket && waiter.alarm.is_some()).then_some(index)
    }

    /// How many are ahead of that ticket, if it is in line.
    pub(super) fn position(&self, ticket: usize) -> Option<usize> {
        let index = self.index(ticket)?;
        Some(self.waiters.iter().take(index).filter(|waiter| waiter.alarm.is_some()).count())
    }

    /// Does that ticket's alarm wake somebody else? Yields the alarm to be replaced.
    pub(super) fn outdated(&mut self, ticket: usize, waker: &Waker) -> Option<&mut Option<Alarm>> {
        let index = self.index(ticket)?;
        let alarm = &mut self.waiters[index].alarm;
        match alarm {
            Some(ours) if ours.will_wake(waker) => None,
            _ => Some(alarm),
        }
    }

    /// Removes one who gives up, if it is in line; yields its alarm and what was set aside for it.
    pub(super) fn remove(&mut self, ticket: usize) -> Option<(Alarm, u32)> {
        let index = self.index(ticket)?;
        let waiter = &mut self.waiters[index];
        let removed = (waiter.alarm.take()?, waiter.has);
        self.gaps += 1;
        self.trim();
        if self.gaps > self.len() + FEW {
            self.waiters.retain(|waiter| waiter.alarm.is_some());
            self.gaps = 0;
        }
        Some(removed)
    }

    fn trim(&mut self) {
        while self.waiters.front().is_some_and(|waiter| waiter.alarm.is_none()) {
            self.waiters.pop_front();
            self.gaps -= 1;
        }
        while self.waiters.back().is_some_and(|waiter| waiter.alarm.is_none()) {
            self.waiters.pop_back();
            self.gaps -= 1;
        }
    }

    /// Turns everybody away; yields how many places were set aside for them.
    pub(super) fn turn_away(&mut self, alarms: &mut Alarms) -> u32 {
        if let (Some(first), Some(last)) = (self.waiters.front(), self.waiters.back()) {
            let (first, last, unaware) = (first.ticket, last.ticket, self.len());
            self.turned_away.push(TurnedAway { first, last, unaware });
        }
        self.gaps = 0;
        let mut set_aside = 0;
        for waiter in self.waiters.drain(..) {
            set_aside += waiter.has;
            waiter.alarm.into_iter().for_each(|alarm| alarms.push(alarm));
        }
        set_aside
    }

    /// Was that ticket's holder turned away? True once: now it knows.
    pub(super) fn learns_that_it_was_turned_away(&mut self, ticket: usize) -> bool {
        let found = self
            .turned_away
            .iter()
            .position(|those| not_before(ticket, those.first) && not_before(those.last, ticket));
        let Some(index) = found else { return false };
        self.turned_away[index].unaware -= 1;
        if self.turned_away[index].unaware == 0 {
            self.turned_away.swap_remove(index);
        }
        true
    }
}
