//! What becomes of a request that is not admitted.

use core::fmt;
use std::error::Error;

use headcount::{AcquireError, TryAcquireError};
use http::header::{HeaderValue, CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};

/// Why a request was not admitted.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use headcount::Gate;
/// use headcount_tower::{GateLayer, Rejection};
/// use http::{Request, Response, StatusCode};
/// use tower::{service_fn, Layer, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let seen = Arc::new(Mutex::new(None));
/// let keep = seen.clone();
/// let service = GateLayer::new(Arc::new(Gate::new(0)))
///     .map_rejection(move |rejection: Rejection| {
///         *keep.lock().unwrap() = Some(rejection);
///         rejection.response().map(String::from)
///     })
///     .layer(service_fn(|_request: Request<()>| async {
///         Ok::<_, std::convert::Infallible>(Response::new(String::new()))
///     }));
/// let response = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
///
/// let rejection = seen.lock().unwrap().unwrap();
/// assert!(rejection.is_full());
/// assert_eq!(rejection.to_string(), "all places are taken");
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rejection {
    pub(crate) reason: Reason,
    /// Whether the limit is one of a key.
    pub(crate) keyed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Reason {
    Full,
    QueueFull,
    TimedOut,
    Closed,
}

impl Reason {
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [Reason; 4] =
        [Reason::Full, Reason::QueueFull, Reason::TimedOut, Reason::Closed];

    /// Returns the name of the reason in metrics and spans.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) fn label(self) -> &'static str {
        match self {
            Reason::Full => "full",
            Reason::QueueFull => "queue_full",
            Reason::TimedOut => "timed_out",
            Reason::Closed => "closed",
        }
    }
}

impl Rejection {
    /// Returns whether all places were taken, and the layer does not wait.
    pub fn is_full(&self) -> bool {
        self.reason == Reason::Full
    }

    /// Returns whether all places were taken and as many requests waited as
    /// [`queue_limit`](crate::GateLayer::queue_limit) allows.
    pub fn is_queue_full(&self) -> bool {
        self.reason == Reason::QueueFull
    }

    /// Returns whether the request waited for as long as the layer lets it.
    pub fn is_timed_out(&self) -> bool {
        self.reason == Reason::TimedOut
    }

    /// Returns whether the gate was closed, before or while the request waited.
    pub fn is_closed(&self) -> bool {
        self.reason == Reason::Closed
    }

    /// Returns the status of the default response: 429 (Too Many Requests) if the key of the
    /// request has no free place, and otherwise 503 (Service Unavailable).
    #[inline]
    pub fn status(&self) -> StatusCode {
        if self.keyed && !self.is_closed() {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }

    /// Returns the default response: the [`status`](Self::status), `Retry-After: 1`, and a line of
    /// plain text.
    #[inline]
    pub fn response(&self) -> Response<&'static str> {
        self.response_of(self.text())
    }

    #[inline]
    fn text(&self) -> &'static str {
        match self.reason {
            Reason::Closed => "Closed. Please try again later.\n",
            _ if self.keyed => "Too many requests at once. Please try again.\n",
            _ => "Busy. Please try again.\n",
        }
    }

    #[inline]
    fn response_of<B>(&self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

impl From<TryAcquireError> for Reason {
    fn from(error: TryAcquireError) -> Self {
        if error.is_closed() {
            Reason::Closed
        } else {
            Reason::Full
        }
    }
}

impl From<AcquireError> for Reason {
    fn from(error: AcquireError) -> Self {
        if error.is_queue_full() {
            Reason::QueueFull
        } else {
            Reason::Closed
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::Full => "all places are taken",
            Reason::QueueFull => "all places are taken and the queue is full",
            Reason::TimedOut => "no place became free in time",
            Reason::Closed => "closed",
        })
    }
}

impl Error for Rejection {}

/// Turns a [`Rejection`] into a response with the body `B` of the inner service.
///
/// Every closure from a `Rejection` to a `Response<B>` does.
pub trait Reject<B> {
    /// Returns the response to a request that is not admitted.
    fn reject(&self, rejection: Rejection) -> Response<B>;
}

impl<B, F: Fn(Rejection) -> Response<B>> Reject<B> for F {
    #[inline]
    fn reject(&self, rejection: Rejection) -> Response<B> {
        self(rejection)
    }
}

/// Responds by [`Rejection::response`]: what a layer does by default.
///
/// The body of the inner service must be one that a text converts into, such as `axum`'s `Body`,
/// `Full<Bytes>` or `String`. For others there is
/// [`map_rejection`](crate::GateLayer::map_rejection).
#[derive(Clone, Copy, Default, Debug)]
pub struct PlainText;

impl<B: From<&'static str>> Reject<B> for PlainText {
    #[inline]
    fn reject(&self, rejection: Rejection) -> Response<B> {
        rejection.response_of(B::from(rejection.text()))
    }
}
