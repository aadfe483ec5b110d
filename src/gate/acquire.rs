//! Waiting at a gate.
//!
//! # Invariant
//!
//! A future of this module that is ready with `Ok` has moved its places into the permit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::{Duration, Instant};

use crate::error::{AcquireTimeoutError, Closed, TryAcquireError};
use crate::gate::Gate;
use crate::gate::{OwnedPermit, Permit, PermitInner};
use crate::protocol::slot::Slot;
use crate::wait::Waitlist;
use crate::wait::{Door, Wait};

impl Door for Gate {
    fn slot(&self) -> &Slot {
        &self.slot
    }

    fn waitlist(&self) -> &Waitlist {
        &self.waitlist
    }

    #[inline]
    fn enter(&self, n: u32) -> Result<(), TryAcquireError> {
        match n {
            1 => Gate::enter(self),
            _ => self.take(n),
        }
    }
}

/// Waiting, with the feature `wait`.
///
/// # Fairness
///
/// First come, first served. Whoever has to wait stands in waitlist; a place that comes free goes to the
/// head of the waitlist and is never up for grabs in between. While somebody waits,
/// [`try_acquire`](Gate::try_acquire) is refused as [`Full`](TryAcquireError::Full) and
/// [`acquire`](Gate::acquire) goes to the end of the waitlist. One who wants many places gathers them at
/// the head of the waitlist, where nobody overtakes it: a crowd that wants one place each cannot starve
/// it, and waits behind it even if there are places enough for one. PermitInner gathered count as
/// [`occupied`](Gate::occupied). PermitInner that a lowering [`set_capacity`](Gate::set_capacity)
/// withdraws come before the waitlist, those gathered included. A future is in waitlist from its first poll.
///
/// Who wants more than the capacity waits until the capacity is raised or the gate is closed, and
/// everybody behind it does too.
///
/// # Giving up
///
/// A permit is never lost. A future can be dropped at any time: if it was its turn already, the place
/// goes to the next in waitlist. A timeout either has the permit or has passed it on. Likewise a future
/// that is kept but no longer polled keeps its place in waitlist and, once served, the permit.
///
/// [`close`](Gate::close) turns away everybody who has not been served.
///
/// # Cost
///
/// Who need not wait pays what [`try_acquire`](Gate::try_acquire) costs and allocates nothing. Who
/// must wait takes a short lock; so does who leaves, resizes or closes while somebody waits. The lock
/// is never held while a waker runs. The waitlist is allocated when somebody first waits (or the
/// capacity is first lowered), with room for as many as ever wait at once, and kept until the gate
/// is dropped. Giving up takes a number of steps logarithmic in the length of the waitlist, amortised.
///
/// # Memory ordering
///
/// As elsewhere: who is served sees what the one who left its place wrote before.
impl Gate {
    /// Waits for a place. Runs on any async runtime.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the gate is closed, also while this waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in waitlist, and passes on the place if it had been served.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::Closed> {
    /// let gate = headcount::Gate::new(1);
    /// let permit = gate.acquire().await?;
    /// let mut next = gate.acquire();
    /// tokio::select! {
    ///     biased;
    ///     _ = &mut next => unreachable!("the place is held"),
    ///     _ = std::future::ready(()) => {}
    /// }
    /// assert_eq!((gate.waiting(), next.position()), (1, Some(0)));
    /// drop(permit);
    /// let _permit = next.await?;
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for `n` places, which it gets all at once.
    ///
    /// `n == 0` gets a permit for nothing without waiting, unless the gate is closed. One who wants
    /// more than the capacity blocks the waitlist, see [fairness](#fairness).
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::Closed> {
    /// let gate = headcount::Gate::new(5);
    /// let party = gate.acquire_many(3).await?;
    /// assert_eq!((party.count(), gate.available()), (3, 2));
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire_many(&self, n: u32) -> Acquire<'_> {
        Acquire { wait: Wait::new(self, n), count: n }
    }

