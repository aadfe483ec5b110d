//! A gate in ordinary numbers.
//!
//! Everything that a gate means stands here, and nowhere else in the tests. A new operation is a
//! variant of [`GateCall`] and an arm of [`Gate::apply`]; what it may answer is a variant of
//! [`GateAnswer`]; what can be read of a gate is a field of [`GateReadings`].

use crate::Spec;

/// Names a waiter. The caller chooses it; no two waiters of a gate have the same.
pub type Ticket = u32;

/// What can be asked of a gate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GateCall {
    /// One place.
    Acquire,
    /// So many places, all or none.
    AcquireMany(u32),
    /// Every free place, at least one.
    AcquireAll,
    /// So many places, if `spare` more are free.
    AcquireLeaving {
        /// The places.
        places: u32,
        /// Those that stay free.
        spare: u32,
    },
    /// So many places, whether or not they are free, and also if the gate is closed.
    Force(u32),
    /// Gives one place back.
    Release,
    /// Gives so many places back.
    ReleaseMany(u32),
    /// Gives up so many places, which stay held for ever.
    Forget(u32),
    /// Admits no more callers, and refuses all waiters.
    Close,
    /// Admits callers again.
    Reopen,
    /// Closes if at least so many places are held.
    CloseIf(u32),
    /// Changes the capacity.
    SetCapacity(u32),
    /// Adds so many places.
    RaiseCapacity(u32),
    /// Removes so many places, or all if there are fewer.
    LowerCapacity(u32),
    /// How many places are held?
    Occupied,
    /// Is no place free?
    IsFull,
    /// So many places, all or none; waits for them if they are not free.
    Enqueue {
        /// The waiter, unless the call is answered at once.
        ticket: Ticket,
        /// The places.
        places: u32,
    },
    /// As `Enqueue`, unless so many callers wait already.
    EnqueueWithin {
        /// The waiter, unless the call is answered at once.
        ticket: Ticket,
        /// The places.
        places: u32,
        /// The number of waiters at which it is refused.
        limit: u32,
    },
    /// Closes, and waits until no place is held.
    Drain {
        /// The waiter, unless no place is held.
        ticket: Ticket,
    },
    /// What has become of the waiter? It is gone once it has been told that its wait is over.
    Poll {
        /// The waiter.
        ticket: Ticket,
    },
    /// Ends the wait. What the waiter had goes to the next waiters.
    Cancel {
        /// The waiter.
        ticket: Ticket,
    },
}

/// What a caller of a gate is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GateAnswer {
    /// The places are the caller's.
    Acquired,
    /// Too few places are free.
    Full,
    /// So many places, all that were free, are the caller's.
    AcquiredAll(u32),
    /// As many callers wait as the caller's limit allows.
    QueueFull,
    /// The gate was reopened before it was drained.
    Reopened,
    /// The gate has so many places now.
    Capacity(u32),
    /// The gate is closed.
    Closed,
    /// The caller waits.
    Waits,
    /// The call is carried out.
    Done,
    /// So many places are held.
    Held(u32),
    /// The gate is closed with so many places held; or too few are held, namely so many.
    Quorum(Result<u32, u32>),
    /// Whether no place is free.
    IsFull(bool),
}

/// A caller that waits, or whose wait is over and who has not been told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Waiter {
    /// Its name.
    pub ticket: Ticket,
    /// The places that it wants. It holds none of them before it is served.
    pub wants: u32,
    /// Whether it wants no places, but waits until none is held.
    pub drains: bool,
    /// Whether it still waits.
    pub state: WaiterState,
}

/// Whether a waiter still waits. It is woken when this changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WaiterState {
    /// It waits.
    Queued,
    /// It has all that it wants.
    Served,
    /// The gate was closed or, if it drains, reopened.
    Refused,
}

/// What can be read of a gate at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GateReadings {
    /// The most places that may be held.
    pub capacity: u32,
    /// The places held.
    pub occupied: u32,
    /// The places free.
    pub available: u32,
    /// Whether no place is free.
    pub is_full: bool,
    /// Whether every caller is refused.
    pub is_closed: bool,
}

/// What a gate is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Gate {
    /// The most places that may be held.
    pub capacity: u32,
    /// The places held. More than the capacity only after it was lowered.
    pub held: u32,
    /// Those of the places held that are never released.
    pub forgotten: u32,
    /// Whether every caller is refused.
    pub closed: bool,
    /// The waiters, in the order in which they came.
    pub waiters: Vec<Waiter>,
    /// Whether places were removed while held. Searches and models of single steps may then excuse
    /// a refusal as full that nothing explains.
    pub was_lowered: bool,
    /// Whether such refusals are excused.
    pub excuses_lowering: bool,
}

