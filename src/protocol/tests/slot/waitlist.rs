//! The slot and the lock of the waitlist, in every order that threads can take their steps.
//!
//! The machines of `slot` and `slot/waiting.rs` are put together as in `wait/waitlist.rs`: a thread
//! takes the lock, makes as many steps as it needs, and gives the lock back. Other threads acquire,
//! release and read meanwhile without the lock, and wait for it where they need it. A waiter polls
//! and cancels at any time.
//!
//! Guarantees: *never-over*, *exact*, *no-leak*, *no-lost-wakeup*, and that waiters are served in
//! order. All answers must be explained by the specification.

use headcount_spec::{Explanations, Gate, GateAnswer as Answer, GateCall as Call, Ticket};

use crate::protocol::slot::{
    self, ClaimOrLock, CloseAndLock, Enter, Give, Leave, Refusal, Slot, SlotWord, Take, Wanted,
    CEILING, CLOSED, LOCKED,
};
use crate::protocol::step::Step::{Done, Next};
use crate::protocol::tests::search::{search, Failure, Fault, Move, System, Violation};
use crate::protocol::tests::slot::SlotFields;
use crate::sync::AtomicU32;

/// What a thread goes on doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Role {
    /// Acquires a place without waiting, and releases it.
    Entrant,
    /// Acquires so many places without waiting, and releases them.
    Many(u32),
    /// Waits for so many places; cancels, or releases them once served.
    Waiter(u32),
    /// Makes these calls one after another, once.
    Admin(&'static [Call]),
}

/// The next step of a thread. Those from `Claim` to `Unlock` run under the lock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    Rest,
    Enter(Enter),
    Take(Take),
    Leave(Leave),
    Give(Give),
    /// Reads the word, to read the count or to reopen.
    Look(Errand),
    /// Waits for the lock; takes it, and reads whether it has the word.
    Lock(Errand),
    Claim(ClaimOrLock, Errand),
    Close(CloseAndLock),
    /// Gives back, or adds, while the word is with all threads.
    Return(Give),
    /// Serves the line, and stores the word.
    Serve {
        closed: bool,
    },
    Unlock,
}

/// What a thread wants the lock for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Errand {
    Join,
    Poll,
    Cancel,
    Free(u32),
    Read,
    CloseIf(u32),
    Reopen,
    SetCapacity(u32),
}

/// What has become of a wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Wait {
    None,
    Queued,
    Served,
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    role: Role,
    at: At,
    /// What the call will be answered.
    told: Answer,
    /// How much of its script an admin has done.
    done: usize,
    holds: u32,
    wait: Wait,
    /// Did its last attempt to enter succeed? Only then does the next one add without a look, as
    /// with the fast hint.
    succeeded: bool,
}

/// A step that is left out or changed: each has to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Rejected {
    /// Takes the word over without a check that it is what was read.
    LockUnchecked,
    /// Gives the word back although more places are held than there are.
    UnlockDespiteDeficit,
    /// Gives the word back although a caller waits.
    UnlockDespiteLine,
    /// Serves the head of the line although its places are not free.
    ServeUnpaid,
    /// A release that met WAITING does not come to the lock.
    ReleaseStaysAway,
    /// A release that met WAITING, and finds the word back, changes nothing.
    LateReleaseLoses,
    /// A waiter that cancels serves none behind it.
    CancelServesNone,
    /// A closing does not refuse those that wait.
    CloseRefusesNone,
    /// A reopening opens the word in one step and gives it back in another.
    ReopenInTwoSteps,
    /// A raise adds the places before it puts waiters back in line.
    RaiseBeforeLine,
    /// Readings count what the word says, also while the lock has it.
    ReadsTheWord,
    /// A request above the capacity waits in line.
    NoneAside,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Waiting {
    rejected: Option<Rejected>,
    word: u32,
    places: u32,
    /// The most places that there ever are.
    most: u32,
    locked_by: Option<usize>,
    /// The number of places held, while the lock has the word.
    held: u32,
    /// The threads that wait, and what they want, in order. Those that want more than there are
    /// stand aside.
    queue: Vec<(usize, u32)>,
    threads: Vec<Thread>,
    explanations: Explanations<Gate>,
}

