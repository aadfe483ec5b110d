//! Runs a demo program from end to end, on files that the tests write themselves.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder of one test's own, removed when the test ends.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates the folder of that test.
    pub fn new(test: &str) -> Scratch {
        let path = env::temp_dir().join(format!("headcount-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Scratch(path)
    }

    /// Returns the path of that name in the folder.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }

    /// Writes a file into the folder, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("the scratch folder is writable");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program at that path.
pub fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the report is text")
}

/// Returns what the program printed to its standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the errors are text")
}

/// Asserts that the run succeeded, and returns what it printed.
pub fn report(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// Returns the words of the first line that begins with this word.
pub fn row(report: &str, first: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let found = report.lines().map(words).find(|words| words.first().is_some_and(|w| w == first));
    found.unwrap_or_else(|| panic!("no row {first} in\n{report}"))
}

/// Asserts that the run failed with an error that says so.
pub fn assert_fails(output: &Output, said: &str) {
    assert!(!output.status.success(), "it succeeded:\n{}", stdout(output));
    let errors = stderr(output);
    assert!(errors.contains(said), "{said:?} is not in\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

/// The first line of a trace.
pub const HEADER: &str = "minute,event,member,key";

/// Lines of which the first and the third make no sense, and the second is blank.
pub const MALFORMED: &str = "soon,join,6,LAX\n\n6,leave,77,SFO\n7,join,8,SFO\n";

/// Asserts that the lines of [`MALFORMED`] that make no sense, and only they, were reported by
/// their numbers. `before` is the number of lines before them.
pub fn assert_malformed_lines_are_skipped(output: &Output, before: u64) {
    let report = report(output);
    let errors = stderr(output);
    let (first, third) = (before + 1, before + 3);
    let said = [
        format!("line {first}: the minute \"soon\" is not a number"),
        format!("line {third}: member 77 leaves without having joined SFO"),
    ];
    assert!(said.iter().all(|said| errors.contains(said)), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(report.contains("lines skipped: 2"), "{report}");
}

/// Asserts that the program refuses what is no trace, and says why.
pub fn assert_no_trace_is_a_clear_error(program: &str) {
    let scratch = Scratch::new("no-trace");
    let replay = |path: &str| run(program, &["--trace", path]);
    assert_fails(&replay(&scratch.path("absent.csv")), "absent.csv: ");
    assert_fails(&replay(&scratch.path("")), "cannot read");
    let empty = scratch.file("empty.csv", "");
    assert_fails(&replay(&empty), "empty.csv: the file is empty");
    let wrong = scratch.file("wrong.csv", "time,event,member,key\n1,join,1,LAX\n");
    assert_fails(&replay(&wrong), "line 1: the header minute,event,member,key");
    let bare = scratch.file("bare.csv", &format!("{HEADER}\n"));
    assert_fails(&replay(&bare), "no event to replay");
}

/// Asserts that a drawing that cannot be written is a clear error.
pub fn assert_no_drawing_is_a_clear_error(program: &str, story: &str) {
    let scratch = Scratch::new("svg-nowhere");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{story}"));
    let nowhere = scratch.path("no-such-folder/out.svg");
    assert_fails(&run(program, &["--trace", &trace, "--svg", &nowhere]), "cannot write ");
}

/// Asserts that no progress bar is printed to a pipe, neither in a replay nor in a storm.
pub fn assert_no_bar_is_piped(program: &str, story: &str, storm: &[&str]) {
    let scratch = Scratch::new("piped");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{story}"));
    for args in [storm, &["--trace", &trace]] {
        let output = run(program, args);
        let report = report(&output);
        assert_eq!(stderr(&output), "");
        assert!(!report.contains(['\r', '\u{1b}']), "{report}");
    }
}
