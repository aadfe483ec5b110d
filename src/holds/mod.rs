//! Holds: guards that are kept until a deadline, each under a ticket.
//!
//! # Invariant
//!
//! A cell holds one guard (`cell.rs`); its word decides which caller ends the hold
//! (`protocol/hold.rs`). The cells are divided into shards (`shard.rs`), each with the deadlines of
//! its cells in a timing wheel behind a lock (`wheel.rs`). A ticket names a cell and a generation
//! of it, and proves by a keyed tag that it was issued here (`ticket.rs`).
//!
//! What takes the lock of a shard: a put, which tries the other shards before it waits; extending;
//! expiring, if something is due, for one hold at a time; counting. Claiming and releasing take
//! none: the caller ends the hold by one compare-exchange and leaves the cell on a stack. The next
//! put that needs cells collects the stack under the lock, and unlinks the cells from the wheel.
//!
//! No code of the user runs under a lock: clocks are read before, guards are dropped after.
//!
//! `due` is a time before which no hold is due, over all shards, so that a caller that has been
//! refused learns by one load that no hold is due.

mod builder;
mod cell;
mod clock;
mod error;
mod release;
mod shard;
mod ticket;
mod wheel;

use core::fmt;
use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub use builder::HoldsBuilder;
pub use error::ClaimError;
pub use ticket::{ParseTicketError, Ticket};

use crossbeam_utils::CachePadded;

use crate::protocol::hold::{DueBound, HoldState, FIRST_TIME, NEVER};
use crate::protocol::mutants::mutant;
use crate::sync::AtomicU64;
use crate::thread_number;
use clock::{after, Clock};
use release::Releases;
use shard::HoldShard;
use ticket::TicketKey;

