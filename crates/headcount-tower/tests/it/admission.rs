//! When a place is taken and given back, and what a rejected request gets. No network.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use futures_util::FutureExt;
use headcount::Gate;
use headcount_tower::{GateLayer, Place, Rejection};
use http::{header, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{service_fn, Layer, Service, ServiceExt};

use crate::support::{gate, inner, request, scripted, Step};

#[tokio::test]
async fn a_ready_service_holds_no_place() {
    let gate = gate(1);
    let mut services = vec![GateLayer::new(gate.clone()).layer(scripted(&[], false)); 3];
    for service in &mut services {
        service.ready().await.unwrap();
    }
    assert_eq!(gate.occupied(), 0);
    let response = services[2].call(request()).await.unwrap();
    assert_eq!((response.status(), gate.occupied()), (StatusCode::OK, 1));
}

#[tokio::test]
async fn clones_and_other_services_of_the_layer_share_the_limit() {
    let gate = gate(2);
    let layer = GateLayer::new(gate.clone());
    let first = layer.clone().layer(scripted(&[], true));
    let second = layer.layer(scripted(&[], true));
    let held = [
        first.clone().oneshot(request()).await.unwrap(),
        second.clone().oneshot(request()).await.unwrap(),
    ];
    for service in [first, second] {
        let response = service.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    drop(held);
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test]
async fn the_place_is_taken_in_call_and_held_until_the_body_has_ended() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone()).layer(scripted(&[Step::Chunk, Step::Chunk], false));
    let response = {
        let mut service = service.clone();
        let future = service.ready().await.unwrap().call(request());
        assert_eq!(gate.occupied(), 1);
        future.await.unwrap()
    };
    let mut body = response.into_body();
    for _ in 0..2 {
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(gate.occupied(), 1);
    }
    assert!(!body.is_end_stream());
    assert!(body.frame().await.is_none());
    assert_eq!(gate.occupied(), 0);
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_failed_body_gives_the_place_back() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone()).layer(scripted(&[Step::Chunk, Step::Fail], true));
    let mut body = service.oneshot(request()).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(gate.occupied(), 1);
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(gate.occupied(), 0);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_dropped_body_gives_the_place_back() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone()).layer(scripted(&[Step::Chunk], true));
    let mut body = service.oneshot(request()).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(gate.occupied(), 1);
    drop(body);
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test]
async fn a_dropped_response_future_gives_the_place_back() {
    let gate = gate(1);
    let mut service = GateLayer::new(gate.clone()).layer(inner(|_| pending()));
    let mut future = service.ready().await.unwrap().call(request());
    assert!((&mut future).now_or_never().is_none());
    assert_eq!(gate.occupied(), 1);
    drop(future);
    assert_eq!(gate.occupied(), 0);
}

/// The place is free before the future that has failed is dropped, after a wait too.
#[tokio::test]
async fn a_failed_response_future_gives_the_place_back() {
    let gate = gate(1);
    let fails = |_: Request<()>| ready(Err::<Response<Body>, _>("the handler fails"));
    let mut service = GateLayer::new(gate.clone()).queue_limit(1).layer(service_fn(fails));
    let mut first = service.ready().await.unwrap().call(request());
    let mut second = service.ready().await.unwrap().call(request());
    assert!((&mut second).now_or_never().is_none());
    for future in [&mut first, &mut second] {
        assert_eq!(gate.occupied(), 1);
        let failed = future.now_or_never().expect("the place is free").map(|_| ());
        assert_eq!(failed, Err("the handler fails"));
    }
    assert_eq!(gate.occupied(), 0);
}

/// A panic in the call itself, in the future, and in the body.
#[tokio::test]
async fn a_panic_gives_the_place_back() {
    let gate = gate(1);
    let layer = GateLayer::new(gate.clone());

    let mut in_call = layer.layer(tower::service_fn(|_: Request<()>| {
        if true {
            panic!("the call panics");
        }
        pending::<Result<Response<Body>, Infallible>>()
    }));
    in_call.ready().await.unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(in_call.call(request())))).is_err());
    assert_eq!(gate.occupied(), 0);

    let in_future = layer.layer(inner(|_| async { panic!("the handler panics") }));
    assert!(tokio::spawn(in_future.oneshot(request())).await.unwrap_err().is_panic());
    assert_eq!(gate.occupied(), 0);

    let in_body = layer.layer(scripted(&[Step::Panic], false));
    let response = in_body.oneshot(request()).await.unwrap();
    assert_eq!(gate.occupied(), 1);
    assert!(tokio::spawn(response.into_body().collect()).await.unwrap_err().is_panic());
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test]
async fn an_error_of_the_service_is_passed_on_and_gives_the_place_back() {
    let gate = gate(1);
    let service = tower::service_fn(|_: Request<()>| async { Err::<Response<Body>, _>("broken") });
    let result = GateLayer::new(gate.clone()).layer(service).oneshot(request()).await;
    assert_eq!(result.unwrap_err(), "broken");
    assert_eq!(gate.occupied(), 0);
}

/// Writes down how many places are occupied when it is dropped.
struct Witness {
    gate: Arc<Gate>,
    seen: Arc<Mutex<Vec<u32>>>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.seen.lock().unwrap().push(self.gate.occupied());
    }
}

