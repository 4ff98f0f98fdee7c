//! The logs of earlier starts of the driver: a folder with one file for each, of which the newest N are kept.
//!
//! A file's name is the time of the start, in UTC, and its identity: `irqlog-20261128T140510Z-00000000deadbeef.irqlog`. So
//! the order of the names is the order of the starts, and the log of one start has one name, whether it was saved at the
//! shutdown or taken from the dump of a crash. Files with other names are nobody's business here.
//!
//! Starts are numbered as journalctl numbers boots: 0 is the one that runs, -1 the newest that is kept, -2 the one before.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_reader::{image::Tables, log::Log, saved::SavedLog};
use irqlog_shown::Show;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

/// What each kept file's name begins and ends with.
const PREFIX: &str = "irqlog-";
const SUFFIX: &str = ".irqlog";

/// 100 ns between 1601, from which Windows counts, and 1970 ([MS-DTYP] 2.3.3).
const WINDOWS_EPOCH: i128 = 116_444_736_000_000_000;

/// How many logs are kept if nobody says it.
pub const DEFAULT_KEEP: usize = 10;

/// The folder of the kept logs.
#[derive(Clone, Debug)]
pub struct LogStore {
    folder: PathBuf,
}

/// A kept log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLog {
    /// The number of the start: -1 is the newest.
    pub boot: i64,
    /// The file.
    pub path: PathBuf,
}

impl LogStore {
    /// The logs in a folder, which need not exist yet.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder that the saver uses if nobody names another one: `%ProgramData%\irqlog\logs`.
    ///
    /// # Errors
    /// If the environment does not have the variable.
    pub fn in_program_data() -> Result<Self> {
        let data =
            std::env::var_os("ProgramData").context("this system has no ProgramData; name the folder with --logs")?;
        Ok(Self::new(Path::new(&data).join("irqlog").join("logs")))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file for the log with these tables. Makes the folder.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn place_for(&self, tables: &Tables) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder).with_context(|| format!("creating {}", self.folder.display()))?;
        Ok(self.folder.join(name_of(tables)))
    }

    /// The kept logs, the newest first.
    ///
    /// # Errors
    /// If the folder cannot be read. A folder that does not exist has none.
    pub fn logs(&self) -> Result<Vec<KeptLog>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", self.folder.display())),
        };
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", self.folder.display()))?;
            names.extend(entry.file_name().into_string().ok().filter(|name| is_name(name)));
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        let logs = names.into_iter().zip(1_i64..);
        Ok(logs.map(|(name, age)| KeptLog { boot: -age, path: self.folder.join(name) }).collect())
    }

    /// The kept log of a start: -1 for the newest.
    ///
    /// # Errors
    /// If there is none; the message says which there are.
    pub fn find(&self, boot: i64) -> Result<PathBuf> {
        ensure!(boot < 0, "start {boot} is none of the past: 0 is the running driver, -1 the log that was kept last");
        let logs = self.logs()?;
        let count = logs.len();
        if let Some(log) = logs.into_iter().find(|log| log.boot == boot) {
            return Ok(log.path);
        }
        match count {
            0 => bail!(
                "no logs are kept in {}; `irqlog service install-saver` keeps them from now on",
                self.folder.display()
            ),
            _ => bail!("{count} logs are kept in {}: -1 to -{count}; `irqlog list` shows them", self.folder.display()),
        }
    }

    /// Deletes all but the newest `keep` logs; gives the paths of those that were deleted.
    ///
    /// # Errors
    /// If one cannot be deleted, after it has tried the others.
    pub fn rotate(&self, keep: usize) -> Result<Vec<PathBuf>> {
        let mut deleted = Vec::new();
        let mut first_error = None;
        for KeptLog { path, .. } in self.logs()?.into_iter().skip(keep) {
            match fs::remove_file(&path) {
                Ok(()) => deleted.push(path),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let error = anyhow::Error::new(error).context(format!("deleting {}", path.display()));
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(deleted), Err)
    }
}

/// The name of the file for the log with these tables.
fn name_of(tables: &Tables) -> String {
    let time = started(tables).map_or_else(
        // Before all others: nobody knows when it was.
        || "00000000T000000Z".to_owned(),
        |time| time.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string(),
    );
    format!("{PREFIX}{time}-{:016x}{SUFFIX}", tables.header.start_id.get())
}

