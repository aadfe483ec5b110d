//! Progress bars.

use std::io::{stderr, stdout, IsTerminal};

pub use indicatif::ProgressBar;
use indicatif::ProgressStyle;

/// Returns a bar that is shown on a terminal, and hidden if either output goes elsewhere.
pub fn bar(what: &'static str, len: u64) -> ProgressBar {
    if !(stdout().is_terminal() && stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} %, {eta} left")
        .expect("the template is well-formed");
    ProgressBar::new(len).with_style(style).with_message(what)
}
