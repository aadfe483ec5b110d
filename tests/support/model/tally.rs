//! The tally against its model.

use headcount::Tally;

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

/// What a tally is, in numbers wide enough never to end.
struct Model {
    value: i128,
    start: i128,
}

impl Model {
    /// Moves by `n` and stops at the ends; yields the value.
    fn shift(&mut self, n: i128) -> u64 {
        self.value += n;
        if self.value < 0 {
            self.value = 0;
        }
        if self.value > i128::from(u64::MAX) {
            self.value = i128::from(u64::MAX);
        }
        self.get()
    }

    fn get(&self) -> u64 {
        u64::try_from(self.value).expect("the model stops at the ends")
    }

    fn take(&mut self) -> u64 {
        let was = self.get();
        self.value = self.start;
        was
    }
}

fn change(tally: &Tally, model: &mut Model, change: Change) {
    let (real, expected) = match change {
        Change::Increment => (tally.increment(), model.shift(1)),
        Change::Add(n) => (tally.add(n), model.shift(i128::from(n))),
        Change::Decrement => (tally.decrement(), model.shift(-1)),
        Change::Sub(n) => (tally.sub(n), model.shift(-i128::from(n))),
        Change::TrySub(n) => {
            let enough = model.get() >= n;
            let expected = model.shift(if enough { -i128::from(n) } else { 0 });
            let expected = if enough { Ok(expected) } else { Err(expected) };
            return assert_eq!(tally.try_sub(n), expected, "{change:?}");
        }
        Change::Take => (tally.reset(), model.take()),
    };
    assert_eq!(real, expected, "{change:?}");
}

fn with(tally: &Tally, model: &mut Model, block: Block, ending: Ending, during: Option<Change>) {
    let by = match block {
        Block::Increment => 1,
        Block::Add(n) => i128::from(n),
        Block::Sub(n) => -i128::from(n),
    };
    let before = i128::from(model.get());
    let expected = model.shift(by);
    let moved = i128::from(expected) - before;
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
        model.shift(-moved);
    }
}

/// Runs `ops` on a tally that begins at `start`, and on its model.
pub(crate) fn check(start: u64, ops: &[Op]) {
    let tally = Tally::new(start);
    let mut model = Model { value: start.into(), start: start.into() };
    for op in ops {
        match *op {
            Op::Change(it) => change(&tally, &mut model, it),
            Op::Get => {}
            Op::With(block, ending, during) => with(&tally, &mut model, block, ending, during),
        }
        assert_eq!(tally.get(), model.get(), "after {op:?}");
    }
}