/// Guards of any kind, each kept until a deadline for the client that has its ticket.
///
/// It bridges the gap between two calls: a page is loaded, and its socket joins later; a customer
/// chooses, and pays later; a connection drops, and comes back. [`put`](Self::put) keeps a guard,
/// such as a [`Permit`](crate::Permit), a [`Reservation`](crate::Reservation) or a
/// [`Seat`](crate::Seat), and returns a [`Ticket`]. [`claim`](Self::claim) returns the guard for
/// the ticket, once. If no claim comes, the first call that expires holds after the deadline drops
/// the guard, and its place is free.
///
/// There is no thread and no runtime behind it. A hold whose deadline has passed is *due*. It ends
/// when a call acts upon that: [`expire`](Self::expire), or [`or_expire`](Self::or_expire), which a
/// caller that would be refused makes. Until then its ticket can still be claimed.
///
/// # Examples
///
/// A page is served with a ticket for a seat, and the socket of the page claims it:
///
/// ```
/// use std::time::Duration;
/// use headcount::{Gate, Holds, Ticket};
///
/// let room = Gate::new(50);
/// let holds = Holds::new(Duration::from_secs(15));
///
/// // The page load: a visitor whose time is over is replaced.
/// let seat = holds.or_expire(|| room.try_acquire())?;
/// let page = holds.put(seat).to_string();
///
/// // The socket.
/// let ticket: Ticket = page.parse().expect("what the page was served with");
/// let seat = holds.claim(ticket).expect("within 15 seconds");
/// assert_eq!(room.occupied(), 1);
/// assert!(holds.claim(ticket).unwrap_err().is_ended());
/// # drop(seat);
/// # Ok::<(), headcount::TryAcquireError>(())
/// ```
///
/// # Expiring from a timer
///
/// `or_expire` is enough where an expired hold matters only to a caller that wants its place at
/// once. A caller that waits for a place expires nothing: where callers wait, use a timer. It
/// releases guards also while no call comes. It is a few lines for each runtime; with one
/// `ttl` for all holds, no hold is due before the instant that they wait for:
///
/// ```
/// # use std::sync::{Arc, Weak};
/// # use std::time::{Duration, Instant};
/// # use headcount::Holds;
/// /// The instant of the next look, or `None` once the holds are gone.
/// fn expire<G>(holds: &Weak<Holds<G>>) -> Option<Instant> {
///     let holds = holds.upgrade()?;
///     holds.expire();
///     let idle = holds.ttl().min(Duration::from_secs(3600)); // `ttl` can be without end
///     Some(holds.next_deadline().unwrap_or_else(|| Instant::now() + idle))
/// }
///
/// async fn on_tokio<G>(holds: Weak<Holds<G>>) {
///     while let Some(next) = expire(&holds) {
///         tokio::time::sleep_until(next.into()).await;
///     }
/// }
///
/// async fn on_async_io<G>(holds: Weak<Holds<G>>) {
///     while let Some(next) = expire(&holds) {
///         async_io::Timer::at(next).await;
///     }
/// }
///
/// fn on_a_thread<G>(holds: Weak<Holds<G>>) {
///     while let Some(next) = expire(&holds) {
///         std::thread::sleep(next.saturating_duration_since(Instant::now()));
///     }
/// }
/// # let holds = Arc::new(Holds::<()>::new(Duration::ZERO));
/// # let gone = Arc::downgrade(&holds);
/// # drop(holds);
/// # on_a_thread(gone.clone());
/// # async_io::block_on(on_async_io(gone.clone()));
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(on_tokio(gone));
/// ```
///
/// # Guarantees
///
/// - *claimed-once*: of claiming, releasing and expiring, exactly one ends a hold, whichever
///   threads try. A ticket yields its guard at most once, and never after its deadline was acted
///   upon; a guard is either returned to a claimer or dropped, never both.
/// - No hold is released before its deadline. It is due at the deadline itself.
/// - *no-leak*: dropping the `Holds` drops each guard that it keeps. A guard whose destructor
///   panics costs no other guard anything: all are dropped, then the first panic goes on.
/// - *unblocked*: a thread that stops for ever in a call keeps no other caller from claiming or
///   releasing. If it stops under the lock of a shard, puts go to other shards; what waits for it
///   are [`extend`](Self::extend), [`expire`](Self::expire) and [`or_expire`](Self::or_expire) of
///   that shard's holds, [`len`](Self::len), and puts if all shards are in that state. They spin,
///   then yield, then sleep while they wait. No destructor, clock or other code of the user runs
///   under a lock.
///
/// # What is not promised
///
/// - That a guard is dropped at its deadline: it is dropped in a call after it.
/// - The order in which holds that are due expire.
/// - That a claim after the deadline fails: it succeeds as long as no call has expired the hold.
/// - That the memory of a ticket's first half is secret, see [`Ticket`].
///
/// # Memory ordering
///
/// *happens-before*: putting is a release operation, claiming an acquire operation. What the caller
/// of [`put`](Self::put) wrote before is visible to the caller that gets the guard, and to the
/// guard's destructor.
///
/// # Memory
///
/// A hold takes 32 bytes beside its guard. Memory grows by about a quarter of what there is. With
/// guards of 8 bytes and two shards, a hold takes at most 64 bytes beside its guard from 1000 holds
/// on. Memory is reused, and returned when the `Holds` is dropped. Each shard has some KiB of its
/// own, and some more once it is used. A cell is retired after 2^32 holds, so that no ticket ever
/// means two.
pub struct Holds<G> {
    key: TicketKey,
    clock: Clock,
    ttl: Duration,
    due: CachePadded<DueBound>,
    /// How often `due` has been raised: a new token each time.
    raised: CachePadded<AtomicU64>,
    shards: Box<[HoldShard<G>]>,
    /// The number of bits of a place that are the index in the shard.
    place_bits: u32,
}

impl Holds<()> {
    /// Returns the settings of new holds. It is called without a type, `Holds::builder()`, also for
    /// guards of other types: [`build`](HoldsBuilder::build) infers theirs.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::builder().ttl(Duration::from_secs(15)).capacity(1000).build();
    /// holds.put("a seat");
    /// ```
    pub fn builder() -> HoldsBuilder {
        HoldsBuilder::new()
    }
}

impl<G> Holds<G> {
    /// Creates holds that keep each guard for `ttl`, unless [`put_for`](Self::put_for) gives
    /// another time.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers for the key of the tickets.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// assert_eq!(holds.claim(holds.put("a seat")), Ok("a seat"));
    /// ```
    pub fn new(ttl: Duration) -> Holds<G> {
        HoldsBuilder::new().ttl(ttl).build()
    }

