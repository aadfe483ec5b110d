//! The way to the engine: runs scripts, and repeats a call that may not have arrived.
//!
//! No type of the crate `redis` appears in the public interface.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script, ScriptInvocation, Value};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::error::{EngineError, EngineErrorKind, RemoteError};
use crate::mutants::mutant;

/// One argument of a script.
pub(crate) type Arg = Vec<u8>;

/// The answer of a script, and the instant before the successful attempt was sent. What the script
/// gives for a ttl is valid until at least that instant and the ttl.
pub(crate) struct Answer {
    pub(crate) values: Vec<i64>,
    pub(crate) sent: Instant,
}

impl Answer {
    /// Returns the value at that position.
    pub(crate) fn get(&self, at: usize) -> Result<i64, EngineError> {
        self.values.get(at).copied().ok_or_else(|| self.unexpected())
    }

    /// Returns the value at that position as a count, a fence or a number.
    pub(crate) fn number<T: TryFrom<i64>>(&self, at: usize) -> Result<T, EngineError> {
        T::try_from(self.get(at)?).map_err(|_| self.unexpected())
    }

    /// Returns the error of an answer that the caller does not expect.
    pub(crate) fn unexpected(&self) -> EngineError {
        EngineError::new(EngineErrorKind::BadReply, format!("{:?}", self.values))
    }
}

#[derive(Clone)]
enum Engine {
    Single(ConnectionManager),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// How to connect anew. There is one of these for each connection.
#[allow(clippy::large_enum_variant)]
enum Address {
    Single(ConnectionManagerConfig),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster::ClusterClient),
}

struct Inner {
    /// The engine, and how often it was connected anew.
    engine: Mutex<(u32, Engine)>,
    address: Address,
    /// The server, or one node of the cluster: there nudges are listened for.
    listener: Client,
    patience: Duration,
    runtime: Handle,
    next_token: AtomicU32,
}

impl Inner {
    /// No code that can panic runs under this lock.
    fn engine(&self) -> MutexGuard<'_, (u32, Engine)> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Engine, EngineError> {
        Ok(match &self.address {
            Address::Single(config) => {
                Engine::Single(self.listener.get_connection_manager_lazy(config.clone())?)
            }
            #[cfg(feature = "cluster")]
            Address::Cluster(client) => Engine::Cluster(client.get_async_connection().await?),
        })
    }

    /// Connects anew, unless another call has since this one took its connection: on it, answers no
    /// longer belong to the calls that get them.
    async fn replace(&self, generation: u32) {
        if self.engine().0 != generation {
            return;
        }
        // If that fails, the next call comes here again.
        if let Ok(engine) = self.connect().await {
            let mut current = self.engine();
            if current.0 == generation {
                *current = (generation.wrapping_add(1), engine);
            }
        }
    }
}

/// A connection to a Redis or Valkey server, or to a cluster of them, for any number of objects.
///
/// It is one connection for each server, which all clones share and all calls are pipelined on. It
/// reconnects by itself. A call that gets no answer is repeated until its patience ends; that is
/// safe, since every operation of this crate is idempotent.
///
/// It belongs to the tokio runtime on which it was opened: there, leases are renewed and released.
/// When that runtime has ended, nothing is renewed, and each lease reports that it is lost when its
/// time is over. Leases can be dropped anywhere, also outside of a runtime.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use headcount_redis::{Connection, RemoteGate};
///
/// let connection = Connection::open("redis://127.0.0.1/").await?;
/// let gate = RemoteGate::new(&connection, "uploads", 10, Duration::from_secs(10))?;
/// let lease = gate.try_acquire().await?;
/// lease.release().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    namespace: Arc<str>,
}

