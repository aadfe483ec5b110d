//! Waiting against the specification of a gate, as in `tests/it/wait_properties.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::bytes::Bytes;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let capacity = bytes.small();
    model::waiting::check(capacity, &bytes.ops(Bytes::waiting_act));
});
