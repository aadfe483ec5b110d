//! Real requests under axum, over HTTP/1 and HTTP/2.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::Router;
use headcount_tower::GateLayer;
use http::{header, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::Mutex;

use crate::support::{self, gate, get_once, serve, stream, until, Client, Script, Step, VERSIONS};

/// A route whose body is scripted.
fn scripted(steps: &'static [Step], hangs: bool) -> axum::routing::MethodRouter {
    get(move || async move { Response::new(Body::new(Script { steps: steps.to_vec(), hangs })) })
}

#[tokio::test]
async fn a_streaming_response_holds_its_place_to_the_end() {
    for version in VERSIONS {
        let gate = gate(1);
        let (chunks, body) = stream();
        let body = Arc::new(Mutex::new(Some(body)));
        let route = get(move || {
            let body = body.clone();
            async move { Response::new(Body::new(body.lock().await.take().unwrap())) }
        });
        let app = Router::new().route("/", route).layer(GateLayer::new(gate.clone()));
        let address = serve(app).await;

        let mut client = Client::connect(address, version).await;
        let response = client.get("/").await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(gate.occupied(), 1);
        let mut body = response.into_body();
        for _ in 0..3 {
            chunks.send(Bytes::from_static(b"chunk")).await.unwrap();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "chunk");
            assert_eq!(gate.occupied(), 1);
        }
        let refused = get_once(address, version, "/").await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        let text = refused.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "Busy. Please try again.\n");

        drop(chunks);
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
        until(|| gate.occupied() == 0).await;
    }
}

/// All kinds of body: without any byte, with a length, and answers without a body.
#[tokio::test]
async fn a_short_response_gives_its_place_back() {
    for version in VERSIONS {
        let gate = gate(1);
        let app = Router::new()
            .route("/empty", get(|| async {}))
            .route("/text", get(|| async { "text" }))
            .route("/chunks", scripted(&[Step::Chunk, Step::Chunk], false))
            .layer(GateLayer::new(gate.clone()));
        let address = serve(app).await;
        let mut client = Client::connect(address, version).await;
        for (path, length) in [("/empty", 0), ("/text", 4), ("/chunks", 10), ("/nothing", 0)] {
            let response = client.get(path).await.unwrap();
            assert_ne!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{version:?} {path}");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), length);
            until(|| gate.occupied() == 0).await;
        }
        let head = support::get("/text").method("HEAD");
        assert_eq!(client.send(head).await.await.unwrap().status(), StatusCode::OK);
        until(|| gate.occupied() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_the_handler_works_gives_the_place_back() {
    for version in VERSIONS {
        let gate = gate(1);
        let app = Router::new()
            .route("/", get(|| async { pending::<()>().await }))
            .layer(GateLayer::new(gate.clone()));
        let mut client = Client::connect(serve(app).await, version).await;
        let response = tokio::spawn(client.send(support::get("/")).await);
        until(|| gate.occupied() == 1).await;
        client.disconnect();
        assert!(response.await.unwrap().is_err());
        until(|| gate.occupied() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_the_body_gives_the_place_back() {
    for version in VERSIONS {
        let gate = gate(1);
        let app = Router::new()
            .route("/", scripted(&[Step::Chunk], true))
            .layer(GateLayer::new(gate.clone()));
        let mut client = Client::connect(serve(app).await, version).await;
        let mut body = client.get("/").await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(gate.occupied(), 1);
        client.disconnect();
        until(|| gate.occupied() == 0).await;
    }
}

/// Over HTTP/2 a client can give up one response and keep the connection.
#[tokio::test]
async fn a_reset_stream_gives_the_place_back() {
    let gate = gate(1);
    let app = Router::new()
        .route("/", scripted(&[Step::Chunk], true))
        .layer(GateLayer::new(gate.clone()));
    let mut client = Client::connect(serve(app).await, support::Version::Http2).await;
    let body = client.get("/").await.unwrap().into_body();
    assert_eq!(gate.occupied(), 1);
    drop(body);
    until(|| gate.occupied() == 0).await;
    assert_eq!(client.get("/").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_handler_that_panics_gives_the_place_back() {
    for version in VERSIONS {
        let gate = gate(1);
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let handler = get(move || {
            count.fetch_add(1, Ordering::Relaxed);
            async {
                if true {
                    panic!("the handler panics");
                }
            }
        });
        let app = Router::new().route("/", handler).layer(GateLayer::new(gate.clone()));
        let address = serve(app).await;
        for n in 1..=3 {
            assert!(get_once(address, version, "/").await.is_err());
            until(|| gate.occupied() == 0).await;
            assert_eq!(calls.load(Ordering::Relaxed), n);
        }
    }
}

#[tokio::test]
async fn a_body_that_fails_or_panics_gives_the_place_back() {
    for version in VERSIONS {
        let gate = gate(1);
        let app = Router::new()
            .route("/fails", scripted(&[Step::Chunk, Step::Fail], true))
            .route("/panics", scripted(&[Step::Chunk, Step::Panic], true))
            .layer(GateLayer::new(gate.clone()));
        let address = serve(app).await;
        for path in ["/fails", "/panics"] {
            // The client's error comes with the response, or with its body.
            if let Ok(response) = get_once(address, version, path).await {
                assert_eq!(response.status(), StatusCode::OK, "{version:?} {path}");
                assert!(response.into_body().collect().await.is_err(), "{version:?} {path}");
            }
            until(|| gate.occupied() == 0).await;
        }
    }
}
