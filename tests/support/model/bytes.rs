//! Operations from bytes, for the fuzzer. Amounts lean towards the ends, where mistakes live.

use headcount::Gate;

use super::tally::Block;
#[cfg(feature = "wait")]
use super::waiting;
use super::{course, gate, tally, Ending};

/// Bytes, read one by one; zeros after the end.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// A capacity or a number of places: small, near the highest, or anything.
    pub(crate) fn amount(&mut self) -> u32 {
        let low = self.byte();
        match low >> 5 {
            0..=4 => (low % 12).into(),
            5 => Gate::MAX_CAPACITY - u32::from(low % 4),
            6 => Gate::MAX_CAPACITY / 2 + u32::from(low % 4),
            _ => u32::from_le_bytes([low, self.byte(), self.byte(), self.byte()]),
        }
    }

    /// A start value or a step of a tally: small, near the highest, or anything.
    pub(crate) fn long(&mut self) -> u64 {
        let low = self.byte();
        match low >> 5 {
            0..=3 => (low % 12).into(),
            4..=5 => u64::MAX - u64::from(low % 12),
            6 => u64::MAX / 2 + u64::from(low % 4),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn ending(&mut self) -> Ending {
        match self.byte() % 3 {
            0 => Ending::Succeeds,
            1 => Ending::Fails,
            _ => Ending::Panics,
        }
    }

    /// Operations until the bytes are used up.
    pub(crate) fn ops<Op>(mut self, next: impl Fn(&mut Self) -> Op) -> Vec<Op> {
        let mut ops = Vec::new();
        while !self.0.is_empty() {
            ops.push(next(&mut self));
        }
        ops
    }

    pub(crate) fn gate_op(&mut self) -> gate::Op {
        use gate::Op;
        match self.byte() % 19 {
            0 | 1 => Op::Acquire { owned: self.flag() },
            2 | 3 => Op::AcquireMany { n: self.amount(), owned: self.flag() },
            4 => Op::Run(self.ending()),
            5 => Op::Drop(self.byte()),
            6 => Op::Forget(self.byte()),
            7 => Op::Leak(self.byte()),
            8 => Op::Split { pick: self.byte(), n: self.amount() },
            9 => Op::Merge { into: self.byte(), from: self.byte() },
            10 => Op::SetCapacity(self.amount()),
            11 => Op::Close,
            12 => Op::Reopen,
            13 => Op::AcquireAll { owned: self.flag() },
            14 => Op::AcquireLeaving { n: self.amount(), spare: self.amount(), owned: self.flag() },
            15 => Op::Force { n: self.amount(), owned: self.flag() },
            16 => Op::RaiseCapacity(self.amount()),
            17 => Op::LowerCapacity(self.amount()),
            _ => Op::CloseIfOccupied(self.amount()),
        }
    }

    pub(crate) fn course_op(&mut self) -> course::Op {
        use course::Op;
        match self.byte() % 14 {
            0 | 1 => Op::Reserve { owned: self.flag() },
            10 => Op::ReserveMany { n: self.amount(), owned: self.flag() },
            11 => Op::EnrollReserved(self.byte()),
            12 => Op::WithdrawEnrollment(self.byte()),
            13 => Op::SetCapacity(self.amount()),
            2 => Op::Confirm(self.byte()),
            3 => Op::Cancel(self.byte()),
            4 => Op::Drop(self.byte()),
            5 => Op::Leak(self.byte()),
            6 => Op::Enroll(self.ending()),
            7 => Op::Withdraw,
            8 => Op::Close,
            _ => Op::Reopen,
        }
    }

    pub(crate) fn tally_op(&mut self) -> tally::Op {
        use tally::Op;
        match self.byte() % 8 {
            0 => Op::Get,
            1 => Op::With(Block::Increment, self.ending(), None),
            2 => Op::With(self.block(), self.ending(), Some(self.change())),
            _ => Op::Change(self.change()),
        }
    }

    fn block(&mut self) -> Block {
        match self.byte() % 3 {
            0 => Block::Increment,
            1 => Block::Add(self.long()),
            _ => Block::Sub(self.long()),
        }
    }

    fn change(&mut self) -> tally::Change {
        use tally::Change;
        match self.byte() % 6 {
            5 => Change::TrySub(self.long()),
            0 => Change::Increment,
            1 => Change::Add(self.long()),
            2 => Change::Decrement,
            3 => Change::Sub(self.long()),
            _ => Change::Take,
        }
    }

    #[cfg(feature = "wait")]
    pub(crate) fn waiting_act(&mut self) -> waiting::Act {
        use waiting::Act;
        match self.byte() % 22 {
            0 | 1 => Act::New { places: 1, limit: u32::MAX },
            2 => Act::New { places: self.small(), limit: u32::MAX },
            3 => Act::New { places: self.small(), limit: self.small() },
            4 => Act::NewDrain,
            5 => Act::Force(self.small()),
            6 => Act::TryAcquireAll,
            7 => Act::TryAcquireLeaving(self.small(), self.small()),
            8 => Act::Raise(self.small()),
            9 => Act::Lower(self.small()),
            10..=12 => Act::Poll { pick: self.byte().into(), waker: self.flag().into() },
            13 => Act::Cancel(self.byte().into()),
            14 | 15 => Act::Release(self.byte().into()),
            16 => Act::Forget(self.byte().into()),
            17 => Act::TryAcquire(self.small()),
            18 => Act::SetCapacity(self.small()),
            19 => Act::Close,
            20 => Act::CloseIf(self.small()),
            _ => Act::Reopen,
        }
    }

    /// A small number.
    #[cfg(feature = "wait")]
    pub(crate) fn small(&mut self) -> u32 {
        (self.byte() % 6).into()
    }
}
