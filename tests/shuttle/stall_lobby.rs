//! A thread stops for ever within a call of a lobby. The others are seated while a seat is free,
//! are refused only when none is, and open no room while one has a free seat: *exact-lobby*,
//! *no-needless-room* and *unblocked*.
//!
//! What the stopped call may have done and what not is one seat, one room, or one lock. All else is
//! known to the last seat.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use headcount::{Lobby, OwnedParty, OwnedSeat, RoomId};

use crate::support::stall::{Scene, Stalls};

/// A state whose constructor and destructor have steps at which a thread can stop.
struct Slow(Arc<Lives>);

#[derive(Default)]
struct Lives {
    living: AtomicUsize,
    step: shuttle::sync::atomic::AtomicUsize,
}

impl Lives {
    fn step(&self) {
        self.step.fetch_add(1, shuttle::sync::atomic::Ordering::SeqCst);
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.step();
        self.0.step();
        self.0.living.fetch_sub(1, SeqCst);
    }
}

/// A lobby, filled to the last seat of its rooms.
#[derive(Clone, Copy, Debug)]
struct Shape {
    seats: u32,
    rooms: u32,
    shards: u32,
    /// Whether no more rooms than these may be open.
    limited: bool,
    /// The rooms that were left and joined again, so that hints to them are out of date.
    stale: u32,
}

impl Shape {
    fn places(self) -> usize {
        (self.seats * self.rooms) as usize
    }
}

type Seats<T> = Mutex<Vec<OwnedSeat<T>>>;

struct World<T: Send + Sync + 'static> {
    lobby: Arc<Lobby<T>>,
    shape: Shape,
    /// The seats of the thread that stalls, and of the other one.
    mine: Seats<T>,
    theirs: Seats<T>,
    /// A room that is not open yet, or is full.
    told: RoomId,
    lives: Arc<Lives>,
}

impl<T: Send + Sync> World<T> {
    /// All seats are taken, in one room less if one is to be opened.
    fn new(shape: Shape, met: Met, lobby: Lobby<T>, lives: Arc<Lives>) -> World<T> {
        let lobby = Arc::new(lobby);
        let join = || lobby.clone().join_owned().expect("a free seat");
        let places = shape.places();
        let places = if met.one_room_less { places - shape.seats as usize } else { places };
        let mut theirs: Vec<_> = (0..places).map(|_| join()).collect();
        for room in 0..shape.stale as usize {
            let at = room * shape.seats as usize;
            drop(theirs.remove(at));
            theirs.insert(at, join());
        }
        let told = if met.one_room_less { lobby.filling() } else { theirs[0].room_id() };
        let mine = theirs.drain(places - met.own..).collect();
        World { lobby, shape, mine: Mutex::new(mine), theirs: Mutex::new(theirs), told, lives }
    }

    fn make(&self, call: Call) {
        let lobby = || Arc::clone(&self.lobby);
        let keep = |seat: Option<OwnedSeat<T>>| self.mine.lock().unwrap().extend(seat);
        match call {
            Call::Join => keep(lobby().join_owned().ok()),
            Call::JoinTold => keep(lobby().join_room_owned(self.told).ok()),
            Call::JoinToldOrAny => keep(lobby().join_room_or_any_owned(self.told).ok()),
            Call::Leave => {
                let seat = self.mine.lock().unwrap().pop();
                drop(seat);
            }
            Call::Lock => drop(self.lobby.lock(self.told)),
            Call::Unlock => drop(self.lobby.unlock(self.told)),
            Call::Relist => {
                self.lobby.set_listed(self.told, false);
                self.lobby.set_listed(self.told, true);
            }
            Call::JoinMany => {
                let seats = lobby().join_many_owned(2).ok().map(OwnedParty::into_seats);
                self.mine.lock().unwrap().extend(seats.into_iter().flatten());
            }
            Call::OpenRoom => keep(lobby().open_room_owned().ok()),
            Call::OpenUnlisted => keep(lobby().open_unlisted_owned().ok()),
            Call::Start | Call::State => {
                let seat = self.mine.lock().unwrap().pop().expect("a seat");
                match call {
                    Call::Start => assert_eq!(seat.start(), Ok(self.shape.seats)),
                    _ => drop(seat.state()),
                }
                keep(Some(seat));
            }
            Call::Room => assert!(self.lobby.room(self.told).is_none_or(|room| room.listed)),
            Call::Filling => drop(self.lobby.filling()),
            Call::Rooms => assert!(self.lobby.rooms().all(|room| room.members > 0)),
            Call::Stats => assert!(self.lobby.stats().members <= self.shape.places()),
        }
    }

