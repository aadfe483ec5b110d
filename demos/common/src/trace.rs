//! Reading a trace: one event a line, `minute,event,member,key`.
//!
//! A line that makes no sense is left out and remembered with its number and the reason. What is
//! left is consistent and in order of time: no member joins a key twice at once or leaves a key
//! that it has not joined. Members may still be inside at the end.

use std::collections::{HashMap, HashSet};
use std::fmt;

use csv::{ByteRecord, ReaderBuilder, Trim};

const COLUMNS: [&str; 4] = ["minute", "event", "member", "key"];

/// Whether the member comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The member comes.
    Join,
    /// The member goes.
    Leave,
}

/// One line of the trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// When it happens.
    pub minute: u64,
    /// What happens.
    pub kind: Kind,
    /// The member that comes or goes.
    pub member: u64,
    /// The index of the key's name in [`Trace::keys`].
    pub key: usize,
    line: u64,
}

/// A line that was left out.
#[derive(PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// A consistent trace, and the lines that were left out of it.
#[derive(Debug)]
pub struct Trace {
    /// The names of the keys.
    pub keys: Vec<String>,
    /// In order of time, and within a minute in the order of the lines.
    pub events: Vec<Event>,
    /// In order of the lines.
    pub skipped: Vec<Skipped>,
}

/// Why this is not a trace at all.
#[derive(PartialEq, Eq, Debug)]
pub enum NoTrace {
    /// There is no line.
    Empty,
    /// The first line is not the header.
    WrongHeader {
        /// Its number, from 1.
        line: u64,
        /// What it says.
        found: String,
    },
}

impl fmt::Display for NoTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = COLUMNS.join(",");
        match self {
            NoTrace::Empty => write!(f, "the file is empty: the header {expected} was expected"),
            NoTrace::WrongHeader { line, found } => {
                write!(f, "line {line}: the header {expected} was expected, and not {found:?}")
            }
        }
    }
}

/// Reads the trace. Fields are never quoted, so that a stray quote spoils its own line only.
pub fn parse(text: &[u8]) -> Result<Trace, NoTrace> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .quoting(false)
        .trim(Trim::All)
        .from_reader(text);
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut record = ByteRecord::new();
    // Reading from memory as bytes, with any number of fields, cannot fail.
    let mut next = |record: &mut ByteRecord| {
        let there_is_one = reader.read_byte_record(record).unwrap_or(false);
        there_is_one.then(|| lines.number_of(record))
    };

    let line = next(&mut record).ok_or(NoTrace::Empty)?;
    if record != COLUMNS[..] {
        let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        return Err(NoTrace::WrongHeader { line, found: shortened(&fields.join(",")) });
    }

    let (mut keys, mut events, mut skipped) = (Keys::default(), Vec::new(), Vec::new());
    while let Some(line) = next(&mut record) {
        match event(&record, line, &mut keys) {
            Ok(event) => events.push(event),
            Err(why) => skipped.push(Skipped { line, why }),
        }
    }
    // Stable: within a minute, the order of the lines stays.
    events.sort_by_key(|event| event.minute);
    keep_sound(&mut events, &keys.names, &mut skipped);
    skipped.sort_by_key(|skipped| skipped.line);
    Ok(Trace { keys: keys.names, events, skipped })
}

/// Returns one line's event, or what is wrong with the line.
fn event(record: &ByteRecord, line: u64, keys: &mut Keys) -> Result<Event, String> {
    if record.len() != COLUMNS.len() {
        return Err(format!("{} fields instead of {}", record.len(), COLUMNS.len()));
    }
    let field = |at: usize| {
        let text = std::str::from_utf8(&record[at]);
        text.map_err(|_| format!("the {} is not valid UTF-8", COLUMNS[at]))
    };
    let number = |at: usize| {
        let text = field(at)?;
        text.parse()
            .map_err(|_| format!("the {} {:?} is not a number", COLUMNS[at], shortened(text)))
    };
    let minute = number(0)?;
    let kind = match field(1)? {
        "join" => Kind::Join,
        "leave" => Kind::Leave,
        other => return Err(format!("the event {:?} is neither join nor leave", shortened(other))),
    };
    let member = number(2)?;
    let key = match field(3)? {
        "" => return Err("the key is missing".to_owned()),
        name => keys.number_of(name),
    };
    Ok(Event { minute, kind, member, key, line })
}

/// Leaves out joins of members that are inside, and leaves of members that are not.
fn keep_sound(events: &mut Vec<Event>, names: &[String], skipped: &mut Vec<Skipped>) {
    let mut inside = HashSet::new();
    events.retain(|event| {
        let visit = (event.member, event.key);
        let (sound, what) = match event.kind {
            Kind::Join => (inside.insert(visit), "joins again without leaving"),
            Kind::Leave => (inside.remove(&visit), "leaves without having joined"),
        };
        if !sound {
            let why = format!("member {} {what} {}", event.member, shortened(&names[event.key]));
            skipped.push(Skipped { line: event.line, why });
        }
        sound
    });
}

