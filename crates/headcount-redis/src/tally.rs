//! A counter that several processes share.

use std::fmt;
use std::time::Duration;

use crate::connection::Connection;
use crate::error::RemoteError;
use crate::object::{args, fresh_id, ms, script, Object};

/// How long the engine remembers the answer of a call, for its repetitions.
const WINDOW: Duration = Duration::from_secs(60);

/// A counter that several processes share. Every change returns the value that it led to.
///
/// # Guarantees
///
/// While one primary loses no writes:
///
/// - *once*: each value on the way up by one is returned by exactly one
///   [`increment`](Self::increment), even if the call is repeated because its answer was lost. This
///   holds for repetitions within a minute; no call's
///   [patience](crate::ConnectionBuilder::patience) is as long.
/// - The value never leaves the range from 0 to [`MAX`](Self::MAX): a change that would, stops
///   there.
///
/// # What is not promised
///
/// - If a call fails with the engine's failure, whether it counted is unknown.
/// - If the server loses writes, values are returned again.
///
/// # Cost
///
/// The engine keeps the answer of each change for a minute, in a key of about a hundred bytes.
///
/// # Examples
///
/// The exact 1000th post, of all posts of all processes:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use headcount_redis::{Connection, RemoteTally};
///
/// let connection = Connection::open("redis://127.0.0.1/").await?;
/// let posts = RemoteTally::new(&connection, "posts", 0)?;
/// if posts.increment().await? == 1000 {
///     println!("a gold star");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteTally {
    object: Object,
    start: u64,
}

impl RemoteTally {
    /// The greatest value: 2^53 - 1, up to which the engine's scripts count exactly.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(headcount_redis::RemoteTally::MAX, 9_007_199_254_740_991);
    /// ```
    pub const MAX: u64 = (1 << 53) - 1;

    /// Returns the tally of that name, which is at `start` until its first change. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RemoteError::Invalid) if `start` is above [`MAX`](Self::MAX).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(connection: headcount_redis::Connection) -> Result<(), headcount_redis::RemoteError> {
    /// let posts = headcount_redis::RemoteTally::new(&connection, "posts", 0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        connection: &Connection,
        name: &str,
        start: u64,
    ) -> Result<RemoteTally, RemoteError> {
        if start > RemoteTally::MAX {
            return Err(RemoteError::Invalid("a start above RemoteTally::MAX"));
        }
        let object = Object::new(connection, script!("tally.lua"), "tally", name, &["value"]);
        Ok(RemoteTally { object, start })
    }

    /// Adds one, and returns the new value.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, whether it counted is unknown.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(posts: headcount_redis::RemoteTally) -> Result<(), headcount_redis::RemoteError> {
    /// assert!(posts.increment().await? >= 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn increment(&self) -> Result<u64, RemoteError> {
        self.add(1).await
    }

    /// Subtracts one, and returns the new value.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Cancel safety
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(posts: headcount_redis::RemoteTally) -> Result<(), headcount_redis::RemoteError> {
    /// posts.decrement().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn decrement(&self) -> Result<u64, RemoteError> {
        self.sub(1).await
    }

    /// Adds `n`, and returns the new value, which is at most [`MAX`](Self::MAX).
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Cancel safety
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(posts: headcount_redis::RemoteTally) -> Result<(), headcount_redis::RemoteError> {
    /// assert!(posts.add(3).await? >= 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn add(&self, n: u64) -> Result<u64, RemoteError> {
        self.change(n, "").await
    }

    /// Subtracts `n`, and returns the new value, which is at least zero.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Cancel safety
    ///
    /// As [`increment`](Self::increment).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(posts: headcount_redis::RemoteTally) -> Result<(), headcount_redis::RemoteError> {
    /// posts.sub(3).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sub(&self, n: u64) -> Result<u64, RemoteError> {
        self.change(n, "-").await
    }

    async fn change(&self, n: u64, sign: &str) -> Result<u64, RemoteError> {
        // A greater number leads to the same end of the range.
        let n = n.min(RemoteTally::MAX);
        let answer_key = self.object.key(&fresh_id()?);
        let args = args!["add", format!("{sign}{n}"), self.start, ms(WINDOW)];
        Ok(self.object.run_with(answer_key, &args).await?.number(0)?)
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(posts: headcount_redis::RemoteTally) -> Result<(), headcount_redis::RemoteError> {
    /// println!("{} posts", posts.get().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self) -> Result<u64, RemoteError> {
        Ok(self.object.run(&args!["read", self.start]).await?.number(0)?)
    }
}

impl fmt::Debug for RemoteTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTally").field("start", &self.start).finish_non_exhaustive()
    }
}
