use headcount_redis::{RemoteGate, RemoteLease};

use crate::support::proxy::{Faults, Proxy};
use crate::support::{connect, ms, on_both, until, Engine, Server};

async fn gate(server: &Server, name: &str, capacity: u32, ttl: u64) -> RemoteGate {
    let connection = connect(&server.url()).await;
    RemoteGate::new(&connection, name, capacity, ms(ttl)).unwrap()
}

on_both! {
    admits_as_many_as_it_has_places, many_places_are_all_or_none, closes, a_lease_is_renewed,
    a_dropped_lease_frees_its_place, a_lease_that_is_not_renewed_ends, reads_leave_nothing_behind,
    a_dropped_call_releases_what_it_took, fences_grow, keys_expire, many_leases_are_renewed,
    a_gate_that_learns_admits_nothing_at_first, renewals_come_before_releases,
    a_release_during_a_renewal, a_lease_that_is_dropped_during_its_renewal, a_cancelled_release,
    the_last_lease_outside_a_runtime, what_debug_shows,
}

async fn admits_as_many_as_it_has_places(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 2, 60_000).await;
    let ann = gate.try_acquire().await.unwrap();
    let _bob = gate.try_acquire().await.unwrap();
    let refused = gate.try_acquire().await.unwrap_err();
    let headcount_redis::RemoteError::Full { retry_after: Some(time) } = refused else {
        panic!("{refused}");
    };
    assert!(time > ms(50_000) && time <= ms(60_000), "{time:?}");
    assert_eq!(gate.occupied().await, Ok(2));
    ann.release().await.unwrap();
    assert_eq!(gate.occupied().await, Ok(1));
    let _eve = gate.try_acquire().await.unwrap();
    assert!(gate.try_acquire().await.unwrap_err().is_full());
}

async fn many_places_are_all_or_none(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 5, 60_000).await;
    let three = gate.try_acquire_many(3).await.unwrap();
    assert_eq!(three.count(), 3);
    assert!(gate.try_acquire_many(3).await.unwrap_err().is_full());
    let two = gate.try_acquire_many(2).await.unwrap();
    three.release().await.unwrap();
    assert_eq!(gate.occupied().await, Ok(2));
    two.release().await.unwrap();
    assert_eq!(gate.occupied().await, Ok(0));
}

async fn closes(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 5, 60_000).await;
    let lease = gate.try_acquire().await.unwrap();
    gate.close().await.unwrap();
    assert_eq!(gate.is_closed().await, Ok(true));
    assert!(gate.try_acquire().await.unwrap_err().is_closed());
    assert_eq!(gate.occupied().await, Ok(1));
    // A closed gate does not forget that when its last lease ends.
    lease.release().await.unwrap();
    assert_eq!(server.command::<i64>(&["PTTL", "{headcount:door}:gate:leases"]), -1);
    assert!(gate.try_acquire().await.unwrap_err().is_closed());
    gate.reopen().await.unwrap();
    assert_eq!(gate.is_closed().await, Ok(false));
    gate.try_acquire().await.unwrap().release().await.unwrap();
}

async fn a_lease_is_renewed(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 300).await;
    let lease = gate.try_acquire().await.unwrap();
    tokio::time::sleep(ms(1000)).await;
    assert!(!lease.is_lost());
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    lease.release().await.unwrap();
}

async fn a_dropped_lease_frees_its_place(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 60_000).await;
    drop(gate.try_acquire().await.unwrap());
    until("the place is free", async || gate.occupied().await == Ok(0)).await;
}

async fn a_lease_that_is_not_renewed_ends(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 300).await;
    let lease = gate.try_acquire().await.unwrap();
    // The server forgets it, and gives its place away.
    let _: () = server.command(&["DEL", "{headcount:door}:gate:leases"]);
    let other = gate.try_acquire().await.unwrap();
    assert!(other.fence() > lease.fence());
    lease.lost().await;
    assert!(lease.is_lost());
    lease.release().await.unwrap();
    assert!(!other.is_lost());
    assert_eq!(gate.occupied().await, Ok(1));
}

