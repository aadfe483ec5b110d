//! The errors of gates of all kinds and of courses, and that of a quorum, with their texts.

use core::error::Error;
use core::fmt;

use crate::protocol::slot::Refusal;

/// The reason for which [`Gate::try_acquire`](crate::Gate::try_acquire) and similar methods refuse
/// a caller.
///
/// # Examples
///
/// ```
/// use headcount::{Gate, TryAcquireError};
///
/// let gate = Gate::new(1);
/// let _permit = gate.try_acquire()?;
/// let error = gate.try_acquire().unwrap_err();
/// assert_eq!(error, TryAcquireError::Full);
/// assert_eq!(error.to_string(), "not enough places available");
/// # Ok::<(), TryAcquireError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
// As wide as the count of a permit, whose bytes it shares in a `Result`: a narrower value would be
// merged into the bytes before it, which makes each refusal wait for the one before.
#[repr(u32)]
pub enum TryAcquireError {
    /// Fewer places were free than asked for or, with the feature `wait`, other callers waited for
    /// a place. Trying again can succeed once a place has been given back.
    Full,
    /// The gate, course or key was closed. Trying again can succeed only after a reopening.
    Closed,
    /// The key does not live, and as many keys of a keyed gate live as may live at once. Trying
    /// again can succeed once a key has ended.
    KeysFull,
}

impl TryAcquireError {
    /// Returns whether this is [`Full`](Self::Full).
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(headcount::Gate::new(0).try_acquire().unwrap_err().is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, TryAcquireError::Full)
    }

    /// Returns whether this is [`Closed`](Self::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// gate.close();
    /// assert!(gate.try_acquire().unwrap_err().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, TryAcquireError::Closed)
    }

    /// Returns whether this is [`KeysFull`](Self::KeysFull).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "keyed")] {
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).max_keys(1).build();
    /// let _ann = rooms.try_acquire(7).unwrap();
    /// assert!(rooms.try_acquire(8).unwrap_err().is_keys_full());
    /// # }
    /// ```
    pub fn is_keys_full(&self) -> bool {
        matches!(self, TryAcquireError::KeysFull)
    }
}

impl From<Refusal> for TryAcquireError {
    #[inline]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => TryAcquireError::Full,
            Refusal::Closed => TryAcquireError::Closed,
        }
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Full => "not enough places available",
            TryAcquireError::Closed => "closed",
            TryAcquireError::KeysFull => "too many keys live at once",
        })
    }
}

impl Error for TryAcquireError {}

/// The reason for which [`Course::enroll`](crate::Course::enroll) does not enroll a caller.
///
/// # Examples
///
/// ```
/// use headcount::{Course, EnrollError};
///
/// let course = Course::new(30);
/// let error = course.enroll(|_| Err::<(), _>("no account")).unwrap_err();
/// assert_eq!(error, EnrollError::Failed("no account"));
/// assert_eq!(error.to_string(), "enrollment failed: no account");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EnrollError<E> {
    /// No place was free or, with the feature `wait`, other callers waited for a place. Trying
    /// again can succeed once a place has been given back.
    Full,
    /// The course was closed. Trying again can succeed only after a reopening.
    Closed,
    /// The closure returned this error, and its place was given back.
    Failed(E),
}

impl<E> EnrollError<E> {
    /// Returns whether this is [`Full`](Self::Full).
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(0);
    /// assert!(course.enroll(|_| Ok::<_, ()>(())).unwrap_err().is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, EnrollError::Full)
    }

    /// Returns whether this is [`Closed`](Self::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// course.close();
    /// assert!(course.enroll(|_| Ok::<_, ()>(())).unwrap_err().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, EnrollError::Closed)
    }

    /// Returns whether this is [`Failed`](Self::Failed).
    ///
    /// # Examples
    ///
    /// ```
    /// let course = headcount::Course::new(30);
    /// assert!(course.enroll(|_| Err::<(), _>("no account")).unwrap_err().is_failed());
    /// ```
    pub fn is_failed(&self) -> bool {
        matches!(self, EnrollError::Failed(_))
    }
}

impl<E> From<TryAcquireError> for EnrollError<E> {
    fn from(error: TryAcquireError) -> Self {
        match error {
            // A course has no keys.
            TryAcquireError::Full | TryAcquireError::KeysFull => EnrollError::Full,
            TryAcquireError::Closed => EnrollError::Closed,
        }
    }
}

impl<E: fmt::Display> fmt::Display for EnrollError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnrollError::Full => TryAcquireError::Full.fmt(f),
            EnrollError::Closed => TryAcquireError::Closed.fmt(f),
            EnrollError::Failed(error) => write!(f, "enrollment failed: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for EnrollError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EnrollError::Failed(error) => Some(error),
            EnrollError::Full | EnrollError::Closed => None,
        }
    }
}

/// The error of a withdrawal from a course without enrollments. The course is unchanged.
///
/// # Examples
///
/// ```
/// let error = headcount::Course::new(30).withdraw().unwrap_err();
/// assert_eq!(error.to_string(), "no enrollment to withdraw");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct WithdrawError;

