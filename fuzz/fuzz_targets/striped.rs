//! A striped gate beside the specification of a gate, as in `tests/it/striped_properties.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::striped::{self, Op};

fuzz_target!(|data: &[u8]| {
    if let [capacity, stripes, ops @ ..] = data {
        let stripes = usize::from(stripes % 8) + 1;
        striped::run((capacity % 9).into(), stripes, ops.iter().map(|&byte| Op::from_byte(byte)));
    }
});