async fn reads_leave_nothing_behind(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 1000).await;
    assert_eq!(gate.occupied().await, Ok(0));
    assert_eq!(gate.is_closed().await, Ok(false));
    assert_eq!(server.command::<i64>(&["DBSIZE"]), 0);
}

async fn a_dropped_call_releases_what_it_took(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 60_000).await;
    // Loads the script, so that one message is all that the next call sends.
    gate.try_acquire().await.unwrap().release().await.unwrap();
    let _: () = server.command(&["CLIENT", "PAUSE", "200", "ALL"]);
    let call = tokio::time::timeout(ms(50), gate.try_acquire());
    assert!(call.await.is_err(), "the server is paused");
    tokio::time::sleep(ms(300)).await;
    let fence: String = server.command(&["HGET", "{headcount:door}:gate:state", "fence"]);
    until("the place is free", async || gate.occupied().await == Ok(0)).await;
    let next = gate.try_acquire().await.unwrap();
    assert!(next.fence() > fence.parse().unwrap());
}

async fn fences_grow(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 100, 60_000).await;
    let mut leases: Vec<RemoteLease> = Vec::new();
    for _ in 0..100 {
        leases.push(gate.try_acquire().await.unwrap());
    }
    assert!(leases.windows(2).all(|pair| pair[0].fence() < pair[1].fence()));
    // Also after the server has lost everything.
    let last = leases.last().unwrap().fence();
    let _: () = server.command(&["FLUSHALL"]);
    assert!(gate.try_acquire().await.unwrap().fence() > last);
}

async fn keys_expire(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 60_000).await;
    let lease = gate.try_acquire().await.unwrap();
    let keys: Vec<String> = server.command(&["KEYS", "*"]);
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let left: i64 = server.command(&["PTTL", &key]);
        assert!(left > 100_000_000, "{key}: {left}");
    }
    lease.release().await.unwrap();
}

async fn many_leases_are_renewed(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1000, 1500).await;
    let mut leases = Vec::new();
    for _ in 0..500 {
        leases.push(gate.try_acquire().await.unwrap());
    }
    tokio::time::sleep(ms(2500)).await;
    assert_eq!(leases.iter().filter(|lease| lease.is_lost()).count(), 0);
    assert_eq!(gate.occupied().await, Ok(500));
    drop(leases);
    until("all places are free", async || gate.occupied().await == Ok(0)).await;
}

async fn a_gate_that_learns_admits_nothing_at_first(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 2, 600).await.learning();
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    tokio::time::sleep(ms(700)).await;
    let lease = gate.try_acquire().await.unwrap();
    // The data is lost: the lease is registered again before another caller is admitted.
    let _: () = server.command(&["FLUSHALL"]);
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    until("the lease is registered again", async || gate.occupied().await == Ok(1)).await;
    tokio::time::sleep(ms(700)).await;
    assert!(!lease.is_lost());
    let _second = gate.try_acquire().await.unwrap();
    assert!(gate.try_acquire().await.unwrap_err().is_full());
}

/// However many leases are dropped, one after the other, those that are held are renewed.
async fn renewals_come_before_releases(engine: Engine) {
    let server = Server::start(engine);
    // With a server at hand, there would be moments at which no lease waits for its release.
    let proxy = Proxy::start(server.port).await;
    let gate = RemoteGate::new(&connect(&proxy.url()).await, "door", 1000, ms(600)).unwrap();
    let kept = gate.try_acquire().await.unwrap();
    proxy.set(Faults { slow: true, ..Faults::default() });
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let gate = gate.clone();
        tasks.spawn(async move {
            let begun = std::time::Instant::now();
            while begun.elapsed() < ms(1500) {
                drop(gate.try_acquire().await.unwrap());
            }
        });
    }
    tasks.join_all().await;
    assert!(!kept.is_lost());
    until("the others are released", async || gate.occupied().await == Ok(1)).await;
}

