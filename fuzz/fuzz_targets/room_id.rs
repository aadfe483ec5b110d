//! Room ids: a text that parses prints as it was, and a forged id admits to no room but its own.
//! Shared with `tests/it/lobby_properties.rs`.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/support/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        model::room_id::check_text(text);
    }
    let numbers = data.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let numbers: Vec<u64> = numbers.collect();
    numbers.iter().for_each(|&number| model::room_id::check_number(number));
    model::room_id::check_forged(&numbers);
});
