//! The refusal of a claim.

use core::error::Error;
use core::fmt;

/// Why [`Holds::claim`](crate::Holds::claim) returned no guard.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use headcount::{ClaimError, Holds, Ticket};
///
/// let holds = Holds::new(Duration::from_secs(15));
/// let ticket = holds.put("a seat");
/// assert_eq!(holds.claim(ticket), Ok("a seat"));
/// assert_eq!(holds.claim(ticket), Err(ClaimError::Ended));
/// assert_eq!(holds.claim(Ticket::from(1)), Err(ClaimError::Unknown));
/// assert_eq!(ClaimError::Ended.to_string(), "the hold has ended");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ClaimError {
    /// The deadline of the hold was acted upon, and the guard was dropped. The answer turns into
    /// [`Ended`](Self::Ended) once the memory of the hold is used again, which is put off for as
    /// long as there is other memory.
    Expired,
    /// This `Holds` has issued the ticket, and the hold has ended: it was claimed or released, or
    /// it expired some time ago.
    Ended,
    /// This `Holds` has not issued the ticket: it is forged, or was issued by another `Holds`, or
    /// in another run of the program.
    Unknown,
}

impl ClaimError {
    /// Returns true if this is [`Expired`](Self::Expired).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let ticket = holds.put_for("a seat", Duration::ZERO);
    /// assert_eq!(holds.expire(), 1);
    /// assert!(holds.claim(ticket).unwrap_err().is_expired());
    /// ```
    pub fn is_expired(&self) -> bool {
        matches!(self, ClaimError::Expired)
    }

    /// Returns true if this is [`Ended`](Self::Ended).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let ticket = holds.put("a seat");
    /// assert!(holds.release(ticket));
    /// assert!(holds.claim(ticket).unwrap_err().is_ended());
    /// ```
    pub fn is_ended(&self) -> bool {
        matches!(self, ClaimError::Ended)
    }

    /// Returns true if this is [`Unknown`](Self::Unknown).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let (holds, others) = (Holds::new(Duration::MAX), Holds::new(Duration::MAX));
    /// let ticket = others.put("a seat");
    /// holds.put("another seat");
    /// assert!(holds.claim(ticket).unwrap_err().is_unknown());
    /// ```
    pub fn is_unknown(&self) -> bool {
        matches!(self, ClaimError::Unknown)
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClaimError::Expired => "the hold has ended by its deadline",
            ClaimError::Ended => "the hold has ended",
            ClaimError::Unknown => "the ticket is not one of these holds",
        })
    }
}

impl Error for ClaimError {}
