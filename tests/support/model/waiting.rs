//! Waiting against the specification of a gate: futures are made, polled with one waker or another,
//! and dropped at every point of their lives, while places are released, removed and added, and the
//! gate closes and reopens. After each act the gate must agree with the specification in everything
//! that can be seen: which waiters are served, woken and refused, their positions, and every count.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use headcount::{AcquireError, AcquireOwned, DrainOwned, Gate, OwnedPermit};
use headcount_spec::{Gate as GateSpec, GateAnswer, GateCall, Spec, Ticket, WaiterState};

use super::gate::{quorum, readings, told};

/// An act. A `usize` picks among the futures that are not done, or among the permits.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Makes a future that wants so many.
    New {
        places: u32,
        limit: u32,
    },
    /// Makes a future that drains.
    NewDrain,
    Force(u32),
    TryAcquireAll,
    TryAcquireLeaving(u32, u32),
    Raise(u32),
    Lower(u32),
    Poll {
        pick: usize,
        waker: usize,
    },
    /// Drops a future, whatever it has come to.
    Cancel(usize),
    Release(usize),
    Forget(usize),
    TryAcquire(u32),
    SetCapacity(u32),
    Close,
    CloseIf(u32),
    Reopen,
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

enum Waiting {
    Acquire { future: AcquireOwned, places: u32, limit: u32 },
    Drain(DrainOwned),
}

/// A future that is not done.
struct Visitor {
    ticket: Ticket,
    future: Waiting,
    /// Whether it has been polled: before, the gate knows nothing of it.
    polled: bool,
    bells: [Arc<Bell>; 2],
    /// How often each waker must have been woken.
    rung: [usize; 2],
    /// The waker of the last poll.
    waker: usize,
}

struct Test {
    gate: Arc<Gate>,
    spec: GateSpec,
    visitors: Vec<Visitor>,
    permits: Vec<OwnedPermit>,
    next_ticket: Ticket,
}

fn state(spec: &GateSpec, ticket: Ticket) -> Option<WaiterState> {
    spec.waiter(ticket).map(|waiter| waiter.state)
}

impl Test {
    fn new(capacity: u32) -> Test {
        Test {
            gate: Arc::new(Gate::new(capacity)),
            spec: GateSpec::new(capacity),
            visitors: Vec::new(),
            permits: Vec::new(),
            next_ticket: 0,
        }
    }

    /// Makes the call to the specification. A waiter whose wait it ends must be woken.
    fn specify(&mut self, call: GateCall) -> GateAnswer {
        let before = self.spec.clone();
        let answer = self.spec.apply(call);
        for visitor in &mut self.visitors {
            let waited = state(&before, visitor.ticket) == Some(WaiterState::Queued);
            let after = state(&self.spec, visitor.ticket);
            if waited && after.is_some_and(|after| after != WaiterState::Queued) {
                visitor.rung[visitor.waker] += 1;
            }
        }
        answer
    }

    fn expect(&mut self, call: GateCall, answer: GateAnswer) {
        assert_eq!(answer, self.specify(call), "the gate's answer, and what {call:?} must answer");
    }

    fn act(&mut self, act: &Act) {
        let pick = |index: usize, len: usize| index.checked_rem(len);
        match *act {
            Act::New { places, limit } => {
                let future = Arc::clone(&self.gate).acquire_many_owned(places);
                let future = future.queue_limit(limit as usize);
                self.come(Waiting::Acquire { future, places, limit });
            }
            Act::NewDrain => self.come(Waiting::Drain(Arc::clone(&self.gate).drain_owned())),
            Act::Force(n) => {
                let permit = Arc::clone(&self.gate).force_acquire_owned(n);
                assert_eq!(permit.count(), n);
                self.permits.push(permit);
                self.expect(GateCall::Force(n), GateAnswer::Acquired);
            }
            Act::TryAcquireAll => {
                let permit = Arc::clone(&self.gate).try_acquire_all_owned();
                let answer = match &permit {
                    Ok(permit) => GateAnswer::AcquiredAll(permit.count()),
                    refused => told(refused),
                };
                self.expect(GateCall::AcquireAll, answer);
                self.permits.extend(permit);
            }
            Act::TryAcquireLeaving(places, spare) => {
                let permit = Arc::clone(&self.gate).try_acquire_leaving_owned(places, spare);
                self.expect(GateCall::AcquireLeaving { places, spare }, told(&permit));
                self.permits.extend(permit);
            }
            Act::Raise(n) => {
                let answer = GateAnswer::Capacity(self.gate.raise_capacity(n));
                self.expect(GateCall::RaiseCapacity(n), answer);
            }
            Act::Lower(n) => {
                let answer = GateAnswer::Capacity(self.gate.lower_capacity(n));
                self.expect(GateCall::LowerCapacity(n), answer);
            }
            Act::Poll { pick: index, waker } => {
                if let Some(index) = pick(index, self.visitors.len()) {
                    self.poll(index, waker);
                }
            }
            Act::Cancel(index) => {
                if let Some(index) = pick(index, self.visitors.len()) {
                    let Visitor { ticket, polled, future, .. } = self.visitors.remove(index);
                    drop(future);
                    if polled {
                        self.specify(GateCall::Cancel { ticket });
                    }
                }
            }
            Act::Release(index) => {
                if let Some(index) = pick(index, self.permits.len()) {
                    let permit = self.permits.remove(index);
                    self.specify(GateCall::ReleaseMany(permit.count()));
                    drop(permit);
                }
            }
            Act::Forget(index) => {
                if let Some(index) = pick(index, self.permits.len()) {
                    let permit = self.permits.remove(index);
                    self.specify(GateCall::Forget(permit.count()));
                    permit.forget();
                }
            }
            Act::TryAcquire(n) => {
                let gate = Arc::clone(&self.gate);
                let (call, permit) = match n {
                    1 => (GateCall::Acquire, gate.try_acquire_owned()),
                    _ => (GateCall::AcquireMany(n), gate.try_acquire_many_owned(n)),
                };
                self.expect(call, told(&permit));
                self.permits.extend(permit);
            }
            Act::SetCapacity(capacity) => {
                self.gate.set_capacity(capacity);
                self.specify(GateCall::SetCapacity(capacity));
            }
            Act::Close => {
                self.gate.close();
                self.specify(GateCall::Close);
            }
            Act::CloseIf(at_least) => {
                let answer = quorum(self.gate.close_if_occupied(at_least));
                self.expect(GateCall::CloseIf(at_least), answer);
            }
            Act::Reopen => {
                self.gate.reopen();
                self.specify(GateCall::Reopen);
            }
        }
        self.check(act);
    }

