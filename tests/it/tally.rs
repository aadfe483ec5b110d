//! The tally: changes, saturation, reset, rewind.

use std::panic::{catch_unwind, resume_unwind};

use headcount::Tally;

const MAX: u64 = u64::MAX;

#[test]
fn each_change_returns_what_it_became() {
    let tally = Tally::new(10);
    assert_eq!(tally.get(), 10);
    assert_eq!(tally.increment(), 11);
    assert_eq!(tally.add(5), 16);
    assert_eq!(tally.decrement(), 15);
    assert_eq!(tally.sub(5), 10);
    assert_eq!(tally.add(0), 10);
    assert_eq!(tally.sub(0), 10);
    assert_eq!(tally.get(), 10);
}

#[test]
fn it_saturates_at_the_top() {
    let tally = Tally::new(MAX - 1);
    assert_eq!(tally.increment(), MAX);
    assert_eq!(tally.increment(), MAX);
    assert_eq!(tally.add(MAX), MAX);
    assert_eq!(tally.get(), MAX);
    assert_eq!(tally.decrement(), MAX - 1);
    assert_eq!(tally.add(2), MAX);
}

#[test]
fn it_saturates_at_the_bottom() {
    let tally = Tally::new(1);
    assert_eq!(tally.decrement(), 0);
    assert_eq!(tally.decrement(), 0);
    assert_eq!(tally.sub(MAX), 0);
    assert_eq!(tally.add(3), 3);
    assert_eq!(tally.sub(4), 0);
}

#[test]
fn take_goes_back_to_the_start_value() {
    let tally = Tally::new(7);
    tally.add(5);
    assert_eq!(tally.reset(), 12);
    assert_eq!(tally.get(), 7);
    assert_eq!(tally.reset(), 7);
    tally.sub(7);
    assert_eq!(tally.reset(), 0);
    assert_eq!(tally.get(), 7);
}

#[test]
fn a_block_that_succeeds_keeps_the_increment() {
    let tally = Tally::new(0);
    assert_eq!(tally.increment_with(|n| Ok::<_, ()>(n * 10)), Ok(10));
    assert_eq!(tally.get(), 1);
}

#[test]
fn a_block_that_fails_or_panics_rewinds() {
    let tally = Tally::new(3);
    assert_eq!(tally.increment_with(Err::<(), _>), Err(4));
    assert_eq!(tally.get(), 3);
    let panicked = catch_unwind(|| {
        tally.increment_with(|_| -> Result<(), ()> { resume_unwind(Box::new(())) })
    });
    assert!(panicked.is_err());
    assert_eq!(tally.get(), 3);
}

#[test]
fn the_increment_stands_while_the_block_runs() {
    let tally = Tally::new(0);
    assert_eq!(tally.increment_with(|_| Ok::<_, ()>(tally.increment())), Ok(2));
    assert_eq!(tally.increment_with(|_| Err::<(), _>(tally.add(10))), Err(13));
    assert_eq!(tally.get(), 12);
}

#[test]
fn a_saturated_increment_rewinds_nothing() {
    let tally = Tally::new(MAX);
    assert_eq!(tally.increment_with(Err::<(), _>), Err(MAX));
    assert_eq!(tally.get(), MAX);
    let tally = Tally::new(MAX - 1);
    assert_eq!(tally.increment_with(Err::<(), _>), Err(MAX));
    assert_eq!(tally.get(), MAX - 1);
}

#[test]
fn a_rewind_after_a_take_is_one_of_the_new_count() {
    let tally = Tally::new(5);
    assert_eq!(tally.increment_with(|_| Err::<(), _>(tally.reset())), Err(6));
    assert_eq!(tally.get(), 4);
    let tally = Tally::new(0);
    assert_eq!(tally.increment_with(|_| Err::<(), _>(tally.reset())), Err(1));
    assert_eq!(tally.get(), 0);
}

#[test]
fn debug_shows_the_value_and_the_start() {
    let tally = Tally::new(7);
    tally.increment();
    assert_eq!(format!("{tally:?}"), "Tally { value: 8, start: 7 }");
}

#[test]
fn a_subtraction_is_whole_or_none() {
    let tally = Tally::new(5);
    assert_eq!((tally.try_sub(3), tally.try_sub(3), tally.get()), (Ok(2), Err(2), 2));
    assert_eq!((tally.try_sub(0), tally.try_sub(2), tally.try_sub(1)), (Ok(2), Ok(0), Err(0)));
}

/// Of those that were added, exactly one is told that it is the last out.
#[test]
fn one_is_the_last_out() {
    for _ in 0..50 {
        let tally = Tally::new(0);
        tally.add(8);
        let last = std::thread::scope(|scope| {
            let leave = || (0..4).filter(|_| tally.try_sub(1) == Ok(0)).count();
            let threads = [scope.spawn(leave), scope.spawn(leave), scope.spawn(leave)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!((last, tally.get()), (1, 0));
    }
}

#[test]
fn a_block_rewinds_exactly_what_it_changed() {
    let tally = Tally::new(u64::MAX - 2);
    assert_eq!(tally.add_with(5, Err::<(), _>), Err(u64::MAX));
    assert_eq!(tally.get(), u64::MAX - 2);
    let tally = Tally::new(2);
    assert_eq!(tally.sub_with(5, Err::<(), _>), Err(0));
    assert_eq!(tally.get(), 2);
    assert_eq!(tally.sub_with(1, Ok::<_, ()>), Ok(1));
    assert_eq!(tally.add_with(4, Ok::<_, ()>), Ok(5));
    let panics = std::panic::catch_unwind(|| tally.sub_with(3, |_| -> Result<(), ()> { panic!() }));
    assert!(panics.is_err());
    assert_eq!(tally.get(), 5);
}

#[test]
fn the_default_tally_starts_at_zero() {
    let tally = Tally::default();
    assert_eq!((tally.get(), tally.add(3)), (0, 3));
    assert_eq!((tally.reset(), tally.get()), (3, 0));
}
