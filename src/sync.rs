//! The atomics that the crate uses: `core`'s, loom's under `--cfg headcount_loom`, or shuttle's
//! under `--cfg headcount_shuttle`.
//!
//! No other file knows loom or shuttle. Loom's atomics cannot be created in a constant, so
//! [`const_fn`] drops the `const` there.

#[cfg(not(any(headcount_loom, headcount_shuttle)))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(all(not(any(headcount_loom, headcount_shuttle)), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::AtomicU64;

#[cfg(headcount_shuttle)]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(headcount_shuttle)]
pub(crate) use switched::{AtomicU32, AtomicU64};

#[cfg(headcount_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(all(
    feature = "keyed",
    target_has_atomic = "64",
    not(any(headcount_loom, headcount_shuttle))
))]
pub(crate) use core::sync::atomic::AtomicPtr;
#[cfg(all(feature = "keyed", headcount_loom))]
pub(crate) use loom::sync::atomic::AtomicPtr;
#[cfg(all(feature = "keyed", headcount_shuttle))]
pub(crate) use switched::AtomicPtr;

/// The atomics under shuttle: `core`'s, with a possible switch of threads before each operation.
/// Shuttle's own have the switch too, but are larger. These have the size and alignment that they
/// have in production, so that a test can tell which of them share a cache line.
#[cfg(headcount_shuttle)]
mod switched {
    use core::sync::atomic::{self, Ordering};

    pub(crate) type AtomicU32 = Switched<atomic::AtomicU32>;
    pub(crate) type AtomicU64 = Switched<atomic::AtomicU64>;
    pub(crate) type AtomicPtr<T> = Switched<atomic::AtomicPtr<T>>;

    #[repr(transparent)]
    #[derive(Default, Debug)]
    pub(crate) struct Switched<A>(A);

    impl<A> Switched<A> {
        /// Lets another thread run, if the scheduler wants it, and reports the operation that
        /// follows.
        fn switch(&self, writes: bool) {
            // A load of an atomic of shuttle's is a point at which it can switch.
            shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
            super::report(&self.0, writes);
        }
    }

    macro_rules! switched {
        ($value:ty, $atomic:ty $(, $generic:ident)?) => {
            // Each set of features uses a part of them.
            #[allow(dead_code)]
            impl$(<$generic>)? Switched<$atomic> {
                pub(crate) const fn new(value: $value) -> Self {
                    Switched(<$atomic>::new(value))
                }

                pub(crate) fn get_mut(&mut self) -> &mut $value {
                    self.0.get_mut()
                }

                pub(crate) fn into_inner(self) -> $value {
                    self.0.into_inner()
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.switch(false);
                    self.0.load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    self.switch(true);
                    self.0.store(value, order);
                }

                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.switch(true);
                    self.0.swap(value, order)
                }

                /// An exchange that fails writes nothing, and takes the cache line all the same.
                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.switch(true);
                    self.0.compare_exchange(current, new, success, failure)
                }
            }
        };
    }

    switched!(u32, atomic::AtomicU32);
    switched!(u64, atomic::AtomicU64);
    switched!(*mut T, atomic::AtomicPtr<T>, T);

    macro_rules! switched_integer {
        ($value:ty, $atomic:ty, $($change:ident)+) => {
            #[allow(dead_code)]
            impl Switched<$atomic> {
                $(pub(crate) fn $change(&self, value: $value, order: Ordering) -> $value {
                    self.switch(true);
                    self.0.$change(value, order)
                })+

                /// A load and exchanges until one succeeds, as `core` has it.
                pub(crate) fn fetch_update(
                    &self,
                    success: Ordering,
                    failure: Ordering,
                    mut f: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    let mut seen = self.load(failure);
                    while let Some(new) = f(seen) {
                        match self.compare_exchange(seen, new, success, failure) {
                            Ok(before) => return Ok(before),
                            Err(now) => seen = now,
                        }
                    }
                    Err(seen)
                }
            }
        };
    }

    switched_integer!(u32, atomic::AtomicU32, fetch_add fetch_sub fetch_and fetch_or);
    switched_integer!(u64, atomic::AtomicU64, fetch_add fetch_sub fetch_and fetch_or);
}

/// Reports an access to shared memory to the observer of the running thread, if it has one. That is
/// a label of the thread: a function of the address, the size, and whether the access writes.
#[cfg(headcount_shuttle)]
fn report<T>(at: *const T, writes: bool) {
    use shuttle::current::{get_label_for_task, try_get_current_task};
    let observer = try_get_current_task().and_then(get_label_for_task::<fn(usize, usize, bool)>);
    if let Some(observer) = observer {
        observer(at as usize, size_of::<T>(), writes);
    }
}

