//! A tally against its specification, as in `tests/it/properties.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::bytes::Bytes;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let start = bytes.long();
    model::tally::check(start, &bytes.ops(Bytes::tally_op));
});
