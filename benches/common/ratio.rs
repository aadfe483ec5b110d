//! Ratios of two contenders, pair by pair.

use std::sync::Arc;
use std::time::Duration;

use super::contenders::{Contender, Ideal};
use super::crew::Crew;

/// A round is left out if the ideal was slower than this on several threads, relative to one.
const DISTURBED: f64 = 1.15;

/// Operations of one thread on the ideal: long enough for a disturbance to show.
const IDEAL_OPERATIONS: u64 = 5_000;

/// Rounds that may be left out for each wanted round, before the comparison is given up.
const PATIENCE: usize = 20;

/// The quartiles of a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// Returns the quartiles; `None` for an empty sample.
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

/// A contender on a number of threads. Its type is erased outside the timed loop.
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

    /// Creates a side from a burst of its own, for more than one operation repeated.
    pub(crate) fn of(
        name: &str,
        threads: usize,
        burst: impl Fn(&Crew, u64) -> Duration + 'a,
    ) -> Side<'a> {
        Side { name: name.to_owned(), threads, burst: Box::new(burst) }
    }

    /// Renames the side.
    pub(crate) fn called(self, name: &str) -> Side<'a> {
        Side { name: name.to_owned(), ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Has each thread do `operations` operations; returns the time.
    pub(crate) fn burst(&self, crew: &Crew, operations: u64) -> Duration {
        (self.burst)(crew, operations)
    }

    /// Returns nanoseconds for each operation of one thread.
    fn nanos(&self, crew: &Crew, operations: u64) -> f64 {
        self.burst(crew, operations).as_nanos() as f64 / operations as f64
    }
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds that count.
    pub(crate) rounds: usize,
    /// Operations of one thread in one burst.
    pub(crate) operations: u64,
}

/// The result of comparing two sides.
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
/// Each round times both sides, and the order alternates, so each burst starts with the caches as
/// the other side left them. With more than one thread, a round also times the ideal before and
/// after, and is left out if the ideal was slowed down.
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
