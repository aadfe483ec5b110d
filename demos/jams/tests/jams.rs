//! The program `jams`, from end to end.

use std::fs;
use std::process::Output;

use demo_testing::{assert_fails, report, row, stderr, Scratch, HEADER, MALFORMED};

const PROGRAM: &str = env!("CARGO_BIN_EXE_jams");

fn jams(args: &[&str]) -> Output {
    demo_testing::run(PROGRAM, args)
}

/// The second word of each row, in order: straight, found, full, gone, lost.
fn came(report: &str) -> [String; 5] {
    ["straight", "found", "full", "gone", "lost"].map(|came| row(report, came)[1].clone())
}

/// In jams of two: 1 and 2 fill the first, 3 opens a second and leaves it. Members 4 and 5 never
/// leave.
const STORY: &str = "\
2,join,1,LAX
3,join,2,LAX
4,join,3,SFO
7,leave,3,SFO
9,join,4,SFO
10,leave,1,LAX
10,join,5,LAX
";

#[test]
fn a_replayed_trace_balances() {
    let scratch = Scratch::new("balance");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    let output = jams(&["--trace", &trace, "--rooms", "2", "--late", "0", "--threads", "3"]);
    let report = report(&output);
    assert_eq!(came(&report), ["5", "0", "0", "0", "0"], "{report}");
    assert!(report.contains("7 events of 2 keys in one lobby of jams of 2, 3 threads"), "{report}");
    assert!(report.contains("3 jams were opened, at most 2 at once"), "{report}");
    assert!(report.contains("the fullest had 2 of 2 seats taken"), "{report}");
    assert!(report.contains("At most 3 members were inside at once"), "{report}");
    assert!(report.contains("for whom 2 jams would have done"), "{report}");
    // Member-minutes 1 + 2 + 3 * 3 + 2 * 2 + 3 of seat-minutes 2 + 2 + 3 * 4 + 2 * 2 + 4.
    assert!(report.contains("79 % of the seats"), "{report}");
    assert!(report.contains("The books balance"), "{report}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_member_with_an_old_name_is_sent_on_and_seated() {
    let scratch = Scratch::new("late");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    for threads in ["1", "3", "8"] {
        let args = ["--trace", &trace, "--rooms", "2", "--late", "1", "--ahead", "3"];
        let output = jams(&[&args[..], &["--threads", threads]].concat());
        let report = report(&output);
        // 1, 2 and 3 were told of the first jam, before it opened, and 4 and 5 of the second, which
        // has closed since.
        assert_eq!(came(&report), ["0", "2", "1", "2", "0"], "{report}");
        assert!(report.contains("3 of 3 who were sent on"), "{report}");
    }
}

#[test]
fn in_a_storm_no_member_is_lost() {
    for (rooms, ahead) in [("7", "5"), ("1", "3"), ("30", "500")] {
        let args = ["--arrivals", "40000", "--rooms", rooms, "--ahead", ahead, "--late", "0.5"];
        let output = jams(&args);
        let report = report(&output);
        let numbers = came(&report).map(|number| number.replace(',', "").parse::<u64>().unwrap());
        let [straight, found, full, gone, lost] = numbers;
        assert_eq!((straight + found + full + gone, lost), (40_000, 0), "{report}");
        assert!(straight.abs_diff(20_000) < 100, "{report}");
        assert!(full + gone > 0, "{report}");
        assert!(report.contains(&format!("the fullest had {rooms} of {rooms} seats")), "{report}");
    }
}

#[test]
fn a_malformed_line_is_reported_by_number_and_the_run_goes_on() {
    let scratch = Scratch::new("malformed");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}{MALFORMED}"));
    let output = jams(&["--trace", &trace, "--late", "0"]);
    demo_testing::assert_malformed_lines_are_skipped(&output, 8);
    assert_eq!(came(&report(&output))[0], "6", "the line after them counts");
}

#[test]
fn what_is_no_trace_is_a_clear_error() {
    demo_testing::assert_no_trace_is_a_clear_error(PROGRAM);
}

#[test]
fn bad_arguments_are_clear_errors() {
    let over = (headcount::Lobby::<()>::MAX_SEATS + 1).to_string();
    for (option, value) in
        [("--rooms", &*over), ("--rooms", "0"), ("--late", "2"), ("--ahead", "x")]
    {
        let output = jams(&[option, value]);
        assert_fails(&output, &format!("invalid value '{value}' for '{option}"));
    }
}

#[test]
fn the_drawing_shows_the_jams_and_late_members() {
    let scratch = Scratch::new("svg");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    let svg = scratch.path("out.svg");
    report(&jams(&["--trace", &trace, "--rooms", "2", "--late", "1", "--svg", &svg]));
    let drawing = fs::read_to_string(&svg).expect("the drawing was written");
    for text in
        ["<svg", "Jams of 2 over time", "Open jams", "Seats taken", "came with the name", "</svg>"]
    {
        assert!(drawing.contains(text), "{text} is missing");
    }
}

#[test]
fn a_drawing_that_cannot_be_written_is_a_clear_error() {
    demo_testing::assert_no_drawing_is_a_clear_error(PROGRAM, STORY);
}

#[test]
fn nothing_of_a_bar_is_piped() {
    demo_testing::assert_no_bar_is_piped(PROGRAM, STORY, &["--arrivals", "500000"]);
}
