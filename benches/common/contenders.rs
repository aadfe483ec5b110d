//! The contenders: the gate, its peers, and the ideal.
//!
//! Each does the same in the same shape, in an allocation of its own that shares no cache line with
//! another. A burst repeats the operation on one object, so caches are hot.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crossbeam_utils::CachePadded;
use headcount::Gate;

/// A type whose operation is timed.
pub(crate) trait Contender: Send + Sync + 'static {
    /// The name in the table.
    const NAME: &'static str;

    /// Does one operation. `thread` is the number of the calling thread, from 0.
    fn once(&self, thread: usize);
}

/// One counter per thread: the cost if threads share nothing.
#[derive(Default)]
pub(crate) struct Ideal([CachePadded<AtomicU32>; 16]);

impl Contender for Ideal {
    const NAME: &'static str = "one counter per thread";

    #[inline(always)]
    fn once(&self, thread: usize) {
        let counter = &self.0[thread % 16];
        counter.fetch_add(1, Ordering::Acquire);
        counter.fetch_sub(1, Ordering::Release);
    }
}

/// A limit whose places can be taken and given back.
pub(crate) trait Limit: Send + Sync + 'static {
    const NAME: &'static str;

    /// Creates a limit of `places` places, all free.
    fn new(places: u32) -> Self;

    /// Takes a place and gives it back. Returns whether one was free.
    fn visit(&self) -> bool;
}

/// A limit with places to spare: one operation takes a place and gives it back.
pub(crate) struct Pair<L>(CachePadded<L>);

impl<L: Limit> Pair<L> {
    pub(crate) fn new(places: u32) -> Arc<Self> {
        Arc::new(Pair(CachePadded::new(L::new(places))))
    }
}

impl<L: Limit> Contender for Pair<L> {
    const NAME: &'static str = L::NAME;

    #[inline(always)]
    fn once(&self, _: usize) {
        self.0.visit();
    }
}

/// A limit whose answer the caller uses: for refusals, and for threads that compete for a place.
pub(crate) struct Answer<L>(CachePadded<L>);

impl<L: Limit> Answer<L> {
    pub(crate) fn new(places: u32) -> Arc<Self> {
        Arc::new(Answer(CachePadded::new(L::new(places))))
    }
}

impl<L: Limit> Contender for Answer<L> {
    const NAME: &'static str = L::NAME;

    #[inline(always)]
    fn once(&self, _: usize) {
        black_box(self.0.visit());
    }
}

impl Limit for Gate {
    const NAME: &'static str = "Gate";

    fn new(places: u32) -> Self {
        Gate::new(places)
    }

    #[inline(always)]
    fn visit(&self) -> bool {
        let permit = self.try_acquire();
        permit.is_ok()
    }
}

impl Limit for tokio::sync::Semaphore {
    const NAME: &'static str = "tokio::sync::Semaphore";

    fn new(places: u32) -> Self {
        tokio::sync::Semaphore::new(places as usize)
    }

    #[inline(always)]
    fn visit(&self) -> bool {
        let permit = self.try_acquire();
        permit.is_ok()
    }
}

impl Limit for async_lock::Semaphore {
    const NAME: &'static str = "async_lock::Semaphore";

    fn new(places: u32) -> Self {
        async_lock::Semaphore::new(places as usize)
    }

    #[inline(always)]
    fn visit(&self) -> bool {
        let permit = self.try_acquire();
        permit.is_some()
    }
}

/// `fetch_add` and `fetch_sub` without a limit: the least that a shared count can cost.
pub(crate) struct Raw(AtomicU32);

impl Limit for Raw {
    const NAME: &'static str = "fetch_add + fetch_sub";

    fn new(_: u32) -> Self {
        Raw(AtomicU32::new(0))
    }

    #[inline(always)]
    fn visit(&self) -> bool {
        self.0.fetch_add(1, Ordering::Acquire);
        self.0.fetch_sub(1, Ordering::Release);
        true
    }
}

/// One load and one compare: the least that a refusal can cost.
pub(crate) struct BareLoad {
    held: AtomicU32,
    places: u32,
}

impl Limit for BareLoad {
    const NAME: &'static str = "a bare load";

    fn new(places: u32) -> Self {
        BareLoad { held: AtomicU32::new(0), places }
    }

    #[inline(always)]
    fn visit(&self) -> bool {
        self.held.load(Ordering::Relaxed) < self.places
    }
}

/// Enters by a compare-exchange loop, leaves by `fetch_sub`.
pub(crate) struct CasLoop {
    held: AtomicU32,
    places: u32,
}

