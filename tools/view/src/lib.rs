//! A viewer for the terminal: the log of the running driver as it grows, or a saved one.
//!
//! | Module | What |
//! |---|---|
//! | [`spool`] | every item that was read, in a temporary file |
//! | [`feed`] | reads the log into the spool, on a thread that never waits for the viewer |
//! | [`choice`] | which records are shown: the options of `irqlog read` |
//! | [`host`] | what the program around the viewer does for it |
//! | [`app`] | what is shown, and what a key does |
//! | [`prompt`] | a line that is typed |
//! | [`draw`] | the state as characters on the screen |
//!
//! One thread reads, as `follow` does, and puts each record and loss into the spool. Another one shows what is there and
//! takes keys. Pausing, searching, scrolling or exporting stops the second only, so the viewer loses no record that
//! `follow` would not lose.

#![forbid(unsafe_code)]

pub mod app;
pub mod choice;
pub mod draw;
pub mod feed;
pub mod host;
pub mod prompt;
pub mod spool;

use std::{
    io::{Error, Result},
    sync::Arc,
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};

use crate::{
    app::{After, App},
    feed::Shared,
    host::ViewerHost,
};

/// How long the viewer waits for a key before it looks for new records.
const LOOK: Duration = Duration::from_millis(50);

/// Shows a log on the terminal until the user leaves, while `read` reads it on this thread. `read` has to end soon after
/// [`ViewerHost::stop`] was called.
///
/// # Errors
/// Those of the terminal. An error of reading is shown by the viewer.
pub fn run<H: ViewerHost + 'static>(shared: &Arc<Shared>, name: String, host: H, read: impl FnOnce()) -> Result<()> {
    let mut app = App::new(Arc::clone(shared), name, Box::new(host));
    // The reader stays on this thread: the way to a driver may not change threads.
    let shows = std::thread::Builder::new().name("view".to_owned()).spawn(move || {
        // A panic gives the terminal back before its message, by the hook that this installs.
        let terminal = ratatui::try_init();
        let shown = terminal.and_then(|mut terminal| show(&mut terminal, &mut app));
        ratatui::restore();
        app.stop();
        shown
    })?;
    read();
    shows.join().map_err(|_| Error::other("the viewer has failed"))?
}

fn show(terminal: &mut DefaultTerminal, app: &mut App) -> Result<()> {
    let mut must_draw = true;
    loop {
        must_draw |= app.advance();
        if must_draw {
            terminal.draw(|frame| draw::draw(frame, app))?;
        }
        must_draw = false;
        // While it has work of its own, it only looks whether a key was pressed.
        let wait = if app.is_busy() { Duration::ZERO } else { LOOK };
        if event::poll(wait)? {
            match event::read()? {
                // Windows tells releases of keys too.
                Event::Key(key) if key.kind != KeyEventKind::Release && app.key(key) == After::Leave => return Ok(()),
                _ => {}
            }
            must_draw = true;
        }
    }
}
