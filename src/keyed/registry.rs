//! The registry: who comes by the key, and who leaves by it.
//!
//! # Invariant
//!
//! An entry whose life goes on is in the map, so that whoever holds a place finds its entry by the
//! key, and needs no count of references. An entry whose life has ended is removed by whoever ended
//! it, or by anybody who comes upon it before: nobody waits for anybody.

use alloc::sync::Arc;

use super::entry::{Entry, Named};
use super::map::Map;
use super::seats::Seats;
use crate::error::TryAcquireError;
use crate::slot::life::{Life, NoPlace, Reading};

pub(crate) struct Registry<K> {
    map: Map<K>,
    seats: Seats<K>,
}

/// How a caller fared with an entry.
enum Met<T> {
    In(T),
    Full,
    /// The entry was no use, and is out of the way.
    Again,
}

impl<K: Eq> Registry<K> {
    pub(crate) fn new() -> Self {
        Registry { map: Map::new(), seats: Seats::new() }
    }

    /// Shows `f` the entry of a key, if there is one.
    pub(crate) fn with<R>(
        &self,
        key: &K,
        hash: u64,
        f: impl FnOnce(&Arc<Named<K>>) -> R,
    ) -> Option<R> {
        self.map.with(key, hash, f)
    }

    /// Shows `f` the entries one by one, until it says no more.
    pub(crate) fn visit(&self, f: impl FnMut(&Named<K>) -> bool) {
        self.map.visit(f);
    }

    /// Takes a place. Yields what the life read then.
    #[inline]
    pub(crate) fn join(
        &self,
        key: &K,
        hash: u64,
        capacity_of: impl Fn() -> u32,
    ) -> Result<Reading, TryAcquireError>
    where
        K: Clone,
    {
        loop {
            let met = self.map.with(key, hash, |named| match named.life.join() {
                Ok(joined) => Met::In(joined),
                Err(NoPlace::Full) => Met::Full,
                Err(why) if self.revive(named, why, &capacity_of, 1, 0) => {
                    Met::In(Life::begun(named.places, true))
                }
                Err(_) => Met::Again,
            });
            match met {
                Some(Met::In(joined)) => return Ok(joined),
                Some(Met::Full) => return Err(TryAcquireError::Full),
                Some(Met::Again) => {}
                None => match capacity_of() {
                    0 => return Err(TryAcquireError::Full),
                    places => {
                        let entry = Entry::new(places, 1, 0);
                        let named = Arc::new(Named { key: key.clone(), hash, entry });
                        let newcomer = self.seats.knock().then(|| named.clone());
                        if self.map.insert(named) {
                            let kept = newcomer.is_some_and(|newcomer| self.seat(newcomer));
                            return Ok(Life::begun(places, kept));
                        }
                    }
                },
            }
        }
    }

    /// Gives a place back. `seen` is what the life read when the place was taken.
    #[inline]
    pub(crate) fn part(&self, key: &K, hash: u64, seen: Reading) {
        // It is there, unless the key's `Eq` has changed its mind.
        self.map.with(key, hash, |named| {
            if named.part(seen) {
                self.map.remove(named);
            }
        });
    }

    /// Takes a stake, and yields the entry that it is in.
    pub(crate) fn hold(&self, key: &K, hash: u64, capacity_of: impl Fn() -> u32) -> Arc<Named<K>>
    where
        K: Clone,
    {
        loop {
            let held = self.map.with(key, hash, |named| {
                let held = match named.hold() {
                    Ok(()) => true,
                    Err(why) => self.revive(named, why, &capacity_of, 0, 1),
                };
                held.then(|| named.clone())
            });
            match held {
                Some(Some(named)) => return named,
                Some(None) => {}
                None => {
                    let entry = Entry::new(capacity_of(), 0, 1);
                    let named = Arc::new(Named { key: key.clone(), hash, entry });
                    if self.map.insert(named.clone()) {
                        return named;
                    }
                }
            }
        }
    }

    /// Gives a stake up.
    pub(crate) fn let_go(&self, named: &Arc<Named<K>>) {
        if named.let_go() {
            self.map.remove(named);
        }
    }

    /// Changes the capacity of a key that lives.
    pub(crate) fn set_capacity(&self, named: &Arc<Named<K>>, capacity: u32) -> bool {
        let changed = named.set_capacity(capacity);
        if changed && named.end_if_vacant() {
            self.map.remove(named);
        }
        changed
    }

    /// Revives an entry that rests, or else sees to it that one which is no use is out of the way.
    #[inline]
    fn revive(
        &self,
        named: &Arc<Named<K>>,
        why: NoPlace,
        capacity_of: &impl Fn() -> u32,
        heads: u32,
        stakes: u32,
    ) -> bool {
        if why == NoPlace::Resting {
            let places = capacity_of();
            if places == named.places {
                return named.life.revive(places, heads, stakes);
            }
            if !named.life.drop_kept() {
                // Somebody else has revived it, or ended it.
                return false;
            }
        }
        self.map.remove(named);
        false
    }

    /// Lets an entry rest when its life ends. The caller has a head in it.
    fn seat(&self, newcomer: Arc<Named<K>>) -> bool {
        let Some(before) = self.seats.seat(newcomer) else { return false };
        if let Some(before) = before {
            if before.life.drop_kept() {
                self.map.remove(&before);
            }
        }
        true
    }
}
