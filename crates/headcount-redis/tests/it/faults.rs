//! Faults of holders, of the network and of the server.

use std::collections::HashSet;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use headcount_redis::{
    Connection, EngineErrorKind, LeasedGate, RemoteCourse, RemoteError, RemoteGate, RemoteLease,
    RemoteLobby, RemoteTally,
};
use tokio::task::JoinSet;

use crate::support::process::{args, say, wait, Process};
use crate::support::proxy::{Faults, Proxy};
use crate::support::{connect, fake, ms, on_both, run, until, Engine, Server};

on_both! {
    a_killed_holder_frees_its_place, a_stopped_holder_knows_that_it_lost, a_stopped_block,
    replies_that_are_lost_late_doubled_or_cut, scripts_are_loaded_again, a_deleted_hash_is_rebuilt,
    a_restart_with_its_log_loses_nothing, a_restart_without_its_log, a_failover_with_lost_writes,
    a_wrong_password, a_wrong_type, out_of_memory, a_replica_is_read_only, a_server_that_loads,
    a_cluster_that_is_down, an_unreachable_server, a_server_that_comes_back,
    the_runtime_has_ended, a_primary_that_becomes_a_replica,
}

const TTL: u64 = 800;

async fn gate(url: &str, capacity: u32) -> RemoteGate {
    RemoteGate::new(&connect(url).await, "door", capacity, ms(TTL)).unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, RemoteError>) -> EngineErrorKind {
    result.expect_err("a failure").engine().expect("the engine's failure").kind()
}

/// Connects so that each call is made once.
async fn hasty(url: &str) -> Connection {
    let settings = Connection::builder().patience(ms(0)).response_timeout(ms(300));
    settings.open(url).await.expect("a connection")
}

#[test]
#[ignore = "a process of the tests of this file"]
fn holder() {
    let args = args();
    if args[1] == "batched" {
        // On one thread, which waits: the gate's task cannot run before the permit is looked at.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let jobs = LeasedGate::batched(&connect(&args[0]).await, "door", 1, ms(TTL)).unwrap();
            let permit = jobs.try_acquire().await.unwrap();
            say(permit.fence());
            wait();
            say(permit.is_lost());
            drop(permit);
            // The task has not run yet: what is handed out now is known to be lost, too.
            say(jobs.try_acquire_local().is_none_or(|permit| permit.is_lost()));
        });
    }
    run(async {
        let lease = gate(&args[0], 1).await.try_acquire().await.unwrap();
        say(lease.fence());
        // A thread of its own hears the word, however busy the runtime is.
        tokio::task::spawn_blocking(wait).await.unwrap();
        say(lease.is_lost());
        lease.lost().await;
        say("lost");
        lease.release().await.unwrap();
        say("released");
        wait();
    });
}

async fn a_killed_holder_frees_its_place(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server.url(), 1).await;
    let mut holder = Process::start("faults::holder", &[&server.url(), "exact"]);
    let fence: u64 = holder.hear().parse().unwrap();
    tokio::time::sleep(ms(2 * TTL)).await;
    assert!(gate.try_acquire().await.unwrap_err().is_full(), "the holder renews its lease");
    holder.signal("KILL");
    let killed = Instant::now();
    let mut next = None;
    until("the place is free", async || {
        next = gate.try_acquire().await.ok();
        next.is_some()
    })
    .await;
    assert!(killed.elapsed() < ms(TTL + 300), "{:?}", killed.elapsed());
    assert!(next.unwrap().fence() > fence);
}

async fn a_stopped_holder_knows_that_it_lost(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server.url(), 1).await;
    let mut holder = Process::start("faults::holder", &[&server.url(), "exact"]);
    let fence: u64 = holder.hear().parse().unwrap();
    holder.signal("STOP");
    let stopped = Instant::now();
    let mut other = None;
    until("the place is free", async || {
        other = gate.try_acquire().await.ok();
        other.is_some()
    })
    .await;
    assert!(stopped.elapsed() < ms(TTL + 300), "{:?}", stopped.elapsed());
    let other = other.unwrap();
    assert!(other.fence() > fence);
    holder.go();
    holder.signal("CONT");
    assert_eq!(holder.hear(), "true", "the first look says that the lease is lost");
    assert_eq!(holder.hear(), "lost");
    assert_eq!(holder.hear(), "released");
    tokio::time::sleep(ms(100)).await;
    assert_eq!(gate.occupied().await, Ok(1), "the other's place was left alone");
    assert!(!other.is_lost());
}

