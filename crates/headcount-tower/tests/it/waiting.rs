//! Requests that wait for a place.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::Router;
use futures_util::FutureExt;
use headcount_tower::{GateLayer, Rejection};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::support::{
    self, gate, request, scripted, serve, soon, until, Client, Script, Step, VERSIONS,
};

const LIMIT: Duration = Duration::from_secs(2);

fn named(rejection: Rejection) -> Response<Body> {
    let names = [
        (rejection.is_full(), "full"),
        (rejection.is_queue_full(), "queue full"),
        (rejection.is_timed_out(), "timed out"),
        (rejection.is_closed(), "closed"),
    ];
    let names: Vec<_> = names.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    rejection.response().map(|_| Body::from(format!("{}: {rejection}", names.join(","))))
}

async fn text(response: Response<impl http_body::Body<Error: std::fmt::Debug>>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_until_a_place_is_free() {
    let gate = gate(1);
    let service =
        GateLayer::new(gate.clone()).wait_up_to(LIMIT).layer(scripted(&[Step::Chunk], false));
    let first = service.clone().oneshot(request()).await.unwrap();
    let second = tokio::spawn(service.oneshot(request()));
    tokio::time::sleep(LIMIT / 2).await;
    assert_eq!((gate.occupied(), gate.waiting()), (1, 1));
    first.into_body().collect().await.unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!((second.status(), gate.occupied(), gate.waiting()), (StatusCode::OK, 1, 0));
    drop(second);
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_the_limit() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone())
        .wait_up_to(LIMIT)
        .map_rejection(named)
        .layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let begun = Instant::now();
    let rejected = soon(service.oneshot(request())).await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= LIMIT && waited < LIMIT * 2, "{waited:?}");
    assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(rejected).await, "timed out: no place became free in time");
    assert_eq!((gate.occupied(), gate.waiting()), (1, 0));
    drop(held);
    assert_eq!(gate.occupied(), 0);
}

