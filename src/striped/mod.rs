//! The striped gate: a gate whose places are spread over cache lines.
//!
//! # Invariant
//!
//! The free places of all stripes and the places held add up to the capacity. Each place is free at
//! one stripe or held; any stripe serves any thread. `protocol/stripe.rs` has the words and the
//! rounds over them, `affinity.rs` each thread's own stripe.

mod affinity;
mod permit;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use crossbeam_utils::CachePadded;

pub use self::permit::{OwnedStripedPermit, StripedPermit};
use crate::error::TryAcquireError;
use crate::gate::Gate;
use crate::protocol::mutants::ordering;
use crate::protocol::step::Step;
use crate::protocol::stripe::{
    self, AcquireStriped, AskFull, CountFree, ReleaseStriped, StripeWord,
};
use crate::sync::AtomicU64;

/// A semaphore for one limit that all threads of a server use all the time.
///
/// Every acquisition at a [`Gate`] writes the same word, and each core waits for the cache line
/// that holds it. A striped gate spreads its places over several words, the *stripes*. A thread
/// acquires places from its own stripe and gives them back to its own stripe, wherever they came
/// from. Only if its own stripe has no free place does it look at the others.
///
/// # Guarantees
///
/// - *never-over*: the places held never exceed the capacity.
/// - *exact*: [`TryAcquireError::Full`] is returned only if, at an instant within the call, all
///   places were held. No place is ever in transit between stripes, where a caller could miss it.
/// - *no-leak*: each permit gives its place back exactly once, on whatever thread it is dropped.
/// - *lock-free*, *unblocked*: a call takes another step only because another call has acquired a
///   place or given one back. A caller that finds no place looks a second time, and is refused if
///   no place was given back in between.
///
/// # What is not promised
///
/// - Fairness.
/// - That a call ends within a bounded number of steps while others acquire and give back.
/// - That a thread finds a place at its own stripe: if some threads only acquire and others only
///   give back, the former search the stripes of the latter each time.
///
/// # One word or stripes
///
/// | | [`Gate`] | `StripedGate` |
/// |---|---|---|
/// | memory | 8 bytes (24 with the feature `wait`), no allocation | 128 bytes a stripe, allocated |
/// | acquire and give back, one thread | an addition and a subtraction | the same |
/// | the same on many threads | all wait for one cache line | each thread uses its own |
/// | a refusal | one load, no write | up to two loads a stripe, no write |
/// | `occupied`, `available` | one load, exact | a load a stripe, exact while no place moves |
/// | `try_acquire` is | wait-free | lock-free |
/// | closing, resizing, several places at once, waiting | yes | no |
///
/// On two cores, where one counter per thread took 20 ns: on one thread a pair took 19 ns at a
/// `Gate` and 24 at a `StripedGate`, on two threads 99 and 23; a refusal took 2 ns and 55
/// (`cargo bench --bench scaling`, medians).
///
/// Use a `Gate` for a room, a connection or a job queue: for whatever there are many of, or is
/// often full. Use a `StripedGate` for a limit that all threads pass all the time and seldom reach.
///
/// # Memory ordering
///
/// Acquiring, giving back and a refusal are sequentially consistent operations: all threads see
/// them in one order. *happens-before*: what a holder wrote before it gave its place back is
/// visible to the next holder of that place. Unlike at a [`Gate`], the writes of other earlier
/// holders may not be: they may have given their places back at other stripes.
///
/// # Related work
///
/// Paul McKenney's *Is Parallel Programming Hard, And, If So, What Can You Do About It?* describes
/// *limit counters* in its chapter on counting: each thread counts within an allowance of its own,
/// and the rest is kept in a global counter. A thread that runs out takes a lock and, for an exact
/// count, gets the other threads' counts with signals or with an atomic operation on each. A
/// striped gate has no global counter, lock or signal: each place is at a stripe where any thread
/// can acquire it, and a refusal is proved by reading alone.
///
/// # Examples
///
/// ```
/// use headcount::StripedGate;
///
/// let requests = StripedGate::new(1000);
/// std::thread::scope(|threads| {
///     for _ in 0..4 {
///         threads.spawn(|| {
///             let _in_flight = requests.try_acquire().expect("4 of 1000");
///         });
///     }
/// });
/// assert_eq!(requests.occupied(), 0);
/// ```
pub struct StripedGate {
    stripes: Box<[CachePadded<AtomicU64>]>,
    capacity: u32,
}

/// Runs a state machine over the stripes, from `$start` to its end.
macro_rules! walk {
    ($gate:expr, $start:expr) => {{
        let mut state = $start;
        loop {
            match state.step($gate.stripe(state.at())) {
                Step::Next(next) => state = next,
                Step::Done(result) => break result,
            }
        }
    }};
}

impl StripedGate {
    /// The greatest capacity, that of a [`Gate`]: 2^28 = 268,435,456 places.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::StripedGate;
    /// let gate = StripedGate::new(StripedGate::MAX_CAPACITY);
    /// assert_eq!(gate.available(), 268_435_456);
    /// ```
    pub const MAX_CAPACITY: u32 = Gate::MAX_CAPACITY;

