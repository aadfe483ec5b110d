//! The course against its model.

use std::sync::Arc;

use headcount::{Course, EnrollError, Gate, OwnedReservation, Reservation, TryAcquireError};

use super::{caught, remove, Ending, Failed};

/// One operation on a course or on one of its reservations. A `u8` picks among those.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Reserve { owned: bool },
    Confirm(u8),
    Cancel(u8),
    Drop(u8),
    Leak(u8),
    Enroll(Ending),
    Withdraw,
    Close,
    Reopen,
}

/// What a course is, in ordinary numbers.
struct Model {
    capacity: u32,
    /// Reservations held, or leaked.
    reserved: u32,
    enrolled: u32,
    closed: bool,
}

impl Model {
    fn taken(&self) -> u32 {
        self.reserved + self.enrolled
    }

    fn reserve(&mut self) -> Result<(), TryAcquireError> {
        if self.closed {
            Err(TryAcquireError::Closed)
        } else if self.taken() == self.capacity {
            Err(TryAcquireError::Full)
        } else {
            self.reserved += 1;
            Ok(())
        }
    }
}

enum Held<'a> {
    Borrowed(Reservation<'a>),
    Owned(OwnedReservation),
}

impl Held<'_> {
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

struct Pair<'a> {
    course: &'a Arc<Course>,
    reservations: Vec<Held<'a>>,
    model: Model,
    leaked: u32,
}

impl<'a> Pair<'a> {
    fn reserved(&mut self, result: Result<Held<'a>, TryAcquireError>) {
        assert_eq!(result.as_ref().map(drop).map_err(|&refused| refused), self.model.reserve());
        self.reservations.extend(result);
    }

    fn perform(&mut self, op: &Op) {
        let course = self.course;
        match *op {
            Op::Reserve { owned: false } => {
                self.reserved(course.try_reserve().map(Held::Borrowed));
            }
            Op::Reserve { owned: true } => {
                self.reserved(course.clone().try_reserve_owned().map(Held::Owned));
            }
            Op::Confirm(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    reservation.confirm();
                    self.model.reserved -= 1;
                    self.model.enrolled += 1;
                }
            }
            Op::Cancel(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    reservation.cancel();
                    self.model.reserved -= 1;
                }
            }
            Op::Drop(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    drop(reservation);
                    self.model.reserved -= 1;
                }
            }
            Op::Leak(pick) => {
                if let Some(reservation) = remove(&mut self.reservations, pick) {
                    std::mem::forget(reservation);
                    self.leaked += 1;
                }
            }
            Op::Enroll(ending) => self.enroll(ending),
            Op::Withdraw => {
                assert_eq!(course.withdraw().is_ok(), self.model.enrolled > 0);
                self.model.enrolled = self.model.enrolled.saturating_sub(1);
            }
            Op::Close => {
                course.close();
                self.model.closed = true;
            }
            Op::Reopen => {
                course.reopen();
                self.model.closed = false;
            }
        }
    }

    fn enroll(&mut self, ending: Ending) {
        let course = self.course;
        let expected = self.model.reserve();
        let mut seen = None;
        let result = caught(|| {
            course.enroll(|head_count| {
                seen = Some(head_count);
                let counts = course.counts();
                assert_eq!(counts.taken, self.model.taken());
                assert_eq!(counts.enrolled, self.model.enrolled);
                ending.end()
            })
        });
        assert_eq!(seen, expected.is_ok().then(|| self.model.taken()));
        self.model.reserved -= u32::from(expected.is_ok());
        let expected = match (expected, ending) {
            (Err(refused), _) => Some(Err(EnrollError::from(refused))),
            (Ok(()), Ending::Succeeds) => {
                self.model.enrolled += 1;
                Some(Ok(()))
            }
            (Ok(()), Ending::Fails) => Some(Err(EnrollError::Failed(Failed))),
            (Ok(()), Ending::Panics) => None,
        };
        assert_eq!(result, expected);
    }

    fn compare(&self, op: &Op) {
        let counts = self.course.counts();
        assert_eq!(counts.taken, self.model.taken(), "taken after {op:?}");
        assert_eq!(counts.enrolled, self.model.enrolled, "enrolled after {op:?}");
        assert_eq!(counts.capacity, self.model.capacity, "capacity after {op:?}");
        assert_eq!(self.course.capacity(), self.model.capacity);
        assert_eq!(self.course.is_closed(), self.model.closed, "is_closed after {op:?}");
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

    let model = Model { capacity, reserved: 0, enrolled, closed: false };
    let mut pair = Pair { course: &course, reservations: Vec::new(), model, leaked: 0 };
    for op in ops {
        pair.perform(op);
        pair.compare(op);
    }
    let Pair { reservations, model, leaked, .. } = pair;
    drop(reservations);
    assert_eq!(course.counts().taken, model.enrolled + leaked);
    assert_eq!(course.counts().enrolled, model.enrolled);
}
