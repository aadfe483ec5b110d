//! Many threads in small lobbies whose rooms close and open again all the time. Every seat that
//! anybody gets is checked against what its room's state says about it.
//!
//! `cargo test --release --test lobby_stress -- [rounds]`

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use headcount::{Lobby, RoomId, Seat};

/// The most that were ever alive of what this counts.
#[derive(Default)]
struct Living {
    now: AtomicU32,
    most: AtomicU32,
    made: AtomicU32,
}

/// A room's state: who sits in it, as its members say themselves.
struct Room {
    id: RoomId,
    sits: Vec<AtomicBool>,
    members: AtomicU32,
    living: Arc<Living>,
}

impl Room {
    fn open(id: RoomId, seats: u32, living: &Arc<Living>) -> Room {
        let now = living.now.fetch_add(1, Ordering::AcqRel) + 1;
        living.most.fetch_max(now, Ordering::Relaxed);
        living.made.fetch_add(1, Ordering::Relaxed);
        let sits = (0..seats).map(|_| AtomicBool::new(false)).collect();
        Room { id, sits, members: AtomicU32::new(0), living: Arc::clone(living) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        assert!(self.sits.iter().all(|sits| !sits.load(Ordering::Relaxed)), "dropped with members");
        self.sits.clear();
        self.living.now.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A seat that was checked when it was taken, and is when it is given back.
struct Checked<'a>(Seat<'a, Room>);

impl<'a> Checked<'a> {
    fn new(seat: Seat<'a, Room>) -> Self {
        let room = seat.state();
        assert_eq!(room.id, seat.room(), "a ghost: the room is in another life");
        let sits = &room.sits[seat.number() as usize];
        assert!(!sits.swap(true, Ordering::Relaxed), "two on one seat");
        let members = room.members.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(members as usize <= room.sits.len(), "over");
        assert!((1..=room.sits.len() as u32).contains(&seat.members()));
        Checked(seat)
    }
}

impl Drop for Checked<'_> {
    fn drop(&mut self) {
        let room = self.0.state();
        assert_eq!(room.id, self.0.room(), "the room went on without its member");
        room.members.fetch_sub(1, Ordering::Relaxed);
        assert!(room.sits[self.0.number() as usize].swap(false, Ordering::Relaxed));
    }
}

/// Xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[derive(Default)]
struct Sums {
    seated: AtomicUsize,
    refused: AtomicUsize,
    quorums: AtomicUsize,
}

fn rush(lobby: &Lobby<Room>, dice: &mut Dice, rounds: usize, sums: &Sums) {
    let mut held: Vec<Checked<'_>> = Vec::new();
    let mut told: Vec<RoomId> = Vec::new();
    for _ in 0..rounds {
        let seat = match dice.below(16) {
            0..=5 => lobby.join().ok(),
            6 | 7 if !told.is_empty() => {
                let id = told[dice.below(told.len())];
                let seat = lobby.join_room(id).ok();
                assert!(seat.as_ref().map_or(true, |seat| seat.room() == id), "another room");
                seat
            }
            8 => lobby.join_or_next(lobby.filling()).ok(),
            9 if !held.is_empty() => {
                let seat = &held[dice.below(held.len())].0;
                if seat.start().is_ok() {
                    // Somebody else may have unlocked it.
                    drop(lobby.join_room(seat.room()).map(Checked::new));
                    assert!(lobby.unlock(seat.room()), "a room with a member is open");
                }
                continue;
            }
            10 if !told.is_empty() => {
                let id = told[dice.below(told.len())];
                if lobby.lock(id) {
                    lobby.unlock(id);
                }
                continue;
            }
            _ => {
                if !held.is_empty() {
                    held.swap_remove(dice.below(held.len()));
                }
                continue;
            }
        };
        match seat {
            Some(seat) => {
                sums.seated.fetch_add(1, Ordering::Relaxed);
                sums.quorums.fetch_add(usize::from(seat.completed_quorum()), Ordering::Relaxed);
                if told.len() < 8 {
                    told.push(seat.room());
                } else {
                    told[dice.below(8)] = seat.room();
                }
                held.push(Checked::new(seat));
            }
            None => {
                sums.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        if held.len() > 3 {
            held.swap_remove(dice.below(held.len()));
        }
    }
}

fn stress(threads: usize, seats: u32, shards: u32, max_rooms: u32, rounds: usize) {
    let began = Instant::now();
    let living = Arc::new(Living::default());
    let counted = Arc::clone(&living);
    let builder = Lobby::builder(seats).shards(shards).quorum(seats.min(2)).max_rooms(max_rooms);
    let lobby = Arc::new(builder.build_with(move |id| Room::open(id, seats, &counted)));
    let sums = Arc::new(Sums::default());
    for phase in 0..4 {
        let start = Arc::new(Barrier::new(threads));
        // Plain threads: ThreadSanitizer reports scoped ones for what the standard library does.
        let crowd = (0..threads).map(|thread| {
            let (lobby, start, sums) = (lobby.clone(), start.clone(), sums.clone());
            thread::spawn(move || {
                start.wait();
                let mut dice = Dice(0x9E37_79B9 + (thread + 97 * phase) as u64 * 0x1234_5677);
                rush(&lobby, &mut dice, rounds / 4, &sums);
            })
        });
        let crowd: Vec<_> = crowd.collect();
        crowd.into_iter().for_each(|thread| thread.join().expect("a thread failed"));
        // Quiet: nothing is held, and no place is lost.
        assert_eq!(lobby.stats(), Default::default());
        assert_eq!(living.now.load(Ordering::Acquire), 0);
        let all: Vec<_> = std::iter::from_fn(|| lobby.join().ok().map(Checked::new)).collect();
        assert_eq!(all.len(), (seats * max_rooms) as usize, "places are lost");
    }
    assert!(living.most.load(Ordering::Relaxed) <= max_rooms, "more rooms than may be");
    let [seated, refused, quorums] =
        [&sums.seated, &sums.refused, &sums.quorums].map(|sum| sum.load(Ordering::Relaxed));
    assert!(seated > 0 && refused > 0 && quorums > 0);
    println!(
        "{threads} threads, {max_rooms} rooms of {seats}, {shards} shards: {seated} seated, {refused} \
         refused, {} lives, {quorums} quorums, {:.1?}",
        living.made.load(Ordering::Relaxed),
        began.elapsed(),
    );
}

fn main() {
    let rounds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(20_000);
    for (threads, seats, shards, max_rooms) in
        [(8, 1, 1, 4), (8, 2, 1, 3), (16, 3, 2, 4), (8, 7, 4, 2), (8, 30, 1, 1), (12, 2, 3, 10)]
    {
        stress(threads, seats, shards, max_rooms, rounds);
    }
}
