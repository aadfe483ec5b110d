//! The lobby against a plain sequential jam collection.
//!
//! With one shard and one caller at a time, after every operation:
//! - *best-fit*: a join is seated in a most populated room that is open, unlocked and has a free seat,
//!   and a room opens only if there is none; `filling` names that room beforehand.
//! - *seat-distinct*: its number is the lowest that is free in the room.
//! - *no-ghost*: the id of a room that has closed is refused as gone.
//! - *never-over*, *no-leak*: rooms, members, quorum and state are as in the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{JoinRefusal, Lobby, RoomId, Seat};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Join,
    JoinTold(usize),
    JoinOrNext(usize),
    Leave(usize),
    Lock(usize, bool),
    Start(usize),
    Forget,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => Just(Act::Join),
        2 => any::<usize>().prop_map(Act::JoinTold),
        2 => any::<usize>().prop_map(Act::JoinOrNext),
        8 => any::<usize>().prop_map(Act::Leave),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(room, locked)| Act::Lock(room, locked)),
        1 => any::<usize>().prop_map(Act::Start),
        1 => Just(Act::Forget),
    ];
    prop::collection::vec(act, 1..400)
}

/// Rooms, plainly.
#[derive(Default)]
struct Jams {
    open: BTreeMap<RoomId, (BTreeSet<u32>, bool)>,
}

impl Jams {
    fn best(&self, seats: u32) -> Option<usize> {
        let admits =
            |(members, locked): &&(BTreeSet<u32>, bool)| !locked && members.len() < seats as usize;
        self.open.values().filter(admits).map(|(members, _)| members.len()).max()
    }

    fn members(&self, id: RoomId) -> usize {
        self.open.get(&id).map_or(0, |(members, _)| members.len())
    }
}

struct Run<'a> {
    lobby: &'a Lobby<Living>,
    seats: u32,
    quorum: u32,
    max_rooms: usize,
    jams: Jams,
    held: Vec<Seat<'a, Living>>,
    told: Vec<RoomId>,
}

impl<'a> Run<'a> {
    fn seated(&mut self, seat: Seat<'a, Living>) {
        let (members, locked) = self.jams.open.entry(seat.room()).or_default();
        let lowest = (0..).find(|number| !members.contains(number)).unwrap();
        assert_eq!(seat.number(), lowest, "not the lowest free seat");
        assert!(members.insert(seat.number()) && !*locked);
        assert!(members.len() <= self.seats as usize, "over");
        assert_eq!(seat.members() as usize, members.len());
        assert_eq!(seat.completed_quorum(), members.len() == self.quorum as usize);
        self.told.push(seat.room());
        self.held.push(seat);
    }

