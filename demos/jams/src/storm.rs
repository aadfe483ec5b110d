//! The storm: arrivals from several threads with nothing between them, each of which stays for a
//! while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use demo_common::progress::ProgressBar;
use headcount::{Lobby, RoomId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::books::{Account, Books};
use crate::jam::{House, Jam, Player};
use crate::plan::Plan;
use demo_common::crowd::{self, BATCH};
use demo_common::table::grouped;

/// How many of one thread's members are inside at most. The member that goes is drawn at random, so
/// that jams empty out of order.
const STAY: usize = 40;

/// Once in this many arrivals all of a thread's members leave, so that jams close.
const ALL_GO: u32 = 200;

/// One thread's members.
struct Host<'a> {
    lobby: &'a Lobby<Jam>,
    inside: Vec<Player<'a>>,
    books: Books,
    chance: SmallRng,
}

impl Host<'_> {
    fn arrive(&mut self, told: Option<RoomId>) {
        let (player, _late) = self.books.seat(self.lobby, told);
        self.inside.extend(player);
        if self.chance.random_ratio(1, ALL_GO) {
            self.books.left += self.inside.drain(..).len() as u64;
        } else if self.inside.len() > STAY {
            self.inside.swap_remove(self.chance.random_range(..self.inside.len()));
            self.books.left += 1;
        }
    }
}

/// Runs the storm. Returns the books, and the time from the first arrival to the last.
pub(crate) fn run(arrivals: u64, plan: &Plan, bar: &ProgressBar) -> (Account, Duration) {
    let house = Arc::new(House::default());
    let lobby = house.lobby(plan.seats);
    let (threads, took) = crowd::storm(arrivals, plan.threads, |thread, share| {
        let chance = SmallRng::seed_from_u64(thread as u64);
        let mut host = Host { lobby: &lobby, inside: Vec::new(), books: Books::default(), chance };
        // Pages that are loaded and whose members have not joined yet.
        let mut pages = VecDeque::new();
        for arrival in 0..share + plan.ahead {
            if arrival < share {
                let late = plan.comes_late(arrival * plan.threads as u64 + thread as u64);
                pages.push_back(late.then(|| lobby.filling()));
            }
            if arrival >= plan.ahead {
                host.arrive(pages.pop_front().flatten());
            }
            if arrival % BATCH == BATCH - 1 {
                bar.inc(BATCH);
            }
        }
        (host.books, host.inside)
    });
    (Account::close(Arc::clone(&house), &lobby, threads), took)
}

/// Returns the report in words.
pub(crate) fn report((account, took): &(Account, Duration), arrivals: u64, plan: &Plan) -> String {
    format!(
        "{} arrivals from {} threads, {} a second, each a member of a jam of {}.\n\n{}",
        grouped(arrivals),
        plan.threads,
        grouped((arrivals as f64 / took.as_secs_f64().max(1e-9)) as u64),
        plan.seats,
        account.report(&format!("{} arrivals before", grouped(plan.ahead))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_are_seated_and_each_way_occurs() {
        let plan = Plan { seats: 7, late: 0.3, ahead: 5, threads: 4 };
        let (account, _) = run(20_000, &plan, &ProgressBar::hidden());
        assert_eq!(account.verdict(), Ok(()));
        let Books { asked, straight, found, full, lost, .. } = account.books;
        assert_eq!((asked, lost), (20_000, 0));
        assert!(found > 0 && full > 0);
        assert!((13_000..15_000).contains(&straight), "7 in 10: {straight}");
    }

    #[test]
    fn with_no_time_between_page_and_join_one_thread_finds_every_jam() {
        let plan = Plan { seats: 7, late: 1.0, ahead: 0, threads: 1 };
        let (account, _) = run(5_000, &plan, &ProgressBar::hidden());
        assert_eq!((account.books.found, account.verdict()), (5_000, Ok(())));
    }

    #[test]
    fn a_page_from_two_jams_ago_mostly_names_a_full_one() {
        let plan = Plan { seats: 7, late: 1.0, ahead: 14, threads: 1 };
        let (Account { books, .. }, _) = run(5_000, &plan, &ProgressBar::hidden());
        assert!(books.full > 2 * books.found, "{books:?}");
    }

    #[test]
    fn fewer_arrivals_than_pages_ahead_all_come() {
        let plan = Plan { seats: 2, late: 1.0, ahead: 50, threads: 3 };
        let (account, _) = run(10, &plan, &ProgressBar::hidden());
        assert_eq!((account.books.asked, account.verdict()), (10, Ok(())));
    }
}
