//! A page is served with a ticket for a seat, which its socket claims. A visitor that does not come
//! within 15 seconds is replaced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headcount::{Gate, Holds, Ticket};

/// The program gives the time itself, so that it need not wait.
static SECONDS: AtomicU64 = AtomicU64::new(0);

fn main() {
    let start = Instant::now();
    let clock = move || start + Duration::from_secs(SECONDS.load(Ordering::Relaxed));
    let room = Gate::new(2);
    let holds = Holds::builder().ttl(Duration::from_secs(15)).clock(clock).build();

    // A page load takes a seat, and if none is free, the seat of a visitor whose time is over.
    let load_page = || holds.or_expire(|| room.try_acquire()).map(|seat| holds.put(seat));
    let [ann, bob] = [load_page().unwrap(), load_page().unwrap()];
    println!("Ann's page has the ticket {ann}");
    println!("Cyd is told: {}", load_page().unwrap_err());

    // The socket of Ann's page comes with the ticket as text; Bob's never comes.
    let sent: Ticket = ann.to_string().parse().unwrap();
    let inside = holds.claim(sent).unwrap();

    SECONDS.store(15, Ordering::Relaxed);
    let cyd = load_page().unwrap();
    println!(
        "15 seconds later Cyd gets Bob's seat, and Bob is told: {}",
        holds.claim(bob).unwrap_err()
    );
    assert!(holds.claim(cyd).is_ok());
    drop(inside);
}
