//! The clock of a `Holds`, and times as numbers.
//!
//! # Invariant
//!
//! A time is the number of nanoseconds since the `Holds` was created, plus [`FIRST_TIME`].
//! [`NEVER`] is no time.

use std::time::{Duration, Instant};

use crate::protocol::hold::{FIRST_TIME, NEVER};

/// A clock that is given in place of the system's.
pub(super) type GivenClock = Box<dyn Fn() -> Instant + Send + Sync>;

pub(super) struct Clock {
    start: Instant,
    given: Option<GivenClock>,
}

impl Clock {
    pub(super) fn new(given: Option<GivenClock>) -> Clock {
        Clock { start: given.as_ref().map_or_else(Instant::now, |given| given()), given }
    }

    /// Returns the time.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        let now = match &self.given {
            None => Instant::now(),
            Some(given) => given(),
        };
        // A time before the start is the start.
        after(FIRST_TIME, now.saturating_duration_since(self.start)).min(NEVER - 1)
    }

    /// Returns the instant of a time. `None` for a time that the system cannot express.
    pub(super) fn instant(&self, time: u64) -> Option<Instant> {
        let since_start = Duration::from_nanos(time.saturating_sub(FIRST_TIME));
        self.start.checked_add(since_start).filter(|_| time != NEVER)
    }
}

/// Returns the time that much later; [`NEVER`] if there is no such time.
#[inline]
pub(super) fn after(time: u64, by: Duration) -> u64 {
    let nanos = by.as_secs().saturating_mul(1_000_000_000);
    time.saturating_add(nanos).saturating_add(by.subsec_nanos().into())
}
