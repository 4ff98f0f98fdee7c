//! Progress of long work, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// What the bar shows: indicatif's words.
const TEMPLATE: &str = "{bar:40} {bytes} of {total_bytes}, {eta} left";

/// A bar on standard error; nothing at all if that is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of work on that number of bytes.
    pub fn new(bytes: u64) -> Self {
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Work on that number of bytes was done.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Takes the bar away.
    pub fn end(self) {
        self.0.finish_and_clear();
    }
}
