//! The lobby as its users see it: the operations of Loops With Friends' jam collection, balancer
//! and channel join, and the races between them.

use std::collections::{HashMap, HashSet};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use headcount::{JoinError, JoinRoomErrorKind, Lobby, RoomId, Seat};

fn seats(lobby: &Lobby, n: usize) -> Vec<Seat<'_>> {
    (0..n).map(|_| lobby.join().expect("no limit")).collect()
}

fn populations<T>(lobby: &Lobby<T>) -> Vec<u32> {
    let mut members: Vec<_> = lobby.rooms().map(|room| room.members).collect();
    members.sort_unstable();
    members
}

mod jam_collection {
    use super::*;

    #[test]
    fn a_new_lobby_has_no_rooms() {
        let lobby = Lobby::new(7);
        assert_eq!(lobby.rooms().count(), 0);
        assert_eq!(lobby.stats(), Default::default());
        assert!(lobby.room(lobby.filling()).is_none());
    }

    #[test]
    fn the_first_user_opens_a_room() {
        let lobby = Lobby::new(7);
        let seat = lobby.join().unwrap();
        assert_eq!((seat.number(), seat.members()), (0, 1));
        let info = lobby.room(seat.room_id()).unwrap();
        assert_eq!((info.id, info.members, info.seats, info.locked), (seat.room_id(), 1, 7, false));
    }

    #[test]
    fn users_fill_a_room_before_another_opens() {
        let lobby = Lobby::new(7);
        let seven = seats(&lobby, 7);
        assert!(seven.iter().all(|seat| seat.room_id() == seven[0].room_id()));
        assert_eq!(seven.iter().map(Seat::number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        let eighth = lobby.join().unwrap();
        assert_ne!(eighth.room_id(), seven[0].room_id());
        assert_eq!(eighth.number(), 0);
    }

    #[test]
    fn of_rooms_of_varying_population_the_fullest_with_a_free_seat_fills() {
        let lobby = Lobby::new(7);
        let mut all = seats(&lobby, 28);
        let rooms: Vec<RoomId> = all.iter().step_by(7).map(Seat::room_id).collect();
        // 7, 5, 3 and 1 members.
        for (room, leavers) in rooms.iter().zip([0, 2, 4, 6]) {
            for _ in 0..leavers {
                let at = all.iter().position(|seat| seat.room_id() == *room).unwrap();
                drop(all.remove(at));
            }
        }
        assert_eq!(populations(&lobby), [1, 3, 5, 7]);
        for expected in [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3] {
            assert_eq!(lobby.filling(), rooms[expected]);
            let seat = lobby.join().unwrap();
            assert_eq!(seat.room_id(), rooms[expected]);
            all.push(seat);
        }
        assert_eq!(populations(&lobby), [7, 7, 7, 7]);
    }

    #[test]
    fn a_room_that_another_thread_left_is_found() {
        let lobby = Lobby::new(3);
        let mut all = seats(&lobby, 9);
        let (one, another) = (all.swap_remove(4), all.swap_remove(1));
        let (left_there, left_here) = (one.room_id(), another.room_id());
        drop(another);
        thread::scope(|scope| scope.spawn(|| drop(one)).join().unwrap());
        // This thread has cached one room, and has to find the other by a search.
        assert_eq!(lobby.filling(), left_here);
        let again = seats(&lobby, 2);
        assert_eq!([again[0].room_id(), again[1].room_id()], [left_here, left_there]);
        assert_eq!(lobby.stats().rooms, 3);
    }

    #[test]
    fn a_room_that_is_joined_by_id_overtakes_the_filling_one() {
        let lobby = Lobby::new(4);
        let mut all = seats(&lobby, 8);
        let [one, other] = [all[0].room_id(), all[4].room_id()];
        all.retain(|seat| seat.number() < 2); // two and two
        all.push(lobby.join().unwrap()); // three in one of them
        let behind = if all[4].room_id() == one { other } else { one };
        let by_id = lobby.join_room(behind).unwrap();
        drop(all.pop()); // two and three
        assert_eq!(lobby.join().unwrap().room_id(), behind);
        drop(by_id);
    }

    #[test]
    fn the_last_user_to_leave_closes_the_room() {
        let lobby = Lobby::new(7);
        let mut two = seats(&lobby, 2);
        let room = two[0].room_id();
        two.pop();
        assert!(lobby.room(room).is_some());
        two.pop();
        assert!(lobby.room(room).is_none());
        assert_eq!(lobby.stats().rooms, 0);
        let refused = lobby.join_room(room).unwrap_err();
        assert_eq!(refused.kind(), JoinRoomErrorKind::Gone);
        assert_ne!(lobby.join().unwrap().room_id(), room);
    }

    #[test]
    fn stats_count_rooms_and_members() {
        let lobby = Lobby::new(2);
        let all = seats(&lobby, 5);
        lobby.lock(all[4].room_id());
        let stats = lobby.stats();
        assert_eq!((stats.rooms, stats.members, stats.full, stats.locked), (3, 5, 2, 1));
        drop(all);
        assert_eq!(lobby.stats(), Default::default());
    }
}

mod channel_join {
    use super::*;

    #[test]
    fn a_full_room_refuses_and_says_where_to_go() {
        let lobby = Lobby::new(2);
        let all = seats(&lobby, 3);
        let refused = lobby.join_room(all[0].room_id()).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.try_next()),
            (JoinRoomErrorKind::Full, Some(all[2].room_id()))
        );
        assert_eq!(lobby.join_room(all[2].room_id()).unwrap().number(), 1);
    }

