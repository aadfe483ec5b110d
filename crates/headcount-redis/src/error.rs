//! What can go wrong: a refusal, a loss, or the engine's own failure.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a call on a remote object did not do what it was asked for.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use headcount_redis::RemoteError;
///
/// let refused = RemoteError::Full { retry_after: Some(Duration::from_millis(250)) };
/// assert!(refused.is_full());
/// assert_eq!(refused.to_string(), "too few places are free: the first lease ends in 250ms");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RemoteError {
    /// Too few places, or no seat, is free.
    Full {
        /// The time after which the first lease ends unless it is renewed. `None` if no lease ends,
        /// or if more places are asked for than there are.
        retry_after: Option<Duration>,
    },
    /// The object is closed.
    Closed,
    /// The lease, reservation or seat has ended, or another caller has taken it over.
    Lost,
    /// The student is enrolled already, under this fence.
    AlreadyEnrolled {
        /// The fence of that enrollment.
        fence: u64,
    },
    /// An argument is outside its limits; nothing was sent.
    Invalid(&'static str),
    /// The engine failed, or could not be reached. Whether the call had an effect is unknown; if it
    /// took places, they are free again after one ttl.
    Engine(EngineError),
}

impl RemoteError {
    pub(crate) fn full(retry_after_ms: i64) -> RemoteError {
        let ms = u64::try_from(retry_after_ms).ok();
        RemoteError::Full { retry_after: ms.map(Duration::from_millis) }
    }

    /// Returns whether this is [`Full`](Self::Full).
    ///
    /// # Examples
    ///
    /// ```
    /// # use headcount_redis::RemoteError;
    /// assert!(RemoteError::Full { retry_after: None }.is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, RemoteError::Full { .. })
    }

    /// Returns whether this is [`Closed`](Self::Closed).
    ///
    /// # Examples
    ///
    /// ```
    /// # use headcount_redis::RemoteError;
    /// assert!(RemoteError::Closed.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, RemoteError::Closed)
    }

    /// Returns whether this is [`Lost`](Self::Lost).
    ///
    /// # Examples
    ///
    /// ```
    /// # use headcount_redis::RemoteError;
    /// assert!(RemoteError::Lost.is_lost());
    /// ```
    pub fn is_lost(&self) -> bool {
        matches!(self, RemoteError::Lost)
    }

    /// Returns whether this is [`Invalid`](Self::Invalid).
    ///
    /// # Examples
    ///
    /// ```
    /// # use headcount_redis::RemoteError;
    /// assert!(RemoteError::Invalid("a ttl of zero").is_invalid());
    /// ```
    pub fn is_invalid(&self) -> bool {
        matches!(self, RemoteError::Invalid(_))
    }

    /// Returns the engine's failure, if this is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use headcount_redis::RemoteError;
    /// assert!(RemoteError::Lost.engine().is_none());
    /// ```
    pub fn engine(&self) -> Option<&EngineError> {
        match self {
            RemoteError::Engine(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteError::Full { retry_after: None } => f.write_str("too few places are free"),
            RemoteError::Full { retry_after: Some(time) } => {
                write!(f, "too few places are free: the first lease ends in {time:?}")
            }
            RemoteError::Closed => f.write_str("closed"),
            RemoteError::Lost => f.write_str("the lease has ended"),
            RemoteError::AlreadyEnrolled { .. } => f.write_str("the student is enrolled already"),
            RemoteError::Invalid(what) => write!(f, "invalid argument: {what}"),
            RemoteError::Engine(error) => error.fmt(f),
        }
    }
}

impl Error for RemoteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RemoteError::Engine(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EngineError> for RemoteError {
    fn from(error: EngineError) -> Self {
        RemoteError::Engine(error)
    }
}

/// What kind of failure an [`EngineError`] is.
///
/// # Examples
///
/// ```
/// use headcount_redis::EngineErrorKind;
///
/// assert_eq!(EngineErrorKind::OutOfMemory.to_string(), "the server is out of memory");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// No connection could be made, or the connection broke.
    Unreachable,
    /// No answer came in time.
    Timeout,
    /// The password is wrong or missing, or the user lacks a permission.
    Denied,
    /// A key of the object holds a value of another type.
    WrongType,
    /// The server has reached its `maxmemory`.
    OutOfMemory,
    /// The server is a replica, or has been made read-only.
    ReadOnly,
    /// The server is loading its data.
    Loading,
    /// The cluster does not serve the object's slot.
    ClusterDown,
    /// The reply is none that this crate expects.
    BadReply,
    /// Another failure; the text says which.
    Other,
}