impl Gate {
    /// Creates an open gate of which no place is held.
    pub fn new(capacity: u32) -> Self {
        Gate {
            capacity,
            held: 0,
            forgotten: 0,
            closed: false,
            waiters: Vec::new(),
            was_lowered: false,
            excuses_lowering: false,
        }
    }

    /// Returns the number of places that are free for any caller: none if there is a waiter for
    /// them.
    pub fn free(&self) -> u32 {
        match self.next() {
            Some(_) => 0,
            None => self.capacity.saturating_sub(self.held),
        }
    }

    /// Returns the index of the waiter whose turn it is. One that wants more places than there are
    /// stands aside.
    fn next(&self) -> Option<usize> {
        self.waiters.iter().position(|waiter| self.is_queued(waiter) && !self.is_aside(waiter))
    }

    fn is_queued(&self, waiter: &Waiter) -> bool {
        waiter.state == WaiterState::Queued && !waiter.drains
    }

    fn is_aside(&self, waiter: &Waiter) -> bool {
        waiter.wants > self.capacity
    }

    /// Returns how many are ahead of a waiter that waits: those aside only of others aside.
    pub fn position(&self, ticket: Ticket) -> Option<usize> {
        let index = self.waiters.iter().position(|waiter| waiter.ticket == ticket)?;
        let own = &self.waiters[index];
        let mut ahead = self.waiters[..index].to_vec();
        ahead.retain(|it| self.is_queued(it) && (!self.is_aside(it) || self.is_aside(own)));
        self.is_queued(own).then_some(ahead.len())
    }

    /// Returns the number of places that were removed while held, and not released since.
    pub fn deficit(&self) -> u32 {
        self.held.saturating_sub(self.capacity)
    }

    /// Returns what can be read of the gate.
    pub fn readings(&self) -> GateReadings {
        GateReadings {
            capacity: self.capacity,
            occupied: self.held,
            available: self.free(),
            is_full: self.free() == 0,
            is_closed: self.closed,
        }
    }

    /// Returns the tickets that still wait, in the order in which they are served.
    pub fn queue(&self) -> impl Iterator<Item = Ticket> + '_ {
        let queued = self.waiters.iter().filter(|waiter| self.is_queued(waiter));
        queued.map(|waiter| waiter.ticket)
    }

    /// Returns the waiter of that name, unless it is gone.
    pub fn waiter(&self, ticket: Ticket) -> Option<&Waiter> {
        self.waiters.iter().find(|waiter| waiter.ticket == ticket)
    }

    fn acquire(&mut self, n: u32) -> GateAnswer {
        if self.closed {
            GateAnswer::Closed
        } else if n > self.free() {
            GateAnswer::Full
        } else {
            self.held += n;
            GateAnswer::Acquired
        }
    }

    fn release(&mut self, n: u32) {
        self.held -= n;
        self.serve();
    }

    /// Ends the wait of those that drain, or of all others.
    fn end_waits(&mut self, drains: bool, state: WaiterState) {
        for waiter in &mut self.waiters {
            if waiter.state == WaiterState::Queued && waiter.drains == drains {
                waiter.state = state;
            }
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.end_waits(false, WaiterState::Refused);
    }

    fn reopen(&mut self) {
        self.closed = false;
        self.end_waits(true, WaiterState::Refused);
    }

    fn drain(&mut self, ticket: Ticket) -> GateAnswer {
        self.close();
        if self.held == 0 {
            return GateAnswer::Done;
        }
        let state = WaiterState::Queued;
        self.waiters.push(Waiter { ticket, wants: 0, drains: true, state });
        GateAnswer::Waits
    }

    fn set_capacity(&mut self, capacity: u32) {
        self.capacity = capacity;
        self.was_lowered |= self.deficit() > 0;
        self.serve();
    }

    fn enqueue(&mut self, ticket: Ticket, places: u32, limit: u32) -> GateAnswer {
        let answer = self.acquire(places);
        if answer != GateAnswer::Full {
            return answer;
        }
        if self.queue().count() >= limit as usize {
            return GateAnswer::QueueFull;
        }
        let state = WaiterState::Queued;
        self.waiters.push(Waiter { ticket, wants: places, drains: false, state });
        GateAnswer::Waits
    }

    fn poll(&mut self, ticket: Ticket) -> GateAnswer {
        let waiter = self.waiter(ticket).expect("the wait is not over");
        let answer = match (waiter.state, waiter.drains) {
            (WaiterState::Queued, _) => return GateAnswer::Waits,
            (WaiterState::Served, false) => GateAnswer::Acquired,
            (WaiterState::Served, true) => GateAnswer::Done,
            (WaiterState::Refused, false) => GateAnswer::Closed,
            (WaiterState::Refused, true) => GateAnswer::Reopened,
        };
        self.waiters.retain(|waiter| waiter.ticket != ticket);
        answer
    }

    fn cancel(&mut self, ticket: Ticket) {
        let waiter = self.waiter(ticket).expect("the wait is not over").clone();
        self.waiters.retain(|waiter| waiter.ticket != ticket);
        self.release(if waiter.state == WaiterState::Served { waiter.wants } else { 0 });
    }

    /// Serves the waiters in order, as far as the free places go, and those that drain if no place
    /// is held.
    fn serve(&mut self) {
        if self.closed && self.held == 0 {
            self.end_waits(true, WaiterState::Served);
        }
        while let Some(next) = self.next() {
            let wants = self.waiters[next].wants;
            if self.held + wants > self.capacity {
                break;
            }
            self.held += wants;
            self.waiters[next].state = WaiterState::Served;
        }
    }
}

