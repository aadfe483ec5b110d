//! A gate that several processes share, with places leased to each process in blocks.
//!
//! One task for each batched gate is the only caller of the engine and the only one that changes
//! the capacity of the local gate: the block's weight. Places are taken out of the local gate
//! before the engine is told that they are free, and put in after the engine has granted them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use headcount::{Gate, Permit};
use tokio::sync::{mpsc, oneshot, Notify};
use tokio::time::Instant;

use crate::block::LocalBlock;
use crate::connection::{check_ttl, Answer, Arg, Connection};
use crate::error::{EngineError, RemoteError};
use crate::gate::{gate_object, RemoteGate, RemoteLease};
use crate::lease::valid_until;
use crate::mutants::mutant;
use crate::object::{args, fresh_id, ms, Object};

/// A gate that several processes share, at the choice of exactness or of a local gate's price.
///
/// [`new`](Self::new) makes an exact gate: each acquisition is a call to the engine, as with a
/// [`RemoteGate`]. [`batched`](Self::batched) makes one that leases places in blocks, and hands
/// them out by a local [`Gate`]. Both kinds and [`RemoteGate`]s of the same name share one gate,
/// which a `RemoteGate` closes.
///
/// | | exact | batched |
/// |---|---|---|
/// | *never-over* | yes | yes |
/// | *exact*: refused only if too few places were free | yes | no: places can lie idle in the blocks of other processes |
/// | price, while the block lasts | a call to the engine, and one more for the release | about that of a local gate: no call, no clock, no allocation |
/// | a close by another process is seen | at once | within a third of the ttl |
///
/// A batched gate grows its block when the local gate is full: by what is needed if that is free,
/// or by up to half of its share of the free places. A refusal by the engine asks the other
/// processes, at most every 20 ms, to return what lies idle; so a caller that tries again soon is
/// likely to succeed. Each third of the ttl, a block returns half of what lies idle; all of it, if
/// the gate is closed.
///
/// # What is not promised
///
/// As for [`RemoteGate`](RemoteGate#what-is-not-promised). A batched gate does not read the clock
/// when it hands a place out: after a pause of the whole process it may hand out places of a block
/// that has ended, until its task has run. [`LeasedPermit::is_lost`] reads the clock.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use headcount_redis::{Connection, LeasedGate};
///
/// let connection = Connection::open("redis://127.0.0.1/").await?;
/// let jobs = LeasedGate::batched(&connection, "jobs", 10_000, Duration::from_secs(10))?;
/// let permit = jobs.try_acquire().await?;
/// drop(permit); // the place is free for other callers of this process
/// # Ok(())
/// # }
/// ```
pub struct LeasedGate(Kind);

enum Kind {
    Exact(RemoteGate),
    Batched { shared: Arc<Shared>, requests: mpsc::UnboundedSender<Request> },
}

/// What the callers and the task share.
struct Shared {
    block: LocalBlock,
    /// The start of the clock that the block's end is on.
    base: Instant,
}

impl Shared {
    /// Returns that instant in nanoseconds of the block's clock.
    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.base).as_nanos().try_into().unwrap_or(u64::MAX)
    }

    fn is_lost(&self, fence: u64) -> bool {
        // The clock is read first: a renewal in between can only lengthen the block.
        let now = self.nanos(Instant::now());
        self.block.is_lost(fence, now)
    }
}

/// A caller that found the local gate full.
struct Request {
    places: u32,
    answer: oneshot::Sender<Result<i64, RemoteError>>,
}