    /// Keeps a guard until the deadline, which is `ttl` from now, and returns its ticket.
    ///
    /// # Panics
    ///
    /// If about 2^31 guards are held, with one shard, or about 2^32 with more.
    ///
    /// # Cost
    ///
    /// A reading of the clock, a SipHash of 8 bytes, and one compare-exchange for a lock. It never
    /// waits for a destructor. Now and then it collects what claims have given back, at most 64
    /// holds at a time, or allocates memory for a quarter of the holds there are already: that for
    /// the guards before it takes the lock of its shard, that for the deadlines under it, where the
    /// allocator may copy them, 16 bytes for each hold of the shard. This is the longest stop that
    /// a call can meet. With [`HoldsBuilder::capacity`] the first put of each shard meets it, for
    /// its part of what is expected; later ones meet none as long as that part is enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::{Gate, Holds};
    ///
    /// let gate = Gate::new(1);
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let ticket = holds.put(gate.try_acquire().unwrap());
    /// assert!(gate.is_full());
    /// holds.release(ticket);
    /// assert!(!gate.is_full());
    /// ```
    pub fn put(&self, guard: G) -> Ticket {
        self.put_for(guard, self.ttl)
    }

    /// Keeps a guard until a deadline that is `ttl` from now, and returns its ticket.
    ///
    /// A `ttl` of zero makes a hold that is due at once; one too long for the clock has no
    /// deadline.
    ///
    /// # Panics
    ///
    /// As [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let short = holds.put_for("a seat", Duration::ZERO);
    /// let long = holds.put_for("a seat", Duration::MAX);
    /// assert_eq!(holds.expire(), 1);
    /// assert!(holds.claim(short).unwrap_err().is_expired());
    /// assert!(holds.claim(long).is_ok());
    /// ```
    pub fn put_for(&self, guard: G, ttl: Duration) -> Ticket {
        let deadline = after(self.clock.now(), ttl);
        let ticket = self.put_until(guard, deadline);
        self.due.lower(deadline);
        ticket
    }

    #[inline]
    fn put_until(&self, guard: G, deadline: u64) -> Ticket {
        let own = thread_number::current();
        match self.shard_of(own).put(guard, deadline, &self.key, false) {
            Ok(ticket) => ticket,
            Err(guard) => self.put_anywhere(own, guard, deadline),
        }
    }

    #[inline]
    fn shard_of(&self, number: usize) -> &HoldShard<G> {
        // The number of shards is a power of two.
        &self.shards[number & (self.shards.len() - 1)]
    }

    /// Puts into another shard, whose lock is free, or whose cells are not used up.
    #[cold]
    fn put_anywhere(&self, own: usize, mut guard: G, deadline: u64) -> Ticket {
        for waits in [false, true] {
            for number in 0..self.shards.len() {
                let shard = self.shard_of(own.wrapping_add(number));
                match shard.put(guard, deadline, &self.key, waits) {
                    Ok(ticket) => return ticket,
                    Err(refused) => guard = refused,
                }
            }
        }
        panic!("too many holds");
    }

    /// Returns the guard of that ticket, and ends its hold.
    ///
    /// # Errors
    ///
    /// [`ClaimError`], which says whether the hold has expired, or has ended in any way, or whether
    /// the ticket was not issued here.
    ///
    /// # Cost
    ///
    /// Two compare-exchanges, the second of which is repeated if other callers claim or release
    /// holds of the same shard at the same time. The clock is not read, and no lock is taken. A
    /// refusal writes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let ticket = holds.put("a seat");
    /// assert_eq!(holds.claim(ticket), Ok("a seat"));
    /// assert!(holds.claim(ticket).unwrap_err().is_ended());
    /// ```
    #[inline]
    pub fn claim(&self, ticket: Ticket) -> Result<G, ClaimError> {
        self.take(ticket).ok_or_else(|| self.refusal(ticket))
    }

    /// Returns the shard that a ticket names.
    #[inline]
    fn shard(&self, ticket: Ticket) -> &HoldShard<G> {
        // In range: the number of shards is a power of two.
        &self.shards[(u64::from(ticket.place()) >> self.place_bits) as usize]
    }

    #[inline]
    fn take(&self, ticket: Ticket) -> Option<G> {
        self.shard(ticket).take(ticket)
    }

    #[cold]
    fn refusal(&self, ticket: Ticket) -> ClaimError {
        let (place, generation) = (ticket.place(), ticket.generation());
        if self.key.tag(place, generation) != ticket.tag() {
            return ClaimError::Unknown;
        }
        match self.shard(ticket).state(place, generation) {
            HoldState::Expired => ClaimError::Expired,
            _ => ClaimError::Ended,
        }
    }