    /// The greatest number of stripes.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount::StripedGate;
    /// assert_eq!(StripedGate::with_stripes(1, StripedGate::MAX_STRIPES).stripes(), 256);
    /// ```
    pub const MAX_STRIPES: usize = 256;

    /// Creates a gate with `capacity` places, all free, and as many stripes as this machine can
    /// use.
    ///
    /// That is one for each thread that can run at the same time
    /// ([`available_parallelism`](std::thread::available_parallelism)), rounded up to a power of
    /// two; fewer if there are fewer places, and at most [`MAX_STRIPES`](Self::MAX_STRIPES). A gate
    /// with capacity 0 refuses every caller.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(1000);
    /// assert_eq!((gate.capacity(), gate.occupied()), (1000, 0));
    /// assert_eq!(headcount::StripedGate::new(1).stripes(), 1);
    /// ```
    #[track_caller]
    pub fn new(capacity: u32) -> StripedGate {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let useful = threads.min(capacity.max(1) as usize);
        StripedGate::with_stripes(capacity, useful.min(StripedGate::MAX_STRIPES))
    }

    /// Creates a gate with `capacity` places, all free, over `stripes` stripes, rounded up to a
    /// power of two.
    ///
    /// More stripes than threads that run at the same time only make refusals and readings slower.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY), or if `stripes` is 0 or above
    /// [`MAX_STRIPES`](Self::MAX_STRIPES).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::with_stripes(1000, 6);
    /// assert_eq!(gate.stripes(), 8);
    /// ```
    #[track_caller]
    pub fn with_stripes(capacity: u32, stripes: usize) -> StripedGate {
        assert!(capacity <= Self::MAX_CAPACITY, "capacity is above StripedGate::MAX_CAPACITY");
        assert!(stripes > 0, "a striped gate needs a stripe");
        assert!(stripes <= Self::MAX_STRIPES, "stripes are above StripedGate::MAX_STRIPES");
        let stripes = stripes.next_power_of_two();
        let (each, rest) = (capacity / stripes as u32, capacity as usize % stripes);
        let share = |index| each + u32::from(index < rest);
        let stripe = |index| CachePadded::new(AtomicU64::new(StripeWord::new(0, share(index)).0));
        StripedGate { stripes: (0..stripes).map(stripe).collect(), capacity }
    }

