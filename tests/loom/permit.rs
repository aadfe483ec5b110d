//! Permits that move between threads: *no-leak*, split and merge.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use headcount::Gate;
use loom::thread::spawn;

use crate::crowd::explore;

/// A permit that moves to another thread gives its place back there, once.
#[test]
fn no_leak_dropped_on_another_thread() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    explore(None, move || {
        let gate = Arc::new(Gate::new(1));
        let permit = Arc::clone(&gate).try_acquire_owned().unwrap();
        let other = spawn(move || drop(permit));
        match gate.try_acquire() {
            Ok(own) => assert_eq!((own.count(), gate.occupied()), (1, 1)),
            Err(_) => _ = counted.fetch_add(1, Ordering::Relaxed),
        }
        other.join().unwrap();
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
    assert!(refused.load(Ordering::Relaxed) > 0);
}

/// A forgotten permit never gives its places back, whatever other threads do at the same time.
#[test]
fn no_leak_but_for_the_forgotten() {
    explore(None, || {
        let gate = Arc::new(Gate::new(2));
        let permit = Arc::clone(&gate).try_acquire_owned().unwrap();
        let other = spawn(move || permit.forget());
        for _ in 0..2 {
            assert!(gate.try_acquire().is_ok(), "no other thread takes the second place");
        }
        other.join().unwrap();
        assert_eq!((gate.occupied(), gate.available()), (1, 1));
    });
}

/// A holder that panics gives its place back, while another thread is admitted or refused.
#[test]
fn no_leak_on_panic() {
    let outcomes = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&outcomes);
    // The panics are part of the model: the hook keeps them out of the output.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"meant") {
            hook(info);
        }
    }));
    explore(None, move || {
        let gate = Arc::new(Gate::new(1));
        let other = {
            let (gate, counted) = (Arc::clone(&gate), Arc::clone(&counted));
            spawn(move || {
                let inside = || gate.try_run(|| std::panic::panic_any("meant"));
                let outcome = catch_unwind(AssertUnwindSafe(inside)).is_err() as usize;
                counted[outcome].fetch_add(1, Ordering::Relaxed);
            })
        };
        let _ = gate.try_run(|| ());
        other.join().unwrap();
        assert_eq!((gate.occupied(), gate.available()), (0, 1));
    });
    let [refused, panicked] = &*outcomes;
    assert!(refused.load(Ordering::Relaxed) > 0 && panicked.load(Ordering::Relaxed) > 0);
}

/// Two parts of one permit, given back on two threads, while a third tries to acquire both places.
#[test]
fn split_on_two_threads() {
    let sums = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&sums);
    explore(None, move || {
        let gate = Arc::new(Gate::new(2));
        let mut permit = Arc::clone(&gate).try_acquire_many_owned(2).unwrap();
        let half = permit.split(1).unwrap();
        let threads = [permit, half].map(|part| spawn(move || drop(part)));
        let entered = gate.try_acquire_many(2);
        counted[entered.is_ok() as usize].fetch_add(1, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(gate.occupied(), entered.as_ref().map_or(0, |party| party.count()));
        drop(entered);
        assert_eq!((gate.occupied(), gate.available()), (0, 2));
    });
    assert!(sums.iter().all(|sum| sum.load(Ordering::Relaxed) > 0));
}

/// Each of two threads splits or merges permits. No place is free at any instant of a split or a
/// merge.
#[test]
fn split_and_merge_on_two_threads() {
    explore(Some(3), || {
        let gate = Arc::new(Gate::new(3));
        let mut permit = Arc::clone(&gate).try_acquire_many_owned(3).unwrap();
        let half = permit.split(1).unwrap();
        let other = {
            let gate = Arc::clone(&gate);
            spawn(move || {
                let mut half = half;
                if let Ok(more) = Arc::clone(&gate).try_acquire_owned() {
                    half.merge(more);
                }
                half
            })
        };
        let third = permit.split(1).unwrap();
        assert!(gate.try_acquire().is_err(), "a split or a merge made a place free");
        drop(third);
        permit.merge(other.join().unwrap());
        assert_eq!(gate.occupied(), permit.count());
        drop(permit);
        assert_eq!((gate.occupied(), gate.available()), (0, 3));
    });
}
