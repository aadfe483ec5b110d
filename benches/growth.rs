//! What an operation costs the more there is: living keys, open rooms, members, waiters, holds.
//!
//! `cargo bench --all-features --bench growth` measures from 10 to 10 million of each on one thread
//! and draws `docs/growth-*.svg`. A word picks charts, as in `-- waiters`; `--svg FOLDER` draws
//! elsewhere, `--most N` ends earlier.
//!
//! - *keys*: so many keys live. An operation takes a place of one of them and gives it back.
//! - *rooms*: so many rooms of seven seats are full. A member of one of them leaves, and a caller
//!   joins the fullest room with a free seat.
//! - *members*: the same with so many members, any of which leaves; also in rooms of 4,096 seats.
//! - *waiters*: so many callers wait for one place. *Served*: the place is given back, the first
//!   waiter takes it, and another comes. *Cancelled*: a waiter gives up, and another comes.
//! - *holds*: so many guards are held. One is claimed, and another is put in its place.
//!
//! Each operation draws one of all that there are at random; waiters that are served have queued in
//! an order drawn at random. So caches are hot as long as all fits into them, and cold beyond.
//!
//! A contender is made in the size, and then does bursts, of which each begins with as many
//! operations that are not timed. Printed are the quartiles over the bursts, drawn the medians.
//! Contenders run one after another, so other work of the machine may disturb one alone. A median
//! does not show what is seldom: that a heap is cleaned or a table grows.

mod common;
#[allow(dead_code)] // Each bench uses the part that it needs.
#[path = "common/keepers.rs"]
mod keepers;
#[allow(dead_code)] // Each bench uses the part that it needs.
#[path = "common/keyed.rs"]
mod keyed;
#[allow(dead_code)] // Each bench uses the part that it needs.
#[path = "common/waiting.rs"]
mod waiting;
// With contenders that this bench does not need.
#[allow(dead_code)]
#[path = "lobby/rooms.rs"]
mod rooms;

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use clap::Parser;
use headcount::{Gate, Holds, KeyedGate, Lobby};
use plotters::prelude::*;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use common::ratio::Quartiles;
use common::table::machine;
use keepers::{Keeper, MapAndHeap, TTL};
use keyed::{Counter, Keyed, SccCounter};
use rooms::{keep, Jams, LobbyOf, Locked, Rooms, SEATS};
use waiting::{block_on, next_woken, Limit, Task};

#[derive(Parser)]
struct Options {
    /// Words: the charts whose names contain one of them; all, if none is given.
    charts: Vec<String>,
    /// The folder that the drawings go to.
    #[arg(long, default_value = "docs")]
    svg: PathBuf,
    /// What to call this machine in the drawings.
    #[arg(long)]
    machine: Option<String>,
    /// The largest size.
    #[arg(long, default_value_t = 10_000_000)]
    most: usize,
    /// Bursts of each contender in each size.
    #[arg(long, default_value_t = 15)]
    bursts: usize,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
    /// One short burst in small sizes, drawn to where nothing is kept: shows that everything runs.
    #[arg(long)]
    test: bool,
}

/// What a burst is to take, and how many operations it is of at least and at most.
const BURST: Duration = Duration::from_millis(5);
const OPERATIONS: [u64; 2] = [64, 20_000];

/// A contender in one size: does so many operations, of the kind with that number.
type Repeat = Box<dyn FnMut(usize, u64)>;

/// One curve for each of `names`, which are the kinds of operations.
struct Contender {
    names: &'static [&'static str],
    build: fn(usize) -> Repeat,
}

struct Chart {
    /// What there are more of, and the end of the file's name.
    of: &'static str,
    title: &'static str,
    /// What is said of the operation below the title.
    operation: &'static str,
    contenders: Vec<Contender>,
}