    #[test]
    fn full_locked_and_gone_are_distinct() {
        let lobby = Lobby::new(1);
        let seat = lobby.join().unwrap();
        let room = seat.room_id();
        assert!(lobby.join_room(room).unwrap_err().is_full());
        lobby.lock(room);
        assert!(lobby.join_room(room).unwrap_err().is_locked());
        drop(seat);
        assert!(lobby.join_room(room).unwrap_err().is_gone());
    }

    #[test]
    fn a_refusal_by_a_lobby_without_any_place_names_no_room() {
        let lobby = Lobby::builder(1).max_rooms(1).build();
        let seat = lobby.join().unwrap();
        assert_eq!(lobby.join_room(seat.room_id()).unwrap_err().try_next(), None);
        let unopened = lobby.filling();
        if unopened != seat.room_id() {
            let refused = lobby.join_room(unopened).unwrap_err();
            assert_eq!((refused.kind(), refused.try_next()), (JoinRoomErrorKind::Full, None));
        }
    }

    #[test]
    fn the_filling_room_is_opened_by_the_first_caller_that_joins_it() {
        let lobby = Lobby::new(2);
        let named = lobby.filling();
        let seat = lobby.join_room(named).unwrap();
        assert_eq!((seat.room_id(), seat.number()), (named, 0));
        assert_eq!(lobby.join().unwrap().room_id(), named);
    }

    #[test]
    fn the_next_room_is_where_join_would_go() {
        let lobby = Lobby::new(1);
        let seat = lobby.join().unwrap();
        let next = lobby.join_room(seat.room_id()).unwrap_err().try_next().unwrap();
        assert_eq!(next, lobby.filling());
        assert_eq!(lobby.join_room_or_any(seat.room_id()).unwrap().room_id(), next);
    }