impl fmt::Display for EngineErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineErrorKind::Unreachable => "the server cannot be reached",
            EngineErrorKind::Timeout => "the server did not answer in time",
            EngineErrorKind::Denied => "the server denies access",
            EngineErrorKind::WrongType => "a key of the object holds another type of value",
            EngineErrorKind::OutOfMemory => "the server is out of memory",
            EngineErrorKind::ReadOnly => "the server is read-only",
            EngineErrorKind::Loading => "the server is loading its data",
            EngineErrorKind::ClusterDown => "the cluster is down",
            EngineErrorKind::BadReply => "the reply was not understood",
            EngineErrorKind::Other => "the server reported an error",
        })
    }
}

/// A failure of the engine, or of the way to it.
///
/// # Examples
///
/// ```
/// use headcount_redis::{Connection, EngineErrorKind};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let error = Connection::open("redis://127.0.0.1:1/").await.unwrap_err();
/// assert_eq!(error.kind(), EngineErrorKind::Unreachable);
/// # });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineError {
    kind: EngineErrorKind,
    detail: String,
}

impl EngineError {
    pub(crate) fn new(kind: EngineErrorKind, detail: impl Into<String>) -> EngineError {
        EngineError { kind, detail: detail.into() }
    }

    /// Returns the kind of the failure.
    ///
    /// # Examples
    ///
    /// ```
    /// # use headcount_redis::{Connection, EngineErrorKind};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let error = Connection::open("no url").await.unwrap_err();
    /// assert_eq!(error.kind(), EngineErrorKind::Other);
    /// # });
    /// ```
    pub fn kind(&self) -> EngineErrorKind {
        self.kind
    }

    /// Returns whether the same call may succeed a little later, or on a new connection.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            EngineErrorKind::Unreachable
                | EngineErrorKind::Timeout
                | EngineErrorKind::Loading
                | EngineErrorKind::ReadOnly
                | EngineErrorKind::ClusterDown
                | EngineErrorKind::BadReply
        )
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

impl Error for EngineError {}

impl From<RedisError> for EngineError {
    fn from(error: RedisError) -> Self {
        use EngineErrorKind as Kind;
        let kind = match error.kind() {
            ErrorKind::Io if error.is_timeout() => Kind::Timeout,
            ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => Kind::Unreachable,
            ErrorKind::AuthenticationFailed => Kind::Denied,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Kind::BadReply,
            ErrorKind::Server(ServerErrorKind::NoPerm) => Kind::Denied,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Kind::ReadOnly,
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
                Kind::Loading
            }
            ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain) => {
                Kind::ClusterDown
            }
            _ => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Kind::Denied,
                Some("WRONGTYPE") => Kind::WrongType,
                Some("OOM") => Kind::OutOfMemory,
                // A server with a password refuses a long command before it reads its name.
                _ if error.detail().is_some_and(|text| text.contains("unauthenticated")) => {
                    Kind::Denied
                }
                _ => Kind::Other,
            },
        };
        EngineError::new(kind, error.to_string())
    }
}

/// Why an [`enroll`](crate::RemoteCourse::enroll) did not enroll the student.
///
/// # Examples
///
/// ```
/// use headcount_redis::{RemoteEnrollError, RemoteError};
///
/// let failed: RemoteEnrollError<&str> = RemoteEnrollError::Failed("no account");
/// assert_eq!(failed.to_string(), "enrollment failed: no account");
/// let refused = RemoteEnrollError::<&str>::Remote(RemoteError::Closed);
/// assert_eq!(refused.to_string(), "closed");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RemoteEnrollError<E> {
    /// The caller's block failed. The place is free again.
    Failed(E),
    /// The place was refused or lost, or the engine failed.
    Remote(RemoteError),
}

impl<E> From<RemoteError> for RemoteEnrollError<E> {
    fn from(error: RemoteError) -> Self {
        RemoteEnrollError::Remote(error)
    }
}

impl<E: fmt::Display> fmt::Display for RemoteEnrollError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteEnrollError::Failed(error) => write!(f, "enrollment failed: {error}"),
            RemoteEnrollError::Remote(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for RemoteEnrollError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RemoteEnrollError::Failed(error) => Some(error),
            RemoteEnrollError::Remote(error) => Some(error),
        }
    }
}
