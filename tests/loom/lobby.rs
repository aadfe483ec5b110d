//! Small models of the lobby, run in every order that their threads can take.
//!
//! `ci/loom lobby::`
//!
//! Every model ends by asserting the guarantees for a quiet lobby (*no-lost-room*, *no-leak*):
//! all seats can be had again by `join`, and in the end no room is open and every state was dropped
//! once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use headcount::{Lobby, RoomId, Seat};
use loom::cell::UnsafeCell;
use loom::thread;

/// A room's state. Its cell is written when it is made and when it is dropped, and read by members:
/// loom fails the model if these are not ordered.
pub(crate) struct Witness {
    cell: UnsafeCell<()>,
    gone: AtomicBool,
    living: Arc<AtomicUsize>,
}

impl Witness {
    pub(crate) fn read(&self) {
        // Loom sees the access; nothing needs to be read.
        self.cell.with(|_| ());
        assert!(!self.gone.load(Relaxed), "read after it was dropped");
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.cell.with_mut(|_| ());
        assert!(!self.gone.swap(true, Relaxed), "dropped twice");
        self.living.fetch_sub(1, Relaxed);
    }
}

pub(crate) type Rooms = Arc<Lobby<Witness>>;

pub(crate) struct Model {
    pub(crate) seats: u32,
    pub(crate) rooms: u32,
    pub(crate) quorum: u32,
    pub(crate) preemptions: usize,
}

impl Model {
    pub(crate) fn check(self, run: impl Fn(&Rooms) + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(self.preemptions);
        builder.max_branches = 20_000;
        builder.check(move || {
            let living = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&living);
            let builder = Lobby::builder(self.seats).quorum(self.quorum).max_rooms(self.rooms);
            let lobby = Arc::new(builder.build_with(move |_| {
                counted.fetch_add(1, Relaxed);
                Witness {
                    cell: UnsafeCell::new(()),
                    gone: AtomicBool::new(false),
                    living: Arc::clone(&counted),
                }
            }));
            run(&lobby);
            assert_eq!(lobby.stats().members, 0);
            self.all_can_be_had(&lobby, &living);
            drop(lobby);
            assert_eq!(living.load(Relaxed), 0);
        });
    }

    /// Fails unless an empty lobby can be filled to the last seat.
    fn all_can_be_had(&self, lobby: &Rooms, living: &AtomicUsize) {
        assert_eq!((lobby.stats().rooms, living.load(Relaxed)), (0, 0));
        let all: Vec<_> = (0..self.seats * self.rooms).map(|_| joined(lobby)).collect();
        assert_distinct(&all);
        assert!(lobby.join().is_err(), "more than there are");
    }
}

fn joined<'a>(lobby: &'a Lobby<Witness>) -> Seat<'a, Witness> {
    let seat = lobby.join().expect("a free seat");
    seat.state().read();
    seat
}

fn assert_distinct(seats: &[Seat<'_, Witness>]) {
    for (at, seat) in seats.iter().enumerate() {
        let place = (seat.room_id(), seat.number());
        assert!(seats[..at].iter().all(|other| (other.room_id(), other.number()) != place));
    }
}

/// Joins and leaves. Returns the room, if the caller was admitted.
pub(crate) fn visit(lobby: &Lobby<Witness>) -> Option<RoomId> {
    let seat = lobby.join().ok()?;
    seat.state().read();
    Some(seat.room_id())
}

/// Joins by id and leaves. Returns whether the caller was admitted.
pub(crate) fn visit_room(lobby: &Lobby<Witness>, id: RoomId) -> bool {
    let Ok(seat) = lobby.join_room(id) else { return false };
    seat.state().read();
    assert_eq!(seat.room_id(), id);
    true
}

pub(crate) fn spawn<T: 'static>(
    lobby: &Rooms,
    run: impl FnOnce(&Rooms) -> T + 'static,
) -> thread::JoinHandle<T> {
    let lobby = Arc::clone(lobby);
    thread::spawn(move || run(&lobby))
}

