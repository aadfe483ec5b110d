//! Several threads that go through a trace together, step by step.

use std::sync::Barrier;
use std::thread;

use crate::progress::ProgressBar;

/// Lets each of `threads` workers do its part of every step: the events for which `belongs_to`
/// returns the worker's number, modulo the number of threads. No worker begins a step before all
/// workers have done the step before. Returns the workers.
pub fn together<E: Sync, W: Send>(
    steps: &[&[E]],
    threads: usize,
    bar: &ProgressBar,
    worker: impl Fn() -> W + Sync,
    belongs_to: impl Fn(&E) -> u64 + Sync,
    work: impl Fn(&mut W, usize, &E) + Sync,
) -> Vec<W> {
    let together = Barrier::new(threads);
    let run = |thread: usize| {
        let mut worker = worker();
        for (number, &step) in steps.iter().enumerate() {
            for event in step.iter().filter(|&e| belongs_to(e) % threads as u64 == thread as u64) {
                work(&mut worker, number, event);
            }
            // The leader of each step reports for all.
            if together.wait().is_leader() {
                bar.inc(step.len() as u64);
            }
        }
        worker
    };
    thread::scope(|scope| {
        let run = &run;
        let started: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        started.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_worker_overtakes_a_step_and_each_part_is_done_once() {
        let steps: Vec<Vec<u64>> = (0..200).map(|step| (0..step % 7).collect()).collect();
        let borrowed: Vec<&[u64]> = steps.iter().map(Vec::as_slice).collect();
        let done = AtomicUsize::new(0);
        let workers = together(
            &borrowed,
            4,
            &ProgressBar::hidden(),
            Vec::new,
            |&part| part,
            |seen: &mut Vec<(usize, u64)>, step, &part| {
                let before: usize = steps[..step].iter().map(Vec::len).sum();
                // SeqCst: the count must show a worker that begins a step too early.
                let already = done.fetch_add(1, Ordering::SeqCst);
                if (before..before + steps[step].len()).contains(&already) {
                    seen.push((step, part));
                }
            },
        );
        for (thread, seen) in (0..).zip(&workers) {
            assert!(seen.iter().all(|(_, part)| part % 4 == thread));
        }
        let mut all: Vec<_> = workers.into_iter().flatten().collect();
        all.sort_unstable();
        let expected: Vec<_> =
            (0..200).flat_map(|step| (0..step as u64 % 7).map(move |part| (step, part))).collect();
        assert_eq!(all, expected);
    }
}
