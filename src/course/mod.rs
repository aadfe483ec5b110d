//! The course: a gate and a second counter, the two counters of [An Atomic Rant]. The gate decides;
//! `enrolled` is what people see.
//!
//! # Invariant
//!
//! Each enrolled student holds a place of the gate: a place is claimed before `enrolled` goes up,
//! and given back after `enrolled` went down. The upper half of `enrolled` counts its changes, so
//! that two equal readings mean that it did not change in between.
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
/// - *both-counters*: a reader never sees enrolled > taken, nor taken > capacity unless the
///   capacity was lowered below what was taken, or changes during the reading.
/// - *no-leak*: a [`Reservation`] gives its places back exactly once, unless it is confirmed.
/// - *withdrawn-once*: an [`Enrollment`] gives its places back at most once.
/// - *happens-before*, *unblocked* and, with the feature `wait`, *no-lost-wakeup* as for [`Gate`].
///
/// With the feature `wait`, callers of `reserve` wait in line, as those of `Gate::acquire`.
///
/// # What is not promised
///
/// - Fairness among callers that do not wait.
/// - That a place which is reported free is still free afterwards.
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

/// One consistent reading of a [`Course`]: enrolled ≤ taken, and taken ≤ capacity unless the
/// capacity was lowered below what was taken, or changed during the reading.
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
        Ok(Reservation::new(self, 1))
    }

    /// Reserves `n` places, all or none, without waiting.
    ///
    /// # Errors
    ///
    /// - [`Full`](TryAcquireError::Full) if fewer than `n` places were free.
    /// - [`Closed`](TryAcquireError::Closed) if the course was closed.
    ///
    /// # Cost
    ///
    /// As [`Gate::try_acquire_many`].
    ///
    /// # Examples
    ///
    /// The last two places, and two orders of two: one of them gets both.
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 28).unwrap();
    /// let order = course.try_reserve_many(2)?;
    /// assert!(course.try_reserve_many(2).is_err());
    /// order.confirm();
    /// assert_eq!(course.counts().enrolled, 30);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_reserve_many(&self, n: u32) -> Result<Reservation<'_>, TryAcquireError> {
        self.gate.take(n)?;
        Ok(Reservation::new(self, n))
    }

    /// Reserves `n` places, as [`try_reserve_many`](Self::try_reserve_many), for a reservation that
    /// owns its course.
    ///
    /// # Errors
    ///
    /// As [`try_reserve_many`](Self::try_reserve_many). The `Arc` is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = std::sync::Arc::new(headcount::Course::new(30));
    /// assert_eq!(course.try_reserve_many_owned(2)?.count(), 2);
    /// # Ok::<(), headcount::TryAcquireError>(())
    /// ```
    pub fn try_reserve_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedReservation, TryAcquireError> {
        self.gate.take(n)?;
        Ok(OwnedReservation::new(self, n))
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
        Ok(OwnedReservation::new(self, 1))
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
        let mut place = ReservationInner { course: self, count: 1 };
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
    /// It does not matter which student that is: a second click on the same button gives the place
    /// of another one back. An [`Enrollment`] withdraws once.
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
        self.withdraw_many(1)
    }

    /// Gives `n` enrolled places back, all or none.
    fn withdraw_many(&self, n: u32) -> Result<(), WithdrawError> {
        // Acquire, pairs with the Release of `confirm`: giving the place back then also publishes
        // the earlier writes of the caller that confirmed. Relaxed on failure: nothing follows.
        let success = ordering!("course-withdraw", Acquire => Relaxed);
        let fewer = self.enrolled.fetch_update(success, Ordering::Relaxed, |enrolled| {
            (enrolled as u32 >= n).then(|| enrolled.wrapping_add(change()) - u64::from(n))
        });
        fewer.map_err(|_| WithdrawError)?;
        self.gate.give_back(n);
        Ok(())
    }

    /// Returns one consistent reading of both counters.
    ///
    /// A reading that overlaps a change of the capacity can be off by as many places as that moves,
    /// in `taken` and in `capacity`; enrolled ≤ taken holds throughout.
    ///
    /// # Cost
    ///
    /// Five loads; three of them are repeated for as long as other callers confirm or withdraw in
    /// between. With the feature `wait`, while a caller waits, there is a deficit or the course is
    /// closed, each round also takes the lock of the waitlist.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 12).unwrap();
    /// assert_eq!(course.counts().taken, 12);
    /// ```
    pub fn counts(&self) -> CourseCounts {
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
                let enrolled = after as u32;
                // While the capacity changes, a reading of the gate can be off.
                let taken = taken.max(enrolled);
                return CourseCounts { taken, enrolled, capacity: self.gate.capacity() };
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

    /// Changes the number of places, as [`Gate::set_capacity`]: reservations and enrollments stay
    /// valid, and with the feature `wait` the places that a raise adds go to the waitlist first.
    ///
    /// # Panics
    ///
    /// If `capacity` is above [`Gate::MAX_CAPACITY`]. The course is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 30).unwrap();
    /// course.set_capacity(32);
    /// assert_eq!(course.available(), 2);
    /// ```
    #[track_caller]
    pub fn set_capacity(&self, capacity: u32) {
        self.gate.set_capacity(capacity);
    }

    /// Adds `n` places, and returns the new capacity, as [`Gate::raise_capacity`].
    ///
    /// # Panics
    ///
    /// If the capacity would be above [`Gate::MAX_CAPACITY`]. The course is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Course::new(30).raise_capacity(2), 32);
    /// ```
    #[track_caller]
    pub fn raise_capacity(&self, n: u32) -> u32 {
        self.gate.raise_capacity(n)
    }

    /// Removes `n` places, or all if there are fewer, and returns the new capacity, as
    /// [`Gate::lower_capacity`].
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Course::new(30).lower_capacity(2), 28);
    /// ```
    pub fn lower_capacity(&self, n: u32) -> u32 {
        self.gate.lower_capacity(n)
    }

    /// Returns the number of free places, as [`Gate::available`].
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Course::with_enrolled(30, 12).unwrap().available(), 18);
    /// ```
    pub fn available(&self) -> u32 {
        self.gate.available()
    }

    /// Returns whether no place is free, as [`Gate::is_full`].
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::Course::with_enrolled(30, 30).unwrap().is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        self.gate.is_full()
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

