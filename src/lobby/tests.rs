//! The hints of a lobby in every order of two threads, and after every call of one thread.
//!
//! What callers are told does not rest on hints, so models of the public calls do not see a hint
//! that is lost: it costs time. Here the invariant of `index.rs` is checked itself.

use std::sync::Arc;

use super::{Lobby, OwnedSeat};

type Seats = Vec<OwnedSeat>;

/// Returns all seats of `rooms` full rooms.
fn filled(lobby: &Arc<Lobby>, rooms: u32) -> Seats {
    (0..rooms * lobby.seats()).map(|_| lobby.clone().join_owned().expect("a free seat")).collect()
}

#[cfg(headcount_loom)]
mod models {
    use loom::thread;

    use super::*;

    /// Runs two threads in every order, each with what `begin` gives it, and then checks the hints.
    fn check<A: 'static, B: 'static>(
        seats: u32,
        shards: u32,
        begin: impl Fn(&Arc<Lobby>) -> (Seats, A, B) + Send + Sync + 'static,
        one: fn(&Arc<Lobby>, A),
        other: fn(&Arc<Lobby>, B),
    ) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.max_branches = 50_000;
        builder.check(move || {
            let lobby = Arc::new(Lobby::builder(seats).shards(shards).build());
            let (rest, of_one, of_other) = begin(&lobby);
            lobby.assert_index();
            let thread = {
                let lobby = Arc::clone(&lobby);
                thread::spawn(move || one(&lobby, of_one))
            };
            other(&lobby, of_other);
            thread.join().unwrap();
            lobby.assert_index();
            drop(rest);
            lobby.assert_index();
        });
    }

    fn leave<T>(_: &Arc<Lobby>, seat: T) {
        drop(seat);
    }

    fn search<T>(lobby: &Arc<Lobby>, _: T) {
        lobby.filling();
    }

    fn visit<T>(lobby: &Arc<Lobby>, _: T) {
        drop(lobby.join());
    }

    /// A search comes upon hints that are out of date and clears them and the summaries, while a
    /// member leaves a room of the same page. The page has layers.
    #[test]
    fn a_search_against_a_leaver() {
        // The third page has four rooms: numbers 4 to 7.
        for leaves in [4, 5, 6] {
            check(
                2,
                1,
                move |lobby| {
                    let mut all = filled(lobby, 7);
                    // A hint to room 5 that is out of date.
                    drop(all.remove(11));
                    all.insert(11, lobby.clone().join_owned().unwrap());
                    let seat = all.remove(2 * leaves);
                    (all, (), seat)
                },
                search,
                leave,
            );
        }
    }

    /// A member leaves the very room whose hint a search finds out of date.
    #[test]
    fn a_search_against_a_leaver_of_the_room_that_it_finds() {
        check(
            2,
            1,
            |lobby| {
                let mut all = filled(lobby, 3);
                // A hint to room 1 that is out of date.
                drop(all.remove(2));
                all.insert(2, lobby.clone().join_owned().unwrap());
                let seat = all.remove(2);
                (all, seat, ())
            },
            leave,
            search,
        );
    }

    /// As above, while the member that leaves is the last of its room: it sets a hint to a vacant
    /// room, and a caller looks for one.
    #[test]
    fn a_search_for_a_vacant_room_against_the_last_leaver() {
        check(
            1,
            1,
            |lobby| {
                let mut all = filled(lobby, 6);
                let seat = all.remove(4);
                drop(all.remove(4));
                all.push(lobby.clone().join_owned().unwrap());
                (all, (), seat)
            },
            visit,
            leave,
        );
    }

    /// A joiner and a leaver of one room, which is the filling room or has a hint.
    #[test]
    fn a_joiner_against_a_leaver() {
        check(
            3,
            1,
            |lobby| {
                let mut all = filled(lobby, 2);
                drop((all.remove(5), all.remove(2)));
                let seats = (all.remove(3), all.remove(0));
                (all, (), seats)
            },
            visit,
            leave,
        );
    }

    /// A member leaves the filling room, which was full, while another room takes its place.
    #[test]
    fn a_leaver_of_the_filling_room_against_its_replacement() {
        check(
            3,
            1,
            |lobby| {
                let mut all = filled(lobby, 2);
                let leaves = all.remove(5);
                drop((all.remove(1), all.remove(1)));
                let id = all[0].room_id();
                (all, id, leaves)
            },
            |lobby, id| drop(lobby.join_room(id)),
            leave,
        );
    }

    /// An unlocking against a joiner that passes over the locked room.
    #[test]
    fn an_unlocking_against_a_joiner() {
        check(
            2,
            1,
            |lobby| {
                let seat = lobby.clone().join_owned().unwrap();
                let id = seat.room_id();
                assert!(lobby.lock(id));
                (vec![seat], (), id)
            },
            visit,
            |lobby, id| assert!(lobby.unlock(id)),
        );
    }

    /// Two members leave two rooms.
    #[test]
    fn two_leavers() {
        check(
            2,
            1,
            |lobby| {
                let mut all = filled(lobby, 3);
                let (one, other) = (all.remove(2), all.remove(0));
                (all, one, other)
            },
            leave,
            leave,
        );
    }

    /// Two joiners that find no room, in lobbies of one shard and of two.
    #[test]
    fn two_joiners() {
        for shards in 1..=2 {
            check(2, shards, |_| (Vec::new(), (), ()), visit, visit);
        }
    }
}