impl Spec for Gate {
    type Call = GateCall;
    type Answer = GateAnswer;

    fn apply(&mut self, call: GateCall) -> GateAnswer {
        match call {
            GateCall::Acquire => return self.acquire(1),
            GateCall::AcquireMany(n) => return self.acquire(n),
            GateCall::AcquireAll => {
                let free = self.free();
                return match self.acquire(free.max(1)) {
                    GateAnswer::Acquired => GateAnswer::AcquiredAll(free),
                    refused => refused,
                };
            }
            GateCall::AcquireLeaving { places, spare } => {
                if !self.closed && self.free() < places.saturating_add(spare) {
                    return GateAnswer::Full;
                }
                return self.acquire(places);
            }
            GateCall::Force(n) => {
                self.held += n;
                return GateAnswer::Acquired;
            }
            GateCall::Release => self.release(1),
            GateCall::ReleaseMany(n) => self.release(n),
            GateCall::Forget(n) => self.forgotten += n,
            GateCall::Close => self.close(),
            GateCall::Reopen => self.reopen(),
            GateCall::CloseIf(at_least) => {
                let held = self.held;
                if held < at_least {
                    return GateAnswer::Quorum(Err(held));
                }
                self.close();
                return GateAnswer::Quorum(Ok(held));
            }
            GateCall::SetCapacity(capacity) => self.set_capacity(capacity),
            GateCall::RaiseCapacity(n) => {
                self.set_capacity(self.capacity + n);
                return GateAnswer::Capacity(self.capacity);
            }
            GateCall::LowerCapacity(n) => {
                self.set_capacity(self.capacity.saturating_sub(n));
                return GateAnswer::Capacity(self.capacity);
            }
            GateCall::Occupied => return GateAnswer::Held(self.held),
            GateCall::IsFull => return GateAnswer::IsFull(self.free() == 0),
            GateCall::Enqueue { ticket, places } => return self.enqueue(ticket, places, u32::MAX),
            GateCall::EnqueueWithin { ticket, places, limit } => {
                return self.enqueue(ticket, places, limit)
            }
            GateCall::Drain { ticket } => return self.drain(ticket),
            GateCall::Poll { ticket } => return self.poll(ticket),
            GateCall::Cancel { ticket } => self.cancel(ticket),
        }
        GateAnswer::Done
    }

    fn allows(&self, call: GateCall) -> bool {
        let can_go = self.held - self.forgotten;
        match call {
            GateCall::Release => can_go >= 1,
            GateCall::ReleaseMany(n) | GateCall::Forget(n) => can_go >= n,
            GateCall::Enqueue { ticket, .. }
            | GateCall::EnqueueWithin { ticket, .. }
            | GateCall::Drain { ticket } => self.waiter(ticket).is_none(),
            GateCall::Poll { ticket } | GateCall::Cancel { ticket } => {
                self.waiter(ticket).is_some()
            }
            _ => true,
        }
    }

