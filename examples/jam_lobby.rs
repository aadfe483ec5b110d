//! Jams of at most 7 musicians. A refusal names the jam to go to instead.

use headcount::Lobby;

fn main() {
    let jams = Lobby::new(7);

    // A web page tells the client which jam is filling. Until the client joins, seven others do.
    let named = jams.filling();
    let others: Vec<_> = (0..7).map(|_| jams.join().expect("the lobby has no limit")).collect();
    assert!(others.iter().all(|seat| seat.room_id() == named));

    let refused = jams.join_room(named).unwrap_err();
    println!("the client is told: {refused}");
    assert!(refused.is_full());

    // The client goes there. If that jam were full by now, it would get a seat in another.
    let next = refused.try_next().expect("the lobby has no limit");
    let seat = jams.join_room_or_any(next).expect("the lobby has no limit");
    println!("it sits in {}, on seat {}", seat.room_id(), seat.number());
    assert_eq!((seat.room_id(), seat.number()), (next, 0));
}
