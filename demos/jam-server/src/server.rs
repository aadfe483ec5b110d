//! The server: its pages, its socket, its figures, and how it starts and ends.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{header, HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use headcount::{Gate, KeyedGate, Ticket};
use headcount_tower::{GateLayer, KeyedGateLayer, Place};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_service::Service as _;
use tracing::{debug, info, warn};

use crate::args::Args;
use crate::jam::PREFIX;
use crate::jams::Jams;
use crate::session;
use crate::user::Users;

/// How long the sockets may take to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// All that the requests share.
#[derive(Debug)]
pub(crate) struct Server {
    /// The limits.
    pub(crate) args: Args,
    /// The jams.
    pub(crate) jams: Arc<Jams>,
    users: Users,
    /// All sockets.
    sockets: Arc<Gate>,
    /// The sockets of each address.
    addresses: Arc<KeyedGate<IpAddr>>,
    numbers: AtomicU64,
    closing: watch::Sender<bool>,
}

/// A server that listens.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    server: Arc<Server>,
    tasks: tokio::task::JoinSet<()>,
}

impl Server {
    /// Returns a number for a socket.
    pub(crate) fn next_socket(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns what turns true when the server ends.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
}

impl Running {
    /// Starts a server.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn start(args: Args) -> io::Result<Running> {
        let listener = TcpListener::bind((args.address, args.port)).await?;
        let address = listener.local_addr()?;
        let of_address = args.sockets_of_address;
        let jams = Jams::open(&args).await?;
        let server = Arc::new(Server {
            users: Users::new(jams.key().await?),
            jams,
            sockets: Arc::new(Gate::new(args.sockets)),
            addresses: Arc::new(KeyedGate::new(move |_: &IpAddr| of_address)),
            numbers: AtomicU64::new(0),
            closing: watch::Sender::new(false),
            args,
        });
        let mut tasks = tokio::task::JoinSet::new();
        let (app, mut closing) = (router(&server), server.closing());
        let head = server.args.head;
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = closing.wait_for(|closes| *closes) => return,
                };
                match accepted {
                    Ok((stream, peer)) => {
                        tokio::spawn(serve(stream, peer, app.clone(), head, closing.clone()));
                    }
                    Err(error) => {
                        warn!(%error, "no connection");
                        // Too many files may be open.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        let jams = Arc::clone(&server.jams);
        tasks.spawn(async move { jams.run().await });
        info!(%address, "listening");
        Ok(Running { address, server, tasks })
    }

    /// Returns the number of sockets.
    pub fn sockets(&self) -> u32 {
        self.server.sockets.occupied()
    }

    /// Returns the state of all jams.
    pub async fn state(&self) -> Value {
        self.server.jams.state().await
    }

    /// Admits no socket, tells all clients, and waits until the last has gone. Returns whether all
    /// went in time.
    pub async fn shut_down(mut self) -> bool {
        self.server.sockets.close();
        let drained = Arc::clone(&self.server.sockets).drain_owned();
        self.server.closing.send_replace(true);
        let in_time = tokio::time::timeout(SHUTDOWN, drained).await.is_ok();
        info!(in_time, "ended");
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        in_time
    }
}

/// Serves the requests of one connection, and ends it if one takes longer than `head` to say what
/// it asks for.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    head: Duration,
    mut closing: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let closes = async { drop(closing.wait_for(|closes| *closes).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = closes => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, %peer, "connection ended");
    }
}

fn router(server: &Arc<Server>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    // Both places stay with a socket until it ends.
    let all = GateLayer::new(Arc::clone(&server.sockets));
    let of_address = KeyedGateLayer::new(Arc::clone(&server.addresses), address_of);
    let sockets =
        Router::new().route("/socket/websocket", get(socket)).layer(all).layer(of_address);
    Router::new()
        .route("/", get(page))
        .route("/jams/{id}", get(page_of_jam))
        .route("/state", get(state))
        .route("/metrics", get(metrics))
        .merge(sockets)
        .route("/app.js", file("text/javascript", include_str!("../page/app.js")))
        .route("/sound.js", file("text/javascript", include_str!("../page/sound.js")))
        .route("/style.css", file("text/css", include_str!("../page/style.css")))
        .route("/phoenix.js", file("text/javascript", include_str!(env!("PHOENIX_JS"))))
        .route("/phoenix-license.txt", file("text/plain", include_str!(env!("PHOENIX_LICENSE"))))
        .layer(middleware::from_fn(secure))
        .with_state(Arc::clone(server))
}

