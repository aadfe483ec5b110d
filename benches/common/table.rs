//! The table at the end of a bench.

use std::fmt;

use super::ratio::Comparison;

/// What is demanded of a ratio.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Nothing: the ratio is only reported.
    None,
    /// At most this.
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

impl Target {
    fn is_met(self, ratio: f64) -> Option<bool> {
        match self {
            Target::None => None,
            Target::AtMost(limit) => Some(ratio <= limit),
            Target::Below(limit) => Some(ratio < limit),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::None => Ok(()),
            Target::AtMost(limit) => write!(f, "≤ {limit:.2}"),
            Target::Below(limit) => write!(f, "< {limit:.2}"),
        }
    }
}

struct Row {
    scenario: String,
    peer: String,
    comparison: Comparison,
    target: Target,
}

/// Rows of comparisons, printed as Markdown.
pub(crate) struct Table {
    title: &'static str,
    /// The command that prints the table.
    command: &'static str,
    /// The left side of every ratio.
    subject: &'static str,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(title: &'static str, command: &'static str, subject: &'static str) -> Table {
        Table { title, command, subject, rows: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        scenario: &str,
        peer: &str,
        comparison: Comparison,
        target: Target,
    ) {
        let (scenario, peer) = (scenario.to_owned(), peer.to_owned());
        self.rows.push(Row { scenario, peer, comparison, target });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        writeln!(f, "`{}` on {}.", self.command, machine())?;
        writeln!(
            f,
            "ns: median for one operation of one thread. Ratio: median [quartiles] over rounds of \
             {} / peer, each of two bursts in turn.\n\
             Ideal: how much slower one counter per thread was on several threads than on one, \
             median; rounds in which it was disturbed are left out.\n",
            self.subject
        )?;
        writeln!(
            f,
            "| scenario | peer | {} ns | peer ns | ratio | target | | rounds | left out | ideal |",
            self.subject
        )?;
        writeln!(f, "|---|---|--:|--:|--:|--:|---|--:|--:|--:|")?;
        self.rows.iter().try_for_each(|row| write!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { ratio, left, right, ideal, counted, left_out } = self.comparison;
        write!(f, "| {} | {} ", self.scenario, self.peer)?;
        write!(f, "| {} | {} ", figure(left), figure(right))?;
        match ratio {
            Some(of) => write!(f, "| {:.2} [{:.2}–{:.2}] ", of.median, of.lower, of.upper)?,
            None => write!(f, "| not measured ")?,
        }
        let verdict = match ratio.and_then(|of| self.target.is_met(of.median)) {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        };
        write!(f, "| {} | {verdict} | {counted} | {left_out} ", self.target)?;
        writeln!(f, "| {} |", figure(ideal))
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.2}"))
}

/// Returns the processor's name, if the system tells it.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    let name = name.map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{name}, {cores} cores, {} {}", std::env::consts::ARCH, std::env::consts::OS)
}
