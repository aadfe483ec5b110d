//! A thread stops for ever within a call of a striped gate. All that others are told meanwhile is
//! explained by the plain rules of a gate, in which the calls of the stopped thread may or may not
//! have taken effect; without exceptions.

use std::sync::{Arc, Mutex};

use headcount::{OwnedStripedPermit, StripedGate};
use headcount_spec::{self as spec, Explanations, GateAnswer, GateCall};

use crate::support::stall::{Scene, Stalls};

/// The number of the thread that stalls, and of the one that makes complete calls.
const STALLS: usize = 0;
const OTHER: usize = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Acquire,
    Release,
    /// Acquires a place for a block.
    Run,
    IsFull,
    OccupiedExact,
    /// Exact while no place moves, so to be explained only if the other thread stands still.
    Occupied,
    Available,
}

struct World {
    gate: Arc<StripedGate>,
    /// For each thread.
    permits: [Mutex<Vec<OwnedStripedPermit>>; 2],
    told: Mutex<Explanations<spec::Gate>>,
}

impl World {
    fn new(capacity: u32, stripes: usize, held: [u32; 2]) -> World {
        let gate = Arc::new(StripedGate::with_stripes(capacity, stripes));
        let start = spec::Gate { held: held.iter().sum(), ..spec::Gate::new(capacity) };
        let permits = held.map(|n| {
            Mutex::new((0..n).map(|_| gate.clone().try_acquire_owned().unwrap()).collect())
        });
        World { gate, permits, told: Mutex::new(Explanations::new(start, 2)) }
    }

    fn begin(&self, thread: usize, call: GateCall) {
        self.told.lock().unwrap().begin(thread, call);
    }

    fn told(&self, thread: usize, answer: GateAnswer) {
        let explained = self.told.lock().unwrap().answer(thread, answer);
        explained.unwrap_or_else(|unexplained| panic!("thread {thread}: {unexplained}"));
    }

    fn release(&self, thread: usize, permit: OwnedStripedPermit) {
        self.begin(thread, GateCall::Release);
        drop(permit);
        self.told(thread, GateAnswer::Done);
    }

    /// Makes a call, and checks the answer. A release without a permit is left out.
    fn make(&self, thread: usize, call: Call) {
        let gate = &self.gate;
        match call {
            Call::Acquire => {
                self.begin(thread, GateCall::Acquire);
                let acquired = gate.clone().try_acquire_owned();
                let answer = acquired.as_ref().map_or(GateAnswer::Full, |_| GateAnswer::Acquired);
                self.permits[thread].lock().unwrap().extend(acquired);
                self.told(thread, answer);
            }
            Call::Release => {
                let permit = self.permits[thread].lock().unwrap().pop();
                permit.into_iter().for_each(|permit| self.release(thread, permit));
            }
            Call::Run => {
                self.begin(thread, GateCall::Acquire);
                let ran = gate.try_run(|| {
                    self.told(thread, GateAnswer::Acquired);
                    self.begin(thread, GateCall::Release);
                });
                self.told(thread, ran.map_or(GateAnswer::Full, |()| GateAnswer::Done));
            }
            Call::IsFull => {
                self.begin(thread, GateCall::IsFull);
                let is_full = gate.is_full();
                self.told(thread, GateAnswer::IsFull(is_full));
            }
            Call::OccupiedExact => {
                self.begin(thread, GateCall::Occupied);
                let held = gate.occupied_exact();
                self.told(thread, GateAnswer::Held(held));
            }
            Call::Occupied | Call::Available => {
                let read = |gate: &StripedGate| match call {
                    Call::Occupied => gate.occupied(),
                    _ => gate.capacity() - gate.available(),
                };
                if thread == STALLS {
                    // The other thread moves places between its steps.
                    assert!(read(gate) <= gate.capacity());
                    return;
                }
                self.begin(thread, GateCall::Occupied);
                let held = read(gate);
                self.told(thread, GateAnswer::Held(held));
            }
        }
    }

    /// Drops all permits, and fills the gate.
    fn end(&self) {
        self.permits.iter().for_each(|permits| permits.lock().unwrap().clear());
        assert_eq!((self.gate.occupied_exact(), self.gate.occupied()), (0, 0));
        let permits: Vec<_> =
            std::iter::from_fn(|| self.gate.clone().try_acquire_owned().ok()).collect();
        assert_eq!(permits.len() as u32, self.gate.capacity());
    }
}

/// The gates that the calls meet: the capacity, the stripes, the places that each thread holds.
const STARTS: [(u32, usize, [u32; 2]); 6] = [
    (1, 1, [0, 0]),
    (1, 1, [1, 0]),
    (1, 2, [0, 0]),
    (1, 2, [0, 1]),
    (2, 2, [1, 1]),
    (3, 2, [1, 1]),
];

const OTHERS: [Call; 7] = [
    Call::Acquire,
    Call::Release,
    Call::Run,
    Call::IsFull,
    Call::OccupiedExact,
    Call::Occupied,
    Call::Available,
];

/// Stalls `calls`, made one after the other, at each of the gates while another thread makes each
/// pair of calls, and, in two rounds, one of them before some more steps and one after.
fn stall(calls: &'static [Call]) -> Stalls {
    let mut seen = Stalls::default();
    for (capacity, stripes, held) in STARTS {
        for first in OTHERS {
            for second in OTHERS {
                for rounds in [vec![vec![first, second]], vec![vec![first], vec![second]]] {
                    let scene = Scene {
                        name: format!("{calls:?} at {capacity}, {stripes}, {held:?}: {rounds:?}"),
                        world: Box::new(move || World::new(capacity, stripes, held)),
                        call: Box::new(move |world: &World| {
                            calls.iter().for_each(|&call| world.make(STALLS, call));
                        }),
                        rounds: rounds.into_iter().map(round).collect(),
                        end: Box::new(World::end),
                    };
                    seen += scene.explore();
                }
            }
        }
    }
    println!("{calls:?}: {seen:?}");
    seen
}

fn round(calls: Vec<Call>) -> Box<dyn Fn(&World) + Send + Sync> {
    Box::new(move |world| calls.iter().for_each(|&call| world.make(OTHER, call)))
}

/// *never-over*, *exact* and *no-leak* hold wherever a call stops, and no other waits for it. An
/// acquisition after a release at the same stripe believes that a place is there, and does not
/// look.
#[test]
fn each_call_of_a_striped_gate_stalls() {
    use Call::*;
    let scenes: [&[Call]; 8] = [
        &[Acquire],
        &[Release],
        &[Run],
        &[IsFull],
        &[OccupiedExact],
        &[Occupied, Available],
        &[Release, Acquire],
        &[Run, Acquire],
    ];
    for calls in scenes {
        let seen = stall(calls);
        assert!(seen.ways > 0 && seen.waited == 0, "{calls:?}: {seen:?}");
    }
}