/// Loads a value relaxed, of which the next compare-exchange of the caller is to be made.
#[cfg(all(feature = "keyed", target_has_atomic = "64", not(headcount_loom)))]
#[inline(always)]
pub(crate) fn load_to_change(atomic: &AtomicU64) -> u64 {
    // Relaxed: the exchange checks the value.
    atomic.load(Ordering::Relaxed)
}

/// The same under loom, which tries a change of an object before the last access to it only: a load
/// by the same thread would hide the loads of the others. So this changes nothing, as a change.
#[cfg(all(feature = "keyed", headcount_loom))]
pub(crate) fn load_to_change(atomic: &AtomicU64) -> u64 {
    // Relaxed: as above.
    atomic.fetch_or(0, Ordering::Relaxed)
}

/// Lets time pass for a thread that has found a short lock taken `tries` times: spins, then yields,
/// then sleeps.
#[cfg(all(
    any(feature = "holds", feature = "keyed"),
    target_has_atomic = "64",
    not(any(headcount_loom, headcount_shuttle))
))]
#[cold]
pub(crate) fn relax(tries: u32) {
    const SPINS: u32 = 7;
    const YIELDS: u32 = 16;
    const SLEEP: core::time::Duration = core::time::Duration::from_micros(100);
    if tries < SPINS {
        (0..1 << tries).for_each(|_| core::hint::spin_loop());
    } else if tries < SPINS + YIELDS {
        std::thread::yield_now();
    } else {
        std::thread::sleep(SLEEP);
    }
}

/// Under loom another thread runs.
#[cfg(all(any(feature = "holds", feature = "keyed"), headcount_loom))]
pub(crate) fn relax(_: u32) {
    loom::thread::yield_now();
}

/// Under shuttle too.
#[cfg(all(any(feature = "holds", feature = "keyed"), headcount_shuttle))]
pub(crate) fn relax(_: u32) {
    shuttle::thread::yield_now();
}

#[cfg(all(headcount_loom, any(feature = "holds", feature = "keyed")))]
pub(crate) use loom::cell::UnsafeCell;

/// A cell with loom's interface.
#[cfg(all(
    not(headcount_loom),
    any(feature = "holds", feature = "keyed"),
    target_has_atomic = "64"
))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(all(
    not(headcount_loom),
    any(feature = "holds", feature = "keyed"),
    target_has_atomic = "64"
))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        #[cfg(headcount_shuttle)]
        report(self.0.get(), false);
        f(self.0.get())
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(headcount_shuttle)]
        report(self.0.get(), true);
        f(self.0.get())
    }
}

/// A sequentially consistent load; `order` is weaker in mutants only.
#[cfg(all(feature = "std", target_has_atomic = "64"))]
#[inline(always)]
pub(crate) fn load_seq_cst(atomic: &AtomicU64, order: Ordering) -> u64 {
    // Loom treats such a load as an acquire load, so a fence makes up for the rest: every caller
    // has made a sequentially consistent change before it.
    #[cfg(headcount_loom)]
    if order == Ordering::SeqCst {
        loom::sync::atomic::fence(order);
    }
    atomic.load(order)
}

/// What the rooms of a lobby need beyond the atomics above.
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod rooms {
    #[cfg(headcount_shuttle)]
    pub(crate) use super::switched::AtomicPtr;
    #[cfg(headcount_loom)]
    pub(crate) use loom::sync::{
        atomic::AtomicPtr, Condvar as StateCondvar, Mutex as StateMutex,
        MutexGuard as StateMutexGuard,
    };
    #[cfg(headcount_shuttle)]
    pub(crate) use shuttle::sync::{
        Condvar as StateCondvar, Mutex as StateMutex, MutexGuard as StateMutexGuard,
    };
    #[cfg(not(any(headcount_loom, headcount_shuttle)))]
    pub(crate) use std::sync::{
        atomic::AtomicPtr, Condvar as StateCondvar, Mutex as StateMutex,
        MutexGuard as StateMutexGuard,
    };

    use super::AtomicU64;

    /// Whether lobbies are small, as in models. A count of cache lines is made of full ones: it is
    /// built with this variable set.
    const IN_SMALL: bool = cfg!(any(headcount_loom, headcount_shuttle))
        && option_env!("HEADCOUNT_FULL_SIZE").is_none();

    /// The last generation of a room; small in loom's models, so that they come to it.
    pub(crate) const LAST_GENERATION: u32 = if cfg!(headcount_loom) { 3 } else { (1 << 23) - 1 };

    /// How many bits of a word of hints are used; few in models, so that they have layers.
    pub(crate) const FAN_OUT: usize = if IN_SMALL { 2 } else { 64 };

    /// The sizes of a shard's first page and of its largest, as powers of two.
    pub(crate) const PAGE_BITS: [u32; 2] = if IN_SMALL { [1, 4] } else { [6, 22] };

    /// How often a search is repeated while other calls are in the middle of something, before all
    /// rooms are read. Models read them at once.
    pub(crate) const PATIENCE: u32 = if IN_SMALL { 0 } else { 64 };

    /// Returns `n` words of 0. The allocator hands out most of a large block untouched: the
    /// compiler finds nothing to do for the conversion.
    pub(crate) fn zeros(n: usize) -> Box<[AtomicU64]> {
        vec![0; n].into_iter().map(AtomicU64::new).collect()
    }

    /// As `zeros`, for pointers.
    pub(crate) fn nulls<T>(n: usize) -> Box<[AtomicPtr<T>]> {
        vec![core::ptr::null_mut(); n].into_iter().map(AtomicPtr::new).collect()
    }
}
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) use rooms::*;

