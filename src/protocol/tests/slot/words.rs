//! What single steps make of single words, down to the bits that the searches do not tell apart:
//! surplus that stays costs time only, and a WAITING flag without a deficit can cause refusals.
//! With the feature `wait`, that flag is cleared under the waitlist's lock, and settling is not
//! compiled.

use std::sync::atomic::AtomicU32;

use crate::protocol::slot::{
    ClearFlag, Enter, Leave, Refusal, Slot, SlotWord, Wanted, CLOSED, WAITING,
};
use crate::protocol::step::Step;

const FULL: SlotWord = SlotWord(crate::protocol::slot::CEILING);

/// A caller that added to a word that admits no caller takes exactly that back.
#[test]
fn a_refused_addition_leaves_nothing() {
    let full = [0, CLOSED, WAITING, CLOSED | WAITING]
        .into_iter()
        .flat_map(|flags| (0..3).map(move |excess| flags | (FULL.0 + excess)));
    let closed = [CLOSED, CLOSED | WAITING].map(|flags| flags | (FULL.0 - 1));
    for before in full.chain(closed) {
        let word = AtomicU32::new(before);
        let Step::Next(roll_back) = Enter::Add.step(&word) else {
            panic!("the addition alone decided {before:#x}")
        };
        // Surplus may be left to the leavers; what counts must be taken back, whatever comes
        // between.
        let counts = before & WAITING != 0 || before & !CLOSED < FULL.0;
        let after = SlotWord(before + 1);
        let sure = if counts { Enter::BackOut(after) } else { Enter::DropSurplus(after) };
        assert_eq!(roll_back, sure, "{before:#x}");
        let why = if before & CLOSED == 0 { Refusal::Full } else { Refusal::Closed };
        assert_eq!(roll_back.step(&word), Step::Done(Err(why)), "{before:#x}");
        // A flag without a deficit goes along.
        let deficit = SlotWord(before).deficit() > 0;
        let left = if deficit { before } else { before & !WAITING };
        assert_eq!(word.into_inner(), left);
    }
}

/// A caller that backs out looks at what the word has become: only an open slot without a deficit
/// admits it.
#[test]
fn backing_out_admits_where_it_can() {
    let seen = SlotWord(CLOSED | FULL.0);
    for (now, admits) in [
        (FULL.0, true),
        (FULL.0 - 1, true),
        (WAITING | FULL.0, true),
        (WAITING | (FULL.0 + 1), false),
        (CLOSED | (FULL.0 - 1), false),
        (CLOSED | WAITING | (FULL.0 + 1), false),
    ] {
        let word = AtomicU32::new(now);
        let next = match admits {
            true => Step::Done(Ok(now)),
            false => Step::Next(Enter::BackOut(SlotWord(now))),
        };
        assert_eq!(Enter::BackOut(seen).step(&word), next, "{now:#x}");
        assert_eq!(word.into_inner(), now);
    }
}

/// More inside than places without WAITING: the excess is surplus, and goes
/// with the next holder that leaves.
#[test]
fn surplus_is_paid_and_never_a_deficit() {
    let of_two = |excess: u32| Slot::new(2, 2 + excess);
    let empty = of_two(0).read().0 - 2;
    for excess in 0..3 {
        let slot = of_two(excess);
        assert_eq!(slot.leave(), None);
        assert_eq!(slot.leave(), None);
        assert_eq!(slot.read(), SlotWord(empty));

        let slot = of_two(excess);
        assert_eq!(slot.take(Wanted::Exactly(1)), Err(Refusal::Full));
        assert_eq!(slot.give(2), None);
        assert_eq!(slot.read(), SlotWord(empty));

        let slot = of_two(excess);
        slot.withdraw(1);
        assert_eq!(reading(&slot), (true, 1, 0, 2));
    }
}

/// A WAITING flag that is about to be cleared keeps no caller out.
#[test]
fn a_flag_without_a_deficit_admits() {
    let word = AtomicU32::new(WAITING | (FULL.0 - 1));
    assert_eq!(Enter::Look.step(&word), Step::Next(Enter::Add));
    assert_eq!(Enter::Add.step(&word), Step::Done(Ok(WAITING | FULL.0)));
}

#[test]
fn entering_yields_the_level_that_includes_the_head() {
    let slot = Slot::new(3, 0);
    assert_eq!(slot.enter(), Ok(FULL.0 - 2));
    assert_eq!(slot.enter_unseen(), Ok(FULL.0 - 1));
    assert_eq!(slot.take(Wanted::Exactly(1)), Ok(1));
    assert_eq!(slot.read(), FULL, "a full slot owes nothing");
    assert_eq!(slot.look(), Err(Refusal::Full));
}

