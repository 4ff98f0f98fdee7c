//! What the program around the viewer does for it: the viewer names no file and opens no log.

use irqlog_reader::{
    image::Tables,
    log::{Fault, Item, Log, LogError},
};

use crate::{choice::FilterChoice, feed::Shared};

/// See the module.
pub trait ViewerHost: Send {
    /// Writes what is shown into a new file, in the format that the file's name means; gives what to say.
    ///
    /// # Errors
    /// A line for the user, if it cannot be written.
    fn export(&self, out: &str, log: ShownLog<'_>) -> Result<String, String>;

    /// Lets the reading of the log end soon.
    fn stop(&self);
}

/// What was read up to one moment, as a log, with the filter that is on.
pub struct ShownLog<'v> {
    shared: &'v Shared,
    filter: Option<&'v FilterChoice>,
    /// What the log is called.
    pub name: &'v str,
    tables: Tables,
    /// Items that have not been given yet, the next one last.
    ready: Vec<Item>,
    next: usize,
    end: usize,
}

impl<'v> ShownLog<'v> {
    /// Of what was read up to now.
    pub(crate) fn new(shared: &'v Shared, filter: Option<&'v FilterChoice>, name: &'v str) -> Self {
        let contents = shared.contents();
        let mut tables = (*contents.tables).clone();
        // What the driver has written since is not in this log.
        if contents.state != crate::feed::FeedState::Ended {
            for (lane, control) in (0..).zip(&mut tables.lanes) {
                let end = contents.spool.ends().get(&lane).copied().unwrap_or_else(|| control.first_seq.get());
                control.next_seq.set(end);
            }
        }
        Self { shared, filter, name, tables, ready: Vec::new(), next: 0, end: contents.spool.len() }
    }

    /// The filter that is on.
    pub const fn filter(&self) -> Option<&'v FilterChoice> {
        self.filter
    }
}

impl Log for ShownLog<'_> {
    fn tables(&self) -> &Tables {
        &self.tables
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        const SOME: usize = 1024;
        if self.ready.is_empty() {
            let most = SOME.min(self.end - self.next);
            self.ready = self.shared.contents().spool.items(self.next, most)?;
            self.next += self.ready.len();
            self.ready.reverse();
        }
        Ok(self.ready.pop())
    }

    fn faults(&self) -> &[Fault] {
        &[]
    }
}
