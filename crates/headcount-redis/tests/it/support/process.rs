//! Another process: this test program once more, as one test that is ignored otherwise.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Runs the ignored test of that name with these arguments.
    pub(crate) fn start(test: &str, args: &[&str]) -> Process {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("HEADCOUNT_ARGS", args.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Process { child, input, output }
    }

    /// Returns what the process says next.
    pub(crate) fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let count = self.output.read_line(&mut line).expect("a line of the process");
            assert!(count > 0, "the process has ended");
            // The harness of the tests writes to the same pipe.
            if let Some((_, said)) = line.split_once("SAYS ") {
                return said.trim_end().into();
            }
        }
    }

    /// Tells the process to go on.
    pub(crate) fn go(&mut self) {
        self.input.write_all(b"\n").expect("the process listens");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().expect("kill");
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the process: returns its arguments.
pub(crate) fn args() -> Vec<String> {
    let args = std::env::var("HEADCOUNT_ARGS").expect("started by another test");
    args.split(' ').map(String::from).collect()
}

/// In the process: says something to the test.
pub(crate) fn say(what: impl std::fmt::Display) {
    println!("SAYS {what}");
}

/// In the process: waits until the test lets it go on.
pub(crate) fn wait() {
    std::io::stdin().read_line(&mut String::new()).expect("the test's word");
}
