//! The protocol of waiting in a few lines, and what it could have been.
//!
//! Without a flaw the rejected passes every model that the gate passes. Each flaw is one that somebody
//! might put into the line, and some model must fail over it.

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
    pub(crate) const QUITTER_KEEPS_THE_PLACE: u8 = 3;
    pub(crate) const FLAG_FALLS_OUTSIDE_THE_LOCK: u8 = 4;
    pub(crate) const NEWCOMER_DROPS_THE_PLACE: u8 = 5;
    pub(crate) const RELAXED: u8 = 6;
}

const WAITING: u32 = 1 << 16;

struct Waiter {
    served: Arc<AtomicBool>,
    thread: Thread,
}

type Line = VecDeque<Waiter>;

/// Free places and WAITING in one word, and a line behind a lock.
pub(crate) struct Sketch<const FLAW: u8> {
    word: AtomicU32,
    line: Mutex<Line>,
}

pub(crate) struct Pass<'a, const FLAW: u8>(&'a Sketch<FLAW>);

impl<const FLAW: u8> Drop for Pass<'_, FLAW> {
    fn drop(&mut self) {
        // A model that has failed is over: loom cannot run what comes after.
        if std::thread::panicking() {
            return;
        }
        self.0.leave(FLAW != Flaw::LEAVER_DOES_NOT_LOOK);
    }
}

impl<const FLAW: u8> Sketch<FLAW> {
    fn or_relaxed(ordering: Ordering) -> Ordering {
        if FLAW == Flaw::RELAXED {
            Ordering::Relaxed
        } else {
            ordering
        }
    }

    /// Changes the word as `change` says, if it says so.
    fn update(&self, change: impl Fn(u32) -> Option<u32>) -> bool {
        let acquire = Self::or_relaxed(Ordering::Acquire);
        self.word.fetch_update(acquire, Ordering::Relaxed, change).is_ok()
    }

    fn leave(&self, looks: bool) {
        let before = self.word.fetch_add(1, Self::or_relaxed(Ordering::Release));
        if looks && before & WAITING != 0 {
            self.serve(self.line.lock().unwrap());
        }
    }

    fn serve(&self, mut line: MutexGuard<'_, Line>) {
        let mut woken = Vec::new();
        while let Some(head) = line.front() {
            let falls = line.len() == 1 && FLAW != Flaw::FLAG_FALLS_OUTSIDE_THE_LOCK;
            let flag = if falls { WAITING } else { 0 };
            if !self.update(|word| (word & !WAITING > 0).then(|| (word - 1) & !flag)) {
                break;
            }
            head.served.store(true, Self::or_relaxed(Ordering::Release));
            woken.push(line.pop_front().unwrap().thread);
        }
        if line.is_empty() {
            if FLAW == Flaw::FLAG_FALLS_OUTSIDE_THE_LOCK {
                drop(line);
            }
            self.update(|word| Some(word & !WAITING));
        } else {
            drop(line);
        }
        woken.iter().for_each(Thread::unpark);
    }

    /// Gets in, or joins the line.
    fn join(&self) -> Result<Pass<'_, FLAW>, Arc<AtomicBool>> {
        let mut line = self.line.lock().unwrap();
        if FLAW == Flaw::NO_SECOND_LOOK {
            self.word.fetch_or(WAITING, Ordering::Relaxed);
        } else if line.is_empty() {
            if self.update(|word| (word & !WAITING > 0).then(|| word - 1)) {
                return Ok(Pass(self));
            }
            // The word has not changed since, or this says how.
            while !self.update(|word| (word & !WAITING == 0).then_some(word | WAITING)) {
                if self.update(|word| (word & !WAITING > 0).then(|| word - 1)) {
                    return Ok(Pass(self));
                }
            }
        }
        let served = Arc::new(AtomicBool::new(false));
        line.push_back(Waiter { served: Arc::clone(&served), thread: current() });
        Err(served)
    }
}

impl<const FLAW: u8> Door for Sketch<FLAW> {
    type Pass<'a> = Pass<'a, FLAW>;

    fn new(places: u32) -> Self {
        Sketch { word: AtomicU32::new(places), line: Mutex::new(VecDeque::new()) }
    }

    /// Looks, claims, and looks at what it has claimed: the way of the slot.
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
            waits = !self.line.lock().unwrap().is_empty();
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
        let mut line = self.line.lock().unwrap();
        if served.load(Ordering::Relaxed) {
            drop(line);
            if FLAW != Flaw::QUITTER_KEEPS_THE_PLACE {
                self.leave(true);
            }
        } else {
            line.retain(|waiter| !Arc::ptr_eq(&waiter.served, &served));
            self.serve(line);
        }
        None
    }

    fn free(&self) -> u32 {
        self.word.load(Ordering::Relaxed) & !WAITING
    }
}
