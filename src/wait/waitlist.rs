//! The waitlist: the queue, its lock, and what can be known without the lock.
//!
//! # Invariant
//!
//! While WAITING is set in the slot, the queue knows how many places are held, and no change of the
//! flags or of `held` is made without the lock. The waitlist exists before WAITING is first set.
//! A thread that has the lock gives it back by [`Locked::settle`] if it changed anything: no waiter
//! in line could be served then, and the word is back with all threads unless it has to stay. No
//! waker runs under the lock.

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::PoisonError;
use std::task::Waker;

use super::queue::{Queue, WakeHandle, WakeList};
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::slot::{Resize, Slot, SlotWord, Wanted, CEILING};
use crate::sync::{const_fn, Lazy, Mutex, MutexGuard, Thread};
#[cfg(target_has_atomic = "64")]
use crate::sync::{AtomicU64, Ordering};

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    served: Served,
}

/// What a waiter can learn without the lock: that it has been served.
///
/// Without 64-bit atomics it learns of it under the lock only: shorter tickets would wrap around.
#[derive(Default)]
struct Served {
    /// The ticket that was served last.
    #[cfg(target_has_atomic = "64")]
    last: AtomicU64,
    /// How often waiters have left the line other than by being served or cancelled: for a ticket
    /// from before, `last` says nothing.
    #[cfg(target_has_atomic = "64")]
    breaks: AtomicU64,
}

#[cfg(target_has_atomic = "64")]
impl Served {
    /// Returns the number of breaks. The caller has the lock.
    fn breaks(&self) -> u64 {
        // Relaxed: changes only under the lock.
        self.breaks.load(Ordering::Relaxed)
    }

    /// Counts a break. The caller has the lock.
    fn add_break(&self) {
        // Relaxed: read under the lock, or after an Acquire, see `has`.
        self.breaks.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a ticket is served. The caller has the lock.
    fn record(&self, ticket: u64) {
        // Release, pairs with the Acquire in `has`.
        self.last.store(ticket, ordering!("waitlist-served", Release => Relaxed));
    }

    /// Returns whether the ticket has been served. `false` can also mean that the lock is needed to
    /// know.
    fn has(&self, ticket: Ticket) -> bool {
        // Acquire, pairs with the Release in `record`: a waiter that is served sees the earlier
        // writes of the last holder of its place, and each break before.
        let last = self.last.load(ordering!("waitlist-is-served", Acquire => Relaxed));
        // Relaxed: if a later ticket was served after a break, the load above has made that break
        // visible.
        last >= ticket.number
            && (mutant!("waitlist-is-served-after-break")
                || self.breaks.load(Ordering::Relaxed) == ticket.breaks)
    }
}

#[cfg(not(target_has_atomic = "64"))]
impl Served {
    fn breaks(&self) -> u64 {
        0
    }

    fn add_break(&self) {}

    fn record(&self, _: u64) {}

    fn has(&self, _: Ticket) -> bool {
        false
    }
}

/// A place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: u64,
    /// The number of breaks when it was drawn.
    breaks: u64,
}

/// The result of joining the waitlist.
pub(crate) enum Enqueued {
    Served,
    Closed,
    QueueFull,
    Waits(Ticket),
}

/// The state of a ticket. `Served` and `Refused` are returned once; the ticket is void then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitState {
    Served,
    /// The slot was closed or, for a caller that waits until no place is held, reopened.
    Refused,
    Waits,
}

impl Shared {
    fn lock<'a>(&'a self, slot: &'a Slot) -> Locked<'a> {
        // Nothing panics under the lock.
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { shared: self, slot, queue, wake_list: WakeList::default() }
    }
}

/// The lock of the waitlist of a slot, and the waiters to wake when it is free.
struct Locked<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    queue: MutexGuard<'a, Queue>,
    wake_list: WakeList,
}

