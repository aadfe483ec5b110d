//! Random operations on a keyed gate beside the plain model that the fuzz target uses too.

use crate::support::model::bytes::Bytes;
use crate::support::model::keyed::{check, Hashes, Op};
use proptest::prelude::*;

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any::<u8>(), 0..500).prop_map(|bytes| Bytes(&bytes).ops(Bytes::keyed_op))
}

proptest! {
    #[test]
    fn as_the_model(ops in ops(), max_keys in 0..8u8) {
        check(Hashes::Distinct, max_keys, ops);
    }

    #[test]
    fn as_the_model_when_all_keys_have_one_cell(ops in ops(), max_keys in 3..8u8) {
        check(Hashes::OneCell, max_keys, ops);
    }

    #[test]
    fn as_the_model_when_all_keys_collide(ops in ops(), max_keys in 3..8u8) {
        check(Hashes::Equal, max_keys, ops);
    }
}
