//! A limit for each key.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::Router;
use futures_util::FutureExt;
use headcount::KeyedGate;
use headcount_tower::{GateLayer, KeyedGateLayer};
use http::{header, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

use crate::support::{self, gate, scripted, serve, soon, until, Client, Script, Step, VERSIONS};

fn request_of(user: &'static str) -> http::Request<()> {
    http::Request::get("/").header("x-user", user).body(()).unwrap()
}

fn user_of<B>(request: &http::Request<B>) -> String {
    request.headers()["x-user"].to_str().unwrap().to_owned()
}

fn gates(capacity: u32) -> Arc<KeyedGate<String>> {
    Arc::new(KeyedGate::new(move |_: &String| capacity))
}

#[tokio::test]
async fn each_key_has_a_limit_of_its_own() {
    let gates = gates(1);
    let service = KeyedGateLayer::new::<()>(gates.clone(), user_of).layer(scripted(&[], true));
    let ann = service.clone().oneshot(request_of("ann")).await.unwrap();
    let bob = service.clone().oneshot(request_of("bob")).await.unwrap();
    assert_eq!((ann.status(), bob.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(gates.len(), 2);

    let again = service.clone().oneshot(request_of("ann")).await.unwrap();
    assert_eq!(again.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(again.headers()[header::RETRY_AFTER], "1");
    let text = again.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "Too many requests at once. Please try again.\n");

    drop(ann);
    assert_eq!((gates.occupied(&"ann".to_owned()), gates.occupied(&"bob".to_owned())), (0, 1));
    drop(bob);
    assert!(gates.is_empty());
}

/// A key whose gate was closed is no fault of the client.
#[tokio::test]
async fn a_closed_key_is_unavailable() {
    let gates = gates(1);
    let ann = gates.hold("ann".to_owned());
    ann.close();
    let service = KeyedGateLayer::new::<()>(gates.clone(), user_of).layer(scripted(&[], true));
    let response = service.oneshot(request_of("ann")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// Per user within a limit for all; each layer answers for itself.
#[tokio::test]
async fn a_limit_by_key_inside_a_limit_for_all() {
    let (all, users) = (gate(3), gates(2));
    let by_user = KeyedGateLayer::new::<()>(users.clone(), user_of);
    let service = GateLayer::new(all.clone()).layer(by_user.layer(scripted(&[], true)));
    let ask = |user| service.clone().oneshot(request_of(user));
    let held = [ask("ann").await.unwrap(), ask("ann").await.unwrap()];
    let third = ask("ann").await.unwrap();
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    // The rejection's response is a response that the outer layer admitted.
    assert_eq!(all.occupied(), 3);
    drop(third);
    let bob = ask("bob").await.unwrap();
    assert_eq!(bob.status(), StatusCode::OK);
    assert_eq!(ask("cid").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    drop((held, bob));
    assert_eq!((all.occupied(), users.len()), (0, 0));
}

/// The address of the client as key, over loopback; the key goes when the body has ended.
#[tokio::test]
async fn an_address_is_limited_over_loopback() {
    for version in VERSIONS {
        let gates = Arc::new(KeyedGate::new(|_: &IpAddr| 1));
        let by_address = KeyedGateLayer::new(gates.clone(), |request: &Request| {
            request.extensions().get::<ConnectInfo<SocketAddr>>().unwrap().ip()
        });
        let stream = get(|| async {
            Response::new(Body::new(Script { steps: vec![Step::Chunk], hangs: true }))
        });
        let address = serve(Router::new().route("/", stream).layer(by_address)).await;

        let mut first = Client::connect(address, version).await;
        let mut body = first.get("/").await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "chunk");
        assert_eq!(gates.occupied(&address.ip()), 1);
        let second = support::get_once(address, version, "/").await.unwrap();
        assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);

        first.disconnect();
        until(|| gates.is_empty()).await;
    }
}

/// Each key has a queue of its own; the key lives while a request waits.
#[tokio::test]
async fn requests_of_a_key_wait_in_a_queue_of_their_own() {
    let gates = gates(1);
    let layer = KeyedGateLayer::new::<()>(gates.clone(), user_of).queue_limit(1);
    let service = layer.layer(scripted(&[], true));
    let ask = |user| tokio::spawn(service.clone().oneshot(request_of(user)));
    let held = ask("ann").await.unwrap().unwrap();
    let waiting = ask("ann");
    let waiting_count = || gates.hold("ann".to_owned()).waiting();
    until(|| waiting_count() == 1).await;

    let refused = soon(ask("ann")).await.unwrap().unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask("bob").await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(!waiting.is_finished());

    drop(held);
    let served = waiting.await.unwrap().unwrap();
    assert_eq!((served.status(), gates.len()), (StatusCode::OK, 1));
    let gone = ask("ann");
    until(|| waiting_count() == 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(waiting_count(), 0);
    drop(served);
    assert!(gates.is_empty());
}

/// All requests are called before the first is polled, so each finds an empty queue when called.
#[tokio::test]
async fn requests_of_a_key_that_arrive_together_do_not_exceed_its_queue_limit() {
    let gates = gates(1);
    let layer = KeyedGateLayer::new::<()>(gates.clone(), user_of).queue_limit(2);
    let mut service = layer.layer(scripted(&[], true));
    let mut together = vec![];
    for _ in 0..9 {
        for user in ["ann", "bob"] {
            together.push((user, service.ready().await.unwrap().call(request_of(user))));
        }
    }
    let mut held = vec![];
    let mut still = vec![];
    for (user, mut future) in together {
        match (&mut future).now_or_never().map(Result::unwrap) {
            Some(response) if response.status() == StatusCode::OK => held.push(response),
            Some(response) => assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS),
            None => still.push((user, future)),
        }
    }
    let users: Vec<_> = still.iter().map(|(user, _)| *user).collect();
    assert_eq!((held.len(), users), (2, vec!["ann", "bob", "ann", "bob"]));
    drop((held, still));
    assert!(gates.is_empty());
}