/// *no-ghost*, *no-leak*: the last leaver against a joiner by id. The joiner is admitted and keeps
/// the room open, or is refused and the room is gone for good.
#[test]
fn the_last_leaver_against_a_joiner_by_id() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 4 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let joiner = spawn(lobby, move |lobby| visit_room(lobby, id));
        drop(seat);
        joiner.join().unwrap();
        assert!(!visit_room(lobby, id), "a ghost");
    });
}

/// The last leaver against a joiner to the filling room, which may find the room or open the next.
#[test]
fn the_last_leaver_against_a_joiner() {
    Model { seats: 1, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let joiner = spawn(lobby, move |lobby| assert_ne!(visit(lobby), Some(id)));
        drop(seat);
        joiner.join().unwrap();
    });
}

/// The same with a second room: then only the room's own word orders the end of one generation
/// before the beginning of the next.
#[test]
fn the_last_leaver_against_an_opener() {
    Model { seats: 1, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let opener = spawn(lobby, |lobby| drop(joined(lobby)));
        drop(seat);
        opener.join().unwrap();
    });
}

/// *no-ghost*: an old id against the room's next generation, while it begins and ends.
#[test]
fn an_old_id_against_the_next_generation() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let late = spawn(lobby, move |lobby| visit_room(lobby, id));
        drop(seat);
        if let Ok(next) = lobby.join() {
            next.state().read();
            assert!(next.room_id() == id || next.members() == 1, "a ghost in the next generation");
        }
        late.join().unwrap();
    });
}

/// *seat-distinct*, *never-over*: two threads join one room while its member leaves. One thread may
/// find the room closing and the other thread opening the next one, so a third room is allowed.
#[test]
fn two_joiners_and_a_leaver() {
    Model { seats: 2, rooms: 3, quorum: 2, preemptions: 1 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let other = spawn(lobby, |lobby| lobby.clone().join_owned().unwrap());
        let another = spawn(lobby, |lobby| lobby.clone().join_owned().unwrap());
        drop(seat);
        let seats = [other.join().unwrap(), another.join().unwrap()];
        if seats[0].room_id() == seats[1].room_id() {
            assert_ne!(seats[0].number(), seats[1].number());
            let completed = seats.iter().filter(|seat| seat.completed_quorum()).count();
            assert!(completed >= 1, "no join completed the quorum");
        }
    });
}

/// *no-lost-room*: two members of two full rooms leave at once, so that one room takes the place of
/// the filling one, or is hinted at, while the other is. Both are found again.
#[test]
fn two_leavers_of_two_rooms() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let [a, b, c, d] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        assert_ne!(a.room_id(), c.room_id());
        let leaver = spawn(lobby, move |_| drop(a));
        drop(c);
        leaver.join().unwrap();
        let again = [joined(lobby), joined(lobby)];
        assert_eq!(lobby.stats().rooms, 2);
        assert_distinct(&again);
        drop((again, b, d));
    });
}

/// *no-lost-room*: a thread joins a room, by a hint or as it is the filling room, while a member
/// leaves that room and finds its hint set. Store buffering between hint and word.
#[test]
fn a_joiner_against_a_leaver_of_the_same_room() {
    Model { seats: 3, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let all: [_; 6] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let [a, b, c, d, e, f] = all;
        // Both rooms have two members: one is the filling room, the other has a hint.
        drop((c, f));
        let leaver = spawn(lobby, move |_| drop((a, d)));
        let joiner = spawn(lobby, |lobby| lobby.clone().join_owned().unwrap());
        leaver.join().unwrap();
        let seat = joiner.join().unwrap();
        // Each room has one member, and one of them the joiner: three seats are free.
        let again = [joined(lobby), joined(lobby), joined(lobby)];
        assert!(lobby.join().is_err());
        drop((again, seat, b, e));
    });
}

