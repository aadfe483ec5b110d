//! Dropping guards, of which each may panic.
//!
//! # Invariant
//!
//! No panic of a destructor leaves [`Releases::release`]. The first one goes on in
//! [`Releases::finish`].

use core::any::Any;
use core::mem::forget;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::thread::panicking;

/// Guards that have been dropped: how many, and the first panic.
#[derive(Default)]
pub(super) struct Releases {
    count: usize,
    panic: Option<Box<dyn Any + Send>>,
}

impl Releases {
    /// Drops a guard.
    pub(super) fn release<G>(&mut self, guard: G) {
        self.count += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(guard))) {
            if self.panic.is_none() {
                self.panic = Some(panic);
            } else {
                // Its own destructor could panic.
                forget(panic);
            }
        }
    }

    /// Continues the first panic, unless the thread panics already. Returns how many guards have
    /// been dropped.
    pub(super) fn finish(self) -> usize {
        match self.panic {
            Some(panic) if panicking() => forget(panic),
            Some(panic) => resume_unwind(panic),
            None => {}
        }
        self.count
    }
}
