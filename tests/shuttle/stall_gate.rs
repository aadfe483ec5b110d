//! A thread stops for ever within a call of a gate. All that others are told about meanwhile is
//! explained by the plain rules of a gate, in which the call of the stopped thread may or may not
//! have taken effect.

use std::sync::{Arc, Mutex};

use headcount::{Gate, OwnedPermit};
use headcount_spec::{self as spec, Explanations, GateAnswer, GateCall};

use crate::support::stall::{Scene, Stalls};

/// The number of the thread that stalls, and of the one that makes complete calls.
const STALLS: usize = 0;
const OTHER: usize = 1;

/// What a thread waits for.
#[cfg(feature = "wait")]
enum Wait {
    Places(headcount::AcquireOwned),
    Drain(headcount::DrainOwned),
}

struct World {
    gate: Arc<Gate>,
    /// For each thread.
    permits: [Mutex<Vec<OwnedPermit>>; 2],
    #[cfg(feature = "wait")]
    waits: [Mutex<Option<Wait>>; 2],
    told: Mutex<Explanations<spec::Gate>>,
}

impl World {
    /// Makes a gate of which each thread holds so many places, one permit for each.
    fn new(capacity: u32, held: [u32; 2], closed: bool) -> World {
        let gate = Arc::new(Gate::new(capacity));
        let start = spec::Gate {
            held: held.iter().sum(),
            closed,
            excuses_lowering: true,
            ..spec::Gate::new(capacity)
        };
        let permits = held.map(|n| {
            Mutex::new((0..n).map(|_| gate.clone().try_acquire_owned().unwrap()).collect())
        });
        if closed {
            gate.close();
        }
        World {
            gate,
            permits,
            #[cfg(feature = "wait")]
            waits: Default::default(),
            told: Mutex::new(Explanations::new(start, 2)),
        }
    }

    fn take(&self, thread: usize) -> Option<OwnedPermit> {
        self.permits[thread].lock().unwrap().pop()
    }

    /// Makes a call, and checks the answer. A call that the thread cannot make, such as a release
    /// without a permit, is left out.
    fn make(&self, thread: usize, call: GateCall) {
        #[cfg(feature = "wait")]
        if matches!(
            call,
            GateCall::Enqueue { .. }
                | GateCall::EnqueueWithin { .. }
                | GateCall::Drain { .. }
                | GateCall::Poll { .. }
                | GateCall::Cancel { .. }
        ) {
            return self.wait(thread, call);
        }
        let permit = match call {
            GateCall::Release => match self.take(thread) {
                None => return,
                permit => permit,
            },
            _ => None,
        };
        let call = permit.as_ref().map_or(call, |permit| GateCall::ReleaseMany(permit.count()));
        self.told.lock().unwrap().begin(thread, call);
        let gate = || Arc::clone(&self.gate);
        let acquired = |acquired: Result<OwnedPermit, headcount::TryAcquireError>| match acquired {
            Ok(permit) => {
                self.permits[thread].lock().unwrap().push(permit);
                GateAnswer::Acquired
            }
            Err(refused) if refused.is_closed() => GateAnswer::Closed,
            Err(_) => GateAnswer::Full,
        };
        let answer = match call {
            GateCall::Acquire => acquired(gate().try_acquire_owned()),
            GateCall::AcquireMany(n) => acquired(gate().try_acquire_many_owned(n)),
            GateCall::AcquireAll => match gate().try_acquire_all_owned() {
                Ok(permit) => {
                    let n = permit.count();
                    self.permits[thread].lock().unwrap().push(permit);
                    GateAnswer::AcquiredAll(n)
                }
                Err(refused) => acquired(Err(refused)),
            },
            GateCall::AcquireLeaving { places, spare } => {
                acquired(gate().try_acquire_leaving_owned(places, spare))
            }
            GateCall::Force(n) => {
                self.permits[thread].lock().unwrap().push(gate().force_acquire_owned(n));
                GateAnswer::Acquired
            }
            GateCall::Close => {
                self.gate.close();
                GateAnswer::Done
            }
            GateCall::Reopen => {
                self.gate.reopen();
                GateAnswer::Done
            }
            GateCall::SetCapacity(capacity) => {
                self.gate.set_capacity(capacity);
                GateAnswer::Done
            }
            GateCall::RaiseCapacity(n) => GateAnswer::Capacity(self.gate.raise_capacity(n)),
            GateCall::LowerCapacity(n) => GateAnswer::Capacity(self.gate.lower_capacity(n)),
            GateCall::CloseIf(quorum) => GateAnswer::Quorum(
                self.gate.close_if_occupied(quorum).map_err(|error| error.occupied),
            ),
            GateCall::Occupied => GateAnswer::Held(self.gate.occupied()),
            GateCall::IsFull => GateAnswer::IsFull(self.gate.is_full()),
            _ => {
                drop(permit);
                GateAnswer::Done
            }
        };
        self.told(thread, answer);
    }