/// WAITING, the places deficit, those free and those held of one place.
fn reading(slot: &Slot) -> (bool, u32, u32, u32) {
    let word = slot.read();
    (word.is_waiting(), word.deficit(), word.free(), word.held(1))
}

#[cfg(not(feature = "wait"))]
#[test]
fn the_flag_goes_with_the_last_of_the_deficit() {
    let slot = Slot::new(3, 3);
    slot.withdraw(2);
    assert_eq!(reading(&slot), (true, 2, 0, 3));
    slot.clear_flag(slot.leave().expect("places are deficit"));
    assert_eq!(reading(&slot), (true, 1, 0, 2));
    slot.clear_flag(slot.leave().expect("a place is deficit"));
    assert_eq!(reading(&slot), (false, 0, 0, 1));
    assert_eq!(slot.read(), FULL);
    assert_eq!(slot.leave(), None);
    assert_eq!(reading(&slot), (false, 0, 1, 0));
}

/// The same for several at once, and what settles late changes nothing.
#[cfg(not(feature = "wait"))]
#[test]
fn the_flag_goes_with_several_at_once() {
    let slot = Slot::new(4, 4);
    slot.withdraw(3);
    let early = slot.give(2).expect("a place is deficit");
    assert_eq!(reading(&slot), (true, 1, 0, 2));
    assert_eq!(slot.give(2), None, "the last of the deficit takes the flag along");
    slot.clear_flag(early);
    assert_eq!(slot.read(), SlotWord(FULL.0 - 1));
    assert_eq!(slot.give(0), None);
}

/// Two releases pay a deficit, and a caller enters before they come to clear the flag.
#[cfg(not(feature = "wait"))]
#[test]
fn the_flag_goes_although_a_caller_enters() {
    let slot = Slot::new(2, 2);
    slot.withdraw(1);
    let [first, second] = [slot.leave().unwrap(), slot.leave().unwrap()];
    assert!(slot.enter().is_ok());
    assert_eq!(reading(&slot), (true, 0, 0, 1));
    slot.clear_flag(first);
    slot.clear_flag(second);
    assert_eq!(slot.read(), FULL);
}

/// A caller adds while the flag stands, so that the release finds a deficit and leaves it: the
/// caller clears it as it backs out.
#[cfg(not(feature = "wait"))]
#[test]
fn the_flag_goes_with_a_caller_that_backs_out() {
    let word = AtomicU32::new(SlotWord(FULL.0 + 1).0 | WAITING);
    let Step::Done(Some(after)) = Leave.step(&word) else { panic!("the deficit is paid") };
    let Step::Next(backs_out) = Enter::Add.step(&word) else { panic!("no place is free") };
    assert_eq!(ClearFlag(after).step(&word), Step::Next(ClearFlag(SlotWord(after.0 + 1))));
    assert_eq!(ClearFlag(SlotWord(after.0 + 1)).step(&word), Step::Done(()));
    assert_eq!(backs_out.step(&word), Step::Done(Err(Refusal::Full)));
    assert_eq!(SlotWord(word.into_inner()), FULL);
}

#[cfg(not(feature = "wait"))]
#[test]
fn settling_keeps_a_slot_closed() {
    let slot = Slot::new(2, 2);
    slot.withdraw(1);
    assert!(slot.close());
    slot.clear_flag(slot.leave().expect("a place is deficit"));
    assert_eq!(slot.read(), SlotWord(FULL.0 | CLOSED));
}

#[test]
fn closing_and_reopening_say_what_was() {
    let slot = Slot::new(2, 1);
    assert!(slot.close());
    assert!(!slot.close());
    assert_eq!(slot.look(), Err(Refusal::Closed));
    assert!(slot.reopen());
    assert!(!slot.reopen());
    assert_eq!(slot.read(), Slot::new(2, 1).read());
}

#[test]
fn what_is_wanted_depends_on_what_is_free() {
    let take = |held, wanted| Slot::new(5, held).take(wanted);
    assert_eq!(take(2, Wanted::All), Ok(3));
    assert_eq!(take(5, Wanted::All), Err(Refusal::Full));
    assert_eq!(take(2, Wanted::Leaving { n: 1, spare: 2 }), Ok(1));
    assert_eq!(take(2, Wanted::Leaving { n: 1, spare: 3 }), Err(Refusal::Full));
    assert_eq!(take(2, Wanted::Leaving { n: 0, spare: 3 }), Ok(0));
    assert_eq!(take(2, Wanted::Leaving { n: u32::MAX, spare: u32::MAX }), Err(Refusal::Full));
    let closed = Slot::new(5, 0);
    closed.close();
    assert_eq!(closed.take(Wanted::All), Err(Refusal::Closed));
}
