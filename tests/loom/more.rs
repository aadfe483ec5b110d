//! Thresholds, forced entries and changes by so much, without callers that wait.

use std::sync::Arc;

use headcount::{Course, Gate, Tally};

use crate::crowd::explore;

fn spawn<T: 'static, R: 'static>(
    shared: &Arc<T>,
    run: impl FnOnce(&Arc<T>) -> R + 'static,
) -> loom::thread::JoinHandle<R> {
    let shared = Arc::clone(shared);
    loom::thread::spawn(move || run(&shared))
}

/// Of three places one is left for members: two guests and a member all get in, whatever the order,
/// and a third guest does not.
#[test]
fn both_thresholds_are_exact() {
    explore(None, || {
        let gate = Arc::new(Gate::new(2));
        let guest = |gate: &Arc<Gate>| gate.clone().try_acquire_leaving_owned(1, 1).ok();
        let other = spawn(&gate, guest);
        let mine = guest(&gate);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some(), "one place is for guests");
        assert!(gate.try_acquire().is_ok(), "and one is not");
        drop((mine, theirs));
        assert_eq!(gate.available(), 2);
    });
}

/// Two that want all get all between them, and what a leaver gives back meanwhile is not lost.
#[test]
fn all_against_all_and_a_leaver() {
    explore(Some(3), || {
        let gate = Arc::new(Gate::new(2));
        let permit = gate.clone().try_acquire_owned().unwrap();
        let all = |gate: &Arc<Gate>| gate.clone().try_acquire_all_owned().ok();
        let other = spawn(&gate, all);
        let leaver = spawn(&gate, move |_| drop(permit));
        let mine = all(&gate);
        let theirs = other.join().unwrap();
        leaver.join().unwrap();
        let held: u32 = [&mine, &theirs].into_iter().flatten().map(|permit| permit.count()).sum();
        assert_eq!(gate.occupied(), held);
        assert!((1..=2).contains(&held));
    });
}

/// A forced entry is admitted at once, and paid by the next releases.
#[test]
fn a_forced_entry_is_paid() {
    explore(Some(3), || {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.clone().try_acquire_owned().unwrap();
        let leaver = spawn(&gate, move |_| drop(permit));
        let forced = gate.force_acquire(1);
        let newcomer = spawn(&gate, |gate| assert!(gate.try_acquire().is_err()));
        newcomer.join().unwrap();
        leaver.join().unwrap();
        drop(forced);
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
}

/// A forced entry to a place that is free sees the writes of the last holder.
#[test]
fn happens_before_a_forced_entry() {
    explore(None, || {
        let gate = Arc::new(Gate::new(1));
        let cell = Arc::new(loom::cell::UnsafeCell::new(()));
        let left = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let permit = gate.clone().try_acquire_owned().unwrap();
        let (theirs, leaves) = (Arc::clone(&cell), Arc::clone(&left));
        let leaver = spawn(&gate, move |_| {
            theirs.with_mut(|_| ());
            drop(permit);
            leaves.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        // Without an operation of loom before it, this thread would always look first.
        loom::thread::yield_now();
        let gone = left.load(std::sync::atomic::Ordering::Relaxed);
        let forced = gate.force_acquire(1);
        if gone {
            cell.with_mut(|_| ());
        }
        leaver.join().unwrap();
        drop(forced);
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
}

/// Changes by so much lose none of each other, and a caller that comes and goes loses no place.
#[test]
fn raises_and_lowerings_lose_nothing() {
    explore(Some(3), || {
        let gate = Arc::new(Gate::new(1));
        let raising = spawn(&gate, |gate| assert!(gate.raise_capacity(2) >= 2));
        let entrant = spawn(&gate, |gate| drop(gate.try_acquire()));
        gate.lower_capacity(1);
        raising.join().unwrap();
        entrant.join().unwrap();
        assert_eq!((gate.capacity(), gate.occupied(), gate.available()), (2, 0, 2));
    });
}

/// An enrollment against the withdrawal of another: each place comes back once.
#[test]
fn each_enrollment_frees_its_places_once() {
    explore(None, || {
        let course = Arc::new(Course::new(3));
        let two = course.clone().try_reserve_many_owned(2).unwrap();
        let other = spawn(&course, move |_| two.enroll().withdraw().is_ok());
        let enrollment = course.try_reserve().unwrap().enroll();
        let counts = course.counts();
        assert!(counts.enrolled <= counts.taken && counts.taken <= 3, "{counts:?}");
        assert!(enrollment.withdraw().is_ok());
        assert!(other.join().unwrap());
        let counts = course.counts();
        assert_eq!((counts.enrolled, counts.taken), (0, 0));
        assert_eq!(course.available(), 3);
    });
}

/// Two leave at the same time: one of them is told that it is the last, and sees what the other
/// did.
#[test]
fn one_is_the_last_out() {
    explore(None, || {
        let inside = Arc::new(Tally::new(2));
        let cell = Arc::new(loom::cell::UnsafeCell::new(()));
        let leave = |cell: Arc<loom::cell::UnsafeCell<()>>| {
            move |inside: &Arc<Tally>| {
                cell.with(|_| ());
                let last = inside.try_sub(1) == Ok(0);
                if last {
                    cell.with_mut(|_| ());
                }
                last
            }
        };
        let other = spawn(&inside, leave(Arc::clone(&cell)));
        let mine = leave(Arc::clone(&cell))(&inside);
        assert!(mine != other.join().unwrap());
        assert_eq!(inside.try_sub(1), Err(0));
    });
}

/// A change that fails takes back what it changed and no more, whatever another caller adds before,
/// meanwhile or after.
#[test]
fn a_change_that_fails_is_taken_back() {
    let fails: [(fn(&Tally), u64); 2] = [
        (|tally| assert_eq!(tally.add_with(5, |_| Err::<(), _>(())), Err(())), 15),
        (|tally| assert_eq!(tally.sub_with(3, |_| Err::<(), _>(())), Err(())), 7),
    ];
    for (fail, changed) in fails {
        explore(None, move || {
            let tally = Arc::new(Tally::new(10));
            let other = spawn(&tally, move |tally| fail(tally));
            let told = [tally.add(4), tally.add(4)];
            other.join().unwrap();
            let fits = [[14, 18], [14, changed + 8], [changed + 4, 18], [changed + 4, changed + 8]];
            assert!(fits.contains(&told), "{told:?}");
            assert_eq!(tally.get(), 18);
        });
    }
}
