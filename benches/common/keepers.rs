//! What keeps guards until a deadline: the holds of this crate, and a map and a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use headcount::{Holds, Ticket};

/// Longer than a bench takes.
pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// The deadlines of claimed guards that a heap may have beside as many as it has guards.
const LEFT_OVER: usize = 64;

/// Keeps guards until a deadline.
pub(crate) trait Keeper: Send + Sync + 'static {
    const NAME: &'static str;
    type Name: Copy + Send + Sync + 'static;

    fn new() -> Self;
    fn put(&self, guard: u64, ttl: Duration) -> Self::Name;
    fn claim(&self, ticket: Self::Name) -> Option<u64>;
    /// Drops what is due.
    fn expire(&self);
}

impl Keeper for Holds<u64> {
    const NAME: &'static str = "Holds";
    type Name = Ticket;

    fn new() -> Self {
        Holds::new(TTL)
    }

    #[inline(always)]
    fn put(&self, guard: u64, ttl: Duration) -> Ticket {
        self.put_for(guard, ttl)
    }

    #[inline(always)]
    fn claim(&self, ticket: Ticket) -> Option<u64> {
        Holds::claim(self, ticket).ok()
    }

    fn expire(&self) {
        black_box(Holds::expire(self));
    }
}

/// Takes 64 bits of a ticket as its hash: tickets are random.
#[derive(Default)]
pub(crate) struct TicketHasher(u64);

impl Hasher for TicketHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a ticket is hashed as one number");
    }

    fn write_u128(&mut self, ticket: u128) {
        self.0 = ticket as u64;
    }
}

pub(crate) type TicketMap<V> = HashMap<u128, V, BuildHasherDefault<TicketHasher>>;

#[derive(Default)]
pub(crate) struct MapAndHeap {
    held: TicketMap<u64>,
    due: BinaryHeap<Reverse<(Instant, u128)>>,
}

impl Keeper for Mutex<MapAndHeap> {
    const NAME: &'static str = "map and heap";
    type Name = u128;

    fn new() -> Self {
        Mutex::default()
    }

    #[inline(always)]
    fn put(&self, guard: u64, ttl: Duration) -> u128 {
        let (deadline, ticket) = (Instant::now() + ttl, rand::random());
        let mut all = self.lock().unwrap();
        all.held.insert(ticket, guard);
        all.due.push(Reverse((deadline, ticket)));
        ticket
    }

    #[inline(always)]
    fn claim(&self, ticket: u128) -> Option<u64> {
        let mut all = self.lock().unwrap();
        let guard = all.held.remove(&ticket);
        if all.due.len() > 2 * all.held.len() + LEFT_OVER {
            let MapAndHeap { held, due } = &mut *all;
            due.retain(|Reverse((_, ticket))| held.contains_key(ticket));
        }
        guard
    }

    fn expire(&self) {
        let now = Instant::now();
        let mut released = Vec::new();
        let mut all = self.lock().unwrap();
        while all.due.peek().is_some_and(|&Reverse((deadline, _))| deadline <= now) {
            let Reverse((_, ticket)) = all.due.pop().unwrap();
            released.extend(all.held.remove(&ticket));
        }
        drop(all);
        black_box(released);
    }
}
