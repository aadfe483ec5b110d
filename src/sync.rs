//! The atomics that everything else uses: `core`'s, loom's under `--cfg headcount_loom`, or shuttle's
//! under `--cfg headcount_shuttle`.
//!
//! This is the only file that knows either. Shuttle sees all that neither waits nor locks; what does is
//! left to loom, whose atomics cannot be made in a constant, so [`const_fn`] drops the `const` there.

#[cfg(not(any(headcount_loom, headcount_shuttle)))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(all(not(any(headcount_loom, headcount_shuttle)), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::AtomicU64;

#[cfg(headcount_shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(headcount_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(all(headcount_loom, feature = "std"))]
pub(crate) use loom::cell::UnsafeCell;

/// A cell with loom's interface.
#[cfg(all(not(headcount_loom), feature = "std", target_has_atomic = "64"))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(all(not(headcount_loom), feature = "std", target_has_atomic = "64"))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// A sequentially consistent load.
#[cfg(all(not(headcount_loom), feature = "std", target_has_atomic = "64"))]
#[inline(always)]
pub(crate) fn load_seq_cst(atomic: &AtomicU64) -> u64 {
    // SeqCst: what it pairs with stands at each call.
    atomic.load(Ordering::SeqCst)
}

/// A sequentially consistent load. Loom takes it for an acquire load, so a fence stands in for the
/// rest: every caller has made a sequentially consistent change before it.
#[cfg(all(headcount_loom, feature = "std"))]
pub(crate) fn load_seq_cst(atomic: &AtomicU64) -> u64 {
    loom::sync::atomic::fence(Ordering::SeqCst);
    atomic.load(Ordering::SeqCst)
}

/// Declares a value of each thread's own; loom's and shuttle's cannot be made in a constant either.
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

/// A number that no thread has been given yet, until they wrap.
#[cfg(all(not(headcount_loom), feature = "std"))]
pub(crate) fn next_number() -> usize {
    static NEXT: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    // Relaxed: the number stands for itself.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The same, counted anew in every execution: a model must be able to run twice alike.
#[cfg(all(headcount_loom, feature = "std"))]
pub(crate) fn next_number() -> usize {
    loom::lazy_static! {
        static ref NEXT: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
    }
    // Relaxed: as above.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Declares a function that is `const` wherever the atomics allow it.
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
        sync::{atomic::AtomicUsize, MutexGuard},
        thread::{current, park, Thread},
    };
    #[cfg(not(headcount_loom))]
    pub(crate) use std::{
        sync::{atomic::AtomicUsize, MutexGuard},
        thread::{current, park, park_timeout, Thread},
    };

    /// Loom has no clock: whoever waits with a timeout just looks again until its time is up.
    #[cfg(headcount_loom)]
    pub(crate) fn park_timeout(_: core::time::Duration) {
        loom::thread::yield_now();
    }

    /// A value that is allocated when it is first needed; with loom, which does not know
    /// `OnceLock`, it is there from the start.
    #[cfg(not(headcount_loom))]
    pub(crate) struct Lazy<T>(std::sync::OnceLock<Box<T>>);

    #[cfg(not(headcount_loom))]
    impl<T: Default> Lazy<T> {
        pub(crate) const fn new() -> Self {
            Lazy(std::sync::OnceLock::new())
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.0.get().map(|value| &**value)
        }

        pub(crate) fn get_or_make(&self) -> &T {
            self.0.get_or_init(Box::default)
        }
    }

    #[cfg(headcount_loom)]
    pub(crate) struct Lazy<T>(T);

    #[cfg(headcount_loom)]
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
}

/// The lock of a line of those who wait; in the models also of the map of gates by key.
#[cfg(all(any(feature = "keyed", feature = "wait"), headcount_loom))]
pub(crate) use loom::sync::Mutex;
#[cfg(all(feature = "wait", not(headcount_loom)))]
pub(crate) use std::sync::Mutex;
#[cfg(feature = "wait")]
pub(crate) use waiting::*;

/// True in the models, which make do with one of whatever there are many of.
#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
pub(crate) const IN_MODEL: bool = cfg!(headcount_loom);
