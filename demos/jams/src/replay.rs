//! The replay: one lobby for all, and a seat for each visit from the join to the leave. The keys of
//! the trace play no part.
//!
//! Some pages name a jam some minutes before their members join; the share of these is spread
//! evenly over the members. The threads go through the trace together, step by step: a step is a
//! run of page loads, joins or leaves of one minute. At the end of each minute one thread reads the
//! lobby's sums.

use std::collections::HashMap;
use std::sync::Arc;

use demo_common::progress::ProgressBar;
use headcount::{Lobby, RoomId};

use crate::books::{Account, Books, Late};
use crate::jam::{House, Jam, Player};
use crate::plan::Plan;
use demo_common::steps;
use demo_common::table::grouped;
use demo_common::trace::{Kind, Trace};

/// The lobby at the end of a minute in which something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    pub(crate) minute: u64,
    pub(crate) jams: u32,
    pub(crate) members: u32,
}

/// The result of a replay.
pub(crate) struct Replay {
    pub(crate) account: Account,
    /// In order of time.
    pub(crate) readings: Vec<Reading>,
    /// When a member came with the name of a jam, and what became of it. In no order.
    pub(crate) late: Vec<(u64, Late)>,
}

impl Replay {
    /// Returns the report in words.
    pub(crate) fn report(&self, plan: &Plan) -> String {
        let seats = plan.seats;
        let members = self.readings.iter().map(|reading| reading.members).max().unwrap_or(0);
        format!(
            "{}\
             At most {} members were inside at once, for whom {} jams would have done. \
             Over time {:.0} % of the seats in open jams were taken.\n",
            self.account.report(&format!("{} minutes before", grouped(plan.ahead))),
            grouped(members),
            grouped(members.div_ceil(seats)),
            100.0 * self.taken(seats),
        )
    }

    /// Returns the share of the seats in open jams that were taken, over time.
    fn taken(&self, seats: u32) -> f64 {
        let spans = self.readings.iter().zip(self.readings.iter().skip(1));
        let (members, places) = spans.fold((0, 0), |(members, places), (this, next)| {
            let minutes = next.minute - this.minute;
            let (jams, inside) = (u64::from(this.jams), u64::from(this.members));
            (members + minutes * inside, places + minutes * jams * u64::from(seats))
        });
        members as f64 / places.max(1) as f64
    }
}

/// What happens next. A join is known by its place in the trace, a visit by member and key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Load { join: usize },
    Join { join: usize, key: usize },
    Leave { key: usize },
    Look { inside: u64 },
}

#[derive(Clone, Copy, Debug)]
struct Cue {
    minute: u64,
    member: u64,
    act: Act,
}

/// Returns all that happens, in order of time.
fn schedule(trace: &Trace, plan: &Plan) -> Vec<Cue> {
    let joins = trace.events.iter().enumerate().filter(|(_, event)| event.kind == Kind::Join);
    let loads = joins.filter(|(_, event)| plan.comes_late(event.member)).map(|(join, event)| {
        let minute = event.minute.saturating_sub(plan.ahead);
        Cue { minute, member: event.member, act: Act::Load { join } }
    });
    let events = trace.events.iter().enumerate().map(|(join, event)| {
        let key = event.key;
        let act = match event.kind {
            Kind::Join => Act::Join { join, key },
            Kind::Leave => Act::Leave { key },
        };
        Cue { minute: event.minute, member: event.member, act }
    });
    let mut cues: Vec<Cue> = loads.chain(events).collect();
    // Stable: within a minute the pages are loaded first, and the trace stays in order.
    cues.sort_by_key(|cue| cue.minute);

    let mut inside = 0;
    let minutes = cues.chunk_by(|one, next| one.minute == next.minute);
    minutes
        .flat_map(|minute| {
            for cue in minute {
                match cue.act {
                    Act::Join { .. } => inside += 1,
                    Act::Leave { .. } => inside -= 1,
                    Act::Load { .. } | Act::Look { .. } => {}
                }
            }
            let look = Cue { minute: minute[0].minute, member: 0, act: Act::Look { inside } };
            minute.iter().copied().chain([look])
        })
        .collect()
}

/// One thread's part: its members, and what it has seen.
struct Host<'a> {
    lobby: &'a Lobby<Jam>,
    house: &'a House,
    told: HashMap<usize, RoomId>,
    inside: HashMap<(u64, usize), Player<'a>>,
    books: Books,
    readings: Vec<Reading>,
    late: Vec<(u64, Late)>,
}

