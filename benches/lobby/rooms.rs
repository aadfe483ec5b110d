//! The contenders: the lobby, and what a program would use instead.
//!
//! Each of them seats a caller in the fullest room that has a free seat, opens a room if there is
//! none, and closes a room that its last member has left. Only the lobby numbers the seats.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::Mutex;

use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use headcount::{Gate, Lobby, Permit, RoomId, Seat};

/// Seats of every room: the jam of at most seven.
pub(crate) const SEATS: u32 = 7;

/// Rooms that callers join and leave.
pub(crate) trait Rooms: Send + Sync + Sized + 'static {
    /// The name in the table.
    const NAME: &'static str;

    type Seat: Held;

    /// For about `rooms` rooms; `shards` is for contenders that have shards.
    fn new(rooms: usize, shards: u32) -> Self;
    fn join(&'static self) -> Self::Seat;
    /// `None` if that room is full or does not exist.
    fn join_room(&'static self, id: <Self::Seat as Held>::Id) -> Option<Self::Seat>;

    /// Gives a seat back. A guard does so by its destructor.
    #[inline(always)]
    fn leave(&'static self, seat: Self::Seat) {
        drop(seat);
    }
}

/// What a member holds.
pub(crate) trait Held: Send + 'static {
    type Id: Copy;

    /// The room that it is in.
    fn id(&self) -> Self::Id;
}

impl Held for Seat<'static> {
    type Id = RoomId;

    #[inline(always)]
    fn id(&self) -> RoomId {
        self.room_id()
    }
}

/// The room's number alone, which the caller must not forget to give back.
impl Held for u32 {
    type Id = u32;

    #[inline(always)]
    fn id(&self) -> u32 {
        *self
    }
}

impl<L: Left> Held for Guard<L> {
    type Id = u32;

    #[inline(always)]
    fn id(&self) -> u32 {
        self.room
    }
}

impl Held for (Permit<'static>, u32) {
    type Id = u32;

    #[inline(always)]
    fn id(&self) -> u32 {
        self.1
    }
}

/// A lobby of rooms of so many seats.
pub(crate) struct LobbyOf<const SEATS: u32>(Lobby);

impl<const SEATS: u32> Rooms for LobbyOf<SEATS> {
    const NAME: &'static str = "Lobby";
    type Seat = Seat<'static>;

    fn new(_: usize, shards: u32) -> Self {
        LobbyOf(Lobby::builder(SEATS).shards(shards).build())
    }