async fn a_stopped_block(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server.url(), 1).await;
    let mut holder = Process::start("faults::holder", &[&server.url(), "batched"]);
    holder.hear();
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    holder.signal("STOP");
    until("the place is free", async || gate.try_acquire().await.is_ok()).await;
    holder.go();
    holder.signal("CONT");
    assert_eq!(holder.hear(), "true", "the first look says that the permit is lost");
    assert_eq!(holder.hear(), "true", "and so is the next one");
}

async fn replies_that_are_lost_late_doubled_or_cut(engine: Engine) {
    const CAPACITY: i64 = 3;
    let server = Server::start(engine);
    let proxy = Proxy::start(server.port).await;
    let settings = Connection::builder().patience(ms(20_000)).response_timeout(ms(250));
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(settings.clone().open(&proxy.url()).await.unwrap());
    }
    proxy.set(Faults { drop: 30, delay: 30, duplicate: 30, cut: 30, ..Faults::default() });
    let inside = Arc::new(AtomicI64::new(0));
    let seats = Arc::new(Mutex::new(HashSet::new()));
    let mut tasks = JoinSet::new();
    for client in 0..12 {
        let connection = &connections[client % 3];
        // The ttl outlives each call's patience: no lease is lost.
        let gate = RemoteGate::new(connection, "door", CAPACITY as u32, ms(60_000)).unwrap();
        let posts = RemoteTally::new(connection, "posts", 0).unwrap();
        let jams = RemoteLobby::builder(2).ttl(ms(60_000)).build(connection, "jams").unwrap();
        let course = RemoteCourse::new(connection, "algebra", 6, ms(60_000)).unwrap();
        let (inside, seats) = (Arc::clone(&inside), Arc::clone(&seats));
        tasks.spawn(async move {
            let mut told = Vec::new();
            for round in 0..12 {
                told.push(posts.increment().await.unwrap());
                match gate.try_acquire().await {
                    Ok(lease) => {
                        assert!(inside.fetch_add(1, SeqCst) < CAPACITY, "one too many");
                        tokio::task::yield_now().await;
                        assert!(!lease.is_lost());
                        inside.fetch_sub(1, SeqCst);
                        lease.release().await.unwrap();
                    }
                    Err(refused) => assert!(refused.is_full(), "{refused}"),
                }
                let seat = jams.join(&format!("{client} {round}")).await.unwrap();
                let place = (seat.room_id(), seat.number());
                assert!(seats.lock().unwrap().insert(place), "{place:?} is taken");
                seats.lock().unwrap().remove(&place);
                seat.leave().await.unwrap();
            }
            let enrolled = course.enroll(&client.to_string(), async |_| Ok::<_, ()>(())).await;
            (told, enrolled.is_ok())
        });
    }
    let results = tasks.join_all().await;
    proxy.set(Faults::default());
    let mut told: Vec<u64> = results.iter().flat_map(|result| result.0.clone()).collect();
    told.sort();
    assert_eq!(told, (1..=144).collect::<Vec<_>>(), "each value is told once");
    assert_eq!(results.iter().filter(|result| result.1).count(), 6, "the course is full");
    let counts = RemoteCourse::new(&connections[0], "algebra", 6, ms(1000)).unwrap();
    assert_eq!(counts.counts().await.unwrap().enrolled, 6);
    let gate = RemoteGate::new(&connections[0], "door", 3, ms(60_000)).unwrap();
    assert_eq!(gate.occupied().await, Ok(0));
    let jams = RemoteLobby::builder(2).build(&connections[0], "jams").unwrap();
    assert_eq!(jams.stats().await.unwrap().rooms, 0);
    for (fault, seen) in ["drop", "delay", "duplicate", "cut"].iter().zip(proxy.seen.iter()) {
        assert!(seen.load(SeqCst) > 0, "no {fault}");
    }
}

async fn scripts_are_loaded_again(engine: Engine) {
    let server = Server::start(engine);
    let connection = connect(&server.url()).await;
    let gate = RemoteGate::new(&connection, "door", 100, ms(TTL)).unwrap();
    let posts = RemoteTally::new(&connection, "posts", 0).unwrap();
    let mut leases = Vec::new();
    for round in 1..=10 {
        leases.push(gate.try_acquire().await.unwrap());
        assert_eq!(posts.increment().await, Ok(round));
        let _: () = server.command(&["SCRIPT", "FLUSH"]);
    }
    tokio::time::sleep(ms(2 * TTL)).await;
    assert!(leases.iter().all(|lease| !lease.is_lost()), "renewals load them as well");
    assert_eq!(gate.occupied().await, Ok(10));
}