    #[test]
    fn thousands_of_late_clients_are_each_seated_in_at_most_two_calls() {
        for shards in [1, 4] {
            let lobby = Lobby::builder(7).shards(shards).build();
            let start = Barrier::new(4);
            let all: Vec<_> = thread::scope(|scope| {
                let clients = |named: Vec<RoomId>| {
                    let (lobby, start) = (&lobby, &start);
                    scope.spawn(move || {
                        start.wait();
                        let late = |named| match lobby.join_room(named) {
                            Ok(seat) => seat,
                            Err(_) => lobby.join_room_or_any(named).expect("no limit"),
                        };
                        named.into_iter().map(late).collect::<Vec<_>>()
                    })
                };
                // All clients have their ids before the first of them joins.
                let threads: Vec<_> = (0..4)
                    .map(|_| clients((0..2_000).map(|_| lobby.filling()).collect()))
                    .collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(all.len(), 8_000);
            let places: HashSet<_> =
                all.iter().map(|seat| (seat.room_id(), seat.number())).collect();
            assert_eq!(places.len(), 8_000, "two seats are one");
            assert_eq!(lobby.stats().members, 8_000);
            assert!(lobby.rooms().all(|room| room.members <= 7));
        }
    }

    #[test]
    fn one_late_client_after_the_other_gets_in_where_its_refusal_sends_it() {
        let lobby = Lobby::new(7);
        let named = lobby.filling();
        let mut all = Vec::new();
        for _ in 0..3_000 {
            let seat = lobby
                .join_room(named)
                .or_else(|refused| lobby.join_room(refused.try_next().expect("no limit")));
            all.push(seat.expect("the second call"));
        }
        assert_eq!(lobby.stats().rooms, 3_000_usize.div_ceil(7));
    }
}

mod refusals {
    use super::*;

    #[test]
    fn a_join_error_says_what_is_true_of_full_locked_and_missing_rooms() {
        let full = Lobby::builder(1).max_rooms(1).build();
        let _seat = full.join().unwrap();
        let locked = Lobby::builder(2).max_rooms(1).build();
        let seat = locked.join().unwrap();
        locked.lock(seat.room_id());
        let without_rooms = Lobby::builder(7).max_rooms(0).build();
        for lobby in [&full, &locked, &without_rooms] {
            let refused = lobby.join().unwrap_err();
            assert!(refused.is_full());
            assert_eq!(refused, JoinError::Full);
            let text = "no open room fits the request, and no more rooms may be opened";
            assert_eq!(refused.to_string(), text);
        }
    }

    #[test]
    fn a_kind_has_one_predicate_and_one_text() {
        let kinds = [
            (JoinRoomErrorKind::Full, [true, false, false], "the room has too few free seats"),
            (JoinRoomErrorKind::Locked, [false, true, false], "the room is locked"),
            (JoinRoomErrorKind::Gone, [false, false, true], "no room is open under that id"),
        ];
        for (kind, predicates, text) in kinds {
            assert_eq!([kind.is_full(), kind.is_locked(), kind.is_gone()], predicates);
            assert_eq!(kind.to_string(), text);
        }
    }

    /// Fails unless joining that room is refused with that kind, and the text says both why and
    /// where to go.
    fn assert_refused(lobby: &Lobby, id: RoomId, kind: JoinRoomErrorKind, next: Option<RoomId>) {
        let refused = lobby.join_room(id).unwrap_err();
        assert_eq!((refused.kind(), refused.try_next()), (kind, next));
        let predicates = [refused.is_full(), refused.is_locked(), refused.is_gone()];
        assert_eq!(predicates, [kind.is_full(), kind.is_locked(), kind.is_gone()]);
        let text = match next {
            Some(next) => format!("{kind}: try {next}"),
            None => format!("{kind}, and no other room was found"),
        };
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn a_refusal_by_a_room_names_another_one_if_there_is_one() {
        use JoinRoomErrorKind::{Full, Gone, Locked};
        let lobby = Lobby::builder(2).max_rooms(2).build();
        let gone = lobby.join().unwrap().room_id();
        let all = seats(&lobby, 2);
        let [full, next] = [all[0].room_id(), lobby.filling()];
        assert_refused(&lobby, full, Full, Some(next));
        assert_refused(&lobby, gone, Gone, Some(next));
        lobby.lock(full);
        assert_refused(&lobby, full, Locked, Some(next));
        // The second room fills.
        let _others = seats(&lobby, 2);
        assert_refused(&lobby, full, Locked, None);
        assert_refused(&lobby, next, Full, None);
        assert_refused(&lobby, gone, Gone, None);
    }

    #[test]
    fn a_text_that_is_no_room_id_is_refused_with_a_text() {
        let text = "not a room id, which is 16 lower-case hexadecimal digits";
        let refused = "the jam session".parse::<RoomId>().unwrap_err();
        assert_eq!(refused.to_string(), text);
        assert_eq!(RoomId::try_from(0).unwrap_err(), refused);
    }
}

mod seats_and_numbers {
    use super::*;

    #[test]
    fn the_lowest_free_number_goes_first() {
        let lobby = Lobby::new(7);
        let mut all: Vec<_> = seats(&lobby, 7).into_iter().map(Some).collect();
        for number in [5, 1, 3] {
            all[number] = None;
        }
        let again = seats(&lobby, 3);
        assert_eq!(again.iter().map(Seat::number).collect::<Vec<_>>(), [1, 3, 5]);
    }

    #[test]
    fn rooms_of_any_size_number_their_seats() {
        for size in [1, 2, 31, 32, 33, 63, 64, 65, 128, 1_000, 1_024, Lobby::<()>::MAX_SEATS] {
            let lobby = Lobby::new(size);
            let mut all = seats(&lobby, size as usize);
            assert!(all.iter().map(Seat::number).eq(0..size), "{size} seats");
            assert!(all.iter().all(|seat| seat.room_id() == all[0].room_id()));
            assert!(lobby.join_room(all[0].room_id()).unwrap_err().is_full());
            let highest = all.pop().unwrap().number();
            assert_eq!(lobby.join().unwrap().number(), highest);
            if size > 3 {
                drop(all.remove(size as usize / 3));
                assert_eq!(lobby.join().unwrap().number(), size / 3);
            }
            drop(all);
            assert_eq!(lobby.stats(), Default::default());
        }
    }

    #[test]
    fn large_rooms_fill_by_population_too() {
        let lobby = Lobby::new(200);
        let mut all = seats(&lobby, 600);
        let rooms: Vec<_> = all.iter().step_by(200).map(Seat::room_id).collect();
        let leave = |all: &mut Vec<Seat<'_>>, room, n| {
            for _ in 0..n {
                let at = all.iter().position(|seat| seat.room_id() == room).unwrap();
                drop(all.remove(at));
            }
        };
        leave(&mut all, rooms[0], 150);
        leave(&mut all, rooms[1], 50);
        leave(&mut all, rooms[2], 100);
        for (room, free) in [(rooms[1], 50), (rooms[2], 100), (rooms[0], 150)] {
            for _ in 0..free {
                let seat = lobby.join().unwrap();
                assert_eq!(seat.room_id(), room);
                all.push(seat);
            }
        }
    }

    #[test]
    #[should_panic(expected = "a room needs a seat")]
    fn rooms_without_seats_are_refused() {
        let _ = Lobby::new(0);
    }

    #[test]
    #[should_panic(expected = "more seats than")]
    fn rooms_with_too_many_seats_are_refused() {
        let _ = Lobby::new(Lobby::<()>::MAX_SEATS + 1);
    }
}

mod limits {
    use super::*;

    #[test]
    fn a_lobby_at_max_rooms_refuses_and_recovers() {
        let lobby = Lobby::builder(2).max_rooms(2).build();
        let mut all = seats(&lobby, 4);
        for _ in 0..3 {
            assert_eq!(lobby.join().unwrap_err(), JoinError::Full);
            let left = all.remove(0).room_id();
            all.push(lobby.join().unwrap());
            assert_eq!(all[3].room_id(), left);
        }
        let first = all[0].room_id();
        all.retain(|seat| seat.room_id() != first);
        assert_eq!(lobby.stats().rooms, 1);
        assert_eq!(seats(&lobby, 2).len(), 2);
        let none = Lobby::builder(7).max_rooms(0).build();
        assert_eq!(none.join().unwrap_err(), JoinError::Full);
    }

    #[test]
    fn shards_share_the_limit_and_every_free_seat() {
        let lobby = Lobby::builder(3).shards(5).max_rooms(4).build();
        let start = Barrier::new(6);
        let all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let mut mine = Vec::new();
                        mine.extend((0..2).filter_map(|_| lobby.join().ok()));
                        mine
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(lobby.stats().rooms <= 4);
        // Seats that were overlooked while threads raced are found now.
        let rest: Vec<_> = std::iter::from_fn(|| lobby.join().ok()).collect();
        assert_eq!(all.len() + rest.len(), 12);
        assert_eq!(populations(&lobby), [3, 3, 3, 3]);
    }
}

mod at_the_same_time {
    use super::*;

    #[test]
    fn clients_that_are_told_one_unopened_room_sit_there_together() {
        for _ in 0..200 {
            let lobby = Lobby::new(4);
            let told = lobby.filling();
            let start = Barrier::new(4);
            let seats = thread::scope(|scope| {
                let join = || {
                    start.wait();
                    lobby.join_room(told).map(|seat| seat.room_id())
                };
                let threads = [(); 4].map(|()| scope.spawn(join));
                threads.map(|thread| thread.join().unwrap())
            });
            // A member may have left before another one came: then the room has closed.
            let gone = |refused: &headcount::JoinRoomError| refused.is_gone();
            assert!(seats.iter().all(|seat| seat.as_ref().map_or_else(gone, |&id| id == told)));
        }
    }

    #[test]
    fn callers_of_an_empty_lobby_open_one_room() {
        for _ in 0..200 {
            let lobby = Arc::new(Lobby::new(4));
            let start = Arc::new(Barrier::new(4));
            let threads = [(); 4].map(|()| {
                let (lobby, start) = (Arc::clone(&lobby), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    lobby.join_owned().unwrap()
                })
            });
            let _seats = threads.map(|thread| thread.join().unwrap());
            assert_eq!(populations(&lobby), [4]);
        }
    }
}

mod memory {
    use super::*;