fn charts() -> Vec<Chart> {
    let single = |names, build| Contender { names, build };
    vec![
        Chart {
            of: "keys",
            title: "A place of one key, while so many keys live",
            operation: "take a place of a key drawn from all, and give it back",
            contenders: vec![
                single(&["KeyedGate"], keys::<KeyedGate<u64>>),
                single(&["DashMap<K, u32>"], keys::<Counter>),
                single(&["scc::HashMap<K, u32>"], keys::<SccCounter>),
            ],
        },
        Chart {
            of: "rooms",
            title: "A seat in the fullest room, while so many rooms are open",
            operation: "a member of a room drawn from all leaves, and a caller joins",
            contenders: vec![
                single(&["Lobby"], one_of_each_room::<LobbyOf<SEATS>>),
                single(&["Mutex of BTreeSet"], one_of_each_room::<Locked<Mutex<Jams>>>),
            ],
        },
        Chart {
            of: "members",
            title: "A seat in the fullest room, while so many members are seated",
            operation: "a member drawn from all leaves, and a caller joins",
            contenders: vec![
                single(&["Lobby, rooms of 7"], any_member::<LobbyOf<SEATS>>),
                single(&["Mutex of BTreeSet, rooms of 7"], any_member::<Locked<Mutex<Jams>>>),
                single(&["Lobby, rooms of 4,096"], any_member::<LobbyOf<LARGE>>),
            ],
        },
        Chart {
            of: "waiters",
            title: "One place, for which so many callers wait",
            operation: "served: give back, the first takes it, another comes; \
                        cancelled: one drawn from all gives up, another comes",
            contenders: vec![
                single(&["Gate, served", "Gate, cancelled"], waiters::<Gate>),
                single(&["tokio, served", "tokio, cancelled"], waiters::<tokio::sync::Semaphore>),
                single(
                    &["async-lock, served", "async-lock, cancelled"],
                    waiters::<async_lock::Semaphore>,
                ),
            ],
        },
        Chart {
            of: "holds",
            title: "A guard by its ticket, while so many are held",
            operation: "claim a guard drawn from all, and put another in its place",
            contenders: vec![
                single(&["Holds"], holds::<Holds<u64>>),
                single(&["Mutex of HashMap and BinaryHeap"], holds::<Mutex<MapAndHeap>>),
            ],
        },
    ]
}

/// The seats of the largest rooms that there can be.
const LARGE: u32 = Lobby::<()>::MAX_SEATS;

fn dice() -> SmallRng {
    SmallRng::seed_from_u64(0x9e37_79b9_7f4a_7c15)
}

fn keys<L: Keyed>(n: usize) -> Repeat {
    let limit = L::new();
    (0..n as u64).for_each(|key| limit.stay(key));
    let mut dice = dice();
    Box::new(move |_, operations| {
        for _ in 0..operations {
            limit.visit(black_box(dice.random_range(0..n as u64)));
        }
    })
}

fn one_of_each_room<L: Rooms>(n: usize) -> Repeat {
    leave_and_join::<L>(n, SEATS)
}

fn any_member<L: Rooms>(n: usize) -> Repeat {
    leave_and_join::<L>(n, 1)
}

/// Seats `n` members that leave and join, and after each of them others that stay, so that one in
/// `share` leaves.
fn leave_and_join<L: Rooms>(n: usize, share: u32) -> Repeat {
    // Leaked, since seats borrow it.
    let lobby: &'static L = Box::leak(Box::new(L::new(n, 1)));
    let member = |_| {
        let seat = lobby.join();
        (1..share).for_each(|_| keep(lobby.join()));
        Some(seat)
    };
    let mut seats: Vec<Option<L::Seat>> = (0..n).map(member).collect();
    // Each member leaves and joins once here: the first leave of a room is not to be timed.
    for place in &mut seats {
        if let Some(seat) = place.take() {
            lobby.leave(seat);
        }
        *place = Some(lobby.join());
    }
    let mut dice = dice();
    Box::new(move |_, operations| {
        for _ in 0..operations {
            let place = &mut seats[dice.random_range(0..n)];
            if let Some(seat) = place.take() {
                lobby.leave(seat);
            }
            *place = Some(lobby.join());
        }
    })
}

fn holds<K: Keeper>(n: usize) -> Repeat {
    let keeper = K::new();
    let mut tickets: Vec<_> = (0..n as u64).map(|guard| keeper.put(guard, TTL)).collect();
    let mut dice = dice();
    Box::new(move |_, operations| {
        for _ in 0..operations {
            let ticket = &mut tickets[dice.random_range(0..n)];
            let guard = keeper.claim(black_box(*ticket)).expect("it was put");
            *ticket = keeper.put(guard, TTL);
        }
    })
}

