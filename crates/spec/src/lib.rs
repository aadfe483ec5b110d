//! The executable specifications that the tests of headcount share, and one linearizability checker
//! for all of them.
//!
//! A [`Spec`] is a plain state and a function from a call to its answer. It does sums on ordinary
//! numbers and knows nothing of atomics, ceilings, flags, threads or servers. Properties and
//! fuzzing apply calls one at a time, beside the types of the crate and beside the scripts of
//! `headcount-redis`; loom models [explain] the histories of whole executions; the exhaustive
//! searches keep all [`Explanations`] of the answers so far.

mod checker;
mod course;
mod gate;
mod holds;
mod lobby;
mod room;
mod tally;

pub use checker::{explain, Explanations, Spec, Unexplained};
pub use course::{Course, CourseAnswer, CourseCall};
pub use gate::{Gate, GateAnswer, GateCall, GateReadings, Ticket, Waiter, WaiterState};
pub use holds::{Holds, HoldsAnswer, HoldsCall};
pub use lobby::Lobby;
pub use room::{Room, RoomAnswer, RoomCall, RoomPhase, RoomRefusal};
pub use tally::{Tally, TallyAnswer, TallyCall};
