//! One request through the layer, beside `LoadShed` over `GlobalConcurrencyLimit`.
//!
//! A request is what a server makes of it: the service is cloned, asked whether it is ready, and
//! called; its response is awaited and dropped. The inner service is ready at once. Both sides
//! respond to a rejected request alike: 503, two headers, a line of text. The peer's error becomes
//! that response in place; a server under axum would box a future for it, by `HandleErrorLayer`.
//!
//! - *with room*: 50 places, of which the threads take one each.
//! - *full*: one place, which is held throughout.
//!
//! *No limit* is the floor, the same work without a layer: the inner service responds, or rejects,
//! by itself. It is in the figures of both sides.
//!
//! The peer gives its place back with the response's head; the layer with the response's body.
//!
//! `cargo bench -p headcount-tower`

#[path = "../../../benches/common/mod.rs"]
mod common;

use std::convert::Infallible;
use std::future::{ready, Future, Ready};
use std::sync::Arc;

use bytes::Bytes;
use common::contenders::Contender;
use common::crew::Crew;
use common::ratio::{compare, Effort, Side};
use common::table::{Table, Target};
use futures_util::FutureExt;
use headcount::{Gate, OwnedPermit};
use headcount_tower::{GateLayer, GateService};
use http::{header, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer};
use tower::load_shed::LoadShed;
use tower::{service_fn, Layer, ServiceExt};

type Inner = tower::util::ServiceFn<fn(Request<()>) -> Ready<Answer>>;
type Answer = Result<Response<Full<Bytes>>, Infallible>;

fn inner() -> Inner {
    service_fn(|_| ready(Ok(Response::new(Full::from("hello")))))
}

/// The service without a layer.
struct NoLimit {
    service: Inner,
    expected: StatusCode,
}

impl NoLimit {
    fn new(is_full: bool) -> Self {
        let service =
            if is_full { service_fn((|_| ready(Ok(refusal()))) as fn(_) -> _) } else { inner() };
        NoLimit { service, expected: expected(is_full) }
    }
}

impl Contender for NoLimit {
    const NAME: &'static str = "no limit";

    fn once(&self, _thread: usize) {
        let response = at_once(self.service.oneshot(Request::new(()))).unwrap();
        assert_eq!(response.status(), self.expected);
    }
}

/// What a server sends if `LoadShed` refuses; the layer's own answer is the same.
fn refusal() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("Busy. Please try again.\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Returns what the future is ready with when it is first polled.
fn at_once<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("the future is ready")
}

struct Layered {
    service: GateService<Inner>,
    expected: StatusCode,
    _held: Option<OwnedPermit>,
}

impl Layered {
    fn new(is_full: bool) -> Self {
        let gate = Arc::new(Gate::new(if is_full { 1 } else { 50 }));
        let held = is_full.then(|| gate.clone().try_acquire_owned().unwrap());
        let service = GateLayer::new(gate).layer(inner());
        Layered { service, expected: expected(is_full), _held: held }
    }
}

impl Contender for Layered {
    const NAME: &'static str = "GateLayer";

    fn once(&self, _thread: usize) {
        let response = at_once(self.service.clone().oneshot(Request::new(()))).unwrap();
        assert_eq!(response.status(), self.expected);
    }
}

struct Peer {
    service: LoadShed<ConcurrencyLimit<Inner>>,
    expected: StatusCode,
    _held: Option<OwnedSemaphorePermit>,
}

impl Peer {
    fn new(is_full: bool) -> Self {
        let semaphore = Arc::new(Semaphore::new(if is_full { 1 } else { 50 }));
        let held = is_full.then(|| semaphore.clone().try_acquire_owned().unwrap());
        let limit = GlobalConcurrencyLimitLayer::with_semaphore(semaphore);
        let service = LoadShed::new(limit.layer(inner()));
        Peer { service, expected: expected(is_full), _held: held }
    }
}

impl Contender for Peer {
    const NAME: &'static str = "LoadShed + GlobalConcurrencyLimit";

    fn once(&self, _thread: usize) {
        let response = at_once(self.service.clone().oneshot(Request::new(())));
        let response = response.unwrap_or_else(|_overloaded| refusal());
        assert_eq!(response.status(), self.expected);
    }
}

fn expected(is_full: bool) -> StatusCode {
    if is_full {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    }
}

fn main() {
    if common::is_listing() {
        return;
    }
    let effort = if common::is_trial() {
        Effort { rounds: 1, operations: 100 }
    } else {
        Effort { rounds: 61, operations: 5_000 }
    };
    let crew = Crew::new(2);
    let mut table = Table::new(
        "One request through the layer",
        "cargo bench -p headcount-tower",
        Layered::NAME,
    );
    for threads in [1, 2] {
        for (scenario, is_full, target) in [("with room", false, 0.75), ("full", true, 0.35)] {
            let (layered, peer) = (Arc::new(Layered::new(is_full)), Arc::new(Peer::new(is_full)));
            let (left, right) = (Side::new(&layered, threads), Side::new(&peer, threads));
            let comparison = compare(&crew, &left, &right, effort);
            let target = if threads == 1 { Target::AtMost(target) } else { Target::None };
            let scenario = format!("{scenario}, threads: {threads}");
            table.add(&scenario, Peer::NAME, comparison, target);
            let floor = Arc::new(NoLimit::new(is_full));
            let comparison = compare(&crew, &left, &Side::new(&floor, threads), effort);
            table.add(&scenario, NoLimit::NAME, comparison, Target::None);
        }
    }
    println!("{table}");
}
