//! Clients that do what they should not: each gets a clear answer and takes nothing with it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{eventually, page, server, Client, PATIENCE};

/// A client that has joined, and one that has joined the same jam and does nothing.
async fn two(running: &jam_server::Running) -> (Client, String, Client) {
    let told = page(running.address, "/", None).await;
    let mut bad = Client::connect(running.address, &told.token).await;
    bad.enter(&told.topic, &told.ticket).await;
    let mut good = Client::connect(running.address, "").await;
    good.enter(&told.topic, "").await;
    (bad, told.topic, good)
}

/// After the bad client has gone, its seat is free and the good one is served.
async fn is_well(running: jam_server::Running, mut good: Client) {
    eventually("one member is left", async || running.state().await["members"] == 1).await;
    assert_eq!(running.state().await["held"], 0);
    good.event("presence_state").await;
    good.close().await;
    eventually("all places are back", async || running.sockets() == 0).await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn malformed_frames() {
    let long = json!(["1", "1", "t".repeat(1000), "phx_join", {}]).to_string();
    for text in ["", "{", "[]", "null", "[1,2,3,4,5]", &long] {
        let running = server(|_| {}).await;
        let (mut bad, _, good) = two(&running).await;
        bad.send_message(Message::text(text)).await;
        assert_eq!(
            bad.closed().await,
            (1007, "not a frame of the protocol".to_owned()),
            "{text:.20}"
        );
        is_well(running, good).await;
    }
}

#[tokio::test]
async fn oversized_messages() {
    let running = server(|args| args.frame_bytes = 1000).await;
    let (mut bad, _, good) = two(&running).await;
    bad.send_message(Message::text("x".repeat(1001))).await;
    assert_eq!(bad.closed().await, (1009, "the message is too large".to_owned()));
    is_well(running, good).await;
}

#[tokio::test]
async fn binary_messages_are_ignored() {
    let running = server(|_| {}).await;
    let (mut bad, _, good) = two(&running).await;
    bad.send_message(Message::binary(vec![0xff; 100])).await;
    let reply = bad.push("1", "nothing", "phx_leave").await;
    assert_eq!(bad.reply(&reply).await["status"], "ok");
    bad.close().await;
    is_well(running, good).await;
}

#[tokio::test]
async fn too_many_messages() {
    let running = server(|args| args.messages_per_second = 20).await;
    let (mut bad, _, good) = two(&running).await;
    for _ in 0..60 {
        bad.send(json!([null, "1", "phoenix", "heartbeat", {}])).await;
    }
    assert_eq!(bad.closed().await, (1008, "too many messages".to_owned()));
    is_well(running, good).await;
}

#[tokio::test]
async fn silent_clients() {
    let running = server(|args| args.idle = Duration::from_millis(300)).await;
    let told = page(running.address, "/", None).await;
    let mut silent = Client::connect(running.address, &told.token).await;
    silent.enter(&told.topic, &told.ticket).await;
    // The seat of a connection that is open in name only is not held.
    assert_eq!(silent.closed().await, (1008, "no message for too long".to_owned()));
    eventually("its seat is free", async || running.state().await["members"] == 0).await;
    assert_eq!(running.state().await["held"], 0);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn slow_clients() {
    let running = server(|args| {
        args.outgoing = 8;
        args.messages_per_second = 1_000_000;
    })
    .await;
    let (slow, topic, mut good) = two(&running).await;
    // The slow client reads nothing while the good one is loud, until the buffers between are full.
    for _ in 0..2_000_000 {
        good.push("1", &topic, "loop:struck").await;
        if running.sockets() == 1 {
            break;
        }
    }
    eventually("the slow client is gone", async || running.sockets() == 1).await;
    drop(slow);
    is_well(running, good).await;
}

#[tokio::test]
async fn too_many_topics() {
    let running = server(|args| args.topics = 2).await;
    let mut client = Client::connect(running.address, "").await;
    let mut topics = Vec::new();
    for _ in 0..15 {
        topics.push(page(running.address, "/", None).await);
    }
    client.enter(&topics[0].topic, &topics[0].ticket).await;
    client.enter(&topics[7].topic, &topics[7].ticket).await;
    let (_, refusal) = client.join(&topics[14].topic, "").await;
    assert_eq!(refusal["response"]["reason"], "too many topics");
    // A topic that it has joined may be joined again.
    client.enter(&topics[0].topic, "").await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn slow_requests() {
    let running = server(|args| args.head = Duration::from_millis(300)).await;
    // One says nothing, the other sends a byte of its head now and then.
    for drip in [false, true] {
        let begun = tokio::time::Instant::now();
        let mut slow = TcpStream::connect(running.address).await.unwrap();
        if drip {
            slow.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        }
        let (mut reader, mut writer) = slow.split();
        let dripping = async {
            while drip && writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await
        };
        let mut answer = Vec::new();
        tokio::select! {
            // A reset is an end too.
            _ = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut answer)) => {}
            () = dripping => {}
        }
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"), "drip: {drip}");
        assert!(begun.elapsed() < PATIENCE, "drip: {drip}");
    }
    // A whole head is served, and its socket lives for longer than a head may take.
    let mut client = Client::connect(running.address, "").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let reply = client.push("1", "nothing", "phx_leave").await;
    assert_eq!(client.reply(&reply).await["status"], "ok");
    client.close().await;
    assert!(running.shut_down().await);
}

async fn refused(address: SocketAddr, code: &str) {
    let refused = Client::try_connect(address, "vsn=2.0.0").await;
    assert!(refused.is_err_and(|error| error.to_string().contains(code)));
}

#[tokio::test]
async fn too_many_sockets_of_one_address_and_in_all() {
    for (of_address, sockets, code) in [(2, 10, "429"), (10, 2, "503")] {
        let running = server(|args| {
            args.sockets_of_address = of_address;
            args.sockets = sockets;
        })
        .await;
        let client = Client::connect(running.address, "").await;
        let other = Client::connect(running.address, "").await;
        refused(running.address, code).await;
        client.close().await;
        eventually("a place is free", async || running.sockets() == 1).await;
        let again = Client::connect(running.address, "").await;
        other.close().await;
        again.close().await;
        eventually("all places are free", async || running.sockets() == 0).await;
        assert!(running.shut_down().await);
    }
}

#[tokio::test]
async fn pages_of_one_address_hold_so_many_seats() {
    let running = server(|args| args.sockets_of_address = 3).await;
    for _ in 0..3 {
        assert_ne!(page(running.address, "/", None).await.ticket, "");
    }
    assert_eq!(page(running.address, "/", None).await.ticket, "");
    assert_eq!(running.state().await["held"], 3);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn the_end_of_the_server_is_told() {
    let running = server(|_| {}).await;
    let (one, _, other) = two(&running).await;
    let (address, ended) = (running.address, tokio::spawn(running.shut_down()));
    assert_eq!(one.closed().await, (1012, "the server ends".to_owned()));
    assert_eq!(other.closed().await.0, 1012);
    assert!(ended.await.unwrap(), "the last socket went in time");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
