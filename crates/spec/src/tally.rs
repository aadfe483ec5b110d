//! A tally in ordinary numbers: a value that stops at both ends.

use crate::Spec;

/// What can be asked of a tally.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TallyCall {
    /// Adds so many, as far as the greatest value.
    Add(u64),
    /// Subtracts so many, as far as zero.
    Sub(u64),
    /// Subtracts so many, if there are so many.
    TrySub(u64),
    /// Sets the value to that of the beginning.
    Reset,
    /// What is the value?
    Get,
}

/// What a caller of a tally is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TallyAnswer {
    /// The value; before a reset, and after any other change.
    Is(u64),
    /// The value is only that, and stays.
    TooFew(u64),
}

/// What a tally is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tally {
    /// The value.
    pub value: u64,
    /// The value at the beginning.
    pub start: u64,
    /// The greatest value.
    pub max: u64,
}

impl Tally {
    /// Creates a tally at its start.
    pub fn new(start: u64, max: u64) -> Self {
        Tally { value: start, start, max }
    }

    /// Moves by `n` and stops at the ends. The numbers are wide enough never to overflow.
    fn shift(&mut self, n: i128) -> TallyAnswer {
        let value = (i128::from(self.value) + n).clamp(0, self.max.into());
        self.value = u64::try_from(value).expect("it stops at the ends");
        TallyAnswer::Is(self.value)
    }
}

impl Spec for Tally {
    type Call = TallyCall;
    type Answer = TallyAnswer;

    fn apply(&mut self, call: TallyCall) -> TallyAnswer {
        match call {
            TallyCall::Add(n) => self.shift(n.into()),
            TallyCall::TrySub(n) if n > self.value => TallyAnswer::TooFew(self.value),
            TallyCall::Sub(n) | TallyCall::TrySub(n) => self.shift(-i128::from(n)),
            TallyCall::Reset => TallyAnswer::Is(std::mem::replace(&mut self.value, self.start)),
            TallyCall::Get => TallyAnswer::Is(self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, TallyAnswer::*, TallyCall::*};
    use crate::Spec;

    #[test]
    fn a_value_stops_at_both_ends() {
        let mut tally = Tally::new(5, 9);
        assert_eq!([Add(u64::MAX), Sub(2)].map(|call| tally.apply(call)), [Is(9), Is(7)]);
        assert_eq!([TrySub(8), TrySub(7)].map(|call| tally.apply(call)), [TooFew(7), Is(0)]);
        assert_eq!([Add(1), Reset, Get].map(|call| tally.apply(call)), [Is(1), Is(1), Is(5)]);
        assert_eq!(tally.apply(Sub(u64::MAX)), Is(0));
        assert_eq!(Tally::new(u64::MAX, u64::MAX).apply(Add(u64::MAX)), Is(u64::MAX));
    }
}