    fn excused(&self, call: GateCall) -> Option<GateAnswer> {
        use GateCall::{Acquire, AcquireAll, AcquireLeaving, AcquireMany};
        let acquires =
            matches!(call, Acquire | AcquireMany(_) | AcquireAll | AcquireLeaving { .. });
        (self.excuses_lowering && self.was_lowered && acquires).then_some(GateAnswer::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::{GateAnswer::*, GateCall::*, *};

    fn told(gate: &mut Gate, calls: &[GateCall]) -> Vec<GateAnswer> {
        calls.iter().map(|&call| gate.apply(call)).collect()
    }

    fn enqueue(ticket: Ticket, places: u32) -> GateCall {
        Enqueue { ticket, places }
    }

    #[test]
    fn waiters_are_served_in_order_and_overtaken_by_none() {
        let mut gate = Gate::new(2);
        let calls = [Acquire, enqueue(7, 2), enqueue(8, 1), Acquire, AcquireMany(0)];
        assert_eq!(told(&mut gate, &calls), [Acquired, Waits, Waits, Full, Acquired]);
        assert_eq!((gate.held, gate.queue().collect::<Vec<_>>()), (1, vec![7, 8]));
        let calls = [Release, Poll { ticket: 8 }, Poll { ticket: 7 }, ReleaseMany(2)];
        assert_eq!(told(&mut gate, &calls), [Done, Waits, Acquired, Done]);
        assert_eq!(told(&mut gate, &[Poll { ticket: 8 }, Occupied]), [Acquired, Held(1)]);
        assert!(!gate.allows(Poll { ticket: 8 }));
    }

    #[test]
    fn places_kept_for_a_waiter_are_not_held() {
        let mut gate = Gate::new(5);
        told(&mut gate, &[AcquireMany(2), enqueue(7, 4)]);
        let calls = [CloseIf(3), Occupied, GateCall::IsFull];
        let answers = [Quorum(Err(2)), Held(2), GateAnswer::IsFull(true)];
        assert_eq!(told(&mut gate, &calls), answers);
    }

    #[test]
    fn a_waiter_that_wants_too_much_stands_aside() {
        let mut gate = Gate::new(2);
        let calls = [enqueue(7, 3), Acquire, enqueue(8, 2), enqueue(9, 1), SetCapacity(1)];
        assert_eq!(told(&mut gate, &calls), [Waits, Acquired, Waits, Waits, Done]);
        assert_eq!([7, 8, 9].map(|ticket| gate.position(ticket)), [Some(0), Some(1), Some(0)]);
        told(&mut gate, &[Release]);
        assert_eq!(told(&mut gate, &[Poll { ticket: 9 }, SetCapacity(3)]), [Acquired, Done]);
        assert_eq!([7, 8].map(|ticket| gate.position(ticket)), [Some(0), Some(1)]);
        assert_eq!(told(&mut gate, &[Release, Poll { ticket: 7 }]), [Done, Acquired]);
    }

    #[test]
    fn a_closing_refuses_the_waiters_but_not_those_served() {
        let mut gate = Gate::new(1);
        let calls = [Acquire, enqueue(7, 1), enqueue(8, 1), Release, CloseIf(2), CloseIf(1)];
        let answers = [Acquired, Waits, Waits, Done, Quorum(Err(1)), Quorum(Ok(1))];
        assert_eq!(told(&mut gate, &calls), answers);
        let calls = [Reopen, Poll { ticket: 7 }, Poll { ticket: 8 }, Release, Occupied];
        assert_eq!(told(&mut gate, &calls), [Done, Acquired, Closed, Done, Held(0)]);
    }

    #[test]
    fn a_drain_ends_with_the_last_holder_or_a_reopening() {
        let mut gate = Gate::new(2);
        let calls = [AcquireMany(2), enqueue(7, 1), Drain { ticket: 8 }, Poll { ticket: 7 }];
        assert_eq!(told(&mut gate, &calls), [Acquired, Waits, Waits, Closed]);
        let calls = [Force(1), ReleaseMany(2), Poll { ticket: 8 }, Release, Poll { ticket: 8 }];
        assert_eq!(told(&mut gate, &calls), [Acquired, Done, Waits, Done, Done]);
        let calls = [Drain { ticket: 9 }, Reopen, Acquire, Drain { ticket: 9 }, Reopen];
        assert_eq!(told(&mut gate, &calls), [Done, Done, Acquired, Waits, Done]);
        assert_eq!(told(&mut gate, &[Poll { ticket: 9 }]), [Reopened]);
    }

    #[test]
    fn thresholds_and_limits() {
        let mut gate = Gate::new(3);
        let leaving = |spare| AcquireLeaving { places: 1, spare };
        let calls = [leaving(3), leaving(2), AcquireAll, AcquireAll, LowerCapacity(5)];
        assert_eq!(told(&mut gate, &calls), [Full, Acquired, AcquiredAll(2), Full, Capacity(0)]);
        let within = |ticket, limit| EnqueueWithin { ticket, places: 1, limit };
        let calls = [within(7, 1), within(8, 1), within(8, 2), RaiseCapacity(4)];
        assert_eq!(told(&mut gate, &calls), [Waits, QueueFull, Waits, Capacity(4)]);
        assert_eq!(told(&mut gate, &[Poll { ticket: 7 }, Poll { ticket: 8 }]), [Acquired, Waits]);
    }

    #[test]
    fn only_a_holder_releases() {
        let mut gate = Gate::new(2);
        assert!(!gate.allows(Release));
        told(&mut gate, &[AcquireMany(2), Forget(1)]);
        assert!(gate.allows(Release) && !gate.allows(ReleaseMany(2)));
    }
}
