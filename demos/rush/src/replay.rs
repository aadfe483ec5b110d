//! The replay: one gate per key, and a permit for each visit from the join to the leave.
//!
//! The members are divided among the threads, so each member's events stay in order, while members
//! of different threads meet at the same gates. The threads go through the trace together, step by
//! step: a step is a run of events of one minute and one kind. So no thread is a minute ahead, and
//! the peak is the trace's own. The order of members that join in the same minute is up to the
//! threads, as it is at a real door: once a member is refused, two runs may refuse different
//! members.

use std::collections::HashMap;
use std::sync::Arc;

use demo_common::progress::ProgressBar;
use headcount::{Gate, OwnedPermit};

use crate::books::Books;
use demo_common::steps;
use demo_common::trace::{Event, Kind, Trace};

/// An event of the trace, and whether it took place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) step: usize,
    pub(crate) minute: u64,
    pub(crate) key: usize,
    pub(crate) kind: Kind,
    /// False for a refused join, and for the leave of a member that was refused.
    pub(crate) admitted: bool,
}

/// The result of a replay.
pub(crate) struct Replay {
    /// One for each key.
    pub(crate) books: Vec<Books>,
    /// In order of time.
    pub(crate) moves: Vec<Move>,
}

/// One thread's part: its members that are inside, and what it has seen.
struct Usher<'a> {
    gates: &'a [Arc<Gate>],
    inside: HashMap<(u64, usize), OwnedPermit>,
    books: Vec<Books>,
    moves: Vec<Move>,
}

impl<'a> Usher<'a> {
    fn new(gates: &'a [Arc<Gate>]) -> Usher<'a> {
        let books = vec![Books::default(); gates.len()];
        Usher { gates, inside: HashMap::new(), books, moves: Vec::new() }
    }

    fn usher(&mut self, step: usize, event: &Event) {
        let admitted = match event.kind {
            Kind::Join => self.join(event),
            Kind::Leave => self.leave(event),
        };
        let Event { minute, key, kind, .. } = *event;
        self.moves.push(Move { step, minute, key, kind, admitted });
    }

    fn join(&mut self, event: &Event) -> bool {
        let (gate, books) = (&self.gates[event.key], &mut self.books[event.key]);
        match Arc::clone(gate).try_acquire_owned() {
            Ok(permit) => {
                // No member leaves during a step of joins, so the last one to join reads the
                // highest occupancy.
                books.peak = books.peak.max(gate.occupied());
                books.admitted += 1;
                self.inside.insert((event.member, event.key), permit);
                true
            }
            Err(_full) => {
                books.refused += 1;
                false
            }
        }
    }

    fn leave(&mut self, event: &Event) -> bool {
        // The trace is consistent, so a member that is not inside was refused.
        let was_inside = self.inside.remove(&(event.member, event.key)).is_some();
        self.books[event.key].left += u64::from(was_inside);
        was_inside
    }
}

/// Replays the trace at gates of that capacity.
pub(crate) fn run(trace: &Trace, capacity: u32, threads: usize, bar: &ProgressBar) -> Replay {
    let gates: Vec<Arc<Gate>> = trace.keys.iter().map(|_| Arc::new(Gate::new(capacity))).collect();
    let steps: Vec<&[Event]> = trace
        .events
        .chunk_by(|one, next| (one.minute, one.kind) == (next.minute, next.kind))
        .collect();
    let ushers = steps::together(
        &steps,
        threads,
        bar,
        || Usher::new(&gates),
        |event| event.member,
        Usher::usher,
    );

    let mut books = vec![Books::default(); gates.len()];
    // Counted apart from what the ushers say.
    for event in trace.events.iter().filter(|event| event.kind == Kind::Join) {
        books[event.key].asked += 1;
    }
    let (mut moves, mut inside) = (Vec::new(), Vec::new());
    for usher in ushers {
        for (books, seen) in books.iter_mut().zip(usher.books) {
            books.add(&seen);
        }
        moves.extend(usher.moves);
        inside.extend(usher.inside);
    }
    moves.sort_by_key(|made| made.step);

    for ((_member, key), _permit) in &inside {
        books[*key].inside += 1;
    }
    for (books, gate) in books.iter_mut().zip(&gates) {
        books.occupied = gate.occupied();
    }
    drop(inside);
    for (books, gate) in books.iter_mut().zip(&gates) {
        books.remaining = gate.occupied();
    }
    Replay { books, moves }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books;
    use demo_common::trace;

    fn replay(lines: &str, capacity: u32, threads: usize) -> (Vec<String>, Replay) {
        let text = format!("minute,event,member,key\n{lines}");
        let trace = trace::parse(text.as_bytes()).unwrap();
        assert_eq!(trace.skipped, []);
        let replay = run(&trace, capacity, threads, &ProgressBar::hidden());
        assert_eq!(books::verdict(&trace.keys, &replay.books, capacity), Ok(()));
        (trace.keys, replay)
    }

    #[test]
    fn the_full_gate_refuses_and_the_leave_of_the_refused_is_no_leave() {
        let lines = "1,join,1,A\n2,join,2,A\n3,join,3,A\n4,leave,3,A\n5,leave,1,A\n6,join,4,A\n";
        let (_, replay) = replay(lines, 2, 3);
        let expected = Books {
            asked: 4,
            admitted: 3,
            refused: 1,
            left: 1,
            inside: 2,
            peak: 2,
            occupied: 2,
            remaining: 0,
        };
        assert_eq!(replay.books, [expected]);
        let admitted: Vec<bool> = replay.moves.iter().map(|made| made.admitted).collect();
        assert_eq!(admitted, [true, true, false, false, true, true]);
    }

    #[test]
    fn a_leave_in_the_same_minute_makes_room_first_if_the_trace_says_so() {
        // Each minute a member leaves and another comes: out of order, some would be refused.
        let mut lines = "0,join,0,A\n".to_owned();
        for minute in 1..200 {
            lines += &format!("{minute},leave,{},A\n{minute},join,{minute},A\n", minute - 1);
        }
        let (_, replay) = replay(&lines, 1, 4);
        assert_eq!((replay.books[0].admitted, replay.books[0].refused), (200, 0));
        assert_eq!(replay.books[0].peak, 1);
    }

    #[test]
    fn a_rush_in_one_minute_fills_the_gate_and_no_more() {
        let lines: String = (0..400).map(|member| format!("7,join,{member},A\n")).collect();
        let (_, replay) = replay(&lines, 30, 8);
        let books = &replay.books[0];
        assert_eq!((books.admitted, books.refused, books.peak), (30, 370, 30));
    }

    #[test]
    fn each_key_has_places_of_its_own() {
        let (keys, replay) = replay("1,join,1,A\n1,join,2,B\n1,join,1,B\n", 1, 2);
        assert_eq!(keys, ["A", "B"]);
        let refused: Vec<u64> = replay.books.iter().map(|books| books.refused).collect();
        assert_eq!(refused, [0, 1]);
    }
}
