//! The scripts against plain models, one call at a time, on a clock that the test sets.

use std::collections::{BTreeMap, BTreeSet};

use headcount_spec::{Gate, GateAnswer, GateCall, Spec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::script::{words, Object};
use crate::support::{on_both, Engine, Server};

on_both! {
    a_gate_is_that_of_the_core, a_gate_on_a_clock, blocks_on_a_clock, a_tally, a_course_on_a_clock,
    a_lobby_on_a_clock, a_clock_that_jumps,
}

/// Runs cases, each on an object of its own; a failing one is shrunk.
fn cases<T: std::fmt::Debug>(
    engine: Engine,
    kind: &str,
    steps: impl Strategy<Value = T>,
    case: impl Fn(&mut Object, &T),
) {
    let server = Server::start(engine);
    let object = std::cell::RefCell::new((Object::new(&server, kind), 0));
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps, |steps| {
        let mut object = object.borrow_mut();
        object.1 += 1;
        let name = object.1.to_string();
        object.0.rename(&name);
        object.0.now = 1_000_000;
        case(&mut object.0, &steps);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

const TTL: u64 = 1000;

/// Without time, a gate does what the core's specification says.
async fn a_gate_is_that_of_the_core(engine: Engine) {
    let calls = prop_oneof![
        6 => (1u32..4).prop_map(GateCall::AcquireMany),
        4 => (0u32..20).prop_map(GateCall::ReleaseMany),
        1 => Just(GateCall::Close),
        2 => Just(GateCall::Reopen),
        1 => (0u32..7).prop_map(GateCall::SetCapacity),
        2 => Just(GateCall::Occupied),
    ];
    cases(engine, "gate", prop::collection::vec(calls, 1..60), |gate, calls| {
        let mut model = Gate::new(4);
        let mut held: Vec<(usize, u32)> = Vec::new();
        let mut fence = 0;
        for (id, &call) in calls.iter().enumerate() {
            // A release is of one of the leases that are held.
            let call = match call {
                GateCall::ReleaseMany(nth) if held.is_empty() => {
                    assert_eq!(gate.run(words!["release", format!("none {nth}"), 1]), [1]);
                    continue;
                }
                GateCall::ReleaseMany(nth) => {
                    let (id, weight) = held.swap_remove(nth as usize % held.len());
                    assert_eq!(gate.run(words!["release", id, weight]), [1]);
                    GateCall::ReleaseMany(weight)
                }
                call => call,
            };
            let expected = model.apply(call);
            match call {
                GateCall::AcquireMany(n) => {
                    let acquire = words!["acquire", id, n, TTL, model.capacity, 0];
                    let answer = gate.run(acquire);
                    let got = match answer[0] {
                        0 => GateAnswer::Full,
                        1 => GateAnswer::Acquired,
                        _ => GateAnswer::Closed,
                    };
                    assert_eq!(got, expected);
                    if got == GateAnswer::Acquired {
                        assert!(answer[1] > fence && answer[2] == i64::from(model.held));
                        fence = answer[1];
                        held.push((id, n));
                        assert_eq!(gate.run(acquire), answer, "repeated");
                    }
                }
                GateCall::Close => assert_eq!(gate.run(words!["close"]), [1]),
                GateCall::Reopen => assert_eq!(gate.run(words!["reopen"]), [1]),
                GateCall::Occupied => {
                    let answer = gate.run(words!["read"]);
                    assert_eq!(GateAnswer::Held(answer[0] as u32), expected);
                    assert_eq!(answer[1] == 1, model.closed);
                }
                _ => {}
            }
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum OnClock {
    Acquire(u64),
    Release(usize),
    Renew(usize),
    Pass(u64),
}

/// Leases that end: only those that have not count, whatever has been reaped.
async fn a_gate_on_a_clock(engine: Engine) {
    const CAPACITY: u64 = 5;
    let steps = prop_oneof![
        5 => (1u64..4).prop_map(OnClock::Acquire),
        2 => (0usize..50).prop_map(OnClock::Release),
        4 => (0usize..50).prop_map(OnClock::Renew),
        4 => (1u64..700).prop_map(OnClock::Pass),
    ];
    cases(engine, "gate", prop::collection::vec(steps, 1..80), |gate, steps| {
        // Of each lease that was ever given: its places, its fence, its end, or that it was
        // released.
        let mut leases: Vec<(u64, i64, u64)> = Vec::new();
        for step in steps {
            let now = gate.now;
            let live = |leases: &[(u64, i64, u64)], but: usize| -> u64 {
                let others =
                    leases.iter().enumerate().filter(|&(at, lease)| at != but && lease.2 > now);
                others.map(|(_, lease)| lease.0).sum()
            };
            let end = now + TTL * 1000;
            match *step {
                OnClock::Acquire(n) => {
                    let id = leases.len();
                    let answer = gate.run(words!["acquire", id, n, TTL, CAPACITY, 0]);
                    let fits = live(&leases, usize::MAX) + n <= CAPACITY;
                    assert_eq!(answer[0] == 1, fits, "{answer:?}");
                    if fits {
                        assert!(leases.iter().all(|lease| lease.1 < answer[1]));
                        leases.push((n, answer[1], end));
                    } else {
                        let first =
                            leases.iter().map(|lease| lease.2).filter(|&end| end > now).min();
                        let wait = (first.expect("a lease") - now).div_ceil(1000);
                        assert_eq!(answer[1], wait as i64, "the time until the first lease ends");
                    }
                }
                OnClock::Release(nth) if !leases.is_empty() => {
                    let nth = nth % leases.len();
                    gate.run(words!["release", nth, leases[nth].0]);
                    leases[nth].2 = 0;
                }
                OnClock::Renew(nth) if !leases.is_empty() => {
                    let nth = nth % leases.len();
                    let (n, fence, _) = leases[nth];
                    let lost = gate.run(words!["renew", TTL, CAPACITY, 0, nth, n, fence]);
                    let fits = live(&leases, nth) + n <= CAPACITY;
                    assert_eq!(lost, if fits { vec![] } else { vec![0] });
                    if fits {
                        leases[nth].2 = end;
                    }
                }
                OnClock::Pass(ms) => gate.now += ms * 1000,
                _ => {}
            }
            let now = gate.now;
            let held: u64 = leases.iter().filter(|lease| lease.2 > now).map(|lease| lease.0).sum();
            assert_eq!(gate.run(words!["read"]), [held as i64, 0]);
            assert!(held <= CAPACITY);
        }
    });
}

/// The server's clock is set forwards and back.
async fn a_clock_that_jumps(engine: Engine) {
    const HOUR: u64 = 3_600_000_000;
    let server = Server::start(engine);
    let mut gate = Object::new(&server, "gate");
    gate.now = 10 * HOUR;
    let acquire = |id: &str| words!["acquire", id, 1, TTL, 1, 0].to_vec();
    let ann = gate.run(&acquire("ann"));
    assert_eq!(gate.run(&acquire("bob"))[..2], [0, TTL as i64]);
    // Forwards: the lease has ended, and its holder is told so by the next renewal.
    gate.now += HOUR;
    let bob = gate.run(&acquire("bob"));
    assert!(bob[0] == 1 && bob[1] > ann[1]);
    assert_eq!(gate.run(words!["renew", TTL, 1, 0, "ann", 1, ann[1]]), [0]);
    // Back: what is not renewed lasts longer by the jump, and a renewal puts that right.
    gate.now -= HOUR;
    assert_eq!(gate.run(&acquire("eve"))[..2], [0, (HOUR / 1000 + TTL) as i64]);
    assert_eq!(gate.run(words!["renew", TTL, 1, 0, "bob", 1, bob[1]]), []);
    assert_eq!(gate.run(&acquire("eve"))[..2], [0, TTL as i64]);
    gate.run(words!["release", "bob", 1]);
    let eve = gate.run(&acquire("eve"));
    assert!(eve[0] == 1 && eve[1] > bob[1], "fences grow on a clock that is behind");

    let mut course = Object::new(&server, "course");
    course.now = 10 * HOUR;
    let first = course.run(words!["reserve", "ann", "r1", TTL, 9]);
    course.now -= HOUR;
    assert!(course.run(words!["reserve", "bob", "r2", TTL, 9])[1] > first[1]);

    let mut lobby = Object::new(&server, "lobby");
    lobby.now = 10 * HOUR;
    let first = lobby.run(words!["join", "ann", "r1", TTL, TTL, 1, 9]);
    lobby.now -= HOUR;
    let second = lobby.run(words!["join", "bob", "r2", TTL, TTL, 1, 9]);
    assert!(second[1] > first[1] && second[3] > first[3], "rooms and fences");
}

/// Blocks grow by what is needed if that is free, never beyond the capacity, and repetitions get
/// the first answer.
async fn blocks_on_a_clock(engine: Engine) {
    const CAPACITY: u64 = 12;
    let step = (0usize..3, 0u64..6, 0u64..6, 0u64..9, 0u64..400);
    cases(engine, "gate", prop::collection::vec(step, 1..80), |gate, steps| {
        // Of each process: the id and sequence of its block, its weight, fence and end.
        let mut blocks = [0, 1, 2].map(|process| (format!("b{process}-0"), 0u64, 0u64, 0i64, 0u64));
        let mut lives = 0;
        for &(process, give, need, want, pass) in steps {
            gate.now += pass * 1000;
            let now = gate.now;
            let others: u64 = (0..3)
                .filter(|&other| other != process && blocks[other].4 > now)
                .map(|other| blocks[other].2)
                .sum();
            let (id, sequence, weight, fence, end) = &mut blocks[process];
            *sequence += 1;
            let keep = weight.saturating_sub(give);
            let ask =
                words!["block", id, sequence, fence, keep, need, want, TTL, CAPACITY, "nudge", 0];
            let answer = gate.run(ask);
            if answer[0] == 0 {
                assert!(keep > 0 && others + keep > CAPACITY, "lost although its places are free");
                lives += 1;
                (*id, *sequence, *weight, *fence, *end) =
                    (format!("b{process}-{lives}"), 0, 0, 0, 0);
                continue;
            }
            let got = answer[1] as u64;
            assert!(others + got <= CAPACITY, "{got} beside {others}");
            let free = CAPACITY - others - keep;
            assert!(got >= keep && (free < need || got >= keep + need), "{answer:?} of {free}");
            assert!(got <= keep + need.max(want), "more than was asked for");
            if got > keep + need {
                assert!(got - keep <= free / 2, "more than half of what is free, and not needed");
            }
            assert!(got == 0 || *fence == 0 || answer[2] == *fence, "the fence stays");
            if got > 0 {
                assert_eq!(gate.run(ask)[..3], answer[..3], "repeated");
            }
            (*weight, *fence, *end) = (got, if got == 0 { 0 } else { answer[2] }, now + TTL * 1000);
            assert_eq!(gate.run(words!["read"])[0] as u64, others + got);
        }
    });
}

async fn a_tally(engine: Engine) {
    const MAX: i64 = (1 << 53) - 1;
    let change = prop_oneof![-3i64..4, Just(MAX), Just(-MAX), MAX - 3..MAX];
    cases(
        engine,
        "tally",
        (0..5i64, prop::collection::vec(change, 1..40)),
        |tally, (start, steps)| {
            let mut model = *start;
            for (request, change) in steps.iter().enumerate() {
                let name = format!("{start} {steps:?} {request}");
                tally.rename(&name);
                // Each request has an answer of its own; the value is set by hand.
                let before = model;
                model = (model + change).clamp(0, MAX);
                let add = words!["add", change, before, 60_000];
                assert_eq!(tally.run(add), [model]);
                assert_eq!(tally.run(add), [model], "repeated");
                assert_eq!(tally.run(words!["read", 0]), [model]);
            }
        },
    );
}

#[derive(Clone, Copy, Debug)]
enum OnCourse {
    Reserve(usize),
    Confirm(usize),
    Cancel(usize),
    Withdraw(usize),
    Close(bool),
    Pass(u64),
}

async fn a_course_on_a_clock(engine: Engine) {
    const CAPACITY: usize = 3;
    let student = 0usize..6;
    let steps = prop_oneof![
        6 => student.clone().prop_map(OnCourse::Reserve),
        4 => student.clone().prop_map(OnCourse::Confirm),
        2 => student.clone().prop_map(OnCourse::Cancel),
        2 => student.prop_map(OnCourse::Withdraw),
        1 => prop::bool::ANY.prop_map(OnCourse::Close),
        3 => (1u64..700).prop_map(OnCourse::Pass),
    ];
    cases(engine, "course", prop::collection::vec(steps, 1..80), |course, steps| {
        // Of each student: the last request, its fence, the end of the reservation.
        let mut requests: BTreeMap<usize, (usize, i64, u64)> = BTreeMap::new();
        let mut enrolled: BTreeMap<usize, (usize, i64)> = BTreeMap::new();
        let mut ended: BTreeSet<usize> = BTreeSet::new();
        let (mut closed, mut fence) = (false, 0);
        for (number, step) in steps.iter().enumerate() {
            let now = course.now;
            let live = |requests: &BTreeMap<usize, (usize, i64, u64)>, but: usize| {
                requests.iter().filter(|&(&who, request)| who != but && request.2 > now).count()
            };
            match *step {
                OnCourse::Reserve(student) => {
                    let reserve = words!["reserve", student, format!("r{number}"), TTL, CAPACITY];
                    let answer = course.run(reserve);
                    let others = live(&requests, student) + enrolled.len();
                    if let Some(&(_, fence)) = enrolled.get(&student) {
                        assert_eq!(answer, [3, fence]);
                        continue;
                    }
                    let has = requests.get(&student).is_some_and(|request| request.2 > now);
                    if answer[0] == 1 {
                        assert!(answer[1] > fence && others < CAPACITY);
                        fence = answer[1];
                        requests.insert(student, (number, fence, now + TTL * 1000));
                        assert_eq!(course.run(reserve), answer, "repeated");
                    } else {
                        assert!(!has, "the student has a reservation");
                        assert!(if closed { answer[0] == 2 } else { answer[0] == 0 });
                        assert!(closed || others >= CAPACITY, "refused although a place was free");
                    }
                }
                OnCourse::Confirm(student) => {
                    let Some(&(request, fence, _)) = requests.get(&student) else { continue };
                    let confirm =
                        words!["confirm", student, format!("r{request}"), fence, CAPACITY];
                    let answer = course.run(confirm);
                    let others = live(&requests, student) + enrolled.len();
                    let is = match enrolled.get(&student) {
                        Some(&(confirmed, _)) => confirmed == request,
                        None if ended.contains(&request) => false,
                        None => others < CAPACITY && (answer[0] == 1 || !closed),
                    };
                    let late = requests[&student].2 <= now;
                    assert!(answer[0] == i64::from(is) || (late && closed), "{answer:?}");
                    if answer[0] == 1 {
                        assert!(others <= CAPACITY);
                        enrolled.entry(student).or_insert((request, fence));
                        requests.get_mut(&student).unwrap().2 = 0;
                        assert_eq!(course.run(confirm)[0], 1, "repeated");
                    }
                }
                OnCourse::Cancel(student) => {
                    let Some(request) = requests.get_mut(&student) else { continue };
                    assert_eq!(
                        course.run(words!["cancel", student, format!("r{}", request.0)]),
                        [1]
                    );
                    ended.insert(request.0);
                    request.2 = 0;
                }
                OnCourse::Withdraw(student) => {
                    let Some((request, fence)) = enrolled.remove(&student) else {
                        assert_eq!(course.run(words!["withdraw", student, 7]), [0]);
                        continue;
                    };
                    ended.insert(request);
                    assert_eq!(course.run(words!["lookup", student]), [fence]);
                    assert_eq!(course.run(words!["withdraw", student, fence]), [1]);
                    assert_eq!(course.run(words!["withdraw", student, fence]), [1], "repeated");
                    assert_eq!(course.run(words!["lookup", student]), [0]);
                }
                OnCourse::Close(close) => {
                    closed = close;
                    course.run(words![if close { "close" } else { "reopen" }]);
                }
                OnCourse::Pass(ms) => course.now += ms * 1000,
            }
            let now = course.now;
            let held = requests.values().filter(|request| request.2 > now).count();
            let count = enrolled.len() as i64;
            assert_eq!(course.run(words!["read"]), [held as i64 + count, count, closed.into()]);
            assert!(held + enrolled.len() <= CAPACITY);
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum InLobby {
    Join(usize, Option<usize>),
    Leave(usize),
    Renew(usize),
    Lock(usize, bool),
    Start(usize),
    Pass(u64),
}

#[derive(Clone, Debug)]
struct Member {
    room: i64,
    seat: i64,
    request: String,
    fence: i64,
    end: u64,
}

struct Room {
    locked: bool,
    seats: Vec<Option<usize>>,
}

impl Room {
    fn count(&self) -> usize {
        self.seats.iter().flatten().count()
    }

    fn admits(&self) -> bool {
        !self.locked && self.count() < self.seats.len()
    }
}

/// A lobby in ordinary lists.
#[derive(Default)]
struct Lobby {
    rooms: BTreeMap<i64, Room>,
    members: BTreeMap<usize, Member>,
}

impl Lobby {
    fn remove(&mut self, who: usize) {
        let member = self.members.remove(&who).expect("a member");
        let room = self.rooms.get_mut(&member.room).expect("its room");
        room.seats[member.seat as usize] = None;
        if room.count() == 0 {
            self.rooms.remove(&member.room);
        }
    }

    /// Removes up to so many members whose time is over, those whose time ended first before
    /// others.
    fn reap(&mut self, now: u64, limit: usize) -> usize {
        let mut due: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.end <= now)
            .map(|(&who, member)| (member.end, who.to_string(), who))
            .collect();
        due.sort();
        due.truncate(limit);
        for (_, _, who) in &due {
            self.remove(*who);
        }
        due.len()
    }

    fn best(&self) -> Option<i64> {
        let open = self.rooms.iter().filter(|(_, room)| room.admits());
        open.max_by_key(|(&id, room)| (room.count(), id)).map(|(&id, _)| id)
    }
}

async fn a_lobby_on_a_clock(engine: Engine) {
    const SEATS: usize = 3;
    const ROOMS: usize = 3;
    const HOLD: u64 = 300;
    let member = 0usize..12;
    let steps = prop_oneof![
        8 => (member.clone(), prop::option::of(0usize..20)).prop_map(|(who, room)| InLobby::Join(who, room)),
        3 => member.clone().prop_map(InLobby::Leave),
        3 => member.prop_map(InLobby::Renew),
        2 => (0usize..20, prop::bool::ANY).prop_map(|(room, lock)| InLobby::Lock(room, lock)),
        1 => (0usize..20).prop_map(InLobby::Start),
        3 => (1u64..700).prop_map(InLobby::Pass),
    ];
    cases(engine, "lobby", prop::collection::vec(steps, 1..80), |lobby, steps| {
        let mut model = Lobby::default();
        // All rooms that were ever open, and all seats that were ever given.
        let mut rooms: Vec<i64> = vec![1];
        let mut given: Vec<(usize, Member)> = Vec::new();
        let mut fence = 0;
        for (number, step) in steps.iter().enumerate() {
            let now = lobby.now;
            match *step {
                InLobby::Join(who, asked) => {
                    let asked = asked.map(|nth| rooms[nth % rooms.len()]);
                    let mut join =
                        words!["join", who, format!("r{number}"), TTL, HOLD, SEATS, ROOMS].to_vec();
                    join.extend(asked.map(|room| room.to_string()));
                    let answer = lobby.run(&join);
                    if let Some(member) = model.members.get_mut(&who) {
                        assert_eq!(answer[..3], [1, member.room, member.seat], "its own seat");
                        assert!(answer[3] > fence);
                        fence = answer[3];
                        (member.fence, member.request) = (fence, format!("r{number}"));
                        member.end = now + TTL * 1000;
                        given.push((who, member.clone()));
                        continue;
                    }
                    model.reap(now, 16);
                    let reason = asked.map_or(1, |asked| match model.rooms.get(&asked) {
                        None => 5,
                        Some(room) if room.locked => 4,
                        Some(room) if !room.admits() => 3,
                        Some(_) => 1,
                    });
                    let room = if reason == 1 && asked.is_some() { asked } else { model.best() };
                    let room = match room {
                        None if model.rooms.len() == ROOMS => {
                            let first = model.members.values().map(|member| member.end).min();
                            let wait = (first.unwrap() - now).div_ceil(1000) as i64;
                            assert_eq!(answer, [0, wait, if reason == 1 { 0 } else { reason }]);
                            continue;
                        }
                        None => {
                            assert!(rooms.iter().all(|&room| room < answer[1]), "a new number");
                            rooms.push(answer[1]);
                            let room = Room { locked: false, seats: vec![None; SEATS] };
                            model.rooms.insert(answer[1], room);
                            answer[1]
                        }
                        Some(room) => room,
                    };
                    let seats = &mut model.rooms.get_mut(&room).unwrap().seats;
                    let seat = seats.iter().position(Option::is_none).expect("a free seat");
                    seats[seat] = Some(who);
                    let count = model.rooms[&room].count() as i64;
                    assert_eq!(answer[..3], [reason, room, seat as i64]);
                    assert!(answer[3] > fence && answer[4] == count);
                    fence = answer[3];
                    let end = now + if reason == 1 { TTL } else { HOLD } * 1000;
                    let request = format!("r{number}");
                    let member = Member { room, seat: seat as i64, request, fence, end };
                    given.push((who, member.clone()));
                    model.members.insert(who, member);
                    assert_eq!(lobby.run(&join), answer, "repeated");
                }
                InLobby::Leave(nth) if !given.is_empty() => {
                    let (who, member) = &given[given.len() - 1 - nth % given.len()];
                    assert_eq!(lobby.run(words!["leave", who, member.request]), [1]);
                    if model.members.get(who).is_some_and(|is| is.request == member.request) {
                        model.remove(*who);
                    }
                }
                InLobby::Renew(nth) if !given.is_empty() => {
                    let (who, member) = given[given.len() - 1 - nth % given.len()].clone();
                    let Member { room, seat, fence, request, .. } = &member;
                    let renew = words!["renew", TTL, SEATS, ROOMS, who, fence, room, seat, request];
                    let lost = lobby.run(renew);
                    let end = now + TTL * 1000;
                    let kept = match model.members.get_mut(&who) {
                        Some(is) if is.request == *request => {
                            is.end = end;
                            true
                        }
                        Some(_) => false,
                        // Forgotten: it is seated again if that seat is free.
                        None => match model.rooms.get(room) {
                            Some(is) if is.seats[*seat as usize].is_some() => false,
                            None if model.rooms.len() == ROOMS => false,
                            _ => {
                                let is = model
                                    .rooms
                                    .entry(*room)
                                    .or_insert(Room { locked: false, seats: vec![None; SEATS] });
                                is.seats[*seat as usize] = Some(who);
                                model.members.insert(who, Member { end, ..member.clone() });
                                true
                            }
                        },
                    };
                    assert_eq!(lost, if kept { vec![] } else { vec![0] });
                }
                InLobby::Lock(nth, lock) => {
                    let room = rooms[nth % rooms.len()];
                    let answer = lobby.run(words!["lock", room, u8::from(lock)]);
                    match model.rooms.get_mut(&room) {
                        None => assert_eq!(answer, [0]),
                        Some(is) => {
                            is.locked = lock;
                            assert_eq!(answer, [1, is.count() as i64]);
                        }
                    }
                }
                InLobby::Start(nth) => {
                    let room = rooms[nth % rooms.len()];
                    let answer = lobby.run(words!["start", room, 2]);
                    model.reap(now, usize::MAX);
                    match model.rooms.get_mut(&room) {
                        None => assert_eq!(answer, [2]),
                        Some(is) if is.count() < 2 => assert_eq!(answer, [0, is.count() as i64]),
                        Some(is) => {
                            is.locked = true;
                            assert_eq!(answer, [1, is.count() as i64]);
                        }
                    }
                }
                InLobby::Pass(ms) => lobby.now += ms * 1000,
                _ => {}
            }
            let live = model.members.values().filter(|member| member.end > lobby.now).count();
            let admit = model.rooms.values().filter(|room| room.admits()).count();
            let stats = [model.rooms.len() as i64, live as i64, admit as i64];
            assert_eq!(lobby.run(words!["stats"]), stats);
            let best = model.best();
            assert_eq!(lobby.run(words!["filling"]).get(1).copied(), best);
        }
    });
}
