//! The example `rush`, from end to end: its binary, run on traces that these tests write themselves.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The example's binary beside this test's own. Cargo builds a tested example as a test only, so it
/// is built here, once.
fn binary() -> &'static Path {
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
            .args(["build", "--quiet", "--example", "rush", "--profile", profile, "--target-dir"])
            .arg(target_dir)
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the example does not build");
        profile_dir.join("examples").join(format!("rush{}", env::consts::EXE_SUFFIX))
    })
}

/// A folder of one test's own, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = env::temp_dir().join(format!("headcount-rush-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        Scratch(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is text").to_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
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

fn rush(args: &[&str]) -> Output {
    Command::new(binary()).args(args).output().expect("the example runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the report is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the errors are text")
}

/// The words of the line that begins with this one.
fn row(report: &str, first: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let found = report.lines().map(words).find(|words| words.first().is_some_and(|w| w == first));
    found.unwrap_or_else(|| panic!("no row {first} in\n{report}"))
}

/// Fails unless the run ended in an error that says so.
fn assert_fails(output: &Output, said: &str) {
    assert!(!output.status.success(), "it succeeded:\n{}", stdout(output));
    let errors = stderr(output);
    assert!(errors.contains(said), "{said:?} is not in\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

const HEADER: &str = "minute,event,member,key";

/// Member 3 is refused at a gate of two, and member 2 never leaves.
const STORY: &str = "\
1,join,1,LAX
1,join,2,LAX
2,join,3,LAX
3,leave,1,LAX
3,leave,3,LAX
4,join,4,LAX
4,join,5,SFO
5,leave,4,LAX
";

#[test]
fn only_check_then_act_oversells() {
    for _ in 0..3 {
        let output = rush(&["--sign-ups", "5000"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let report = stdout(&output);
        let sold = |way| -> u64 { row(&report, way)[1].parse().expect("a number") };
        assert!(sold("check-then-act") > 30, "{report}");
        assert_eq!(row(&report, "check-then-act")[3], "YES,", "{report}");
        for way in ["mutex", "headcount"] {
            assert_eq!(row(&report, way)[1..4], ["30", "4,970", "no"], "{report}");
        }
    }
}

#[test]
fn a_replayed_trace_balances() {
    let scratch = Scratch::new("balance");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    let output = rush(&["--trace", &trace, "--capacity", "2", "--threads", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report = stdout(&output);
    // Peak, refused, asked, admitted, left, still inside.
    assert_eq!(row(&report, "LAX")[1..], ["2", "1", "4", "3", "2", "1", "balance"], "{report}");
    assert_eq!(row(&report, "SFO")[1..], ["1", "0", "1", "1", "0", "1", "balance"], "{report}");
    assert!(report.contains("balance at 2 of 2 keys"), "{report}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_malformed_line_is_reported_by_number_and_the_run_goes_on() {
    let scratch = Scratch::new("malformed");
    let text = format!("{HEADER}\n{STORY}soon,join,6,LAX\n\n6,leave,77,SFO\n7,join,8,SFO\n");
    let trace = scratch.file("trace.csv", &text);
    let output = rush(&["--trace", &trace, "--capacity", "2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let errors = stderr(&output);
    assert!(errors.contains("line 10: the minute \"soon\" is not a number"), "{errors}");
    assert!(errors.contains("line 12: member 77 leaves without having joined SFO"), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    let report = stdout(&output);
    assert!(report.contains("lines skipped: 2"), "{report}");
    assert_eq!(row(&report, "SFO")[3], "2", "the line after them counts: {report}");
}

#[test]
fn what_is_no_trace_is_a_clear_error() {
    let scratch = Scratch::new("no-trace");
    assert_fails(&rush(&["--trace", &scratch.path("absent.csv")]), "absent.csv: ");
    assert_fails(&rush(&["--trace", &scratch.path("")]), "cannot read");
    let empty = scratch.file("empty.csv", "");
    assert_fails(&rush(&["--trace", &empty]), "empty.csv: the file is empty");
    let wrong = scratch.file("wrong.csv", "time,event,member,key\n1,join,1,LAX\n");
    assert_fails(&rush(&["--trace", &wrong]), "line 1: the header minute,event,member,key");
    let bare = scratch.file("bare.csv", &format!("{HEADER}\n"));
    assert_fails(&rush(&["--trace", &bare]), "no event to replay");
}

#[test]
fn the_drawing_shows_the_capacity_and_the_keys() {
    let scratch = Scratch::new("svg");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    let svg = scratch.path("out.svg");
    let output = rush(&["--trace", &trace, "--capacity", "2", "--svg", &svg]);
    assert!(output.status.success(), "{}", stderr(&output));
    let drawing = fs::read_to_string(&svg).expect("the drawing was written");
    for text in ["<svg", "capacity 2", "LAX: 1 refused", "SFO: 0 refused", "</svg>"] {
        assert!(drawing.contains(text), "{text} is missing");
    }
}

#[test]
fn a_drawing_that_cannot_be_written_is_a_clear_error() {
    let scratch = Scratch::new("svg-nowhere");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    let nowhere = scratch.path("no-such-folder/out.svg");
    let output = rush(&["--trace", &trace, "--svg", &nowhere]);
    assert_fails(&output, "cannot write ");
}

#[test]
fn a_capacity_that_no_gate_can_have_is_a_clear_error() {
    let over = (headcount::Gate::MAX_CAPACITY + 1).to_string();
    assert_fails(&rush(&["--capacity", &over]), &format!("invalid value '{over}'"));
}

#[test]
fn nothing_of_a_bar_is_piped() {
    let scratch = Scratch::new("piped");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    for args in [&["--sign-ups", "500000"][..], &["--trace", &trace]] {
        let output = rush(args);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stderr(&output), "");
        assert!(!stdout(&output).contains(['\r', '\u{1b}', '%']), "{}", stdout(&output));
    }
}
