//! Throughput against threads: taking a place and giving it back, over and over, on 1 to N threads.
//!
//! Beside the crate's two gates stand tokio's semaphore and two bounds made of bare atomics: *raw*
//! is one word that all threads add to and subtract from, *ideal* a word for each thread. Neither
//! limits anything.
//!
//! Threads start from a barrier after a warm-up; their start is not timed. One sample is one short
//! window, from the first thread's start to the last one's end. All contenders take turns within a
//! round, so that other work of the machine disturbs them alike. Caches are hot. Printed and drawn
//! are medians over the rounds, and quotients of medians. On a machine that other work shares, most
//! windows show that work; there, short windows and `--quantile 0.95` come nearer to the truth.
//!
//! Runs without cargo too: copy the binary to a machine with more cores, and start it with
//! `--threads 1,2,4,8,16 --svg scaling.svg --machine "what it is"`.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use crossbeam_utils::CachePadded;
use headcount::{Gate, StripedGate};
use plotters::prelude::*;
use tokio::sync::Semaphore;

#[derive(Parser)]
struct Options {
    /// Numbers of threads; powers of two up to this machine's if not given.
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// Where the drawing goes.
    #[arg(long, default_value = "docs/scaling.svg")]
    svg: PathBuf,
    /// What to call this machine in the drawing.
    #[arg(long)]
    machine: Option<String>,
    /// Rounds of samples.
    #[arg(long, default_value_t = 41)]
    rounds: usize,
    /// Which of a contender's samples counts: 0 is the slowest, 0.5 the median, 1 the fastest.
    #[arg(long, default_value_t = 0.5)]
    quantile: f64,
    /// Milliseconds of one sample.
    #[arg(long, default_value_t = 20)]
    millis: u64,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
    /// One short round, and no drawing: shows that everything runs.
    #[arg(long)]
    test: bool,
}

/// More places than threads.
const PLACES: u32 = 1000;

/// Acts between two looks at the stop flag, and how many such batches warm up.
const BATCH: u64 = 256;
const WARM_UP: u64 = 8;

/// One sample: when to start and when to stop.
struct Window {
    start: Barrier,
    stop: AtomicBool,
}

/// What one thread measured in a window.
struct Turn {
    started: Instant,
    ended: Instant,
    acts: u64,
}

impl Window {
    /// Repeats `act` from the start to the stop. `act` is called at one site, so that it is
    /// inlined: otherwise the stores of a call, between two locked operations, would be measured
    /// too.
    #[inline(always)]
    fn repeat(&self, mut act: impl FnMut()) -> Turn {
        let mut started = None;
        let mut batches = 0;
        loop {
            for _ in 0..BATCH {
                act();
            }
            batches += 1;
            match started {
                None if batches == WARM_UP => {
                    self.start.wait();
                    started = Some(Instant::now());
                    batches = 0;
                }
                Some(started) if self.stop.load(Ordering::Relaxed) => {
                    return Turn { started, ended: Instant::now(), acts: batches * BATCH };
                }
                _ => {}
            }
        }
    }
}

/// The work of one thread, given its index and its window.
type Run = Box<dyn Fn(usize, &Window) -> Turn + Sync>;

struct Contender {
    name: &'static str,
    colour: RGBColor,
    run: Run,
}

impl Contender {
    fn new(
        name: &'static str,
        colour: RGBColor,
        run: impl Fn(usize, &Window) -> Turn + Sync + 'static,
    ) -> Contender {
        Contender { name, colour, run: Box::new(run) }
    }

    /// Acts per second of all threads together.
    fn sample(&self, threads: usize, millis: u64) -> f64 {
        let window = Window { start: Barrier::new(threads + 1), stop: AtomicBool::new(false) };
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|index| {
                    let window = &window;
                    scope.spawn(move || (self.run)(index, window))
                })
                .collect();
            window.start.wait();
            thread::sleep(Duration::from_millis(millis));
            window.stop.store(true, Ordering::Relaxed);
            let turns: Vec<Turn> =
                running.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            let started = turns.iter().map(|turn| turn.started).min().expect("a thread");
            let ended = turns.iter().map(|turn| turn.ended).max().expect("a thread");
            let acts: u64 = turns.iter().map(|turn| turn.acts).sum();
            acts as f64 / (ended - started).as_secs_f64()
        })
    }
}

/// The contenders that take a place and give it back, the two bounds first.
fn takers(most: usize) -> Vec<Contender> {
    let own: Vec<_> = (0..most).map(|_| CachePadded::new(AtomicU64::new(0))).collect();
    let raw = CachePadded::new(AtomicU32::new(0));
    let gate = CachePadded::new(Gate::new(PLACES));
    let striped = StripedGate::new(PLACES);
    let tokio = CachePadded::new(Semaphore::new(PLACES as usize));
    vec![
        Contender::new("ideal", RGBColor(150, 150, 150), move |index, window| {
            let word = &*own[index];
            window.repeat(|| {
                word.fetch_add(1, Ordering::Acquire);
                word.fetch_sub(1, Ordering::Release);
            })
        }),
        Contender::new("raw", RGBColor(60, 60, 60), move |_, window| {
            window.repeat(|| {
                raw.fetch_add(1, Ordering::Acquire);
                raw.fetch_sub(1, Ordering::Release);
            })
        }),
        Contender::new("striped gate", RGBColor(0, 114, 178), move |_, window| {
            window.repeat(|| drop(striped.try_acquire().expect("places enough")))
        }),
        Contender::new("gate", RGBColor(0, 158, 115), move |_, window| {
            window.repeat(|| drop(gate.try_acquire().expect("places enough")))
        }),
        Contender::new("tokio semaphore", RGBColor(213, 94, 0), move |_, window| {
            window.repeat(|| drop(tokio.try_acquire().expect("places enough")))
        }),
    ]
}