impl Locked<'_> {
    /// Returns whether the lock has the word: the queue knows how many places are held.
    fn has_word(&self) -> bool {
        self.slot.read().is_waiting()
    }

    /// Returns the state of the ticket.
    fn state(&mut self, ticket: Ticket) -> WaitState {
        if self.queue.waits(ticket.number) {
            WaitState::Waits
        } else if self.queue.take_refused(ticket.number) {
            WaitState::Refused
        } else {
            WaitState::Served
        }
    }

    /// Claims `n` places if so many are free, else takes the word over. The lock must not have it.
    fn claim_or_take_word(&mut self, n: u32) -> bool {
        let held = self.slot.claim_or_lock(n);
        self.queue.held = held.unwrap_or(self.queue.held);
        held.is_none()
    }

    /// Closes the slot and refuses all waiters if at least `at_least` places are held. Returns how
    /// many are held, as an error if they are fewer.
    fn close_if(&mut self, at_least: u32) -> Result<u32, u32> {
        if !self.has_word() {
            self.queue.held = self.slot.close_and_lock(at_least)?;
        } else if self.queue.held < at_least {
            return Err(self.queue.held);
        } else {
            self.slot.renew(true);
        }
        if self.queue.len() > 0 && !mutant!("waitlist-close-refuses-none") {
            self.queue.refuse_all(&mut self.wake_list);
            self.shared.served.add_break();
        }
        Ok(self.queue.held)
    }

    /// Serves the line as far as the free places go. Gives the word back if nothing keeps it. The
    /// lock has the word.
    fn serve(&mut self, closed: bool) {
        let places = self.slot.places();
        while let Some(wants) = self.queue.head_wants() {
            let free = places.saturating_sub(self.queue.held);
            if free < wants && !mutant!("waitlist-serves-unpaid") {
                break;
            }
            if let Some((ticket, handle)) = self.queue.serve_head() {
                self.shared.served.record(ticket);
                self.wake_list.push(handle);
            }
        }
        let held = self.queue.held;
        if closed && held == 0 && !mutant!("waitlist-drain-forgotten") {
            self.queue.end_draining(true, &mut self.wake_list);
        }
        let deficit = held > places && !mutant!("waitlist-unlocks-despite-deficit");
        if self.queue.in_line() > 0 || deficit || closed {
            self.slot.renew(closed);
        } else {
            self.slot.unlock(held.min(places));
        }
    }

    /// Serves the line, gives the lock back, and wakes the waiters.
    fn settle(mut self) {
        let word = self.slot.read();
        if word.is_waiting() {
            self.serve(word.is_closed());
        }
        self.release();
    }

    /// Gives the lock back, and wakes the waiters.
    fn release(self) {
        let Locked { queue, wake_list, .. } = self;
        drop(queue);
        wake_list.wake_all();
    }
}

/// The waitlist of one slot. The caller gives that slot to each method.
pub(crate) struct Waitlist {
    shared: Lazy<Shared>,
}

impl Waitlist {
    const_fn! {
        pub(crate) const fn new() -> Waitlist {
            Waitlist { shared: Lazy::new() }
        }
    }

    fn lock<'a>(&'a self, slot: &'a Slot) -> Locked<'a> {
        self.shared.get_or_make().lock(slot)
    }

    /// Returns the number of waiters.
    pub(crate) fn len(&self, slot: &Slot) -> usize {
        self.shared.get().map_or(0, |shared| shared.lock(slot).queue.len())
    }

    /// Gives back `n` places whose release has met WAITING, and so has changed nothing.
    #[cold]
    #[inline(never)]
    pub(super) fn freed(&self, slot: &Slot, n: u32, _: SlotWord) {
        if mutant!("waitlist-release-serves-none") {
            return;
        }
        let mut locked = self.lock(slot);
        if locked.has_word() {
            locked.queue.held -= n;
        } else if !mutant!("waitlist-late-release-loses") {
            // The word came back before this thread came to the lock.
            slot.give(n);
        }
        locked.settle();
    }

    /// Returns the number of places held, and the number of those that are free for any caller.
    pub(crate) fn counts(&self, slot: &Slot) -> (u32, u32) {
        let counts = |word: SlotWord| (word.held(slot.places()), word.free());
        let word = slot.read();
        if !word.is_waiting() {
            return counts(word);
        }
        let locked = self.lock(slot);
        let word = slot.read();
        if !word.is_waiting() {
            return counts(word);
        }
        let held = locked.queue.held;
        let free = slot.places().saturating_sub(held);
        (held, if locked.queue.in_line() > 0 { 0 } else { free })
    }