#[cfg(not(any(headcount_loom, headcount_shuttle)))]
mod calls {
    use super::super::room::Opening;
    use super::*;

    /// One thread joins, leaves, locks and asks, at random, in hundreds of rooms.
    #[test]
    fn the_hints_are_right_after_every_call() {
        for (seats, rooms) in [(1, 150), (2, 300), (3, 100), (70, 5)] {
            let lobby = Arc::new(Lobby::new(seats));
            let mut all = filled(&lobby, rooms);
            let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
            let mut below = |n: usize| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                (dice % n as u64) as usize
            };
            for _ in 0..3_000 {
                let many = all.len();
                match below(8) {
                    0..=2 if many > 1 => drop(all.swap_remove(below(many))),
                    3 => drop(lobby.filling()),
                    4 => {
                        let id = all[below(many)].room_id();
                        assert!(lobby.lock(id) || lobby.unlock(id));
                    }
                    5 => {
                        let id = all[below(many)].room_id();
                        assert!(lobby.unlock(id));
                    }
                    6 => {
                        let id = all[below(many)].room_id();
                        all.extend(lobby.clone().join_room_owned(id).ok());
                    }
                    _ => all.push(lobby.clone().join_owned().expect("there is no limit")),
                }
                lobby.assert_index();
            }
        }
    }

    /// A refused caller is told another room by the hints alone; a call that joins needs the proof.
    #[test]
    fn a_suggestion_needs_no_proof() {
        let lobby = Arc::new(Lobby::builder(2).max_rooms(1).build());
        let seats = filled(&lobby, 1);
        let id = seats[0].room_id();
        let word = || lobby.pages.at(id.location()).expect("an open room").read();
        let before = word();
        assert!(before.is_counted());
        assert_eq!(lobby.join_room(id).unwrap_err().try_next(), None);
        lobby.filling();
        assert_eq!(word(), before);
        assert!(lobby.join().is_err());
        assert!(!word().is_counted());
    }

    /// A room that may not be used yet by its number is open: a survey opens it while the call that
    /// retired another room has not raised the number of rooms that may be used.
    #[test]
    fn no_open_room_is_named_as_unopened() {
        let lobby = Lobby::builder(1).max_rooms(1).build();
        let first = lobby.join().unwrap();
        let beyond = lobby.filling();
        let at = lobby.pages.make_at(beyond.location()).expect("the page of the first room");
        let opened = at.open(beyond.generation(), 1, true, lobby.bounds_of(at));
        assert!(matches!(opened, Opening::Opened(_)));
        assert!(lobby.set_listed(beyond, false));
        for _ in 0..2 {
            let unopened = lobby.filling();
            assert!(lobby.room(unopened).is_none(), "{unopened} is {:?}", lobby.room(unopened));
            assert!(lobby.join_room(unopened).unwrap_err().is_full());
        }
        drop(first);
    }

    /// Where all rooms may be used, there is none that a refused caller can be told to wait for.
    #[test]
    fn without_an_unused_room_the_id_of_no_room_is_named() {
        let lobby = Lobby::new(1);
        let first = lobby.join().unwrap();
        let nowhere = lobby.unopened();
        assert!(lobby.room(nowhere).is_none());
        assert!(lobby.join_room(nowhere).unwrap_err().is_gone());
        assert_eq!(nowhere.to_string().parse(), Ok(nowhere));
        drop(first);
        assert_ne!(lobby.filling(), nowhere);
    }
}
