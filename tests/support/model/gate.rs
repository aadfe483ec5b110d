//! The gate against its model.

use std::sync::Arc;

use headcount::{Gate, OwnedPermit, Permit, TryAcquireError};

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
    SetCapacity(u32),
    Close,
    Reopen,
    CloseIfOccupied(u32),
}

/// What a gate is, in ordinary numbers.
struct Model {
    capacity: u32,
    held: u32,
    closed: bool,
}

impl Model {
    fn free(&self) -> u32 {
        self.capacity.saturating_sub(self.held)
    }

    fn acquire(&mut self, n: u32) -> Result<u32, TryAcquireError> {
        if self.closed {
            Err(TryAcquireError::Closed)
        } else if n > self.free() {
            Err(TryAcquireError::Full)
        } else {
            self.held += n;
            Ok(n)
        }
    }

    fn close_if_occupied(&mut self, at_least: u32) -> Result<u32, u32> {
        if self.held < at_least {
            return Err(self.held);
        }
        self.closed = true;
        Ok(self.held)
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

/// A gate, its permits, and the model of both.
pub(crate) struct Pair<'a> {
    gate: &'a Arc<Gate>,
    permits: Vec<Held<'a>>,
    model: Model,
    forgotten: u32,
}

impl<'a> Pair<'a> {
    /// Takes a gate that has not been used yet.
    pub(crate) fn new(gate: &'a Arc<Gate>) -> Self {
        let model = Model { capacity: gate.capacity(), held: 0, closed: false };
        Pair { gate, permits: Vec::new(), model, forgotten: 0 }
    }

    /// Does `op` on both and compares what it returned and all that can be read afterwards.
    pub(crate) fn apply(&mut self, op: &Op) {
        self.perform(op);
        self.compare(op);
    }

    fn acquired(&mut self, n: u32, result: Result<Held<'a>, TryAcquireError>) {
        let expected = self.model.acquire(n);
        assert_eq!(result.as_ref().map(Held::count).map_err(|&refused| refused), expected);
        self.permits.extend(result);
    }

    fn perform(&mut self, op: &Op) {
        let gate = self.gate;
        match *op {
            Op::Acquire { owned: false } => {
                self.acquired(1, gate.try_acquire().map(Held::Borrowed));
            }
            Op::Acquire { owned: true } => {
                self.acquired(1, gate.clone().try_acquire_owned().map(Held::Owned));
            }
            Op::AcquireMany { n, owned: false } => {
                self.acquired(n, gate.try_acquire_many(n).map(Held::Borrowed));
            }
            Op::AcquireMany { n, owned: true } => {
                self.acquired(n, gate.clone().try_acquire_many_owned(n).map(Held::Owned));
            }
            Op::Run(ending) => self.run(ending),
            Op::Drop(pick) => {
                if let Some(permit) = remove(&mut self.permits, pick) {
                    self.model.held -= permit.count();
                }
            }
            Op::Forget(pick) => {
                if let Some(permit) = remove(&mut self.permits, pick) {
                    self.forgotten += permit.count();
                    permit.forget();
                }
            }
            Op::Leak(pick) => {
                if let Some(permit) = remove(&mut self.permits, pick) {
                    self.forgotten += permit.count();
                    std::mem::forget(permit);
                }
            }
            Op::Split { pick, n } => self.split(pick, n),
            Op::Merge { into, from } => self.merge(into, from),
            Op::SetCapacity(capacity) => {
                let capacity = capacity.min(Gate::MAX_CAPACITY);
                gate.set_capacity(capacity);
                self.model.capacity = capacity;
            }
            Op::Close => {
                gate.close();
                self.model.closed = true;
            }
            Op::Reopen => {
                gate.reopen();
                self.model.closed = false;
            }
            Op::CloseIfOccupied(n) => {
                assert_eq!(
                    gate.close_if_occupied(n).map_err(|error| error.occupied),
                    self.model.close_if_occupied(n)
                );
            }
        }
    }

    fn run(&mut self, ending: Ending) {
        let gate = self.gate;
        let expected = self.model.acquire(1);
        let mut ran = false;
        let result = caught(|| {
            gate.try_run(|| {
                ran = true;
                assert_eq!(gate.occupied(), self.model.held);
                ending.end()
            })
        });
        assert_eq!(ran, expected.is_ok());
        match (expected, ending) {
            (Err(refused), _) => assert_eq!(result, Some(Err(refused))),
            (Ok(_), Ending::Panics) => assert_eq!(result, None),
            (Ok(_), _) => assert_eq!(result, Some(Ok(ending.end()))),
        }
        self.model.held -= u32::from(ran);
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
        let (gate, model) = (self.gate, &self.model);
        assert_eq!(gate.capacity(), model.capacity, "capacity after {op:?}");
        assert_eq!(gate.occupied(), model.held, "occupied after {op:?}");
        assert_eq!(gate.available(), model.free(), "available after {op:?}");
        assert_eq!(gate.is_full(), model.free() == 0, "is_full after {op:?}");
        assert_eq!(gate.is_closed(), model.closed, "is_closed after {op:?}");
        let counts: u32 = self.permits.iter().map(Held::count).sum();
        assert_eq!(counts + self.forgotten, model.held, "the permits' counts after {op:?}");
    }

    /// Drops all permits: only what was forgotten stays, and every other place can be had again.
    pub(crate) fn finish(self) {
        let Pair { gate, permits, model, forgotten } = self;
        drop(permits);
        assert_eq!(gate.occupied(), forgotten);
        gate.reopen();
        let free = model.capacity.saturating_sub(forgotten);
        assert_eq!(gate.available(), free);
        assert_eq!(gate.try_acquire_many(free).map(|all| all.count()), Ok(free));
        assert_eq!(gate.try_acquire().is_ok(), free > 0);
        assert_eq!(gate.occupied(), forgotten);
    }
}

/// Runs `ops` on a gate of `capacity` places and on its model.
pub(crate) fn check(capacity: u32, ops: &[Op]) {
    let gate = Arc::new(Gate::new(capacity.min(Gate::MAX_CAPACITY)));
    let mut pair = Pair::new(&gate);
    for op in ops {
        pair.apply(op);
    }
    pair.finish();
}
