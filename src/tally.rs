//! The tally: a counter whose every change returns what it became.
//!
//! # Invariant
//!
//! The value never wraps: every change is a compare-exchange that saturates. A plain addition would
//! be one step, but could wrap a value that another caller has just brought near the end.

use core::fmt;

use crate::protocol::mutants::ordering;
use crate::sync::{const_fn, AtomicU64, Ordering};

/// A counter whose additions and subtractions return the value that they led to.
///
/// A tally has no capacity; it saturates at zero and at `u64::MAX`. Available where the target has
/// 64-bit atomics.
///
/// # Guarantees
///
/// - *once*: each value on the way up by one is returned by exactly one
///   [`increment`](Tally::increment). A value that the tally leaves downwards can be reached again,
///   and is returned again; this includes the rewind of an
///   [`add_with`](Tally::add_with) that fails.
/// - The value never wraps: a change that would pass zero or `u64::MAX` stops there, and returns
///   that.
/// - Each change counts either before or after a [`reset`](Tally::reset), never not at all.
/// - *unblocked*: a thread that stops for ever within a call delays no other.
///
/// # Cost
///
/// A change is a load and a compare-exchange, repeated for as long as other callers change the
/// value in between (lock-free). [`get`](Tally::get) and [`reset`](Tally::reset) are one atomic
/// operation.
///
/// # Memory ordering
///
/// Every change is an acquire and a release operation, and [`get`](Tally::get) is an acquire
/// operation: a caller that reads a value sees the earlier writes of the callers whose changes led
/// to it.
///
/// # Examples
///
/// The exact 1000th post: since a change returns its value in the same step, exactly one caller is
/// told 1000.
///
/// ```
/// use headcount::Tally;
///
/// let posts = Tally::new(998);
/// let gold_stars: Vec<u64> = (0..3).map(|_| posts.increment()).filter(|&n| n == 1000).collect();
/// assert_eq!(gold_stars, [1000]);
/// ```
pub struct Tally {
    value: AtomicU64,
    start: u64,
}

impl Tally {
    const_fn! {
        /// Creates a tally with the value `start`, to which [`reset`](Self::reset) returns.
        ///
        /// # Examples
        ///
        /// ```
        /// static POSTS: headcount::Tally = headcount::Tally::new(0);
        /// assert_eq!(POSTS.increment(), 1);
        /// ```
        pub const fn new(start: u64) -> Tally {
            Tally { value: AtomicU64::new(start), start }
        }
    }

    /// Adds one and returns the new value, which is at most `u64::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// let tally = headcount::Tally::new(u64::MAX - 1);
    /// assert_eq!(tally.increment(), u64::MAX);
    /// assert_eq!(tally.increment(), u64::MAX); // saturated
    /// ```
    pub fn increment(&self) -> u64 {
        self.add(1)
    }

    /// Adds `n` and returns the new value, which is at most `u64::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// let tally = headcount::Tally::new(5);
    /// assert_eq!(tally.add(10), 15);
    /// assert_eq!(tally.add(u64::MAX), u64::MAX); // saturated
    /// ```
    pub fn add(&self, n: u64) -> u64 {
        self.change(|value| value.saturating_add(n)).1
    }

    /// Subtracts one and returns the new value, which is at least 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let tally = headcount::Tally::new(1);
    /// assert_eq!(tally.decrement(), 0);
    /// assert_eq!(tally.decrement(), 0); // saturated
    /// ```
    pub fn decrement(&self) -> u64 {
        self.sub(1)
    }

    /// Subtracts `n` and returns the new value, which is at least 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let tally = headcount::Tally::new(15);
    /// assert_eq!(tally.sub(10), 5);
    /// assert_eq!(tally.sub(10), 0); // saturated
    /// ```
    pub fn sub(&self, n: u64) -> u64 {
        self.change(|value| value.saturating_sub(n)).1
    }

    /// Returns the value at an instant within the call.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Tally::new(7).get(), 7);
    /// ```
    pub fn get(&self) -> u64 {
        // Acquire, pairs with the Release half of `change` and `reset`: the earlier writes of the
        // callers whose changes led to this value are visible.
        self.value.load(ordering!("tally-get", Acquire => Relaxed))
    }

    /// Returns to the start value, and returns the value before, in one step.
    ///
    /// # Examples
    ///
    /// ```
    /// let tally = headcount::Tally::new(0);
    /// tally.add(5);
    /// assert_eq!(tally.reset(), 5);
    /// assert_eq!(tally.get(), 0);
    /// ```
    pub fn reset(&self) -> u64 {
        // AcqRel, pairs with `change` and `get`: Acquire shows this caller the earlier writes of
        // those whose changes it takes, Release shows its own to those whose changes follow.
        let ordering = ordering!(
            "tally-reset-acquire", AcqRel => Release;
            "tally-reset-release", AcqRel => Acquire;
        );
        self.value.swap(self.start, ordering)
    }

