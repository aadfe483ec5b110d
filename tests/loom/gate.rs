//! Entering and leaving: *never-over*, *exact*, *happens-before*, several places at once.

use headcount_spec::GateCall::*;

use crate::crowd::Crowd;

/// One place, one try for each thread. The witness cell checks that each holder is alone.
pub(crate) const ONE_PLACE: Crowd = Crowd {
    capacity: 1,
    before: &[],
    threads: &[&[Acquire, Release], &[Acquire, Release], &[Acquire, Release]],
    bound: Some(3),
};

#[test]
fn never_over_one_place_three_threads() {
    assert_eq!(ONE_PLACE.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Three threads try for two places, and keep them.
pub(crate) const TWO_OF_THREE: Crowd =
    Crowd { capacity: 2, threads: &[&[Acquire], &[Acquire], &[Acquire]], ..ONE_PLACE };

#[test]
fn never_over_two_places_three_threads() {
    assert_eq!(TWO_OF_THREE.at_a_gate().admitted_full_closed(), (true, true, false));
}

#[test]
fn never_over_without_a_place() {
    let crowd = Crowd { capacity: 0, ..ONE_PLACE };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (false, true, false));
}

/// A thread that has just given a place back finds it free, unless the other holds it.
pub(crate) const BACK_AGAIN: Crowd = Crowd {
    capacity: 1,
    before: &[],
    threads: &[&[Acquire, Release, Acquire], &[Acquire]],
    bound: None,
};

#[test]
fn exact_back_again() {
    assert_eq!(BACK_AGAIN.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// A thread is refused between two tries of the last holder.
pub(crate) const TRY_AGAIN: Crowd = Crowd {
    capacity: 1,
    before: &[Acquire],
    threads: &[&[Release, Acquire, Acquire], &[Acquire]],
    bound: None,
};

#[test]
fn exact_try_again() {
    assert_eq!(TRY_AGAIN.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Two threads are refused while a third enters and leaves.
pub(crate) const TWO_LOSERS: Crowd = Crowd {
    capacity: 1,
    before: &[Acquire],
    threads: &[&[Release, Acquire], &[Acquire], &[Acquire]],
    bound: Some(3),
};

#[test]
fn exact_two_losers() {
    assert_eq!(TWO_LOSERS.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Two places and three threads, one of which leaves and enters again.
pub(crate) const TWO_PLACES: Crowd = Crowd {
    capacity: 2,
    before: &[Acquire],
    threads: &[&[Release, Acquire, Release], &[Acquire, Release], &[Acquire, Release]],
    bound: Some(3),
};

#[test]
fn exact_two_places() {
    assert_eq!(TWO_PLACES.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// A reading does not include the increments of refused callers.
pub(crate) const READER: Crowd = Crowd {
    capacity: 1,
    before: &[],
    threads: &[&[Occupied, Occupied], &[Acquire, Release], &[Acquire]],
    bound: Some(3),
};

#[test]
fn exact_readings() {
    READER.at_a_gate();
}

/// With one place, each holder sees the writes of the holder before it: the witness cell.
pub(crate) const NEXT_IN_LINE: Crowd = Crowd {
    capacity: 1,
    before: &[],
    threads: &[&[Acquire, Release, Acquire, Release], &[Acquire, Release]],
    bound: None,
};

#[test]
fn happens_before_next_in_line() {
    assert_eq!(NEXT_IN_LINE.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// The release sequence must continue through the rollback of a refused caller.
pub(crate) const THROUGH_A_REFUSAL: Crowd = Crowd {
    capacity: 1,
    before: &[Acquire],
    threads: &[&[Release], &[Acquire], &[Acquire, Release]],
    bound: None,
};

#[test]
fn happens_before_through_a_refusal() {
    assert_eq!(THROUGH_A_REFUSAL.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// The first thread has a fast hint, and so adds without a look.
const REMEMBERS: Crowd = Crowd {
    capacity: 2,
    before: &[Acquire, Release],
    threads: &[&[Acquire, Release, Acquire], &[Acquire, Acquire, Release]],
    bound: None,
};

#[test]
fn exact_for_who_remembers_room() {
    assert_eq!(REMEMBERS.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Two threads add without a look, and one of them meets the surplus of the other on its next try.
#[test]
fn exact_for_two_who_remember_room() {
    let crowd = Crowd {
        threads: &[
            &[Acquire, Release, Acquire],
            &[AcquireMany(1), Release, Acquire, Acquire, Release],
        ],
        bound: Some(4),
        ..REMEMBERS
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// Refused callers change neither what others read nor what others are answered.
#[test]
fn exact_readings_among_the_refused() {
    let crowd = Crowd {
        capacity: 1,
        before: &[Acquire],
        threads: &[
            &[Occupied, CloseIf(2), Release, Occupied],
            &[Acquire, Acquire],
            &[AcquireMany(1)],
        ],
        bound: Some(2),
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// A party of two against two single callers: all or none, and not all are refused.
const PARTY: Crowd = Crowd {
    capacity: 2,
    before: &[],
    threads: &[&[AcquireMany(2)], &[Acquire], &[Acquire]],
    bound: None,
};

#[test]
fn many_against_two_singles() {
    assert_eq!(PARTY.at_a_gate().admitted_full_closed(), (true, true, false));
}

#[test]
fn many_against_many() {
    let crowd = Crowd {
        capacity: 3,
        threads: &[&[AcquireMany(2), Release, Acquire], &[AcquireMany(2), Release]],
        ..PARTY
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

#[test]
fn many_leave_while_singles_are_refused() {
    let crowd = Crowd {
        before: &[AcquireMany(2)],
        threads: &[&[Release, AcquireMany(2), Release], &[Acquire], &[Acquire, Release]],
        bound: Some(3),
        ..PARTY
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// As [`NEXT_IN_LINE`], for callers that ask for a number of places.
#[test]
fn happens_before_many() {
    let crowd = Crowd {
        threads: &[&[AcquireMany(1), Release, Acquire, Release], &[AcquireMany(1), Release]],
        ..NEXT_IN_LINE
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}

/// As [`NEXT_IN_LINE`], for parties that take all places.
#[test]
fn happens_before_parties() {
    let crowd = Crowd {
        capacity: 2,
        threads: &[&[AcquireMany(2), Release, AcquireMany(2), Release], &[AcquireMany(2), Release]],
        ..NEXT_IN_LINE
    };
    assert_eq!(crowd.at_a_gate().admitted_full_closed(), (true, true, false));
}
