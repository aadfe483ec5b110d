//! The waitlist's steps on the slot, in every order that threads can take them.
//!
//! The machines of `slot/waiting.rs` are put together as in `wait/waitlist.rs`: a thread takes the
//! lock, runs as many steps as it needs, and releases the lock. Other threads acquire, release,
//! lower and close meanwhile without the lock, and wait for it where they need it.
//!
//! Guarantees: *never-over*, *no-leak*, *no-lost-wakeup*. The order in which waiters are served is
//! checked in `tests/it/wait_properties.rs`. A WAITING flag that stays set too long is allowed: it
//! costs time only.

use crate::protocol::slot::{
    self, AcquireOrSetWaiting, Assign, Assigned, ClearWaiting, Enter, Give, Leave, Slot, SlotWord,
    Withdraw, CEILING, WAITING,
};
use crate::protocol::step::Step::{self, Done, Next};
use crate::protocol::tests::search::{order_by, search, Failure, Fault, Move, System, Violation};
use crate::protocol::tests::slot::search::SlotFields;
use crate::sync::{AtomicU32, Ordering::SeqCst};

/// What a thread goes on doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Role {
    /// Acquires a place without waiting, and releases it.
    Entrant,
    /// Waits for so many places; cancels, or releases them once served.
    Waiter(u32),
    /// Makes these changes one after another, once.
    Admin(&'static [Change]),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Change {
    Raise(u32),
    Lower(u32),
    Close,
    Reopen,
}

/// The next step of a thread. Those from `Join` to `Unlock` run under the lock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    Rest,
    Enter(Enter),
    /// Entered under WAITING: reads the queue's length.
    Admit,
    Leave(Leave),
    Give(Give),
    Withdraw(Withdraw),
    /// Reads whether WAITING is set, after a lowering or a closing, or to reopen.
    LookWaiting(Errand),
    /// Waits for the lock.
    Lock(Errand),
    Join(AcquireOrSetWaiting),
    /// Reads whether the gate is closed, to join a queue that is not empty.
    JoinBehind,
    Assign(Assign),
    /// Pays a deficit with what was set aside for the head.
    Pay(Give, u32),
    Clear(ClearWaiting),
    /// Reads whether the gate is still closed.
    LookClosed,
    Reopen,
    /// Gives back what was set aside for a waiter that cancelled, or for all that are refused.
    GiveSetAside(Give, Errand),
    Unlock,
}

/// What a thread wants the lock for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Errand {
    Join,
    Assign,
    Cancel,
    Close,
    Reopen,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    role: Role,
    at: At,
    done: usize,
    holds: u32,
    /// Did its last attempt to enter succeed? Only then does the next one add without a look, as
    /// with the fast hint. This bounds the surplus, and so the search.
    succeeded: bool,
}

/// A step that is left out or changed: each has to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Rejected {
    /// Joins by reading the free places and setting WAITING in two steps.
    SetWaitingAfterwards,
    /// Clears WAITING although the queue is not empty.
    AlwaysClear,
    /// Clears WAITING although there is a deficit.
    ClearDespiteDeficit,
    /// Claims a place for the head of the queue although there is a deficit.
    ForgetDeficit,
    /// Serves the head of the queue without claiming a place for it.
    ServeUnpaid,
    /// A waiter that cancels keeps what was set aside for it.
    KeepSetAside,
    /// The head of the queue keeps what was set aside for it although there is a deficit.
    KeepFromDeficit,
    /// A release under WAITING does not take the lock.
    NoAssign,
    /// A lowering does not look at WAITING.
    LowerWithoutLook,
    /// A closing does not look at WAITING.
    CloseWithoutLook,
    /// A reopening does not refuse the callers that waited when the gate was closed.
    ReopenRefusesNone,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Waiting {
    rejected: Option<Rejected>,
    capacity: u32,
    most: u32,
    word: u32,
    locked_by: Option<usize>,
    /// The length of the queue when the lock was last released, which is read without the lock.
    length: usize,
    /// For each waiter: the thread, the places that it still needs, and those that it has.
    queue: Vec<(usize, u32, u32)>,
    threads: Vec<Thread>,
}