    fn join(&mut self, joined: impl FnOnce(&'a Lobby<Living>) -> Option<Seat<'a, Living>>) {
        let best = self.jams.best(self.seats);
        let expected = self.lobby.filling();
        let full = best.is_none() && self.jams.open.len() == self.max_rooms;
        match joined(self.lobby) {
            Some(seat) => {
                assert!(!full, "more rooms than may be");
                assert_eq!(seat.room(), expected, "not the room that was filling");
                assert_eq!(self.jams.members(seat.room()), best.unwrap_or(0), "not the best fit");
                self.seated(seat);
            }
            None => assert!(full, "refused, though there is a place"),
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Join => self.join(|lobby| lobby.join().ok()),
            Act::JoinTold(pick) => {
                self.told.push(self.lobby.filling());
                let id = self.told[pick % self.told.len()];
                let known =
                    self.jams.open.get(&id).map(|(members, locked)| (members.len(), *locked));
                match (self.lobby.join_room(id), known) {
                    (Ok(seat), Some((members, false))) if members < self.seats as usize => {
                        self.seated(seat);
                    }
                    (Ok(seat), None) => {
                        assert!(self.jams.open.len() < self.max_rooms, "more rooms than may be");
                        assert_eq!(seat.members(), 1);
                        self.seated(seat);
                    }
                    (Ok(seat), known) => panic!("{seat:?} in a room with {known:?}"),
                    (Err(refused), known) => {
                        let reason = match known {
                            Some((_, true)) => JoinRefusal::Locked,
                            Some(_) => JoinRefusal::Full,
                            None if refused.reason.is_full() => {
                                assert_eq!(self.jams.open.len(), self.max_rooms);
                                JoinRefusal::Full
                            }
                            None => JoinRefusal::Gone,
                        };
                        assert_eq!(refused.reason, reason);
                        if let Some((members, false)) = known {
                            assert_eq!(
                                members, self.seats as usize,
                                "refused, though there is a place"
                            );
                        }
                        let best = self.jams.best(self.seats);
                        let place = best.is_some() || self.jams.open.len() < self.max_rooms;
                        assert_eq!(refused.try_next, place.then(|| self.lobby.filling()));
                    }
                }
            }
            Act::JoinOrNext(pick) if !self.told.is_empty() => {
                let id = self.told[pick % self.told.len()];
                let known = self.jams.open.get(&id);
                if known
                    .is_some_and(|(members, locked)| !locked && members.len() < self.seats as usize)
                {
                    let seat = self.lobby.join_or_next(id).expect("there is a place");
                    assert_eq!(seat.room(), id);
                    self.seated(seat);
                } else if known.is_some() {
                    self.join(|lobby| lobby.join_or_next(id).ok());
                }
            }
            Act::Leave(pick) if !self.held.is_empty() => {
                let seat = self.held.swap_remove(pick % self.held.len());
                let (members, _) = self.jams.open.get_mut(&seat.room()).unwrap();
                assert!(members.remove(&seat.number()));
                if members.is_empty() {
                    self.jams.open.remove(&seat.room());
                }
            }
            Act::Lock(pick, locked) if !self.told.is_empty() => {
                let id = self.told[pick % self.told.len()];
                let done = if locked { self.lobby.lock(id) } else { self.lobby.unlock(id) };
                let room = self.jams.open.get_mut(&id);
                assert_eq!(done, room.is_some());
                if let Some((_, is_locked)) = room {
                    *is_locked = locked;
                }
            }
            Act::Start(pick) if !self.held.is_empty() => {
                let seat = &self.held[pick % self.held.len()];
                let (members, locked) = self.jams.open.get_mut(&seat.room()).unwrap();
                let stands = members.len() >= self.quorum as usize;
                match seat.start() {
                    Ok(there) => assert!(stands && there as usize == members.len()),
                    Err(few) => assert!(!stands && few.members as usize == members.len()),
                }
                *locked |= stands;
            }
            Act::Forget => self.told.clear(),
            _ => {}
        }
    }

    fn check(&self, living: &AtomicUsize) {
        let rows: BTreeMap<_, _> = self
            .lobby
            .rooms()
            .map(|room| (room.id, (room.members as usize, room.locked)))
            .collect();
        let expected: BTreeMap<_, _> = self
            .jams
            .open
            .iter()
            .map(|(&id, (members, locked))| (id, (members.len(), *locked)))
            .collect();
        assert_eq!(rows, expected);
        assert_eq!(living.load(Ordering::Relaxed), expected.len(), "states");
        let stats = self.lobby.stats();
        assert_eq!((stats.rooms, stats.members), (rows.len(), self.held.len()));
    }
}

/// A room's state, which counts those that live.
struct Living(Arc<AtomicUsize>);

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_lobby_is_a_jam_collection(
        seats in prop_oneof![1..=8_u32, 30..=35_u32, 63..=66_u32],
        quorum in 1..=8_u32,
        max_rooms in prop_oneof![Just(usize::MAX), 1..=6_usize],
        acts in acts(),
    ) {
        let living = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&living);
        let quorum = quorum.min(seats);
        let mut builder = Lobby::builder(seats).quorum(quorum);
        if max_rooms != usize::MAX {
            builder = builder.max_rooms(max_rooms as u32);
        }
        let lobby = builder.build_with(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Living(Arc::clone(&counted))
        });
        let (jams, held, told) = Default::default();
        let mut run = Run { lobby: &lobby, seats, quorum, max_rooms, jams, held, told };
        for act in &acts {
            run.act(act);
            run.check(&living);
        }
        drop(run);
        prop_assert_eq!(lobby.stats().members, 0);
        prop_assert_eq!(living.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_room_id_is_what_it_prints(number: u64) {
        if let Ok(id) = RoomId::try_from(number) {
            prop_assert_eq!(u64::from(id), number);
            prop_assert_eq!(id.to_string().parse::<RoomId>(), Ok(id));
            prop_assert!(Lobby::new(7).join_room(id).is_err() || Lobby::new(7).room(id).is_none());
        }
    }

    #[test]
    fn no_text_is_a_room_id_but_what_is_printed(text in "[0-9a-fA-F+x ]{14,18}|.{0,20}") {
        if let Ok(id) = text.parse::<RoomId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
