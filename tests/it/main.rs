//! Each statement of the documentation, at its edges: one test for each, named after it.

#![cfg(not(any(headcount_loom, headcount_shuttle)))]

#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "wait")]
mod cancellation;
mod capacity;
mod course;
mod errors;
mod gate;
mod permit;
mod properties;
mod shape;
mod stories;
mod tally;

#[cfg(feature = "wait")]
mod drain;
#[cfg(feature = "wait")]
mod every_order;
#[cfg(feature = "holds")]
mod holds;
#[cfg(feature = "holds")]
mod holds_drivers;
#[cfg(feature = "holds")]
mod holds_properties;
#[cfg(feature = "holds")]
mod holds_stories;
#[cfg(feature = "keyed")]
mod keyed;
#[cfg(feature = "keyed")]
mod keyed_keys;
#[cfg(feature = "keyed")]
mod keyed_properties;
#[cfg(feature = "keyed")]
mod keyed_table;
#[cfg(feature = "std")]
mod lobby;
#[cfg(feature = "std")]
mod lobby_properties;
#[cfg(feature = "std")]
mod party;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "std")]
mod striped;
#[cfg(feature = "std")]
mod striped_properties;
#[cfg(feature = "keyed")]
mod tabs;
#[cfg(all(feature = "keyed", feature = "wait"))]
mod two_limits;
#[cfg(feature = "wait")]
mod wait_alloc;
#[cfg(feature = "wait")]
mod wait_properties;
#[cfg(feature = "wait")]
mod wait_runtimes;
#[cfg(feature = "wait")]
mod waiting;

/// Returns the message of the panic in which `f` must end.
fn panic_message(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("no panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast_ref::<&str>().expect("a message").to_string(),
    }
}
