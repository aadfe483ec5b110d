//! The gate: admission, refusal, closing, resizing.

use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;

use headcount::{Gate, TryAcquireError};

use crate::panic_message;

const MAX: u32 = Gate::MAX_CAPACITY;

/// Returns all that can be read: capacity, occupied, available, full, closed.
fn reading(gate: &Gate) -> (u32, u32, u32, bool, bool) {
    (gate.capacity(), gate.occupied(), gate.available(), gate.is_full(), gate.is_closed())
}

#[test]
fn a_gate_without_places_is_full_and_empty() {
    let gate = Gate::new(0);
    assert_eq!(reading(&gate), (0, 0, 0, true, false));
    assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Full);
    assert_eq!(gate.try_run(|| ()), Err(TryAcquireError::Full));
    assert_eq!(gate.close_if_occupied(1).map_err(|error| error.occupied), Err(0));
    assert_eq!(reading(&gate), (0, 0, 0, true, false));
}

#[test]
fn the_highest_capacity_can_be_used_to_the_last_place() {
    let gate = Gate::new(MAX);
    assert_eq!(reading(&gate), (MAX, 0, MAX, false, false));
    let most = gate.try_acquire_many(MAX - 1).unwrap();
    assert_eq!(gate.try_acquire_many(2).unwrap_err(), TryAcquireError::Full);
    let last = gate.try_acquire().unwrap();
    assert_eq!(reading(&gate), (MAX, MAX, 0, true, false));
    assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Full);
    drop((most, last));
    assert_eq!(reading(&gate), (MAX, 0, MAX, false, false));
}

#[test]
fn a_capacity_above_the_highest_panics() {
    for capacity in [MAX + 1, u32::MAX] {
        let message = panic_message(|| assert!(Gate::new(capacity).is_closed()));
        assert_eq!(message, "capacity is above Gate::MAX_CAPACITY");
    }
}

#[test]
fn setting_a_capacity_above_the_highest_panics_and_changes_nothing() {
    let gate = Gate::new(3);
    let _permit = gate.try_acquire().unwrap();
    for capacity in [MAX + 1, u32::MAX] {
        let message = panic_message(|| gate.set_capacity(capacity));
        assert_eq!(message, "capacity is above Gate::MAX_CAPACITY");
        assert_eq!(reading(&gate), (3, 1, 2, false, false));
    }
}

#[test]
fn no_caller_gets_in_beyond_the_capacity() {
    let gate = Gate::new(3);
    let permits: Vec<_> = (0..5).filter_map(|_| gate.try_acquire().ok()).collect();
    assert_eq!(permits.len(), 3);
    assert_eq!(reading(&gate), (3, 3, 0, true, false));
}

#[test]
fn a_refusal_of_many_takes_nothing() {
    let gate = Gate::new(5);
    let _three = gate.try_acquire_many(3).unwrap();
    assert_eq!(gate.try_acquire_many(3).unwrap_err(), TryAcquireError::Full);
    assert_eq!(gate.available(), 2);
    assert!(gate.try_acquire_many(2).is_ok());
}

#[test]
fn more_than_the_capacity_is_refused_as_full() {
    let gate = Arc::new(Gate::new(5));
    for n in [6, MAX, MAX + 1, u32::MAX] {
        assert_eq!(gate.try_acquire_many(n).unwrap_err(), TryAcquireError::Full);
        let owned = Arc::clone(&gate).try_acquire_many_owned(n);
        assert_eq!(owned.unwrap_err(), TryAcquireError::Full);
    }
    assert_eq!(reading(&gate), (5, 0, 5, false, false));
}

#[test]
fn zero_places_can_be_had_also_of_a_full_gate() {
    let gate = Arc::new(Gate::new(1));
    let _all = gate.try_acquire().unwrap();
    let nothing = gate.try_acquire_many(0).unwrap();
    assert_eq!(nothing.count(), 0);
    assert_eq!(gate.clone().try_acquire_many_owned(0).unwrap().count(), 0);
    assert_eq!(gate.occupied(), 1);
    drop(nothing);
    assert_eq!(gate.occupied(), 1);
}

