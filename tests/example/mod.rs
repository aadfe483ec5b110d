//! Running an example from end to end: its binary, on files that the tests write themselves.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The binary of that example, beside this test's own. Cargo builds a tested example as a test only,
/// so it is built here, once: the tests of one file are about one example.
fn binary(example: &str) -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let this = env::current_exe().expect("a running test has a path");
        let profile_dir = this.ancestors().nth(2).expect("target/<profile>/deps/<test>");
        let target_dir = profile_dir.parent().expect("target/<profile>");
        let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => panic!("a profile has a name"),
        };
        let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--example", example, "--profile", profile, "--target-dir"])
            .arg(target_dir)
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the example does not build");
        profile_dir.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX))
    })
}

/// A folder of one test's own, gone when the test is over.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Scratch {
        let path = env::temp_dir().join(format!("headcount-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
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

/// Runs that example.
pub(crate) fn run(example: &str, args: &[&str]) -> Output {
    Command::new(binary(example)).args(args).output().expect("the example runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the report is text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the errors are text")
}

/// Fails unless the run ended well. Yields what it printed.
pub(crate) fn report(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// The words of the line that begins with this one.
pub(crate) fn row(report: &str, first: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let found = report.lines().map(words).find(|words| words.first().is_some_and(|w| w == first));
    found.unwrap_or_else(|| panic!("no row {first} in\n{report}"))
}

/// Fails unless the run ended in an error that says so.
pub(crate) fn assert_fails(output: &Output, said: &str) {
    assert!(!output.status.success(), "it succeeded:\n{}", stdout(output));
    let errors = stderr(output);
    assert!(errors.contains(said), "{said:?} is not in\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

/// The first line of a trace.
pub(crate) const HEADER: &str = "minute,event,member,key";

/// Lines of which the first and the third make no sense.
pub(crate) const MALFORMED: &str = "soon,join,6,LAX\n\n6,leave,77,SFO\n7,join,8,SFO\n";

/// Fails unless the lines that make no sense, and only they, were reported by their numbers.
pub(crate) fn assert_malformed_lines_are_skipped(output: &Output, before: u64) {
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

/// Fails unless what is no trace is refused in clear words.
pub(crate) fn assert_no_trace_is_a_clear_error(example: &str) {
    let scratch = Scratch::new("no-trace");
    let replay = |path: &str| run(example, &["--trace", path]);
    assert_fails(&replay(&scratch.path("absent.csv")), "absent.csv: ");
    assert_fails(&replay(&scratch.path("")), "cannot read");
    let empty = scratch.file("empty.csv", "");
    assert_fails(&replay(&empty), "empty.csv: the file is empty");
    let wrong = scratch.file("wrong.csv", "time,event,member,key\n1,join,1,LAX\n");
    assert_fails(&replay(&wrong), "line 1: the header minute,event,member,key");
    let bare = scratch.file("bare.csv", &format!("{HEADER}\n"));
    assert_fails(&replay(&bare), "no event to replay");
}

/// Fails unless a drawing that cannot be written is a clear error.
pub(crate) fn assert_no_drawing_is_a_clear_error(example: &str, story: &str) {
    let scratch = Scratch::new("svg-nowhere");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{story}"));
    let nowhere = scratch.path("no-such-folder/out.svg");
    assert_fails(&run(example, &["--trace", &trace, "--svg", &nowhere]), "cannot write ");
}

/// Fails if anything of a bar is seen where nobody watches: in a replay, and in a storm.
pub(crate) fn assert_no_bar_is_piped(example: &str, story: &str, storm: &[&str]) {
    let scratch = Scratch::new("piped");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{story}"));
    for args in [storm, &["--trace", &trace]] {
        let output = run(example, args);
        let report = report(&output);
        assert_eq!(stderr(&output), "");
        assert!(!report.contains(['\r', '\u{1b}']), "{report}");
    }
}
