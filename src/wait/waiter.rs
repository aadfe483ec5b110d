//! One who waits: as a future, and as a thread.
//!
//! # Invariant
//!
//! While `ticket` is there, this one is in waitlist, or has been served or turned away and does not know
//! it yet. Dropping it then gives up the ticket, and gives back the places if it had been served.

use core::fmt;
use core::ops::Deref;
use core::task::{Context, Poll};
use std::time::Instant;

use super::queue::WakeHandle;
use super::waitlist::{Enqueued, Ticket, WaitState, Waitlist};
use crate::error::{AcquireTimeoutError, Closed, TryAcquireError};
use crate::protocol::slot::Slot;
use crate::sync;

/// Something with places that one can wait for.
pub(crate) trait Door {
    fn slot(&self) -> &Slot;
    fn waitlist(&self) -> &Waitlist;
    /// Takes `n` places without waiting.
    fn enter(&self, n: u32) -> Result<(), TryAcquireError>;
}

/// One who wants `wants` places behind a door. Yields the door when it has them.
pub(crate) struct Wait<D: Deref<Target: Door>> {
    /// `None` once this is over.
    door: Option<D>,
    wants: u32,
    ticket: Option<Ticket>,
}

impl<D: Deref<Target: Door>> Wait<D> {
    pub(crate) fn new(door: D, wants: u32) -> Self {
        Wait { door: Some(door), wants, ticket: None }
    }

    /// How many are ahead, while this waits.
    pub(crate) fn position(&self) -> Option<usize> {
        self.door.as_ref()?.waitlist().position(self.ticket?)
    }

    /// The `Debug` of the futures.
    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("wants", &self.wants)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }

    fn over(&mut self, turn: WaitState) -> Poll<Result<D, Closed>> {
        if turn == WaitState::Waits {
            return Poll::Pending;
        }
        self.ticket = None;
        let door = self.door.take().expect("nothing comes after the end");
        Poll::Ready(if turn == WaitState::Served { Ok(door) } else { Err(Closed) })
    }

    fn begin(&mut self, handle: impl FnOnce() -> WakeHandle) -> Poll<Result<D, Closed>> {
        let door = self.door.as_ref().expect("polled after it was ready");
        let turn = match door.enter(self.wants) {
            Ok(()) => WaitState::Served,
            Err(TryAcquireError::Closed) => WaitState::Closed,
            Err(TryAcquireError::Full) => {
                match door.waitlist().join(door.slot(), self.wants, handle()) {
                    Enqueued::Served => WaitState::Served,
                    Enqueued::Closed => WaitState::Closed,
                    Enqueued::Waits(ticket) => {
                        self.ticket = Some(ticket);
                        WaitState::Waits
                    }
                }
            }
        };
        self.over(turn)
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<D, Closed>> {
        match (&self.door, self.ticket) {
            (Some(door), Some(ticket)) => {
                let turn = door.waitlist().poll(ticket, cx.waker());
                self.over(turn)
            }
            _ => self.begin(|| WakeHandle::Task(cx.waker().clone())),
        }
    }

    /// Blocks this thread until it is over, or until the deadline.
    pub(crate) fn block(mut self, deadline: Option<Instant>) -> Result<D, AcquireTimeoutError> {
        let mut state = self.begin(|| WakeHandle::Thread(sync::current()));
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
                let turn = door.waitlist().look(ticket);
                state = self.over(turn);
            }
        }
    }

    /// The time is up; whoever has been served in the meantime gets in all the same.
    fn give_up(mut self) -> Result<D, AcquireTimeoutError> {
        if let (Some(door), Some(ticket)) = (&self.door, self.ticket.take()) {
            if door.waitlist().cancel(door.slot(), ticket) {
                return self.door.take().ok_or(AcquireTimeoutError::Timeout);
            }
        }
        Err(AcquireTimeoutError::Timeout)
    }
}

impl<D: Deref<Target: Door>> Drop for Wait<D> {
    fn drop(&mut self) {
        if let (Some(door), Some(ticket)) = (&self.door, self.ticket) {
            if door.waitlist().cancel(door.slot(), ticket) {
                door.waitlist().give_back(door.slot(), self.wants);
            }
        }
    }
}