#[test]
fn zero_places_are_refused_by_a_closed_gate() {
    let gate = Gate::new(1);
    gate.close();
    assert_eq!(gate.try_acquire_many(0).unwrap_err(), TryAcquireError::Closed);
    gate.reopen();
    assert!(gate.try_acquire_many(0).is_ok());
}

#[test]
fn a_closed_gate_says_closed_even_if_it_is_full() {
    let gate = Arc::new(Gate::new(1));
    let permit = gate.try_acquire().unwrap();
    gate.close();
    assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(gate.try_acquire_many(1).unwrap_err(), TryAcquireError::Closed);
    assert_eq!(gate.clone().try_acquire_owned().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(gate.clone().try_acquire_many_owned(1).unwrap_err(), TryAcquireError::Closed);
    assert_eq!(gate.try_run(|| ()), Err(TryAcquireError::Closed));
    assert_eq!(reading(&gate), (1, 1, 0, true, true));
    drop(permit);
    assert_eq!(reading(&gate), (1, 0, 1, false, true));
}

#[test]
fn closing_twice_is_closing_once() {
    let gate = Gate::new(1);
    gate.close();
    gate.close();
    gate.reopen();
    assert_eq!(reading(&gate), (1, 0, 1, false, false));
    gate.reopen();
    assert_eq!(reading(&gate), (1, 0, 1, false, false));
    assert!(gate.try_acquire().is_ok());
}

#[test]
fn a_closing_between_two_entries_of_one_thread_is_seen() {
    let gate = Gate::new(3);
    let _first = gate.try_acquire().unwrap();
    gate.close();
    assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(reading(&gate), (3, 1, 2, false, true));
    gate.reopen();
    assert!(gate.try_acquire().is_ok());
}

#[test]
fn filling_up_between_two_entries_of_one_thread_is_seen() {
    let gate = Gate::new(3);
    let _first = gate.try_acquire().unwrap();
    let rest = gate.try_acquire_many(2).unwrap();
    for _ in 0..3 {
        assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Full);
        assert_eq!(reading(&gate), (3, 3, 0, true, false));
    }
    drop(rest);
    assert_eq!(reading(&gate), (3, 1, 2, false, false));
}

#[test]
fn try_run_runs_inside_and_returns_what_the_block_returns() {
    let gate = Gate::new(2);
    assert_eq!(gate.try_run(|| gate.occupied()), Ok(1));
    assert_eq!(gate.occupied(), 0);
}

#[test]
fn try_run_of_a_full_gate_does_not_call_the_block() {
    let gate = Gate::new(1);
    let inner = gate.try_run(|| gate.try_run(|| unreachable!("the gate is full")));
    assert_eq!(inner, Ok(Err(TryAcquireError::Full)));
}

#[test]
fn a_block_that_panics_gives_its_place_back() {
    let gate = Gate::new(1);
    assert!(catch_unwind(|| gate.try_run(|| resume_unwind(Box::new(())))).is_err());
    assert_eq!(gate.occupied(), 0);
    assert!(gate.try_run(|| ()).is_ok());
}

#[test]
fn lowering_below_the_holders_throws_none_of_them_out() {
    let gate = Gate::new(5);
    let mut permits: Vec<_> = (0..5).map(|_| gate.try_acquire().unwrap()).collect();
    gate.set_capacity(2);
    assert_eq!(reading(&gate), (2, 5, 0, true, false));
    for occupied in [4, 3, 2] {
        permits.pop();
        assert_eq!(reading(&gate), (2, occupied, 0, true, false));
        assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Full);
    }
    permits.pop();
    assert_eq!(reading(&gate), (2, 1, 1, false, false));
    permits.push(gate.try_acquire().unwrap());
    permits.clear();
    assert_eq!(reading(&gate), (2, 0, 2, false, false));
}

