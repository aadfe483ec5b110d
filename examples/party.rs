//! Friends that arrive together sit together, and a private table is joined by invitation.

use headcount::{JoinError, Lobby};

fn main() -> Result<(), JoinError> {
    let tables = Lobby::builder(4).max_rooms(3).build();
    let ann = tables.join()?;
    // Ann's table takes three more at once.
    let three = tables.join_many(3)?;
    assert_eq!(three.room_id(), ann.room_id());

    // A guest that wants a new table opens one, also while others have free seats.
    let new = tables.open_room()?;
    assert_eq!(new.members(), 1);
    drop(new);

    // The invitation is the id: no other guest is sent to that table.
    let host = tables.open_unlisted()?;
    let invitation = host.room_id();
    let other = tables.join()?;
    assert_ne!(other.room_id(), invitation);
    let guests = tables.join_room_many(invitation, 2).expect("three seats are free there");
    println!("{host:?} and {guests:?} have a table of their own");

    // Two seats are free at one table and one at the other, so three friends stay outside.
    let friend = tables.join()?;
    assert!(tables.join_many(3).unwrap_err().is_full());
    println!("{friend:?} sits with {other:?}, and a party of three is refused");

    // Now the host takes every guest.
    tables.set_listed(invitation, true);
    assert_eq!(tables.join()?.room_id(), invitation);
    Ok(())
}
