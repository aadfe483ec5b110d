//! Draining a gate: the public methods and their futures.
//!
//! # Invariant
//!
//! A drain is a [`Wait`] for no places, so it has nothing to give back.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{ready, Context, Poll};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Gate;
use super::waiter::Wait;
use crate::error::{AcquireTimeoutError, DrainError};

/// Draining, with the feature `wait`.
impl Gate {
    /// Closes the gate, and waits until none of its places is held.
    ///
    /// The gate is closed when the future is first polled, as by [`close`](Self::close): callers
    /// that wait for places are refused. It stays closed, also if the future is dropped. Any number
    /// of callers can drain one gate at the same time.
    ///
    /// # Guarantees
    ///
    /// *drained*: the result is `Ok` only if, at an instant within the call, the gate was closed and
    /// none of its places was held. Places of permits that were
    /// [forgotten](crate::Permit::forget) are held for ever.
    /// [Forced entries](Self::force_acquire) count as any other.
    ///
    /// # Errors
    ///
    /// [`Reopened`](DrainError::Reopened) if the gate is reopened before.
    ///
    /// # Cost
    ///
    /// While a gate is closed, each release takes the lock of the waitlist, see
    /// [`close`](Self::close). The first drain of a gate allocates its waitlist.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait and changes nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(5);
    /// std::thread::scope(|scope| {
    ///     let job = gate.try_acquire().unwrap();
    ///     scope.spawn(move || drop(job));
    ///     gate.drain().wait().unwrap();
    ///     assert_eq!((gate.is_closed(), gate.occupied()), (true, 0));
    /// });
    /// ```
    pub fn drain(&self) -> Drain<'_> {
        Drain { wait: Wait::draining(self) }
    }

    /// Drains the gate, as [`drain`](Self::drain), with a future that owns its gate.
    ///
    /// # Errors
    ///
    /// As [`drain`](Self::drain).
    ///
    /// # Cancel safety
    ///
    /// As [`drain`](Self::drain).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::DrainError> {
    /// let gate = std::sync::Arc::new(headcount::Gate::new(5));
    /// tokio::spawn(gate.clone().drain_owned()).await.unwrap()?;
    /// assert!(gate.is_closed());
    /// # Ok(()) }
    /// ```
    pub fn drain_owned(self: Arc<Self>) -> DrainOwned {
        DrainOwned { wait: Wait::draining(self) }
    }
}

fn ended(error: AcquireTimeoutError) -> DrainError {
    match error {
        AcquireTimeoutError::Timeout => DrainError::Timeout,
        _ => DrainError::Reopened,
    }
}

/// The same for both futures. `$gate` and `$call` are code of the examples.
macro_rules! drain_future {
    ([$($lifetime:lifetime)?] $future:ty, $name:literal, $gate:literal, $call:literal) => {
        impl$(<$lifetime>)? $future {
            /// Blocks the thread until no place is held.
            ///
            /// Not for async code: it would block the runtime, perhaps together with the task that
            /// is about to give a place back.
            ///
            /// # Errors
            ///
            /// [`Reopened`](DrainError::Reopened) if the gate is reopened before.
            ///
            /// # Panics
            ///
            /// If the future has been ready before.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $gate]
            #[doc = concat!($call, ".wait()?;")]
            /// # Ok::<(), headcount::DrainError>(())
            /// ```
            pub fn wait(self) -> Result<(), DrainError> {
                self.wait.wait_until(None).map(drop).map_err(ended)
            }

            /// Blocks the thread as [`wait`](Self::wait), but for no longer than `timeout`.
            ///
            /// A `timeout` too long for the clock has no end.
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
            /// # use std::time::Duration;
            #[doc = $gate]
            #[doc = concat!($call, ".wait_timeout(Duration::from_secs(1))?;")]
            /// # Ok::<(), headcount::DrainError>(())
            /// ```
            pub fn wait_timeout(self, timeout: Duration) -> Result<(), DrainError> {
                let deadline = Instant::now().checked_add(timeout);
                self.wait.wait_until(deadline).map(drop).map_err(ended)
            }

            /// Blocks the thread as [`wait`](Self::wait), but no longer than until `deadline`.
            ///
            /// # Errors
            ///
            /// - [`Timeout`](DrainError::Timeout) if places were still held.
            /// - [`Reopened`](DrainError::Reopened) if the gate is reopened before.
            ///
            /// # Panics
            ///
            /// If the future has been ready before.
            ///
            /// # Examples
            ///
            /// ```
            /// # use std::time::Instant;
            #[doc = $gate]
            #[doc = concat!($call, ".wait_deadline(Instant::now())?; // nothing is held")]
            /// # Ok::<(), headcount::DrainError>(())
            /// ```
            pub fn wait_deadline(self, deadline: Instant) -> Result<(), DrainError> {
                self.wait.wait_until(Some(deadline)).map(drop).map_err(ended)
            }
        }

        impl$(<$lifetime>)? Future for $future {
            type Output = Result<(), DrainError>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let drained = ready!(self.wait.poll(cx));
                Poll::Ready(drained.map(drop).map_err(|error| ended(error.into())))
            }
        }

        impl$(<$lifetime>)? fmt::Debug for $future {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    };
}

/// Waits until no place of a [`Gate`] is held: as a future, or by blocking the thread.
///
/// Returned by [`Gate::drain`]. It does not need to be pinned.
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let gate = headcount::Gate::new(1);
/// gate.drain().wait()?;
/// assert!(gate.is_closed());
/// # Ok::<(), headcount::DrainError>(())
/// ```
#[must_use = "it closes the gate only when it is awaited or waited for"]
pub struct Drain<'a> {
    wait: Wait<&'a Gate>,
}

drain_future!(['a] Drain<'a>, "Drain", "let gate = headcount::Gate::new(1);", "gate.drain()");

/// Waits until no place of a [`Gate`] behind an `Arc` is held.
///
/// Returned by [`Gate::drain_owned`]; otherwise the same as [`Drain`].
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Examples
///
/// ```
/// let gate = std::sync::Arc::new(headcount::Gate::new(1));
/// gate.clone().drain_owned().wait()?;
/// assert!(gate.is_closed());
/// # Ok::<(), headcount::DrainError>(())
/// ```
#[must_use = "it closes the gate only when it is awaited or waited for"]
pub struct DrainOwned {
    wait: Wait<Arc<Gate>>,
}

drain_future!(
    [] DrainOwned,
    "DrainOwned",
    "let gate = std::sync::Arc::new(headcount::Gate::new(1));",
    "gate.drain_owned()"
);