impl Waiting {
    fn new(capacity: u32, roles: &[Role], rejected: Option<Rejected>) -> Waiting {
        let at_rest = |&role| Thread { role, at: At::Rest, done: 0, holds: 0, succeeded: false };
        let raised = roles.iter().map(|role| match role {
            Role::Admin(changes) => changes
                .iter()
                .map(|change| if let Change::Raise(n) = change { *n } else { 0 })
                .sum(),
            _ => 0,
        });
        Waiting {
            rejected,
            capacity,
            most: capacity + raised.sum::<u32>(),
            word: Slot::new(capacity, 0).read().0,
            locked_by: None,
            length: 0,
            queue: Vec::new(),
            threads: roles.iter().map(at_rest).collect(),
        }
    }

    fn waits(&self, thread: usize) -> bool {
        self.queue.iter().any(|waiter| waiter.0 == thread)
    }

    fn wants(&self, thread: usize) -> u32 {
        match self.threads[thread].role {
            Role::Waiter(n) => n,
            _ => 1,
        }
    }

    /// Returns the first steps of what a thread at rest can begin.
    fn begins(&self, thread: usize) -> Vec<At> {
        let own = self.threads[thread];
        let releases = match own.holds {
            0 => None,
            1 => Some(At::Leave(Leave)),
            n => Some(At::Give(Give::Look(n))),
        };
        match own.role {
            Role::Entrant => {
                let mut enters = vec![At::Enter(Enter::Look)];
                if own.succeeded {
                    enters.push(At::Enter(Enter::Add));
                }
                releases.map_or(enters, |at| vec![at])
            }
            Role::Waiter(_) if self.waits(thread) => vec![At::Lock(Errand::Cancel)],
            Role::Waiter(_) => vec![releases.unwrap_or(At::Lock(Errand::Join))],
            Role::Admin(changes) => match changes.get(own.done) {
                None => Vec::new(),
                Some(Change::Raise(n)) => vec![At::Give(Give::Look(*n))],
                Some(Change::Lower(n)) => vec![At::Withdraw(Withdraw::Look(*n))],
                Some(Change::Close) => vec![At::LookWaiting(Errand::Close)],
                Some(Change::Reopen) => vec![At::LookWaiting(Errand::Reopen)],
            },
        }
    }

    /// Returns the steps that a thread can take now.
    fn ways(&self, thread: usize) -> Vec<At> {
        match self.threads[thread].at {
            At::Rest => self.begins(thread),
            at => vec![at],
        }
        .into_iter()
        .filter(|at| !matches!(at, At::Lock(_)) || self.locked_by.is_none())
        .collect()
    }

    /// Hands out the free places, from the head of the queue: `Shared::assign_free`.
    fn assign(&self) -> At {
        match self.queue.first() {
            Some(&(_, wanted, _)) => {
                At::Assign(Assign::Look { wanted, last: self.queue.len() == 1 })
            }
            None => At::Clear(ClearWaiting::Look),
        }
    }

    /// Refuses all waiters: `Shared::close_all`.
    fn close_all(&mut self) -> At {
        if self.queue.is_empty() {
            return At::Unlock;
        }
        let set_aside = self.queue.drain(..).map(|waiter| waiter.2).sum();
        match set_aside {
            0 => At::Clear(ClearWaiting::Look),
            n => At::GiveSetAside(Give::Look(n), Errand::Close),
        }
    }

    fn take_lock(&mut self, thread: usize, errand: Errand) -> At {
        self.locked_by = Some(thread);
        match errand {
            Errand::Join if self.queue.is_empty() => {
                At::Join(AcquireOrSetWaiting::Look(self.wants(thread)))
            }
            Errand::Join => At::JoinBehind,
            Errand::Assign => self.assign(),
            Errand::Cancel => {
                let place = self.queue.iter().position(|waiter| waiter.0 == thread);
                match self.queue.remove(place.expect("only a waiter cancels")).2 {
                    0 => self.assign(),
                    _ if self.rejected == Some(Rejected::KeepSetAside) => self.assign(),
                    n => At::GiveSetAside(Give::Look(n), Errand::Assign),
                }
            }
            Errand::Close => At::LookClosed,
            Errand::Reopen => At::Reopen,
        }
    }

