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

/// A wait for `wants` places of a gate. Its result is the gate, once the places are claimed.
pub(crate) struct Wait<G: Deref<Target = Gate>> {
    /// `None` once the result has been returned.
    gate: Option<G>,
    wants: u32,
    ticket: Option<Ticket>,
}

impl<G: Deref<Target = Gate>> Wait<G> {
    #[inline]
    pub(crate) fn new(gate: G, wants: u32) -> Self {
        Wait { gate: Some(gate), wants, ticket: None }
    }

    /// Returns the number of places that the caller wants.
    #[inline]
    pub(crate) fn wants(&self) -> u32 {
        self.wants
    }

    /// Returns how many callers are ahead, while this one is in the waitlist.
    pub(crate) fn position(&self) -> Option<usize> {
        self.gate.as_ref()?.waitlist.position(self.ticket?)
    }

    /// Writes the `Debug` output of the public futures.
    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("wants", &self.wants)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }

    fn finish(&mut self, state: WaitState) -> Poll<Result<G, AcquireError>> {
        if state == WaitState::Waits {
            return Poll::Pending;
        }
        self.ticket = None;
        let gate = self.gate.take().expect("a result is returned once");
        Poll::Ready(if state == WaitState::Served { Ok(gate) } else { Err(AcquireError::Closed) })
    }

    /// Claims the places if they are free, else joins the waitlist.
    #[inline]
    fn begin(&mut self, handle: impl FnOnce() -> WakeHandle) -> Poll<Result<G, AcquireError>> {
        let gate = self.gate.as_ref().expect("polled again after it was ready");
        let entered = match self.wants {
            1 => gate.enter(),
            n => gate.take(n),
        };
        let state = match entered {
            Ok(()) => WaitState::Served,
            Err(TryAcquireError::Closed) => WaitState::Closed,
            Err(_full) => match gate.waitlist.join(&gate.slot, self.wants, handle()) {
                Enqueued::Served => WaitState::Served,
                Enqueued::Closed => WaitState::Closed,
                Enqueued::Waits(ticket) => {
                    self.ticket = Some(ticket);
                    WaitState::Waits
                }
            },
        };
        self.finish(state)
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<G, AcquireError>> {
        match (&self.gate, self.ticket) {
            (Some(gate), Some(ticket)) => {
                let state = gate.waitlist.poll(ticket, cx.waker());
                self.finish(state)
            }
            _ => self.begin(|| WakeHandle::Task(cx.waker().clone())),
        }
    }

    /// Blocks the thread until the result is there.
    pub(crate) fn wait(self) -> Result<G, AcquireError> {
        self.wait_until(None).map_err(|_| AcquireError::Closed)
    }

    /// Blocks the thread until the result is there, or until the deadline.
    pub(crate) fn wait_until(
        mut self,
        deadline: Option<Instant>,
    ) -> Result<G, AcquireTimeoutError> {
        let mut result = match (&self.gate, self.ticket) {
            (Some(gate), Some(ticket)) => {
                let state = gate.waitlist.switch_to_thread(ticket, sync::current());
                self.finish(state)
            }
            _ => self.begin(|| WakeHandle::Thread(sync::current())),
        };
        loop {
            if let Poll::Ready(result) = result {
                return result.map_err(|_| AcquireTimeoutError::Closed);
            }
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => sync::park(),
                Some(left) if left.is_zero() => return self.give_up(),
                Some(left) => sync::park_timeout(left),
            }
            if let (Some(gate), Some(ticket)) = (&self.gate, self.ticket) {
                let state = gate.waitlist.look(ticket);
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
            /// [`Closed`](crate::AcquireError::Closed) if it is closed, or is closed while this
            /// caller waits.
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

            /// Returns how many callers are ahead in the waitlist: `Some(0)` is the next one.
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