impl Waiting {
    fn new(capacity: u32, roles: &[Role], rejected: Option<Rejected>) -> Waiting {
        let at_rest = |&role| Thread {
            role,
            at: At::Rest,
            told: Answer::Done,
            done: 0,
            holds: 0,
            wait: Wait::None,
            succeeded: false,
        };
        let sizes = roles.iter().flat_map(|role| match role {
            Role::Admin(calls) => calls.iter().collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let sizes = sizes.map(|call| if let Call::SetCapacity(n) = call { *n } else { 0 });
        Waiting {
            rejected,
            word: Slot::new(capacity, 0).read().0,
            places: capacity,
            most: sizes.max().unwrap_or(0).max(capacity),
            locked_by: None,
            held: 0,
            queue: Vec::new(),
            threads: roles.iter().map(at_rest).collect(),
            explanations: Explanations::new(Gate::new(capacity), roles.len()),
        }
    }

    fn wants(&self, thread: usize) -> u32 {
        match self.threads[thread].role {
            Role::Waiter(n) | Role::Many(n) => n,
            _ => 1,
        }
    }

    fn is_aside(&self, wants: u32) -> bool {
        wants > self.places && self.rejected != Some(Rejected::NoneAside)
    }

    /// Returns the calls that a thread at rest can make, each with its first step.
    fn begins(&self, thread: usize) -> Vec<(Call, At)> {
        let own = self.threads[thread];
        let ticket = thread as Ticket;
        let wants = self.wants(thread);
        let entry = |n| {
            if n == 1 {
                At::Enter(Enter::Look)
            } else {
                At::Take(Take::Look(Wanted::Exactly(n)))
            }
        };
        let leaves = match own.holds {
            0 => None,
            1 => Some((Call::Release, At::Leave(Leave))),
            n => Some((Call::ReleaseMany(n), At::Give(Give::Look(n)))),
        };
        if let Some(leaves) = leaves {
            return vec![leaves];
        }
        match own.role {
            Role::Entrant if own.succeeded => vec![
                (Call::Acquire, At::Enter(Enter::Look)),
                (Call::Acquire, At::Enter(Enter::Add)),
            ],
            Role::Entrant => vec![(Call::Acquire, At::Enter(Enter::Look))],
            Role::Many(n) => vec![(Call::AcquireMany(n), entry(n))],
            Role::Waiter(places) if own.wait == Wait::None => {
                vec![(Call::Enqueue { ticket, places }, entry(wants))]
            }
            Role::Waiter(_) => vec![
                (Call::Poll { ticket }, At::Lock(Errand::Poll)),
                (Call::Cancel { ticket }, At::Lock(Errand::Cancel)),
            ],
            Role::Admin(calls) => calls.get(own.done).map_or(Vec::new(), |&call| {
                let errand = match call {
                    Call::Close => Errand::CloseIf(0),
                    Call::CloseIf(n) => Errand::CloseIf(n),
                    Call::Reopen => Errand::Reopen,
                    Call::SetCapacity(n) => Errand::SetCapacity(n),
                    Call::Occupied => Errand::Read,
                    other => unreachable!("no admin makes the call {other:?}"),
                };
                let looks = matches!(errand, Errand::Reopen | Errand::Read);
                vec![(call, if looks { At::Look(errand) } else { At::Lock(errand) })]
            }),
        }
    }

    /// Returns the steps that a thread can take now, with the call that it begins by that.
    fn ways(&self, thread: usize) -> Vec<(Option<Call>, At)> {
        let ways = match self.threads[thread].at {
            At::Rest => {
                let begins = self.begins(thread);
                begins.into_iter().map(|(call, at)| (Some(call), at)).collect()
            }
            at => vec![(None, at)],
        };
        let takes_lock = |at: &At| matches!(at, At::Lock(_));
        ways.into_iter().filter(|(_, at)| !takes_lock(at) || self.locked_by.is_none()).collect()
    }

    /// Ends a call without the lock.
    fn answer(&mut self, thread: usize, answer: Answer) -> At {
        self.threads[thread].told = answer;
        At::Rest
    }

    /// Ends a call under the lock.
    fn answer_locked(&mut self, thread: usize, answer: Answer) -> At {
        self.answer(thread, answer);
        At::Unlock
    }

    /// The caller has all that it wants.
    fn admit(&mut self, thread: usize) {
        self.threads[thread].holds = self.wants(thread);
        self.threads[thread].told = Answer::Acquired;
    }

    fn entered(&mut self, thread: usize, result: Result<u32, Refusal>) -> At {
        self.threads[thread].succeeded = result.is_ok();
        match result {
            Ok(_) => {
                self.admit(thread);
                At::Rest
            }
            Err(Refusal::Closed) => self.answer(thread, Answer::Closed),
            Err(Refusal::Full) if matches!(self.threads[thread].role, Role::Waiter(_)) => {
                At::Lock(Errand::Join)
            }
            Err(Refusal::Full) => self.answer(thread, Answer::Full),
        }
    }

    fn left(&mut self, thread: usize, n: u32, after: Option<SlotWord>) -> At {
        match after {
            Some(_) if self.rejected != Some(Rejected::ReleaseStaysAway) => {
                At::Lock(Errand::Free(n))
            }
            _ => self.answer(thread, Answer::Done),
        }
    }

    fn wait(&mut self, thread: usize) -> At {
        self.queue.push((thread, self.wants(thread)));
        self.threads[thread].wait = Wait::Queued;
        self.answer_locked(thread, Answer::Waits)
    }

    fn refuse_all(&mut self) {
        if self.rejected != Some(Rejected::CloseRefusesNone) {
            for (waiter, _) in std::mem::take(&mut self.queue) {
                self.threads[waiter].wait = Wait::Refused;
            }
        }
    }

    /// Serves the line if the lock has the word.
    fn settle(&self) -> At {
        let word = SlotWord(self.word);
        if word.is_waiting() {
            At::Serve { closed: word.is_closed() }
        } else {
            At::Unlock
        }
    }

    fn take_lock(&mut self, thread: usize, errand: Errand) -> At {
        self.locked_by = Some(thread);
        let word = SlotWord(self.word);
        let has_word = word.is_waiting();
        let wants = self.wants(thread);
        match errand {
            Errand::Join if has_word && word.is_closed() => {
                self.answer_locked(thread, Answer::Closed)
            }
            Errand::Join if has_word || self.is_aside(wants) => self.wait(thread),
            Errand::Join => At::Claim(ClaimOrLock::Look(wants), errand),
            Errand::Poll => {
                match std::mem::replace(&mut self.threads[thread].wait, Wait::None) {
                    Wait::Served => self.admit(thread),
                    Wait::Refused => self.threads[thread].told = Answer::Closed,
                    still => {
                        self.threads[thread].wait = still;
                        self.threads[thread].told = Answer::Waits;
                    }
                }
                At::Unlock
            }
            Errand::Cancel => {
                self.threads[thread].told = Answer::Done;
                match std::mem::replace(&mut self.threads[thread].wait, Wait::None) {
                    // It gives back what it has, as a holder does.
                    Wait::Served => {
                        self.threads[thread].holds = wants;
                        At::Unlock
                    }
                    Wait::Queued => {
                        self.queue.retain(|waiter| waiter.0 != thread);
                        match self.rejected {
                            Some(Rejected::CancelServesNone) => At::Unlock,
                            _ => self.settle(),
                        }
                    }
                    _ => At::Unlock,
                }
            }
            Errand::Free(n) => {
                self.threads[thread].told = Answer::Done;
                if has_word {
                    self.held -= n;
                    self.settle()
                } else if self.rejected == Some(Rejected::LateReleaseLoses) {
                    At::Unlock
                } else {
                    At::Return(Give::Look(n))
                }
            }
            Errand::Read if has_word => self.answer_locked(thread, Answer::Held(self.held)),
            Errand::Read => self.answer_locked(thread, Answer::Held(word.held(self.places))),
            Errand::CloseIf(at_least) if has_word => {
                let held = self.held;
                if held < at_least {
                    return self.closed(thread, Err(held));
                }
                self.refuse_all();
                self.closed(thread, Ok(held));
                At::Serve { closed: true }
            }
            Errand::CloseIf(at_least) => {
                At::Close(CloseAndLock::Look { at_least, places: self.places })
            }
            Errand::Reopen => {
                self.threads[thread].told = Answer::Done;
                if !word.is_closed() {
                    At::Unlock
                } else {
                    At::Serve { closed: false }
                }
            }
            Errand::SetCapacity(to) => {
                self.threads[thread].told = Answer::Done;
                let from = self.places;
                let mut back = self.queue.iter().map(|waiter| waiter.1);
                let is_back = back.any(|wants| wants > from && wants <= to);
                if has_word {
                    self.places = to;
                    self.settle()
                } else if to < from {
                    At::Claim(ClaimOrLock::Look(from - to), errand)
                } else if is_back && self.rejected != Some(Rejected::RaiseBeforeLine) {
                    At::Claim(ClaimOrLock::Look(CEILING + 1), errand)
                } else {
                    self.places = to;
                    At::Return(Give::Look(to - from))
                }
            }
        }
    }

    /// The end of a closing: a call to close is told nothing.
    fn closed(&mut self, thread: usize, quorum: Result<u32, u32>) -> At {
        let own = self.threads[thread];
        let call = match own.role {
            Role::Admin(calls) => calls[own.done],
            _ => Call::Close,
        };
        let told = if call == Call::Close { Answer::Done } else { Answer::Quorum(quorum) };
        self.answer_locked(thread, told)
    }

    /// `Locked::serve`: what is stored.
    fn serve(&mut self, closed: bool) -> u32 {
        loop {
            let next = self.queue.iter().position(|waiter| !self.is_aside(waiter.1));
            let Some(index) = next else { break };
            let (waiter, wants) = self.queue[index];
            let unpaid = self.rejected == Some(Rejected::ServeUnpaid);
            if self.places.saturating_sub(self.held) < wants && !unpaid {
                break;
            }
            self.held += wants;
            self.threads[waiter].wait = Wait::Served;
            self.queue.remove(index);
        }
        let in_line = self.queue.iter().any(|waiter| !self.is_aside(waiter.1));
        let in_line = in_line && self.rejected != Some(Rejected::UnlockDespiteLine);
        let deficit = self.held > self.places;
        let deficit = deficit && self.rejected != Some(Rejected::UnlockDespiteDeficit);
        if in_line || deficit || closed {
            LOCKED | if closed { CLOSED } else { 0 }
        } else {
            CEILING - self.places + self.held.min(self.places)
        }
    }

    fn step(&self, thread: usize, call: Option<Call>, at: At) -> Result<Waiting, Violation> {
        let mut next = self.clone();
        if let Some(call) = call {
            next.explanations.begin(thread, call);
        }
        let cell = AtomicU32::new(self.word);
        let word = SlotWord(self.word);
        let after = match at {
            At::Rest => unreachable!("a thread at rest begins something"),
            At::Enter(op) => match op.step(&cell) {
                Next(op) => At::Enter(op),
                Done(result) => next.entered(thread, result),
            },
            At::Take(op) => match op.step(&cell) {
                Next(op) => At::Take(op),
                Done(result) => next.entered(thread, result),
            },
            At::Leave(op) => {
                next.threads[thread].holds = 0;
                match op.step(&cell) {
                    Next(op) => At::Leave(op),
                    Done(after) => next.left(thread, 1, after),
                }
            }
            At::Give(op) => {
                next.threads[thread].holds = 0;
                match op.step(&cell) {
                    Next(op) => At::Give(op),
                    Done(after) => {
                        next.left(thread, self.threads[thread].holds.max(self.wants(thread)), after)
                    }
                }
            }
            At::Look(Errand::Reopen) if !word.is_closed() => next.answer(thread, Answer::Done),
            At::Look(Errand::Read)
                if !word.is_waiting() || self.rejected == Some(Rejected::ReadsTheWord) =>
            {
                next.answer(thread, Answer::Held(word.held(self.places)))
            }
            At::Look(errand) => At::Lock(errand),
            At::Lock(errand) => next.take_lock(thread, errand),
            At::Claim(ClaimOrLock::Swap(n, seen), errand)
                if self.rejected == Some(Rejected::LockUnchecked) && seen.free() < n =>
            {
                cell.store(LOCKED, std::sync::atomic::Ordering::SeqCst);
                next.claimed(thread, Some(seen.level()), errand)
            }
            At::Claim(op, errand) => match op.step(&cell) {
                Next(op) => At::Claim(op, errand),
                Done(level) => next.claimed(thread, level, errand),
            },
            At::Close(op) => match op.step(&cell) {
                Next(op) => At::Close(op),
                Done(Err(held)) => next.closed(thread, Err(held)),
                Done(Ok(held)) => {
                    next.held = held;
                    next.refuse_all();
                    next.closed(thread, Ok(held));
                    At::Serve { closed: true }
                }
            },
            At::Return(op) => match op.step(&cell) {
                Next(op) => At::Return(op),
                Done(after) => {
                    assert_eq!(after, None, "no other thread takes the word over");
                    let mut line = self.queue.iter();
                    if line.any(|waiter| !self.is_aside(waiter.1)) {
                        // Only with a step that is rejected.
                        At::Claim(ClaimOrLock::Look(CEILING + 1), Errand::SetCapacity(self.places))
                    } else {
                        At::Unlock
                    }
                }
            },
            At::Serve { closed: false }
                if word.is_closed() && self.rejected == Some(Rejected::ReopenInTwoSteps) =>
            {
                slot::renew(&cell, false);
                At::Serve { closed: false }
            }
            At::Serve { closed } => {
                let stored = next.serve(closed);
                // The steps of `slot`, which store the same.
                if SlotWord(stored).is_waiting() {
                    slot::renew(&cell, closed);
                } else {
                    slot::unlock(&cell, stored);
                }
                At::Unlock
            }
            At::Unlock => {
                next.locked_by = None;
                let own = &mut next.threads[thread];
                match (own.role, own.told, own.holds) {
                    // A cancelled waiter that had been served gives its places back.
                    (Role::Waiter(_), Answer::Done, 1) => At::Leave(Leave),
                    (Role::Waiter(_), Answer::Done, n @ 2..) => At::Give(Give::Look(n)),
                    _ => At::Rest,
                }
            }
        };
        next.word = cell.into_inner();
        let own = &mut next.threads[thread];
        own.at = after;
        if after == At::Rest {
            if let Role::Admin(_) = own.role {
                own.done += 1;
            }
            let told = std::mem::replace(&mut own.told, Answer::Done);
            if let Err(unexplained) = next.explanations.answer(thread, told) {
                return Err(Fault::Inexact.seen(unexplained));
            }
        }
        Ok(next)
    }

    /// The word is with the lock at that level, or what was wanted is claimed.
    fn claimed(&mut self, thread: usize, level: Option<u32>, errand: Errand) -> At {
        if let Some(level) = level {
            self.held = level + self.places - CEILING;
        }
        match errand {
            Errand::Join if level.is_none() => {
                self.admit(thread);
                At::Unlock
            }
            Errand::Join => self.wait(thread),
            Errand::SetCapacity(to) => {
                self.places = to;
                match level {
                    Some(_) => At::Serve { closed: false },
                    None => At::Unlock,
                }
            }
            other => unreachable!("{other:?} claims nothing"),
        }
    }

    /// Returns how many places are held for certain: a thread within a call may be about to give
    /// back what it holds.
    fn certain(&self) -> u32 {
        let served = |thread: &Thread| match thread.wait {
            Wait::Served => match thread.role {
                Role::Waiter(n) => n,
                _ => 0,
            },
            _ => 0,
        };
        let at_rest = |thread: &Thread| if thread.at == At::Rest { thread.holds } else { 0 };
        self.threads.iter().map(|thread| at_rest(thread) + served(thread)).sum()
    }
}

impl System for Waiting {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.threads.len() {
            for (way, (call, at)) in self.ways(thread).into_iter().enumerate() {
                moves.push(Move { thread, way, after: self.step(thread, call, at) });
            }
        }
        moves
    }

    fn check(&self) -> Result<(), Violation> {
        let word = SlotWord(self.word);
        let certain = self.certain();
        let violates = |fault: Fault, what: &str| {
            let fields = SlotFields::of(self.word);
            let queue = &self.queue;
            Err(fault.seen(format_args!(
                "{what}; {certain} places held, {} by the lock, {fields:?}, queue: {queue:?}",
                self.held
            )))
        };
        if certain > self.most {
            return violates(Fault::Over, "too many");
        }
        let in_line = self.queue.iter().find(|waiter| !self.is_aside(waiter.1));
        if self.locked_by.is_none() && in_line.is_some() && !word.is_waiting() {
            return violates(Fault::LostWakeup, "the lock has not got the word");
        }
        if self.threads.iter().any(|thread| thread.at != At::Rest) {
            return Ok(());
        }
        // No thread is within a call, so none is on its way to the lock.
        let held = if word.is_waiting() { self.held } else { word.held(self.places) };
        if held != certain {
            return violates(Fault::Leaked, "others are counted");
        }
        if in_line.is_some_and(|waiter| held + waiter.1 <= self.places || word.is_closed()) {
            return violates(Fault::LostWakeup, "a waiter should have been served or refused");
        }
        if word.is_waiting() && in_line.is_none() && held <= self.places && !word.is_closed() {
            return violates(Fault::Leaked, "the lock keeps the word for nothing");
        }
        Ok(())
    }

    fn sorted(self) -> Self {
        self
    }

    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String {
        let name = (b'A' + thread as u8) as char;
        let own = self.threads[thread];
        let (call, at) = self.ways(thread)[way];
        let begins = call.map_or(String::new(), |call| format!("{call:?}: "));
        let step = format!("{name} ({:?}): {begins}{at:?}", own.role);
        let Some(after) = after else { return step };
        let fields = SlotFields::of(after.word);
        format!("{step}\n       {fields:?}, held: {}, queue: {:?}", after.held, after.queue)
    }
}

const E: Role = Role::Entrant;
const M2: Role = Role::Many(2);
const W: Role = Role::Waiter(1);
const W2: Role = Role::Waiter(2);
const CLOSE: Role = Role::Admin(&[Call::Close]);
const REOPEN: Role = Role::Admin(&[Call::Reopen]);
const CLOSE_REOPEN: Role = Role::Admin(&[Call::Close, Call::Reopen]);
const CLOSE_REOPEN_CLOSE: Role = Role::Admin(&[Call::Close, Call::Reopen, Call::Close]);
const QUORUM: Role = Role::Admin(&[Call::CloseIf(2), Call::CloseIf(1)]);
const READ: Role = Role::Admin(&[Call::Occupied, Call::Occupied]);

const fn sizes(to: &'static [Call]) -> Role {
    Role::Admin(to)
}

const TO_0_1: Role = sizes(&[Call::SetCapacity(0), Call::SetCapacity(1)]);
const TO_1_2: Role = sizes(&[Call::SetCapacity(1), Call::SetCapacity(2)]);
const TO_2_0: Role = sizes(&[Call::SetCapacity(2), Call::SetCapacity(0)]);

/// What a search has seen, in states.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    states: usize,
    /// With a caller that waits.
    waiting: usize,
    /// With a caller that waits, and stands aside.
    aside: usize,
    /// With a caller that waits, and more places held for certain than there are.
    deficit: usize,
    /// With a waiter that was refused.
    refused: usize,
}

