//! The response body that holds a place.

use core::fmt;
use core::pin::Pin;
use core::task::{ready, Context, Poll};

use headcount::OwnedPermit;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::place::Hold;

pin_project! {
    /// A response body that holds the place of its request.
    ///
    /// The place is given back when the body has ended, has failed, or is dropped; the inner body
    /// is dropped before. The body of a rejection holds none.
    pub struct GateBody<B, P = OwnedPermit> {
        // Before the hold: fields are dropped in order.
        #[pin]
        inner: Option<B>,
        hold: Option<Hold<P>>,
    }
}

impl<B, P> GateBody<B, P> {
    /// Creates a body that holds no place: for a closure in
    /// [`map_rejection`](crate::GateLayer::map_rejection) of a layer around a service that has such
    /// bodies already.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::body::Body;
    /// use headcount_tower::{GateLayer, GateBody, Rejection};
    ///
    /// let gate = std::sync::Arc::new(headcount::Gate::new(50));
    /// let outer = GateLayer::new(gate).map_rejection(|rejection: Rejection| {
    ///     let text = rejection.to_string();
    ///     rejection.response().map(|_| GateBody::<Body>::without_place(text.into()))
    /// });
    /// ```
    pub fn without_place(inner: B) -> Self {
        GateBody::new(inner, None)
    }

    pub(crate) fn new(inner: B, hold: Option<Hold<P>>) -> Self {
        GateBody { inner: Some(inner), hold }
    }
}

/// A text without a place, so that a layer can be put around another.
impl<B: From<&'static str>, P> From<&'static str> for GateBody<B, P> {
    fn from(text: &'static str) -> Self {
        GateBody::without_place(B::from(text))
    }
}

impl<B: Body, P> Body for GateBody<B, P> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(inner.poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            this.inner.set(None);
            *this.hold = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B, P> fmt::Debug for GateBody<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds_place = self.hold.is_some();
        f.debug_struct("GateBody").field("holds_place", &holds_place).finish_non_exhaustive()
    }
}