    /// Acquires one place, without waiting.
    ///
    /// # Errors
    ///
    /// [`Full`](TryAcquireError::Full) if all places were held at an instant within the call.
    ///
    /// # Cost
    ///
    /// One subtraction if this thread left a free place at its own stripe when it used it last.
    /// Else a load and a compare-exchange if a place is free there now. Else the caller looks at
    /// the other stripes until one has a free place. A refusal while no place is given back is at
    /// most two loads a stripe (2*s* - 1 for *s* stripes) and writes nothing; only the first
    /// refusal after others have emptied the thread's own stripe also costs the subtraction, and a
    /// compare-exchange to undo it.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(1);
    /// let permit = gate.try_acquire()?;
    /// assert!(gate.try_acquire().unwrap_err().is_full());
    /// drop(permit);
    /// assert!(gate.try_acquire().is_ok());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<StripedPermit<'_>, TryAcquireError> {
        self.enter()?;
        Ok(StripedPermit::new(self))
    }

    /// Acquires one place, as [`try_acquire`](Self::try_acquire), for a permit that owns its gate.
    ///
    /// The permit holds the `Arc` instead of a borrow: it can move to another thread or task, and
    /// keeps the gate alive. The `Arc`'s count is one word that all threads write: where every
    /// request passes the gate, borrow instead.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let gate = Arc::new(headcount::StripedGate::new(1));
    /// let permit = Arc::clone(&gate).try_acquire_owned()?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(gate.occupied(), 0);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedStripedPermit, TryAcquireError> {
        self.enter()?;
        Ok(OwnedStripedPermit::new(self))
    }

    /// Calls `f` while holding a place, if one is free. The place is given back when `f` returns or
    /// panics.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); `f` is not called then.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(1);
    /// assert_eq!(gate.try_run(|| 6 * 7), Ok(42));
    /// assert_eq!(gate.occupied(), 0);
    /// ```
    pub fn try_run<T>(&self, f: impl FnOnce() -> T) -> Result<T, TryAcquireError> {
        let _permit = self.try_acquire()?;
        Ok(f())
    }

    /// Returns the number of places, held or free.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::StripedGate::new(7).capacity(), 7);
    /// ```
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Returns the number of stripes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::StripedGate::with_stripes(7, 2).stripes(), 2);
    /// ```
    pub fn stripes(&self) -> usize {
        self.stripes.len()
    }

    /// Returns approximately how many places are held, forgotten permits included.
    ///
    /// Exact if no place is acquired or given back during the call. Otherwise it is off, up or
    /// down, by at most the number of places that are: each stripe is read at an instant of its
    /// own, and a place that leaves one stripe and is given back to another meanwhile may be
    /// counted twice or not at all. It is never above the capacity. For an exact reading see
    /// [`occupied_exact`](Self::occupied_exact).
    ///
    /// # Cost
    ///
    /// One load a stripe.
    ///
    /// # Memory ordering
    ///
    /// This is an acquire operation: if it observes that a holder has given its place back, the
    /// holder's earlier writes are visible.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(7);
    /// let _permits = (gate.try_acquire()?, gate.try_acquire()?);
    /// assert_eq!(gate.occupied(), 2);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn occupied(&self) -> u32 {
        self.capacity - self.available()
    }

    /// Returns how many places are held, forgotten permits included: exact at an instant within the
    /// call.
    ///
    /// # Cost
    ///
    /// Two loads a stripe if nothing changes in between; one more load a stripe for each round in
    /// which something did. While places are acquired and given back all the time that can be very
    /// many rounds: this is for tests, shutdowns and quiet gates, not for a dashboard. Lock-free;
    /// it writes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(7);
    /// let _permits = (gate.try_acquire()?, gate.try_acquire()?);
    /// assert_eq!(gate.occupied_exact(), 2);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn occupied_exact(&self) -> u32 {
        let free = walk!(self, CountFree::new(self.stripes.len(), self.home()));
        self.capacity - free as u32
    }

    /// Returns approximately how many places are free.
    ///
    /// As exact as [`occupied`](Self::occupied), and as costly. The two add up to the capacity only
    /// if nothing changes between the calls.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(7);
    /// let _permit = gate.try_acquire()?;
    /// assert_eq!(gate.available(), 6);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn available(&self) -> u32 {
        // Acquire: pairs with `ReleaseStriped`: the writes of holders that gave back are visible.
        let order = ordering!("stripe-available", Acquire => Relaxed);
        let free = |stripe: &CachePadded<AtomicU64>| StripeWord(stripe.load(order)).free();
        let sum: u64 = self.stripes.iter().map(free).sum();
        sum.min(u64::from(self.capacity)) as u32
    }

    /// Returns whether no place is free: exact at an instant within the call.
    ///
    /// # Cost
    ///
    /// One load a stripe, up to the first stripe with a free place. If there is none, the cost of a
    /// refusal by [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(1);
    /// assert!(!gate.is_full());
    /// let _permit = gate.try_acquire()?;
    /// assert!(gate.is_full());
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn is_full(&self) -> bool {
        walk!(self, AskFull::new(self.stripes.len(), self.home()))
    }

    /// Acquires one place, from this thread's own stripe if possible. The first step of an
    /// [`AcquireStriped`] is made by hand, so that nothing else has to be set up for it.
    #[inline(always)]
    fn enter(&self) -> Result<(), TryAcquireError> {
        let (home, likely_free) = affinity::at(self, self.stripes.len());
        if !likely_free {
            return self.finish_entering(home, None);
        }
        match stripe::take(self.stripe(home)) {
            Ok(word) => {
                if word.free() == 0 {
                    affinity::record(false);
                }
                Ok(())
            }
            Err(after) => self.finish_entering(home, Some(after)),
        }
    }

    /// Goes on if the hint says nothing of this thread's own stripe, or was wrong: `taken` is the
    /// word that [`stripe::take`] left then.
    #[cold]
    #[inline(never)]
    fn finish_entering(
        &self,
        home: usize,
        taken: Option<StripeWord>,
    ) -> Result<(), TryAcquireError> {
        let stripes = self.stripes.len();
        let mut state = match taken {
            None => AcquireStriped::new(stripes, home, false),
            Some(after) => AcquireStriped::after_taking(stripes, home, after),
        };
        loop {
            let at = state.at();
            match state.step(self.stripe(at)) {
                Step::Next(next) => state = next,
                Step::Done(acquired) => {
                    affinity::record(at == home && acquired.is_some_and(|word| word.free() > 0));
                    return acquired.map(|_| ()).ok_or(TryAcquireError::Full);
                }
            }
        }
    }

    /// Gives one place back, to this thread's own stripe.
    #[inline(always)]
    fn give_back(&self) {
        let (home, _) = affinity::at(self, self.stripes.len());
        let stripe = self.stripe(home);
        let word = loop {
            if let Step::Done(word) = ReleaseStriped.step(stripe) {
                break word;
            }
        };
        affinity::record(true);
        if word.releases() % affinity::COLLISION_INTERVAL == 0 {
            affinity::detect_collision(word.releases());
        }
    }

    /// Returns the index of this thread's own stripe.
    #[inline(always)]
    fn home(&self) -> usize {
        affinity::at(self, self.stripes.len()).0
    }

    #[inline(always)]
    fn stripe(&self, index: usize) -> &AtomicU64 {
        &self.stripes[index]
    }
}

impl fmt::Debug for StripedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripedGate")
            .field("capacity", &self.capacity())
            .field("occupied", &self.occupied())
            .field("stripes", &self.stripes())
            .finish()
    }
}
