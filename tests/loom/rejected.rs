//! Sketches of a door: the protocol of `src/slot.rs` in a few lines, and what it could have been.
//!
//! Each flaw is one that somebody might put into the slot. With none, a rejected passes every model
//! that the gate passes; with any, some model must fail.

use std::sync::Arc;

use headcount::TryAcquireError;
use loom::sync::atomic::{AtomicU32, Ordering};

use crate::crowd::Door;

/// Where a full door stands, as in the slot: surplus stands above.
const CEILING: u32 = 100;

/// How somebody enters.
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
    /// As `Surplus`, but rolls back by subtracting, whoever has already paid.
    SubtractBack,
    /// As `Surplus`, but one too many fits.
    OneTooMany,
}

#[derive(Clone, Copy)]
pub(crate) struct Sketch {
    pub(crate) rule: Rule,
    pub(crate) enter: Ordering,
    pub(crate) leave: Ordering,
    /// Do leavers pay for surplus?
    pub(crate) pays: bool,
}

impl Sketch {
    /// What the slot does.
    pub(crate) const SOUND: Sketch = Sketch {
        rule: Rule::Surplus,
        enter: Ordering::Acquire,
        leave: Ordering::Release,
        pays: true,
    };

    pub(crate) const fn with(rule: Rule) -> Sketch {
        Sketch { rule, ..Sketch::SOUND }
    }

    pub(crate) fn door(self, capacity: u32) -> SketchDoor {
        SketchDoor { rejected: self, word: AtomicU32::new(CEILING - capacity), capacity }
    }

    /// Nobody but the sound protocol leaves surplus that others pay for.
    fn surplus_stays(self) -> bool {
        use Rule::*;
        matches!(self.rule, Surplus | StoreBack | SubtractBack | OneTooMany)
    }
}

pub(crate) struct SketchDoor {
    rejected: Sketch,
    word: AtomicU32,
    capacity: u32,
}

impl SketchDoor {
    fn try_enter(&self) -> bool {
        let Sketch { rule, enter, .. } = self.rejected;
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

    /// Takes back what was added to a full door. True if it turns out to have got in after all.
    fn roll_back(&self, before: u32) -> bool {
        let swap =
            |from, to| self.word.compare_exchange(from, to, Ordering::Relaxed, Ordering::Acquire);
        match self.rejected.rule {
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
        let pays = self.rejected.pays && self.rejected.surplus_stays();
        while self.word.fetch_sub(1, self.rejected.leave) > CEILING && pays {}
    }
}

/// A head inside of a rejecteded door.
pub(crate) struct Pass(Arc<SketchDoor>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Door for SketchDoor {
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
