//! A school books places in a course for its pupils, all or none, or waits until they are free.
//! What is enrolled can be withdrawn, once.

use std::thread;

use headcount::Course;

fn main() {
    let course = Course::new(6);
    let north = course.try_reserve_many(4).expect("six places are free").enroll();
    assert!(course.try_reserve_many(3).unwrap_err().is_full(), "not three, so none");
    assert_eq!(course.available(), 2);

    thread::scope(|scope| {
        // The second school waits for three places, and gets them together.
        let south = scope.spawn(|| course.reserve_many(3).wait().expect("the course is open"));
        while course.waiting() == 0 {
            thread::yield_now();
        }
        println!("the first school withdraws {} pupils", north.count());
        north.withdraw().expect("they are enrolled");

        let south = south.join().unwrap();
        println!("the second school has {} places", south.count());
        south.confirm();
    });
    assert_eq!((course.counts().taken, course.counts().enrolled), (3, 3));
}