    /// Claims `wants` places if they are free and no caller waits, else joins the queue.
    /// Refused if `limit` callers wait already.
    pub(crate) fn join(
        &self,
        slot: &Slot,
        wants: u32,
        limit: usize,
        handle: WakeHandle,
    ) -> Enqueued {
        let mut locked = self.lock(slot);
        let aside = wants > slot.places();
        let has_word = locked.has_word();
        if has_word && slot.read().is_closed() {
            return Enqueued::Closed;
        }
        if locked.queue.len() >= limit && !mutant!("waitlist-no-limit") {
            // A caller that may not wait leaves the word to all threads: without it, others would
            // be refused although places are free for them.
            let served = !has_word && !aside && slot.take(Wanted::Exactly(wants)).is_ok();
            return if served { Enqueued::Served } else { Enqueued::QueueFull };
        }
        if !has_word && !aside && locked.claim_or_take_word(wants) {
            return Enqueued::Served;
        }
        let breaks = locked.shared.served.breaks();
        let number = if aside {
            locked.shared.served.add_break();
            locked.queue.push_aside(wants, handle)
        } else {
            locked.queue.push(wants, handle)
        };
        Enqueued::Waits(Ticket { number, breaks })
    }

    /// Returns the state of the ticket. If it waits, `waker` is woken when that changes.
    pub(crate) fn poll(&self, slot: &Slot, ticket: Ticket, waker: &Waker) -> WaitState {
        let shared = self.shared.get_or_make();
        if shared.served.has(ticket) {
            return WaitState::Served;
        }
        let mut spare = None;
        loop {
            let mut locked = shared.lock(slot);
            let state = match spare {
                Some(_) if mutant!("waitlist-poll-no-recheck") => WaitState::Waits,
                _ => locked.state(ticket),
            };
            if state != WaitState::Waits {
                return state;
            }
            let Some(handle) = locked.queue.handle(ticket.number) else { return state };
            if handle.will_wake(waker) || mutant!("waitlist-keep-waker") {
                return state;
            }
            // The lock is free while a waker is cloned or dropped, which can run any code.
            if let Some(new) = spare {
                let old = core::mem::replace(handle, new);
                drop(locked);
                drop(old);
                return state;
            }
            drop(locked);
            spare = Some(WakeHandle::Task(waker.clone()));
        }
    }

    /// Returns the state of the ticket. If it waits, `thread` is unparked when that changes, in
    /// place of the task that was to be woken.
    pub(crate) fn switch_to_thread(
        &self,
        slot: &Slot,
        ticket: Ticket,
        thread: Thread,
    ) -> WaitState {
        let mut locked = self.lock(slot);
        let state = locked.state(ticket);
        let mut old = None;
        if state == WaitState::Waits && !mutant!("waitlist-thread-keeps-waker") {
            let handle = locked.queue.handle(ticket.number);
            old = handle.map(|handle| core::mem::replace(handle, WakeHandle::Thread(thread)));
        }
        // The lock is free while a waker is dropped, which can run any code.
        drop(locked);
        drop(old);
        state
    }

    /// Returns the state of the ticket of a thread.
    pub(crate) fn look(&self, slot: &Slot, ticket: Ticket) -> WaitState {
        let shared = self.shared.get_or_make();
        if shared.served.has(ticket) {
            WaitState::Served
        } else {
            shared.lock(slot).state(ticket)
        }
    }

    /// Returns how many waiters are ahead of the ticket, while it waits.
    pub(crate) fn position(&self, slot: &Slot, ticket: Ticket) -> Option<usize> {
        self.lock(slot).queue.position(ticket.number)
    }

    /// Cancels the ticket, and serves those behind it as far as places are free. Returns whether it
    /// had been served: then its places are the caller's to give back (the `Drop` of
    /// `gate::waiter::Wait`).
    pub(crate) fn cancel(&self, slot: &Slot, ticket: Ticket) -> bool {
        let shared = self.shared.get_or_make();
        if shared.served.has(ticket) {
            return !mutant!("waitlist-cancel-loses-served");
        }
        let mut locked = shared.lock(slot);
        match locked.state(ticket) {
            WaitState::Served => return !mutant!("waitlist-cancel-no-recheck"),
            WaitState::Refused => return false,
            WaitState::Waits => {}
        }
        let removed = locked.queue.remove(ticket.number);
        if mutant!("waitlist-cancel-serves-none") {
            return false;
        }
        locked.settle();
        drop(removed);
        false
    }

