//! Odd names, and numbers at and beyond their limits.

use std::time::Duration;

use headcount_redis::{
    Connection, LeasedGate, RemoteCourse, RemoteError, RemoteGate, RemoteLobby, RemoteTally,
};

use crate::support::script::{words, Object, INVALID};
use crate::support::{connect, ms, on_both, Engine, Server};

on_both! { odd_names, numbers, odd_settings, odd_arguments_of_scripts, namespaces }

pub(crate) fn names() -> Vec<String> {
    let names = [
        "",
        " ",
        "a b",
        "a\nb\r\nc",
        "{",
        "}",
        "{}",
        "}{",
        "a{b}c",
        "{a}",
        "a}:gate:state",
        ":",
        "::",
        "/",
        "a/1",
        "\0",
        "*",
        "%",
        "ñ",
        "日本",
    ];
    names.into_iter().map(String::from).chain(["x".repeat(10_240)]).collect()
}

async fn odd_names(engine: Engine) {
    let server = Server::start(engine);
    let connection = connect(&server.url()).await;
    let names = names();
    // All at once: no two of them share a key.
    let mut held = Vec::new();
    for name in &names {
        let gate = RemoteGate::new(&connection, name, 1, ms(60_000)).unwrap();
        let lease = gate.try_acquire().await.unwrap();
        assert!(gate.try_acquire().await.unwrap_err().is_full(), "{name:?}");
        let posts = RemoteTally::new(&connection, name, 0).unwrap();
        assert_eq!(posts.increment().await, Ok(1), "{name:?}");
        held.push((gate, lease));
    }
    // As members of one lobby and students of one course.
    let jams = RemoteLobby::builder(3).build(&connection, "jams").unwrap();
    let course = RemoteCourse::new(&connection, "algebra", names.len() as u32, ms(60_000)).unwrap();
    let mut seats = Vec::new();
    for name in &names {
        seats.push(jams.join(name).await.unwrap());
        course.try_reserve(name).await.unwrap().confirm().await.unwrap();
    }
    for (name, seat) in names.iter().zip(&seats) {
        let again = jams.join(name).await.unwrap();
        assert_eq!((again.room_id(), again.number()), (seat.room_id(), seat.number()), "{name:?}");
        again.detach();
        assert!(course.enrollment(name).await.unwrap().unwrap().withdraw().await.unwrap());
    }
    assert_eq!(jams.stats().await.unwrap().members, names.len() as u32);
    assert_eq!(course.counts().await.unwrap().taken, 0);
    for (gate, lease) in held {
        lease.release().await.unwrap();
        assert_eq!(gate.occupied().await, Ok(0));
    }
}

async fn numbers(engine: Engine) {
    let server = Server::start(engine);
    let connection = connect(&server.url()).await;
    let day = Duration::from_secs(86_400);
    for (ttl, fits) in [
        (Duration::ZERO, false),
        (Duration::from_micros(999), false),
        (ms(1), true),
        (day, true),
        (day + ms(1), false),
        (Duration::MAX, false),
    ] {
        assert_eq!(RemoteGate::new(&connection, "x", 1, ttl).is_ok(), fits, "{ttl:?}");
        assert_eq!(RemoteCourse::new(&connection, "x", 1, ttl).is_ok(), fits, "{ttl:?}");
        assert_eq!(LeasedGate::new(&connection, "x", 1, ttl).is_ok(), fits, "{ttl:?}");
        assert_eq!(LeasedGate::batched(&connection, "x", 1, ttl).is_ok(), fits, "{ttl:?}");
        let lobby = RemoteLobby::builder(1).ttl(ttl).build(&connection, "x");
        assert_eq!(lobby.is_ok(), fits, "{ttl:?}");
        let lobby = RemoteLobby::builder(1).hold(ttl).build(&connection, "x");
        assert_eq!(lobby.is_ok(), fits, "{ttl:?}");
    }
    let none = RemoteGate::new(&connection, "none", 0, ms(60_000)).unwrap();
    let refused = none.try_acquire().await.unwrap_err();
    assert_eq!(refused, RemoteError::Full { retry_after: None }, "no lease will ever end");
    assert!(none.try_acquire_many(0).await.unwrap_err().is_invalid());
    let most = RemoteGate::new(&connection, "most", u32::MAX, day).unwrap();
    let all = most.try_acquire_many(u32::MAX).await.unwrap();
    assert_eq!(most.occupied().await, Ok(u32::MAX));
    assert!(most.try_acquire().await.unwrap_err().is_full());
    all.release().await.unwrap();
    let few = RemoteGate::new(&connection, "few", 1, ms(60_000)).unwrap();
    let _one = few.try_acquire().await.unwrap();
    let refused = few.try_acquire_many(u32::MAX).await.unwrap_err();
    assert_eq!(refused, RemoteError::Full { retry_after: None }, "however long it waits");
    assert!(LeasedGate::batched(&connection, "x", u32::MAX, day).unwrap_err().is_invalid());

    for (seats, fits) in [(0, false), (1, true), (4096, true), (4097, false), (u32::MAX, false)] {
        assert_eq!(RemoteLobby::builder(seats).build(&connection, "x").is_ok(), fits, "{seats}");
    }
    let hall = RemoteLobby::builder(4096).build(&connection, "hall").unwrap();
    assert_eq!(hall.join("ann").await.unwrap().number(), 0);
    let shut = RemoteLobby::builder(1).max_rooms(0).build(&connection, "shut").unwrap();
    assert_eq!(shut.join("ann").await.unwrap_err(), RemoteError::Full { retry_after: None });
    let course = RemoteCourse::new(&connection, "none", 0, ms(1000)).unwrap();
    assert!(course.try_reserve("ann").await.unwrap_err().is_full());
}

