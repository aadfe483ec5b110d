//! The body that all gate models share: some threads, one door, and a plain set of rules that must
//! explain what happened.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{Gate, OwnedPermit, TryAcquireError};
use loom::cell::UnsafeCell;

/// What a thread does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Enter,
    /// Asks for that many places at once.
    Many(u32),
    /// Gives back what this thread has held longest, if it holds anything.
    Leave,
    /// Asks how many places are held.
    Read,
    Close,
    Reopen,
    CloseIf(u32),
    Resize(u32),
}

use Act::*;

/// What came of it.
#[derive(Clone, Copy, Debug)]
enum Deed {
    In(u32),
    Full(u32),
    Closed,
    Out(u32),
    Read(u32),
    Close,
    Reopen,
    CloseIf(u32, Result<u32, u32>),
    Resize(u32),
}

/// A limit on callers: the gate, or a rejected protocol of one.
pub(crate) trait Door: Send + Sync + Sized + 'static {
    /// Proof of a place held, given back when dropped.
    type Pass: Send + 'static;

    fn enter(door: &Arc<Self>) -> Result<Self::Pass, TryAcquireError>;
    fn occupied(&self) -> u32;

    /// Admits callers again, if they can be refused for a reason other than a full door.
    fn reopen(&self) {}

    fn many(_: &Arc<Self>, _: u32) -> Result<Self::Pass, TryAcquireError> {
        unimplemented!("only a gate can do that")
    }

    fn gate(&self) -> &Gate {
        unimplemented!("only a gate can do that")
    }
}

impl Door for Gate {
    type Pass = OwnedPermit;

    fn enter(door: &Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        Arc::clone(door).try_acquire_owned()
    }

    fn many(door: &Arc<Self>, n: u32) -> Result<OwnedPermit, TryAcquireError> {
        Arc::clone(door).try_acquire_many_owned(n)
    }

    fn occupied(&self) -> u32 {
        Gate::occupied(self)
    }

    fn reopen(&self) {
        Gate::reopen(self);
    }

    fn gate(&self) -> &Gate {
        self
    }
}

/// The plain rules.
#[derive(Clone, Copy)]
struct Rules {
    capacity: u32,
    held: u32,
    closed: bool,
}

impl Rules {
    /// The rules after `deed`, if they allow it now.
    fn allow(mut self, deed: Deed) -> Option<Rules> {
        let has_room = |n| self.held + n <= self.capacity;
        let allowed = match deed {
            Deed::In(n) => !self.closed && has_room(n),
            Deed::Full(n) => !self.closed && !has_room(n),
            Deed::Closed => self.closed,
            Deed::Read(n) => self.held == n,
            Deed::CloseIf(least, answer) => {
                answer == if self.held >= least { Ok(self.held) } else { Err(self.held) }
            }
            Deed::Out(_) | Deed::Close | Deed::Reopen | Deed::Resize(_) => true,
        };
        match deed {
            Deed::In(n) => self.held += n,
            Deed::Out(n) => self.held -= n,
            Deed::Close | Deed::CloseIf(_, Ok(_)) => self.closed = true,
            Deed::Reopen => self.closed = false,
            Deed::Resize(n) => self.capacity = n,
            _ => {}
        }
        allowed.then_some(self)
    }

    /// Is there an order of all deeds, each thread's own kept, that the rules allow?
    fn explain(self, deeds: &mut [&[Deed]]) -> bool {
        if deeds.iter().all(|rest| rest.is_empty()) {
            return true;
        }
        (0..deeds.len()).any(|thread| {
            let Some((&deed, rest)) = deeds[thread].split_first() else { return false };
            let whole = std::mem::replace(&mut deeds[thread], rest);
            let explained = self.allow(deed).is_some_and(|rules| rules.explain(deeds));
            deeds[thread] = whole;
            explained
        })
    }
}

/// What came of all executions together. Counted outside of loom, which knows one at a time.
#[derive(Default)]
pub(crate) struct Seen {
    executions: AtomicUsize,
    admitted: AtomicUsize,
    full: AtomicUsize,
    closed: AtomicUsize,
}

