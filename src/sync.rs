//! The atomics that everything else uses: `core`'s, or loom's under `--cfg headcount_loom`.
//!
//! This is the only file that knows loom. Loom's atomics cannot be made in a constant, so
//! [`const_fn`] drops the `const` there.

#[cfg(not(headcount_loom))]
pub(crate) use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(all(not(headcount_loom), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::AtomicU64;

#[cfg(headcount_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Declares a value of each thread's own; loom's cannot be made in a constant either.
#[cfg(all(not(headcount_loom), feature = "std"))]
macro_rules! per_thread {
    (static $name:ident: $type:ty = $start:expr;) => {
        std::thread_local! { static $name: $type = const { $start }; }
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
