//! The striped gate: a gate whose places are spread over cache lines.
//!
//! # Invariant
//!
//! The free places of all stripes and the places held add up to the capacity. Each place is free at
//! one stripe or held; any stripe serves any thread. `word.rs` has the words and the walk over them,
//! `affinity.rs` what a thread remembers.

mod affinity;
mod permit;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use crossbeam_utils::CachePadded;

pub use self::permit::{OwnedStripedPermit, StripedPermit};
use crate::error::TryAcquireError;
use crate::gate::Gate;
use crate::protocol::step::Step;
use crate::protocol::stripe::{
    self, AcquireStriped, AskFull, CountFree, ReleaseStriped, StripeWord,
};
use crate::sync::{AtomicU64, Ordering};

/// A [`Gate`] for one hot limit of a whole server: its places are spread over cache lines.
///
/// Every core that takes a place in a [`Gate`] writes the same word, and waits for the cache line that
/// holds it. A striped gate has a word for every few threads, its *stripes*. A thread takes places
/// from its own stripe and gives them back to its own, wherever they came from. Only if its own has none
/// does it look at the others.
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
///
/// # One word or stripes
///
/// | | [`Gate`] | `StripedGate` |
/// |---|---|---|
/// | memory | 8 bytes, no allocation, a `static` if wanted | 128 bytes a stripe, allocated |
/// | take and give back, one thread | an addition and a subtraction | the same |
/// | the same on many threads | all wait for one cache line | each has its own |
/// | a refusal | one load, no writing | up to two loads a stripe, no writing |
/// | `occupied`, `available` | one load, exact | a load a stripe, exact when quiet |
/// | `try_acquire` is | wait-free | lock-free |
/// | closing, resizing, several places at once | yes | no |
///
/// On two cores, where one counter per thread took 20 ns: on one thread a pair took 19 ns at a `Gate`
/// and 24 at a `StripedGate`, on two threads 99 and 23; a refusal took 2 ns and 55
/// (`cargo bench --bench scaling`, medians).
///
/// Take a `Gate` for a room, a connection, a job queue: anything there are many of, or that is often
/// full. Take a `StripedGate` for a limit that all threads pass all the time and seldom reach.
///
/// # What is promised
///
/// - *never-over*: the places held never exceed the capacity.
/// - *exact*: [`TryAcquireError::Full`] is returned only if, at an instant within the call, all places
///   were held. Places are never on their way from stripe to stripe, where a caller could miss them.
/// - *no-leak*: each permit gives back its place exactly once, on whatever thread it is dropped.
/// - *lock-free*: a call takes another step only because another call has taken or given a place. A
///   caller who finds no place looks a second time, and is refused if none was given back in between.
///
/// # Memory ordering
///
/// Taking, giving back, and a refusal are sequentially consistent operations: all threads see them
/// happen in one order. What a holder wrote before it left is visible to whoever takes that place next.
/// Unlike at a [`Gate`], that is not the same as what all earlier holders wrote: they may have left
/// by other stripes.
///
/// # What is not promised
///
/// Fairness. That a call ends within a bounded number of steps while others come and go. That a
/// thread finds a place at its own stripe: if some threads only take and others only give back, the
/// takers look for places at the givers' stripes each time.
///
/// # The field
///
/// Paul McKenney's *Is Parallel Programming Hard, And, If So, What Can You Do About It?* has the
/// reference on this in its chapter on counting, under *limit counters*: each thread counts on its
/// own within an allowance, and what the threads do not hold is kept in a global counter. There a
/// thread that runs out of allowance takes a lock and, for exactness, gets the other threads' counts with
/// signals or with atomic operations on each. Affinity there is no global counter, lock or signal: every place
/// is at a stripe where anybody may take it, and a refusal is proved by reading alone.
pub struct StripedGate {
    stripes: Box<[CachePadded<AtomicU64>]>,
    capacity: u32,
}

