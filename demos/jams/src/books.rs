//! How each member came to a seat, and whether the books balance.

use std::sync::Arc;

use headcount::{Lobby, LobbyStats, RoomId};

use crate::jam::{House, Jam, Player};
use demo_common::table::{grouped, Align, Table};

/// What became of a member that came with the name of a jam.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Late {
    /// Seated in the jam that the page had named.
    Found,
    /// That jam was full by then.
    Full,
    /// It had closed by then.
    Gone,
}

/// What one thread has seen, or all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Books {
    pub(crate) asked: u64,
    /// Came without a name, and were seated in the filling jam.
    pub(crate) straight: u64,
    pub(crate) found: u64,
    pub(crate) full: u64,
    pub(crate) gone: u64,
    /// Of the last two, those seated in the very jam that the refusal named.
    pub(crate) as_told: u64,
    /// Seated nowhere.
    pub(crate) lost: u64,
    pub(crate) left: u64,
    /// Times when the lobby's sums were not the trace's.
    pub(crate) miscounted: u64,
}

impl Books {
    /// Seats a member that was told of a jam some time ago, or of none, in at most two calls.
    pub(crate) fn seat<'a>(
        &mut self,
        lobby: &'a Lobby<Jam>,
        told: Option<RoomId>,
    ) -> (Option<Player<'a>>, Option<Late>) {
        self.asked += 1;
        let (seat, late) = match told.map(|jam| lobby.join_room(jam)) {
            None => (lobby.join().ok(), None),
            Some(Ok(seat)) => (Some(seat), Some(Late::Found)),
            Some(Err(refused)) => {
                let next = refused.try_next();
                let seat = next.and_then(|jam| lobby.join_room_or_any(jam).ok());
                self.as_told +=
                    u64::from(seat.as_ref().is_some_and(|seat| Some(seat.room_id()) == next));
                (seat, Some(if refused.is_full() { Late::Full } else { Late::Gone }))
            }
        };
        let count = match (&seat, late) {
            (None, _) => &mut self.lost,
            (Some(_), None) => &mut self.straight,
            (Some(_), Some(Late::Found)) => &mut self.found,
            (Some(_), Some(Late::Full)) => &mut self.full,
            (Some(_), Some(Late::Gone)) => &mut self.gone,
        };
        *count += 1;
        (seat.map(Player::new), late)
    }

    pub(crate) fn seated(&self) -> u64 {
        self.straight + self.found + self.full + self.gone
    }

    fn add(&mut self, seen: &Books) {
        let Books { asked, straight, found, full, gone, as_told, lost, left, miscounted } = seen;
        self.asked += asked;
        self.straight += straight;
        self.found += found;
        self.full += full;
        self.gone += gone;
        self.as_told += as_told;
        self.lost += lost;
        self.left += left;
        self.miscounted += miscounted;
    }
}

/// The whole account of a lobby.
pub(crate) struct Account {
    pub(crate) books: Books,
    pub(crate) seats: u32,
    /// Players that were still inside at the end.
    inside: u64,
    /// What the lobby said at the end, and when all had left.
    last: LobbyStats,
    remaining: LobbyStats,
    pub(crate) house: Arc<House>,
}

impl Account {
    /// Closes the books: all members that are inside leave now.
    pub(crate) fn close<'a>(
        house: Arc<House>,
        lobby: &Lobby<Jam>,
        threads: impl IntoIterator<Item = (Books, Vec<Player<'a>>)>,
    ) -> Account {
        let (mut books, mut inside) = (Books::default(), Vec::new());
        for (seen, players) in threads {
            books.add(&seen);
            inside.extend(players);
        }
        let (count, last) = (inside.len() as u64, lobby.stats());
        drop(inside);
        let (seats, remaining) = (lobby.seats(), lobby.stats());
        Account { books, seats, inside: count, last, remaining, house }
    }

