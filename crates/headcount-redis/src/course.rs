//! A course that several processes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{check_ttl, Connection};
use crate::error::{RemoteEnrollError, RemoteError};
use crate::lease::{Guard, Keeper};
use crate::object::{args, fresh_id, ms, script, Object};

/// Places that are reserved first and confirmed once all else has succeeded, shared by several
/// processes. Each place is a student's, by an id that the caller chooses.
///
/// A reservation ends after the hold time, and is not renewed: it bounds how long a caller may
/// take. An enrollment does not end; it is withdrawn.
///
/// # Guarantees
///
/// While one primary loses no writes:
///
/// - *never-over*: enrollments and reservations that have not ended are never more than the
///   capacity.
/// - *exact*: a caller is refused only if, at an instant within the call, no place was free.
/// - *both-counters*: a reader never sees enrolled > taken.
/// - *once*: a student has at most one place. A call that is repeated, because its answer was lost,
///   takes, confirms or withdraws once.
///
/// # What is not promised
///
/// After lost writes, enrollments that were lost are not known any more.
///
/// # Examples
///
/// At most 30 students in a course:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use headcount_redis::{Connection, RemoteCourse};
///
/// let connection = Connection::open("redis://127.0.0.1/").await?;
/// let course = RemoteCourse::new(&connection, "algebra", 30, Duration::from_secs(30))?;
/// course
///     .enroll("ann", async |taken| {
///         println!("{taken} places are taken");
///         Ok::<(), std::io::Error>(()) // an error gives the place back
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteCourse {
    keeper: Arc<Keeper>,
    capacity: u32,
}

/// One consistent reading of a [`RemoteCourse`]: enrolled ≤ taken.
///
/// # Examples
///
/// ```no_run
/// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
/// let counts = course.counts().await?;
/// assert!(counts.enrolled <= counts.taken);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RemoteCourseCounts {
    /// The number of places that are enrolled, or reserved until a deadline that has not passed.
    pub taken: u32,
    /// The number of places that are enrolled.
    pub enrolled: u32,
    /// The number of all places.
    pub capacity: u32,
    /// Whether the course is closed.
    pub closed: bool,
}

impl RemoteCourse {
    /// Returns the course of that name. A reservation lasts for `hold`. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RemoteError::Invalid) if `hold` is below a millisecond or above a day.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn example(connection: headcount_redis::Connection) -> Result<(), headcount_redis::RemoteError> {
    /// use headcount_redis::RemoteCourse;
    /// let course = RemoteCourse::new(&connection, "algebra", 30, Duration::from_secs(30))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        connection: &Connection,
        name: &str,
        capacity: u32,
        hold: Duration,
    ) -> Result<RemoteCourse, RemoteError> {
        let suffixes = ["pending", "enrolled", "reserved", "ended", "fence", "closed"];
        let object = Object::new(connection, script!("course.lua"), "course", name, &suffixes);
        // Nothing is renewed.
        let keeper = Keeper::new(object, check_ttl(hold)?, Vec::new(), args!["cancel"]);
        Ok(RemoteCourse { keeper: Arc::new(keeper), capacity })
    }

    fn object(&self) -> &Object {
        self.keeper.object()
    }

    /// Reserves a place for that student. If the student has a reservation already, for instance of
    /// another process, the new one takes its place over and the old one is lost.
    ///
    /// # Errors
    ///
    /// [`Full`](RemoteError::Full) with the time until the first reservation ends;
    /// [`Closed`](RemoteError::Closed); [`AlreadyEnrolled`](RemoteError::AlreadyEnrolled); or the
    /// engine's failure.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a reservation that the call may have made is cancelled in the
    /// background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
    /// let reservation = course.try_reserve("ann").await?;
    /// reservation.confirm().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_reserve(&self, student: &str) -> Result<RemoteReservation, RemoteError> {
        let request = fresh_id()?;
        let mut guard = self.keeper.guard(args![student, &request]);
        let args = args!["reserve", student, &request, ms(self.keeper.ttl()), self.capacity];
        let answer = self.object().run(&args).await?;
        let refused = match answer.get(0)? {
            1 => {
                let (fence, taken) = (answer.number(1)?, answer.number(2)?);
                let (course, student) = (self.clone(), student.into());
                return Ok(RemoteReservation { course, guard, student, request, fence, taken });
            }
            0 => RemoteError::full(answer.get(1)?),
            2 => RemoteError::Closed,
            3 => RemoteError::AlreadyEnrolled { fence: answer.number(1)? },
            _ => return Err(answer.unexpected().into()),
        };
        guard.disarm();
        Err(refused)
    }

    /// Reserves a place, calls `f` with the number of taken places, and confirms the place if `f`
    /// succeeds. If `f` fails, the place is free again.
    ///
    /// # Errors
    ///
    /// [`Failed`](RemoteEnrollError::Failed) with the error of `f`, or
    /// [`Remote`](RemoteEnrollError::Remote) as for [`try_reserve`](Self::try_reserve) and
    /// [`confirm`](RemoteReservation::confirm).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, or `f` panics, the reservation is cancelled in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(course: headcount_redis::RemoteCourse) {
    /// let failed = course.enroll("bob", async |_| Err::<(), _>("no account")).await;
    /// assert!(failed.is_err());
    /// # }
    /// ```
    pub async fn enroll<T, E>(
        &self,
        student: &str,
        f: impl AsyncFnOnce(u32) -> Result<T, E>,
    ) -> Result<(T, RemoteEnrollment), RemoteEnrollError<E>> {
        let reservation = self.try_reserve(student).await?;
        match f(reservation.taken()).await {
            Ok(value) => Ok((value, reservation.confirm().await?)),
            Err(error) => {
                // Best effort: a reservation that cannot be cancelled ends by itself.
                let _ = reservation.cancel().await;
                Err(RemoteEnrollError::Failed(error))
            }
        }
    }

    /// Returns the enrollment of that student, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
    /// if let Some(enrollment) = course.enrollment("ann").await? {
    ///     enrollment.withdraw().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn enrollment(&self, student: &str) -> Result<Option<RemoteEnrollment>, RemoteError> {
        let fence = self.object().run(&args!["lookup", student]).await?.number(0)?;
        let (course, student) = (self.clone(), student.into());
        Ok((fence != 0).then_some(RemoteEnrollment { course, student, fence }))
    }

    /// Returns the counts at an instant within the call.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
    /// println!("{} students", course.counts().await?.enrolled);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn counts(&self) -> Result<RemoteCourseCounts, RemoteError> {
        let answer = self.object().run(&args!["read"]).await?;
        Ok(RemoteCourseCounts {
            taken: answer.number(0)?,
            enrolled: answer.number(1)?,
            capacity: self.capacity,
            closed: answer.get(2)? == 1,
        })
    }

    /// Closes the course, for all processes: it makes no reservation until it is reopened.
    /// Reservations can still be confirmed.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
    /// course.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) -> Result<(), RemoteError> {
        self.object().run(&args!["close"]).await?;
        Ok(())
    }

    /// Reopens the course. Reopening an open course changes nothing.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
    /// course.reopen().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reopen(&self) -> Result<(), RemoteError> {
        self.object().run(&args!["reopen"]).await?;
        Ok(())
    }
}

