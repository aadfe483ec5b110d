//! A chat room of at most 50 people. A permit is a place in the room; dropping it leaves.

use headcount::Gate;

static ROOM: Gate = Gate::new(50);

fn main() {
    let mut guests: Vec<_> = (0..60).filter_map(|_| ROOM.try_acquire().ok()).collect();
    println!("60 people came, {} are in the room", ROOM.occupied());
    assert_eq!(guests.len(), 50);

    // The refusal says why, and the caller decides what to do.
    let refused = ROOM.try_acquire().unwrap_err();
    println!("the 61st is told: {refused}");
    assert!(refused.is_full());

    // One guest leaves, and the next one gets the place at once.
    drop(guests.pop());
    let next = ROOM.try_acquire();
    println!("after one has left, another may enter: {}", next.is_ok());
    assert!(next.is_ok() && ROOM.is_full());
}
