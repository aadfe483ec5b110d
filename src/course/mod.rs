//! The course: a gate and a second counter, the two counters of [An Atomic Rant]. The gate decides;
//! `enrolled` is what people see.
//!
//! # Invariant
//!
//! Each enrolled student holds a place of the gate: a place is claimed before `enrolled` goes up,
//! and given back after `enrolled` went down. The upper half of `enrolled` counts its changes, so
//! that two equal readings mean that it did not change in between. The capacity of the gate never
//! changes.
//!
//! [An Atomic Rant]: https://nateware.com/2010/02/18/an-atomic-rant/

#[cfg(feature = "wait")]
mod wait;

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use crate::error::{CapacityError, EnrollError, TryAcquireError, WithdrawError};
use crate::gate::Gate;
use crate::protocol::mutants::{mutant, ordering};
use crate::sync::{const_fn, AtomicU64, Ordering};
#[cfg(feature = "wait")]
pub use wait::{Reserve, ReserveOwned};

/// Returns one change of `enrolled`, as it is counted in its upper half.
#[inline(always)]
fn change() -> u64 {
    if mutant!("course-uncounted-change") {
        0
    } else {
        1 << 32
    }
}

/// Places that are reserved first and confirmed once all else has succeeded.
///
/// A course keeps the two counters of Nate Wiger's *An Atomic Rant*: `taken`, which decides and
/// includes reservations in progress, and `enrolled`, which people see and which changes only on
/// success.
///
/// # Guarantees
///
/// - *never-over*, *exact*, *wait-free enter* and *cheap no* as for [`Gate`], with what is said
///   there about closing and reopening.
/// - *both-counters*: a reader never sees enrolled > taken, nor taken > capacity.
/// - *no-leak*: a [`Reservation`] gives its place back exactly once, unless it is confirmed.
///
/// Available where the target has 64-bit atomics.
///
/// # Memory ordering
///
/// As for [`Gate`]. Confirming is a release operation and withdrawing an acquire operation: the
/// next holder of a place that was withdrawn sees the earlier writes of the caller that confirmed.
///
/// # Examples
///
/// At most 30 students in a course:
///
/// ```
/// use headcount::{Course, EnrollError};
///
/// let course = Course::new(30);
/// let mut students = Vec::new();
/// for name in ["ann", "bob", "eve"] {
///     let signed_up = course.enroll(|taken| {
///         if name == "bob" {
///             return Err("bob has no account"); // the place is free again
///         }
///         students.push((name, taken));
///         Ok(())
///     });
///     assert_eq!(signed_up.is_err(), name == "bob");
/// }
/// assert_eq!(students, [("ann", 1), ("eve", 2)]);
/// assert_eq!(course.counts().enrolled, 2);
/// # Ok::<(), EnrollError<&str>>(())
/// ```
pub struct Course {
    gate: Gate,
    enrolled: AtomicU64,
}

/// One consistent reading of a [`Course`]: enrolled ≤ taken ≤ capacity.
///
/// # Examples
///
/// ```
/// let course = headcount::Course::new(30);
/// let _reservation = course.try_reserve()?;
/// let counts = course.counts();
/// assert_eq!((counts.taken, counts.enrolled, counts.capacity), (1, 0, 30));
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct CourseCounts {
    /// The number of places that are reserved or enrolled: the counter that decides.
    pub taken: u32,
    /// The number of places whose reservation was confirmed: the counter that people see.
    pub enrolled: u32,
    /// The number of all places.
    pub capacity: u32,
}

impl Course {
    const_fn! {
        /// Creates a course with `capacity` places, all of them free.
        ///
        /// # Panics
        ///
        /// If `capacity` is above [`Gate::MAX_CAPACITY`]; in a constant, that is a compile error.
        ///
        /// # Examples
        ///
        /// ```
        /// static COURSE: headcount::Course = headcount::Course::new(30);
        /// assert_eq!(COURSE.capacity(), 30);
        /// ```
        #[track_caller]
        pub const fn new(capacity: u32) -> Course {
            assert!(capacity <= Gate::MAX_CAPACITY, "capacity is above Gate::MAX_CAPACITY");
            Course { gate: Gate::with_occupied(capacity, 0), enrolled: AtomicU64::new(0) }
        }
    }

