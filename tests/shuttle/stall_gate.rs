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

struct World {
    gate: Arc<Gate>,
    /// For each thread.
    permits: [Mutex<Vec<OwnedPermit>>; 2],
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
        World { gate, permits, told: Mutex::new(Explanations::new(start, 2)) }
    }

    fn take(&self, thread: usize) -> Option<OwnedPermit> {
        self.permits[thread].lock().unwrap().pop()
    }

    /// Makes a call, and checks the answer. Without a permit there is none to drop.
    fn make(&self, thread: usize, call: GateCall) {
        let permit = match call {
            GateCall::Release => match self.take(thread) {
                None => return,
                permit => permit,
            },
            _ => None,
        };
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
        let explained = self.told.lock().unwrap().answer(thread, answer);
        assert!(explained, "{thread} was told {answer:?} by {call:?}, which nothing explains");
    }

    /// Drops all permits, and fills the gate.
    fn end(&self) {
        self.permits.iter().for_each(|permits| permits.lock().unwrap().clear());
        assert_eq!(self.gate.occupied(), 0);
        self.gate.reopen();
        let permits: Vec<_> =
            std::iter::from_fn(|| self.gate.clone().try_acquire_owned().ok()).collect();
        assert_eq!(permits.len() as u32, self.gate.capacity());
    }
}

const ACQUIRES: [GateCall; 2] = [GateCall::Acquire, GateCall::AcquireMany(2)];
const READS: [GateCall; 3] = [GateCall::Occupied, GateCall::IsFull, GateCall::CloseIf(1)];
const CHANGES: [GateCall; 4] =
    [GateCall::Close, GateCall::Reopen, GateCall::SetCapacity(1), GateCall::SetCapacity(3)];

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
    let resizes = |call: &GateCall| matches!(call, SetCapacity(_));
    let reads = |call: &GateCall| matches!(call, Occupied | CloseIf(_));
    // A reading is off by what a call moves that changes the capacity meanwhile.
    any(resizes) && any(reads)
        // Two such calls at the same time can hold back more places than either removes.
        || calls.iter().filter(|call| resizes(call)).count() > 1
        // A caller that had seen a free place backs out after a closing, and counts until then.
        || matches!(calls[0], Acquire)
            && matches!(calls[1], Close | CloseIf(_))
            && matches!(calls[2], Occupied | CloseIf(_) | IsFull)
}

/// Stalls `call` at each of the gates while another thread makes each pair of `others`, and, in two
/// rounds, one of them before some more steps and one after.
fn stall(call: GateCall, others: impl Iterator<Item = GateCall> + Clone) -> Stalls {
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
                        world: Box::new(move || World::new(capacity, held, closed)),
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
        assert_eq!(seen.waited, 0, "a call waited for the thread that had stopped");
    }
}
