//! What a gate costs on an engine: against a plain `INCR` and `DECR`, and against the designs of
//! redis-objects and Redisson, written anew as scripts; and what a batched gate costs beside a
//! local one.
//!
//! All designs are called by the same client. Rounds of all designs run in turn; each number is the
//! median of its rounds. `--test` runs one short round; `local`, `redis`, `valkey` or `calls`
//! choose a part.

#[allow(dead_code)]
#[path = "../tests/it/support/server.rs"]
mod server;

use std::hint::black_box;
use std::time::{Duration, Instant};

use headcount::Gate;
use headcount_redis::{Connection, LeasedGate, RemoteCourse, RemoteGate, RemoteLobby, RemoteTally};
use redis::aio::MultiplexedConnection;
use redis::Script;
use server::{Engine, Server};

/// A counter that is raised, looked at, and lowered again if it is too high.
const ROLLBACK: [&str; 2] = [
    "local is = redis.call('INCRBY', KEYS[1], 1)
     if is > tonumber(ARGV[1]) then redis.call('DECRBY', KEYS[1], 1) return 0 end
     return is",
    "return redis.call('DECRBY', KEYS[1], 1)",
];

/// A counter of free permits beside a set of leases, on the client's clock.
const BESIDE: [&str; 2] = [
    "local due = redis.call('ZRANGEBYSCORE', KEYS[2], 0, ARGV[3], 'LIMIT', 0, 1)
     if #due > 0 then
       redis.call('ZREM', KEYS[2], unpack(due))
       redis.call('INCRBY', KEYS[1], #due)
     end
     local free = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
     if free < 1 then return 0 end
     redis.call('SET', KEYS[1], free - 1)
     redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
     redis.call('PEXPIRE', KEYS[1], 172800000)
     redis.call('PEXPIRE', KEYS[2], 172800000)
     return 1",
    "if redis.call('ZREM', KEYS[2], ARGV[2]) == 0 then return 0 end
     local free = redis.call('INCRBY', KEYS[1], 1)
     redis.call('PEXPIRE', KEYS[1], 172800000)
     redis.call('PEXPIRE', KEYS[2], 172800000)
     redis.call('PUBLISH', KEYS[3], free)
     return 1",
];

const OURS: &str = concat!(
    include_str!("../src/lua/common.lua"),
    include_str!("../src/lua/gate.lua"),
    include_str!("../src/lua/last.lua")
);

const CAPACITY: u32 = 1_000_000;

#[derive(Clone)]
enum Design {
    Plain,
    Scripts { acquire: Script, release: Script, keys: &'static [&'static str] },
    Ours(Script),
}

impl Design {
    fn all() -> [(&'static str, Design); 4] {
        let scripts = |[acquire, release]: [&str; 2], keys| Design::Scripts {
            acquire: Script::new(acquire),
            release: Script::new(release),
            keys,
        };
        [
            ("plain INCR, DECR", Design::Plain),
            ("count, check, roll back", scripts(ROLLBACK, &["{r}"])),
            ("counter beside a set", scripts(BESIDE, &["{b}:free", "{b}:leases", "{b}:channel"])),
            ("headcount", Design::Ours(Script::new(OURS))),
        ]
    }

    /// Acquires a place and releases it.
    async fn pair(&self, connection: &mut MultiplexedConnection, id: &str) {
        self.half(Half::Acquire, connection, id).await;
        self.half(Half::Release, connection, id).await;
    }

    async fn half(&self, which: Half, connection: &mut MultiplexedConnection, id: &str) {
        match self {
            Design::Plain => {
                let mut command = redis::cmd(if which == Half::Acquire { "INCR" } else { "DECR" });
                let count: i64 = command.arg("p").query_async(connection).await.expect("a count");
                black_box(count);
            }
            Design::Scripts { acquire, release, keys } => {
                let script = if which == Half::Acquire { acquire } else { release };
                let mut call = script.prepare_invoke();
                for key in *keys {
                    call.key(*key);
                }
                let (now, end) = (1_764_000_000_000u64, 1_764_000_060_000u64);
                call.arg(CAPACITY).arg(id).arg(now).arg(end);
                let answer: i64 = call.invoke_async(connection).await.expect("an answer");
                black_box(answer);
            }
            Design::Ours(script) => {
                let acquire = ["acquire", id, "1", "60000", "1000000", "0"];
                let words = match which {
                    Half::Acquire => acquire.as_slice(),
                    Half::Release => &["release", id, "1"],
                };
                let mut call = script.prepare_invoke();
                call.key("{h}:leases").key("{h}:state").arg(words).arg(7);
                let answer: Vec<i64> = call.invoke_async(connection).await.expect("an answer");
                assert_eq!(answer[0], 1);
            }
        }
    }
}

/// Half of a pair of calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Acquire,
    Release,
}

