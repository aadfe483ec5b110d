//! The protocols, taken step by step: every order of steps that threads can take.

#[cfg(all(
    feature = "keyed",
    target_has_atomic = "64",
    not(any(headcount_loom, headcount_shuttle))
))]
mod cell;
#[cfg(all(
    feature = "holds",
    target_has_atomic = "64",
    not(any(headcount_loom, headcount_shuttle))
))]
mod hold;
#[cfg(all(feature = "std", target_has_atomic = "64", not(any(headcount_loom, headcount_shuttle))))]
mod room;
#[cfg(not(any(headcount_loom, headcount_shuttle)))]
mod search;
#[cfg(not(any(headcount_loom, headcount_shuttle)))]
mod slot;
#[cfg(all(feature = "std", target_has_atomic = "64", not(any(headcount_loom, headcount_shuttle))))]
mod stripe;
#[cfg(all(feature = "std", headcount_loom))]
mod stripe_loom;
#[cfg(all(feature = "std", target_has_atomic = "64", not(any(headcount_loom, headcount_shuttle))))]
mod survey;
#[cfg(all(feature = "std", headcount_loom))]
mod survey_loom;
