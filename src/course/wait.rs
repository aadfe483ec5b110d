//! Waiting for a place in a course: the public methods and their futures.
//!
//! # Invariant
//!
//! A future of this module that is ready with `Ok` has moved its place into the reservation.

use std::ops::Deref;
use std::sync::Arc;

use super::{Course, OwnedReservation, Reservation};
use crate::gate::{waiting_future, Gate, Wait};

/// A course, as the gate that it stands on.
struct GateOf<C>(C);

impl<C: Deref<Target = Course>> Deref for GateOf<C> {
    type Target = Gate;

    #[inline]
    fn deref(&self) -> &Gate {
        &self.0.gate
    }
}

/// Waiting, with the feature `wait`.
///
/// First come, first served. A place is given back when a reservation is cancelled or an enrolled
/// student withdraws; it goes to the head of the waitlist, and while a caller waits,
/// [`try_reserve`](Course::try_reserve) and [`enroll`](Course::enroll) are refused as full. All
/// else is as for [waiting at a gate](crate::Gate#fairness): cancellation, closing, cost, memory
/// ordering, and that a loop on a course with free places [never
/// yields](crate::Gate#cooperative-scheduling).
impl Course {
    /// Reserves a place, and waits for it if need be: by `.await`, or on a thread by
    /// [`wait`](Reserve::wait), [`wait_timeout`](Reserve::wait_timeout) or
    /// [`wait_deadline`](Reserve::wait_deadline).
    ///
    /// A reservation that is kept in a `Holds` comes back when a call expires it: where callers
    /// wait, let a timer do so.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::AcquireError::Closed) if the course is closed, or is closed while this
    /// caller waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives its position up. If it had been served, its place goes to the next
    /// caller.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let course = headcount::Course::with_enrolled(30, 30).unwrap();
    /// let waitlisted = async { course.reserve().await.map(|place| place.confirm()) };
    /// let withdrawing = async { course.withdraw().unwrap() };
    /// let (enrolled, ()) = tokio::join!(waitlisted, withdrawing);
    /// enrolled?;
    /// assert_eq!(course.counts().enrolled, 30);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn reserve(&self) -> Reserve<'_> {
        self.reserve_many(1)
    }

    /// Reserves `n` places, all at once, and waits for them if need be.
    ///
    /// # Errors
    ///
    /// As [`Gate::acquire_many`](crate::Gate::acquire_many).
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let course = headcount::Course::new(30);
    /// course.reserve_many(2).await?.confirm();
    /// assert_eq!(course.counts().enrolled, 2);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn reserve_many(&self, n: u32) -> Reserve<'_> {
        Reserve { wait: Wait::new(GateOf(self), n) }
    }

    /// Reserves a place, as [`reserve`](Self::reserve), for a reservation that owns its course.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve). The `Arc` is dropped then.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::AcquireError> {
    /// let course = std::sync::Arc::new(headcount::Course::new(30));
    /// course.clone().reserve_owned().await?.confirm();
    /// assert_eq!(course.counts().enrolled, 1);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn reserve_owned(self: Arc<Self>) -> ReserveOwned {
        self.reserve_many_owned(1)
    }

    /// Reserves `n` places, as [`reserve_many`](Self::reserve_many), for a reservation that owns
    /// its course.
    ///
    /// # Errors
    ///
    /// As [`reserve_many`](Self::reserve_many). The `Arc` is dropped then.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// let course = std::sync::Arc::new(headcount::Course::new(30));
    /// assert_eq!(course.reserve_many_owned(2).wait()?.count(), 2);
    /// # Ok::<(), headcount::AcquireError>(())
    /// ```
    #[inline]
    pub fn reserve_many_owned(self: Arc<Self>, n: u32) -> ReserveOwned {
        ReserveOwned { wait: Wait::new(GateOf(self), n) }
    }

    /// Returns the number of callers that wait.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Course::new(30).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }
}

/// Waits for a place in a [`Course`]: as a future, or by blocking the thread.
///
/// Returned by [`Course::reserve`]. It does not need to be pinned: it can be polled by reference,
/// and asked in between for its [`position`](Self::position).
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let course = headcount::Course::new(30);
/// course.reserve().wait()?.confirm();
/// assert_eq!(course.counts().enrolled, 1);
/// # Ok::<(), headcount::AcquireError>(())
/// ```
#[must_use = "it joins the waitlist only when it is awaited or waited for"]
pub struct Reserve<'a> {
    wait: Wait<GateOf<&'a Course>>,
}

waiting_future! {
    ['a] Reserve<'a>, "Reserve" => Reservation<'a>,
    |GateOf(course), count| Reservation::new(course, count);
    "let course = headcount::Course::new(1);",
    "let course = headcount::Course::with_enrolled(1, 1).unwrap();",
    "course.reserve()"
}

/// Waits for a place in a [`Course`] behind an `Arc`.
///
/// Returned by [`Course::reserve_owned`]; otherwise the same as [`Reserve`].
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let course = std::sync::Arc::new(headcount::Course::new(30));
/// course.clone().reserve_owned().wait()?.confirm();
/// assert_eq!(course.counts().enrolled, 1);
/// # Ok::<(), headcount::AcquireError>(())
/// ```
#[must_use = "it joins the waitlist only when it is awaited or waited for"]
pub struct ReserveOwned {
    wait: Wait<GateOf<Arc<Course>>>,
}

waiting_future! {
    [] ReserveOwned, "ReserveOwned" => OwnedReservation,
    |GateOf(course), count| OwnedReservation::new(course, count);
    "let course = std::sync::Arc::new(headcount::Course::new(1));",
    "let course = std::sync::Arc::new(headcount::Course::with_enrolled(1, 1).unwrap());",
    "course.clone().reserve_owned()"
}
