//! A lobby beside a plain collection of jams. Shared by the properties and the fuzz target.
//!
//! With one caller at a time, after every operation:
//! - *best-fit*: a join is seated in a most populated room that is open, unlocked and has a free
//!   seat, and a room opens only if there is none; `filling` and refusals name such a room.
//! - *seat-distinct*: its number is the lowest that is free in the room.
//! - *no-ghost*: the id of a room that has closed, or of another lobby, is refused as gone, and a
//!   forged one is never seated but in the room that bears it.
//! - *never-over*, *no-leak*: rooms, members, quorum, locks and states are as in the collection.
//! - *together*: a party is seated in one room, in a most populated one that takes all of it.
//! - An unlisted room is entered by its id alone, which was not named before the room opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{JoinError, JoinRoomError, JoinRoomErrorKind, Lobby, RoomId, Seat};

/// The settings of a lobby.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) seats: u32,
    pub(crate) quorum: u32,
    pub(crate) max_rooms: Option<u32>,
    /// The single caller prefers one shard. It opens rooms in the others at its share of the limit,
    /// or by their ids; then the rooms of its own shard go before fuller ones.
    pub(crate) shards: u32,
}

impl Setup {
    /// Reads settings from any bytes: small rooms, or rooms about as large as a word, or two words.
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

/// The room that an operation names. A `u8` counts how long ago the lobby named it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// Open, closed, or never opened.
    Named(u8),
    Filling,
    /// An id that the lobby named, with one bit changed.
    Forged {
        named: u8,
        bit: u8,
    },
    Foreign(u8),
}

/// One operation. A `u8` picks among the seats held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Join,
    /// Asks for the filling room, then joins.
    Follow,
    JoinRoom(Name),
    JoinRoomOrAny(Name),
    Leave(u8),
    Leak(u8),
    SetLock(Name, bool),
    SetListed(Name, bool),
    Start(u8),
    JoinMany(u8),
    JoinRoomMany(Name, u8),
    /// Opens a listed room, or an unlisted one.
    Open(bool),
}

impl Op {
    /// Reads an operation from any bytes, so that bytes can be shrunk.
    pub(crate) fn from_bytes([kind, pick, which]: [u8; 3]) -> Op {
        let name = match which % 8 {
            0..=3 => Name::Named(pick),
            4 | 5 => Name::Filling,
            6 => Name::Forged { named: pick, bit: which >> 3 | kind & 0b10_0000 },
            _ => Name::Foreign(pick),
        };
        match kind % 40 {
            0..=7 => Op::Join,
            8 => Op::Follow,
            9..=12 => Op::JoinRoom(name),
            13..=16 => Op::JoinRoomOrAny(name),
            17..=25 => Op::Leave(pick),
            26 => Op::Leak(pick),
            27 | 28 => Op::SetLock(name, true),
            29 | 30 => Op::SetLock(name, false),
            31 => Op::Start(pick),
            32..=34 => Op::JoinMany(pick),
            35 | 36 => Op::JoinRoomMany(name, pick >> 4 | which >> 4 << 4),
            37 => Op::Open(pick % 2 == 0),
            38 => Op::SetListed(name, false),
            _ => Op::SetListed(name, true),
        }
    }
}

/// One room of the plain collection.
#[derive(Default)]
struct Jam {
    numbers: BTreeSet<u32>,
    locked: bool,
    unlisted: bool,
}

/// The plain collection.
struct Jams {
    seats: usize,
    max_rooms: usize,
    /// With one shard, the most populated room goes before all others.
    shards: u32,
    open: BTreeMap<RoomId, Jam>,
    closed: BTreeSet<RoomId>,
}

impl Jams {
    /// Returns why an open room refuses `n` callers that name it, if it does.
    fn refusal(&self, jam: &Jam, n: usize) -> Option<JoinRoomErrorKind> {
        if jam.locked {
            Some(JoinRoomErrorKind::Locked)
        } else {
            (jam.numbers.len() + n > self.seats).then_some(JoinRoomErrorKind::Full)
        }
    }

    /// Returns whether an open room takes `n` callers that name no room.
    fn admits(&self, jam: &Jam, n: usize) -> bool {
        !jam.unlisted && self.refusal(jam, n).is_none()
    }

    /// Returns the number of members of the rooms that `n` callers may be sent to; 0 if a new one
    /// opens.
    fn best(&self, n: usize) -> Option<usize> {
        let admitting = self.open.values().filter(|jam| self.admits(jam, n));
        let most = admitting.map(|jam| jam.numbers.len()).max();
        most.or_else(|| self.may_open().then_some(0))
    }

    fn may_open(&self) -> bool {
        self.open.len() < self.max_rooms
    }

