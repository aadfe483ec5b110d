//! One user with many tabs counts once: the recipe of the crate's documentation. The key carries a
//! tally, which all tabs of the user share.

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use headcount::{Gate, KeyedGate, Tally};
use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
use loom::thread;

/// The only user, and its open tabs.
struct User(Tally);

impl PartialEq for User {
    fn eq(&self, _: &User) -> bool {
        true
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(1);
    }
}

type Users = KeyedGate<User, BuildHasherDefault<DefaultHasher>>;

/// Whether a thread's tab is open for certain: told after it was opened, and before it is closed.
struct Open([AtomicBool; 2]);

impl Open {
    /// Returns whether a thread's tab is open: by an exchange, which reads the latest value.
    fn is_open(&self, number: usize) -> bool {
        self.0[number].fetch_or(false, SeqCst)
    }
}

/// Opens a tab, closes it, and returns whether it was told to be the first, and to be the last.
fn visit(users: &Users, open: &Open, number: usize) -> (bool, bool) {
    let is_other_open = || open.is_open(1 - number);
    let was_open = is_other_open();
    let permit = users.try_acquire(User(Tally::new(0))).unwrap();
    let first = permit.key().0.increment() == 1;
    assert!(!(first && was_open && is_other_open()), "first, beside a tab that stays open");
    // Swaps, as loom may put a plain store before an exchange that has not read it.
    open.0[number].swap(true, SeqCst);
    let was_open = is_other_open();
    open.0[number].swap(false, SeqCst);
    let last = permit.key().0.decrement() == 0;
    assert!(!(last && was_open && is_other_open()), "last, beside a tab that stays open");
    (first, last)
}

#[test]
fn each_first_tab_has_its_last() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let users = KeyedGate::builder(|_: &User| Gate::MAX_CAPACITY)
            .hasher(BuildHasherDefault::default())
            // One user, and one whose end is not over: it counts until the drop returns.
            .max_keys(2)
            .build();
        let users = Arc::new(users);
        let open = Arc::new(Open([AtomicBool::new(false), AtomicBool::new(false)]));
        let (theirs, told) = (users.clone(), open.clone());
        let thread = thread::spawn(move || visit(&theirs, &told, 1));
        let here = visit(&users, &open, 0);
        let there = thread.join().unwrap();
        let (firsts, lasts) = (here.0 as u8 + there.0 as u8, here.1 as u8 + there.1 as u8);
        assert!(firsts == lasts && (1..=2).contains(&firsts), "{here:?} {there:?}");
        assert!(users.is_empty());
    });
}
