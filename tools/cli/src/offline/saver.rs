//! The saver: what its service does, with the commands that a person has too.

use std::{
    ffi::OsString,
    fs,
    path::{Path, absolute},
};

use anyhow::{Context, Result};
use irqlog_reader::log::Log;
use irqlog_upkeep::{
    saver::{self, SaverMoment},
    store::LogStore,
};

use crate::{args::Saver, query::keep, source};

/// A file beside the logs that says why the saver failed the last time.
const FAILURE: &str = "saver-failed.txt";

/// Installs the service, with these settings.
pub fn install(saver: &Saver) -> Result<String> {
    let store = saver.kept.store()?;
    // The service has another current folder.
    let folder = absolute(store.folder())?;
    let words = ["service", "run-saver", "--last"].map(OsString::from);
    let arguments =
        words.into_iter().chain([saver.last.to_string().into(), "--logs".into(), folder.clone().into_os_string()]);
    saver::install(arguments.collect())?;
    Ok(format!("service {} installed: it keeps the last {} logs in {}", saver::NAME, saver.last, folder.display()))
}

/// Removes the service.
pub fn remove() -> Result<String> {
    saver::remove()?;
    Ok(format!("service {} removed; the logs stay", saver::NAME))
}

/// Is the service.
pub fn run(saver: &Saver) -> Result<String> {
    let (store, last) = (saver.kept.store()?, saver.last);
    saver::run(Box::new(move |moment| {
        let done = match moment {
            SaverMoment::Start => of_crash(&store, last),
            SaverMoment::Shutdown => of_running_driver(&store, last),
        };
        tell(&store, done);
    }))?;
    Ok(format!("service {} has ended", saver::NAME))
}

/// Keeps the running driver's log.
fn of_running_driver(store: &LogStore, last: usize) -> Result<()> {
    keep::run(&mut source::open_log(None, None)?, store, last)
}

/// Keeps the log in the dump of the last crash, unless that was done before.
fn of_crash(store: &LogStore, last: usize) -> Result<()> {
    let Some(dump) = saver::crash_dump() else { return Ok(()) };
    let mut log = source::open_log(Some(&dump), None)?;
    let place = store.place_for(log.tables())?;
    if place.exists() { Ok(()) } else { keep::run(&mut log, store, last) }
}

/// Leaves a file that says why the work failed, or takes away that of the last time.
fn tell(store: &LogStore, done: Result<()>) {
    let path: &Path = &store.folder().join(FAILURE);
    // A service that cannot write there either has no place left to tell it.
    let _ = match done.context("the log could not be kept") {
        Ok(()) => fs::remove_file(path),
        Err(error) => fs::create_dir_all(store.folder()).and_then(|()| fs::write(path, format!("{error:#}\r\n"))),
    };
}
