//! What a limit is supposed to do, followed through every explanation of the answers.
//!
//! A [`Story`] is one way in which the calls so far may have taken effect, each at one instant
//! between its call and its answer. [`explain`] keeps those that an answer does not contradict. When
//! none is left, no order of instants explains the answers: the history is not linearizable
//! (J. M. Wing and C. Gong, *Testing and Verifying Concurrent Objects*, 1993).

use super::search::MOST_THREADS;

/// What a thread can ask for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Call {
    Enter,
    Leave,
    /// So many places, all or none.
    Take(u32),
    /// So many places back.
    Give(u32),
    Close,
    Reopen,
    Resize {
        from: u32,
        to: u32,
    },
    /// How many of so many places are held?
    Occupied(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Answer {
    In,
    Full,
    Closed,
    Done,
    Held(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Story {
    pub(crate) held: u32,
    pub(crate) capacity: u32,
    pub(crate) closed: bool,
    /// Has a place been withdrawn while it was held? Since then, a refusal needs no reason.
    pub(crate) lowered: bool,
    /// What each pending call has been decided to answer; `None` where it has not taken effect.
    pub(crate) effects: [Option<Answer>; MOST_THREADS],
}

impl Story {
    pub(crate) fn new(capacity: u32) -> Story {
        Story { held: 0, capacity, closed: false, lowered: false, effects: [None; MOST_THREADS] }
    }

    /// The story that goes on with `thread`'s call taking effect now.
    fn with_effect(mut self, thread: usize, call: Call) -> Story {
        let mut admit = |n| {
            if self.closed {
                Answer::Closed
            } else if self.held + n > self.capacity {
                Answer::Full
            } else {
                self.held += n;
                Answer::In
            }
        };
        let answer = match call {
            Call::Enter => admit(1),
            Call::Take(n) => admit(n),
            Call::Occupied(_) => Answer::Held(self.held as u8),
            _ => Answer::Done,
        };
        match call {
            Call::Leave => self.held -= 1,
            Call::Give(n) => self.held -= n,
            Call::Close => self.closed = true,
            Call::Reopen => self.closed = false,
            Call::Resize { to, .. } => {
                self.capacity = to;
                self.lowered |= self.held > to;
            }
            Call::Enter | Call::Take(_) | Call::Occupied(_) => {}
        }
        self.effects[thread] = Some(answer);
        self
    }
}

/// Beside [`Story::with_effect`]: the refusal that nothing explains, where that is allowed.
fn refused_anyway(mut story: Story, thread: usize, call: Call) -> Option<Story> {
    let enters = matches!(call, Call::Enter | Call::Take(_));
    (story.lowered && enters).then(|| {
        story.effects[thread] = Some(Answer::Full);
        story
    })
}

/// The stories in which `thread`'s call has taken effect with this answer, sorted. `pending` tells
/// the call of each thread that is within one.
pub(crate) fn explain(
    stories: &[Story],
    pending: &[Option<Call>],
    thread: usize,
    answer: Answer,
) -> Vec<Story> {
    let mut all = stories.to_vec();
    let mut at = 0;
    while at < all.len() {
        let story = all[at];
        at += 1;
        for (other, call) in pending.iter().enumerate() {
            if let (Some(call), None) = (call, story.effects[other]) {
                let exact = story.with_effect(other, *call);
                for longer in
                    [Some(exact), refused_anyway(story, other, *call)].into_iter().flatten()
                {
                    if !all.contains(&longer) {
                        all.push(longer);
                    }
                }
            }
        }
    }
    all.retain_mut(|story| story.effects[thread].take() == Some(answer));
    all.sort();
    all.dedup();
    all
}
