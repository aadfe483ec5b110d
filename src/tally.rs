//! The tally: a counter whose every change returns what it became.
//!
//! # Invariant
//!
//! The value never wraps: every change is a compare-exchange that saturates. A plain addition would
//! be one step, but could carry past the end what another caller has just brought near it.

use core::fmt;

use crate::sync::{const_fn, AtomicU64, Ordering};

/// An unbounded counter that returns what it changed to.
///
/// # The exact 1000th post
///
/// Any operation that changes a value returns that value in the same step, so exactly one caller
/// sees each value that the tally passes on its way up by one:
///
/// ```
/// use headcount::Tally;
///
/// let posts = Tally::new(998);
/// let gold_stars: Vec<u64> = (0..3).map(|_| posts.increment()).filter(|&n| n == 1000).collect();
/// assert_eq!(gold_stars, [1000]);
/// ```
///
/// # What is promised
///
/// - *once*: each value on the way up is returned by exactly one [`increment`](Tally::increment). A
///   value that is left downwards and reached again is reached again, also by
///   [`increment_with`](Tally::increment_with) after a rewind.
/// - It never goes below zero nor past `u64::MAX`: it *saturates*, and returns the value at which it
///   stays.
/// - Nothing is lost between [`take`](Tally::take) and the next change.
///
/// # Memory ordering and cost
///
/// Every change is an acquire and a release operation: who reads a value sees what the caller who
/// made it had written before. A load and a compare-exchange, repeated for as long as others change
/// the value in between (lock-free); [`take`](Tally::take) is one atomic operation.
///
/// Available where the target has 64-bit atomics.
pub struct Tally {
    value: AtomicU64,
    start: u64,
}

impl Tally {
    const_fn! {
        /// A tally that begins at `start`, and goes back to it on [`take`](Self::take).
        ///
        /// ```
        /// static POSTS: headcount::Tally = headcount::Tally::new(0);
        /// assert_eq!(POSTS.increment(), 1);
        /// ```
        pub const fn new(start: u64) -> Tally {
            Tally { value: AtomicU64::new(start), start }
        }
    }

    /// Adds one and returns what it became, or stays at `u64::MAX` and returns that.
    ///
    /// ```
    /// let tally = headcount::Tally::new(u64::MAX - 1);
    /// assert_eq!(tally.increment(), u64::MAX);
    /// assert_eq!(tally.increment(), u64::MAX); // saturated
    /// ```
    pub fn increment(&self) -> u64 {
        self.add(1)
    }

    /// Adds `n` and returns what it became, or goes to `u64::MAX` if that is less.
    ///
    /// ```
    /// let tally = headcount::Tally::new(5);
    /// assert_eq!(tally.add(10), 15);
    /// assert_eq!(tally.add(u64::MAX), u64::MAX);
    /// ```
    pub fn add(&self, n: u64) -> u64 {
        self.change(|value| value.saturating_add(n)).1
    }

    /// Takes one away and returns what it became, or stays at 0 and returns that.
    ///
    /// ```
    /// let tally = headcount::Tally::new(1);
    /// assert_eq!(tally.decrement(), 0);
    /// assert_eq!(tally.decrement(), 0); // saturated
    /// ```
    pub fn decrement(&self) -> u64 {
        self.sub(1)
    }

    /// Takes `n` away and returns what it became, or goes to 0 if `n` is more than there is.
    ///
    /// ```
    /// let tally = headcount::Tally::new(15);
    /// assert_eq!(tally.sub(10), 5);
    /// assert_eq!(tally.sub(10), 0);
    /// ```
    pub fn sub(&self, n: u64) -> u64 {
        self.change(|value| value.saturating_sub(n)).1
    }

    /// The value at an instant within the call.
    ///
    /// ```
    /// assert_eq!(headcount::Tally::new(7).get(), 7);
    /// ```
    pub fn get(&self) -> u64 {
        // Acquire: who reads a value sees what came before it.
        self.value.load(Ordering::Acquire)
    }

    /// Goes back to the start value and returns what it was, in one step: each change counts either
    /// before or after.
    ///
    /// ```
    /// let tally = headcount::Tally::new(0);
    /// tally.add(5);
    /// assert_eq!(tally.reset(), 5);
    /// assert_eq!(tally.get(), 0);
    /// ```
    pub fn reset(&self) -> u64 {
        // AcqRel: takes over from those who counted before, hands over to those who count after.
        self.value.swap(self.start, Ordering::AcqRel)
    }

    /// The block form: adds one, runs `f` with what it became, and takes it away again if `f` fails
    /// or panics.
    ///
    /// A rewind takes away one from whatever the value is by then, and nothing if the increment was
    /// saturated. After a [`take`](Self::take) in between, that is one of the new count.
    ///
    /// # Errors
    ///
    /// The error of `f`.
    ///
    /// ```
    /// let posts = headcount::Tally::new(0);
    /// assert_eq!(posts.increment_with(|n| Ok::<_, ()>(n)), Ok(1));
    /// assert!(posts.increment_with(|_| Err::<(), _>("not saved")).is_err());
    /// assert_eq!(posts.get(), 1);
    /// ```
    pub fn increment_with<T, E>(&self, f: impl FnOnce(u64) -> Result<T, E>) -> Result<T, E> {
        let (before, after) = self.change(|value| value.saturating_add(1));
        let rewind = Rewind { tally: self, n: after - before };
        let outcome = f(after)?;
        core::mem::forget(rewind);
        Ok(outcome)
    }

    /// Changes the value by `f`; yields what it was and what it became.
    fn change(&self, f: impl Fn(u64) -> u64) -> (u64, u64) {
        // AcqRel: see `take`. Relaxed on failure: decides only what to try next.
        let changed =
            self.value.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |value| Some(f(value)));
        let (Ok(before) | Err(before)) = changed;
        (before, f(before))
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("value", &self.get()).field("start", &self.start).finish()
    }
}

/// Takes `n` away again when dropped.
struct Rewind<'a> {
    tally: &'a Tally,
    n: u64,
}

impl Drop for Rewind<'_> {
    fn drop(&mut self) {
        self.tally.sub(self.n);
    }
}