    fn members(&self, id: RoomId) -> usize {
        self.open.get(&id).map_or(0, |jam| jam.numbers.len())
    }

    /// Returns whether `n` callers may be sent there.
    fn fits(&self, id: RoomId, n: usize) -> bool {
        let admits = match self.open.get(&id) {
            Some(jam) => self.admits(jam, n),
            None => !self.closed.contains(&id),
        };
        match (self.best(n), self.members(id)) {
            (Some(best), members) if self.shards == 1 || best == 0 || members == 0 => {
                admits && best == members
            }
            (best, _) => admits && best.is_some(),
        }
    }
}

/// A room's state, which counts the states that exist.
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
    named: Vec<RoomId>,
}

impl<'a> Pair<'a> {
    fn id(&mut self, name: Name) -> Option<RoomId> {
        let named = |ago: u8| {
            let last = self.named.len().checked_sub(1)?;
            Some(self.named[last - usize::from(ago) % self.named.len()])
        };
        match name {
            Name::Named(ago) => named(ago),
            Name::Filling => Some(self.filling()),
            Name::Forged { named: ago, bit } => {
                RoomId::try_from(u64::from(named(ago)?) ^ 1 << (bit % 64)).ok()
            }
            Name::Foreign(pick) => Some(self.foreign[usize::from(pick) % self.foreign.len()]),
        }
    }

    fn filling(&mut self) -> RoomId {
        let id = self.lobby.filling();
        match self.jams.best(1) {
            Some(_) => assert!(self.jams.fits(id, 1), "{id} is not the best fit"),
            None => assert!(!self.jams.open.contains_key(&id), "{id} is open, and refuses"),
        }
        self.named.push(id);
        id
    }

    fn seated(&mut self, seat: Seat<'a, Living>) {
        self.seated_together(seat.room_id(), vec![seat]);
    }

    fn seated_together(&mut self, id: RoomId, seats: Vec<Seat<'a, Living>>) {
        assert!(!self.jams.closed.contains(&id) && !self.foreign.contains(&id), "a ghost");
        assert!(self.jams.open.contains_key(&id) || self.jams.may_open(), "too many rooms");
        let jam = self.jams.open.entry(id).or_default();
        for seat in &seats {
            let lowest = (0..).find(|number| !jam.numbers.contains(number));
            assert_eq!((seat.room_id(), Some(seat.number())), (id, lowest), "not the lowest seat");
            assert!(jam.numbers.len() < self.jams.seats && !jam.locked, "over");
            jam.numbers.insert(seat.number());
            assert_eq!(seat.completed_quorum(), jam.numbers.len() == self.quorum);
            assert_eq!(seat.state().id, id, "the state of another room");
        }
        assert!(seats.iter().all(|seat| seat.members() as usize == jam.numbers.len()));
        self.named.push(id);
        self.held.extend(seats);
    }

    /// Returns the number of members of a party: mostly one that a room can seat.
    fn party(&self, pick: u8) -> (u32, bool) {
        let seats = self.jams.seats as u32;
        let n = u32::from(pick) % (seats + 2);
        (n, (1..=seats).contains(&n))
    }

    /// Checks the outcome of a join that named no room.
    fn joined(&mut self, joined: Result<Seat<'a, Living>, JoinError>) {
        self.joined_together(1, joined.map(|seat| (seat.room_id(), vec![seat])));
    }

