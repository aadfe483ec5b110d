//! The slot's own protocol, and the rejected ones.

use std::sync::atomic::{AtomicU32, Ordering};

use headcount_spec::{GateAnswer as Answer, GateCall as Call};

use super::search::Protocol;
use crate::protocol::slot::{
    self, ClearFlag, CloseIf, Enter, Give, Leave, Refusal, Slot, SlotWord, Take, Wanted, Withdraw,
};
use crate::protocol::step::Step::{self, Done, Next};

/// The steps of `src/protocol/slot`, put together as `src/gate/core.rs` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Real;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RealOp {
    Enter(Enter),
    Leave(Leave),
    Take(Take),
    Give(Give),
    Withdraw(Withdraw),
    ClearFlag(ClearFlag),
    Close,
    Reopen,
    CloseIf(CloseIf),
    Occupied(u32),
}

fn admitted(result: Result<u32, Refusal>) -> Answer {
    match result {
        Ok(_) => Answer::Acquired,
        Err(Refusal::Full) => Answer::Full,
        Err(Refusal::Closed) => Answer::Closed,
    }
}

/// What follows when places were given back: `Gate::give_back`.
fn given(after: Option<SlotWord>) -> Step<RealOp, Answer> {
    match after {
        Some(after) => Next(RealOp::ClearFlag(ClearFlag(after))),
        None => Done(Answer::Done),
    }
}

impl Protocol for Real {
    type Op = RealOp;

    fn empty(&self, capacity: u32) -> u32 {
        Slot::new(capacity, 0).read().0
    }

    fn begin(&self, call: Call, capacity: u32, succeeded: bool) -> Vec<RealOp> {
        vec![match call {
            // The thread may have a fast hint, and not look.
            Call::Acquire if succeeded => {
                return vec![RealOp::Enter(Enter::Look), RealOp::Enter(Enter::Add)]
            }
            Call::Acquire => RealOp::Enter(Enter::Look),
            Call::Release => RealOp::Leave(Leave),
            Call::AcquireMany(n) => RealOp::Take(Take::Look(Wanted::Exactly(n))),
            Call::ReleaseMany(n) => RealOp::Give(Give::Look(n)),
            Call::Close => RealOp::Close,
            Call::Reopen => RealOp::Reopen,
            Call::SetCapacity(to) if to < capacity => {
                RealOp::Withdraw(Withdraw::Look(capacity - to))
            }
            Call::SetCapacity(to) => RealOp::Give(Give::Look(to - capacity)),
            Call::CloseIf(at_least) => {
                RealOp::CloseIf(CloseIf::Look { at_least, places: capacity })
            }
            Call::Occupied => RealOp::Occupied(capacity),
            other => unreachable!("no search makes the call {other:?}"),
        }]
    }

    fn step(&self, op: RealOp, word: &AtomicU32) -> Step<RealOp, Answer> {
        match op {
            RealOp::Enter(op) => match op.step(word) {
                Next(op) => Next(RealOp::Enter(op)),
                Done(result) => Done(admitted(result)),
            },
            RealOp::Leave(op) => match op.step(word) {
                Next(op) => Next(RealOp::Leave(op)),
                Done(after) => given(after),
            },
            RealOp::Take(op) => match op.step(word) {
                Next(op) => Next(RealOp::Take(op)),
                Done(result) => Done(admitted(result)),
            },
            RealOp::Give(op) => match op.step(word) {
                Next(op) => Next(RealOp::Give(op)),
                Done(after) => given(after),
            },
            RealOp::Withdraw(op) => match op.step(word) {
                Next(op) => Next(RealOp::Withdraw(op)),
                Done(()) => Done(Answer::Done),
            },
            RealOp::ClearFlag(op) => match op.step(word) {
                Next(op) => Next(RealOp::ClearFlag(op)),
                Done(()) => Done(Answer::Done),
            },
            RealOp::Close => {
                slot::close(word);
                Done(Answer::Done)
            }
            RealOp::Reopen => {
                slot::reopen(word);
                Done(Answer::Done)
            }
            RealOp::CloseIf(op) => match op.step(word) {
                Next(op) => Next(RealOp::CloseIf(op)),
                Done(result) => Done(Answer::Quorum(result)),
            },
            RealOp::Occupied(places) => {
                Done(Answer::Held(SlotWord(word.load(Ordering::Relaxed)).held(places)))
            }
        }
    }
}

