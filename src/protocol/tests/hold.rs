//! The words of holds in every order in which threads can take their steps.
//!
//! # The cells
//!
//! One or two cells, a few generations before their last, so the state space is finite although the
//! number of calls is not. Each thread begins any call: it puts, claims with the ticket of any cell
//! and generation that there can be, or expires any cell. A put and an expiring hold the lock of
//! the shard; the lock and the list of spare cells are written again here, as `src/holds/shard.rs`
//! has them.
//!
//! *claimed-once*: each hold that has begun is ended by one call, and each cell has one owner at
//! all times: a hold, a thread, the stack of returned cells, or the list of spare ones. A claim is
//! refused only if, at an instant within the call, the hold was not there.
//!
//! # The bound
//!
//! Two shards with their earliest deadlines, and threads that put, expire and raise. In each state
//! the bound is unknown, or not above the deadline of any hold whose put has returned.

use super::search::{search, Failure, Fault, Move, System, Violation};
use crate::protocol::hold::{
    DueBound, EarliestDue, HoldEnd, HoldState, HoldWord, LowerDue, PushReturned, RaiseDue,
    ReturnStack, Returned, FIRST_TIME, NEVER,
};
use crate::protocol::step::Step::{Done, Next};
use crate::sync::AtomicU64;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Call {
    Put,
    Claim { cell: usize, generation: u32 },
    Expire { cell: usize },
}

/// What a thread does next within its call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    Lock,
    /// Takes all returned cells.
    Collect,
    /// Begins a hold in a spare cell, which the thread owns.
    Begin {
        cell: usize,
    },
    Read,
    End {
        generation: u32,
    },
    Push(PushReturned),
    Unlock,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    within: Option<(Call, At)>,
    /// Whether the hold that the thread claims was there throughout the call.
    there: bool,
}

/// What a search leaves out, to show that it sees that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Flaw {
    None,
    /// A claim ends the hold by a store.
    EndsByStore,
    /// A claim gives the cell back before it ends the hold.
    ReturnsFirst,
    /// A cell is used again after its last generation.
    ReusesWorn,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct HoldSystem {
    flaw: Flaw,
    words: Vec<u64>,
    links: Vec<u32>,
    stack: u64,
    lock: Option<usize>,
    spare: Vec<usize>,
    threads: Vec<Thread>,
    /// The calls that have ended each hold of each cell, and whether it has begun.
    ended: Vec<Vec<u8>>,
    first: u32,
}

impl HoldSystem {
    fn new(flaw: Flaw, threads: usize, cells: usize, generations: u32) -> HoldSystem {
        let first = u32::MAX - generations + 1;
        HoldSystem {
            flaw,
            words: vec![HoldWord::vacant(first).into_inner(); cells],
            links: vec![0; cells],
            stack: 0,
            lock: None,
            spare: (0..cells).collect(),
            threads: vec![Thread { within: None, there: false }; threads],
            ended: vec![vec![0; generations as usize]; cells],
            first,
        }
    }

    fn word(&self, cell: usize) -> HoldWord {
        HoldWord::of(self.words[cell])
    }

    fn is_held(&self, cell: usize, generation: u32) -> bool {
        self.word(cell).read(generation) == HoldState::Held
    }

    /// The cells on the stack of returned ones.
    fn returned(&self) -> Vec<usize> {
        let Returned { count, first } = ReturnStack::of(self.stack).collect();
        let chain = std::iter::successors(Some(first), |&cell| Some(self.links[cell as usize]));
        chain.take(count as usize).map(|cell| cell as usize).collect()
    }

    fn calls(&self) -> Vec<Call> {
        let cells = 0..self.words.len();
        let mut calls = vec![Call::Put];
        for cell in cells {
            calls
                .extend((self.first..=u32::MAX).map(|generation| Call::Claim { cell, generation }));
            calls.push(Call::Expire { cell });
        }
        calls
    }

    fn begin(&self, call: Call) -> At {
        match call {
            Call::Put | Call::Expire { .. } => At::Lock,
            Call::Claim { .. } => At::Read,
        }
    }

