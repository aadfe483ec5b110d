//! What the documentation promises, at its edges: one test for each promise, named after it.

mod course;
mod errors;
mod gate;
mod permit;
mod shape;
mod tally;

/// The message of the panic that `f` must end in.
fn panic_message(f: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("no panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast_ref::<&str>().expect("a message").to_string(),
    }
}
