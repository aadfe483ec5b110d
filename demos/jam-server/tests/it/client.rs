//! A client of the channel protocol, and what it expects.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jam_server::{Args, Running};
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long an answer may take: far more than it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a server on a free port, with changes to its limits.
pub(crate) async fn server(change: impl FnOnce(&mut Args)) -> Running {
    let mut args = Args { port: 0, sockets_of_address: 10_000, ..Args::default() };
    change(&mut args);
    Running::start(args).await.expect("a free port")
}

/// A page that was served: what its script reads.
pub(crate) struct Page {
    pub(crate) topic: String,
    pub(crate) ticket: String,
    pub(crate) token: String,
}

/// Sends a request for a path with some headers, and returns the whole response.
pub(crate) async fn request(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let connection = if headers.contains("Upgrade:") { "Upgrade, close" } else { "close" };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let whole = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut response)).await;
    whole.expect("a whole response in time").unwrap();
    String::from_utf8(response).unwrap()
}

/// Returns the page of a path, for the user of a token.
pub(crate) async fn page(address: SocketAddr, path: &str, token: Option<&str>) -> Page {
    let cookie = token.map(|token| format!("Cookie: jam_user={token}\r\n")).unwrap_or_default();
    let response = request(address, path, &cookie).await;
    let field = |name: &str| {
        let (_, rest) = response.split_once(&format!("data-{name}=\"")).expect("the page has it");
        rest.split_once('"').unwrap().0.to_owned()
    };
    Page { topic: field("topic"), ticket: field("ticket"), token: field("token") }
}

/// A socket of a client.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_ref: u32,
    /// Messages that came while another one was awaited.
    kept: Vec<Value>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Client {
        Client::try_connect(address, &format!("vsn=2.0.0&token={token}")).await.unwrap()
    }

    pub(crate) async fn try_connect(address: SocketAddr, query: &str) -> Result<Client, Error> {
        let url = format!("ws://{address}/socket/websocket?{query}");
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(Client { socket, next_ref: 0, kept: Vec::new() })
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_message(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    fn new_ref(&mut self) -> String {
        self.next_ref += 1;
        self.next_ref.to_string()
    }

    /// Joins a topic, and returns the ref of the join, and the reply.
    pub(crate) async fn join(&mut self, topic: &str, ticket: &str) -> (String, Value) {
        let join_ref = self.new_ref();
        let params = if ticket.is_empty() { json!({}) } else { json!({ "ticket": ticket }) };
        self.send(json!([join_ref, join_ref, topic, "phx_join", params])).await;
        let reply = self.reply(&join_ref).await;
        (join_ref, reply)
    }

    /// Joins a topic that admits, and returns the ref of the join and the user's id.
    pub(crate) async fn enter(&mut self, topic: &str, ticket: &str) -> (String, String) {
        let (join_ref, reply) = self.join(topic, ticket).await;
        assert_eq!(reply["status"], "ok", "{reply}");
        (join_ref, reply["response"]["user_id"].as_str().unwrap().to_owned())
    }

    /// Pushes an event without waiting for an answer, and returns its ref.
    pub(crate) async fn push(&mut self, join_ref: &str, topic: &str, event: &str) -> String {
        let message_ref = self.new_ref();
        self.send(json!([join_ref, message_ref, topic, event, { "user_id": "forged" }])).await;
        message_ref
    }

    /// Waits for the reply to a message.
    pub(crate) async fn reply(&mut self, message_ref: &str) -> Value {
        let reply = self.wait(|frame| frame[3] == "phx_reply" && frame[1] == message_ref).await;
        reply[4].clone()
    }

    /// Waits for an event.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        self.wait(|frame| frame[3] == event).await
    }

    /// Waits for a frame that fits.
    pub(crate) async fn wait(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.kept.iter().position(&fits) {
            return self.kept.remove(place);
        }
        loop {
            let frame = self.next().await;
            if fits(&frame) {
                return frame;
            }
            self.kept.push(frame);
        }
    }

    async fn next(&mut self) -> Value {
        match self.message().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("a frame of the protocol, not {other:?}"),
        }
    }

    async fn message(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message in time")
    }

    /// Forgets all messages so far.
    pub(crate) async fn forget(&mut self) {
        let message_ref = self.new_ref();
        self.send(json!([null, message_ref, "phoenix", "heartbeat", {}])).await;
        self.reply(&message_ref).await;
        self.kept.clear();
    }

    /// Asserts that no message waits, and that the server still answers.
    pub(crate) async fn is_silent(&mut self) {
        let message_ref = self.new_ref();
        self.send(json!([null, message_ref, "phoenix", "heartbeat", {}])).await;
        assert_eq!(self.reply(&message_ref).await["status"], "ok");
        assert!(self.kept.is_empty(), "{:?}", self.kept);
    }

    /// Waits for the server to end the connection, and returns the code and the reason.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        loop {
            match self.message().await {
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return (code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("a close frame, not {other:?}"),
            }
        }
    }

    /// Ends the connection as a page does that is closed.
    pub(crate) async fn close(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = self.message().await {}
    }

    /// Ends the connection without a word.
    pub(crate) fn cut(self) {}
}

/// Waits until a fact holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns the seats and users of a `presence_state`, in the order of seats.
pub(crate) fn seats(state: &Value) -> Vec<(u64, String)> {
    let mut seats: Vec<_> = state[4]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(user, value)| {
            let metas = value["metas"].as_array().unwrap();
            metas.iter().map(|meta| (meta["seat"].as_u64().unwrap(), user.clone()))
        })
        .collect();
    seats.sort_unstable();
    seats
}