    /// Returns what a release does next: `Waitlist::freed`.
    fn freed(&self, after: Option<SlotWord>) -> At {
        match after {
            Some(_) if self.rejected != Some(Rejected::NoAssign) => At::Lock(Errand::Assign),
            _ => At::Rest,
        }
    }

    fn step(&self, thread: usize, at: At) -> Result<Waiting, Violation> {
        let mut next = self.clone();
        let cell = AtomicU32::new(self.word);
        let word = SlotWord(self.word);
        let after = match at {
            At::Rest => unreachable!("a thread at rest begins something"),
            At::Enter(op) => match op.step(&cell) {
                Next(op) => At::Enter(op),
                Done(Err(_)) => {
                    next.threads[thread].succeeded = false;
                    At::Rest
                }
                Done(Ok(level)) => {
                    next.threads[thread].holds = 1;
                    next.threads[thread].succeeded = true;
                    if level > CEILING {
                        At::Admit
                    } else {
                        At::Rest
                    }
                }
            },
            At::Admit if self.length == 0 => At::Rest,
            At::Admit => {
                next.threads[thread].succeeded = false;
                At::Leave(Leave)
            }
            At::Leave(op) => {
                next.threads[thread].holds = 0;
                match op.step(&cell) {
                    Next(op) => At::Leave(op),
                    Done(after) => self.freed(after),
                }
            }
            At::Give(op) => {
                if let Role::Waiter(_) = next.threads[thread].role {
                    next.threads[thread].holds = 0;
                }
                match op.step(&cell) {
                    Next(op) => At::Give(op),
                    Done(after) => {
                        if let Role::Admin(changes) = self.threads[thread].role {
                            let Change::Raise(n) = changes[self.threads[thread].done] else {
                                unreachable!("it raises")
                            };
                            next.capacity += n;
                        }
                        self.freed(after)
                    }
                }
            }
            At::Withdraw(op) => match op.step(&cell) {
                Next(op) => At::Withdraw(op),
                Done(()) => {
                    let Role::Admin(changes) = self.threads[thread].role else {
                        unreachable!("only an admin lowers")
                    };
                    let Change::Lower(n) = changes[self.threads[thread].done] else {
                        unreachable!("it lowers")
                    };
                    next.capacity -= n;
                    match self.rejected {
                        Some(Rejected::LowerWithoutLook) => At::Rest,
                        _ => At::LookWaiting(Errand::Assign),
                    }
                }
            },
            At::LookWaiting(Errand::Close) if !word.is_closed() => {
                slot::close(&cell);
                At::LookWaiting(Errand::Close)
            }
            At::LookWaiting(Errand::Close) if self.rejected == Some(Rejected::CloseWithoutLook) => {
                At::Rest
            }
            At::LookWaiting(errand) if word.is_waiting() => At::Lock(errand),
            At::LookWaiting(Errand::Reopen) => {
                // `Slot::reopen_unless_waiting`, whose compare-exchange decides.
                slot::reopen(&cell);
                At::Rest
            }
            At::LookWaiting(_) => At::Rest,
            At::Lock(errand) => next.take_lock(thread, errand),
            At::Join(op) if self.rejected == Some(Rejected::SetWaitingAfterwards) => match op {
                AcquireOrSetWaiting::Look(wanted) if word.free() < wanted => {
                    At::Join(AcquireOrSetWaiting::Swap(wanted, word))
                }
                AcquireOrSetWaiting::Swap(wanted, _) => {
                    cell.fetch_or(WAITING, SeqCst);
                    next.queue.push((thread, wanted, 0));
                    At::Unlock
                }
                op => next.join(thread, op, &cell),
            },
            At::Join(op) => next.join(thread, op, &cell),
            At::JoinBehind => {
                if !word.is_closed() {
                    next.queue.push((thread, self.wants(thread), 0));
                }
                At::Unlock
            }
            At::Assign(op) => match self.assign_step(op, &cell) {
                Next(op) => At::Assign(op),
                Done(Assigned::Places(0)) => next.finish(),
                Done(Assigned::Places(n)) => {
                    if word.deficit() > 0 {
                        let fields = SlotFields::of(word.0);
                        return Err(Fault::DeficitPassedOver.seen(format_args!("{fields:?}")));
                    }
                    next.serve(n)
                }
                Done(Assigned::Deficit(_)) if self.rejected == Some(Rejected::KeepFromDeficit) => {
                    next.finish()
                }
                Done(Assigned::Deficit(n)) => match n.min(self.queue[0].2) {
                    0 => next.finish(),
                    paid => {
                        next.queue[0].1 += paid;
                        next.queue[0].2 -= paid;
                        At::Pay(Give::Look(paid), paid)
                    }
                },
            },
            At::Pay(op, paid) => match op.step(&cell) {
                Next(op) => At::Pay(op, paid),
                Done(_) => self.assign(),
            },
            At::Clear(_) if self.rejected == Some(Rejected::ClearDespiteDeficit) => {
                cell.fetch_and(!WAITING, SeqCst);
                At::Unlock
            }
            At::Clear(op) => match op.step(&cell) {
                Next(op) => At::Clear(op),
                Done(()) => At::Unlock,
            },
            At::LookClosed if word.is_closed() => next.close_all(),
            At::LookClosed => At::Unlock,
            At::Reopen
                if slot::reopen(&cell) && self.rejected != Some(Rejected::ReopenRefusesNone) =>
            {
                next.close_all()
            }
            At::Reopen => At::Unlock,
            At::GiveSetAside(op, errand) => match op.step(&cell) {
                Next(op) => At::GiveSetAside(op, errand),
                Done(_) if errand == Errand::Close => At::Clear(ClearWaiting::Look),
                Done(_) => self.assign(),
            },
            At::Unlock => {
                next.locked_by = None;
                next.length = next.queue.len();
                At::Rest
            }
        };
        next.word = cell.into_inner();
        let own = &mut next.threads[thread];
        own.at = after;
        if let (Role::Admin(_), At::Rest) = (own.role, after) {
            own.done += 1;
        }
        Ok(next)
    }