    fn joined_together(
        &mut self,
        n: usize,
        joined: Result<(RoomId, Vec<Seat<'a, Living>>), JoinError>,
    ) {
        match joined {
            Ok((id, seats)) => {
                assert!(self.jams.fits(id, n), "not the best fit");
                assert_eq!(seats.len(), n);
                self.seated_together(id, seats);
            }
            Err(error) => {
                assert!(error.is_full());
                assert_eq!(self.jams.best(n), None, "refused, though there are seats")
            }
        }
    }

    fn refused(&mut self, id: RoomId, n: usize, refused: JoinRoomError) {
        let kind = refused.kind();
        match self.jams.open.get(&id) {
            Some(jam) => assert_eq!(Some(kind), self.jams.refusal(jam, n)),
            None if kind.is_full() => assert!(!self.jams.may_open(), "one more may be opened"),
            None => assert!(kind.is_gone()),
        }
        if self.jams.closed.contains(&id) || self.foreign.contains(&id) {
            assert!(kind.is_gone());
        }
        match refused.try_next() {
            Some(next) => {
                assert!(self.jams.fits(next, n), "{next} is not the best fit");
                assert_ne!(next, id, "sent to where it was refused");
                self.named.push(next);
            }
            None => assert_eq!(self.jams.best(n), None, "refused, though there are seats"),
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
                // If no open room admits, the filling room is the next to be opened.
                let opens = (self.jams.best(1) == Some(0) && !self.jams.open.contains_key(&id))
                    .then(|| lobby.filling() == id);
                let joined = lobby.join_room(id);
                // Each shard has a next room of its own.
                let others = self.jams.shards > 1 && joined.is_ok();
                let fits = |opens| opens == joined.is_ok() || others;
                assert!(opens.is_none_or(fits), "only the next opens");
                match joined {
                    Ok(seat) => {
                        assert_eq!(seat.room_id(), id, "another room");
                        self.seated(seat);
                    }
                    Err(refused) => self.refused(id, 1, refused),
                }
            }
            Op::JoinMany(pick) => {
                let (n, is_size) = self.party(pick);
                let joined = lobby.join_many(n);
                if !is_size {
                    assert!(joined.unwrap_err().is_party_size());
                    return;
                }
                let joined = joined.map(|party| (party.room_id(), party.into_seats()));
                self.joined_together(n as usize, joined);
            }
            Op::JoinRoomMany(name, pick) => {
                let Some(id) = self.id(name) else { return };
                let (n, is_size) = self.party(pick);
                match lobby.join_room_many(id, n) {
                    Ok(party) => {
                        assert_eq!((party.room_id(), party.len()), (id, n as usize));
                        self.seated_together(id, party.into_seats());
                    }
                    Err(refused) if is_size => self.refused(id, n as usize, refused),
                    Err(refused) => assert!(refused.is_party_size()),
                }
            }
            Op::Open(listed) => {
                let may_open = self.jams.may_open();
                match if listed { lobby.open_room() } else { lobby.open_unlisted() } {
                    Ok(seat) => {
                        let id = seat.room_id();
                        assert!(may_open && !self.jams.open.contains_key(&id), "not a new room");
                        assert!(listed || !self.named.contains(&id), "it was named before");
                        self.seated(seat);
                        self.jams.open.entry(id).or_default().unlisted = !listed;
                    }
                    Err(refused) => assert!(refused.is_full() && !may_open),
                }
            }
            Op::JoinRoomOrAny(name) => {
                let Some(id) = self.id(name) else { return };
                let admits =
                    self.jams.open.get(&id).is_some_and(|jam| self.jams.refusal(jam, 1).is_none());
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
            Op::SetListed(name, listed) => {
                let Some(id) = self.id(name) else { return };
                let done = lobby.set_listed(id, listed);
                let jam = self.jams.open.get_mut(&id);
                assert_eq!(done, jam.is_some(), "only open rooms are listed or not");
                jam.into_iter().for_each(|jam| jam.unlisted = !listed);
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

    /// Compares what the lobby reports about one room.
    fn look(&self, id: RoomId) {
        let room = self.lobby.room(id);
        assert_eq!(room.is_some(), self.jams.open.contains_key(&id));
        assert!(room.is_none_or(|room| room.id == id));
    }

    fn compare(&self, op: Option<Op>) {
        let rows: BTreeMap<_, _> = self
            .lobby
            .rooms()
            .map(|room| (room.id, (room.members as usize, room.locked, !room.listed)))
            .collect();
        let jams = &self.jams;
        let expected = |jam: &Jam| (jam.numbers.len(), jam.locked, jam.unlisted);
        let expected: BTreeMap<_, _> =
            jams.open.iter().map(|(&id, jam)| (id, expected(jam))).collect();
        assert_eq!(rows, expected, "after {op:?}");
        let stats = self.lobby.stats();
        assert_eq!((stats.rooms, stats.members), (rows.len(), self.held.len() + self.leaked));
        let count = |counts: fn(&Jam, usize) -> bool| {
            jams.open.values().filter(|jam| counts(jam, jams.seats)).count()
        };
        assert_eq!(stats.full, count(|jam, seats| jam.numbers.len() == seats));
        assert_eq!(stats.locked, count(|jam, _| jam.locked));
        assert_eq!(stats.unlisted, count(|jam, _| jam.unlisted));
    }
}

/// Applies `ops` to a lobby and to a plain collection. Panics where they differ.
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
    // Its rooms have the same locations and generations as those of this lobby.
    let other = Lobby::builder(1).shards(shards).build();
    let foreign: Vec<RoomId> = (0..2)
        .flat_map(|_| {
            [(); 3].map(|()| other.join().expect("there is no limit")).map(|s| s.room_id())
        })
        .collect();

    let max_rooms = max_rooms.map_or(usize::MAX, |rooms| rooms as usize);
    let (open, closed) = Default::default();
    let jams = Jams { seats: seats as usize, max_rooms, shards, open, closed };
    let (held, named) = Default::default();
    let quorum = quorum as usize;
    let mut pair = Pair { lobby: &lobby, quorum, foreign: &foreign, jams, held, leaked: 0, named };
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
