//! Between an example and the one who started it.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use super::progress;
use super::trace::{self, Trace};

/// What ends the run, in words for the one who started it.
pub(crate) type Failure = String;

/// The exit code of the example of that name. Says why it failed, if it did.
pub(crate) fn exit(example: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{example}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The trace in that file. Says which lines were left out.
pub(crate) fn load(example: &str, path: &Path) -> Result<Trace, Failure> {
    let name = path.display();
    let text = read(path).map_err(|why| format!("cannot read {name}: {why}"))?;
    let trace = trace::parse(&text).map_err(|why| format!("{name}: {why}"))?;
    for bad in &trace.skipped {
        eprintln!("{example}: {name}: line {}: {}, skipped", bad.line, bad.why);
    }
    if trace.events.is_empty() {
        return Err(format!("{name}: there is no event to replay"));
    }
    Ok(trace)
}

/// The whole file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let bar = progress::bar("reading", file.metadata()?.len());
    let mut text = Vec::new();
    let read = bar.wrap_read(file).read_to_end(&mut text);
    bar.finish_and_clear();
    read.map(|_| text)
}

/// Writes a drawing to that file.
pub(crate) fn write(path: &Path, drawn: Result<String, Box<dyn Error>>) -> Result<(), Failure> {
    let name = path.display();
    let svg = drawn.map_err(|why| format!("cannot draw {name}: {why}"))?;
    fs::write(path, svg).map_err(|why| format!("cannot write {name}: {why}"))
}

/// Prints to the standard output. A reader who has gone away, as `head` does, is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot print the report: {why}"))
        }
        _ => Ok(()),
    }
}
