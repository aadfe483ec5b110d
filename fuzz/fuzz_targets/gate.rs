//! A gate against its specification, as in `tests/it/properties.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::bytes::Bytes;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let capacity = bytes.amount();
    model::gate::check(capacity, &bytes.ops(Bytes::gate_op));
});
