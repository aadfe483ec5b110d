//! The example `rush`, run as a user runs it.
#![cfg(not(headcount_loom))]

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The example, which cargo builds beside the tests.
fn rush(arguments: &[&str]) -> Output {
    let mut path = env::current_exe().expect("a test has a path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("examples");
    path.push(format!("rush{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "not built: cargo test --examples builds {}", path.display());
    Command::new(path).args(arguments).output().expect("rush runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A file of that name with that text, in a folder of this test run's own.
fn file(name: &str, text: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{name}", std::process::id()));
    fs::write(&path, text).expect("the folder can be written to");
    path.to_str().expect("text").to_owned()
}

/// The words of the table's row that begins with `name`.
fn row(text: &str, name: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no row {name} in {text}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_storm_shows_who_oversells() {
    let output = rush(&["--sign-ups", "5000"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert!(row(&text, "check-then-act")[3].contains("YES"), "{text}");
    for way in ["mutex", "headcount"] {
        assert_eq!(row(&text, way)[1..4], ["30", "4,970", "no"], "{text}");
    }
    assert_eq!(err(&output), "", "no progress bar into a pipe");
}

#[test]
fn a_trace_is_replayed_and_the_books_balance() {
    let mut text = String::from("minute,event,member,key\n");
    for member in 0..5 {
        text += &format!("{member},join,{member},ROOM\n");
    }
    for member in 0..5 {
        text += &format!("{},leave,{member},ROOM\n", 10 + member);
    }
    text += "20,join,7,HALL\n";
    let trace = file("trace.csv", &text);
    let drawing = file("drawing.svg", "");
    let output = rush(&["--trace", &trace, "--capacity", "3", "--svg", &drawing]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    // Peak, refused, asked, admitted, left, still inside.
    assert_eq!(row(&text, "ROOM")[1..7], ["3", "2", "5", "3", "3", "0"], "{text}");
    assert_eq!(row(&text, "HALL")[1..7], ["1", "0", "1", "1", "0", "1"], "{text}");
    assert!(text.contains("The books balance at 2 of 2 keys"), "{text}");
    assert_eq!(err(&output), "", "no progress bar into a pipe");

    let svg = fs::read_to_string(drawing).expect("drawn");
    for wanted in ["<svg", "ROOM", "capacity"] {
        assert!(svg.contains(wanted), "no {wanted} in the drawing");
    }
}

#[test]
fn a_malformed_line_is_named_and_the_run_goes_on() {
    let text = "minute,event,member,key\n1,join,1,A\nx,join,2,A\n2,jump,2,A\n3,join,2\n\
                4,leave,9,A\n5,join,1,A\n6,leave,1,A\n";
    let output = rush(&["--trace", &file("malformed.csv", text)]);
    assert!(output.status.success());
    let complaints = err(&output);
    for line in ["line 3", "line 4", "line 5", "line 6", "line 7"] {
        assert!(complaints.contains(line), "no {line} in {complaints}");
    }
    assert_eq!(complaints.lines().count(), 5, "{complaints}");
    assert!(out(&output).contains("lines skipped: 5"));
    assert_eq!(row(&out(&output), "A")[4..6], ["1", "1"], "admitted and left");
}

#[test]
fn what_is_no_trace_is_refused() {
    let refusals = [
        (file("gone.csv", "") + ".not", "cannot read"),
        (file("empty.csv", ""), "the file is empty"),
        (file("header.csv", "a,b\n1,2\n"), "the header minute,event,member,key was expected"),
        (file("nothing.csv", "minute,event,member,key\n"), "no event"),
    ];
    for (path, why) in refusals {
        let output = rush(&["--trace", &path]);
        assert_eq!(output.status.code(), Some(1), "{path}");
        assert!(err(&output).contains(why), "{path}: {}", err(&output));
        assert!(err(&output).contains(&path), "{path}: {}", err(&output));
    }
}

#[test]
fn bad_arguments_are_refused() {
    let trace = file("good.csv", "minute,event,member,key\n1,join,1,A\n");
    let too_many = rush(&["--trace", &trace, "--capacity", "268435457"]);
    assert_eq!(too_many.status.code(), Some(2));
    assert!(err(&too_many).contains("--capacity"));

    let nowhere = trace.clone() + "/drawing.svg";
    let unwritable = rush(&["--trace", &trace, "--svg", &nowhere]);
    assert_eq!(unwritable.status.code(), Some(1));
    assert!(err(&unwritable).contains("cannot write"));

    assert_eq!(rush(&["--svg", &nowhere]).status.code(), Some(2), "a drawing needs a trace");
}