/// If the place and the end of the time come together, the request is admitted.
#[tokio::test]
async fn a_place_counts_more_than_the_time() {
    let gate = gate(1);
    let ready_at_once = || std::future::ready(());
    let mut service =
        GateLayer::new(gate.clone()).wait_until(ready_at_once).layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let waiting = service.ready().await.unwrap().call(request());
    drop(held);
    assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_timer_can_be_one_of_another_runtime() {
    let gate = gate(1);
    let timer = Arc::new(tokio::sync::Notify::new());
    let ring = timer.clone();
    let sleep = move || {
        let timer = timer.clone();
        async move { timer.notified().await }
    };
    let layer = GateLayer::new(gate.clone()).wait_until(sleep).map_rejection(named);
    let service = layer.layer(scripted(&[], true));
    let _held = service.clone().oneshot(request()).await.unwrap();
    let second = tokio::spawn(service.oneshot(request()));
    until(|| gate.waiting() == 1).await;
    assert!(!second.is_finished());
    ring.notify_one();
    let rejected = soon(second).await.unwrap().unwrap();
    assert_eq!(text(rejected).await, "timed out: no place became free in time");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_rejects_at_once() {
    let gate = gate(1);
    let layer = GateLayer::new(gate.clone()).wait_up_to(LIMIT).queue_limit(2);
    let service = layer.map_rejection(named).layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let waiting = [(); 2].map(|()| tokio::spawn(service.clone().oneshot(request())));
    until(|| gate.waiting() == 2).await;
    let begun = Instant::now();
    let rejected = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(rejected).await, "queue full: all places are taken and the queue is full");
    drop(held);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

/// All requests are called before the first is polled, so each finds an empty queue when called.
#[tokio::test]
async fn requests_that_arrive_together_do_not_exceed_the_queue_limit() {
    const QUEUE: usize = 3;
    let gate = gate(1);
    let layer = GateLayer::new(gate.clone()).queue_limit(QUEUE).map_rejection(named);
    let mut service = layer.layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let mut waiting = vec![];
    for _ in 0..20 {
        waiting.push(service.ready().await.unwrap().call(request()));
    }
    assert_eq!(gate.waiting(), 0);
    let mut rejected = 0;
    let mut still = vec![];
    for mut future in waiting {
        match (&mut future).now_or_never() {
            None => still.push(future),
            Some(response) => {
                let text = text(response.unwrap()).await;
                assert_eq!(text, "queue full: all places are taken and the queue is full");
                rejected += 1;
            }
        }
    }
    assert_eq!((gate.waiting(), still.len(), rejected), (QUEUE, QUEUE, 20 - QUEUE));
    drop(held);
    for future in still {
        assert_eq!(future.await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!((gate.occupied(), gate.waiting()), (0, 0));
}

/// The same, polled by four threads. No place becomes free, so the count is exact.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_does_not_exceed_the_queue_limit() {
    const QUEUE: usize = 20;
    const REQUESTS: usize = 400;
    let gate = gate(1);
    let layer = GateLayer::new(gate.clone()).queue_limit(QUEUE).map_rejection(named);
    let service = layer.layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let called: Vec<_> = (0..REQUESTS).map(|_| service.clone().call(request())).collect();
    let mut all: tokio::task::JoinSet<_> = called.into_iter().collect();
    for _ in QUEUE..REQUESTS {
        let rejected = soon(all.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(gate.waiting() <= QUEUE);
    }
    until(|| gate.waiting() == QUEUE).await;
    drop(held);
    while let Some(response) = all.join_next().await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(gate.occupied(), 0);
}

/// With a limit of the queue alone, requests wait for as long as it takes.
#[tokio::test(start_paused = true)]
async fn a_queue_needs_no_limit_of_time() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone()).queue_limit(1).layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let waiting = tokio::spawn(service.clone().oneshot(request()));
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(!waiting.is_finished());
    let rejected = soon(service.oneshot(request())).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn closing_the_gate_ends_the_wait() {
    let gate = gate(1);
    let layer = GateLayer::new(gate.clone()).queue_limit(9).map_rejection(named);
    let service = layer.layer(scripted(&[], true));
    let _held = service.clone().oneshot(request()).await.unwrap();
    let waiting = tokio::spawn(service.clone().oneshot(request()));
    until(|| gate.waiting() == 1).await;
    gate.close();
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "closed: closed");
    assert_eq!(text(service.oneshot(request()).await.unwrap()).await, "closed: closed");
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_the_queue() {
    let gate = gate(1);
    let mut service = GateLayer::new(gate.clone()).queue_limit(9).layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    let mut waiting = service.ready().await.unwrap().call(request());
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(gate.waiting(), 1);
    drop(waiting);
    assert_eq!(gate.waiting(), 0);
    drop(held);
    assert_eq!(gate.occupied(), 0);
}

/// A service that must be ready before each call, as tower's contract says.
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Strict { ready: false, calls: self.calls.clone() }
    }
}

impl Service<http::Request<()>> for Strict {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: http::Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn the_instance_that_was_ready_serves_the_request_that_waited() {
    let gate = gate(1);
    let calls = Arc::new(AtomicUsize::new(0));
    let strict = Strict { ready: false, calls: calls.clone() };
    let mut service = GateLayer::new(gate.clone()).queue_limit(9).layer(strict);
    let held = service.ready().await.unwrap().call(request()).await.unwrap();
    let waiting = service.ready().await.unwrap().call(request());
    let waiting_too = service.ready().await.unwrap().call(request());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    drop(held);
    drop(waiting.await.unwrap());
    drop(waiting_too.await.unwrap());
    assert_eq!((calls.load(Ordering::Relaxed), gate.occupied()), (3, 0));
}

#[tokio::test]
async fn requests_wait_in_order_over_loopback() {
    for version in VERSIONS {
        let gate = gate(1);
        let stream = get(|| async {
            Response::new(Body::new(Script { steps: vec![Step::Chunk], hangs: true }))
        });
        let app = Router::new()
            .route("/", stream)
            .route("/never", get(|| async { pending::<()>().await }))
            .layer(GateLayer::new(gate.clone()).wait_up_to(Duration::from_secs(60)));
        let address = serve(app).await;

        let mut first = Client::connect(address, version).await;
        let _body = first.get("/").await.unwrap().into_body();
        let (mut gone, mut second) =
            (Client::connect(address, version).await, Client::connect(address, version).await);
        let response = tokio::spawn(gone.send(support::get("/never")).await);
        until(|| gate.waiting() == 1).await;
        let served = tokio::spawn(second.send(support::get("/")).await);
        until(|| gate.waiting() == 2).await;

        // The client at the head of the queue gives up; the next one is served.
        gone.disconnect();
        assert!(response.await.unwrap().is_err());
        until(|| gate.waiting() == 1).await;
        assert!(!served.is_finished());
        first.disconnect();
        assert_eq!(served.await.unwrap().unwrap().status(), StatusCode::OK);
        assert_eq!((gate.occupied(), gate.waiting()), (1, 0));
        second.disconnect();
        until(|| gate.occupied() == 0).await;
    }
}