    fn told(&self, thread: usize, answer: GateAnswer) {
        let explained = self.told.lock().unwrap().answer(thread, answer);
        explained.unwrap_or_else(|unexplained| panic!("thread {thread}: {unexplained}"));
    }

    /// Makes a call of a caller that waits.
    #[cfg(feature = "wait")]
    fn wait(&self, thread: usize, call: GateCall) {
        use std::future::Future;
        use std::pin::Pin;
        use std::task::{Context, Poll, Wake};

        struct Silent;
        impl Wake for Silent {
            fn wake(self: Arc<Self>) {}
        }

        let waits = self.waits[thread].lock().unwrap().take();
        let gate = Arc::clone(&self.gate);
        let mut wait = match (call, waits) {
            (GateCall::Enqueue { places, .. }, None) => {
                Wait::Places(gate.acquire_many_owned(places))
            }
            (GateCall::EnqueueWithin { places, limit, .. }, None) => {
                Wait::Places(gate.acquire_many_owned(places).queue_limit(limit as usize))
            }
            (GateCall::Drain { .. }, None) => Wait::Drain(gate.drain_owned()),
            (GateCall::Poll { .. } | GateCall::Cancel { .. }, Some(wait)) => wait,
            (_, waits) => {
                *self.waits[thread].lock().unwrap() = waits;
                return;
            }
        };
        self.told.lock().unwrap().begin(thread, call);
        if let GateCall::Cancel { .. } = call {
            drop(wait);
            return self.told(thread, GateAnswer::Done);
        }
        let waker = Arc::new(Silent).into();
        let mut context = Context::from_waker(&waker);
        let polled = match &mut wait {
            Wait::Places(acquire) => {
                Pin::new(acquire).poll(&mut context).map(|acquired| match acquired {
                    Ok(permit) => {
                        self.permits[thread].lock().unwrap().push(permit);
                        GateAnswer::Acquired
                    }
                    Err(refused) if refused.is_queue_full() => GateAnswer::QueueFull,
                    Err(_) => GateAnswer::Closed,
                })
            }
            Wait::Drain(drain) => Pin::new(drain)
                .poll(&mut context)
                .map(|drained| drained.map_or(GateAnswer::Reopened, |()| GateAnswer::Done)),
        };
        let answer = match polled {
            Poll::Pending => {
                *self.waits[thread].lock().unwrap() = Some(wait);
                GateAnswer::Waits
            }
            Poll::Ready(answer) => answer,
        };
        self.told(thread, answer);
    }

    /// Drops all permits, and fills the gate.
    fn end(&self) {
        #[cfg(feature = "wait")]
        self.waits.iter().for_each(|wait| drop(wait.lock().unwrap().take()));
        self.permits.iter().for_each(|permits| permits.lock().unwrap().clear());
        assert_eq!(self.gate.occupied(), 0);
        self.gate.reopen();
        let permits: Vec<_> =
            std::iter::from_fn(|| self.gate.clone().try_acquire_owned().ok()).collect();
        assert_eq!(permits.len() as u32, self.gate.capacity());
    }
}

const ACQUIRES: [GateCall; 4] = [
    GateCall::Acquire,
    GateCall::AcquireMany(2),
    GateCall::AcquireAll,
    GateCall::AcquireLeaving { places: 1, spare: 1 },
];
const READS: [GateCall; 3] = [GateCall::Occupied, GateCall::IsFull, GateCall::CloseIf(1)];
const CHANGES: [GateCall; 7] = [
    GateCall::Force(1),
    GateCall::Close,
    GateCall::Reopen,
    GateCall::SetCapacity(1),
    GateCall::SetCapacity(3),
    GateCall::RaiseCapacity(1),
    GateCall::LowerCapacity(1),
];

fn calls() -> impl Iterator<Item = GateCall> + Clone {
    ACQUIRES.into_iter().chain([GateCall::Release]).chain(READS).chain(CHANGES)
}

/// The gates that the calls meet: the capacity, the places that each thread holds, whether closed.
const STARTS: [(u32, [u32; 2], bool); 6] = [
    (1, [0, 0], false),
    (1, [1, 0], false),
    (1, [0, 1], false),
    (2, [1, 1], false),
    (3, [1, 1], false),
    (2, [1, 0], true),
];

