//! The program `rush`, from end to end.

use std::fs;
use std::process::Output;

use demo_testing::{assert_fails, report, row, stderr, Scratch, HEADER, MALFORMED};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rush");

fn rush(args: &[&str]) -> Output {
    demo_testing::run(PROGRAM, args)
}

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
        let report = report(&output);
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
    let report = report(&output);
    // Peak, refused, asked, admitted, left, still inside.
    assert_eq!(row(&report, "LAX")[1..], ["2", "1", "4", "3", "2", "1", "balance"], "{report}");
    assert_eq!(row(&report, "SFO")[1..], ["1", "0", "1", "1", "0", "1", "balance"], "{report}");
    assert!(report.contains("balance at 2 of 2 keys"), "{report}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_malformed_line_is_reported_by_number_and_the_run_goes_on() {
    let scratch = Scratch::new("malformed");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}{MALFORMED}"));
    let output = rush(&["--trace", &trace, "--capacity", "2"]);
    demo_testing::assert_malformed_lines_are_skipped(&output, 9);
    assert_eq!(row(&report(&output), "SFO")[3], "2", "the line after them counts");
}

#[test]
fn what_is_no_trace_is_a_clear_error() {
    demo_testing::assert_no_trace_is_a_clear_error(PROGRAM);
}

#[test]
fn the_drawing_shows_the_capacity_and_the_keys() {
    let scratch = Scratch::new("svg");
    let trace = scratch.file("trace.csv", &format!("{HEADER}\n{STORY}"));
    let svg = scratch.path("out.svg");
    let output = rush(&["--trace", &trace, "--capacity", "2", "--svg", &svg]);
    report(&output);
    let drawing = fs::read_to_string(&svg).expect("the drawing was written");
    for text in ["<svg", "capacity 2", "LAX: 1 refused", "SFO: 0 refused", "</svg>"] {
        assert!(drawing.contains(text), "{text} is missing");
    }
}

#[test]
fn a_drawing_that_cannot_be_written_is_a_clear_error() {
    demo_testing::assert_no_drawing_is_a_clear_error(PROGRAM, STORY);
}

#[test]
fn a_capacity_that_no_gate_can_have_is_a_clear_error() {
    let over = (headcount::Gate::MAX_CAPACITY + 1).to_string();
    assert_fails(&rush(&["--capacity", &over]), &format!("invalid value '{over}'"));
}

#[test]
fn nothing_of_a_bar_is_piped() {
    demo_testing::assert_no_bar_is_piped(PROGRAM, STORY, &["--sign-ups", "500000"]);
}
