//! A striped gate beside a plain number. Shared by the properties and the fuzz target.

use std::sync::Arc;
use std::thread;

use headcount::{OwnedStripedPermit, StripedGate};

/// What is done to the gate next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// Takes a place, on this thread or on one that comes for it, and thus from another stripe.
    Take { elsewhere: bool },
    /// Gives back the permit at this index, modulo how many there are.
    Give { which: u8, elsewhere: bool },
    /// Forgets it instead.
    Forget { which: u8 },
    /// Takes a place for a call that panics.
    Panic,
}

impl Op {
    /// Any byte is an operation, so that bytes can be shrunk.
    pub(crate) fn from_byte(byte: u8) -> Op {
        let which = byte >> 4;
        match byte & 0b1111 {
            0..=4 => Op::Take { elsewhere: false },
            5..=7 => Op::Take { elsewhere: true },
            8..=10 => Op::Give { which, elsewhere: false },
            11..=13 => Op::Give { which, elsewhere: true },
            14 => Op::Forget { which },
            _ => Op::Panic,
        }
    }
}

/// Does what `ops` say, to a gate and to a number. Panics where they differ.
pub(crate) fn run(capacity: u32, stripes: usize, ops: impl IntoIterator<Item = Op>) {
    let gate = Arc::new(StripedGate::with_stripes(capacity, stripes));
    let mut permits: Vec<OwnedStripedPermit> = Vec::new();
    let mut forgotten = 0;
    for op in ops {
        let held = permits.len() as u32 + forgotten;
        match op {
            Op::Take { elsewhere } => {
                let gate = Arc::clone(&gate);
                let take = move || gate.try_acquire_owned();
                match on_thread(elsewhere, take) {
                    Ok(permit) => {
                        assert!(held < capacity, "never-over");
                        permits.push(permit);
                    }
                    Err(refused) => {
                        assert!(refused.is_full() && !refused.is_closed());
                        assert_eq!(held, capacity, "exact");
                    }
                }
            }
            Op::Give { which, elsewhere } => {
                if let Some(permit) = pick(&mut permits, which) {
                    on_thread(elsewhere, move || drop(permit));
                }
            }
            Op::Forget { which } => {
                if let Some(permit) = pick(&mut permits, which) {
                    permit.forget();
                    forgotten += 1;
                }
            }
            Op::Panic => {
                let gate = Arc::clone(&gate);
                let call = move || gate.try_run(|| std::panic::resume_unwind(Box::new(())));
                let outcome: Result<Result<(), _>, _> = std::panic::catch_unwind(call);
                assert_eq!(
                    outcome.is_err(),
                    held < capacity,
                    "the call is made if there is a place"
                );
            }
        }
        compare(&gate, permits.len() as u32 + forgotten);
    }
    drop(permits);
    compare(&gate, forgotten);
}

fn compare(gate: &StripedGate, held: u32) {
    assert_eq!(gate.occupied(), held, "occupied");
    assert_eq!(gate.occupied_exact(), held, "occupied_exact");
    assert_eq!(gate.available(), gate.capacity() - held, "available");
    assert_eq!(gate.is_full(), held == gate.capacity(), "is_full");
}

fn pick(permits: &mut Vec<OwnedStripedPermit>, which: u8) -> Option<OwnedStripedPermit> {
    if permits.is_empty() {
        return None;
    }
    let index = usize::from(which) % permits.len();
    Some(permits.swap_remove(index))
}

fn on_thread<T: Send>(elsewhere: bool, act: impl FnOnce() -> T + Send) -> T {
    if elsewhere {
        thread::scope(|scope| scope.spawn(act).join().expect("it does not panic"))
    } else {
        act()
    }
}
