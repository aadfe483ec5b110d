//! Waiting against a plain model: the test makes futures, polls them with one of two wakers and
//! drops them at every point of their lives, while places come free, are withdrawn and added, and
//! the gate closes and reopens. After each act the gate must agree with the model in all that can
//! be seen: which waiters are served, woken or refused, each waiter's position, and every count.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use headcount::{AcquireError, AcquireOwned, Gate, OwnedPermit};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    /// Makes a future that wants this number of places.
    Come(u32),
    /// Polls a future that is not done, with the waker of this number.
    Poll(usize, usize),
    /// Drops a future in any state.
    GiveUp(usize),
    Leave(usize),
    Forget(usize),
    Try(u32),
    Resize(u32),
    Close,
    CloseIf(u32),
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    let any = || 0..1000usize;
    prop_oneof![
        6 => prop_oneof![4 => Just(1), 1 => 0..6u32].prop_map(Act::Come),
        12 => (any(), 0..2usize).prop_map(|(who, waker)| Act::Poll(who, waker)),
        5 => any().prop_map(Act::GiveUp),
        8 => any().prop_map(Act::Leave),
        1 => any().prop_map(Act::Forget),
        3 => (0..4u32).prop_map(Act::Try),
        2 => (0..6u32).prop_map(Act::Resize),
        1 => Just(Act::Close),
        1 => (0..4u32).prop_map(Act::CloseIf),
        2 => Just(Act::Reopen),
    ]
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    New,
    InLine,
    Served,
    TurnedAway,
}

/// The model: a gate with a waitlist, in plain numbers.
struct Model {
    capacity: u32,
    /// Places of permits, of served futures, and of forgotten permits.
    held: u32,
    closed: bool,
    /// Number, places wanted, places gathered.
    line: VecDeque<(usize, u32, u32)>,
}

impl Model {
    fn occupied(&self) -> u32 {
        self.held + self.line.iter().map(|waiter| waiter.2).sum::<u32>()
    }

    fn free(&self) -> u32 {
        self.capacity.saturating_sub(self.occupied())
    }

    fn enters(&mut self, n: u32) -> bool {
        let enters = !self.closed && (n == 0 || (self.line.is_empty() && self.free() >= n));
        self.held += if enters { n } else { 0 };
        enters
    }

    /// Assigns the free places; returns the numbers of the waiters that this serves.
    fn serve(&mut self) -> Vec<usize> {
        let mut served = Vec::new();
        let deficit = self.occupied().saturating_sub(self.capacity);
        if let Some(head) = self.line.front_mut() {
            head.2 -= deficit.min(head.2);
        }
        loop {
            let free = self.free();
            let Some(head) = self.line.front_mut() else { break };
            head.2 += free.min(head.1 - head.2);
            if head.2 < head.1 {
                break;
            }
            self.held += head.1;
            served.push(head.0);
            self.line.pop_front();
        }
        served
    }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A waiter: the real future, and its state in the model.
struct Visitor {
    number: usize,
    wants: u32,
    future: AcquireOwned,
    state: State,
    bells: [Arc<Bell>; 2],
    /// How often each waker must have been woken.
    rung: [usize; 2],
    /// The waker of the last poll.
    waker: usize,
}

struct Test {
    gate: Arc<Gate>,
    model: Model,
    visitors: Vec<Visitor>,
    permits: Vec<OwnedPermit>,
    comes_next: usize,
}

impl Test {
    fn new(capacity: u32) -> Test {
        Test {
            gate: Arc::new(Gate::new(capacity)),
            model: Model { capacity, held: 0, closed: false, line: VecDeque::new() },
            visitors: Vec::new(),
            permits: Vec::new(),
            comes_next: 0,
        }
    }

    fn told(&mut self, numbers: impl IntoIterator<Item = usize>, state: State) {
        for number in numbers {
            let visitor = self.visitors.iter_mut().find(|visitor| visitor.number == number);
            let visitor = visitor.expect("those in line are visitors");
            assert_eq!(visitor.state, State::InLine);
            visitor.state = state;
            visitor.rung[visitor.waker] += 1;
        }
    }

    fn serve(&mut self) {
        let served = self.model.serve();
        self.told(served, State::Served);
    }

    fn close(&mut self) {
        self.model.closed = true;
        let away: Vec<_> = self.model.line.drain(..).map(|waiter| waiter.0).collect();
        self.told(away, State::TurnedAway);
    }