    fn assign_step(&self, op: Assign, cell: &AtomicU32) -> Step<Assign, Assigned> {
        if self.rejected == Some(Rejected::ForgetDeficit) && SlotWord(self.word).deficit() > 0 {
            cell.fetch_add(1, SeqCst);
            return Done(Assigned::Places(1));
        }
        if self.rejected == Some(Rejected::ServeUnpaid) {
            return Done(Assigned::Places(1));
        }
        op.step(cell)
    }

    fn join(&mut self, thread: usize, op: AcquireOrSetWaiting, cell: &AtomicU32) -> At {
        let wants = self.wants(thread);
        match op.step(cell) {
            Next(op) => return At::Join(op),
            Done(Ok(all)) if all == wants => self.threads[thread].holds = all,
            Done(Ok(some)) => self.queue.push((thread, wants - some, some)),
            Done(Err(_)) => {}
        }
        At::Unlock
    }

    /// Sets places aside for the head of the queue, which is served when it has all.
    fn serve(&mut self, n: u32) -> At {
        let (head, needs, has) = &mut self.queue[0];
        *needs -= n;
        *has += n;
        if *needs > 0 {
            return self.finish();
        }
        self.threads[*head].holds = *has;
        self.queue.remove(0);
        self.assign()
    }

    /// The end of `Shared::assign_free`.
    fn finish(&mut self) -> At {
        if self.queue.is_empty() || self.rejected == Some(Rejected::AlwaysClear) {
            At::Clear(ClearWaiting::Look)
        } else {
            At::Unlock
        }
    }

    /// Returns how many places are held for certain: a thread within a call may be about to give
    /// back what it holds.
    fn held(&self) -> u32 {
        let at_rest = self.threads.iter().filter(|thread| thread.at == At::Rest);
        at_rest.map(|thread| thread.holds).sum::<u32>() + self.set_aside()
    }