    #[inline(always)]
    fn join(&'static self) -> Seat<'static> {
        self.0.join().expect("there is no limit")
    }

    #[inline(always)]
    fn join_room(&'static self, id: RoomId) -> Option<Seat<'static>> {
        self.0.join_room(id).ok()
    }
}

/// The best-fit rule, written plainly, to be put behind a lock.
#[derive(Default)]
pub(crate) struct Jams {
    members: Vec<u32>,
    /// The rooms that have members and a free seat.
    filling: BTreeSet<(u32, u32)>,
    vacant: Vec<u32>,
}

impl Jams {
    #[inline]
    fn join(&mut self) -> u32 {
        if let Some((members, room)) = self.filling.pop_last() {
            self.seat(room, members);
            return room;
        }
        let room = self.vacant.pop().unwrap_or_else(|| {
            self.members.push(0);
            self.members.len() as u32 - 1
        });
        self.seat(room, 0);
        room
    }

    #[inline]
    fn join_room(&mut self, room: u32) -> bool {
        let members = self.members[room as usize];
        if members == 0 || members == SEATS {
            return false;
        }
        self.filling.remove(&(members, room));
        self.seat(room, members);
        true
    }

    #[inline]
    fn seat(&mut self, room: u32, members: u32) {
        self.members[room as usize] = members + 1;
        if members + 1 < SEATS {
            self.filling.insert((members + 1, room));
        }
    }

    #[inline]
    fn leave(&mut self, room: u32) {
        let members = self.members[room as usize];
        self.members[room as usize] = members - 1;
        if members < SEATS {
            self.filling.remove(&(members, room));
        }
        if members > 1 {
            self.filling.insert((members - 1, room));
        } else {
            self.vacant.push(room);
        }
    }
}

/// The same rule with lists of the rooms by their members: every change is a few writes, whatever
/// the number of rooms. Full rooms are in no list.
#[derive(Default)]
pub(crate) struct Buckets {
    /// For each room, the number of members, and its place in the list of such rooms.
    rooms: Vec<(u32, u32)>,
    /// The rooms of so many members; first the vacant ones.
    lists: [Vec<u32>; SEATS as usize],
    /// One bit for every list that is not empty.
    filled: u32,
}

impl Buckets {
    #[inline]
    fn join(&mut self) -> u32 {
        self.join_open().unwrap_or_else(|| self.open())
    }

    /// Takes a seat in the fullest room that has members and a free seat.
    #[inline]
    fn join_open(&mut self) -> Option<u32> {
        let members = (self.filled & !1).checked_ilog2()?;
        Some(self.join_latest(members))
    }

    #[inline]
    fn open(&mut self) -> u32 {
        if self.filled & 1 == 0 {
            let room = self.rooms.len() as u32;
            self.rooms.push((0, 0));
            self.enlist(room, 0);
        }
        self.join_latest(0)
    }

    /// Takes a seat in the latest room of a list that is not empty.
    #[inline]
    fn join_latest(&mut self, members: u32) -> u32 {
        let list = &mut self.lists[members as usize];
        let room = list.pop().expect("a list that is not empty");
        if list.is_empty() {
            self.filled &= !(1 << members);
        }
        self.enlist(room, members + 1);
        room
    }

    #[inline]
    fn join_room(&mut self, room: u32) -> bool {
        let (members, place) = self.rooms[room as usize];
        if members == 0 || members == SEATS {
            return false;
        }
        self.delist(members, place);
        self.enlist(room, members + 1);
        true
    }

    #[inline]
    fn leave(&mut self, room: u32) {
        let (members, place) = self.rooms[room as usize];
        if members < SEATS {
            self.delist(members, place);
        }
        self.enlist(room, members - 1);
    }

    #[inline]
    fn enlist(&mut self, room: u32, members: u32) {
        let Some(list) = self.lists.get_mut(members as usize) else {
            self.rooms[room as usize].0 = members;
            return;
        };
        self.rooms[room as usize] = (members, list.len() as u32);
        list.push(room);
        self.filled |= 1 << members;
    }

    #[inline]
    fn delist(&mut self, members: u32, place: u32) {
        let list = &mut self.lists[members as usize];
        list.swap_remove(place as usize);
        match list.get(place as usize) {
            Some(&moved) => self.rooms[moved as usize].1 = place,
            None if list.is_empty() => self.filled &= !(1 << members),
            None => {}
        }
    }
}

/// A contender that a guard can tell that its member leaves.
pub(crate) trait Left: Sync {
    fn left(&self, room: u32);
}

/// A guard, as a library would return it: it gives the seat back when it is dropped.
pub(crate) struct Guard<L: Left + 'static> {
    lobby: &'static L,
    room: u32,
}

impl<L: Left> Drop for Guard<L> {
    #[inline]
    fn drop(&mut self) {
        self.lobby.left(self.room);
    }
}

/// Jams behind a lock, with guards.
pub(crate) struct Locked<M>(M);

/// Jams behind a lock. The caller gets the room's number and must not forget to leave.
pub(crate) struct Bare<M>(M);

macro_rules! locked {
    ($mutex:ty, $lock:expr, $guarded:literal, $bare:literal) => {
        impl Left for Locked<$mutex> {
            #[inline]
            fn left(&self, room: u32) {
                $lock(&self.0).leave(room);
            }
        }

        impl Rooms for Locked<$mutex> {
            const NAME: &'static str = $guarded;
            type Seat = Guard<Self>;

            fn new(_: usize, _: u32) -> Self {
                Locked(Default::default())
            }

            #[inline(always)]
            fn join(&'static self) -> Guard<Self> {
                Guard { lobby: self, room: $lock(&self.0).join() }
            }

            #[inline(always)]
            fn join_room(&'static self, room: u32) -> Option<Guard<Self>> {
                let joined = $lock(&self.0).join_room(room);
                joined.then(|| Guard { lobby: self, room })
            }
        }

        locked!($mutex, $lock, $bare);
    };
    ($mutex:ty, $lock:expr, $bare:literal) => {
        impl Rooms for Bare<$mutex> {
            const NAME: &'static str = $bare;
            type Seat = u32;

            fn new(_: usize, _: u32) -> Self {
                Bare(Default::default())
            }

            #[inline(always)]
            fn join(&'static self) -> u32 {
                $lock(&self.0).join()
            }

            #[inline(always)]
            fn join_room(&'static self, room: u32) -> Option<u32> {
                let joined = $lock(&self.0).join_room(room);
                joined.then_some(room)
            }

            #[inline(always)]
            fn leave(&'static self, room: u32) {
                $lock(&self.0).leave(room);
            }
        }
    };
}

locked!(Mutex<Jams>, lock_std, "Mutex of BTreeSet", "Mutex of BTreeSet, bare");
locked!(
    parking_lot::Mutex<Jams>,
    parking_lot::Mutex::lock,
    "parking_lot::Mutex of BTreeSet",
    "parking_lot::Mutex of BTreeSet, bare"
);
locked!(Mutex<Buckets>, lock_std, "Mutex of lists by members", "Mutex of lists by members, bare");

#[inline(always)]
fn lock_std<J>(mutex: &Mutex<J>) -> std::sync::MutexGuard<'_, J> {
    mutex.lock().expect("no holder panics")
}