    fn make_spare(&mut self, cell: usize) {
        if self.word(cell).generation().is_some() || self.flaw == Flaw::ReusesWorn {
            self.spare.push(cell);
            self.spare.sort();
        }
    }

    /// The hold of that cell and generation was ended by this call, which owns the cell now.
    fn ends(&mut self, cell: usize, generation: u32) -> Result<(), Violation> {
        let ended = &mut self.ended[cell][(generation - self.first) as usize];
        *ended += 1;
        if *ended > 1 {
            return Err(Fault::Shared.seen(format!("hold {generation} of cell {cell} ends twice")));
        }
        Ok(())
    }

    fn step(&self, thread: usize, call: Call, at: At) -> Result<HoldSystem, Violation> {
        let mut next = self.clone();
        if let (None, Call::Claim { cell, generation }) = (self.threads[thread].within, call) {
            next.threads[thread].there = self.is_held(cell, generation);
        }
        let after = next.take(thread, call, at)?;
        next.threads[thread].within = after.map(|at| (call, at));
        if after.is_none() {
            next.threads[thread].there = false;
        }
        // Holds that are not there now were not there throughout.
        for other in 0..next.threads.len() {
            if let Some((Call::Claim { cell, generation }, _)) = next.threads[other].within {
                next.threads[other].there &= next.is_held(cell, generation);
            }
        }
        Ok(next)
    }

    /// Takes a step; returns the next one, or `None` at the end of the call.
    fn take(&mut self, thread: usize, call: Call, at: At) -> Result<Option<At>, Violation> {
        Ok(match (at, call) {
            (At::Lock, _) => {
                self.lock = Some(thread);
                match call {
                    Call::Put if self.spare.is_empty() => Some(At::Collect),
                    Call::Put => Some(At::Begin { cell: self.spare.remove(0) }),
                    _ => Some(At::Read),
                }
            }
            (At::Collect, _) => {
                for cell in self.returned() {
                    self.make_spare(cell);
                }
                self.stack = 0;
                // Otherwise the shard grows, which begins with cells of its own.
                match self.spare.is_empty() {
                    true => Some(At::Unlock),
                    false => Some(At::Begin { cell: self.spare.remove(0) }),
                }
            }
            (At::Begin { cell }, _) => {
                let word = self.word(cell);
                let Some(generation) = word.generation() else {
                    return Err(Fault::Shared.seen(format!("cell {cell} uses a generation again")));
                };
                word.begin(generation);
                self.words[cell] = word.into_inner();
                Some(At::Unlock)
            }
            (At::Read, Call::Claim { cell, generation }) => match self.is_held(cell, generation) {
                true if self.flaw == Flaw::ReturnsFirst => {
                    Some(At::Push(PushReturned::Look { cell: cell as u32 }))
                }
                true => Some(At::End { generation }),
                false => self.refused(thread)?,
            },
            (At::Read, Call::Expire { cell }) => match self.word(cell).generation() {
                Some(generation) if self.is_held(cell, generation) => Some(At::End { generation }),
                _ => Some(At::Unlock),
            },
            (At::End { generation }, Call::Expire { cell }) => {
                let word = self.word(cell);
                let ended = word.end(generation, HoldEnd::Expired);
                self.words[cell] = word.into_inner();
                if ended {
                    self.ends(cell, generation)?;
                    self.make_spare(cell);
                }
                Some(At::Unlock)
            }
            (At::End { generation }, Call::Claim { cell, .. }) => {
                let word = self.word(cell);
                let ended = word.end(generation, HoldEnd::Taken);
                self.words[cell] = word.into_inner();
                match ended || self.flaw == Flaw::EndsByStore {
                    false => self.refused(thread)?,
                    true => {
                        self.ends(cell, generation)?;
                        match self.flaw {
                            Flaw::ReturnsFirst => None,
                            _ => Some(At::Push(PushReturned::Look { cell: cell as u32 })),
                        }
                    }
                }
            }
            (At::Push(push), Call::Claim { generation, .. }) => {
                let stack = AtomicU64::new(self.stack);
                let link = std::cell::Cell::new(None);
                let step = push.step(&stack, &|next| link.set(Some(next)));
                if let (PushReturned::Swap { cell, .. }, Some(next)) = (push, link.get()) {
                    self.links[cell as usize] = next;
                }
                self.stack = stack.into_inner();
                match step {
                    Next(push) => Some(At::Push(push)),
                    Done(()) if self.flaw == Flaw::ReturnsFirst => Some(At::End { generation }),
                    Done(()) => None,
                }
            }
            (At::Unlock, _) => {
                self.lock = None;
                None
            }
            (at, call) => unreachable!("{call:?} at {at:?}"),
        })
    }

