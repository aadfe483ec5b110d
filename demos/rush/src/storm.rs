//! The storm: many sign-ups at once for one course.

use std::hint::black_box;
use std::time::Duration;

use demo_common::progress::ProgressBar;
use headcount::Course;

use crate::sign_up::{CheckThenAct, Locked, SignUp, SAVING};
use demo_common::crowd::{self, BATCH};
use demo_common::table::{grouped, Align, Table};

/// The result of one way to sign up.
pub(crate) struct Outcome {
    pub(crate) way: &'static str,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// What the course itself says.
    pub(crate) enrolled: u32,
    /// From the first sign-up to the last; starting the threads is not in it.
    pub(crate) took: Duration,
    /// Whether this way promises to keep the limit.
    pub(crate) promises: bool,
}

impl Outcome {
    fn over(&self, capacity: u32) -> u64 {
        self.admitted.saturating_sub(capacity.into())
    }
}

/// Storms a fresh course in each of the three ways, one after another.
pub(crate) fn three_ways(
    capacity: u32,
    sign_ups: u64,
    threads: usize,
    bar: &ProgressBar,
) -> [Outcome; 3] {
    let check_then_act = storm(&CheckThenAct::new(capacity), sign_ups, threads, bar);
    let locked = storm(&Locked::new(capacity), sign_ups, threads, bar);
    let headcount = storm(&Course::new(capacity), sign_ups, threads, bar);
    [
        Outcome { way: "check-then-act", promises: false, ..check_then_act },
        Outcome { way: "mutex", ..locked },
        Outcome { way: "headcount", ..headcount },
    ]
}

/// Storms one course.
fn storm(course: &impl SignUp, sign_ups: u64, threads: usize, bar: &ProgressBar) -> Outcome {
    let (crowds, took) = crowd::storm(sign_ups, threads, |_thread, share| {
        let (mut admitted, mut left) = (0, share);
        while left > 0 {
            let batch = left.min(BATCH);
            admitted += (0..batch).filter(|_| black_box(course.sign_up())).count() as u64;
            left -= batch;
            bar.inc(batch);
        }
        admitted
    });
    let admitted = crowds.into_iter().sum();
    Outcome {
        way: "",
        admitted,
        refused: sign_ups - admitted,
        enrolled: course.enrolled(),
        took,
        promises: true,
    }
}

/// Returns the table of the three ways, and what it shows.
pub(crate) fn report(outcomes: &[Outcome], capacity: u32, sign_ups: u64, threads: usize) -> String {
    let mut table = Table::new(&[
        ("way", Align::Left),
        ("admitted", Align::Right),
        ("refused", Align::Right),
        ("over capacity", Align::Right),
        ("took", Align::Right),
        ("sign-ups/s", Align::Right),
    ]);
    for outcome in outcomes {
        let over = match outcome.over(capacity) {
            0 => "no".to_owned(),
            over => format!("YES, by {}", grouped(over)),
        };
        table.row([
            outcome.way.to_owned(),
            grouped(outcome.admitted),
            grouped(outcome.refused),
            over,
            format!("{:.2} ms", outcome.took.as_secs_f64() * 1e3),
            grouped((sign_ups as f64 / outcome.took.as_secs_f64().max(1e-9)) as u64),
        ]);
    }
    let mut report = format!(
        "One course of {}, {} sign-ups from {threads} threads. Each sign-up that is let in is saved, which takes {SAVING:?} \
         or a little more.\n\n{table}\n",
        grouped(capacity),
        grouped(sign_ups),
    );
    for outcome in outcomes.iter().filter(|outcome| outcome.over(capacity) > 0) {
        report += &format!(
            "{} put {} people into a course of {}.\n",
            outcome.way,
            grouped(outcome.admitted),
            grouped(capacity),
        );
    }
    report
}

/// Checks that the ways that promise to keep the limit, and to fill the course, did so.
pub(crate) fn verdict(outcomes: &[Outcome], capacity: u32) -> Result<(), String> {
    for Outcome { way, admitted, refused, enrolled, promises, .. } in outcomes {
        let expected = (admitted + refused).min(capacity.into());
        if *promises && *admitted != expected {
            return Err(format!("{way} admitted {admitted}, and should have admitted {expected}"));
        }
        if u64::from(*enrolled) != *admitted {
            return Err(format!("{way} admitted {admitted}, and the course counts {enrolled}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(admitted: u64, refused: u64, enrolled: u32) -> Outcome {
        let took = Duration::from_millis(2);
        Outcome { way: "way", admitted, refused, enrolled, took, promises: true }
    }

    #[test]
    fn only_check_then_act_oversells() {
        let [check_then_act, locked, headcount] = three_ways(30, 2_000, 8, &ProgressBar::hidden());
        assert!(check_then_act.admitted > 30);
        assert_eq!((locked.admitted, locked.refused), (30, 1_970));
        assert_eq!((headcount.admitted, headcount.refused), (30, 1_970));
        assert_eq!(verdict(&[check_then_act, locked, headcount], 30), Ok(()));
    }

    #[test]
    fn a_course_that_is_not_filled_refuses_no_student() {
        for outcome in three_ways(30, 20, 3, &ProgressBar::hidden()) {
            assert_eq!((outcome.admitted, outcome.refused), (20, 0));
        }
    }

    #[test]
    fn the_report_says_which_way_oversold() {
        let report = report(&[outcome(32, 1_968, 32), outcome(30, 1_970, 30)], 30, 2_000, 8);
        assert!(report.contains("YES, by 2"), "{report}");
        assert!(report.contains("way put 32 people into a course of 30."), "{report}");
        assert!(report.contains("1,000,000"), "the rate: {report}");
        assert_eq!(report.matches("put").count(), 1, "{report}");
    }

    #[test]
    fn the_verdict_catches_too_many_too_few_and_a_wrong_count() {
        assert_eq!(verdict(&[outcome(30, 10, 30)], 30), Ok(()));
        assert_eq!(verdict(&[outcome(5, 0, 5)], 30), Ok(()));
        assert!(verdict(&[outcome(31, 9, 31)], 30).is_err());
        assert!(verdict(&[outcome(29, 11, 29)], 30).is_err());
        assert!(verdict(&[outcome(30, 10, 29)], 30).is_err());
        let oversold = Outcome { promises: false, ..outcome(31, 9, 31) };
        assert_eq!(verdict(&[oversold], 30), Ok(()));
    }
}
