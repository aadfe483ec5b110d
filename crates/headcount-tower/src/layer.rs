//! The two layers.

use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::hash_map::RandomState;
use std::sync::Arc;

use headcount::{Gate, KeyedGate};
use http::{Request, Response};
use tower_layer::Layer;

use crate::observe::Meter;
use crate::places::{ByKey, Places};
use crate::rejection::{PlainText, Rejection};
use crate::service::{GateService, Policy};
use crate::waiting::Patience;

/// Limits how many requests are inside a service at once, by a [`Gate`].
///
/// A request takes a place when the service is called, and its response body holds it to the end. A
/// request that finds no place gets a response at once: 503 with `Retry-After: 1`, unless
/// [`map_rejection`](Self::map_rejection) makes another.
///
/// # Guarantees
///
/// - A place is taken in `call`, never in `poll_ready`: a service that is ready and idle holds
///   none.
/// - The place is given back when the response body has ended, failed or was dropped; when the
///   future of the response was dropped or has failed; and when the inner service panicked. The
///   inner future or body is gone by then, except that a future that has failed may be dropped
///   later. The client's disconnection is seen as a drop, as soon as the server notices it.
/// - All services of a layer and of its clones share the gate, and so do all other users of it.
/// - The gate can be resized and closed, and drained, while the layer is in use.
///
/// # What is not promised
///
/// That a place is free as soon as the client has read its response: the server drops or ends the
/// body by itself, usually a little earlier, seldom a little later.
///
/// # The inner service
///
/// It is a service from `http::Request` to `http::Response`, and `Clone`: a request that waits
/// takes along the instance that was ready for it, and leaves a clone. A rejected request is never
/// passed on.
///
/// # Cost
///
/// With an `Arc<Gate>`, what [`Gate::try_acquire_owned`] costs, and a clone of the `Arc` for each
/// clone of the service. With a `&'static Gate`, what [`Gate::try_acquire`] costs: no reference is
/// counted. Admission allocates nothing, except for a request that asks for an
/// [upgrade](crate::Place). A request that waits is boxed.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use axum::{routing::get, Router};
/// use headcount::Gate;
/// use headcount_tower::GateLayer;
///
/// let gate = Arc::new(Gate::new(50));
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(GateLayer::new(gate.clone()));
/// // `gate.occupied()` tells how many are inside, `gate.set_capacity(80)` admits more.
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until a service is put into it"]
pub struct GateLayer<G = Arc<Gate>, R = PlainText> {
    places: G,
    policy: Policy<R>,
}

impl<G: Places<()>> GateLayer<G> {
    /// Creates a layer that takes the places of `gate`, an `Arc<Gate>` or a `&'static Gate`, and
    /// never waits.
    ///
    /// # Examples
    ///
    /// See [`GateLayer`]. A gate that lives as long as the program needs no `Arc`:
    ///
    /// ```
    /// use axum::{routing::get, Router};
    /// use headcount::Gate;
    /// use headcount_tower::GateLayer;
    ///
    /// static UPLOADS: Gate = Gate::new(50);
    ///
    /// let app: Router = Router::new()
    ///     .route("/", get(|| async { "hello" }))
    ///     .layer(GateLayer::new(&UPLOADS));
    /// ```
    pub fn new(gate: G) -> Self {
        GateLayer { places: gate, policy: Policy::new() }
    }
}

impl<G, R> GateLayer<G, R> {
    /// Responds to rejected requests by a closure, instead of [`PlainText`].
    ///
    /// [`Rejection::response`] is the response that it replaces.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::response::IntoResponse;
    /// use headcount::Gate;
    /// use headcount_tower::{GateLayer, Rejection};
    ///
    /// let gate = std::sync::Arc::new(Gate::new(50));
    /// let layer = GateLayer::new(gate).map_rejection(|rejection: Rejection| {
    ///     (rejection.status(), [("retry-after", "5")], rejection.to_string()).into_response()
    /// });
    /// ```
    pub fn map_rejection<F, B>(self, response_to: F) -> GateLayer<G, F>
    where
        F: Fn(Rejection) -> Response<B>,
    {
        GateLayer { places: self.places, policy: self.policy.map(response_to) }
    }
}

