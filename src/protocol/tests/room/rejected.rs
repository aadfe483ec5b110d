//! Steps of a room that were not chosen, each with one flaw that the search has to find.

use headcount_spec::{RoomAnswer, RoomCall};

use super::{left, read, refused, Op};
use crate::protocol::bound::Bounds;
use crate::protocol::room::{EnterRoom, LeaveRoom, RoomRefusal, RoomSize, GENERATION_BITS};
use crate::protocol::step::Step::{self, Done, Next};
use crate::sync::{AtomicU64, Ordering::SeqCst};

/// Which step is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Rejected {
    /// Enters as a gate is entered: adds, checks, and takes back. For a moment a refused caller is
    /// a member.
    EnterByAddition,
    /// Does not compare the generation again when the swap fails: a ghost enters.
    EnterWhateverLife,
    /// The last member leaves first and closes the room in a second step: others enter in between.
    LeaveThenClose,
    /// Frees the count before the seat, in two steps.
    SeatAfterwards,
    /// Checks the quorum, and then sets the lock whatever the word has become.
    LockWithoutSwap,
    /// The last member leaves the generation as it is.
    VacateIntoTheSameLife,
    /// A member that is not the last leaves its seat taken.
    LeaveTheSeatTaken,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum RejectedOp {
    Add { generation: u32 },
    Subtract { seat: u32 },
    EnterUnchecked(EnterRoom),
    LeaveOpen { seat: u32 },
    CloseEmptied,
    Uncount { seat: u32 },
    Unseat { seat: u32 },
    KeepSeat { seat: u32 },
    CheckQuorum { generation: u32, locked: bool, at_least: u32 },
    ForceLock { locked: bool, members: u32 },
    LeaveSameLife(LeaveRoom),
}

const LOCKED: u64 = 1 << 62;
const COUNTED: u64 = 1 << 63;
const ONE: u64 = 1 << 48;

fn seat_bit(seat: u32) -> u64 {
    1 << (GENERATION_BITS + seat)
}

impl Rejected {
    pub(super) fn begin(self, call: RoomCall, size: RoomSize) -> Op {
        Op::Rejected(match (self, call) {
            (Rejected::EnterByAddition, RoomCall::Enter { generation }) => {
                RejectedOp::Add { generation }
            }
            (Rejected::EnterWhateverLife, RoomCall::Enter { generation }) => {
                RejectedOp::EnterUnchecked(EnterRoom::Look { generation })
            }
            (Rejected::LeaveThenClose, RoomCall::Leave { seat }) => RejectedOp::LeaveOpen { seat },
            (Rejected::SeatAfterwards, RoomCall::Leave { seat }) => RejectedOp::Uncount { seat },
            (Rejected::LockWithoutSwap, RoomCall::SetLock { generation, locked, at_least }) => {
                RejectedOp::CheckQuorum { generation, locked, at_least }
            }
            (Rejected::VacateIntoTheSameLife, RoomCall::Leave { seat }) => {
                RejectedOp::LeaveSameLife(LeaveRoom::Look { number: seat })
            }
            (Rejected::LeaveTheSeatTaken, RoomCall::Leave { seat }) => {
                RejectedOp::KeepSeat { seat }
            }
            _ => return Op::begin(call, size),
        })
    }
}

impl RejectedOp {
    pub(super) fn step(
        self,
        word: &AtomicU64,
        size: RoomSize,
        bounds: &Bounds,
    ) -> Step<Op, RoomAnswer> {
        match self {
            RejectedOp::Add { generation } => {
                let before = read(word.load(SeqCst));
                if !before.admits(size) {
                    // It looks first, so that only an open room is added to.
                    return match (EnterRoom::Look { generation }).step(word, size) {
                        Done(Err(refusal)) => Done(refused(refusal)),
                        _ => unreachable!("it does not admit"),
                    };
                }
                let seat = (word.load(SeqCst) >> GENERATION_BITS).trailing_ones();
                word.fetch_add(ONE + seat_bit(seat), SeqCst);
                if before.generation() == generation {
                    let members = before.members() + 1;
                    return Done(RoomAnswer::Entered { seat, members });
                }
                Next(Op::Rejected(RejectedOp::Subtract { seat }))
            }
            RejectedOp::Subtract { seat } => {
                word.fetch_sub(ONE + seat_bit(seat), SeqCst);
                Done(refused(RoomRefusal::Gone))
            }
            RejectedOp::EnterUnchecked(op) => {
                let again = match op {
                    EnterRoom::Swap { seen } if read(word.load(SeqCst)) != seen => {
                        let generation = read(word.load(SeqCst)).generation();
                        EnterRoom::Look { generation }
                    }
                    op => op,
                };
                match again.step(word, size) {
                    Next(op) => Next(Op::Rejected(RejectedOp::EnterUnchecked(op))),
                    Done(Ok((word, seat))) => {
                        Done(RoomAnswer::Entered { seat, members: word.members() })
                    }
                    Done(Err(refusal)) => Done(refused(refusal)),
                }
            }
            RejectedOp::LeaveOpen { seat } => {
                let before = word.fetch_sub(ONE + seat_bit(seat), SeqCst);
                match read(before).members() - 1 {
                    0 => Next(Op::Rejected(RejectedOp::CloseEmptied)),
                    members => Done(RoomAnswer::Left { members }),
                }
            }
            RejectedOp::CloseEmptied => {
                word.fetch_add(1, SeqCst);
                word.fetch_and(!COUNTED, SeqCst);
                Done(RoomAnswer::Closed)
            }
            RejectedOp::Uncount { seat } => {
                let seen = read(word.load(SeqCst));
                if seen.members() > 1 {
                    word.fetch_sub(ONE, SeqCst);
                    return Next(Op::Rejected(RejectedOp::Unseat { seat }));
                }
                Next(Op::Leave(LeaveRoom::Look { number: seat }))
            }
            RejectedOp::KeepSeat { seat } => {
                if read(word.load(SeqCst)).members() == 1 {
                    return Next(Op::Leave(LeaveRoom::Look { number: seat }));
                }
                let before = word.fetch_sub(ONE, SeqCst);
                Done(RoomAnswer::Left { members: read(before).members() - 1 })
            }
            RejectedOp::Unseat { seat } => {
                let left = word.fetch_and(!seat_bit(seat), SeqCst);
                Done(RoomAnswer::Left { members: read(left).members() })
            }
            RejectedOp::CheckQuorum { generation, locked, at_least } => {
                let seen = read(word.load(SeqCst));
                let members = seen.members();
                if seen.generation() != generation || members == 0 {
                    Done(RoomAnswer::Lock(None))
                } else if members < at_least {
                    Done(RoomAnswer::Lock(Some(Err(members))))
                } else {
                    Next(Op::Rejected(RejectedOp::ForceLock { locked, members }))
                }
            }
            RejectedOp::ForceLock { locked, members } => {
                match locked {
                    true => word.fetch_or(LOCKED, SeqCst),
                    false => word.fetch_and(!LOCKED, SeqCst),
                };
                Done(RoomAnswer::Lock(Some(Ok(members))))
            }
            RejectedOp::LeaveSameLife(op) => match op.step(word, size, || bounds) {
                Next(op) => Next(Op::Rejected(RejectedOp::LeaveSameLife(op))),
                Done(after) if after.members() == 0 => {
                    word.fetch_sub(1, SeqCst);
                    Done(RoomAnswer::Closed)
                }
                Done(after) => Done(left(after)),
            },
        }
    }
}
