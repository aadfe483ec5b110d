//! The packed words of this crate and the steps that change them. Nothing here is public.
//!
//! Every count that decides which callers get in is changed here and nowhere else: [`slot`] for
//! gates and courses (also the bound of their surplus), [`stripe`] for striped gates, [`room`] and
//! [`party`] for the rooms of a lobby, [`cell`] for the keys of a keyed gate. [`bound`] counts the
//! rooms of a lobby that may admit, and [`survey`] proves that none does. `hold` has the words that
//! decide which caller ends a hold. The modules above are thin shells over these.
//!
//! # What a step is
//!
//! An operation of more than one atomic operation is a state machine ([`step`]) where it is worth
//! searching, else a plain loop. Each call of a machine's `step` makes exactly one atomic
//! operation, so a test can put any order between the steps of several threads. `tests` does that
//! exhaustively.

pub(crate) mod mutants;
pub(crate) mod slot;
pub(crate) mod step;

#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) mod bound;
#[cfg(all(feature = "keyed", target_has_atomic = "64"))]
pub(crate) mod cell;
#[cfg(all(feature = "holds", target_has_atomic = "64"))]
pub(crate) mod hold;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) mod party;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) mod room;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) mod seat_bitmap;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) mod stripe;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) mod survey;

#[cfg(test)]
mod tests;
