//! The errors of gates and courses: texts, predicates, sources.

use std::collections::HashSet;
use std::error::Error;

use headcount::{CapacityError, Course, EnrollError, Gate, QuorumError, TryAcquireError};

#[test]
fn every_predicate_is_true_of_its_refusal_only() {
    let (full, closed) = (TryAcquireError::Full, TryAcquireError::Closed);
    assert_eq!((full.is_full(), full.is_closed()), (true, false));
    assert_eq!((closed.is_full(), closed.is_closed()), (false, true));
    let keys_full = TryAcquireError::KeysFull;
    assert_eq!((keys_full.is_full(), keys_full.is_closed()), (false, false));
    assert_eq!([full, closed, keys_full].map(|error| error.is_keys_full()), [false, false, true]);
    let predicates =
        |error: EnrollError<()>| (error.is_full(), error.is_closed(), error.is_failed());
    assert_eq!(predicates(EnrollError::Full), (true, false, false));
    assert_eq!(predicates(EnrollError::Closed), (false, true, false));
    assert_eq!(predicates(EnrollError::Failed(())), (false, false, true));
}

/// Each text is a lower-case fragment without a full stop, so that it fits behind "error: ".
#[test]
fn every_error_has_a_text() {
    let capacity: CapacityError = Course::with_enrolled(30, 32).unwrap_err();
    let quorum: QuorumError = Gate::new(5).close_if_occupied(3).unwrap_err();
    let texts = [
        (TryAcquireError::Full.to_string(), "not enough places available"),
        (TryAcquireError::Closed.to_string(), "closed"),
        (TryAcquireError::KeysFull.to_string(), "too many keys live at once"),
        (EnrollError::<&str>::Full.to_string(), "not enough places available"),
        (EnrollError::<&str>::Closed.to_string(), "closed"),
        (EnrollError::Failed("no account").to_string(), "enrollment failed: no account"),
        (Course::new(1).withdraw().unwrap_err().to_string(), "no enrollment to withdraw"),
        (capacity.to_string(), "32 exceeds the limit of 30"),
        (quorum.to_string(), "quorum not reached: 0 of 3"),
    ];
    for (text, expected) in texts {
        assert_eq!(text, expected);
    }
}

#[test]
fn an_error_tells_its_numbers() {
    let above = Course::with_enrolled(30, 32).unwrap_err();
    assert_eq!((above.asked(), above.limit()), (32, 30));
    let above = Course::with_enrolled(Gate::MAX_CAPACITY + 1, 0).unwrap_err();
    assert_eq!((above.asked(), above.limit()), (Gate::MAX_CAPACITY + 1, Gate::MAX_CAPACITY));
    let gate = Gate::new(5);
    let _permit = gate.try_acquire_many(2).unwrap();
    let quorum = gate.close_if_occupied(3).unwrap_err();
    assert_eq!((quorum.occupied, quorum.quorum), (2, 3));
}

#[test]
fn a_failed_enrolment_names_its_source() {
    let failed = EnrollError::Failed(TryAcquireError::Closed);
    assert_eq!(failed.source().map(ToString::to_string), Some(TryAcquireError::Closed.to_string()));
    assert!(EnrollError::<TryAcquireError>::Full.source().is_none());
    assert!(EnrollError::<TryAcquireError>::Closed.source().is_none());
}

#[test]
fn a_refusal_by_a_gate_becomes_one_by_a_course() {
    assert_eq!(EnrollError::<()>::from(TryAcquireError::Full), EnrollError::Full);
    assert_eq!(EnrollError::<()>::from(TryAcquireError::Closed), EnrollError::Closed);
    assert_eq!(EnrollError::<()>::from(TryAcquireError::KeysFull), EnrollError::Full);
}

#[test]
fn refusals_can_be_boxed_compared_and_collected() {
    fn question_mark() -> Result<(), Box<dyn Error + Send + Sync>> {
        Course::new(0).try_reserve()?.confirm();
        Ok(())
    }
    let boxed = question_mark().unwrap_err();
    assert_eq!(boxed.downcast_ref(), Some(&TryAcquireError::Full));
    let kinds = [TryAcquireError::Full, TryAcquireError::Closed, TryAcquireError::Full];
    assert_eq!(kinds.into_iter().collect::<HashSet<_>>().len(), 2);
    assert_eq!(format!("{:?}", TryAcquireError::Full), "Full");
}
