//! What a program reads from files, writes to files and prints.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::progress;
use crate::trace::{self, Trace};

/// What ended the run, in words for the user.
pub type Failure = String;

/// Returns the exit code of the program of that name. Prints why the run failed, if it did.
pub fn exit(program: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{program}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the trace in that file. Prints which lines were left out.
pub fn load(program: &str, path: &Path) -> Result<Trace, Failure> {
    let name = path.display();
    let text = read(path).map_err(|why| format!("cannot read {name}: {why}"))?;
    let trace = trace::parse(&text).map_err(|why| format!("{name}: {why}"))?;
    for bad in &trace.skipped {
        eprintln!("{program}: {name}: line {}: {}, skipped", bad.line, bad.why);
    }
    if trace.events.is_empty() {
        return Err(format!("{name}: there is no event to replay"));
    }
    Ok(trace)
}

/// Reads the whole file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let bar = progress::bar("reading", file.metadata()?.len());
    let mut text = Vec::new();
    let read = bar.wrap_read(file).read_to_end(&mut text);
    bar.finish_and_clear();
    read.map(|_| text)
}

/// Writes a drawing to that file.
pub fn write(path: &Path, drawn: Result<String, Box<dyn Error>>) -> Result<(), Failure> {
    let name = path.display();
    let svg = drawn.map_err(|why| format!("cannot draw {name}: {why}"))?;
    fs::write(path, svg).map_err(|why| format!("cannot write {name}: {why}"))
}

/// Prints to the standard output. A reader that has closed the pipe, as `head` does, is no failure.
pub fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot print the report: {why}"))
        }
        _ => Ok(()),
    }
}