/// The rejected protocols: a plain count, and different ways of entering.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Alternative {
    CheckThenAdd,
    /// Add; if over, subtract.
    Textbook,
    LookThenTextbook,
    /// Look, add, and keep the claim if the count has dropped meanwhile, else roll back.
    KeepIfDropped,
    CompareExchange,
    /// The slot's protocol without its rollback: only leavers pay for surplus.
    NoRollback,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum AltOp {
    Look { capacity: u32 },
    Add { capacity: u32 },
    Subtract,
    RollBack { capacity: u32, seen: u32 },
    Swap { capacity: u32, seen: u32 },
    Leave { capacity: u32 },
    Occupied,
}

const SEQ: Ordering = Ordering::SeqCst;

impl Protocol for Alternative {
    type Op = AltOp;

    fn empty(&self, _: u32) -> u32 {
        0
    }

    fn begin(&self, call: Call, capacity: u32, _: bool) -> Vec<AltOp> {
        vec![match call {
            Call::Acquire if *self == Alternative::Textbook => AltOp::Add { capacity },
            Call::Acquire => AltOp::Look { capacity },
            Call::Release => AltOp::Leave { capacity },
            Call::Occupied if *self == Alternative::NoRollback => return Vec::new(),
            Call::Occupied => AltOp::Occupied,
            _ => unreachable!("the alternatives only enter and leave"),
        }]
    }

    fn step(&self, op: AltOp, word: &AtomicU32) -> Step<AltOp, Answer> {
        match op {
            AltOp::Look { capacity } => match word.load(SEQ) {
                seen if seen >= capacity => Done(Answer::Full),
                seen if *self == Alternative::CompareExchange => {
                    Next(AltOp::Swap { capacity, seen })
                }
                _ => Next(AltOp::Add { capacity }),
            },
            AltOp::Add { capacity } => {
                let before = word.fetch_add(1, SEQ);
                match self {
                    _ if before < capacity => Done(Answer::Acquired),
                    Alternative::CheckThenAdd => Done(Answer::Acquired),
                    Alternative::NoRollback => Done(Answer::Full),
                    Alternative::KeepIfDropped => {
                        Next(AltOp::RollBack { capacity, seen: before + 1 })
                    }
                    _ => Next(AltOp::Subtract),
                }
            }
            AltOp::Subtract => {
                word.fetch_sub(1, SEQ);
                Done(Answer::Full)
            }
            AltOp::RollBack { capacity, seen } => {
                match word.compare_exchange(seen, seen - 1, SEQ, SEQ) {
                    Ok(_) => Done(Answer::Full),
                    Err(now) if now <= capacity => Done(Answer::Acquired),
                    Err(now) => Next(AltOp::RollBack { capacity, seen: now }),
                }
            }
            AltOp::Swap { capacity, seen } => match word.compare_exchange(seen, seen + 1, SEQ, SEQ)
            {
                Ok(_) => Done(Answer::Acquired),
                Err(now) if now >= capacity => Done(Answer::Full),
                Err(now) => Next(AltOp::Swap { capacity, seen: now }),
            },
            AltOp::Leave { capacity } => {
                let before = word.fetch_sub(1, SEQ);
                if *self == Alternative::NoRollback && before > capacity {
                    return Next(AltOp::Leave { capacity });
                }
                Done(Answer::Done)
            }
            AltOp::Occupied => Done(Answer::Held(word.load(SEQ))),
        }
    }
}

/// The slot's protocol, but for a quorum that is read first and closed afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct LooksThenCloses;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum LookOp {
    Real(RealOp),
    Look { at_least: u32, capacity: u32 },
    Close { held: u32 },
}

impl Protocol for LooksThenCloses {
    type Op = LookOp;

    fn empty(&self, capacity: u32) -> u32 {
        Real.empty(capacity)
    }

    fn begin(&self, call: Call, capacity: u32, succeeded: bool) -> Vec<LookOp> {
        match call {
            Call::CloseIf(at_least) => vec![LookOp::Look { at_least, capacity }],
            _ => Real.begin(call, capacity, succeeded).into_iter().map(LookOp::Real).collect(),
        }
    }

    fn step(&self, op: LookOp, word: &AtomicU32) -> Step<LookOp, Answer> {
        match op {
            LookOp::Real(op) => match Real.step(op, word) {
                Next(op) => Next(LookOp::Real(op)),
                Done(answer) => Done(answer),
            },
            LookOp::Look { at_least, capacity } => match SlotWord(word.load(SEQ)).held(capacity) {
                held if held < at_least => Done(Answer::Quorum(Err(held))),
                held => Next(LookOp::Close { held }),
            },
            LookOp::Close { held } => {
                slot::close(word);
                Done(Answer::Quorum(Ok(held)))
            }
        }
    }
}