async fn a_deleted_hash_is_rebuilt(engine: Engine) {
    let server = Server::start(engine);
    let connection = connect(&server.url()).await;
    let gate = RemoteGate::new(&connection, "door", 5, ms(60_000)).unwrap();
    let three = gate.try_acquire_many(3).await.unwrap();
    let jobs = LeasedGate::batched(&connection, "door", 5, ms(60_000)).unwrap();
    let permit = jobs.try_acquire().await.unwrap();
    let delete = || server.command::<i64>(&["DEL", "{headcount:door}:gate:state"]);
    assert_eq!(delete(), 1);
    assert_eq!(gate.occupied().await, Ok(4));
    assert_eq!(delete(), 0, "reading rebuilds nothing");
    let last = gate.try_acquire().await.unwrap();
    assert!(last.fence() > three.fence());
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    assert_eq!(delete(), 1);
    // The block is found again: the engine does not count it twice.
    last.release().await.unwrap();
    assert_eq!(delete(), 1);
    let second = jobs.try_acquire().await.unwrap();
    assert_eq!(gate.occupied().await, Ok(5));
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    gate.close().await.unwrap();
    assert_eq!(delete(), 1);
    assert_eq!(gate.is_closed().await, Ok(true), "a gate stays closed");
    assert!(gate.try_acquire().await.unwrap_err().is_closed());
    gate.reopen().await.unwrap();
    three.release().await.unwrap();
    drop((permit, second));
    drop(jobs);
    until("all places are free", async || gate.occupied().await == Ok(0)).await;
    // The other way round: the hash alone is left.
    let _five = gate.try_acquire_many(5).await.unwrap();
    let _: i64 = server.command(&["DEL", "{headcount:door}:gate:leases"]);
    gate.try_acquire_many(5).await.unwrap().release().await.unwrap();
}

async fn a_restart_with_its_log_loses_nothing(engine: Engine) {
    let mut server =
        Server::start_with(engine, &["--appendonly", "yes", "--appendfsync", "always"]);
    let gate = gate(&server.url(), 3).await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(gate.try_acquire().await.unwrap());
    }
    server.restart();
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    tokio::time::sleep(ms(2 * TTL)).await;
    assert!(leases.iter().all(|lease| !lease.is_lost()));
    assert_eq!(gate.occupied().await, Ok(3));
}

/// Returns the most leases that were held at once, and asserts that after one ttl there are no more
/// than the capacity.
async fn watch(leases: &[RemoteLease], capacity: usize) -> usize {
    let live = || leases.iter().filter(|lease| !lease.is_lost()).count();
    let most = live();
    tokio::time::sleep(ms(TTL)).await;
    assert!(live() <= capacity, "{} of {capacity} after one ttl", live());
    most
}

async fn a_restart_without_its_log(engine: Engine) {
    let mut server = Server::start(engine);
    let gate = gate(&server.url(), 4).await;
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(gate.try_acquire().await.unwrap());
    }
    // Nothing comes in between: the leases are registered again.
    server.restart();
    until("they are registered again", async || gate.occupied().await == Ok(4)).await;
    assert!(leases.iter().all(|lease| !lease.is_lost()));
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    // Other callers are faster.
    server.restart();
    while let Ok(lease) = gate.try_acquire().await {
        leases.push(lease);
    }
    let most = watch(&leases, 4).await;
    println!("restart without its log: {} above the capacity, 4 grants were lost", most - 4);
    assert!(most <= 4 + 4, "{most} leases at once");
    assert!(gate.occupied().await.unwrap() <= 4);
}

