//! The tally: numbered posts.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use headcount::{Gate, Tally};

use crate::scene::{forever, linger, play, Plain};

/// *once*: each value is returned to exactly one caller, which sees the writes of the caller before
/// it.
pub(crate) fn tally() {
    const POSTS: u64 = 20_000;
    static WRITTEN: [Plain; POSTS as usize + 1] = [const { Plain::new() }; POSTS as usize + 1];
    static SEEN: [AtomicU32; POSTS as usize + 1] =
        [const { AtomicU32::new(0) }; POSTS as usize + 1];
    let posts = forever(Tally::new(0));
    let desks = forever(Gate::new(1));
    play("tally", 4, |scene, me, round| {
        if me == 0 {
            // A reader that never holds the desk: only the tally orders the writes before its read.
            let last = posts.get();
            assert_eq!(WRITTEN[last as usize].read(), last, "happens-before");
            return;
        }
        let Ok(_desk) = scene.saw(desks.try_acquire()) else { return };
        linger(round);
        let next = posts.get() + 1;
        if next <= POSTS {
            WRITTEN[next as usize].update(|_| next);
            SEEN[posts.increment() as usize].fetch_add(1, Relaxed);
        }
    });
    let last = posts.get();
    assert!(SEEN[1..=last as usize].iter().all(|seen| seen.load(Relaxed) == 1), "once");

    // Without desks: the callers together are told each value once.
    static CALLS: [AtomicU32; 4001] = [const { AtomicU32::new(0) }; 4001];
    let posts = forever(Tally::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                for _ in 0..1000 {
                    CALLS[posts.increment() as usize].fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert!(CALLS[1..].iter().all(|calls| calls.load(Relaxed) == 1), "once");
    assert_eq!(posts.reset(), 4000);
}
