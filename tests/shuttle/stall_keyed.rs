//! A thread stops for ever within a call of a gate by key. Calls that find their key alive, or that
//! bring a key back that its entry keeps, never wait for it, and neither does giving a place back.
//! What waits is what needs the lock of the shard, while the stopped thread has it.
//!
//! A round that waits for the lock lets the stopped thread go on until it is free, and is counted.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, Mutex};

use headcount::{KeyedGate, OwnedKeyHandle, OwnedKeyedPermit};

use crate::support::stall::{Scene, Stalls};

const CAPACITY: u32 = 5;

/// A hasher under which all keys have one shard but different tags: it undoes how the crate mixes
/// hashes.
#[derive(Default)]
struct OneShard(u64);

impl Hasher for OneShard {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let hash = (u64::from(bytes[0]) << 25).wrapping_mul(0xf1de_83e1_9937_733d);
        self.0 = hash ^ (hash >> 32);
    }
}

/// A key with a destructor, which is never dormant.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Boxed(Box<u8>);

impl Hash for Boxed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(*self.0);
    }
}

trait Key: Hash + Eq + Clone + Send + Sync + 'static {
    /// Whether an entry keeps a key that has come before.
    const STAYS: bool;

    fn of(number: u8) -> Self;
}

impl Key for u8 {
    const STAYS: bool = true;

    fn of(number: u8) -> u8 {
        number
    }
}

impl Key for Boxed {
    const STAYS: bool = false;

    fn of(number: u8) -> Boxed {
        Boxed(Box::new(number))
    }
}

/// The keys: one that lives, one that has come before and does not live, and a new one.
const LIVES: u8 = 1;
const CAME: u8 = 2;
const NEW: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Acquire(u8),
    /// Takes a place of a key and gives it back.
    Visit(u8),
    /// Takes a place by a reference to the key and gives it back.
    VisitRef(u8),
    /// Takes two places of a key and gives them back.
    VisitMany(u8),
    /// Gives a place of `LIVES` back: with the last one, the key ends.
    Release,
    Hold(u8),
    SetCapacity(u8),
    Occupied(u8),
    Keys,
    Len,
}

use Call::*;

/// Calls that stall, and are not made by others: they are as `Visit` but for how they begin.
const MORE_THAT_STALL: [Call; 4] =
    [VisitRef(LIVES), VisitRef(NEW), VisitMany(LIVES), VisitMany(CAME)];

const CALLS: [Call; 15] = [
    Acquire(LIVES),
    Acquire(CAME),
    Acquire(NEW),
    Visit(LIVES),
    Visit(CAME),
    Visit(NEW),
    Release,
    Hold(LIVES),
    Hold(CAME),
    SetCapacity(LIVES),
    SetCapacity(NEW),
    Occupied(LIVES),
    Occupied(CAME),
    Keys,
    Len,
];

struct World<K> {
    gates: Arc<KeyedGate<K, BuildHasherDefault<OneShard>>>,
    /// The place that makes a key live, and those that threads have taken meanwhile.
    living: Mutex<Option<OwnedKeyedPermit<K>>>,
    permits: Mutex<Vec<OwnedKeyedPermit<K>>>,
    handles: Mutex<Vec<OwnedKeyHandle<K>>>,
}

impl<K: Key> World<K> {
    fn new() -> World<K> {
        let gates = KeyedGate::with_hasher(|_: &K| CAPACITY, BuildHasherDefault::default());
        let gates = Arc::new(gates);
        // An entry keeps its key from the second life on.
        for number in [LIVES, CAME, LIVES, CAME] {
            drop(gates.try_acquire(K::of(number)).unwrap());
        }
        let living = Mutex::new(gates.clone().try_acquire_owned(K::of(LIVES)).ok());
        World { gates, living, permits: Mutex::default(), handles: Mutex::default() }
    }