/// A renewal that gets no answer is repeated, also when its lease has been released meanwhile: that
/// must not take the place again.
async fn a_release_during_a_renewal(engine: Engine) {
    let server = Server::start(engine);
    let proxy = Proxy::start(server.port).await;
    let near = gate(&server, "door", 9, 3000).await;
    let far = RemoteGate::new(&connect(&proxy.url()).await, "door", 9, ms(3000)).unwrap();
    for _ in 0..3 {
        let leases = [far.try_acquire().await.unwrap(), far.try_acquire().await.unwrap()];
        tokio::time::sleep(ms(900)).await;
        proxy.set(Faults { refuse: true, ..Faults::default() });
        // The renewal is tried again and again, at last every 200 ms.
        tokio::time::sleep(ms(700)).await;
        proxy.set(Faults::default());
        for lease in leases {
            lease.release().await.unwrap();
        }
        // Much less than the ttl, within which the place would be free in any case.
        tokio::time::sleep(ms(500)).await;
        assert_eq!(near.occupied().await, Ok(0));
    }
}

async fn a_lease_that_is_dropped_during_its_renewal(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 9, 600).await;
    let lease = gate.try_acquire().await.unwrap();
    tokio::time::sleep(ms(150)).await;
    let _: () = server.command(&["CLIENT", "PAUSE", "200", "ALL"]);
    tokio::time::sleep(ms(100)).await;
    // The renewal is on its way: the ttl's first third is over.
    drop(lease);
    let begun = std::time::Instant::now();
    until("the place is free", async || gate.occupied().await == Ok(0)).await;
    assert!(begun.elapsed() < ms(450), "released, and not at the end of its time");
    tokio::time::sleep(ms(200)).await;
    assert_eq!(gate.occupied().await, Ok(0), "and not taken again");
}

async fn a_cancelled_release(engine: Engine) {
    let server = Server::start(engine);
    let gate = gate(&server, "door", 1, 60_000).await;
    let lease = gate.try_acquire().await.unwrap();
    let _: () = server.command(&["CLIENT", "PAUSE", "200", "ALL"]);
    assert!(tokio::time::timeout(ms(50), lease.release()).await.is_err(), "the server is paused");
    until("the place is free", async || gate.occupied().await == Ok(0)).await;
    // Also when not a single poll has been made.
    drop(gate.try_acquire().await.unwrap().release());
    until("the place is free", async || gate.occupied().await == Ok(0)).await;
    let _next = gate.try_acquire().await.unwrap();
}

async fn what_debug_shows(engine: Engine) {
    let server = Server::start(engine);
    let connection = connect(&server.url()).await;
    let gate = RemoteGate::new(&connection, "door", 1, ms(60_000)).unwrap();
    let lease = gate.try_acquire().await.unwrap();
    let shown = format!("{lease:?}");
    let fence = lease.fence();
    assert_eq!(
        shown,
        format!(
            "RemoteLease {{ guard: Guard {{ is_lost: false, .. }}, count: 1, fence: {fence} }}"
        )
    );
    let jams = headcount_redis::RemoteLobby::builder(1).build(&connection, "jams").unwrap();
    let course = headcount_redis::RemoteCourse::new(&connection, "x", 1, ms(60_000)).unwrap();
    let ann = jams.join("ann").await.unwrap();
    let held = jams.join_room("bob", ann.room_id()).await.unwrap_err();
    let reserved = course.try_reserve("ann").await.unwrap();
    for shown in [
        format!("{gate:?} {connection:?} {course:?} {jams:?}"),
        format!("{ann:?}"),
        format!("{held:?}"),
        format!("{reserved:?}"),
        format!("{:?}", reserved.confirm().await.unwrap()),
    ] {
        assert!(shown.len() < 300 && !shown.contains("call"), "{shown}");
    }
}

async fn the_last_lease_outside_a_runtime(engine: Engine) {
    let server = Server::start(engine);
    let first = gate(&server, "door", 1, 60_000).await;
    let lease = first.try_acquire().await.unwrap();
    std::thread::spawn(move || drop((lease, first))).join().expect("no panic");
    let second = gate(&server, "door", 1, 60_000).await;
    until("the place is free", async || second.occupied().await == Ok(0)).await;
}
