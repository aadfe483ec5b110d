//! The service that a layer makes, and the future of its response.

use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{ready, Context, Poll};
use std::sync::Arc;

use headcount::Gate;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::GateBody;
use crate::observe::Meter;
use crate::place::Hold;
use crate::places::{Places, Sealed};
use crate::rejection::{PlainText, Reason, Reject, Rejection};
use crate::waiting::{Patience, Waiting};

/// What a layer decides for all its services.
#[derive(Clone)]
pub(crate) struct Policy<R> {
    pub(crate) reject: R,
    pub(crate) patience: Option<Patience>,
    pub(crate) meter: Meter,
}

/// Admits a request to the inner service, or rejects it.
///
/// Made by [`GateLayer`](crate::GateLayer) and [`KeyedGateLayer`](crate::KeyedGateLayer). All
/// clones, and all services of clones of the layer, share the limit.
#[derive(Clone)]
pub struct GateService<S, P = Arc<Gate>, R = PlainText> {
    pub(crate) inner: S,
    pub(crate) places: P,
    pub(crate) policy: Policy<R>,
}

impl<S: fmt::Debug, P: fmt::Debug, R> fmt::Debug for GateService<S, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateService")
            .field("inner", &self.inner)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl<S, P, R, Q, B> Service<Request<Q>> for GateService<S, P, R>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    P: Places<Q>,
    R: Reject<B> + Clone,
{
    type Response = Response<GateBody<B, P::Permit>>;
    type Error = S::Error;
    type Future = GateFuture<S, P, R, Q, B>;

    /// Asks the inner service alone. No place is taken yet.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let Policy { reject, patience, meter } = &self.policy;
        let reason = match (self.places.try_acquire(&request), patience) {
            (Ok(permit), _) => {
                meter.decided(Ok(()));
                return GateFuture { state: State::inside(&mut self.inner, request, permit) };
            }
            (Err(error), Some(patience)) if error.is_full() => {
                match self.places.acquire(&request, patience.queue_limit) {
                    Some(acquire) => {
                        // The inner service that is ready waits with the request.
                        let clone = self.inner.clone();
                        let inner = mem::replace(&mut self.inner, clone);
                        let (reject, meter) = (reject.clone(), meter.clone());
                        let waiting =
                            Waiting::new(inner, request, reject, acquire, patience, meter);
                        return GateFuture { state: State::Waiting { waiting: Box::new(waiting) } };
                    }
                    None => Reason::QueueFull,
                }
            }
            (Err(error), _) => Reason::from(error),
        };
        meter.decided(Err(reason));
        GateFuture { state: State::rejected::<P, R>(reject, reason) }
    }
}

pin_project! {
    /// The future of a [`GateService`]'s response.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the request has left: its place in the queue, or its place in the gate,
    /// is given back.
    pub struct GateFuture<S, P, R, Q, B>
    where
        S: Service<Request<Q>>,
        P: Places<Q>,
    {
        #[pin]
        state: State<S::Future, P::Permit, Waiting<S, P, R, Q>, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, P, W, B> {
        Waiting { waiting: Box<W> },
        Inside {
            // Before the hold: fields are dropped in order.
            #[pin]
            response: F,
            hold: Option<Hold<P>>,
        },
        Rejected { response: Option<Response<B>> },
    }
}

impl<F, T: Send + Sync + 'static, W, B> State<F, T, W, B> {
    /// Calls the inner service. If that panics, the place is given back.
    fn inside<S, Q>(inner: &mut S, mut request: Request<Q>, permit: T) -> Self
    where
        S: Service<Request<Q>, Future = F>,
    {
        let hold = Some(Hold::new(permit, &mut request));
        State::Inside { response: inner.call(request), hold }
    }

    fn rejected<P: Sealed, R: Reject<B>>(reject: &R, reason: Reason) -> Self {
        let response = reject.reject(Rejection { reason, keyed: P::KEYED });
        State::Rejected { response: Some(response) }
    }
}

impl<S, P, R, Q, B> Future for GateFuture<S, P, R, Q, B>
where
    S: Service<Request<Q>, Response = Response<B>>,
    P: Places<Q>,
    R: Reject<B>,
{
    type Output = Result<Response<GateBody<B, P::Permit>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const POLLED_AGAIN: &str = "polled again after it was ready";
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Waiting { waiting } => {
                    let admitted = ready!(waiting.poll(cx));
                    let Waiting { inner, request, reject, observed, .. } = &mut **waiting;
                    observed.decided(admitted.as_ref().map(|_| ()).map_err(|reason| *reason));
                    match admitted {
                        Ok(permit) => {
                            State::inside(inner, request.take().expect(POLLED_AGAIN), permit)
                        }
                        Err(reason) => State::rejected::<P, R>(reject, reason),
                    }
                }
                StateProjection::Inside { response, hold } => {
                    let result = ready!(response.poll(cx));
                    let hold = hold.take();
                    return Poll::Ready(
                        result.map(|response| response.map(|body| GateBody::new(body, hold))),
                    );
                }
                StateProjection::Rejected { response } => {
                    let response = response.take().expect(POLLED_AGAIN);
                    return Poll::Ready(Ok(response.map(|body| GateBody::without_place(body))));
                }
            };
            state.set(next);
        }
    }
}

impl<S, P, R, Q, B> fmt::Debug for GateFuture<S, P, R, Q, B>
where
    S: Service<Request<Q>>,
    P: Places<Q>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
