//! [`tower`](https://docs.rs/tower) layers that admit or reject a request at once, and hold its
//! place until the response body has ended.
//!
//! [`GateLayer`] limits a service by a [`Gate`](headcount::Gate), [`KeyedGateLayer`] each user,
//! address or tenant by a [`KeyedGate`](headcount::KeyedGate). Both work under `axum`, or wherever
//! a service takes an `http::Request` and returns an `http::Response`, over HTTP/1 and HTTP/2.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{routing::get, Router};
//! use headcount::Gate;
//! use headcount_tower::GateLayer;
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let gate = Arc::new(Gate::new(1));
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(GateLayer::new(gate.clone()));
//! # let ask = || app.clone().oneshot(Request::new(axum::body::Body::empty()));
//!
//! let response = ask().await.unwrap(); // its body has not been read yet
//! assert_eq!(gate.occupied(), 1);
//! let rejected = ask().await.unwrap();
//! assert_eq!(rejected.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert_eq!(rejected.headers()["retry-after"], "1");
//!
//! drop(response);
//! assert_eq!(gate.occupied(), 0);
//! # }
//! ```
//!
//! # Compared with `ConcurrencyLimit` and `LoadShed`
//!
//! | | `LoadShed` + `GlobalConcurrencyLimit` | here |
//! |---|---|---|
//! | takes a place | in `poll_ready`: an idle service can hold one | in `call` |
//! | gives it back | with the response's head | when the body has ended |
//! | without a place | an error for another layer | a response: 503, or 429 for a key |
//! | a short queue | – | [`queue_limit`](GateLayer::queue_limit) |
//! | an upgraded connection | has given its place back | can take its [`Place`] along |
//! | a limit for each key | – | [`KeyedGateLayer`] |
//!
//! # Waiting
//!
//! A layer rejects at once unless it has a queue: [`wait_until`](GateLayer::wait_until) limits the
//! time by a timer of any runtime, `wait_up_to` (feature `tokio`) by tokio's, and
//! [`queue_limit`](GateLayer::queue_limit) limits the length. Requests are served in order.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `tokio`: `wait_up_to`, on tokio's timer.
//! - `metrics`: counters of accepted and rejected requests and a histogram of waiting times,
//!   through the facade of the crate `metrics`.
//! - `tracing`: a span `wait_for_place` at level DEBUG around waiting, and around nothing else. Its
//!   field `outcome` is `accepted` or the reason of the rejection.
//!
//! # Export
//!
//! How many places are occupied is read from the gate when it is asked for. Nothing is pushed on
//! the way of a request.
//!
//! For `prometheus-client`, as a collector:
//!
//! ```
//! use std::sync::Arc;
//! use headcount::Gate;
//! use prometheus_client::collector::Collector;
//! use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
//! use prometheus_client::metrics::{gauge::ConstGauge, MetricType};
//! use prometheus_client::registry::Registry;
//!
//! #[derive(Debug)]
//! struct Gauges(Arc<Gate>);
//!
//! impl Collector for Gauges {
//!     fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
//!         for (name, help, value) in [
//!             ("uploads_occupied", "Places held", i64::from(self.0.occupied())),
//!             ("uploads_capacity", "Places, held or free", i64::from(self.0.capacity())),
//!             ("uploads_waiting", "Requests that wait", self.0.waiting() as i64),
//!         ] {
//!             let gauge = ConstGauge::new(value);
//!             gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let gate = Arc::new(Gate::new(50));
//! let mut registry = Registry::default();
//! registry.register_collector(Box::new(Gauges(gate.clone())));
//!
//! let _permit = gate.try_acquire().unwrap();
//! let mut text = String::new();
//! prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
//! assert!(text.contains("uploads_occupied 1\n"), "{text}");
//! assert!(text.contains("uploads_capacity 50\n"), "{text}");
//! assert!(text.contains("uploads_waiting 0\n"), "{text}");
//! ```
//!
//! For OpenTelemetry, as observable gauges:
//!
//! ```
//! use std::sync::Arc;
//! use headcount::Gate;
//! use opentelemetry::metrics::Meter;
//!
//! fn observe(meter: &Meter, gate: &Arc<Gate>) {
//!     type Read = fn(&Gate) -> u64;
//!     let gauges: [(&'static str, Read); 3] = [
//!         ("uploads.occupied", |gate| gate.occupied().into()),
//!         ("uploads.capacity", |gate| gate.capacity().into()),
//!         ("uploads.waiting", |gate| gate.waiting() as u64),
//!     ];
//!     for (name, read) in gauges {
//!         let gate = gate.clone();
//!         meter
//!             .u64_observable_gauge(name)
//!             .with_callback(move |observer| observer.observe(read(&gate), &[]))
//!             .build();
//!     }
//! }
//! # use opentelemetry::metrics::MeterProvider;
//! # use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
//! # use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
//! # let exporter = InMemoryMetricExporter::default();
//! # let reader = PeriodicReader::builder(exporter.clone()).build();
//! # let provider = SdkMeterProvider::builder().with_reader(reader).build();
//! # let meter = provider.meter("example");
//!
//! let gate = Arc::new(Gate::new(50));
//! observe(&meter, &gate);
//! # let _permit = gate.try_acquire().unwrap();
//! # provider.force_flush().unwrap();
//! # let mut seen = vec![];
//! # for metrics in exporter.get_finished_metrics().unwrap() {
//! #     for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
//! #         if let AggregatedMetrics::U64(MetricData::Gauge(gauge)) = metric.data() {
//! #             let value = gauge.data_points().next().unwrap().value();
//! #             seen.push((metric.name().to_owned(), value));
//! #         }
//! #     }
//! # }
//! # seen.sort();
//! # let expected = [("uploads.capacity", 50), ("uploads.occupied", 1), ("uploads.waiting", 0)];
//! # assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
//! ```
//!
//! For gates by key, `KeyedGate::keys` returns each living key with its counts, and
//! [`KeyedGate::len`](headcount::KeyedGate::len) how many there are.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod layer;
mod observe;
mod place;
mod places;
mod rejection;
mod service;
mod waiting;

// The example of the README is compiled as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use body::GateBody;
pub use layer::{GateLayer, KeyedGateLayer};
pub use place::Place;
pub use places::{ByKey, Places};
pub use rejection::{PlainText, Reject, Rejection};
pub use service::{GateFuture, GateService};