fn run(capacity: u32, roles: &[Role], rejected: Option<Rejected>) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    let states = search([Waiting::new(capacity, roles, rejected)], |state| {
        let waiting = !state.queue.is_empty();
        seen.waiting += usize::from(waiting);
        seen.aside += usize::from(state.queue.iter().any(|waiter| waiter.1 > state.places));
        seen.deficit += usize::from(waiting && state.certain() > state.places);
        let refused = |thread: &Thread| thread.wait == Wait::Refused;
        seen.refused += usize::from(state.threads.iter().any(refused));
    })?;
    Ok(Seen { states, ..seen })
}

#[track_caller]
fn holds(capacity: u32, roles: &[Role]) -> Seen {
    let seen = run(capacity, roles, None)
        .unwrap_or_else(|failure| panic!("capacity {capacity}, {roles:?}: {failure:?}"));
    println!("capacity {capacity}, {roles:?}: {seen:?}");
    assert!(seen.waiting > 0 && seen.states > seen.waiting);
    seen
}

#[test]
fn waiters_and_entrants() {
    for capacity in 1..=2 {
        holds(capacity, &[W, E, E]);
        holds(capacity, &[W, W, W]);
        holds(capacity, &[W, W, E]);
    }
    holds(1, &[W, W, E, E]);
    holds(2, &[W2, W, E]);
    holds(2, &[W2, W2, E]);
    holds(2, &[W2, E, E]);
    holds(3, &[W2, W2, M2]);
    holds(2, &[W, M2, E]);
}

