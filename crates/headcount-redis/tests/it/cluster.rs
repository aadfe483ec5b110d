//! Three primaries on the loopback device.

use std::collections::HashSet;

use headcount_redis::{
    Connection, EngineErrorKind, LeasedGate, RemoteCourse, RemoteGate, RemoteLobby, RemoteTally,
};

use crate::support::{ms, on_both, until, Engine, Server};

on_both! {
    objects_are_spread, a_slot_moves, scripts_are_loaded_again, a_node_is_down,
    a_nudge_crosses_the_cluster, odd_names,
}

struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    async fn start(engine: Engine) -> Cluster {
        let args = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--cluster-require-full-coverage",
            "no",
        ];
        let nodes: Vec<Server> = (0..3).map(|_| Server::start_with(engine, &args)).collect();
        for (number, (node, slots)) in
            nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]).enumerate()
        {
            let _: () = node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            let _: () = node.command(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]);
            let _: () = node.command(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
        }
        let cluster = Cluster { nodes };
        until("every node knows all slots", async || {
            cluster.nodes.iter().all(|node| {
                let info: String = node.command(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            })
        })
        .await;
        cluster
    }

    async fn connect(&self) -> Connection {
        let urls: Vec<String> = self.nodes.iter().map(Server::url).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        Connection::builder().open_cluster(&urls).await.expect("a connection to the cluster")
    }

    /// Returns the node that has the keys of that name at first, and their slot.
    fn home(&self, name: &str) -> (usize, u16) {
        let key = format!("{{headcount:{name}}}");
        let up = self.nodes.iter().find(|node| node.is_reachable()).expect("a node that is up");
        let slot: u16 = up.command(&["CLUSTER", "KEYSLOT", &key]);
        (usize::from((slot > 5460) as u8 + (slot > 10922) as u8), slot)
    }
}

async fn objects_are_spread(engine: Engine) {
    let cluster = Cluster::start(engine).await;
    let connection = cluster.connect().await;
    let mut homes = HashSet::new();
    for number in 0..12 {
        let name = number.to_string();
        homes.insert(cluster.home(&name).0);
        let gate = RemoteGate::new(&connection, &name, 2, ms(1000)).unwrap();
        let _ann = gate.try_acquire().await.unwrap();
        let _bob = gate.try_acquire().await.unwrap();
        assert!(gate.try_acquire().await.unwrap_err().is_full());
        let posts = RemoteTally::new(&connection, &name, 998).unwrap();
        assert_eq!((posts.increment().await, posts.increment().await), (Ok(999), Ok(1000)));
        let course = RemoteCourse::new(&connection, &name, 1, ms(1000)).unwrap();
        course.enroll("ann", async |_| Ok::<_, ()>(())).await.unwrap();
        assert!(course.try_reserve("bob").await.unwrap_err().is_full());
        let jams = RemoteLobby::builder(2).build(&connection, &name).unwrap();
        let seat = jams.join("ann").await.unwrap();
        let bob = jams.join("bob").await.unwrap();
        assert_eq!(bob.room_id(), seat.room_id());
        assert!(jams.join_room("eve", seat.room_id()).await.is_err());
        let jobs = LeasedGate::batched(&connection, &format!("jobs {name}"), 9, ms(1000)).unwrap();
        let _permit = jobs.try_acquire().await.unwrap();
    }
    assert_eq!(homes.len(), 3, "some on each node");
    for node in &cluster.nodes {
        assert!(node.command::<i64>(&["DBSIZE"]) > 0);
    }
}

async fn a_slot_moves(engine: Engine) {
    let cluster = Cluster::start(engine).await;
    let connection = cluster.connect().await;
    let gate = RemoteGate::new(&connection, "door", 3, ms(1500)).unwrap();
    let ann = gate.try_acquire().await.unwrap();
    let (from, slot) = cluster.home("door");
    let to = (from + 1) % 3;
    let (from, to, slot) = (&cluster.nodes[from], &cluster.nodes[to], slot.to_string());
    let id = |node: &Server| node.command::<String>(&["CLUSTER", "MYID"]);
    let _: () = to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    let _: () = from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    // Calls are made while the slot moves; they end well or are repeated.
    let during = tokio::spawn({
        let gate = gate.clone();
        async move { gate.try_acquire().await }
    });
    tokio::time::sleep(ms(50)).await;
    let keys: Vec<String> = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
    let port = to.port.to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    let _: String = from.command(&migrate);
    for node in [to, from] {
        let _: () = node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    }
    let bob = during.await.unwrap().unwrap();
    let eve = gate.try_acquire().await.unwrap();
    assert!(ann.fence() < bob.fence() && bob.fence() < eve.fence());
    assert!(gate.try_acquire().await.unwrap_err().is_full());
    tokio::time::sleep(ms(2000)).await;
    assert!(![&ann, &bob, &eve].iter().any(|lease| lease.is_lost()));
    assert_eq!(gate.occupied().await, Ok(3));
    assert!(to.command::<i64>(&["DBSIZE"]) >= 2);
}

