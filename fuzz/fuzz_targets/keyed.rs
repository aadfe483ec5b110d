//! A keyed gate beside the plain model that it shares with `tests/it/keyed_properties.rs`: keys
//! with distinct hashes, in one cell, or with one hash.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::bytes::Bytes;
use model::keyed::{check, Hashes};

fuzz_target!(|data: &[u8]| {
    if let [hashes, max_keys, ops @ ..] = data {
        let hashes = [Hashes::Distinct, Hashes::OneCell, Hashes::Equal][usize::from(hashes % 3)];
        check(hashes, max_keys % 8, Bytes(ops).ops(Bytes::keyed_op));
    }
});