/// *no-lost-room*: a search finds summaries without a hint and clears them, while a member leaves,
/// sets a hint there, and finds the summaries set.
#[test]
fn a_search_against_a_new_hint() {
    Model { seats: 2, rooms: 3, quorum: 1, preemptions: 3 }.check(|lobby| {
        let [a, b, c, d, e, f] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        // Summaries stay set.
        drop((a, c));
        let [a, c] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let leaver = spawn(lobby, move |_| drop((a, c)));
        let seats = [lobby.clone().join_owned().ok(), lobby.clone().join_owned().ok()];
        leaver.join().unwrap();
        let rest: Vec<_> = (0..seats.iter().filter(|seat| seat.is_none()).count())
            .map(|_| joined(lobby))
            .collect();
        drop((rest, seats, b, d, e, f));
    });
}

/// As above, with a joiner by id, whose room becomes the filling one.
#[test]
fn a_joiner_by_id_against_a_leaver_of_another_room() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let [a, b, c, d] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        drop(a);
        let id = b.room_id();
        let joiner = spawn(lobby, move |lobby| visit_room(lobby, id));
        drop(c);
        joiner.join().unwrap();
        let again = [joined(lobby), joined(lobby)];
        drop((again, b, d));
    });
}

/// *no-lost-room*: a member leaves the filling room, which was full, while another room takes its
/// place. Either the leaver sets a hint, or the joiner does.
#[test]
fn a_leaver_of_the_filling_room_against_its_replacement() {
    Model { seats: 3, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let all: [_; 6] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let [a, b, c, d, e, f] = all;
        drop((b, c));
        let leaver = spawn(lobby, move |_| drop(f));
        let by_id = lobby.join_room(a.room_id()).unwrap();
        leaver.join().unwrap();
        // One seat is free in each room.
        let again = [joined(lobby), joined(lobby)];
        drop((again, by_id, a, d, e));
    });
}

/// *no-lost-room*: an unlocking against a joiner that passes over the locked room.
#[test]
fn an_unlocking_against_a_joiner() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        assert!(lobby.lock(id));
        let joiner = spawn(lobby, |lobby| visit(lobby));
        assert!(lobby.unlock(id));
        joiner.join().unwrap();
        assert_eq!(joined(lobby).room_id(), id, "the unlocked room is lost");
        drop(seat);
    });
}

/// Lock against join, and against the close: a lock never reaches the room's next generation.
#[test]
fn a_lock_against_a_joiner_and_the_close() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let moderator = spawn(lobby, move |lobby| lobby.lock(id));
        let joiner = spawn(lobby, move |lobby| {
            if let Some(room) = visit(lobby) {
                assert!(lobby.room(room).is_none() || room == id);
            }
        });
        drop(seat);
        moderator.join().unwrap();
        joiner.join().unwrap();
        assert!(!lobby.room(id).is_some_and(|room| room.members == 0));
    });
}

/// A lock by an old id against the room's next generation.
#[test]
fn a_lock_against_the_next_generation() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let moderator = spawn(lobby, move |lobby| lobby.lock(id));
        drop(seat);
        let next = joined(lobby);
        assert_ne!(next.room_id(), id);
        moderator.join().unwrap();
        assert!(
            !lobby.room(next.room_id()).unwrap().locked,
            "the lock reached the next generation"
        );
        drop(next);
    });
}

/// *once*: a join reaches the quorum while a member leaves: a start succeeds only with a quorum,
/// and each time the quorum is reached, one join reports it.
#[test]
fn the_quorum_against_a_leaver() {
    Model { seats: 3, rooms: 1, quorum: 2, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        let joiner = spawn(lobby, move |lobby| {
            let Ok(seat) = lobby.clone().join_room_owned(id) else { return None };
            let started = seat.start();
            assert!(started.map_or(true, |members| members >= 2), "started with too few");
            Some((seat.completed_quorum(), started.is_ok(), seat))
        });
        let leaver = seat;
        drop(leaver);
        if let Some((completed, started, seat)) = joiner.join().unwrap() {
            assert!(completed, "it was the second in the room");
            assert_eq!(lobby.room(seat.room_id()).unwrap().locked, started);
        }
    });
}

