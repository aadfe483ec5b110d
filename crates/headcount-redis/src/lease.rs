//! What is held for a ttl: it is renewed while the process holds it, and released afterwards.
//!
//! One task for each object renews all its leases in few calls, and releases those that were
//! dropped. The task ends when there is nothing to do, and starts again when there is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{watch, Notify};
use tokio::time::Instant;

use crate::connection::Arg;
use crate::error::EngineError;
use crate::mutants::mutant;
use crate::object::Object;

/// How many leases one call renews or releases.
const BATCH: usize = 200;

/// Until when a lease given for `ttl` by a call that was sent at `sent` is relied upon: a hundredth
/// before its end, for clocks that run at different speeds.
pub(crate) fn valid_until(sent: Instant, ttl: Duration) -> Instant {
    sent + ttl - ttl / 100
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Status {
    Held(Instant),
    /// Final: a lease that has been seen as lost is never seen as held again.
    Lost,
}

struct Hold {
    status: watch::Sender<Status>,
    renew: Vec<Arg>,
    release: Vec<Arg>,
}

impl Hold {
    /// Returns whether the lease is lost; from then on it stays so.
    fn is_lost(&self) -> bool {
        let is_held = |until| Instant::now() < until || mutant!("lease-reads-no-clock");
        self.change(|until| if is_held(until) { Status::Held(until) } else { Status::Lost })
            == Status::Lost
    }

    /// Renews the lease, unless it has ended before.
    fn extend(&self, to: Instant) {
        self.change(|until| match Instant::now() < until {
            true => Status::Held(until.max(to)),
            false => Status::Lost,
        });
    }

    fn lose(&self) {
        self.change(|_| Status::Lost);
    }

    fn change(&self, change: impl FnOnce(Instant) -> Status) -> Status {
        let mut after = Status::Lost;
        self.status.send_if_modified(|status| {
            let Status::Held(until) = *status else { return false };
            after = change(until);
            let modified = after != *status;
            *status = after;
            modified
        });
        after
    }

    async fn lost(&self) {
        let mut status = self.status.subscribe();
        while !self.is_lost() {
            let Status::Held(until) = *status.borrow_and_update() else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                changed = status.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[derive(Default)]
struct Books {
    next: u64,
    held: HashMap<u64, Arc<Hold>>,
    releases: Vec<Vec<Arg>>,
    runs: bool,
}

impl Books {
    fn is_idle(&self) -> bool {
        self.held.is_empty() && self.releases.is_empty()
    }
}

/// Renews and releases the leases of one object.
pub(crate) struct Keeper {
    object: Object,
    ttl: Duration,
    /// The first arguments of a renewal and of a release.
    renew: Vec<Arg>,
    release: Vec<Arg>,
    books: Mutex<Books>,
    wake: Notify,
}

impl Keeper {
    pub(crate) fn new(
        object: Object,
        ttl: Duration,
        renew: impl Into<Vec<Arg>>,
        release: impl Into<Vec<Arg>>,
    ) -> Keeper {
        let (renew, release) = (renew.into(), release.into());
        Keeper { object, ttl, renew, release, books: Mutex::default(), wake: Notify::new() }
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// No code that can panic runs under this lock.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a guard for what a call is about to take. If it is dropped, it releases that.
    pub(crate) fn guard(self: &Arc<Self>, release: impl Into<Vec<Arg>>) -> Guard {
        Guard { keeper: Arc::clone(self), release: Some(release.into()), hold: None }
    }

    /// Changes the books, and sees to it that the task runs.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Books)) {
        let mut books = self.books();
        change(&mut books);
        let starts = !books.runs && !books.is_idle();
        books.runs |= starts;
        drop(books);
        if starts {
            self.object.connection.runtime().spawn(Arc::clone(self).keep());
        } else {
            self.wake.notify_one();
        }
    }

    async fn keep(self: Arc<Self>) {
        let mut next = Instant::now() + self.ttl / 3;
        loop {
            // Renewals come first: releases may never cease.
            let is_due = Instant::now() >= next && !mutant!("lease-releases-come-first");
            let releases: Vec<_> = {
                let mut books = self.books();
                if books.is_idle() {
                    books.runs = false;
                    return;
                }
                let count = if is_due { 0 } else { books.releases.len().min(BATCH) };
                books.releases.drain(..count).collect()
            };
            if !releases.is_empty() {
                // Best effort: if the engine does not answer, what is not released ends by itself.
                let args = [self.release.clone(), releases.concat()].concat();
                let _ = self.object.run(&args).await;
                continue;
            }
            tokio::select! {
                () = self.wake.notified(), if !is_due => {}
                () = tokio::time::sleep_until(next) => {
                    let renewed = self.renew_all().await;
                    next = Instant::now() + if renewed { self.ttl / 3 } else { self.ttl / 20 };
                }
            }
        }
    }

    /// Renews all leases, and forgets those that are lost. Returns whether every call got an
    /// answer.
    async fn renew_all(&self) -> bool {
        let held: Vec<_> =
            self.books().held.iter().map(|(&n, hold)| (n, Arc::clone(hold))).collect();
        let mut answered = true;
        for batch in held.chunks(BATCH) {
            let mut args = self.renew.clone();
            args.extend(batch.iter().flat_map(|(_, hold)| hold.renew.iter().cloned()));
            match self.object.run(&args).await {
                Ok(answer) => {
                    for (at, (_, hold)) in batch.iter().enumerate() {
                        if answer.values.contains(&(at as i64)) {
                            hold.lose();
                        } else {
                            hold.extend(valid_until(answer.sent, self.ttl));
                        }
                    }
                }
                Err(_) => answered = false,
            }
        }
        let mut books = self.books();
        for (number, hold) in held {
            if hold.is_lost() {
                // The renewal may have arrived after the end, or after a release.
                let was_held = books.held.remove(&number).is_some();
                if was_held || !mutant!("lease-is-released-once") {
                    books.releases.push(hold.release.clone());
                }
            }
        }
        answered
    }
}

/// What a process holds, or is about to hold, of an object.
pub(crate) struct Guard {
    keeper: Arc<Keeper>,
    /// The arguments that release it; none once it has been released.
    release: Option<Vec<Arg>>,
    hold: Option<(u64, Arc<Hold>)>,
}

impl Guard {
    /// The engine has given it: begins to renew it.
    pub(crate) fn keep(&mut self, sent: Instant, renew: impl Into<Vec<Arg>>) {
        let status = watch::Sender::new(Status::Held(valid_until(sent, self.keeper.ttl)));
        let release = self.release.clone().unwrap_or_default();
        let hold = Arc::new(Hold { status, renew: renew.into(), release });
        self.keeper.change(|books| {
            books.next += 1;
            books.held.insert(books.next, Arc::clone(&hold));
            self.hold = Some((books.next, hold));
        });
    }

    /// There is nothing to release.
    pub(crate) fn disarm(&mut self) {
        self.release = None;
        self.stop();
    }

    /// Stops the renewal.
    fn stop(&mut self) {
        if let Some((number, _)) = self.hold.take() {
            self.keeper.change(|books| {
                books.held.remove(&number);
            });
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.hold.as_ref().is_none_or(|(_, hold)| hold.is_lost())
    }

    pub(crate) async fn lost(&self) {
        if let Some((_, hold)) = &self.hold {
            hold.lost().await;
        }
    }

    /// Releases it, and returns once the engine has confirmed that. If this future is dropped, the
    /// release is left to the task.
    pub(crate) async fn release(mut self) -> Result<(), EngineError> {
        if let Some((_, hold)) = &self.hold {
            // Lets a renewal that is on its way release it once more.
            hold.lose();
        }
        self.stop();
        if let Some(release) = &self.release {
            let args = [self.keeper.release.clone(), release.clone()].concat();
            self.keeper.object.run(&args).await?;
            self.release = None;
        }
        Ok(())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("is_lost", &self.is_lost()).finish_non_exhaustive()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (hold, release) = (self.hold.take(), self.release.take());
        if hold.is_some() || release.is_some() {
            self.keeper.change(|books| {
                if let Some((number, _)) = hold {
                    books.held.remove(&number);
                }
                books.releases.extend(release);
            });
        }
    }
}
