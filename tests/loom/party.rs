//! Parties, rooms of one's own and unlisted rooms, in every order that threads can take.
//!
//! `ci/loom party::`
//!
//! The models end as those of `lobby` do: every seat can be had again, and every state is dropped.

use headcount::Lobby;
use loom::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::lobby::{spawn, visit, visit_room, Model, Plain, Witness};

/// A party of two joins and leaves. Returns whether it was seated.
fn visit_as_two(lobby: &Lobby<Witness>) -> bool {
    let Ok(party) = lobby.join_many(2) else { return false };
    assert!(party.seats().iter().all(|seat| seat.room_id() == party.room_id()));
    assert_ne!(party.seats()[0].number(), party.seats()[1].number());
    party.state().read();
    true
}

/// *together*, *never-over*: a party and two single callers in one room of three. None of them
/// leaves: the party is seated, or the single callers are.
#[test]
fn a_party_against_single_joiners() {
    Model { seats: 3, rooms: 1, quorum: 2, preemptions: 3 }.check(|lobby| {
        let first = lobby.clone().join_owned().unwrap();
        let party = spawn(lobby, |lobby| lobby.clone().join_many_owned(2).ok());
        let single = lobby.clone().join_owned().ok();
        let party = party.join().unwrap();
        assert_ne!(party.is_some(), single.is_some());
        let seats = party.iter().flat_map(|party| party.seats());
        let numbers: Vec<_> = seats.chain(&single).map(|seat| seat.number()).collect();
        assert!(numbers == [1, 2] || numbers == [1]);
        drop(first);
    });
}

/// Two parties of two and one room of three: one of them is seated.
#[test]
fn two_parties_and_one_room() {
    Model { seats: 3, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let other = spawn(lobby, |lobby| lobby.clone().join_many_owned(2).ok());
        let one = lobby.clone().join_many_owned(2).ok();
        let other = other.join().unwrap();
        assert_eq!(usize::from(one.is_some()) + usize::from(other.is_some()), 1);
    });
}

/// *no-lost-room*: members leave a full room while a party looks for seats.
#[test]
fn a_party_against_leavers() {
    Model { seats: 3, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let [stays, a, b] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let leaver = spawn(lobby, move |_| drop((a, b)));
        visit_as_two(lobby);
        leaver.join().unwrap();
        assert!(visit_as_two(lobby), "the seats are lost");
        drop(stays);
    });
}

/// *exact-lobby*: a member moves from one room to another, so that at each instant one of the two
/// has two free seats. A party of two is seated.
#[test]
fn a_party_while_free_seats_move() {
    Model { seats: 3, rooms: 2, quorum: 1, preemptions: 2 }.check(|lobby| {
        let [one, other] = std::array::from_fn(|_| lobby.clone().open_room_owned().unwrap());
        let moves = lobby.clone().join_room_owned(one.room_id()).unwrap();
        let to = other.room_id();
        let mover = spawn(lobby, move |lobby| {
            drop(moves);
            // Unless the party is there by now.
            drop(lobby.join_room(to));
        });
        assert!(visit_as_two(lobby), "refused, though a room had two free seats throughout");
        mover.join().unwrap();
        drop((one, other));
    });
}

/// *happens-before*: a party sees what a member wrote whose place it takes.
#[test]
fn a_party_sees_what_a_leaver_wrote() {
    Model { seats: 3, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let [stays, leaves] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let id = stays.room_id();
        let plain = Plain::default();
        let party = spawn(lobby, {
            let plain = plain.clone();
            move |lobby| {
                let Ok(party) = lobby.join_room_many(id, 2) else { return };
                plain.read();
                drop(party);
            }
        });
        plain.write();
        drop(leaves);
        party.join().unwrap();
        drop(stays);
    });
}

/// A caller that begins to join after a room was made unlisted is not sent there, and the room is
/// joined by its id.
#[test]
fn an_unlisting_against_a_joiner() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let is_unlisted = Arc::new(AtomicBool::new(false));
        let joiner = spawn(lobby, {
            let is_unlisted = Arc::clone(&is_unlisted);
            move |lobby| {
                let knows = is_unlisted.load(Ordering::Acquire);
                let room = visit(lobby);
                assert!(room.is_some());
                assert!(!knows || room != Some(id), "sent to an unlisted room");
            }
        });
        assert!(lobby.set_listed(id, false));
        is_unlisted.store(true, Ordering::Release);
        joiner.join().unwrap();
        assert_ne!(visit(lobby), Some(id));
        assert!(visit_room(lobby, id));
        drop(seat);
    });
}

/// *no-lost-room*: a listing against a joiner that passes over the unlisted room.
#[test]
fn a_listing_against_a_joiner() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().open_unlisted_owned().unwrap();
        let id = seat.room_id();
        let joiner = spawn(lobby, |lobby| visit(lobby));
        assert!(lobby.set_listed(id, true));
        joiner.join().unwrap();
        assert_eq!(visit(lobby), Some(id), "the listed room is lost");
        drop(seat);
    });
}

/// Unlisting against the close: it never reaches the room's next generation.
#[test]
fn an_unlisting_against_the_close() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let other = spawn(lobby, move |lobby| lobby.set_listed(id, false));
        drop(seat);
        let next = lobby.join().expect("the room has closed");
        other.join().unwrap();
        assert!(lobby.room(next.room_id()).unwrap().listed);
        drop(next);
    });
}

/// A client was told the next room to open. It does not get into the unlisted room that another
/// caller opens in that place.
#[test]
fn an_unlisted_room_against_a_client_that_was_told_its_place() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let told = lobby.filling();
        let client = spawn(lobby, move |lobby| {
            if let Ok(seat) = lobby.join_room(told) {
                assert!(lobby.room(seat.room_id()).unwrap().listed);
            }
        });
        let host = lobby.open_unlisted().expect("two rooms may be open");
        assert_ne!(host.room_id(), told);
        assert_eq!(host.members(), 1);
        client.join().unwrap();
        drop(host);
    });
}

/// Two callers that open rooms of their own, and one room is allowed.
#[test]
fn two_hosts_and_one_room() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let other = spawn(lobby, |lobby| lobby.clone().open_unlisted_owned().ok());
        let one = lobby.clone().open_room_owned().ok();
        let other = other.join().unwrap();
        assert_eq!(usize::from(one.is_some()) + usize::from(other.is_some()), 1);
        if let Some(seat) = &one {
            assert_eq!(seat.members(), 1);
        }
    });
}