    #[test]
    fn a_refusal_allocates_nothing() {
        let lobby = Lobby::new(1);
        // All pages so far are full.
        let all = seats(&lobby, 128);
        let allocated = allocation_counter::measure(|| {
            assert!(lobby.join_room(all[5].room_id()).unwrap_err().try_next().is_some());
            lobby.filling();
        });
        assert_eq!(allocated.count_total, 0);
        let next = lobby.join_room(all[5].room_id()).unwrap_err().try_next().unwrap();
        assert_eq!(lobby.join_room(next).unwrap().room_id(), next);
    }

    #[test]
    fn threads_of_one_lobby_are_spread_over_its_shards() {
        // Every second thread uses this lobby, the others another one.
        let [ours, theirs] = [(); 2].map(|()| Arc::new(Lobby::builder(2).shards(2).build()));
        for _ in 0..4 {
            for lobby in [&ours, &theirs] {
                let lobby = Arc::clone(lobby);
                let joined = thread::spawn(move || std::mem::forget(lobby.join_owned().unwrap()));
                joined.join().unwrap();
            }
        }
        assert_eq!((populations(&ours), populations(&theirs)), (vec![2, 2], vec![2, 2]));
    }
}

mod quorum {
    use super::*;

    #[test]
    fn one_join_completes_it_each_time_it_is_reached() {
        let lobby = Lobby::builder(5).quorum(3).build();
        let mut all = seats(&lobby, 5);
        let completed =
            |all: &[Seat<'_>]| all.iter().map(Seat::completed_quorum).collect::<Vec<_>>();
        assert_eq!(completed(&all), [false, false, true, false, false]);
        all.truncate(2);
        all.extend(seats(&lobby, 2));
        assert_eq!(completed(&all), [false, false, true, false]);
    }

    #[test]
    fn start_locks_if_and_only_if_it_stands() {
        let lobby = Lobby::builder(5).quorum(3).build();
        let mut players = seats(&lobby, 3);
        let gone = players.pop().unwrap();
        drop(gone);
        let too_few = players[0].start().unwrap_err();
        assert_eq!((too_few.occupied, too_few.quorum), (2, 3));
        assert!(!lobby.room(players[0].room_id()).unwrap().locked);
        players.push(lobby.join().unwrap());
        assert_eq!(players[0].start(), Ok(3));
        assert_eq!(players[1].start(), Ok(3));
        assert!(lobby.room(players[0].room_id()).unwrap().locked);
        assert_ne!(lobby.join().unwrap().room_id(), players[0].room_id());
    }

    #[test]
    #[should_panic(expected = "quorum")]
    fn a_quorum_above_the_seats_is_refused() {
        let _ = Lobby::builder(5).quorum(6);
    }
}

mod locks {
    use super::*;

