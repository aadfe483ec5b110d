//! Destructors and wakers that panic, in every order with another thread's calls: the panic goes on
//! in the call that ran them, and costs no other call anything.

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::Arc;

use loom::thread;

/// Panics without a message.
fn panic() {
    resume_unwind(Box::new("a panic of the model"));
}

/// Returns how many panics `f` ended in: one or none.
fn panics(f: impl FnOnce()) -> usize {
    usize::from(catch_unwind(AssertUnwindSafe(f)).is_err())
}

fn explore(bound: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 20_000;
    builder.check(model);
}

#[cfg(feature = "keyed")]
mod keyed {
    use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

    use headcount::KeyedGate;

    use super::*;

    /// A key whose destructor panics, or does not. All keys of one number are equal.
    struct Key(u8, bool);

    impl PartialEq for Key {
        fn eq(&self, other: &Key) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Key {}

    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_u8(self.0);
        }
    }

    impl Drop for Key {
        fn drop(&mut self) {
            if self.1 {
                panic();
            }
        }
    }

    type Gates = KeyedGate<Key, BuildHasherDefault<DefaultHasher>>;

    /// One caller ends the life of a key, or asks for it, while another does the same with
    /// `panics_here` and `panics_there` saying whose key panics when it is dropped.
    fn check(capacity: u32, panics_here: bool, panics_there: bool) {
        explore(2, move || {
            let gates: Arc<Gates> = Arc::new(
                KeyedGate::builder(move |_: &Key| capacity)
                    .hasher(BuildHasherDefault::default())
                    .max_keys(2)
                    .build(),
            );
            let permit = gates.try_acquire(Key(1, panics_here)).unwrap();
            let theirs = gates.clone();
            let other = thread::spawn(move || {
                panics(|| {
                    let acquired = theirs.try_acquire(Key(1, panics_there));
                    // Its own key has gone into the table, or was dropped.
                    assert!(acquired.is_ok() || capacity == 1, "a place was free");
                    drop(acquired);
                })
            });
            let seen = panics(|| drop(permit)) + other.join().unwrap();
            assert_eq!(seen, usize::from(panics_here) + usize::from(panics_there));
            assert!(gates.is_empty());
            let (one, two) = (gates.try_acquire(Key(1, false)), gates.try_acquire(Key(2, false)));
            assert!(one.is_ok() && two.is_ok(), "the limit has lost a place");
            assert_eq!(gates.occupied(&Key(1, false)), 1);
        });
    }

    #[test]
    fn a_key_that_panics_when_it_ends() {
        check(2, true, false);
    }

    #[test]
    fn a_key_that_panics_when_it_was_not_needed() {
        check(2, false, true);
    }

    #[test]
    fn a_key_that_panics_beside_a_refusal() {
        check(1, true, false);
    }
}

#[cfg(feature = "wait")]
mod wait {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Wake, Waker};

    use headcount::{Acquire, Gate};

    use super::*;
    use crate::wait::{assert_free, block_on};

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic();
        }
    }

    fn poll<'a>(acquire: &mut Acquire<'a>) -> Poll<<Acquire<'a> as Future>::Output> {
        let waker = Waker::from(Arc::new(Panics));
        Pin::new(acquire).poll(&mut Context::from_waker(&waker))
    }

    /// The waker of the first in line panics in the release that serves both.
    #[test]
    fn a_waker_that_panics_in_a_release() {
        explore(3, || {
            let gate = Arc::new(Gate::new(2));
            let permit = gate.try_acquire_many(2).unwrap();
            let mut first = gate.acquire();
            assert!(poll(&mut first).is_pending());
            let theirs = gate.clone();
            let other = thread::spawn(move || drop(block_on(theirs.acquire()).unwrap()));
            assert_eq!(panics(|| drop(permit)), 1);
            other.join().unwrap();
            assert!(matches!(poll(&mut first), Poll::Ready(Ok(_))));
            assert_free(&gate, 2);
        });
    }

    /// The waker of the first in line panics in the closing that refuses it.
    #[test]
    fn a_waker_that_panics_in_a_closing() {
        explore(3, || {
            let gate = Arc::new(Gate::new(0));
            let mut first = gate.acquire();
            assert!(poll(&mut first).is_pending());
            let theirs = gate.clone();
            let other = thread::spawn(move || assert!(block_on(theirs.acquire()).is_err()));
            assert_eq!(panics(|| gate.close()), 1);
            other.join().unwrap();
            assert!(matches!(poll(&mut first), Poll::Ready(Err(_))));
            assert_free(&gate, 0);
        });
    }
}

mod lobby {
    use headcount::Lobby;

    use super::*;

    /// The state of a room, whose destructor panics.
    struct State;

    impl Drop for State {
        fn drop(&mut self) {
            panic();
        }
    }

    /// The last member of a room leaves it, and its state's destructor panics, while another caller
    /// joins, and makes a state too.
    #[test]
    fn a_state_that_panics_when_its_room_closes() {
        explore(2, || {
            let lobby = Arc::new(Lobby::builder(2).max_rooms(1).build_with(|_| State));
            let seat = lobby.join().unwrap();
            seat.state();
            let other = {
                let lobby = Arc::clone(&lobby);
                thread::spawn(move || {
                    panics(|| {
                        let seat = lobby.join().expect("a free seat");
                        seat.state();
                    })
                })
            };
            // Both were in one room, or each closed one.
            let seen = panics(|| drop(seat)) + other.join().unwrap();
            assert!((1..=2).contains(&seen), "{seen} states dropped");
            assert_eq!(lobby.stats(), Default::default());
            assert_eq!(panics(|| drop(lobby.join().expect("a lobby as before"))), 1);
        });
    }
}