/// The common part of [`Reservation`] and [`OwnedReservation`]: places of a course.
struct ReservationInner<C: Deref<Target = Course>> {
    course: C,
    count: u32,
}

impl<C: Deref<Target = Course>> ReservationInner<C> {
    /// Enrolls the places: they are no longer this reservation's to give back. Returns how many.
    fn confirm(&mut self) -> u32 {
        let count = core::mem::take(&mut self.count);
        // Release, pairs with the Acquire of `counts`: a reader that sees these students enrolled
        // sees the places taken; and with that of `withdraw`.
        self.course.enrolled.fetch_add(
            change() + u64::from(count),
            ordering!("course-confirm", Release => Relaxed),
        );
        count
    }
}

impl<C: Deref<Target = Course>> Drop for ReservationInner<C> {
    fn drop(&mut self) {
        self.course.gate.give_back(self.count);
    }
}

/// The common part of [`Enrollment`] and [`OwnedEnrollment`]: enrolled places of a course.
struct EnrollmentInner<C: Deref<Target = Course>> {
    course: C,
    count: u32,
}

/// The methods of both reservations and of both enrollments. `$course` and `$reserve` are code of
/// the examples: how to create a course and how to reserve places.
macro_rules! reservation {
    (
        [$($lifetime:lifetime)?] $reservation:ty, $name:literal, $handle:ty, $clone:expr,
        $enrollment:ident, $enrollment_type:ty, $course:literal, $reserve:literal
    ) => {
        impl$(<$lifetime>)? $reservation {
            /// Returns a reservation of `count` places that have just been claimed.
            #[inline]
            pub(crate) fn new(course: $handle, count: u32) -> Self {
                Self(ReservationInner { course, count })
            }

            /// Returns the number of places that this reservation holds.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!("assert_eq!(", $reserve, "(2)?.count(), 2);")]
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn count(&self) -> u32 {
                self.0.count
            }

            /// Confirms the reservation: its places count as enrolled and stay taken until a caller
            /// [withdraws](Course::withdraw) them.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!($reserve, "(1)?.confirm();")]
            /// assert_eq!(course.counts().enrolled, 1);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn confirm(mut self) {
                self.0.confirm();
            }

            /// Confirms the reservation, as [`confirm`](Self::confirm), and returns what can be
            /// withdrawn once.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!("let enrollment = ", $reserve, "(1)?.enroll();")]
            /// assert_eq!(course.counts().enrolled, 1);
            /// enrollment.withdraw().unwrap();
            /// assert_eq!(course.counts().taken, 0);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn enroll(mut self) -> $enrollment_type {
                let count = self.0.confirm();
                $enrollment(EnrollmentInner { course: $clone(&self.0.course), count })
            }

            /// Gives the places back, as dropping does.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!($reserve, "(1)?.cancel();")]
            /// assert_eq!(course.counts().taken, 0);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn cancel(self) {}
        }

        impl$(<$lifetime>)? fmt::Debug for $reservation {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("count", &self.count()).finish_non_exhaustive()
            }
        }

        impl$(<$lifetime>)? $enrollment_type {
            /// Returns the number of places that are enrolled.
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!("assert_eq!(", $reserve, "(2)?.enroll().count(), 2);")]
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn count(&self) -> u32 {
                self.0.count
            }

            /// Withdraws the enrollment: its places are free again.
            ///
            /// # Guarantees
            ///
            /// *withdrawn-once*: it consumes the enrollment, so a second click has nothing to
            /// withdraw.
            ///
            /// # Errors
            ///
            /// If fewer places are enrolled, as [`Course::withdraw`] has withdrawn them without
            /// asking whose they are. Nothing is changed then.
            ///
            /// # Cost
            ///
            /// As [`Course::withdraw`].
            ///
            /// # Examples
            ///
            /// ```
            /// # use headcount::Course;
            #[doc = $course]
            #[doc = concat!("let enrollment = ", $reserve, "(2)?.enroll();")]
            /// enrollment.withdraw().unwrap();
            /// assert_eq!(course.available(), 30);
            /// # Ok::<(), headcount::TryAcquireError>(())
            /// ```
            pub fn withdraw(self) -> Result<(), WithdrawError> {
                self.0.course.withdraw_many(self.0.count)
            }
        }

        impl$(<$lifetime>)? fmt::Debug for $enrollment_type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($enrollment))
                    .field("count", &self.count())
                    .finish_non_exhaustive()
            }
        }
    };
}

