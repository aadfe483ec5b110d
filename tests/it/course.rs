use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use headcount::{Course, EnrollError, Gate, TryAcquireError};

use crate::panic_message;

const MAX: u32 = Gate::MAX_CAPACITY;

/// Taken and enrolled.
fn counts(course: &Course) -> (u32, u32) {
    let counts = course.counts();
    assert_eq!(counts.capacity, course.capacity());
    (counts.taken, counts.enrolled)
}

fn enroll(course: &Course) -> Result<u32, EnrollError<()>> {
    course.enroll(Ok)
}

#[test]
fn a_reservation_is_taken_and_not_enrolled_until_it_is_confirmed() {
    let course = Course::new(2);
    let reservation = course.try_reserve().unwrap();
    assert_eq!(counts(&course), (1, 0));
    reservation.confirm();
    assert_eq!(counts(&course), (1, 1));
}

#[test]
fn cancelling_and_dropping_give_the_place_back() {
    let course = Arc::new(Course::new(1));
    course.try_reserve().unwrap().cancel();
    assert_eq!(counts(&course), (0, 0));
    drop(course.try_reserve().unwrap());
    assert_eq!(counts(&course), (0, 0));
    Arc::clone(&course).try_reserve_owned().unwrap().cancel();
    assert_eq!(counts(&course), (0, 0));
    drop(Arc::clone(&course).try_reserve_owned().unwrap());
    assert_eq!(counts(&course), (0, 0));
    assert_eq!(Arc::strong_count(&course), 1);
}

#[test]
fn an_owned_reservation_is_confirmed_on_another_thread() {
    let course = Arc::new(Course::new(1));
    let reservation = Arc::clone(&course).try_reserve_owned().unwrap();
    assert!(Arc::clone(&course).try_reserve_owned().is_err());
    thread::spawn(move || reservation.confirm()).join().unwrap();
    assert_eq!(counts(&course), (1, 1));
    assert_eq!(Arc::strong_count(&course), 1);
}

#[test]
fn a_leaked_reservation_keeps_its_place() {
    let course = Course::new(1);
    std::mem::forget(course.try_reserve().unwrap());
    assert_eq!(counts(&course), (1, 0));
    assert_eq!(course.try_reserve().unwrap_err(), TryAcquireError::Full);
    assert!(course.withdraw().is_err());
}

#[test]
fn a_full_course_refuses_and_calls_no_block() {
    let course = Course::with_enrolled(1, 1).unwrap();
    assert_eq!(course.try_reserve().unwrap_err(), TryAcquireError::Full);
    let refused = course.enroll(|_| -> Result<(), ()> { unreachable!("full") });
    assert_eq!(refused, Err(EnrollError::Full));
    assert_eq!(counts(&course), (1, 1));
}

