//! At most 30 students in a course. A place is reserved first, and is free again if the rest fails.

use std::thread;

use headcount::Course;

fn main() {
    let course = Course::new(30);
    let sign_up = |student: u32| {
        let paid = student % 10 != 0;
        // The student has a place while the payment runs. An error gives the place back.
        course.enroll(|_taken| if paid { Ok(()) } else { Err("the payment failed") })
    };
    let quarter = |first: u32| (first..200).step_by(4).filter(|&n| sign_up(n).is_ok()).count();

    // 200 students sign up at once, on four threads.
    let enrolled: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|first| scope.spawn(move || quarter(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("200 students signed up, {enrolled} are enrolled");
    assert_eq!((enrolled, course.counts().enrolled), (30, 30));

    let late = sign_up(201).unwrap_err();
    println!("the next one is told: {late}");
}