impl LeasedGate {
    /// Returns the exact gate of that name. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RemoteError::Invalid) if the ttl is below a millisecond or above a day.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn example(connection: headcount_redis::Connection) -> Result<(), headcount_redis::RemoteError> {
    /// use headcount_redis::LeasedGate;
    /// let jobs = LeasedGate::new(&connection, "jobs", 100, Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        connection: &Connection,
        name: &str,
        capacity: u32,
        ttl: Duration,
    ) -> Result<LeasedGate, RemoteError> {
        RemoteGate::new(connection, name, capacity, ttl).map(|gate| LeasedGate(Kind::Exact(gate)))
    }

    /// Returns the batched gate of that name, and starts its task. The block is leased when it is
    /// first needed.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RemoteError::Invalid) if the ttl is below a millisecond or above a day, or if
    /// the capacity is above [`Gate::MAX_CAPACITY`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn example(connection: headcount_redis::Connection) -> Result<(), headcount_redis::RemoteError> {
    /// use headcount_redis::LeasedGate;
    /// let jobs = LeasedGate::batched(&connection, "jobs", 100, Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn batched(
        connection: &Connection,
        name: &str,
        capacity: u32,
        ttl: Duration,
    ) -> Result<LeasedGate, RemoteError> {
        let ttl = check_ttl(ttl)?;
        if capacity > Gate::MAX_CAPACITY {
            return Err(RemoteError::Invalid("a capacity above Gate::MAX_CAPACITY"));
        }
        let shared = Arc::new(Shared { block: LocalBlock::new(), base: Instant::now() });
        let (requests, receiver) = mpsc::unbounded_channel();
        let keeper = BlockKeeper {
            object: gate_object(connection, name),
            shared: Arc::clone(&shared),
            ttl,
            capacity,
            block: Block::new()?,
        };
        connection.runtime().spawn(keeper.run(receiver));
        Ok(LeasedGate(Kind::Batched { shared, requests }))
    }

    /// Acquires one place, without waiting for one.
    ///
    /// # Errors
    ///
    /// As [`RemoteGate::try_acquire`]. A batched gate can be refused although places are free,
    /// because they lie idle in other processes.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no place stays taken.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(jobs: headcount_redis::LeasedGate) -> Result<(), headcount_redis::RemoteError> {
    /// let permit = jobs.try_acquire().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn try_acquire(
        &self,
    ) -> impl Future<Output = Result<LeasedPermit<'_>, RemoteError>> + Send + Unpin {
        TryAcquire { gate: self, places: 1, remote: None }
    }

    /// Acquires `n` places, all or none, without waiting for them.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); [`Invalid`](RemoteError::Invalid) if `n` is zero.
    ///
    /// # Cancel safety
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(jobs: headcount_redis::LeasedGate) -> Result<(), headcount_redis::RemoteError> {
    /// let permit = jobs.try_acquire_many(3).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn try_acquire_many(
        &self,
        n: u32,
    ) -> impl Future<Output = Result<LeasedPermit<'_>, RemoteError>> + Send + Unpin {
        TryAcquire { gate: self, places: n, remote: None }
    }

    /// Acquires one place of the block that this process holds; never calls the engine. An exact
    /// gate holds no block.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(jobs: headcount_redis::LeasedGate) {
    /// if let Some(permit) = jobs.try_acquire_local() {
    ///     drop(permit);
    /// }
    /// # }
    /// ```
    #[inline]
    pub fn try_acquire_local(&self) -> Option<LeasedPermit<'_>> {
        self.hand_out(1)
    }

    /// Hands out places of the block, if this gate has one.
    #[inline]
    fn hand_out(&self, n: u32) -> Option<LeasedPermit<'_>> {
        let Kind::Batched { shared, .. } = &self.0 else { return None };
        let (permit, fence) = shared.block.hand_out(n)?;
        Some(LeasedPermit(PermitKind::Batched { permit, shared, fence }))
    }

    async fn try_acquire_remote(&self, n: u32) -> Result<LeasedPermit<'_>, RemoteError> {
        if n == 0 {
            return Err(RemoteError::Invalid("no places"));
        }
        let requests = match &self.0 {
            Kind::Batched { requests, .. } => requests,
            Kind::Exact(gate) => {
                let lease = gate.try_acquire_many(n).await?;
                return Ok(LeasedPermit(PermitKind::Exact(Box::new(lease))));
            }
        };
        let mut retry_after = -1;
        // Another caller of this process may take what was granted for this one.
        for _ in 0..3 {
            let (answer, granted) = oneshot::channel();
            let stopped = || EngineError::new(crate::EngineErrorKind::Other, "the task has ended");
            requests.send(Request { places: n, answer }).map_err(|_| stopped())?;
            retry_after = granted.await.map_err(|_| stopped())??;
            if let Some(permit) = self.hand_out(n) {
                return Ok(permit);
            }
            if retry_after >= 0 {
                break;
            }
        }
        Err(RemoteError::full(retry_after))
    }

    /// Returns the number of places that this process has leased: those that are handed out and
    /// those that lie idle. For an exact gate, none lie idle, and it is not counted: `None`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(jobs: headcount_redis::LeasedGate) {
    /// println!("{:?} places leased", jobs.leased());
    /// # }
    /// ```
    pub fn leased(&self) -> Option<u32> {
        match &self.0 {
            Kind::Batched { shared, .. } => Some(shared.block.gate().capacity()),
            Kind::Exact(_) => None,
        }
    }
}

