//! Many threads in small lobbies whose rooms close and open again all the time: see `lobby_crowd`.
//!
//! `cargo test --release --test stress -- lobby [rounds]`

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use crate::support::lobby_crowd::{CrowdMember, Dice, Living, Scene, Sums};

/// Ends the program when its thread panics: all other threads wait for it.
struct EndsAll;

impl Drop for EndsAll {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::exit(101);
        }
    }
}

/// The number of phases. Between two phases all threads are quiet for a moment.
const PHASES: usize = 20;

/// Runs that many steps of each thread. Returns the number of rooms that were opened.
fn stress(scene: Scene, rounds: usize) -> u32 {
    let began = Instant::now();
    let living = Arc::new(Living::default());
    let lobby = Arc::new(scene.lobby(&living));
    let sums = Arc::new(Sums::default());
    let all = Arc::new(Barrier::new(scene.threads + 1));
    // Plain threads: ThreadSanitizer reports scoped ones for what the standard library does.
    let crowd = (0..scene.threads).map(|thread| {
        let (lobby, all, sums) = (lobby.clone(), all.clone(), sums.clone());
        thread::spawn(move || {
            let _ends = EndsAll;
            let dice = Dice(0x9E37_79B9 + thread as u64 * 0x1234_5677);
            let mut member = CrowdMember::new(scene, &lobby, dice, &sums);
            all.wait();
            for _ in 0..PHASES {
                for _ in 0..rounds / PHASES {
                    member.act();
                    if member.dice.below(4) == 0 {
                        thread::yield_now();
                    }
                }
                all.wait();
                all.wait();
            }
        })
    });
    let crowd: Vec<_> = crowd.collect();
    all.wait();
    let mut held = 0;
    for _ in 0..PHASES {
        all.wait();
        held += scene.settle(&lobby, &living);
        all.wait();
    }
    crowd.into_iter().for_each(|thread| thread.join().expect("a thread failed"));
    assert_eq!(held > 0, scene.keep > 0, "{held} seats were held while all was quiet");
    assert_eq!(scene.settle(&lobby, &living), 0, "a member that has left is counted");
    let [seated, refused, quorums] =
        [&sums.seated, &sums.refused, &sums.quorums].map(|sum| sum.load(Ordering::Relaxed));
    assert!(seated > 0 && refused > 0 && quorums > 0);
    let opened = living.made.load(Ordering::Relaxed);
    println!(
        "{scene:?}: {seated} seated, {refused} refused, {opened} opened, {quorums} quorums, {:.1?}",
        began.elapsed(),
    );
    opened
}

pub(crate) fn all(rounds: Option<usize>) {
    let rounds = rounds.unwrap_or(60_000);
    let mut opened = 0;
    for (threads, seats, shards, max_rooms, keep) in [
        (16, 1, 1, 2, 1),
        (16, 2, 1, 4, 1),
        (16, 3, 1, 6, 1),
        (8, 1, 1, 4, 2),
        (16, 2, 1, 8, 2),
        (16, 3, 2, 4, 2),
        (8, 7, 4, 2, 2),
        (16, 25, 1, 1, 2),
        (12, 2, 3, 10, 2),
    ] {
        opened += stress(Scene { threads, seats, shards, max_rooms, keep }, rounds);
    }
    // Each of the few rooms was opened thousands of times, unless the caller asked for fewer
    // rounds.
    assert!(rounds < 60_000 || opened > 100_000, "{opened} opened");
}
