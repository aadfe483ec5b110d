//! The gate against its specification.

use std::sync::Arc;

use headcount::{Gate, OwnedPermit, Permit, TryAcquireError};
use headcount_spec::{Gate as GateSpec, GateAnswer, GateCall, GateReadings, Spec};

use super::{caught, remove, Ending};

/// One operation on a gate or on one of its permits. A `u8` picks among the permits held.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Acquire { owned: bool },
    AcquireMany { n: u32, owned: bool },
    Run(Ending),
    Drop(u8),
    Forget(u8),
    Leak(u8),
    Split { pick: u8, n: u32 },
    Merge { into: u8, from: u8 },
    AcquireAll { owned: bool },
    AcquireLeaving { n: u32, spare: u32, owned: bool },
    Force { n: u32, owned: bool },
    SetCapacity(u32),
    RaiseCapacity(u32),
    LowerCapacity(u32),
    Close,
    Reopen,
    CloseIfOccupied(u32),
}

/// Returns what a caller was told.
pub(crate) fn told<T>(result: &Result<T, TryAcquireError>) -> GateAnswer {
    match result {
        Ok(_) => GateAnswer::Acquired,
        Err(refused) if refused.is_closed() => GateAnswer::Closed,
        Err(refused) => {
            assert!(refused.is_full());
            GateAnswer::Full
        }
    }
}

/// Returns what a closing at a quorum returned.
pub(crate) fn quorum(result: Result<u32, headcount::QuorumError>) -> GateAnswer {
    GateAnswer::Quorum(result.map_err(|error| error.occupied))
}

/// Returns what can be read of a gate.
pub(crate) fn readings(gate: &Gate) -> GateReadings {
    GateReadings {
        capacity: gate.capacity(),
        occupied: gate.occupied(),
        available: gate.available(),
        is_full: gate.is_full(),
        is_closed: gate.is_closed(),
    }
}

enum Held<'a> {
    Borrowed(Permit<'a>),
    Owned(OwnedPermit),
}

impl Held<'_> {
    fn count(&self) -> u32 {
        match self {
            Held::Borrowed(permit) => permit.count(),
            Held::Owned(permit) => permit.count(),
        }
    }

    fn split(&mut self, n: u32) -> Option<Self> {
        match self {
            Held::Borrowed(permit) => permit.split(n).map(Held::Borrowed),
            Held::Owned(permit) => permit.split(n).map(Held::Owned),
        }
    }

    /// Merges two permits of one kind; gives back `other` if they are of two.
    fn merge(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (Held::Borrowed(into), Held::Borrowed(from)) => into.merge(from),
            (Held::Owned(into), Held::Owned(from)) => into.merge(from),
            (_, other) => return Some(other),
        }
        None
    }

    fn forget(self) {
        match self {
            Held::Borrowed(permit) => permit.forget(),
            Held::Owned(permit) => permit.forget(),
        }
    }
}

/// Runs a call that panics if there would be too many places; returns nothing then.
fn panics_above<T>(call: impl FnOnce() -> T) -> Option<T> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    outcome.map_err(|payload| assert!(payload.is::<&str>(), "another panic")).ok()
}

/// A gate, its permits, and the specification of both.
pub(crate) struct Pair<'a> {
    gate: &'a Arc<Gate>,
    permits: Vec<Held<'a>>,
    spec: GateSpec,
}

impl<'a> Pair<'a> {
    /// Takes a gate that has not been used yet.
    pub(crate) fn new(gate: &'a Arc<Gate>) -> Self {
        Pair { gate, permits: Vec::new(), spec: GateSpec::new(gate.capacity()) }
    }

    /// Does `op` on both and compares what it returned and all that can be read afterwards.
    pub(crate) fn apply(&mut self, op: &Op) {
        self.perform(op);
        self.compare(op);
    }

    fn expect(&mut self, call: GateCall, answer: GateAnswer) {
        assert_eq!(
            answer,
            self.spec.apply(call),
            "the gate's answer, and what {call:?} must answer"
        );
    }