#[test]
fn readings_and_quorums_with_waiters() {
    for other in [READ, QUORUM] {
        holds(1, &[W, E, E, other]);
        holds(2, &[W2, E, E, other]);
        holds(2, &[W2, W, other]);
    }
}

#[test]
fn waiters_while_the_capacity_changes() {
    let resized = |capacity, roles: &[Role]| assert!(holds(capacity, roles).deficit > 0);
    resized(1, &[W, E, TO_0_1]);
    resized(1, &[W, W, TO_0_1]);
    resized(2, &[W2, M2, TO_1_2]);
    resized(2, &[W2, W2, TO_1_2]);
    resized(1, &[W, E, TO_2_0]);
    assert!(holds(1, &[W2, E, E, TO_1_2]).aside > 0);
    assert!(holds(1, &[W2, W, E, TO_1_2]).aside > 0);
    assert!(holds(1, &[W2, M2, E, TO_2_0]).aside > 0);
}

#[test]
fn waiters_while_the_gate_closes() {
    let closed = |capacity, roles: &[Role]| assert!(holds(capacity, roles).refused > 0);
    closed(1, &[W, E, E, CLOSE_REOPEN]);
    closed(1, &[W, W, CLOSE_REOPEN]);
    closed(1, &[W, E, CLOSE, REOPEN]);
    closed(1, &[W, E, CLOSE_REOPEN_CLOSE]);
    closed(1, &[W2, E, CLOSE_REOPEN]);
    closed(2, &[W2, E, E, CLOSE_REOPEN]);
    closed(2, &[W2, W, CLOSE_REOPEN]);
    closed(1, &[W, E, TO_0_1, CLOSE_REOPEN]);
}

