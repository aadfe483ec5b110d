//! Every sequence of operations does what a plain model does: *never-over*, *exact*, *no-leak* and
//! *both-counters* for one caller at a time, also at the ends of the ranges.

use std::sync::Arc;

use crate::support::model;
use headcount::Gate;
use model::bytes::Bytes;
use model::{course, gate, tally, Ending};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const MAX: u32 = Gate::MAX_CAPACITY;

/// Generates a capacity: small most of the time, or near the greatest.
fn capacity() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..=6u32, 1 => MAX - 3..=MAX]
}

/// Generates a number of places: small, or around the greatest capacity, or far above.
fn amount() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 0..=7u32,
        2 => MAX - 4..=MAX + 2,
        1 => MAX / 2 - 1..=MAX / 2 + 1,
        1 => u32::MAX - 2..=u32::MAX,
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![Just(Ending::Succeeds), Just(Ending::Fails), Just(Ending::Panics)]
}

fn gate_op() -> impl Strategy<Value = gate::Op> {
    use gate::Op;
    prop_oneof![
        6 => any::<bool>().prop_map(|owned| Op::Acquire { owned }),
        4 => (amount(), any::<bool>()).prop_map(|(n, owned)| Op::AcquireMany { n, owned }),
        2 => ending().prop_map(Op::Run),
        5 => any::<u8>().prop_map(Op::Drop),
        1 => any::<u8>().prop_map(Op::Forget),
        1 => any::<u8>().prop_map(Op::Leak),
        2 => (any::<u8>(), amount()).prop_map(|(pick, n)| Op::Split { pick, n }),
        2 => any::<(u8, u8)>().prop_map(|(into, from)| Op::Merge { into, from }),
        3 => amount().prop_map(Op::SetCapacity),
        2 => amount().prop_map(Op::RaiseCapacity),
        2 => amount().prop_map(Op::LowerCapacity),
        2 => any::<bool>().prop_map(|owned| Op::AcquireAll { owned }),
        2 => (amount(), amount(), any::<bool>())
            .prop_map(|(n, spare, owned)| Op::AcquireLeaving { n, spare, owned }),
        2 => (amount(), any::<bool>()).prop_map(|(n, owned)| Op::Force { n, owned }),
        1 => Just(Op::Close),
        2 => Just(Op::Reopen),
        2 => amount().prop_map(Op::CloseIfOccupied),
    ]
}

fn course_op() -> impl Strategy<Value = course::Op> {
    use course::Op;
    prop_oneof![
        6 => any::<bool>().prop_map(|owned| Op::Reserve { owned }),
        2 => (amount(), any::<bool>()).prop_map(|(n, owned)| Op::ReserveMany { n, owned }),
        3 => any::<u8>().prop_map(Op::EnrollReserved),
        3 => any::<u8>().prop_map(Op::WithdrawEnrollment),
        2 => amount().prop_map(Op::SetCapacity),
        4 => any::<u8>().prop_map(Op::Confirm),
        2 => any::<u8>().prop_map(Op::Cancel),
        2 => any::<u8>().prop_map(Op::Drop),
        1 => any::<u8>().prop_map(Op::Leak),
        4 => ending().prop_map(Op::Enroll),
        4 => Just(Op::Withdraw),
        1 => Just(Op::Close),
        2 => Just(Op::Reopen),
    ]
}

/// Generates a start value or a step of a tally: small, near `u64::MAX`, or any.
fn long() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..=6u64, 3 => u64::MAX - 6..=u64::MAX, 1 => any::<u64>()]
}

fn change() -> impl Strategy<Value = tally::Change> {
    use tally::Change;
    prop_oneof![
        3 => Just(Change::Increment),
        2 => long().prop_map(Change::Add),
        3 => Just(Change::Decrement),
        2 => long().prop_map(Change::Sub),
        2 => long().prop_map(Change::TrySub),
        1 => Just(Change::Take),
    ]
}

fn block() -> impl Strategy<Value = tally::Block> {
    use tally::Block;
    prop_oneof![Just(Block::Increment), long().prop_map(Block::Add), long().prop_map(Block::Sub),]
}

fn tally_op() -> impl Strategy<Value = tally::Op> {
    use tally::Op;
    prop_oneof![
        4 => change().prop_map(Op::Change),
        1 => Just(Op::Get),
        3 => (block(), ending(), option::of(change()))
            .prop_map(|(block, ending, during)| Op::With(block, ending, during)),
    ]
}

proptest! {
    #[test]
    fn a_gate_does_what_its_model_does(capacity in capacity(), ops in vec(gate_op(), 0..60)) {
        gate::check(capacity, &ops);
    }

    /// A thread must not apply the fast hint of one gate to the other.
    #[test]
    fn two_gates_in_turn_do_what_their_models_do(
        capacities in (capacity(), capacity()),
        ops in vec((any::<bool>(), gate_op()), 0..60),
    ) {
        let gates = [Arc::new(Gate::new(capacities.0)), Arc::new(Gate::new(capacities.1))];
        let mut pairs = [gate::Pair::new(&gates[0]), gate::Pair::new(&gates[1])];
        for (second, op) in &ops {
            pairs[usize::from(*second)].apply(op);
        }
        for pair in pairs {
            pair.finish();
        }
    }

    #[test]
    fn a_course_does_what_its_model_does(
        (capacity, enrolled) in prop_oneof![
            8 => capacity().prop_flat_map(|capacity| (Just(capacity), 0..=capacity)),
            2 => capacity().prop_map(|capacity| (capacity, capacity)),
            1 => (amount(), amount()),
        ],
        ops in vec(course_op(), 0..60),
    ) {
        course::check(capacity, enrolled, &ops);
    }

    #[test]
    fn a_tally_does_what_its_model_does(start in long(), ops in vec(tally_op(), 0..60)) {
        tally::check(start, &ops);
    }

    /// The same models, with operations from bytes as in the fuzz targets.
    #[test]
    fn operations_from_bytes_do_what_the_models_do(bytes in vec(any::<u8>(), 0..120)) {
        let mut source = Bytes(&bytes);
        let (capacity, enrolled, start) = (source.amount(), source.amount(), source.long());
        let rest = source.0;
        gate::check(capacity, &Bytes(rest).ops(Bytes::gate_op));
        course::check(capacity, enrolled, &Bytes(rest).ops(Bytes::course_op));
        tally::check(start, &Bytes(rest).ops(Bytes::tally_op));
    }
}

/// Without this test, an operation that bytes cannot reach would never be fuzzed.
#[test]
fn bytes_reach_every_operation() {
    fn kinds<Op: std::fmt::Debug>(next: fn(&mut Bytes<'static>) -> Op) -> usize {
        let name = |op: Op| format!("{op:?}").split([' ', '(']).next().map(str::to_owned);
        let all = (0..=255).map(|byte: u8| name(next(&mut Bytes(vec![byte].leak()))));
        all.collect::<std::collections::BTreeSet<_>>().len()
    }
    assert_eq!(kinds(Bytes::gate_op), 17);
    assert_eq!(kinds(Bytes::course_op), 13);
    assert_eq!(kinds(Bytes::tally_op), 3);
}
