//! The drivers of the documentation of `Holds`: each expires what is due without any other call,
//! and ends with the holds.

use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headcount::Holds;

/// The instant of the next look, or `None` once the holds are gone.
fn expire<G>(holds: &Weak<Holds<G>>) -> Option<Instant> {
    let holds = holds.upgrade()?;
    holds.expire();
    let idle = holds.ttl().min(Duration::from_secs(3600));
    Some(holds.next_deadline().unwrap_or_else(|| Instant::now() + idle))
}

async fn on_tokio<G>(holds: Weak<Holds<G>>) {
    while let Some(next) = expire(&holds) {
        tokio::time::sleep_until(next.into()).await;
    }
}

async fn on_async_io<G>(holds: Weak<Holds<G>>) {
    while let Some(next) = expire(&holds) {
        async_io::Timer::at(next).await;
    }
}

fn on_a_thread<G>(holds: Weak<Holds<G>>) {
    while let Some(next) = expire(&holds) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

#[test]
fn holds_without_end_are_looked_at_within_an_hour() {
    let holds = Arc::new(Holds::<()>::new(Duration::MAX));
    let next = expire(&Arc::downgrade(&holds)).unwrap();
    assert!(next <= Instant::now() + Duration::from_secs(3600));
}

/// Tells in its destructor when that was.
struct Tells(Sender<Instant>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.send(Instant::now()).expect("the test listens");
    }
}

/// Fails unless `drive` releases each of two guards, not before its deadline, and ends.
fn drives(drive: impl FnOnce(Weak<Holds<Tells>>) + Send + 'static) {
    const TTL: Duration = Duration::from_millis(3);
    let holds = Arc::new(Holds::new(TTL));
    let (tells, told) = channel();
    let driven = Arc::downgrade(&holds);
    let driver: JoinHandle<()> = thread::spawn(move || drive(driven));
    for _ in 0..2 {
        let put = Instant::now();
        holds.put(Tells(tells.clone()));
        let dropped = told.recv_timeout(Duration::from_secs(60)).expect("the guard is dropped");
        assert!(dropped >= put + TTL, "dropped early");
    }
    drop(holds);
    driver.join().unwrap();
}

#[test]
fn a_tokio_task_drives() {
    drives(|holds| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(on_tokio(holds));
    });
}

#[test]
fn an_async_io_timer_drives() {
    drives(|holds| async_io::block_on(on_async_io(holds)));
}

#[test]
fn a_thread_drives() {
    drives(on_a_thread);
}
