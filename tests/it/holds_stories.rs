//! Four stories of a gap between two calls that `Holds` bridges, each with a clock that the test
//! moves.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use headcount::{
    Course, Gate, Holds, JoinError, Lobby, Permit, Reservation, Seat, Ticket, TryAcquireError,
};

use crate::holds::TestClock;

const SECOND: Duration = Duration::from_secs(1);

/// The page is served with a ticket for a seat that is held for 15 seconds; the socket claims it; a
/// visitor that does not come is replaced, and not before.
#[test]
fn the_page_load_gap() {
    let clock = TestClock::new();
    let room = Gate::new(2);
    let holds: Holds<Permit<'_>> = clock.builder().ttl(15 * SECOND).build();
    let load_page = || -> Result<String, TryAcquireError> {
        Ok(holds.put(holds.or_expire(|| room.try_acquire())?).to_string())
    };
    let open_socket = |page: &str| holds.claim(page.parse::<Ticket>().unwrap());

    let (comes, stays_away) = (load_page().unwrap(), load_page().unwrap());
    assert!(load_page().unwrap_err().is_full(), "both seats are held");
    clock.pass(14 * SECOND);
    let inside = open_socket(&comes).unwrap();
    assert!(open_socket(&comes).is_err(), "a page opens one socket");
    assert!(load_page().unwrap_err().is_full(), "one second is left");

    clock.pass(SECOND);
    let replacement = load_page().expect("the visitor that stays away is replaced");
    assert!(open_socket(&stays_away).unwrap_err().is_expired());
    let other = open_socket(&replacement).unwrap();
    assert_eq!((room.occupied(), holds.len()), (2, 0));
    drop((inside, other));
    assert_eq!(room.occupied(), 0);
}

/// The answer of a full room carries a ticket for a seat elsewhere that is held already: a client
/// is never refused twice, however many come at once.
#[test]
fn a_refusal_that_has_already_seated_you() {
    const SEATS: u32 = 7;
    let clock = TestClock::new();
    let jams = Lobby::new(SEATS);
    let holds: Holds<Seat<'_>> = clock.builder().ttl(15 * SECOND).build();
    let full = jams.filling();
    let first: Vec<_> = (0..SEATS).map(|_| jams.join().unwrap()).collect();

    // Each client was told of the same jam, which is full by now.
    let join = |client: u32| {
        let refused = jams.join_room(full).map(drop).unwrap_err();
        assert!(refused.is_full());
        let next = refused.try_next().expect("the lobby has no limit");
        let seat = holds.or_expire(|| jams.join_room_or_any(next))?;
        let (room, ticket) = (seat.room_id(), holds.put(seat));
        // On its way the client meets others that join.
        thread::yield_now();
        let seat = holds.claim(ticket).expect("refused twice");
        assert_eq!(seat.room_id(), room, "client {client} is sent elsewhere");
        Ok::<_, JoinError>(seat)
    };
    let seated = thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|client| scope.spawn(move || join(client))).collect();
        clients.into_iter().map(|client| client.join().unwrap().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!((seated.len(), holds.len()), (16, 0));
    assert_eq!(jams.stats().members, 16 + SEATS as usize);
    drop((first, seated));

    // A client that does not follow costs nothing in the long run.
    holds.put(jams.join().unwrap());
    clock.pass(15 * SECOND);
    assert_eq!((holds.expire(), jams.stats().rooms), (1, 0));
}

/// A connection drops, and its seat is put for 30 seconds; the same number comes back. A player
/// that does not return leaves the seat to the next.
#[test]
fn the_same_seat_after_a_reconnect() {
    let clock = TestClock::new();
    let table = Lobby::builder(3).max_rooms(1).build();
    let holds: Holds<Seat<'_>> = clock.builder().ttl(30 * SECOND).build();
    let sit = || holds.or_expire(|| table.join());

    let players = [sit().unwrap(), sit().unwrap(), sit().unwrap()];
    let numbers = [0, 1, 2];
    assert_eq!(players.each_ref().map(Seat::number), numbers);

    // All connections drop; two come back, in another order.
    let [first, second, third] = players.map(|seat| holds.put(seat));
    clock.pass(29 * SECOND);
    assert_eq!(sit().unwrap_err(), JoinError::Full, "the seats are taken meanwhile");
    let third = holds.claim(third).unwrap();
    let first = holds.claim(first).unwrap();
    assert_eq!([first.number(), third.number()], [0, 2]);

    clock.pass(SECOND);
    let next = sit().expect("the second player has not returned");
    assert_eq!(next.number(), 1);
    assert!(holds.claim(second).unwrap_err().is_expired());
    assert_eq!(table.stats().members, 3);
}

/// Three tickets to a show are reserved for ten minutes, and then confirmed or released; a customer
/// whose payment takes its time gets a later deadline, and a payment that comes too late buys
/// nothing. The show is never oversold.
#[test]
fn checkout() {
    const MINUTE: Duration = Duration::from_secs(60);
    let clock = TestClock::new();
    let show = Arc::new(Course::new(8));
    let holds: Holds<Vec<Reservation<'_>>> = clock.builder().ttl(10 * MINUTE).build();
    let choose = |places: usize| -> Result<Ticket, TryAcquireError> {
        let reserve = || (0..places).map(|_| show.try_reserve()).collect();
        Ok(holds.put(holds.or_expire(reserve)?))
    };
    let pay = |basket: Ticket| {
        let places = holds.claim(basket)?;
        places.into_iter().for_each(Reservation::confirm);
        Ok::<_, headcount::ClaimError>(())
    };
    let counts = || (show.counts().taken, show.counts().enrolled);

    let (pays, gives_up) = (choose(3).unwrap(), choose(3).unwrap());
    assert!(choose(3).unwrap_err().is_full());
    assert_eq!(counts(), (6, 0), "a refused basket keeps no part");
    pay(pays).unwrap();
    assert!(holds.release(gives_up));
    assert_eq!(counts(), (3, 3));

    let (slow, late) = (choose(3).unwrap(), choose(2).unwrap());
    clock.pass(9 * MINUTE);
    assert!(holds.extend(slow, 10 * MINUTE), "the payment has begun");
    clock.pass(MINUTE);
    let next = choose(2).expect("the late customer's time is over");
    assert!(pay(late).unwrap_err().is_expired(), "its payment is to be returned");
    pay(slow).unwrap();
    pay(next).unwrap();
    assert!(pay(next).unwrap_err().is_ended(), "paid twice");
    assert_eq!(counts(), (8, 8));
}