impl http_body::Body for Witness {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

/// What the handler's future and its body hold is gone before the place is free.
#[tokio::test]
async fn the_place_outlives_the_future_and_the_body() {
    let gate = gate(1);
    let seen = Arc::new(Mutex::new(vec![]));
    let witness = {
        let (gate, seen) = (gate.clone(), seen.clone());
        move || Witness { gate: gate.clone(), seen: seen.clone() }
    };
    let layer = GateLayer::new(gate.clone());

    let make = witness.clone();
    let service = layer.layer(inner(move |_| {
        let body = Body::new(make());
        async { Ok(Response::new(body)) }
    }));
    let ended = service.clone().oneshot(request()).await.unwrap();
    ended.into_body().collect().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1]);
    drop(service.oneshot(request()).await.unwrap());
    assert_eq!(*seen.lock().unwrap(), [1, 1]);

    let mut service = layer.layer(inner(move |_| {
        let kept = witness();
        async move {
            pending::<()>().await;
            drop(kept);
            Ok(Response::new(Body::empty()))
        }
    }));
    drop(service.ready().await.unwrap().call(request()));
    assert_eq!(*seen.lock().unwrap(), [1, 1, 1]);
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test]
async fn a_rejected_request_does_not_reach_the_service() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let service = GateLayer::new(gate(0)).layer(inner(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(Response::new(Body::empty())) }
    }));
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_rejection_says_when_to_come_back() {
    let gate = gate(0);
    let service = GateLayer::new(gate.clone()).layer(scripted(&[], false));
    for (is_closed, text) in
        [(false, "Busy. Please try again.\n"), (true, "Closed. Please try again later.\n")]
    {
        if is_closed {
            gate.close();
        }
        let response = service.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        let body = response.into_body();
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
        assert_eq!(body.collect().await.unwrap().to_bytes(), text);
    }
}

#[tokio::test]
async fn a_rejection_can_be_mapped() {
    let gate = gate(0);
    let service = GateLayer::new(gate.clone())
        .map_rejection(|rejection: Rejection| {
            let text = format!("{rejection}, closed: {}", rejection.is_closed());
            let mut response = Response::new(Full::from(text));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response
        })
        .layer(tower::service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    for text in ["all places are taken, closed: false", "closed, closed: true"] {
        let response = service.clone().oneshot(request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
        gate.close();
    }
}

#[tokio::test]
async fn only_a_request_for_an_upgrade_carries_its_place() {
    let taken = Arc::new(Mutex::new(vec![]));
    let take = taken.clone();
    let gate = gate(9);
    let service = GateLayer::new(gate.clone()).layer(inner(move |mut request: Request<()>| {
        take.lock().unwrap().push(request.extensions_mut().remove::<Place>());
        async { Ok(Response::new(Body::empty())) }
    }));
    let upgrade = Request::get("/").header(header::UPGRADE, "websocket").body(()).unwrap();
    let connect = Request::builder().method(Method::CONNECT).body(()).unwrap();
    for request in [request(), upgrade, connect] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    let places = std::mem::take(&mut *taken.lock().unwrap());
    let carried: Vec<bool> = places.iter().map(Option::is_some).collect();
    assert_eq!(carried, [false, true, true]);
    // The bodies have ended; the handler keeps two places.
    assert_eq!(gate.occupied(), 2);
    let clones = places.clone();
    drop(places);
    assert_eq!(gate.occupied(), 2);
    drop(clones);
    assert_eq!(gate.occupied(), 0);
}

/// An upgrade holds its place for the response too, if the handler drops it early.
#[tokio::test]
async fn the_response_of_an_upgrade_holds_the_place() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone()).layer(scripted(&[Step::Chunk], false));
    let upgrade = Request::get("/").header(header::UPGRADE, "h2c").body(()).unwrap();
    let body = service.oneshot(upgrade).await.unwrap().into_body();
    assert_eq!(gate.occupied(), 1);
    body.collect().await.unwrap();
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test]
async fn one_extension_carries_the_places_of_all_layers() {
    let taken = Arc::new(Mutex::new(None));
    let take = taken.clone();
    let (outer, middle) = (gate(1), gate(1));
    let service = GateLayer::new(outer.clone()).layer(GateLayer::new(middle.clone()).layer(inner(
        move |mut request: Request<()>| {
            *take.lock().unwrap() = request.extensions_mut().remove::<Place>();
            async { Ok(Response::new(Body::empty())) }
        },
    )));
    let upgrade = Request::get("/").header(header::UPGRADE, "websocket").body(()).unwrap();
    service.oneshot(upgrade).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!((outer.occupied(), middle.occupied()), (1, 1));
    drop(taken.lock().unwrap().take().expect("a place"));
    assert_eq!((outer.occupied(), middle.occupied()), (0, 0));
}

#[tokio::test]
async fn the_gate_can_be_resized_and_drained_meanwhile() {
    let gate = gate(1);
    let service = GateLayer::new(gate.clone()).layer(scripted(&[Step::Chunk], false));
    let first = service.clone().oneshot(request()).await.unwrap();
    gate.set_capacity(2);
    let second = service.clone().oneshot(request()).await.unwrap();
    assert_eq!((second.status(), gate.occupied()), (StatusCode::OK, 2));
    gate.close();
    let third = service.oneshot(request()).await.unwrap();
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    second.into_body().collect().await.unwrap();
    assert_eq!(gate.occupied(), 0);
}

#[tokio::test]
async fn a_static_gate_is_limited_as_another_is() {
    static GATE: Gate = Gate::new(1);
    let layer = GateLayer::new(&GATE);
    let service = layer.clone().layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    assert_eq!((held.status(), GATE.occupied()), (StatusCode::OK, 1));
    let rejected = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);

    let waits = layer.queue_limit(1).layer(scripted(&[], true));
    let mut first = std::pin::pin!(waits.clone().oneshot(request()));
    assert!(first.as_mut().now_or_never().is_none());
    let second = waits.oneshot(request()).await.unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(held);
    assert_eq!(first.await.unwrap().status(), StatusCode::OK);
    assert_eq!(GATE.occupied(), 0);
}
