//! At most 4 jobs at once in all, and at most 2 of one customer. A job holds a place of each.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use headcount::{AcquireError, Gate, KeyedGate, KeyedPermit, Permit, TryAcquireError};

struct Limits {
    total: Gate,
    each: KeyedGate<u64>,
}

/// A place of the total and one of the customer, given back in this order.
struct Job<'a>(#[allow(dead_code)] Permit<'a>, KeyedPermit<'a, u64>);

impl Limits {
    /// Returns a job now, or the reason why not. A refusal by the total drops the place before.
    fn try_start(&self, customer: u64) -> Result<Job<'_>, TryAcquireError> {
        let own = self.each.try_acquire(customer)?;
        Ok(Job(self.total.try_acquire()?, own))
    }

    /// Waits for a job. A caller that waits for its customer's place holds none of the total, and
    /// one that waits for the total waits for jobs that wait for nothing.
    fn start(&self, customer: u64) -> Result<Job<'_>, AcquireError> {
        let own = self.each.acquire(customer).wait()?;
        Ok(Job(self.total.acquire().wait()?, own))
    }
}

fn main() {
    let limits = Limits { total: Gate::new(4), each: KeyedGate::new(|_| 2) };
    let jobs = [1, 1, 2, 2].map(|customer| limits.try_start(customer).expect("there is room"));
    println!("a fifth job: {}", limits.try_start(3).err().expect("four jobs run"));
    assert!(!limits.each.keys().any(|info| info.key == 3), "the refusal gave its place back");
    drop(jobs);

    // Eight threads that wait; customer 1 wants more than its share, and holds up no other.
    let running = AtomicU32::new(0);
    thread::scope(|scope| {
        for customer in [1, 1, 1, 1, 1, 2, 2, 3] {
            let (limits, running) = (&limits, &running);
            scope.spawn(move || {
                let job = limits.start(customer).expect("the gates stay open");
                assert!(running.fetch_add(1, Ordering::Relaxed) < 4);
                println!("a job of customer {}", job.1.key());
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    assert!(limits.total.occupied() == 0 && limits.each.is_empty());
}