    /// Members of so many rooms leave, one of each.
    fn leave_each(&self, rooms: usize) {
        for _ in 0..rooms {
            let seat = {
                let mut theirs = self.theirs.lock().unwrap();
                // One seat of each room, from the second one on.
                let at = theirs.iter().position(|seat| {
                    seat.room_id() != self.told && seat.members() == self.shape.seats
                });
                theirs.remove(at.expect("a full room"))
            };
            drop(seat);
        }
    }

    /// Joins until refused, or `most` times. Returns how many seats that were.
    fn join_all(&self, most: usize) -> usize {
        let seats = std::iter::from_fn(|| self.lobby.clone().join_owned().ok());
        let seats: Vec<_> = seats.take(most).collect();
        let count = seats.len();
        self.theirs.lock().unwrap().extend(seats);
        count
    }

    fn end(&self) {
        self.mine.lock().unwrap().clear();
        self.theirs.lock().unwrap().clear();
        assert_eq!(self.lobby.stats(), Default::default());
        assert_eq!(self.lives.living.load(SeqCst), 0);
        let all = self.join_all(self.shape.places());
        assert_eq!(all, self.shape.places(), "seats are lost");
        if self.shape.limited {
            assert!(self.lobby.join().unwrap_err().is_full());
        }
        assert_eq!(self.lobby.stats().rooms, self.shape.rooms as usize);
    }
}

/// What the thread that stalls calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Join,
    JoinTold,
    JoinToldOrAny,
    Leave,
    Lock,
    Unlock,
    /// Makes a room unlisted, and lists it again.
    Relist,
    JoinMany,
    OpenRoom,
    OpenUnlisted,
    Start,
    State,
    Room,
    Filling,
    Rooms,
    Stats,
}

/// What the call meets.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    /// The seats of the thread that stalls, all of one room.
    own: usize,
    one_room_less: bool,
}

/// The seats that a stopped call may take, and those that it may free.
fn margin(call: Call, shape: Shape) -> (usize, usize) {
    match call {
        Call::Join | Call::JoinTold | Call::JoinToldOrAny | Call::OpenRoom => (1, 0),
        Call::JoinMany => (2, 0),
        // No other caller is sent to the rest of that room.
        Call::OpenUnlisted => (shape.seats as usize, 0),
        Call::Leave => (0, 1),
        _ => (0, 0),
    }
}

/// Stalls `call` while the other thread frees a seat in each of `left` rooms and then joins as
/// often as it can, in one round or in two.
fn stall<T: Send + Sync + 'static>(
    shape: Shape,
    call: Call,
    met: Met,
    left: usize,
    lobby: impl Fn(Shape) -> (Lobby<T>, Arc<Lives>) + Copy + Send + Sync + 'static,
) -> Stalls {
    let room = if met.one_room_less { shape.seats as usize } else { 0 };
    let free = left + room;
    let (takes, frees) = margin(call, shape);
    let takes = takes.min(free);
    let leaves = move |world: &World<T>| world.leave_each(left);
    let joins = move |world: &World<T>| {
        if shape.limited {
            let seats = world.join_all(usize::MAX);
            assert!(
                (free - takes..=free + frees).contains(&seats),
                "{seats} of {free} free seats, then refused: {:?}",
                world.lobby.stats(),
            );
        } else {
            // Not more than there are for sure: no room is to be opened for them.
            let seats = world.join_all(free - takes);
            assert_eq!(seats, free - takes);
            let rooms = world.lobby.stats().rooms;
            // The stopped caller may have opened one before.
            let opened = if met.one_room_less { 0 } else { takes };
            assert!(rooms <= shape.rooms as usize + opened, "{rooms} rooms, one is needless");
        }
    };
    let mut seen = Stalls::default();
    for in_one in [true, false] {
        let rounds: Vec<Box<dyn Fn(&World<T>) + Send + Sync>> = if in_one {
            vec![Box::new(move |world| {
                leaves(world);
                joins(world);
            })]
        } else {
            vec![Box::new(leaves), Box::new(joins)]
        };
        let scene = Scene {
            name: format!("{call:?} of {shape:?}, {met:?}, {left} left"),
            world: Box::new(move || {
                let (lobby, lives) = lobby(shape);
                World::new(shape, met, lobby, lives)
            }),
            call: Box::new(move |world: &World<T>| world.make(call)),
            rounds,
            end: Box::new(World::end),
        };
        seen += scene.explore();
    }
    assert!(seen.ways > 2 && seen.waited == 0, "{call:?} of {shape:?}: {seen:?}");
    seen
}

