//! The course: a slot with the two counters of [An Atomic Rant], the one that decides and the one
//! that people see.
//!
//! # Invariant
//!
//! Whoever is enrolled has a place in the slot: a place is claimed before `enrolled` goes up, and
//! given back after `enrolled` went down. `enrolled` carries a count of its own changes, so that two
//! equal readings mean that nothing happened in between.
//!
//! [An Atomic Rant]: https://nateware.com/2010/02/18/an-atomic-rant/

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use crate::error::{CapacityError, EnrollError, TryAcquireError, WithdrawError};
use crate::protocol::slot::{Slot, CEILING, WAITING};
use crate::sync::{const_fn, AtomicU64, Ordering};
use crate::wait::Waitlist;

/// One change of `enrolled`, counted in its upper half.
const CHANGE: u64 = 1 << 32;

/// Places that are reserved first and confirmed when all else has succeeded.
///
/// A course keeps the two counters of Nate Wiger's *An Atomic Rant*: `taken`, which decides and
/// includes reservations in progress, and `enrolled`, which people see and which moves only on
/// success.
///
/// # At most 30 students in a course
///
/// ```
/// use headcount::{Course, EnrollError};
///
/// let course = Course::new(30);
/// let mut students = Vec::new();
/// for name in ["ann", "bob", "eve"] {
///     let signed_up = course.enroll(|head_count| {
///         if name == "bob" {
///             return Err("bob has no account"); // the place is free again
///         }
///         students.push((name, head_count));
///         Ok(())
///     });
///     assert_eq!(signed_up.is_err(), name == "bob");
/// }
/// assert_eq!(students, [("ann", 1), ("eve", 2)]);
/// assert_eq!(course.counts().enrolled, 2);
/// # Ok::<(), EnrollError<&str>>(())
/// ```
///
/// # What is promised
///
/// - *never-over*, *exact*, *wait-free enter* and the memory ordering as for [`Gate`](crate::Gate),
///   with what is said there about closing and reopening.
/// - *both-counters*: a reader never sees enrolled > taken, nor taken > capacity.
/// - *no-leak*: a [`Reservation`] gives its place back exactly once, unless it is confirmed.
///
/// Available where the target has 64-bit atomics.
pub struct Course {
    pub(crate) slot: Slot,
    capacity: u32,
    enrolled: AtomicU64,
    pub(crate) waitlist: Waitlist,
}

/// One consistent reading of a [`Course`]: enrolled ≤ taken ≤ capacity.
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
    /// Places that are reserved or enrolled: the counter that decides.
    pub taken: u32,
    /// Places whose reservation was confirmed: the counter that people see.
    pub enrolled: u32,
    /// All places.
    pub capacity: u32,
}

impl Course {
    const_fn! {
        /// A course with `capacity` places and nobody in it.
        ///
        /// # Panics
        ///
        /// If `capacity` is above [`Gate::MAX_CAPACITY`](crate::Gate::MAX_CAPACITY); in a constant,
        /// that is a compile error.
        ///
        /// ```
        /// static COURSE: headcount::Course = headcount::Course::new(30);
        /// assert_eq!(COURSE.capacity(), 30);
        /// ```
        #[track_caller]
        pub const fn new(capacity: u32) -> Course {
            assert!(capacity <= CEILING, "capacity is above Gate::MAX_CAPACITY");
            Course {
                slot: Slot::new(capacity, 0),
                capacity,
                enrolled: AtomicU64::new(0),
                waitlist: Waitlist::new(),
            }
        }
    }

