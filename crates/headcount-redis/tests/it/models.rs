//! The scripts against the plain models of the core (`crates/spec`), one call at a time, on a clock
//! that the test sets. What the core does not have stands here, around them: leases that end, and
//! members and students that come back.

use std::collections::{BTreeMap, BTreeSet};

use headcount_spec::{
    Course, CourseAnswer, CourseCall, Gate, GateAnswer, GateCall, Lobby, RoomRefusal, Spec, Tally,
    TallyAnswer, TallyCall,
};
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
    Acquire(u32),
    Release(usize),
    Renew(usize),
    Pass(u64),
}

/// Leases that end: only those that have not count, whatever has been reaped.
async fn a_gate_on_a_clock(engine: Engine) {
    const CAPACITY: u32 = 5;
    let steps = prop_oneof![
        5 => (1u32..4).prop_map(OnClock::Acquire),
        2 => (0usize..50).prop_map(OnClock::Release),
        4 => (0usize..50).prop_map(OnClock::Renew),
        4 => (1u64..700).prop_map(OnClock::Pass),
    ];
    cases(engine, "gate", prop::collection::vec(steps, 1..80), |gate, steps| {
        let mut model = Gate::new(CAPACITY);
        // Of each lease that was ever given: its places, its fence, and its end if it is held.
        let mut leases: Vec<(u32, i64, Option<u64>)> = Vec::new();
        for step in steps {
            let end = gate.now + TTL * 1000;
            match *step {
                OnClock::Acquire(n) => {
                    let id = leases.len();
                    let answer = gate.run(words!["acquire", id, n, TTL, CAPACITY, 0]);
                    if model.apply(GateCall::AcquireMany(n)) == GateAnswer::Acquired {
                        assert_eq!(answer[0], 1, "{answer:?}");
                        assert!(leases.iter().all(|lease| lease.1 < answer[1]));
                        leases.push((n, answer[1], Some(end)));
                    } else {
                        let first = leases.iter().filter_map(|lease| lease.2).min();
                        let wait = (first.expect("a lease") - gate.now).div_ceil(1000);
                        assert_eq!(answer[..2], [0, wait as i64], "until the first lease ends");
                    }
                }
                OnClock::Release(nth) if !leases.is_empty() => {
                    let nth = nth % leases.len();
                    let (n, _, held) = &mut leases[nth];
                    gate.run(words!["release", nth, n]);
                    if held.take().is_some() {
                        model.apply(GateCall::ReleaseMany(*n));
                    }
                }
                OnClock::Renew(nth) if !leases.is_empty() => {
                    let nth = nth % leases.len();
                    let (n, fence, held) = &mut leases[nth];
                    let lost = gate.run(words!["renew", TTL, CAPACITY, 0, nth, n, fence]);
                    // What has ended is held again if its places are free.
                    let is_held = held.is_some()
                        || model.apply(GateCall::AcquireMany(*n)) == GateAnswer::Acquired;
                    assert_eq!(lost, if is_held { vec![] } else { vec![0] });
                    *held = is_held.then_some(end);
                }
                OnClock::Pass(ms) => gate.now += ms * 1000,
                _ => {}
            }
            for (n, _, held) in &mut leases {
                if held.take_if(|end| *end <= gate.now).is_some() {
                    model.apply(GateCall::ReleaseMany(*n));
                }
            }
            assert_eq!(gate.run(words!["read"]), [model.held.into(), 0]);
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
    const CAPACITY: u32 = 12;
    let step = (0usize..3, 0u32..6, 0u32..6, 0u32..9, 0u64..400);
    cases(engine, "gate", prop::collection::vec(step, 1..80), |gate, steps| {
        let mut model = Gate::new(CAPACITY);
        // Of each process: the id and sequence of its block, its weight, its fence, and its end if
        // it is held.
        let mut blocks = [0, 1, 2].map(|process| (format!("b{process}-0"), 0u64, 0u32, 0i64, None));
        let mut lives = 0;
        for &(process, give, need, want, pass) in steps {
            gate.now += pass * 1000;
            for (_, _, weight, _, held) in &mut blocks {
                if held.take_if(|end| *end <= gate.now).is_some() {
                    model.apply(GateCall::ReleaseMany(*weight));
                }
            }
            let (id, sequence, weight, fence, held) = &mut blocks[process];
            *sequence += 1;
            let keep = weight.saturating_sub(give);
            let ask =
                words!["block", id, sequence, fence, keep, need, want, TTL, CAPACITY, "nudge", 0];
            let answer = gate.run(ask);
            if held.take().is_some() {
                model.apply(GateCall::ReleaseMany(*weight));
            }
            if answer[0] == 0 {
                assert!(keep > 0 && keep > model.free(), "lost although its places are free");
                lives += 1;
                (*id, *sequence, *weight, *fence) = (format!("b{process}-{lives}"), 0, 0, 0);
                continue;
            }
            let got = answer[1] as u32;
            let free = model.free().checked_sub(keep).expect("kept although it was lost");
            assert!(got >= keep && (free < need || got >= keep + need), "{answer:?} of {free}");
            assert!(got <= keep + need.max(want), "more than was asked for");
            if got > keep + need {
                assert!(got - keep <= free / 2, "more than half of what is free, and not needed");
            }
            assert!(got == 0 || *fence == 0 || answer[2] == *fence, "the fence stays");
            (*weight, *fence) = (got, if got == 0 { 0 } else { answer[2] });
            if got > 0 {
                assert_eq!(model.apply(GateCall::AcquireMany(got)), GateAnswer::Acquired);
                *held = Some(gate.now + TTL * 1000);
                assert_eq!(gate.run(ask)[..3], answer[..3], "repeated");
            }
            assert_eq!(gate.run(words!["read"])[0], model.held.into());
        }
    });
}

/// A tally does what the core's does, with a lower end. A request that is repeated, however much
/// later, gets its first answer.
async fn a_tally(engine: Engine) {
    const MAX: u64 = (1 << 53) - 1;
    let amount = || prop_oneof![0..4u64, Just(MAX), MAX - 3..MAX];
    let call = prop_oneof![
        4 => amount().prop_map(TallyCall::Add),
        4 => amount().prop_map(TallyCall::Sub),
        1 => Just(TallyCall::Get),
    ];
    let steps = prop::collection::vec((call, prop::option::of(0usize..40)), 1..40);
    let start = prop_oneof![0..5u64, MAX - 3..=MAX];
    cases(engine, "tally", (start, steps), |tally, (start, steps)| {
        let mut model = Tally::new(*start, MAX);
        let mut told: Vec<(Vec<String>, i64)> = Vec::new();
        for &(call, repeated) in steps {
            let words = match call {
                TallyCall::Add(n) => words!["add", n, start, 60_000].to_vec(),
                TallyCall::Sub(n) => words!["add", format!("-{n}"), start, 60_000].to_vec(),
                _ => words!["read", start].to_vec(),
            };
            tally.request(told.len());
            let TallyAnswer::Is(expected) = model.apply(call) else { unreachable!() };
            assert_eq!(tally.run(&words), [expected as i64], "{call:?}");
            if call != TallyCall::Get {
                told.push((words, expected as i64));
            }
            if let Some(nth) = repeated.and_then(|nth| nth.checked_rem(told.len())) {
                tally.request(nth);
                assert_eq!(tally.run(&told[nth].0), [told[nth].1], "repeated");
            }
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum OnCourse {
    Reserve(usize),
    Confirm(usize),
    Cancel(usize),
    Withdraw(usize),
    Close(bool),
    SetCapacity(u32),
    Pass(u64),
}

/// Reservations that end, around a course of the core. What has ended keeps its place until
/// another student needs it.
struct Students {
    course: Course,
    /// Of each student with a reservation: its request, and its end.
    pending: BTreeMap<usize, (usize, u64)>,
    /// Of each enrolled student: the request that was confirmed, and its fence.
    enrolled: BTreeMap<usize, (usize, i64)>,
    /// The requests that were cancelled, withdrawn, or replaced by another of the same student.
    ended: BTreeSet<usize>,
}

impl Students {
    /// Returns the number of places that are taken and have not ended.
    fn taken(&self, now: u64) -> i64 {
        let ended = self.pending.values().filter(|request| request.1 <= now).count();
        i64::from(self.course.places.held) - ended as i64
    }

    /// Reserves a place for a student that has none.
    fn reserve(&mut self, now: u64) -> CourseAnswer {
        while self.course.places.free() == 0 {
            let due = self.pending.iter().filter(|(_, request)| request.1 <= now);
            let Some((&student, _)) = due.min_by_key(|(_, request)| request.1) else { break };
            self.cancel(student);
        }
        self.course.apply(CourseCall::Reserve(1))
    }

    fn cancel(&mut self, student: usize) {
        self.pending.remove(&student);
        self.course.apply(CourseCall::Cancel(1));
    }

    /// Returns whether the student is enrolled by that request now.
    fn confirm(&mut self, student: usize, request: usize, fence: i64, now: u64) -> bool {
        if let Some(&(confirmed, _)) = self.enrolled.get(&student) {
            return confirmed == request;
        }
        if self.ended.contains(&request) {
            return false;
        }
        let reserved = match self.pending.get(&student) {
            Some(&(holder, _)) => holder == request,
            None => self.reserve(now) == CourseAnswer::Reserved,
        };
        if !reserved {
            return false;
        }
        self.course.apply(CourseCall::Confirm(1));
        self.pending.remove(&student);
        self.enrolled.insert(student, (request, fence));
        true
    }
}

async fn a_course_on_a_clock(engine: Engine) {
    let steps = prop_oneof![
        6 => (0usize..4).prop_map(OnCourse::Reserve),
        4 => (0usize..20).prop_map(OnCourse::Confirm),
        2 => (0usize..20).prop_map(OnCourse::Cancel),
        2 => (0usize..20).prop_map(OnCourse::Withdraw),
        1 => prop::bool::ANY.prop_map(OnCourse::Close),
        1 => (1u32..4).prop_map(OnCourse::SetCapacity),
        3 => (1u64..1500).prop_map(OnCourse::Pass),
    ];
    cases(engine, "course", prop::collection::vec(steps, 1..80), |course, steps| {
        let mut model = Students {
            course: Course::new(2, 0),
            pending: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        // All reservations that were ever given: the student, the number of the request, the fence.
        let mut given: Vec<(usize, usize, i64)> = Vec::new();
        let mut withdrawn: BTreeSet<i64> = BTreeSet::new();
        let mut last = 0;
        for (number, step) in steps.iter().enumerate() {
            let (now, capacity) = (course.now, model.course.places.capacity);
            let earlier = |nth: usize| {
                let nth = nth.checked_rem(given.len())?;
                Some(given[given.len() - 1 - nth])
            };
            match *step {
                OnCourse::Reserve(student) => {
                    let reserve = words!["reserve", student, format!("r{number}"), TTL, capacity];
                    let answer = course.run(reserve);
                    if let Some(&(_, fence)) = model.enrolled.get(&student) {
                        assert_eq!(answer, [3, fence]);
                        continue;
                    }
                    let told = match model.pending.get(&student) {
                        Some(&(replaced, _)) => {
                            model.ended.insert(replaced);
                            CourseAnswer::Reserved
                        }
                        None if model.course.places.closed => CourseAnswer::Closed,
                        None => model.reserve(now),
                    };
                    match told {
                        CourseAnswer::Closed => assert_eq!(answer, [2]),
                        CourseAnswer::Full => {
                            let first = model.pending.values().map(|request| request.1).min();
                            let wait = first.map_or(-1, |end| (end - now).div_ceil(1000) as i64);
                            assert_eq!(answer, [0, wait, model.taken(now)]);
                        }
                        _ => {
                            last = last.max(now as i64 - 1) + 1;
                            model.pending.insert(student, (number, now + TTL * 1000));
                            assert_eq!(answer, [1, last, model.taken(now)]);
                            given.push((student, number, last));
                            if number % 2 == 0 {
                                assert_eq!(course.run(reserve), answer, "repeated");
                            }
                        }
                    }
                }
                OnCourse::Confirm(nth) => {
                    let Some((student, request, fence)) = earlier(nth) else { continue };
                    let confirm =
                        words!["confirm", student, format!("r{request}"), fence, capacity];
                    let answer = course.run(confirm);
                    let is_enrolled = model.confirm(student, request, fence, now);
                    assert_eq!(answer[0], is_enrolled.into(), "{answer:?}");
                    if is_enrolled {
                        assert_eq!(answer[1], model.course.enrolled.into());
                        assert_eq!(course.run(confirm), answer, "repeated");
                    }
                }
                OnCourse::Cancel(nth) => {
                    let Some((student, request, _)) = earlier(nth) else { continue };
                    assert_eq!(course.run(words!["cancel", student, format!("r{request}")]), [1]);
                    if model.pending.get(&student).is_some_and(|holder| holder.0 == request) {
                        model.cancel(student);
                    }
                    model.ended.insert(request);
                }
                OnCourse::Withdraw(nth) => {
                    let Some((student, _, fence)) = earlier(nth) else { continue };
                    if model.enrolled.get(&student).is_some_and(|enrolled| enrolled.1 == fence) {
                        assert_eq!(model.course.apply(CourseCall::Withdraw(1)), CourseAnswer::Done);
                        let (request, _) = model.enrolled.remove(&student).expect("enrolled");
                        model.ended.insert(request);
                        withdrawn.insert(fence);
                    }
                    let withdraw = words!["withdraw", student, fence];
                    let is_withdrawn = withdrawn.contains(&fence).into();
                    assert_eq!(course.run(withdraw), [is_withdrawn]);
                    assert_eq!(course.run(withdraw), [is_withdrawn], "repeated");
                    let fence = model.enrolled.get(&student).map_or(0, |enrolled| enrolled.1);
                    assert_eq!(course.run(words!["lookup", student]), [fence]);
                }
                OnCourse::Close(close) => {
                    let call = if close { CourseCall::Close } else { CourseCall::Reopen };
                    model.course.apply(call);
                    course.run(words![if close { "close" } else { "reopen" }]);
                }
                OnCourse::SetCapacity(capacity) => {
                    model.course.apply(CourseCall::SetCapacity(capacity));
                }
                OnCourse::Pass(ms) => course.now += ms * 1000,
            }
            let Course { places, enrolled } = &model.course;
            let expected = [model.taken(course.now), (*enrolled).into(), places.closed.into()];
            assert_eq!(course.run(words!["read"]), expected);
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

/// Members by their names, with leases that end, around a lobby of the core.
struct Members {
    lobby: Lobby<i64>,
    members: BTreeMap<usize, Member>,
}

impl Members {
    fn remove(&mut self, who: usize) {
        let member = self.members.remove(&who).expect("a member");
        self.lobby.leave(member.room, member.seat as u32);
    }

    /// Removes up to so many members whose time is over, those whose time ended first before
    /// others.
    fn reap(&mut self, now: u64, limit: usize) {
        let due = self.members.iter().filter(|(_, member)| member.end <= now);
        let mut due: Vec<_> =
            due.map(|(&who, member)| (member.end, who.to_string(), who)).collect();
        due.sort();
        due.iter().take(limit).for_each(|due| self.remove(due.2));
    }

    /// Seats a member again that was forgotten, if its seat is free. Its room opens again.
    fn seat_again(&mut self, who: usize, member: Member) -> bool {
        let (lobby, id) = (&mut self.lobby, member.room);
        if !lobby.open.contains_key(&id) {
            if !lobby.may_open() {
                return false;
            }
            lobby.closed.remove(&id);
            lobby.seat(id, 1);
            lobby.open.get_mut(&id).expect("it is open").taken = 0;
        }
        let taken = &mut lobby.open.get_mut(&id).expect("it is open").taken;
        let is_free = *taken >> member.seat & 1 == 0;
        if is_free {
            *taken |= 1 << member.seat;
            self.members.insert(who, member);
        }
        is_free
    }
}

async fn a_lobby_on_a_clock(engine: Engine) {
    const SEATS: u32 = 3;
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
        let mut model = Members { lobby: Lobby::new(SEATS, ROOMS), members: BTreeMap::new() };
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
                    let reason = match asked.and_then(|asked| model.lobby.refusal(asked, 1)) {
                        None => 1,
                        Some(RoomRefusal::Full) => 3,
                        Some(RoomRefusal::Locked) => 4,
                        Some(_) => 5,
                    };
                    let room = match asked.filter(|_| reason == 1) {
                        Some(asked) => asked,
                        None if model.lobby.best(1).is_none() => {
                            let first = model.members.values().map(|member| member.end).min();
                            let wait = (first.unwrap() - now).div_ceil(1000) as i64;
                            assert_eq!(answer, [0, wait, if reason == 1 { 0 } else { reason }]);
                            continue;
                        }
                        None => {
                            assert!(model.lobby.fits(answer[1], 1), "not the best fit: {answer:?}");
                            answer[1]
                        }
                    };
                    if !model.lobby.open.contains_key(&room) {
                        assert!(rooms.iter().all(|&earlier| earlier < room), "a new number");
                        rooms.push(room);
                    }
                    let seat = i64::from(model.lobby.seat(room, 1)[0]);
                    let count = i64::from(model.lobby.members(room));
                    assert_eq!(answer[..3], [reason, room, seat]);
                    assert!(answer[3] > fence && answer[4] == count);
                    fence = answer[3];
                    let end = now + if reason == 1 { TTL } else { HOLD } * 1000;
                    let member = Member { room, seat, request: format!("r{number}"), fence, end };
                    given.push((who, member.clone()));
                    model.members.insert(who, member);
                    if number % 2 == 0 {
                        assert_eq!(lobby.run(&join), answer, "repeated");
                    }
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
                        None => model.seat_again(who, Member { end, ..member.clone() }),
                    };
                    assert_eq!(lost, if kept { vec![] } else { vec![0] });
                }
                InLobby::Lock(nth, lock) => {
                    let room = rooms[nth % rooms.len()];
                    let answer = lobby.run(words!["lock", room, u8::from(lock)]);
                    match model.lobby.set_lock(room, lock, 0) {
                        None => assert_eq!(answer, [0]),
                        Some(members) => assert_eq!(answer, [1, members.unwrap().into()]),
                    }
                }
                InLobby::Start(nth) => {
                    let room = rooms[nth % rooms.len()];
                    let answer = lobby.run(words!["start", room, 2]);
                    model.reap(now, usize::MAX);
                    match model.lobby.set_lock(room, true, 2) {
                        None => assert_eq!(answer, [2]),
                        Some(Err(members)) => assert_eq!(answer, [0, members.into()]),
                        Some(Ok(members)) => assert_eq!(answer, [1, members.into()]),
                    }
                }
                InLobby::Pass(ms) => lobby.now += ms * 1000,
                _ => {}
            }
            let live = model.members.values().filter(|member| member.end > lobby.now).count();
            let open = &model.lobby.open;
            let admit = open.values().filter(|room| room.refusal(0, 1, false).is_none()).count();
            assert_eq!(lobby.run(words!["stats"]), [open.len(), live, admit].map(|n| n as i64));
            let filling = lobby.run(words!["filling"]);
            match admit {
                0 => assert_eq!(filling, [0]),
                _ => assert!(filling[0] == 1 && model.lobby.fits(filling[1], 1), "{filling:?}"),
            }
        }
    });
}