fn address_of(request: &Request) -> IpAddr {
    let ConnectInfo(address) = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .expect("the server adds the address of each connection");
    address.ip()
}

/// Adds the headers that keep a page to its own server.
async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn page(
    State(server): State<Arc<Server>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let (user, token) = server.users.of_cookie(&headers).unwrap_or_else(|| server.users.create());
    let (topic, ticket) = server.jams.page(user, address.ip()).await;
    show(&topic, ticket, &token)
}

/// The page of a jam to which a user got a link. No seat is held: the join decides.
async fn page_of_jam(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !server.jams.knows(&id) {
        return (StatusCode::NOT_FOUND, "no such jam").into_response();
    }
    let (_, token) = server.users.of_cookie(&headers).unwrap_or_else(|| server.users.create());
    show(&format!("{PREFIX}{id}"), None, &token)
}

fn show(topic: &str, ticket: Option<Ticket>, token: &str) -> Response {
    // None of these texts has a character that HTML gives a meaning.
    let ticket = ticket.map(|ticket| ticket.to_string()).unwrap_or_default();
    let page = include_str!("../page/index.html")
        .replace("{{topic}}", topic)
        .replace("{{ticket}}", &ticket)
        .replace("{{token}}", token);
    let headers = [
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::SET_COOKIE, Users::cookie(token)),
    ];
    (headers, Html(page)).into_response()
}

async fn state(State(server): State<Arc<Server>>) -> Json<Value> {
    Json(server.jams.state().await)
}

async fn metrics(State(server): State<Arc<Server>>) -> impl IntoResponse {
    let mut figures = server.jams.metrics().await;
    figures.push(("jam_sockets", "gauge", "Open sockets.", server.sockets.occupied().into()));
    figures.push((
        "jam_sockets_limit",
        "gauge",
        "Sockets that may be open.",
        server.sockets.capacity().into(),
    ));
    figures.push((
        "jam_addresses",
        "gauge",
        "Addresses with an open socket.",
        server.addresses.len() as u64,
    ));
    let mut text = String::new();
    for (name, kind, help, value) in figures {
        // Writing to a string does not fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

#[derive(Debug, serde::Deserialize)]
struct SocketQuery {
    vsn: Option<String>,
    token: Option<String>,
}

/// Returns whether the request comes from a page of this server, or from a client that is no
/// browser.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let (Ok(origin), Some(Ok(host))) =
        (origin.to_str(), headers.get(header::HOST).map(HeaderValue::to_str))
    else {
        return false;
    };
    origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
}

async fn socket(
    State(server): State<Arc<Server>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Extension(place): Extension<Place>,
    Query(query): Query<SocketQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if query.vsn.as_deref() != Some("2.0.0") {
        return (StatusCode::FORBIDDEN, "the server speaks version 2.0.0").into_response();
    }
    if !is_of_own_page(&headers) {
        return (StatusCode::FORBIDDEN, "the page is of another server").into_response();
    }
    let token = query.token.as_deref();
    let user = token.and_then(|token| server.users.verify(token));
    let user = user.unwrap_or_else(|| server.users.create().0);
    upgrade
        .max_message_size(server.args.frame_bytes)
        .max_frame_size(server.args.frame_bytes)
        .on_upgrade(move |socket| async move {
            let why = session::run(&server, socket, user).await;
            info!(%user, %address, ?why, "socket ended");
            drop(place);
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_server_may_connect() {
        let cases = [
            (None, true),
            (Some("http://127.0.0.1:4000"), true),
            (Some("https://127.0.0.1:4000"), true),
            (Some("http://127.0.0.1:4001"), false),
            (Some("http://other.test"), false),
            (Some("null"), false),
        ];
        for (origin, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:4000"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_of_own_page(&headers), expected, "{origin:?}");
        }
        let mut without_host = HeaderMap::new();
        without_host.insert(header::ORIGIN, HeaderValue::from_static("http://other.test"));
        assert!(!is_of_own_page(&without_host));
    }
}
