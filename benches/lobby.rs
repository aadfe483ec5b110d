//! The lobby beside what a program would use instead: `cargo bench --bench lobby`. `-- WORD` runs
//! only the scenarios that have the word in their names.
//!
//! Rooms have seven seats. All rooms are full but one, which has four members. One operation is one
//! leave and one join:
//! - *leave and join*: a random member leaves, and a caller joins the best room.
//! - *by id*: a random member leaves and comes back to the same room.
//! - *in waves*: sixteen members leave, then sixteen join.
//! - *refused*: a caller asks for a full room by its id, and is told another.
//!
//! The peers:
//! - `Mutex` of `BTreeSet`, and the same behind `parking_lot`: the set has the rooms with a free
//!   seat, ordered by their members; a `Vec` has the member count of each room. A join returns a
//!   guard that gives its seat back when it is dropped, as in a library: this is the fair
//!   comparison.
//! - `Mutex` of lists by members: every room is in a list of the rooms with as many members, and
//!   moves in constant time; the same in 64 shards, which keep the rule within a shard only.
//! - the same, *bare*: a join returns the number of a room, and the caller must not forget to
//!   leave.
//! - `DashMap` of counters, with guards: a join looks at every room for the best one.
//! - `fetch_sub + fetch_add` on one counter for each room: no limit and no choice. How it slows
//!   down from 10 rooms to a million is what the caches cost.
//! - a full gate for each room, for refusals; and the same with one cache miss, since a refusal by
//!   a room has to name another room with a free seat.
//!
//! # Hot or cold
//!
//! Bursts of the lobby and of the peer alternate, and each draws its rooms at random. Up to 4,096
//! rooms a burst of 10,000 operations meets most rooms more than once, so that they are hot. Of
//! 262,144 rooms and more it meets hardly any room twice, and the peer's burst came in between:
//! they are cold. A scenario that is called *hot* has bursts of a million operations, which meet
//! each of a million rooms about once, and fewer rooms more often.

mod common;
#[path = "lobby/rooms.rs"]
mod rooms;

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use crossbeam_utils::CachePadded;

use common::crew::Crew;
use common::plural;
use common::ratio::{compare, Effort, Side};
use common::table::{Table, Target};
use rooms::{
    keep, Bare, Buckets, Counters, Gates, GatesAndMiss, Held, Jams, LobbyOf, Locked, Rooms,
    Sharded, Unlimited, SEATS,
};

const THREADS: usize = 2;
const WAVE: usize = 16;

type StdMutex = Mutex<Jams>;
type ParkingLot = parking_lot::Mutex<Jams>;
type Lists = Mutex<Buckets>;

/// Xorshift.
struct Dice(u64);

impl Dice {
    #[inline(always)]
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * n as u64) >> 32) as usize
    }
}

/// The seats of one thread.
struct Members<L: Rooms> {
    /// One seat of every room, `None` while its member is outside. All other seats are never left.
    seats: Vec<Option<L::Seat>>,
    dice: Dice,
}

impl<L: Rooms> Members<L> {
    #[inline(always)]
    fn draw(&mut self) -> &mut Option<L::Seat> {
        let drawn = self.dice.below(self.seats.len());
        &mut self.seats[drawn]
    }
}

/// The rooms, and the threads that use them.
#[derive(Clone, Copy)]
struct Setting {
    rooms: usize,
    threads: usize,
    shards: u32,
    /// Whether one more room has free seats, besides those that a member has just left.
    half: bool,
    /// Whether bursts are long.
    hot: bool,
}

/// What a thread repeats.
#[derive(Clone, Copy)]
enum Act {
    LeaveAndJoin,
    ById,
    InWaves,
    Refused,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Act::LeaveAndJoin => "leave and join",
            Act::ById => "by id",
            Act::InWaves => "in waves",
            Act::Refused => "refused",
        }
    }

    /// Operations of one thread in one burst: about half a millisecond.
    fn operations(self) -> u64 {
        match self {
            Act::Refused => 50_000,
            _ => 10_000,
        }
    }

    /// The timed loop. Each act has a loop of its own, so that no call goes through a pointer.
    #[inline(never)]
    fn repeat<L: Rooms>(self, lobby: &'static L, members: &mut Members<L>, operations: usize) {
        match self {
            Act::LeaveAndJoin => {
                for _ in 0..operations {
                    let place = members.draw();
                    if let Some(seat) = place.take() {
                        lobby.leave(seat);
                    }
                    *place = Some(lobby.join());
                }
            }
            Act::ById => {
                for _ in 0..operations {
                    let place = members.draw();
                    let Some(seat) = place.take() else { continue };
                    let id = seat.id();
                    lobby.leave(seat);
                    // With several threads, another thread may have taken that seat.
                    *place = Some(lobby.join_room(id).unwrap_or_else(|| lobby.join()));
                }
            }
            Act::InWaves => {
                for _ in 0..operations.div_ceil(WAVE) {
                    let outside: [usize; WAVE] =
                        std::array::from_fn(|_| members.dice.below(members.seats.len()));
                    for member in outside {
                        if let Some(seat) = members.seats[member].take() {
                            lobby.leave(seat);
                        }
                    }
                    for member in outside {
                        // A member that was drawn twice is back already.
                        members.seats[member].get_or_insert_with(|| lobby.join());
                    }
                }
            }
            Act::Refused => {
                for _ in 0..operations {
                    let Some(seat) = members.draw() else { continue };
                    black_box(lobby.join_room(seat.id()).is_none());
                }
            }
        }
    }
}