/// The contenders that are refused by a full gate.
fn refused(stripes: usize) -> Vec<Contender> {
    let striped = StripedGate::with_stripes(0, stripes);
    let gate = CachePadded::new(Gate::new(0));
    let tokio = CachePadded::new(Semaphore::new(0));
    vec![
        Contender::new("striped gate", BLACK, move |_, window| {
            window.repeat(|| assert!(black_box(striped.try_acquire()).is_err()))
        }),
        Contender::new("gate", BLACK, move |_, window| {
            window.repeat(|| assert!(black_box(gate.try_acquire()).is_err()))
        }),
        Contender::new("tokio semaphore", BLACK, move |_, window| {
            window.repeat(|| assert!(black_box(tokio.try_acquire()).is_err()))
        }),
    ]
}

/// Acts per second: `[contender][number of threads]`.
type Rates = Vec<Vec<f64>>;

fn measure(contenders: &[Contender], options: &Options) -> Rates {
    let mut samples = vec![vec![Vec::new(); options.threads.len()]; contenders.len()];
    for _ in 0..options.rounds {
        for (at, &threads) in options.threads.iter().enumerate() {
            for (contender, samples) in contenders.iter().zip(&mut samples) {
                samples[at].push(contender.sample(threads, options.millis));
            }
        }
    }
    let quantile = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[((rates.len() - 1) as f64 * options.quantile.clamp(0.0, 1.0)).round() as usize]
    };
    samples.into_iter().map(|of| of.into_iter().map(quantile).collect()).collect()
}

/// Prints what one act costs each thread, and how the contenders compare.
fn print(title: &str, contenders: &[Contender], rates: &Rates, options: &Options, bounds: bool) {
    let (quantile, rounds, millis) = (options.quantile, options.rounds, options.millis);
    println!("{title}: quantile {quantile} (0.5 is the median) of {rounds} windows of {millis} ms");
    print!("{:18}{:>8}{:>14}{:>16}", "", "threads", "millions/s", "ns for each");
    if bounds {
        print!("{:>14}{:>14}", "rate x ideal", "rate x raw");
    }
    println!("{:>22}", "rate x own 1st row");
    for (contender, of) in contenders.iter().zip(rates) {
        for (at, &threads) in options.threads.iter().enumerate() {
            let ns = 1e9 * threads as f64 / of[at];
            print!("{:18}{threads:>8}{:>14.1}{ns:>16.1}", contender.name, of[at] / 1e6);
            if bounds {
                print!("{:>14.2}{:>14.2}", of[at] / rates[0][at], of[at] / rates[1][at]);
            }
            println!("{:>22.2}", of[at] / of[0]);
        }
    }
    println!();
}

/// Draws throughput against threads.
fn draw(
    path: &Path,
    machine: &str,
    contenders: &[Contender],
    rates: &Rates,
    threads: &[usize],
) -> Result<(), Box<dyn Error>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let line = |of: &Vec<f64>| -> Vec<(f64, f64)> {
        threads.iter().map(|&n| n as f64).zip(of.iter().map(|rate| rate / 1e6)).collect()
    };
    let lines: Vec<_> = rates.iter().map(line).collect();
    let top = lines.iter().flatten().map(|point| point.1).fold(0.0, f64::max) * 1.08;
    let most = threads.iter().copied().max().unwrap_or(1) as f64;

    let area = SVGBackend::new(path, (760, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled("Take a place and give it back, many threads", ("sans-serif", 20))?;
    let area = area.titled(machine, ("sans-serif", 14))?;
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..most * 1.04, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(threads.len().max(9).min(most as usize + 1))
        .x_label_formatter(&|n| format!("{n:.0}"))
        .y_label_formatter(&|n| format!("{n:.0}"))
        .x_desc("threads")
        .y_desc("millions of pairs per second, all threads")
        .label_style(("sans-serif", 13))
        .draw()?;
    for (contender, line) in contenders.iter().zip(lines) {
        let style = contender.colour.stroke_width(2);
        chart.draw_series(
            line.iter().map(|&point| Circle::new(point, 4, contender.colour.filled())),
        )?;
        chart
            .draw_series(LineSeries::new(line, style))?
            .label(contender.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    println!("drawn: {}", path.display());
    Ok(())
}

/// The processor's name, where the system tells it, and how many threads it runs at a time.
fn this_machine(parallel: usize) -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    format!("{name}, {parallel} threads at a time, {}", std::env::consts::OS)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::parse();
    let parallel = thread::available_parallelism()?.get();
    if options.threads.is_empty() {
        options.threads = (0..).map(|n| 1 << n).take_while(|&n| n <= parallel).collect();
    }
    if options.threads.contains(&0) {
        return Err("0 threads do nothing".into());
    }
    if options.test {
        (options.rounds, options.millis) = (1, 2);
    }
    let machine = options.machine.clone().unwrap_or_else(|| this_machine(parallel));
    println!("{machine}\n");

    let contenders = takers(options.threads.iter().copied().max().unwrap_or(1));
    let taken = measure(&contenders, &options);
    print("take and give back", &contenders, &taken, &options, true);

    let turned_away = refused(StripedGate::new(PLACES).stripes());
    let rates = measure(&turned_away, &options);
    print("refused by a full gate", &turned_away, &rates, &options, false);

    if !options.test {
        draw(&options.svg, &machine, &contenders, &taken, &options.threads)?;
    }
    Ok(())
}
