//! The crate under real threads, each scene for a moment. Also the program that runs under
//! ThreadSanitizer, and therefore plain `spawn` and `join`: the standard library's other tools
//! synchronise in code that is not instrumented there, and would be reported.
//!
//! Every scene holds something to the promises: a witness counts those inside (*never-over*), plain
//! memory is handed from holder to holder (*happens-before*), and at the end all is given back
//! (*no-leak*). A scene in which nobody was refused, or nobody got in, has shown nothing, and fails.

mod course;
mod gate;
mod scene;
#[cfg(feature = "std")]
mod striped;
mod tally;
#[cfg(feature = "wait")]
mod waiting;

use std::time::Instant;

fn main() {
    let start = Instant::now();
    gate::singles();
    gate::handing_on();
    gate::parties_and_a_manager();
    course::course();
    tally::tally();
    #[cfg(feature = "std")]
    striped::all();
    #[cfg(feature = "wait")]
    waiting::in_line();
    println!("stress: all scenes held in {:.1} s", start.elapsed().as_secs_f32());
}
