//! Under shuttle: threads that [stall](support::stall), and a lobby of up to sixteen threads,
//! scheduled at random, with a switch possible at
//! every atomic operation of the crate. All executions are sequentially consistent here. Weak
//! orderings are held by the loom models, which are exhaustive and have up to three threads.
//!
//! `ci/shuttle`; a failure prints a schedule that `shuttle::replay` takes.

#![cfg(headcount_shuttle)]

#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod stall_course;
mod stall_gate;
#[cfg(feature = "holds")]
mod stall_holds;
#[cfg(feature = "keyed")]
mod stall_keyed;
mod stall_lobby;
mod stall_striped;
#[cfg(feature = "keyed")]
mod transfers;

use std::sync::Arc;

use shuttle::rand::{thread_rng, Rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::Barrier;
use shuttle::{thread, Config, Runner};
use support::lobby_crowd::{CrowdMember, Dice, Living, Scene, Sums};

/// Runs a crowd once, in an order that the scheduler chooses.
fn crowd(scene: Scene, rounds: usize) {
    let living = Arc::new(Living::default());
    let lobby = Arc::new(scene.lobby(&living));
    let all = Arc::new(Barrier::new(scene.threads + 1));
    let crowd = (0..scene.threads).map(|_| {
        let (lobby, all) = (Arc::clone(&lobby), Arc::clone(&all));
        let dice = Dice(thread_rng().gen::<u64>() | 1);
        thread::spawn(move || {
            let sums = Sums::default();
            let mut member = CrowdMember::new(scene, &lobby, dice, &sums);
            (0..rounds).for_each(|_| member.act());
            all.wait();
            all.wait();
        })
    });
    let crowd: Vec<_> = crowd.collect();
    all.wait();
    scene.settle(&lobby, &living);
    all.wait();
    crowd.into_iter().for_each(|thread| thread.join().expect("a thread failed"));
    assert_eq!(scene.settle(&lobby, &living), 0, "a member that has left is counted");
}

fn run(scheduler: impl Scheduler + 'static, scene: Scene, rounds: usize) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    Runner::new(scheduler, config).run(move || crowd(scene, rounds));
}

/// Runs a thread for some dozen steps before it switches, so that whole calls of other threads fit
/// between two steps of a call.
struct Bursts {
    random: RandomScheduler,
    dice: Dice,
}

impl Scheduler for Bursts {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.random.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let goes_on = runnable.iter().any(|task| Some(task.id()) == current);
        if goes_on && !is_yielding && self.dice.below(24) > 0 {
            return current;
        }
        self.random.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.random.next_u64()
    }
}

/// Runs a third of the orders with a switch at most operations, a third with few, a third in
/// bursts.
fn explore(scene: Scene, rounds: usize, orders: usize) {
    run(RandomScheduler::new(orders / 3), scene, rounds);
    run(PctScheduler::new(5, orders / 3), scene, rounds);
    let random = RandomScheduler::new(orders / 3);
    run(Bursts { random, dice: Dice(rand::random::<u64>() | 1) }, scene, rounds);
}

#[test]
fn sixteen_in_two_rooms_of_one() {
    explore(Scene { threads: 16, seats: 1, shards: 1, max_rooms: 2, keep: 0 }, 40, 1_000);
}

#[test]
fn sixteen_in_eight_rooms_of_two() {
    explore(Scene { threads: 16, seats: 2, shards: 1, max_rooms: 8, keep: 2 }, 40, 1_000);
}

#[test]
fn twelve_in_four_rooms_of_three_and_two_shards() {
    explore(Scene { threads: 12, seats: 3, shards: 2, max_rooms: 4, keep: 2 }, 40, 1_000);
}

#[test]
fn sixteen_in_one_room_of_twenty_five() {
    explore(Scene { threads: 16, seats: 25, shards: 1, max_rooms: 1, keep: 2 }, 40, 1_000);
}

#[test]
fn eight_that_keep_no_seat_in_two_rooms_of_two() {
    explore(Scene { threads: 8, seats: 2, shards: 1, max_rooms: 2, keep: 0 }, 80, 1_000);
}