/// Runs so many pairs in so many tasks, on so many connections. Returns the pairs a second.
async fn round(
    server: &Server,
    design: &Design,
    connections: usize,
    tasks: usize,
    pairs: usize,
) -> f64 {
    let client = redis::Client::open(server.url()).expect("an address");
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
        design.pair(&mut connection, "first").await;
        open.push(connection);
    }
    let begun = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let (design, mut connection) = (design.clone(), open[task % connections].clone());
        set.spawn(async move {
            let id = format!("0123456789abcdef0123456789abcdef-{task:x}");
            for _ in 0..pairs / tasks {
                design.pair(&mut connection, &id).await;
            }
        });
    }
    set.join_all().await;
    (pairs / tasks * tasks) as f64 / begun.elapsed().as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Returns the number behind that name in the server's facts.
fn fact(server: &Server, section: &str, name: &str) -> f64 {
    let info: String = server.command(&["INFO", section]);
    let line = info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    let digits = |c: char| !c.is_ascii_digit() && c != '.';
    line.trim_start_matches(digits).split(digits).next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

/// Returns the microseconds that the server has spent in its clients' commands since the reset.
fn server_time(server: &Server, design: &Design) -> f64 {
    let names: &[&str] = match design {
        Design::Plain => &["cmdstat_incr", "cmdstat_decr"],
        _ => &["cmdstat_evalsha"],
    };
    let info: String = server.command(&["INFO", "commandstats"]);
    names.iter().map(|name| usec(&info, name)).sum()
}

fn usec(info: &str, name: &str) -> f64 {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let usec = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")));
    usec.and_then(|usec| usec.parse().ok()).unwrap_or(0.0)
}

async fn engine(engine: Engine, rounds: usize, pairs: usize) {
    println!("\n{engine:?}: pairs of acquire and release a second, median of {rounds} rounds");
    println!("{:26}{:>12}{:>13}{:>13}", "", "1 at a time", "16 in flight", "16 conns");
    let server = Server::start(engine);
    let shapes = [(1, 1), (1, 16), (16, 16)];
    let mut results = vec![vec![Vec::new(); shapes.len()]; 4];
    for _ in 0..rounds {
        for (at, &(connections, tasks)) in shapes.iter().enumerate() {
            for (number, (_, design)) in Design::all().iter().enumerate() {
                let rate = round(&server, design, connections, tasks, pairs).await;
                results[number][at].push(rate);
            }
        }
    }
    let medians: Vec<Vec<f64>> =
        results.into_iter().map(|row| row.into_iter().map(median).collect()).collect();
    for ((name, _), row) in Design::all().iter().zip(&medians) {
        let cells: Vec<String> = row
            .iter()
            .zip(&medians[0])
            .map(|(rate, plain)| format!("{rate:>7.0} {:.2}", rate / plain))
            .collect();
        println!("{name:26}{}", cells.join(" "));
    }
    println!("(the second number: the ratio to plain INCR, DECR)");

    println!(
        "{:26}{:>12}{:>12}{:>12}{:>12}",
        "", "acquire µs", "release µs", "bytes in", "bytes out"
    );
    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    for (name, design) in Design::all() {
        // All acquire first, then all release: so the server's time can be told apart.
        let count = pairs / 4;
        let ids: Vec<String> =
            (0..count).map(|id| format!("0123456789abcdef0123456789abcdef-{id:x}")).collect();
        let (mut times, mut read, mut written) = (Vec::new(), 0.0, 0.0);
        for which in [Half::Acquire, Half::Release] {
            let _: () = server.command(&["CONFIG", "RESETSTAT"]);
            for id in &ids {
                design.half(which, &mut connection, id).await;
            }
            times.push(server_time(&server, &design) / count as f64);
            read += fact(&server, "stats", "total_net_input_bytes:") / count as f64;
            written += fact(&server, "stats", "total_net_output_bytes:") / count as f64;
        }
        println!("{name:26}{:>12.1}{:>12.1}{read:>12.0}{written:>12.0}", times[0], times[1]);
    }
    println!(
        "(the server's time for each script beside up to {} leases; bytes of one pair)",
        pairs / 4
    );
}

/// The server's time for calls of the library, beside many leases and members.
async fn calls(engine: Engine, count: usize) {
    println!("\n{engine:?}: calls of the library");
    let server = &Server::start(engine);
    let connection = Connection::open(&server.url()).await.expect("a connection");
    let minute = Duration::from_secs(60);
    let many = if count < 1000 { 100 } else { 20_000 };
    let gate = RemoteGate::new(&connection, "many", many as u32, minute).expect("a gate");
    let mut leases = Vec::new();
    for _ in 0..many {
        leases.push(gate.try_acquire().await.expect("a place"));
    }
    cost(server, &format!("a refusal beside {many} leases"), count, async |_| {
        black_box(gate.try_acquire().await.expect_err("no place is free"));
    })
    .await;
    leases.into_iter().for_each(std::mem::forget);

    let jams = RemoteLobby::builder(7).ttl(minute).build(&connection, "jams").expect("a lobby");
    let mut seats = Vec::new();
    cost(server, &format!("a join of a lobby, up to {many} members"), many, async |member| {
        seats.push(jams.join(&member.to_string()).await.expect("a seat"));
    })
    .await;
    cost(server, &format!("leaving it, from {many} members"), many, async |_| {
        seats.pop().expect("a seat").leave().await.expect("an answer");
    })
    .await;

    let posts = RemoteTally::new(&connection, "posts", 0).expect("a tally");
    cost(server, "an increment of a tally", count, async |_| {
        black_box(posts.increment().await.expect("a value"));
    })
    .await;

    let course = RemoteCourse::new(&connection, "many", many as u32, minute).expect("a course");
    let mut reservations = Vec::new();
    cost(server, &format!("a reservation, up to {many} places"), many, async |student| {
        reservations.push(course.try_reserve(&student.to_string()).await.expect("a place"));
    })
    .await;
    cost(server, "its confirmation", many, async |_| {
        let reservation = reservations.pop().expect("a reservation");
        black_box(reservation.confirm().await.expect("its place"));
    })
    .await;
}

/// Prints the server's time for one of so many calls.
async fn cost(server: &Server, name: &str, count: usize, mut call: impl AsyncFnMut(usize)) {
    let _: () = server.command(&["CONFIG", "RESETSTAT"]);
    for number in 0..count {
        call(number).await;
    }
    let time = usec(&server.command::<String>(&["INFO", "commandstats"]), "cmdstat_evalsha");
    println!("{name}: {:.1} µs of the server", time / count as f64);
}

/// A leased gate beside a local gate: batched while its block lasts, and exact.
async fn leased(rounds: usize, pairs: usize) {
    let server = Server::start(Engine::Redis);
    let connection = Connection::open(&server.url()).await.expect("a connection");
    let leased =
        LeasedGate::batched(&connection, "jobs", 1000, Duration::from_secs(60)).expect("a gate");
    let first = leased.try_acquire().await.expect("a place");
    let _second = leased.try_acquire().await.expect("a place");
    drop(first);
    let local = Gate::new(2);
    let _one = local.try_acquire().expect("a place");
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let begun = Instant::now();
        for _ in 0..pairs {
            drop(black_box(local.try_acquire()));
        }
        times[0].push(begun.elapsed().as_nanos() as f64 / pairs as f64);
        let begun = Instant::now();
        for _ in 0..pairs {
            drop(black_box(leased.try_acquire_local()));
        }
        times[1].push(begun.elapsed().as_nanos() as f64 / pairs as f64);
        let begun = Instant::now();
        for _ in 0..pairs {
            drop(black_box(leased.try_acquire().await));
        }
        times[2].push(begun.elapsed().as_nanos() as f64 / pairs as f64);
    }
    let ratio = |which: &[f64]| {
        median(which.iter().zip(&times[0]).map(|(time, local)| time / local).collect())
    };
    println!("\none acquire and release, median of {rounds} rounds of {pairs}, and of the ratios");
    println!("a local gate                 {:>6.1} ns", median(times[0].clone()));
    for (name, times) in
        [("batched, try_acquire_local", &times[1]), ("batched, try_acquire", &times[2])]
    {
        println!("{name:28} {:>6.1} ns, {:.2} x", median(times.clone()), ratio(times));
    }
    let exact =
        LeasedGate::new(&connection, "exact", 1000, Duration::from_secs(60)).expect("a gate");
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        for _ in 0..pairs.div_ceil(1000) {
            let permit = exact.try_acquire().await.expect("a place");
            permit.release().await.expect("an answer");
        }
        times.push(begun.elapsed().as_nanos() as f64 / pairs.div_ceil(1000) as f64);
    }
    println!("exact, two calls to the engine {:>6.0} ns", median(times));
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let short = args.iter().any(|arg| arg == "--test");
    let parts = ["local", "redis", "valkey", "calls"];
    let chosen = |part: &str| {
        args.iter().any(|arg| arg == part) || !args.iter().any(|arg| parts.contains(&arg.as_str()))
    };
    let (rounds, pairs) = if short { (1, 64) } else { (5, 10_000) };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        if chosen("local") {
            leased(if short { 1 } else { 25 }, if short { 100 } else { 1_000_000 }).await;
        }
        if chosen("redis") {
            engine(Engine::Redis, rounds, pairs).await;
        }
        if chosen("valkey") {
            engine(Engine::Valkey, rounds, pairs).await;
        }
        if chosen("calls") {
            calls(Engine::Redis, pairs).await;
            calls(Engine::Valkey, pairs).await;
        }
    });
}
