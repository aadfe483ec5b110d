//! Waiting for a place in a course: a waitlist.
//!
//! # Invariant
//!
//! A future of this module that is ready with `Ok` has moved its place into the reservation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::{Duration, Instant};

use super::waiter::{Door, Wait};
use super::Waitlist;
use crate::course::{Course, OwnedReservation, Reservation};
use crate::error::{AcquireTimeoutError, Closed, TryAcquireError};
use crate::protocol::slot::Slot;

impl Door for Course {
    fn slot(&self) -> &Slot {
        &self.slot
    }

    fn waitlist(&self) -> &Waitlist {
        &self.waitlist
    }

    #[inline]
    fn enter(&self, _: u32) -> Result<(), TryAcquireError> {
        Course::enter(self).map(drop)
    }
}

/// The waitlist, with the feature `wait`.
///
/// First come, first served. A place comes free when a reservation is cancelled or somebody
/// withdraws; it goes to the head of the list, and while somebody waits,
/// [`try_reserve`](Course::try_reserve) and [`enroll`](Course::enroll) are refused as full. All else
/// is as for [waiting at a gate](crate::Gate#fairness): giving up, closing, costs, ordering.
impl Course {
    /// Waits for a place that is not enrolled yet. Runs on any async runtime.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the course is closed, also while this waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in waitlist, and passes on the place if it had been served.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::Closed> {
    /// let course = headcount::Course::with_enrolled(30, 30).unwrap();
    /// let waitlisted = async { course.reserve().await.map(|place| place.confirm()) };
    /// let somebody_else = async { course.withdraw().unwrap() };
    /// let (enrolled, ()) = tokio::join!(waitlisted, somebody_else);
    /// enrolled?;
    /// assert_eq!(course.counts().enrolled, 30);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn reserve(&self) -> Reserve<'_> {
        Reserve { wait: Wait::new(self, 1) }
    }

    /// As [`reserve`](Self::reserve), for a reservation that is not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve). The `Arc` is dropped then.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::Closed> {
    /// let course = std::sync::Arc::new(headcount::Course::new(30));
    /// course.clone().reserve_owned().await?.confirm();
    /// assert_eq!(course.counts().enrolled, 1);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn reserve_owned(self: Arc<Self>) -> ReserveOwned {
        ReserveOwned { wait: Wait::new(self, 1) }
    }

    /// Waits for a place and blocks the thread.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the course is closed, also while this waits.
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// course.reserve_blocking()?.confirm();
    /// assert_eq!(course.counts().enrolled, 1);
    /// # Ok::<(), headcount::Closed>(())
    /// ```
    pub fn reserve_blocking(&self) -> Result<Reservation<'_>, Closed> {
        Wait::new(self, 1).block(None).map(Reservation::new).map_err(|_| Closed)
    }

    /// Waits for a place and blocks the thread, but for no longer than `timeout`. See
    /// [`Gate::acquire_timeout`](crate::Gate::acquire_timeout).
    ///
    /// # Errors
    ///
    /// [`Timeout`](AcquireTimeoutError::Timeout) if it was not this caller's turn in time,
    /// [`Closed`](AcquireTimeoutError::Closed) if the course is closed, also while this waits.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let course = headcount::Course::with_enrolled(1, 1).unwrap();
    /// assert!(course.reserve_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// ```
    pub fn reserve_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Reservation<'_>, AcquireTimeoutError> {
        let deadline = Instant::now().checked_add(timeout);
        Wait::new(self, 1).block(deadline).map(Reservation::new)
    }

    /// The number of those on the waitlist.
    ///
    /// ```
    /// assert_eq!(headcount::Course::new(30).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.waitlist.len()
    }
}

/// The future of [`Course::reserve`]: one on the waitlist.
///
/// It does not need to be pinned: it can be polled by reference, and asked in between for its
/// [`position`](Self::position). It panics if it is polled after it was ready.
///
/// ```
/// let course = headcount::Course::new(30);
/// assert_eq!(course.reserve().position(), None); // not in waitlist before it is polled
/// ```
#[must_use = "it is not in waitlist before it is polled"]
pub struct Reserve<'a> {
    wait: Wait<&'a Course>,
}

impl Reserve<'_> {
    /// As [`Acquire::position`](crate::Acquire::position).
    ///
    /// ```
    /// use std::{future::Future, pin::Pin, sync::Arc, task::{Context, Wake, Waker}};
    ///
    /// # struct Silent;
    /// # impl Wake for Silent { fn wake(self: Arc<Self>) {} }
    /// # let waker = Waker::from(Arc::new(Silent));
    /// let course = headcount::Course::with_enrolled(1, 1).unwrap();
    /// let mut waitlisted = course.reserve();
    /// let mut cx = Context::from_waker(&waker);
    /// assert!(Pin::new(&mut waitlisted).poll(&mut cx).is_pending());
    /// assert_eq!(waitlisted.position(), Some(0)); // the next one
    /// ```
    pub fn position(&self) -> Option<usize> {
        self.wait.position()
    }
}

impl<'a> Future for Reserve<'a> {
    type Output = Result<Reservation<'a>, Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Reservation::new(ready!(self.wait.poll(cx))?)))
    }
}

impl fmt::Debug for Reserve<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.describe("Reserve", f)
    }
}

/// The future of [`Course::reserve_owned`]; otherwise the same as [`Reserve`].
///
/// ```
/// let course = std::sync::Arc::new(headcount::Course::new(30));
/// assert_eq!(course.reserve_owned().position(), None); // not in waitlist before it is polled
/// ```
#[must_use = "it is not in waitlist before it is polled"]
pub struct ReserveOwned {
    wait: Wait<Arc<Course>>,
}

impl ReserveOwned {
    /// As [`Acquire::position`](crate::Acquire::position).
    ///
    /// ```
    /// let course = std::sync::Arc::new(headcount::Course::new(30));
    /// assert_eq!(course.reserve_owned().position(), None);
    /// ```
    pub fn position(&self) -> Option<usize> {
        self.wait.position()
    }
}

impl Future for ReserveOwned {
    type Output = Result<OwnedReservation, Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(OwnedReservation::new(ready!(self.wait.poll(cx))?)))
    }
}

impl fmt::Debug for ReserveOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.describe("ReserveOwned", f)
    }
}
