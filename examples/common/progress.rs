//! Progress for those who watch.

use std::io::{stderr, stdout, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal; nothing at all as soon as either output goes elsewhere.
pub(crate) fn bar(what: &'static str, len: u64) -> ProgressBar {
    if !(stdout().is_terminal() && stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} %, {eta} left")
        .expect("the template is well-formed");
    ProgressBar::new(len).with_style(style).with_message(what)
}
