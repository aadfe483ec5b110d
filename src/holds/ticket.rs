//! Tickets: which hold is meant, and a tag that proves it.
//!
//! # Invariant
//!
//! ```text
//! bits 96..128  the place: the shard, and the index of the cell in it
//! bits 64..96   the generation of the cell
//! bits  0..64   the tag: SipHash-2-4 of the other bits, under the key of the `Holds`
//! ```
//!
//! A place and a generation name one hold for as long as the `Holds` exists. SipHash-2-4 is a
//! pseudorandom function: without the 128 bits of the key, the tag of one input tells nothing of
//! the tag of another. The key comes from the operating system.

use core::error::Error;
use core::fmt;
use core::hash::Hasher;
use core::str::FromStr;

use siphasher::sip::SipHasher24;

/// The name of one hold, by which it is [claimed](crate::Holds::claim) once.
///
/// A ticket is 128 bits, prints as 32 hexadecimal digits, and can be handed to a client. A client
/// that has it can claim the hold, so it is to be kept as a password is: `Debug` does not print it.
///
/// # Guarantees
///
/// A ticket is not to be guessed, not even by a client that has seen any number of other tickets of
/// the same `Holds`. Half of it is a tag of 64 bits: SipHash-2-4 of the other half, under a key of
/// 128 bits that the operating system has drawn for this `Holds`. SipHash-2-4 is a pseudorandom
/// function that is made for this, so each try to forge a ticket succeeds in one of 2^64 cases.
/// Tickets of one `Holds` mean nothing to another, nor to the next run of the program.
///
/// # What is not promised
///
/// The other half is not secret: it is the place of the hold in memory, and how many holds were
/// there before. A client that sees many tickets can tell about how many holds there are.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use headcount::{Holds, Ticket};
///
/// let holds = Holds::new(Duration::from_secs(15));
/// let ticket = holds.put("a seat");
/// let printed = ticket.to_string();
/// assert_eq!(printed.len(), 32);
/// assert_eq!(printed.parse::<Ticket>(), Ok(ticket));
/// assert_eq!(Ticket::from(u128::from(ticket)), ticket);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u128);

impl Ticket {
    #[inline]
    pub(super) fn new(place: u32, generation: u32, tag: u64) -> Ticket {
        Ticket(u128::from(place) << 96 | u128::from(generation) << 64 | u128::from(tag))
    }

    #[inline]
    pub(super) fn place(self) -> u32 {
        (self.0 >> 96) as u32
    }

    #[inline]
    pub(super) fn generation(self) -> u32 {
        (self.0 >> 64) as u32
    }

    #[inline]
    pub(super) fn tag(self) -> u64 {
        self.0 as u64
    }
}

impl From<Ticket> for u128 {
    fn from(ticket: Ticket) -> u128 {
        ticket.0
    }
}

impl From<u128> for Ticket {
    /// Any number can be sent, and so can be received: whether it is a ticket is for
    /// [`claim`](crate::Holds::claim) to say.
    fn from(number: u128) -> Ticket {
        Ticket(number)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    /// Accepts only what `Display` prints: 32 hexadecimal digits in lower case.
    fn from_str(printed: &str) -> Result<Ticket, ParseTicketError> {
        let digits = printed.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if printed.len() != 32 || !digits {
            return Err(ParseTicketError(()));
        }
        u128::from_str_radix(printed, 16).map(Ticket).map_err(|_| ParseTicketError(()))
    }
}

/// The text is not a [`Ticket`].
///
/// # Examples
///
/// ```
/// use headcount::Ticket;
///
/// let refused = "a seat by the window".parse::<Ticket>().unwrap_err();
/// assert_eq!(refused.to_string(), "not a ticket, which is 32 lower-case hexadecimal digits");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ParseTicketError(());

impl fmt::Display for ParseTicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a ticket, which is 32 lower-case hexadecimal digits")
    }
}

impl Error for ParseTicketError {}

/// The key of the tags.
pub(super) struct TicketKey(SipHasher24);

impl TicketKey {
    /// Draws a key from the operating system.
    pub(super) fn draw() -> TicketKey {
        let mut key = [0; 16];
        getrandom::fill(&mut key).expect("the operating system has random numbers");
        TicketKey(SipHasher24::new_with_key(&key))
    }

    /// Returns the tag of the hold of that place and generation.
    #[inline]
    pub(super) fn tag(&self, place: u32, generation: u32) -> u64 {
        let mut hasher = self.0;
        hasher.write_u64(u64::from(place) << 32 | u64::from(generation));
        hasher.finish()
    }
}