/// Callers that wait for the place of one limit, and the one that has it.
struct Queue<L: Limit> {
    limit: &'static L,
    waiters: Vec<(Waits<L>, Waker)>,
    permit: Option<L::Permit<'static>>,
}

type Waits<L> = Pin<Box<dyn Future<Output = <L as Limit>::Permit<'static>>>>;

impl<L: Limit> Queue<L> {
    fn new(n: usize, dice: &mut SmallRng) -> Queue<L> {
        // Leaked, since permits borrow it.
        let limit: &'static L = Box::leak(Box::new(L::new()));
        let permit = Some(block_on(limit.acquire()));
        let waiter =
            |number| (Box::pin(limit.acquire()) as Waits<L>, Waker::from(Arc::new(Task(number))));
        let mut queue = Queue { limit, waiters: (0..n).map(waiter).collect(), permit };
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(dice);
        order.into_iter().for_each(|number| queue.enqueue(number));
        queue
    }

    fn poll(&mut self, number: usize) -> Poll<L::Permit<'static>> {
        let (waits, waker) = &mut self.waiters[number];
        waits.as_mut().poll(&mut Context::from_waker(waker))
    }

    fn enqueue(&mut self, number: usize) {
        assert!(self.poll(number).is_pending(), "the place is taken");
    }

    /// Another caller comes in place of that one.
    fn replace(&mut self, number: usize) {
        self.waiters[number].0 = Box::pin(self.limit.acquire());
        self.enqueue(number);
    }

    fn serve(&mut self) {
        drop(self.permit.take());
        let first = next_woken().expect("a waiter is woken");
        match self.poll(first) {
            Poll::Ready(permit) => self.permit = Some(permit),
            Poll::Pending => panic!("the waiter that was woken has no place"),
        }
        self.replace(first);
    }
}

const SERVED: usize = 0;

fn waiters<L: Limit>(n: usize) -> Repeat {
    let mut dice = dice();
    let mut queue = Queue::<L>::new(n, &mut dice);
    Box::new(move |kind, operations| {
        for _ in 0..operations {
            if kind == SERVED {
                queue.serve();
            } else {
                queue.replace(dice.random_range(0..n));
            }
        }
    })
}

/// Powers of ten, and three times these.
fn sizes(most: usize) -> Vec<usize> {
    let powers = (1..).map(|power| 10_usize.pow(power));
    powers.flat_map(|power| [power, 3 * power]).take_while(|&n| n <= most).collect()
}

/// Returns nanoseconds for one operation.
fn time(repeat: &mut Repeat, kind: usize, operations: u64) -> f64 {
    let start = Instant::now();
    repeat(kind, operations);
    start.elapsed().as_nanos() as f64 / operations as f64
}

fn bursts(repeat: &mut Repeat, kind: usize, options: &Options) -> Quartiles {
    let [least, most] = OPERATIONS;
    let each = time(repeat, kind, least);
    let fits = (BURST.as_nanos() as f64 / each) as u64;
    let operations = if options.test { least } else { fits.clamp(least, most) };
    let burst = |_| {
        repeat(kind, operations);
        time(repeat, kind, operations)
    };
    Quartiles::of((0..options.bursts).map(burst).collect()).expect("there are bursts")
}

/// A contender's name for one kind of operation, and what that costs by size.
struct Curve {
    name: &'static str,
    /// The numbers of the contender and of the kind.
    look: [usize; 2],
    points: Vec<(usize, Quartiles)>,
}

fn measure(chart: &Chart, options: &Options) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (number, contender) in chart.contenders.iter().enumerate() {
        let first = curves.len();
        curves.extend(contender.names.iter().enumerate().map(|(kind, name)| Curve {
            name,
            look: [number, kind],
            points: Vec::new(),
        }));
        for n in sizes(options.most) {
            let mut repeat = (contender.build)(n);
            for (kind, curve) in curves[first..].iter_mut().enumerate() {
                curve.points.push((n, bursts(&mut repeat, kind, options)));
            }
        }
    }
    curves
}

