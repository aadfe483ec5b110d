//! One object on the engine: its script, its keys, and ids that no other process makes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;
use std::time::Duration;

use redis::Script;

use crate::connection::{Answer, Arg, Connection};
use crate::error::EngineError;
use crate::mutants::mutant;

/// Builds the script of an object, once: the shared part, that of the object, and the end.
macro_rules! script {
    ($file:literal) => {{
        static SCRIPT: std::sync::OnceLock<redis::Script> = std::sync::OnceLock::new();
        SCRIPT.get_or_init(|| {
            redis::Script::new(&$crate::mutants::script(concat!(
                include_str!("lua/common.lua"),
                include_str!(concat!("lua/", $file)),
                include_str!("lua/last.lua")
            )))
        })
    }};
}
pub(crate) use script;

/// Makes the arguments of a script.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::object::arg($arg)),*] };
}
pub(crate) use args;

pub(crate) fn arg(value: impl ToString) -> Arg {
    value.to_string().into_bytes()
}

/// Returns the whole milliseconds of a ttl or hold.
pub(crate) fn ms(time: Duration) -> u128 {
    time.as_millis()
}

/// Returns an id that differs from those of all calls, in all processes.
pub(crate) fn fresh_id() -> Result<String, EngineError> {
    static PROCESS: OnceLock<Option<u128>> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let drawn = PROCESS.get_or_init(|| {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok().map(|()| u128::from_le_bytes(bytes))
    });
    let process = drawn.ok_or_else(|| {
        EngineError::new(crate::EngineErrorKind::Other, "the system has no random numbers")
    })?;
    // Relaxed: the numbers only have to differ.
    Ok(format!("{process:x}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) connection: Connection,
    script: &'static Script,
    prefix: String,
    keys: Vec<Arg>,
}

impl Object {
    /// All keys share the hash tag `{namespace:name}`. The namespace has no colon or brace, and no
    /// suffix has a brace: so no two objects share a key, whatever the name.
    pub(crate) fn new(
        connection: &Connection,
        script: &'static Script,
        kind: &str,
        name: &str,
        suffixes: &[&str],
    ) -> Object {
        let mut prefix = format!("{{{}:{name}}}:{kind}", connection.namespace());
        if mutant!("object-without-a-tag") {
            prefix = prefix.replace(['{', '}'], "");
        }
        let keys = suffixes.iter().map(|suffix| arg(format!("{prefix}:{suffix}"))).collect();
        Object { connection: connection.clone(), script, prefix, keys }
    }

    /// Returns the name of another key or channel of this object.
    pub(crate) fn key(&self, suffix: &str) -> Arg {
        arg(format!("{}:{suffix}", self.prefix))
    }

    pub(crate) async fn run(&self, args: &[Arg]) -> Result<Answer, EngineError> {
        self.connection.run(self.script, &self.keys, args).await
    }

    /// Runs the script with one more key.
    pub(crate) async fn run_with(&self, key: Arg, args: &[Arg]) -> Result<Answer, EngineError> {
        let keys: Vec<Arg> = self.keys.iter().cloned().chain([key]).collect();
        self.connection.run(self.script, &keys, args).await
    }
}
