//! Many arrivals at once, from several threads.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Arrivals between two reports of progress: enough that reporting does not lower the rate.
pub const BATCH: u64 = 4096;

/// Lets each of `threads` threads take its share of the arrivals, all from the same instant.
/// Returns what the threads returned, and the time from the first arrival to the last; starting the
/// threads is not in it.
pub fn storm<T: Send>(
    arrivals: u64,
    threads: usize,
    crowd: impl Fn(usize, u64) -> T + Sync,
) -> (Vec<T>, Duration) {
    let start = Barrier::new(threads);
    let run = |thread: usize, share: u64| {
        start.wait();
        let begun = Instant::now();
        (crowd(thread, share), begun, Instant::now())
    };
    let crowds: Vec<(T, Instant, Instant)> = thread::scope(|scope| {
        let run = &run;
        let started: Vec<_> = (0..)
            .zip(shares(arrivals, threads))
            .map(|(thread, share)| scope.spawn(move || run(thread, share)))
            .collect();
        started.into_iter().map(|thread| thread.join().expect("a crowd does not panic")).collect()
    });
    let begun = crowds.iter().map(|&(_, begun, _)| begun).min().expect("there is a thread");
    let ended = crowds.iter().map(|&(.., ended)| ended).max().expect("there is a thread");
    (crowds.into_iter().map(|(done, ..)| done).collect(), ended - begun)
}

/// Splits the arrivals among the threads, as evenly as possible.
fn shares(arrivals: u64, threads: usize) -> impl Iterator<Item = u64> {
    let threads = threads as u64;
    (0..threads).map(move |thread| arrivals / threads + u64::from(thread < arrivals % threads))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        assert_eq!(shares(10, 4).collect::<Vec<_>>(), [3, 3, 2, 2]);
        assert_eq!(shares(2, 3).collect::<Vec<_>>(), [1, 1, 0]);
    }
}