impl<'a> Host<'a> {
    fn new(lobby: &'a Lobby<Jam>, house: &'a House) -> Host<'a> {
        let (told, inside, readings, late) = Default::default();
        Host { lobby, house, told, inside, books: Books::default(), readings, late }
    }

    fn act(&mut self, Cue { minute, member, act }: &Cue) {
        match *act {
            Act::Load { join } => {
                self.told.insert(join, self.lobby.filling());
            }
            Act::Join { join, key } => {
                let (player, late) = self.books.seat(self.lobby, self.told.remove(&join));
                self.late.extend(late.map(|late| (*minute, late)));
                self.inside.extend(player.map(|player| ((*member, key), player)));
            }
            Act::Leave { key } => {
                let left = self.inside.remove(&(*member, key)).is_some();
                self.books.left += u64::from(left);
            }
            Act::Look { inside } => self.look(*minute, inside),
        }
    }

    /// Reads the lobby's sums while nothing else happens: they are exact then.
    fn look(&mut self, minute: u64, inside: u64) {
        let stats = self.lobby.stats();
        let (jams, members) = (stats.rooms as u32, stats.members as u32);
        let right = u64::from(members) == inside && jams == self.house.open();
        self.books.miscounted += u64::from(!right);
        self.readings.push(Reading { minute, jams, members });
    }
}

/// Replays the trace.
pub(crate) fn run(trace: &Trace, plan: &Plan, bar: &ProgressBar) -> Replay {
    let house = Arc::new(House::default());
    let lobby = house.lobby(plan.seats);
    let cues = schedule(trace, plan);
    let kind = |cue: &Cue| (cue.minute, std::mem::discriminant(&cue.act));
    let steps: Vec<&[Cue]> = cues.chunk_by(|one, next| kind(one) == kind(next)).collect();
    bar.set_length(cues.len() as u64);
    let hosts = steps::together(
        &steps,
        plan.threads,
        bar,
        || Host::new(&lobby, &house),
        |cue| cue.member,
        |host, _step, cue| host.act(cue),
    );

    let (mut readings, mut late, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for host in hosts {
        readings.extend(host.readings);
        late.extend(host.late);
        threads.push((host.books, host.inside.into_values().collect()));
    }
    let account = Account::close(Arc::clone(&house), &lobby, threads);
    Replay { account, readings, late }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demo_common::trace;

    fn replay(lines: &str, plan: &Plan) -> Replay {
        let text = format!("minute,event,member,key\n{lines}");
        let trace = trace::parse(text.as_bytes()).unwrap();
        assert_eq!(trace.skipped, []);
        let replay = run(&trace, plan, &ProgressBar::hidden());
        assert_eq!(replay.account.verdict(), Ok(()));
        replay
    }

    fn readings(replay: &Replay) -> Vec<(u64, u32, u32)> {
        replay.readings.iter().map(|read| (read.minute, read.jams, read.members)).collect()
    }

    const SEVENS: Plan = Plan { seats: 7, late: 0.0, ahead: 5, threads: 3 };

    #[test]
    fn jams_open_fill_and_close() {
        let joins: String = (0..8).map(|member| format!("{member},join,{member},A\n")).collect();
        let replay = replay(&format!("{joins}9,leave,7,A\n10,leave,0,A\n11,join,9,B\n"), &SEVENS);
        let expected = [
            (0, 1, 1),
            (1, 1, 2),
            (2, 1, 3),
            (3, 1, 4),
            (4, 1, 5),
            (5, 1, 6),
            (6, 1, 7),
            (7, 2, 8),
            (9, 1, 7),
            (10, 1, 6),
            (11, 1, 7),
        ];
        assert_eq!(readings(&replay), expected);
        assert_eq!(replay.account.house.opened(), 2);
        assert_eq!(
            replay.taken(7),
            (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 * 2 + 7 + 6) as f64 / (13.0 * 7.0)
        );
    }

    #[test]
    fn a_page_from_before_the_jam_filled_or_closed_is_out_of_date() {
        // Three pages name a jam of two seats before it is open; 1 and 2 fill it. The page of 4
        // names the jam that 3 has opened, and leaves before 4 joins.
        let lines = "1,join,1,A\n2,join,2,A\n3,join,3,A\n6,leave,3,A\n8,join,4,A\n";
        let plan = Plan { seats: 2, late: 1.0, ahead: 3, threads: 2 };
        let replay = replay(lines, &plan);
        let late: Vec<Late> = replay.late.iter().map(|&(_, late)| late).collect();
        assert_eq!(late.iter().filter(|&&late| late == Late::Found).count(), 2);
        let books = &replay.account.books;
        assert_eq!((books.straight, books.found, books.full, books.gone), (0, 2, 1, 1));
        assert_eq!(books.as_told, 2, "no other thread joins");
    }

    #[test]
    fn a_member_that_comes_back_soon_has_a_page_for_each_visit() {
        let lines = "10,join,1,A\n11,leave,1,A\n12,join,1,A\n13,leave,1,A\n";
        let plan = Plan { late: 1.0, ..SEVENS };
        let books = replay(lines, &plan).account.books;
        assert_eq!((books.found + books.full + books.gone, books.straight), (2, 0));
    }

    #[test]
    fn a_rush_in_one_minute_fills_jam_after_jam() {
        let lines: String = (0..700).map(|member| format!("7,join,{member},A\n")).collect();
        let replay = replay(&lines, &Plan { threads: 8, late: 0.5, ..SEVENS });
        let (minute, jams, members) = *readings(&replay).last().unwrap();
        assert_eq!((minute, members), (7, 700));
        assert!(jams >= 100, "{jams}");
        assert!(replay.account.house.fullest() == 7);
    }
}
