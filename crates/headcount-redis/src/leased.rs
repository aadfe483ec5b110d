//! A gate that several processes share, with places leased to each process in blocks.
//!
//! One task for each batched gate is the only caller of the engine and the only one that changes
//! the capacity of the local gate: the block's weight. Places are taken out of the local gate
//! before the engine is told that they are free, and put in after the engine has granted them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use headcount::{Gate, Permit};
use tokio::sync::{mpsc, oneshot, Notify};
use tokio::time::Instant;

use crate::connection::{check_ttl, Answer, Arg, Connection};
use crate::error::{EngineError, RemoteError};
use crate::gate::{gate_object, RemoteGate, RemoteLease};
use crate::lease::valid_until;
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
/// | price, while the block lasts | a call to the engine | [`try_acquire_local`](Self::try_acquire_local): that of a local gate; [`try_acquire`](Self::try_acquire): about twice that, for its future |
/// | a close by another process is seen | at once | within a third of the ttl |
///
/// A batched gate grows its block when the local gate is full: by what is needed if that is free,
/// or by up to half of its share of the free places. A refusal by the engine asks the other
/// processes, at most every 20 ms, to return what lies idle; so a caller that tries again soon is
/// likely to succeed. Each third of the ttl, a block returns half of what lies idle.
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
    local: Gate,
    /// The fence of the block, or 0 if there is none.
    fence: AtomicU64,
    /// Until when the block is relied upon, in nanoseconds after `base`.
    until: AtomicU64,
    base: Instant,
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
        let shared = Arc::new(Shared {
            local: Gate::new(0),
            fence: AtomicU64::new(0),
            until: AtomicU64::new(0),
            base: Instant::now(),
        });
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
    pub async fn try_acquire(&self) -> Result<LeasedPermit<'_>, RemoteError> {
        match self.try_acquire_local() {
            Some(permit) => Ok(permit),
            // In a box, so that the future of the usual case stays small.
            None => Box::pin(self.try_acquire_remote(1)).await,
        }
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
    pub async fn try_acquire_many(&self, n: u32) -> Result<LeasedPermit<'_>, RemoteError> {
        if n == 0 {
            return Err(RemoteError::Invalid("no places"));
        }
        if let Kind::Batched { shared, .. } = &self.0 {
            if let Some(permit) = shared.hand_out(|local| local.try_acquire_many(n).ok()) {
                return Ok(permit);
            }
        }
        Box::pin(self.try_acquire_remote(n)).await
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
        match &self.0 {
            Kind::Batched { shared, .. } => shared.hand_out(|local| local.try_acquire().ok()),
            Kind::Exact(_) => None,
        }
    }

    async fn try_acquire_remote(&self, n: u32) -> Result<LeasedPermit<'_>, RemoteError> {
        let (shared, requests) = match &self.0 {
            Kind::Batched { shared, requests } => (shared, requests),
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
            if let Some(permit) = shared.hand_out(|local| local.try_acquire_many(n).ok()) {
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
            Kind::Batched { shared, .. } => Some(shared.local.capacity()),
            Kind::Exact(_) => None,
        }
    }
}

impl fmt::Debug for LeasedGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedGate").field("leased", &self.leased()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Hands out a place of the local gate, with the fence of a block that covered it.
    #[inline]
    fn hand_out<'a>(
        &'a self,
        acquire: impl FnOnce(&'a Gate) -> Option<Permit<'a>>,
    ) -> Option<LeasedPermit<'a>> {
        // Acquire, pairs with the store in `BlockKeeper::apply`: `until` is that of this block or
        // of a later one. Read before the place is taken: if the block is lost in between, the
        // permit has the fence of the lost block and is lost.
        let fence = self.fence.load(Ordering::Acquire);
        if fence == 0 {
            return None;
        }
        let permit = acquire(&self.local)?;
        Some(LeasedPermit(PermitKind::Batched { permit, shared: self, fence }))
    }

    fn is_lost(&self, fence: u64) -> bool {
        let since = self.base.elapsed().as_nanos();
        // Acquire, pairs with the stores of `BlockKeeper`: a permit of a lost block sees that the
        // fence has changed before it sees the time of a later block.
        let until = self.until.load(Ordering::Acquire);
        since >= u128::from(until) || self.fence.load(Ordering::Acquire) != fence
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
                    let _ = self.sync(self.shared.local.available(), 0, 0).await;
                }
                () = tokio::time::sleep_until(renewal) => {
                    let idle = self.shared.local.available();
                    let renewed = !self.block.is_held()
                        || !matches!(
                            self.sync(idle.div_ceil(2), 0, 0).await,
                            Err(RemoteError::Engine(_))
                        );
                    renewal = Instant::now() + if renewed { self.ttl / 3 } else { self.ttl / 20 };
                }
                () = tokio::time::sleep_until(self.block.until), if self.block.is_held() => {
                    self.lose();
                }
            }
        }
        listener.abort();
        // No permit is left, since they borrow the gate.
        if self.block.is_held() {
            let _ = self.sync(self.block.weight, 0, 0).await;
        }
    }

    /// Grows the block for callers that need so many places each. Returns the time in ms until a
    /// lease ends if too few places were free, or -1.
    async fn grow(&mut self, places: impl Iterator<Item = u32>) -> Result<i64, RemoteError> {
        let asked = places.fold(0, u32::saturating_add);
        for _ in 0..2 {
            // Permits of a lost block that are still held occupy places of the local gate.
            let occupied = self.shared.local.occupied();
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
        let give = give.min(self.block.weight);
        if give > 0 {
            // Once they are taken, they are out of the reach of callers; lowering the capacity
            // removes them when the permit is dropped. If callers were faster, nothing is returned.
            if let Ok(idle) = self.shared.local.try_acquire_many(give) {
                self.block.weight -= give;
                self.shared.local.set_capacity(self.block.weight);
                drop(idle);
            }
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
        if self.block.id == id {
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
            let until = self.block.until.saturating_duration_since(self.shared.base).as_nanos();
            // Release, pairs with the loads in `Shared`: the time before the fence, the fence
            // before the places that it covers.
            self.shared.until.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
            self.shared.fence.store(fence, Ordering::Release);
            self.shared.local.set_capacity(weight);
        }
        if closed {
            self.shared.local.close();
            return Err(RemoteError::Closed);
        }
        self.shared.local.reopen();
        Ok(retry_after)
    }

    /// The block has ended: no place is handed out, and every permit of it is lost.
    fn lose(&mut self) {
        // Release, pairs with the loads in `Shared::is_lost`.
        self.shared.fence.store(0, Ordering::Release);
        self.shared.local.close();
        self.shared.local.set_capacity(0);
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
