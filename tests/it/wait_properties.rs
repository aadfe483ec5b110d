//! Waiting against the specification of a gate; see `tests/support/model/waiting.rs`.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use headcount::Gate;
use proptest::prelude::*;

use crate::support::model::waiting::{check, Act, Bell};

fn act() -> impl Strategy<Value = Act> {
    let any = || 0..1000usize;
    prop_oneof![
        6 => (prop_oneof![4 => Just(1), 1 => 0..6u32], prop_oneof![4 => Just(u32::MAX), 1 => 0..4u32])
            .prop_map(|(places, limit)| Act::New { places, limit }),
        1 => Just(Act::NewDrain),
        1 => (0..4u32).prop_map(Act::Force),
        1 => Just(Act::TryAcquireAll),
        1 => (0..3u32, 0..3u32).prop_map(|(n, spare)| Act::TryAcquireLeaving(n, spare)),
        1 => (0..4u32).prop_map(Act::Raise),
        1 => (0..4u32).prop_map(Act::Lower),
        12 => (any(), 0..2usize).prop_map(|(pick, waker)| Act::Poll { pick, waker }),
        5 => any().prop_map(Act::Cancel),
        8 => any().prop_map(Act::Release),
        1 => any().prop_map(Act::Forget),
        3 => (0..4u32).prop_map(Act::TryAcquire),
        2 => (0..6u32).prop_map(Act::SetCapacity),
        1 => Just(Act::Close),
        1 => (0..4u32).prop_map(Act::CloseIf),
        2 => Just(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// *no-lost-wakeup*, *no-leak*, first come first served, at every await point.
    #[test]
    fn waiting_agrees_with_the_specification(
        capacity in 0..4u32,
        acts in prop::collection::vec(act(), 1..60),
    ) {
        check(capacity, &acts);
    }

    /// Waiters cancel in any order: all others keep their order and are served in it.
    #[test]
    fn a_long_line_with_gaps(
        order in Just((0..200usize).collect::<Vec<_>>()).prop_shuffle(),
        quitters in 0..200usize,
    ) {
        let gate = Arc::new(Gate::new(1));
        let permit = gate.try_acquire().unwrap();
        let waker = Waker::from(Arc::new(Bell::default()));
        let mut cx = Context::from_waker(&waker);
        let mut line: Vec<_> = (0..200).map(|_| Some(Box::pin(gate.acquire()))).collect();
        for waiter in line.iter_mut().flatten() {
            prop_assert!(waiter.as_mut().poll(&mut cx).is_pending());
        }
        for &quitter in &order[..quitters] {
            line[quitter] = None;
        }
        let mut line: Vec<_> = line.into_iter().flatten().collect();
        prop_assert_eq!(gate.waiting(), line.len());
        for (position, waiter) in line.iter().enumerate() {
            prop_assert_eq!(waiter.position(), Some(position));
        }
        let mut last = Some(permit);
        for waiter in &mut line {
            prop_assert!(waiter.as_mut().poll(&mut cx).is_pending());
            drop(last.take());
            match waiter.as_mut().poll(&mut cx) {
                Poll::Ready(Ok(permit)) => last = Some(permit),
                other => panic!("the next in line is served, not {other:?}"),
            }
        }
        drop(last);
        prop_assert_eq!((gate.waiting(), gate.occupied()), (0, 0));
    }
}