async fn a_failover_with_lost_writes(engine: Engine) {
    const CAPACITY: usize = 10;
    const LOST: usize = 5;
    let mut primary = Server::start(engine);
    let replica = Server::start(engine);
    let port = primary.port.to_string();
    let _: () = replica.command(&["REPLICAOF", "127.0.0.1", &port]);
    let proxy = Proxy::start(primary.port).await;
    let gate = gate(&proxy.url(), CAPACITY as u32).await;
    let mut leases = Vec::new();
    for _ in 0..CAPACITY - LOST {
        leases.push(gate.try_acquire().await.unwrap());
    }
    until("the replica has them", async || {
        replica.command::<i64>(&["ZCARD", "{headcount:door}:gate:leases"]) == 5
    })
    .await;
    // From here on the replica gets nothing.
    let _: () = replica.command(&["REPLICAOF", "NO", "ONE"]);
    for _ in 0..LOST {
        leases.push(gate.try_acquire().await.unwrap());
    }
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    proxy.lead_to(replica.port);
    primary.kill();
    let failover = Instant::now();
    while let Ok(lease) = gate.try_acquire().await {
        leases.push(lease);
    }
    let most = watch(&leases, CAPACITY).await;
    println!(
        "failover: {} above the capacity, {LOST} grants were lost, over after {:?}",
        most.saturating_sub(CAPACITY),
        failover.elapsed()
    );
    assert!(most > CAPACITY, "no grant was lost, so nothing is shown");
    assert!(most <= CAPACITY + LOST, "{most} leases at once");
    let fences: HashSet<u64> = leases.iter().map(RemoteLease::fence).collect();
    assert_eq!(fences.len(), leases.len(), "no fence is given twice");
}

async fn a_wrong_password(engine: Engine) {
    let server = Server::start_with(engine, &["--requirepass", "secret"]);
    let wrong = format!("redis://:wrong@127.0.0.1:{}/", server.port);
    assert_eq!(Connection::open(&wrong).await.unwrap_err().kind(), EngineErrorKind::Denied);
    let missing = gate(&server.url(), 1).await.try_acquire().await;
    assert_eq!(kind(missing), EngineErrorKind::Denied);
    let right = format!("redis://:secret@127.0.0.1:{}/", server.port);
    gate(&right, 1).await.try_acquire().await.unwrap().release().await.unwrap();
}

async fn a_wrong_type(engine: Engine) {
    let server = Server::start(engine);
    let connection = connect(&server.url()).await;
    for key in ["gate:state", "gate:leases", "course:pending", "lobby:rooms", "lobby:members"] {
        let _: () = server.command(&["SET", &format!("{{headcount:x}}:{key}"), "1"]);
    }
    let _: i64 = server.command(&["RPUSH", "{headcount:x}:tally:value", "1"]);
    let gate = RemoteGate::new(&connection, "x", 1, ms(TTL)).unwrap();
    assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::WrongType);
    assert_eq!(kind(gate.occupied().await), EngineErrorKind::WrongType);
    let course = RemoteCourse::new(&connection, "x", 1, ms(TTL)).unwrap();
    assert_eq!(kind(course.try_reserve("ann").await), EngineErrorKind::WrongType);
    let jams = RemoteLobby::builder(7).build(&connection, "x").unwrap();
    assert_eq!(kind(jams.join("ann").await), EngineErrorKind::WrongType);
    let posts = RemoteTally::new(&connection, "x", 0).unwrap();
    assert_eq!(kind(posts.increment().await), EngineErrorKind::WrongType);
    let _: () = server.command(&["SET", "{headcount:y}:tally:value", "a word"]);
    let posts = RemoteTally::new(&connection, "y", 0).unwrap();
    assert_eq!(kind(posts.increment().await), EngineErrorKind::WrongType);
    let jobs = LeasedGate::batched(&connection, "x", 1, ms(TTL)).unwrap();
    assert_eq!(kind(jobs.try_acquire().await), EngineErrorKind::WrongType);
}

async fn out_of_memory(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server.url(), 2).await;
    let lease = gate.try_acquire().await.unwrap();
    let _: () = server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::OutOfMemory);
    // What frees memory works, and nothing is half done.
    assert_eq!(gate.occupied().await, Ok(1));
    lease.release().await.unwrap();
    assert_eq!(gate.occupied().await, Ok(0));
    let _: () = server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let _both = gate.try_acquire_many(2).await.unwrap();
    assert!(gate.try_acquire().await.unwrap_err().is_full());
}

async fn a_replica_is_read_only(engine: Engine) {
    let (primary, replica) = (Server::start(engine), Server::start(engine));
    let _: () = replica.command(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let gate = RemoteGate::new(&hasty(&replica.url()).await, "door", 2, ms(TTL)).unwrap();
    until("the replica has its data", async || gate.occupied().await == Ok(0)).await;
    assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::ReadOnly);
}

