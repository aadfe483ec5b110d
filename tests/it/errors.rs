use std::collections::HashSet;
use std::error::Error;

use headcount::{CapacityError, Course, EnrollError, TryAcquireError, WithdrawError};

#[test]
fn every_predicate_is_true_of_its_refusal_only() {
    let (full, closed) = (TryAcquireError::Full, TryAcquireError::Closed);
    assert_eq!((full.is_full(), full.is_closed()), (true, false));
    assert_eq!((closed.is_full(), closed.is_closed()), (false, true));
}

#[test]
fn every_refusal_says_why_and_what_to_do() {
    let full = "all places are held: try again when someone has left";
    let closed = "closed: nobody gets in unless it is reopened";
    assert_eq!(TryAcquireError::Full.to_string(), full);
    assert_eq!(TryAcquireError::Closed.to_string(), closed);
    assert_eq!(EnrollError::<&str>::Full.to_string(), full);
    assert_eq!(EnrollError::<&str>::Closed.to_string(), closed);
    assert_eq!(
        EnrollError::Failed("no account").to_string(),
        "not enrolled, the place is free again: no account"
    );
    let nobody: WithdrawError = Course::new(1).withdraw().unwrap_err();
    assert_eq!(nobody.to_string(), "nobody is enrolled: there is nothing to withdraw");
    let above: CapacityError = Course::with_enrolled(30, 32).unwrap_err();
    assert_eq!(above.to_string(), "32 is above the limit of 30: ask for at most that many");
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
