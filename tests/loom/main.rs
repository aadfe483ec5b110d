//! Loom models of the operations whose result depends on the order of threads. Loom runs each model
//! in every order, or up to the number of preemptions that the model names as its bound, and with
//! the stale values that the orderings allow. `ci/loom` runs them.
//!
//! # How to read a model
//!
//! Most models are a [`Crowd`](crowd::Crowd): a few threads that each make a few calls to one
//! gate. In every execution
//!
//! - *some* order of the calls, which keeps the order of each thread and obeys the specification of
//!   a gate (`crates/spec`), must explain the answers (*never-over*, *exact*);
//! - at the end the counts must balance, and the gate must work again as a new one (*no-leak*);
//! - in a model in which each admission takes more than half of the places, each holder writes to a
//!   cell that no other thread may touch at the same time (*never-over*, *happens-before*).
//!
//! A crowd counts the results of all executions, so that a model can assert that there were
//! admissions *and* refusals.
//!
//! The same crowds run over [rejected protocols](rejected) with one known flaw each, on which they
//! must fail. Each ordering stronger than Relaxed has a named weakening, and each check after the
//! fact has one too; `ci/mutants.d` names the model that must fail on it.
//!
//! # What is not here
//!
//! *wait-free enter* and *cheap no* are about the number and kind of steps, which loom does not
//! count; the exhaustive searches of `src/protocol/tests` hold them. Nor can a model see a WAITING
//! flag that stays too long, which only costs time.
//!
//! Models named `limits_…` must fail too: they show that the exceptions in the documentation occur.

#![cfg(headcount_loom)]

mod close;
mod course;
mod crowd;
mod gate;
mod happens_before;
mod more;
mod must_fail;
mod panics;
mod permit;
mod rejected;
mod resize;
mod tally;

#[cfg(feature = "holds")]
mod holds;
#[cfg(feature = "keyed")]
mod keyed;
#[cfg(feature = "std")]
mod lobby;
#[cfg(feature = "std")]
mod party;
#[cfg(feature = "keyed")]
mod tabs;
#[cfg(feature = "wait")]
mod wait;