/// *once*: of two callers that join at the same time, exactly one completes a quorum of two.
#[test]
fn one_of_two_completes_the_quorum() {
    Model { seats: 2, rooms: 1, quorum: 2, preemptions: 3 }.check(|lobby| {
        let named = lobby.filling();
        let join = move |lobby: &Rooms| {
            let seat = lobby.clone().join_room_or_any_owned(named).ok()?;
            seat.state().read();
            Some(seat)
        };
        let threads = [spawn(lobby, join), spawn(lobby, join)];
        let seats: Vec<_> =
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
        let completed = seats.iter().filter(|seat| seat.completed_quorum()).count();
        assert_eq!((seats.len(), completed), (2, 1));
    });
}

/// *never-over* of `max_rooms`: two threads open a room each, and one room is allowed.
#[test]
fn two_openers_and_one_room() {
    Model { seats: 1, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let other = spawn(lobby, |lobby| lobby.clone().join_owned().ok());
        let one = lobby.clone().join_owned().ok();
        let other = other.join().unwrap();
        assert_eq!(usize::from(one.is_some()) + usize::from(other.is_some()), 1);
    });
}

/// *exact-lobby*: each of two threads leaves one of the two full rooms, and is seated again.
#[test]
fn two_that_leave_and_join_in_full_rooms() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 2 }.check(|lobby| {
        let [a, b, c, d] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        // A refused caller has passed all rooms.
        assert!(lobby.join().is_err());
        let leave_and_join = |seat| {
            move |lobby: &Rooms| {
                drop(seat);
                lobby.clone().join_owned().expect("a seat is free throughout")
            }
        };
        let other = spawn(lobby, leave_and_join(a));
        let again = leave_and_join(c)(lobby);
        drop((other.join().unwrap(), again, b, d));
    });
}

/// Two clients that were told one room that is not open yet: one opens it, the other enters it.
#[test]
fn two_clients_are_told_one_unopened_room() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let told = lobby.filling();
        let join = move |lobby: &Rooms| {
            let seat = lobby.clone().join_room_owned(told).expect("no member leaves");
            seat.state().read();
            seat
        };
        let other = spawn(lobby, join);
        let seat = join(lobby);
        let other = other.join().unwrap();
        assert_eq!((seat.room_id(), other.room_id()), (told, told));
    });
}

/// *no-needless-room*: two callers arrive at an empty lobby, and one room opens.
#[test]
fn two_callers_of_an_empty_lobby() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let other = spawn(lobby, |lobby| lobby.clone().join_owned().unwrap());
        let seat = lobby.clone().join_owned().unwrap();
        assert_eq!(other.join().unwrap().room_id(), seat.room_id());
    });
}

/// What is reported while rooms open and close is possible.
#[test]
fn rooms_and_stats_meanwhile() {
    Model { seats: 2, rooms: 2, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let visitor = spawn(lobby, |lobby| {
            visit(lobby);
            visit(lobby);
        });
        let rooms: Vec<_> = lobby.rooms().collect();
        assert!(rooms.iter().any(|room| room.id == seat.room_id()));
        assert!(rooms.iter().all(|room| (1..=2).contains(&room.members)));
        let stats = lobby.stats();
        assert!((1..=2).contains(&stats.members) && stats.rooms == 1, "{stats:?}");
        visitor.join().unwrap();
        drop(seat);
    });
}

/// The constructor of the first state panics, while another caller joins: that one's state is made.
#[test]
fn a_constructor_that_panics() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 20_000;
    builder.check(|| {
        let calls = AtomicUsize::new(0);
        let lobby = Arc::new(Lobby::builder(2).max_rooms(1).build_with(move |_| {
            let call = calls.fetch_add(1, Relaxed);
            assert!(call > 0, "the first");
            Box::new(call)
        }));
        let join = |lobby: &Arc<Lobby<Box<usize>>>| {
            let joined = std::panic::AssertUnwindSafe(|| {
                let seat = lobby.clone().join_owned().expect("a free seat");
                assert!(**seat.state() > 0);
            });
            std::panic::catch_unwind(joined).is_err()
        };
        let other = {
            let lobby = Arc::clone(&lobby);
            thread::spawn(move || join(&lobby))
        };
        let panicked = [join(&lobby), other.join().unwrap()];
        assert_eq!(panicked.iter().filter(|&&panicked| panicked).count(), 1);
        assert_eq!(lobby.stats(), Default::default());
    });
}