    fn queue_by_name(&self) -> Vec<String> {
        let by_name = |&(waiter, needs, has)| format!("{} needs {needs}, has {has}", name(waiter));
        self.queue.iter().map(by_name).collect()
    }

    fn set_aside(&self) -> u32 {
        self.queue.iter().map(|waiter| waiter.2).sum()
    }
}

fn name(thread: usize) -> char {
    (b'A' + thread as u8) as char
}

impl System for Waiting {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.threads.len() {
            for (way, at) in self.ways(thread).into_iter().enumerate() {
                moves.push(Move { thread, way, after: self.step(thread, at) });
            }
        }
        moves
    }

    fn check(&self) -> Result<(), Violation> {
        let word = SlotWord(self.word);
        let held = self.held();
        let violates = |fault: Fault, what: &str| {
            let (fields, queue) = (SlotFields::of(self.word), self.queue_by_name());
            Err(fault
                .seen(format_args!("{what}; {held} places held, {fields:?}, queue: {queue:?}")))
        };
        if held > self.most {
            return violates(Fault::Over, "too many");
        }
        if self.locked_by.is_none() && !self.queue.is_empty() && !word.is_waiting() {
            return violates(Fault::LostWakeup, "WAITING is clear");
        }
        if self.threads.iter().any(|thread| thread.at != At::Rest) {
            return Ok(());
        }
        // No thread is within a call, so none is on its way to the lock.
        if !self.queue.is_empty() && (word.free() > 0 || word.is_closed()) {
            return violates(Fault::LostWakeup, "a waiter should have been served or refused");
        }
        if word.deficit() > 0 && self.set_aside() > 0 {
            return violates(Fault::DeficitPassedOver, "a waiter keeps places");
        }
        if word.held(self.capacity) != held || word.deficit() != held.saturating_sub(self.capacity)
        {
            return violates(Fault::Leaked, "the word counts others");
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        let place = |thread| {
            let locks = self.locked_by == Some(thread);
            (self.threads[thread], locks, self.queue.iter().position(|waiter| waiter.0 == thread))
        };
        let order = order_by(self.threads.len(), place);
        let now = |old: usize| order.iter().position(|&thread| thread == old).expect("it is there");
        self.locked_by = self.locked_by.map(now);
        for waiter in &mut self.queue {
            waiter.0 = now(waiter.0);
        }
        self.threads = order.iter().map(|&thread| self.threads[thread]).collect();
        self
    }

    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String {
        let own = self.threads[thread];
        let step = format!("{} ({:?}): {:?}", name(thread), own.role, self.ways(thread)[way]);
        let Some(after) = after else { return step };
        let queue = after.queue_by_name();
        let holds = after.threads[thread].holds;
        let fields = SlotFields::of(after.word);
        format!("{step}, and holds {holds}\n       {fields:?}, queue: {queue:?}")
    }
}

const E: Role = Role::Entrant;
const W: Role = Role::Waiter(1);
const W2: Role = Role::Waiter(2);
const CLOSE: Role = Role::Admin(&[Change::Close]);
const REOPEN: Role = Role::Admin(&[Change::Reopen]);
const CLOSE_REOPEN: Role = Role::Admin(&[Change::Close, Change::Reopen]);
const LOWER: Role = Role::Admin(&[Change::Lower(1)]);
const RAISE: Role = Role::Admin(&[Change::Raise(1)]);
const LOWER_RAISE: Role = Role::Admin(&[Change::Lower(1), Change::Raise(1)]);
const RAISE_LOWER: Role = Role::Admin(&[Change::Raise(1), Change::Lower(2)]);

/// What a search has seen, in states.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    states: usize,
    /// With a caller in the queue.
    waiting: usize,
    /// With places set aside for a caller that waits for more.
    set_aside: usize,
    /// With a caller in the queue and fewer places than are held for certain.
    deficit: usize,
    /// With a caller in the queue of a closed gate.
    closed: usize,
}