    fn come(&mut self, future: Waiting) {
        self.visitors.push(Visitor {
            ticket: self.next_ticket,
            future,
            polled: false,
            bells: Default::default(),
            rung: [0; 2],
            waker: 0,
        });
        self.next_ticket += 1;
    }

    fn poll(&mut self, index: usize, waker: usize) {
        let visitor = &mut self.visitors[index];
        let bell = Waker::from(Arc::clone(&visitor.bells[waker]));
        let mut cx = Context::from_waker(&bell);
        let ticket = visitor.ticket;
        let begins = !std::mem::replace(&mut visitor.polled, true);
        visitor.waker = waker;
        let (call, answer) = match &mut visitor.future {
            Waiting::Acquire { future, places, limit } => {
                let call = GateCall::EnqueueWithin { ticket, places: *places, limit: *limit };
                let answer = match Pin::new(future).poll(&mut cx) {
                    Poll::Pending => GateAnswer::Waits,
                    Poll::Ready(Ok(permit)) => {
                        assert_eq!(permit.count(), *places, "the permit of {call:?}");
                        self.permits.push(permit);
                        GateAnswer::Acquired
                    }
                    Poll::Ready(Err(AcquireError::Closed)) => GateAnswer::Closed,
                    Poll::Ready(Err(AcquireError::QueueFull)) => GateAnswer::QueueFull,
                    Poll::Ready(Err(error)) => panic!("{error:?} for {call:?}"),
                };
                (call, answer)
            }
            Waiting::Drain(future) => {
                let answer = match Pin::new(future).poll(&mut cx) {
                    Poll::Pending => GateAnswer::Waits,
                    Poll::Ready(Ok(())) => GateAnswer::Done,
                    Poll::Ready(Err(error)) => {
                        assert!(error.is_reopened());
                        GateAnswer::Reopened
                    }
                };
                (GateCall::Drain { ticket }, answer)
            }
        };
        let call = if begins { call } else { GateCall::Poll { ticket } };
        self.expect(call, answer);
        if answer != GateAnswer::Waits {
            self.check_bells(index);
            self.visitors.remove(index);
        }
    }

    fn check_bells(&self, index: usize) {
        let visitor = &self.visitors[index];
        let rung = visitor.bells.each_ref().map(|bell| bell.0.load(Ordering::Relaxed));
        assert_eq!(rung, visitor.rung, "wake-ups of ticket {}, by waker", visitor.ticket);
    }

    fn check(&self, act: &Act) {
        let (gate, spec) = (&self.gate, &self.spec);
        assert_eq!(readings(gate), spec.readings(), "the gate and the specification after {act:?}");
        assert_eq!(gate.waiting(), spec.queue().count(), "waiting after {act:?}");
        for (index, visitor) in self.visitors.iter().enumerate() {
            let ticket = visitor.ticket;
            let position = spec.position(ticket);
            if let Waiting::Acquire { future, .. } = &visitor.future {
                assert_eq!(future.position(), position, "of ticket {ticket} after {act:?}");
            }
            self.check_bells(index);
        }
    }
}

/// Does `acts` on a gate and on its specification. Then all leave, futures first; what is left is
/// what was forgotten.
pub(crate) fn check(capacity: u32, acts: &[Act]) {
    let mut test = Test::new(capacity);
    acts.iter().for_each(|act| test.act(act));
    while !test.visitors.is_empty() {
        test.act(&Act::Cancel(0));
    }
    while !test.permits.is_empty() {
        test.act(&Act::Release(0));
    }
    assert_eq!(test.gate.occupied(), test.spec.forgotten);
}
