//! A keyed gate beside a plain model: a map of specified gates. The properties and the fuzz target
//! share this.
//!
//! After each operation the result is the model's, and so are `keys`, `len`, `is_empty` and
//! `occupied` of every key.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use headcount::{
    Gate, KeyHandle, KeyedGate, KeyedPermit, OwnedKeyHandle, OwnedKeyedPermit, TryAcquireError,
};
use headcount_spec::{Gate as GateSpec, GateAnswer, GateCall, Spec};

use super::bytes::Bytes;
use super::remove;

const KEYS: u8 = 6;

/// How the hashes of the keys lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hashes {
    Distinct,
    /// All keys have the same cell but different tags: this undoes how the crate mixes hashes.
    OneCell,
    Equal,
}

pub(crate) struct Hash(Hashes, u64);

impl BuildHasher for Hashes {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(*self, 0)
    }
}

impl Hasher for Hash {
    fn finish(&self) -> u64 {
        self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        let key = u64::from(bytes[0]);
        self.1 = match self.0 {
            Hashes::Distinct => key,
            Hashes::OneCell => {
                let hash = (key << 25).wrapping_mul(0xf1de_83e1_9937_733d);
                hash ^ (hash >> 32)
            }
            Hashes::Equal => 42,
        };
    }
}

/// By which call places are acquired.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    One,
    OneOwned,
    OneByRef,
    Many(u32),
    ManyOwned(u32),
}

/// One operation. `pick` chooses among the permits or among the handles.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Acquire { key: u8, how: How },
    Drop(u8),
    Hold { key: u8, owned: bool },
    DropHandle(u8),
    ByHandle { pick: u8, call: GateCall },
    SetCapacity { key: u8, capacity: u32 },
}

impl Bytes<'_> {
    fn key(&mut self) -> u8 {
        self.byte() % KEYS
    }

    fn few(&mut self) -> u32 {
        match self.byte() % 16 {
            15 => self.amount(),
            few => u32::from(few % 5),
        }
    }

    pub(crate) fn keyed_op(&mut self) -> Op {
        let capacity = |n: u32| n.min(Gate::MAX_CAPACITY);
        match self.byte() % 16 {
            0 | 1 => Op::Acquire { key: self.key(), how: How::One },
            2 => Op::Acquire { key: self.key(), how: How::OneOwned },
            3 => Op::Acquire { key: self.key(), how: How::OneByRef },
            4 => Op::Acquire { key: self.key(), how: How::Many(self.few()) },
            5 => Op::Acquire { key: self.key(), how: How::ManyOwned(self.few()) },
            6..=9 => Op::Drop(self.byte()),
            10 => Op::Hold { key: self.key(), owned: self.byte() % 2 == 1 },
            11 | 12 => Op::DropHandle(self.byte()),
            13 => Op::SetCapacity { key: self.key(), capacity: capacity(self.few()) },
            _ => {
                let pick = self.byte();
                let call = match self.byte() % 6 {
                    0 | 1 => GateCall::Acquire,
                    2 => GateCall::AcquireMany(self.few()),
                    3 => GateCall::Close,
                    4 => GateCall::Reopen,
                    _ => GateCall::SetCapacity(capacity(self.few())),
                };
                Op::ByHandle { pick, call }
            }
        }
    }
}

enum Held<'a> {
    Borrowed(KeyedPermit<'a, u8>),
    Owned(OwnedKeyedPermit<u8>),
}

impl Held<'_> {
    fn read(&self) -> (u8, u32) {
        match self {
            Held::Borrowed(permit) => (*permit.key(), permit.count()),
            Held::Owned(permit) => (*permit.key(), permit.count()),
        }
    }
}

enum Handle<'a> {
    Borrowed(KeyHandle<'a, u8>),
    Owned(OwnedKeyHandle<u8>),
}

impl Handle<'_> {
    fn read(&self) -> (u8, &Gate) {
        match self {
            Handle::Borrowed(handle) => (*handle.key(), handle),
            Handle::Owned(handle) => (*handle.key(), handle),
        }
    }
}

/// One key's life in the model.
struct Life {
    gate: GateSpec,
    /// Handles, and permits of no places.
    pins: u32,
}

struct Model {
    lives: BTreeMap<u8, Life>,
    max_keys: usize,
}

fn capacity_of(key: u8) -> u32 {
    u32::from(key % 4)
}

impl Model {
    /// Returns the life of a key, which begins if it does not live.
    fn life(&mut self, key: u8) -> Result<&mut Life, TryAcquireError> {
        if !self.lives.contains_key(&key) && self.lives.len() == self.max_keys {
            return Err(TryAcquireError::KeysFull);
        }
        let new = || Life { gate: GateSpec::new(capacity_of(key)), pins: 0 };
        Ok(self.lives.entry(key).or_insert_with(new))
    }

    fn acquire(&mut self, key: u8, n: u32) -> Result<(u8, u32), TryAcquireError> {
        if !self.lives.contains_key(&key) && capacity_of(key) < n {
            return Err(TryAcquireError::Full);
        }
        let life = self.life(key)?;
        match life.gate.apply(GateCall::AcquireMany(n)) {
            GateAnswer::Acquired => {
                life.pins += u32::from(n == 0);
                Ok((key, n))
            }
            GateAnswer::Closed => Err(TryAcquireError::Closed),
            _ => Err(TryAcquireError::Full),
        }
    }