/// A failover that moves the address to another server, while the old one keeps its connections.
async fn a_primary_that_becomes_a_replica(engine: Engine) {
    let (old, new) = (Server::start(engine), Server::start(engine));
    let _: () = new.command(&["REPLICAOF", "127.0.0.1", &old.port.to_string()]);
    let proxy = Proxy::start(old.port).await;
    let gate = gate(&proxy.url(), 2).await;
    let first = gate.try_acquire().await.unwrap();
    until("the replica has it", async || {
        new.command::<i64>(&["ZCARD", "{headcount:door}:gate:leases"]) == 1
    })
    .await;
    let _: () = new.command(&["REPLICAOF", "NO", "ONE"]);
    proxy.lead_to(new.port);
    let _: () = old.command(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    let second = gate.try_acquire().await.expect("the new primary answers");
    assert!(second.fence() > first.fence());
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    tokio::time::sleep(ms(2 * TTL)).await;
    assert!(!first.is_lost() && !second.is_lost());
}

async fn a_server_that_loads(engine: Engine) {
    let slowly = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let mut server = Server::start_with(engine, &slowly);
    let fill = "for i = 1, 1000 do redis.call('SET', i, string.rep('x', 100)) end";
    let _: Option<i64> = server.command(&["EVAL", fill, "0"]);
    let _: () = server.command(&["SAVE"]);
    server.restart();
    let hasty = RemoteGate::new(&hasty(&server.url()).await, "door", 1, ms(TTL)).unwrap();
    assert_eq!(kind(hasty.try_acquire().await), EngineErrorKind::Loading);
    let patient = Connection::builder().patience(ms(20_000)).open(&server.url()).await.unwrap();
    let patient = RemoteGate::new(&patient, "door", 1, ms(TTL)).unwrap();
    let _lease = patient.try_acquire().await.expect("once it has loaded");
}

async fn a_cluster_that_is_down(engine: Engine) {
    let server = Server::start_with(engine, &["--cluster-enabled", "yes"]);
    let gate = RemoteGate::new(&hasty(&server.url()).await, "door", 1, ms(TTL)).unwrap();
    assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::ClusterDown);
}

async fn an_unreachable_server(engine: Engine) {
    let mut server = Server::start(engine);
    let connection = hasty(&server.url()).await;
    let gate = RemoteGate::new(&connection, "door", 1, ms(TTL)).unwrap();
    let jobs = LeasedGate::batched(&connection, "jobs", 1, ms(TTL)).unwrap();
    let lease = gate.try_acquire().await.unwrap();
    let permit = jobs.try_acquire().await.unwrap();
    let stop = |signal| {
        let id = server.pid().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    };
    stop("STOP");
    assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::Timeout);
    stop("CONT");
    server.kill();
    assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::Unreachable);
    // Without renewal the lease is lost when its time is over, and not before the server's copy
    // ends.
    lease.lost().await;
    until("the permit is lost", async || permit.is_lost()).await;
    assert!(jobs.try_acquire_local().is_none());
    assert!(lease.release().await.is_err());
}

async fn a_server_that_comes_back(engine: Engine) {
    let server = Server::start(engine);
    let proxy = Proxy::start(server.port).await;
    // Long, so that a busy machine does not use the time up that the fault leaves.
    let ttl = 4 * TTL;
    let gate = RemoteGate::new(&connect(&proxy.url()).await, "door", 2, ms(ttl)).unwrap();
    let lease = gate.try_acquire().await.unwrap();
    tokio::time::sleep(ms(ttl / 4)).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    tokio::time::sleep(ms(ttl / 4)).await;
    proxy.set(Faults::default());
    tokio::time::sleep(ms(ttl)).await;
    assert!(!lease.is_lost(), "renewals are tried until the time is over");
    let _second = gate.try_acquire().await.unwrap();
}

/// The tasks of a connection end with the runtime on which it was opened. Then nothing is renewed,
/// and each lease says so; nothing panics.
async fn the_runtime_has_ended(engine: Engine) {
    let server = Server::start(engine);
    let url = server.url();
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connection = connect(&url).await;
            let gate = RemoteGate::new(&connection, "door", 2, ms(TTL)).unwrap();
            let jobs = LeasedGate::batched(&connection, "jobs", 2, ms(TTL)).unwrap();
            drop(jobs.try_acquire().await.unwrap());
            (gate.try_acquire().await.unwrap(), gate, jobs)
        })
    });
    let (first, gate, jobs) = ended.join().expect("no panic");
    let permit = jobs.try_acquire_local().expect("the block lasts");
    assert!(!first.is_lost() && !permit.is_lost());
    let call = tokio::time::timeout(ms(10_000), gate.try_acquire());
    let second = call.await.expect("the call ends").ok();
    tokio::time::sleep(ms(TTL)).await;
    assert!(first.is_lost() && permit.is_lost());
    assert!(second.is_none_or(|lease| lease.is_lost()));
    first.lost().await;
    drop(permit);
    let error = jobs.try_acquire_many(2).await.map(drop);
    assert_eq!(kind(error), EngineErrorKind::Other, "the task has ended");
    drop((first, jobs));
    until("the places are free", async || gate.occupied().await == Ok(0)).await;
}

