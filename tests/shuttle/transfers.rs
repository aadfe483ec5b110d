//! How many cache lines an operation makes cores send each other, on one to sixteen threads.
//!
//! `ci/transfers` prints the table. Orders are round robin, where another thread runs after each
//! access, and random ones. `support/transfers.rs` says what is counted and what is not seen.

use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use headcount::{Gate, KeyedGate, KeyedPermit, Lobby, Seat, StripedGate};
use shuttle::scheduler::{RandomScheduler, RoundRobinScheduler};

use crate::support::lobby_crowd::Dice;
use crate::support::transfers::{Cost, Load};

const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

/// The places of a gate: more than threads.
const PLACES: u32 = 1_000;

/// Keys of each thread, where each has its own, and seats that each thread leaves and takes again.
const OWN: usize = 8;

const SEATS: u32 = 7;

/// Hashes alike in each run, so that the same keys share a shard.
type Hash = BuildHasherDefault<DefaultHasher>;

/// The costs of one load: the orders, and for each number of threads the cost.
type Rows = [(&'static str, [Cost; THREADS.len()]); 2];

/// Counts and prints.
fn rows<W: Send + Sync + 'static, M: 'static>(name: &str, load: Load<W, M>) -> Rows {
    assert!(option_env!("HEADCOUNT_FULL_SIZE").is_some(), "built small: run ci/transfers");
    let load: &'static Load<W, M> = Box::leak(Box::new(load));
    let rows = [
        ("round robin", THREADS.map(|threads| load.count(threads, RoundRobinScheduler::new(1)))),
        (
            "random",
            THREADS.map(|threads| load.count(threads, RandomScheduler::new_from_seed(7, 5))),
        ),
    ];
    for (orders, costs) in rows {
        print!("| {name} | {orders} | {:.1} ", costs[0].accesses);
        costs.iter().for_each(|cost| print!("| {:.2} ", cost.transfers));
        println!("|");
        assert_eq!(costs[0].transfers, 0.0, "{name}: one thread sends nothing");
    }
    rows
}

/// Fails unless the operation costs at most so many transfers, on any number of threads.
fn assert_at_most(most: f64, rows: Rows) {
    for (orders, costs) in rows {
        assert!(costs.iter().all(|cost| cost.transfers <= most), "{orders}: {costs:?}");
    }
}

/// Next to nothing: less than one transfer in ten operations. A table that is rebuilt once within
/// the count takes about one in twenty.
const NEXT_TO_NOTHING: f64 = 0.1;

fn keyed() -> KeyedGate<u64, Hash> {
    KeyedGate::builder(|_: &u64| PLACES).hasher(Hash::default()).build()
}

/// A thread's seats, one in each of its rooms. It has filled those rooms.
fn seats(lobby: &'static Lobby, _: usize) -> Vec<Option<Seat<'static>>> {
    let mut seats: Vec<_> = (0..OWN * SEATS as usize).map(|_| lobby.join().ok()).collect();
    let own = seats.iter_mut().step_by(SEATS as usize).map(Option::take).collect();
    seats.into_iter().for_each(std::mem::forget);
    own
}

fn leave_and_join(lobby: &'static Lobby, seats: &mut Vec<Option<Seat<'static>>>, round: usize) {
    let place = &mut seats[round % OWN];
    drop(place.take());
    *place = lobby.join().ok();
}

/// A pair at a gate is two changes of one word. Each of them fetches it from another core, unless
/// the same thread made the change before.
#[test]
fn a_gate_sends_one_line_for_each_change() {
    let [(_, in_turn), (_, random)] = rows(
        "`Gate`",
        Load {
            world: |_| Gate::new(PLACES),
            member: |_, _| (),
            act: |gate, (), _| drop(gate.try_acquire().unwrap()),
        },
    );
    for ((threads, in_turn), random) in THREADS.into_iter().zip(in_turn).zip(random).skip(1) {
        assert!((in_turn.transfers - 2.0).abs() < 0.01, "{in_turn:?}");
        let others = (threads - 1) as f64 / threads as f64;
        assert!((random.transfers - 2.0 * others).abs() < 0.1, "{random:?}");
    }
}

/// *cheap no*.
#[test]
fn a_refusal_sends_nothing() {
    let refused = rows(
        "`Gate`, refused",
        Load {
            world: |_| Gate::new(0),
            member: |_, _| (),
            act: |gate, (), _| assert!(gate.try_acquire().is_err()),
        },
    );
    assert_at_most(NEXT_TO_NOTHING, refused);
}

#[test]
fn threads_at_a_striped_gate_send_each_other_nothing() {
    let striped = rows(
        "`StripedGate`, a stripe for each thread",
        Load {
            world: |threads| StripedGate::with_stripes(PLACES, threads),
            member: |_, _| (),
            act: |gate, (), _| drop(gate.try_acquire().unwrap()),
        },
    );
    assert_at_most(NEXT_TO_NOTHING, striped);
}

/// A thread's place of each of its own keys, so that they live.
fn own_keys(
    gate: &'static KeyedGate<u64, Hash>,
    thread: usize,
) -> (usize, Vec<KeyedPermit<'static, u64>>) {
    let first = thread * OWN;
    (first, (first..first + OWN).map(|key| gate.try_acquire(key as u64).unwrap()).collect())
}

#[test]
fn threads_with_keys_of_their_own_send_each_other_little() {
    let living = rows(
        "`KeyedGate`, each thread its own 8 keys, which live",
        Load {
            world: |_| keyed(),
            member: own_keys,
            act: |gate, (first, _), round| {
                drop(gate.try_acquire((*first + round % OWN) as u64).unwrap());
            },
        },
    );
    assert_at_most(NEXT_TO_NOTHING, living);
    let coming_and_going = rows(
        "`KeyedGate`, each thread its own 8 keys, which come and go",
        Load {
            world: |_| keyed(),
            member: |_, thread| thread * OWN,
            act: |gate, first, round| {
                drop(gate.try_acquire((*first + round % OWN) as u64).unwrap());
            },
        },
    );
    // Two keys of one shard share its lock.
    assert_at_most(2.0, coming_and_going);
}

/// The number of keys that all threads draw from.
const KEYS: usize = 1_024;

/// Sixteen threads find a line at another core in 15 of 16 cases, two in one of two.
#[test]
fn threads_that_seldom_meet_at_a_key_send_a_bounded_number_of_lines() {
    let [(_, in_turn), (_, random)] = rows(
        "`KeyedGate`, keys drawn from 1,024, which come and go",
        Load {
            world: |_| keyed(),
            member: |_, thread| Dice(0x9e37_79b9_7f4a_7c15 * (thread as u64 + 1)),
            act: |gate, dice, _| drop(gate.try_acquire(dice.below(KEYS) as u64).unwrap()),
        },
    );
    for costs in [in_turn, random] {
        let [_, two, .., sixteen] = costs.map(|cost| cost.transfers);
        assert!(sixteen < 2.2 * two, "{costs:?}");
    }
}

/// Not bounded: a change that another one preceded is tried again, and fetches the line again. The
/// pause that a caller makes before it tries again takes no time here.
#[test]
fn threads_at_one_key_send_its_line_again_for_each_try() {
    let living = rows(
        "`KeyedGate`, one key, which lives",
        Load {
            world: |_| keyed(),
            member: |gate, thread| (thread == 0).then(|| gate.try_acquire(0)),
            act: |gate, _, _| drop(gate.try_acquire(0).unwrap()),
        },
    );
    let coming_and_going = rows(
        "`KeyedGate`, one key, which comes and goes",
        Load {
            world: |_| keyed(),
            member: |_, _| (),
            act: |gate, (), _| drop(gate.try_acquire(0).unwrap()),
        },
    );
    for (orders, costs) in living.into_iter().chain(coming_and_going) {
        let [_, two, .., sixteen] = costs.map(|cost| cost.transfers);
        assert!(1.0 < two && two < sixteen, "{orders}: {costs:?}");
    }
}

#[test]
fn threads_of_one_shard_send_each_other_less_than_at_a_gate() {
    let one = rows(
        "`Lobby`, 1 shard, each thread its own 8 rooms",
        Load { world: |_| Lobby::new(SEATS), member: seats, act: leave_and_join },
    );
    assert_at_most(2.0, one);
}

#[test]
fn threads_with_shards_of_their_own_send_each_other_nothing() {
    let sharded = rows(
        "`Lobby`, a shard for each thread, each its own 8 rooms",
        Load {
            world: |threads| Lobby::builder(SEATS).shards(threads as u32).build(),
            member: seats,
            act: leave_and_join,
        },
    );
    assert_at_most(NEXT_TO_NOTHING, sharded);
}
