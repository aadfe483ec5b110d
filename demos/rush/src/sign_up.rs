//! A sign-up in three ways. All do the same work for a student that gets a place, and none for
//! others.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use headcount::Course;

/// How long it takes to save one sign-up, as in a database nearby.
pub(crate) const SAVING: Duration = Duration::from_millis(1);

/// The work of a sign-up.
fn save() {
    thread::sleep(SAVING);
}

/// A course that keeps its limit, or is meant to.
pub(crate) trait SignUp: Sync {
    /// Signs up one student. Returns false if the course was full.
    fn sign_up(&self) -> bool;

    /// Returns how many students have signed up.
    fn enrolled(&self) -> u32;
}

/// Looks for a free place first, and takes it when the work is done. Others look meanwhile.
pub(crate) struct CheckThenAct {
    capacity: u32,
    enrolled: AtomicU32,
}

impl CheckThenAct {
    pub(crate) fn new(capacity: u32) -> CheckThenAct {
        CheckThenAct { capacity, enrolled: AtomicU32::new(0) }
    }
}

impl SignUp for CheckThenAct {
    fn sign_up(&self) -> bool {
        // SeqCst, here and below: even the strongest ordering does not make one step of two.
        if self.enrolled.load(Ordering::SeqCst) >= self.capacity {
            return false;
        }
        save();
        self.enrolled.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn enrolled(&self) -> u32 {
        // SeqCst: as above.
        self.enrolled.load(Ordering::SeqCst)
    }
}

/// Locks the course while it looks, saves and counts: correct, and one student at a time.
pub(crate) struct Locked {
    capacity: u32,
    enrolled: Mutex<u32>,
}

impl Locked {
    pub(crate) fn new(capacity: u32) -> Locked {
        Locked { capacity, enrolled: Mutex::new(0) }
    }
}

impl SignUp for Locked {
    fn sign_up(&self) -> bool {
        let mut enrolled = self.enrolled.lock().unwrap_or_else(PoisonError::into_inner);
        if *enrolled >= self.capacity {
            return false;
        }
        save();
        *enrolled += 1;
        true
    }

    fn enrolled(&self) -> u32 {
        *self.enrolled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// headcount: takes the place first, saves, and confirms. No thread waits for another.
impl SignUp for Course {
    fn sign_up(&self) -> bool {
        self.enroll(|_head_count| {
            save();
            Ok::<_, ()>(())
        })
        .is_ok()
    }

    fn enrolled(&self) -> u32 {
        self.counts().enrolled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_each_way_keeps_the_limit() {
        let ways: [&dyn SignUp; 3] = [&CheckThenAct::new(2), &Locked::new(2), &Course::new(2)];
        for way in ways {
            assert_eq!([(); 3].map(|()| way.sign_up()), [true, true, false]);
            assert_eq!(way.enrolled(), 2);
        }
    }
}
