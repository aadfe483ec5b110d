//! A proxy that drops, delays, repeats and cuts replies, and stops when it is told to.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// How many of a thousand replies of scripts meet each fault.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) drop: u32,
    pub(crate) delay: u32,
    pub(crate) duplicate: u32,
    pub(crate) cut: u32,
    /// Replies come one after the other, each a millisecond later.
    pub(crate) slow: bool,
    /// No connection gets through.
    pub(crate) refuse: bool,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    server: Arc<AtomicU16>,
    faults: Arc<Mutex<Faults>>,
    /// Dropped, delayed, repeated and cut.
    pub(crate) seen: Arc<[AtomicU64; 4]>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let faults = Arc::new(Mutex::new(Faults::default()));
        let seen = Arc::new([const { AtomicU64::new(0) }; 4]);
        let (of_task, counts) = (Arc::clone(&faults), Arc::clone(&seen));
        let server = Arc::new(AtomicU16::new(server));
        let target = Arc::clone(&server);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                if of_task.lock().unwrap().refuse {
                    continue;
                }
                let (faults, counts) = (Arc::clone(&of_task), Arc::clone(&counts));
                let server = target.load(Relaxed);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // The end of one direction ends the other.
                    tokio::select! {
                        () = copy(from_client, to_server, &faults) => {}
                        () = replies(from_server, to_client, &faults, &counts, number) => {}
                    }
                });
            }
        });
        Proxy { port, server, faults, seen, task }
    }

    pub(crate) fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    /// Leads new connections to that server.
    pub(crate) fn lead_to(&self, server: u16) {
        self.server.store(server, Relaxed);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Mutex<Faults>) {
    let mut buffer = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if faults.lock().unwrap().refuse || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Passes whole replies on. Only those of scripts, which are arrays, meet faults.
async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    faults: &Mutex<Faults>,
    seen: &[AtomicU64; 4],
    seed: u64,
) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut buffer = Vec::new();
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        while let Some(length) = length(&buffer) {
            let reply: Vec<u8> = buffer.drain(..length).collect();
            let now = *faults.lock().unwrap();
            if now.refuse {
                return;
            }
            let mut meets = |share: u32, count: &AtomicU64| {
                let met = reply[0] == b'*' && random.random_range(0..1000) < share;
                count.fetch_add(u64::from(met), Relaxed);
                met
            };
            let (drop, delay) = (meets(now.drop, &seen[0]), meets(now.delay, &seen[1]));
            let (duplicate, cut) = (meets(now.duplicate, &seen[2]), meets(now.cut, &seen[3]));
            if drop {
                continue;
            }
            if now.slow {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if delay {
                tokio::time::sleep(Duration::from_millis(random.random_range(1..500))).await;
            }
            for _ in 0..if duplicate { 2 } else { 1 } {
                let end = if cut { reply.len() / 2 } else { reply.len() };
                if to.write_all(&reply[..end]).await.is_err() || cut {
                    return;
                }
            }
        }
    }
}

/// Returns the length of the first whole reply.
fn length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|end| end == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse::<i64>().ok();
    match bytes[0] {
        b'$' => match number()? {
            -1 => Some(line),
            count => Some(line + count as usize + 2).filter(|&end| end <= bytes.len()),
        },
        b'*' => (0..number()?.max(0)).try_fold(line, |at, _| Some(at + length(&bytes[at..])?)),
        _ => Some(line),
    }
}