/// Declares a thread-local value. Loom's and shuttle's cannot be created in a constant either.
#[cfg(all(not(any(headcount_loom, headcount_shuttle)), feature = "std"))]
macro_rules! per_thread {
    (static $name:ident: $type:ty = $start:expr;) => {
        std::thread_local! { static $name: $type = const { $start }; }
    };
}

#[cfg(all(headcount_shuttle, feature = "std"))]
macro_rules! per_thread {
    (static $name:ident: $type:ty = $start:expr;) => {
        shuttle::thread_local! { static $name: $type = $start; }
    };
}

#[cfg(all(headcount_loom, feature = "std"))]
macro_rules! per_thread {
    (static $name:ident: $type:ty = $start:expr;) => {
        loom::thread_local! { static $name: $type = $start; }
    };
}

#[cfg(feature = "std")]
pub(crate) use per_thread;

/// Returns a number that no thread has been given yet, until the numbers wrap around.
#[cfg(all(not(headcount_loom), feature = "std", target_has_atomic = "64"))]
pub(crate) fn next_number() -> usize {
    static NEXT: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    // Relaxed: the value orders nothing else.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Returns the next number, which starts anew in every execution: loom replays executions.
#[cfg(all(headcount_loom, feature = "std", target_has_atomic = "64"))]
pub(crate) fn next_number() -> usize {
    loom::lazy_static! {
        static ref NEXT: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
    }
    // Relaxed: as above.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Declares a function that is `const` where the atomics can be created in a constant.
#[cfg(not(headcount_loom))]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}

#[cfg(headcount_loom)]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        $(#[$meta])* $vis fn $($rest)*
    };
}

pub(crate) use const_fn;

/// What waiting needs beyond atomics.
#[cfg(feature = "wait")]
mod waiting {
    #[cfg(headcount_loom)]
    pub(crate) use loom::{
        sync::MutexGuard,
        thread::{current, park, Thread},
    };
    #[cfg(headcount_shuttle)]
    pub(crate) use shuttle::{
        sync::MutexGuard,
        thread::{current, park, park_timeout, Thread},
    };
    #[cfg(not(any(headcount_loom, headcount_shuttle)))]
    pub(crate) use std::{
        sync::MutexGuard,
        thread::{current, park, park_timeout, Thread},
    };

    /// Loom has no clock: a thread that waits with a timeout looks again until its deadline.
    #[cfg(headcount_loom)]
    pub(crate) fn park_timeout(_: core::time::Duration) {
        loom::thread::yield_now();
    }
}

/// A value that is allocated when it is first needed. Loom has no `OnceLock`: there it exists
/// from the start.
#[cfg(all(any(feature = "keyed", feature = "wait"), not(headcount_loom)))]
pub(crate) struct Lazy<T>(std::sync::OnceLock<alloc::boxed::Box<T>>);

#[cfg(all(any(feature = "keyed", feature = "wait"), not(headcount_loom)))]
impl<T: Default> Lazy<T> {
    pub(crate) const fn new() -> Self {
        Lazy(std::sync::OnceLock::new())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get().map(|value| &**value)
    }

    pub(crate) fn get_or_make(&self) -> &T {
        self.0.get_or_init(alloc::boxed::Box::default)
    }
}

#[cfg(all(any(feature = "keyed", feature = "wait"), headcount_loom))]
pub(crate) struct Lazy<T>(T);

#[cfg(all(any(feature = "keyed", feature = "wait"), headcount_loom))]
impl<T: Default> Lazy<T> {
    pub(crate) fn new() -> Self {
        Lazy(T::default())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        Some(&self.0)
    }

    pub(crate) fn get_or_make(&self) -> &T {
        &self.0
    }
}

/// The lock of the waitlist.
#[cfg(all(feature = "wait", headcount_loom))]
pub(crate) use loom::sync::Mutex;
#[cfg(all(feature = "wait", headcount_shuttle))]
pub(crate) use shuttle::sync::Mutex;
#[cfg(all(feature = "wait", not(any(headcount_loom, headcount_shuttle))))]
pub(crate) use std::sync::Mutex;
#[cfg(feature = "wait")]
pub(crate) use waiting::*;

/// True under loom, whose models use one of each thing that there are many of.
#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
pub(crate) const IN_MODEL: bool = cfg!(headcount_loom);
