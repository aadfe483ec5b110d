//! A thread stops for ever within a call of a course or of a tally.

use std::sync::{Arc, Mutex};

use headcount::{Course, OwnedReservation, Tally};

use crate::support::stall::{Scene, Stalls};

struct World {
    course: Arc<Course>,
    reservations: Mutex<Vec<OwnedReservation>>,
}

fn stall_course(call: fn(&World), others: fn(&World)) -> Stalls {
    let scene = Scene {
        name: "a course".into(),
        world: Box::new(|| {
            let course = Arc::new(Course::with_enrolled(5, 1).unwrap());
            let reservation = course.clone().try_reserve_owned().unwrap();
            World { course, reservations: Mutex::new(vec![reservation]) }
        }),
        call: Box::new(call),
        rounds: vec![Box::new(others), Box::new(others)],
        end: Box::new(|world| {
            world.reservations.lock().unwrap().clear();
            let course = &world.course;
            let counts = course.counts();
            assert_eq!(counts.taken, counts.enrolled, "all reservations are gone");
            assert_eq!(course.available(), counts.capacity - counts.taken);
        }),
    };
    let seen = scene.explore();
    println!("{seen:?}");
    seen
}

fn take(world: &World) -> Option<OwnedReservation> {
    world.reservations.lock().unwrap().pop()
}

/// One place is free whatever the stopped thread has done, and the counters hold.
fn reserve_and_read(world: &World) {
    let course = &world.course;
    let counts = course.counts();
    assert!(counts.enrolled <= counts.taken && counts.taken <= 5, "{counts:?}");
    let reservation = course.try_reserve().expect("a place is free");
    assert!(course.counts().taken > course.counts().enrolled);
    reservation.confirm();
    course.withdraw().expect("it has just been enrolled");
}

/// *unblocked* and *both-counters*: each call of a course stalls.
#[test]
fn each_call_of_a_course_stalls() {
    let calls: [fn(&World); 14] = [
        |world| drop(world.course.try_reserve()),
        |world| drop(world.course.try_reserve_many(2)),
        |world| take(world).into_iter().for_each(OwnedReservation::confirm),
        |world| take(world).into_iter().for_each(OwnedReservation::cancel),
        |world| {
            let enrollment = take(world).map(OwnedReservation::enroll);
            assert!(enrollment.is_none_or(|enrollment| enrollment.withdraw().is_ok()));
        },
        |world| assert_eq!(world.course.enroll(|_| Err::<(), _>(())).is_err(), true),
        |world| assert!(world.course.withdraw().is_ok()),
        |world| world.course.set_capacity(4),
        |world| _ = world.course.raise_capacity(1),
        |world| _ = world.course.lower_capacity(1),
        |world| assert!(world.course.counts().taken <= 5),
        |world| assert!(world.course.available() >= 2),
        |world| assert!(!world.course.is_full()),
        |world| assert!(!world.course.is_closed()),
    ];
    for call in calls {
        assert_eq!(stall_course(call, reserve_and_read).waited, 0);
    }
}

/// Reserves a place, which is free, if the course is not closed. Keeps it, as giving it back may
/// need the lock of a waitlist.
fn reserve_if_open(world: &World) {
    match world.course.clone().try_reserve_owned() {
        Ok(reservation) => world.reservations.lock().unwrap().push(reservation),
        Err(refused) => assert!(refused.is_closed(), "places are free"),
    }
    let counts = world.course.counts();
    let reserved = world.reservations.lock().unwrap().len() as u32;
    assert_eq!((counts.enrolled, counts.taken), (1, 1 + reserved));
}

/// A course closes or opens, or not, and nothing else changes.
#[test]
fn a_course_that_closes_or_opens_stalls() {
    let calls: [fn(&World); 3] = [
        |world| world.course.close(),
        |world| world.course.reopen(),
        |world| {
            world.course.close();
            world.course.reopen();
        },
    ];
    for call in calls {
        let seen = stall_course(call, reserve_if_open);
        // With the feature `wait`, counting takes the lock of the waitlist of a closed course.
        assert!(seen.waited == 0 || cfg!(feature = "wait"), "it was waited for");
    }
}

/// Stalls `call` on a tally of 10 while another thread makes `round`.
fn stall_tally(
    call: fn(&Tally),
    round: impl Fn(&Tally) + Send + Sync + 'static,
    end: impl Fn(&Tally) + Send + Sync + 'static,
) {
    let scene = Scene {
        name: "a tally".into(),
        world: Box::new(|| Tally::new(10)),
        call: Box::new(call),
        rounds: vec![Box::new(round)],
        end: Box::new(end),
    };
    let seen = scene.explore();
    assert!(seen.ways > 2 && seen.waited == 0, "{seen:?}");
}

/// *once* and exactness: others change a tally while each call stalls, and are told what is
/// explained by the stopped call having taken effect or not.
#[test]
fn each_call_of_a_tally_stalls() {
    // What each call makes of the value.
    let calls: [(fn(&Tally), fn(u64) -> u64); 9] = [
        (|tally| drop(tally.increment().to_string()), |value| value + 1),
        (|tally| drop(tally.sub(3).to_string()), |value| value - 3),
        (|tally| assert!(tally.try_sub(2).is_ok()), |value| value - 2),
        (|tally| drop(tally.reset().to_string()), |_| 10),
        (|tally| drop(tally.add(2).to_string()), |value| value + 2),
        (|tally| drop(tally.decrement().to_string()), |value| value - 1),
        (|tally| assert!(tally.increment_with(|_| Ok::<_, ()>(())).is_ok()), |value| value + 1),
        (|tally| assert!(tally.sub_with(2, |_| Ok::<_, ()>(())).is_ok()), |value| value - 2),
        (|tally| assert!(tally.add_with(5, |_| Ok::<_, ()>(())).is_ok()), |value| value + 5),
    ];
    for (call, effect) in calls {
        let round = move |tally: &Tally| {
            let before = tally.get();
            assert!(before == 10 || before == effect(10));
            let told = [tally.add(4), tally.add(4)];
            // Before both, between them, after them, or not yet.
            let late = effect(14) + 4;
            let early = effect(10);
            let fits = [[14, 18], [early + 4, early + 8], [14, late]];
            assert!(fits.contains(&told), "{told:?}");
        };
        stall_tally(call, round, |_| ());
    }
}

/// A change that is taken back takes back what it changed, and no more: others change a tally while
/// the change stands, or before it or after it.
#[test]
fn a_change_that_fails_stalls() {
    let calls: [(fn(&Tally), fn(u64) -> u64); 2] = [
        (|tally| assert!(tally.add_with(5, |_| Err::<(), _>(())).is_err()), |value| value + 5),
        (|tally| assert!(tally.sub_with(3, |_| Err::<(), _>(())).is_err()), |value| value - 3),
    ];
    for (call, changed) in calls {
        let round = move |tally: &Tally| {
            let before = tally.get();
            let told = [tally.add(4), tally.add(4)];
            // The stopped thread moves before this round and after it.
            let fits = [(10, [14, 18]), (changed(10), [changed(14), changed(18)])];
            assert!(fits.contains(&(before, told)), "{before}, {told:?}");
        };
        stall_tally(call, round, |tally| assert_eq!(tally.get(), 18));
    }
}
