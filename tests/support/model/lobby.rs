//! A lobby beside its specification. Shared by the properties and the fuzz target.
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

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{JoinError, JoinRoomError, JoinRoomErrorKind, Lobby, RoomId, Seat};
use headcount_spec::{Lobby as LobbySpec, Room, RoomRefusal};

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

/// A lobby, its seats, and its specification.
struct Pair<'a> {
    lobby: &'a Lobby<Living>,
    quorum: u32,
    /// With one shard, the most populated room goes before all others.
    shards: u32,
    foreign: &'a [RoomId],
    model: LobbySpec<RoomId>,
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

    /// Returns whether `n` callers may be sent there.
    fn fits(&self, id: RoomId, n: u32) -> bool {
        let best = self.model.best(n);
        if self.shards == 1 || best == Some(0) || self.model.members(id) == 0 {
            return self.model.fits(id, n);
        }
        best.is_some() && self.model.admits(id, n)
    }

    fn filling(&mut self) -> RoomId {
        let id = self.lobby.filling();
        match self.model.best(1) {
            Some(_) => assert!(self.fits(id, 1), "{id} is not the best fit"),
            None => assert!(!self.model.open.contains_key(&id), "{id} is open, and refuses"),
        }
        self.named.push(id);
        id
    }

    fn seated(&mut self, seat: Seat<'a, Living>) {
        self.seated_together(seat.room_id(), vec![seat]);
    }

    fn seated_together(&mut self, id: RoomId, seats: Vec<Seat<'a, Living>>) {
        assert!(!self.foreign.contains(&id), "a ghost");
        let before = self.model.members(id);
        let lowest = self.model.seat(id, seats.len() as u32);
        let numbers: Vec<_> = seats.iter().map(Seat::number).collect();
        assert_eq!(numbers, lowest, "not the lowest seats");
        for (seat, members) in seats.iter().zip(before + 1..) {
            assert_eq!(seat.room_id(), id);
            assert_eq!(seat.completed_quorum(), members == self.quorum);
            assert_eq!(seat.state().id, id, "the state of another room");
            assert_eq!(seat.members(), self.model.members(id));
        }
        self.named.push(id);
        self.held.extend(seats);
    }

    /// Returns the number of members of a party: mostly one that a room can seat.
    fn party(&self, pick: u8) -> (u32, bool) {
        let seats = self.model.seats;
        let n = u32::from(pick) % (seats + 2);
        (n, (1..=seats).contains(&n))
    }

    /// Checks the outcome of a join that named no room.
    fn joined(&mut self, joined: Result<Seat<'a, Living>, JoinError>) {
        self.joined_together(1, joined.map(|seat| (seat.room_id(), vec![seat])));
    }

    fn joined_together(
        &mut self,
        n: u32,
        joined: Result<(RoomId, Vec<Seat<'a, Living>>), JoinError>,
    ) {
        match joined {
            Ok((id, seats)) => {
                assert!(self.fits(id, n), "not the best fit");
                assert_eq!(seats.len(), n as usize);
                self.seated_together(id, seats);
            }
            Err(error) => {
                assert!(error.is_full());
                assert_eq!(self.model.best(n), None, "refused, though there are seats")
            }
        }
    }

    fn refused(&mut self, id: RoomId, n: u32, refused: JoinRoomError) {
        let kind = refused.kind();
        match self.model.refusal(id, n).expect("refused, though there are seats") {
            RoomRefusal::Full => assert!(kind.is_full()),
            RoomRefusal::Locked => assert_eq!(kind, JoinRoomErrorKind::Locked),
            RoomRefusal::Gone => assert!(kind.is_gone()),
            RoomRefusal::Vacant if kind.is_full() && !self.foreign.contains(&id) => {
                assert!(!self.model.may_open(), "one more may be opened");
            }
            RoomRefusal::Vacant => assert!(kind.is_gone()),
            RoomRefusal::Unlisted => unreachable!("the caller names it"),
        }
        match refused.try_next() {
            Some(next) => {
                assert!(self.fits(next, n), "{next} is not the best fit");
                assert_ne!(next, id, "sent to where it was refused");
                self.named.push(next);
            }
            None => assert_eq!(self.model.best(n), None, "refused, though there are seats"),
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
                let opens = (self.model.best(1) == Some(0) && !self.model.open.contains_key(&id))
                    .then(|| lobby.filling() == id);
                let joined = lobby.join_room(id);
                // Each shard has a next room of its own.
                let others = self.shards > 1 && joined.is_ok();
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
                self.joined_together(n, joined);
            }
            Op::JoinRoomMany(name, pick) => {
                let Some(id) = self.id(name) else { return };
                let (n, is_size) = self.party(pick);
                match lobby.join_room_many(id, n) {
                    Ok(party) => {
                        assert_eq!((party.room_id(), party.len()), (id, n as usize));
                        self.seated_together(id, party.into_seats());
                    }
                    Err(refused) if is_size => self.refused(id, n, refused),
                    Err(refused) => assert!(refused.is_party_size()),
                }
            }
            Op::Open(listed) => {
                let may_open = self.model.may_open();
                match if listed { lobby.open_room() } else { lobby.open_unlisted() } {
                    Ok(seat) => {
                        let id = seat.room_id();
                        assert!(may_open && !self.model.open.contains_key(&id), "not a new room");
                        assert!(listed || !self.named.contains(&id), "it was named before");
                        self.seated(seat);
                        assert!(self.model.set_listed(id, listed));
                    }
                    Err(refused) => assert!(refused.is_full() && !may_open),
                }
            }
            Op::JoinRoomOrAny(name) => {
                let Some(id) = self.id(name) else { return };
                let admits = self.model.refusal(id, 1).is_none();
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
                self.model.leave(id, number);
            }
            Op::Leak(pick) => {
                let Some(index) = self.pick(pick) else { return };
                std::mem::forget(self.held.swap_remove(index));
                self.leaked += 1;
            }
            Op::SetLock(name, locked) => {
                let Some(id) = self.id(name) else { return };
                let done = if locked { lobby.lock(id) } else { lobby.unlock(id) };
                let is_open = self.model.set_lock(id, locked, 0).is_some();
                assert_eq!(done, is_open, "locks are for open rooms");
                self.look(id);
            }
            Op::SetListed(name, listed) => {
                let Some(id) = self.id(name) else { return };
                let done = lobby.set_listed(id, listed);
                let is_open = self.model.set_listed(id, listed);
                assert_eq!(done, is_open, "only open rooms are listed or not");
            }
            Op::Start(pick) => {
                let Some(index) = self.pick(pick) else { return };
                let seat = &self.held[index];
                let expected = self.model.set_lock(seat.room_id(), true, self.quorum);
                let told = seat.start().map_err(|few| {
                    assert_eq!(few.quorum, self.quorum);
                    few.occupied
                });
                assert_eq!(Some(told), expected);
                assert_eq!(seat.start().is_ok(), told.is_ok());
            }
        }
    }

    fn pick(&self, pick: u8) -> Option<usize> {
        usize::from(pick).checked_rem(self.held.len())
    }

    /// Compares what the lobby reports about one room.
    fn look(&self, id: RoomId) {
        let room = self.lobby.room(id);
        assert_eq!(room.is_some(), self.model.open.contains_key(&id));
        assert!(room.is_none_or(|room| room.id == id));
    }

    fn compare(&self, op: Option<Op>) {
        let rows: BTreeMap<_, _> = self
            .lobby
            .rooms()
            .map(|room| (room.id, (room.members, room.locked, !room.listed)))
            .collect();
        let model = &self.model;
        let expected = |room: &Room| (room.members(), room.is_locked(), room.is_unlisted());
        let expected: BTreeMap<_, _> =
            model.open.iter().map(|(&id, room)| (id, expected(room))).collect();
        assert_eq!(rows, expected, "after {op:?}");
        let stats = self.lobby.stats();
        assert_eq!((stats.rooms, stats.members), (rows.len(), self.held.len() + self.leaked));
        let count =
            |counts: fn(&Room) -> bool| model.open.values().filter(|room| counts(room)).count();
        assert_eq!(stats.full, count(|room| room.members() == room.seats));
        assert_eq!(stats.locked, count(Room::is_locked));
        assert_eq!(stats.unlisted, count(Room::is_unlisted));
    }
}

/// Applies `ops` to a lobby and to its specification. Panics where they differ.
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
    let mut pair = Pair {
        lobby: &lobby,
        quorum,
        shards,
        foreign: &foreign,
        model: LobbySpec::new(seats, max_rooms),
        held: Vec::new(),
        leaked: 0,
        named: Vec::new(),
    };
    for op in ops {
        pair.act(op);
        pair.compare(Some(op));
        assert_eq!(living.load(Ordering::Relaxed), pair.model.open.len(), "states after {op:?}");
    }
    while !pair.held.is_empty() {
        pair.act(Op::Leave(0));
    }
    pair.compare(None);
    drop(pair);
    drop(lobby);
    assert_eq!(living.load(Ordering::Relaxed), 0, "states without a lobby");
}