impl fmt::Display for WithdrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no enrollment to withdraw")
    }
}

impl Error for WithdrawError {}

/// The error of a number above its limit: more enrollments than places, or more places than
/// [`Gate::MAX_CAPACITY`](crate::Gate::MAX_CAPACITY).
///
/// # Examples
///
/// ```
/// let error = headcount::Course::with_enrolled(30, 32).unwrap_err();
/// assert_eq!((error.asked(), error.limit()), (32, 30));
/// assert_eq!(error.to_string(), "32 exceeds the limit of 30");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct CapacityError {
    pub(crate) asked: u32,
    pub(crate) limit: u32,
}

impl CapacityError {
    /// Returns the number that was asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount::Course::with_enrolled(1, 2).unwrap_err().asked(), 2);
    /// ```
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// Returns the greatest number that would have been accepted.
    ///
    /// # Examples
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
        write!(f, "{} exceeds the limit of {}", self.asked, self.limit)
    }
}

impl Error for CapacityError {}

/// The error of a closing that asks for a quorum: fewer places of a gate are held, or fewer seats
/// of a room are taken, than it asks for.
///
/// # Examples
///
/// ```
/// let game = headcount::Gate::new(5);
/// let _player = game.try_acquire()?;
/// let error = game.close_if_occupied(3).unwrap_err();
/// assert_eq!((error.occupied, error.quorum), (1, 3));
/// assert_eq!(error.to_string(), "quorum not reached: 1 of 3");
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct QuorumError {
    /// The number of places held or seats taken.
    pub occupied: u32,
    /// The number that was asked for.
    pub quorum: u32,
}

impl fmt::Display for QuorumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quorum not reached: {} of {}", self.occupied, self.quorum)
    }
}

impl Error for QuorumError {}

/// Why a wait for a place ended without one.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "wait")] {
/// let gate = headcount::Gate::new(1);
/// gate.close();
/// let refused = gate.acquire().wait().unwrap_err();
/// assert_eq!(refused, headcount::AcquireError::Closed);
/// assert_eq!(refused.to_string(), "closed");
/// # }
/// ```
#[cfg(feature = "wait")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AcquireError {
    /// It was closed, before or while the caller waited. Trying again can succeed only after a
    /// reopening.
    Closed,
    /// As many callers waited as the caller's `queue_limit` allows. Trying again can succeed once
    /// they are fewer, or once there are enough places.
    QueueFull,
    /// The caller asked for more places than [`Gate::MAX_CAPACITY`](crate::Gate::MAX_CAPACITY).
    TooMany,
    /// The key does not live, and as many keys of a keyed gate live as may live at once. Trying
    /// again can succeed once a key has ended.
    KeysFull,
}

#[cfg(feature = "wait")]
impl AcquireError {
    /// Returns whether this is [`Closed`](Self::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// gate.close();
    /// assert!(gate.acquire().wait().unwrap_err().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, AcquireError::Closed)
    }

    /// Returns whether this is [`QueueFull`](Self::QueueFull).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(0);
    /// assert!(gate.acquire().queue_limit(0).wait().unwrap_err().is_queue_full());
    /// ```
    pub fn is_queue_full(&self) -> bool {
        matches!(self, AcquireError::QueueFull)
    }

    /// Returns whether this is [`TooMany`](Self::TooMany).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// assert!(gate.acquire_many(u32::MAX).wait().unwrap_err().is_too_many());
    /// ```
    pub fn is_too_many(&self) -> bool {
        matches!(self, AcquireError::TooMany)
    }

    /// Returns whether this is [`KeysFull`](Self::KeysFull).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "keyed")] {
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).max_keys(0).build();
    /// assert!(rooms.acquire(7).wait().unwrap_err().is_keys_full());
    /// # }
    /// ```
    pub fn is_keys_full(&self) -> bool {
        matches!(self, AcquireError::KeysFull)
    }
}

#[cfg(feature = "wait")]
impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::Closed => TryAcquireError::Closed.fmt(f),
            AcquireError::QueueFull => f.write_str("too many callers are waiting"),
            AcquireError::TooMany => f.write_str("more places asked for than there can be"),
            AcquireError::KeysFull => TryAcquireError::KeysFull.fmt(f),
        }
    }
}

#[cfg(feature = "wait")]
impl Error for AcquireError {}

/// Why a wait with a timeout or a deadline ended without a place.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "wait")] {
/// use std::time::Duration;
///
/// let gate = headcount::Gate::new(0);
/// let refused = gate.acquire().wait_timeout(Duration::from_millis(1)).unwrap_err();
/// assert!(refused.is_timeout());
/// assert_eq!(refused.to_string(), "not served in time: wait longer or retry");
/// # }
/// ```
#[cfg(feature = "wait")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AcquireTimeoutError {
    /// The caller was not served in time. Trying again can succeed.
    Timeout,
    /// It was closed, before or while the caller waited. Trying again can succeed only after a
    /// reopening.
    Closed,
    /// As many callers waited as the caller's `queue_limit` allows. Trying again can succeed once
    /// they are fewer, or once there are enough places.
    QueueFull,
    /// The caller asked for more places than [`Gate::MAX_CAPACITY`](crate::Gate::MAX_CAPACITY).
    TooMany,
    /// The key does not live, and as many keys of a keyed gate live as may live at once. Trying
    /// again can succeed once a key has ended.
    KeysFull,
}

