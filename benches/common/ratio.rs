//! Ratios of two contenders, pair by pair.

use std::sync::Arc;
use std::time::Duration;

use super::contenders::{Contender, Ideal};
use super::crew::Crew;

/// How much slower the ideal may be on several threads than on one before a round is left out.
const DISTURBED: f64 = 1.15;

/// Operations of one thread on the ideal: about as long as a disturbance needs to show.
const IDEAL_OPERATIONS: u64 = 5_000;

/// How many rounds are left out for each that is wanted before the rest is given up.
const PATIENCE: usize = 20;

/// Three numbers that say how a sample lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// None of an empty sample.
    pub(crate) fn of(mut sample: Vec<f64>) -> Option<Quartiles> {
        sample.sort_by(f64::total_cmp);
        let last = sample.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (below, above) = (sample[place.floor() as usize], sample[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Quartiles { lower: at(0.25), median: at(0.5), upper: at(0.75) })
    }
}

/// See [`Side::burst`].
type Burst<'a> = Box<dyn Fn(&Crew, u64) -> Duration + 'a>;

/// A contender on so many threads, its type forgotten outside the loop that is timed.
pub(crate) struct Side<'a> {
    name: String,
    threads: usize,
    burst: Burst<'a>,
}

impl<'a> Side<'a> {
    pub(crate) fn new<C: Contender>(contender: &'a Arc<C>, threads: usize) -> Side<'a> {
        let burst = move |crew: &Crew, n| crew.burst(contender, threads, n);
        Side { name: C::NAME.to_owned(), threads, burst: Box::new(burst) }
    }

    /// A burst that is more than one operation after the other on a contender.
    pub(crate) fn of(
        name: &str,
        threads: usize,
        burst: impl Fn(&Crew, u64) -> Duration + 'a,
    ) -> Side<'a> {
        Side { name: name.to_owned(), threads, burst: Box::new(burst) }
    }

    /// The same under another name.
    pub(crate) fn called(self, name: &str) -> Side<'a> {
        Side { name: name.to_owned(), ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Has each thread do so many operations, and yields the time.
    pub(crate) fn burst(&self, crew: &Crew, operations: u64) -> Duration {
        (self.burst)(crew, operations)
    }

    /// Nanoseconds for each operation of one thread.
    fn nanos(&self, crew: &Crew, operations: u64) -> f64 {
        self.burst(crew, operations).as_nanos() as f64 / operations as f64
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds that count.
    pub(crate) rounds: usize,
    /// Operations of one thread in one burst.
    pub(crate) operations: u64,
}

/// What came out of comparing two sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// Median and quartiles of the rounds' ratios: left over right. None if no round counted.
    pub(crate) ratio: Option<Quartiles>,
    /// Medians, in nanoseconds for each operation of one thread.
    pub(crate) left: Option<f64>,
    pub(crate) right: Option<f64>,
    /// Median slowdown of the ideal in the rounds that count. None where one thread ran alone.
    pub(crate) ideal: Option<f64>,
    pub(crate) counted: usize,
    pub(crate) left_out: usize,
}

/// Runs two sides in turn, round by round.
///
/// Each round times both, and swaps who goes first. Where more than one thread runs, a round also
/// times the ideal before and after, and is left out if either was slowed down.
pub(crate) fn compare(crew: &Crew, left: &Side, right: &Side, effort: Effort) -> Comparison {
    let Effort { rounds, operations } = effort;
    let threads = left.threads.max(right.threads);
    let ideal = Arc::new(Ideal::default());
    let (alone, together) = (Side::new(&ideal, 1), Side::new(&ideal, threads));
    let ideal_operations = operations.min(IDEAL_OPERATIONS);
    let slowdown = || together.nanos(crew, ideal_operations) / alone.nanos(crew, ideal_operations);

    for side in [left, right] {
        side.nanos(crew, operations / 4 + 1);
    }
    let (mut ratios, mut lefts, mut rights, mut ideals) = (vec![], vec![], vec![], vec![]);
    let mut left_out = 0;
    let mut swapped = false;
    while ratios.len() < rounds && left_out < PATIENCE * rounds {
        swapped = !swapped;
        let before = if threads > 1 { slowdown() } else { 1.0 };
        let (a, b) = if swapped {
            let b = right.nanos(crew, operations);
            (left.nanos(crew, operations), b)
        } else {
            (left.nanos(crew, operations), right.nanos(crew, operations))
        };
        let after = if threads > 1 { slowdown() } else { 1.0 };
        if before.max(after) > DISTURBED {
            left_out += 1;
            continue;
        }
        ratios.push(a / b);
        lefts.push(a);
        rights.push(b);
        ideals.extend([before, after]);
    }

    let median = |sample| Quartiles::of(sample).map(|of| of.median);
    Comparison {
        counted: ratios.len(),
        ratio: Quartiles::of(ratios),
        left: median(lefts),
        right: median(rights),
        ideal: median(ideals).filter(|_| threads > 1),
        left_out,
    }
}
