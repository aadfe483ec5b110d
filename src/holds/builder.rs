//! The settings of a `Holds`, and its construction.

use core::fmt;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::clock::{Clock, GivenClock};
use super::shard::HoldShard;
use super::ticket::TicketKey;
use super::Holds;
use crate::protocol::hold::DueBound;
use crate::sync::AtomicU64;

/// The largest number of shards.
const MAX_SHARDS: usize = 64;

/// The largest size of the first page of a shard.
const MAX_FIRST: usize = 1 << 24;

/// Settings of a new [`Holds`].
///
/// Created by [`Holds::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use headcount::{Gate, Holds, Permit};
///
/// let gate = Gate::new(50);
/// let holds: Holds<Permit<'_>> = Holds::builder().ttl(Duration::from_secs(15)).build();
/// let ticket = holds.put(gate.try_acquire().unwrap());
/// assert_eq!(holds.claim(ticket).unwrap().count(), 1);
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct HoldsBuilder {
    ttl: Duration,
    clock: Option<GivenClock>,
    capacity: usize,
    shards: Option<usize>,
}

impl HoldsBuilder {
    pub(super) fn new() -> HoldsBuilder {
        HoldsBuilder { ttl: Duration::from_secs(30), clock: None, capacity: 64, shards: None }
    }

    /// Sets the time for which [`put`](Holds::put) keeps a guard. Default: 30 seconds. A time of
    /// [`Duration::MAX`] never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds: Holds<u32> = Holds::builder().ttl(Duration::from_secs(15)).build();
    /// assert_eq!(holds.ttl(), Duration::from_secs(15));
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the clock, for a test that gives the time itself, or for a runtime that does. Default:
    /// [`Instant::now`].
    ///
    /// The clock has to be monotonic across all threads, as [`Instant::now`] is. A time that runs
    /// backwards is safe: deadlines that were reached before stay reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::sync::Arc;
    /// use std::time::{Duration, Instant};
    /// use headcount::Holds;
    ///
    /// let (start, seconds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    /// let passed = Arc::clone(&seconds);
    /// let clock = move || start + Duration::from_secs(passed.load(Ordering::Relaxed));
    ///
    /// let holds = Holds::builder().ttl(Duration::from_secs(15)).clock(clock).build();
    /// holds.put("a seat");
    /// seconds.store(14, Ordering::Relaxed);
    /// assert_eq!(holds.expire(), 0);
    /// seconds.store(15, Ordering::Relaxed);
    /// assert_eq!(holds.expire(), 1);
    /// ```
    pub fn clock(mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// Sets the number of guards that are expected to be held at once, so that each of the
    /// [`shards`](Self::shards) allocates memory for its part of them in one piece, up to 2^24.
    /// Default: 64. More can be held: it is not a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::Holds;
    ///
    /// let holds = Holds::builder().capacity(10_000).build();
    /// holds.put("a seat");
    /// ```
    pub fn capacity(mut self, guards: usize) -> Self {
        self.capacity = guards;
        self
    }

    /// Sets the number of parts that the holds are divided into, to reduce contention between
    /// threads; it is rounded up to a power of two. Default: the number of threads that the machine
    /// runs at once, up to 64.
    ///
    /// Each thread puts into a part of its own if there are enough. Threads are assigned to parts
    /// in turn, in the order of their first calls.
    ///
    /// # Panics
    ///
    /// If `shards` is 0 or above 64.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::Holds;
    ///
    /// let holds = Holds::builder().shards(1).build();
    /// holds.put("a seat");
    /// ```
    #[track_caller]
    pub fn shards(mut self, shards: usize) -> Self {
        assert!((1..=MAX_SHARDS).contains(&shards), "holds have from 1 to 64 shards");
        self.shards = Some(shards);
        self
    }

    /// Creates the holds.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers for the key of the tickets.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::Holds;
    ///
    /// let holds = Holds::builder().build();
    /// assert_eq!(holds.claim(holds.put("a seat")), Ok("a seat"));
    /// ```
    pub fn build<G>(self) -> Holds<G> {
        let parallel = || available_parallelism().map_or(1, |threads| threads.get());
        let shards = self.shards.unwrap_or_else(|| parallel().min(MAX_SHARDS)).next_power_of_two();
        let place_bits = u32::BITS - shards.ilog2();
        let first = self.capacity.div_ceil(shards).clamp(1, MAX_FIRST);
        let first_bits = first.next_power_of_two().ilog2();
        let shard = |number: usize| {
            let start = ((number as u64) << place_bits) as u32;
            HoldShard::new(start, (1_u64 << place_bits).min(u32::MAX.into()) as u32, first_bits)
        };
        Holds {
            key: TicketKey::draw(),
            clock: Clock::new(self.clock),
            ttl: self.ttl,
            due: CachePadded::new(DueBound::new()),
            raised: CachePadded::new(AtomicU64::new(0)),
            shards: (0..shards).map(shard).collect(),
            place_bits,
        }
    }
}

impl fmt::Debug for HoldsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HoldsBuilder")
            .field("ttl", &self.ttl)
            .field("capacity", &self.capacity)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