/// A lobby and the members of each thread.
struct Crowd<L: Rooms> {
    lobby: &'static L,
    threads: Vec<CachePadded<Mutex<Members<L>>>>,
}

impl<L: Rooms> Crowd<L> {
    /// Each thread fills the rooms that it will use, one thread after the other.
    fn new(crew: &Crew, Setting { rooms, threads, shards, half, .. }: Setting) -> Arc<Crowd<L>> {
        let members = |thread| {
            let dice = Dice(0x9e37_79b9_7f4a_7c15 * (thread as u64 + 1));
            CachePadded::new(Mutex::new(Members { seats: Vec::with_capacity(rooms), dice }))
        };
        let crowd = Arc::new(Crowd {
            // Leaked, since seats borrow it: it stays for the rest of the run.
            lobby: Box::leak(Box::new(L::new(rooms + threads, shards))),
            threads: (0..threads).map(members).collect(),
        });
        let (filled, turn) = (Arc::clone(&crowd), Mutex::new(()));
        crew.work(
            threads,
            Arc::new(move |thread| {
                let _turn = turn.lock().unwrap();
                let seats = &mut filled.threads[thread].lock().unwrap().seats;
                for _ in 0..rooms / threads {
                    seats.push(Some(filled.lobby.join()));
                    (1..SEATS).for_each(|_| keep(filled.lobby.join()));
                }
                if half {
                    (0..4).for_each(|_| keep(filled.lobby.join()));
                }
                // Each room is left and joined once here: its first leave is not to be timed.
                for place in seats.iter_mut() {
                    let Some(seat) = place.take() else { continue };
                    let id = seat.id();
                    filled.lobby.leave(seat);
                    *place = filled.lobby.join_room(id);
                }
            }),
        );
        crowd
    }

    fn side(self: &Arc<Self>, act: Act) -> Side<'static> {
        let crowd = Arc::clone(self);
        let threads = crowd.threads.len();
        Side::of(L::NAME, threads, move |crew, operations| {
            let crowd = Arc::clone(&crowd);
            let work = move |thread: usize| {
                let members = &mut *crowd.threads[thread].lock().unwrap();
                act.repeat(crowd.lobby, members, operations as usize);
            };
            crew.work(threads, Arc::new(work))
        })
    }
}

/// The threads, the filter, and the results so far.
struct Bench {
    crew: Crew,
    words: Vec<String>,
    table: Table,
}

/// One scenario: a number of rooms and of threads, and the lobby under them.
struct Scenario<'a> {
    bench: &'a mut Bench,
    name: String,
    setting: Setting,
    act: Act,
    lobby: Side<'static>,
}

impl Bench {
    fn scenario(&mut self, act: Act, setting: Setting) -> Option<Scenario<'_>> {
        let Setting { rooms, threads, shards, half, hot } = setting;
        let rooms = plural(rooms as u64, "room");
        let mut name = format!("{}, {rooms}, {}", act.name(), plural(threads as u64, "thread"));
        if !half {
            name += ", no room half full";
        }
        if shards > 1 {
            name += &format!(", {shards} shards");
        }
        if hot {
            name += ", hot";
        }
        if !self.words.iter().all(|word| name.contains(word)) {
            return None;
        }
        let lobby = Crowd::<LobbyOf<SEATS>>::new(&self.crew, setting).side(act);
        Some(Scenario { bench: self, name, setting, act, lobby })
    }
}

