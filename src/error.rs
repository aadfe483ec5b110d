//! Every refusal.

use core::error::Error;
use core::fmt;

use crate::protocol::slot::Refusal;

/// Why [`Gate::try_acquire`](crate::Gate::try_acquire) and its kin let nobody in.
///
/// ```
/// use headcount::{Gate, TryAcquireError};
///
/// let gate = Gate::new(1);
/// let _permit = gate.try_acquire()?;
/// let refused = gate.try_acquire().unwrap_err();
/// assert_eq!(refused, TryAcquireError::Full);
/// assert_eq!(refused.to_string(), "all places are held: try again when someone has left");
/// # Ok::<(), TryAcquireError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
// As wide as the count of a permit, whose bytes it shares in a `Result`: a narrower one would be
// merged into what stood there, which makes each refusal wait for the one before.
#[repr(u32)]
pub enum TryAcquireError {
    /// Fewer places were free than asked for. Trying again can succeed once someone has left.
    Full,
    /// It was closed. Trying again can succeed only after a reopening.
    Closed,
}

impl TryAcquireError {
    /// True if this is [`Full`](Self::Full).
    ///
    /// ```
    /// assert!(headcount::Gate::new(0).try_acquire().unwrap_err().is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, TryAcquireError::Full)
    }

    /// True if this is [`Closed`](Self::Closed).
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// gate.close();
    /// assert!(gate.try_acquire().unwrap_err().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, TryAcquireError::Closed)
    }
}

impl From<Refusal> for TryAcquireError {
    #[inline]
    fn from(refused: Refusal) -> Self {
        match refused {
            Refusal::Full => TryAcquireError::Full,
            Refusal::Closed => TryAcquireError::Closed,
        }
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Full => "all places are held: try again when someone has left",
            TryAcquireError::Closed => "closed: nobody gets in unless it is reopened",
        })
    }
}

impl Error for TryAcquireError {}

/// Why [`Course::enroll`](crate::Course::enroll) enrolled nobody.
///
/// ```
/// use headcount::{Course, EnrollError};
///
/// let course = Course::new(30);
/// let failed = course.enroll(|_| Err::<(), _>("no account")).unwrap_err();
/// assert_eq!(failed, EnrollError::Failed("no account"));
/// assert_eq!(failed.to_string(), "not enrolled, the place is free again: no account");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EnrollError<E> {
    /// All places were taken. Trying again can succeed once someone has withdrawn or cancelled.
    Full,
    /// The course was closed. Trying again can succeed only after a reopening.
    Closed,
    /// The block failed with this, and its place was given back.
    Failed(E),
}

impl<E> From<TryAcquireError> for EnrollError<E> {
    fn from(refused: TryAcquireError) -> Self {
        match refused {
            TryAcquireError::Full => EnrollError::Full,
            TryAcquireError::Closed => EnrollError::Closed,
        }
    }
}

impl<E: fmt::Display> fmt::Display for EnrollError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnrollError::Full => TryAcquireError::Full.fmt(f),
            EnrollError::Closed => TryAcquireError::Closed.fmt(f),
            EnrollError::Failed(why) => {
                write!(f, "not enrolled, the place is free again: {why}")
            }
        }
    }
}

impl<E: Error + 'static> Error for EnrollError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EnrollError::Failed(why) => Some(why),
            EnrollError::Full | EnrollError::Closed => None,
        }
    }
}

/// A withdrawal from a course in which nobody is enrolled. Nothing was changed.
///
/// ```
/// let refused = headcount::Course::new(30).withdraw().unwrap_err();
/// assert_eq!(refused.to_string(), "nobody is enrolled: there is nothing to withdraw");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct WithdrawError;

impl fmt::Display for WithdrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is enrolled: there is nothing to withdraw")
    }
}

impl Error for WithdrawError {}

