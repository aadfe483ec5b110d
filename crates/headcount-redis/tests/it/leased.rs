use headcount_redis::{LeasedGate, RemoteError, RemoteGate};

use crate::support::{connect, ms, on_both, until, Engine, Server};

on_both! {
    a_block_is_handed_out_locally, exact_admits_where_batched_refuses, idle_places_come_back,
    a_nudge_returns_idle_places, a_block_is_renewed, a_lost_block_loses_its_permits, closes,
    a_dropped_gate_returns_its_block, a_closed_gate_returns_its_block, processes_are_never_over,
    many_places, the_local_path_allocates_nothing, an_answer_after_the_end_of_the_block,
}

async fn batched(server: &Server, capacity: u32, ttl: u64) -> LeasedGate {
    LeasedGate::batched(&connect(&server.url()).await, "jobs", capacity, ms(ttl)).unwrap()
}

async fn remote(server: &Server, capacity: u32) -> RemoteGate {
    RemoteGate::new(&connect(&server.url()).await, "jobs", capacity, ms(60_000)).unwrap()
}

/// How many commands the server has carried out.
fn commands(server: &Server) -> u64 {
    let info: String = server.command(&["INFO", "stats"]);
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.expect("a count").trim().parse().expect("a number")
}

async fn a_block_is_handed_out_locally(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 1000, 60_000).await;
    assert_eq!(jobs.leased(), Some(0));
    let first = jobs.try_acquire().await.unwrap();
    drop(first);
    while jobs.leased() < Some(100) {
        let held: Vec<_> = std::iter::from_fn(|| jobs.try_acquire_local()).collect();
        let _one_more = jobs.try_acquire().await.unwrap();
        drop(held);
    }
    let before = commands(&server);
    for _ in 0..1000 {
        let held: Vec<_> = (0..50).map(|_| jobs.try_acquire_local().unwrap()).collect();
        assert!(held.iter().all(|permit| permit.fence() > 0 && !permit.is_lost()));
    }
    assert!(commands(&server) - before < 10, "INFO itself, and what connects for it");
    assert_eq!(remote(&server, 1000).await.occupied().await.ok(), jobs.leased());
}

/// The difference of the two kinds: one place is left, and it lies idle in another process.
async fn exact_admits_where_batched_refuses(engine: Engine) {
    let server = Server::start(engine);
    let (here, there) = (batched(&server, 1, 60_000).await, batched(&server, 1, 60_000).await);
    drop(here.try_acquire().await.unwrap());
    assert_eq!(here.leased(), Some(1));
    let refused = there.try_acquire().await.unwrap_err();
    assert!(refused.is_full(), "the place lies idle: {refused}");

    let connection = connect(&server.url()).await;
    let exact = |_| LeasedGate::new(&connection, "exact jobs", 1, ms(60_000)).unwrap();
    let (here, there) = (exact(0), exact(1));
    here.try_acquire().await.unwrap().release().await.unwrap();
    there.try_acquire().await.expect("the place is free").release().await.unwrap();
    assert!(here.try_acquire_local().is_none(), "an exact gate holds no block");
}

async fn idle_places_come_back(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 100, 300).await;
    let held: Vec<_> = futures(&jobs, 20).await;
    assert!(jobs.leased() >= Some(20));
    drop(held);
    until("all places have come back", async || jobs.leased() == Some(0)).await;
    assert_eq!(remote(&server, 100).await.occupied().await, Ok(0));
    let _again = jobs.try_acquire().await.unwrap();
}

async fn futures(jobs: &LeasedGate, count: usize) -> Vec<headcount_redis::LeasedPermit<'_>> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(jobs.try_acquire().await.unwrap());
    }
    held
}

async fn a_nudge_returns_idle_places(engine: Engine) {
    let server = Server::start(engine);
    // The ttl is long: only the nudge can be what returns the places.
    let (here, there) = (batched(&server, 10, 60_000).await, batched(&server, 10, 60_000).await);
    let mut held = futures(&here, 10).await;
    held.truncate(4);
    assert_eq!(here.leased(), Some(10));
    until("the other process gets a place", async || there.try_acquire().await.is_ok()).await;
    assert_eq!(here.leased(), Some(4));
    assert!(held.iter().all(|permit| !permit.is_lost()));
}

async fn a_block_is_renewed(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 300).await;
    let held = futures(&jobs, 3).await;
    tokio::time::sleep(ms(1000)).await;
    assert!(held.iter().all(|permit| !permit.is_lost()));
    assert_eq!(remote(&server, 10).await.occupied().await, Ok(3), "what is idle is returned");
}

async fn a_lost_block_loses_its_permits(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 4, 300).await;
    let held = futures(&jobs, 3).await;
    // All places are given away: the block cannot be registered again.
    let _: () = server.command(&["FLUSHALL"]);
    let thief = remote(&server, 4).await;
    let all = thief.try_acquire_many(4).await.unwrap();
    until("the permits are lost", async || held.iter().all(|permit| permit.is_lost())).await;
    assert!(jobs.try_acquire_local().is_none());
    assert!(jobs.try_acquire().await.unwrap_err().is_full());
    all.release().await.unwrap();
    // The three that are still held count against the new block.
    let last = jobs.try_acquire().await.unwrap();
    assert!(!last.is_lost() && held.iter().all(|permit| permit.is_lost()));
    assert!(jobs.try_acquire().await.unwrap_err().is_full());
    drop(held);
    let _next = futures(&jobs, 3).await;
}