#[test]
fn rejected_steps() {
    use Rejected::*;
    let fault = |rejected, capacity, roles: &[Role]| {
        let failure = run(capacity, roles, Some(rejected)).expect_err("it was not seen");
        println!("{rejected:?}: {failure:?}");
        failure.fault
    };
    assert_eq!(fault(ServeUnpaid, 1, &[W, W, E]), Fault::Over);
    assert_eq!(fault(LockUnchecked, 1, &[W, E]), Fault::Leaked);
    assert_eq!(fault(UnlockDespiteDeficit, 1, &[W, E, TO_0_1]), Fault::Leaked);
    assert_eq!(fault(UnlockDespiteLine, 1, &[W, W, E]), Fault::LostWakeup);
    assert_eq!(fault(ReleaseStaysAway, 1, &[W, E]), Fault::Leaked);
    assert_eq!(fault(LateReleaseLoses, 1, &[W, E]), Fault::Leaked);
    assert_eq!(fault(CancelServesNone, 1, &[W, E]), Fault::Leaked);
    assert_eq!(fault(CloseRefusesNone, 1, &[W, E, CLOSE]), Fault::LostWakeup);
    assert_eq!(fault(ReopenInTwoSteps, 1, &[E, CLOSE_REOPEN]), Fault::Inexact);
    assert_eq!(fault(RaiseBeforeLine, 1, &[W2, M2, TO_2_0]), Fault::Inexact);
    assert_eq!(fault(ReadsTheWord, 1, &[W, E, READ]), Fault::Inexact);
    assert_eq!(fault(NoneAside, 1, &[W2, E]), Fault::Inexact);
}
