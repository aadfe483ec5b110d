//! Holds in ordinary numbers: a map from holds to deadlines, and a clock.

use std::collections::BTreeMap;

use crate::Spec;

/// What can be asked of holds. Holds are numbered in the order in which they were put.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HoldsCall {
    /// Puts a guard for so long.
    Put(u64),
    /// Claims that hold.
    Claim(u32),
    /// Releases that hold.
    Release(u32),
    /// Raises the deadline of that hold to so much later than now.
    Extend(u32, u64),
    /// Expires what is due.
    Expire,
    /// So much time passes.
    Pass(u64),
    /// How many holds are there?
    Len,
    /// What is the earliest deadline?
    NextDeadline,
}

/// What a caller of holds is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HoldsAnswer {
    /// The hold of that number has begun.
    Put(u32),
    /// The guard is the caller's.
    Claimed,
    /// The hold has ended by its deadline.
    Expired,
    /// The hold has ended in another way, or an unknown one.
    Ended,
    /// Whether the hold was there.
    WasHeld(bool),
    /// So many holds.
    Count(usize),
    /// The earliest deadline, if there is one.
    Deadline(Option<u64>),
    /// The call is carried out.
    Done,
}

/// What holds are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Holds {
    /// The time.
    pub now: u64,
    /// The deadline of each hold; the greatest number is none.
    pub held: BTreeMap<u32, u64>,
    /// For each hold that has ended, whether it was by its deadline.
    pub ended: BTreeMap<u32, bool>,
}

impl Holds {
    /// Returns the holds that are due.
    pub fn due(&self) -> Vec<u32> {
        let due = self.held.iter().filter(|&(_, &deadline)| deadline <= self.now);
        due.map(|(&hold, _)| hold).collect()
    }

    fn end(&mut self, hold: u32, expired: bool) -> bool {
        let was_held = self.held.remove(&hold).is_some();
        if was_held {
            self.ended.insert(hold, expired);
        }
        was_held
    }
}

impl Spec for Holds {
    type Call = HoldsCall;
    type Answer = HoldsAnswer;

    fn apply(&mut self, call: HoldsCall) -> HoldsAnswer {
        match call {
            HoldsCall::Put(ttl) => {
                let hold = (self.held.len() + self.ended.len()) as u32;
                self.held.insert(hold, self.now.saturating_add(ttl));
                HoldsAnswer::Put(hold)
            }
            HoldsCall::Claim(hold) => match self.ended.get(&hold).copied() {
                Some(true) => HoldsAnswer::Expired,
                _ if self.end(hold, false) => HoldsAnswer::Claimed,
                _ => HoldsAnswer::Ended,
            },
            HoldsCall::Release(hold) => HoldsAnswer::WasHeld(self.end(hold, false)),
            HoldsCall::Extend(hold, ttl) => {
                let later = self.now.saturating_add(ttl);
                let held = self.held.get_mut(&hold);
                HoldsAnswer::WasHeld(held.map(|until| *until = later.max(*until)).is_some())
            }
            HoldsCall::Expire => {
                let due = self.due();
                due.iter().for_each(|&hold| _ = self.end(hold, true));
                HoldsAnswer::Count(due.len())
            }
            HoldsCall::Pass(time) => {
                self.now = self.now.saturating_add(time);
                HoldsAnswer::Done
            }
            HoldsCall::Len => HoldsAnswer::Count(self.held.len()),
            HoldsCall::NextDeadline => {
                let earliest = self.held.values().min().copied();
                HoldsAnswer::Deadline(earliest.filter(|&earliest| earliest < u64::MAX))
            }
        }
    }

    /// How a hold has ended may be forgotten.
    fn excused(&self, call: HoldsCall) -> Option<HoldsAnswer> {
        match call {
            HoldsCall::Claim(hold) if self.ended.contains_key(&hold) => Some(HoldsAnswer::Ended),
            _ => None,
        }
    }
}
