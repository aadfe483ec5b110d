//! Models that must fail: the crowds that meet the gate meet rejectedes with one known flaw each.
//!
//! The flawless rejected passes them all, so that it is the flaw that fails and not the rejected.

use loom::sync::atomic::Ordering::Relaxed;

use crate::crowd::Crowd;
use crate::gate::*;
use crate::rejected::{Rule, Sketch};

fn meets(crowd: Crowd, rejected: Sketch) {
    crowd.at(move |capacity| rejected.door(capacity));
}

#[test]
fn none_with_the_sound_protocol() {
    for crowd in [TWO_OF_THREE, BACK_AGAIN, TRY_AGAIN, READER, NEXT_IN_LINE, THROUGH_A_REFUSAL] {
        meets(crowd, Sketch::SOUND);
    }
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn check_then_add() {
    meets(TWO_OF_THREE, Sketch::with(Rule::CheckThenAdd));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn check_then_add_at_the_witness() {
    meets(NEXT_IN_LINE, Sketch::with(Rule::CheckThenAdd));
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn one_too_many() {
    meets(TWO_OF_THREE, Sketch::with(Rule::OneTooMany));
}

/// The phantom refusal: somebody is refused because somebody else is being refused.
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn textbook() {
    meets(BACK_AGAIN, Sketch::with(Rule::Textbook));
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn look_then_textbook() {
    meets(BACK_AGAIN, Sketch::with(Rule::LookThenTextbook));
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn keep_the_claim_if_the_count_has_dropped() {
    meets(TRY_AGAIN, Sketch::with(Rule::KeepIfDropped));
}

/// A store breaks the chain of leavers, and undoes what they did.
#[test]
#[should_panic]
fn roll_back_with_a_store() {
    meets(THROUGH_A_REFUSAL, Sketch::with(Rule::StoreBack));
}

/// Paid twice: by the leaver and by the one who was refused.
#[test]
#[should_panic]
fn roll_back_by_subtracting() {
    meets(THROUGH_A_REFUSAL, Sketch::with(Rule::SubtractBack));
}

/// A leaver who takes surplus for its own head leaves that head inside.
#[test]
#[should_panic]
fn leave_without_paying_for_surplus() {
    meets(THROUGH_A_REFUSAL, Sketch { pays: false, ..Sketch::SOUND });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn enter_relaxed() {
    meets(NEXT_IN_LINE, Sketch { enter: Relaxed, ..Sketch::SOUND });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn leave_relaxed() {
    meets(NEXT_IN_LINE, Sketch { leave: Relaxed, ..Sketch::SOUND });
}