/// Plain memory that a thread writes before a call and another reads after observing that call:
/// loom fails the model if the two are not ordered.
#[derive(Clone, Default)]
pub(crate) struct Plain(Arc<UnsafeCell<()>>);

impl Plain {
    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }

    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }
}

/// *happens-before*: a member that reads that another one has left sees what it wrote.
///
/// The reader is the spawned thread here and below: loom compares an operation with the last access
/// alone, so a look of the leaver would hide the reader's.
#[test]
fn a_reader_of_members_against_a_leaver() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let [stays, leaves] = std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let plain = Plain::default();
        let reader = spawn(lobby, {
            let plain = plain.clone();
            move |_| {
                if stays.members() == 1 {
                    plain.read();
                }
            }
        });
        plain.write();
        drop(leaves);
        reader.join().unwrap();
    });
}

/// *happens-before*: a member that cannot start, as another one has left, sees what that one wrote.
#[test]
fn a_starter_against_a_leaver() {
    Model { seats: 3, rooms: 1, quorum: 3, preemptions: 3 }.check(|lobby| {
        let [stays, _stays_too, leaves] =
            std::array::from_fn(|_| lobby.clone().join_owned().unwrap());
        let plain = Plain::default();
        let starter = spawn(lobby, {
            let plain = plain.clone();
            move |_| match stays.start() {
                Ok(members) => assert_eq!(members, 3),
                Err(too_few) => {
                    assert_eq!(too_few.occupied, 2);
                    plain.read();
                }
            }
        });
        plain.write();
        drop(leaves);
        starter.join().unwrap();
    });
}

/// *happens-before*: a caller that joins a room after it was unlocked sees what was written before.
#[test]
fn an_unlocking_against_a_joiner_by_id() {
    Model { seats: 2, rooms: 1, quorum: 1, preemptions: 3 }.check(|lobby| {
        let seat = lobby.clone().join_owned().unwrap();
        let id = seat.room_id();
        assert!(lobby.lock(id));
        let plain = Plain::default();
        let joiner = spawn(lobby, {
            let plain = plain.clone();
            move |lobby| {
                let Ok(seat) = lobby.join_room(id) else { return };
                plain.read();
                drop(seat);
            }
        });
        plain.write();
        assert!(lobby.unlock(id));
        joiner.join().unwrap();
    });
}

/// Rooms whose seats do not fit into the word: two threads join, one of them after a leave.
#[test]
fn large_rooms_number_their_seats() {
    // The bitmap has one word, or two.
    for (seats, preemptions) in [(25, 2), (66, 1)] {
        number_their_seats(seats, preemptions);
    }
}

fn number_their_seats(seats: u32, preemptions: usize) {
    Model { seats, rooms: 1, quorum: 1, preemptions }.check(move |lobby| {
        let mut all: Vec<_> = (1..seats).map(|_| lobby.clone().join_owned().unwrap()).collect();
        let leaver = all.swap_remove(3);
        let joiner = spawn(lobby, |lobby| lobby.clone().join_owned().unwrap());
        let other = spawn(lobby, move |lobby| {
            drop(leaver);
            lobby.clone().join_owned().unwrap()
        });
        all.extend([joiner.join().unwrap(), other.join().unwrap()]);
        let mut numbers: Vec<_> = all.iter().map(|seat| seat.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), seats as usize);
    });
}