    /// Makes `change` to the number of places. Returns the new number, or an error if it would be
    /// too great; then nothing is changed.
    pub(crate) fn resize(&self, slot: &Slot, change: Resize) -> Result<u32, ()> {
        let mut locked = self.lock(slot);
        let from = slot.places();
        let to = change.target(from)?;
        let has_word = locked.has_word();
        if to > from {
            let is_back = locked.queue.is_back(to);
            if is_back && !has_word {
                // First, so that no other caller takes what is added before they are in line.
                locked.queue.held = slot.lock();
            }
            slot.set_places(to);
            if is_back {
                locked.queue.put_back(to);
            } else if !has_word {
                slot.give(to - from);
            }
        } else if to < from {
            if !has_word {
                locked.claim_or_take_word(from - to);
            }
            slot.set_places(to);
            if !mutant!("waitlist-lowering-keeps-line") && locked.queue.set_aside(to) {
                locked.shared.served.add_break();
            }
        }
        locked.settle();
        Ok(to)
    }

    /// Closes the slot, and refuses all waiters.
    pub(crate) fn close(&self, slot: &Slot) {
        if !slot.read().is_closed() {
            let _ = self.close_if(slot, 0);
        }
    }

    /// Closes the slot and refuses all waiters if at least `at_least` places are held. Returns how
    /// many are held, as an error if they are fewer.
    pub(crate) fn close_if(&self, slot: &Slot, at_least: u32) -> Result<u32, u32> {
        let mut locked = self.lock(slot);
        let held = locked.close_if(at_least)?;
        locked.settle();
        Ok(held)
    }

    /// Closes the slot. If places are held at that instant, joins those that wait until none is.
    pub(crate) fn drain(&self, slot: &Slot, handle: WakeHandle) -> Enqueued {
        let mut locked = self.lock(slot);
        if !slot.read().is_closed() {
            // It closes, since at least 0 places are held.
            let _ = locked.close_if(0);
        }
        if locked.queue.held == 0 {
            locked.settle();
            return Enqueued::Served;
        }
        let breaks = locked.shared.served.breaks();
        locked.shared.served.add_break();
        let ticket = Ticket { number: locked.queue.push_drainer(handle), breaks };
        // This wakes those that the closing has refused. If a waker panics, no caller gets the
        // ticket.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| locked.settle())) {
            self.cancel(slot, ticket);
            resume_unwind(panic);
        }
        Enqueued::Waits(ticket)
    }

    /// Takes `n` places whether or not they are free. Returns false, and takes none, if more than
    /// `CEILING` would then be held above the number of places.
    pub(crate) fn force(&self, slot: &Slot, n: u32) -> bool {
        let mut locked = self.lock(slot);
        if !locked.has_word() {
            // No deficit: at most as many places are held as there are. A call that fails leaves
            // the word to all threads, as in `join`.
            if n > CEILING && n - CEILING > slot.read().free() {
                return false;
            }
            if locked.claim_or_take_word(n) {
                return true;
            }
        }
        let held = locked.queue.held.checked_add(n);
        let held = held.filter(|held| held.saturating_sub(slot.places()) <= CEILING);
        locked.queue.held = held.unwrap_or(locked.queue.held);
        locked.settle();
        held.is_some()
    }

    /// Reopens the slot.
    pub(crate) fn reopen(&self, slot: &Slot) {
        if slot.read().is_closed() {
            let mut locked = self.lock(slot);
            if slot.read().is_closed() {
                let Locked { queue, wake_list, .. } = &mut locked;
                if !mutant!("waitlist-drain-outlives-reopening") {
                    queue.end_draining(false, wake_list);
                }
                // One step opens the word and gives it back: a caller that meets it in between
                // would be refused as full.
                locked.serve(false);
            }
            locked.release();
        }
    }
}
