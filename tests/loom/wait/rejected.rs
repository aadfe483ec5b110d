//! The protocol of waiting in a few lines, and what it could have been.
//!
//! Without a flaw it passes every model that the gate passes. Each flaw is one that an author might
//! put into the waitlist, and some model must fail over it.

use std::collections::VecDeque;
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::sync::{Mutex, MutexGuard};
use loom::thread::{current, park, Thread};

use super::Door;

/// Known flaws, as constants because they are parameters of a type.
pub(crate) struct Flaw;

impl Flaw {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const NO_SECOND_LOOK: u8 = 1;
    pub(crate) const LEAVER_DOES_NOT_LOOK: u8 = 2;
    pub(crate) const CANCELLED_WAITER_KEEPS_THE_PLACE: u8 = 3;
    pub(crate) const FLAG_CLEARED_OUTSIDE_THE_LOCK: u8 = 4;
    pub(crate) const NEWCOMER_DROPS_THE_PLACE: u8 = 5;
    pub(crate) const RELAXED: u8 = 6;
}

const WAITING: u32 = 1 << 16;

struct Waiter {
    served: Arc<AtomicBool>,
    thread: Thread,
}

type Queue = VecDeque<Waiter>;

/// Free places and WAITING in one word, and a queue behind a lock.
pub(crate) struct RejectedWaitlist<const FLAW: u8> {
    word: AtomicU32,
    queue: Mutex<Queue>,
}

pub(crate) struct Pass<'a, const FLAW: u8>(&'a RejectedWaitlist<FLAW>);

impl<const FLAW: u8> Drop for Pass<'_, FLAW> {
    fn drop(&mut self) {
        // A model that has failed is over: loom cannot run what comes after.
        if std::thread::panicking() {
            return;
        }
        self.0.leave(FLAW != Flaw::LEAVER_DOES_NOT_LOOK);
    }
}

impl<const FLAW: u8> RejectedWaitlist<FLAW> {
    fn or_relaxed(ordering: Ordering) -> Ordering {
        if FLAW == Flaw::RELAXED {
            Ordering::Relaxed
        } else {
            ordering
        }
    }

    /// Changes the word as `change` says. Returns false if it says `None`.
    fn update(&self, change: impl Fn(u32) -> Option<u32>) -> bool {
        let acquire = Self::or_relaxed(Ordering::Acquire);
        self.word.fetch_update(acquire, Ordering::Relaxed, change).is_ok()
    }

    fn leave(&self, looks: bool) {
        let before = self.word.fetch_add(1, Self::or_relaxed(Ordering::Release));
        if looks && before & WAITING != 0 {
            self.serve(self.queue.lock().unwrap());
        }
    }

    fn serve(&self, mut queue: MutexGuard<'_, Queue>) {
        let mut woken = Vec::new();
        while let Some(head) = queue.front() {
            let clears = queue.len() == 1 && FLAW != Flaw::FLAG_CLEARED_OUTSIDE_THE_LOCK;
            let flag = if clears { WAITING } else { 0 };
            if !self.update(|word| (word & !WAITING > 0).then(|| (word - 1) & !flag)) {
                break;
            }
            head.served.store(true, Self::or_relaxed(Ordering::Release));
            woken.push(queue.pop_front().unwrap().thread);
        }
        if queue.is_empty() {
            if FLAW == Flaw::FLAG_CLEARED_OUTSIDE_THE_LOCK {
                drop(queue);
            }
            self.update(|word| Some(word & !WAITING));
        } else {
            drop(queue);
        }
        woken.iter().for_each(Thread::unpark);
    }

    /// Takes a place, or queues.
    fn join(&self) -> Result<Pass<'_, FLAW>, Arc<AtomicBool>> {
        let mut queue = self.queue.lock().unwrap();
        if FLAW == Flaw::NO_SECOND_LOOK {
            self.word.fetch_or(WAITING, Ordering::Relaxed);
        } else if queue.is_empty() {
            if self.update(|word| (word & !WAITING > 0).then(|| word - 1)) {
                return Ok(Pass(self));
            }
            // A failed update means that a place came free meanwhile: try to take it.
            while !self.update(|word| (word & !WAITING == 0).then_some(word | WAITING)) {
                if self.update(|word| (word & !WAITING > 0).then(|| word - 1)) {
                    return Ok(Pass(self));
                }
            }
        }
        let served = Arc::new(AtomicBool::new(false));
        queue.push_back(Waiter { served: Arc::clone(&served), thread: current() });
        Err(served)
    }
}

impl<const FLAW: u8> Door for RejectedWaitlist<FLAW> {
    type Pass<'a> = Pass<'a, FLAW>;

    fn new(places: u32) -> Self {
        RejectedWaitlist { word: AtomicU32::new(places), queue: Mutex::new(VecDeque::new()) }
    }

    /// Looks, claims, and looks at what it has claimed, as the slot does.
    fn try_enter(&self) -> Option<Pass<'_, FLAW>> {
        if self.word.load(Ordering::Relaxed) & !WAITING == 0 {
            return None;
        }
        let mut waits = false;
        let acquire = Self::or_relaxed(Ordering::Acquire);
        let claimed = self.word.fetch_update(acquire, Ordering::Relaxed, |word| {
            (word & !WAITING > 0).then(|| word - 1)
        });
        if claimed.ok()? & WAITING != 0 {
            waits = !self.queue.lock().unwrap().is_empty();
        }
        if waits {
            self.leave(FLAW != Flaw::NEWCOMER_DROPS_THE_PLACE);
            return None;
        }
        Some(Pass(self))
    }

    fn wait(&self) -> Pass<'_, FLAW> {
        match self.join() {
            Ok(pass) => pass,
            Err(served) => {
                while !served.load(Self::or_relaxed(Ordering::Acquire)) {
                    park();
                }
                Pass(self)
            }
        }
    }

    fn give_up(&self) -> Option<Pass<'_, FLAW>> {
        let served = match self.join() {
            Ok(pass) => return Some(pass),
            Err(served) => served,
        };
        let mut queue = self.queue.lock().unwrap();
        if served.load(Ordering::Relaxed) {
            drop(queue);
            if FLAW != Flaw::CANCELLED_WAITER_KEEPS_THE_PLACE {
                self.leave(true);
            }
        } else {
            queue.retain(|waiter| !Arc::ptr_eq(&waiter.served, &served));
            self.serve(queue);
        }
        None
    }

    fn free(&self) -> u32 {
        self.word.load(Ordering::Relaxed) & !WAITING
    }
}
