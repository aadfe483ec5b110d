//! Many threads in small lobbies whose rooms close and open again all the time: see `lobby_crowd`.
//!
//! `cargo test --release --test stress -- lobby [rounds]`

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use headcount::Lobby;

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

/// A lobby in which a seat is free for every caller at every instant.
#[derive(Clone, Copy, Debug)]
struct Roomy {
    threads: usize,
    seats: u32,
    rooms: u32,
    limited: bool,
    has_states: bool,
}

/// *exact-lobby* and *no-needless-room*: every room keeps a member, and the threads hold fewer seats
/// than the rest. So no join is refused, and no room opens.
fn always_seated(roomy: Roomy, joins: usize) {
    let builder = Lobby::builder(roomy.seats);
    let builder = if roomy.limited { builder.max_rooms(roomy.rooms) } else { builder };
    if roomy.has_states {
        always_seated_in(roomy, builder.build_with(|id| id.to_string()), joins);
    } else {
        always_seated_in(roomy, builder.build(), joins);
    }
}

fn always_seated_in<T: Send + Sync + 'static>(roomy: Roomy, lobby: Lobby<T>, joins: usize) {
    let began = Instant::now();
    let lobby = Arc::new(lobby);
    let places = roomy.seats * roomy.rooms;
    let mut all: Vec<_> = (0..places).map(|_| lobby.clone().join_owned().unwrap()).collect();
    all.retain(|seat| seat.number() == 0 && roomy.seats > 1);
    let free = places as usize - all.len();
    let share = free / roomy.threads;
    assert!(share > 0, "{roomy:?}");
    let all_begin = Arc::new(Barrier::new(roomy.threads));
    let crowd = (0..roomy.threads).map(|thread| {
        let (lobby, all_begin) = (lobby.clone(), all_begin.clone());
        thread::spawn(move || {
            let _ends = EndsAll;
            let mut dice = Dice(0x9E37_79B9 + thread as u64 * 0x1234_5677);
            let mut held = Vec::new();
            all_begin.wait();
            let mut made = 0;
            while made < joins / roomy.threads {
                if held.len() < share && (held.is_empty() || dice.below(2) == 0) {
                    let seat = lobby.clone().join_owned().unwrap_or_else(|refused| {
                        panic!("{roomy:?}: {refused}, after {made} joins: {:?}", lobby.stats())
                    });
                    // Seat 0 of each room is taken, unless the room is needless.
                    assert!(seat.number() > 0 || roomy.seats == 1, "{roomy:?}: a needless room");
                    held.push(seat);
                    made += 1;
                } else {
                    drop(held.swap_remove(dice.below(held.len())));
                }
            }
        })
    });
    let crowd: Vec<_> = crowd.collect();
    crowd.into_iter().for_each(|thread| thread.join().expect("a thread failed"));
    println!("{roomy:?}: {joins} joins, no refusal, {:.1?}", began.elapsed());
    drop(all);
    assert_eq!(lobby.stats(), Default::default());
}

/// Joins in each of these lobbies: `HEADCOUNT_JOINS`, or a million in all.
fn always_seated_in_all() {
    let joins = std::env::var("HEADCOUNT_JOINS").map_or(1_000_000, |joins| joins.parse().unwrap());
    let mut lobbies = Vec::new();
    for threads in [3, 8, 16] {
        for (seats, rooms) in [(1, 100), (2, 20), (3, 20), (7, 5), (30, 1), (30, 100)] {
            for (limited, has_states) in [(true, false), (true, true), (false, false)] {
                // Rooms of one seat have no member that stays: rooms open and close.
                if limited || seats > 1 {
                    lobbies.push(Roomy { threads, seats, rooms, limited, has_states });
                }
            }
        }
    }
    for roomy in &lobbies {
        always_seated(*roomy, joins / lobbies.len());
    }
}

pub(crate) fn all(rounds: Option<usize>) {
    always_seated_in_all();
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