/// When the driver started; `None` if the log does not say, or says a time that there is not.
fn started(tables: &Tables) -> Option<Timestamp> {
    let time = tables.header.time_base.get();
    let time = Timestamp::from_nanosecond((i128::from(time) - WINDOWS_EPOCH) * 100).ok()?;
    // A clock that was not set yet.
    (time.as_second() > 0).then_some(time)
}

/// Whether a file has the name of a kept log.
fn is_name(name: &str) -> bool {
    let Some(middle) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else { return false };
    let Some((time, id)) = middle.split_once('-') else { return false };
    let is_time = |time: &str| {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        time.len() == 16
            && time.is_ascii()
            && digits(&time[..8])
            && &time[8..9] == "T"
            && digits(&time[9..15])
            && &time[15..] == "Z"
    };
    is_time(time) && id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// A kept log, as `list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownKeptLog {
    /// The number of the start: -1 is the newest.
    pub boot: i64,
    /// When the driver started, by RFC 3339; `null` if the log does not say.
    pub started: Option<String>,
    /// Identity of the start.
    pub start: Option<String>,
    /// Whether it ended with a crash.
    pub crashed: bool,
    /// Number of records in the file; `null` if it cannot be read.
    pub records: Option<u64>,
    /// Bytes of the file.
    pub bytes: u64,
    /// The file.
    pub file: String,
    /// Why the file cannot be read.
    pub error: Option<String>,
}

impl ShownKeptLog {
    /// Reads the file, as far as it is to be shown.
    #[must_use]
    pub fn of(log: &KeptLog) -> Self {
        let file = log.path.display().to_string();
        let bytes = fs::metadata(&log.path).map_or(0, |metadata| metadata.len());
        let mut shown = Self {
            boot: log.boot,
            started: None,
            start: None,
            crashed: false,
            records: None,
            bytes,
            file,
            error: None,
        };
        let opened = File::open(&log.path).map_err(Into::into).and_then(SavedLog::open);
        match opened {
            Ok(mut saved) => {
                let tables = saved.tables();
                shown.started = started(tables).map(|time| time.to_string());
                shown.start = Some(format!("{:016x}", tables.header.start_id.get()));
                shown.crashed = tables.header.crashed.get() != 0;
                let mut records = 0;
                match saved.visit(|_, _| records += 1) {
                    Ok(()) => shown.records = Some(records),
                    Err(error) => shown.error = Some(error.to_string()),
                }
            }
            Err(error) => shown.error = Some(error.to_string()),
        }
        shown
    }
}

/// The heading over the lines of [`ShownKeptLog`].
pub const HEADING: &str = "boot  started (UTC)        ended      records      KiB  file";

