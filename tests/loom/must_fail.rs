//! Models that must fail: the crowds of `gate.rs` meet rejected protocols with one known flaw each.
//!
//! The protocol without a flaw passes them all, so it is the flaw that fails.

use loom::sync::atomic::Ordering::Relaxed;

use crate::crowd::Crowd;
use crate::gate::*;
use crate::rejected::{Design, Rule};

fn meets(crowd: Crowd, design: Design) {
    crowd.at(move |capacity| design.door(capacity));
}

#[test]
fn none_with_the_sound_protocol() {
    for crowd in [TWO_OF_THREE, BACK_AGAIN, TRY_AGAIN, READER, NEXT_IN_LINE, THROUGH_A_REFUSAL] {
        meets(crowd, Design::SOUND);
    }
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn check_then_add() {
    meets(TWO_OF_THREE, Design::with(Rule::CheckThenAdd));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn check_then_add_at_the_witness() {
    meets(NEXT_IN_LINE, Design::with(Rule::CheckThenAdd));
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn one_too_many() {
    meets(TWO_OF_THREE, Design::with(Rule::OneTooMany));
}

/// A caller is refused because another one is about to be refused.
#[test]
#[should_panic(expected = "no order of the calls explains")]
fn textbook() {
    meets(BACK_AGAIN, Design::with(Rule::Textbook));
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn look_then_textbook() {
    meets(BACK_AGAIN, Design::with(Rule::LookThenTextbook));
}

#[test]
#[should_panic(expected = "no order of the calls explains")]
fn keep_the_claim_if_the_count_has_dropped() {
    meets(TRY_AGAIN, Design::with(Rule::KeepIfDropped));
}

/// A store breaks the chain of leavers, and undoes what they did.
#[test]
#[should_panic]
fn roll_back_with_a_store() {
    meets(THROUGH_A_REFUSAL, Design::with(Rule::StoreBack));
}

/// The surplus is paid twice: by the leaver and by the refused caller.
#[test]
#[should_panic]
fn roll_back_by_subtracting() {
    meets(THROUGH_A_REFUSAL, Design::with(Rule::SubtractBack));
}

/// A leaver that takes surplus for its own place keeps that place held.
#[test]
#[should_panic]
fn leave_without_paying_for_surplus() {
    meets(THROUGH_A_REFUSAL, Design { pays: false, ..Design::SOUND });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn enter_relaxed() {
    meets(NEXT_IN_LINE, Design { enter: Relaxed, ..Design::SOUND });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn leave_relaxed() {
    meets(NEXT_IN_LINE, Design { leave: Relaxed, ..Design::SOUND });
}