    fn act(&mut self, act: Act) {
        let pick = |index: usize, len: usize| index.checked_rem(len);
        match act {
            Act::Come(wants) => {
                self.visitors.push(Visitor {
                    number: self.comes_next,
                    wants,
                    future: Arc::clone(&self.gate).acquire_many_owned(wants),
                    state: State::New,
                    bells: Default::default(),
                    rung: [0; 2],
                    waker: 0,
                });
                self.comes_next += 1;
            }
            Act::Poll(index, waker) => {
                if let Some(index) = pick(index, self.visitors.len()) {
                    self.poll(index, waker);
                }
            }
            Act::GiveUp(index) => {
                if let Some(index) = pick(index, self.visitors.len()) {
                    let visitor = self.visitors.remove(index);
                    if visitor.state == State::Served {
                        self.model.held -= visitor.wants;
                    }
                    self.model.line.retain(|waiter| waiter.0 != visitor.number);
                    drop(visitor);
                    self.serve();
                }
            }
            Act::Leave(index) => {
                if let Some(index) = pick(index, self.permits.len()) {
                    let permit = self.permits.remove(index);
                    self.model.held -= permit.count();
                    drop(permit);
                    self.serve();
                }
            }
            Act::Forget(index) => {
                if let Some(index) = pick(index, self.permits.len()) {
                    self.permits.remove(index).forget();
                }
            }
            Act::Try(n) => {
                let gate = Arc::clone(&self.gate);
                let permit = match n {
                    1 => gate.try_acquire_owned(),
                    _ => gate.try_acquire_many_owned(n),
                };
                let closed = self.model.closed;
                assert_eq!(permit.is_ok(), self.model.enters(n), "{n} places without waiting");
                assert!(permit.as_ref().err().is_none_or(|refused| refused.is_closed() == closed));
                self.permits.extend(permit);
            }
            Act::Resize(capacity) => {
                self.gate.set_capacity(capacity);
                self.model.capacity = capacity;
                self.serve();
            }
            Act::Close => {
                self.gate.close();
                self.close();
            }
            Act::CloseIf(at_least) => {
                let occupied = self.model.occupied();
                let closes = occupied >= at_least;
                let outcome = if closes { Ok(occupied) } else { Err(occupied) };
                assert_eq!(
                    self.gate.close_if_occupied(at_least).map_err(|error| error.occupied),
                    outcome
                );
                if closes {
                    self.close();
                }
            }
            Act::Reopen => {
                self.gate.reopen();
                self.model.closed = false;
            }
        }
        self.check();
    }

    fn poll(&mut self, index: usize, waker: usize) {
        let visitor = &mut self.visitors[index];
        let bell = Waker::from(Arc::clone(&visitor.bells[waker]));
        let polled = Pin::new(&mut visitor.future).poll(&mut Context::from_waker(&bell));
        let (number, wants, state) = (visitor.number, visitor.wants, visitor.state);
        visitor.waker = waker;
        let expected = match state {
            State::New if self.model.closed => State::TurnedAway,
            State::New if self.model.enters(wants) => State::Served,
            State::New => {
                self.model.line.push_back((number, wants, 0));
                visitor.state = State::InLine;
                assert!(self.model.serve().is_empty(), "or else it would have entered");
                State::InLine
            }
            other => other,
        };
        match (polled, expected) {
            (Poll::Pending, State::InLine) => return,
            (Poll::Ready(Ok(permit)), State::Served) => {
                assert_eq!(permit.count(), wants);
                self.permits.push(permit);
            }
            (Poll::Ready(Err(AcquireError::Closed)), State::TurnedAway) => {}
            (polled, expected) => panic!("{polled:?} for a waiter that is {expected:?}"),
        }
        self.check_bells(index);
        self.visitors.remove(index);
    }

    fn check_bells(&self, index: usize) {
        let visitor = &self.visitors[index];
        for (bell, rung) in visitor.bells.iter().zip(visitor.rung) {
            assert_eq!(bell.0.load(Ordering::Relaxed), rung, "wake-ups of {}", visitor.number);
        }
    }

    fn check(&self) {
        let (gate, model) = (&self.gate, &self.model);
        assert_eq!(gate.occupied(), model.occupied(), "occupied");
        assert_eq!(gate.available(), model.free(), "available");
        assert_eq!(gate.capacity(), model.capacity, "capacity");
        assert_eq!(gate.is_closed(), model.closed, "closed");
        assert_eq!(gate.waiting(), model.line.len(), "waiting");
        for (index, visitor) in self.visitors.iter().enumerate() {
            let position = model.line.iter().position(|waiter| waiter.0 == visitor.number);
            assert_eq!(visitor.future.position(), position, "position of {}", visitor.number);
            self.check_bells(index);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// *no-lost-wakeup*, *no-leak*, first come first served, at every await point.
    #[test]
    fn waiting_agrees_with_the_model(
        capacity in 0..4u32,
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut test = Test::new(capacity);
        acts.into_iter().for_each(|act| test.act(act));
        // All leave, waiters first; what stays held are the forgotten permits.
        while !test.visitors.is_empty() {
            test.act(Act::GiveUp(0));
        }
        while !test.permits.is_empty() {
            test.act(Act::Leave(0));
        }
        prop_assert_eq!(test.gate.occupied(), test.model.held);
        prop_assert_eq!(test.gate.waiting(), 0);
    }

    /// Waiters cancel in any order: all others keep their order and are served in it.
    #[test]
    fn a_long_line_with_gaps(
        order in Just((0..200usize).collect::<Vec<_>>()).prop_shuffle(),
        quitters in 0..200usize,
    ) {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let waker = Waker::from(Arc::new(Bell::default()));
        let mut cx = Context::from_waker(&waker);
        let mut line: Vec<_> = (0..200).map(|_| Some(Box::pin(gate.acquire()))).collect();
        for waiter in line.iter_mut().flatten() {
            prop_assert!(waiter.as_mut().poll(&mut cx).is_pending());
        }
        for &quitter in &order[..quitters] {
            line[quitter] = None;
        }
        let mut line: Vec<_> = line.into_iter().flatten().collect();
        prop_assert_eq!(gate.waiting(), line.len());
        for (position, waiter) in line.iter().enumerate() {
            prop_assert_eq!(waiter.position(), Some(position));
        }
        let mut last = Some(permit);
        for waiter in &mut line {
            prop_assert!(waiter.as_mut().poll(&mut cx).is_pending());
            drop(last.take());
            match waiter.as_mut().poll(&mut cx) {
                Poll::Ready(Ok(permit)) => last = Some(permit),
                other => panic!("the next in line is served, not {other:?}"),
            }
        }
        drop(last);
        prop_assert_eq!((gate.waiting(), gate.occupied()), (0, 0));
    }
}
