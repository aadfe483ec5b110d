//! What the examples share.

pub(crate) mod console;
pub(crate) mod crowd;
pub(crate) mod drawing;
pub(crate) mod progress;
pub(crate) mod steps;
pub(crate) mod table;
pub(crate) mod trace;