impl Seen {
    fn note(&self, deeds: &[&[Deed]]) {
        let count = |counter: &AtomicUsize, wanted: fn(&Deed) -> bool| {
            let n = deeds.iter().flat_map(|own| own.iter()).filter(|deed| wanted(deed)).count();
            counter.fetch_add(n, Ordering::Relaxed);
        };
        self.executions.fetch_add(1, Ordering::Relaxed);
        count(&self.admitted, |deed| matches!(deed, Deed::In(_)));
        count(&self.full, |deed| matches!(deed, Deed::Full(_)));
        count(&self.closed, |deed| matches!(deed, Deed::Closed));
    }

    /// Over all executions, were there admissions, refusals by a full door and by a closed one?
    pub(crate) fn admitted_full_closed(&self) -> (bool, bool, bool) {
        let some = |counter: &AtomicUsize| counter.load(Ordering::Relaxed) > 0;
        (some(&self.admitted), some(&self.full), some(&self.closed))
    }
}

/// Explores all executions of `model`; with at most `bound` preemptions, if it is given.
pub(crate) fn explore(bound: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    // A model that stops early has shown nothing.
    (builder.max_permutations, builder.max_duration) = (None, None);
    builder.check(model);
}

/// All orders of `n` things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    let Some(last) = n.checked_sub(1) else { return vec![vec![]] };
    let put =
        |order: Vec<usize>| (0..n).map(move |at| [&order[..at], &[last], &order[at..]].concat());
    orders(last).into_iter().flat_map(put).collect()
}

/// A model: `before` is done by the first thread alone, `threads` at the same time.
///
/// It is explored once for each order in which the threads can be started. Loom 0.7 forgets a load
/// when another follows on the same atomic, and then does not try the addition of a third party
/// before it: an execution that it misses in one order it finds in another, where the reader comes
/// last. The first in order runs on loom's main thread; what `before` has left to a thread's memory
/// is remembered only where the first thread is also the first in order.
#[derive(Clone)]
pub(crate) struct Crowd {
    pub(crate) capacity: u32,
    pub(crate) before: &'static [Act],
    pub(crate) threads: &'static [&'static [Act]],
    pub(crate) bound: Option<usize>,
}

impl Crowd {
    /// Meets the real gate.
    pub(crate) fn at_a_gate(self) -> Arc<Seen> {
        self.at(Gate::new)
    }

    /// Meets the doors that `make` makes of a capacity.
    pub(crate) fn at<D: Door>(self, make: impl Fn(u32) -> D + Send + Sync + 'static) -> Arc<Seen> {
        let seen = Arc::new(Seen::default());
        let make = Arc::new(make);
        for order in orders(self.threads.len()) {
            let (make, noted, crowd) = (Arc::clone(&make), Arc::clone(&seen), self.clone());
            explore(self.bound, move || {
                crowd.once(Arc::new(make(crowd.capacity)), &order, &noted);
            });
        }
        assert!(seen.executions.load(Ordering::Relaxed) > 1, "there was nothing to explore");
        seen
    }