    /// As [`acquire`](Self::acquire), for a permit that is not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). The `Arc` is dropped then.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::Closed> {
    /// let gate = std::sync::Arc::new(headcount::Gate::new(1));
    /// let permit = gate.clone().acquire_owned().await?;
    /// tokio::spawn(async move { drop(permit) });
    /// let _permit = gate.acquire().await?;
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Self::acquire_many), for a permit that is not tied to a borrow.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). The `Arc` is dropped then.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> Result<(), headcount::Closed> {
    /// let gate = std::sync::Arc::new(headcount::Gate::new(5));
    /// assert_eq!(gate.acquire_many_owned(3).await?.count(), 3);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn acquire_many_owned(self: Arc<Self>, n: u32) -> AcquireOwned {
        AcquireOwned { wait: Wait::new(self, n), count: n }
    }

    /// Waits for a place and blocks the thread. Threads and futures stand in one waitlist.
    ///
    /// Not for async code: it would block the runtime, perhaps with the task that is to leave.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the gate is closed, also while this waits.
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// let permit = gate.acquire_blocking()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| gate.acquire_blocking().unwrap());
    ///     drop(permit);
    /// });
    /// assert_eq!(gate.occupied(), 0);
    /// # Ok::<(), headcount::Closed>(())
    /// ```
    pub fn acquire_blocking(&self) -> Result<Permit<'_>, Closed> {
        match Wait::new(self, 1).block(None) {
            Ok(gate) => Ok(Permit(PermitInner::new(gate, 1))),
            Err(_) => Err(Closed),
        }
    }

    /// Waits for a place and blocks the thread, but for no longer than `timeout`.
    ///
    /// With a `timeout` of zero it does not block. One too long for the clock is for ever.
    ///
    /// # Errors
    ///
    /// [`Timeout`](AcquireTimeoutError::Timeout) if it was not this caller's turn in time; it holds
    /// nothing then, and whatever came for it has been passed on.
    /// [`Closed`](AcquireTimeoutError::Closed) if the gate is closed, also while this waits.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let gate = headcount::Gate::new(1);
    /// let permit = gate.acquire_timeout(Duration::from_secs(1))?;
    /// assert!(gate.acquire_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// assert_eq!(gate.waiting(), 0);
    /// # Ok::<(), headcount::AcquireTimeoutError>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, AcquireTimeoutError> {
        let gate = Wait::new(self, 1).block(Instant::now().checked_add(timeout))?;
        Ok(Permit(PermitInner::new(gate, 1)))
    }

    /// The number of those who wait, however many places each of them wants.
    ///
    /// Who has been served is not counted, even if it has not been polled since.
    ///
    /// ```
    /// assert_eq!(headcount::Gate::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.waitlist.len()
    }
}

/// The future of [`Gate::acquire`] and [`Gate::acquire_many`].
///
/// It does not need to be pinned: it can be polled by reference, and asked in between for its
/// [`position`](Self::position) in waitlist. It panics if it is polled after it was ready.
///
/// ```
/// let gate = headcount::Gate::new(1);
/// assert_eq!(gate.acquire().position(), None); // not in waitlist before it is polled
/// ```
#[must_use = "it is not in waitlist before it is polled"]
pub struct Acquire<'a> {
    wait: Wait<&'a Gate>,
    count: u32,
}

impl Acquire<'_> {
    /// How many are ahead in waitlist: `Some(0)` is next. `None` before the first poll, and from when it
    /// has been served or turned away.
    ///
    /// Takes a number of steps that grows with the answer, under the lock of the waitlist.
    ///
    /// ```
    /// use std::{future::Future, pin::Pin, sync::Arc, task::{Context, Wake, Waker}};
    ///
    /// # struct Silent;
    /// # impl Wake for Silent { fn wake(self: Arc<Self>) {} }
    /// # let waker = Waker::from(Arc::new(Silent));
    /// let gate = headcount::Gate::new(0);
    /// let mut cx = Context::from_waker(&waker);
    /// let (mut ann, mut bob) = (gate.acquire(), gate.acquire());
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

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gate = ready!(self.wait.poll(cx))?;
        Poll::Ready(Ok(Permit(PermitInner::new(gate, self.count))))
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.describe("Acquire", f)
    }
}

/// The future of [`Gate::acquire_owned`] and [`Gate::acquire_many_owned`]; otherwise the same as
/// [`Acquire`].
///
/// ```
/// let gate = std::sync::Arc::new(headcount::Gate::new(1));
/// assert_eq!(gate.acquire_owned().position(), None); // not in waitlist before it is polled
/// ```
#[must_use = "it is not in waitlist before it is polled"]
pub struct AcquireOwned {
    wait: Wait<Arc<Gate>>,
    count: u32,
}

impl AcquireOwned {
    /// As [`Acquire::position`].
    ///
    /// ```
    /// let gate = std::sync::Arc::new(headcount::Gate::new(1));
    /// assert_eq!(gate.acquire_owned().position(), None);
    /// ```
    pub fn position(&self) -> Option<usize> {
        self.wait.position()
    }
}

impl Future for AcquireOwned {
    type Output = Result<OwnedPermit, Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gate = ready!(self.wait.poll(cx))?;
        Poll::Ready(Ok(OwnedPermit(PermitInner::new(gate, self.count))))
    }
}

impl fmt::Debug for AcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.describe("AcquireOwned", f)
    }
}
