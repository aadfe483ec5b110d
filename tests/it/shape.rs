//! Properties of the types themselves: sizes, `Send` and `Sync`, use as a `static`.

use std::mem::size_of;
use std::panic::{RefUnwindSafe, UnwindSafe};

use headcount::{
    CapacityError, Course, CourseCounts, EnrollError, Gate, OwnedPermit, OwnedReservation, Permit,
    QuorumError, Reservation, Tally, TryAcquireError, WithdrawError,
};

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn everything_can_be_sent_and_shared() {
    shared::<Gate>();
    shared::<Permit<'static>>();
    shared::<OwnedPermit>();
    shared::<Course>();
    shared::<Reservation<'static>>();
    shared::<OwnedReservation>();
    shared::<CourseCounts>();
    shared::<Tally>();
    shared::<TryAcquireError>();
    shared::<EnrollError<String>>();
    shared::<WithdrawError>();
    shared::<CapacityError>();
    shared::<QuorumError>();
}

#[test]
fn types_stay_small() {
    // The waitlist is a lock and a pointer, each as wide as a pointer.
    let waitlist = if cfg!(feature = "wait") { 2 * size_of::<usize>() } else { 0 };
    assert_eq!(size_of::<Gate>(), 8 + waitlist);
    assert_eq!(size_of::<Course>(), 16 + waitlist);
    assert!(size_of::<Permit<'_>>() <= 16);
    assert!(size_of::<OwnedPermit>() <= 16);
    assert!(size_of::<Reservation<'_>>() <= 16);
    assert!(size_of::<OwnedReservation>() <= 16);
    assert!(size_of::<Tally>() <= 16);
    // As wide as the count of a permit, see `error.rs`.
    assert_eq!(size_of::<TryAcquireError>(), 4);
}

#[test]
fn an_answer_is_no_larger_than_a_permit() {
    assert_eq!(size_of::<Option<Permit<'_>>>(), size_of::<Permit<'_>>());
    assert_eq!(size_of::<Option<OwnedPermit>>(), size_of::<OwnedPermit>());
    assert_eq!(size_of::<Option<Reservation<'_>>>(), size_of::<Reservation<'_>>());
    assert_eq!(size_of::<Result<Permit<'_>, TryAcquireError>>(), size_of::<Permit<'_>>());
}

#[test]
fn a_gate_a_course_and_a_tally_can_be_statics() {
    static GATE: Gate = Gate::new(Gate::MAX_CAPACITY);
    static COURSE: Course = Course::new(30);
    static TALLY: Tally = Tally::new(5);
    let permit: Permit<'static> = GATE.try_acquire().unwrap();
    let reservation: Reservation<'static> = COURSE.try_reserve().unwrap();
    std::thread::spawn(move || drop((permit, reservation))).join().unwrap();
    assert_eq!(GATE.occupied(), 0);
    assert_eq!(COURSE.counts().taken, 0);
    assert_eq!(TALLY.increment(), 6);
}