async fn odd_settings(engine: Engine) {
    let server = Server::start(engine);
    let settings = Connection::builder().patience(Duration::MAX).response_timeout(Duration::MAX);
    let connection = settings.open(&server.url()).await.unwrap();
    let gate = RemoteGate::new(&connection, "door", 1, ms(60_000)).unwrap();
    gate.try_acquire().await.unwrap().release().await.unwrap();
    let settings = Connection::builder().patience(Duration::ZERO).response_timeout(Duration::ZERO);
    if let Ok(connection) = settings.open(&server.url()).await {
        let gate = RemoteGate::new(&connection, "door", 1, ms(60_000)).unwrap();
        // An answer that is there at once is in time.
        assert!(gate.try_acquire().await.map_or_else(|error| error.engine().is_some(), |_| true));
    }
}

/// A client that is not this crate gets a refusal, and nothing is written.
async fn odd_arguments_of_scripts(engine: Engine) {
    let server = Server::start(engine);
    for ttl in ["0", "-1", "-9223372036854775808", "86400001", "1e300", "nan", "", "x"] {
        for (kind, calls) in [
            (
                "gate",
                vec![
                    words!["acquire", "id", 1, ttl, 1, 0].to_vec(),
                    words!["renew", ttl, 1, 0, "id", 1, 1].to_vec(),
                    words!["block", "b1", 1, 0, 0, 1, 1, ttl, 1, "nudge", 0].to_vec(),
                ],
            ),
            ("course", vec![words!["reserve", "ann", "r", ttl, 1].to_vec()]),
            (
                "lobby",
                vec![
                    words!["join", "ann", "r", ttl, 1000, 7, 10].to_vec(),
                    words!["join", "ann", "r", 1000, ttl, 7, 10].to_vec(),
                    words!["renew", ttl, 7, 10].to_vec(),
                ],
            ),
        ] {
            let mut object = Object::new(&server, kind);
            for call in calls {
                let refused = object.try_run(&call).unwrap_err();
                assert!(refused.contains(INVALID), "{call:?}: {refused}");
            }
        }
    }
    for weight in ["0", "-1", "x"] {
        let acquire = words!["acquire", "id", weight, 1000, 1, 0];
        let refused = Object::new(&server, "gate").try_run(acquire).unwrap_err();
        assert!(refused.contains(INVALID), "{weight}: {refused}");
    }
    for kind in ["gate", "course", "lobby", "tally"] {
        let refused = Object::new(&server, kind).try_run(words!["dance"]).unwrap_err();
        assert!(refused.contains(INVALID), "{refused}");
    }
    assert_eq!(server.command::<i64>(&["DBSIZE"]), 0);
}

async fn namespaces(engine: Engine) {
    let server = Server::start(engine);
    for bad in ["a:b", "{", "}"] {
        assert!(Connection::builder().namespace(bad).open(&server.url()).await.is_err(), "{bad}");
    }
    let mut leases = Vec::new();
    for namespace in ["", "shop", "a b"] {
        let connection =
            Connection::builder().namespace(namespace).open(&server.url()).await.unwrap();
        let gate = RemoteGate::new(&connection, "door", 1, ms(60_000)).unwrap();
        leases.push(gate.try_acquire().await.unwrap());
    }
    assert_eq!(server.command::<i64>(&["EXISTS", "{shop:door}:gate:leases"]), 1);
}
