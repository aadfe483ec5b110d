//! Stalls: one thread stops for ever after each of its steps while others make complete calls.
//!
//! Shuttle can switch before each operation of an atomic, a lock or a thread. A step is the code
//! from one of these points to the next. A [`Scene`] runs once for each way to stop its thread, so
//! a call that leaves something undone between two steps, on which others depend, is found without
//! chance. All executions are sequentially consistent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{thread, Config, Runner};

/// What happens in a scene. The thread that stalls makes `call`. It stops before each round, some
/// steps further than before, while the round makes complete calls; the rounds follow one another.
/// After the last round it goes on to its end, and `end` checks what is left.
pub(crate) struct Scene<W> {
    /// What a failure is reported under.
    pub(crate) name: String,
    /// Makes what the calls are about, before the other thread begins.
    pub(crate) world: Box<dyn Fn() -> W + Send + Sync>,
    /// What the thread that stalls does.
    pub(crate) call: Box<dyn Fn(&W) + Send + Sync>,
    /// What others do meanwhile.
    pub(crate) rounds: Vec<Box<dyn Fn(&W) + Send + Sync>>,
    /// Checks what is left.
    pub(crate) end: Box<dyn Fn(&W) + Send + Sync>,
}

/// What came of all ways to stop.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Stalls {
    /// The number of ways.
    pub(crate) ways: usize,
    /// In how many of them a round had to wait for the stalled thread. The thread then went on as
    /// far as it had to.
    pub(crate) waited: usize,
}

impl std::ops::AddAssign for Stalls {
    fn add_assign(&mut self, other: Stalls) {
        self.ways += other.ways;
        self.waited += other.waited;
    }
}

impl<W: Send + Sync + 'static> Scene<W> {
    /// Runs the scene for each way to stop.
    pub(crate) fn explore(self) -> Stalls {
        let scene = Arc::new(self);
        let mut seen = Stalls::default();
        let mut stops = vec![0; scene.rounds.len()];
        loop {
            let (waited, returned_before) = scene.run(&stops);
            seen.ways += 1;
            seen.waited += usize::from(waited);
            match returned_before {
                None => *stops.last_mut().expect("a scene has a round") += 1,
                // More steps before that round change nothing: one more before the round ahead.
                Some(round) => {
                    stops[round] = 0;
                    match round.checked_sub(1) {
                        Some(ahead) => stops[ahead] += 1,
                        None => return seen,
                    }
                }
            }
        }
    }

    /// Runs the scene once. `stops` are the steps that the thread takes before each round. Returns
    /// whether a round had to wait for it, and before which round its call had returned.
    fn run(self: &Arc<Self>, stops: &[usize]) -> (bool, Option<usize>) {
        let stalled = Arc::new(Stalled::default());
        let returned_before = Arc::new(AtomicUsize::new(usize::MAX));
        let (scene, theirs, told) =
            (Arc::clone(self), Arc::clone(&stalled), Arc::clone(&returned_before));
        let own_stops = stops.to_vec();
        let mut config = Config::new();
        config.stack_size = 1 << 18;
        let name = Name(&self.name, stops);
        Runner::new(OneStalls { stalled: Arc::clone(&stalled), begun: false }, config).run(
            move || {
                let world = Arc::new((scene.world)());
                let thread = thread::spawn({
                    let (scene, world, stalled) =
                        (Arc::clone(&scene), Arc::clone(&world), Arc::clone(&theirs));
                    move || {
                        (scene.call)(&world);
                        stalled.returned.store(true, SeqCst);
                    }
                });
                for (number, (round, &steps)) in scene.rounds.iter().zip(&own_stops).enumerate() {
                    theirs.steps_left.store(steps, SeqCst);
                    // Here the scheduler lets it take them.
                    theirs.is_asked.store(true, SeqCst);
                    thread::yield_now();
                    if theirs.returned.load(SeqCst) {
                        told.fetch_min(number, SeqCst);
                    }
                    round(&world);
                }
                theirs.goes_on.store(true, SeqCst);
                thread.join().expect("the call that stalled failed");
                (scene.end)(&world);
            },
        );
        drop(name);
        let returned_before = returned_before.load(SeqCst);
        (
            stalled.waited_for.load(SeqCst),
            (returned_before < stops.len()).then_some(returned_before),
        )
    }
}

/// Says at which stops a scene failed.
struct Name<'a>(&'a str, &'a [usize]);

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: the thread had stopped after {:?} steps", self.0, self.1);
        }
    }
}

/// What the scene tells the scheduler, and the scheduler the scene.
#[derive(Default)]
struct Stalled {
    /// The steps that the thread may take now.
    steps_left: AtomicUsize,
    /// Whether the next thread that yields only asks for these steps. Others yield to wait.
    is_asked: AtomicBool,
    /// Whether the rounds are over.
    goes_on: AtomicBool,
    returned: AtomicBool,
    waited_for: AtomicBool,
}

/// Runs the thread that stalls, the first that the scene spawns, for as many steps as it may take,
/// and then only if no other can run.
struct OneStalls {
    stalled: Arc<Stalled>,
    begun: bool,
}

impl Scheduler for OneStalls {
    fn new_execution(&mut self) -> Option<Schedule> {
        (!std::mem::replace(&mut self.begun, true)).then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let ids = || runnable.iter().map(|task| task.id());
        let stalls = |id: &TaskId| usize::from(*id) == 1;
        let steps_left = self.stalled.steps_left.load(SeqCst);
        let waits = is_yielding && !self.stalled.is_asked.swap(false, SeqCst);
        if let (Some(id), 1..) = (ids().find(stalls), steps_left) {
            self.stalled.steps_left.store(steps_left - 1, SeqCst);
            return Some(id);
        }
        let goes_on = |id: &TaskId| !waits && Some(*id) == current && !stalls(id);
        let another = |id: &TaskId| Some(*id) != current && !stalls(id);
        let other = ids().find(goes_on).or_else(|| ids().find(another));
        other.or_else(|| {
            if !self.stalled.goes_on.load(SeqCst) {
                self.stalled.waited_for.store(true, SeqCst);
            }
            ids().find(stalls).or_else(|| ids().next())
        })
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