    fn release(&mut self, key: u8, n: u32) {
        let life = self.lives.get_mut(&key).expect("the key lives");
        if n == 0 {
            life.pins -= 1;
        } else {
            life.gate.apply(GateCall::ReleaseMany(n));
        }
        if life.gate.held + life.pins == 0 {
            self.lives.remove(&key);
        }
    }
}

/// Applies `ops` to a keyed gate of at most so many keys, and to the model. Panics where they
/// differ.
pub(crate) fn check(hashes: Hashes, max_keys: u8, ops: impl IntoIterator<Item = Op>) {
    let gates = KeyedGate::builder(|key: &u8| capacity_of(*key))
        .hasher(hashes)
        .max_keys(max_keys.into())
        .build();
    let gates = Arc::new(gates);
    let mut model = Model { lives: BTreeMap::new(), max_keys: max_keys.into() };
    let (mut permits, mut handles) = (Vec::new(), Vec::new());
    for op in ops {
        match op {
            Op::Acquire { key, how } => {
                let shared = Arc::clone(&gates);
                let (n, permit) = match how {
                    How::One => (1, gates.try_acquire(key).map(Held::Borrowed)),
                    How::OneOwned => (1, shared.try_acquire_owned(key).map(Held::Owned)),
                    How::OneByRef => (1, gates.try_acquire_ref(&key).map(Held::Borrowed)),
                    How::Many(n) => (n, gates.try_acquire_many(key, n).map(Held::Borrowed)),
                    How::ManyOwned(n) => {
                        (n, shared.try_acquire_many_owned(key, n).map(Held::Owned))
                    }
                };
                assert_eq!(
                    permit.as_ref().map(Held::read),
                    model.acquire(key, n).as_ref().copied()
                );
                permits.extend(permit);
            }
            Op::Drop(pick) => {
                if let Some(permit) = remove(&mut permits, pick) {
                    let (key, n) = permit.read();
                    drop(permit);
                    model.release(key, n);
                }
            }
            Op::Hold { key, owned } => {
                let handle = if owned {
                    gates.clone().try_hold_owned(key).map(Handle::Owned)
                } else {
                    gates.try_hold(key).map(Handle::Borrowed)
                };
                let life = model.life(key).map(|life| life.pins += 1);
                assert_eq!(handle.as_ref().map(drop), life.as_ref().map(drop));
                handles.extend(handle);
            }
            Op::DropHandle(pick) => {
                if let Some(handle) = remove(&mut handles, pick) {
                    let key = handle.read().0;
                    drop(handle);
                    model.release(key, 0);
                }
            }
            Op::ByHandle { pick, call } => {
                if handles.is_empty() {
                    continue;
                }
                let (key, gate) = handles[usize::from(pick) % handles.len()].read();
                by_handle(gate, &mut model.lives.get_mut(&key).expect("it lives").gate, call);
            }
            Op::SetCapacity { key, capacity } => {
                assert_eq!(gates.set_capacity(&key, capacity), model.lives.contains_key(&key));
                if let Some(life) = model.lives.get_mut(&key) {
                    life.gate.apply(GateCall::SetCapacity(capacity));
                }
            }
        }
        compare(&gates, &model);
    }
    drop((permits, handles));
    assert!(gates.is_empty());
}

/// Makes a call of a key's gate. What it acquires is given back at once.
fn by_handle(gate: &Gate, spec: &mut GateSpec, call: GateCall) {
    let answer = match call {
        GateCall::Acquire => super::gate::told(&gate.try_acquire()),
        GateCall::AcquireMany(n) => super::gate::told(&gate.try_acquire_many(n)),
        GateCall::Close => {
            gate.close();
            GateAnswer::Done
        }
        GateCall::Reopen => {
            gate.reopen();
            GateAnswer::Done
        }
        GateCall::SetCapacity(capacity) => {
            gate.set_capacity(capacity);
            GateAnswer::Done
        }
        _ => unreachable!("no operation makes it"),
    };
    assert_eq!(answer, spec.apply(call), "{call:?}");
    if answer == GateAnswer::Acquired {
        let n = if let GateCall::AcquireMany(n) = call { n } else { 1 };
        spec.apply(GateCall::ReleaseMany(n));
    }
    assert_eq!(super::gate::readings(gate), spec.readings(), "{call:?}");
}

fn compare(gates: &KeyedGate<u8, Hashes>, model: &Model) {
    let mut shown: Vec<_> =
        gates.keys().map(|info| (info.key, info.occupied, info.capacity)).collect();
    shown.sort_unstable();
    let read = |(key, life): (&u8, &Life)| (*key, life.gate.held, life.gate.capacity);
    assert_eq!(shown, model.lives.iter().map(read).collect::<Vec<_>>());
    assert_eq!((gates.len(), gates.is_empty()), (model.lives.len(), model.lives.is_empty()));
    for key in 0..KEYS {
        let held = model.lives.get(&key).map_or(0, |life| life.gate.held);
        assert_eq!(gates.occupied(&key), held, "of {key}");
    }
}
