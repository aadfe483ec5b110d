//! The course against its specification.

use std::sync::Arc;

use headcount::{
    Course, EnrollError, Enrollment, Gate, OwnedEnrollment, OwnedReservation, Reservation,
    TryAcquireError, WithdrawError,
};
use headcount_spec::{Course as CourseSpec, CourseAnswer, CourseCall, Spec};

use super::{caught, remove, Ending, Failed};

/// One operation on a course or on one of its reservations. A `u8` picks among those.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Reserve {
        owned: bool,
    },
    ReserveMany {
        n: u32,
        owned: bool,
    },
    /// Confirms, and keeps the enrollment.
    EnrollReserved(u8),
    WithdrawEnrollment(u8),
    SetCapacity(u32),
    Confirm(u8),
    Cancel(u8),
    Drop(u8),
    Leak(u8),
    Enroll(Ending),
    Withdraw,
    Close,
    Reopen,
}

/// Returns what a caller was told.
fn told<T>(result: &Result<T, TryAcquireError>) -> CourseAnswer {
    match result {
        Ok(_) => CourseAnswer::Reserved,
        Err(refused) if refused.is_closed() => CourseAnswer::Closed,
        Err(refused) => {
            assert!(refused.is_full());
            CourseAnswer::Full
        }
    }
}

enum Held<'a> {
    Borrowed(Reservation<'a>),
    Owned(OwnedReservation),
}

impl<'a> Held<'a> {
    fn count(&self) -> u32 {
        match self {
            Held::Borrowed(reservation) => reservation.count(),
            Held::Owned(reservation) => reservation.count(),
        }
    }

    fn enroll(self) -> Enrolled<'a> {
        match self {
            Held::Borrowed(reservation) => Enrolled::Borrowed(reservation.enroll()),
            Held::Owned(reservation) => Enrolled::Owned(reservation.enroll()),
        }
    }

    fn confirm(self) {
        match self {
            Held::Borrowed(reservation) => reservation.confirm(),
            Held::Owned(reservation) => reservation.confirm(),
        }
    }

    fn cancel(self) {
        match self {
            Held::Borrowed(reservation) => reservation.cancel(),
            Held::Owned(reservation) => reservation.cancel(),
        }
    }
}

enum Enrolled<'a> {
    Borrowed(Enrollment<'a>),
    Owned(OwnedEnrollment),
}

impl Enrolled<'_> {
    fn count(&self) -> u32 {
        match self {
            Enrolled::Borrowed(enrollment) => enrollment.count(),
            Enrolled::Owned(enrollment) => enrollment.count(),
        }
    }

    fn withdraw(self) -> Result<(), WithdrawError> {
        match self {
            Enrolled::Borrowed(enrollment) => enrollment.withdraw(),
            Enrolled::Owned(enrollment) => enrollment.withdraw(),
        }
    }
}

struct Pair<'a> {
    course: &'a Arc<Course>,
    reservations: Vec<Held<'a>>,
    enrollments: Vec<Enrolled<'a>>,
    model: CourseSpec,
}

impl<'a> Pair<'a> {
    fn reserved(&mut self, n: u32, result: Result<Held<'a>, TryAcquireError>) {
        assert_eq!(told(&result), self.model.apply(CourseCall::Reserve(n)));
        assert!(result.as_ref().is_ok_and(|held| held.count() == n) || result.is_err());
        self.reservations.extend(result);
    }

