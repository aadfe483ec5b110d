//! A striped gate beside the specification of a gate. The properties and the fuzz target share
//! this.

use std::sync::Arc;
use std::thread;

use headcount::{OwnedStripedPermit, StripedGate};
use headcount_spec::{Gate as GateSpec, GateAnswer, GateCall, GateReadings, Spec};

use super::gate::told;

/// The next action on the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// Acquires a place, on this thread or on a new one, which has another stripe.
    Acquire { new_thread: bool },
    /// Drops the permit at this index, modulo how many there are.
    Release { which: u8, new_thread: bool },
    /// Forgets it instead.
    Forget { which: u8 },
    /// Acquires a place for a call that panics.
    Panic,
}

impl Op {
    /// Any byte is an operation, so that bytes can be shrunk.
    pub(crate) fn from_byte(byte: u8) -> Op {
        let which = byte >> 4;
        match byte & 0b1111 {
            0..=4 => Op::Acquire { new_thread: false },
            5..=7 => Op::Acquire { new_thread: true },
            8..=10 => Op::Release { which, new_thread: false },
            11..=13 => Op::Release { which, new_thread: true },
            14 => Op::Forget { which },
            _ => Op::Panic,
        }
    }
}

/// Applies `ops` to a gate and to its specification. Panics where they differ.
pub(crate) fn run(capacity: u32, stripes: usize, ops: impl IntoIterator<Item = Op>) {
    let gate = Arc::new(StripedGate::with_stripes(capacity, stripes));
    let mut permits: Vec<OwnedStripedPermit> = Vec::new();
    let mut spec = GateSpec::new(capacity);
    for op in ops {
        match op {
            Op::Acquire { new_thread } => {
                let gate = Arc::clone(&gate);
                let permit = on_thread(new_thread, move || gate.try_acquire_owned());
                assert_eq!(told(&permit), spec.apply(GateCall::Acquire), "{op:?}");
                permits.extend(permit);
            }
            Op::Release { which, new_thread } => {
                if let Some(permit) = pick(&mut permits, which) {
                    on_thread(new_thread, move || drop(permit));
                    spec.apply(GateCall::Release);
                }
            }
            Op::Forget { which } => {
                if let Some(permit) = pick(&mut permits, which) {
                    permit.forget();
                    spec.apply(GateCall::Forget(1));
                }
            }
            Op::Panic => {
                let gate = Arc::clone(&gate);
                let call = move || gate.try_run(|| std::panic::resume_unwind(Box::new(())));
                let outcome: Result<Result<(), _>, _> = std::panic::catch_unwind(call);
                match spec.apply(GateCall::Acquire) {
                    GateAnswer::Acquired => {
                        assert!(outcome.is_err(), "the call is made if there is a place");
                        spec.apply(GateCall::Release);
                    }
                    refused => {
                        assert_eq!(told(&outcome.expect("no call is made")), refused);
                    }
                }
            }
        }
        compare(&gate, &spec, Some(op));
    }
    drop(permits);
    let freed = spec.held - spec.forgotten;
    spec.apply(GateCall::ReleaseMany(freed));
    compare(&gate, &spec, None);
}

fn compare(gate: &StripedGate, spec: &GateSpec, after: Option<Op>) {
    let readings = GateReadings {
        capacity: gate.capacity(),
        occupied: gate.occupied(),
        available: gate.available(),
        is_full: gate.is_full(),
        is_closed: false,
    };
    assert_eq!(readings, spec.readings(), "the gate and its specification after {after:?}");
    assert_eq!(gate.occupied_exact(), spec.held, "occupied_exact after {after:?}");
}

fn pick(permits: &mut Vec<OwnedStripedPermit>, which: u8) -> Option<OwnedStripedPermit> {
    if permits.is_empty() {
        return None;
    }
    let index = usize::from(which) % permits.len();
    Some(permits.swap_remove(index))
}

fn on_thread<T: Send>(new_thread: bool, act: impl FnOnce() -> T + Send) -> T {
    if new_thread {
        thread::scope(|scope| scope.spawn(act).join().expect("it does not panic"))
    } else {
        act()
    }
}
