//! The refusal of a full jam carries a ticket for a seat in another one, which is held for the
//! client already. So no client is refused twice.

use std::time::Duration;

use headcount::{Holds, JoinError, Lobby, RoomId, Seat, Ticket};

/// What a client is told.
enum Answer<'a> {
    Seated(Seat<'a>),
    GoTo(RoomId, Ticket),
}

fn join<'a>(
    jams: &'a Lobby,
    holds: &Holds<Seat<'a>>,
    jam: RoomId,
) -> Result<Answer<'a>, JoinError> {
    match jams.join_room(jam) {
        Ok(seat) => Ok(Answer::Seated(seat)),
        Err(_) => {
            let seat = holds.or_expire(|| jams.join())?;
            Ok(Answer::GoTo(seat.room_id(), holds.put(seat)))
        }
    }
}

fn main() {
    let jams = Lobby::new(7);
    let holds = Holds::new(Duration::from_secs(15));
    let named = jams.filling();

    // Twenty clients were told of the same jam.
    let mut seats = Vec::new();
    for client in 1..=20 {
        match join(&jams, &holds, named).expect("the lobby has no limit") {
            Answer::Seated(seat) => seats.push(seat),
            Answer::GoTo(jam, ticket) => {
                println!("client {client} is sent to {jam}, where a seat is held for it");
                seats.push(holds.claim(ticket).expect("within 15 seconds"));
            }
        }
    }
    assert_eq!((seats.len(), jams.stats().rooms), (20, 3));
}
