//! Random actions on a keyed gate beside a plain model: a `HashMap` of specified gates.
//!
//! After each action the result is the model's, and so are `keys`, `len`, `is_empty` and `occupied`
//! of every key.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;

use crate::support::colliding_hasher::Same;
use crate::support::model::gate::told;
use headcount::{KeyedGate, KeyedPermit, OwnedKeyHandle, OwnedKeyedPermit};
use headcount_spec::{Gate, GateAnswer, GateCall, Spec};
use proptest::prelude::*;

const KEYS: u8 = 6;

/// A hasher under which all keys have the same cell but different tags: it undoes how the crate
/// mixes hashes.
#[derive(Default)]
struct OneCell(u64);

impl Hasher for OneCell {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let hash = (u64::from(bytes[0]) << 25).wrapping_mul(0xf1de_83e1_9937_733d);
        self.0 = hash ^ (hash >> 32);
    }
}

#[derive(Clone, Debug)]
enum Action {
    Acquire(u8),
    AcquireOwned(u8),
    Hold(u8),
    AcquireByHandle(usize),
    Release(usize),
    ReleaseOwned(usize),
    DropHandle(usize),
    Resize(u8, u32),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        4 => (0..KEYS).prop_map(Action::Acquire),
        2 => (0..KEYS).prop_map(Action::AcquireOwned),
        1 => (0..KEYS).prop_map(Action::Hold),
        1 => any::<usize>().prop_map(Action::AcquireByHandle),
        4 => any::<usize>().prop_map(Action::Release),
        2 => any::<usize>().prop_map(Action::ReleaseOwned),
        1 => any::<usize>().prop_map(Action::DropHandle),
        1 => (0..KEYS, 0..5u32).prop_map(|(key, capacity)| Action::Resize(key, capacity)),
    ];
    prop::collection::vec(action, 0..200)
}

fn capacity_of(key: u8) -> u32 {
    u32::from(key % 4)
}

/// One key's life in the model.
struct Life {
    gate: Gate,
    handles: u32,
}

#[derive(Default)]
struct Model(HashMap<u8, Life>);

impl Model {
    fn acquire(&mut self, key: u8) -> GateAnswer {
        let answer = self.life(key).gate.apply(GateCall::Acquire);
        self.change(key, |_| {});
        answer
    }

    fn life(&mut self, key: u8) -> &mut Life {
        let new = || Life { gate: Gate::new(capacity_of(key)), handles: 0 };
        self.0.entry(key).or_insert_with(new)
    }

    fn release(&mut self, key: u8) {
        self.change(key, |life| {
            life.gate.apply(GateCall::Release);
        });
    }

    fn change(&mut self, key: u8, change: impl FnOnce(&mut Life)) {
        let life = self.0.get_mut(&key).expect("the key lives");
        change(life);
        if life.gate.held + life.handles == 0 {
            self.0.remove(&key);
        }
    }
}

fn take<T>(list: &mut Vec<T>, index: usize) -> Option<T> {
    (!list.is_empty()).then(|| list.swap_remove(index % list.len()))
}

fn run<S: BuildHasher>(actions: Vec<Action>, hasher: S) -> Result<(), TestCaseError> {
    let gates = Arc::new(KeyedGate::with_hasher(|key: &u8| capacity_of(*key), hasher));
    let mut model = Model::default();
    let mut permits: Vec<KeyedPermit<'_, u8>> = Vec::new();
    let mut owned: Vec<OwnedKeyedPermit<u8>> = Vec::new();
    let mut handles: Vec<OwnedKeyHandle<u8>> = Vec::new();
    for action in actions {
        match action {
            Action::Acquire(key) => {
                let permit = gates.try_acquire(key);
                prop_assert_eq!(told(&permit), model.acquire(key));
                permits.extend(permit);
            }
            Action::AcquireOwned(key) => {
                let permit = gates.clone().try_acquire_owned(key);
                prop_assert_eq!(told(&permit), model.acquire(key));
                owned.extend(permit);
            }
            Action::Hold(key) => {
                handles.push(gates.clone().hold_owned(key));
                model.life(key).handles += 1;
            }
            Action::AcquireByHandle(index) if !handles.is_empty() => {
                let handle = &handles[index % handles.len()];
                let gate = &mut model.life(*handle.key()).gate;
                let (held, capacity) = (gate.held, gate.capacity);
                prop_assert_eq!((handle.occupied(), handle.capacity()), (held, capacity));
                let permit = handle.try_acquire();
                prop_assert_eq!(told(&permit), gate.apply(GateCall::Acquire));
                prop_assert_eq!(handle.occupied(), gate.held);
                if permit.is_ok() {
                    gate.apply(GateCall::Release);
                }
            }
            Action::AcquireByHandle(_) => {}
            Action::Release(index) => {
                if let Some(permit) = take(&mut permits, index) {
                    model.release(*permit.key());
                }
            }
            Action::ReleaseOwned(index) => {
                if let Some(permit) = take(&mut owned, index) {
                    model.release(*permit.key());
                }
            }
            Action::DropHandle(index) => {
                if let Some(handle) = take(&mut handles, index) {
                    model.change(*handle.key(), |life| life.handles -= 1);
                }
            }
            Action::Resize(key, capacity) => {
                prop_assert_eq!(gates.set_capacity(&key, capacity), model.0.contains_key(&key));
                if let Some(life) = model.0.get_mut(&key) {
                    life.gate.apply(GateCall::SetCapacity(capacity));
                }
            }
        }
        let mut shown: Vec<_> =
            gates.keys().map(|info| (info.key, info.occupied, info.capacity)).collect();
        shown.sort_unstable();
        let mut expected: Vec<_> =
            model.0.iter().map(|(key, life)| (*key, life.gate.held, life.gate.capacity)).collect();
        expected.sort_unstable();
        prop_assert_eq!(shown, expected);
        prop_assert_eq!((gates.len(), gates.is_empty()), (model.0.len(), model.0.is_empty()));
        for key in 0..KEYS {
            prop_assert_eq!(
                gates.occupied(&key),
                model.0.get(&key).map_or(0, |life| life.gate.held)
            );
        }
    }
    drop((permits, owned, handles));
    prop_assert!(gates.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn as_the_model(actions in actions()) {
        run(actions, RandomState::new())?;
    }

    #[test]
    fn as_the_model_when_all_keys_have_one_cell(actions in actions()) {
        run(actions, BuildHasherDefault::<OneCell>::default())?;
    }

    #[test]
    fn as_the_model_when_all_keys_collide(actions in actions()) {
        run(actions, Same)?;
    }
}
