//! Servers that the tests start themselves, and what stands between them and a client.

pub(crate) mod fake;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod script;
pub(crate) mod server;

pub(crate) use server::{Engine, Server};

use std::future::Future;
use std::time::{Duration, Instant};

use headcount_redis::Connection;

/// Makes a test for each engine of `async fn(Engine)`.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use $crate::support::{run, Engine};
            #[test]
            fn redis() {
                run(super::$name(Engine::Redis));
            }
            #[test]
            fn valkey() {
                run(super::$name(Engine::Valkey));
            }
        }
    )*};
}
pub(crate) use on_both;

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test);
}

/// Connects with short timeouts, as tests of faults need them.
pub(crate) async fn connect(url: &str) -> Connection {
    Connection::builder()
        .response_timeout(Duration::from_millis(300))
        .open(url)
        .await
        .expect("a connection")
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Waits until the condition holds; panics after ten seconds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < ms(10_000), "{what}: not within ten seconds");
        tokio::time::sleep(ms(10)).await;
    }
}
