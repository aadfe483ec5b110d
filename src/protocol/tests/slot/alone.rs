//! Without a waitlist, with any number of operations. The steps are those of `src/protocol/slot`
//! itself.
//!
//! Guarantees: *never-over*, *exact*, *no-leak*, *wait-free enter*, *cheap no*.

use std::sync::atomic::AtomicU32;

use headcount_spec::GateCall as Call;

use super::protocols::{Alternative, LooksThenCloses, Real};
use super::search::{run, Role, Seen};
use crate::protocol::slot::{self, Enter, Refusal, Slot};
use crate::protocol::step::Step;
use crate::protocol::tests::search::Fault;

/// No bound on the steps of an entry.
const ANY: Option<u32> = None;

#[track_caller]
fn holds(capacity: u32, roles: &[Role], entry_bound: Option<u32>) -> Seen {
    let seen = run(Real, capacity, roles, entry_bound)
        .unwrap_or_else(|failure| panic!("capacity {capacity}, {roles:?}: {failure:?}"));
    println!("capacity {capacity}, {roles:?}: {seen:?}");
    assert!(seen.admissions > 0 && seen.states > seen.admissions);
    seen
}

const fn entrants<const N: usize>() -> [Role; N] {
    [Role::Entrant; N]
}

#[test]
fn enter_and_leave() {
    let roles = entrants::<5>();
    for capacity in 1..=3 {
        for threads in 2..=5 {
            // Look, add, and the compare-exchange that drops surplus: *wait-free enter*.
            let seen = holds(capacity, &roles[..threads], Some(3));
            let crowded = threads as u32 > capacity;
            assert_eq!(seen.refusals > 0, crowded);
            assert_eq!(seen.entry_steps, if crowded { 3 } else { 2 });
        }
    }
}

#[test]
fn occupied_is_exact() {
    for capacity in 1..=2 {
        holds(capacity, &[Role::Entrant, Role::Entrant, Role::Entrant, Role::Reader], Some(3));
    }
}

#[test]
fn many_at_once() {
    holds(2, &[Role::Many(2), Role::Entrant, Role::Entrant], Some(3));
    holds(3, &[Role::Many(2), Role::Entrant, Role::Entrant], Some(3));
    holds(3, &[Role::Many(2), Role::Many(3), Role::Entrant], Some(3));
    holds(3, &[Role::Many(2), Role::Many(2), Role::Entrant, Role::Entrant], Some(3));
}

#[test]
fn close_and_reopen() {
    const ONCE: Role = Role::Admin(&[Call::Close, Call::Reopen]);
    for capacity in 1..=3 {
        holds(capacity, &[Role::Entrant, Role::Entrant, ONCE], ANY);
        holds(capacity, &[Role::Entrant, Role::Entrant, Role::Entrant, ONCE], ANY);
    }
    holds(2, &[Role::Many(2), Role::Entrant, Role::Entrant, ONCE], ANY);
}

/// Closing at a quorum: no caller is admitted between the count that was told and the closing.
#[test]
fn close_at_a_quorum() {
    const ONCE: Role = Role::Admin(&[Call::CloseIf(1)]);
    const TOO_FEW_FIRST: Role = Role::Admin(&[Call::CloseIf(4), Call::CloseIf(1)]);
    for capacity in 1..=3 {
        holds(capacity, &[Role::Entrant, Role::Entrant, Role::Entrant, ONCE], ANY);
        holds(capacity, &[Role::Entrant, Role::Entrant, TOO_FEW_FIRST], ANY);
    }
    holds(3, &[Role::Many(2), Role::Entrant, Role::Entrant, ONCE], ANY);
}

/// The limit that `Gate::close_if_occupied` states: at a gate that is closed already, a caller that
/// is about to back out may count as holding a place.
#[test]
fn a_quorum_at_a_closed_gate_may_count_a_caller_that_backs_out() {
    const ONCE: Role = Role::Admin(&[Call::CloseIf(1)]);
    let roles = [Role::Entrant, Role::Entrant, ONCE, ONCE];
    assert_eq!(run(Real, 1, &roles, ANY).unwrap_err().fault, Fault::Inexact);
}

