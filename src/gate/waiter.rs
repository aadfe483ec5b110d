//! One wait for places of a gate, by a task or by a thread; and what all public futures of waiting
//! have in common.
//!
//! # Invariant
//!
//! While `ticket` is `Some`, the caller is in the waitlist, or it has been served or refused and
//! has not learned of it yet. Dropping the wait then cancels the ticket, and gives the places back
//! if the caller had been served.

use core::fmt;
use core::ops::Deref;
use core::task::{Context, Poll};
use std::time::Instant;

use super::core::Gate;
use crate::error::{AcquireError, AcquireTimeoutError, TryAcquireError};
use crate::sync;
use crate::wait::{Enqueued, Ticket, WaitState, WakeHandle};

/// A wait for `wants` places of a gate, or until none of its places is held. Its result is the gate,
/// once the places are claimed.
pub(crate) struct Wait<G: Deref<Target = Gate>> {
    /// `None` once the result has been returned.
    gate: Option<G>,
    wants: u32,
    /// Closes the gate, and waits until none of its places is held. `wants` is 0 then.
    drains: bool,
    /// The number of waiters at which this one is refused.
    limit: usize,
    ticket: Option<Ticket>,
}

impl<G: Deref<Target = Gate>> Wait<G> {
    #[inline]
    pub(crate) fn new(gate: G, wants: u32) -> Self {
        Wait { gate: Some(gate), wants, drains: false, limit: usize::MAX, ticket: None }
    }

    #[inline]
    pub(crate) fn draining(gate: G) -> Self {
        let mut wait = Wait::new(gate, 0);
        wait.drains = true;
        wait
    }

    /// Limits the number of waiters that this one may join.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Returns the number of places that the caller wants.
    #[inline]
    pub(crate) fn wants(&self) -> u32 {
        self.wants
    }

    /// Returns how many callers are ahead, while this one is in the waitlist.
    pub(crate) fn position(&self) -> Option<usize> {
        let gate = self.gate.as_ref()?;
        gate.waitlist.position(&gate.slot, self.ticket?)
    }

    /// Writes the `Debug` output of the public futures.
    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("wants", &self.wants)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }

    fn finish(&mut self, state: WaitState) -> Poll<Result<G, AcquireError>> {
        match state {
            WaitState::Waits => Poll::Pending,
            WaitState::Served => self.end(None),
            WaitState::Refused => self.end(Some(AcquireError::Closed)),
        }
    }

    /// Ends the wait with the gate, or else with the error.
    fn end(&mut self, error: Option<AcquireError>) -> Poll<Result<G, AcquireError>> {
        self.ticket = None;
        let gate = self.gate.take().expect("a result is returned once");
        Poll::Ready(error.map_or(Ok(gate), Err))
    }

    /// Claims the places if they are free, else joins the waitlist.
    #[inline]
    fn begin(&mut self, handle: impl FnOnce() -> WakeHandle) -> Poll<Result<G, AcquireError>> {
        let gate = self.gate.as_ref().expect("polled again after it was ready");
        let entered = match self.wants {
            1 => gate.enter(),
            0 if self.drains => Err(TryAcquireError::Full),
            n => gate.take(n),
        };
        match entered {
            Ok(()) => self.end(None),
            Err(TryAcquireError::Closed) => self.end(Some(AcquireError::Closed)),
            Err(_full) => self.join(handle()),
        }
    }

    fn join(&mut self, handle: WakeHandle) -> Poll<Result<G, AcquireError>> {
        let gate = self.gate.as_ref().expect("it has not been ready");
        let joined = if self.drains {
            gate.waitlist.drain(&gate.slot, handle)
        } else if self.wants > Gate::MAX_CAPACITY {
            return self.end(Some(AcquireError::TooMany));
        } else {
            gate.waitlist.join(&gate.slot, self.wants, self.limit, handle)
        };
        match joined {
            Enqueued::Served => self.end(None),
            Enqueued::Closed => self.end(Some(AcquireError::Closed)),
            Enqueued::QueueFull => self.end(Some(AcquireError::QueueFull)),
            Enqueued::Waits(ticket) => {
                self.ticket = Some(ticket);
                Poll::Pending
            }
        }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<G, AcquireError>> {
        match (&self.gate, self.ticket) {
            (Some(gate), Some(ticket)) => {
                let state = gate.waitlist.poll(&gate.slot, ticket, cx.waker());
                self.finish(state)
            }
            _ => self.begin(|| WakeHandle::Task(cx.waker().clone())),
        }
    }

    /// Blocks the thread until the result is there.
    pub(crate) fn wait(self) -> Result<G, AcquireError> {
        self.wait_until(None).map_err(|error| match error {
            AcquireTimeoutError::QueueFull => AcquireError::QueueFull,
            AcquireTimeoutError::TooMany => AcquireError::TooMany,
            AcquireTimeoutError::KeysFull => AcquireError::KeysFull,
            AcquireTimeoutError::Closed | AcquireTimeoutError::Timeout => AcquireError::Closed,
        })
    }

    /// Blocks the thread until the result is there, or until the deadline.
    pub(crate) fn wait_until(
        mut self,
        deadline: Option<Instant>,
    ) -> Result<G, AcquireTimeoutError> {
        let mut result = match (&self.gate, self.ticket) {
            (Some(gate), Some(ticket)) => {
                let state = gate.waitlist.switch_to_thread(&gate.slot, ticket, sync::current());
                self.finish(state)
            }
            _ => self.begin(|| WakeHandle::Thread(sync::current())),
        };
        loop {
            if let Poll::Ready(result) = result {
                return result.map_err(AcquireTimeoutError::from);
            }
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => sync::park(),
                Some(left) if left.is_zero() => return self.give_up(),
                Some(left) => sync::park_timeout(left),
            }
            if let (Some(gate), Some(ticket)) = (&self.gate, self.ticket) {
                let state = gate.waitlist.look(&gate.slot, ticket);
                result = self.finish(state);
            }
        }
    }

    /// The deadline has passed. A caller that has been served in the meantime is admitted.
    fn give_up(mut self) -> Result<G, AcquireTimeoutError> {
        if let (Some(gate), Some(ticket)) = (&self.gate, self.ticket.take()) {
            if gate.waitlist.cancel(&gate.slot, ticket) {
                return self.gate.take().ok_or(AcquireTimeoutError::Timeout);
            }
        }
        Err(AcquireTimeoutError::Timeout)
    }
}