    fn acquired(&mut self, call: GateCall, n: u32, result: Result<Held<'a>, TryAcquireError>) {
        self.expect(call, told(&result));
        if let Ok(permit) = &result {
            assert_eq!(permit.count(), n, "the count of the permit of {call:?}");
        }
        self.permits.extend(result);
    }

    fn perform(&mut self, op: &Op) {
        let gate = self.gate;
        match *op {
            Op::Acquire { owned: false } => {
                self.acquired(GateCall::Acquire, 1, gate.try_acquire().map(Held::Borrowed));
            }
            Op::Acquire { owned: true } => {
                let permit = gate.clone().try_acquire_owned();
                self.acquired(GateCall::Acquire, 1, permit.map(Held::Owned));
            }
            Op::AcquireMany { n, owned: false } => {
                let permit = gate.try_acquire_many(n);
                self.acquired(GateCall::AcquireMany(n), n, permit.map(Held::Borrowed));
            }
            Op::AcquireMany { n, owned: true } => {
                let permit = gate.clone().try_acquire_many_owned(n);
                self.acquired(GateCall::AcquireMany(n), n, permit.map(Held::Owned));
            }
            Op::AcquireAll { owned } => {
                let permit = match owned {
                    false => gate.try_acquire_all().map(Held::Borrowed),
                    true => gate.clone().try_acquire_all_owned().map(Held::Owned),
                };
                let answer = match &permit {
                    Ok(permit) => GateAnswer::AcquiredAll(permit.count()),
                    refused => told(refused),
                };
                self.expect(GateCall::AcquireAll, answer);
                self.permits.extend(permit);
            }
            Op::AcquireLeaving { n, spare, owned } => {
                let permit = match owned {
                    false => gate.try_acquire_leaving(n, spare).map(Held::Borrowed),
                    true => gate.clone().try_acquire_leaving_owned(n, spare).map(Held::Owned),
                };
                self.acquired(GateCall::AcquireLeaving { places: n, spare }, n, permit);
            }
            Op::Force { n, owned } => {
                let above = self
                    .spec
                    .held
                    .checked_add(n)
                    .map(|held| held.saturating_sub(self.spec.capacity));
                let fits = n == 0 || above.is_some_and(|above| above <= Gate::MAX_CAPACITY);
                if cfg!(fuzzing) && !fits {
                    return; // libFuzzer ends at any panic.
                }
                let permit = panics_above(|| match owned {
                    false => Held::Borrowed(gate.force_acquire(n)),
                    true => Held::Owned(gate.clone().force_acquire_owned(n)),
                });
                assert_eq!(permit.is_some(), fits, "{op:?} with {} held", self.spec.held);
                if let Some(permit) = permit {
                    self.acquired(GateCall::Force(n), n, Ok(permit));
                }
            }
            Op::RaiseCapacity(n) => {
                let capacity = self.spec.capacity.checked_add(n);
                if cfg!(fuzzing) && capacity.is_none_or(|sum| sum > Gate::MAX_CAPACITY) {
                    return; // libFuzzer ends at any panic.
                }
                let raised = panics_above(|| gate.raise_capacity(n));
                match capacity {
                    Some(0..=Gate::MAX_CAPACITY) => {
                        let answer = GateAnswer::Capacity(raised.expect("it is within the limit"));
                        self.expect(GateCall::RaiseCapacity(n), answer);
                    }
                    _ => assert_eq!(raised, None),
                }
            }
            Op::LowerCapacity(n) => {
                let answer = GateAnswer::Capacity(gate.lower_capacity(n));
                self.expect(GateCall::LowerCapacity(n), answer);
            }
            Op::Run(ending) => self.run(ending),
            Op::Drop(pick) => {
                if let Some(permit) = remove(&mut self.permits, pick) {
                    self.spec.apply(GateCall::ReleaseMany(permit.count()));
                }
            }
            Op::Forget(pick) => {
                if let Some(permit) = remove(&mut self.permits, pick) {
                    self.spec.apply(GateCall::Forget(permit.count()));
                    permit.forget();
                }
            }
            Op::Leak(pick) => {
                if let Some(permit) = remove(&mut self.permits, pick) {
                    self.spec.apply(GateCall::Forget(permit.count()));
                    std::mem::forget(permit);
                }
            }
            Op::Split { pick, n } => self.split(pick, n),
            Op::Merge { into, from } => self.merge(into, from),
            Op::SetCapacity(capacity) => {
                let capacity = capacity.min(Gate::MAX_CAPACITY);
                gate.set_capacity(capacity);
                self.spec.apply(GateCall::SetCapacity(capacity));
            }
            Op::Close => {
                gate.close();
                self.spec.apply(GateCall::Close);
            }
            Op::Reopen => {
                gate.reopen();
                self.spec.apply(GateCall::Reopen);
            }
            Op::CloseIfOccupied(n) => {
                self.expect(GateCall::CloseIf(n), quorum(gate.close_if_occupied(n)));
            }
        }
    }

