//! What the demo programs share: reading a trace, running threads, printing and drawing.

pub mod console;
pub mod crowd;
pub mod drawing;
pub mod progress;
pub mod steps;
pub mod table;
pub mod trace;
