//! What every door with a waitlist must do, by future and by thread, and the rejected protocols
//! that fail at it.

use std::sync::Arc;

use loom::cell::UnsafeCell;

use super::rejected::{Flaw, RejectedWaitlist};
use super::{explore, spawn, ByFuture, ByThread, Door};

/// A door of one place, and a cell that only the holder may touch.
struct Room<D> {
    door: D,
    witness: UnsafeCell<()>,
}

impl<D: Door> Room<D> {
    fn new() -> Arc<Self> {
        Arc::new(Room { door: D::new(1), witness: UnsafeCell::new(()) })
    }

    fn be_inside(&self, pass: D::Pass<'_>) {
        self.witness.with_mut(|_| ());
        drop(pass);
    }

    fn wait(&self) {
        self.be_inside(self.door.wait());
    }
}

/// A holder leaves while a caller starts to wait.
fn hand_over<D: Door>() {
    explore(4, || {
        let room = Room::<D>::new();
        let pass = room.door.try_enter().unwrap();
        let waiter = spawn(&room, Room::wait);
        room.be_inside(pass);
        waiter.join().unwrap();
        assert_eq!(room.door.free(), 1, "a place was lost");
    });
}

/// As before, with two waiters: the first hands the place on.
fn hand_over_twice<D: Door>() {
    explore(2, || {
        let room = Room::<D>::new();
        let pass = room.door.try_enter().unwrap();
        let waiters = [spawn(&room, Room::wait), spawn(&room, Room::wait)];
        room.be_inside(pass);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(room.door.free(), 1, "a place was lost");
    });
}

/// A waiter cancels, before, while or after the place is handed to it; another waits behind it.
fn give_up<D: Door>() {
    explore(3, || {
        let room = Room::<D>::new();
        let pass = room.door.try_enter().unwrap();
        let fickle = spawn(&room, |room| {
            room.door.give_up().into_iter().for_each(|pass| room.be_inside(pass));
        });
        let waiter = spawn(&room, Room::wait);
        room.be_inside(pass);
        fickle.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(room.door.free(), 1, "a place was lost");
    });
}

/// A newcomer that does not wait comes between a leaver and a waiter.
fn newcomer<D: Door>() {
    explore(3, || {
        let room = Room::<D>::new();
        let pass = room.door.try_enter().unwrap();
        let newcomer = spawn(&room, |room| {
            room.door.try_enter().into_iter().for_each(|pass| room.be_inside(pass));
        });
        let waiter = spawn(&room, Room::wait);
        room.be_inside(pass);
        newcomer.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(room.door.free(), 1, "a place was lost");
    });
}

/// Once the last waiter has been served, the next caller starts to wait.
fn waitlist_ends_and_begins<D: Door>() {
    explore(3, || {
        let room = Room::<D>::new();
        let other = spawn(&room, |room| (0..2).for_each(|_| room.wait()));
        (0..2).for_each(|_| room.wait());
        other.join().unwrap();
        assert_eq!(room.door.free(), 1, "a place was lost");
    });
}

macro_rules! models {
    ($($model:ident)*) => {
        mod by_future {
            use super::ByFuture;
            $(#[test] fn $model() { super::$model::<ByFuture>(); })*
        }
        mod by_thread {
            use super::ByThread;
            $(#[test] fn $model() { super::$model::<ByThread>(); })*
        }
        mod by_sound_protocol {
            use super::{Flaw, RejectedWaitlist};
            $(#[test] fn $model() { super::$model::<RejectedWaitlist<{ Flaw::NONE }>>(); })*
        }
    };
}

models!(hand_over hand_over_twice give_up newcomer waitlist_ends_and_begins);

/// Sets WAITING without looking whether a place has come free meanwhile.
#[test]
#[should_panic(expected = "deadlock")]
fn must_fail_no_second_look() {
    hand_over::<RejectedWaitlist<{ Flaw::NO_SECOND_LOOK }>>();
}

/// Gives back without looking whether a caller waits.
#[test]
#[should_panic(expected = "deadlock")]
fn must_fail_leaver_does_not_look() {
    hand_over::<RejectedWaitlist<{ Flaw::LEAVER_DOES_NOT_LOOK }>>();
}

/// A waiter that is served cancels, and passes nothing on.
#[test]
#[should_panic(expected = "a place was lost")]
fn must_fail_cancelled_waiter_keeps_the_place() {
    give_up::<RejectedWaitlist<{ Flaw::CANCELLED_WAITER_KEEPS_THE_PLACE }>>();
}

/// Clears WAITING after the queue was seen empty, but not under the lock.
#[test]
#[should_panic(expected = "deadlock")]
fn must_fail_flag_cleared_outside_the_lock() {
    hand_over_twice::<RejectedWaitlist<{ Flaw::FLAG_CLEARED_OUTSIDE_THE_LOCK }>>();
}

/// A newcomer that meets WAITING and is refused frees its place without serving the queue.
#[test]
#[should_panic(expected = "deadlock")]
fn must_fail_newcomer_drops_the_place() {
    newcomer::<RejectedWaitlist<{ Flaw::NEWCOMER_DROPS_THE_PLACE }>>();
}

/// Hands over with too weak an ordering.
#[test]
#[should_panic(expected = "Causality violation")]
fn must_fail_relaxed_hand_over() {
    hand_over::<RejectedWaitlist<{ Flaw::RELAXED }>>();
}
