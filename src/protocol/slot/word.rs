//! One reading of a slot.

use core::fmt;

/// The count of a full slot, and the greatest number of places of a slot. The room from here to
/// [`WAITING`] bounds surplus and deficit: half a billion callers at once, beside the greatest
/// deficit.
pub(crate) const CEILING: u32 = 1 << 28;
/// Callers wait, or there is a deficit.
pub(crate) const WAITING: u32 = 1 << 30;
/// New callers are rejected.
pub(crate) const CLOSED: u32 = 1 << 31;

const COUNT: u32 = WAITING - 1;

/// One reading of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SlotWord(pub(crate) u32);

impl SlotWord {
    /// Returns whether new callers are rejected as [`Refusal::Closed`].
    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Returns whether WAITING is set.
    pub(crate) fn is_waiting(self) -> bool {
        self.0 & WAITING != 0
    }

    #[inline]
    pub(super) fn count(self) -> u32 {
        self.0 & COUNT
    }

    /// Returns the count without surplus.
    pub(crate) fn level(self) -> u32 {
        if self.is_waiting() {
            self.count()
        } else {
            self.count().min(CEILING)
        }
    }

    /// Returns the number of free places.
    #[inline]
    pub(crate) fn free(self) -> u32 {
        CEILING.saturating_sub(self.count())
    }

    /// Returns the number of places that were removed while held and have not come back yet.
    pub(crate) fn deficit(self) -> u32 {
        self.level().saturating_sub(CEILING)
    }

    /// Returns the number of permits held of a slot with `places` places.
    pub(crate) fn held(self, places: u32) -> u32 {
        (self.level() + places).saturating_sub(CEILING)
    }

    /// Returns the result of an entry that led to this word: the level. If WAITING is set the
    /// result is above [`CEILING`], so that the caller knows to check whether it has overtaken a
    /// waiter.
    pub(super) fn claimed(self) -> u32 {
        (self.0 & WAITING) | self.level()
    }

    /// Returns whether one decrement would only cancel surplus.
    pub(super) fn is_surplus(self) -> bool {
        self.level() < self.count()
    }

    /// Returns this word with another level. WAITING is set if and only if that level includes a
    /// deficit, as that of a word that the lock of the waitlist has does.
    pub(super) fn with_level(self, level: u32) -> SlotWord {
        let flag = if level > CEILING { WAITING } else { 0 };
        SlotWord((self.0 & CLOSED) | flag | level)
    }

    /// Returns whether one place can be taken. One compare, since CLOSED stands above the ceiling.
    #[inline]
    pub(super) fn admits_one(self) -> bool {
        self.0 & !WAITING < CEILING
    }

    /// Returns the reason that a rejected caller is given.
    #[inline]
    pub(super) fn reason(self) -> Refusal {
        if self.is_closed() {
            Refusal::Closed
        } else {
            Refusal::Full
        }
    }
}

// For the searches, which print the words of a path.
impl fmt::Debug for SlotWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotWord")
            .field("free", &self.free())
            .field("surplus", &(self.count() - self.level()))
            .field("deficit", &self.deficit())
            .field("waiting", &self.is_waiting())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// The reason for which a slot rejects a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Refusal {
    Full,
    Closed,
}