impl fmt::Debug for LeasedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedGate").field("leased", &self.leased()).finish_non_exhaustive()
    }
}

type Remote<'a> = Pin<Box<dyn Future<Output = Result<LeasedPermit<'a>, RemoteError>> + Send + 'a>>;

/// Hands places of the block out when it is polled; only where that fails, it makes the future of a
/// call to the engine.
struct TryAcquire<'a> {
    gate: &'a LeasedGate,
    places: u32,
    remote: Option<Remote<'a>>,
}

impl<'a> Future for TryAcquire<'a> {
    type Output = Result<LeasedPermit<'a>, RemoteError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.remote.is_none() && self.places > 0 {
            if let Some(permit) = self.gate.hand_out(self.places) {
                return Poll::Ready(Ok(permit));
            }
        }
        self.poll_remote(context)
    }
}

impl<'a> TryAcquire<'a> {
    #[cold]
    #[inline(never)]
    fn poll_remote(&mut self, context: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        let (gate, places) = (self.gate, self.places);
        let remote = self.remote.get_or_insert_with(|| Box::pin(gate.try_acquire_remote(places)));
        remote.as_mut().poll(context)
    }
}

/// Places of a [`LeasedGate`]. Dropping it frees them: those of a batched gate for this process.
///
/// # Examples
///
/// ```no_run
/// # async fn example(jobs: headcount_redis::LeasedGate) -> Result<(), headcount_redis::RemoteError> {
/// let permit = jobs.try_acquire().await?;
/// if permit.is_lost() {
///     println!("the place may be another's");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a permit frees its places"]
pub struct LeasedPermit<'a>(PermitKind<'a>);

enum PermitKind<'a> {
    /// In a box, so that a batched permit stays small.
    Exact(Box<RemoteLease>),
    Batched {
        permit: Permit<'a>,
        shared: &'a Shared,
        fence: u64,
    },
}

impl fmt::Debug for PermitKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PermitKind::Exact(lease) => lease.fmt(f),
            PermitKind::Batched { permit, fence, .. } => {
                f.debug_struct("Batched").field("permit", permit).field("fence", fence).finish()
            }
        }
    }
}