#[cfg(feature = "wait")]
impl AcquireTimeoutError {
    /// Returns whether this is [`Timeout`](Self::Timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let refused = headcount::Gate::new(0).acquire().wait_timeout(Duration::ZERO).unwrap_err();
    /// assert!(refused.is_timeout() && !refused.is_closed());
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, AcquireTimeoutError::Timeout)
    }

    /// Returns whether this is [`Closed`](Self::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let gate = headcount::Gate::new(1);
    /// gate.close();
    /// let refused = gate.acquire().wait_timeout(Duration::ZERO).unwrap_err();
    /// assert!(refused.is_closed() && !refused.is_timeout());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, AcquireTimeoutError::Closed)
    }

    /// Returns whether this is [`QueueFull`](Self::QueueFull).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(0);
    /// let refused = gate.acquire().queue_limit(0).wait_timeout(std::time::Duration::ZERO);
    /// assert!(refused.unwrap_err().is_queue_full());
    /// ```
    pub fn is_queue_full(&self) -> bool {
        matches!(self, AcquireTimeoutError::QueueFull)
    }

    /// Returns whether this is [`TooMany`](Self::TooMany).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// let refused = gate.acquire_many(u32::MAX).wait_timeout(std::time::Duration::ZERO);
    /// assert!(refused.unwrap_err().is_too_many());
    /// ```
    pub fn is_too_many(&self) -> bool {
        matches!(self, AcquireTimeoutError::TooMany)
    }

    /// Returns whether this is [`KeysFull`](Self::KeysFull).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "keyed")] {
    /// # use std::time::Duration;
    /// let rooms = headcount::KeyedGate::builder(|_room: &u64| 50).max_keys(0).build();
    /// assert!(rooms.acquire(7).wait_timeout(Duration::ZERO).unwrap_err().is_keys_full());
    /// # }
    /// ```
    pub fn is_keys_full(&self) -> bool {
        matches!(self, AcquireTimeoutError::KeysFull)
    }
}

#[cfg(feature = "wait")]
impl fmt::Display for AcquireTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireTimeoutError::Timeout => f.write_str("not served in time: wait longer or retry"),
            AcquireTimeoutError::Closed => AcquireError::Closed.fmt(f),
            AcquireTimeoutError::QueueFull => AcquireError::QueueFull.fmt(f),
            AcquireTimeoutError::TooMany => AcquireError::TooMany.fmt(f),
            AcquireTimeoutError::KeysFull => TryAcquireError::KeysFull.fmt(f),
        }
    }
}

#[cfg(feature = "wait")]
impl Error for AcquireTimeoutError {}

#[cfg(feature = "wait")]
impl From<AcquireError> for AcquireTimeoutError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Closed => AcquireTimeoutError::Closed,
            AcquireError::QueueFull => AcquireTimeoutError::QueueFull,
            AcquireError::TooMany => AcquireTimeoutError::TooMany,
            AcquireError::KeysFull => AcquireTimeoutError::KeysFull,
        }
    }
}

/// Why a wait for the end of a drain ended before.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "wait")] {
/// use std::time::Duration;
///
/// let gate = headcount::Gate::new(1);
/// let _permit = gate.try_acquire().unwrap();
/// let error = gate.drain().wait_timeout(Duration::ZERO).unwrap_err();
/// assert_eq!(error.to_string(), "places are still held");
/// # }
/// ```
#[cfg(feature = "wait")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DrainError {
    /// The gate was reopened while places were held.
    Reopened,
    /// Places were still held at the deadline. The gate stays closed.
    Timeout,
}

#[cfg(feature = "wait")]
impl DrainError {
    /// Returns whether this is [`Reopened`](Self::Reopened).
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = headcount::Gate::new(1);
    /// let _permit = gate.try_acquire().unwrap();
    /// std::thread::scope(|scope| {
    ///     let drain = scope.spawn(|| gate.drain().wait());
    ///     while !gate.is_closed() {}
    ///     gate.reopen();
    ///     assert!(drain.join().unwrap().unwrap_err().is_reopened());
    /// });
    /// ```
    pub fn is_reopened(&self) -> bool {
        matches!(self, DrainError::Reopened)
    }

    /// Returns whether this is [`Timeout`](Self::Timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let gate = headcount::Gate::new(1);
    /// let _permit = gate.try_acquire().unwrap();
    /// assert!(gate.drain().wait_timeout(Duration::ZERO).unwrap_err().is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, DrainError::Timeout)
    }
}

#[cfg(feature = "wait")]
impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DrainError::Reopened => "reopened while places were held",
            DrainError::Timeout => "places are still held",
        })
    }
}

#[cfg(feature = "wait")]
impl Error for DrainError {}