    #[test]
    fn a_locked_room_is_not_chosen_and_its_members_may_leave() {
        let lobby = Lobby::new(3);
        let mut all = seats(&lobby, 2);
        let room = all[0].room_id();
        assert!(lobby.lock(room) && lobby.lock(room));
        assert!(lobby.join_room(room).unwrap_err().is_locked());
        assert_ne!(lobby.join().unwrap().room_id(), room);
        all.pop();
        assert!(lobby.unlock(room));
        assert_eq!(lobby.join().unwrap().room_id(), room);
        lobby.lock(room);
        drop(all);
        assert!(!lobby.lock(room) && !lobby.unlock(room), "it has closed");
        // The room's next generation is not locked.
        let seat = lobby.join().unwrap();
        assert!(!lobby.room(seat.room_id()).unwrap().locked);
    }

    #[test]
    fn an_unlocked_room_is_found_among_others() {
        let lobby = Lobby::new(3);
        let all = seats(&lobby, 5); // three and two
        lobby.lock(all[4].room_id());
        let other = lobby.join().unwrap();
        assert_ne!(other.room_id(), all[4].room_id());
        lobby.unlock(all[4].room_id());
        assert_eq!(lobby.join().unwrap().room_id(), all[4].room_id());
    }
}

mod ids {
    use super::*;

    #[test]
    fn they_print_parse_and_go_through_numbers() {
        let lobby = Lobby::builder(1).shards(3).build();
        for seat in seats(&lobby, 200) {
            let id = seat.room_id();
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 16);
            assert_eq!(RoomId::try_from(u64::from(id)), Ok(id));
        }
        for forged in
            ["", "0", "+000000000000001", "000000000000000G", "FFFFFFFFFFFFFFFF", "日本語日"]
        {
            assert!(forged.parse::<RoomId>().is_err(), "{forged}");
        }
        assert!(RoomId::try_from(0).is_err());
    }

    #[test]
    fn forged_ids_are_refused() {
        let lobby = Lobby::builder(2).shards(3).build();
        let seat = lobby.join().unwrap();
        let real = u64::from(seat.room_id());
        let single_bits = (0..64).map(|bit| real ^ 1 << bit);
        for number in single_bits.chain([1, u64::MAX, u64::MAX >> 12, real + 1, real - 1]) {
            let Ok(forged) = RoomId::try_from(number) else { continue };
            assert!(lobby.room(forged).is_none());
            assert!(!lobby.lock(forged) && !lobby.unlock(forged));
            let joined = lobby.join_room(forged).map(|seat| seat.room_id());
            assert_ne!(joined.ok(), Some(seat.room_id()), "the room of another id");
        }
        assert_eq!(seat.members(), 1);
    }

