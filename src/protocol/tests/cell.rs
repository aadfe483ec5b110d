//! The words of keyed entries in every order in which threads can take their steps.
//!
//! # The shard
//!
//! Two entries, and three keys of which the first two have the same hash. Each thread begins any
//! call: it takes a place of any key, and releases it. It looks at the entries without the lock
//! first, and then under it; the lock, the buckets and the rebuilding are written again here, as
//! `src/keyed/shard.rs` has them. Threads never remember that two keys with one hash were met, as
//! if they had read that too early. Keys are opened a few times only, so the state space is finite.
//!
//! *A key is here once*: at most one entry has a key that lives or is dormant. *never-over*: the
//! word of an entry counts the places and pins that threads hold there, and each thread holds
//! places of its own key once it has compared. *Alone*: an entry is written only while it is
//! vacant.

use super::search::{search, sort_threads, Failure, Fault, Move, System, Violation};
use crate::protocol::cell::{CellState, CellWord, Released};

const KEYS: usize = 3;
const ENTRIES: usize = 2;

fn hash(key: usize) -> usize {
    key / 2
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum At {
    /// Looks at an entry without the lock.
    Look {
        entry: usize,
    },
    /// Has read the word.
    Seen {
        entry: usize,
        word: CellWord,
    },
    /// Has found its hash there.
    Take {
        entry: usize,
        word: CellWord,
    },
    Compare {
        entry: usize,
    },
    Hold {
        entry: usize,
    },
    Lock,
    /// Looks at an entry under the lock.
    Settle {
        entry: usize,
        vacant: Option<usize>,
    },
    Pin {
        entry: usize,
        vacant: Option<usize>,
        word: CellWord,
    },
    Forget {
        entry: usize,
        vacant: Option<usize>,
        word: CellWord,
    },
    /// Compares the keys it has pinned, after the lock is free.
    ComparePinned,
    Rebuild {
        entry: usize,
    },
    RebuildForget {
        entry: usize,
        word: CellWord,
    },
    Write {
        entry: usize,
    },
    Open {
        entry: usize,
    },
    /// Has what it wants, or cannot have it, and gives up its pins.
    Unpin {
        held: Option<usize>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    within: Option<(usize, At)>,
    /// The entries that the thread has a pin of.
    pins: [bool; ENTRIES],
    /// Those whose keys it has compared with its own.
    known: [bool; ENTRIES],
}

/// What a search leaves out, to show that it sees that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Flaw {
    None,
    /// A key that ends while it is to be pinned counts as settled.
    EndedWhileCompared,
    /// Of several dormant keys with one hash, one is made vacant.
    DormantBeside,
    /// A rebuilding takes a dormant entry without a look at its word.
    RebuildsByStore,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Entry {
    word: u64,
    key: usize,
    in_bucket: bool,
}

impl Entry {
    fn read(mut self) -> CellWord {
        CellState::step(&mut self.word, CellState::read)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Shard {
    flaw: Flaw,
    keeps: bool,
    entries: [Entry; ENTRIES],
    locked: bool,
    openings_left: u32,
    threads: Vec<Thread>,
}

impl Shard {
    fn new(flaw: Flaw, keeps: bool, threads: usize, openings: u32) -> Shard {
        let thread = Thread { within: None, pins: [false; ENTRIES], known: [false; ENTRIES] };
        Shard {
            flaw,
            keeps,
            entries: [Entry { word: 0, key: 0, in_bucket: false }; ENTRIES],
            locked: false,
            openings_left: openings,
            threads: vec![thread; threads],
        }
    }

    /// What a thread does after it has looked at an entry without the lock.
    fn next_look(entry: usize) -> At {
        if entry + 1 < ENTRIES {
            At::Look { entry: entry + 1 }
        } else {
            At::Lock
        }
    }

    /// Makes a step of a thread within a call. Returns what it does next; `None` after the call.
    fn step(&mut self, thread: usize, key: usize, at: At) -> Result<Option<At>, Violation> {
        let Thread { pins, known, .. } = &mut self.threads[thread];
        let next = match at {
            At::Look { entry } => At::Seen { entry, word: self.entries[entry].read() },
            At::Seen { entry, word } => {
                if hash(self.entries[entry].key) != hash(key) || word.is_vacant() {
                    Self::next_look(entry)
                } else {
                    At::Take { entry, word }
                }
            }
            At::Take { entry, word } => {
                let taken =
                    CellState::step(&mut self.entries[entry].word, |state| state.take(word, 1));
                if taken.is_none() {
                    At::Look { entry }
                } else if hash(self.entries[entry].key) != hash(key) {
                    return Err(Fault::Over.seen(format!("key {key} has a place of another hash")));
                } else {
                    At::Compare { entry }
                }
            }
            At::Compare { entry } if self.entries[entry].key == key => At::Hold { entry },
            At::Compare { entry } => {
                self.release(entry, 1);
                Self::next_look(entry)
            }
            At::Hold { entry } => {
                self.release(entry, 1);
                return Ok(None);
            }
            At::Lock => {
                // Others wait, see `moves`.
                self.locked = true;
                At::Settle { entry: 0, vacant: None }
            }
            At::Settle { entry: ENTRIES, .. } if *pins != *known => {
                self.locked = false;
                At::ComparePinned
            }
            At::Settle { entry: ENTRIES, .. } if self.openings_left == 0 => {
                self.locked = false;
                At::Unpin { held: None }
            }
            At::Settle { entry: ENTRIES, vacant: Some(entry) } => At::Write { entry },
            At::Settle { entry: ENTRIES, vacant: None } => {
                match self.entries.iter().position(|entry| !entry.in_bucket) {
                    Some(entry) => At::Write { entry },
                    None => At::Rebuild { entry: 0 },
                }
            }
            At::Settle { entry, vacant } => {
                let here = self.entries[entry];
                let word = here.read();
                if !here.in_bucket || hash(here.key) != hash(key) || known[entry] {
                    At::Settle { entry: entry + 1, vacant }
                } else if word.is_live() {
                    At::Pin { entry, vacant, word }
                } else if !word.is_dormant() {
                    At::Settle { entry: entry + 1, vacant: Some(entry) }
                } else if vacant.is_some() && self.flaw == Flaw::DormantBeside {
                    At::Settle { entry: entry + 1, vacant }
                } else {
                    At::Forget { entry, vacant, word }
                }
            }
            At::Pin { entry, vacant, word } => {
                let here = &mut self.entries[entry].word;
                if CellState::step(here, |state| state.pin(word)).is_some() {
                    pins[entry] = true;
                    At::Settle { entry: entry + 1, vacant }
                } else if self.flaw == Flaw::EndedWhileCompared
                    && !CellState::step(here, CellState::read).is_live()
                {
                    At::Settle { entry: entry + 1, vacant }
                } else {
                    At::Settle { entry, vacant }
                }
            }
            At::Forget { entry, vacant, word } => {
                if CellState::step(&mut self.entries[entry].word, |state| state.forget(word)) {
                    At::Settle { entry: entry + 1, vacant: Some(entry) }
                } else {
                    At::Settle { entry, vacant }
                }
            }
            At::ComparePinned => {
                let mine =
                    (0..ENTRIES).find(|&entry| pins[entry] && self.entries[entry].key == key);
                *known = *pins;
                match mine {
                    // The pin stays, and stands for a place.
                    Some(_) => At::Unpin { held: mine },
                    None => At::Lock,
                }
            }
            At::Rebuild { entry: ENTRIES } => {
                match self.entries.iter().position(|entry| !entry.in_bucket) {
                    Some(entry) => At::Write { entry },
                    None => {
                        self.locked = false;
                        At::Unpin { held: None }
                    }
                }
            }
            At::Rebuild { entry } => {
                let word = self.entries[entry].read();
                if word.is_dormant() {
                    At::RebuildForget { entry, word }
                } else {
                    self.entries[entry].in_bucket &= !word.is_vacant();
                    At::Rebuild { entry: entry + 1 }
                }
            }
            At::RebuildForget { entry, word } => {
                let here = &mut self.entries[entry].word;
                if self.flaw == Flaw::RebuildsByStore {
                    *here = word_after(word);
                } else {
                    CellState::step(here, |state| state.forget(word));
                }
                At::Rebuild { entry }
            }
            At::Write { entry } => {
                let here = &mut self.entries[entry];
                if !here.read().is_vacant() {
                    return Err(Fault::Shared.seen(format!("key {key} is written over another")));
                }
                (here.key, here.in_bucket) = (key, true);
                self.openings_left -= 1;
                At::Open { entry }
            }
            At::Open { entry } => {
                let keeps = self.keeps;
                CellState::step(&mut self.entries[entry].word, |state| {
                    state.open(state.read(), 1, keeps);
                });
                self.locked = false;
                At::Unpin { held: Some(entry) }
            }
            At::Unpin { held } => {
                let kept = |entry| held == Some(entry);
                match (0..ENTRIES).find(|&entry| pins[entry] && !kept(entry)) {
                    Some(entry) => {
                        pins[entry] = false;
                        self.release(entry, 0);
                        At::Unpin { held }
                    }
                    None => {
                        *known = [false; ENTRIES];
                        match held {
                            None => return Ok(None),
                            Some(entry) if pins[entry] => {
                                pins[entry] = false;
                                self.release(entry, 0);
                                return Ok(None);
                            }
                            Some(entry) => At::Hold { entry },
                        }
                    }
                }
            }
        };
        Ok(Some(next))
    }

    fn release(&mut self, entry: usize, n: u32) {
        let released =
            CellState::step(&mut self.entries[entry].word, |state| state.release(n, false));
        assert!(matches!(released, Released::Kept | Released::Vacant));
    }

    /// The places that threads hold of an entry, as far as their next step says.
    fn held(&self, entry: usize) -> usize {
        let holds = |thread: &&Thread| match thread.within {
            Some((_, At::Compare { entry: held } | At::Hold { entry: held })) => held == entry,
            Some((_, At::Unpin { held: Some(held) })) => held == entry && !thread.pins[entry],
            _ => false,
        };
        self.threads.iter().filter(holds).count()
    }
}

/// The word that `forget` writes.
fn word_after(word: CellWord) -> u64 {
    let mut after = word.into_inner();
    CellState::step(&mut after, |state| state.forget(word));
    after
}

impl System for Shard {
    fn moves(&self) -> Vec<Move<Self>> {
        let mut moves = Vec::new();
        for (thread, state) in self.threads.iter().enumerate() {
            let Some((key, at)) = state.within else {
                moves.extend((0..KEYS).map(|key| {
                    let mut after = self.clone();
                    after.threads[thread].within = Some((key, At::Look { entry: 0 }));
                    Move { thread, way: key, after: Ok(after) }
                }));
                continue;
            };
            if at == At::Lock && self.locked {
                continue;
            }
            let mut after = self.clone();
            let stepped = after.step(thread, key, at).map(|next| {
                after.threads[thread].within = next.map(|next| (key, next));
                after
            });
            moves.push(Move { thread, way: 0, after: stepped });
        }
        moves
    }

    fn check(&self) -> Result<(), Violation> {
        for key in 0..KEYS {
            let here = |entry: &&Entry| entry.key == key && !entry.read().is_vacant();
            if self.entries.iter().filter(here).count() > 1 {
                return Err(Fault::Shared.seen(format!("key {key} is in two entries")));
            }
        }
        for (number, entry) in self.entries.iter().enumerate() {
            let word = entry.read();
            let held = self.held(number);
            let pinned = self.threads.iter().filter(|thread| thread.pins[number]).count();
            if word.places() as usize != held || word.is_live() != (held + pinned > 0) {
                let seen = format!("{word:?} with {held} places held and {pinned} pins");
                return Err(Fault::Leaked.seen(seen));
            }
        }
        for thread in &self.threads {
            if let Some((key, At::Hold { entry })) = thread.within {
                if self.entries[entry].key != key {
                    return Err(Fault::Over.seen(format!("key {key} has a place of another")));
                }
            }
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        sort_threads(&mut self.threads);
        self
    }

    fn describe(&self, thread: usize, way: usize, after: Option<&Self>) -> String {
        let now = self.threads[thread].within;
        let then = after.map(|after| after.threads[thread].within);
        format!("thread {thread}, key {way}: {now:?} -> {then:?}; {:?}", self.entries)
    }
}

fn explore(flaw: Flaw, keeps: bool, threads: usize, openings: u32) -> Result<usize, Failure> {
    let states = search([Shard::new(flaw, keeps, threads, openings)], |_| {})?;
    println!("{threads} threads, {openings} openings, keeps {keeps}: {states} states");
    Ok(states)
}

#[test]
fn two_threads_and_keys_that_stay() {
    assert!(explore(Flaw::None, true, 2, 4).unwrap() > 1_000);
}

#[test]
fn two_threads_and_keys_that_leave() {
    assert!(explore(Flaw::None, false, 2, 4).unwrap() > 1_000);
}

#[test]
fn three_threads_and_keys_that_stay() {
    assert!(explore(Flaw::None, true, 3, 2).unwrap() > 1_000);
}

/// Flaws of which each lets a key be in two entries, or two threads write one.
#[test]
fn flaws_are_seen() {
    for flaw in [Flaw::EndedWhileCompared, Flaw::DormantBeside, Flaw::RebuildsByStore] {
        let failure = explore(flaw, true, 3, 4).expect_err("a flaw is overlooked");
        println!("{flaw:?}: {failure:?}");
    }
}
