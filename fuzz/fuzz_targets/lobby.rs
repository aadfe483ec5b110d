//! A lobby against its specification, as in `tests/it/lobby_properties.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::lobby::{Op, Setup};

fuzz_target!(|data: &[u8]| {
    if let Some((setup, ops)) = data.split_first_chunk() {
        let ops = ops.chunks_exact(3).map(|op| Op::from_bytes([op[0], op[1], op[2]]));
        model::lobby::check(Setup::from_bytes(*setup), ops);
    }
});
