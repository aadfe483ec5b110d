//! Counts cache-line transfers: what a machine with many cores would have to send between them.
//!
//! Each thread of an execution runs on a core of its own, whose cache holds every line that the
//! core has touched and that no other core has written since. An access costs one transfer
//! - if it reads a line that only other caches hold;
//! - if it writes a line that another cache holds too, or that only others hold.
//!
//! A line that no cache holds comes from memory, and costs none. Lines are those of the real
//! addresses, 64 bytes each: under shuttle, the crate's atomics are as large as in production.
//!
//! # What is not seen
//!
//! - Plain memory but for the values of the crate's own cells: what lies behind a pointer in them,
//!   what the allocator touches, and the keys that are compared.
//! - The locks of the standard library, reference counts, and thread-local values.
//! - Lines that a processor fetches without being asked, such as the neighbour of one that it was.
//! - Time. A transfer within a chip and one between two chips both count as one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use shuttle::current::{me, set_label_for_task};
use shuttle::scheduler::Scheduler;
use shuttle::sync::Barrier;
use shuttle::{thread, Config, Runner};

const LINE: usize = 64;

/// The cores whose caches hold a line, a bit for each.
type Holders = u64;

#[derive(Default)]
struct Machine {
    lines: HashMap<usize, Holders>,
    /// The cores whose accesses are counted now.
    counted: Holders,
    transfers: usize,
    accesses: usize,
}

impl Machine {
    fn access(&mut self, core: usize, line: usize, writes: bool) {
        let own: Holders = 1 << core;
        let holders = self.lines.entry(line).or_default();
        let is_sent =
            if writes { *holders & !own != 0 } else { *holders & own == 0 && *holders != 0 };
        *holders = if writes { own } else { *holders | own };
        if self.counted & own != 0 {
            self.accesses += 1;
            self.transfers += usize::from(is_sent);
        }
    }
}

thread_local! {
    // Shuttle runs all threads of an execution on one thread of the system.
    static MACHINE: RefCell<Machine> = RefCell::default();
}

/// The number of the running thread, and of its core.
fn core() -> usize {
    me().into()
}

/// The label by which `src/sync.rs` finds the observer of a thread.
type Observer = fn(usize, usize, bool);

fn observe(address: usize, size: usize, writes: bool) {
    let core = core();
    MACHINE.with_borrow_mut(|machine| {
        for line in address / LINE..=(address + size.max(1) - 1) / LINE {
            machine.access(core, line, writes);
        }
    });
}

/// What an operation costs on average.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cost {
    pub(crate) transfers: f64,
    /// The lines that are accessed, each as often as it is.
    pub(crate) accesses: f64,
}

/// What is counted: each thread repeats its act.
pub(crate) struct Load<W: 'static, M> {
    /// Makes what the threads share, for that many threads.
    pub(crate) world: fn(usize) -> W,
    /// Makes what a thread has for itself, one thread after the other.
    pub(crate) member: fn(&'static W, usize) -> M,
    /// Does the operation once; the last argument counts the operations of the thread.
    pub(crate) act: fn(&'static W, &mut M, usize),
}

/// Operations of each thread before anything is counted, and those that are.
const WARM_UP: usize = 100;
const COUNTED: usize = 200;

impl<W: Send + Sync + 'static, M: 'static> Load<W, M> {
    /// Counts on that many threads, in the orders that the scheduler draws.
    pub(crate) fn count(&'static self, threads: usize, orders: impl Scheduler + 'static) -> Cost {
        let sum = Arc::new(std::sync::Mutex::new((Cost::default(), 0.0)));
        let told = Arc::clone(&sum);
        let mut config = Config::new();
        config.stack_size = 1 << 18;
        config.max_steps = shuttle::MaxSteps::None;
        Runner::new(orders, config).run(move || {
            MACHINE.set(Machine::default());
            self.run(threads);
            let machine = MACHINE.take();
            let (cost, operations) = &mut *told.lock().unwrap();
            cost.transfers += machine.transfers as f64;
            cost.accesses += machine.accesses as f64;
            *operations += (threads * COUNTED) as f64;
        });
        let (sum, operations) = *sum.lock().unwrap();
        Cost { transfers: sum.transfers / operations, accesses: sum.accesses / operations }
    }

    fn run(&'static self, threads: usize) {
        // Leaked: what the members have borrows it.
        let world: &'static W = Box::leak(Box::new((self.world)(threads)));
        let all = Arc::new(Barrier::new(threads));
        let turn = Arc::new(shuttle::sync::Mutex::new(()));
        let crew = (0..threads).map(|number| {
            let (all, turn) = (Arc::clone(&all), Arc::clone(&turn));
            thread::spawn(move || {
                set_label_for_task::<Observer>(me(), observe);
                let mut member = {
                    let _turn = turn.lock().unwrap();
                    (self.member)(world, number)
                };
                all.wait();
                (0..WARM_UP).for_each(|round| (self.act)(world, &mut member, round));
                all.wait();
                MACHINE.with_borrow_mut(|machine| machine.counted |= 1 << core());
                (0..COUNTED).for_each(|round| (self.act)(world, &mut member, WARM_UP + round));
                MACHINE.with_borrow_mut(|machine| machine.counted &= !(1 << core()));
                // Until here others may still be counted.
                all.wait();
            })
        });
        let crew: Vec<_> = crew.collect();
        crew.into_iter().for_each(|thread| thread.join().expect("a thread failed"));
    }
}