/// A room whose last generation ends is replaced by one other room, not by two: by the call that
/// finds it in a survey, or by one that comes after the leaver.
#[test]
fn a_retiring_room_and_the_limit() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(|| {
        let lobby = Arc::new(Lobby::builder(1).max_rooms(1).build());
        drop(lobby.join());
        drop(lobby.join());
        let last = Arc::clone(&lobby).join_owned().expect("the last generation");
        let leaver = thread::spawn(move || drop(last));
        let early = lobby.join();
        leaver.join().unwrap();
        let late = lobby.join();
        let rooms = lobby.stats().rooms;
        assert_eq!(rooms, 1, "max_rooms is 1: {early:?} {late:?}");
    });
}

/// A state that counts the states that exist.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, Relaxed);
        Counted(Arc::clone(living))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A constructor panics while another member is inside. That member leaves, while a third caller
/// joins, makes the state and leaves. Whichever closes the room drops the state.
#[test]
fn a_state_that_a_later_member_makes_is_dropped() {
    type Rooms = Lobby<Counted>;
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(|| {
        let living = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&living);
        let weak: Arc<std::sync::OnceLock<std::sync::Weak<Rooms>>> = Arc::default();
        let second: Arc<std::sync::Mutex<Option<headcount::OwnedSeat<Counted>>>> = Arc::default();
        let (own, seat, first) = (Arc::clone(&weak), Arc::clone(&second), AtomicBool::new(true));
        let lobby = Arc::new(Lobby::builder(2).max_rooms(1).build_with(move |_| {
            if first.swap(false, Relaxed) {
                let lobby = own.get().unwrap().upgrade().unwrap();
                *seat.lock().unwrap() = Some(lobby.join_owned().unwrap());
                std::panic::resume_unwind(Box::new(()));
            }
            Counted::new(&made)
        }));
        weak.set(Arc::downgrade(&lobby)).unwrap();
        let opens = std::panic::AssertUnwindSafe(|| lobby.join().is_ok());
        assert!(std::panic::catch_unwind(opens).is_err());
        let seat = second.lock().unwrap().take().unwrap();
        let leaver = thread::spawn(move || drop(seat));
        if let Ok(seat) = lobby.join() {
            seat.state();
        }
        leaver.join().unwrap();
        assert_eq!(lobby.stats().rooms, 0);
        assert_eq!(living.load(Relaxed), 0, "a state was not dropped");
    });
}

/// An opener makes the state and leaves, while a member that never asks for the state leaves too.
#[test]
fn two_leavers_of_a_new_room_drop_its_state() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 20_000;
    builder.check(|| {
        let living = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&living);
        let lobby = Lobby::builder(2).max_rooms(1).build_with(move |_| Counted::new(&made));
        let lobby = Arc::new(lobby);
        let joiner = {
            let lobby = Arc::clone(&lobby);
            thread::spawn(move || drop(lobby.join()))
        };
        drop(lobby.join());
        joiner.join().unwrap();
        assert_eq!(lobby.stats().rooms, 0);
        assert_eq!(living.load(Relaxed), 0, "a state was not dropped");
    });
}

/// A call that joins does not wait for a constructor that another member runs.
#[test]
fn an_opener_against_another_member_that_makes_the_state() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 2_000;
    builder.check(|| {
        let joined = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let awaited = Arc::clone(&joined);
        let main = thread::current().id();
        let lobby = Arc::new(Lobby::builder(2).max_rooms(1).build_with(move |_| {
            // The constructor on the other thread takes longer than the call of the main thread.
            while thread::current().id() != main
                && !awaited.load(std::sync::atomic::Ordering::Acquire)
            {
                thread::yield_now();
            }
        }));
        let id = lobby.filling();
        let member = {
            let lobby = Arc::clone(&lobby);
            thread::spawn(move || {
                // If the room is not open, this thread would open it.
                if lobby.room(id).is_some_and(|room| room.members == 1) {
                    if let Ok(seat) = lobby.join_room(id) {
                        if seat.members() == 2 {
                            seat.state();
                        }
                    }
                }
            })
        };
        let seat = lobby.join();
        joined.store(true, std::sync::atomic::Ordering::Release);
        drop(seat);
        member.join().unwrap();
    });
}
