//! The service that a layer makes, and the future of its response.

use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{ready, Context, Poll};
use std::sync::Arc;

use headcount::{Gate, TryAcquireError};
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
                let state = State::Inside { response: self.inner.call(request), hold };
                GateFuture { state }
            }
            Err(error) => GateFuture { state: self.wait_or_reject(request, error) },
        }
    }
}

impl<S, P, R> GateService<S, P, R> {
    /// The way of a request for which `try_acquire` found no place.
    fn wait_or_reject<Q>(
        &mut self,
        request: Request<Q>,
        error: TryAcquireError,
    ) -> StateOf<S, P, R, Q>
    where
        S: Service<Request<Q>> + Clone,
        P: Places<Q>,
        R: Clone,
    {
        let Policy { reject, patience, meter } = &self.policy;
        let reason = match patience {
            Some(patience) if error.is_full() => {
                match self.places.acquire(&request, patience.queue_limit) {
                    Some(acquire) => {
                        // The inner service that is ready waits with the request.
                        let clone = self.inner.clone();
                        let inner = mem::replace(&mut self.inner, clone);
                        let (reject, meter) = (reject.clone(), meter.clone());
                        let waiting =
                            Waiting::new(inner, request, reject, acquire, patience, meter);
                        return State::Waiting { waiting: Box::new(waiting) };
                    }
                    None => Reason::QueueFull,
                }
            }
            _ => Reason::from(error),
        };
        meter.decided(Err(reason));
        State::Rejected { reject: reject.clone(), reason }
    }
}

pin_project! {
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
        #[pin]
        state: StateOf<S, P, R, Q>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, P, W, R> {
        Waiting { waiting: Box<W> },
        Inside {
            // Before the hold: fields are dropped in order.
            #[pin]
            response: F,
            hold: Option<Hold<P>>,
        },
        Rejected { reject: R, reason: Reason },
    }
}

type StateOf<S, P, R, Q> =
    State<<S as Service<Request<Q>>>::Future, <P as Places<Q>>::Permit, Waiting<S, P, R, Q>, R>;

impl<S, P, R, Q, B> Future for GateFuture<S, P, R, Q>
where
    S: Service<Request<Q>, Response = Response<B>>,
    P: Places<Q>,
    R: Reject<B> + Clone,
{
    type Output = Result<Response<GateBody<B, P::Permit>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Inside { response, hold } => {
                    let result = ready!(response.poll(cx));
                    let hold = hold.take();
                    return Poll::Ready(
                        result.map(|response| response.map(|body| GateBody::new(body, hold))),
                    );
                }
                StateProjection::Rejected { reject, reason } => {
                    let rejection = Rejection { reason: *reason, keyed: P::KEYED };
                    let response = reject.reject(rejection);
                    return Poll::Ready(Ok(response.map(GateBody::without_place)));
                }
                StateProjection::Waiting { waiting } => {
                    let next = ready!(enter_or_reject(waiting, cx));
                    state.set(next);
                }
            }
        }
    }
}

/// The step that follows the wait.
fn enter_or_reject<S, P, R, Q>(
    waiting: &mut Waiting<S, P, R, Q>,
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
            let hold = Some(Hold::new(permit, &mut request));
            State::Inside { response: inner.call(request), hold }
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