/// Returns the text, or its beginning if it is long.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// The names of the keys, each with its number.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Keys {
    fn number_of(&mut self, name: &str) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len();
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

/// Counts lines as an editor does. The CSV reader's own count is that of the line where it began to
/// look for a record, which is too early after a blank line or a CRLF.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn number_of(&mut self, record: &ByteRecord) -> u64 {
        let looked_from = record.position().map_or(self.at, |position| position.byte() as usize);
        let blank = self.text[looked_from..].iter().take_while(|byte| b"\r\n".contains(byte));
        let begins = looked_from + blank.count();
        let passed = self.text[self.at..begins].iter().filter(|&&byte| byte == b'\n').count();
        self.at = begins;
        self.line += passed as u64;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(lines: &str) -> Trace {
        parse(format!("minute,event,member,key\n{lines}").as_bytes()).unwrap()
    }

    fn skipped(trace: &Trace) -> Vec<(u64, &str)> {
        trace.skipped.iter().map(|skipped| (skipped.line, skipped.why.as_str())).collect()
    }

    #[test]
    fn events_are_read() {
        let trace = with_header("3,join,7,IAH\n5, leave ,7,IAH\n5,join,8,MIA\n");
        assert_eq!(trace.keys, ["IAH", "MIA"]);
        let event = |minute, kind, member, key, line| Event { minute, kind, member, key, line };
        let expected = [
            event(3, Kind::Join, 7, 0, 2),
            event(5, Kind::Leave, 7, 0, 3),
            event(5, Kind::Join, 8, 1, 4),
        ];
        assert_eq!(trace.events, expected);
        assert_eq!(trace.skipped, []);
    }

    #[test]
    fn time_is_put_in_order_and_lines_of_one_minute_stay_as_they_are() {
        let trace = with_header("9,leave,1,A\n5,join,1,A\n5,leave,1,A\n5,join,1,A\n");
        let lines: Vec<u64> = trace.events.iter().map(|event| event.line).collect();
        assert_eq!(lines, [3, 4, 5, 2]);
        assert_eq!(trace.skipped, []);
    }

    #[test]
    fn bad_lines_are_left_out_with_number_and_reason() {
        let trace = with_header(
            "x,join,1,A\n1,jion,1,A\n1,join,-1,A\n1,join,1\n1,join,1,A,B\n1,join,1,\n\"1,join,2,A\n1,join,3,A\n",
        );
        let expected = [
            (2, "the minute \"x\" is not a number"),
            (3, "the event \"jion\" is neither join nor leave"),
            (4, "the member \"-1\" is not a number"),
            (5, "3 fields instead of 4"),
            (6, "5 fields instead of 4"),
            (7, "the key is missing"),
            (8, "the minute \"\\\"1\" is not a number"),
        ];
        assert_eq!(skipped(&trace), expected);
        assert_eq!(trace.events.len(), 1);
    }

    #[test]
    fn bytes_that_are_no_text_spoil_their_own_line_only() {
        let trace = parse(b"minute,event,member,key\n1,join,1,\xff\n1,join,1,A\n").unwrap();
        assert_eq!(skipped(&trace), [(2, "the key is not valid UTF-8")]);
        assert_eq!(trace.events.len(), 1);
    }

    #[test]
    fn joining_twice_and_leaving_unjoined_are_left_out() {
        let trace = with_header("1,join,1,A\n2,join,1,A\n3,join,1,B\n4,leave,1,A\n5,leave,1,A\n");
        let expected = [
            (3, "member 1 joins again without leaving A"),
            (6, "member 1 leaves without having joined A"),
        ];
        assert_eq!(skipped(&trace), expected);
        assert_eq!(trace.events.len(), 3);
    }

    #[test]
    fn lines_are_numbered_as_in_an_editor() {
        let text =
            b"\xef\xbb\xbfminute,event,member,key\r\n\r\n1,join,1,A\r\nbad\r\n\r\n\r\nbad\r\n";
        let trace = parse(text).unwrap();
        let lines: Vec<u64> = trace.skipped.iter().map(|skipped| skipped.line).collect();
        assert_eq!((trace.events[0].line, lines), (3, vec![4, 7]));
    }

    #[test]
    fn without_its_header_it_is_no_trace() {
        assert_eq!(parse(b"").unwrap_err(), NoTrace::Empty);
        assert_eq!(parse(b"\n\r\n").unwrap_err(), NoTrace::Empty);
        let wrong = parse(b"minute,event,key\n1,join,A\n").unwrap_err();
        let expected = "line 1: the header minute,event,member,key was expected, \
                        and not \"minute,event,key\"";
        assert_eq!(wrong.to_string(), expected);
        let long = parse(&[b'x'; 100]).unwrap_err().to_string();
        assert!(long.ends_with("xxx...\""), "{long}");
    }
}
