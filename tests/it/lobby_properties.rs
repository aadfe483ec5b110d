//! The lobby against its specification, and room ids: see `model/lobby.rs` and
//! `model/room_id.rs`.

use crate::support::model::{lobby, room_id};
use lobby::{Op, Setup};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_lobby_is_a_jam_collection(
        setup in any::<[u8; 4]>().prop_map(Setup::from_bytes),
        ops in prop::collection::vec(any::<[u8; 3]>().prop_map(Op::from_bytes), 1..400),
    ) {
        lobby::check(setup, ops);
    }

    #[test]
    fn a_room_id_is_what_it_prints(number: u64) {
        room_id::check_number(number);
    }

    #[test]
    fn no_text_is_a_room_id_but_what_is_printed(text in "[0-9a-f]{15,17}|[0-9a-fA-F]{16}|[0-9a-f+x ]{16}|.{0,20}") {
        room_id::check_text(&text);
    }

    #[test]
    fn a_forged_id_admits_to_no_room_but_its_own(numbers: [u64; 8]) {
        room_id::check_forged(&numbers);
    }
}
