//! A request that waits for a place.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use http::Request;

use crate::observe::{Meter, Observed};
use crate::places::Places;
use crate::rejection::Reason;

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a layer lets requests wait.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) queue_limit: usize,
    /// Without it, for as long as it takes.
    sleep: Option<Arc<dyn Fn() -> Sleep + Send + Sync>>,
}

impl Patience {
    /// For as long as it takes, in a queue of any length.
    pub(crate) const ENDLESS: Patience = Patience { queue_limit: usize::MAX, sleep: None };

    pub(crate) fn until<T>(&mut self, sleep: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.sleep = Some(Arc::new(move || Box::pin(sleep())));
    }
}

/// What a request and the service that will serve it need to wait. `inner` is ready.
pub(crate) struct Waiting<S, P: Places<Q>, R, Q> {
    pub(crate) inner: S,
    pub(crate) request: Option<Request<Q>>,
    pub(crate) reject: R,
    acquire: P::Acquire,
    sleep: Option<Sleep>,
    pub(crate) observed: Observed,
}

impl<S, P: Places<Q>, R, Q> Waiting<S, P, R, Q> {
    pub(crate) fn new(
        inner: S,
        request: Request<Q>,
        reject: R,
        acquire: P::Acquire,
        patience: &Patience,
        meter: Meter,
    ) -> Self {
        let sleep = patience.sleep.as_ref().map(|sleep| sleep());
        let observed = Observed::new(meter);
        Waiting { inner, request: Some(request), reject, acquire, sleep, observed }
    }

    /// Polls for a place, and only then looks at the time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<P::Permit, Reason>> {
        let Waiting { acquire, sleep, observed, .. } = self;
        observed.in_scope(|| match Pin::new(acquire).poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Reason::from)),
            Poll::Pending => match sleep {
                Some(sleep) => sleep.as_mut().poll(cx).map(|()| Err(Reason::TimedOut)),
                None => Poll::Pending,
            },
        })
    }
}
