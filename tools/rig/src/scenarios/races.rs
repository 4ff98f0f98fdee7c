//! Starts and stops under load: requests race the cleanup of their handle, their cancellation, a stop, and processors that
//! are added; and nothing is left behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use irqlog_nt::{STATUS_CANCELLED, STATUS_SUCCESS};
use irqlog_reader::session::Session;
use irqlog_wire::ioctl;

use super::{
    Scenario, Stage, as_process,
    basic::{FileSource, close, open},
    stop_last,
    storm::Storm,
};
use crate::nt::{
    boot::add_processor,
    io::{ControlCall, File},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "races",
    processors: 2,
    about: "INFO, READ and WAIT race cleanup, cancel, stop and added processors; started and stopped again and again",
    run: |stage| restarts(stage, if stage.is_emulated() { 2 } else { 24 }),
}];

/// Calls of the test driver's threads in a round.
const CALLS: u64 = 400;

/// What the clients of a round have seen.
#[derive(Default)]
struct Answers {
    done: AtomicU64,
    cancelled: AtomicU64,
    ended_by_cleanup: AtomicU64,
}

/// Starts and stops the driver, each time under load.
///
/// # Errors
/// If anything is left behind, or a request ends as it should not.
pub fn restarts(stage: &Stage, rounds: u64) -> Result<()> {
    let answers = Answers::default();
    for round in 0..rounds {
        one_round(stage, round, &answers)?;
        if rounds > 100 && round.is_multiple_of(100) {
            println!("{round} of {rounds}");
        }
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (done, cancelled, ended) = (count(&answers.done), count(&answers.cancelled), count(&answers.ended_by_cleanup));
    println!(
        "{rounds} starts and stops; {done} requests, {cancelled} cancelled, {ended} ended by their handle's cleanup"
    );
    ensure!(done != 0 && cancelled != 0, "the clients did nothing");
    ensure!(rounds < 10 || ended != 0, "no WAIT was ended by a cleanup");
    Ok(())
}

fn one_round(stage: &Stage, round: u64, answers: &Answers) -> Result<()> {
    let irqlog = as_process(|| stage.start_irqlog())?;
    let storm = Storm::start(stage, stage.scaled(CALLS))?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let clients = [
            scope.spawn(|| until_over(&over, || as_process(|| reads(answers)))),
            scope.spawn(|| until_over(&over, || as_process(|| cancels(round, answers)))),
            scope.spawn(|| until_over(&over, || closes(round, answers))),
        ];
        // The machine has two to spare.
        if round < 2 {
            ensure!(as_process(add_processor).is_some(), "no processor can be added");
        }
        std::thread::sleep(Duration::from_micros(500 * (round % 8)));
        // A driver has a reference, so the stop stays pending while everybody goes on.
        let has_stopped = as_process(|| irqlog.stop())?;
        ensure!(!has_stopped, "it stopped although a driver logs");
        while storm.is_running()? {
            std::thread::sleep(Duration::from_millis(1));
        }
        over.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    })?;
    storm.finish()?;
    as_process(|| stop_last(&irqlog))
}

fn until_over(over: &AtomicBool, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    // Once at least.
    loop {
        work()?;
        if over.load(Ordering::SeqCst) {
            return Ok(());
        }
    }
}

/// INFO and READ through a handle that is closed at once.
fn reads(answers: &Answers) -> Result<()> {
    let file = open()?;
    let mut session = Session::new(FileSource(&file));
    session.info()?;
    session.read(0, None, 4096)?;
    answers.done.fetch_add(2, Ordering::SeqCst);
    drop(session);
    close(file);
    Ok(())
}

/// WAIT for a record that is far away. The storm writes all the time, so it may end by itself just as well.
fn wait(file: &File, should_cancel: &dyn Fn() -> bool) -> i32 {
    let info = file.control(
        ControlCall { code: ioctl::WAIT, internal: false, input: &u64::MAX.to_le_bytes(), output: 8 },
        &|| false,
    );
    let seen: [u8; 8] = info.output.try_into().unwrap_or_default();
    let control = ControlCall { code: ioctl::WAIT, internal: false, input: &seen, output: 8 };
    file.control(control, should_cancel).status
}

/// A WAIT that is cancelled after a while, unless it has ended.
fn cancels(round: u64, answers: &Answers) -> Result<()> {
    let file = open()?;
    let asked = AtomicU64::new(0);
    let status = wait(&file, &|| asked.fetch_add(1, Ordering::SeqCst) >= round % 3);
    ensure!([STATUS_SUCCESS, STATUS_CANCELLED].contains(&status), "WAIT: {status:#010x}");
    let counter = if status == STATUS_CANCELLED { &answers.cancelled } else { &answers.done };
    counter.fetch_add(1, Ordering::SeqCst);
    close(file);
    Ok(())
}

/// A WAIT whose handle another thread closes meanwhile.
fn closes(round: u64, answers: &Answers) -> Result<()> {
    let file = Arc::new(as_process(open)?);
    let waiter = {
        let file = Arc::clone(&file);
        std::thread::spawn(move || as_process(|| wait(&file, &|| false)))
    };
    std::thread::sleep(Duration::from_micros(300 * (round % 5)));
    as_process(|| file.cleanup());
    let status = waiter.join().map_err(|_| anyhow::anyhow!("the waiter panicked"))?;
    ensure!([STATUS_SUCCESS, STATUS_CANCELLED].contains(&status), "WAIT at the cleanup: {status:#010x}");
    let counter = if status == STATUS_CANCELLED { &answers.ended_by_cleanup } else { &answers.done };
    counter.fetch_add(1, Ordering::SeqCst);
    if let Some(file) = Arc::into_inner(file) {
        as_process(|| file.close());
    }
    Ok(())
}