/// The number of shards of [`Sharded`], and the bits of a room that are not its shard.
const SHARDS: usize = 64;
const ROOM_BITS: u32 = 26;

/// One shard: its lists, and whether a room in it has members and a free seat, as last seen.
#[derive(Default)]
struct Shard {
    lists: Mutex<Buckets>,
    admits: AtomicU32,
}

impl Shard {
    #[inline]
    fn with<R>(&self, change: impl FnOnce(&mut Buckets) -> R) -> R {
        let mut lists = lock_std(&self.lists);
        let result = change(&mut lists);
        let admits = u32::from(lists.filled > 1);
        if self.admits.load(Ordering::Relaxed) != admits {
            self.admits.store(admits, Ordering::Relaxed);
        }
        result
    }
}

/// Lists by members in shards. Each thread has a shard, and looks into the others if no room of its
/// own admits; it locks those only in which a room seems to admit.
pub(crate) struct Sharded(Box<[CachePadded<Shard>]>);

impl Sharded {
    #[inline]
    fn own() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        OWN.with(|own| *own)
    }

    #[inline]
    fn guard(&'static self, shard: usize, room: u32) -> Guard<Self> {
        Guard { lobby: self, room: (shard as u32) << ROOM_BITS | room }
    }

    #[inline]
    fn at(&self, room: u32) -> (&Shard, u32) {
        (&self.0[(room >> ROOM_BITS) as usize], room & ((1 << ROOM_BITS) - 1))
    }
}

impl Left for Sharded {
    #[inline]
    fn left(&self, room: u32) {
        let (shard, room) = self.at(room);
        shard.with(|lists| lists.leave(room));
    }
}

impl Rooms for Sharded {
    const NAME: &'static str = "64 shards of Mutex of lists by members";
    type Seat = Guard<Self>;

    fn new(_: usize, _: u32) -> Self {
        Sharded((0..SHARDS).map(|_| CachePadded::default()).collect())
    }

    #[inline(always)]
    fn join(&'static self) -> Guard<Self> {
        let own = Sharded::own();
        for shard in (own..SHARDS).chain(0..own) {
            if self.0[shard].admits.load(Ordering::Relaxed) != 0 {
                if let Some(room) = self.0[shard].with(Buckets::join_open) {
                    return self.guard(shard, room);
                }
            }
        }
        self.guard(own, self.0[own].with(Buckets::join))
    }

    #[inline(always)]
    fn join_room(&'static self, room: u32) -> Option<Guard<Self>> {
        let (shard, number) = self.at(room);
        let joined = shard.with(|lists| lists.join_room(number));
        joined.then(|| Guard { lobby: self, room })
    }
}

/// A concurrent map of counters: a join by id is quick, best fit looks at every room.
pub(crate) struct Counters(DashMap<u32, u32>);

impl Left for Counters {
    #[inline]
    fn left(&self, room: u32) {
        *self.0.get_mut(&room).expect("a room with a member") -= 1;
        self.0.remove_if(&room, |_, members| *members == 0);
    }
}

impl Rooms for Counters {
    const NAME: &'static str = "DashMap of counters";
    type Seat = Guard<Self>;

    fn new(_: usize, _: u32) -> Self {
        Counters(DashMap::new())
    }

