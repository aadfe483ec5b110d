//! One job at a time: a caller that finds the job running is told so at once, and does not wait.

use std::thread;

use headcount::Gate;

static REORDER: Gate = Gate::new(1);

fn main() {
    let first = REORDER.try_run(|| {
        // While this thread runs the job, another thread wants to run it as well.
        let second = thread::spawn(|| REORDER.try_run(|| panic!("two jobs run at once")));
        let refused = second.join().unwrap().unwrap_err();
        println!("the job runs; the second caller is told: {refused}");
        assert!(refused.is_full());
        "the data set is in order"
    });
    println!("the first caller has: {}", first.unwrap());

    // The place is free again when the job ends, also by a panic.
    assert!(REORDER.try_run(|| ()).is_ok());
    println!("the job may run again");
}