    /// Creates a course in which `enrolled` places are enrolled already, for instance from a
    /// database.
    ///
    /// # Errors
    ///
    /// If `enrolled` is above `capacity`, or `capacity` above [`Gate::MAX_CAPACITY`].
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 29)?;
    /// assert!(course.enroll(|_| Ok::<_, ()>(())).is_ok());
    /// assert!(course.enroll(|_| Ok::<_, ()>(())).is_err());
    /// # Ok::<(), headcount::CapacityError>(())
    /// ```
    pub fn with_enrolled(capacity: u32, enrolled: u32) -> Result<Course, CapacityError> {
        for (asked, limit) in [(capacity, Gate::MAX_CAPACITY), (enrolled, capacity)] {
            if asked > limit {
                return Err(CapacityError { asked, limit });
            }
        }
        let gate = Gate::with_occupied(capacity, enrolled);
        Ok(Course { gate, enrolled: AtomicU64::new(enrolled.into()) })
    }

    /// Reserves a place, without waiting.
    ///
    /// # Errors
    ///
    /// - [`Full`](TryAcquireError::Full) if all places were taken.
    /// - [`Closed`](TryAcquireError::Closed) if the course was closed.
    ///
    /// # Cost
    ///
    /// As [`Gate::try_acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// let reservation = course.try_reserve()?;
    /// assert_eq!(course.counts().taken, 1);
    /// reservation.confirm();
    /// assert_eq!(course.counts().enrolled, 1);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_reserve(&self) -> Result<Reservation<'_>, TryAcquireError> {
        self.gate.enter()?;
        Ok(Reservation::new(self))
    }

    /// Reserves a place, as [`try_reserve`](Self::try_reserve), for a reservation that owns its
    /// course.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let course = Arc::new(headcount::Course::new(30));
    /// let reservation = Arc::clone(&course).try_reserve_owned()?;
    /// std::thread::spawn(move || reservation.confirm()).join().unwrap();
    /// assert_eq!(course.counts().enrolled, 1);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_reserve_owned(self: Arc<Self>) -> Result<OwnedReservation, TryAcquireError> {
        self.gate.enter()?;
        Ok(OwnedReservation::new(self))
    }

    /// Reserves a place, calls `f`, and enrolls if `f` succeeds.
    ///
    /// The argument of `f` is the number of places taken, this one included. If `f` returns an
    /// error or panics, the place is given back.
    ///
    /// # Errors
    ///
    /// - [`Full`](EnrollError::Full) and [`Closed`](EnrollError::Closed) as
    ///   [`try_reserve`](Self::try_reserve). `f` is not called then.
    /// - [`Failed`](EnrollError::Failed) with the error of `f`.
    ///
    /// # Cost
    ///
    /// A load and two `fetch_add`, besides what `f` costs.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// assert_eq!(course.enroll(|taken| Ok::<_, ()>(taken)), Ok(1));
    /// assert!(course.enroll(|_| Err::<(), _>("payment failed")).is_err());
    /// assert_eq!(course.counts().taken, 1);
    /// ```
    pub fn enroll<T, E>(&self, f: impl FnOnce(u32) -> Result<T, E>) -> Result<T, EnrollError<E>> {
        let taken = self.gate.enter_counted()?;
        let place = ReservationInner { course: self, cancels: true };
        let outcome = f(taken).map_err(EnrollError::Failed)?;
        place.confirm();
        Ok(outcome)
    }

    /// Gives the place of one enrolled student back.
    ///
    /// # Errors
    ///
    /// If no student is enrolled. Nothing is changed then; reservations are never touched.
    ///
    /// # Cost
    ///
    /// Two atomic operations; the first is repeated for as long as other callers change the same
    /// counter in between.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 1).unwrap();
    /// assert!(course.withdraw().is_ok());
    /// assert!(course.withdraw().is_err());
    /// ```
    pub fn withdraw(&self) -> Result<(), WithdrawError> {
        // Acquire, pairs with the Release of `confirm`: giving the place back then also publishes
        // the earlier writes of the caller that confirmed. Relaxed on failure: nothing follows.
        let success = ordering!("course-withdraw", Acquire => Relaxed);
        let fewer = self.enrolled.fetch_update(success, Ordering::Relaxed, |enrolled| {
            (enrolled as u32 > 0).then(|| enrolled.wrapping_add(change()) - 1)
        });
        fewer.map_err(|_| WithdrawError)?;
        self.gate.give_back(1);
        Ok(())
    }

    /// Returns one consistent reading of both counters.
    ///
    /// # Cost
    ///
    /// Four loads; two of them are repeated for as long as other callers confirm or withdraw in
    /// between.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 12).unwrap();
    /// assert_eq!(course.counts().taken, 12);
    /// ```
    pub fn counts(&self) -> CourseCounts {
        let capacity = self.gate.capacity();
        // Acquire, pairs with the Release of `confirm`: a reader that sees a student enrolled sees
        // the place taken.
        let first = ordering!("course-counts", Acquire => Relaxed);
        let mut before = self.enrolled.load(first);
        loop {
            let taken = self.gate.occupied();
            // Acquire: as above, for the next round. That this load sees each withdrawal whose
            // place was read as free is due to the Acquire of `read`.
            let again = ordering!("course-counts-again", Acquire => Relaxed);
            let after = self.enrolled.load(again);
            if before == after || mutant!("course-counts-no-recheck") {
                return CourseCounts { taken, enrolled: after as u32, capacity };
            }
            before = after;
        }
    }

    /// Closes the course: from now on it refuses every caller, as [`Gate::close`]. Reservations can
    /// still be confirmed or cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// course.close();
    /// assert!(course.try_reserve().unwrap_err().is_closed());
    /// ```
    pub fn close(&self) {
        self.gate.close();
    }

    /// Reopens a closed course, as [`Gate::reopen`].
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// course.close();
    /// course.reopen();
    /// assert!(course.try_reserve().is_ok());
    /// ```
    pub fn reopen(&self) {
        self.gate.reopen();
    }

    /// Returns whether the course is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!headcount::Course::new(30).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.gate.is_closed()
    }

    /// Returns the number of places.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Course::new(30).capacity(), 30);
    /// ```
    pub fn capacity(&self) -> u32 {
        self.gate.capacity()
    }
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CourseCounts { taken, enrolled, capacity } = self.counts();
        f.debug_struct("Course")
            .field("taken", &taken)
            .field("enrolled", &enrolled)
            .field("capacity", &capacity)
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// The common part of [`Reservation`] and [`OwnedReservation`]: one place of a course.
struct ReservationInner<C: Deref<Target = Course>> {
    course: C,
    cancels: bool,
}

