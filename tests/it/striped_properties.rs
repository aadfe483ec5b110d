//! Random actions on a striped gate beside the specification of a gate.

use crate::support::model::striped as model;
use model::Op;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// *never-over*, *exact*, *no-leak*.
    #[test]
    fn behaves_like_a_gate(
        capacity in 0_u32..6,
        stripes in 1_usize..9,
        ops in vec(any::<u8>().prop_map(Op::from_byte), 0..60),
    ) {
        model::run(capacity, stripes, ops);
    }
}