    fn refused(&self, thread: usize) -> Result<Option<At>, Violation> {
        match self.threads[thread].there {
            true => Err(Fault::Inexact.seen("a claim was refused while the hold was there")),
            false => Ok(None),
        }
    }

    /// Returns whether a thread owns that cell, between the end of a hold and giving it back, or
    /// between taking it and the beginning of the next one.
    fn owns(&self, thread: &Thread, cell: usize) -> bool {
        match thread.within {
            Some((_, At::Begin { cell: own })) => own == cell,
            Some((Call::Claim { cell: own, .. }, At::Push(_))) => own == cell,
            _ => false,
        }
    }
}

impl System for HoldSystem {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.threads.len() {
            let ways = match self.threads[thread].within {
                Some(within) => vec![within],
                None => self.calls().into_iter().map(|call| (call, self.begin(call))).collect(),
            };
            for (way, (call, at)) in ways.into_iter().enumerate() {
                if at == At::Lock && self.lock.is_some() {
                    continue;
                }
                moves.push(Move { thread, way, after: self.step(thread, call, at) });
            }
        }
        moves
    }

    fn check(&self) -> Result<(), Violation> {
        let returned = self.returned();
        for cell in 0..self.words.len() {
            let generation = self.word(cell).generation();
            let held = generation.is_some_and(|generation| self.is_held(cell, generation));
            let owners = usize::from(held)
                + self.threads.iter().filter(|thread| self.owns(thread, cell)).count()
                + returned.iter().filter(|&&returned| returned == cell).count()
                + self.spare.iter().filter(|&&spare| spare == cell).count();
            let worn = generation.is_none();
            if owners > 1 {
                return Err(Fault::Shared.seen(format!("cell {cell} has {owners} owners")));
            }
            if owners == 0 && !worn {
                return Err(Fault::Leaked.seen(format!("cell {cell} has no owner")));
            }
            // All holds before the present one have ended, each once.
            let past = generation.map_or(self.ended[cell].len() as u32, |now| now - self.first);
            if self.ended[cell].iter().map(|&ended| u32::from(ended)).sum::<u32>() != past {
                return Err(
                    Fault::Leaked.seen(format!("cell {cell} has a hold that no call has ended"))
                );
            }
        }
        Ok(())
    }

    fn sorted(self) -> Self {
        // The lock knows its owner by number, so threads keep theirs.
        self
    }

    fn describe(&self, thread: usize, way: usize, _: Option<&Self>) -> String {
        let does = match self.threads[thread].within {
            Some((call, at)) => format!("goes on with {call:?}: {at:?}"),
            None => format!("calls {:?}", self.calls()[way]),
        };
        format!("{} {does}", (b'A' + thread as u8) as char)
    }
}

fn run(flaw: Flaw, threads: usize, cells: usize, generations: u32) -> Result<usize, Failure> {
    search([HoldSystem::new(flaw, threads, cells, generations)], |_| {})
}

#[track_caller]
fn holds(threads: usize, cells: usize, generations: u32) {
    let states = run(Flaw::None, threads, cells, generations).unwrap_or_else(|failure| {
        panic!("{threads} threads, {cells} cells, {generations} generations\n{failure:?}")
    });
    println!("{threads} threads, {cells} cells, {generations} generations: {states} states");
    assert!(states > 100, "a search of {states} states proves nothing");
}