impl LeasedPermit<'_> {
    /// Returns the number of places.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(permit: headcount_redis::LeasedPermit<'_>) {
    /// assert_eq!(permit.count(), 1);
    /// # }
    /// ```
    pub fn count(&self) -> u32 {
        match &self.0 {
            PermitKind::Exact(lease) => lease.count(),
            PermitKind::Batched { permit, .. } => permit.count(),
        }
    }

    /// Returns the fence: of the permit's own lease, or of the block, which its permits share.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(permit: headcount_redis::LeasedPermit<'_>) {
    /// println!("write with fence {}", permit.fence());
    /// # }
    /// ```
    pub fn fence(&self) -> u64 {
        match &self.0 {
            PermitKind::Exact(lease) => lease.fence(),
            PermitKind::Batched { fence, .. } => *fence,
        }
    }

    /// Returns whether the lease, or the block, has ended. Reads the clock.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(permit: headcount_redis::LeasedPermit<'_>) {
    /// assert!(!permit.is_lost());
    /// # }
    /// ```
    pub fn is_lost(&self) -> bool {
        match &self.0 {
            PermitKind::Exact(lease) => lease.is_lost(),
            PermitKind::Batched { shared, fence, .. } => shared.is_lost(*fence),
        }
    }

    /// Releases the places. An exact gate's are free, for all processes, when this returns; a
    /// batched gate's are free for this process.
    ///
    /// # Errors
    ///
    /// The engine's failure. The lease ends by itself then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the places are released in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(permit: headcount_redis::LeasedPermit<'_>) -> Result<(), headcount_redis::RemoteError> {
    /// permit.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn release(self) -> Result<(), RemoteError> {
        match self.0 {
            PermitKind::Exact(lease) => lease.release().await,
            PermitKind::Batched { .. } => Ok(()),
        }
    }
}

/// What this process believes to have leased.
struct Block {
    id: String,
    /// The number of the last call, so that the engine knows a repetition.
    sequence: u64,
    fence: u64,
    weight: u32,
    until: Instant,
}

impl Block {
    /// Returns an empty block, with an id that no block had. Ids of blocks begin with a `b`.
    fn new() -> Result<Block, EngineError> {
        let id = format!("b{}", fresh_id()?);
        Ok(Block { id, sequence: 0, fence: 0, weight: 0, until: Instant::now() })
    }

    fn is_held(&self) -> bool {
        self.weight > 0
    }
}

/// The task of a batched gate.
struct BlockKeeper {
    object: Object,
    shared: Arc<Shared>,
    ttl: Duration,
    capacity: u32,
    block: Block,
}

