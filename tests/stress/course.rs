//! The course, with threads that reserve, enroll, cancel and withdraw.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use headcount::Course;

use crate::scene::{forever, linger, play};

/// *both-counters*, *no-leak*: reservations that are confirmed, cancelled or withdrawn, and a
/// reader.
pub(crate) fn course() {
    static ENROLLED: AtomicU64 = AtomicU64::new(0);
    static WITHDRAWN: AtomicU64 = AtomicU64::new(0);
    let course = forever(Course::new(2));
    play("course", 4, |scene, me, round| {
        if me == 0 {
            let counts = course.counts();
            assert!(counts.enrolled <= counts.taken && counts.taken <= counts.capacity);
        } else if me == 1 {
            if course.withdraw().is_ok() {
                WITHDRAWN.fetch_add(1, Relaxed);
            }
        } else if round % 2 == 0 {
            let answer = course.enroll(|head_count| {
                assert!((1..=2).contains(&head_count));
                linger(round);
                if round % 4 == 0 {
                    Ok(())
                } else {
                    Err(())
                }
            });
            if scene.saw(answer).is_ok() {
                ENROLLED.fetch_add(1, Relaxed);
            }
        } else if let Ok(reservation) = scene.saw(course.try_reserve()) {
            linger(round);
            if round % 3 == 0 {
                reservation.confirm();
                ENROLLED.fetch_add(1, Relaxed);
            }
        }
    });
    let left = ENROLLED.load(Relaxed) - WITHDRAWN.load(Relaxed);
    let counts = course.counts();
    assert_eq!((u64::from(counts.taken), u64::from(counts.enrolled)), (left, left), "no-leak");
}