#[test]
fn two_threads_and_one_cell() {
    holds(2, 1, 3);
}

#[test]
fn two_threads_and_two_cells() {
    holds(2, 2, 2);
}

#[test]
fn three_threads_and_one_cell() {
    holds(3, 1, 3);
}

#[test]
fn three_threads_and_two_cells() {
    holds(3, 2, 2);
}

#[test]
fn the_last_generation_retires_the_cell() {
    let mut retired = 0;
    search([HoldSystem::new(Flaw::None, 2, 1, 2)], |state| {
        if state.word(0).generation().is_none() {
            assert!((state.first..=u32::MAX).all(|generation| !state.is_held(0, generation)));
            assert!(state.spare.is_empty(), "a cell is used again");
            retired += 1;
        }
    })
    .unwrap();
    assert!(retired > 0, "no cell was worn out");
}

#[test]
fn rejected_steps() {
    let fault = |flaw| {
        let failure = run(flaw, 2, 1, 2).expect_err("it was not seen");
        println!("{flaw:?}: {failure:?}");
        failure.fault
    };
    assert_eq!(fault(Flaw::EndsByStore), Fault::Shared);
    assert_eq!(fault(Flaw::ReturnsFirst), Fault::Shared);
    assert_eq!(fault(Flaw::ReusesWorn), Fault::Shared);
}

/// The word tells how the last hold ended, until the next one begins.
#[test]
fn the_word_remembers_the_last_end() {
    let word = HoldWord::vacant(7);
    assert_eq!((word.generation(), word.read(7)), (Some(7), HoldState::Gone));
    word.begin(7);
    assert_eq!(word.read(7), HoldState::Held);
    assert!([6, 8].iter().all(|&other| word.read(other) == HoldState::Gone));
    assert!(word.end(7, HoldEnd::Expired) && !word.end(7, HoldEnd::Taken));
    assert_eq!((word.generation(), word.read(7)), (Some(8), HoldState::Expired));
    word.begin(8);
    assert_eq!((word.read(7), word.read(8)), (HoldState::Gone, HoldState::Held));
    assert!(word.end(8, HoldEnd::Taken));
    assert_eq!((word.read(7), word.read(8)), (HoldState::Gone, HoldState::Gone));
    assert_eq!(HoldWord::vacant(u32::MAX).generation(), Some(u32::MAX));
}