    fn run(&mut self, ending: Ending) {
        let gate = self.gate;
        let expected = self.spec.apply(GateCall::Acquire);
        let mut ran = false;
        let result = caught(|| {
            gate.try_run(|| {
                ran = true;
                assert_eq!(gate.occupied(), self.spec.held, "occupied while the block runs");
                ending.end()
            })
        });
        assert_eq!(ran, expected == GateAnswer::Acquired);
        match result {
            None => assert_eq!((expected, ending), (GateAnswer::Acquired, Ending::Panics)),
            Some(result) => {
                assert_eq!(told(&result), expected);
                result.into_iter().for_each(|outcome| assert_eq!(outcome, ending.end()));
            }
        }
        if ran {
            self.spec.apply(GateCall::Release);
        }
    }

    fn split(&mut self, pick: u8, n: u32) {
        let Some(mut permit) = remove(&mut self.permits, pick) else { return };
        let before = permit.count();
        match permit.split(n) {
            Some(part) => {
                assert_eq!((permit.count(), part.count()), (before - n, n));
                self.permits.push(part);
            }
            None => {
                assert!(n > before);
                assert_eq!(permit.count(), before);
            }
        }
        self.permits.push(permit);
    }

    fn merge(&mut self, into: u8, from: u8) {
        let Some(from) = remove(&mut self.permits, from) else { return };
        let Some(mut into) = remove(&mut self.permits, into) else {
            return self.permits.push(from);
        };
        let counts = (into.count(), from.count());
        match into.merge(from) {
            None => assert_eq!(into.count(), counts.0 + counts.1),
            Some(from) => self.permits.push(from),
        }
        self.permits.push(into);
    }

    fn compare(&self, op: &Op) {
        assert_eq!(
            readings(self.gate),
            self.spec.readings(),
            "the gate and its model after {op:?}"
        );
        let counts: u32 = self.permits.iter().map(Held::count).sum();
        assert_eq!(counts + self.spec.forgotten, self.spec.held, "permits' counts after {op:?}");
    }

    /// Drops all permits: only what was forgotten stays, and every other place can be had again.
    pub(crate) fn finish(self) {
        let Pair { gate, permits, spec } = self;
        drop(permits);
        assert_eq!(gate.occupied(), spec.forgotten);
        gate.reopen();
        let free = spec.capacity.saturating_sub(spec.forgotten);
        assert_eq!(gate.available(), free);
        assert_eq!(gate.try_acquire_many(free).map(|all| all.count()), Ok(free));
        assert_eq!(gate.try_acquire().is_ok(), free > 0);
        assert_eq!(gate.occupied(), spec.forgotten);
    }
}

/// Runs `ops` on a gate of `capacity` places and on its specification.
pub(crate) fn check(capacity: u32, ops: &[Op]) {
    let gate = Arc::new(Gate::new(capacity.min(Gate::MAX_CAPACITY)));
    let mut pair = Pair::new(&gate);
    for op in ops {
        pair.apply(op);
    }
    pair.finish();
}
