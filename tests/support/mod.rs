//! What several test crates share.

#[cfg(feature = "std")]
pub(crate) mod colliding_hasher;
#[cfg(feature = "std")]
pub(crate) mod lobby_crowd;
pub(crate) mod model;
#[cfg(headcount_shuttle)]
pub(crate) mod stall;
#[cfg(headcount_shuttle)]
pub(crate) mod transfers;