/// The time of all calls. Deadlines up to it are due.
const NOW: u64 = FIRST_TIME + 1;
const DEADLINES: [u64; 3] = [FIRST_TIME, NOW, NOW + 1];

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum DueCall {
    Put {
        shard: usize,
        deadline: u64,
    },
    /// Expires what is due in both shards, one after the other, and raises the bound.
    Expire,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum DueAt {
    Link,
    Lower(LowerDue),
    Expire { shard: usize },
    Raise(RaiseDue),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct DueSystem {
    bound: u64,
    earliest: [u64; 2],
    /// The holds of each shard: deadlines, and whether the put has returned.
    holds: [Vec<(u64, bool)>; 2],
    within: Vec<Option<(DueCall, DueAt)>>,
    /// Calls that each thread still begins.
    left: Vec<u8>,
    raised: u64,
}

impl DueSystem {
    fn new(threads: usize, calls: u8) -> DueSystem {
        // A hold that is due, so that the bound is to be raised from the start.
        DueSystem {
            bound: FIRST_TIME,
            earliest: [FIRST_TIME, NEVER],
            holds: [vec![(FIRST_TIME, true)], vec![]],
            within: vec![None; threads],
            left: vec![calls; threads],
            raised: 0,
        }
    }

    fn calls() -> Vec<DueCall> {
        let mut calls = vec![DueCall::Expire];
        for shard in 0..2 {
            calls.extend(DEADLINES.map(|deadline| DueCall::Put { shard, deadline }));
        }
        calls
    }

    fn step(&self, thread: usize, call: DueCall, at: DueAt) -> DueSystem {
        let mut next = self.clone();
        if self.within[thread].is_none() {
            next.left[thread] -= 1;
        }
        let shards = self.earliest.map(EarliestDue::of);
        let bound = DueBound::of(self.bound);
        let after = match (at, call) {
            (DueAt::Link, DueCall::Put { shard, deadline }) => {
                next.holds[shard].push((deadline, false));
                next.holds[shard].sort();
                shards[shard].lower(deadline);
                Some(DueAt::Lower(LowerDue::Look { deadline }))
            }
            (DueAt::Lower(lower), DueCall::Put { shard, deadline }) => {
                match lower.step(bound.word()) {
                    Next(lower) => Some(DueAt::Lower(lower)),
                    Done(()) => {
                        // It may have expired meanwhile.
                        let put =
                            next.holds[shard].iter_mut().find(|hold| **hold == (deadline, false));
                        if let Some(put) = put {
                            put.1 = true;
                        }
                        next.holds[shard].sort();
                        None
                    }
                }
            }
            (DueAt::Expire { shard }, _) => {
                next.holds[shard].retain(|&(deadline, _)| deadline > NOW);
                shards[shard].set(next.holds[shard].first().map_or(NEVER, |&(first, _)| first));
                if shard == 0 {
                    Some(DueAt::Expire { shard: 1 })
                } else {
                    next.raised += 1;
                    Some(DueAt::Raise(RaiseDue::Announce { token: next.raised }))
                }
            }
            (DueAt::Raise(raise), _) => match raise.step(bound.word(), &shards) {
                Next(raise) => Some(DueAt::Raise(raise)),
                Done(()) => None,
            },
            (at, call) => unreachable!("{call:?} at {at:?}"),
        };
        next.bound = bound.get();
        next.earliest = shards.map(|shard| shard.get());
        next.within[thread] = after.map(|at| (call, at));
        next
    }
}

impl System for DueSystem {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for thread in 0..self.within.len() {
            let ways = match self.within[thread] {
                Some(within) => vec![within],
                None if self.left[thread] == 0 => vec![],
                None => DueSystem::calls()
                    .into_iter()
                    .map(|call| match call {
                        DueCall::Put { .. } => (call, DueAt::Link),
                        DueCall::Expire => (call, DueAt::Expire { shard: 0 }),
                    })
                    .collect(),
            };
            for (way, (call, at)) in ways.into_iter().enumerate() {
                moves.push(Move { thread, way, after: Ok(self.step(thread, call, at)) });
            }
        }
        moves
    }

    fn check(&self) -> Result<(), Violation> {
        for (shard, holds) in self.holds.iter().enumerate() {
            for &(deadline, returned) in holds {
                if self.earliest[shard] > deadline {
                    return Err(Fault::Inexact
                        .seen(format!("shard {shard} says {deadline} is its earliest deadline")));
                }
                if returned && self.bound > deadline {
                    return Err(
                        Fault::Inexact.seen(format!("the bound is above the deadline {deadline}"))
                    );
                }
            }
        }
        Ok(())
    }

    fn sorted(self) -> Self {
        self
    }

    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String {
        let does = match self.within[thread] {
            Some((call, at)) => format!("goes on with {call:?}: {at:?}"),
            None => format!("calls {:?}", DueSystem::calls()[way]),
        };
        let bound = after.map(|after| after.bound);
        format!("{} {does}; the bound is {bound:?}", (b'A' + thread as u8) as char)
    }
}

/// The bound is exact again after a call that was alone: it does not stay unknown.
#[test]
fn the_bound_of_two_shards() {
    let mut exact = 0;
    for (threads, calls) in [(2, 2), (3, 1)] {
        let states = search([DueSystem::new(threads, calls)], |state| {
            exact += usize::from(state.bound == NOW + 1);
        });
        let states = states.unwrap_or_else(|failure| panic!("{failure:?}"));
        println!("{threads} threads, {calls} calls each: {states} states");
        assert!(states > 1000, "a search of {states} states proves nothing");
    }
    assert!(exact > 0, "the bound was never raised to a deadline");
}
