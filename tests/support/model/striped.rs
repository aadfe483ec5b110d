//! A striped gate beside a plain number. The properties and the fuzz target share this.

use std::sync::Arc;
use std::thread;

use headcount::{OwnedStripedPermit, StripedGate};

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

/// Applies `ops` to a gate and to a number. Panics where they differ.
pub(crate) fn run(capacity: u32, stripes: usize, ops: impl IntoIterator<Item = Op>) {
    let gate = Arc::new(StripedGate::with_stripes(capacity, stripes));
    let mut permits: Vec<OwnedStripedPermit> = Vec::new();
    let mut forgotten = 0;
    for op in ops {
        let held = permits.len() as u32 + forgotten;
        match op {
            Op::Acquire { new_thread } => {
                let gate = Arc::clone(&gate);
                let acquire = move || gate.try_acquire_owned();
                match on_thread(new_thread, acquire) {
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
            Op::Release { which, new_thread } => {
                if let Some(permit) = pick(&mut permits, which) {
                    on_thread(new_thread, move || drop(permit));
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

fn on_thread<T: Send>(new_thread: bool, act: impl FnOnce() -> T + Send) -> T {
    if new_thread {
        thread::scope(|scope| scope.spawn(act).join().expect("it does not panic"))
    } else {
        act()
    }
}