/// The exceptions that the documentation of `Gate` states.
fn is_excepted(calls: &[GateCall; 3]) -> bool {
    use GateCall::*;
    let any = |of: fn(&GateCall) -> bool| calls.iter().any(of);
    let resizes =
        |call: &GateCall| matches!(call, SetCapacity(_) | RaiseCapacity(_) | LowerCapacity(_));
    // A reading is off by what a call moves that changes the capacity meanwhile.
    if any(resizes) && any(|call| matches!(call, Occupied)) {
        return true;
    }
    !cfg!(feature = "wait")
        && (any(resizes) && any(|call| matches!(call, CloseIf(_)))
            // Two such calls at the same time can hold back more places than either removes.
            || calls.iter().filter(|call| resizes(call)).count() > 1
            // A caller that had seen a free place backs out after a closing, and counts until then.
            || matches!(calls[0], Acquire)
                && matches!(calls[1], Close | CloseIf(_))
                && matches!(calls[2], Occupied | CloseIf(_) | IsFull))
}

/// Stalls `call` at each of the gates while another thread makes each pair of `others`, and, in two
/// rounds, one of them before some more steps and one after.
fn stall(call: GateCall, others: impl Iterator<Item = GateCall> + Clone) -> Stalls {
    stall_after(None, call, others)
}

/// As [`stall`]; the thread that stalls has made another call before.
fn stall_after(
    before: Option<GateCall>,
    call: GateCall,
    others: impl Iterator<Item = GateCall> + Clone,
) -> Stalls {
    let mut seen = Stalls::default();
    for (capacity, held, closed) in STARTS {
        for first in others.clone() {
            for second in others.clone() {
                if is_excepted(&[call, first, second]) {
                    continue;
                }
                for rounds in [vec![vec![first, second]], vec![vec![first], vec![second]]] {
                    let scene = Scene {
                        name: format!("{call:?} at {capacity}, {held:?}, {closed}: {rounds:?}"),
                        world: Box::new(move || {
                            let world = World::new(capacity, held, closed);
                            before.into_iter().for_each(|call| world.make(STALLS, call));
                            world
                        }),
                        call: Box::new(move |world: &World| world.make(STALLS, call)),
                        rounds: rounds.into_iter().map(round).collect(),
                        end: Box::new(World::end),
                    };
                    seen += scene.explore();
                }
            }
        }
    }
    println!("{call:?}: {seen:?}");
    assert!(seen.ways > 0);
    seen
}

fn round(calls: Vec<GateCall>) -> Box<dyn Fn(&World) + Send + Sync> {
    Box::new(move |world| calls.iter().for_each(|&call| world.make(OTHER, call)))
}

/// *unblocked*: every call stalls, against each pair of calls.
#[test]
fn each_call_of_a_gate_stalls() {
    for call in calls() {
        let seen = stall(call, calls());
        // With the feature `wait`, the lock of the waitlist is the exception.
        assert!(seen.waited == 0 || cfg!(feature = "wait"), "{call:?} was waited for");
    }
}

/// What never waits for the lock: callers that acquire without waiting.
#[test]
fn no_entry_waits_for_a_thread_that_has_stopped() {
    for call in calls() {
        let seen = stall(call, ACQUIRES.into_iter());
        assert_eq!(seen.waited, 0, "{call:?} was waited for");
    }
}

/// *unblocked* for callers that wait: each of their calls stalls, and each call stalls them.
#[cfg(feature = "wait")]
#[test]
fn each_call_of_a_waiter_stalls() {
    let waits = |thread: usize| {
        let ticket = thread as spec::Ticket;
        let enqueue = move |places| GateCall::Enqueue { ticket, places };
        let within = GateCall::EnqueueWithin { ticket, places: 1, limit: 1 };
        let [poll, cancel] = [GateCall::Poll { ticket }, GateCall::Cancel { ticket }];
        [enqueue(1), enqueue(2), within, GateCall::Drain { ticket }, poll, cancel]
    };
    let [one, two, within, drain, poll, cancel] = waits(STALLS);
    for call in [one, two, within, drain] {
        stall(call, waits(OTHER).into_iter().chain([GateCall::Release]).chain(CHANGES));
        let seen = stall(call, ACQUIRES.into_iter());
        assert_eq!(seen.waited, 0, "{call:?} was waited for");
    }
    for (before, call) in [(one, poll), (one, cancel), (drain, poll), (drain, cancel)] {
        let others = waits(OTHER).into_iter().chain([GateCall::Release]).chain(CHANGES);
        stall_after(Some(before), call, others);
        let seen = stall_after(Some(before), call, ACQUIRES.into_iter());
        assert_eq!(seen.waited, 0, "{call:?} was waited for");
    }
    for call in [GateCall::Release].into_iter().chain(ACQUIRES).chain(CHANGES) {
        stall(call, waits(OTHER).into_iter().chain(READS));
    }
}
