//! A gate in ordinary numbers.

use crate::Spec;

/// What can be asked of a gate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GateCall {
    /// One place.
    Acquire,
    /// So many places, all or none.
    AcquireMany(u32),
    /// Gives one place back.
    Release,
    /// Gives so many places back.
    ReleaseMany(u32),
    /// Admits no more callers.
    Close,
    /// Admits callers again.
    Reopen,
    /// Closes if at least so many places are held.
    CloseIf(u32),
    /// Changes the capacity.
    SetCapacity(u32),
    /// How many places are held?
    Occupied,
    /// Is no place free?
    IsFull,
}

/// What a caller of a gate is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GateAnswer {
    /// The places are the caller's.
    Acquired,
    /// Too few places are free.
    Full,
    /// The gate is closed.
    Closed,
    /// The call is carried out.
    Done,
    /// So many places are held.
    Held(u32),
    /// The gate is closed with so many places held; or too few are held, namely so many.
    Quorum(Result<u32, u32>),
    /// Whether no place is free.
    IsFull(bool),
}

/// What a gate is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Gate {
    /// The most places that may be held.
    pub capacity: u32,
    /// The places held. More than the capacity only after it was lowered.
    pub held: u32,
    /// Whether every caller is refused.
    pub closed: bool,
    /// Whether places were removed while held. Searches and models of single steps may then excuse
    /// a refusal as full that nothing explains.
    pub was_lowered: bool,
    /// Whether such refusals are excused.
    pub excuses_lowering: bool,
}

impl Gate {
    /// Creates an open gate of which no place is held.
    pub fn new(capacity: u32) -> Self {
        Gate { capacity, held: 0, closed: false, was_lowered: false, excuses_lowering: false }
    }

    /// Returns the number of places that can be acquired if the gate is open.
    pub fn free(&self) -> u32 {
        self.capacity.saturating_sub(self.held)
    }

    /// Acquires so many places, all or none.
    pub fn acquire(&mut self, n: u32) -> GateAnswer {
        if self.closed {
            GateAnswer::Closed
        } else if n > self.free() {
            GateAnswer::Full
        } else {
            self.held += n;
            GateAnswer::Acquired
        }
    }
}

impl Spec for Gate {
    type Call = GateCall;
    type Answer = GateAnswer;

    fn apply(&mut self, call: GateCall) -> GateAnswer {
        match call {
            GateCall::Acquire => return self.acquire(1),
            GateCall::AcquireMany(n) => return self.acquire(n),
            GateCall::Release => self.held -= 1,
            GateCall::ReleaseMany(n) => self.held -= n,
            GateCall::Close => self.closed = true,
            GateCall::Reopen => self.closed = false,
            GateCall::CloseIf(at_least) => {
                let reached = self.held >= at_least;
                self.closed |= reached;
                return GateAnswer::Quorum(if reached { Ok(self.held) } else { Err(self.held) });
            }
            GateCall::SetCapacity(capacity) => {
                self.capacity = capacity;
                self.was_lowered |= self.held > capacity;
            }
            GateCall::Occupied => return GateAnswer::Held(self.held),
            GateCall::IsFull => return GateAnswer::IsFull(self.free() == 0),
        }
        GateAnswer::Done
    }

    fn excused(&self, call: GateCall) -> Option<GateAnswer> {
        let acquires = matches!(call, GateCall::Acquire | GateCall::AcquireMany(_));
        (self.excuses_lowering && self.was_lowered && acquires).then_some(GateAnswer::Full)
    }
}
