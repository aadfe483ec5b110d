//! The protocol of `src/protocol/slot` in a few lines, and the rejected protocols beside it.
//!
//! Each flaw is one that an author might put into the slot. Without a flaw, the design passes every
//! model that the gate passes; with any of them, some model must fail.

use std::sync::Arc;

use headcount::TryAcquireError;
use loom::sync::atomic::{AtomicU32, Ordering};

use crate::crowd::Door;

/// The count of a full door, as in the slot: surplus stands above.
const CEILING: u32 = 100;

/// How a caller enters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Load, add, check; roll back by compare-exchange or leave it to the leavers.
    Surplus,
    /// Load, check, then add: 32 people in a class of 30.
    CheckThenAdd,
    /// Add; if over, subtract.
    Textbook,
    /// Load, and then the textbook.
    LookThenTextbook,
    /// Add; if over, keep the claim if the count has dropped meanwhile, else roll back.
    KeepIfDropped,
    /// As `Surplus`, but rolls back with a store.
    StoreBack,
    /// As `Surplus`, but rolls back by subtracting, although a leaver may have paid.
    SubtractBack,
    /// As `Surplus`, but admits one caller too many.
    OneTooMany,
}

#[derive(Clone, Copy)]
pub(crate) struct Design {
    pub(crate) rule: Rule,
    pub(crate) enter: Ordering,
    pub(crate) leave: Ordering,
    /// Whether leavers pay for surplus.
    pub(crate) pays: bool,
}

impl Design {
    /// The slot's protocol.
    pub(crate) const SOUND: Design = Design {
        rule: Rule::Surplus,
        enter: Ordering::Acquire,
        leave: Ordering::Release,
        pays: true,
    };

    pub(crate) const fn with(rule: Rule) -> Design {
        Design { rule, ..Design::SOUND }
    }

    pub(crate) fn door(self, capacity: u32) -> RejectedGate {
        RejectedGate { design: self, word: AtomicU32::new(CEILING - capacity), capacity }
    }

    /// Returns whether a rejected caller may leave surplus that leavers pay for.
    fn surplus_stays(self) -> bool {
        use Rule::*;
        matches!(self.rule, Surplus | StoreBack | SubtractBack | OneTooMany)
    }
}

pub(crate) struct RejectedGate {
    design: Design,
    word: AtomicU32,
    capacity: u32,
}

impl RejectedGate {
    fn try_enter(&self) -> bool {
        let Design { rule, enter, .. } = self.design;
        let looks = !matches!(rule, Rule::Textbook | Rule::KeepIfDropped);
        if looks && self.word.load(Ordering::Relaxed) >= CEILING {
            return false;
        }
        let before = self.word.fetch_add(1, enter);
        let limit = CEILING + (rule == Rule::OneTooMany) as u32;
        if before < limit || rule == Rule::CheckThenAdd {
            return true;
        }
        self.roll_back(before)
    }

    /// Takes back what was added to a full door. Returns whether the caller is admitted after all.
    fn roll_back(&self, before: u32) -> bool {
        let swap =
            |from, to| self.word.compare_exchange(from, to, Ordering::Relaxed, Ordering::Acquire);
        match self.design.rule {
            Rule::StoreBack => {
                if self.word.load(Ordering::Relaxed) == before + 1 {
                    self.word.store(before, Ordering::Relaxed);
                }
                false
            }
            Rule::Textbook | Rule::LookThenTextbook | Rule::SubtractBack => {
                self.word.fetch_sub(1, Ordering::Relaxed);
                false
            }
            Rule::KeepIfDropped => {
                let mut seen = before + 1;
                while seen > CEILING {
                    match swap(seen, seen - 1) {
                        Ok(_) => return false,
                        Err(now) => seen = now,
                    }
                }
                true
            }
            Rule::Surplus | Rule::OneTooMany | Rule::CheckThenAdd => {
                let _ = swap(before + 1, before);
                false
            }
        }
    }

    fn leave(&self) {
        let pays = self.design.pays && self.design.surplus_stays();
        while self.word.fetch_sub(1, self.design.leave) > CEILING && pays {}
    }
}

/// A place held at a door.
pub(crate) struct Pass(Arc<RejectedGate>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Door for RejectedGate {
    type Pass = Pass;

    fn enter(door: &Arc<Self>) -> Result<Pass, TryAcquireError> {
        if door.try_enter() {
            Ok(Pass(Arc::clone(door)))
        } else {
            Err(TryAcquireError::Full)
        }
    }

    fn occupied(&self) -> u32 {
        let level = self.word.load(Ordering::Acquire).min(CEILING);
        (level + self.capacity).saturating_sub(CEILING)
    }
}