/// Holds places of a [`Course`] that are not enrolled yet, and gives them back when it is dropped.
///
/// Returned by [`Course::try_reserve`] and [`Course::try_reserve_many`]. It can be dropped on any
/// thread, and by a panic. A reservation that is leaked with [`core::mem::forget`] keeps its
/// places.
///
/// # Examples
///
/// ```
/// let course = headcount::Course::new(30);
/// drop(course.try_reserve()?);
/// assert_eq!(course.counts().taken, 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the places are given back as soon as the reservation is dropped"]
pub struct Reservation<'a>(ReservationInner<&'a Course>);

/// Enrolled places of a [`Course`], which can be withdrawn once.
///
/// Returned by [`Reservation::enroll`]. Dropping it changes nothing: the places stay enrolled.
///
/// # Examples
///
/// ```
/// let course = headcount::Course::new(30);
/// let enrollment = course.try_reserve()?.enroll();
/// enrollment.withdraw().unwrap();
/// assert_eq!(course.counts().enrolled, 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
pub struct Enrollment<'a>(EnrollmentInner<&'a Course>);

reservation!(
    ['a] Reservation<'a>,
    "Reservation",
    &'a Course,
    |course: &&'a Course| *course,
    Enrollment,
    Enrollment<'a>,
    "let course = Course::new(30);",
    "course.try_reserve_many"
);

/// Holds places of a [`Course`] behind an `Arc` that are not enrolled yet, and gives them back when
/// it is dropped.
///
/// Returned by [`Course::try_reserve_owned`] and [`Course::try_reserve_many_owned`]; otherwise the
/// same as [`Reservation`].
///
/// # Examples
///
/// ```
/// let course = std::sync::Arc::new(headcount::Course::new(30));
/// drop(course.clone().try_reserve_owned()?);
/// assert_eq!(course.counts().taken, 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[must_use = "the places are given back as soon as the reservation is dropped"]
pub struct OwnedReservation(ReservationInner<Arc<Course>>);

/// Enrolled places of a [`Course`] behind an `Arc`, which can be withdrawn once.
///
/// Returned by [`OwnedReservation::enroll`]; otherwise the same as [`Enrollment`].
///
/// # Examples
///
/// ```
/// let course = std::sync::Arc::new(headcount::Course::new(30));
/// let enrollment = course.clone().try_reserve_owned()?.enroll();
/// std::thread::spawn(move || enrollment.withdraw()).join().unwrap().unwrap();
/// assert_eq!(course.counts().enrolled, 0);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
pub struct OwnedEnrollment(EnrollmentInner<Arc<Course>>);

reservation!(
    [] OwnedReservation,
    "OwnedReservation",
    Arc<Course>,
    Arc::clone,
    OwnedEnrollment,
    OwnedEnrollment,
    "let course = std::sync::Arc::new(Course::new(30));",
    "course.clone().try_reserve_many_owned"
);
