//! The atomics of a block: the standard library's, or loom's under `--cfg headcount_loom`.

#[cfg(headcount_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(headcount_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
