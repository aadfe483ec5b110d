//! A lobby against the plain collection of jams that it shares with `tests/lobby_properties.rs`.

#![no_main]

#[path = "../../tests/model/lobby.rs"]
mod lobby;

use libfuzzer_sys::fuzz_target;
use lobby::{Op, Setup};

fuzz_target!(|data: &[u8]| {
    if let Some((setup, ops)) = data.split_first_chunk() {
        let ops = ops.chunks_exact(3).map(|op| Op::from_bytes([op[0], op[1], op[2]]));
        lobby::check(Setup::from_bytes(*setup), ops);
    }
});