    /// A course in which `enrolled` places are taken already, as a database says at start.
    ///
    /// # Errors
    ///
    /// If `enrolled` is above `capacity`, or `capacity` above
    /// [`Gate::MAX_CAPACITY`](crate::Gate::MAX_CAPACITY).
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 29)?;
    /// assert!(course.enroll(|_| Ok::<_, ()>(())).is_ok());
    /// assert!(course.enroll(|_| Ok::<_, ()>(())).is_err());
    /// # Ok::<(), headcount::CapacityError>(())
    /// ```
    pub fn with_enrolled(capacity: u32, enrolled: u32) -> Result<Course, CapacityError> {
        for (asked, limit) in [(capacity, CEILING), (enrolled, capacity)] {
            if asked > limit {
                return Err(CapacityError { asked, limit });
            }
        }
        let slot = Slot::new(capacity, enrolled);
        let enrolled = AtomicU64::new(enrolled.into());
        Ok(Course { slot, capacity, enrolled, waitlist: Waitlist::new() })
    }

    /// Takes a place that is not enrolled yet.
    ///
    /// # Errors
    ///
    /// [`Full`](TryAcquireError::Full) if all places were taken,
    /// [`Closed`](TryAcquireError::Closed) if the course was closed.
    ///
    /// # Cost
    ///
    /// As [`Gate::try_acquire`](crate::Gate::try_acquire).
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
        self.enter()?;
        Ok(Reservation::new(self))
    }

    /// As [`try_reserve`](Self::try_reserve), for a reservation that is not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The `Arc` is dropped then.
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
        self.enter()?;
        Ok(OwnedReservation::new(self))
    }

    /// The block form: reserves, runs `f`, and enrolls if it succeeds.
    ///
    /// `f` is given the head count that includes this head. `Err` and panic give the place back.
    ///
    /// # Errors
    ///
    /// [`Full`](EnrollError::Full) and [`Closed`](EnrollError::Closed) as
    /// [`try_reserve`](Self::try_reserve), and `f` is not called then;
    /// [`Failed`](EnrollError::Failed) with the error of `f`.
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// assert_eq!(course.enroll(|head_count| Ok::<_, ()>(head_count)), Ok(1));
    /// assert!(course.enroll(|_| Err::<(), _>("payment failed")).is_err());
    /// assert_eq!(course.counts().taken, 1);
    /// ```
    pub fn enroll<T, E>(&self, f: impl FnOnce(u32) -> Result<T, E>) -> Result<T, EnrollError<E>> {
        let level = self.enter()?;
        let place = ReservationInner { course: self, cancels: true };
        let outcome = f(level + self.capacity - CEILING).map_err(EnrollError::Failed)?;
        place.confirm();
        Ok(outcome)
    }

    /// Gives back the place of one who is enrolled.
    ///
    /// # Errors
    ///
    /// If nobody is enrolled. Nothing is changed then: reservations are not touched.
    ///
    /// # Cost
    ///
    /// Two atomic operations; the first is repeated for as long as others change it in between.
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 1).unwrap();
    /// assert!(course.withdraw().is_ok());
    /// assert!(course.withdraw().is_err());
    /// ```
    pub fn withdraw(&self) -> Result<(), WithdrawError> {
        // Acquire: pairs with the Release of `confirm`, so that the leave below hands on what was
        // written by the one who enrolled. Relaxed on failure: nothing is done then.
        let fewer = self.enrolled.fetch_update(Ordering::Acquire, Ordering::Relaxed, |enrolled| {
            (enrolled as u32 > 0).then(|| enrolled.wrapping_add(CHANGE) - 1)
        });
        fewer.map_err(|_| WithdrawError)?;
        self.waitlist.give_back(&self.slot, 1);
        Ok(())
    }

    /// One consistent reading of both counters.
    ///
    /// # Cost
    ///
    /// Three loads, repeated for as long as others confirm or withdraw in between.
    ///
    /// ```
    /// let course = headcount::Course::with_enrolled(30, 12).unwrap();
    /// assert_eq!(course.counts().taken, 12);
    /// ```
    pub fn counts(&self) -> CourseCounts {
        // Acquire: pairs with the Release of `confirm`: who sees a head enrolled sees its place taken.
        let mut before = self.enrolled.load(Ordering::Acquire);
        loop {
            // No place is ever deficit here: above the capacity stand only those who came too late
            // while somebody waits, and are about to back out.
            let taken = self.slot.read().held(self.capacity).min(self.capacity);
            // Acquire: as above, for the next round. That it sees each withdrawal whose leave was
            // read is due to the Acquire of that reading.
            let after = self.enrolled.load(Ordering::Acquire);
            if before == after {
                return CourseCounts { taken, enrolled: after as u32, capacity: self.capacity };
            }
            before = after;
        }
    }

    /// Lets nobody new in; reservations may still be confirmed or cancelled. See
    /// [`Gate::close`](crate::Gate::close).
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// course.close();
    /// assert!(course.try_reserve().unwrap_err().is_closed());
    /// ```
    pub fn close(&self) {
        self.waitlist.close(&self.slot);
    }

    /// Lets people in again. See [`Gate::reopen`](crate::Gate::reopen).
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// course.close();
    /// course.reopen();
    /// assert!(course.try_reserve().is_ok());
    /// ```
    pub fn reopen(&self) {
        self.waitlist.reopen(&self.slot);
    }

    /// True if the course is closed.
    ///
    /// ```
    /// assert!(!headcount::Course::new(30).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.slot.read().is_closed()
    }

    /// The number of places.
    ///
    /// ```
    /// assert_eq!(headcount::Course::new(30).capacity(), 30);
    /// ```
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Claims one place; yields the level that includes the new head.
    #[inline]
    pub(crate) fn enter(&self) -> Result<u32, TryAcquireError> {
        let level = self.slot.enter()?;
        self.waitlist.admit(&self.slot, level, 1)?;
        Ok(level & !WAITING)
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

/// What [`Reservation`] and [`OwnedReservation`] share: one taken place.
struct ReservationInner<C: Deref<Target = Course>> {
    course: C,
    cancels: bool,
}

impl<C: Deref<Target = Course>> ReservationInner<C> {
    fn confirm(mut self) {
        self.cancels = false;
        // Release: pairs with the Acquire of `counts`: who sees this head enrolled sees its place
        // taken.
        self.course.enrolled.fetch_add(CHANGE + 1, Ordering::Release);
    }
}

impl<C: Deref<Target = Course>> Drop for ReservationInner<C> {
    fn drop(&mut self) {
        if self.cancels {
            self.course.waitlist.give_back(&self.course.slot, 1);
        }
    }
}

/// The methods of both reservations. `$course` and `$reserve` tell the examples how to reserve.
macro_rules! reservation {
    ([$($lifetime:lifetime)?] $reservation:ty, $handle:ty, $name:literal, $course:literal, $reserve:literal) => {
        impl$(<$lifetime>)? $reservation {
            /// A reservation of a place that has just been taken.
            #[inline]
            pub(crate) fn new(course: $handle) -> Self {
                Self(ReservationInner { course, cancels: true })
            }

            /// Enrolls: the place stays taken until somebody [withdraws](Course::withdraw).
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

/// A place in a [`Course`] that is taken and not enrolled yet.
///
/// Returned by [`Course::try_reserve`]. Dropping it gives the place back, on whatever thread and
/// also while panicking. A reservation that is leaked with [`core::mem::forget`] keeps its place.
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

/// A place in a [`Course`] behind an `Arc` that is taken and not enrolled yet.
///
/// Returned by [`Course::try_reserve_owned`]; otherwise the same as [`Reservation`].
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