/// Limits how many requests of each key are inside a service at once, by a [`KeyedGate`].
///
/// As [`GateLayer`], with a limit for each key, such as a user, an address or a tenant. A request
/// without a place gets 429 with `Retry-After: 1`. To limit all requests as well, put both layers
/// around the service.
///
/// A key lives while one of its requests is inside or waits.
///
/// # Examples
///
/// At most four requests at a time for each client address:
///
/// ```
/// use std::net::SocketAddr;
/// use std::sync::Arc;
/// use axum::extract::{ConnectInfo, Request};
/// use axum::{routing::get, Router};
/// use headcount::KeyedGate;
/// use headcount_tower::KeyedGateLayer;
///
/// let gates = Arc::new(KeyedGate::new(|_address| 4));
/// let by_address = KeyedGateLayer::new(gates, |request: &Request| {
///     request.extensions().get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip())
/// });
/// let app = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(by_address)
///     .into_make_service_with_connect_info::<SocketAddr>();
/// ```
#[must_use = "a layer does nothing until a service is put into it"]
pub struct KeyedGateLayer<K, F, H = RandomState, R = PlainText> {
    places: ByKey<K, F, H>,
    policy: Policy<R>,
}

impl<K: Hash + Eq, F, H: BuildHasher> KeyedGateLayer<K, F, H> {
    /// Creates a layer that takes the places of the keys that `key_of` returns, and never waits.
    ///
    /// `key_of` is called once for each request, and up to twice more for one that is to wait. It
    /// needs the type of the request: for a closure, write `|request: &Request<Body>|`.
    ///
    /// # Examples
    ///
    /// See [`KeyedGateLayer`].
    pub fn new<Q>(gates: Arc<KeyedGate<K, H>>, key_of: F) -> Self
    where
        F: Fn(&Request<Q>) -> K,
    {
        KeyedGateLayer { places: ByKey::new(gates, key_of), policy: Policy::new() }
    }
}

impl<K, F, H, R> KeyedGateLayer<K, F, H, R> {
    /// Responds to rejected requests by a closure, as [`GateLayer::map_rejection`].
    pub fn map_rejection<G, B>(self, response_to: G) -> KeyedGateLayer<K, F, H, G>
    where
        G: Fn(Rejection) -> Response<B>,
    {
        KeyedGateLayer { places: self.places, policy: self.policy.map(response_to) }
    }
}

impl<K, F: Clone, H, R: Clone> Clone for KeyedGateLayer<K, F, H, R> {
    fn clone(&self) -> Self {
        KeyedGateLayer { places: self.places.clone(), policy: self.policy.clone() }
    }
}

impl Policy<PlainText> {
    fn new() -> Self {
        Policy { reject: PlainText, patience: None, meter: Meter::default() }
    }
}

impl<R> Policy<R> {
    fn map<G>(self, reject: G) -> Policy<G> {
        Policy { reject, patience: self.patience, meter: self.meter }
    }

    fn patience(&mut self) -> &mut Patience {
        self.patience.get_or_insert(Patience::ENDLESS)
    }
}

