//! A room of a lobby in ordinary numbers: numbered seats, a lock, and several lives.

use crate::Spec;

/// What can be asked of a room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoomCall {
    /// A seat, by an id of that generation.
    Enter {
        /// The generation.
        generation: u32,
    },
    /// Gives that seat back.
    Leave {
        /// The number of the seat.
        seat: u32,
    },
    /// Opens the vacant room under that generation, with the caller on seat 0.
    Open {
        /// The generation.
        generation: u32,
    },
    /// Notes that the room does not admit, if that is so. Changes nothing.
    Pass,
    /// Locks or unlocks the room of that generation, if at least so many members are inside.
    SetLock {
        /// The generation.
        generation: u32,
        /// Whether to lock.
        locked: bool,
        /// The quorum.
        at_least: u32,
    },
}

/// Why a room refuses a caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoomRefusal {
    /// Every seat is taken.
    Full,
    /// The room is locked.
    Locked,
    /// The room has not been opened under this generation.
    Vacant,
    /// The id is of another generation.
    Gone,
}

/// What a caller of a room is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoomAnswer {
    /// The seat is the caller's; so many members are inside now.
    Entered {
        /// The number of the seat.
        seat: u32,
        /// The members inside, with the caller.
        members: u32,
    },
    /// The caller is refused.
    Refused(RoomRefusal),
    /// The caller has left; so many members are inside now.
    Left {
        /// The members inside, without the caller.
        members: u32,
    },
    /// The caller was the last member, and the room has closed.
    Closed,
    /// Whether the room is open now, with the caller as its only member.
    Opened(bool),
    /// Nothing.
    Passed,
    /// The lock is set as wanted, with so many members inside; or too few are, namely so many; or
    /// no room is open under that generation.
    Lock(Option<Result<u32, u32>>),
}

/// The phase of a room's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoomPhase {
    /// Can be opened under its generation.
    Vacant,
    /// Has members.
    Open {
        /// Whether callers are refused.
        locked: bool,
    },
    /// Is never opened again.
    Retired,
}

/// What a room is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Room {
    /// The number of seats, at most 32.
    pub seats: u32,
    /// The generation of the life that the room is in, or enters next.
    pub generation: u32,
    /// The last generation: the room retires after it.
    pub last_generation: u32,
    /// The phase.
    pub phase: RoomPhase,
    /// One bit for each seat that is taken.
    pub taken: u32,
}

impl Room {
    /// Creates a vacant room.
    pub fn new(seats: u32, generation: u32, last_generation: u32) -> Self {
        Room { seats, generation, last_generation, phase: RoomPhase::Vacant, taken: 0 }
    }

    /// Returns the number of members inside.
    pub fn members(&self) -> u32 {
        self.taken.count_ones()
    }

    fn enter(&mut self, generation: u32) -> Result<u32, RoomRefusal> {
        match self.phase {
            _ if generation != self.generation => Err(RoomRefusal::Gone),
            RoomPhase::Retired => Err(RoomRefusal::Gone),
            RoomPhase::Vacant => Err(RoomRefusal::Vacant),
            RoomPhase::Open { locked: true } => Err(RoomRefusal::Locked),
            RoomPhase::Open { .. } if self.members() == self.seats => Err(RoomRefusal::Full),
            RoomPhase::Open { .. } => {
                let seat = self.taken.trailing_ones();
                self.taken |= 1 << seat;
                Ok(seat)
            }
        }
    }

    fn set_lock(&mut self, generation: u32, lock: bool, at_least: u32) -> Option<Result<u32, u32>> {
        let members = self.members();
        match &mut self.phase {
            RoomPhase::Open { locked } if generation == self.generation => {
                if members < at_least {
                    return Some(Err(members));
                }
                *locked = lock;
                Some(Ok(members))
            }
            _ => None,
        }
    }
}

impl Spec for Room {
    type Call = RoomCall;
    type Answer = RoomAnswer;

    fn apply(&mut self, call: RoomCall) -> RoomAnswer {
        match call {
            RoomCall::Enter { generation } => match self.enter(generation) {
                Ok(seat) => RoomAnswer::Entered { seat, members: self.members() },
                Err(refusal) => RoomAnswer::Refused(refusal),
            },
            RoomCall::Leave { seat } => {
                self.taken &= !(1 << seat);
                if self.taken != 0 {
                    return RoomAnswer::Left { members: self.members() };
                }
                self.generation += 1;
                let retires = self.generation > self.last_generation;
                self.phase = if retires { RoomPhase::Retired } else { RoomPhase::Vacant };
                RoomAnswer::Closed
            }
            RoomCall::Open { generation } => {
                let opens = self.phase == RoomPhase::Vacant && generation == self.generation;
                if opens {
                    (self.phase, self.taken) = (RoomPhase::Open { locked: false }, 1);
                }
                RoomAnswer::Opened(opens)
            }
            RoomCall::Pass => RoomAnswer::Passed,
            RoomCall::SetLock { generation, locked, at_least } => {
                RoomAnswer::Lock(self.set_lock(generation, locked, at_least))
            }
        }
    }
}