    /// Subtracts `n`, all or nothing, and returns the new value.
    ///
    /// Unlike [`sub`](Self::sub) it never stops at zero halfway, so a tally of those inside tells
    /// exactly one caller that it is the last out: of the callers that subtract what they added,
    /// one gets `Ok(0)`, until another is added.
    ///
    /// # Errors
    ///
    /// The value, if it is less than `n`. It is unchanged then, and the call orders nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let inside = headcount::Tally::new(0);
    /// inside.add(2);
    /// assert_eq!(inside.try_sub(1), Ok(1));
    /// assert_eq!(inside.try_sub(1), Ok(0)); // the last one out
    /// assert_eq!(inside.try_sub(1), Err(0));
    /// ```
    pub fn try_sub(&self, n: u64) -> Result<u64, u64> {
        self.try_change(|value| value.checked_sub(n)).map(|before| before - n)
    }

    /// Adds one, runs `f` with the new value, and subtracts one again if `f` fails or panics.
    ///
    /// The same as [`add_with`](Self::add_with) of one.
    ///
    /// # Errors
    ///
    /// The error of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// let posts = headcount::Tally::new(0);
    /// assert_eq!(posts.increment_with(|n| Ok::<_, ()>(n)), Ok(1));
    /// assert!(posts.increment_with(|_| Err::<(), _>("not saved")).is_err());
    /// assert_eq!(posts.get(), 1);
    /// ```
    pub fn increment_with<T, E>(&self, f: impl FnOnce(u64) -> Result<T, E>) -> Result<T, E> {
        self.add_with(1, f)
    }

    /// Adds `n`, runs `f` with the new value, and subtracts what it added if `f` fails or panics.
    ///
    /// The rewind subtracts from the value at that time, after a [`reset`](Self::reset) in between
    /// from the new count. It subtracts less than `n` if the addition was saturated.
    ///
    /// # Errors
    ///
    /// The error of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// let points = headcount::Tally::new(u64::MAX - 2);
    /// let full = points.add_with(5, |value| Err::<(), _>(value));
    /// assert_eq!((full, points.get()), (Err(u64::MAX), u64::MAX - 2));
    /// ```
    pub fn add_with<T, E>(&self, n: u64, f: impl FnOnce(u64) -> Result<T, E>) -> Result<T, E> {
        let (before, after) = self.change(|value| value.saturating_add(n));
        Rewind { tally: self, added: after - before, removed: 0 }.unless_ok(after, f)
    }

    /// Subtracts `n`, runs `f` with the new value, and adds what it subtracted if `f` fails or
    /// panics.
    ///
    /// The rewind adds to the value at that time, after a [`reset`](Self::reset) in between to the
    /// new count. It adds less than `n` if the subtraction was saturated.
    ///
    /// # Errors
    ///
    /// The error of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// let stock = headcount::Tally::new(5);
    /// assert_eq!(stock.sub_with(2, |left| Ok::<_, ()>(left)), Ok(3));
    /// assert!(stock.sub_with(9, |_| Err::<(), _>("not sent")).is_err());
    /// assert_eq!(stock.get(), 3);
    /// ```
    pub fn sub_with<T, E>(&self, n: u64, f: impl FnOnce(u64) -> Result<T, E>) -> Result<T, E> {
        let (before, after) = self.change(|value| value.saturating_sub(n));
        Rewind { tally: self, added: 0, removed: before - after }.unless_ok(after, f)
    }

    /// Changes the value by `f`. Returns the values before and after.
    fn change(&self, f: impl Fn(u64) -> u64) -> (u64, u64) {
        let (Ok(before) | Err(before)) = self.try_change(|value| Some(f(value)));
        (before, f(before))
    }

    /// Changes the value by `f`, unless that yields nothing. Returns the value before, as an error
    /// if it is unchanged.
    fn try_change(&self, f: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        // AcqRel, pairs with itself, `reset` and `get`: Acquire shows this caller the earlier
        // writes of those whose changes led to the value, Release shows its own to those that
        // follow.
        let success = ordering!(
            "tally-change-acquire", AcqRel => Release;
            "tally-change-release", AcqRel => Acquire;
        );
        // Relaxed on failure: the value decides only what to try next.
        self.value.fetch_update(success, Ordering::Relaxed, f)
    }
}

impl Default for Tally {
    /// Creates a tally with the value 0, to which [`reset`](Tally::reset) returns.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Tally::default().increment(), 1);
    /// ```
    fn default() -> Tally {
        Tally::new(0)
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("value", &self.get()).field("start", &self.start).finish()
    }
}

/// Undoes a change when dropped.
struct Rewind<'a> {
    tally: &'a Tally,
    added: u64,
    removed: u64,
}

impl Rewind<'_> {
    fn unless_ok<T, E>(self, value: u64, f: impl FnOnce(u64) -> Result<T, E>) -> Result<T, E> {
        let outcome = f(value)?;
        core::mem::forget(self);
        Ok(outcome)
    }
}

impl Drop for Rewind<'_> {
    fn drop(&mut self) {
        self.tally.change(|value| value.saturating_sub(self.added).saturating_add(self.removed));
    }
}
