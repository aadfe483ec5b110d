//! A lobby beside a plain collection of jams. Shared by the properties and the fuzz target.
//!
//! With one caller at a time, after every operation:
//! - *best-fit*: a join is seated in a most populated room that is open, unlocked and has a free seat,
//!   and a room opens only if there is none; `filling` and refusals name such a room.
//! - *seat-distinct*: its number is the lowest that is free in the room.
//! - *no-ghost*: the id of a room that has closed, or of another lobby, is refused as gone, and a
//!   forged one is never seated but in the room that bears it.
//! - *never-over*, *no-leak*: rooms, members, quorum, locks and states are as in the collection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{JoinError, JoinRoomError, JoinRoomErrorKind, Lobby, RoomId, Seat};

/// A lobby to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) seats: u32,
    pub(crate) quorum: u32,
    pub(crate) max_rooms: Option<u32>,
    /// One caller keeps to its own: nothing else depends on it.
    pub(crate) shards: u32,
}

impl Setup {
    /// Any bytes are a lobby: small rooms, or those about as large as a word, or two.
    pub(crate) fn from_bytes([seats, quorum, max_rooms, shards]: [u8; 4]) -> Setup {
        let seats = match seats % 16 {
            few @ 0..=7 => u32::from(few) + 1,
            8..=11 => 22 + u32::from(seats >> 4) % 6,
            _ => 62 + u32::from(seats >> 4) % 6,
        };
        Setup {
            seats,
            quorum: u32::from(quorum) % seats.min(8) + 1,
            max_rooms: (max_rooms % 8 > 0).then(|| u32::from(max_rooms % 8) - 1),
            shards: u32::from(shards % 3) + 1,
        }
    }
}

/// Which room is meant. A `u8` tells how long ago it was named.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// Open, closed, or never opened.
    Told(u8),
    Filling,
    /// One bit is not as it was told.
    Forged {
        told: u8,
        bit: u8,
    },
    Foreign(u8),
}

/// One operation. A `u8` picks among the seats held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Join,
    /// Asks first where that will be.
    Follow,
    JoinRoom(Name),
    JoinOrNext(Name),
    Leave(u8),
    Leak(u8),
    SetLock(Name, bool),
    Start(u8),
}

impl Op {
    /// Any bytes are an operation, so that bytes can be shrunk.
    pub(crate) fn from_bytes([kind, pick, which]: [u8; 3]) -> Op {
        let name = match which % 8 {
            0..=3 => Name::Told(pick),
            4 | 5 => Name::Filling,
            6 => Name::Forged { told: pick, bit: which >> 3 | kind & 0b10_0000 },
            _ => Name::Foreign(pick),
        };
        match kind % 32 {
            0..=7 => Op::Join,
            8 => Op::Follow,
            9..=12 => Op::JoinRoom(name),
            13..=16 => Op::JoinOrNext(name),
            17..=25 => Op::Leave(pick),
            26 => Op::Leak(pick),
            27 | 28 => Op::SetLock(name, true),
            29 | 30 => Op::SetLock(name, false),
            _ => Op::Start(pick),
        }
    }
}

/// One room, plainly.
#[derive(Default)]
struct Jam {
    numbers: BTreeSet<u32>,
    locked: bool,
}

/// All of them.
struct Jams {
    seats: usize,
    max_rooms: usize,
    open: BTreeMap<RoomId, Jam>,
    closed: BTreeSet<RoomId>,
}

impl Jams {
    /// Why an open room lets nobody in, if so.
    fn shut(&self, jam: &Jam) -> Option<JoinRoomErrorKind> {
        if jam.locked {
            Some(JoinRoomErrorKind::Locked)
        } else {
            (jam.numbers.len() == self.seats).then_some(JoinRoomErrorKind::Full)
        }
    }

    /// How many are in a room that a newcomer may be sent to; 0 if a new one opens.
    fn best(&self) -> Option<usize> {
        let admitting = self.open.values().filter(|jam| self.shut(jam).is_none());
        let most = admitting.map(|jam| jam.numbers.len()).max();
        most.or_else(|| self.may_open().then_some(0))
    }

    fn may_open(&self) -> bool {
        self.open.len() < self.max_rooms
    }

    fn members(&self, id: RoomId) -> usize {
        self.open.get(&id).map_or(0, |jam| jam.numbers.len())
    }

    /// Whether a newcomer may be sent there.
    fn fits(&self, id: RoomId) -> bool {
        let admits = match self.open.get(&id) {
            Some(jam) => self.shut(jam).is_none(),
            None => !self.closed.contains(&id),
        };
        admits && self.best() == Some(self.members(id))
    }
}

/// A room's state, which counts those that live.
struct Living {
    id: RoomId,
    count: Arc<AtomicUsize>,
}