fn run(capacity: u32, roles: &[Role], rejected: Option<Rejected>) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    let states = search([Waiting::new(capacity, roles, rejected)], |state| {
        let word = SlotWord(state.word);
        let waiting = !state.queue.is_empty();
        seen.waiting += usize::from(waiting);
        seen.set_aside += usize::from(state.set_aside() > 0);
        seen.deficit += usize::from(waiting && state.held() > state.capacity);
        seen.closed += usize::from(waiting && word.is_closed());
    })?;
    Ok(Seen { states, ..seen })
}

#[track_caller]
fn holds(capacity: u32, roles: &[Role]) -> Seen {
    let seen = run(capacity, roles, None)
        .unwrap_or_else(|failure| panic!("capacity {capacity}, {roles:?}: {failure:?}"));
    println!("capacity {capacity}, {roles:?}: {seen:?}");
    assert!(seen.waiting > 0 && seen.states > seen.waiting);
    assert_eq!(seen.set_aside > 0, capacity > 1 && roles.contains(&W2));
    seen
}

#[test]
fn waiters_and_entrants() {
    for capacity in 1..=2 {
        holds(capacity, &[W, E, E]);
        holds(capacity, &[W, W, W]);
        holds(capacity, &[W, W, E, E]);
        holds(capacity, &[W, W, W, E]);
    }
    for capacity in 2..=3 {
        holds(capacity, &[W2, W, E, E]);
        holds(capacity, &[W2, W2, W, E]);
        holds(capacity, &[W2, W2, E, E]);
    }
}

#[test]
fn waiters_while_the_capacity_changes() {
    let resized = |capacity, roles: &[Role]| assert!(holds(capacity, roles).deficit > 0);
    resized(1, &[W, E, E, LOWER_RAISE]);
    resized(1, &[W, W, E, LOWER_RAISE]);
    resized(2, &[W2, E, E, LOWER_RAISE]);
    resized(2, &[W2, W, E, LOWER_RAISE]);
    resized(2, &[W2, E, LOWER, RAISE]);
    resized(1, &[W, E, E, RAISE_LOWER]);
}

#[test]
fn waiters_while_the_gate_closes() {
    let closed = |capacity, roles: &[Role]| assert!(holds(capacity, roles).closed > 0);
    for capacity in 1..=2 {
        closed(capacity, &[W, E, E, CLOSE_REOPEN]);
        closed(capacity, &[W, W, E, CLOSE_REOPEN]);
        closed(capacity, &[W, W, E, CLOSE, REOPEN]);
    }
    closed(2, &[W2, E, E, CLOSE_REOPEN]);
    closed(2, &[W2, W, E, CLOSE_REOPEN]);
}

#[test]
fn waiters_while_the_gate_closes_and_the_capacity_changes() {
    for capacity in 1..=2 {
        let waiter = Role::Waiter(capacity);
        let seen = holds(capacity, &[waiter, E, LOWER_RAISE, CLOSE_REOPEN]);
        assert!(seen.deficit > 0 && seen.closed > 0);
    }
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
    assert_eq!(fault(KeepSetAside, 2, &[W2, E]), Fault::Leaked);
    assert_eq!(fault(ClearDespiteDeficit, 1, &[W, E, LOWER]), Fault::Leaked);
    assert_eq!(fault(SetWaitingAfterwards, 1, &[W, E]), Fault::LostWakeup);
    assert_eq!(fault(AlwaysClear, 1, &[W, W, E]), Fault::LostWakeup);
    assert_eq!(fault(NoAssign, 1, &[W, E]), Fault::LostWakeup);
    assert_eq!(fault(CloseWithoutLook, 1, &[W, E, CLOSE]), Fault::LostWakeup);
    assert_eq!(fault(ReopenRefusesNone, 1, &[W, E, CLOSE, REOPEN]), Fault::LostWakeup);
    assert_eq!(fault(ForgetDeficit, 1, &[W, E, LOWER]), Fault::DeficitPassedOver);
    assert_eq!(fault(KeepFromDeficit, 2, &[W2, E, LOWER]), Fault::DeficitPassedOver);
    assert_eq!(fault(LowerWithoutLook, 2, &[W2, E, LOWER]), Fault::DeficitPassedOver);
}
