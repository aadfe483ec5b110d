//! The slot in every order that threads can take its steps: without a waitlist, and with one.

use std::fmt::Debug;

use crate::protocol::slot::SlotWord;

#[cfg(not(feature = "wait"))]
mod alone;
#[cfg(not(feature = "wait"))]
mod protocols;
#[cfg(not(feature = "wait"))]
mod search;
#[cfg(feature = "wait")]
mod waitlist;
#[cfg(not(feature = "wait"))]
mod words;

/// The fields of a slot's word; a rejected protocol has the count alone.
#[derive(Debug)]
#[allow(dead_code)] // Read by `Debug` only.
pub(crate) struct SlotFields {
    count: Count,
    waiting: bool,
    closed: bool,
}

/// A count, and its distance from the ceiling if it is a slot's.
struct Count(u32);

impl Debug for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::protocol::slot::CEILING;
        match self.0 {
            plain @ 0..=1000 => write!(f, "{plain}"),
            below if below < CEILING => write!(f, "CEILING - {}", CEILING - below),
            above => write!(f, "CEILING + {}", above - CEILING),
        }
    }
}

impl SlotFields {
    pub(crate) fn of(word: u32) -> SlotFields {
        use crate::protocol::slot::{CLOSED, WAITING};
        SlotFields {
            count: Count(word & !(CLOSED | WAITING)),
            waiting: SlotWord(word).is_waiting(),
            closed: SlotWord(word).is_closed(),
        }
    }
}