/// What both layers have in common. `$gate` is the name in the examples of what is limited.
macro_rules! layer {
    ([$($parameter:ident),*] $layer:ty, $name:literal, $places:ty, $new:literal) => {
        impl<$($parameter),*> $layer {
            /// Lets a request wait for a place, but no longer than `limit`, by tokio's timer.
            ///
            /// Requests are served in the order in which they began to wait, each first when its
            /// response is polled. A request whose time is up is
            /// [rejected](Rejection::is_timed_out).
            ///
            /// # Panics
            ///
            /// The call of the service panics outside a tokio runtime whose timer is enabled.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::Duration;
            ///
            #[doc = $new]
            /// let layer = layer.wait_up_to(Duration::from_millis(200)).queue_limit(20);
            /// ```
            #[cfg(feature = "tokio")]
            #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
            pub fn wait_up_to(self, limit: core::time::Duration) -> Self {
                self.wait_until(move || tokio::time::sleep(limit))
            }

            /// Lets a request wait for a place until the future that `sleep` returns is ready.
            ///
            /// For runtimes other than tokio; for tokio there is `wait_up_to`. `sleep` is called
            /// for each request that waits, when the service is called.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::Duration;
            ///
            #[doc = $new]
            /// let sleep = || tokio::time::sleep(Duration::from_millis(200));
            /// let layer = layer.wait_until(sleep);
            /// ```
            pub fn wait_until<T>(mut self, sleep: impl Fn() -> T + Send + Sync + 'static) -> Self
            where
                T: core::future::Future<Output = ()> + Send + 'static,
            {
                self.policy.patience().until(sleep);
                self
            }

            /// Lets at most `waiting` requests wait at the same time, of one key where there are
            /// keys. Others are [rejected](Rejection::is_queue_full).
            ///
            /// Requests that arrive together never exceed the limit: each that joins the queue is
            /// counted in the same step.
            ///
            /// Without a limit of time, requests wait for as long as it takes.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            /// let layer = layer.queue_limit(20);
            /// ```
            pub fn queue_limit(mut self, waiting: usize) -> Self {
                self.policy.patience().queue_limit = waiting;
                self
            }

            /// Counts requests with the facade [`metrics`], under the label `gate = name`.
            ///
            /// - the counter `headcount_accepted_total`;
            /// - the counter `headcount_rejected_total`, with the label `reason`: `full`,
            ///   `queue_full`, `timed_out` or `closed`;
            /// - the histogram `headcount_waiting_seconds`, of requests that waited and were then
            ///   accepted or rejected. A request that found room in the queue, and lost it to
            ///   another before its first poll, is one of them.
            ///
            /// A request whose client gives up while it waits is in none of them. Install the
            /// recorder before this call: it registers the metrics. How many places are occupied is
            /// not counted here: [read it from the gate](crate#export).
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            /// let layer = layer.metrics("uploads");
            /// ```
            #[cfg(feature = "metrics")]
            #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
            pub fn metrics(mut self, name: impl Into<String>) -> Self {
                self.policy.meter = Meter::register(name.into());
                self
            }
        }

        impl<$($parameter),*> fmt::Debug for $layer
        where
            $places: fmt::Debug,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).field("places", &self.places).finish_non_exhaustive()
            }
        }
    };
}

layer! {
    [G, R] GateLayer<G, R>, "GateLayer", G,
    "# let gate = std::sync::Arc::new(headcount::Gate::new(50));\nlet layer = headcount_tower::GateLayer::new(gate);"
}
layer! {
    [K, F, H, R] KeyedGateLayer<K, F, H, R>, "KeyedGateLayer", ByKey<K, F, H>,
    "# let gates = std::sync::Arc::new(headcount::KeyedGate::new(|_: &bool| 50));\n# let key_of = |request: &http::Request<()>| request.uri().path().starts_with(\"/api\");\nlet layer = headcount_tower::KeyedGateLayer::new(gates, key_of);"
}

impl<S, G: Clone, R: Clone> Layer<S> for GateLayer<G, R> {
    type Service = GateService<S, G, R>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService { inner, places: self.places.clone(), policy: self.policy.clone() }
    }
}

impl<S, K, F: Clone, H, R: Clone> Layer<S> for KeyedGateLayer<K, F, H, R> {
    type Service = GateService<S, ByKey<K, F, H>, R>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService { inner, places: self.places.clone(), policy: self.policy.clone() }
    }
}
