//! Every order in which a few futures can be polled, dropped, and have what they came to dropped.
//!
//! A future is polled at the beginning and after it was woken, never in between: so a waker that
//! is not called is seen as a future that never ends. All runs on one thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Anything that is held until it is dropped.
pub(crate) trait Held {}

impl<T> Held for T {}

/// A future and what it comes to.
pub(crate) type Caller<'w> = Pin<Box<dyn Future<Output = Box<dyn Held + 'w>> + 'w>>;

/// Returns a caller that holds what `future` comes to.
pub(crate) fn caller<'w, T: 'w>(future: impl Future<Output = T> + 'w) -> Caller<'w> {
    Box::pin(async move { Box::new(future.await) as Box<dyn Held> })
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

enum State<'w> {
    Waits(Caller<'w>),
    Holds(#[allow(dead_code)] Box<dyn Held + 'w>),
    Gone,
}

/// The choices of one order: at each point, which was made, of how many.
#[derive(Default)]
struct Choices {
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, among: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push((0, among));
        }
        self.at += 1;
        self.made[self.at - 1].0
    }

    /// Goes on to the next order. Returns whether there is one.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((made, among)) = self.made.pop() {
            if made + 1 < among {
                self.made.push((made + 1, among));
                return true;
            }
        }
        false
    }
}

/// What came of all orders.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Orders {
    /// How many there are.
    pub(crate) orders: usize,
    /// How many futures came to an end.
    pub(crate) served: usize,
    /// How many were dropped after so many polls: none, one, or more.
    pub(crate) cancelled: [usize; 3],
}

/// Runs `callers` of a new `world` in every order, of which at most `cancellations` are dropped
/// before their end. After each step `check` gets the number of callers that hold something; when
/// all are gone, `end` checks what is left.
///
/// Panics if callers wait, none was woken, and none holds anything.
pub(crate) fn every_order<W>(
    cancellations: usize,
    world: impl Fn() -> W,
    callers: impl for<'w> Fn(&'w W) -> Vec<Caller<'w>>,
    check: impl Fn(&W, usize),
    end: impl Fn(&W),
) -> Orders {
    let (mut choices, mut seen) = (Choices::default(), Orders::default());
    loop {
        let world = world();
        run(cancellations, &world, callers(&world), &check, &mut choices, &mut seen);
        end(&world);
        seen.orders += 1;
        if !choices.next() {
            return seen;
        }
    }
}

#[derive(Clone, Copy)]
enum Act {
    Poll(usize),
    Cancel(usize),
    Release(usize),
}

fn run<'w, W>(
    mut cancellations: usize,
    world: &'w W,
    callers: Vec<Caller<'w>>,
    check: &impl Fn(&W, usize),
    choices: &mut Choices,
    seen: &mut Orders,
) {
    let woken: Vec<_> = callers.iter().map(|_| Arc::new(Woken(AtomicBool::new(true)))).collect();
    let mut polls = vec![0; callers.len()];
    let mut states: Vec<_> = callers.into_iter().map(State::Waits).collect();
    loop {
        let mut acts = Vec::new();
        for (number, state) in states.iter().enumerate() {
            match state {
                State::Waits(_) => {
                    let may_poll = woken[number].0.load(Ordering::Relaxed);
                    acts.extend(may_poll.then_some(Act::Poll(number)));
                    acts.extend((cancellations > 0).then_some(Act::Cancel(number)));
                }
                State::Holds(_) => acts.push(Act::Release(number)),
                State::Gone => {}
            }
        }
        // To give up is never the only way on.
        if acts.iter().all(|act| matches!(act, Act::Cancel(_))) {
            let all_gone = states.iter().all(|state| matches!(state, State::Gone));
            assert!(all_gone, "callers wait for ever, after {:?}", choices.made);
            let kept = woken.iter().any(|woken| Arc::strong_count(woken) > 1);
            assert!(!kept, "a waker was kept, after {:?}", choices.made);
            return;
        }
        match acts[choices.choose(acts.len())] {
            Act::Poll(number) => {
                let State::Waits(caller) = &mut states[number] else { unreachable!() };
                woken[number].0.store(false, Ordering::Relaxed);
                polls[number] += 1;
                let waker = Waker::from(woken[number].clone());
                if let Poll::Ready(held) = caller.as_mut().poll(&mut Context::from_waker(&waker)) {
                    states[number] = State::Holds(held);
                    seen.served += 1;
                }
            }
            Act::Cancel(number) => {
                states[number] = State::Gone;
                cancellations -= 1;
                seen.cancelled[polls[number].min(2)] += 1;
            }
            Act::Release(number) => states[number] = State::Gone,
        }
        check(world, states.iter().filter(|state| matches!(state, State::Holds(_))).count());
    }
}