impl Show for ShownKeptLog {
    fn text<W: std::io::Write + ?Sized>(&self, out: &mut W) -> std::io::Result<()> {
        let started = self
            .started
            .as_deref()
            .and_then(|time| time.get(..19))
            .map_or_else(|| "-".to_owned(), |time| time.replace('T', " "));
        let ended = if self.crashed { "crash" } else { "shutdown" };
        let records = self.records.map_or_else(|| "-".to_owned(), |records| records.to_string());
        let file = irqlog_reader::untrusted::Untrusted::new(&self.file);
        write!(out, "{:4}  {started:19}  {ended:8}  {records:>9}  {:7}  {file}", self.boot, self.bytes / 1024)?;
        match &self.error {
            Some(error) => writeln!(out, "  cannot be read: {}", irqlog_reader::untrusted::Untrusted::new(error)),
            None => writeln!(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str) -> LogStore {
        let folder = std::env::temp_dir().join(format!("irqlog-store-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        LogStore::new(folder)
    }

    fn image() -> Vec<u8> {
        let image = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/images/format-1.1.irqlog");
        fs::read(image).expect("a stored image")
    }

    /// Tables of a start at this second of 2026, with this identity.
    fn tables(second: u64, id: u64) -> Tables {
        let mut tables = Tables::parse(&image()).expect("an image");
        // 2026-01-01T00:00:00Z is 1767225600 s after 1970.
        tables.header.time_base.set((1_767_225_600 + second) * 10_000_000 + 116_444_736_000_000_000);
        tables.header.start_id.set(id);
        tables
    }

    fn keep(store: &LogStore, second: u64, id: u64) -> PathBuf {
        let path = store.place_for(&tables(second, id)).expect("a place");
        fs::write(&path, image()).expect("room");
        path
    }

    #[test]
    fn a_name_is_the_start_and_names_of_others_are_left_alone() {
        let store = store("names");
        assert_eq!(store.logs().expect("none"), []);
        let path = keep(&store, 3661, 0xdead_beef);
        assert_eq!(path.file_name().expect("a name"), "irqlog-20260101T010101Z-00000000deadbeef.irqlog");
        for other in [
            "notes.txt",
            "irqlog-my.irqlog",
            "irqlog-20260101T010101Z-00000000DEADBEEF.irqlog",
            "irqlog-20260101T010101Z-deadbeef.irqlog",
            "irqlog-2026\u{e9}101T01010Z-00000000deadbeef.irqlog",
            ".irqlog-1-0.tmp",
        ] {
            fs::write(store.folder().join(other), b"x").expect("room");
        }
        assert_eq!(store.logs().expect("one"), [KeptLog { boot: -1, path }]);
        assert_eq!(store.rotate(0).expect("deleted").len(), 1);
        assert_eq!(fs::read_dir(store.folder()).expect("a folder").count(), 6, "what is not ours stays");
    }

    #[test]
    fn the_newest_n_stay_and_starts_are_numbered_from_the_newest() {
        let store = store("rotate");
        // Not in the order of their starts, and two starts in one second.
        let paths: Vec<_> = [(20, 2), (10, 1), (40, 4), (30, 3), (40, 5)].map(|(at, id)| keep(&store, at, id)).into();
        assert_eq!(store.find(-1).expect("the newest"), paths[4]);
        assert_eq!(store.find(-2).expect("the one before"), paths[2]);
        assert_eq!(store.find(-5).expect("the oldest"), paths[1]);
        let refused = |boot| store.find(boot).expect_err("none").to_string();
        assert!(refused(-6).contains("5 logs are kept") && refused(-6).contains("-1 to -5"), "{}", refused(-6));
        assert!(refused(0).contains("0 is the running driver"), "{}", refused(0));
        assert_eq!(store.rotate(3).expect("deleted"), [paths[0].clone(), paths[1].clone()]);
        assert_eq!(store.rotate(3).expect("nothing to delete"), Vec::<PathBuf>::new());
        assert_eq!(store.logs().expect("three").len(), 3);
        assert!(store.find(-4).is_err());
        // The log of a start that is kept already has the same place.
        assert_eq!(store.place_for(&tables(40, 4)).expect("a place"), paths[2]);
    }

    #[test]
    fn a_start_without_a_time_is_older_than_all_others() {
        let store = store("timeless");
        let newer = keep(&store, 0, 1);
        let mut timeless = tables(0, 9);
        for time in [0, u64::MAX] {
            timeless.header.time_base.set(time);
            let path = store.place_for(&timeless).expect("a place");
            assert!(path.display().to_string().contains("irqlog-00000000T000000Z-"), "{}", path.display());
            fs::write(&path, image()).expect("room");
        }
        assert_eq!((store.find(-1).expect("one"), store.logs().expect("two").len()), (newer, 2));
    }

    #[test]
    fn a_list_says_of_each_log_what_it_is_and_of_a_damaged_one_why_not() {
        let store = store("list");
        let path = keep(&store, 10, 7);
        let damaged = keep(&store, 20, 8);
        fs::write(&damaged, b"no image").expect("room");
        let logs = store.logs().expect("two");
        let shown: Vec<_> = logs.iter().map(ShownKeptLog::of).collect();
        assert!(shown[0].error.as_deref().is_some_and(|error| error.contains("no irqlog image")), "{:?}", shown[0]);
        assert_eq!((shown[1].error.as_ref(), shown[1].bytes), (None, fs::metadata(&path).expect("a file").len()));
        assert!(shown[1].records.is_some_and(|records| records > 0) && shown[1].started.is_some(), "{:?}", shown[1]);
        let mut text = Vec::new();
        for shown in &shown {
            shown.text(&mut text).expect("memory");
        }
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.lines().count() == 2 && text.contains("cannot be read") && text.contains("shutdown"), "{text}");
    }
}
