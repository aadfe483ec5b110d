//! The tally against its specification.

use headcount::Tally;
use headcount_spec::{Spec, Tally as TallySpec, TallyAnswer, TallyCall};

use super::{caught, Ending};

/// One operation on a tally.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Change(Change),
    Get,
    /// A block form, with a change that another thread makes while the block runs.
    With(Block, Ending, Option<Change>),
}

/// What a block form changes first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Block {
    Increment,
    Add(u64),
    Sub(u64),
}

/// One operation that changes a tally.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Increment,
    Add(u64),
    Decrement,
    Sub(u64),
    TrySub(u64),
    Take,
}

fn change(tally: &Tally, model: &mut TallySpec, change: Change) {
    let (told, call) = match change {
        Change::Increment => (Ok(tally.increment()), TallyCall::Add(1)),
        Change::Add(n) => (Ok(tally.add(n)), TallyCall::Add(n)),
        Change::Decrement => (Ok(tally.decrement()), TallyCall::Sub(1)),
        Change::Sub(n) => (Ok(tally.sub(n)), TallyCall::Sub(n)),
        Change::TrySub(n) => (tally.try_sub(n), TallyCall::TrySub(n)),
        Change::Take => (Ok(tally.reset()), TallyCall::Reset),
    };
    let told = told.map_or_else(TallyAnswer::TooFew, TallyAnswer::Is);
    assert_eq!(told, model.apply(call), "{change:?}");
}

fn with(
    tally: &Tally,
    model: &mut TallySpec,
    block: Block,
    ending: Ending,
    during: Option<Change>,
) {
    let before = model.value;
    model.apply(match block {
        Block::Increment => TallyCall::Add(1),
        Block::Add(n) => TallyCall::Add(n),
        Block::Sub(n) => TallyCall::Sub(n),
    });
    let expected = model.value;
    let undo = match expected.checked_sub(before) {
        Some(added) => TallyCall::Sub(added),
        None => TallyCall::Add(before - expected),
    };
    let result = caught(|| {
        let run = |value| {
            assert_eq!(value, expected);
            if let Some(during) = during {
                change(tally, model, during);
            }
            ending.end()
        };
        match block {
            Block::Increment => tally.increment_with(run),
            Block::Add(n) => tally.add_with(n, run),
            Block::Sub(n) => tally.sub_with(n, run),
        }
    });
    match ending {
        Ending::Succeeds | Ending::Fails => assert_eq!(result, Some(ending.end())),
        Ending::Panics => assert_eq!(result, None),
    }
    if ending != Ending::Succeeds {
        model.apply(undo);
    }
}

/// Runs `ops` on a tally that begins at `start`, and on its model.
pub(crate) fn check(start: u64, ops: &[Op]) {
    let tally = Tally::new(start);
    let mut model = TallySpec::new(start, u64::MAX);
    for op in ops {
        match *op {
            Op::Change(it) => change(&tally, &mut model, it),
            Op::Get => {}
            Op::With(block, ending, during) => with(&tally, &mut model, block, ending, during),
        }
        let got = TallyAnswer::Is(tally.get());
        assert_eq!(got, model.apply(TallyCall::Get), "after {op:?}");
    }
}
