//! Closing against those who are about to enter.

use crate::crowd::{Act::*, Crowd};

const CLOSING: Crowd =
    Crowd { capacity: 1, before: &[], threads: &[&[Close, Enter], &[Enter, Leave]], bound: None };

/// The late caller is in before the closing or not at all, and has nothing inside afterwards.
#[test]
fn close_against_a_late_enter() {
    assert_eq!(CLOSING.at_a_gate().admitted_full_closed(), (true, false, true));
}

#[test]
fn close_against_two_late_enters() {
    let crowd = Crowd { threads: &[&[Close], &[Enter], &[Enter, Leave]], ..CLOSING };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

#[test]
fn close_against_a_late_party() {
    let crowd = Crowd {
        capacity: 2,
        threads: &[&[Close, Many(2)], &[Many(2), Leave], &[Enter]],
        bound: Some(3),
        ..CLOSING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// Holders of a closed gate give back as ever, while late callers back out.
#[test]
fn close_against_leave_and_late_enter() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Enter, Enter],
        threads: &[&[Leave, Leave], &[Close], &[Enter, Enter]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// A caller who is late for the closing and in time for the reopening gets in.
#[test]
fn reopen_against_a_late_enter() {
    let crowd = Crowd {
        threads: &[&[Close, Reopen, Enter], &[Enter, Leave], &[Enter]],
        bound: Some(3),
        ..CLOSING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// Who remembers room adds to a gate that has been closed all along, and must back out.
#[test]
fn closed_against_who_remembers_room() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Enter, Leave, Close],
        threads: &[&[Enter], &[Reopen, Enter, Leave], &[Enter]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

#[test]
fn close_twice_against_enter() {
    let crowd = Crowd { threads: &[&[Close, Enter], &[Close], &[Enter, Leave]], ..CLOSING };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, false, true));
}

/// Closes exactly if enough are inside at that instant; nobody is in who came later.
#[test]
fn close_if_occupied_against_enter() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Enter],
        threads: &[&[CloseIf(2), Enter], &[Enter, Leave], &[Enter]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

#[test]
fn close_if_occupied_against_leave_and_enter() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Enter, Enter],
        threads: &[&[Leave, Enter], &[CloseIf(2)], &[Enter]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// One single call meets two closings with a reopening in between: the docs of `Gate` except this
/// from *exact*. A place that the late caller has in the end not taken was refused to another.
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn exact_has_an_exception_between_two_closings() {
    let crowd = Crowd { threads: &[&[Close, Reopen, Enter, Close], &[Enter]], ..CLOSING };
    crowd.at_a_gate();
}

/// As above, but the first closing is over before the call of the one who remembers begins.
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_a_call_overlaps_a_reopening_and_a_closing() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Enter, Leave, Close],
        threads: &[&[Enter], &[Reopen, Enter, Enter, Close]],
        ..CLOSING
    };
    crowd.at_a_gate();
}

/// A late caller who is about to back out is counted as a player.
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_a_closed_gate_counts_who_backs_out() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Enter],
        threads: &[&[CloseIf(1)], &[CloseIf(2)], &[Enter, Leave]],
        bound: Some(3),
    };
    crowd.at_a_gate();
}

/// Two are inside all the time: nobody may be told of four.
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_close_if_occupied_against_lower() {
    let crowd = Crowd {
        capacity: 5,
        before: &[Enter, Enter],
        threads: &[&[CloseIf(4)], &[Resize(3)]],
        ..CLOSING
    };
    crowd.at_a_gate();
}
