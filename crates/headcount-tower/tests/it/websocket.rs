//! A WebSocket takes its place along.

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use futures_util::{SinkExt, StreamExt};
use headcount_tower::{GateLayer, Place};
use http::StatusCode;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{client_async, WebSocketStream};

use crate::support::{gate, serve, until};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn keeps(Extension(place): Extension<Place>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| async move {
        echo(socket).await;
        drop(place);
    })
}

async fn leaves(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn connect(
    address: std::net::SocketAddr,
    path: &str,
) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    Ok(client_async(format!("ws://localhost{path}"), stream).await?.0)
}

async fn echoes(socket: &mut WebSocketStream<TcpStream>) {
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
}

#[tokio::test]
async fn a_socket_holds_its_place_until_it_is_closed() {
    let gate = gate(1);
    let app = Router::new()
        .route("/keeps", any(keeps))
        .route("/leaves", any(leaves))
        .layer(GateLayer::new(gate.clone()));
    let address = serve(app).await;

    // Closed by a message, and by a connection that breaks.
    for is_polite in [true, false] {
        let mut socket = connect(address, "/keeps").await.unwrap();
        echoes(&mut socket).await;
        assert_eq!(gate.occupied(), 1);
        match connect(address, "/keeps").await.unwrap_err() {
            Error::Http(response) => {
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(response.headers()["retry-after"], "1");
            }
            other => panic!("{other}"),
        }
        echoes(&mut socket).await;
        if is_polite {
            socket.close(None).await.unwrap();
        }
        drop(socket);
        until(|| gate.occupied() == 0).await;
    }

    // A handler that does not take the place leaves it to the response, which ends at once.
    let mut socket = connect(address, "/leaves").await.unwrap();
    echoes(&mut socket).await;
    until(|| gate.occupied() == 0).await;
    echoes(&mut socket).await;
}
