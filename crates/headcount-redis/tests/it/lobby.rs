use headcount::JoinRoomErrorKind;
use headcount_redis::{RemoteJoinRoomError, RemoteLobby, RemoteLobbyBuilder, RemoteStartError};

use crate::support::{connect, ms, on_both, until, Engine, Server};

on_both! {
    fills_one_room_after_the_other, a_refusal_holds_a_seat, a_hold_ends, a_member_finds_its_seat,
    a_detached_seat_ends, quorum_and_lock, rooms_are_bounded, a_left_room_is_gone, stats,
    seats_are_renewed,
}

async fn lobby(server: &Server, settings: RemoteLobbyBuilder) -> RemoteLobby {
    settings.build(&connect(&server.url()).await, "jams").unwrap()
}

async fn fills_one_room_after_the_other(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(3)).await;
    assert_eq!(jams.filling().await, Ok(None));
    assert_eq!(server.command::<i64>(&["DBSIZE"]), 0, "reading writes nothing");
    let mut seats = Vec::new();
    for member in ["ann", "bob", "eve", "joe"] {
        seats.push(jams.join(member).await.unwrap());
    }
    assert_eq!(seats.iter().map(|seat| seat.number()).collect::<Vec<_>>(), [0, 1, 2, 0]);
    assert_eq!(seats.iter().map(|seat| seat.members()).collect::<Vec<_>>(), [1, 2, 3, 1]);
    let (first, second) = (seats[0].room_id(), seats[3].room_id());
    assert!(seats[..3].iter().all(|seat| seat.room_id() == first));
    assert!(second > first);
    assert_eq!(jams.filling().await, Ok(Some(second)));
    // A seat is left: the lowest free number, in the most populated room.
    seats.remove(1).leave().await.unwrap();
    assert_eq!(jams.filling().await, Ok(Some(first)));
    let sue = jams.join("sue").await.unwrap();
    assert_eq!((sue.room_id(), sue.number(), sue.member()), (first, 1, "sue"));
}

async fn a_refusal_holds_a_seat(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(1).ttl(ms(60_000)).hold(ms(30_000))).await;
    let ann = jams.join("ann").await.unwrap();
    let refused = jams.join_room("bob", ann.room_id()).await.unwrap_err();
    assert_eq!(refused.kind(), Some(JoinRoomErrorKind::Full));
    let text = refused.to_string();
    let RemoteJoinRoomError::Redirected(held) = refused else { panic!("{text}") };
    assert_eq!(
        text,
        format!("the room has too few free seats: a seat is held in room {}", held.room_id())
    );
    assert!(held.room_id() != ann.room_id() && held.remaining() > ms(20_000));
    // The seat is taken, although bob is not there yet.
    let eve = jams.join("eve").await.unwrap();
    assert!(![ann.room_id(), held.room_id()].contains(&eve.room_id()));
    let room = held.room_id();
    let bob = jams.join("bob").await.unwrap();
    assert_eq!((bob.room_id(), bob.number()), (room, 0));
    assert!(!bob.is_lost());

    // To decline a seat that was claimed changes nothing; another is given back.
    held.decline().await.unwrap();
    assert_eq!(jams.room(room).await.unwrap().unwrap().members, 1);
    jams.lock(eve.room_id()).await.unwrap();
    let Err(RemoteJoinRoomError::Redirected(held)) = jams.join_room("joe", eve.room_id()).await
    else {
        panic!("the room is locked");
    };
    assert_eq!(held.kind(), JoinRoomErrorKind::Locked);
    let room = held.room_id();
    held.decline().await.unwrap();
    assert_eq!(jams.room(room).await, Ok(None));
}

async fn a_hold_ends(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(1).max_rooms(2).hold(ms(100))).await;
    let ann = jams.join("ann").await.unwrap();
    let Err(RemoteJoinRoomError::Redirected(_)) = jams.join_room("bob", ann.room_id()).await else {
        panic!("the room is full");
    };
    let refused = jams.join("eve").await.unwrap_err();
    assert!(matches!(
        refused,
        headcount_redis::RemoteError::Full { retry_after: Some(time) } if time <= ms(100)
    ));
    tokio::time::sleep(ms(120)).await;
    let _eve = jams.join("eve").await.expect("bob did not come");
    let refused = jams.join_room("bob", ann.room_id()).await.unwrap_err();
    assert!(matches!(refused, RemoteJoinRoomError::Refused { kind: JoinRoomErrorKind::Full, .. }));
}

