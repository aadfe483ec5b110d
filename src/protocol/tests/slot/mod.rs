//! The slot's protocol in every order that threads can take its steps, with any number of
//! operations. The steps are those of `src/slot.rs` itself.
//!
//! Guarantees: *never-over*, *exact*, *no-leak*, *wait-free enter*, *cheap no*.

mod monitor;
mod protocols;
mod search;
mod words;

use std::sync::atomic::AtomicU32;

use crate::protocol::slot::{self, Enter, Refusal, Slot};
use crate::protocol::step::Step;
use monitor::Call;
use protocols::{Alternative, Real};
use search::{Failure, Fault, Protocol, Role, Search, Seen};

/// No bound on the steps of an entry.
const ANY: Option<u32> = None;

fn search<P: Protocol>(
    protocol: &P,
    capacity: u32,
    roles: &[Role],
    entry_bound: Option<u32>,
) -> Result<Seen, Failure> {
    Search { protocol, capacity, roles, entry_bound }.run()
}

#[track_caller]
fn holds(capacity: u32, roles: &[Role], entry_bound: Option<u32>) -> Seen {
    let seen = search(&Real, capacity, roles, entry_bound)
        .unwrap_or_else(|Failure { fault, way }| panic!("{capacity}, {roles:?}: {fault:?}\n{way}"));
    println!("capacity {capacity}, {roles:?}: {seen:?}");
    assert!(seen.admissions > 0);
    seen
}

const fn guests<const N: usize>() -> [Role; N] {
    [Role::Guest; N]
}

#[test]
fn enter_and_leave() {
    let roles = guests::<5>();
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
        holds(capacity, &[Role::Guest, Role::Guest, Role::Guest, Role::Reader(capacity)], Some(3));
    }
}

#[test]
fn many_at_once() {
    holds(2, &[Role::Party(2), Role::Guest, Role::Guest], Some(3));
    holds(3, &[Role::Party(2), Role::Guest, Role::Guest], Some(3));
    holds(3, &[Role::Party(2), Role::Party(3), Role::Guest], Some(3));
    holds(3, &[Role::Party(2), Role::Party(2), Role::Guest, Role::Guest], Some(3));
}

#[test]
fn close_and_reopen() {
    const ONCE: Role = Role::Admin(&[Call::Close, Call::Reopen]);
    for capacity in 1..=3 {
        holds(capacity, &[Role::Guest, Role::Guest, ONCE], ANY);
        holds(capacity, &[Role::Guest, Role::Guest, Role::Guest, ONCE], ANY);
    }
    holds(2, &[Role::Party(2), Role::Guest, Role::Guest, ONCE], ANY);
}

#[test]
fn raise_and_lower_where_nobody_is() {
    const UP: Role = Role::Admin(&[Call::Resize { from: 1, to: 3 }]);
    const DOWN: Role = Role::Admin(&[Call::Resize { from: 4, to: 2 }]);
    holds(1, &[Role::Guest, Role::Guest, Role::Guest, UP], ANY);
    holds(4, &[Role::Guest, Role::Guest, DOWN], ANY);
}

/// The monitor lets refusals pass that nothing explains once a held place has been withdrawn; it
/// still sees every head too many, every place lost and every entry refused as closed without cause.
#[test]
fn lower_below_what_is_held() {
    const DOWN_UP: Role =
        Role::Admin(&[Call::Resize { from: 3, to: 1 }, Call::Resize { from: 1, to: 2 }]);
    const TO_NONE: Role =
        Role::Admin(&[Call::Resize { from: 2, to: 0 }, Call::Resize { from: 0, to: 2 }]);
    const CLOSE: Role = Role::Admin(&[Call::Close, Call::Reopen]);
    holds(3, &[Role::Guest, Role::Guest, Role::Guest, DOWN_UP], ANY);
    holds(2, &[Role::Guest, Role::Guest, Role::Guest, TO_NONE], ANY);
    holds(2, &[Role::Party(2), Role::Guest, Role::Guest, TO_NONE], ANY);
    holds(2, &[Role::Guest, Role::Guest, CLOSE, TO_NONE], ANY);
}

/// The limit of *exact* that the documentation of `Gate` states: a call that overlaps a reopening and
/// the next closing may cause a refusal that nothing explains. Nothing worse.
#[test]
fn a_reopening_and_a_closing_within_one_call() {
    const TWICE: Role = Role::Admin(&[Call::Close, Call::Reopen, Call::Close]);
    let roles = [Role::Guest, Role::Guest, TWICE];
    assert_eq!(search(&Real, 1, &roles, ANY).unwrap_err().fault, Fault::Inexact);
}

#[test]
fn alternatives() {
    use Alternative::*;
    let verdict = |alternative, capacity, threads: usize| {
        search(&alternative, capacity, &guests::<5>()[..threads], ANY)
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
    let roles = guests::<3>();
    let looping = search(&Alternative::CompareExchange, 3, &roles, Some(20));
    assert_eq!(looping.unwrap_err().fault, Fault::TooManySteps);
}

/// *cheap no*: whoever looks at a slot that lets nobody in is done, and has written nothing.
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
