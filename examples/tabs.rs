//! A user with many tabs counts once. The first tab tells that the user came, and the last one that
//! the user left: exactly once each, whatever the tabs do.

use std::hash::{Hash, Hasher};
use std::thread;

use headcount::{Gate, KeyedGate, KeyedPermit, Tally};

/// A user with the number of open tabs. Users are the same if their ids are.
struct User(u64, Tally);

impl PartialEq for User {
    fn eq(&self, other: &User) -> bool {
        self.0 == other.0
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// An open tab. Its permit leads to the one `User` that all tabs of the user share.
struct Tab<'a>(KeyedPermit<'a, User>);

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        if self.0.key().1.decrement() == 0 {
            println!("user {} has left", self.0.key().0);
            LEFT.increment();
        }
    }
}

fn open(users: &KeyedGate<User>, id: u64) -> Option<Tab<'_>> {
    let tab = Tab(users.try_acquire(User(id, Tally::new(0))).ok()?);
    if tab.0.key().1.increment() == 1 {
        println!("user {id} has come");
        CAME.increment();
    }
    Some(tab)
}

static CAME: Tally = Tally::new(0);
static LEFT: Tally = Tally::new(0);

fn main() {
    // At most two users, with as many tabs as each likes.
    let users = KeyedGate::builder(|_| Gate::MAX_CAPACITY).max_keys(2).build();
    let tabs: Vec<_> = (0..3).map(|_| open(&users, 1).expect("there is room")).collect();
    let bob = open(&users, 2).expect("there is room");
    assert!(open(&users, 3).is_none(), "a third user");
    assert!(open(&users, 1).is_some(), "one more tab of a user who is there");
    assert_eq!((CAME.get(), LEFT.get(), users.len()), (2, 0, 2));

    drop((tabs, bob));
    assert_eq!((CAME.get(), LEFT.get(), users.len()), (2, 2, 0));

    // Two tabs come and go on two threads: each coming has its leaving.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..3).for_each(|_| drop(open(&users, 1))));
        }
    });
    assert_eq!(CAME.get(), LEFT.get());
}
