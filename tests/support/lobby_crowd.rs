//! A crowd in a lobby whose rooms close and open again all the time. Each seat that a thread gets
//! is checked against the state of its room, where members record themselves. `tests/stress` runs
//! the crowd on real threads, `tests/shuttle` on scheduled ones.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{Lobby, Party, RoomId, Seat};

/// Counts the states: those that exist, and those ever made.
#[derive(Default)]
pub(crate) struct Living {
    pub(crate) now: AtomicU32,
    pub(crate) made: AtomicU32,
}

/// The number of members that a room needs to start.
const QUORUM: u32 = 2;

/// The settings of a crowd and its lobby.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) threads: usize,
    pub(crate) seats: u32,
    pub(crate) shards: u32,
    pub(crate) max_rooms: u32,
    /// The largest number of seats that a thread keeps. With 0, rooms close as soon as they open.
    pub(crate) keep: usize,
}

impl Scene {
    pub(crate) fn lobby(&self, living: &Arc<Living>) -> Lobby<Room> {
        let (seats, living) = (self.seats, Arc::clone(living));
        let builder = Lobby::builder(seats).shards(self.shards).quorum(seats.min(QUORUM));
        builder.max_rooms(self.max_rooms).build_with(move |id| Room::open(id, seats, &living))
    }

    /// Fails unless every free seat can be taken, once calls are quiet and every room is unlocked.
    /// Returns the number of seats that were held.
    pub(crate) fn settle(&self, lobby: &Lobby<Room>, living: &Living) -> usize {
        let stats = lobby.stats();
        assert_eq!((stats.locked, living.now.load(Ordering::Acquire) as usize), (0, stats.rooms));
        // Seats of unlisted rooms are free to callers that name them.
        for room in lobby.rooms().filter(|room| !room.listed) {
            assert!(lobby.set_listed(room.id, true), "a room with a member is open");
        }
        let all: Vec<_> = std::iter::from_fn(|| lobby.join().ok().map(Checked::new)).collect();
        let places = (self.seats * self.max_rooms) as usize;
        assert_eq!(stats.members + all.len(), places, "places are lost");
        stats.members
    }
}

/// A room's state, in which members record the seats that they hold.
pub(crate) struct Room {
    id: RoomId,
    sits: Vec<AtomicBool>,
    members: AtomicU32,
    living: Arc<Living>,
}

impl Room {
    pub(crate) fn open(id: RoomId, seats: u32, living: &Arc<Living>) -> Room {
        living.now.fetch_add(1, Ordering::AcqRel);
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

/// A seat that is checked when it is taken and when it is dropped.
pub(crate) struct Checked<'a>(Seat<'a, Room>);

impl<'a> Checked<'a> {
    pub(crate) fn new(seat: Seat<'a, Room>) -> Self {
        let room = seat.state();
        assert_eq!(room.id, seat.room_id(), "a ghost: the room is in another generation");
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
        assert_eq!(room.id, self.0.room_id(), "the room went on without its member");
        room.members.fetch_sub(1, Ordering::Relaxed);
        assert!(room.sits[self.0.number() as usize].swap(false, Ordering::Relaxed));
    }
}

/// Xorshift.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// The index of one of these, if there are any.
    fn pick<T>(&mut self, items: &[T]) -> Option<usize> {
        (!items.is_empty()).then(|| self.below(items.len()))
    }
}

#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) seated: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) quorums: AtomicUsize,
}

/// One thread of the crowd.
pub(crate) struct CrowdMember<'a> {
    lobby: &'a Lobby<Room>,
    keep: usize,
    pub(crate) dice: Dice,
    held: Vec<Checked<'a>>,
    /// Up to eight rooms that the lobby has named, lately or long ago.
    named: Vec<RoomId>,
    /// Rooms that were seen to be closed.
    gone: HashSet<RoomId>,
    sums: &'a Sums,
}

impl<'a> CrowdMember<'a> {
    pub(crate) fn new(scene: Scene, lobby: &'a Lobby<Room>, dice: Dice, sums: &'a Sums) -> Self {
        let (held, named, gone) = Default::default();
        CrowdMember { lobby, keep: scene.keep, dice, held, named, gone, sums }
    }