impl Drop for Living {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A lobby, its seats, and the collection.
struct Pair<'a> {
    lobby: &'a Lobby<Living>,
    quorum: usize,
    foreign: &'a [RoomId],
    jams: Jams,
    held: Vec<Seat<'a, Living>>,
    leaked: usize,
    told: Vec<RoomId>,
}

impl<'a> Pair<'a> {
    fn id(&mut self, name: Name) -> Option<RoomId> {
        let told = |ago: u8| {
            let last = self.told.len().checked_sub(1)?;
            Some(self.told[last - usize::from(ago) % self.told.len()])
        };
        match name {
            Name::Told(ago) => told(ago),
            Name::Filling => Some(self.filling()),
            Name::Forged { told: ago, bit } => {
                RoomId::try_from(u64::from(told(ago)?) ^ 1 << (bit % 64)).ok()
            }
            Name::Foreign(pick) => Some(self.foreign[usize::from(pick) % self.foreign.len()]),
        }
    }

    fn filling(&mut self) -> RoomId {
        let id = self.lobby.filling();
        match self.jams.best() {
            Some(_) => assert!(self.jams.fits(id), "{id} is not the best fit"),
            None => assert!(!self.jams.open.contains_key(&id), "{id} is shut"),
        }
        self.told.push(id);
        id
    }

    fn seated(&mut self, seat: Seat<'a, Living>) {
        let id = seat.room_id();
        assert!(!self.jams.closed.contains(&id) && !self.foreign.contains(&id), "a ghost");
        assert!(self.jams.open.contains_key(&id) || self.jams.may_open(), "too many rooms");
        let jam = self.jams.open.entry(id).or_default();
        let lowest = (0..).find(|number| !jam.numbers.contains(number));
        assert_eq!(Some(seat.number()), lowest, "not the lowest free seat");
        assert!(jam.numbers.len() < self.jams.seats && !jam.locked, "over");
        jam.numbers.insert(seat.number());
        assert_eq!(seat.members() as usize, jam.numbers.len());
        assert_eq!(seat.completed_quorum(), jam.numbers.len() == self.quorum);
        assert_eq!(seat.state().id, id, "the state of another room");
        self.told.push(id);
        self.held.push(seat);
    }

    /// After a join to wherever there is a seat.
    fn joined(&mut self, joined: Result<Seat<'a, Living>, JoinError>) {
        match joined {
            Ok(seat) => {
                assert!(self.jams.fits(seat.room_id()), "not the best fit");
                self.seated(seat);
            }
            Err(error) => {
                assert!(error.is_full());
                assert_eq!(self.jams.best(), None, "refused, though there is a place")
            }
        }
    }

    fn refused(&mut self, id: RoomId, refused: JoinRoomError) {
        let kind = refused.kind();
        match self.jams.open.get(&id) {
            Some(jam) => assert_eq!(Some(kind), self.jams.shut(jam)),
            None if kind.is_full() => assert!(!self.jams.may_open(), "one more may be opened"),
            None => assert!(kind.is_gone()),
        }
        if self.jams.closed.contains(&id) || self.foreign.contains(&id) {
            assert!(kind.is_gone());
        }
        match refused.try_next() {
            Some(next) => {
                assert!(self.jams.fits(next), "{next} is not the best fit");
                assert_ne!(next, id, "sent to where it was refused");
                self.told.push(next);
            }
            None => assert_eq!(self.jams.best(), None, "refused, though there is a place"),
        }
    }