impl Scenario<'_> {
    fn beside<L: Rooms>(self, target: Target) -> Self {
        let peer = Crowd::<L>::new(&self.bench.crew, self.setting).side(self.act);
        self.beside_side(&peer, target)
    }

    /// The lobby itself on one thread, with that thread's share of the rooms.
    fn beside_one_thread(self, target: Target) -> Self {
        let Setting { rooms, threads, .. } = self.setting;
        let setting = Setting { rooms: rooms / threads, threads: 1, shards: 1, ..self.setting };
        let alone = Crowd::<LobbyOf<SEATS>>::new(&self.bench.crew, setting).side(self.act);
        self.beside_side(&alone.called("itself, 1 thread and 1 shard"), target)
    }

    fn beside_side(self, peer: &Side, target: Target) -> Self {
        let effort = if common::is_trial() {
            Effort { rounds: 1, operations: 100 }
        } else if self.setting.hot {
            Effort { rounds: 9, operations: 1_000_000 }
        } else {
            Effort { rounds: 41, operations: self.act.operations() }
        };
        let comparison = compare(&self.bench.crew, &self.lobby, peer, effort);
        self.bench.table.add(&self.name, peer.name(), comparison, target);
        self
    }
}

fn main() {
    let words = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let table = Table::new("Lobby beside its peers", "cargo bench --bench lobby", "Lobby");
    let mut bench = Bench { crew: Crew::new(THREADS), words, table };
    if common::is_listing() {
        return;
    }

    let sizes: &[usize] =
        if common::is_trial() { &[10, 64] } else { &[10, 64, 4_096, 100_000, 262_144, 1_000_000] };
    for &rooms in sizes {
        let most = match rooms {
            64 | 4_096 => Target::AtMost(1.0),
            1_000_000 => Target::AtMost(0.8),
            _ => Target::None,
        };
        let alone = Setting { rooms, threads: 1, shards: 1, half: true, hot: false };
        if let Some(scenario) = bench.scenario(Act::LeaveAndJoin, alone) {
            let scenario = scenario
                .beside::<Locked<StdMutex>>(most)
                .beside::<Locked<ParkingLot>>(most)
                .beside::<Locked<Lists>>(Target::None)
                .beside::<Sharded>(Target::None)
                .beside::<Bare<StdMutex>>(Target::None)
                .beside::<Bare<ParkingLot>>(Target::None)
                .beside::<Bare<Lists>>(Target::None);
            // With more rooms, a look at every room takes too long.
            if rooms <= 64 {
                scenario.beside::<Counters>(Target::None);
            }
        }
        if let Some(scenario) = bench.scenario(Act::ById, alone) {
            let scenario = scenario
                .beside::<Locked<StdMutex>>(most)
                .beside::<Locked<ParkingLot>>(most)
                .beside::<Locked<Lists>>(Target::None)
                .beside::<Sharded>(Target::None)
                .beside::<Bare<StdMutex>>(Target::None)
                .beside::<Unlimited>(Target::None);
            if rooms <= 4_096 {
                scenario.beside::<Counters>(Target::None);
            }
        }
        if let Some(scenario) = bench.scenario(Act::InWaves, alone) {
            scenario
                .beside::<Locked<StdMutex>>(Target::AtMost(1.0))
                .beside::<Locked<ParkingLot>>(Target::AtMost(1.0))
                .beside::<Locked<Lists>>(Target::None)
                .beside::<Sharded>(Target::None);
        }
        for act in [Act::LeaveAndJoin, Act::ById, Act::InWaves] {
            if !common::is_trial() && rooms < 262_144 {
                continue;
            }
            if let Some(scenario) = bench.scenario(act, Setting { hot: true, ..alone }) {
                scenario
                    .beside::<Locked<StdMutex>>(Target::AtMost(1.0))
                    .beside::<Locked<Lists>>(Target::None)
                    .beside::<Bare<StdMutex>>(Target::None)
                    .beside::<Bare<Lists>>(Target::None);
            }
        }
        for half in [true, false] {
            if let Some(scenario) = bench.scenario(Act::Refused, Setting { half, ..alone }) {
                scenario.beside::<Gates>(Target::None).beside::<GatesAndMiss>(Target::AtMost(2.0));
            }
        }
    }
    for &rooms in if common::is_trial() { &[64][..] } else { &[64, 4_096, 1_000_000] } {
        let together = Setting { rooms, threads: THREADS, shards: 1, half: true, hot: false };
        for act in [Act::LeaveAndJoin, Act::ById] {
            if let Some(scenario) = bench.scenario(act, together) {
                scenario
                    .beside::<Locked<StdMutex>>(Target::AtMost(0.4))
                    .beside::<Locked<ParkingLot>>(Target::AtMost(0.4))
                    .beside::<Locked<Lists>>(Target::None)
                    .beside::<Sharded>(Target::None);
            }
        }
        // Without a half-full room: the second thread would join it in the first thread's shard.
        let apart = Setting { shards: THREADS as u32, half: false, ..together };
        if let Some(scenario) = bench.scenario(Act::LeaveAndJoin, apart) {
            scenario
                .beside::<Locked<StdMutex>>(Target::AtMost(0.4))
                .beside::<Locked<ParkingLot>>(Target::AtMost(0.4))
                .beside_one_thread(Target::AtMost(1.3));
        }
    }
    println!("{}", bench.table);
}
