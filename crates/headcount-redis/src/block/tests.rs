//! What callers and the task do to a block at the same time, in every order and with every stale
//! value that loom knows.

use loom::sync::Arc;
use loom::thread;

use super::LocalBlock;

const FIRST: u64 = 1;
const SECOND: u64 = 2;

fn block(places: u32) -> Arc<LocalBlock> {
    let block = Arc::new(LocalBlock::new());
    block.grant(places, FIRST, 10);
    block
}

/// Runs a model of three threads, in every order with up to three preemptions.
fn three_threads(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Starts a thread that takes a place for ever, and returns its fence.
fn taker(block: &Arc<LocalBlock>) -> thread::JoinHandle<Option<u64>> {
    let block = Arc::clone(block);
    thread::spawn(move || {
        let (permit, fence) = block.hand_out(1)?;
        std::mem::forget(permit);
        Some(fence)
    })
}

fn join(takers: [thread::JoinHandle<Option<u64>>; 2]) -> Vec<u64> {
    takers.into_iter().filter_map(|taker| taker.join().unwrap()).collect()
}

/// At a time behind the end of the first block: what is of that is lost, and what is of the second
/// is not.
#[test]
fn a_place_of_a_lost_block_is_lost() {
    loom::model(|| {
        let block = block(1);
        let caller = thread::spawn({
            let block = Arc::clone(&block);
            move || {
                if let Some((_permit, fence)) = block.hand_out(1) {
                    assert_eq!(block.is_lost(fence, 15), fence == FIRST);
                }
            }
        });
        block.lose();
        block.grant(1, SECOND, 20);
        caller.join().unwrap();
    });
}

/// Of a block of one place there is never more than one permit that is not lost, however many the
/// lost block had.
#[test]
fn no_place_passes_to_the_next_block() {
    three_threads(|| {
        let block = block(2);
        let takers = [taker(&block), taker(&block)];
        block.lose();
        block.grant(1, SECOND, 20);
        let fences = join(takers);
        assert!(fences.iter().filter(|&&fence| fence == SECOND).count() <= 1, "{fences:?}");
    });
}

/// A renewal loses no permit.
#[test]
fn a_renewed_block_is_not_lost() {
    loom::model(|| {
        let block = block(1);
        let caller = thread::spawn({
            let block = Arc::clone(&block);
            move || {
                let (_permit, fence) = block.hand_out(1).expect("a place");
                assert!(!block.is_lost(fence, 5));
            }
        });
        block.grant(1, FIRST, 20);
        caller.join().unwrap();
    });
}

/// What is handed out and what the engine is told to be free are together no more than the block.
#[test]
fn a_place_is_taken_back_or_handed_out() {
    three_threads(|| {
        let block = block(2);
        let takers = [taker(&block), taker(&block)];
        let back = block.take_back(1);
        let handed_out = join(takers).len();
        assert!(handed_out + back as usize <= 2, "{handed_out} out and {back} back");
    });
}

/// The same while the gate closes. Then no caller is in the way: all that is idle comes back.
#[test]
fn a_closed_block_comes_back() {
    three_threads(|| {
        let block = block(2);
        let takers = [taker(&block), taker(&block)];
        block.gate().close();
        let back = block.take_back(2);
        let handed_out = join(takers).len() as u32;
        assert!(handed_out + back <= 2, "{handed_out} out and {back} back");
        assert_eq!(handed_out + back + block.take_back(2), 2);
    });
}