/// More heads than places, or more places than can be counted.
///
/// ```
/// let refused = headcount::Course::with_enrolled(30, 32).unwrap_err();
/// assert_eq!((refused.asked(), refused.limit()), (32, 30));
/// assert_eq!(refused.to_string(), "32 is above the limit of 30: ask for at most that many");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CapacityError {
    pub(crate) asked: u32,
    pub(crate) limit: u32,
}

impl CapacityError {
    /// What was asked for.
    ///
    /// ```
    /// assert_eq!(headcount::Course::with_enrolled(1, 2).unwrap_err().asked(), 2);
    /// ```
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// The most that would have been accepted.
    ///
    /// ```
    /// assert_eq!(headcount::Course::with_enrolled(1, 2).unwrap_err().limit(), 1);
    /// ```
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is above the limit of {}: ask for at most that many", self.asked, self.limit)
    }
}

impl Error for CapacityError {}

/// Fewer permits are held, or fewer members are in a room, than a quorum asks for.
///
/// # Examples
///
/// ```
/// let game = headcount::Gate::new(5);
/// let _player = game.try_acquire()?;
/// let error = game.close_if_occupied(3).unwrap_err();
/// assert_eq!((error.occupied, error.quorum), (1, 3));
/// assert_eq!(error.to_string(), "1 of the 3 that the quorum asks for are inside");
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct QuorumError {
    /// How many were inside.
    pub occupied: u32,
    /// How many are needed.
    pub quorum: u32,
}

impl fmt::Display for QuorumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the {} that the quorum asks for are inside", self.occupied, self.quorum)
    }
}

impl Error for QuorumError {}

/// What one waited for was closed: nobody gets in unless it is reopened.
///
/// ```
/// # #[cfg(feature = "wait")] {
/// let gate = headcount::Gate::new(1);
/// gate.close();
/// let refused = gate.acquire_blocking().unwrap_err();
/// assert_eq!(refused.to_string(), "closed: nobody gets in unless it is reopened");
/// # }
/// ```
#[cfg(feature = "wait")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Closed;

#[cfg(feature = "wait")]
impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TryAcquireError::Closed.fmt(f)
    }
}

#[cfg(feature = "wait")]
impl Error for Closed {}

/// Why [`Gate::acquire_timeout`](crate::Gate::acquire_timeout) and its kin let nobody in.
///
/// ```
/// # #[cfg(feature = "wait")] {
/// use std::time::Duration;
///
/// let gate = headcount::Gate::new(0);
/// let refused = gate.acquire_timeout(Duration::from_millis(1)).unwrap_err();
/// assert!(refused.is_timeout());
/// assert_eq!(refused.to_string(), "no place came free in time: wait longer or try again later");
/// # }
/// ```
#[cfg(feature = "wait")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AcquireTimeoutError {
    /// The time was up before it was this caller's turn. Trying again can succeed.
    Timeout,
    /// It was closed, before or while the caller waited. Trying again can succeed only after a
    /// reopening.
    Closed,
}

#[cfg(feature = "wait")]
impl AcquireTimeoutError {
    /// True if this is [`Timeout`](Self::Timeout).
    ///
    /// ```
    /// # use std::time::Duration;
    /// let refused = headcount::Gate::new(0).acquire_timeout(Duration::ZERO).unwrap_err();
    /// assert!(refused.is_timeout() && !refused.is_closed());
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, AcquireTimeoutError::Timeout)
    }

    /// True if this is [`Closed`](Self::Closed).
    ///
    /// ```
    /// # use std::time::Duration;
    /// let gate = headcount::Gate::new(1);
    /// gate.close();
    /// let refused = gate.acquire_timeout(Duration::ZERO).unwrap_err();
    /// assert!(refused.is_closed() && !refused.is_timeout());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, AcquireTimeoutError::Closed)
    }
}

#[cfg(feature = "wait")]
impl fmt::Display for AcquireTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireTimeoutError::Timeout => {
                f.write_str("no place came free in time: wait longer or try again later")
            }
            AcquireTimeoutError::Closed => Closed.fmt(f),
        }
    }
}

#[cfg(feature = "wait")]
impl Error for AcquireTimeoutError {}
