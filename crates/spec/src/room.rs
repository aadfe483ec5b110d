//! A room of a lobby in ordinary numbers: numbered seats, a lock, a listing, and several lives.

use crate::Spec;

/// What can be asked of a room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoomCall {
    /// A seat, by an id of that generation, if the room is listed.
    Enter {
        /// The generation.
        generation: u32,
    },
    /// So many seats at once.
    EnterMany {
        /// The generation.
        generation: u32,
        /// The number of seats.
        n: u32,
        /// Whether the room may be unlisted.
        named: bool,
    },
    /// Gives that seat back.
    Leave {
        /// The number of the seat.
        seat: u32,
    },
    /// Opens the vacant room under that generation, with so many members on the lowest seats.
    Open {
        /// The generation.
        generation: u32,
        /// The number of members.
        n: u32,
    },
    /// Opens the vacant room of that generation under the next one, as an unlisted room, with the
    /// caller on seat 0. If there is no next one, the room retires.
    OpenUnlisted {
        /// The generation.
        generation: u32,
    },
    /// Notes that the room does not admit, if that is so. Changes nothing.
    Pass,
    /// Notes that the room does not admit a party. Changes nothing.
    Watch,
    /// Lists the room of that generation, or makes it unlisted.
    SetListed {
        /// The generation.
        generation: u32,
        /// Whether to list.
        listed: bool,
    },
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
    /// The room is unlisted, and the caller may enter only a listed one.
    Unlisted,
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
    /// The seats are the caller's, as bits; so many members are inside now.
    EnteredMany {
        /// The seats.
        seats: u128,
        /// The members inside, with the caller's.
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
    /// Whether the room is open now, with the caller's members alone.
    Opened(bool),
    /// Nothing.
    Passed,
    /// The lock or the listing is set as wanted, with so many members inside; or too few are,
    /// namely so many; or no room is open under that generation.
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
        /// Whether callers that may enter only a listed room are admitted.
        listed: bool,
    },
    /// Is never opened again.
    Retired,
}

/// What a room is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Room {
    /// The number of seats, at most 127.
    pub seats: u32,
    /// The generation of the life that the room is in, or enters next.
    pub generation: u32,
    /// The last generation: the room retires after it.
    pub last_generation: u32,
    /// The phase.
    pub phase: RoomPhase,
    /// One bit for each seat that is taken.
    pub taken: u128,
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

    /// Returns whether the room is open and refuses all callers.
    pub fn is_locked(&self) -> bool {
        matches!(self.phase, RoomPhase::Open { locked: true, .. })
    }

    /// Returns whether the room is open and admits only callers that name it.
    pub fn is_unlisted(&self) -> bool {
        matches!(self.phase, RoomPhase::Open { listed: false, .. })
    }

    /// Returns why `n` callers are refused that come by an id of that generation, if they are.
    /// Those that are `named` may enter an unlisted room.
    pub fn refusal(&self, generation: u32, n: u32, named: bool) -> Option<RoomRefusal> {
        match self.phase {
            _ if generation != self.generation => Some(RoomRefusal::Gone),
            RoomPhase::Retired => Some(RoomRefusal::Gone),
            RoomPhase::Vacant => Some(RoomRefusal::Vacant),
            RoomPhase::Open { locked: true, .. } => Some(RoomRefusal::Locked),
            RoomPhase::Open { listed: false, .. } if !named && self.members() < self.seats => {
                Some(RoomRefusal::Unlisted)
            }
            RoomPhase::Open { .. } => {
                (self.members() + n > self.seats).then_some(RoomRefusal::Full)
            }
        }
    }

    /// Takes `n` seats, the lowest ones. Returns their bits.
    fn enter(&mut self, generation: u32, n: u32, named: bool) -> Result<u128, RoomRefusal> {
        if let Some(refusal) = self.refusal(generation, n, named) {
            return Err(refusal);
        }
        let before = self.taken;
        (0..n).for_each(|_| self.taken |= 1 << self.taken.trailing_ones());
        Ok(self.taken & !before)
    }

    /// Begins the next generation, or retires. Returns whether there is a next one.
    fn end_life(&mut self) -> bool {
        self.generation += 1;
        let lives = self.generation <= self.last_generation;
        self.phase = if lives { RoomPhase::Vacant } else { RoomPhase::Retired };
        lives
    }

    /// Returns the number of members, whether the room is locked, and whether it is listed, if it
    /// is open under that generation.
    fn open(&mut self, generation: u32) -> Option<(u32, &mut bool, &mut bool)> {
        let members = self.members();
        match &mut self.phase {
            RoomPhase::Open { locked, listed } if generation == self.generation => {
                Some((members, locked, listed))
            }
            _ => None,
        }
    }
}

impl Spec for Room {
    type Call = RoomCall;
    type Answer = RoomAnswer;

    fn apply(&mut self, call: RoomCall) -> RoomAnswer {
        let is_vacant = |room: &Room, generation| {
            room.phase == RoomPhase::Vacant && generation == room.generation
        };
        match call {
            RoomCall::Enter { generation } => match self.enter(generation, 1, false) {
                Ok(seat) => {
                    let seat = seat.trailing_zeros();
                    RoomAnswer::Entered { seat, members: self.members() }
                }
                Err(refusal) => RoomAnswer::Refused(refusal),
            },
            RoomCall::EnterMany { generation, n, named } => {
                match self.enter(generation, n, named) {
                    Ok(seats) => RoomAnswer::EnteredMany { seats, members: self.members() },
                    Err(refusal) => RoomAnswer::Refused(refusal),
                }
            }
            RoomCall::Leave { seat } => {
                self.taken &= !(1 << seat);
                if self.taken != 0 {
                    return RoomAnswer::Left { members: self.members() };
                }
                self.end_life();
                RoomAnswer::Closed
            }
            RoomCall::Open { generation, n } => {
                let opens = is_vacant(self, generation);
                if opens {
                    self.phase = RoomPhase::Open { locked: false, listed: true };
                    self.taken = (1 << n) - 1;
                }
                RoomAnswer::Opened(opens)
            }
            RoomCall::OpenUnlisted { generation } => {
                let opens = is_vacant(self, generation) && self.end_life();
                if opens {
                    self.phase = RoomPhase::Open { locked: false, listed: false };
                    self.taken = 1;
                }
                RoomAnswer::Opened(opens)
            }
            RoomCall::Pass | RoomCall::Watch => RoomAnswer::Passed,
            RoomCall::SetLock { generation, locked: lock, at_least } => {
                RoomAnswer::Lock(self.open(generation).map(|(members, locked, _)| {
                    if members < at_least {
                        return Err(members);
                    }
                    *locked = lock;
                    Ok(members)
                }))
            }
            RoomCall::SetListed { generation, listed: list } => {
                RoomAnswer::Lock(self.open(generation).map(|(members, _, listed)| {
                    *listed = list;
                    Ok(members)
                }))
            }
        }
    }
}
