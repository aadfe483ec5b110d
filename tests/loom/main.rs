//! Models of everything in which threads matter, run in every order and with every stale value that
//! loom can produce. `ci/loom` runs them.
//!
//! # How to read a model
//!
//! Most models are a [`Crowd`](crowd::Crowd): a few threads that each carry out a few acts on one
//! door. In every execution
//!
//! - what the callers were told must be explained by *some* order of the calls that keeps each
//!   thread's own order and obeys the plain rules of a door (*never-over*, *exact*);
//! - at the end the books must balance, and the door must work again as a new one (*no-leak*);
//! - where all who enter take more than half of the places, whoever is inside writes to a cell that
//!   nobody else may touch at the same time (*never-over*, *happens-before*).
//!
//! A crowd counts what it has seen over all executions, so that a model can insist that there were
//! admissions *and* refusals.
//!
//! The same crowds run over [rejectedes](rejected) of the protocol that have one known flaw each, and
//! those must fail: that is how the models are known to bite.
//!
//! # What is not here
//!
//! *wait-free enter* and *cheap no* are about the number and kind of steps, and loom counts none;
//! they are held by the exhaustive search over the machines of `src/slot.rs`. Nor can a model see a
//! WAITING flag that stays too long, which costs time only.
//!
//! Models named `limits_…` must fail too: they show that what the documentation excepts is real.

#![cfg(headcount_loom)]

mod close;
mod course;
mod crowd;
mod gate;
mod happens_before;
mod must_fail;
mod permit;
mod rejected;
mod resize;
mod tally;

#[cfg(feature = "keyed")]
mod keyed;
#[cfg(feature = "std")]
mod lobby;
#[cfg(feature = "wait")]
mod wait;