impl<G: Deref<Target = Gate>> Drop for Wait<G> {
    fn drop(&mut self) {
        if let (Some(gate), Some(ticket)) = (&self.gate, self.ticket) {
            if gate.waitlist.cancel(&gate.slot, ticket) {
                gate.give_back(self.wants);
            }
        }
    }
}

/// Four ways to wait, the same for each public future. `$guard` makes the guard of the gate and the
/// number of places that [`Wait`] yields. `$free`, `$full` and `$call` are code of the examples:
/// how to create what is waited for, with and without a free place, and how to call for a place.
macro_rules! waiting_future {
    (
        [$($generics:tt)*] $future:ty, $name:literal => $output:ty, $guard:expr;
        $free:literal, $full:literal, $call:literal
    ) => {
        impl<$($generics)*> $future {
            /// Blocks the thread until there is a place for this caller.
            ///
            /// Threads and tasks stand in one waitlist. A future that has been polled before keeps
            /// its position: the thread is woken in place of the task.
            ///
            /// Not for async code: it would block the runtime, perhaps together with the task that
            /// is about to give a place back.
            ///
            /// # Errors
            ///
            /// - [`Closed`](crate::AcquireError::Closed) if it is closed, or is closed while this
            ///   caller waits.
            /// - [`QueueFull`](crate::AcquireError::QueueFull) if a
            ///   [`queue_limit`](Self::queue_limit) is reached.
            /// - [`TooMany`](crate::AcquireError::TooMany) if more places are asked for than
            ///   [`Gate::MAX_CAPACITY`](crate::Gate::MAX_CAPACITY).
            ///
            /// # Panics
            ///
            /// If the future has been ready before.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $free]
            #[doc = concat!("let place = ", $call, ".wait()?;")]
            /// drop(place);
            /// # Ok::<(), headcount::AcquireError>(())
            /// ```
            pub fn wait(self) -> Result<$output, crate::AcquireError> {
                let wants = self.wait.wants();
                Ok($guard(self.wait.wait()?, wants))
            }

            /// Blocks the thread as [`wait`](Self::wait), but for no longer than `timeout`.
            ///
            /// With a `timeout` of zero it does not block. A `timeout` too long for the clock has
            /// no end.
            ///
            /// # Errors
            ///
            /// As [`wait_deadline`](Self::wait_deadline).
            ///
            /// # Panics
            ///
            /// If the future has been ready before.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::Duration;
            ///
            #[doc = $full]
            #[doc = concat!("let refused = ", $call, ".wait_timeout(Duration::from_millis(1));")]
            /// assert!(refused.unwrap_err().is_timeout());
            /// ```
            pub fn wait_timeout(
                self,
                timeout: std::time::Duration,
            ) -> Result<$output, crate::AcquireTimeoutError> {
                let wants = self.wait.wants();
                let deadline = std::time::Instant::now().checked_add(timeout);
                Ok($guard(self.wait.wait_until(deadline)?, wants))
            }

            /// Blocks the thread as [`wait`](Self::wait), but no longer than until `deadline`.
            ///
            /// # Errors
            ///
            /// - [`Timeout`](crate::AcquireTimeoutError::Timeout) if this caller was not served in
            ///   time. It holds nothing then; places set aside for it go to the next callers.
            /// - [`Closed`](crate::AcquireTimeoutError::Closed) if it is closed, or is closed while
            ///   this caller waits.
            /// - `QueueFull` and `TooMany` as [`wait`](Self::wait).
            ///
            /// # Panics
            ///
            /// If the future has been ready before.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::{Duration, Instant};
            ///
            #[doc = $full]
            /// let deadline = Instant::now() + Duration::from_millis(1);
            #[doc = concat!("assert!(", $call, ".wait_deadline(deadline).unwrap_err().is_timeout());")]
            /// ```
            pub fn wait_deadline(
                self,
                deadline: std::time::Instant,
            ) -> Result<$output, crate::AcquireTimeoutError> {
                let wants = self.wait.wants();
                Ok($guard(self.wait.wait_until(Some(deadline))?, wants))
            }

            /// Refuses this caller if `waiting` callers wait already when it would have to.
            ///
            /// The number is decided under the lock of the waitlist, so callers that all give the
            /// same limit never exceed it. With a limit of 0 the caller never waits. It has no
            /// effect on a future that waits already.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $full]
            #[doc = concat!("let refused = ", $call, ".queue_limit(0).wait();")]
            /// assert!(refused.unwrap_err().is_queue_full());
            /// ```
            pub fn queue_limit(mut self, waiting: usize) -> Self {
                self.wait.set_limit(waiting);
                self
            }

            /// Returns how many callers are ahead in the waitlist: `Some(0)` is the next one.
            ///
            /// A caller that wants more places than the capacity stands aside: it is ahead only of
            /// others that do.
            ///
            /// `None` before the first poll, and as soon as this caller has been served or refused.
            ///
            /// # Cost
            ///
            /// Takes the lock of the waitlist, for a number of steps that grows with the result.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::{future::Future, pin::Pin, sync::Arc, task::{Context, Wake, Waker}};
            ///
            /// # struct Silent;
            /// # impl Wake for Silent { fn wake(self: Arc<Self>) {} }
            /// # let waker = Waker::from(Arc::new(Silent));
            #[doc = $full]
            /// let mut cx = Context::from_waker(&waker);
            #[doc = concat!("let (mut ann, mut bob) = (", $call, ", ", $call, ");")]
            /// assert_eq!(ann.position(), None); // not polled yet
            /// assert!(Pin::new(&mut ann).poll(&mut cx).is_pending());
            /// assert!(Pin::new(&mut bob).poll(&mut cx).is_pending());
            /// assert_eq!((ann.position(), bob.position()), (Some(0), Some(1)));
            /// drop(ann);
            /// assert_eq!(bob.position(), Some(0));
            /// ```
            pub fn position(&self) -> Option<usize> {
                self.wait.position()
            }
        }

        impl<$($generics)*> core::future::Future for $future {
            type Output = Result<$output, crate::AcquireError>;

            #[inline]
            fn poll(
                mut self: core::pin::Pin<&mut Self>,
                cx: &mut core::task::Context<'_>,
            ) -> core::task::Poll<Self::Output> {
                let gate = core::task::ready!(self.wait.poll(cx))?;
                core::task::Poll::Ready(Ok($guard(gate, self.wait.wants())))
            }
        }

        impl<$($generics)*> core::fmt::Debug for $future {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.wait.describe($name, f)
            }
        }
    };
}

pub(crate) use waiting_future;