async fn scripts_are_loaded_again(engine: Engine) {
    let cluster = Cluster::start(engine).await;
    let connection = cluster.connect().await;
    for round in 1..=3 {
        for number in 0..6 {
            let posts = RemoteTally::new(&connection, &number.to_string(), 0).unwrap();
            assert_eq!(posts.increment().await, Ok(round));
        }
        for node in &cluster.nodes {
            let _: () = node.command(&["SCRIPT", "FLUSH"]);
        }
    }
}

async fn a_node_is_down(engine: Engine) {
    let mut cluster = Cluster::start(engine).await;
    let urls: Vec<String> = cluster.nodes.iter().map(Server::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let settings = Connection::builder().response_timeout(ms(300));
    let hasty = settings.clone().patience(ms(500)).open_cluster(&urls).await.unwrap();
    let patient = settings.patience(ms(10_000)).open_cluster(&urls).await.unwrap();
    let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let dead = cluster.home(&names[0]).0;
    cluster.nodes[dead].kill();
    let mut alive = 0;
    for name in &names {
        if cluster.home(name).0 == dead {
            let gate = RemoteGate::new(&hasty, name, 1, ms(60_000)).unwrap();
            let error = gate.try_acquire().await.unwrap_err();
            let kind = error.engine().expect("the engine's failure").kind();
            let expected = [
                EngineErrorKind::Unreachable,
                EngineErrorKind::Timeout,
                EngineErrorKind::ClusterDown,
            ];
            assert!(expected.contains(&kind), "{error}");
        } else {
            let gate = RemoteGate::new(&patient, name, 1, ms(60_000)).unwrap();
            let lease = gate.try_acquire().await.expect("another node has it");
            lease.release().await.unwrap();
            alive += 1;
        }
    }
    assert!(alive > 0 && alive < names.len());
}

async fn a_nudge_crosses_the_cluster(engine: Engine) {
    let cluster = Cluster::start(engine).await;
    let (here, there) = (cluster.connect().await, cluster.connect().await);
    let here = LeasedGate::batched(&here, "jobs", 4, ms(60_000)).unwrap();
    let there = LeasedGate::batched(&there, "jobs", 4, ms(60_000)).unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(here.try_acquire().await.unwrap());
    }
    held.pop();
    until("the other process gets a place", async || there.try_acquire().await.is_ok()).await;
}

/// Whatever the name, the keys of one object are in one slot: else its scripts are refused.
async fn odd_names(engine: Engine) {
    let cluster = Cluster::start(engine).await;
    let connection = cluster.connect().await;
    for name in crate::inputs::names() {
        let gate = RemoteGate::new(&connection, &name, 1, ms(60_000)).unwrap();
        let _lease = gate.try_acquire().await.unwrap();
        assert!(gate.try_acquire().await.unwrap_err().is_full(), "{name:?}");
        let posts = RemoteTally::new(&connection, &name, 0).unwrap();
        assert_eq!(posts.increment().await, Ok(1), "{name:?}");
        let course = RemoteCourse::new(&connection, &name, 1, ms(60_000)).unwrap();
        course.try_reserve(&name).await.unwrap().confirm().await.unwrap();
        assert!(course.try_reserve("bob").await.unwrap_err().is_full(), "{name:?}");
        let jams = RemoteLobby::builder(2).build(&connection, &name).unwrap();
        assert_eq!(jams.join(&name).await.unwrap().number(), 0, "{name:?}");
        // A refused block publishes on a channel of that name.
        let jobs = LeasedGate::batched(&connection, &name, 1, ms(60_000)).unwrap();
        assert!(jobs.try_acquire().await.unwrap_err().is_full(), "{name:?}");
    }
}