    #[test]
    fn foreign_ids_are_refused() {
        let [ours, theirs] = [Lobby::new(2), Lobby::new(2)];
        let (our_seat, their_seat) = (ours.join().unwrap(), theirs.join().unwrap());
        assert_ne!(our_seat.room_id(), their_seat.room_id());
        assert!(ours.join_room(their_seat.room_id()).unwrap_err().is_gone());
        assert!(ours.room(their_seat.room_id()).is_none() && !ours.lock(their_seat.room_id()));
    }

    #[test]
    fn none_is_used_twice() {
        let lobby = Lobby::builder(1).max_rooms(1).build();
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let seat = lobby.join().unwrap();
            assert!(seen.insert(seat.room_id()), "{seat:?}");
        }
        for old in seen {
            assert!(lobby.join_room(old).is_err());
        }
    }
}

mod state {
    use super::*;

    /// A state that counts the states that exist.
    struct Counted(Arc<AtomicUsize>);

    impl Counted {
        fn new(living: &Arc<AtomicUsize>) -> Self {
            living.fetch_add(1, Ordering::Relaxed);
            Counted(Arc::clone(living))
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn lobby() -> (Lobby<Counted>, Arc<AtomicUsize>) {
        let living = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&living);
        (Lobby::builder(2).build_with(move |_| Counted::new(&made)), living)
    }