    /// Drops the guard of that ticket, and ends its hold. Returns false if there is no such hold.
    ///
    /// # Panics
    ///
    /// If the guard's destructor panics. The hold has ended then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::{Gate, Holds};
    ///
    /// let gate = Gate::new(1);
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let ticket = holds.put(gate.try_acquire().unwrap());
    /// assert!(holds.release(ticket));
    /// assert_eq!(gate.occupied(), 0);
    /// assert!(!holds.release(ticket));
    /// ```
    pub fn release(&self, ticket: Ticket) -> bool {
        self.take(ticket).is_some()
    }

    /// Raises the deadline of that hold to `ttl` from now. Returns false if there is no such hold.
    ///
    /// A deadline that is later than that stays as it is. A hold that is due and has not expired
    /// can be extended.
    ///
    /// # Cost
    ///
    /// A reading of the clock, and a lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::ZERO);
    /// let ticket = holds.put("three seats");
    /// assert!(holds.extend(ticket, Duration::from_secs(600))); // the customer types slowly
    /// assert_eq!(holds.expire(), 0);
    /// assert!(holds.claim(ticket).is_ok());
    /// assert!(!holds.extend(ticket, Duration::from_secs(600)));
    /// ```
    pub fn extend(&self, ticket: Ticket, ttl: Duration) -> bool {
        self.shard(ticket).extend(ticket, after(self.clock.now(), ttl))
    }

    /// Drops the guards of all holds that are due now, and ends these holds. Returns how many.
    ///
    /// A hold that becomes due during the call may be left to the next one. If a destructor puts a
    /// guard that is due at once, under a clock that stands still, the call releases it too: with a
    /// destructor that does so each time, the call has no end.
    ///
    /// # Panics
    ///
    /// If the destructor of a guard panics. All other guards that are due are dropped before, and
    /// the first panic goes on.
    ///
    /// # Cost
    ///
    /// If no hold is due: a load, a reading of the clock, and seldom a look at each shard. Else
    /// amortised O(1) for each hold that has been put: a hold moves between the levels of a wheel
    /// at most ten times. The lock of a shard is taken for one hold at a time, and not while a
    /// guard is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::ZERO);
    /// holds.put("a seat");
    /// holds.put("another seat");
    /// assert_eq!(holds.expire(), 2);
    /// assert_eq!(holds.expire(), 0);
    /// ```
    pub fn expire(&self) -> usize {
        let now = self.clock.now();
        if self.due.get() > now {
            return 0;
        }
        self.expire_at(now)
    }

    #[cold]
    fn expire_at(&self, now: u64) -> usize {
        let mut releases = Releases::default();
        let own = thread_number::current();
        // The caller's own shard first: callers that expire at the same time begin apart.
        for number in 0..self.shards.len() {
            let shard = self.shard_of(own.wrapping_add(number));
            while shard.as_ref().get() <= now {
                match shard.expire(now) {
                    Some(guard) => releases.release(guard),
                    None => break,
                }
            }
        }
        // Relaxed: each caller has a number of its own. 0 is no token.
        let token = self.raised.fetch_add(1, Ordering::Relaxed) % (FIRST_TIME - 1) + 1;
        self.due.raise(token, &self.shards);
        releases.finish()
    }

    /// Calls `f`. If `f` refuses, and a hold is due, expires what is due and calls `f` once more.
    ///
    /// So a caller is not refused while a hold is due: a refusal is returned only if, at an instant
    /// within the call, no hold was due, or the second `f` has refused after all holds that were
    /// due had expired. A guard that another call is about to drop or to claim at that moment is no
    /// longer a hold.
    ///
    /// The first refusal is dropped before anything expires. `f` is called at most twice, also if
    /// what was due has been claimed or expired by other callers meanwhile.
    ///
    /// # Errors
    ///
    /// The error of the last `f`.
    ///
    /// # Panics
    ///
    /// As [`expire`](Self::expire), and if `f` panics.
    ///
    /// # Cost
    ///
    /// Beyond `f`: a load. If `f` refuses, a reading of the clock. If a hold is due, that of
    /// [`expire`](Self::expire), and `f` once more.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::{Gate, Holds};
    ///
    /// let room = Gate::new(1);
    /// let holds = Holds::new(Duration::ZERO);
    /// holds.put(room.try_acquire().unwrap());
    /// assert!(room.try_acquire().is_err());
    /// assert!(holds.or_expire(|| room.try_acquire()).is_ok());
    /// ```
    #[inline]
    pub fn or_expire<R, E>(&self, mut f: impl FnMut() -> Result<R, E>) -> Result<R, E> {
        // Before `f`: what another caller expires from here on counts as due.
        let due = self.due.get();
        f().or_else(|refused| {
            let due = if mutant!("holds-due-read-late") { self.due.get() } else { due };
            let now = self.clock.now();
            if due > now {
                return Err(refused);
            }
            // A refusal can keep places of its own, which the second `f` may need.
            drop(refused);
            self.expire_at(now);
            f()
        })
    }