    /// Makes a call. There is a place for each thread, so that each is served.
    fn make(&self, call: Call) {
        match call {
            Acquire(number) => {
                let permit = self.gates.clone().try_acquire_owned(K::of(number));
                self.permits.lock().unwrap().push(permit.expect("a place is free"));
            }
            Visit(number) => {
                let permit = self.gates.try_acquire(K::of(number)).expect("a place is free");
                assert!(*permit.key() == K::of(number), "a place of another key");
                drop(permit);
            }
            VisitRef(number) => {
                let key = K::of(number);
                drop(self.gates.try_acquire_ref(&key).expect("a place is free"));
            }
            VisitMany(number) => {
                let permit = self.gates.try_acquire_many(K::of(number), 2);
                assert_eq!(permit.expect("places are free").count(), 2);
            }
            Release => {
                let permit = self.living.lock().unwrap().take();
                drop(permit);
            }
            Hold(number) => {
                let handle = self.gates.clone().hold_owned(K::of(number));
                self.handles.lock().unwrap().push(handle);
            }
            SetCapacity(number) => {
                self.gates.set_capacity(&K::of(number), CAPACITY + 1);
            }
            Occupied(number) => {
                assert!(self.gates.occupied(&K::of(number)) <= CAPACITY);
            }
            Keys => {
                let mut keys: Vec<_> = self.gates.keys().map(|info| info.key).collect();
                assert!(keys.len() <= 3);
                while let Some(key) = keys.pop() {
                    assert!(!keys.contains(&key), "a key lives twice");
                }
            }
            Len => assert!(self.gates.len() <= 3),
        }
    }

    fn end(&self) {
        self.living.lock().unwrap().take();
        self.permits.lock().unwrap().clear();
        self.handles.lock().unwrap().clear();
        assert!(self.gates.is_empty());
        for number in [LIVES, CAME, NEW] {
            let acquire = || self.gates.try_acquire(K::of(number)).ok();
            let permits: Vec<_> = std::iter::from_fn(acquire).collect();
            assert_eq!(permits.len() as u32, CAPACITY, "places were lost or made");
        }
    }
}

/// Whether a call takes no lock, although others make calls at the same time.
fn is_free_of_locks<K: Key>(call: Call) -> bool {
    match call {
        Acquire(CAME) | Visit(CAME) | VisitMany(CAME) => K::STAYS,
        // The key may have ended meanwhile.
        Acquire(LIVES) | Visit(LIVES) | VisitRef(LIVES) | VisitMany(LIVES) => K::STAYS,
        Release | Keys | Len => true,
        _ => false,
    }
}

/// Stalls `call` while another thread makes two calls, in one round and in two.
fn stall<K: Key>(call: Call, others: [Call; 2]) -> Stalls {
    let mut seen = Stalls::default();
    for rounds in [vec![others.to_vec()], others.map(|other| vec![other]).to_vec()] {
        let round = |calls: Vec<Call>| -> Box<dyn Fn(&World<K>) + Send + Sync> {
            Box::new(move |world| calls.iter().for_each(|&call| world.make(call)))
        };
        let scene = Scene {
            name: format!("{call:?} against {rounds:?}"),
            world: Box::new(World::<K>::new),
            call: Box::new(move |world: &World<K>| world.make(call)),
            rounds: rounds.into_iter().map(round).collect(),
            end: Box::new(World::end),
        };
        seen += scene.explore();
    }
    seen
}

/// Every call stalls, against each pair of calls. If neither it nor they give a key a gate, what
/// takes no lock waits for nothing, and waits for no call that takes none.
fn each_call_stalls<K: Key>() {
    let mut all = Stalls::default();
    for call in CALLS.into_iter().chain(MORE_THAT_STALL) {
        for first in CALLS {
            // For those that are as another call, one other call twice is enough.
            let seconds = if CALLS.contains(&call) { CALLS.to_vec() } else { vec![first] };
            for second in seconds {
                let others = [first, second];
                let seen = stall::<K>(call, others);
                all += seen;
                let gates = [call, first, second]
                    .iter()
                    .any(|call| matches!(call, Hold(_) | SetCapacity(_)));
                let free = is_free_of_locks::<K>;
                if !gates && (free(call) || (free(first) && free(second))) {
                    assert_eq!(seen.waited, 0, "{call:?} was waited for by {others:?}");
                }
            }
        }
    }
    println!("{all:?}");
    assert!(all.waited > 0, "no lock was seen");
}

#[test]
fn each_call_of_a_keyed_gate_stalls() {
    each_call_stalls::<u8>();
}

#[test]
fn each_call_of_a_keyed_gate_of_keys_with_destructors_stalls() {
    each_call_stalls::<Boxed>();
}
