//! What holds the place of an admitted request: its response alone, or the handler too.

use core::any::Any;
use core::fmt;
use std::sync::Arc;

use http::header::UPGRADE;
use http::{Extensions, Method, Request};

/// The places of a request that asks for an upgrade, as an extension of the request.
///
/// An upgraded connection, such as a WebSocket, outlives its response. A request with the header
/// `Upgrade`, or with the method `CONNECT`, therefore carries a `Place`. A handler that moves it,
/// or a clone of it, into the task of the connection keeps the place. It is given back when the
/// response body has ended *and* all clones are dropped.
///
/// Behind several layers of this crate there is one `Place`, for the places of all.
///
/// # Examples
///
/// ```
/// use axum::extract::ws::{WebSocket, WebSocketUpgrade};
/// use axum::response::Response;
/// use axum::{routing::any, Extension, Router};
/// use headcount::Gate;
/// use headcount_tower::{GateLayer, Place};
///
/// async fn chat(Extension(place): Extension<Place>, upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(|mut socket: WebSocket| async move {
///         while let Some(Ok(message)) = socket.recv().await {
///             let _ = socket.send(message).await;
///         }
///         drop(place);
///     })
/// }
///
/// let sockets = std::sync::Arc::new(Gate::new(2_000));
/// let app: Router = Router::new().route("/chat", any(chat)).layer(GateLayer::new(sockets));
/// ```
#[derive(Clone)]
#[must_use = "the place may be given back as soon as this is dropped"]
pub struct Place {
    _permits: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// What the response of an admitted request holds.
pub(crate) enum Hold<P> {
    Alone { _permit: P },
    Shared { _place: Place },
}

impl<P: Send + Sync + 'static> Hold<P> {
    /// Holds the permit for the response and, if the request asks for an upgrade, for its handler.
    #[inline]
    pub(crate) fn new<Q>(permit: P, request: &mut Request<Q>) -> Self {
        if request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE) {
            Self::shared(permit, request.extensions_mut())
        } else {
            Hold::Alone { _permit: permit }
        }
    }

    #[cold]
    fn shared(permit: P, extensions: &mut Extensions) -> Self {
        let outer = extensions.remove::<Place>();
        let place = Place { _permits: Arc::new((permit, outer)) };
        extensions.insert(place.clone());
        Hold::Shared { _place: place }
    }
}