    /// Returns what does not balance, if anything.
    fn flaw(&self) -> Option<String> {
        let Books { asked, lost, left, miscounted, .. } = self.books;
        let (seated, inside, last) = (self.books.seated(), self.inside, self.last.members);
        let (fullest, seats) = (self.house.fullest(), self.seats);
        let flaw = if lost > 0 {
            format!("{lost} of {asked} were seated in no jam")
        } else if asked != seated {
            format!("{asked} asked, but {seated} were seated")
        } else if seated != left + inside {
            format!("{seated} were seated, but {left} left and {inside} are inside")
        } else if last as u64 != inside {
            format!("{inside} are inside, but the lobby counts {last}")
        } else if self.remaining != LobbyStats::default() {
            format!("all have left, but the lobby says {:?}", self.remaining)
        } else if self.house.open() > 0 {
            format!("all have left, but {} jams go on", self.house.open())
        } else if fullest > seats {
            format!("{fullest} were in one jam of {seats}")
        } else if miscounted > 0 {
            format!("the lobby's sums were not the trace's at {miscounted} times")
        } else {
            return self.house.flaw();
        };
        Some(flaw)
    }

    /// Returns the table of how members were seated, and whether the books balance.
    pub(crate) fn report(&self, ahead: &str) -> String {
        let mut table = Table::new(&[
            ("came", Align::Left),
            ("members", Align::Right),
            ("what they found", Align::Left),
        ]);
        let books = &self.books;
        let rows = [
            ("straight", books.straight, "a seat in the jam that was filling".to_owned()),
            ("found", books.found, format!("a seat in the jam that their page had named {ahead}")),
            ("full", books.full, "that jam was full by then, and they were sent on".to_owned()),
            ("gone", books.gone, "that jam had closed by then, and they were sent on".to_owned()),
            ("lost", books.lost, "no seat in two calls".to_owned()),
        ];
        for (came, members, what) in rows {
            table.row([came.to_owned(), grouped(members), what]);
        }
        let sent_on = books.full + books.gone;
        let house = &self.house;
        format!(
            "{table}\n{} of {} who were sent on sat down in the very jam that the refusal named.\n\
             {} jams were opened, at most {} at once; the fullest had {} of {} seats taken.\n{}",
            grouped(books.as_told),
            grouped(sent_on),
            grouped(house.opened()),
            grouped(house.most_open()),
            grouped(house.fullest()),
            grouped(self.seats),
            match self.flaw() {
                None =>
                    "The books balance: each who asked was seated, on a seat of its own, and all is \
                     empty when all have left.\n",
                Some(_) => "THE BOOKS DO NOT BALANCE.\n",
            }
        )
    }

    /// Checks that the books balance.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        match self.flaw() {
            None => Ok(()),
            Some(flaw) => Err(format!("the books do not balance: {flaw}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven members have come to a lobby of jams of three; three are still inside.
    fn sound() -> Account {
        let house = Arc::new(House::default());
        let lobby = house.lobby(3);
        let mut books = Books::default();
        let mut players: Vec<_> =
            (0..7).map(|_| books.seat(&lobby, None).0.expect("a seat")).collect();
        players.truncate(3);
        books.left = 4;
        Account::close(house, &lobby, [(books, players)])
    }

    #[test]
    fn each_flaw_is_found() {
        type Spoil = fn(&mut Account);
        let flaw = |spoil: Spoil| {
            let mut account = sound();
            spoil(&mut account);
            account.verdict()
        };
        assert_eq!(flaw(|_| ()), Ok(()));
        let spoils: [(Spoil, &str); 7] = [
            (|account| account.books.lost = 1, "1 of 7 were seated in no jam"),
            (|account| account.books.asked += 1, "8 asked, but 7 were seated"),
            (|account| account.books.left -= 1, "3 left and 3 are inside"),
            (|account| account.last.members = 2, "3 are inside, but the lobby counts 2"),
            (|account| account.remaining.rooms = 1, "all have left, but the lobby says"),
            (|account| account.seats = 2, "3 were in one jam of 2"),
            (|account| account.books.miscounted = 1, "at 1 times"),
        ];
        for (spoil, said) in spoils {
            let found = flaw(spoil).unwrap_err();
            assert!(found.starts_with("the books do not balance: "), "{found}");
            assert!(found.contains(said), "{found}");
        }
    }

    #[test]
    fn the_report_has_a_row_for_each_way() {
        let mut account = sound();
        account.books =
            Books { straight: 1, found: 2, full: 3_000, gone: 4, as_told: 5, ..account.books };
        let report = account.report("a day before");
        for said in ["straight        1", "had named a day before", "5 of 3,004 who", "NOT BALANCE"]
        {
            assert!(report.contains(said), "{said} is not in\n{report}");
        }
        assert!(sound().report("").contains("The books balance"));
    }
}
