//! Holds against the plain map that they share with `tests/it/holds_properties.rs`, and tickets: a
//! text that parses prints as it was.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::bytes::Bytes;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        model::holds::check_text(text);
    }
    if let Some((&shards, ops)) = data.split_first() {
        model::holds::check(1 << (shards % 3), Bytes(ops).ops(Bytes::holds_op));
    }
});
