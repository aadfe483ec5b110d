//! Holds against a plain map, and tickets: see `model/holds.rs`.

use crate::support::model::bytes::Bytes;
use crate::support::model::holds;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn holds_are_a_map_of_deadlines(
        shards in 0_u32..3,
        bytes in prop::collection::vec(any::<u8>(), 1..800),
    ) {
        holds::check(1 << shards, Bytes(&bytes).ops(Bytes::holds_op));
    }

    #[test]
    fn a_ticket_is_what_it_prints(number: u128) {
        holds::check_number(number);
    }

    #[test]
    fn no_text_is_a_ticket_but_what_is_printed(
        text in "[0-9a-f]{31,33}|[0-9a-fA-F]{32}|[0-9a-f+x ]{32}|.{0,40}",
    ) {
        holds::check_text(&text);
    }
}