impl Connection {
    /// Connects to one server, with the default settings of a [`ConnectionBuilder`].
    ///
    /// # Errors
    ///
    /// The engine's failure, if no connection can be made.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), headcount_redis::EngineError> {
    /// let connection = headcount_redis::Connection::open("redis://127.0.0.1/").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(url: &str) -> Result<Connection, EngineError> {
        Connection::builder().open(url).await
    }

    /// Returns the settings of a connection.
    ///
    /// # Examples
    ///
    /// ```
    /// let settings = headcount_redis::Connection::builder().namespace("shop");
    /// assert!(format!("{settings:?}").contains("shop"));
    /// ```
    pub fn builder() -> ConnectionBuilder {
        ConnectionBuilder {
            namespace: "headcount".into(),
            patience: Duration::from_secs(3),
            response_timeout: Duration::from_secs(1),
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    pub(crate) fn listener(&self) -> &Client {
        &self.inner.listener
    }

    /// Runs the script, and repeats it while the engine may only be briefly out of reach.
    pub(crate) async fn run(
        &self,
        script: &Script,
        keys: &[Arg],
        args: &[Arg],
    ) -> Result<Answer, EngineError> {
        // Relaxed: the numbers only have to differ.
        let token = self.inner.next_token.fetch_add(1, Ordering::Relaxed);
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(key.as_slice());
        }
        for arg in args {
            call.arg(arg.as_slice());
        }
        call.arg(token);
        let give_up = Instant::now() + self.inner.patience;
        let mut pause = Duration::from_millis(10);
        loop {
            let sent = Instant::now();
            let error = match self.attempt(&call, token).await {
                Ok(values) => return Ok(Answer { values, sent }),
                Err(error) => error,
            };
            let ends = Instant::now() + pause >= give_up || mutant!("connection-tries-once");
            if !error.is_transient() || ends {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// Sends the script by its hash; if the server does not have it, loads it first.
    async fn attempt(
        &self,
        call: &ScriptInvocation<'_>,
        token: u32,
    ) -> Result<Vec<i64>, EngineError> {
        let (generation, engine) = self.inner.engine().clone();
        let result = match engine {
            Engine::Single(mut engine) => call.invoke_async(&mut engine).await,
            #[cfg(feature = "cluster")]
            Engine::Cluster(mut engine) => call.invoke_async(&mut engine).await,
        };
        let checked = result.map_err(EngineError::from).and_then(|value| integers(value, token));
        // After an answer that did not come, later answers on that connection may go to the wrong
        // calls, as after one that came twice. A primary that has become a replica keeps its
        // connections, while its address may lead to the new primary by now.
        let is_suspicious = checked.as_ref().is_err_and(|error| match error.kind() {
            EngineErrorKind::BadReply | EngineErrorKind::Timeout => !mutant!("connection-stays"),
            EngineErrorKind::ReadOnly => !mutant!("connection-stays-with-a-replica"),
            _ => false,
        });
        if is_suspicious {
            self.inner.replace(generation).await;
        }
        checked
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Every script answers with an array of whole numbers, of which the last is the token of the call.
fn integers(value: Value, token: u32) -> Result<Vec<i64>, EngineError> {
    let number = |item: &Value| if let Value::Int(number) = item { Some(*number) } else { None };
    let numbers: Option<Vec<i64>> = match &value {
        Value::Array(items) => items.iter().map(number).collect(),
        _ => None,
    };
    let mut numbers = numbers.unwrap_or_default();
    let last = numbers.pop();
    if last != Some(i64::from(token)) && !(mutant!("connection-any-token") && last.is_some()) {
        let detail = format!("{value:?} to call {token}");
        return Err(EngineError::new(EngineErrorKind::BadReply, detail));
    }
    Ok(numbers)
}

/// The settings of a [`Connection`].
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), headcount_redis::EngineError> {
/// use std::time::Duration;
///
/// let connection = headcount_redis::Connection::builder()
///     .namespace("shop")
///     .patience(Duration::from_secs(10))
///     .open("redis://127.0.0.1/")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionBuilder {
    namespace: String,
    patience: Duration,
    response_timeout: Duration,
}

impl ConnectionBuilder {
    /// Sets the namespace, with which all keys begin; by default `headcount`. It must not contain a
    /// colon or a brace: opening fails then.
    ///
    /// # Examples
    ///
    /// ```
    /// let settings = headcount_redis::Connection::builder().namespace("shop");
    /// assert!(format!("{settings:?}").contains("shop"));
    /// ```
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets how long a call repeats itself while the engine is out of reach, loading or without a
    /// primary; by default 3 seconds, at most 30. With zero, a call is made once.
    ///
    /// # Examples
    ///
    /// ```
    /// let _ = headcount_redis::Connection::builder().patience(std::time::Duration::ZERO);
    /// ```
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(MAX_PATIENCE);
        self
    }

    /// Sets how long one attempt waits for its answer; by default 1 second.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// let _ = headcount_redis::Connection::builder().response_timeout(Duration::from_millis(200));
    /// ```
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Connects to one server.
    ///
    /// # Errors
    ///
    /// The engine's failure, if no connection can be made.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), headcount_redis::EngineError> {
    /// let connection = headcount_redis::Connection::builder().open("redis://127.0.0.1/").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(self, url: &str) -> Result<Connection, EngineError> {
        let listener = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(10))
            .set_connection_timeout(Some(self.response_timeout))
            .set_response_timeout(Some(self.response_timeout));
        let engine = listener.get_connection_manager_with_config(config.clone()).await?;
        self.finish(Engine::Single(engine), Address::Single(config), listener)
    }

    /// Connects to a cluster, of which these are some nodes.
    ///
    /// # Errors
    ///
    /// The engine's failure, if no node can be reached.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), headcount_redis::EngineError> {
    /// let nodes = ["redis://127.0.0.1:7001/", "redis://127.0.0.1:7002/"];
    /// let connection = headcount_redis::Connection::builder().open_cluster(&nodes).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cluster")]
    pub async fn open_cluster(self, urls: &[&str]) -> Result<Connection, EngineError> {
        let first = urls.first().ok_or_else(|| {
            EngineError::new(EngineErrorKind::Other, "a cluster needs the address of a node")
        })?;
        let listener = Client::open(*first)?;
        let client = redis::cluster::ClusterClient::builder(urls.iter().copied())
            .retries(2)
            .connection_timeout(self.response_timeout)
            .response_timeout(self.response_timeout)
            .build()?;
        let engine = client.get_async_connection().await?;
        self.finish(Engine::Cluster(engine), Address::Cluster(client), listener)
    }

    fn finish(
        self,
        engine: Engine,
        address: Address,
        listener: Client,
    ) -> Result<Connection, EngineError> {
        if self.namespace.contains([':', '{', '}']) {
            let detail = "the namespace has a colon or a brace";
            return Err(EngineError::new(EngineErrorKind::Other, detail));
        }
        let inner = Inner {
            engine: Mutex::new((0, engine)),
            address,
            listener,
            patience: self.patience,
            runtime: Handle::current(),
            next_token: AtomicU32::new(0),
        };
        Ok(Connection { inner: Arc::new(inner), namespace: self.namespace.into() })
    }
}

/// The longest patience. The engine remembers answers for longer, so that no repetition counts
/// twice: that of a tally for a minute, that of a course for ten.
const MAX_PATIENCE: Duration = Duration::from_secs(30);

/// The longest ttl or hold: a day. The keys of an object outlive its last write by two.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(86_400);

/// Checks a ttl or hold.
pub(crate) fn check_ttl(ttl: Duration) -> Result<Duration, RemoteError> {
    if ttl < Duration::from_millis(1) {
        Err(RemoteError::Invalid("a ttl below a millisecond"))
    } else if ttl > MAX_TTL {
        Err(RemoteError::Invalid("a ttl above a day"))
    } else {
        Ok(ttl)
    }
}
