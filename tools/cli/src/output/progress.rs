//! Shows the progress of long work on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// The parts of the bar, in the language of indicatif.
const TEMPLATE: &str = "{bar:40} {bytes} of {total_bytes}, {eta} left";

/// A progress bar on standard error; invisible if that is not a terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts a bar for work on that number of bytes.
    pub fn new(bytes: u64) -> Self {
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Moves the bar on by a number of bytes.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Removes the bar from the terminal.
    pub fn end(self) {
        self.0.finish_and_clear();
    }
}
