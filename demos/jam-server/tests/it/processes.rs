//! Two processes with one set of jams, on a real redis-server.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::{eventually, page, request, seats, Client};

/// A folder of one test's own for the engine's files.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Engine {
    _process: Child,
    _folder: Folder,
    url: String,
}

/// Starts a redis-server of this test's own.
async fn engine(test: &str) -> Engine {
    let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let folder = std::env::temp_dir().join(format!("jam-server-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // Another program can take the port in between; it is tried again then.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(&program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let process = process.unwrap_or_else(|error| {
            panic!("{program} does not run: {error}; install redis-server, or set REDIS_SERVER")
        });
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                let url = format!("redis://127.0.0.1:{port}/");
                return Engine { _process: process, _folder: Folder(folder), url };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    panic!("{program} does not listen");
}

/// A jam server as a process.
struct Server {
    process: Child,
    address: SocketAddr,
}

async fn start(engine: &Engine, ttl: &str) -> Server {
    let mut process = Command::new(env!("CARGO_BIN_EXE_jam-server"))
        .args(["--port", "0", "--redis", &engine.url, "--seat-ttl", ttl])
        .args(["--sockets-of-address", "1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the server prints its address");
    Server { process, address: line.strip_prefix("http://").unwrap().parse().unwrap() }
}

/// The members that the engine counts.
async fn members(address: SocketAddr) -> Value {
    let response = request(address, "/state", "").await;
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<Value>(body).unwrap()["members"].clone()
}

#[tokio::test]
async fn clients_of_two_processes_are_in_one_jam() {
    let engine = engine("one-jam").await;
    let (one, two) = (start(&engine, "10").await, start(&engine, "10").await);
    let first = page(one.address, "/", None).await;
    let mut clients = Vec::new();
    let mut anna = Client::connect(one.address, &first.token).await;
    let (anna_ref, anna_id) = anna.enter(&first.topic, &first.ticket).await;
    for number in 1..7 {
        let server = if number % 2 == 0 { &one } else { &two };
        let mut client = Client::connect(server.address, "").await;
        client.enter(&first.topic, "").await;
        clients.push(client);
    }
    // The clients of either process are told of all members: of those that were there before their
    // own process had one in the jam, with the other's next state.
    let (mut last, mut second) = (clients.pop().unwrap(), clients.remove(0));
    for client in [&mut last, &mut second] {
        let state = client.event("presence_state").await;
        let mut known: BTreeSet<String> = seats(&state).into_iter().map(|(_, user)| user).collect();
        while known.len() < 7 {
            let diff = client.event("presence_diff").await;
            known.extend(diff[4]["joins"].as_object().unwrap().keys().cloned());
        }
    }

    // An event of one process reaches the clients of the other.
    anna.push(&anna_ref, &first.topic, "loop:played").await;
    let played = second.event("loop:played").await;
    assert_eq!(played, json!([null, null, first.topic, "loop:played", { "user_id": anna_id }]));

    // The eighth is refused by either process, and has a seat elsewhere.
    let mut eighth = Client::connect(two.address, "").await;
    let (_, refusal) = eighth.join(&first.topic, "").await;
    let topic = refusal["response"]["new_topic"].as_str().unwrap().to_owned();
    assert_ne!(topic, first.topic);
    eighth.enter(&topic, "").await;
    assert_eq!(members(one.address).await, 8);
}

#[tokio::test]
async fn a_killed_process_gives_its_seats_back_within_the_ttl() {
    let engine = engine("killed").await;
    let (mut one, two) = (start(&engine, "2").await, start(&engine, "2").await);
    let first = page(one.address, "/", None).await;
    let mut lost = Vec::new();
    for number in 0..6 {
        let token = if number == 0 { &*first.token } else { "" };
        let mut client = Client::connect(one.address, token).await;
        client.enter(&first.topic, "").await;
        lost.push(client);
    }
    let mut stays = Client::connect(two.address, "").await;
    stays.enter(&first.topic, "").await;
    // It knows all of the other process at the latest with that one's next state.
    let mut known = seats(&stays.event("presence_state").await).len();
    while known < 7 {
        let diff = stays.wait(|frame| frame[3] == "presence_diff").await;
        known += diff[4]["joins"].as_object().unwrap().len();
    }
    one.process.kill().await.unwrap();
    let killed = Instant::now();
    eventually("one member is left", async || members(two.address).await == 1).await;
    let time = killed.elapsed();
    assert!(time < Duration::from_millis(2500), "its seats are free within the ttl, not {time:?}");
    // The others see them leave, and six newcomers find their seats.
    let mut left = 0;
    while left < 6 {
        let diff = stays.wait(|frame| frame[3] == "presence_diff").await;
        left += diff[4]["leaves"].as_object().unwrap().len();
    }
    let mut new = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(two.address, "").await;
        eventually("a seat of the killed process is free", async || {
            let (_, reply) = client.join(&first.topic, "").await;
            if reply["status"] != "ok" {
                // The seat elsewhere is given up, or the engine would lead the user there.
                let elsewhere = reply["response"]["new_topic"].as_str().unwrap().to_owned();
                let (join_ref, _) = client.enter(&elsewhere, "").await;
                let left = client.push(&join_ref, &elsewhere, "phx_leave").await;
                client.reply(&left).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            reply["status"] == "ok"
        })
        .await;
        new.push(client);
    }
    let state = new[5].event("presence_state").await;
    assert_eq!(
        seats(&state).into_iter().map(|(seat, _)| seat).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 6]
    );
}

