//! Closing and reopening against callers that are about to enter.

use headcount_spec::GateCall::*;

use crate::crowd::Crowd;

const CLOSING: Crowd = Crowd {
    capacity: 1,
    before: &[],
    threads: &[&[Close, Acquire], &[Acquire, Release]],
    bound: None,
};

/// The late caller is admitted before the closing or not at all, and leaves no count behind.
#[test]
fn close_against_a_late_enter() {
    assert_eq!(CLOSING.at_a_gate().admitted_full_closed(), (true, false, true));
}

#[test]
fn close_against_two_late_enters() {
    let crowd = Crowd { threads: &[&[Close], &[Acquire], &[Acquire, Release]], ..CLOSING };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

#[test]
fn close_against_a_late_party() {
    let crowd = Crowd {
        capacity: 2,
        threads: &[&[Close, AcquireMany(2)], &[AcquireMany(2), Release], &[Acquire]],
        bound: Some(3),
        ..CLOSING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// The holders of a closed gate give their places back while late callers back out.
#[test]
fn close_against_leave_and_late_enter() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Acquire, Acquire],
        threads: &[&[Release, Release], &[Close], &[Acquire, Acquire]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// A caller that is too late for the closing and in time for the reopening is admitted.
#[test]
fn reopen_against_a_late_enter() {
    let crowd = Crowd {
        threads: &[&[Close, Reopen, Acquire], &[Acquire, Release], &[Acquire]],
        bound: Some(3),
        ..CLOSING
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// A thread with a fast hint adds to a gate that has been closed all along, and must back out.
#[test]
fn closed_against_a_fast_hint() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Acquire, Release, Close],
        threads: &[&[Acquire], &[Reopen, Acquire, Release], &[Acquire]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// After its own closing, a thread with a fast hint adds while another thread leaves: it must back
/// out.
#[test]
fn closed_for_a_thread_with_a_hint() {
    let crowd = Crowd {
        capacity: 3,
        before: &[Acquire],
        threads: &[&[Close, Acquire], &[Acquire, Release]],
        bound: None,
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, false, true));
}

#[test]
fn close_twice_against_enter() {
    let crowd = Crowd { threads: &[&[Close, Acquire], &[Close], &[Acquire, Release]], ..CLOSING };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, false, true));
}

/// The gate closes exactly if enough places are held then, and admits no caller after it.
#[test]
fn close_if_occupied_against_enter() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Acquire],
        threads: &[&[CloseIf(2), Acquire], &[Acquire, Release], &[Acquire]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

#[test]
fn close_if_occupied_against_leave_and_enter() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Acquire, Acquire],
        threads: &[&[Release, Acquire], &[CloseIf(2)], &[Acquire]],
        bound: Some(3),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, true));
}

/// Without waiting, one call meets two closings with a reopening in between: the documentation of
/// `Gate` excepts this from *exact*. Another caller is refused the place that the late caller in
/// the end does not take.
#[cfg(not(feature = "wait"))]
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn exact_has_an_exception_between_two_closings() {
    let crowd = Crowd { threads: &[&[Close, Reopen, Acquire, Close], &[Acquire]], ..CLOSING };
    crowd.at_a_gate();
}

/// As above, but the first closing is over before the call of the thread with a fast hint begins.
#[cfg(not(feature = "wait"))]
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_a_call_overlaps_a_reopening_and_a_closing() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Acquire, Release, Close],
        threads: &[&[Acquire], &[Reopen, Acquire, Acquire, Close]],
        ..CLOSING
    };
    crowd.at_a_gate();
}

/// A late caller that is about to back out is counted.
#[cfg(not(feature = "wait"))]
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_a_closed_gate_counts_a_caller_that_backs_out() {
    let crowd = Crowd {
        capacity: 2,
        before: &[Acquire],
        threads: &[&[CloseIf(1)], &[CloseIf(2)], &[Acquire, Release]],
        bound: Some(3),
    };
    crowd.at_a_gate();
}

/// Two places are held all the time, but the answer can be four.
#[cfg(not(feature = "wait"))]
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn limits_close_if_occupied_against_lower() {
    let crowd = Crowd {
        capacity: 5,
        before: &[Acquire, Acquire],
        threads: &[&[CloseIf(4)], &[SetCapacity(3)]],
        ..CLOSING
    };
    crowd.at_a_gate();
}