    /// Returns the earliest deadline, or `None` if no hold has one.
    ///
    /// No hold is due before it, but for holds that are put during the call or later. It can be too
    /// early: that of a hold that was claimed, released or extended since. The next
    /// [`expire`](Self::expire) after that instant corrects it.
    ///
    /// # Cost
    ///
    /// One load for each shard.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// assert_eq!(holds.next_deadline(), None);
    /// let before = Instant::now();
    /// holds.put("a seat");
    /// assert!(holds.next_deadline().unwrap() >= before + Duration::from_secs(15));
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        let earliest = self.shards.iter().map(|shard| shard.as_ref().get()).min();
        self.clock.instant(earliest.unwrap_or(NEVER))
    }

    /// Returns the number of holds: put, and neither claimed, released nor expired. Holds that are
    /// due count.
    ///
    /// Without calls at the same time the number is exact. Otherwise it is the sum of numbers that
    /// were exact for each shard at an instant within the call.
    ///
    /// # Cost
    ///
    /// The lock of each shard, for a moment.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// let ticket = holds.put("a seat");
    /// assert_eq!(holds.len(), 1);
    /// holds.release(ticket);
    /// assert_eq!(holds.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len() as usize).sum()
    }

    /// Returns whether there are no holds. See [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// let holds = Holds::new(Duration::from_secs(15));
    /// assert!(holds.is_empty());
    /// holds.put("a seat");
    /// assert!(!holds.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the time for which [`put`](Self::put) keeps a guard.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Holds;
    ///
    /// assert_eq!(Holds::<()>::new(Duration::from_secs(15)).ttl(), Duration::from_secs(15));
    /// ```
    pub fn ttl(&self) -> Duration {
        self.ttl
    }
}

impl<G> Drop for Holds<G> {
    /// Drops all guards. If a destructor panics, the others run, then the first panic goes on.
    fn drop(&mut self) {
        let mut releases = Releases::default();
        for shard in &mut self.shards {
            shard.clear(|guard| releases.release(guard));
        }
        releases.finish();
    }
}

impl<G> fmt::Debug for Holds<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holds")
            .field("ttl", &self.ttl)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(headcount_loom, headcount_shuttle))))]
mod tests {
    use std::panic::{catch_unwind, AssertUnwindSafe};
    use std::rc::Rc;

    use super::*;

    /// Shards of eight cells each in place of 2^31.
    #[test]
    fn too_many_holds_panic_and_cost_no_other_guard_anything() {
        let mut holds = Holds::builder().shards(2).build();
        for (number, shard) in holds.shards.iter_mut().enumerate() {
            *shard = HoldShard::new((number as u32) << holds.place_bits, 8, 2);
        }
        let guard = Rc::new(());
        let tickets: Vec<_> = (0..16).map(|_| holds.put(Rc::clone(&guard))).collect();
        for _ in 0..2 {
            let put = || holds.put(Rc::clone(&guard));
            let panic = catch_unwind(AssertUnwindSafe(put)).expect_err("seventeen holds");
            assert_eq!(panic.downcast_ref(), Some(&"too many holds"));
            assert_eq!((holds.len(), Rc::strong_count(&guard)), (16, 17), "its guard is dropped");
        }
        assert!(holds.claim(tickets[3]).is_ok());
        holds.put(Rc::clone(&guard));
        assert_eq!(holds.len(), 16);
        assert!(tickets[4..].iter().all(|&ticket| holds.claim(ticket).is_ok()));
    }
}
