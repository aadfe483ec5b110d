//! Parties, rooms of one's own, and unlisted rooms.

use std::collections::HashSet;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use headcount::{JoinError, JoinRoomErrorKind, Lobby, OwnedParty, Party, RoomId, Seat};

fn numbers(party: &Party<'_>) -> Vec<u32> {
    party.seats().iter().map(Seat::number).collect()
}

mod together {
    use super::*;

    #[test]
    fn a_party_has_the_lowest_free_seats_of_one_room() {
        let lobby = Lobby::new(7);
        let mut singles: Vec<_> = (0..4).map(|_| lobby.join().unwrap()).collect();
        drop((singles.remove(2), singles.remove(0)));
        let party = lobby.join_many(3).unwrap();
        assert_eq!((party.len(), party.room_id()), (3, singles[0].room_id()));
        assert_eq!(numbers(&party), [0, 2, 4]);
        assert!(party.seats().iter().all(|seat| seat.members() == 5));
        assert_eq!(
            format!("{party:?}"),
            format!("Party {{ room: {:?}, numbers: [0, 2, 4], .. }}", party.room_id())
        );
    }

    #[test]
    fn a_party_has_distinct_seats_in_rooms_of_any_size() {
        for size in [2, 3, 23, 24, 25, 64, 65, 130, Lobby::<()>::MAX_SEATS] {
            let lobby = Lobby::builder(size).max_rooms(1).build();
            let single = lobby.join().unwrap();
            let party = lobby.join_many(size - 1).unwrap();
            assert_eq!(numbers(&party), (1..size).collect::<Vec<_>>());
            assert!(lobby.join().unwrap_err().is_full());
            drop(single);
            assert_eq!(lobby.join().unwrap().number(), 0);
            drop(party);
            let whole = lobby.join_many(size).unwrap();
            assert_eq!(numbers(&whole), (0..size).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_party_goes_to_the_fullest_room_that_has_seats_for_it() {
        let lobby = Lobby::new(5);
        // Rooms of 4, 3, 2 and 1 members.
        let rooms = [4, 3, 2, 1].map(|n| {
            let first = lobby.open_room().unwrap();
            let rest = (n > 1).then(|| lobby.join_room_many(first.room_id(), n - 1).unwrap());
            (first, rest)
        });
        let room = |at: usize| rooms[at].0.room_id();
        for (n, at) in [(2, 1), (3, 2), (4, 3)] {
            let party = lobby.join_many(n).unwrap();
            assert_eq!(party.room_id(), room(at), "{n}");
            drop(party);
        }
        assert_eq!(lobby.join_many(1).unwrap().room_id(), room(0));
        let party = lobby.join_many(5).unwrap();
        assert!(rooms.iter().all(|(seat, _)| seat.room_id() != party.room_id()));
    }

    #[test]
    fn a_room_that_is_not_filling_is_found_by_its_hint() {
        let lobby = Lobby::builder(3).max_rooms(3).build();
        let mut all: Vec<_> = (0..9).map(|_| lobby.join().unwrap()).collect();
        // Two seats become free in the second room, one in each of the others.
        let second = all[3].room_id();
        drop((all.remove(8), all.remove(4), all.remove(3), all.remove(0)));
        assert_eq!(lobby.join_many(2).unwrap().room_id(), second);
        assert!(lobby.join_many(3).unwrap_err().is_full());
        assert_eq!(lobby.join_many(2).unwrap().room_id(), second);
    }

    #[test]
    fn a_party_finds_the_rooms_of_every_shard() {
        let lobby = Lobby::builder(3).shards(3).max_rooms(3).build();
        let parties: Vec<_> = (0..3).map(|_| lobby.join_many(3).unwrap()).collect();
        assert!(lobby.join_many(2).unwrap_err().is_full());
        let rooms: HashSet<RoomId> = parties.iter().map(Party::room_id).collect();
        assert_eq!(rooms.len(), 3);
        for mut seats in parties.into_iter().map(Party::into_seats) {
            let id = seats[0].room_id();
            drop(seats.drain(..2));
            let party = lobby.join_many(2).unwrap();
            assert_eq!(party.room_id(), id);
            std::mem::forget((party, seats));
        }
    }

    #[test]
    fn a_size_that_no_room_can_seat_is_refused() {
        let lobby = Arc::new(Lobby::new(3));
        let text = "a party has from one member to as many as a room has seats";
        for n in [0, 4, u32::MAX] {
            let refused = lobby.join_many(n).unwrap_err();
            assert_eq!((refused, refused.to_string().as_str()), (JoinError::PartySize, text));
            assert!(refused.is_party_size() && !refused.is_full());
            assert!(lobby.clone().join_many_owned(n).unwrap_err().is_party_size());
            let refused = lobby.join_room_many(lobby.filling(), n).unwrap_err();
            assert_eq!(refused.kind(), JoinRoomErrorKind::PartySize);
            assert_eq!((refused.kind().to_string().as_str(), refused.try_next()), (text, None));
            assert!(
                refused.is_party_size() && !refused.is_full() && !JoinError::Full.is_party_size()
            );
        }
        assert_eq!(lobby.stats(), Default::default());
    }

    #[test]
    fn a_room_refuses_a_party_and_names_one_that_takes_it() {
        let lobby = Lobby::builder(4).max_rooms(3).build();
        let full = lobby.join_many(3).unwrap();
        let other = lobby.open_room().unwrap();
        let refused = lobby.join_room_many(full.room_id(), 2).unwrap_err();
        assert_eq!((refused.is_full(), refused.try_next()), (true, Some(other.room_id())));
        // A single caller would go to the first room.
        assert_eq!(lobby.filling(), full.room_id());
        let refused = lobby.join_room_many(full.room_id(), 4).unwrap_err();
        let unopened = refused.try_next().unwrap();
        assert!(lobby.room(unopened).is_none());
        let party = lobby.join_room_many(unopened, 4).unwrap();
        assert_eq!(party.room_id(), unopened);
        assert_eq!(lobby.join_room_many(full.room_id(), 4).unwrap_err().try_next(), None);
        lobby.lock(full.room_id());
        assert!(lobby.join_room_many(full.room_id(), 1).unwrap_err().is_locked());
        drop(party);
        assert!(lobby.join_room_many(unopened, 1).unwrap_err().is_gone());
    }

    #[test]
    fn one_seat_of_a_party_completes_the_quorum() {
        let lobby = Lobby::builder(8).quorum(4).build();
        let completed = |party: &Party<'_>| -> Vec<bool> {
            party.seats().iter().map(Seat::completed_quorum).collect()
        };
        let first = lobby.join_many(2).unwrap();
        let second = lobby.join_many(3).unwrap();
        let third = lobby.join_many(2).unwrap();
        assert_eq!(completed(&first), [false, false]);
        assert_eq!(completed(&second), [false, true, false]);
        assert_eq!(completed(&third), [false, false]);
        let parties = [&first, &second, &third].map(Party::completed_quorum);
        assert_eq!(parties, [false, true, false]);
        assert_eq!(second.seats()[0].start(), Ok(7));
    }

    #[test]
    fn a_party_that_opens_a_room_makes_its_state_once() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let lobby = Arc::new(Lobby::builder(4).build_with(move |id| {
            counted.fetch_add(1, Ordering::Relaxed);
            id
        }));
        let party: OwnedParty<_> = lobby.clone().join_many_owned(3).unwrap();
        assert_eq!((*party.state(), made.load(Ordering::Relaxed)), (party.room_id(), 1));
        let seats = party.into_seats();
        assert!(seats.iter().all(|seat| *seat.state() == seat.room_id()));
        drop(seats);
        assert_eq!(lobby.stats(), Default::default());
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_constructor_that_panics_makes_the_whole_party_leave() {
        let lobby = Lobby::builder(4).max_rooms(1).build_with(|_| -> () { panic!("no state") });
        for _ in 0..3 {
            let joined = catch_unwind(AssertUnwindSafe(|| drop(lobby.join_many(3))));
            assert!(joined.is_err());
            let joined = catch_unwind(AssertUnwindSafe(|| drop(lobby.open_unlisted())));
            assert!(joined.is_err());
            assert_eq!(lobby.stats(), Default::default());
        }
    }

    #[test]
    fn a_forgotten_party_keeps_its_places() {
        let lobby = Lobby::builder(4).max_rooms(1).build();
        std::mem::forget(lobby.join_many(3).unwrap());
        assert!(lobby.join_many(2).unwrap_err().is_full());
        assert_eq!(lobby.stats().members, 3);
    }

    #[test]
    fn parties_and_rooms_of_ones_own_are_sent_and_shared() {
        fn shared<T: Send + Sync>(_: &T) {}
        let lobby = Arc::new(Lobby::new(4));
        let party = lobby.clone().join_many_owned(3).unwrap();
        let room = party.room_id();
        shared(&lobby.join_many(1).unwrap());
        shared(&lobby.rooms());
        thread::spawn(move || drop(party)).join().unwrap();
        assert!(lobby.join_room_many_owned(room, 1).unwrap_err().is_gone());
    }

    /// Ten thousand parties of three against single callers. Each is seated in one room, or is
    /// refused while that can be right.
    #[test]
    fn ten_thousand_parties_of_three_sit_together_or_are_refused() {
        const ROOMS: u32 = 4;
        let lobby = Lobby::builder(5).max_rooms(ROOMS).build();
        let (seated, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for thread in 0..4 {
                let (lobby, seated, refused, start) = (&lobby, &seated, &refused, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut singles = Vec::new();
                    for round in 0..2_500 {
                        match lobby.join_many(3) {
                            Ok(party) => {
                                seated.fetch_add(1, Ordering::Relaxed);
                                let id = party.room_id();
                                let mut own = numbers(&party);
                                own.dedup();
                                assert_eq!(own.len(), 3);
                                assert!(party.seats().iter().all(|seat| seat.room_id() == id));
                                assert!(lobby.room(id).is_some_and(|room| room.members >= 3));
                            }
                            Err(error) => {
                                assert!(error.is_full());
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        if singles.len() > 3 {
                            drop(singles.swap_remove(round % 4));
                        }
                        singles.extend(lobby.join().ok());
                        if (round + thread) % 64 == 0 {
                            singles.clear();
                        }
                    }
                });
            }
        });
        assert_eq!(lobby.stats(), Default::default());
        let [seated, refused] = [&seated, &refused].map(|sum| sum.load(Ordering::Relaxed));
        assert_eq!(seated + refused, 10_000);
        assert!(seated > 1_000, "{seated} seated, {refused} refused");
        // Quiet: every party that fits is seated.
        let all: Vec<_> = std::iter::from_fn(|| lobby.join_many(3).ok()).collect();
        assert_eq!(all.len(), ROOMS as usize);
    }

    /// *exact-lobby*: every party finds room at every instant, so none is refused, and none opens a
    /// room.
    #[test]
    fn no_party_is_refused_while_a_room_has_seats_for_it() {
        let lobby = Lobby::builder(8).max_rooms(3).build();
        // One member stays in each room.
        let stays: Vec<_> = (0..3).map(|_| lobby.open_room().unwrap()).collect();
        // 21 seats are free. Four threads hold at most three seats each, so at each instant at
        // most 9 seats are held by the others, and one room has at least 3 of the 12 that are left.
        thread::scope(|scope| {
            for thread in 0..4_usize {
                let lobby = &lobby;
                scope.spawn(move || {
                    for round in 0..5_000 {
                        if (round + thread) % 3 == 0 {
                            let three: Vec<_> =
                                (0..3).map(|_| lobby.join().expect("a free seat")).collect();
                            drop(three);
                        } else {
                            drop(lobby.join_many(3).expect("three free seats in one room"));
                        }
                    }
                });
            }
        });
        assert_eq!(lobby.stats().members, stays.len());
    }
}

mod rooms_of_ones_own {
    use super::*;

    #[test]
    fn a_room_opens_whatever_seats_are_free() {
        let lobby = Arc::new(Lobby::builder(7).max_rooms(3).build());
        let guest = lobby.join().unwrap();
        let host = lobby.open_room().unwrap();
        let other = lobby.clone().open_room_owned().unwrap();
        let rooms = HashSet::from([guest.room_id(), host.room_id(), other.room_id()]);
        assert_eq!((rooms.len(), host.number(), host.members()), (3, 0, 1));
        let refused = lobby.open_room().unwrap_err();
        let text = "no open room fits the request, and no more rooms may be opened";
        assert_eq!((refused, refused.to_string().as_str()), (JoinError::Full, text));
        assert!(lobby.open_unlisted().unwrap_err().is_full());
        // It is a room like any other.
        drop(guest);
        let guests: Vec<_> = (0..6).map(|_| lobby.join().unwrap()).collect();
        assert!(guests.iter().all(|seat| seat.room_id() == guests[0].room_id()));
    }

    #[test]
    fn threads_that_open_rooms_get_one_each() {
        for shards in 1..=2 {
            let lobby = Lobby::builder(2).max_rooms(64).shards(shards).build();
            let hosts: Vec<_> = thread::scope(|scope| {
                let open = |thread: usize| {
                    let lobby = &lobby;
                    scope.spawn(move || {
                        let open = |n| match (n + thread) % 2 {
                            0 => lobby.open_room().unwrap(),
                            _ => lobby.open_unlisted().unwrap(),
                        };
                        (0..16).map(open).collect::<Vec<_>>()
                    })
                };
                let threads = [0, 1, 2, 3].map(open);
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            let rooms: HashSet<_> = hosts.iter().map(Seat::room_id).collect();
            assert_eq!(rooms.len(), 64);
            assert!(lobby.open_room().unwrap_err().is_full());
            assert_eq!(lobby.stats().unlisted, 32);
        }
    }
}

mod unlisted {
    use super::*;

    #[test]
    fn an_unlisted_room_is_joined_by_its_id_alone() {
        let lobby = Arc::new(Lobby::builder(3).max_rooms(2).build());
        let host = lobby.clone().open_unlisted_owned().unwrap();
        let id = host.room_id();
        assert!(!lobby.room(id).unwrap().listed && lobby.stats().unlisted == 1);
        assert_ne!(lobby.filling(), id);
        let guests: Vec<_> = (0..3).map(|_| lobby.join().unwrap()).collect();
        assert!(guests.iter().all(|seat| seat.room_id() != id));
        // It counts as one of the two rooms.
        assert!(lobby.join().unwrap_err().is_full());
        assert!(lobby.join_many(2).unwrap_err().is_full());
        let refused = lobby.join_room(guests[0].room_id()).unwrap_err();
        assert_eq!(refused.try_next(), None);
        let friend = lobby.join_room(id).unwrap();
        assert_eq!((friend.number(), friend.members()), (1, 2));
        assert!(lobby.join_room_many(id, 2).unwrap_err().is_full());
        assert_eq!(lobby.join_room_many(id, 1).unwrap().room_id(), id);
        assert_eq!(lobby.join_room_or_any(id).unwrap().room_id(), id);
        drop((friend, host));
        assert!(lobby.join_room(id).unwrap_err().is_gone());
    }

    #[test]
    fn a_room_that_is_listed_again_is_found() {
        let lobby = Lobby::new(3);
        let host = lobby.join().unwrap();
        let id = host.room_id();
        let fuller = lobby.open_room().unwrap();
        let other = lobby.join_room(fuller.room_id()).unwrap();
        assert!(lobby.set_listed(id, false));
        let guest = lobby.join_room(id).unwrap();
        drop(other);
        // The unlisted room has two members, the other one has one.
        assert_eq!(lobby.join().unwrap().room_id(), fuller.room_id());
        assert!(lobby.set_listed(id, true) && lobby.set_listed(id, true));
        assert_eq!((lobby.filling(), lobby.join().unwrap().room_id()), (id, id));
        drop((host, guest));
        assert!(!lobby.set_listed(id, false) && !lobby.set_listed(id, true));
        assert!(!Lobby::new(3).set_listed(id, false));
    }

    #[test]
    fn a_lock_and_a_listing_are_two_matters() {
        let lobby = Lobby::new(3);
        let host = lobby.open_unlisted().unwrap();
        let id = host.room_id();
        lobby.lock(id);
        assert!(lobby.join_room(id).unwrap_err().is_locked());
        lobby.set_listed(id, true);
        assert_ne!(lobby.join().unwrap().room_id(), id);
        lobby.set_listed(id, false);
        lobby.unlock(id);
        assert_ne!(lobby.join().unwrap().room_id(), id);
        assert!(lobby.join_room(id).is_ok());
        lobby.set_listed(id, true);
        assert_eq!(lobby.join().unwrap().room_id(), id);
    }

    /// The id of the next room is told to clients before the room opens. An unlisted room in its
    /// place has another id.
    #[test]
    fn an_id_that_was_named_before_does_not_lead_to_an_unlisted_room() {
        let lobby = Lobby::new(3);
        for _ in 0..3 {
            let told = lobby.filling();
            let host = lobby.open_unlisted().unwrap();
            assert_ne!(host.room_id(), told);
            assert!(lobby.join_room(told).unwrap_err().is_gone());
            assert_eq!(host.members(), 1);
        }
    }

    #[test]
    fn an_unlisted_room_of_one_seat_opens_and_closes() {
        let lobby = Lobby::builder(1).max_rooms(1).build();
        let ids: HashSet<_> = (0..100).map(|_| lobby.open_unlisted().unwrap().room_id()).collect();
        assert_eq!(ids.len(), 100);
        let seat = lobby.join().unwrap();
        assert!(lobby.set_listed(seat.room_id(), false) && lobby.set_listed(seat.room_id(), true));
        assert!(lobby.join().is_err());
    }
}