/// Reads the count and then closes, in two steps.
#[test]
fn a_quorum_that_is_looked_up_first_is_rejected() {
    const ONCE: Role = Role::Admin(&[Call::CloseIf(1)]);
    let failure = run(LooksThenCloses, 2, &[Role::Entrant, Role::Entrant, ONCE], ANY).unwrap_err();
    println!("{failure:?}");
    assert_eq!(failure.fault, Fault::Inexact);
}

#[test]
fn raise_and_lower_while_empty() {
    const UP: Role = Role::Admin(&[Call::SetCapacity(3)]);
    const DOWN: Role = Role::Admin(&[Call::SetCapacity(2)]);
    holds(1, &[Role::Entrant, Role::Entrant, Role::Entrant, UP], ANY);
    holds(4, &[Role::Entrant, Role::Entrant, DOWN], ANY);
}

/// The monitor lets refusals pass that nothing explains once a held place has been withdrawn; it
/// still sees every caller too many, every place lost and every entry refused as closed without
/// cause.
#[test]
fn lower_below_what_is_held() {
    const DOWN_UP: Role = Role::Admin(&[Call::SetCapacity(1), Call::SetCapacity(2)]);
    const TO_NONE: Role = Role::Admin(&[Call::SetCapacity(0), Call::SetCapacity(2)]);
    const CLOSE: Role = Role::Admin(&[Call::Close, Call::Reopen]);
    holds(3, &[Role::Entrant, Role::Entrant, Role::Entrant, DOWN_UP], ANY);
    holds(2, &[Role::Entrant, Role::Entrant, Role::Entrant, TO_NONE], ANY);
    holds(2, &[Role::Many(2), Role::Entrant, Role::Entrant, TO_NONE], ANY);
    holds(2, &[Role::Entrant, Role::Entrant, CLOSE, TO_NONE], ANY);
}

/// The limit of *exact* that the documentation of `Gate` states: a call that overlaps a reopening
/// and the next closing may cause a refusal that nothing explains. Nothing worse.
#[test]
fn a_reopening_and_a_closing_within_one_call() {
    const TWICE: Role = Role::Admin(&[Call::Close, Call::Reopen, Call::Close]);
    let roles = [Role::Entrant, Role::Entrant, TWICE];
    assert_eq!(run(Real, 1, &roles, ANY).unwrap_err().fault, Fault::Inexact);
}

#[test]
fn alternatives() {
    use Alternative::*;
    let verdict = |alternative, capacity, threads: usize| {
        run(alternative, capacity, &entrants::<5>()[..threads], ANY)
            .err()
            .map(|failure| failure.fault)
    };
    assert_eq!(verdict(CheckThenAdd, 1, 2), Some(Fault::Over));
    assert_eq!(verdict(Textbook, 1, 2), Some(Fault::Inexact));
    assert_eq!(verdict(LookThenTextbook, 1, 2), Some(Fault::Inexact));
    assert_eq!(verdict(KeepIfDropped, 2, 2), None);
    assert_eq!(verdict(KeepIfDropped, 2, 3), Some(Fault::Inexact));
    for capacity in 1..=3 {
        assert_eq!(verdict(CompareExchange, capacity, 4), None);
        assert_eq!(verdict(NoRollback, capacity, 4), None);
    }
}

/// *wait-free enter*: under a compare-exchange loop there is no bound on the steps of an entry.
#[test]
fn a_compare_exchange_loop_is_not_wait_free() {
    let roles = entrants::<3>();
    let looping = run(Alternative::CompareExchange, 3, &roles, Some(20));
    assert_eq!(looping.unwrap_err().fault, Fault::TooManySteps);
}

/// *cheap no*: a call that looks at a slot that admits no caller is done, and has written nothing.
#[test]
fn cheap_no() {
    let full = Slot::new(2, 2).read().0;
    for flags in [0, slot::CLOSED, slot::WAITING, slot::CLOSED | slot::WAITING] {
        for above in 0..3 {
            let before = (full + above) | flags;
            let word = AtomicU32::new(before);
            let why = if flags & slot::CLOSED == 0 { Refusal::Full } else { Refusal::Closed };
            assert_eq!(Enter::Look.step(&word), Step::Done(Err(why)));
            assert_eq!(word.into_inner(), before);
        }
    }
}
