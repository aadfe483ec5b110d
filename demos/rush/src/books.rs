//! The books of each key, and whether they balance.

use demo_common::table::{grouped, Align, Table};

/// What happened at one key.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Books {
    /// Joins in the trace.
    pub(crate) asked: u64,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// Admitted, and left before the end.
    pub(crate) left: u64,
    /// Permits that were still held at the end.
    pub(crate) inside: u64,
    /// The highest occupancy that a member read when it had just joined.
    pub(crate) peak: u32,
    /// What the gate said at the end.
    pub(crate) occupied: u32,
    /// What the gate said when all permits were gone.
    pub(crate) remaining: u32,
}

impl Books {
    /// Adds what one thread has seen.
    pub(crate) fn add(&mut self, seen: &Books) {
        self.admitted += seen.admitted;
        self.refused += seen.refused;
        self.left += seen.left;
        self.peak = self.peak.max(seen.peak);
    }

    /// Returns what does not balance, if anything.
    fn flaw(&self, capacity: u32) -> Option<String> {
        let Books { asked, admitted, refused, left, inside, peak, occupied, remaining } = self;
        let flaw = if *asked != admitted + refused {
            format!("{asked} asked, but {admitted} were admitted and {refused} refused")
        } else if *admitted != left + inside {
            format!("{admitted} were admitted, but {left} left and {inside} are inside")
        } else if u64::from(*occupied) != *inside {
            format!("{inside} are inside, but the gate counts {occupied}")
        } else if *remaining != 0 {
            format!("all have left, but the gate counts {remaining}")
        } else if *peak > capacity {
            format!("the peak of {peak} is above the capacity of {capacity}")
        } else {
            return None;
        };
        Some(flaw)
    }
}

/// Returns the keys, the busiest first: by refusals, then by peak, then by name.
pub(crate) fn busiest(keys: &[String], books: &[Books]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&one, &other| {
        let (a, b) = (&books[one], &books[other]);
        (b.refused, b.peak).cmp(&(a.refused, a.peak)).then_with(|| keys[one].cmp(&keys[other]))
    });
    order
}

/// Returns the table of all keys.
pub(crate) fn report(keys: &[String], books: &[Books], capacity: u32) -> String {
    let mut table = Table::new(&[
        ("key", Align::Left),
        ("peak", Align::Right),
        ("refused", Align::Right),
        ("asked", Align::Right),
        ("admitted", Align::Right),
        ("left", Align::Right),
        ("still inside", Align::Right),
        ("books", Align::Left),
    ]);
    let row = |name: &str, books: &Books, state: &str| {
        let Books { asked, admitted, refused, left, inside, peak, .. } = *books;
        let [refused, asked, admitted, left, inside] =
            [refused, asked, admitted, left, inside].map(grouped);
        [name.into(), grouped(peak), refused, asked, admitted, left, inside, state.into()]
    };
    let mut all = Books::default();
    for key in busiest(keys, books) {
        let books = &books[key];
        all.add(books);
        all.asked += books.asked;
        all.inside += books.inside;
        let state = if books.flaw(capacity).is_none() { "balance" } else { "DO NOT BALANCE" };
        table.row(row(&keys[key], books, state));
    }
    let balanced = books.iter().filter(|books| books.flaw(capacity).is_none()).count();
    table.row(row("all", &all, ""));
    format!(
        "{table}\nThe books balance at {} of {} keys: asked = admitted + refused, admitted = left + still inside,\n\
         the gate says the same, it is empty when all have left, and no peak is above {}.\n",
        grouped(balanced as u64),
        grouped(keys.len() as u64),
        grouped(capacity),
    )
}

/// Checks that all books balance.
pub(crate) fn verdict(keys: &[String], books: &[Books], capacity: u32) -> Result<(), String> {
    for (key, books) in keys.iter().zip(books) {
        if let Some(flaw) = books.flaw(capacity) {
            return Err(format!("the books of {key} do not balance: {flaw}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Books {
        Books {
            asked: 9,
            admitted: 7,
            refused: 2,
            left: 4,
            inside: 3,
            peak: 5,
            occupied: 3,
            remaining: 0,
        }
    }

    #[test]
    fn each_flaw_is_found() {
        type Spoil = fn(&mut Books);
        let flaw = |spoil: Spoil| {
            let mut books = sound();
            spoil(&mut books);
            verdict(&["A".to_owned()], &[books], 5)
        };
        assert_eq!(flaw(|_| ()), Ok(()));
        let spoils: [(Spoil, &str); 5] = [
            (|books| books.asked += 1, "10 asked"),
            (|books| books.left -= 1, "3 left"),
            (|books| books.occupied = 4, "the gate counts 4"),
            (|books| books.remaining = 1, "all have left"),
            (|books| books.peak = 6, "the peak of 6"),
        ];
        for (spoil, said) in spoils {
            let found = flaw(spoil).unwrap_err();
            assert!(found.starts_with("the books of A do not balance: "), "{found}");
            assert!(found.contains(said), "{found}");
        }
    }

    #[test]
    fn the_busiest_come_first() {
        let keys = ["A", "B", "C", "D"].map(str::to_owned);
        let books = [(0, 3), (2, 5), (0, 4), (0, 3)].map(|(refused, peak)| Books {
            refused,
            peak,
            ..sound()
        });
        assert_eq!(busiest(&keys, &books), [1, 2, 0, 3]);
    }

    #[test]
    fn the_report_has_a_row_for_each_key_and_their_sum() {
        let keys = ["A", "B"].map(str::to_owned);
        let unsound = Books { remaining: 1, ..sound() };
        let report = report(&keys, &[sound(), unsound], 5);
        let rows: Vec<Vec<&str>> =
            report.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(rows.contains(&vec!["A", "5", "2", "9", "7", "4", "3", "balance"]), "{report}");
        assert!(report.contains("DO NOT BALANCE"), "{report}");
        assert!(rows.contains(&vec!["all", "5", "4", "18", "14", "8", "6"]), "{report}");
        assert!(report.contains("balance at 1 of 2 keys"), "{report}");
    }
}