fn plain(shape: Shape) -> (Lobby, Arc<Lives>) {
    let builder = Lobby::builder(shape.seats).shards(shape.shards);
    let builder = if shape.limited { builder.max_rooms(shape.rooms) } else { builder };
    (builder.build(), Arc::default())
}

fn with_states(shape: Shape) -> (Lobby<Slow>, Arc<Lives>) {
    let lives = Arc::<Lives>::default();
    let made = Arc::clone(&lives);
    let builder = Lobby::builder(shape.seats).shards(shape.shards);
    let builder = if shape.limited { builder.max_rooms(shape.rooms) } else { builder };
    let lobby = builder.build_with(move |_| {
        made.living.fetch_add(1, SeqCst);
        made.step();
        made.step();
        Slow(Arc::clone(&made))
    });
    (lobby, lives)
}

/// Every call, against leavers of other rooms and joiners.
fn each_call<T: Send + Sync + 'static>(
    shape: Shape,
    lobby: impl Fn(Shape) -> (Lobby<T>, Arc<Lives>) + Copy + Send + Sync + 'static,
) {
    use Call::*;
    let none = Met::default();
    let one_less = Met { one_room_less: true, ..none };
    let left = shape.rooms as usize / 2;
    let mut seen = Stalls::default();
    let calls = [Join, JoinTold, JoinToldOrAny, Lock, Unlock, Relist, Room, Filling, Rooms, Stats];
    for call in calls.into_iter().chain([OpenRoom, OpenUnlisted]) {
        // A locked room keeps its free seats: the room that is told has none.
        seen += stall(shape, call, none, left, lobby);
        if !matches!(call, Lock | Unlock | Relist | Room) {
            seen += stall(shape, call, one_less, left, lobby);
        }
    }
    if shape.seats > 1 {
        seen += stall(shape, JoinMany, none, left, lobby);
        seen += stall(shape, JoinMany, one_less, left, lobby);
    }
    for call in [Leave, Start, State] {
        seen += stall(shape, call, Met { own: 1, ..none }, left, lobby);
    }
    if shape.seats == 1 {
        // The last member of a room.
        seen += stall(shape, Leave, Met { own: 1, ..one_less }, left - 1, lobby);
    }
    println!("{shape:?}: {seen:?}");
}

#[test]
fn each_call_of_a_limited_lobby_stalls() {
    for seats in 1..=2 {
        for shards in 1..=2 {
            let shape = Shape { seats, rooms: 5, shards, limited: true, stale: 3 };
            each_call(shape, plain);
        }
    }
}

#[test]
fn each_call_of_a_lobby_without_a_limit_stalls() {
    for seats in 2..=3 {
        each_call(Shape { seats, rooms: 5, shards: 1, limited: false, stale: 3 }, plain);
    }
}

#[test]
fn each_call_of_a_lobby_with_states_stalls() {
    each_call(Shape { seats: 2, rooms: 3, shards: 1, limited: true, stale: 1 }, with_states);
    each_call(Shape { seats: 1, rooms: 3, shards: 1, limited: true, stale: 1 }, with_states);
}

/// Two words of seats, and large rooms.
#[test]
fn each_call_of_a_lobby_of_large_rooms_stalls() {
    each_call(Shape { seats: 66, rooms: 3, shards: 1, limited: true, stale: 1 }, plain);
}
