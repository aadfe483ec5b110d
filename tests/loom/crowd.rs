//! The body that all gate models share: some threads, one door, and the specification of a gate,
//! which must explain what happened.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::{Gate, OwnedPermit, TryAcquireError};
use headcount_spec::{explain, Gate as Spec, GateAnswer, GateCall, Spec as _};
use loom::cell::UnsafeCell;

/// What one thread asked and was told, in order.
type History = Vec<(GateCall, GateAnswer)>;

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

/// A line for each thread.
fn shown(histories: &[History]) -> String {
    let call = |(call, answer): &(GateCall, GateAnswer)| format!("{call:?} -> {answer:?}");
    let line = |own: &History| own.iter().map(call).collect::<Vec<_>>().join(", ");
    histories.iter().map(|own| format!("\n  a thread: {}", line(own))).collect()
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
    fn note(&self, histories: &[History]) {
        let count = |counter: &AtomicUsize, wanted: GateAnswer| {
            let n = histories.iter().flatten().filter(|(_, answer)| *answer == wanted).count();
            counter.fetch_add(n, Ordering::Relaxed);
        };
        self.executions.fetch_add(1, Ordering::Relaxed);
        count(&self.admitted, GateAnswer::Acquired);
        count(&self.full, GateAnswer::Full);
        count(&self.closed, GateAnswer::Closed);
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

/// A model: the calls of `before` are made by the first thread alone, those of `threads` at the
/// same time. `Release` releases what its thread has held longest, if it holds anything.
///
/// It is explored once for each order in which the threads can be started. Loom 0.7 forgets a load
/// when another follows on the same atomic, and then does not try the addition of a third party
/// before it: an execution that it misses in one order it finds in another, where the reader comes
/// last. The first in order runs on loom's main thread; what `before` has left to a thread's memory
/// is remembered only where the first thread is also the first in order.
#[derive(Clone)]
pub(crate) struct Crowd {
    pub(crate) capacity: u32,
    pub(crate) before: &'static [GateCall],
    pub(crate) threads: &'static [&'static [GateCall]],
    /// The greatest number of preemptions, if there is one. With the feature `wait` there always
    /// is: a lock adds steps, and a model without a bound takes minutes.
    pub(crate) bound: Option<usize>,
}

/// The bound of a model that names none.
const BOUND: Option<usize> = if cfg!(feature = "wait") { Some(3) } else { None };

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
            explore(self.bound.or(BOUND), move || {
                crowd.once(Arc::new(make(crowd.capacity)), &order, &noted);
            });
        }
        assert!(seen.executions.load(Ordering::Relaxed) > 1, "there was nothing to explore");
        seen
    }

    fn once<D: Door>(&self, door: Arc<D>, order: &[usize], seen: &Seen) {
        let calls = self.threads.iter().chain([&self.before]).flat_map(|own| own.iter());
        let sizes: Vec<u32> = calls
            .clone()
            .filter_map(|call| match call {
                GateCall::SetCapacity(capacity) => Some(*capacity),
                _ => None,
            })
            .collect();
        // A holder is alone where each admitted caller takes more than half of the places.
        let least = calls.filter_map(|call| match call {
            GateCall::Acquire => Some(1),
            GateCall::AcquireMany(n) => Some(*n),
            _ => None,
        });
        let alone = least.min().is_some_and(|n| 2 * n > self.capacity) && sizes.is_empty();
        let witness = alone.then(|| UnsafeCell::new(()));
        let witness = Arc::new(witness);

        let person = || Person::new(Arc::clone(&door), Arc::clone(&witness));
        let mut first = person();
        first.live(self.before);
        let mut start = Spec::new(self.capacity);
        for (call, answer) in first.history.drain(..) {
            assert_eq!(start.apply(call), answer, "{call:?}, by one thread alone");
        }
        let mut people: Vec<_> = (1..order.len()).map(|_| person()).collect();
        people.insert(0, first);
        let mut people: Vec<_> = people.into_iter().map(Some).collect();
        let mut part = |who: usize| {
            let mut one = people[who].take().expect("each thread has one part");
            let calls = self.threads[who];
            move || {
                one.live(calls);
                one
            }
        };
        let here = part(order[0]);
        let others: Vec<_> = order[1..].iter().map(|&who| loom::thread::spawn(part(who))).collect();
        let mut people = vec![here()];
        people.extend(others.into_iter().map(|other| other.join().unwrap()));
        let take_history = |one: &mut Person<D>| std::mem::take(&mut one.history);
        let histories: Vec<History> = people.iter_mut().map(take_history).collect();
        seen.note(&histories);
        explain(&start, &histories).unwrap_or_else(|unexplained| panic!("{unexplained}"));

        let held = people.iter().map(|one| one.holds()).sum::<u32>();
        assert_eq!(door.occupied(), held, "places held, after{}", shown(&histories));
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
    history: History,
}

impl<D: Door> Person<D> {
    fn new(door: Arc<D>, witness: Arc<Option<UnsafeCell<()>>>) -> Self {
        Person { door, witness, passes: VecDeque::new(), history: History::new() }
    }

    fn live(&mut self, calls: &[GateCall]) {
        for &call in calls {
            let answer = match call {
                GateCall::Acquire => self.enter(D::enter(&self.door), 1),
                GateCall::AcquireMany(n) => self.enter(D::many(&self.door, n), n),
                GateCall::Release => {
                    if let Some(n) = self.leave() {
                        self.history.push((GateCall::ReleaseMany(n), GateAnswer::Done));
                    }
                    continue;
                }
                GateCall::Occupied => GateAnswer::Held(self.door.occupied()),
                GateCall::Close => {
                    self.door.gate().close();
                    GateAnswer::Done
                }
                GateCall::Reopen => {
                    self.door.gate().reopen();
                    GateAnswer::Done
                }
                GateCall::CloseIf(at_least) => {
                    let closed = self.door.gate().close_if_occupied(at_least);
                    GateAnswer::Quorum(closed.map_err(|error| error.occupied))
                }
                GateCall::SetCapacity(n) => {
                    self.door.gate().set_capacity(n);
                    GateAnswer::Done
                }
                other => unreachable!("no crowd makes the call {other:?}"),
            };
            self.history.push((call, answer));
        }
    }

    fn enter(&mut self, result: Result<D::Pass, TryAcquireError>, n: u32) -> GateAnswer {
        match result {
            Ok(pass) => {
                self.touch();
                self.passes.push_back((pass, n));
                GateAnswer::Acquired
            }
            Err(refused) if refused.is_closed() => GateAnswer::Closed,
            Err(_) => GateAnswer::Full,
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
