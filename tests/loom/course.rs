//! Courses: *both-counters*, *no-leak*, *happens-before*.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{Course, CourseCounts};
use loom::cell::UnsafeCell;
use loom::thread::spawn;

use crate::crowd::explore;

/// Reads while `change` runs on another thread. Each reading must be one of `allowed`, pairs of
/// taken and enrolled, and over all executions each of them must have been read.
fn reading(
    bound: Option<usize>,
    make: fn() -> Course,
    change: fn(&Course),
    allowed: &'static [(u32, u32)],
) {
    let seen: Arc<Vec<AtomicUsize>> =
        Arc::new(allowed.iter().map(|_| Default::default()).collect());
    let noted = Arc::clone(&seen);
    explore(bound, move || {
        let course = Arc::new(make());
        // The reader is the spawned thread: see `Crowd` for why the order matters to loom.
        let reader = {
            let course = Arc::clone(&course);
            spawn(move || course.counts())
        };
        change(&course);
        let CourseCounts { taken, enrolled, capacity, .. } = reader.join().unwrap();
        assert!(enrolled <= taken && taken <= capacity, "{enrolled} of {taken} of {capacity}");
        let at = allowed.iter().position(|&counts| counts == (taken, enrolled));
        let at = at.unwrap_or_else(|| panic!("never were {taken} taken and {enrolled} enrolled"));
        noted[at].fetch_add(1, Ordering::Relaxed);
    });
    assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) > 0), "{allowed:?}: {seen:?}");
}

/// Returns a course with one reservation that stays. So enrolled is always below taken, and a
/// reading of enrolled from one instant and of taken from another is seen, although `counts` never
/// returns more enrolled than taken.
fn with_reservation(capacity: u32, enrolled: u32) -> Course {
    let course = Course::with_enrolled(capacity, enrolled).unwrap();
    core::mem::forget(course.try_reserve().unwrap());
    course
}

#[test]
fn both_counters_reserve_and_confirm() {
    let enroll_one = |course: &Course| {
        course.try_reserve().unwrap().confirm();
        assert_eq!((course.counts().taken, course.counts().enrolled), (2, 1));
    };
    reading(None, || with_reservation(2, 0), enroll_one, &[(1, 0), (2, 0), (2, 1)]);
}

#[test]
fn both_counters_withdraw() {
    let course = || Course::with_enrolled(1, 1).unwrap();
    reading(None, course, |course| course.withdraw().unwrap(), &[(1, 1), (1, 0), (0, 0)]);
}

/// A withdrawal, then an enrollment: equal counts before and after must not hide what was between.
#[test]
fn both_counters_withdraw_and_enroll_again() {
    let swap = |course: &Course| {
        course.withdraw().unwrap();
        course.try_reserve().unwrap().confirm();
    };
    reading(None, || with_reservation(2, 1), swap, &[(2, 1), (2, 0), (1, 0)]);
}

/// A block that fails is seen as taken, and never as enrolled.
#[test]
fn both_counters_block_that_fails() {
    let fail = |course: &Course| {
        assert!(course.enroll(|_| Err::<(), _>("no account")).is_err());
        assert_eq!((course.counts().taken, course.counts().enrolled), (0, 0));
    };
    reading(None, || Course::new(1), fail, &[(0, 0), (1, 0)]);
}

/// Two threads enroll at the same time at one place, and a third reads.
#[test]
fn both_counters_two_for_one_place() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    explore(Some(2), move || {
        let course = Arc::new(Course::new(1));
        let threads = [(); 2].map(|()| {
            let (course, counted) = (Arc::clone(&course), Arc::clone(&counted));
            spawn(move || match course.enroll(|count| Ok::<_, ()>(count)) {
                Ok(count) => {
                    assert_eq!(count, 1);
                    1
                }
                Err(_) => {
                    counted.fetch_add(1, Ordering::Relaxed);
                    0
                }
            })
        });
        let CourseCounts { taken, enrolled, .. } = course.counts();
        assert!(enrolled <= taken && taken <= 1, "{enrolled} of {taken}");
        let enrolled: u32 = threads.map(|thread| thread.join().unwrap()).iter().sum();
        assert_eq!(enrolled, 1, "one of the two gets the only place");
        assert_eq!((course.counts().taken, course.counts().enrolled), (1, 1));
    });
    assert!(refused.load(Ordering::Relaxed) > 0);
}

/// Two threads withdraw the only enrollment: one of them does, and no reservation is touched.
#[test]
fn no_leak_two_withdraw() {
    explore(None, || {
        let course = Arc::new(Course::with_enrolled(2, 1).unwrap());
        let reservation = Arc::clone(&course).try_reserve_owned().unwrap();
        let other = {
            let course = Arc::clone(&course);
            spawn(move || course.withdraw().is_ok())
        };
        let own = course.withdraw().is_ok();
        assert!(own != other.join().unwrap(), "one was enrolled");
        assert_eq!((course.counts().taken, course.counts().enrolled), (1, 0));
        reservation.cancel();
        assert_eq!((course.counts().taken, course.counts().enrolled), (0, 0));
    });
}

/// One thread enrolls, another withdraws: the next holder of the place sees the first one's writes.
#[test]
fn happens_before_through_a_withdrawal() {
    let outcomes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&outcomes);
    explore(None, move || {
        let course = Arc::new(Course::new(1));
        let cell = Arc::new(UnsafeCell::new(()));
        let first = course.clone().try_reserve_owned().unwrap();
        let withdrawing = {
            let course = Arc::clone(&course);
            spawn(move || course.withdraw().is_ok())
        };
        let next = {
            let (course, cell, counted) =
                (Arc::clone(&course), Arc::clone(&cell), Arc::clone(&counted));
            spawn(move || {
                let entered = course.try_reserve();
                if entered.is_ok() {
                    cell.with_mut(|_| ());
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        cell.with_mut(|_| ());
        first.confirm();
        next.join().unwrap();
        let left = withdrawing.join().unwrap();
        assert_eq!(course.counts().taken, !left as u32);
    });
    assert!(outcomes.load(Ordering::Relaxed) > 0);
}
