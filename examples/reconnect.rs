//! A player's connection drops. The seat is kept for 30 seconds, and the same number comes back.

use std::time::Duration;

use headcount::{Holds, Lobby};

fn main() {
    let games = Lobby::builder(4).max_rooms(1).build();
    let holds = Holds::new(Duration::from_secs(30));
    let mut players = Vec::from([(); 4].map(|()| games.join().expect("a free seat")));

    // The connection of the player on seat 2 drops. What it had as a cookie names its hold.
    let seat = players.remove(2);
    let cookie = holds.put(seat).to_string();
    println!("while the player is away: {}", games.join().unwrap_err());

    // It comes back within 30 seconds.
    let seat = holds.claim(cookie.parse().unwrap()).expect("within 30 seconds");
    println!("it sits on seat {} again", seat.number());
    assert_eq!(seat.number(), 2);

    // Another connection drops for good: the next caller that finds no seat gets this one.
    holds.put_for(players.remove(0), Duration::ZERO);
    let next = holds.or_expire(|| games.join()).expect("the time of one player is over");
    println!("its replacement sits on seat {}", next.number());
    assert_eq!(next.number(), 0);
}