    fn join(&'static self) -> Guard<Self> {
        loop {
            let free = self.0.iter().filter(|room| *room.value() < SEATS);
            let best = free.map(|room| (*room.value(), *room.key())).max();
            if let Some(seat) = best.and_then(|(_, room)| self.join_room(room)) {
                return seat;
            }
            if best.is_none() {
                let room = (0..).find(|room| !self.0.contains_key(room)).expect("a free number");
                let mut members = self.0.entry(room).or_insert(0);
                if *members < SEATS {
                    *members += 1;
                    return Guard { lobby: self, room };
                }
            }
        }
    }

    #[inline(always)]
    fn join_room(&'static self, room: u32) -> Option<Guard<Self>> {
        let mut members = self.0.get_mut(&room)?;
        if *members == SEATS {
            return None;
        }
        *members += 1;
        Some(Guard { lobby: self, room })
    }
}

/// Only a counter for every room: what it costs to reach a room.
pub(crate) struct Unlimited {
    members: Vec<AtomicU32>,
    joined: AtomicUsize,
}

impl Rooms for Unlimited {
    const NAME: &'static str = "fetch_sub + fetch_add";
    type Seat = u32;

    fn new(rooms: usize, _: u32) -> Self {
        let members = (0..=rooms).map(|_| AtomicU32::new(0)).collect();
        Unlimited { members, joined: AtomicUsize::new(0) }
    }

    /// Fills one room after the other; used only to set up.
    fn join(&'static self) -> u32 {
        let room = self.joined.fetch_add(1, Ordering::Relaxed) / SEATS as usize;
        self.members[room].fetch_add(1, Ordering::Acquire);
        room as u32
    }

    #[inline(always)]
    fn join_room(&'static self, room: u32) -> Option<u32> {
        self.members[room as usize].fetch_add(1, Ordering::Acquire);
        Some(room)
    }

    #[inline(always)]
    fn leave(&'static self, room: u32) {
        self.members[room as usize].fetch_sub(1, Ordering::Release);
    }
}

/// A full gate for every room, for refusals.
pub(crate) struct Gates {
    rooms: Vec<Gate>,
    joined: AtomicUsize,
}

impl Rooms for Gates {
    const NAME: &'static str = "Gate";
    type Seat = (Permit<'static>, u32);

    fn new(rooms: usize, _: u32) -> Self {
        let rooms = (0..=rooms).map(|_| Gate::new(SEATS)).collect();
        Gates { rooms, joined: AtomicUsize::new(0) }
    }

    /// As `Unlimited`.
    fn join(&'static self) -> Self::Seat {
        let room = self.joined.fetch_add(1, Ordering::Relaxed) / SEATS as usize;
        self.join_room(room as u32).expect("they are filled once")
    }

    #[inline(always)]
    fn join_room(&'static self, room: u32) -> Option<Self::Seat> {
        Some((self.rooms[room as usize].try_acquire().ok()?, room))
    }
}

/// The same, with one cache miss that depends on the one before it.
pub(crate) struct GatesAndMiss {
    gates: Gates,
    /// Each element is the index of the next, in one cycle through more memory than most caches
    /// have.
    lines: Vec<[u32; 16]>,
    at: AtomicU32,
}

impl Rooms for GatesAndMiss {
    const NAME: &'static str = "Gate, and a cache miss";
    type Seat = (Permit<'static>, u32);

    fn new(rooms: usize, shards: u32) -> Self {
        const LINES: usize = 1 << 20;
        let mut lines: Vec<_> = (0..LINES as u32).map(|line| [line; 16]).collect();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        // Sattolo's shuffle: one cycle through all elements.
        for line in (1..LINES).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            lines.swap(line, (random % line as u64) as usize);
        }
        GatesAndMiss { gates: Gates::new(rooms, shards), lines, at: AtomicU32::new(0) }
    }

    fn join(&'static self) -> Self::Seat {
        self.gates.join()
    }

    #[inline(always)]
    fn join_room(&'static self, room: u32) -> Option<Self::Seat> {
        let at = self.at.load(Ordering::Relaxed);
        self.at.store(self.lines[at as usize][0], Ordering::Relaxed);
        self.gates.join_room(room)
    }
}

/// Keeps a seat for good: its room is never told.
pub(crate) fn keep<S>(seat: S) {
    let _ = ManuallyDrop::new(seat);
}
