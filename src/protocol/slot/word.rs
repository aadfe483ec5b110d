//! One reading of a slot.

/// The count of a full slot, and the most places that a slot can have. Owed places and surplus fit
/// between it and the flags, with room for half a billion callers in flight.
pub(crate) const CEILING: u32 = 1 << 28;
/// Somebody waits, or places are deficit.
pub(crate) const WAITING: u32 = 1 << 30;
/// Nobody new gets in.
pub(crate) const CLOSED: u32 = 1 << 31;

const COUNT: u32 = WAITING - 1;

/// One reading of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SlotWord(pub(crate) u32);

impl SlotWord {
    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    pub(crate) fn is_waiting(self) -> bool {
        self.0 & WAITING != 0
    }

    #[inline]
    pub(super) fn count(self) -> u32 {
        self.0 & COUNT
    }

    /// The count without surplus: where the heads that somebody owns, and the places deficit, end.
    pub(crate) fn level(self) -> u32 {
        if self.is_waiting() {
            self.count()
        } else {
            self.count().min(CEILING)
        }
    }

    /// Places that nobody holds.
    #[inline]
    pub(crate) fn free(self) -> u32 {
        CEILING.saturating_sub(self.count())
    }

    /// Places that were withdrawn while held, and not yet paid.
    pub(crate) fn deficit(self) -> u32 {
        self.level().saturating_sub(CEILING)
    }

    /// Heads inside a slot of `places` places.
    pub(crate) fn held(self, places: u32) -> u32 {
        (self.level() + places).saturating_sub(CEILING)
    }

    /// What a caller who got in is told: the level, above [`CEILING`] if WAITING stands, so that the
    /// caller can look whether it has overtaken somebody.
    pub(super) fn claimed(self) -> u32 {
        (self.0 & WAITING) | self.level()
    }

    /// Would a head less only pay for a surplus head?
    pub(super) fn is_surplus(self) -> bool {
        self.level() < self.count()
    }

    /// The same flags over another level. Sets WAITING where places become deficit.
    pub(super) fn with_level(self, level: u32) -> SlotWord {
        let owes = if level > CEILING { WAITING } else { 0 };
        SlotWord((self.0 & !COUNT) | owes | level)
    }

    /// Can one place be had now? One compare, since CLOSED stands above the ceiling as well.
    #[inline]
    pub(super) fn admits_one(self) -> bool {
        self.0 & !WAITING < CEILING
    }

    /// Why `wanted` places cannot be had now, if they cannot.
    #[inline]
    pub(super) fn refusal(self, wanted: u32) -> Option<Refusal> {
        (self.is_closed() || self.free() < wanted).then(|| self.why())
    }

    /// What a refused caller is told.
    #[inline]
    pub(super) fn why(self) -> Refusal {
        if self.is_closed() {
            Refusal::Closed
        } else {
            Refusal::Full
        }
    }
}

/// Why a slot lets nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Refusal {
    Full,
    Closed,
}