    fn once<D: Door>(&self, door: Arc<D>, order: &[usize], seen: &Seen) {
        let acts = self.threads.iter().chain([&self.before]).flat_map(|own| own.iter());
        let sizes: Vec<u32> = acts
            .clone()
            .filter_map(|act| if let Resize(capacity) = act { Some(*capacity) } else { None })
            .collect();
        // A holder is alone where each admitted caller takes more than half of the places.
        let least = acts.clone().filter_map(|act| match act {
            Enter => Some(1),
            Many(n) => Some(*n),
            _ => None,
        });
        let alone = least.min().is_some_and(|n| 2 * n > self.capacity) && sizes.is_empty();
        let witness = alone.then(|| UnsafeCell::new(()));
        let witness = Arc::new(witness);

        let person = || Person::new(Arc::clone(&door), Arc::clone(&witness));
        let mut first = person();
        first.live(self.before);
        let before = std::mem::take(&mut first.deeds);
        let mut people: Vec<_> = (1..order.len()).map(|_| person()).collect();
        people.insert(0, first);
        let mut people: Vec<_> = people.into_iter().map(Some).collect();
        let mut part = |who: usize| {
            let mut one = people[who].take().expect("each thread has one part");
            let acts = self.threads[who];
            move || {
                one.live(acts);
                one
            }
        };
        let here = part(order[0]);
        let others: Vec<_> = order[1..].iter().map(|&who| loom::thread::spawn(part(who))).collect();
        let mut people = vec![here()];
        people.extend(others.into_iter().map(|other| other.join().unwrap()));
        let mut deeds: Vec<&[Deed]> = people.iter().map(|one| &one.deeds[..]).collect();
        seen.note(&deeds);
        let start = Rules { capacity: self.capacity, held: 0, closed: false };
        let start = before.iter().fold(start, |rules, &deed| {
            rules.allow(deed).expect("one thread alone was told what is not true")
        });
        assert!(start.explain(&mut deeds), "no order of the calls explains {deeds:?}");

        let held = people.iter().map(|one| one.holds()).sum::<u32>();
        assert_eq!(door.occupied(), held, "the books do not balance after {deeds:?}");
        people.iter_mut().for_each(Person::leave_all);
        assert_eq!(door.occupied(), 0, "a place leaked");
        let mut capacity = self.capacity;
        if !sizes.is_empty() {
            capacity = door.gate().capacity();
            assert!(sizes.contains(&capacity), "no thread asked for {capacity} places");
        }
        door.reopen();
        works_as_new(&door, capacity);
    }
}

/// After all have left, exactly so many get in again as there are places.
fn works_as_new<D: Door>(door: &Arc<D>, capacity: u32) {
    let passes: Vec<_> = std::iter::from_fn(|| D::enter(door).ok()).collect();
    assert_eq!(passes.len() as u32, capacity, "a place was lost or made");
    assert_eq!(door.occupied(), capacity);
    drop(passes);
    assert_eq!(door.occupied(), 0);
}

/// One thread's part.
struct Person<D: Door> {
    door: Arc<D>,
    witness: Arc<Option<UnsafeCell<()>>>,
    passes: VecDeque<(D::Pass, u32)>,
    deeds: Vec<Deed>,
}

impl<D: Door> Person<D> {
    fn new(door: Arc<D>, witness: Arc<Option<UnsafeCell<()>>>) -> Self {
        Person { door, witness, passes: VecDeque::new(), deeds: Vec::new() }
    }

    fn live(&mut self, acts: &[Act]) {
        for &act in acts {
            let deed = match act {
                Enter => self.enter(D::enter(&self.door), 1),
                Many(n) => self.enter(D::many(&self.door, n), n),
                Leave => match self.leave() {
                    Some(n) => Deed::Out(n),
                    None => continue,
                },
                Read => Deed::Read(self.door.occupied()),
                Close => {
                    self.door.gate().close();
                    Deed::Close
                }
                Reopen => {
                    self.door.gate().reopen();
                    Deed::Reopen
                }
                CloseIf(least) => Deed::CloseIf(
                    least,
                    self.door.gate().close_if_occupied(least).map_err(|error| error.occupied),
                ),
                Resize(n) => {
                    self.door.gate().set_capacity(n);
                    Deed::Resize(n)
                }
            };
            self.deeds.push(deed);
        }
    }

    fn enter(&mut self, answer: Result<D::Pass, TryAcquireError>, n: u32) -> Deed {
        match answer {
            Ok(pass) => {
                self.touch();
                self.passes.push_back((pass, n));
                Deed::In(n)
            }
            Err(refused) if refused.is_closed() => Deed::Closed,
            Err(_) => Deed::Full(n),
        }
    }

    fn leave(&mut self) -> Option<u32> {
        let (pass, n) = self.passes.pop_front()?;
        self.touch();
        drop(pass);
        Some(n)
    }

    fn leave_all(&mut self) {
        while self.leave().is_some() {}
    }

    fn holds(&self) -> u32 {
        self.passes.iter().map(|(_, n)| n).sum()
    }

    /// Writes where only a holder may write. Loom fails if two writes are not ordered.
    fn touch(&self) {
        if let Some(cell) = &*self.witness {
            cell.with_mut(|_| ());
        }
    }
}
