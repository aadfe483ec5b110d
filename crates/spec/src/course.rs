//! A course in ordinary numbers: a gate, and how many of its places are of enrolled members.

use crate::{Gate, GateAnswer, GateCall, Spec};

/// What can be asked of a course.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CourseCall {
    /// Reserves so many places, all or none.
    Reserve(u32),
    /// Enrolls the members of so many reserved places.
    Confirm(u32),
    /// Gives so many reserved places back.
    Cancel(u32),
    /// Gives up so many reserved places, which stay taken for ever.
    Forget(u32),
    /// Withdraws so many enrolled members, all or none.
    Withdraw(u32),
    /// Changes the capacity.
    SetCapacity(u32),
    /// Admits no more callers.
    Close,
    /// Admits callers again.
    Reopen,
    /// How many places are taken, and how many members are enrolled?
    Counts,
}

/// What a caller of a course is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CourseAnswer {
    /// The places are the caller's.
    Reserved,
    /// Too few places are free.
    Full,
    /// The course is closed.
    Closed,
    /// Fewer members than that are enrolled.
    TooFew,
    /// The call is carried out.
    Done,
    /// The counts at one instant.
    Counts {
        /// The places of reservations and of enrolled members.
        taken: u32,
        /// The enrolled members.
        enrolled: u32,
    },
}

/// What a course is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Course {
    /// Holds the places of reservations and of enrolled members.
    pub places: Gate,
    /// The enrolled members.
    pub enrolled: u32,
}

impl Course {
    /// Creates an open course that begins with so many enrolled members.
    pub fn new(capacity: u32, enrolled: u32) -> Self {
        Course { places: Gate { held: enrolled, ..Gate::new(capacity) }, enrolled }
    }

    fn leave(&mut self, n: u32) -> CourseAnswer {
        self.places.apply(GateCall::ReleaseMany(n));
        CourseAnswer::Done
    }
}

impl Spec for Course {
    type Call = CourseCall;
    type Answer = CourseAnswer;

    fn apply(&mut self, call: CourseCall) -> CourseAnswer {
        let call = match call {
            CourseCall::Reserve(n) => {
                return match self.places.apply(GateCall::AcquireMany(n)) {
                    GateAnswer::Closed => CourseAnswer::Closed,
                    GateAnswer::Full => CourseAnswer::Full,
                    _ => CourseAnswer::Reserved,
                }
            }
            CourseCall::Confirm(n) => {
                self.enrolled += n;
                return CourseAnswer::Done;
            }
            CourseCall::Cancel(n) => return self.leave(n),
            CourseCall::Withdraw(n) if n > self.enrolled => return CourseAnswer::TooFew,
            CourseCall::Withdraw(n) => {
                self.enrolled -= n;
                return self.leave(n);
            }
            CourseCall::Counts => {
                let Course { places, enrolled } = self;
                return CourseAnswer::Counts { taken: places.held, enrolled: *enrolled };
            }
            CourseCall::Forget(n) => GateCall::Forget(n),
            CourseCall::SetCapacity(capacity) => GateCall::SetCapacity(capacity),
            CourseCall::Close => GateCall::Close,
            CourseCall::Reopen => GateCall::Reopen,
        };
        self.places.apply(call);
        CourseAnswer::Done
    }

    fn allows(&self, call: CourseCall) -> bool {
        let reserved = self.places.held - self.places.forgotten - self.enrolled;
        match call {
            CourseCall::Confirm(n) | CourseCall::Cancel(n) | CourseCall::Forget(n) => n <= reserved,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Course, CourseAnswer, CourseAnswer::*, CourseCall::*};
    use crate::Spec;

    #[test]
    fn a_place_is_taken_until_it_is_cancelled_or_withdrawn() {
        let mut course = Course::new(3, 1);
        assert_eq!([Reserve(3), Reserve(2)].map(|call| course.apply(call)), [Full, Reserved]);
        assert_eq!(
            [Confirm(1), Withdraw(3), Reserve(1)].map(|call| course.apply(call)),
            [Done, TooFew, Full]
        );
        assert_eq!(course.apply(Counts), CourseAnswer::Counts { taken: 3, enrolled: 2 });
        assert_eq!([Cancel(1), Withdraw(2)].map(|call| course.apply(call)), [Done, Done]);
        assert_eq!(course, Course::new(3, 0));
        assert_eq!(
            [Close, Reserve(1), Reopen].map(|call| course.apply(call)),
            [Done, Closed, Done]
        );
    }

    #[test]
    fn only_reserved_places_are_confirmed() {
        let mut course = Course::new(3, 1);
        assert!(!course.allows(Confirm(1)));
        assert_eq!([Reserve(2), Forget(1)].map(|call| course.apply(call)), [Reserved, Done]);
        assert!(course.allows(Cancel(1)) && !course.allows(Confirm(2)));
    }
}
