//! What the features `metrics` and `tracing` record. Without them, nothing, at no cost.

#[cfg(feature = "metrics")]
use std::{sync::Arc, time::Instant};

use crate::rejection::Reason;

#[cfg(feature = "metrics")]
struct Counters {
    accepted: metrics::Counter,
    rejected: [metrics::Counter; Reason::ALL.len()],
    waiting: metrics::Histogram,
}

/// The counters of one layer, if it has any.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    #[cfg(feature = "metrics")]
    counters: Option<Arc<Counters>>,
}

impl Meter {
    /// Registers the counters with the recorder of the moment.
    #[cfg(feature = "metrics")]
    pub(crate) fn register(name: String) -> Self {
        let rejected = Reason::ALL.map(|reason| {
            let labels = [("gate", name.clone()), ("reason", reason.label().to_owned())];
            metrics::counter!("headcount_rejected_total", &labels)
        });
        let counters = Counters {
            accepted: metrics::counter!("headcount_accepted_total", "gate" => name.clone()),
            rejected,
            waiting: metrics::histogram!("headcount_waiting_seconds", "gate" => name),
        };
        Meter { counters: Some(Arc::new(counters)) }
    }

    #[inline]
    pub(crate) fn decided(&self, outcome: Result<(), Reason>) {
        #[cfg(feature = "metrics")]
        if let Some(counters) = &self.counters {
            match outcome {
                Ok(()) => counters.accepted.increment(1),
                Err(reason) => counters.rejected[reason as usize].increment(1),
            }
        }
        let _ = outcome;
    }
}

/// One request that waits: its span, and since when.
pub(crate) struct Observed {
    meter: Meter,
    #[cfg(feature = "metrics")]
    since: Instant,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Observed {
    pub(crate) fn new(meter: Meter) -> Self {
        Observed {
            meter,
            #[cfg(feature = "metrics")]
            since: Instant::now(),
            #[cfg(feature = "tracing")]
            span: tracing::debug_span!(
                target: "headcount_tower",
                "wait_for_place",
                outcome = tracing::field::Empty
            ),
        }
    }

    pub(crate) fn in_scope<T>(&self, f: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        f()
    }

    pub(crate) fn decided(&self, outcome: Result<(), Reason>) {
        #[cfg(feature = "tracing")]
        self.span.record("outcome", outcome.map_or_else(Reason::label, |()| "accepted"));
        #[cfg(feature = "metrics")]
        if let Some(counters) = &self.meter.counters {
            counters.waiting.record(self.since.elapsed());
        }
        self.meter.decided(outcome);
    }
}
