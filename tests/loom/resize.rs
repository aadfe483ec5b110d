//! Resizing against callers that enter and leave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::Gate;
use headcount_spec::GateCall::*;
use loom::cell::UnsafeCell;

use crate::crowd::{explore, Crowd};

const RESIZING: Crowd = Crowd {
    capacity: 2,
    before: &[],
    threads: &[&[SetCapacity(1), Acquire], &[Acquire]],
    bound: Some(3),
};

/// Once a lowering has returned, no caller is admitted beyond the new capacity.
#[test]
fn lower_against_enter() {
    let crowd = Crowd {
        threads: &[&[SetCapacity(1), Acquire], &[Acquire, Release], &[Acquire]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Permits beyond the new capacity stay valid; no caller gets their places.
#[test]
fn lower_against_leave_and_enter() {
    let crowd = Crowd {
        before: &[Acquire, Acquire],
        threads: &[&[Release, Release], &[SetCapacity(1)], &[Acquire, Acquire]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// A caller that looked before the lowering adds to the deficit, and backs out or is admitted.
#[test]
fn lower_by_two_against_a_late_enter() {
    let crowd = Crowd {
        capacity: 3,
        before: &[Acquire, Acquire],
        threads: &[&[SetCapacity(1), Release, Release, Acquire], &[Acquire]],
        bound: None,
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// After a lowering, a thread with a fast hint adds to a deficit while another thread leaves: it
/// must not be admitted before the deficit is paid.
#[test]
fn lowered_for_a_thread_with_a_hint() {
    let crowd = Crowd {
        capacity: 3,
        before: &[Acquire, Acquire],
        threads: &[&[SetCapacity(1), Acquire], &[Acquire, Release]],
        bound: None,
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

#[test]
fn lower_to_nothing_against_enter() {
    let crowd = Crowd { threads: &[&[SetCapacity(0), Acquire], &[Acquire, Release]], ..RESIZING };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

#[test]
fn raise_against_enter() {
    let crowd = Crowd {
        before: &[Acquire, Acquire],
        threads: &[&[SetCapacity(3), Acquire], &[Acquire, Release], &[Acquire]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// A raise must neither turn surplus into a place nor lose a place to it.
#[test]
fn raise_against_surplus() {
    let crowd = Crowd {
        capacity: 1,
        before: &[],
        threads: &[&[Acquire], &[SetCapacity(3), Acquire], &[Acquire, Release]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Down and up again while holders leave: the raise cancels the deficit, and no release pays it.
#[test]
fn lower_and_raise_against_leave() {
    let crowd = Crowd {
        before: &[Acquire, Acquire],
        threads: &[&[Release, Acquire], &[SetCapacity(0), SetCapacity(2)], &[Acquire]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

#[test]
fn lower_against_close() {
    let crowd = Crowd {
        before: &[Acquire],
        threads: &[&[SetCapacity(0), Release], &[Close, Reopen], &[Acquire, Release]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

#[test]
fn lower_against_many() {
    let crowd = Crowd {
        capacity: 3,
        before: &[Acquire],
        threads: &[&[SetCapacity(2), Acquire], &[AcquireMany(2), Release], &[Acquire]],
        ..RESIZING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Two resizings at once: the gate ends with the capacity of one of them, and as many places.
#[test]
fn two_resizes_at_once() {
    let crowd = Crowd { threads: &[&[SetCapacity(1)], &[SetCapacity(3)]], bound: None, ..RESIZING };
    crowd.at_a_gate();
}

#[test]
fn two_resizes_at_once_against_leave() {
    let crowd = Crowd {
        before: &[Acquire, Acquire],
        threads: &[&[Release, Release], &[SetCapacity(1)], &[SetCapacity(3)]],
        ..RESIZING
    };
    crowd.at_a_gate();
}

/// Without waiting, two lowerings to the same capacity: for a moment the second can remove places
/// that the first has removed already, and a caller is refused a place that neither removes in the
/// end.
#[cfg(not(feature = "wait"))]
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_two_resizes_hold_places_for_a_moment() {
    let crowd = Crowd {
        capacity: 3,
        before: &[Acquire],
        threads: &[&[SetCapacity(2), Acquire], &[SetCapacity(2)]],
        bound: None,
    };
    crowd.at_a_gate();
}

/// A caller that is admitted while it backs out sees the writes of the holders that left meanwhile:
/// the first thread writes, lowers to one place and leaves; the other is admitted to that place.
#[test]
fn happens_before_while_backing_out() {
    let admitted_last = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&admitted_last);
    explore(None, move || {
        let gate = Arc::new(Gate::new(3));
        let cell = Arc::new(UnsafeCell::new(()));
        // Not an atomic of loom: it orders nothing, and tells what has happened in this execution.
        let left = Arc::new(AtomicUsize::new(0));
        let permits = [gate.try_acquire().unwrap(), gate.try_acquire().unwrap()];
        let late = {
            let (gate, cell, left) = (Arc::clone(&gate), Arc::clone(&cell), Arc::clone(&left));
            let counted = Arc::clone(&counted);
            loom::thread::spawn(move || {
                let entered = gate.try_acquire();
                if entered.is_ok() && left.load(Ordering::Relaxed) == 1 {
                    cell.with_mut(|_| ());
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        gate.set_capacity(1);
        cell.with_mut(|_| ());
        drop(permits);
        left.store(1, Ordering::Relaxed);
        late.join().unwrap();
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
    assert!(admitted_last.load(Ordering::Relaxed) > 0);
}
