//! Reads a log into the spool, on a thread that waits only for the driver or the file.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use irqlog_reader::{
    follow::Follower,
    image::Tables,
    live::is_of_unknown_site,
    log::{Item, Log, LogError},
    session::{Session, SessionError, Source},
};

use crate::spool::Spool;

/// How long records may be held back, as in `follow`.
const HOLD: Duration = Duration::from_millis(10);

/// Items that are put into the spool at a time: the viewer may look between.
const SOME: usize = 256;

/// How far the reading is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedState {
    /// More will come.
    Reading,
    /// Everything that was there was read, and more may come.
    Waiting,
    /// The log has been read to its end.
    Ended,
    /// Reading failed, and what was read before is there.
    Failed(String),
}

/// What the reader and the viewer share.
#[derive(Debug)]
pub struct Shared {
    contents: Mutex<Contents>,
    stop: AtomicBool,
}

/// What was read.
#[derive(Debug)]
pub struct Contents {
    /// All items.
    pub spool: Spool,
    /// The log's tables, as they are now.
    pub tables: Arc<Tables>,
    /// How far the reading is.
    pub state: FeedState,
    /// What could not be read, a line each.
    pub faults: Vec<String>,
}

impl Shared {
    /// Nothing was read yet of a log with these tables.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub fn new(tables: Tables) -> io::Result<Arc<Self>> {
        let contents =
            Contents { spool: Spool::new()?, tables: Arc::new(tables), state: FeedState::Reading, faults: Vec::new() };
        Ok(Arc::new(Self { contents: Mutex::new(contents), stop: AtomicBool::new(false) }))
    }

    /// What was read so far.
    pub fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the reading end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Puts items into the spool, and takes them out of the list.
    fn push(&self, items: &mut Vec<Item>) -> io::Result<()> {
        let mut contents = self.contents();
        items.drain(..).try_for_each(|item| contents.spool.push(&item))
    }

    fn end(&self, result: Result<(), String>, faults: Vec<String>) {
        let mut contents = self.contents();
        contents.faults = faults;
        contents.state = match result {
            Ok(()) => FeedState::Ended,
            Err(error) => FeedState::Failed(error),
        };
    }
}

/// Reads a log that has an end.
pub fn read(log: &mut impl Log, shared: &Shared) {
    let done = read_all(log, shared);
    let faults = log.faults().iter().map(ToString::to_string).collect();
    shared.contents().tables = Arc::new(log.tables().clone());
    shared.end(done.map_err(|error| error.to_string()), faults);
}

fn read_all(log: &mut impl Log, shared: &Shared) -> Result<(), LogError> {
    let mut items = Vec::new();
    while !shared.is_stopped()
        && let Some(item) = log.next()?
    {
        items.push(item);
        if items.len() >= SOME {
            shared.push(&mut items)?;
        }
    }
    Ok(shared.push(&mut items)?)
}

/// Follows the running driver's log until a request is cancelled, as `irqlog follow` does.
pub fn follow(session: &mut Session<impl Source>, shared: &Shared) {
    let tables = Arc::clone(&shared.contents().tables);
    let mut follower = Follower::new(tables.present());
    let done = rounds(session, &mut follower, shared);
    let faults = follower.faults().iter().map(ToString::to_string).collect();
    shared.end(done, faults);
}

fn rounds(session: &mut Session<impl Source>, follower: &mut Follower, shared: &Shared) -> Result<(), String> {
    while !shared.is_stopped() {
        follower.begin();
        match round(session, follower, shared).and_then(|()| between(session, follower, shared)) {
            Ok(()) => {}
            Err(Stop::Session(SessionError::Cancelled)) => break,
            Err(Stop::Session(error)) => return Err(error.to_string()),
            Err(Stop::Spool(error)) => {
                return Err(format!("the temporary file for the log cannot be written: {error}"));
            }
        }
    }
    Ok(())
}

/// Why following ends.
enum Stop {
    Session(SessionError),
    Spool(io::Error),
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Spool(error)
    }
}

/// Reads what is there now.
fn round(session: &mut Session<impl Source>, follower: &mut Follower, shared: &Shared) -> Result<(), Stop> {
    let mut tables = Arc::clone(&shared.contents().tables);
    let mut items = Vec::new();
    let mut is_fresh = false;
    while let Some(item) = follower.next(session)? {
        // Asked for after the record was read, so its site is in the table.
        if !is_fresh && matches!(&item, Item::Record(record) if is_of_unknown_site(&tables, record)) {
            tables = refresh(session, shared)?;
            is_fresh = true;
        }
        items.push(item);
        if items.len() >= SOME {
            shared.push(&mut items)?;
        }
    }
    Ok(shared.push(&mut items)?)
}

/// Waits until there is more to read.
fn between(session: &mut Session<impl Source>, follower: &mut Follower, shared: &Shared) -> Result<(), Stop> {
    if follower.holds() {
        std::thread::sleep(HOLD);
    } else {
        shared.contents().state = FeedState::Waiting;
        session.wait(follower.seen())?;
        shared.contents().state = FeedState::Reading;
    }
    // A processor may have been added.
    let tables = refresh(session, shared)?;
    follower.refresh(tables.present());
    Ok(())
}

fn refresh(session: &mut Session<impl Source>, shared: &Shared) -> Result<Arc<Tables>, SessionError> {
    let tables = Arc::new(session.info()?);
    shared.contents().tables = Arc::clone(&tables);
    Ok(tables)
}
