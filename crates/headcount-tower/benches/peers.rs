//! One request through the layer, beside `LoadShed` over `GlobalConcurrencyLimit`.
//!
//! A request is what a server makes of it: the service is cloned, asked whether it is ready, and
//! called; its response is awaited and dropped. The inner service is ready at once. Both sides
//! respond to a rejected request alike: 503, two headers, a line of text. The peer's error becomes
//! that response in place; a server under axum would box a future for it, by `HandleErrorLayer`.
//!
//! - *with room*: 50 places, of which the threads take one each.
//! - *full*: one place, which is held throughout.
//! - *full, bare*: the same, and both sides respond to a rejected request with a status alone.
//!
//! The layer is measured with an `Arc<Gate>` and with a `&'static Gate`.
//!
//! *No limit* is the floor, the same work without a layer: the inner service responds, or rejects,
//! by itself. It is in the figures of both sides, and no layer can make it cheaper. A second table
//! therefore says what each layer *adds* to the floor, as the difference of two medians that were
//! taken in the same rounds. The targets are those of the whole request.
//!
//! A request is 224 bytes and a response 144. A move of either that the compiler spares one side
//! and not another changes a figure by 5 to 10 ns: smaller differences say nothing.
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
use common::ratio::{compare, Comparison, Effort, Side};
use common::table::{Table, Target};
use futures_util::FutureExt;
use headcount::Gate;
use headcount_tower::{GateLayer, GateService, Places, Reject, Rejection};
use http::{header, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::Semaphore;
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
    fn new(case: Case) -> Self {
        let service = match case {
            Case::WithRoom => inner(),
            Case::Full => service_fn((|_| ready(Ok(refusal()))) as fn(_) -> _),
            Case::FullBare => service_fn((|_| ready(Ok(bare()))) as fn(_) -> _),
        };
        NoLimit { service, expected: case.expected() }
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

/// What a server sends that has no more to say.
fn bare() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    WithRoom,
    Full,
    FullBare,
}

impl Case {
    fn places(self) -> usize {
        if self == Case::WithRoom {
            50
        } else {
            1
        }
    }

    fn expected(self) -> StatusCode {
        if self == Case::WithRoom {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

struct Layered<G, R> {
    service: GateService<Inner, G, R>,
    expected: StatusCode,
}

/// Returns a gate; if it is to be full, its one place is never given back.
fn gate(case: Case) -> Arc<Gate> {
    let gate = Arc::new(Gate::new(case.places() as u32));
    if case != Case::WithRoom {
        Gate::try_acquire(&gate).unwrap().forget();
    }
    gate
}

fn static_gate(case: Case) -> &'static Gate {
    let gate: &'static Gate = Box::leak(Box::new(Gate::new(case.places() as u32)));
    if case != Case::WithRoom {
        Gate::try_acquire(gate).unwrap().forget();
    }
    gate
}

impl<G, R> Contender for Layered<G, R>
where
    G: Places<()> + Send + Sync + 'static,
    R: Reject<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    const NAME: &'static str = "GateLayer";

    fn once(&self, _thread: usize) {
        let response = at_once(self.service.clone().oneshot(Request::new(()))).unwrap();
        assert_eq!(response.status(), self.expected);
    }
}

struct Peer<F> {
    service: LoadShed<ConcurrencyLimit<Inner>>,
    refusal: F,
    expected: StatusCode,
}

impl<F> Peer<F> {
    fn new(case: Case, refusal: F) -> Self {
        let semaphore = Arc::new(Semaphore::new(case.places()));
        if case != Case::WithRoom {
            semaphore.try_acquire().unwrap().forget();
        }
        let limit = GlobalConcurrencyLimitLayer::with_semaphore(semaphore);
        let service = LoadShed::new(limit.layer(inner()));
        Peer { service, refusal, expected: case.expected() }
    }
}

impl<F: Fn() -> Response<Full<Bytes>> + Send + Sync + 'static> Contender for Peer<F> {
    const NAME: &'static str = "LoadShed + GlobalConcurrencyLimit";

    fn once(&self, _thread: usize) {
        let response = at_once(self.service.clone().oneshot(Request::new(())));
        let response = response.unwrap_or_else(|_overloaded| (self.refusal)());
        assert_eq!(response.status(), self.expected);
    }
}

/// Measures one side against the peer and against the floor.
struct Measuring {
    crew: Crew,
    table: Table,
    effort: Effort,
    added: Vec<Added>,
}

/// What the layer and the peer add to the floor, in nanoseconds for each request.
struct Added {
    scenario: String,
    layered: f64,
    peer: f64,
}

impl Measuring {
    fn add<L: Contender, P: Contender>(&mut self, name: &str, case: Case, layered: L, peer: P) {
        let (layered, peer, floor) =
            (Arc::new(layered), Arc::new(peer), Arc::new(NoLimit::new(case)));
        for threads in [1, 2] {
            let target = match (threads, case) {
                (1, Case::WithRoom) => Target::AtMost(0.75),
                (1, _) => Target::AtMost(0.35),
                _ => Target::None,
            };
            let scenario = format!("{name}, threads: {threads}");
            let (left, right) = (Side::new(&layered, threads), Side::new(&peer, threads));
            let comparison = compare(&self.crew, &left, &right, self.effort);
            self.table.add(&scenario, P::NAME, comparison, target);
            if threads == 1 {
                let floor = Side::new(&floor, threads);
                let above = compare(&self.crew, &left, &floor, self.effort);
                let peer_above = compare(&self.crew, &right, &floor, self.effort);
                let added =
                    |of: Comparison| of.left.zip(of.right).map(|(side, floor)| side - floor);
                if let Some((layered, peer)) = added(above).zip(added(peer_above)) {
                    self.added.push(Added { scenario: name.to_owned(), layered, peer });
                }
                self.table.add(&scenario, NoLimit::NAME, above, Target::None);
            }
        }
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
    let table =
        Table::new("One request through the layer", "cargo bench -p headcount-tower", "GateLayer");
    let mut measuring = Measuring { crew: Crew::new(2), table, effort, added: vec![] };
    for (name, case) in [("with room", Case::WithRoom), ("full", Case::Full)] {
        let expected = case.expected();
        let service = GateLayer::new(gate(case)).layer(inner());
        let layered = Layered { service, expected };
        measuring.add(&format!("{name}, `Arc`"), case, layered, Peer::new(case, refusal));
        let service = GateLayer::new(static_gate(case)).layer(inner());
        let layered = Layered { service, expected };
        measuring.add(&format!("{name}, `static`"), case, layered, Peer::new(case, refusal));
    }
    let (case, expected) = (Case::FullBare, StatusCode::SERVICE_UNAVAILABLE);
    let reject = |_: Rejection| bare();
    let service = GateLayer::new(gate(case)).map_rejection(reject).layer(inner());
    let layered = Layered { service, expected };
    measuring.add("full, bare, `Arc`", case, layered, Peer::new(case, bare));
    let service = GateLayer::new(static_gate(case)).map_rejection(reject).layer(inner());
    let layered = Layered { service, expected };
    measuring.add("full, bare, `static`", case, layered, Peer::new(case, bare));
    println!("{}", measuring.table);
    println!("| what is added to *no limit*, 1 thread | GateLayer ns | peer ns | ratio |");
    println!("|---|--:|--:|--:|");
    for Added { scenario, layered, peer } in measuring.added {
        println!("| {scenario} | {layered:.0} | {peer:.0} | {:.2} |", layered / peer);
    }
}
