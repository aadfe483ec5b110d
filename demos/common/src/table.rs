//! A table of aligned columns, and numbers that can be read.

use std::fmt;

/// The side of its column on which a cell stands.
#[derive(Clone, Copy, Debug)]
pub enum Align {
    /// The left side.
    Left,
    /// The right side.
    Right,
}

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    aligns: Vec<Align>,
    /// The heading first.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with a heading and no rows.
    pub fn new(columns: &[(&str, Align)]) -> Table {
        let (heading, aligns) =
            columns.iter().map(|&(name, align)| (name.to_owned(), align)).unzip();
        Table { aligns, rows: vec![heading] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.aligns.len(), "a row has a cell for each column");
        self.rows.push(cells.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.aligns.len())
            .map(|column| {
                self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for ((cell, align), &width) in row.iter().zip(&self.aligns).zip(&widths) {
                line += &match align {
                    Align::Left => format!("{cell:<width$}  "),
                    Align::Right => format!("{cell:>width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                writeln!(f, "{}", rules.join("  "))?;
            }
        }
        Ok(())
    }
}

/// Writes the number with its digits in groups of three.
pub fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&[("way", Align::Left), ("in", Align::Right)]);
        table.row(["mutex".into(), "30".into()]);
        table.row(["é".into(), "1,000".into()]);
        let expected = "\
way       in
-----  -----
mutex     30
é      1,000
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn thousands_are_grouped() {
        let grouped = [0_u64, 999, 1_000, 123_456, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