impl fmt::Debug for RemoteCourse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCourse").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// A place of a [`RemoteCourse`], reserved until its deadline. Dropping it cancels it in the
/// background.
///
/// # Examples
///
/// ```no_run
/// # async fn example(course: headcount_redis::RemoteCourse) -> Result<(), headcount_redis::RemoteError> {
/// let reservation = course.try_reserve("ann").await?;
/// let enrollment = reservation.confirm().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a reservation cancels it"]
pub struct RemoteReservation {
    course: RemoteCourse,
    guard: Guard,
    student: String,
    request: String,
    fence: u64,
    taken: u32,
}

impl RemoteReservation {
    /// Returns the number of places that were taken when this one was reserved, with this one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(reservation: headcount_redis::RemoteReservation) {
    /// assert!(reservation.taken() >= 1);
    /// # }
    /// ```
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// Returns the fence: a number above those of all reservations that the course gave before.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(reservation: headcount_redis::RemoteReservation) {
    /// println!("fence {}", reservation.fence());
    /// # }
    /// ```
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Confirms the place: the student is enrolled. After the deadline that succeeds as well, if a
    /// place is free.
    ///
    /// # Errors
    ///
    /// [`Lost`](RemoteError::Lost) if the deadline has passed and the place was given to another
    /// student, or if the student's reservation was taken over; or the engine's failure. After
    /// that, whether the student is enrolled is unknown: see
    /// [`enrollment`](RemoteCourse::enrollment).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, whether the student is enrolled is unknown.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(reservation: headcount_redis::RemoteReservation) -> Result<(), headcount_redis::RemoteError> {
    /// reservation.confirm().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn confirm(mut self) -> Result<RemoteEnrollment, RemoteError> {
        let RemoteReservation { course, student, request, fence, .. } = &self;
        let args = args!["confirm", student, request, fence, course.capacity];
        let answer = course.object().run(&args).await?;
        match answer.get(0)? {
            1 => {
                self.guard.disarm();
                let RemoteReservation { course, student, fence, .. } = self;
                Ok(RemoteEnrollment { course, student, fence })
            }
            0 => {
                self.guard.disarm();
                Err(RemoteError::Lost)
            }
            _ => Err(answer.unexpected().into()),
        }
    }

    /// Cancels the reservation, and returns once the engine has confirmed that the place is free.
    ///
    /// # Errors
    ///
    /// The engine's failure. The reservation ends by itself then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the reservation is cancelled in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(reservation: headcount_redis::RemoteReservation) -> Result<(), headcount_redis::RemoteError> {
    /// reservation.cancel().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(self) -> Result<(), RemoteError> {
        Ok(self.guard.release().await?)
    }
}

/// A student's place in a [`RemoteCourse`]. Dropping it changes nothing.
///
/// # Examples
///
/// ```no_run
/// # async fn example(enrollment: headcount_redis::RemoteEnrollment) -> Result<(), headcount_redis::RemoteError> {
/// assert!(enrollment.withdraw().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteEnrollment {
    course: RemoteCourse,
    student: String,
    fence: u64,
}

impl RemoteEnrollment {
    /// Returns the student's id.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(enrollment: headcount_redis::RemoteEnrollment) {
    /// println!("{}", enrollment.student());
    /// # }
    /// ```
    pub fn student(&self) -> &str {
        &self.student
    }

    /// Returns the fence of the reservation that was confirmed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(enrollment: headcount_redis::RemoteEnrollment) {
    /// println!("fence {}", enrollment.fence());
    /// # }
    /// ```
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Withdraws this enrollment, and not a later one of the same student. The place is free again.
    /// Returns false if the enrollment had been withdrawn more than ten minutes before, or was
    /// lost.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, call it again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(enrollment: headcount_redis::RemoteEnrollment) -> Result<(), headcount_redis::RemoteError> {
    /// enrollment.withdraw().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn withdraw(&self) -> Result<bool, RemoteError> {
        let args = args!["withdraw", &self.student, self.fence];
        Ok(self.course.object().run(&args).await?.get(0)? == 1)
    }
}
