//! 10,000 requests against a limit of 50, over HTTP/1 and over HTTP/2.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::Router;
use headcount_tower::GateLayer;
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;

use crate::support::{self, gate, serve, stream, until, Client, Stream, Version};

const LIMIT: u32 = 50;
const REQUESTS: u32 = 10_000;
const AT_ONCE: u32 = 200;

/// How many requests are between the begin of the handler and the end of the body, counted by the
/// handler and the body themselves, and the most there have been.
#[derive(Default)]
struct Inside {
    now: AtomicU32,
    most: AtomicU32,
    all: AtomicU32,
}

/// One request inside.
struct Visit(Arc<Inside>);

impl Visit {
    fn begin(inside: &Arc<Inside>) -> Visit {
        let now = inside.now.fetch_add(1, Ordering::SeqCst) + 1;
        inside.most.fetch_max(now, Ordering::SeqCst);
        inside.all.fetch_add(1, Ordering::SeqCst);
        Visit(inside.clone())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A streaming body that is inside until it is dropped.
struct Visiting {
    chunks: Stream,
    _visit: Visit,
}

impl http_body::Body for Visiting {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.chunks).poll_frame(cx)
    }
}

/// Works a little, and then streams three chunks, with pauses.
async fn visit(inside: Arc<Inside>) -> Response<Body> {
    let visit = Visit::begin(&inside);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (sender, chunks) = stream();
    tokio::spawn(async move {
        for _ in 0..3 {
            if sender.send(Bytes::from_static(b"chunk")).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    Response::new(Body::new(Visiting { chunks, _visit: visit }))
}

/// Asks again and again, and returns how many requests were served, and how many rejected.
async fn ask(mut client: Client, requests: u32) -> (u32, u32) {
    let (mut served, mut rejected) = (0, 0);
    for _ in 0..requests {
        let response = client.send(support::get("/")).await.await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        match status {
            StatusCode::OK => {
                assert_eq!(body, "chunkchunkchunk");
                served += 1;
            }
            StatusCode::SERVICE_UNAVAILABLE => rejected += 1,
            other => panic!("{other}"),
        }
    }
    (served, rejected)
}

async fn storm(version: Version) {
    let gate = gate(LIMIT);
    let inside = Arc::new(Inside::default());
    let count = inside.clone();
    let app = Router::new()
        .route("/", get(move || visit(count.clone())))
        .layer(GateLayer::new(gate.clone()));
    let address = serve(app).await;

    let mut clients = vec![];
    for _ in 0..AT_ONCE {
        let client = Client::connect(address, version).await;
        clients.push(tokio::spawn(ask(client, REQUESTS / AT_ONCE)));
    }
    let (mut served, mut rejected) = (0, 0);
    for client in clients {
        let (ok, no) = client.await.unwrap();
        served += ok;
        rejected += no;
    }
    until(|| gate.occupied() == 0).await;

    assert_eq!(served + rejected, REQUESTS);
    assert_eq!(inside.all.load(Ordering::SeqCst), served);
    assert_eq!(inside.now.load(Ordering::SeqCst), 0);
    // The limit was reached, and never passed.
    assert_eq!(inside.most.load(Ordering::SeqCst), LIMIT);
    assert!(rejected > 0, "all were served");
    println!("{version:?}: {served} served, {rejected} rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_requests_over_http_1_never_more_than_fifty_inside() {
    storm(Version::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_requests_over_http_2_never_more_than_fifty_inside() {
    storm(Version::Http2).await;
}