fn print(chart: &Chart, curves: &[Curve]) {
    println!("{}: ns for one operation, median [quartiles]\n", chart.of);
    print!("| {} ", chart.of);
    curves.iter().for_each(|curve| print!("| {} ", curve.name));
    println!("|\n|--:|{}", "--:|".repeat(curves.len()));
    for (at, (n, _)) in curves[0].points.iter().enumerate() {
        print!("| {} ", thousands(*n));
        for curve in curves {
            let Quartiles { lower, median, upper } = curve.points[at].1;
            print!("| {median:.0} [{lower:.0}–{upper:.0}] ");
        }
        println!("|");
    }
    println!();
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// Blue, vermilion and green that the colour-blind tell apart too; each has a mark of its own.
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// The mark of that contender, so far to the right: a diamond, a triangle or a square.
fn mark(number: usize, x: i32) -> Polygon<(i32, i32)> {
    let corners: &[(i32, i32)] = match number {
        0 => &[(0, -6), (5, 0), (0, 6), (-5, 0)],
        1 => &[(0, -5), (5, 4), (-5, 4)],
        _ => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
    };
    let corners: Vec<_> = corners.iter().map(|&(right, down)| (x + right, down)).collect();
    Polygon::new(corners, COLOURS[number])
}

fn draw(
    chart: &Chart,
    curves: &[Curve],
    machine: &str,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("growth-{}.svg", chart.of));
    let medians = |curve: &Curve| -> Vec<(f64, f64)> {
        curve.points.iter().map(|&(n, ns)| (n as f64, ns.median)).collect()
    };
    let points = || curves.iter().flat_map(medians);
    let most = points().map(|(n, _)| n).fold(10.0, f64::max);
    let decade = |ns: f64, up: f64| 10f64.powf((ns.log10() + up).floor());
    let least = points().map(|(_, ns)| decade(ns, 0.0)).fold(f64::INFINITY, f64::min);
    let top = points().map(|(_, ns)| decade(ns, 1.0)).fold(least, f64::max);

    let area = SVGBackend::new(&path, (760, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(chart.title, ("sans-serif", 20))?;
    let area = area.titled(chart.operation, ("sans-serif", 14))?;
    let caption =
        format!("{machine}; 1 thread; medians; one drawn at random from all, so caches go cold");
    let area = area.titled(&caption, ("sans-serif", 12))?;
    let mut plot = ChartBuilder::on(&area)
        .margin(14)
        .margin_right(44)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d((10.0..most * 1.15).log_scale(), (least..top).log_scale())?;
    plot.configure_mesh()
        .light_line_style(WHITE)
        .x_labels(8)
        .y_labels(12)
        .x_label_formatter(&|n| thousands(n.round() as usize))
        .y_label_formatter(&|ns| thousands(ns.round() as usize))
        .x_desc(format!("{} (logarithmic)", chart.of))
        .y_desc("nanoseconds per operation (logarithmic)")
        .label_style(("sans-serif", 13))
        .draw()?;
    for curve in curves {
        let [number, kind] = curve.look;
        let style = COLOURS[number].stroke_width(2);
        let line = medians(curve);
        plot.draw_series(line.iter().map(|&at| EmptyElement::at(at) + mark(number, 0)))?;
        let legend = move |(x, y): (i32, i32)| {
            let dashes = if kind == 0 { [(0, 26); 3] } else { [(0, 6), (10, 16), (20, 26)] };
            let [a, b, c] = dashes.map(|(from, to)| PathElement::new([(from, 0), (to, 0)], style));
            EmptyElement::at((x, y)) + a + b + c + mark(number, 13)
        };
        let drawn = if kind == 0 {
            plot.draw_series(LineSeries::new(line, style))?
        } else {
            plot.draw_series(DashedLineSeries::new(line, 6, 5, style))?
        };
        drawn.label(curve.name).legend(legend);
    }
    plot.configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    println!("drawn: {}\n", path.display());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if common::is_listing() {
        return Ok(());
    }
    let mut options = Options::parse();
    if options.test {
        options.most = options.most.min(1_000);
        options.bursts = 1;
        options.svg = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    }
    let machine = options.machine.clone().unwrap_or_else(machine);
    println!("{machine}\n");
    let wanted = |chart: &Chart| {
        options.charts.is_empty() || options.charts.iter().any(|word| chart.of.contains(word))
    };
    for chart in charts().into_iter().filter(wanted) {
        let curves = measure(&chart, &options);
        print(&chart, &curves);
        draw(&chart, &curves, &machine, &options.svg)?;
    }
    Ok(())
}