#[test]
fn a_closed_course_refuses_and_lets_reservations_end() {
    let course = Arc::new(Course::new(3));
    let (one, other) = (course.try_reserve().unwrap(), course.try_reserve().unwrap());
    assert!(!course.is_closed());
    course.close();
    course.close();
    assert!(course.is_closed());
    assert_eq!(course.try_reserve().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(course.clone().try_reserve_owned().unwrap_err(), TryAcquireError::Closed);
    let refused = course.enroll(|_| -> Result<(), ()> { unreachable!("closed") });
    assert_eq!(refused, Err(EnrollError::Closed));
    one.confirm();
    other.cancel();
    assert_eq!(counts(&course), (1, 1));
    assert!(course.withdraw().is_ok());
    assert_eq!(counts(&course), (0, 0));
    course.reopen();
    assert!(!course.is_closed());
    assert_eq!(enroll(&course), Ok(1));
}

#[test]
fn the_block_gets_the_count_that_includes_its_own_place() {
    let course = Course::with_enrolled(5, 2).unwrap();
    let _reservation = course.try_reserve().unwrap();
    assert_eq!(enroll(&course), Ok(4));
    assert_eq!(enroll(&course), Ok(5));
    assert_eq!(enroll(&course), Err(EnrollError::Full));
    assert_eq!(counts(&course), (5, 4));
}

#[test]
fn while_the_block_runs_its_place_is_taken_and_not_enrolled() {
    let course = Course::new(1);
    let during = course.enroll(|_| {
        assert_eq!(enroll(&course), Err(EnrollError::Full));
        Ok::<_, ()>(counts(&course))
    });
    assert_eq!(during, Ok((1, 0)));
    assert_eq!(counts(&course), (1, 1));
}

#[test]
fn a_block_that_fails_or_panics_rolls_back() {
    let course = Course::new(1);
    let failed = course.enroll(|_| Err::<(), _>("no account"));
    assert_eq!(failed, Err(EnrollError::Failed("no account")));
    assert_eq!(counts(&course), (0, 0));
    let panicked =
        catch_unwind(|| course.enroll(|_| -> Result<(), ()> { resume_unwind(Box::new(())) }));
    assert!(panicked.is_err());
    assert_eq!(counts(&course), (0, 0));
    assert_eq!(enroll(&course), Ok(1));
}

#[test]
fn withdrawing_frees_a_place_and_never_goes_below_zero() {
    let course = Course::with_enrolled(2, 2).unwrap();
    assert!(course.withdraw().is_ok());
    assert_eq!(counts(&course), (1, 1));
    assert!(course.withdraw().is_ok());
    assert!(course.withdraw().is_err());
    assert_eq!(counts(&course), (0, 0));
    assert_eq!(enroll(&course), Ok(1));
}

#[test]
fn withdrawing_does_not_touch_reservations() {
    let course = Course::new(2);
    let reservation = course.try_reserve().unwrap();
    assert!(course.withdraw().is_err());
    assert_eq!(counts(&course), (1, 0));
    reservation.confirm();
    assert!(course.withdraw().is_ok());
}

#[test]
fn a_course_can_begin_with_enrolled_members() {
    for (capacity, enrolled) in [(0, 0), (1, 0), (1, 1), (30, 29), (MAX, 0), (MAX, MAX)] {
        let course = Course::with_enrolled(capacity, enrolled).unwrap();
        assert_eq!(counts(&course), (enrolled, enrolled));
        assert_eq!(course.capacity(), capacity);
        assert_eq!(course.try_reserve().is_ok(), enrolled < capacity);
        assert_eq!(course.withdraw().is_ok(), enrolled > 0);
    }
}

#[test]
fn more_enrolled_than_places_are_refused() {
    let refused = Course::with_enrolled(30, 31).unwrap_err();
    assert_eq!((refused.asked(), refused.limit()), (31, 30));
    let refused = Course::with_enrolled(MAX, MAX + 1).unwrap_err();
    assert_eq!((refused.asked(), refused.limit()), (MAX + 1, MAX));
}

#[test]
fn more_places_than_can_be_counted_are_refused() {
    for capacity in [MAX + 1, u32::MAX] {
        let refused = Course::with_enrolled(capacity, 0).unwrap_err();
        assert_eq!((refused.asked(), refused.limit()), (capacity, MAX));
        let message = panic_message(|| assert!(Course::new(capacity).is_closed()));
        assert_eq!(message, "capacity is above Gate::MAX_CAPACITY");
    }
}

#[test]
fn the_counters_hold_at_both_ends() {
    let course = Course::new(0);
    assert_eq!(enroll(&course), Err(EnrollError::Full));
    let course = Course::with_enrolled(MAX, MAX - 1).unwrap();
    assert_eq!(enroll(&course), Ok(MAX));
    assert_eq!(enroll(&course), Err(EnrollError::Full));
    assert_eq!(counts(&course), (MAX, MAX));
}

#[test]
fn debug_shows_both_counters() {
    let course = Arc::new(Course::with_enrolled(30, 2).unwrap());
    let reservation = course.try_reserve().unwrap();
    assert_eq!(
        format!("{course:?}"),
        "Course { taken: 3, enrolled: 2, capacity: 30, closed: false }"
    );
    assert_eq!(format!("{reservation:?}"), "Reservation { count: 1, .. }");
    let owned = course.clone().try_reserve_owned().unwrap();
    assert_eq!(format!("{owned:?}"), "OwnedReservation { count: 1, .. }");
    assert_eq!(
        format!("{:?}", course.counts()),
        "CourseCounts { taken: 4, enrolled: 2, capacity: 30 }"
    );
}

/// The last two places, and two orders of two: one gets both.
#[test]
fn places_are_reserved_all_or_none() {
    let course = Course::with_enrolled(30, 28).unwrap();
    let order = course.try_reserve_many(2).unwrap();
    assert!(course.try_reserve_many(2).unwrap_err().is_full());
    assert!(course.try_reserve_many(1).unwrap_err().is_full());
    assert_eq!((order.count(), course.counts().taken, course.is_full()), (2, 30, true));
    order.cancel();
    course.try_reserve_many(2).unwrap().confirm();
    assert_eq!(course.counts().enrolled, 30);
}

#[test]
fn an_enrollment_is_withdrawn_once() {
    let course = std::sync::Arc::new(Course::new(3));
    let mine = course.try_reserve_many(2).unwrap().enroll();
    let other = course.clone().try_reserve_owned().unwrap().enroll();
    assert_eq!((mine.count(), other.count(), course.available()), (2, 1, 0));
    assert!(mine.withdraw().is_ok());
    assert_eq!((course.counts().enrolled, course.counts().taken), (1, 1));
    drop(other);
    assert_eq!(course.counts().enrolled, 1, "to drop an enrollment changes nothing");

    // Withdrawn by another, without asking whose it is.
    let late = course.try_reserve_many(2).unwrap().enroll();
    course.withdraw().unwrap();
    course.withdraw().unwrap();
    assert!(late.withdraw().is_err(), "one of its two places is gone");
    assert_eq!((course.counts().enrolled, course.counts().taken), (1, 1));
}

#[test]
fn a_course_changes_its_size() {
    let course = Course::with_enrolled(2, 2).unwrap();
    assert_eq!((course.raise_capacity(2), course.available()), (4, 2));
    course.set_capacity(1);
    let counts = course.counts();
    assert_eq!((counts.enrolled, counts.taken, counts.capacity), (2, 2, 1));
    course.withdraw().unwrap();
    assert!(course.try_reserve().unwrap_err().is_full());
    assert_eq!(course.lower_capacity(5), 0);
    course.withdraw().unwrap();
    assert_eq!(course.counts().taken, 0);
}

#[cfg(feature = "wait")]
#[test]
fn a_raise_serves_the_waitlist_of_a_course() {
    let course = std::sync::Arc::new(Course::with_enrolled(1, 1).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| course.reserve_many(2).wait().unwrap().confirm());
        while course.waiting() == 0 {
            std::thread::yield_now();
        }
        course.set_capacity(3);
    });
    assert_eq!(course.counts().enrolled, 3);
    assert_eq!(
        course.clone().reserve_many_owned(4).queue_limit(0).wait().unwrap_err(),
        headcount::AcquireError::QueueFull
    );
}
