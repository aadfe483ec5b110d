//! A worker pool that shuts down: no job begins any more, and the end waits for those that run, for
//! a limited time.

use std::thread;
use std::time::Duration;

use headcount::{AcquireTimeoutError, DrainError, Gate};

fn main() {
    let jobs = Gate::new(2);
    let (slow, quick) = (jobs.try_acquire().unwrap(), jobs.try_acquire().unwrap());

    // A caller waits for a place for so long and no longer, and only in a queue of so many.
    let late = jobs.acquire().wait_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(late, AcquireTimeoutError::Timeout);
    println!("no place in time: {late}");
    println!("no queue: {}", jobs.acquire().queue_limit(0).wait().unwrap_err());

    thread::scope(|scope| {
        // One that waits when the shutdown begins is refused.
        let waiting = scope.spawn(|| jobs.acquire().wait());
        while jobs.waiting() == 0 {
            thread::yield_now();
        }
        scope.spawn(move || drop(quick));
        let first = jobs.drain().wait_timeout(Duration::from_millis(1));
        assert_eq!(first, Err(DrainError::Timeout), "a job still runs");
        // Either the quick job's place came in time, or the shutdown did.
        if let Err(refused) = waiting.join().unwrap() {
            println!("while it shuts down: {refused}");
        }
        assert!(jobs.try_acquire().unwrap_err().is_closed());

        scope.spawn(move || drop(slow));
        jobs.drain().wait().expect("it is not reopened");
        println!("the last job has ended");
    });
    assert_eq!(jobs.occupied(), 0);
}
