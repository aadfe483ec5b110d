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
use crate::places::Places;
use crate::rejection::{PlainText, Reason, Reject, Rejection};
use crate::waiting::{Patience, Waiting};

/// What a layer decides for all its services.
#[derive(Clone)]
pub(crate) struct Policy<R> {
    pub(crate) reject: R,
    pub(crate) patience: Option<Patience>,
    pub(crate) meter: Meter,
}

impl<R: Clone> Policy<R> {
    /// Counts a rejection. The response is made when the future is polled.
    #[inline]
    fn reject<F, W>(&self, reason: Reason) -> State<F, W, R> {
        self.meter.decided(Err(reason));
        State::Rejected { reject: self.reject.clone(), reason }
    }
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
    type Future = GateFuture<S, P, R, Q>;

    /// Asks the inner service alone. No place is taken yet.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        match self.places.try_acquire(&request) {
            Ok(permit) => {
                self.policy.meter.decided(Ok(()));
                let hold = Some(Hold::new(permit, &mut request));
                // If the inner call panics, the place is given back.
                GateFuture { state: State::Inside { response: self.inner.call(request) }, hold }
            }
            Err(error) => {
                let GateService { inner, places, policy } = self;
                match &policy.patience {
                    Some(patience) if error.is_full() => {
                        let state = wait_or_reject(inner, places, policy, patience, request);
                        GateFuture { state, hold: None }
                    }
                    _ => GateFuture { state: policy.reject(Reason::from(error)), hold: None },
                }
            }
        }
    }
}

/// The way of a request that found all places taken, and may wait.
fn wait_or_reject<S, P, R, Q>(
    inner: &mut S,
    places: &P,
    policy: &Policy<R>,
    patience: &Patience,
    request: Request<Q>,
) -> StateOf<S, P, R, Q>
where
    S: Service<Request<Q>> + Clone,
    P: Places<Q>,
    R: Clone,
{
    let Some(acquire) = places.acquire(&request, patience.queue_limit) else {
        return policy.reject(Reason::QueueFull);
    };
    // The inner service that is ready waits with the request.
    let clone = inner.clone();
    let ready = mem::replace(inner, clone);
    let (reject, meter) = (policy.reject.clone(), policy.meter.clone());
    let waiting = Waiting::new(ready, request, reject, acquire, patience, meter);
    State::Waiting { waiting: Box::new(waiting) }
}

pin_project! {
    #[project = GateFutureProjection]
    /// The future of a [`GateService`]'s response.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the request has left: its place in the queue, or its place in the gate,
    /// is given back.
    pub struct GateFuture<S, P, R, Q>
    where
        S: Service<Request<Q>>,
        P: Places<Q>,
    {
        // Before the hold: fields are dropped in order.
        #[pin]
        state: StateOf<S, P, R, Q>,
        hold: Option<Hold<P::Permit>>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, W, R> {
        Waiting { waiting: Box<W> },
        Inside {
            #[pin]
            response: F,
        },
        Rejected { reject: R, reason: Reason },
    }
}

type StateOf<S, P, R, Q> = State<<S as Service<Request<Q>>>::Future, Waiting<S, P, R, Q>, R>;

impl<S, P, R, Q, B> Future for GateFuture<S, P, R, Q>
where
    S: Service<Request<Q>, Response = Response<B>>,
    P: Places<Q>,
    R: Reject<B> + Clone,
{
    type Output = Result<Response<GateBody<B, P::Permit>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let GateFutureProjection { mut state, hold } = self.project();
        loop {
            match state.as_mut().project() {
                StateProjection::Inside { response } => {
                    return match response.poll(cx) {
                        Poll::Ready(Ok(response)) => Poll::Ready(Ok(wrap(response, hold.take()))),
                        Poll::Ready(Err(error)) => {
                            *hold = None;
                            Poll::Ready(Err(error))
                        }
                        Poll::Pending => Poll::Pending,
                    };
                }
                StateProjection::Rejected { reject, reason } => {
                    let rejection = Rejection { reason: *reason, keyed: P::KEYED };
                    return Poll::Ready(Ok(wrap(reject.reject(rejection), None)));
                }
                StateProjection::Waiting { waiting } => {
                    let next = ready!(enter_or_reject(waiting, hold, cx));
                    state.set(next);
                }
            }
        }
    }
}

/// Has the body hold the place. `Response::map` does the same, but moves the response once more.
#[inline(always)]
fn wrap<B, P>(response: Response<B>, hold: Option<Hold<P>>) -> Response<GateBody<B, P>> {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, GateBody::new(body, hold))
}

/// The step that follows the wait.
fn enter_or_reject<S, P, R, Q>(
    waiting: &mut Waiting<S, P, R, Q>,
    hold: &mut Option<Hold<P::Permit>>,
    cx: &mut Context<'_>,
) -> Poll<StateOf<S, P, R, Q>>
where
    S: Service<Request<Q>>,
    P: Places<Q>,
    R: Clone,
{
    let admitted = ready!(waiting.poll(cx));
    let Waiting { inner, request, reject, observed, .. } = waiting;
    observed.decided(admitted.as_ref().map(|_| ()).map_err(|reason| *reason));
    Poll::Ready(match admitted {
        Ok(permit) => {
            let mut request = request.take().expect("the wait ends once");
            // If the inner call panics, the place is given back.
            let held = Hold::new(permit, &mut request);
            let response = inner.call(request);
            *hold = Some(held);
            State::Inside { response }
        }
        Err(reason) => State::Rejected { reject: reject.clone(), reason },
    })
}

impl<S, P, R, Q> fmt::Debug for GateFuture<S, P, R, Q>
where
    S: Service<Request<Q>>,
    P: Places<Q>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFuture").finish_non_exhaustive()
    }
}
