//! One user with many tabs counts once: the recipe of the crate's documentation. The key carries a
//! tally, which all tabs of the user share.

use std::hash::{Hash, Hasher};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Barrier;
use std::thread;

use headcount::{Gate, KeyedGate, KeyedPermit, Tally, TryAcquireError};

struct User {
    id: usize,
    tabs: Tally,
}

impl PartialEq for User {
    fn eq(&self, other: &User) -> bool {
        self.id == other.id
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// How often each user was said to have come and to have left.
#[derive(Default)]
struct Told([[AtomicU64; 2]; 3]);

impl Told {
    fn read(&self, id: usize) -> (u64, u64) {
        (self.0[id][0].load(Ordering::SeqCst), self.0[id][1].load(Ordering::SeqCst))
    }
}

struct Tab<'a> {
    user: KeyedPermit<'a, User>,
    left: &'a dyn Fn(usize),
}

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        if self.user.key().tabs.decrement() == 0 {
            (self.left)(self.user.key().id);
        }
    }
}

fn users(max_keys: u32) -> KeyedGate<User> {
    KeyedGate::builder(|_| Gate::MAX_CAPACITY).max_keys(max_keys).build()
}

/// Opens a tab. Returns whether it is the user's first one.
fn open<'a>(
    users: &'a KeyedGate<User>,
    id: usize,
    left: &'a dyn Fn(usize),
) -> Result<(Tab<'a>, bool), TryAcquireError> {
    let user = users.try_acquire(User { id, tabs: Tally::new(0) })?;
    let first = user.key().tabs.increment() == 1;
    Ok((Tab { user, left }, first))
}

fn nothing(_: usize) {}

#[test]
fn the_first_tab_and_the_last_one_are_told_once_each() {
    let users = users(2);
    let told = Told::default();
    let left = |id: usize| {
        told.0[id][1].fetch_add(1, Ordering::SeqCst);
    };
    for life in 0..3 {
        let (one, first) = open(&users, 1, &left).unwrap();
        let (other, second) = open(&users, 1, &left).unwrap();
        assert_eq!((first, second), (true, false));
        drop(one);
        assert_eq!(told.read(1).1, life);
        drop(other);
        assert_eq!((told.read(1).1, users.len()), (life + 1, 0));
    }
}

#[test]
fn the_limit_counts_users_and_not_tabs() {
    let users = users(2);
    let tabs = [1, 1, 2, 2, 2].map(|id| open(&users, id, &nothing).unwrap());
    assert!(matches!(open(&users, 0, &nothing), Err(TryAcquireError::KeysFull)));
    assert!(!open(&users, 1, &nothing).unwrap().1, "one more tab of a user that is inside");
    drop(tabs);
    assert!(open(&users, 0, &nothing).unwrap().1);
}

/// The last tab has told that the user left, and not yet given its place back: the same entry
/// serves the user's next tab, which is told that it is the first, and outlives the old one.
#[test]
fn a_first_tab_while_the_last_one_ends() {
    let users = users(1);
    let again = AtomicU64::new(0);
    let kept = std::sync::Mutex::new(None);
    let left = |id: usize| {
        if again.fetch_add(1, Ordering::SeqCst) == 0 {
            let (tab, first) = open(&users, id, &nothing).unwrap();
            assert!(first);
            *kept.lock().unwrap() = Some(tab);
        }
    };
    drop(open(&users, 1, &left).unwrap());
    assert_eq!((again.load(Ordering::SeqCst), users.len()), (1, 1));
    assert!(!open(&users, 1, &nothing).unwrap().1);
    kept.lock().unwrap().take();
    assert!(users.is_empty());
}

#[test]
fn a_panic_of_the_last_tab_costs_no_place() {
    let users = users(1);
    let panics = |_: usize| std::panic::resume_unwind(Box::new("left"));
    let tab = open(&users, 1, &panics).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(tab))).is_err());
    assert!(users.is_empty());
    assert!(open(&users, 2, &nothing).unwrap().1);
}

/// Threads open and close tabs of the same few users. At each quiet moment a user with a tab has
/// come once more often than left, and one without as often; so no answer was lost or given twice.
#[test]
fn threads_are_told_of_each_first_and_each_last_tab() {
    const THREADS: usize = 4;
    // Each thread may be ending one more life of a user, which counts until its drop returns.
    let users = users(3 + THREADS as u32);
    let told = Told::default();
    let left = |id: usize| {
        told.0[id][1].fetch_add(1, Ordering::SeqCst);
    };
    let (told, users, left) = (&told, &users, &left as &(dyn Fn(usize) + Sync));
    let barrier = Barrier::new(THREADS);
    let quiet = |present: [u64; 3]| {
        barrier.wait();
        for (id, present) in present.into_iter().enumerate() {
            let (came, left) = told.read(id);
            assert_eq!(came - left, present, "user {id} came {came} times and left {left} times");
        }
        barrier.wait();
    };
    thread::scope(|scope| {
        for number in 0..THREADS {
            let quiet = &quiet;
            scope.spawn(move || {
                let enter = |id: usize| {
                    let (tab, first) = open(users, id, left).unwrap();
                    told.0[id][0].fetch_add(u64::from(first), Ordering::SeqCst);
                    tab
                };
                for round in 0..50 {
                    for step in 0..200 {
                        let one = enter((number + step) % 2);
                        let other = enter(step % 2);
                        drop(one);
                        drop(enter(0));
                        drop(other);
                    }
                    quiet([0, 0, 0]);
                    let kept = enter(round % 2);
                    drop(enter(round % 2));
                    drop(enter(2));
                    let mut present = [0, 0, 0];
                    present[round % 2] = 1;
                    quiet(present);
                    drop(kept);
                    quiet([0, 0, 0]);
                }
            });
        }
    });
    assert!(users.is_empty());
}
