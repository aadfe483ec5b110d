//! Which orders of whole calls explain what was answered so far. Knows the capacity, and no
//! stripes.

/// What a call asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Question {
    AcquireStriped,
    ReleaseStriped,
    AskFull,
    Count,
}

/// What it was answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Answer {
    Claimed,
    Refused,
    Given,
    Full,
    NotFull,
    Held(u8),
}

/// A call that has begun: its effect is still to come, or its answer is settled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Pending {
    Open(Question),
    Settled(Answer),
}

/// One possibility: the places held, and what has become of each thread's call.
type Possibility = (u8, [Option<Pending>; 3]);

/// All the possibilities, sorted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Monitor {
    capacity: u8,
    possible: Vec<Possibility>,
}

impl Monitor {
    pub(crate) fn new(capacity: u8, held: u8) -> Monitor {
        Monitor { capacity, possible: vec![(held, [None; 3])] }
    }

    /// The call of `thread` begins.
    pub(crate) fn begin(&mut self, thread: usize, question: Question) {
        for (_, calls) in &mut self.possible {
            assert!(calls[thread].is_none(), "a thread makes one call at a time");
            calls[thread] = Some(Pending::Open(question));
        }
        self.settle();
    }

    /// The call of `thread` ends. False if that cannot be.
    pub(crate) fn answer(&mut self, thread: usize, answer: Answer) -> bool {
        self.possible.retain(|(_, calls)| calls[thread] == Some(Pending::Settled(answer)));
        for (_, calls) in &mut self.possible {
            calls[thread] = None;
        }
        self.possible.sort_unstable();
        !self.possible.is_empty()
    }

    /// Gives the threads other numbers: thread `order[n]` becomes thread `n`.
    pub(crate) fn reorder(&mut self, order: &[usize]) {
        for (_, calls) in &mut self.possible {
            let before = *calls;
            for (new, &old) in order.iter().enumerate() {
                calls[new] = before[old];
            }
        }
        self.possible.sort_unstable();
    }

    /// Adds what becomes possible when open calls take effect, in any order.
    fn settle(&mut self) {
        let mut next = 0;
        while let Some(&(held, calls)) = self.possible.get(next) {
            next += 1;
            for thread in 0..calls.len() {
                let Some(Pending::Open(question)) = calls[thread] else { continue };
                let (held, answer) = self.effect(held, question);
                let mut calls = calls;
                calls[thread] = Some(Pending::Settled(answer));
                if !self.possible.contains(&(held, calls)) {
                    self.possible.push((held, calls));
                }
            }
        }
        self.possible.sort_unstable();
    }

    /// The plain gate: one number.
    fn effect(&self, held: u8, question: Question) -> (u8, Answer) {
        match question {
            Question::AcquireStriped if held < self.capacity => (held + 1, Answer::Claimed),
            Question::AcquireStriped => (held, Answer::Refused),
            Question::ReleaseStriped => (held - 1, Answer::Given),
            Question::AskFull if held < self.capacity => (held, Answer::NotFull),
            Question::AskFull => (held, Answer::Full),
            Question::Count => (held, Answer::Held(held)),
        }
    }
}
