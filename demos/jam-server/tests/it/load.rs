//! Two thousand sockets on loopback. Every second client follows a link to the first jam, which is
//! full.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{eventually, page, seats, server, Client};

const SOCKETS: usize = 2000;
/// The number of connections that are made at one time.
const AT_ONCE: usize = 100;

/// One client: from the page to the jam, wherever that is. Returns it with its topic.
async fn arrive(address: SocketAddr, path: &str) -> (Client, String) {
    let page = page(address, path, None).await;
    let mut client = Client::connect(address, &page.token).await;
    let (mut topic, mut ticket) = (page.topic, page.ticket);
    for _ in 0..2 {
        let (_, reply) = client.join(&topic, &ticket).await;
        if reply["status"] == "ok" {
            return (client, topic);
        }
        topic = reply["response"]["new_topic"].as_str().expect("a seat elsewhere").to_owned();
        ticket = reply["response"]["ticket"].as_str().unwrap().to_owned();
    }
    panic!("a client is refused at most once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets() {
    let running = server(|_| {}).await;
    let begun = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..7 {
        clients.push(arrive(running.address, "/").await);
    }
    let link = format!("/{}", clients[0].1.replace(':', "/"));
    let paths: Vec<&str> = (7..SOCKETS).map(|client| ["/", &*link][client % 2]).collect();
    for paths in paths.chunks(AT_ONCE) {
        clients.extend(join_all(paths.iter().map(|path| arrive(running.address, path))).await);
    }
    let took = begun.elapsed();
    let state = running.state().await;
    assert_eq!((running.sockets(), &state["members"]), (SOCKETS as u32, &SOCKETS.into()));
    assert_eq!((&state["refused"], &state["redirected"]), (&json!(997), &json!(997)));
    let mut jams: HashMap<String, HashSet<u64>> = HashMap::new();
    for (client, topic) in &mut clients {
        let own = client.event("presence_state").await;
        // The last state of each jam has all its members; earlier ones have fewer.
        let numbers: HashSet<u64> = seats(&own).into_iter().map(|(seat, _)| seat).collect();
        assert_eq!(numbers.len(), seats(&own).len(), "no loop twice in {topic}");
        assert!(numbers.len() <= 7, "no jam above seven");
        jams.entry(topic.clone()).or_default().extend(numbers);
    }
    let listed = jams.values().map(HashSet::len).sum::<usize>();
    assert_eq!(listed, SOCKETS, "each member has a seat that no other has");
    println!(
        "{SOCKETS} sockets in {} jams after {:.1} s: {:.0} joins a second; {} refused and redirected",
        jams.len(),
        took.as_secs_f64(),
        SOCKETS as f64 / took.as_secs_f64(),
        state["refused"],
    );
    for (client, _) in clients.drain(..) {
        client.cut();
    }
    eventually("all sockets are gone", async || running.sockets() == 0).await;
    assert!(running.shut_down().await);
}
