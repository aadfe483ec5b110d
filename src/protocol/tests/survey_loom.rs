//! Surveys beside calls that change rooms, in every order of steps and with every stale value.
//!
//! In the models of whole calls a survey comes after a search, which has read the words of rooms,
//! and so it sees more than its own steps show it. Here it is alone.

use loom::thread;
use std::sync::Arc;

use crate::protocol::bound::Bounds;
use crate::protocol::room::{self, EnterRoom, LeaveRoom, OpenRoom, PassRoom, RoomSize};
use crate::protocol::step::run;
use crate::protocol::survey::{Goal, RoomTable, Survey, Surveyed};
use crate::sync::AtomicU64;

/// Shards of one room each.
struct Table {
    size: RoomSize,
    rooms: Vec<(AtomicU64, Bounds)>,
}

impl Table {
    /// Creates rooms of so many seats, with so many members each.
    fn new(seats: u32, members: &[u32]) -> Arc<Table> {
        let room = |_| (AtomicU64::new(0), Bounds::new(1));
        let rooms = members.iter().map(room).collect();
        let table = Arc::new(Table { size: RoomSize::new(seats), rooms });
        for (shard, &members) in members.iter().enumerate().filter(|(_, &members)| members > 0) {
            table.open(shard);
            (1..members).for_each(|_| assert!(table.enter(shard)));
            if members == seats {
                table.pass(shard);
            }
        }
        table
    }

    fn open(&self, shard: usize) -> bool {
        let (word, bounds) = &self.rooms[shard];
        run!(OpenRoom::new(1, 1, self.size), word, || bounds).is_some()
    }

    fn enter(&self, shard: usize) -> bool {
        run!(EnterRoom::Look { generation: 1 }, &self.rooms[shard].0, self.size).is_ok()
    }

    /// Marks a full room as not counted, unless a survey has done so.
    fn pass(&self, shard: usize) {
        let (word, bounds) = &self.rooms[shard];
        let seen = room::read(word);
        if seen.is_counted() {
            let _ = run!(PassRoom::Swap { seen }, word, || bounds);
        }
    }

    fn leave(&self, shard: usize) {
        let (word, bounds) = &self.rooms[shard];
        run!(LeaveRoom::Look { number: 0 }, word, self.size, || bounds);
    }
}

impl RoomTable for Table {
    fn size(&self) -> RoomSize {
        self.size
    }

    fn shards(&self) -> usize {
        self.rooms.len()
    }

    fn bounds(&self, shard: usize) -> &Bounds {
        &self.rooms[shard].1
    }

    fn quota(&self, _: usize) -> u32 {
        1
    }

    fn word(&self, shard: usize, number: u32) -> Option<&AtomicU64> {
        (number == 0).then(|| &self.rooms[shard].0)
    }

    fn exists(&self, _: usize, _: u32) -> bool {
        false
    }
}

/// Runs a survey beside a thread that leaves what the survey looks for at each instant.
fn check(seats: u32, members: &'static [u32], goal: Goal, change: fn(&Table)) {
    loom::model(move || {
        let table = Table::new(seats, members);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || change(&table))
        };
        let found = run!(Survey::new(goal), &*table);
        assert_ne!(found, Surveyed::Nothing, "there was a room at each instant");
        other.join().unwrap();
    });
}

/// The last member leaves a room that has a free seat: it is vacant then.
#[test]
fn a_room_closes() {
    check(2, &[1], Goal::SeatsOrVacancy(1), |table| table.leave(0));
}

/// A caller opens the only room, and it has another seat.
#[test]
fn a_room_opens() {
    check(2, &[0], Goal::SeatsOrVacancy(1), |table| assert!(table.open(0)));
}

/// A member moves to another shard, so that each time one of two rooms has a free seat. The room
/// that is full then is passed.
#[test]
fn a_free_seat_moves_to_another_shard() {
    check(2, &[2, 1], Goal::Seats(1), |table| {
        table.leave(0);
        assert!(table.enter(1));
        table.pass(1);
    });
}

/// As above; one of the two rooms is vacant each time.
#[test]
fn a_vacancy_moves_to_another_shard() {
    check(1, &[1, 0], Goal::Vacancy, |table| {
        table.leave(0);
        assert!(table.open(1));
    });
}