/// Whatever the server answers, calls return an error and nothing panics.
#[test]
fn odd_replies() {
    run(async {
        let replies = |token: &str| -> Vec<Vec<u8>> {
            let mut replies: Vec<Vec<u8>> =
                ["+OK", ":1", "$-1", "*-1", "*0", "$3\r\nabc", "-ERR no"]
                    .iter()
                    .map(|reply| format!("{reply}\r\n").into_bytes())
                    .collect();
            let numbers =
                ["-1", "0", "1", "2", "3", "4", "9", "9223372036854775807", "-9223372036854775808"];
            for first in numbers {
                for second in numbers {
                    for count in 0..6 {
                        let rest = format!(":{second}\r\n").repeat(count);
                        let reply = format!("*{}\r\n:{first}\r\n{rest}:{token}\r\n", count + 2);
                        replies.push(reply.into_bytes());
                    }
                }
            }
            replies.push(format!("*2\r\n$1\r\n1\r\n:{token}\r\n").into_bytes());
            replies.push(format!("*2\r\n*1\r\n:1\r\n:{token}\r\n").into_bytes());
            replies.push(b"*2\r\n:1\r\n:4294967295\r\n".to_vec());
            replies
        };
        for number in 0..replies("0").len() {
            let url = fake::start(move |token| replies(token)[number].clone()).await;
            let connection = hasty(&url).await;
            let gate = RemoteGate::new(&connection, "x", 1, ms(TTL)).unwrap();
            let _ = gate.try_acquire().await.map(|lease| (lease.is_lost(), lease.fence()));
            let _ = (gate.occupied().await, gate.is_closed().await, gate.close().await);
            let course = RemoteCourse::new(&connection, "x", 1, ms(TTL)).unwrap();
            let _ = course.enroll("ann", async |_| Ok::<_, ()>(())).await;
            let _ = (course.counts().await, course.enrollment("ann").await.map(|_| ()));
            let jams = RemoteLobby::builder(7).build(&connection, "x").unwrap();
            if let Ok(seat) = jams.join("ann").await {
                let _ = (jams.room(seat.room_id()).await, seat.start().await);
                let _ = jams.join_room("bob", seat.room_id()).await.map(|seat| seat.is_lost());
            }
            let _ = (jams.filling().await, jams.stats().await);
            let posts = RemoteTally::new(&connection, "x", 0).unwrap();
            let _ = (posts.increment().await, posts.get().await);
            let jobs = LeasedGate::batched(&connection, "x", 1, ms(TTL)).unwrap();
            let result = jobs.try_acquire().await.map(|permit| permit.is_lost());
            assert!(!result.is_err_and(|error| error.to_string().contains("the task has ended")));
        }
    });
}

/// An answer that belongs to another call is not taken for this call's.
#[test]
fn an_answer_to_another_call() {
    run(async {
        let url = fake::start(|_| b"*4\r\n:1\r\n:5\r\n:1\r\n:4294967295\r\n".to_vec()).await;
        let gate = RemoteGate::new(&hasty(&url).await, "x", 1, ms(TTL)).unwrap();
        assert_eq!(kind(gate.try_acquire().await), EngineErrorKind::BadReply);
    });
}

/// After an answer that never came, later answers on the connection would go to the wrong calls,
/// for ever: the connection is replaced.
#[test]
fn an_answer_that_is_missing() {
    run(async {
        let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let url = fake::start(move |token| {
            if first.swap(false, SeqCst) {
                return Vec::new();
            }
            format!("*3\r\n:5\r\n:0\r\n:{token}\r\n").into_bytes()
        })
        .await;
        let gate = RemoteGate::new(&hasty(&url).await, "x", 1, ms(TTL)).unwrap();
        assert_eq!(kind(gate.occupied().await), EngineErrorKind::Timeout);
        assert_eq!(gate.occupied().await, Ok(5));
    });
}
