//! A lobby in ordinary numbers: rooms by their names, and which of them callers may be sent to.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Room, RoomAnswer, RoomCall, RoomRefusal, Spec};

/// What a lobby is. It leaves open what a new room is named, and which of several rooms that are
/// equally populated is chosen; so it is told what happened, and says whether that may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lobby<Id> {
    /// The seats of a room, at most 127.
    pub seats: u32,
    /// The most rooms that are open at once.
    pub max_rooms: usize,
    /// The rooms that are open. Each room lives once, as generation 0.
    pub open: BTreeMap<Id, Room>,
    /// The names of rooms that have closed.
    pub closed: BTreeSet<Id>,
}

impl<Id: Copy + Ord> Lobby<Id> {
    /// Creates a lobby without rooms.
    pub fn new(seats: u32, max_rooms: usize) -> Self {
        Lobby { seats, max_rooms, open: BTreeMap::new(), closed: BTreeSet::new() }
    }

    /// Returns whether one more room may be opened.
    pub fn may_open(&self) -> bool {
        self.open.len() < self.max_rooms
    }

    /// Returns the number of members in that room.
    pub fn members(&self, id: Id) -> u32 {
        self.open.get(&id).map_or(0, Room::members)
    }

    /// Returns why that room refuses `n` callers that name it, if it does: as vacant if it never
    /// was open.
    pub fn refusal(&self, id: Id, n: u32) -> Option<RoomRefusal> {
        match self.open.get(&id) {
            Some(room) => room.refusal(0, n, true),
            None if self.closed.contains(&id) => Some(RoomRefusal::Gone),
            None => Some(RoomRefusal::Vacant),
        }
    }

    /// Returns the number of members of the rooms that `n` callers without a wish may be sent to:
    /// the most populated ones that admit all of them. It is 0 if a new room opens, and `None` if
    /// they are refused.
    pub fn best(&self, n: u32) -> Option<u32> {
        let admitting = self.open.values().filter(|room| room.refusal(0, n, false).is_none());
        let most = admitting.map(Room::members).max();
        most.or_else(|| self.may_open().then_some(0))
    }

    /// Returns whether that room admits `n` callers without a wish, or may be opened for them.
    pub fn admits(&self, id: Id, n: u32) -> bool {
        match self.open.get(&id) {
            Some(room) => room.refusal(0, n, false).is_none(),
            None => !self.closed.contains(&id),
        }
    }

    /// Returns whether `n` callers without a wish may be sent to that room (*best-fit*).
    pub fn fits(&self, id: Id, n: u32) -> bool {
        self.admits(id, n) && self.best(n) == Some(self.members(id))
    }

    /// Seats `n` members on the lowest free seats of that room, which opens if it is not open.
    /// Returns the seats.
    ///
    /// # Panics
    ///
    /// If that may not be: the room refuses them, has closed, or is one too many.
    pub fn seat(&mut self, id: Id, n: u32) -> Vec<u32> {
        assert!(!self.closed.contains(&id), "a ghost");
        if !self.open.contains_key(&id) {
            assert!(self.may_open(), "too many rooms");
            assert!(n <= self.seats, "over");
            let mut room = Room::new(self.seats, 0, 0);
            assert_eq!(room.apply(RoomCall::Open { generation: 0, n }), RoomAnswer::Opened(true));
            self.open.insert(id, room);
            return (0..n).collect();
        }
        let room = self.open.get_mut(&id).expect("it is open");
        match room.apply(RoomCall::EnterMany { generation: 0, n, named: true }) {
            RoomAnswer::EnteredMany { seats, .. } => {
                (0..self.seats).filter(|seat| seats >> seat & 1 == 1).collect()
            }
            refused => panic!("seated though {refused:?}"),
        }
    }

    /// The member on that seat leaves. The last one closes the room.
    ///
    /// # Panics
    ///
    /// If the room is not open, or that seat is free.
    pub fn leave(&mut self, id: Id, seat: u32) {
        let room = self.open.get_mut(&id).expect("the room of a seat is open");
        assert!(room.taken >> seat & 1 == 1, "no member is on that seat");
        if room.apply(RoomCall::Leave { seat }) == RoomAnswer::Closed {
            self.open.remove(&id);
            self.closed.insert(id);
        }
    }

    /// Locks or unlocks that room if at least so many members are inside. Returns their number, or
    /// as an error if they are too few, or `None` if no such room is open.
    pub fn set_lock(&mut self, id: Id, locked: bool, at_least: u32) -> Option<Result<u32, u32>> {
        self.set(id, RoomCall::SetLock { generation: 0, locked, at_least })
    }

    /// Lists that room, or makes it unlisted. Returns whether it is open.
    pub fn set_listed(&mut self, id: Id, listed: bool) -> bool {
        self.set(id, RoomCall::SetListed { generation: 0, listed }).is_some()
    }

    fn set(&mut self, id: Id, call: RoomCall) -> Option<Result<u32, u32>> {
        match self.open.get_mut(&id)?.apply(call) {
            RoomAnswer::Lock(done) => done,
            other => unreachable!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lobby;
    use crate::RoomRefusal::*;

    #[test]
    fn the_most_populated_room_that_admits_comes_first() {
        let mut lobby = Lobby::new(3, 2);
        assert!(lobby.best(1) == Some(0) && lobby.fits('a', 1));
        assert_eq!((lobby.seat('a', 1), lobby.seat('b', 2)), (vec![0], vec![0, 1]));
        assert!(lobby.fits('b', 1) && !lobby.fits('a', 1) && lobby.fits('a', 2));
        assert_eq!((lobby.best(1), lobby.best(3)), (Some(2), None));
        assert_eq!(lobby.set_lock('b', true, 3), Some(Err(2)));
        assert_eq!(lobby.set_lock('b', true, 2), Some(Ok(2)));
        assert!(lobby.fits('a', 1) && !lobby.fits('b', 1) && !lobby.fits('c', 1));
        assert!(lobby.set_listed('a', false) && lobby.best(1).is_none());
        assert_eq!((lobby.refusal('a', 2), lobby.refusal('a', 3)), (None, Some(Full)));
        assert_eq!((lobby.refusal('b', 1), lobby.refusal('c', 1)), (Some(Locked), Some(Vacant)));
    }

    #[test]
    fn the_lowest_seat_is_next_and_the_last_member_closes() {
        let mut lobby = Lobby::new(3, 2);
        assert_eq!(lobby.seat('a', 3), [0, 1, 2]);
        lobby.leave('a', 1);
        assert_eq!(lobby.seat('a', 1), [1]);
        (0..3).for_each(|seat| lobby.leave('a', seat));
        assert_eq!((lobby.refusal('a', 1), lobby.admits('a', 1)), (Some(Gone), false));
        assert!(lobby.fits('b', 1) && !lobby.set_listed('a', true));
        assert_eq!(lobby.set_lock('a', true, 0), None);
    }
}