    #[test]
    fn a_thread_that_ends_may_open_a_room() {
        struct JoinsAtTheEnd(Lobby<Counted>, Arc<AtomicUsize>);

        impl Drop for JoinsAtTheEnd {
            fn drop(&mut self) {
                let seat = self.0.join().unwrap();
                assert_eq!(seat.state().0.load(Ordering::Relaxed), 1);
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        }

        thread_local! {
            static AT_THE_END: OnceLock<JoinsAtTheEnd> = const { OnceLock::new() };
        }

        let opened = Arc::new(AtomicUsize::new(0));
        let counts = opened.clone();
        thread::spawn(|| {
            AT_THE_END.with(|at_the_end| {
                let joins = at_the_end.get_or_init(|| JoinsAtTheEnd(lobby().0, counts));
                drop(joins.0.join().unwrap());
            });
        })
        .join()
        .unwrap();
        assert_eq!(opened.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn it_lives_from_the_first_seat_to_the_last() {
        let (lobby, living) = lobby();
        assert_eq!(living.load(Ordering::Relaxed), 0);
        let mut all: Vec<_> = (0..5).map(|_| lobby.join().unwrap()).collect();
        assert_eq!(living.load(Ordering::Relaxed), 3);
        assert!(std::ptr::eq(all[0].state(), all[1].state()));
        assert!(!std::ptr::eq(all[1].state(), all[2].state()));
        drop(all.remove(0));
        assert_eq!(living.load(Ordering::Relaxed), 3);
        drop(all.remove(0));
        assert_eq!(living.load(Ordering::Relaxed), 2);
        drop(all);
        assert_eq!(living.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn it_knows_its_room() {
        let lobby = Lobby::builder(2).build_with(|id| id);
        let all: Vec<_> = (0..100).map(|_| lobby.join().unwrap()).collect();
        assert!(all.iter().all(|seat| *seat.state() == seat.room_id()));
    }

    #[test]
    fn a_lobby_drops_the_states_of_forgotten_seats() {
        let (lobby, living) = lobby();
        for _ in 0..3 {
            std::mem::forget(lobby.join().unwrap());
        }
        assert_eq!(lobby.stats().members, 3);
        drop(lobby);
        assert_eq!(living.load(Ordering::Relaxed), 0);
    }

    #[test]
    #[should_panic(expected = "the constructor of a room's state asks for that state")]
    fn a_constructor_that_asks_for_its_own_state_panics() {
        let lobby: Arc<OnceLock<std::sync::Weak<Lobby<u32>>>> = Arc::default();
        let own = Arc::clone(&lobby);
        let rooms = Arc::new(Lobby::builder(2).build_with(move |_| {
            let rooms = own.get().unwrap().upgrade().unwrap();
            let seat = rooms.join().unwrap();
            *seat.state()
        }));
        lobby.set(Arc::downgrade(&rooms)).unwrap();
        let _ = rooms.join();
    }

    #[test]
    fn a_panic_while_it_is_made_loses_nothing() {
        let calls = AtomicUsize::new(0);
        let lobby = Lobby::builder(1).max_rooms(1).build_with(move |_| {
            assert!(calls.fetch_add(1, Ordering::Relaxed) % 2 == 1, "no state today");
        });
        for _ in 0..10 {
            assert!(catch_unwind(AssertUnwindSafe(|| drop(lobby.join()))).is_err());
            assert_eq!(lobby.stats(), Default::default());
            assert!(lobby.join().is_ok());
        }
    }

    #[test]
    fn a_panic_while_it_is_dropped_loses_nothing() {
        struct Grumpy;
        impl Drop for Grumpy {
            fn drop(&mut self) {
                panic!("go away");
            }
        }
        let lobby = Lobby::builder(1).max_rooms(1).build_with(|_| Grumpy);
        for _ in 0..10 {
            let seat = lobby.join().unwrap();
            assert!(catch_unwind(AssertUnwindSafe(|| drop(seat))).is_err());
            assert_eq!(lobby.stats(), Default::default());
        }
    }

    /// A lobby whose constructors wait until the test lets them go on. Counts the calls.
    fn slow() -> (Arc<Lobby<u32>>, Arc<Barrier>, Arc<AtomicUsize>) {
        let (begun, made) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let (waits, counts) = (Arc::clone(&begun), Arc::clone(&made));
        let lobby = Lobby::builder(5).max_rooms(2).build_with(move |_| {
            waits.wait();
            waits.wait();
            counts.fetch_add(1, Ordering::Relaxed);
            7
        });
        (Arc::new(lobby), begun, made)
    }

    #[test]
    fn callers_are_seated_while_it_is_made() {
        let (lobby, begun, made) = slow();
        thread::scope(|scope| {
            let opener = scope.spawn(|| lobby.clone().join_owned().unwrap());
            begun.wait();
            // Its constructor runs until the test goes on.
            let all: Vec<_> = (0..4).map(|_| lobby.join().unwrap()).collect();
            let stats = lobby.stats();
            assert_eq!((stats.rooms, stats.members, stats.full), (1, 5, 1));
            assert!(lobby.join_room(all[0].room_id()).unwrap_err().is_full());
            begun.wait();
            assert!(all.iter().all(|seat| *seat.state() == 7));
            assert_eq!(opener.join().unwrap().room_id(), all[0].room_id());
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn others_wait_for_it() {
        let (lobby, begun, made) = slow();
        let opener = {
            let lobby = Arc::clone(&lobby);
            thread::spawn(move || drop(lobby.join_owned().unwrap()))
        };
        begun.wait();
        let seat = lobby.clone().join_owned().unwrap();
        let (asks, answer) = std::sync::mpsc::channel();
        let asker = thread::spawn(move || asks.send(*seat.state()).unwrap());
        let soon = answer.recv_timeout(std::time::Duration::from_millis(50));
        assert!(soon.is_err(), "the state is not made yet");
        begun.wait();
        let late = answer.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(late, Ok(7), "the thread that waits was not woken");
        opener.join().unwrap();
        asker.join().unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_member_makes_it_if_its_opener_has_panicked() {
        let begun = Arc::new(Barrier::new(2));
        let (waits, calls) = (Arc::clone(&begun), AtomicUsize::new(0));
        let lobby = Arc::new(Lobby::builder(3).build_with(move |_| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            if call == 0 {
                waits.wait();
                waits.wait();
            }
            assert!(call > 1, "no state today");
            call
        }));
        let opener = {
            let lobby = Arc::clone(&lobby);
            thread::spawn(move || drop(lobby.join_owned()))
        };
        begun.wait();
        let seat = lobby.join().unwrap();
        begun.wait();
        assert!(opener.join().is_err(), "its constructor panics");
        assert_eq!(lobby.stats().members, 1);
        assert!(catch_unwind(AssertUnwindSafe(|| *seat.state())).is_err());
        assert_eq!((*seat.state(), *seat.state()), (2, 2));
        let room = seat.room_id();
        drop(seat);
        assert!(lobby.room(room).is_none());
        assert_eq!(*lobby.join().unwrap().state(), 3);
    }

    #[test]
    fn the_room_is_vacant_while_it_is_dropped() {
        struct Slow(Arc<Barrier>);
        impl Drop for Slow {
            fn drop(&mut self) {
                self.0.wait();
                self.0.wait();
            }
        }
        let begun = Arc::new(Barrier::new(2));
        let waits = Arc::clone(&begun);
        let first = AtomicUsize::new(0);
        let lobby = Lobby::builder(1).max_rooms(1).build_with(move |_| {
            let is_first = first.fetch_add(1, Ordering::Relaxed) == 0;
            is_first.then(|| Slow(Arc::clone(&waits)))
        });
        let seat = lobby.join().unwrap();
        thread::scope(|scope| {
            let leaver = scope.spawn(|| drop(seat));
            begun.wait();
            assert_eq!(lobby.stats(), Default::default());
            assert!(lobby.join().unwrap().state().is_none());
            begun.wait();
            leaver.join().unwrap();
        });
    }

    #[test]
    fn one_panicking_destructor_does_not_keep_the_others_from_running() {
        struct Grumpy(Arc<AtomicUsize>);
        impl Drop for Grumpy {
            fn drop(&mut self) {
                assert!(self.0.fetch_add(1, Ordering::Relaxed) > 0, "the first");
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&dropped);
        let lobby = Lobby::builder(1).build_with(move |_| Grumpy(Arc::clone(&counts)));
        // More rooms than the first page has.
        for _ in 0..200 {
            std::mem::forget(lobby.join().unwrap());
        }
        assert!(catch_unwind(AssertUnwindSafe(|| drop(lobby))).is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 200);
    }

    #[test]
    fn making_it_may_enter_the_very_room() {
        let lobby: Arc<std::sync::OnceLock<Lobby<u32>>> = Arc::default();
        let inner = Arc::downgrade(&lobby);
        let made = lobby.get_or_init(|| {
            Lobby::builder(2).build_with(move |id| {
                let lobby = inner.upgrade().unwrap();
                let seat = lobby.get().unwrap().join().unwrap();
                assert_eq!(seat.room_id(), id);
                seat.members()
            })
        });
        let seat = made.join().unwrap();
        assert_eq!((*seat.state(), seat.members(), made.stats().rooms), (2, 1, 1));
    }

    #[test]
    fn making_it_may_join_the_lobby() {
        let lobby: Arc<std::sync::OnceLock<Lobby<usize>>> = Arc::default();
        let inner = Arc::downgrade(&lobby);
        let depth = AtomicUsize::new(0);
        let made = lobby.get_or_init(|| {
            Lobby::builder(1).build_with(move |_| {
                let depth = depth.fetch_add(1, Ordering::Relaxed);
                if depth < 3 {
                    let lobby = inner.upgrade().unwrap();
                    std::mem::forget(lobby.get().unwrap().join().unwrap());
                }
                depth
            })
        });
        let seat = made.join().unwrap();
        assert_eq!((*seat.state(), made.stats().rooms), (0, 4));
    }
}

mod no_leak {
    use super::*;

    #[test]
    fn seats_leave_on_panic_and_on_other_threads() {
        let lobby = Arc::new(Lobby::builder(3).shards(2).build());
        let panicked = {
            let lobby = Arc::clone(&lobby);
            thread::spawn(move || {
                let _owned = lobby.clone().join_owned().unwrap();
                let _seat = lobby.join().unwrap();
                panic!("a handler fails");
            })
        };
        assert!(panicked.join().is_err());
        assert_eq!(lobby.stats(), Default::default());

        let all: Vec<_> = (0..7).map(|_| lobby.clone().join_owned().unwrap()).collect();
        let by_id = lobby.clone().join_room_owned(all[6].room_id()).unwrap();
        let next = lobby.clone().join_room_or_any_owned(all[0].room_id()).unwrap();
        assert_eq!(lobby.stats().members, 9);
        thread::spawn(move || drop((all, by_id, next))).join().unwrap();
        assert_eq!(lobby.stats(), Default::default());
    }

    #[test]
    fn memory_is_used_again() {
        let lobby = Lobby::new(2);
        let mut rooms = HashMap::new();
        for _ in 0..1_000 {
            for seat in seats(&lobby, 20) {
                *rooms.entry(u64::from(seat.room_id()) >> 24).or_insert(0) += 1;
            }
        }
        assert_eq!(rooms.len(), 10, "ten rooms are open at once");
    }

    #[test]
    fn a_hundred_thousand_rooms_come_and_go() {
        let lobby = Lobby::builder(7).shards(2).build();
        let mut all = seats(&lobby, 700_000);
        assert_eq!(lobby.stats().rooms, 100_000);
        all.retain(|seat| seat.number() % 2 == 0);
        assert_eq!(lobby.stats().rooms, 100_000);
        all.extend(seats(&lobby, 300_000));
        assert_eq!(lobby.stats().rooms, 100_000);
        assert_eq!(lobby.rooms().map(|room| room.id).collect::<HashSet<_>>().len(), 100_000);
        drop(all);
        assert_eq!(lobby.stats(), Default::default());
    }
}