#[tokio::test]
async fn a_client_that_comes_back_to_another_process_has_its_seat() {
    let engine = engine("back").await;
    let (one, two) = (start(&engine, "10").await, start(&engine, "10").await);
    let mut other = Client::connect(one.address, "").await;
    let first = page(one.address, "/", None).await;
    other.enter(&first.topic, "").await;
    let mut client = Client::connect(one.address, &first.token).await;
    let (_, id) = client.enter(&first.topic, &first.ticket).await;
    let mine = seats(&client.event("presence_state").await);
    client.cut();
    let left = |frame: &Value| {
        frame[3] == "presence_diff"
            && frame[4]["leaves"].get(&id).is_some()
            && frame[4]["joins"].get(&id).is_none()
    };
    other.wait(left).await;
    // The engine keeps its seat: five newcomers find the others.
    let mut new = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(two.address, "").await;
        client.enter(&first.topic, "").await;
        new.push(client);
    }
    let mut back = Client::connect(two.address, &first.token).await;
    let (_, user) = back.enter(&first.topic, "").await;
    let state = seats(&back.event("presence_state").await);
    let seat = mine.into_iter().find(|(_, of)| *of == user).unwrap();
    assert!(state.contains(&seat), "{seat:?} in {state:?}");
}

#[tokio::test]
async fn a_member_whose_seat_another_process_has_leaves_while_its_socket_stays() {
    let engine = engine("taken-over").await;
    let (one, two) = (start(&engine, "10").await, start(&engine, "10").await);
    let first = page(one.address, "/", None).await;
    let mut old = Client::connect(one.address, &first.token).await;
    let (join_ref, user) = old.enter(&first.topic, "").await;
    let mut watches = Client::connect(one.address, "").await;
    watches.enter(&first.topic, "").await;
    let mut new = Client::connect(two.address, &first.token).await;
    let (new_ref, _) = new.enter(&first.topic, "").await;
    assert_eq!(old.event("phx_close").await[0], json!(join_ref));
    let diff = |frame: &Value| frame[3] == "presence_diff";
    let left = |frame: &Value| {
        diff(frame)
            && frame[4]["leaves"].get(&user).is_some()
            && frame[4]["joins"].get(&user).is_none()
    };
    watches.wait(left).await;
    // What it still sends has no effect; its user is one member, at the other process.
    old.push(&join_ref, &first.topic, "loop:played").await;
    watches.forget().await;
    watches.is_silent().await;
    let left = new.push(&new_ref, &first.topic, "phx_leave").await;
    new.reply(&left).await;
    // The socket that stayed joins again, on a seat of its own.
    let mut again = Value::Null;
    eventually("the seat is free again", async || {
        let (_, reply) = old.join(&first.topic, "").await;
        again = reply;
        again["status"] == "ok"
    })
    .await;
    old.event("presence_state").await;
    let joined = |frame: &Value| diff(frame) && frame[4]["joins"].get(&user).is_some();
    watches.wait(joined).await;
    assert_eq!(members(one.address).await, 2);
}

#[tokio::test]
async fn two_tabs_that_come_at_once_have_one_seat() {
    let engine = engine("at-once").await;
    let one = start(&engine, "10").await;
    let token = page(one.address, "/", None).await.token;
    for _ in 0..20 {
        let first = page(one.address, "/", Some(&token)).await;
        let mut tabs = Vec::new();
        for _ in 0..4 {
            tabs.push(Client::connect(one.address, &first.token).await);
        }
        let joins = tabs.iter_mut().map(|tab| tab.enter(&first.topic, ""));
        join_all(joins).await;
        assert_eq!(members(one.address).await, 1);
        for tab in &mut tabs {
            assert_eq!(seats(&tab.event("presence_state").await).len(), 1);
        }
        for tab in tabs {
            tab.close().await;
        }
        eventually("the seat is free", async || members(one.address).await == 0).await;
    }
    // One took the seat each time, and the others came to its member.
    let metrics = request(one.address, "/metrics", "").await;
    assert!(metrics.contains("\njam_rejoined_total 60\n"), "{metrics}");
}
