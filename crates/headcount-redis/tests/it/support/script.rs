//! The scripts alone, with a clock that the test sets.

use redis::{Connection, Script};

use super::Server;

pub(crate) struct Object {
    script: Script,
    keys: Vec<String>,
    connection: Connection,
    /// The time that the script reads, in microseconds.
    pub(crate) now: u64,
}

/// The text of a script, changed as `ci/redis-mutants` wants it.
pub(crate) fn weakened(text: String) -> String {
    let word = |name| std::env::var(name).ok();
    match (word("HEADCOUNT_MUTANT_TEXT"), word("HEADCOUNT_MUTANT_BY")) {
        (Some(is), Some(by)) => text.replace(&is, &by),
        _ => text,
    }
}

/// Why the script refused its arguments.
pub(crate) const INVALID: &str = "INVALID";

impl Object {
    pub(crate) fn new(server: &Server, kind: &str) -> Object {
        let (text, suffixes): (_, &[&str]) = match kind {
            "gate" => (include_str!("../../../src/lua/gate.lua"), &["leases", "state"]),
            "course" => (
                include_str!("../../../src/lua/course.lua"),
                &["pending", "enrolled", "reserved", "ended", "fence", "closed"],
            ),
            "lobby" => (
                include_str!("../../../src/lua/lobby.lua"),
                &["rooms", "open", "members", "expiries", "state"],
            ),
            _ => (include_str!("../../../src/lua/tally.lua"), &["value", "answer"]),
        };
        let (common, last) = (
            include_str!("../../../src/lua/common.lua"),
            include_str!("../../../src/lua/last.lua"),
        );
        let clock = "local time = call('TIME')";
        assert_eq!(common.matches(clock).count(), 1, "the script reads the time once");
        assert!(!text.contains("'TIME'"));
        let common = common.replace(clock, "local time = { 0, table.remove(ARGV) }");
        let client = redis::Client::open(server.url()).expect("an address");
        Object {
            script: Script::new(&weakened([&common, text, last].concat())),
            keys: suffixes.iter().map(|suffix| suffix.to_string()).collect(),
            connection: client.get_connection().expect("a connection"),
            now: 1_000_000,
        }
    }

    /// Names another object.
    pub(crate) fn rename(&mut self, name: &str) {
        for key in &mut self.keys {
            let suffix = key.rsplit(':').next().expect("a suffix");
            *key = format!("{{{name}}}:{suffix}");
        }
    }

    /// Names the last key after a request: a tally's answer to it.
    pub(crate) fn request(&mut self, number: usize) {
        let last = self.keys.last_mut().expect("a key");
        let tag = last.split_once(':').expect("an object with a name").0;
        *last = format!("{tag}:{number}");
    }

    pub(crate) fn try_run(&mut self, words: &[String]) -> Result<Vec<i64>, String> {
        let mut call = self.script.prepare_invoke();
        for key in &self.keys {
            call.key(key);
        }
        call.arg(words).arg(self.now).arg(77);
        let answer: Result<Vec<i64>, _> = call.invoke(&mut self.connection);
        let mut answer = answer.map_err(|error| error.to_string())?;
        assert_eq!(answer.pop(), Some(77), "the answer ends with the token");
        Ok(answer)
    }

    pub(crate) fn run(&mut self, words: &[String]) -> Vec<i64> {
        self.try_run(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}

macro_rules! words {
    ($($word:expr),* $(,)?) => { &[$($word.to_string()),*] };
}
pub(crate) use words;