impl BlockKeeper {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let nudge = Arc::new(Notify::new());
        let listener = tokio::spawn(listen(self.object.clone(), Arc::clone(&nudge)));
        let mut renewal = Instant::now() + self.ttl / 3;
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(first) = request else { break };
                    let waiting: Vec<Request> =
                        std::iter::once(first).chain(std::iter::from_fn(|| requests.try_recv().ok())).collect();
                    let result = self.grow(waiting.iter().map(|request| request.places)).await;
                    for request in waiting {
                        // A caller that has gone needs no answer.
                        let _ = request.answer.send(result.clone());
                    }
                }
                () = nudge.notified(), if self.block.is_held() => {
                    let _ = self.sync(self.gate().available(), 0, 0).await;
                }
                () = tokio::time::sleep_until(renewal) => {
                    let idle = self.gate().available();
                    let give = if self.gate().is_closed() { idle } else { idle.div_ceil(2) };
                    let renewed = !self.block.is_held()
                        || !matches!(self.sync(give, 0, 0).await, Err(RemoteError::Engine(_)));
                    renewal = Instant::now() + if renewed { self.ttl / 3 } else { self.ttl / 20 };
                }
                () = tokio::time::sleep_until(self.block.until), if self.block.is_held() => {
                    self.lose();
                }
            }
        }
        listener.abort();
        // No permit is left, since they borrow the gate: all places are given back, also those of
        // permits that were forgotten.
        if self.block.is_held() {
            if !mutant!("leased-keeps-its-block") {
                self.block.weight = 0;
            }
            self.block.sequence += 1;
            let _ = self.object.run(&self.args(&self.block, 0, 0)).await;
        }
    }

    fn gate(&self) -> &Gate {
        self.shared.block.gate()
    }

    /// Grows the block for callers that need so many places each. Returns the time in ms until a
    /// lease ends if too few places were free, or -1.
    async fn grow(&mut self, places: impl Iterator<Item = u32>) -> Result<i64, RemoteError> {
        let asked = places.fold(0, u32::saturating_add);
        for _ in 0..2 {
            // Permits of a lost block that are still held occupy places of the local gate.
            let occupied = self.gate().occupied();
            let occupied = if mutant!("leased-forgets-lost-permits") { 0 } else { occupied };
            let need = asked.saturating_add(occupied).saturating_sub(self.block.weight);
            if need == 0 {
                return Ok(-1);
            }
            match self.sync(0, need, need.max(self.block.weight)).await {
                Err(RemoteError::Lost) => {}
                result => return result,
            }
        }
        Err(RemoteError::Lost)
    }

    /// Returns `give` idle places, renews the block, and grows it.
    async fn sync(&mut self, give: u32, need: u32, want: u32) -> Result<i64, RemoteError> {
        if self.block.is_held() && Instant::now() >= self.block.until {
            self.lose();
        }
        if give > 0 {
            self.block.weight -= self.shared.block.take_back(give);
        }
        self.block.sequence += 1;
        let args = self.args(&self.block, need, want);
        let (id, until, held) = (self.block.id.clone(), self.block.until, self.block.is_held());
        let object = self.object.clone();
        let mut call = std::pin::pin!(object.run(&args));
        let answer = tokio::select! {
            answer = &mut call => answer?,
            () = tokio::time::sleep_until(until), if held => {
                self.lose();
                call.await?
            }
        };
        if self.block.id == id || mutant!("leased-applies-a-late-answer") {
            return self.apply(&answer);
        }
        // The answer came after the end of the block. What the engine has renewed is given back.
        let ended = Block { id, sequence: u64::from(u32::MAX), fence: 0, weight: 0, until };
        let _ = self.object.run(&self.args(&ended, 0, 0)).await;
        Err(RemoteError::Lost)
    }

    fn args(&self, block: &Block, need: u32, want: u32) -> Vec<Arg> {
        let Block { id, sequence, fence, weight, .. } = block;
        let channel = String::from_utf8_lossy(&self.object.key("nudge")).into_owned();
        let (ttl, capacity) = (ms(self.ttl), self.capacity);
        args!["block", id, sequence, fence, weight, need, want, ttl, capacity, channel, 0].into()
    }

    fn apply(&mut self, answer: &Answer) -> Result<i64, RemoteError> {
        if answer.get(0)? == 0 {
            self.lose();
            return Err(RemoteError::Lost);
        }
        let (weight, fence) = (answer.number(1)?, answer.number(2)?);
        let (closed, retry_after) = (answer.get(3)? == 1, answer.get(4)?);
        if weight > Gate::MAX_CAPACITY {
            return Err(answer.unexpected().into());
        }
        self.block.weight = weight;
        if weight == 0 {
            self.lose();
        } else {
            self.block.fence = fence;
            self.block.until = valid_until(answer.sent, self.ttl);
            self.shared.block.grant(weight, fence, self.shared.nanos(self.block.until));
        }
        if closed {
            self.gate().close();
            return Err(RemoteError::Closed);
        }
        self.gate().reopen();
        Ok(retry_after)
    }

    /// The block has ended: no place is handed out, and every permit of it is lost.
    fn lose(&mut self) {
        self.shared.block.lose();
        match Block::new() {
            Ok(block) => self.block = block,
            // Without random numbers, none was made before either.
            Err(_) => self.block.weight = 0,
        }
    }
}

/// Waits for refusals of other processes, for as long as the task runs.
async fn listen(object: Object, nudge: Arc<Notify>) {
    let channel = object.key("nudge");
    loop {
        if let Ok(mut subscriber) = object.connection.listener().get_async_pubsub().await {
            if subscriber.subscribe(channel.as_slice()).await.is_ok() {
                let mut messages = subscriber.on_message();
                while messages.next().await.is_some() {
                    nudge.notify_one();
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
