//! What the features `metrics` and `tracing` record.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use headcount_tower::GateLayer;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{Layer, Service, ServiceExt};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{gate, request, scripted, soon};

/// Each metric by name and labels, without those that are zero.
fn taken(recorder: &DebuggingRecorder) -> Vec<(String, DebugValue)> {
    let mut found = vec![];
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let labels: Vec<_> =
            key.key().labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let zero = matches!(&value, DebugValue::Counter(0));
        let none = matches!(&value, DebugValue::Histogram(all) if all.is_empty());
        if !zero && !none {
            found.push((format!("{} {}", key.key().name(), labels.join(" ")), value));
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    found
}

#[tokio::test(start_paused = true)]
async fn each_request_is_counted_once() {
    let recorder = DebuggingRecorder::new();
    let gate = gate(1);
    let layer = metrics::with_local_recorder(&recorder, || {
        GateLayer::new(gate.clone()).queue_limit(1).metrics("uploads")
    });
    let plain = layer.clone().layer(scripted(&[], true));
    let held = plain.clone().oneshot(request()).await.unwrap();
    assert_eq!(
        taken(&recorder),
        [("headcount_accepted_total gate=uploads".to_owned(), DebugValue::Counter(1))]
    );

    // One that waits and is served, one for which the queue is too long.
    let waiting = tokio::spawn(plain.clone().oneshot(request()));
    tokio::task::yield_now().await;
    drop(soon(plain.clone().oneshot(request())).await.unwrap());
    drop(held);
    let held = waiting.await.unwrap().unwrap();
    let found = taken(&recorder);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "headcount_accepted_total gate=uploads",
            "headcount_rejected_total gate=uploads reason=queue_full",
            "headcount_waiting_seconds gate=uploads",
        ]
    );
    assert!(matches!(&found[2].1, DebugValue::Histogram(all) if all.len() == 1));

    // One whose time is up, one that gives up by itself, one that finds the gate closed.
    let timed = layer.wait_up_to(Duration::from_secs(1)).layer(scripted(&[], true));
    drop(soon(timed.clone().oneshot(request())).await.unwrap());
    let mut given_up = timed.clone();
    drop(given_up.ready().await.unwrap().call(request()));
    gate.close();
    drop(timed.oneshot(request()).await.unwrap());
    drop(held);
    let found = taken(&recorder);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "headcount_rejected_total gate=uploads reason=closed",
            "headcount_rejected_total gate=uploads reason=timed_out",
            "headcount_waiting_seconds gate=uploads",
        ]
    );
}

#[tokio::test]
async fn a_layer_that_does_not_wait_counts_the_full_gate() {
    let recorder = DebuggingRecorder::new();
    let layer = metrics::with_local_recorder(&recorder, || GateLayer::new(gate(0)).metrics("none"));
    drop(layer.layer(scripted(&[], true)).oneshot(request()).await.unwrap());
    assert_eq!(
        taken(&recorder),
        [("headcount_rejected_total gate=none reason=full".to_owned(), DebugValue::Counter(1))]
    );
}

/// Writes down the spans that it sees: opened, recorded and closed.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _id: &tracing::span::Id,
        _cx: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let of = attributes.metadata();
        self.0.lock().unwrap().push(format!("{} {}", of.target(), of.name()));
    }

    fn on_record(
        &self,
        _id: &tracing::span::Id,
        values: &tracing::span::Record<'_>,
        _cx: tracing_subscriber::layer::Context<'_, S>,
    ) {
        self.0.lock().unwrap().push(format!("{values:?}"));
    }

    fn on_close(&self, _id: tracing::span::Id, _cx: tracing_subscriber::layer::Context<'_, S>) {
        self.0.lock().unwrap().push("closed".to_owned());
    }
}

#[tokio::test]
async fn a_span_is_open_while_a_request_waits() {
    let spans = Spans::default();
    let seen = || std::mem::take(&mut *spans.0.lock().unwrap());
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);

    let mut service = GateLayer::new(gate(1)).queue_limit(1).layer(scripted(&[], true));
    let held = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(seen(), [""; 0]);
    let waiting = service.ready().await.unwrap().call(request());
    assert_eq!(seen(), ["headcount_tower wait_for_place"]);
    drop(held);
    let _served = waiting.await.unwrap();
    let seen = seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].contains("accepted"), "{seen:?}");
    assert_eq!(seen[1], "closed");
}
