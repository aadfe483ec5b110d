//! One who waits: as a future, and as a thread.
//!
//! # Invariant
//!
//! While `ticket` is there, this one is in line, or has been served or turned away and does not know
//! it yet. Dropping it then gives up the ticket, and gives back the places if it had been served.

use core::fmt;
use core::ops::Deref;
use core::task::{Context, Poll};
use std::time::Instant;

use super::line::{Joined, Line, Ticket, Turn};
use super::queue::Alarm;
use crate::error::{AcquireTimeoutError, Closed, TryAcquireError};
use crate::slot::Slot;
use crate::sync;

/// Something with places that one can wait for.
pub(super) trait Door {
    fn slot(&self) -> &Slot;
    fn line(&self) -> &Line;
    /// Takes `n` places without waiting.
    fn enter(&self, n: u32) -> Result<(), TryAcquireError>;
}

/// One who wants `wants` places behind a door. Yields the door when it has them.
pub(super) struct Wait<D: Deref<Target: Door>> {
    /// `None` once this is over.
    door: Option<D>,
    wants: u32,
    ticket: Option<Ticket>,
}

impl<D: Deref<Target: Door>> Wait<D> {
    pub(super) fn new(door: D, wants: u32) -> Self {
        Wait { door: Some(door), wants, ticket: None }
    }

    /// How many are ahead, while this waits.
    pub(super) fn position(&self) -> Option<usize> {
        self.door.as_ref()?.line().position(self.ticket?)
    }

    /// The `Debug` of the futures.
    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("wants", &self.wants)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }

    fn over(&mut self, turn: Turn) -> Poll<Result<D, Closed>> {
        if turn == Turn::Waits {
            return Poll::Pending;
        }
        self.ticket = None;
        let door = self.door.take().expect("nothing comes after the end");
        Poll::Ready(if turn == Turn::Served { Ok(door) } else { Err(Closed) })
    }

    fn begin(&mut self, alarm: impl FnOnce() -> Alarm) -> Poll<Result<D, Closed>> {
        let door = self.door.as_ref().expect("polled after it was ready");
        let turn = match door.enter(self.wants) {
            Ok(()) => Turn::Served,
            Err(TryAcquireError::Closed) => Turn::Closed,
            Err(TryAcquireError::Full) => {
                match door.line().join(door.slot(), self.wants, alarm()) {
                    Joined::Served => Turn::Served,
                    Joined::Closed => Turn::Closed,
                    Joined::Waits(ticket) => {
                        self.ticket = Some(ticket);
                        Turn::Waits
                    }
                }
            }
        };
        self.over(turn)
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<D, Closed>> {
        match (&self.door, self.ticket) {
            (Some(door), Some(ticket)) => {
                let turn = door.line().poll(ticket, cx.waker());
                self.over(turn)
            }
            _ => self.begin(|| Alarm::Task(cx.waker().clone())),
        }
    }

    /// Blocks this thread until it is over, or until the deadline.
    pub(super) fn block(mut self, deadline: Option<Instant>) -> Result<D, AcquireTimeoutError> {
        let mut state = self.begin(|| Alarm::Thread(sync::current()));
        loop {
            if let Poll::Ready(result) = state {
                return result.map_err(|Closed| AcquireTimeoutError::Closed);
            }
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => sync::park(),
                Some(left) if left.is_zero() => return self.give_up(),
                Some(left) => sync::park_timeout(left),
            }
            if let (Some(door), Some(ticket)) = (&self.door, self.ticket) {
                let turn = door.line().look(ticket);
                state = self.over(turn);
            }
        }
    }

    /// The time is up; whoever has been served in the meantime gets in all the same.
    fn give_up(mut self) -> Result<D, AcquireTimeoutError> {
        if let (Some(door), Some(ticket)) = (&self.door, self.ticket.take()) {
            if door.line().quit(door.slot(), ticket) {
                return self.door.take().ok_or(AcquireTimeoutError::Timeout);
            }
        }
        Err(AcquireTimeoutError::Timeout)
    }
}

impl<D: Deref<Target: Door>> Drop for Wait<D> {
    fn drop(&mut self) {
        if let (Some(door), Some(ticket)) = (&self.door, self.ticket) {
            if door.line().quit(door.slot(), ticket) {
                door.line().give_back(door.slot(), self.wants);
            }
        }
    }
}