async fn closes(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 300).await;
    let held = jobs.try_acquire().await.unwrap();
    let gate = remote(&server, 10).await;
    gate.close().await.unwrap();
    until("the close is seen", async || {
        jobs.try_acquire().await.err() == Some(RemoteError::Closed)
    })
    .await;
    assert!(!held.is_lost());
    gate.reopen().await.unwrap();
    until("the reopening is seen", async || jobs.try_acquire().await.is_ok()).await;
}

async fn a_dropped_gate_returns_its_block(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 60_000).await;
    drop(futures(&jobs, 5).await);
    drop(jobs);
    let gate = remote(&server, 10).await;
    until("the block is returned", async || gate.occupied().await == Ok(0)).await;
}

/// A process that waits until a closed gate is empty also waits for what lies idle in blocks.
async fn a_closed_gate_returns_its_block(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 300).await;
    let mut held = futures(&jobs, 6).await;
    held.truncate(2);
    let gate = remote(&server, 10).await;
    gate.close().await.unwrap();
    until("what is idle is returned", async || gate.occupied().await == Ok(2)).await;
    drop(held);
    until("the gate is empty", async || gate.occupied().await == Ok(0)).await;

    // Dropped while it knows that the gate is closed. Here the ttl is long.
    gate.reopen().await.unwrap();
    let jobs = batched(&server, 10, 60_000).await;
    let held = futures(&jobs, 10).await;
    gate.close().await.unwrap();
    assert_eq!(jobs.try_acquire().await.unwrap_err(), RemoteError::Closed);
    drop(held);
    assert!(jobs.try_acquire_local().is_none());
    drop(jobs);
    until("the block is returned", async || gate.occupied().await == Ok(0)).await;
}

/// The server takes longer than the ttl: the permit is lost by then, and stays lost, although the
/// server has renewed the block. The block is given back.
async fn an_answer_after_the_end_of_the_block(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 600).await;
    let permit = jobs.try_acquire().await.unwrap();
    let _: () = server.command(&["CLIENT", "PAUSE", "900", "ALL"]);
    until("the permit is lost", async || permit.is_lost()).await;
    assert!(jobs.try_acquire_local().is_none());
    let gate = remote(&server, 10).await;
    until("the server answers again", async || gate.occupied().await.is_ok()).await;
    for _ in 0..30 {
        assert!(permit.is_lost());
        tokio::time::sleep(ms(10)).await;
    }
    assert_eq!(gate.occupied().await, Ok(0), "the block is given back");
    let _next = jobs.try_acquire().await.unwrap();
}

async fn the_local_path_allocates_nothing(engine: Engine) {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 60_000).await;
    drop(futures(&jobs, 2).await);
    for places in [1, 2] {
        let allocated = allocation_counter::measure(|| {
            let mut call = jobs.try_acquire_many(places);
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(permit) = std::pin::Pin::new(&mut call).poll(&mut context) else {
                panic!("the block has a place");
            };
            assert_eq!(permit.unwrap().count(), places);
        });
        assert_eq!(allocated.count_total, 0);
    }
    assert!(std::mem::size_of_val(&jobs.try_acquire()) <= 32);
}

async fn many_places(engine: Engine) {
    let server = Server::start(engine);
    let jobs = batched(&server, 10, 60_000).await;
    let seven = jobs.try_acquire_many(7).await.unwrap();
    assert_eq!(seven.count(), 7);
    let refused = jobs.try_acquire_many(4).await.unwrap_err();
    let RemoteError::Full { retry_after: Some(time) } = refused else { panic!("{refused}") };
    assert!(time <= ms(60_000));
    seven.release().await.unwrap();
    assert_eq!(jobs.try_acquire_many(10).await.unwrap().count(), 10);
    assert!(jobs.try_acquire_many(11).await.unwrap_err().is_full());
    assert!(jobs.try_acquire_many(0).await.unwrap_err().is_invalid());
}

/// Four gates and an exact one on one capacity: never more permits than places.
async fn processes_are_never_over(engine: Engine) {
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
    let server = Server::start(engine);
    let inside = std::sync::Arc::new(AtomicI64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for process in 0..5 {
        let connection = connect(&server.url()).await;
        let make = if process == 0 { LeasedGate::new } else { LeasedGate::batched };
        let jobs = std::sync::Arc::new(make(&connection, "jobs", 6, ms(500)).unwrap());
        for _ in 0..3 {
            let (jobs, inside) = (std::sync::Arc::clone(&jobs), std::sync::Arc::clone(&inside));
            tasks.spawn(async move {
                let (mut admitted, mut refused) = (0, 0);
                for _ in 0..150 {
                    match jobs.try_acquire().await {
                        Ok(permit) => {
                            assert!(inside.fetch_add(1, SeqCst) < 6, "one too many");
                            tokio::time::sleep(ms(2)).await;
                            assert!(!permit.is_lost());
                            inside.fetch_sub(1, SeqCst);
                            permit.release().await.unwrap();
                            admitted += 1;
                        }
                        Err(error) => {
                            assert!(error.is_full(), "{error}");
                            refused += 1;
                            tokio::time::sleep(ms(1)).await;
                        }
                    }
                }
                (admitted, refused)
            });
        }
    }
    let results = tasks.join_all().await;
    let admitted: i32 = results.iter().map(|result| result.0).sum();
    let refused: i32 = results.iter().map(|result| result.1).sum();
    assert!(admitted > 300 && refused > 0, "{admitted} admitted, {refused} refused");
}
