//! Tallies: *once*, and no change is lost.

use std::sync::Arc;

use headcount::Tally;
use loom::cell::UnsafeCell;
use loom::thread::spawn;

use crate::crowd::explore;

/// Exactly one caller makes the 1000th post, and sees the writes of the callers that posted before.
#[test]
fn once_two_increment() {
    explore(None, || {
        let posts = Arc::new(Tally::new(998));
        let cells = Arc::new([UnsafeCell::new(()), UnsafeCell::new(())]);
        let post = |number: usize| {
            let (posts, cells) = (Arc::clone(&posts), Arc::clone(&cells));
            move || {
                cells[number].with_mut(|_| ());
                let became = posts.increment();
                if became == 1000 {
                    cells.iter().for_each(|cell| cell.with_mut(|_| ()));
                }
                became
            }
        };
        let other = spawn(post(1));
        let mut became = [post(0)(), other.join().unwrap()];
        became.sort_unstable();
        assert_eq!(became, [999, 1000]);
        assert_eq!(posts.get(), 1000);
    });
}

/// With a decrement in between: each time that the value reaches 2 from below, exactly one caller
/// is told 2.
#[test]
fn once_two_increment_one_decrements() {
    explore(Some(3), || {
        let tally = Arc::new(Tally::new(1));
        let up = |tally: &Arc<Tally>| {
            let tally = Arc::clone(tally);
            spawn(move || tally.increment())
        };
        let ups = [up(&tally), up(&tally)];
        let down = tally.decrement();
        let mut ups = ups.map(|up| up.join().unwrap());
        ups.sort_unstable();
        // The decrement came first, in the middle or last.
        assert!(
            matches!((ups, down), ([1, 2], 0) | ([2, 2], 1) | ([2, 3], 2)),
            "{ups:?} on the way up, {down} on the way down"
        );
        assert_eq!(tally.get(), 2);
    });
}

/// The result of the reset and the value left add up to the number of increments.
#[test]
fn take_loses_nothing() {
    explore(None, || {
        let tally = Arc::new(Tally::new(0));
        let cell = Arc::new(UnsafeCell::new(()));
        let other = {
            let (tally, cell) = (Arc::clone(&tally), Arc::clone(&cell));
            spawn(move || {
                cell.with_mut(|_| ());
                (tally.increment(), tally.increment())
            })
        };
        let taken = tally.reset();
        if taken > 0 {
            cell.with_mut(|_| ());
        }
        let became = other.join().unwrap();
        assert!(matches!((taken, became), (0, (1, 2)) | (1, (1, 1)) | (2, (1, 2))));
        assert_eq!(taken + tally.get(), 2);
    });
}

/// A closure that fails subtracts its own increment again, and no other.
#[test]
fn increment_with_rewinds() {
    explore(None, || {
        let tally = Arc::new(Tally::new(0));
        let other = {
            let tally = Arc::clone(&tally);
            spawn(move || tally.increment_with(Err::<(), u64>).unwrap_err())
        };
        let own = tally.increment_with(Ok::<u64, ()>).unwrap();
        let failed = other.join().unwrap();
        // Each was told its own value, or the second came after the rewind.
        assert!(matches!((own, failed), (1, 1) | (1, 2) | (2, 1)), "{own} and {failed}");
        assert_eq!(tally.get(), 1);
    });
}

/// At `u64::MAX` a rewind subtracts nothing, since nothing was added.
#[test]
fn increment_with_rewinds_nothing_when_saturated() {
    explore(None, || {
        let tally = Arc::new(Tally::new(u64::MAX));
        let other = {
            let tally = Arc::clone(&tally);
            spawn(move || tally.increment())
        };
        assert_eq!(tally.increment_with(Err::<(), u64>), Err(u64::MAX));
        assert_eq!(other.join().unwrap(), u64::MAX);
        assert_eq!(tally.get(), u64::MAX);
    });
}