impl<C: Deref<Target = Course>> ReservationInner<C> {
    fn confirm(mut self) {
        self.cancels = false;
        // Release, pairs with the Acquire of `counts`: a reader that sees this student enrolled
        // sees the place taken; and with that of `withdraw`.
        self.course
            .enrolled
            .fetch_add(change() + 1, ordering!("course-confirm", Release => Relaxed));
    }
}

impl<C: Deref<Target = Course>> Drop for ReservationInner<C> {
    fn drop(&mut self) {
        if self.cancels {
            self.course.gate.give_back(1);
        }
    }
}

/// The methods of both reservations. `$course` and `$reserve` are code of the examples: how to
/// create a course and how to reserve.
macro_rules! reservation {
    ([$($lifetime:lifetime)?] $reservation:ty, $handle:ty, $name:literal, $course:literal, $reserve:literal) => {
        impl$(<$lifetime>)? $reservation {
            /// Returns a reservation of a place that has just been claimed.
            #[inline]
            pub(crate) fn new(course: $handle) -> Self {
                Self(ReservationInner { course, cancels: true })
            }

            /// Confirms the reservation: the place counts as enrolled and stays taken until a
            /// caller [withdraws](Course::withdraw) it.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!($reserve, "?.confirm();")]
            /// assert_eq!(course.counts().enrolled, 1);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn confirm(self) {
                self.0.confirm();
            }

            /// Gives the place back, as dropping does.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!($reserve, "?.cancel();")]
            /// assert_eq!(course.counts().taken, 0);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn cancel(self) {}
        }

        impl$(<$lifetime>)? fmt::Debug for $reservation {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    };
}

/// Holds a place of a [`Course`] that is not enrolled yet, and gives it back when it is dropped.
///
/// Returned by [`Course::try_reserve`]. It can be dropped on any thread, and by a panic. A
/// reservation that is leaked with [`core::mem::forget`] keeps its place.
///
/// # Examples
///
/// ```
/// let course = headcount::Course::new(30);
/// drop(course.try_reserve()?);
/// assert_eq!(course.counts().taken, 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the reservation is dropped"]
pub struct Reservation<'a>(ReservationInner<&'a Course>);

reservation!(
    ['a] Reservation<'a>,
    &'a Course,
    "Reservation",
    "let course = Course::new(30);",
    "course.try_reserve()"
);

/// Holds a place of a [`Course`] behind an `Arc` that is not enrolled yet, and gives it back when
/// it is dropped.
///
/// Returned by [`Course::try_reserve_owned`]; otherwise the same as [`Reservation`].
///
/// # Examples
///
/// ```
/// let course = std::sync::Arc::new(headcount::Course::new(30));
/// drop(course.clone().try_reserve_owned()?);
/// assert_eq!(course.counts().taken, 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the place is given back as soon as the reservation is dropped"]
pub struct OwnedReservation(ReservationInner<Arc<Course>>);

reservation!(
    [] OwnedReservation,
    Arc<Course>,
    "OwnedReservation",
    "let course = std::sync::Arc::new(Course::new(30));",
    "course.clone().try_reserve_owned()"
);