async fn a_member_finds_its_seat(engine: Engine) {
    let server = Server::start(engine);
    let here = lobby(&server, RemoteLobby::builder(3).ttl(ms(400))).await;
    let there = lobby(&server, RemoteLobby::builder(3).ttl(ms(400))).await;
    let _ann = here.join("ann").await.unwrap();
    let bob = here.join("bob").await.unwrap();
    let again = there.join("bob").await.unwrap();
    assert_eq!((again.room_id(), again.number()), (bob.room_id(), bob.number()));
    assert!(again.fence() > bob.fence());
    // The first guard learns that it was taken over, and cannot take the seat from the second.
    bob.lost().await;
    bob.leave().await.unwrap();
    tokio::time::sleep(ms(600)).await;
    assert!(!again.is_lost());
    assert_eq!(there.room(again.room_id()).await.unwrap().unwrap().members, 2);
}

async fn a_detached_seat_ends(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(3).ttl(ms(300))).await;
    let bob = jams.join("bob").await.unwrap();
    let room = bob.room_id();
    bob.detach();
    tokio::time::sleep(ms(100)).await;
    let bob = jams.join("bob").await.unwrap();
    assert_eq!(bob.room_id(), room, "bob comes back in time");
    bob.detach();
    tokio::time::sleep(ms(350)).await;
    assert_eq!(jams.stats().await.unwrap().members, 0);
    let ann = jams.join("ann").await.unwrap();
    assert_eq!((ann.number(), ann.members()), (0, 1), "bob's seat has ended");
    assert_ne!(ann.room_id(), room);
}

async fn quorum_and_lock(engine: Engine) {
    let server = Server::start(engine);
    let games = lobby(&server, RemoteLobby::builder(5).quorum(3)).await;
    let ann = games.join("ann").await.unwrap();
    let _bob = games.join("bob").await.unwrap();
    let few = ann.start().await.unwrap_err();
    assert_eq!(few, RemoteStartError::Quorum { occupied: 2, quorum: 3 });
    let _eve = games.join("eve").await.unwrap();
    assert_eq!(ann.start().await, Ok(3));
    assert!(games.room(ann.room_id()).await.unwrap().unwrap().locked);
    let joe = games.join("joe").await.unwrap();
    assert_ne!(joe.room_id(), ann.room_id());
    assert!(games.unlock(ann.room_id()).await.unwrap());
    let sue = games.join("sue").await.unwrap();
    assert_eq!(sue.room_id(), ann.room_id(), "the most populated room");
}

async fn rooms_are_bounded(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(2).max_rooms(2)).await;
    let mut seats = Vec::new();
    for member in ["a", "b", "c", "d"] {
        seats.push(jams.join(member).await.unwrap());
    }
    assert!(jams.join("e").await.unwrap_err().is_full());
    seats.pop().unwrap().leave().await.unwrap();
    seats.push(jams.join("e").await.unwrap());
    assert_eq!(jams.stats().await.unwrap().rooms, 2);
}

async fn a_left_room_is_gone(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(2)).await;
    let ann = jams.join("ann").await.unwrap();
    let room = ann.room_id();
    drop(ann);
    until("the room closes", async || jams.room(room).await == Ok(None)).await;
    assert_eq!(jams.lock(room).await, Ok(false));
    let Err(RemoteJoinRoomError::Redirected(held)) = jams.join_room("bob", room).await else {
        panic!("the room is gone");
    };
    assert_eq!(held.kind(), JoinRoomErrorKind::Gone);
    assert!(held.room_id() > room);
    let bob = held.claim().await.unwrap();
    assert_eq!(bob.members(), 1);
}

async fn stats(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(2)).await;
    let mut seats = Vec::new();
    for member in ["a", "b", "c"] {
        seats.push(jams.join(member).await.unwrap());
    }
    let stats = jams.stats().await.unwrap();
    assert_eq!((stats.rooms, stats.members, stats.rooms_with_a_free_seat), (2, 3, 1));
}

async fn seats_are_renewed(engine: Engine) {
    let server = Server::start(engine);
    let jams = lobby(&server, RemoteLobby::builder(7).ttl(ms(500))).await;
    let mut seats = Vec::new();
    for member in 0..50 {
        seats.push(jams.join(&member.to_string()).await.unwrap());
    }
    tokio::time::sleep(ms(700)).await;
    // The server loses all it knows, and is told again.
    let _: () = server.command(&["FLUSHALL"]);
    tokio::time::sleep(ms(700)).await;
    assert_eq!(seats.iter().filter(|seat| seat.is_lost()).count(), 0);
    let stats = jams.stats().await.unwrap();
    assert_eq!((stats.rooms, stats.members), (8, 50));
    let (room, first) = (seats[3].room_id(), seats[3].number());
    let again = jams.join("3").await.unwrap();
    assert_eq!((again.room_id(), again.number()), (room, first));
}