/// Runs a machine from `$start` to its end.
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
    /// ```
    /// use headcount::StripedGate;
    /// let gate = StripedGate::new(StripedGate::MAX_CAPACITY);
    /// assert_eq!(gate.available(), 268_435_456);
    /// ```
    pub const MAX_CAPACITY: u32 = Gate::MAX_CAPACITY;

    /// The greatest number of stripes.
    ///
    /// ```
    /// use headcount::StripedGate;
    /// assert_eq!(StripedGate::with_stripes(1, StripedGate::MAX_STRIPES).stripes(), 256);
    /// ```
    pub const MAX_STRIPES: usize = 256;

    /// A gate with `capacity` places, all free, and as many stripes as this machine can use.
    ///
    /// That is one for each thread that can run at the same time
    /// ([`available_parallelism`](std::thread::available_parallelism)), rounded up to a power of
    /// two; fewer if there are fewer places, and at most [`MAX_STRIPES`](Self::MAX_STRIPES). With
    /// capacity 0 the gate refuses everybody.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY).
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

    /// A gate with `capacity` places, all free, over that many stripes, rounded up to a power of two.
    ///
    /// More stripes than threads that run at the same time only make refusals and readings dearer.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`MAX_CAPACITY`](Self::MAX_CAPACITY), or if `stripes` is 0 or above
    /// [`MAX_STRIPES`](Self::MAX_STRIPES).
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

    /// Takes a place, or says that there is none. Never waits.
    ///
    /// # Errors
    ///
    /// [`Full`](TryAcquireError::Full) if all places were held at an instant within the call.
    ///
    /// # Cost
    ///
    /// One subtraction if this thread left a place at its own stripe when it was there last, a load and
    /// a compare-exchange if there is a place now. Else it looks at the other stripes until one has a
    /// place. A refusal by a full gate that nobody leaves is at most two loads a stripe (2*s* - 1 for *s*
    /// stripes) and writes nothing; only the first one after others have emptied the thread's own
    /// stripe has taken a subtraction, and taken it back.
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
        self.claim()?;
        Ok(StripedPermit::new(self))
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that is not tied to a borrow: it can move
    /// to another thread or task and keeps the gate alive.
    ///
    /// The count of the `Arc` is one word that all threads write. Where every request passes the gate,
    /// borrow instead.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). The `Arc` is dropped then.
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
        self.claim()?;
        Ok(OwnedStripedPermit::new(self))
    }

    /// Runs `f` inside, if there is a place. The place is given back when `f` returns or panics.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); `f` is not called then.
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

    /// The number of places, held or not.
    ///
    /// ```
    /// assert_eq!(headcount::StripedGate::new(7).capacity(), 7);
    /// ```
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The number of stripes.
    ///
    /// ```
    /// assert_eq!(headcount::StripedGate::with_stripes(7, 2).stripes(), 2);
    /// ```
    pub fn stripes(&self) -> usize {
        self.stripes.len()
    }

    /// About how many places are held, forgotten permits included.
    ///
    /// Exact if no place is taken or given back during the call. Otherwise it is off, up or down, by at
    /// most as many places as are: each stripe is read at an instant of its own, and a place that
    /// is taken from one and given back to another meanwhile may be seen at both or at neither. It is never
    /// above the capacity. For an exact reading see [`occupied_exact`](Self::occupied_exact).
    ///
    /// This is an acquire operation: who reads that a holder has left sees what it wrote.
    ///
    /// # Cost
    ///
    /// One load a stripe.
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

    /// How many places are held, forgotten permits included: exact at an instant within the call.
    ///
    /// # Cost
    ///
    /// Two loads a stripe if nothing changes in between; one more load a stripe for each round in
    /// which anything did. Where places come and go all the time that can be very many rounds: this
    /// is for tests, shutdowns and quiet gates, not for a dashboard. Lock-free; it writes nothing.
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

    /// About how many places nobody holds.
    ///
    /// With the promise and the cost of [`occupied`](Self::occupied). The two are of one reading only
    /// if nothing changes between the calls.
    ///
    /// ```
    /// let gate = headcount::StripedGate::new(7);
    /// let _permit = gate.try_acquire()?;
    /// assert_eq!(gate.available(), 6);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn available(&self) -> u32 {
        // Acquire: pairs, as does a claim, with the `give` of those who have left.
        let free =
            |stripe: &CachePadded<AtomicU64>| StripeWord(stripe.load(Ordering::Acquire)).free();
        let sum: u64 = self.stripes.iter().map(free).sum();
        sum.min(u64::from(self.capacity)) as u32
    }

    /// True if no place is free: exact at an instant within the call.
    ///
    /// # Cost
    ///
    /// Up to the first stripe with a place, one load a stripe. If there is none, that of a refusal by
    /// [`try_acquire`](Self::try_acquire).
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

    /// Claims one place, from this thread's own stripe if it can: the first step of a [`AcquireStriped`] by hand,
    /// so that nothing else has to be set up for it.
    #[inline(always)]
    fn claim(&self) -> Result<(), TryAcquireError> {
        let (home, sure) = affinity::at(self, self.stripes.len());
        if !sure {
            return self.finish_claiming(home, None);
        }
        match stripe::take(self.stripe(home)) {
            Ok(word) => {
                if word.free() == 0 {
                    affinity::record(false);
                }
                Ok(())
            }
            Err(after) => self.finish_claiming(home, Some(after)),
        }
    }

    /// Goes on where nothing is known of the own stripe, or nothing was there.
    #[cold]
    #[inline(never)]
    fn finish_claiming(
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
                Step::Done(claimed) => {
                    affinity::record(at == home && claimed.is_some_and(|word| word.free() > 0));
                    return claimed.map(|_| ()).ok_or(TryAcquireError::Full);
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
        if word.given() % affinity::COLLISION_INTERVAL == 0 {
            affinity::detect_collision(word.given());
        }
    }

    /// The index of this thread's own stripe.
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