    fn act(&mut self, op: Op) {
        let lobby = self.lobby;
        match op {
            Op::Join => self.joined(lobby.join()),
            Op::Follow => {
                let filling = self.filling();
                let joined = lobby.join();
                assert!(joined.as_ref().map_or(true, |seat| seat.room_id() == filling));
                self.joined(joined);
            }
            Op::JoinRoom(name) => {
                let Some(id) = self.id(name) else { return };
                // Where nobody is sent to an open room, the next to be opened is known.
                let opens = (self.jams.best() == Some(0) && !self.jams.open.contains_key(&id))
                    .then(|| lobby.filling() == id);
                let joined = lobby.join_room(id);
                assert!(opens.map_or(true, |opens| opens == joined.is_ok()), "only the next opens");
                match joined {
                    Ok(seat) => {
                        assert_eq!(seat.room_id(), id, "another room");
                        self.seated(seat);
                    }
                    Err(refused) => self.refused(id, refused),
                }
            }
            Op::JoinOrNext(name) => {
                let Some(id) = self.id(name) else { return };
                let admits =
                    self.jams.open.get(&id).is_some_and(|jam| self.jams.shut(jam).is_none());
                match lobby.join_room_or_any(id) {
                    Ok(seat) if seat.room_id() == id => self.seated(seat),
                    joined => {
                        assert!(!admits, "another room, though there was a seat");
                        self.joined(joined);
                    }
                }
            }
            Op::Leave(pick) => {
                let Some(index) = self.pick(pick) else { return };
                let seat = self.held.swap_remove(index);
                let (id, number) = (seat.room_id(), seat.number());
                drop(seat);
                let jam = self.jams.open.get_mut(&id).expect("the room of a seat is open");
                assert!(jam.numbers.remove(&number));
                if jam.numbers.is_empty() {
                    self.jams.open.remove(&id);
                    self.jams.closed.insert(id);
                }
            }
            Op::Leak(pick) => {
                let Some(index) = self.pick(pick) else { return };
                std::mem::forget(self.held.swap_remove(index));
                self.leaked += 1;
            }
            Op::SetLock(name, locked) => {
                let Some(id) = self.id(name) else { return };
                let done = if locked { lobby.lock(id) } else { lobby.unlock(id) };
                let jam = self.jams.open.get_mut(&id);
                assert_eq!(done, jam.is_some(), "locks are for open rooms");
                jam.into_iter().for_each(|jam| jam.locked = locked);
                self.look(id);
            }
            Op::Start(pick) => {
                let Some(index) = self.pick(pick) else { return };
                let seat = &self.held[index];
                let jam =
                    self.jams.open.get_mut(&seat.room_id()).expect("the room of a seat is open");
                let members = jam.numbers.len();
                match seat.start() {
                    Ok(there) => assert_eq!(there as usize, members),
                    Err(few) => {
                        assert_eq!(
                            (few.occupied as usize, few.quorum as usize),
                            (members, self.quorum)
                        );
                    }
                }
                assert_eq!(seat.start().is_ok(), members >= self.quorum);
                jam.locked |= members >= self.quorum;
            }
        }
    }

    fn pick(&self, pick: u8) -> Option<usize> {
        usize::from(pick).checked_rem(self.held.len())
    }

    /// What the lobby says about one room.
    fn look(&self, id: RoomId) {
        let room = self.lobby.room(id);
        assert_eq!(room.is_some(), self.jams.open.contains_key(&id));
        assert!(room.map_or(true, |room| room.id == id));
    }

    fn compare(&self, op: Option<Op>) {
        let rows: BTreeMap<_, _> = self
            .lobby
            .rooms()
            .map(|room| (room.id, (room.members as usize, room.locked)))
            .collect();
        let jams = &self.jams;
        let expected: BTreeMap<_, _> =
            jams.open.iter().map(|(&id, jam)| (id, (jam.numbers.len(), jam.locked))).collect();
        assert_eq!(rows, expected, "after {op:?}");
        let stats = self.lobby.stats();
        assert_eq!((stats.rooms, stats.members), (rows.len(), self.held.len() + self.leaked));
        let count = |counts: fn(&Jam, usize) -> bool| {
            jams.open.values().filter(|jam| counts(jam, jams.seats)).count()
        };
        assert_eq!(stats.full, count(|jam, seats| jam.numbers.len() == seats));
        assert_eq!(stats.locked, count(|jam, _| jam.locked));
    }
}

/// Does what `ops` say, to a lobby and to a plain collection. Panics where they differ.
pub(crate) fn check(setup: Setup, ops: impl IntoIterator<Item = Op>) {
    let Setup { seats, quorum, max_rooms, shards } = setup;
    let living = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&living);
    let mut builder = Lobby::builder(seats).quorum(quorum).shards(shards);
    if let Some(max_rooms) = max_rooms {
        builder = builder.max_rooms(max_rooms);
    }
    let lobby = builder.build_with(move |id| {
        counted.fetch_add(1, Ordering::Relaxed);
        Living { id, count: Arc::clone(&counted) }
    });
    // The places and lives of its rooms are as those of this lobby's.
    let other = Lobby::builder(1).shards(shards).build();
    let foreign: Vec<RoomId> = (0..2)
        .flat_map(|_| {
            [(); 3].map(|()| other.join().expect("there is no limit")).map(|s| s.room_id())
        })
        .collect();

    let max_rooms = max_rooms.map_or(usize::MAX, |rooms| rooms as usize);
    let (open, closed) = Default::default();
    let jams = Jams { seats: seats as usize, max_rooms, open, closed };
    let (held, told) = Default::default();
    let quorum = quorum as usize;
    let mut pair = Pair { lobby: &lobby, quorum, foreign: &foreign, jams, held, leaked: 0, told };
    for op in ops {
        pair.act(op);
        pair.compare(Some(op));
        assert_eq!(living.load(Ordering::Relaxed), pair.jams.open.len(), "states after {op:?}");
    }
    while !pair.held.is_empty() {
        pair.act(Op::Leave(0));
    }
    pair.compare(None);
    drop(pair);
    drop(lobby);
    assert_eq!(living.load(Ordering::Relaxed), 0, "states without a lobby");
}