    /// Takes a seat or several together, drops one, opens a room, locks or unlists one for a
    /// moment, or asks which room is filling.
    pub(crate) fn act(&mut self) {
        let lobby = self.lobby;
        match self.dice.below(25) {
            20 | 21 => {
                let n = 1 + self.dice.below(lobby.seats().min(4) as usize) as u32;
                self.seated_together(n, lobby.join_many(n).ok());
            }
            22 => {
                let Some(id) = self.recall() else { return };
                let n = 1 + self.dice.below(lobby.seats().min(3) as usize) as u32;
                let party = lobby.join_room_many(id, n).ok();
                assert!(party.as_ref().is_none_or(|party| party.room_id() == id), "another room");
                self.seated_together(n, party);
            }
            23 => {
                let listed = self.dice.below(2) == 0;
                let opened = if listed { lobby.open_room() } else { lobby.open_unlisted() };
                self.seated(opened.ok());
            }
            24 => {
                let Some(id) = self.recall() else { return };
                if lobby.set_listed(id, false) && self.dice.below(4) > 0 {
                    lobby.set_listed(id, true);
                }
            }
            0..=5 => self.seated(lobby.join().ok()),
            6 | 7 => {
                let Some(id) = self.recall() else { return };
                let joined = lobby.join_room(id);
                assert!(joined.as_ref().map_or(true, |seat| seat.room_id() == id), "another room");
                if let Some(next) = joined.as_ref().err().and_then(|refused| refused.try_next()) {
                    self.remember(next);
                }
                self.seated(joined.ok());
            }
            8 => self.seated(lobby.join_room_or_any(lobby.filling()).ok()),
            9 => {
                let Some(index) = self.dice.pick(&self.held) else { return };
                let seat = &self.held[index].0;
                if let Ok(there) = seat.start() {
                    assert!(there >= lobby.seats().min(QUORUM), "started with too few");
                    // Another thread may have unlocked it.
                    drop(lobby.join_room(seat.room_id()).map(Checked::new));
                    assert!(lobby.unlock(seat.room_id()), "a room with a member is open");
                }
            }
            10 => self.remember(lobby.filling()),
            11 => {
                let Some(id) = self.recall() else { return };
                if lobby.lock(id) {
                    lobby.unlock(id);
                }
            }
            _ => self.leave(),
        }
    }

    fn seated(&mut self, seat: Option<Seat<'a, Room>>) {
        let Some(seat) = seat else {
            self.sums.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        assert!(!self.gone.contains(&seat.room_id()), "a ghost: the room has closed");
        self.sums.seated.fetch_add(1, Ordering::Relaxed);
        self.sums.quorums.fetch_add(usize::from(seat.completed_quorum()), Ordering::Relaxed);
        self.remember(seat.room_id());
        self.held.push(Checked::new(seat));
        if self.held.len() > self.keep {
            self.leave();
        }
    }

    fn seated_together(&mut self, n: u32, party: Option<Party<'a, Room>>) {
        let Some(party) = party else {
            self.sums.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let id = party.room_id();
        assert!(party.seats().iter().all(|seat| seat.room_id() == id && seat.members() >= n));
        assert_eq!(party.len(), n as usize);
        party.into_seats().into_iter().for_each(|seat| self.seated(Some(seat)));
    }

    fn leave(&mut self) {
        let Some(index) = self.dice.pick(&self.held) else { return };
        let seat = self.held.swap_remove(index);
        let id = seat.0.room_id();
        drop(seat);
        if self.lobby.room(id).is_none() {
            self.gone.insert(id);
        }
    }

    fn remember(&mut self, id: RoomId) {
        if self.named.len() < 8 {
            self.named.push(id);
        } else {
            self.named[self.dice.below(8)] = id;
        }
    }

    fn recall(&mut self) -> Option<RoomId> {
        self.dice.pick(&self.named).map(|index| self.named[index])
    }
}
