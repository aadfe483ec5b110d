//! The executable specifications that the tests of headcount share, and one linearizability checker
//! for all of them.
//!
//! A [`Spec`] is a plain state and a function from a call to its answer. It does sums on ordinary
//! numbers and knows nothing of atomics, ceilings, flags or threads. Properties and fuzzing apply
//! calls one at a time; loom models [explain] the histories of whole executions; the exhaustive
//! searches keep all [`Explanations`] of the answers so far.

mod checker;
mod gate;
mod holds;
mod room;

pub use checker::{explain, Explanations, Spec, Unexplained};
pub use gate::{Gate, GateAnswer, GateCall, GateReadings, Ticket, Waiter, WaiterState};
pub use holds::{Holds, HoldsAnswer, HoldsCall};
pub use room::{Room, RoomAnswer, RoomCall, RoomPhase, RoomRefusal};