#[test]
fn raising_first_pays_the_deficit() {
    let gate = Gate::new(5);
    let permits = gate.try_acquire_many(5).unwrap();
    gate.set_capacity(0);
    assert_eq!(reading(&gate), (0, 5, 0, true, false));
    gate.set_capacity(4);
    assert_eq!(reading(&gate), (4, 5, 0, true, false));
    gate.set_capacity(5);
    assert_eq!(reading(&gate), (5, 5, 0, true, false));
    gate.set_capacity(6);
    assert_eq!(reading(&gate), (6, 5, 1, false, false));
    drop(permits);
    assert_eq!(reading(&gate), (6, 0, 6, false, false));
}

#[test]
fn the_whole_range_can_be_lowered_while_held() {
    let gate = Gate::new(MAX);
    let permit = gate.try_acquire_many(MAX).unwrap();
    gate.set_capacity(0);
    assert_eq!(reading(&gate), (0, MAX, 0, true, false));
    assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Full);
    gate.set_capacity(MAX);
    assert_eq!(reading(&gate), (MAX, MAX, 0, true, false));
    gate.set_capacity(1);
    drop(permit);
    assert_eq!(reading(&gate), (1, 0, 1, false, false));
}

#[test]
fn resizing_leaves_a_closed_gate_closed() {
    let gate = Gate::new(3);
    let permit = gate.try_acquire_many(3).unwrap();
    gate.close();
    for capacity in [1, 5, 0, 3] {
        gate.set_capacity(capacity);
        assert_eq!(gate.try_acquire().unwrap_err(), TryAcquireError::Closed);
    }
    gate.set_capacity(1);
    drop(permit);
    assert_eq!(reading(&gate), (1, 0, 1, false, true));
}

#[test]
fn close_if_occupied_closes_if_and_only_if_enough_are_inside() {
    let gate = Gate::new(5);
    let _permit = gate.try_acquire_many(3).unwrap();
    for too_many in [4, 5, 6, u32::MAX] {
        assert_eq!(gate.close_if_occupied(too_many).map_err(|error| error.occupied), Err(3));
        assert!(!gate.is_closed());
    }
    assert_eq!(gate.close_if_occupied(3), Ok(3));
    assert_eq!(reading(&gate), (5, 3, 2, false, true));
}

#[test]
fn close_if_occupied_by_fewer_than_there_are() {
    let gate = Gate::new(5);
    let _permit = gate.try_acquire_many(3).unwrap();
    assert_eq!(gate.close_if_occupied(2), Ok(3));
    assert!(gate.is_closed());
}

#[test]
fn close_if_occupied_by_none_closes_an_empty_gate() {
    let gate = Gate::new(5);
    assert_eq!(gate.close_if_occupied(0), Ok(0));
    assert!(gate.is_closed());
}

#[test]
fn close_if_occupied_of_a_closed_gate_answers_and_leaves_it_closed() {
    let gate = Gate::new(5);
    let permit = gate.try_acquire_many(2).unwrap();
    gate.close();
    assert_eq!(gate.close_if_occupied(2), Ok(2));
    assert_eq!(gate.close_if_occupied(3).map_err(|error| error.occupied), Err(2));
    assert!(gate.is_closed());
    drop(permit);
    assert_eq!(gate.close_if_occupied(1).map_err(|error| error.occupied), Err(0));
    gate.reopen();
    assert_eq!(reading(&gate), (5, 0, 5, false, false));
}

#[test]
fn close_if_occupied_counts_permits_beyond_a_lowered_capacity() {
    let gate = Gate::new(5);
    let _permit = gate.try_acquire_many(5).unwrap();
    gate.set_capacity(2);
    assert_eq!(gate.close_if_occupied(6).map_err(|error| error.occupied), Err(5));
    assert_eq!(gate.close_if_occupied(5), Ok(5));
}

#[test]
fn an_owned_permit_keeps_its_gate_alive_and_a_refusal_does_not() {
    let gate = Arc::new(Gate::new(1));
    let permit = Arc::clone(&gate).try_acquire_owned().unwrap();
    assert_eq!(Arc::strong_count(&gate), 2);
    assert!(Arc::clone(&gate).try_acquire_owned().is_err());
    assert!(Arc::clone(&gate).try_acquire_many_owned(1).is_err());
    assert_eq!(Arc::strong_count(&gate), 2);
    drop(permit);
    assert_eq!(Arc::strong_count(&gate), 1);
}