impl Limit for CasLoop {
    const NAME: &'static str = "compare-exchange loop";

    fn new(places: u32) -> Self {
        CasLoop { held: AtomicU32::new(0), places }
    }

    #[inline(always)]
    fn visit(&self) -> bool {
        let mut held = self.held.load(Ordering::Relaxed);
        loop {
            if held >= self.places {
                return false;
            }
            let more = self.held.compare_exchange_weak(
                held,
                held + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match more {
                Ok(_) => break,
                Err(now) => held = now,
            }
        }
        self.held.fetch_sub(1, Ordering::Release);
        true
    }
}

/// A count behind a lock.
pub(crate) struct Locked<M> {
    held: M,
    places: u32,
}

macro_rules! locked {
    ($mutex:ty, $name:literal, $lock:expr) => {
        impl Limit for Locked<$mutex> {
            const NAME: &'static str = $name;

            fn new(places: u32) -> Self {
                Locked { held: <$mutex>::new(0), places }
            }

            #[inline(always)]
            fn visit(&self) -> bool {
                {
                    let mut held = $lock(&self.held);
                    if *held >= self.places {
                        return false;
                    }
                    *held += 1;
                }
                *$lock(&self.held) -= 1;
                true
            }
        }
    };
}

locked!(Mutex<u32>, "std::sync::Mutex", lock_std);
locked!(parking_lot::Mutex<u32>, "parking_lot::Mutex", parking_lot::Mutex::lock);

#[inline(always)]
fn lock_std(mutex: &Mutex<u32>) -> MutexGuard<'_, u32> {
    mutex.lock().expect("no holder panics")
}

/// A limit whose places can be held without a borrow.
pub(crate) trait OwnedLimit: Send + Sync + Sized + 'static {
    const NAME: &'static str;

    fn new(places: u32) -> Self;

    /// Takes an owned place and gives it back.
    fn visit(this: &Arc<Self>);
}

/// One operation clones the `Arc`, takes an owned place and gives both back.
pub(crate) struct Owned<L>(CachePadded<Arc<L>>);

impl<L: OwnedLimit> Owned<L> {
    pub(crate) fn new(places: u32) -> Arc<Self> {
        Arc::new(Owned(CachePadded::new(arc_at_line_start(|| L::new(places)))))
    }
}

impl<L: OwnedLimit> Contender for Owned<L> {
    const NAME: &'static str = L::NAME;

    #[inline(always)]
    fn once(&self, _: usize) {
        L::visit(&self.0);
    }
}

/// An `Arc` whose counts start a cache line: otherwise the allocator would decide which contender
/// shares a line with its reference counts.
fn arc_at_line_start<T>(make: impl Fn() -> T) -> Arc<T> {
    const LINE: usize = 64;
    const COUNTS: usize = 2 * size_of::<usize>();
    let mut elsewhere = Vec::new();
    loop {
        let arc = Arc::new(make());
        if Arc::as_ptr(&arc) as usize % LINE == COUNTS || elsewhere.len() > 1000 {
            return arc;
        }
        elsewhere.push(arc);
    }
}

impl OwnedLimit for Gate {
    const NAME: &'static str = "Gate";

    fn new(places: u32) -> Self {
        Gate::new(places)
    }

    #[inline(always)]
    fn visit(this: &Arc<Self>) {
        let permit = Arc::clone(this).try_acquire_owned();
        drop(permit);
    }
}

impl OwnedLimit for tokio::sync::Semaphore {
    const NAME: &'static str = "tokio::sync::Semaphore";

    fn new(places: u32) -> Self {
        tokio::sync::Semaphore::new(places as usize)
    }

    #[inline(always)]
    fn visit(this: &Arc<Self>) {
        let permit = Arc::clone(this).try_acquire_owned();
        drop(permit);
    }
}

impl OwnedLimit for async_lock::Semaphore {
    const NAME: &'static str = "async_lock::Semaphore";

    fn new(places: u32) -> Self {
        async_lock::Semaphore::new(places as usize)
    }

    #[inline(always)]
    fn visit(this: &Arc<Self>) {
        let permit = this.try_acquire_arc();
        drop(permit);
    }
}

impl OwnedLimit for Raw {
    const NAME: &'static str = "Arc::clone, fetch_add + fetch_sub";

    fn new(_: u32) -> Self {
        Raw(AtomicU32::new(0))
    }

    #[inline(always)]
    fn visit(this: &Arc<Self>) {
        let this = Arc::clone(this);
        this.0.fetch_add(1, Ordering::Acquire);
        this.0.fetch_sub(1, Ordering::Release);
    }
}
