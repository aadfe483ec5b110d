//! Properties of texts and numbers that may be room ids, and of forged ids. Shared by the
//! properties and the fuzz target.

use headcount::{Lobby, RoomId};

/// Fails unless a text that parses prints as it was.
pub(crate) fn check_text(text: &str) {
    if let Ok(id) = text.parse::<RoomId>() {
        assert_eq!(id.to_string(), text);
        check_number(id.into());
    }
}

/// Fails unless a number that passes as an id converts back, and prints as a text that parses.
pub(crate) fn check_number(number: u64) {
    if let Ok(id) = RoomId::try_from(number) {
        assert_eq!(u64::from(id), number);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

/// Asks a small lobby for rooms that it may have, have had, or never have: each number as it is,
/// and each in place of the low bits of a real id. A caller is admitted to a room by its very id
/// only.
pub(crate) fn check_forged(numbers: &[u64]) {
    let lobby = Lobby::builder(2).max_rooms(4).build();
    // Rooms of several generations: one full, one with a free seat, one locked.
    for openings in [3, 2, 1] {
        (0..openings).for_each(|_| drop([(); 6].map(|()| lobby.join().expect("a free seat"))));
    }
    let seats = [(); 5].map(|()| lobby.join().expect("a free seat"));
    assert!(lobby.lock(seats[2].room_id()));
    let [full, locked, free] = [0, 2, 4].map(|seat: usize| seats[seat].room_id());
    let mut closed: Vec<RoomId> = Vec::new();
    for &number in numbers {
        for bits in [0, 8, 32, 48, 64] {
            let mask = 1_u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1);
            for real in [full, locked, free] {
                let Ok(id) = RoomId::try_from(u64::from(real) & !mask | number & mask) else {
                    continue;
                };
                let open = lobby.room(id);
                assert!(open.is_none_or(|room| room.id == id));
                assert_eq!(lobby.unlock(id), open.is_some(), "locks are for open rooms");
                lobby.lock(locked);
                match lobby.join_room(id) {
                    Ok(seat) => {
                        assert_eq!(seat.room_id(), id, "another room");
                        assert!(id != full && id != locked && !closed.contains(&id), "a ghost");
                        drop(seat);
                        if id != free {
                            closed.push(id);
                        }
                    }
                    Err(refused) => {
                        assert!(id != free, "refused, though there is a seat");
                        assert_eq!(refused.is_locked(), id == locked);
                        assert_eq!(refused.is_full(), id == full);
                    }
                }
            }
        }
    }
    assert_eq!((lobby.stats().rooms, lobby.stats().members), (3, 5));
}