    fn perform(&mut self, op: &Op) {
        let course = self.course;
        match *op {
            Op::Reserve { owned: false } => {
                self.reserved(1, course.try_reserve().map(Held::Borrowed));
            }
            Op::Reserve { owned: true } => {
                self.reserved(1, course.clone().try_reserve_owned().map(Held::Owned));
            }
            Op::ReserveMany { n, owned: false } => {
                self.reserved(n, course.try_reserve_many(n).map(Held::Borrowed));
            }
            Op::ReserveMany { n, owned: true } => {
                self.reserved(n, course.clone().try_reserve_many_owned(n).map(Held::Owned));
            }
            Op::Confirm(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    self.model.apply(CourseCall::Confirm(reservation.count()));
                    reservation.confirm();
                }
            }
            Op::EnrollReserved(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    let count = reservation.count();
                    self.model.apply(CourseCall::Confirm(count));
                    let enrollment = reservation.enroll();
                    assert_eq!(enrollment.count(), count);
                    self.enrollments.push(enrollment);
                }
            }
            Op::WithdrawEnrollment(pick) => {
                if let Some(enrollment) = remove(&mut self.enrollments, pick) {
                    let count = enrollment.count();
                    let is_enrolled = self.model.apply(CourseCall::Withdraw(count));
                    let is_enrolled = is_enrolled == CourseAnswer::Done;
                    assert_eq!(enrollment.withdraw().is_ok(), is_enrolled);
                }
            }
            Op::SetCapacity(capacity) => {
                let capacity = capacity.min(Gate::MAX_CAPACITY);
                course.set_capacity(capacity);
                self.model.apply(CourseCall::SetCapacity(capacity));
            }
            Op::Cancel(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    self.model.apply(CourseCall::Cancel(reservation.count()));
                    reservation.cancel();
                }
            }
            Op::Drop(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    self.model.apply(CourseCall::Cancel(reservation.count()));
                    drop(reservation);
                }
            }
            Op::Leak(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    self.model.apply(CourseCall::Forget(reservation.count()));
                    std::mem::forget(reservation);
                }
            }
            Op::Enroll(ending) => self.enroll(ending),
            Op::Withdraw => {
                let is_enrolled = self.model.apply(CourseCall::Withdraw(1)) == CourseAnswer::Done;
                assert_eq!(course.withdraw().is_ok(), is_enrolled);
            }
            Op::Close => {
                course.close();
                self.model.apply(CourseCall::Close);
            }
            Op::Reopen => {
                course.reopen();
                self.model.apply(CourseCall::Reopen);
            }
        }
    }

    fn enroll(&mut self, ending: Ending) {
        let course = self.course;
        let expected = self.model.apply(CourseCall::Reserve(1));
        let mut seen = None;
        let result = caught(|| {
            course.enroll(|head_count| {
                seen = Some(head_count);
                let counts = course.counts();
                assert_eq!(counts.taken, self.model.places.held);
                assert_eq!(counts.enrolled, self.model.enrolled);
                ending.end()
            })
        });
        let admitted = expected == CourseAnswer::Reserved;
        assert_eq!(seen, admitted.then_some(self.model.places.held));
        let expected = match expected {
            CourseAnswer::Closed => Some(Err(EnrollError::Closed)),
            CourseAnswer::Full => Some(Err(EnrollError::Full)),
            _ => match ending {
                Ending::Succeeds => Some(Ok(())),
                Ending::Fails => Some(Err(EnrollError::Failed(Failed))),
                Ending::Panics => None,
            },
        };
        assert_eq!(result, expected);
        if admitted {
            let enrolled = result == Some(Ok(()));
            self.model.apply(if enrolled { CourseCall::Confirm(1) } else { CourseCall::Cancel(1) });
        }
    }

    fn compare(&self, op: &Op) {
        let counts = self.course.counts();
        let expected = self.model.clone().apply(CourseCall::Counts);
        let (taken, enrolled) = (counts.taken, counts.enrolled);
        assert_eq!(CourseAnswer::Counts { taken, enrolled }, expected, "after {op:?}");
        assert_eq!(counts.capacity, self.model.places.capacity, "capacity after {op:?}");
        assert_eq!(self.course.capacity(), self.model.places.capacity);
        assert_eq!(self.course.available(), self.model.places.free(), "available after {op:?}");
        assert_eq!(self.course.is_full(), self.model.places.free() == 0);
        assert_eq!(self.course.is_closed(), self.model.places.closed, "is_closed after {op:?}");
    }
}

/// Runs `ops` on a course that begins with `enrolled` enrolled members, and on its model.
pub(crate) fn check(capacity: u32, enrolled: u32, ops: &[Op]) {
    let limit = if capacity > Gate::MAX_CAPACITY { Gate::MAX_CAPACITY } else { capacity };
    let asked = if capacity > limit { capacity } else { enrolled };
    let course = match Course::with_enrolled(capacity, enrolled) {
        Ok(course) => Arc::new(course),
        Err(refused) => {
            assert!(asked > limit);
            return assert_eq!((refused.asked(), refused.limit()), (asked, limit));
        }
    };
    assert!(asked <= limit);

    let model = CourseSpec::new(capacity, enrolled);
    let mut pair =
        Pair { course: &course, reservations: Vec::new(), enrollments: Vec::new(), model };
    for op in ops {
        pair.perform(op);
        pair.compare(op);
    }
    let Pair { reservations, model, .. } = pair;
    drop(reservations);
    assert_eq!(course.counts().taken, model.enrolled + model.places.forgotten);
    assert_eq!(course.counts().enrolled, model.enrolled);
}
