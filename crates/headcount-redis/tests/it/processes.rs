//! Sixteen clients in four processes; and recorded histories, explained by the project's checker.

use std::time::{SystemTime, UNIX_EPOCH};

use headcount_redis::{
    LeasedGate, RemoteCourse, RemoteEnrollment, RemoteError, RemoteGate, RemoteJoinRoomError,
    RemoteLease, RemoteLobby, RemoteReservation, RemoteRoomId, RemoteSeat, RemoteTally,
};
use headcount_spec::{
    Course, CourseAnswer, CourseCall, Explanations, Gate, GateAnswer, GateCall, Room, RoomAnswer,
    RoomCall, RoomRefusal, Spec, Tally, TallyAnswer, TallyCall,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::support::process::{args, say, Process};
use crate::support::{connect, ms, on_both, run, Engine, Server};

on_both! { sixteen_clients_in_four_processes, histories_are_linearizable }

const CAPACITY: u32 = 5;
const ROUNDS: u64 = 40;

async fn sixteen_clients_in_four_processes(engine: Engine) {
    let server = Server::start(engine);
    let mut processes: Vec<Process> = (0..4)
        .map(|number| Process::start("processes::clients", &[&server.url(), &number.to_string()]))
        .collect();
    let (mut told, mut enrolled, mut admitted) = (Vec::new(), 0, 0);
    for process in &mut processes {
        for _ in 0..4 {
            let said = process.hear();
            let (numbers, rest) = said.split_once('|').expect("numbers");
            let (places, of_course) = rest.split_once('|').expect("two counts");
            told.extend(numbers.split(' ').map(|number| number.parse::<u64>().expect("a number")));
            admitted += places.parse::<u32>().expect("a count");
            enrolled += of_course.parse::<u32>().expect("a count");
        }
    }
    told.sort();
    assert_eq!(told, (1..=16 * ROUNDS).collect::<Vec<_>>(), "each value is told once");
    assert_eq!(enrolled, 10, "the course is full");
    assert!(admitted > 100, "{admitted} admitted");
    let connection = connect(&server.url()).await;
    let gate = RemoteGate::new(&connection, "door", CAPACITY, ms(60_000)).unwrap();
    assert_eq!(gate.occupied().await, Ok(0));
    let jams = RemoteLobby::builder(3).build(&connection, "jams").unwrap();
    assert_eq!(jams.stats().await.unwrap().rooms, 0);
}

/// Counts a caller that is inside, on the server itself, and returns the number.
async fn witness(connection: &mut redis::aio::MultiplexedConnection, key: &str, by: i64) -> i64 {
    redis::cmd("INCRBY").arg(key).arg(by).query_async(connection).await.expect("a count")
}

#[test]
#[ignore = "a process of the tests of this file"]
fn clients() {
    run(async {
        let args = args();
        let connection = connect(&args[0]).await;
        let witnesses = redis::Client::open(args[0].as_str()).unwrap();
        let witnesses = witnesses.get_multiplexed_async_connection().await.unwrap();
        let jobs = LeasedGate::batched(&connection, "jobs", CAPACITY, ms(60_000)).unwrap();
        let jobs = std::sync::Arc::new(jobs);
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..4 {
            let name = format!("{} {client}", args[1]);
            let (connection, mut witnesses) = (connection.clone(), witnesses.clone());
            let jobs = std::sync::Arc::clone(&jobs);
            tasks.spawn(async move {
                let gate = RemoteGate::new(&connection, "door", CAPACITY, ms(60_000)).unwrap();
                let posts = RemoteTally::new(&connection, "posts", 0).unwrap();
                let jams =
                    RemoteLobby::builder(3).ttl(ms(60_000)).build(&connection, "jams").unwrap();
                let course = RemoteCourse::new(&connection, "algebra", 10, ms(60_000)).unwrap();
                let (mut told, mut admitted) = (Vec::new(), 0);
                for _ in 0..ROUNDS {
                    told.push(posts.increment().await.unwrap().to_string());
                    match gate.try_acquire().await {
                        Ok(lease) => {
                            let inside = witness(&mut witnesses, "inside", 1).await;
                            assert!(inside <= i64::from(CAPACITY), "{inside} inside");
                            witness(&mut witnesses, "inside", -1).await;
                            lease.release().await.unwrap();
                            admitted += 1;
                        }
                        Err(error) => assert!(error.is_full(), "{error}"),
                    }
                    match jobs.try_acquire().await {
                        Ok(permit) => {
                            let inside = witness(&mut witnesses, "at work", 1).await;
                            assert!(inside <= i64::from(CAPACITY), "{inside} at work");
                            witness(&mut witnesses, "at work", -1).await;
                            drop(permit);
                        }
                        Err(error) => assert!(error.is_full(), "{error}"),
                    }
                    let seat = jams.join(&name).await.unwrap();
                    let place = format!("{}/{}", seat.room_id(), seat.number());
                    assert_eq!(witness(&mut witnesses, &place, 1).await, 1, "{place} is taken");
                    witness(&mut witnesses, &place, -1).await;
                    seat.leave().await.unwrap();
                }
                let enrolled = course.enroll(&name, async |_| Ok::<_, ()>(())).await.is_ok();
                format!("{}|{admitted}|{}", told.join(" "), u8::from(enrolled))
            });
        }
        for said in tasks.join_all().await {
            say(said);
        }
    });
}

/// What a history has calls of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Thing {
    Gate(Gate),
    Course(Course),
    Tally(Tally),
    Room(Room),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Call {
    Gate(GateCall),
    Course(CourseCall),
    Tally(TallyCall),
    Room(RoomCall),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Answer {
    Gate(GateAnswer),
    Course(CourseAnswer),
    Tally(TallyAnswer),
    Room(RoomAnswer),
    /// A call whose answer says nothing.
    Done,
}

impl Spec for Thing {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: Call) -> Answer {
        match (self, call) {
            (Thing::Gate(gate), Call::Gate(call)) => Answer::Gate(gate.apply(call)),
            (Thing::Course(course), Call::Course(call)) => Answer::Course(course.apply(call)),
            (Thing::Tally(tally), Call::Tally(call)) => Answer::Tally(tally.apply(call)),
            (Thing::Room(room), Call::Room(call)) => match room.apply(call) {
                RoomAnswer::Left { .. } | RoomAnswer::Lock(_) => Answer::Done,
                answer => Answer::Room(answer),
            },
            (thing, call) => panic!("{call:?} of {thing:?}"),
        }
    }
}

/// A call as one thread saw it: begin and end in nanoseconds.
type Recorded = (u128, u128, usize, Call, Answer);

/// Returns whether an order of the calls, in which each takes effect between its begin and its end,
/// gives each the answer that it got.
fn is_linearizable(start: Thing, threads: usize, calls: &[Recorded]) -> bool {
    let mut explanations = Explanations::new(start, threads);
    // At the same nanosecond, begins come first: that excludes no order.
    let begins =
        calls.iter().map(|&(begin, _, thread, call, _)| (begin, 0, thread, Some(call), None));
    let ends =
        calls.iter().map(|&(_, end, thread, _, answer)| (end, 1, thread, None, Some(answer)));
    let mut events: Vec<_> = begins.chain(ends).collect();
    events.sort_by_key(|&(time, which, ..)| (time, which));
    events.into_iter().all(|(_, _, thread, call, answer)| match (call, answer) {
        (Some(call), _) => {
            explanations.begin(thread, call);
            true
        }
        (_, Some(answer)) => explanations.answer(thread, answer).is_ok(),
        _ => true,
    })
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos()
}

/// Three processes of two threads each make random calls on one object.
async fn histories_are_linearizable(engine: Engine) {
    let server = Server::start(engine);
    for (thing, start) in [
        ("gate", Thing::Gate(Gate::new(2))),
        ("course", Thing::Course(Course::new(3, 0))),
        ("tally", Thing::Tally(Tally::new(0, RemoteTally::MAX))),
        (
            "room",
            Thing::Room({
                let mut room = Room::new(3, 0, 0);
                room.apply(RoomCall::Open { generation: 0, n: 1 });
                room
            }),
        ),
    ] {
        let connection = connect(&server.url()).await;
        let jams = RemoteLobby::builder(3).ttl(ms(60_000)).build(&connection, "jams").unwrap();
        // The first member keeps the room open.
        let anchor = jams.join("anchor").await.unwrap();
        let room = anchor.room_id().to_string();
        let mut processes: Vec<Process> = (0..3)
            .map(|number| {
                let args = [&server.url(), thing, &number.to_string(), &room];
                Process::start("processes::recorder", &args)
            })
            .collect();
        // They begin together.
        for process in &mut processes {
            assert_eq!(process.hear(), "ready");
        }
        for process in &mut processes {
            process.go();
        }
        let mut calls: Vec<Recorded> = Vec::new();
        for process in &mut processes {
            loop {
                let said = process.hear();
                if said == "end" {
                    break;
                }
                calls.push(parse(&said));
            }
        }
        let overlaps =
            calls.iter().filter(|a| calls.iter().any(|b| a.2 != b.2 && a.0 < b.1 && b.0 < a.1));
        assert!(overlaps.count() > calls.len() / 4, "the calls hardly overlap");
        assert!(calls.len() >= 200, "{} calls", calls.len());
        assert!(is_linearizable(start.clone(), 6, &calls), "{thing}: no order explains {calls:?}");
        // The check sees an answer that was changed.
        let at = calls.iter().rposition(|call| spoil(&call.4) != call.4).expect("such an answer");
        calls[at].4 = spoil(&calls[at].4);
        assert!(!is_linearizable(start, 6, &calls), "{thing}: a spoilt history is explained");
        drop(anchor);
    }
}

/// Returns an answer that cannot be right beside that one.
fn spoil(answer: &Answer) -> Answer {
    match *answer {
        Answer::Tally(TallyAnswer::Is(value)) => Answer::Tally(TallyAnswer::Is(value + 1_000_000)),
        Answer::Course(CourseAnswer::Counts { enrolled, .. }) => {
            Answer::Course(CourseAnswer::Counts { taken: 77, enrolled })
        }
        Answer::Gate(GateAnswer::Held(_)) => Answer::Gate(GateAnswer::Held(77)),
        Answer::Room(RoomAnswer::Entered { seat, members }) => {
            Answer::Room(RoomAnswer::Entered { seat, members: members + 9 })
        }
        other => other,
    }
}

/// What is recorded is said in numbers: the times, the thread, the call, the answer.
fn parse(said: &str) -> Recorded {
    let numbers: Vec<u128> = said.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [begin, end, thread, call, n, answer, a, b] = numbers[..] else { panic!("{said}") };
    let (n, a, b) = (n as u32, a as u32, b as u32);
    let call = match call {
        0 => Call::Gate(GateCall::AcquireMany(n)),
        1 => Call::Gate(GateCall::ReleaseMany(n)),
        2 => Call::Gate(GateCall::Close),
        3 => Call::Gate(GateCall::Reopen),
        4 => Call::Gate(GateCall::Occupied),
        5 => Call::Tally(TallyCall::Add(n.into())),
        6 => Call::Tally(TallyCall::Get),
        7 => Call::Room(RoomCall::Enter { generation: 0 }),
        8 => Call::Room(RoomCall::Leave { seat: n }),
        9 => Call::Room(RoomCall::SetLock { generation: 0, locked: n == 1, at_least: 0 }),
        10 => Call::Course(CourseCall::Reserve(1)),
        11 => Call::Course(CourseCall::Confirm(1)),
        12 => Call::Course(CourseCall::Cancel(1)),
        13 => Call::Course(CourseCall::Withdraw(1)),
        14 => Call::Course(CourseCall::Close),
        15 => Call::Course(CourseCall::Reopen),
        _ => Call::Course(CourseCall::Counts),
    };
    let answer = match answer {
        0 => Answer::Gate(GateAnswer::Full),
        1 => Answer::Gate(GateAnswer::Acquired),
        2 => Answer::Gate(GateAnswer::Closed),
        3 => Answer::Gate(GateAnswer::Done),
        4 => Answer::Gate(GateAnswer::Held(a)),
        5 => Answer::Tally(TallyAnswer::Is(a.into())),
        6 => Answer::Room(RoomAnswer::Entered { seat: a, members: b }),
        7 => Answer::Room(RoomAnswer::Refused(RoomRefusal::Full)),
        8 => Answer::Room(RoomAnswer::Refused(RoomRefusal::Locked)),
        9 => Answer::Done,
        10 => Answer::Course(CourseAnswer::Reserved),
        11 => Answer::Course(CourseAnswer::Full),
        12 => Answer::Course(CourseAnswer::Closed),
        13 => Answer::Course(CourseAnswer::Done),
        _ => Answer::Course(CourseAnswer::Counts { taken: a, enrolled: b }),
    };
    (begin, end, thread as usize, call, answer)
}

#[test]
#[ignore = "a process of the tests of this file"]
fn recorder() {
    run(async {
        let args = args();
        let process: usize = args[2].parse().unwrap();
        let mut connections = Vec::new();
        for _ in 0..2 {
            connections.push(connect(&args[0]).await);
        }
        say("ready");
        tokio::task::spawn_blocking(crate::support::process::wait).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for (number, connection) in connections.into_iter().enumerate() {
            let (thing, room) = (args[1].clone(), args[3].parse().unwrap());
            let thread = 2 * process + number;
            tasks.spawn(async move {
                let mut random = SmallRng::seed_from_u64(thread as u64);
                let mut client = Client::new(&connection, thread, room);
                for _ in 0..50 {
                    let begin = now();
                    let (call, n, answer, a, b) = match thing.as_str() {
                        "gate" => client.gate(&mut random).await,
                        "course" => client.course(&mut random).await,
                        "tally" => client.tally(&mut random).await,
                        _ => client.room(&mut random).await,
                    };
                    let end = client.end.take().unwrap_or_else(now);
                    say(format!("{begin} {end} {thread} {call} {n} {answer} {a} {b}"));
                }
                // A release that is not recorded would be an effect that nothing explains.
                std::mem::forget(client);
            });
        }
        tasks.join_all().await;
        say("end");
    });
}

struct Client {
    gate: RemoteGate,
    leases: Vec<RemoteLease>,
    algebra: RemoteCourse,
    reservation: Option<RemoteReservation>,
    enrollment: Option<RemoteEnrollment>,
    posts: RemoteTally,
    jams: RemoteLobby,
    room: RemoteRoomId,
    seat: Option<RemoteSeat>,
    member: String,
    /// When the recorded call ended, if another followed it.
    end: Option<u128>,
}

/// The call, its number, the answer and its numbers, as `parse` reads them.
type Said = (u8, u32, u8, u64, u32);

impl Client {
    fn new(connection: &headcount_redis::Connection, thread: usize, room: RemoteRoomId) -> Client {
        Client {
            gate: RemoteGate::new(connection, "door", 2, ms(60_000)).unwrap(),
            leases: Vec::new(),
            algebra: RemoteCourse::new(connection, "algebra", 3, ms(60_000)).unwrap(),
            reservation: None,
            enrollment: None,
            posts: RemoteTally::new(connection, "posts", 0).unwrap(),
            jams: RemoteLobby::builder(3).ttl(ms(60_000)).build(connection, "jams").unwrap(),
            room,
            seat: None,
            member: format!("member {thread}"),
            end: None,
        }
    }

    async fn gate(&mut self, random: &mut SmallRng) -> Said {
        match random.random_range(0..20) {
            0 => {
                self.gate.close().await.unwrap();
                (2, 0, 3, 0, 0)
            }
            1..4 => {
                self.gate.reopen().await.unwrap();
                (3, 0, 3, 0, 0)
            }
            4..7 => (4, 0, 4, self.gate.occupied().await.unwrap().into(), 0),
            7..13 if !self.leases.is_empty() => {
                let lease = self.leases.pop().unwrap();
                let count = lease.count();
                lease.release().await.unwrap();
                (1, count, 3, 0, 0)
            }
            _ => {
                let n = random.random_range(1..3);
                let answer = match self.gate.try_acquire_many(n).await {
                    Ok(lease) => {
                        self.leases.push(lease);
                        1
                    }
                    Err(RemoteError::Closed) => 2,
                    Err(error) => {
                        assert!(error.is_full(), "{error}");
                        0
                    }
                };
                (0, n, answer, 0, 0)
            }
        }
    }

    async fn course(&mut self, random: &mut SmallRng) -> Said {
        let choice = random.random_range(0..20);
        if choice == 0 {
            self.algebra.close().await.unwrap();
            return (14, 0, 13, 0, 0);
        }
        if choice < 4 {
            self.algebra.reopen().await.unwrap();
            return (15, 0, 13, 0, 0);
        }
        if choice < 9 {
            let counts = self.algebra.counts().await.unwrap();
            return (16, 0, 14, counts.taken.into(), counts.enrolled);
        }
        if let Some(enrollment) = self.enrollment.take() {
            assert!(enrollment.withdraw().await.unwrap());
            return (13, 0, 13, 0, 0);
        }
        match self.reservation.take() {
            Some(reservation) if choice < 12 => {
                reservation.cancel().await.unwrap();
                (12, 0, 13, 0, 0)
            }
            Some(reservation) => {
                self.enrollment = Some(reservation.confirm().await.unwrap());
                (11, 0, 13, 0, 0)
            }
            None => match self.algebra.try_reserve(&self.member).await {
                Ok(reservation) => {
                    self.reservation = Some(reservation);
                    (10, 0, 10, 0, 0)
                }
                Err(RemoteError::Closed) => (10, 0, 12, 0, 0),
                Err(error) => {
                    assert!(error.is_full(), "{error}");
                    (10, 0, 11, 0, 0)
                }
            },
        }
    }

    async fn tally(&mut self, random: &mut SmallRng) -> Said {
        match random.random_range(0..5) {
            0 => (6, 0, 5, self.posts.get().await.unwrap(), 0),
            n => (5, n, 5, self.posts.add(n.into()).await.unwrap(), 0),
        }
    }

    async fn room(&mut self, random: &mut SmallRng) -> Said {
        let locks = random.random_range(0..8);
        if locks < 3 {
            // Unlocked more often than locked.
            let locked = locks == 0;
            let lobby = &self.jams;
            let is_open =
                if locked { lobby.lock(self.room).await } else { lobby.unlock(self.room).await };
            assert!(is_open.unwrap());
            return (9, locked.into(), 9, 0, 0);
        }
        if let Some(seat) = self.seat.take() {
            let number = seat.number();
            seat.leave().await.unwrap();
            return (8, number, 9, 0, 0);
        }
        match self.jams.join_room(&self.member, self.room).await {
            Ok(seat) => {
                let (number, members) = (seat.number(), seat.members());
                self.seat = Some(seat);
                (7, 0, 6, number.into(), members)
            }
            Err(RemoteJoinRoomError::Redirected(held)) => {
                self.end = Some(now());
                let is_full = held.kind().is_full();
                held.decline().await.unwrap();
                (7, 0, if is_full { 7 } else { 8 }, 0, 0)
            }
            Err(error) => panic!("{error}"),
        }
    }
}
