//! A server on loopback, a client of either HTTP version, and bodies that do as they are told.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::Router;
use headcount::Gate;
use http::{Request, Response, Uri};
use http_body::Frame;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::util::BoxCloneSyncService;

/// Serves the application on a port of loopback until the test ends.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Version {
    Http1,
    Http2,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

/// One connection of a client.
pub(crate) struct Client {
    sender: Sender,
    socket: std::net::TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, version: Version) -> Client {
        let stream = TcpStream::connect(address).await.unwrap().into_std().unwrap();
        let socket = stream.try_clone().unwrap();
        let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
        let sender = match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Version::Http2 => {
                let executor = TokioExecutor::new();
                let (sender, connection) = http2::handshake(executor, stream).await.unwrap();
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Client { sender, socket }
    }

    /// A request whose response is waited for elsewhere. Over HTTP/1 there is one at a time.
    pub(crate) async fn send(
        &mut self,
        request: http::request::Builder,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + Send + 'static {
        let request = request.body(Empty::new()).unwrap();
        let response: Pin<Box<dyn Future<Output = _> + Send>> = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.unwrap();
                Box::pin(sender.send_request(request))
            }
            Sender::Http2(sender) => {
                sender.ready().await.unwrap();
                Box::pin(sender.send_request(request))
            }
        };
        response
    }

    pub(crate) async fn get(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        self.send(get(path)).await.await
    }

    /// Closes the connection at once, whatever is under way.
    pub(crate) fn disconnect(self) {
        self.socket.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

/// Connects, and gets one response.
pub(crate) async fn get_once(
    address: SocketAddr,
    version: Version,
    path: &str,
) -> hyper::Result<Response<Incoming>> {
    Client::connect(address, version).await.get(path).await
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    let uri = Uri::builder().scheme("http").authority("localhost").path_and_query(path);
    Request::get(uri.build().unwrap())
}

/// Waits until the condition holds; fails the test if it does not within ten seconds.
#[track_caller]
pub(crate) fn until<C: Fn() -> bool>(condition: C) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..10_000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{caller}: it never became so");
    }
}

/// Waits for the future; fails the test if it takes longer than ten seconds.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    let timeout = tokio::time::timeout(Duration::from_secs(10), future);
    async move { timeout.await.unwrap_or_else(|_| panic!("{caller}: it takes too long")) }
}

pub(crate) fn gate(capacity: u32) -> Arc<Gate> {
    Arc::new(Gate::new(capacity))
}

/// A step of a [`Script`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Chunk,
    Fail,
    Panic,
}

/// A body that follows a list of steps, and then ends or hangs.
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) hangs: bool,
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.steps.is_empty() {
            return if self.hangs { Poll::Pending } else { Poll::Ready(None) };
        }
        Poll::Ready(Some(match self.steps.remove(0) {
            Step::Chunk => Ok(Frame::data(Bytes::from_static(b"chunk"))),
            Step::Fail => Err(std::io::Error::other("the body fails")),
            Step::Panic => panic!("the body panics"),
        }))
    }
}

/// A streaming body: what is sent to it, until all senders are dropped.
///
/// Not `http_body_util::channel::Channel`: up to version 0.1.5 that one ends without its last chunk
/// if the chunk is sent and the sender dropped after it looked for a chunk, and before it looks for
/// an error.
pub(crate) struct Stream(mpsc::Receiver<Bytes>);

pub(crate) fn stream() -> (mpsc::Sender<Bytes>, Stream) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Stream(receiver))
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// A service without a network.
pub(crate) type Inner = BoxCloneSyncService<Request<()>, Response<Body>, Infallible>;

/// Returns a service that answers by the closure.
pub(crate) fn inner<F, T>(handler: F) -> Inner
where
    F: FnMut(Request<()>) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    BoxCloneSyncService::new(tower::service_fn(handler))
}

/// Returns a service whose response has the scripted body.
pub(crate) fn scripted(steps: &'static [Step], hangs: bool) -> Inner {
    inner(
        move |_| async move { Ok(Response::new(Body::new(Script { steps: steps.to_vec(), hangs }))) },
    )
}

pub(crate) fn request() -> Request<()> {
    Request::new(())
}
