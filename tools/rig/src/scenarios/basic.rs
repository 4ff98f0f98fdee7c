//! Start, requests, waits, stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, ensure};
use irqlog_nt::{
    STATUS_ACCESS_DENIED, STATUS_BUFFER_TOO_SMALL, STATUS_CANCELLED, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS,
};
use irqlog_reader::{
    follow::Follower,
    record::{Content, Record},
    session::{Session, SessionError, Settings, Source},
};
use irqlog_wire::{image::Policy, ioctl, record::Level};
use zerocopy::IntoBytes;

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, stop_last};
use crate::nt::{
    heap,
    io::{Answer, ControlCall, File, Requestor},
    registry,
    registry::RegistryValue,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "start-stop",
        processors: DEFAULT_PROCESSORS,
        about: "the driver starts, stops and leaves nothing, three times",
        run: start_stop,
    },
    Scenario {
        name: "requests",
        processors: DEFAULT_PROCESSORS,
        about: "every control request, good and bad",
        run: requests,
    },
    Scenario {
        name: "marks",
        processors: DEFAULT_PROCESSORS,
        about: "what is marked is read, in order, by two readers",
        run: marks,
    },
    Scenario {
        name: "wait",
        processors: DEFAULT_PROCESSORS,
        about: "WAIT ends when something is written, at cancel, and at cleanup",
        run: wait,
    },
    Scenario {
        name: "stop-pending",
        processors: DEFAULT_PROCESSORS,
        about: "a stop waits for open handles, and pended WAITs end with them",
        run: stop_pending,
    },
    Scenario {
        name: "parameters",
        processors: DEFAULT_PROCESSORS,
        about: "good parameters are taken, bad ones are named in the log",
        run: parameters,
    },
    Scenario {
        name: "selftest",
        processors: DEFAULT_PROCESSORS,
        about: "SELFTEST writes at every IRQL on every processor, and all of it arrives",
        run: selftest,
    },
];

/// A file as a source of answers.
pub struct FileSource<'f>(pub &'f File);

impl Source for FileSource<'_> {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let answer = self.0.control(ControlCall { code, internal: false, input, output }, &|| false);
        match answer.status {
            STATUS_SUCCESS => Ok(answer.output),
            status => Err(SessionError::Refused { what, status: status as u32 }),
        }
    }
}

/// Opens irqlog's device.
///
/// # Errors
/// What the driver says.
pub fn open() -> Result<File> {
    File::open(ioctl::WIN32_NAME, Requestor::Administrator).map_err(|status| anyhow::anyhow!("open: {status:#010x}"))
}

/// Closes a file's last handle.
pub fn close(file: File) {
    file.cleanup();
    file.close();
}

/// All records that a new reader gets, over all lanes.
///
/// # Errors
/// What the driver says.
pub fn read_all(file: &File) -> Result<Vec<Record>> {
    let mut session = Session::new(FileSource(file));
    let tables = session.info()?;
    let mut follower = Follower::new(tables.present());
    let records = follower.round(&mut session)?.records;
    for (lane, account) in follower.accounts() {
        ensure!(account.holds() && account.in_ring == 0, "lane {lane}: {account:?}");
    }
    Ok(records)
}

/// The texts of records.
pub fn texts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| match record.content() {
            Content::Text(text) => text.raw().to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn start_stop(stage: &Stage) -> Result<()> {
    as_process(|| {
        for _ in 0..3 {
            let driver = stage.start_irqlog()?;
            let file = open()?;
            let records = texts(&read_all(&file)?);
            ensure!(records.first().is_some_and(|text| text.ends_with(" started")), "{records:?}");
            close(file);
            stop_last(&driver)?;
            let gone = File::open(ioctl::WIN32_NAME, Requestor::Administrator).map(drop);
            ensure!(gone == Err(STATUS_OBJECT_NAME_NOT_FOUND), "the device is still there");
        }
        Ok(())
    })
}

fn requests(stage: &Stage) -> Result<()> {
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let denied = File::open(ioctl::WIN32_NAME, Requestor::User).map(drop);
        ensure!(denied == Err(STATUS_ACCESS_DENIED), "an ordinary user may open the device: {denied:?}");
        let file = open()?;
        let send = |code, internal, input: &[u8], output| {
            file.control(ControlCall { code, internal, input, output }, &|| false)
        };
        let status = |code, input: &[u8], output| send(code, false, input, output).status;
        // Sizes around each limit, and sizes that would overflow a careless sum.
        for (code, input, least) in [
            (ioctl::INFO, 0, 512),
            (ioctl::READ, 32, 88 + 1024),
            (ioctl::WAIT, 8, 8),
            (ioctl::SELFTEST, 0, 104),
            (ioctl::SITES, 8, 32),
        ] {
            let good = vec![0; input];
            for output in [0, 1, least - 1] {
                ensure!(status(code, &good, output) == STATUS_BUFFER_TOO_SMALL, "{code:#x} with room for {output}");
            }
            for wrong in [input + 1, input + 8, 4096] {
                ensure!(
                    status(code, &vec![0; wrong], least) == STATUS_INVALID_PARAMETER,
                    "{code:#x} with {wrong} bytes"
                );
            }
        }
        for code in [0, 0x0022_6003, 0x0022_ffff & !3, 0xffff_fffc, ioctl::READ & !3] {
            ensure!(status(code, &[0; 40], 4096) == STATUS_INVALID_DEVICE_REQUEST, "{code:#x} is known");
        }
        ensure!(status(ioctl::CONNECT, &[], 4096) == STATUS_ACCESS_DENIED, "CONNECT from user mode");
        // Nobody has registered: the site table is empty, and there is no entry whose level could be changed.
        let sites = send(ioctl::SITES, false, &[0; 8], 4096);
        ensure!(sites.status == STATUS_SUCCESS && sites.output.len() == 24, "{sites:?}");
        ensure!(status(ioctl::SITES, &8_u64.to_le_bytes(), 4096) == STATUS_INVALID_PARAMETER, "behind the site table");
        let level = [[0; 16].as_slice(), &[3, 0, 0, 0], &[0; 4]].concat();
        for input in [&level[..], &level[..23], &[level.as_slice(), &[0]].concat()] {
            ensure!(status(ioctl::PROVIDER_LEVEL, input, 0) == STATUS_INVALID_PARAMETER, "a level for no provider");
        }
        let mark = |text: &[u8]| status(ioctl::MARK, &[&[3, 0, 0, 0, 0, 0, 0, 0], text].concat(), 0);
        ensure!(mark(b"good") == STATUS_SUCCESS);
        ensure!(mark(&[0xff, 0xfe]) == STATUS_INVALID_PARAMETER, "no UTF-8");
        ensure!(mark(&[b'x'; ioctl::MAX_MARK + 1]) == STATUS_INVALID_PARAMETER, "too long");
        let kernel =
            File::open(ioctl::DEVICE_NAME, Requestor::Kernel).map_err(|status| anyhow::anyhow!("{status:#x}"))?;
        let connected =
            kernel.control(ControlCall { code: ioctl::CONNECT, internal: true, input: &[], output: 128 }, &|| false);
        ensure!(connected.status == STATUS_SUCCESS && connected.output.len() == 72, "{connected:?}");
        // A driver that knows only the first version gets that; `size` in it says that there is more.
        let older =
            kernel.control(ControlCall { code: ioctl::CONNECT, internal: true, input: &[], output: 40 }, &|| false);
        ensure!(older.status == STATUS_SUCCESS && older.output == connected.output[..40], "{older:?}");
        let short =
            kernel.control(ControlCall { code: ioctl::CONNECT, internal: true, input: &[], output: 39 }, &|| false);
        ensure!(short.status == STATUS_BUFFER_TOO_SMALL, "{short:?}");
        let from_user = send(ioctl::CONNECT, true, &[], 64);
        ensure!(from_user.status == STATUS_ACCESS_DENIED, "an internal request of user mode: {from_user:?}");
        no_kernel_address(&file, &driver)?;
        close(kernel);
        close(file);
        stop_last(&driver)
    })
}

/// Nothing that user mode gets looks like an address of the image or of pool.
fn no_kernel_address(file: &File, driver: &crate::service::Driver) -> Result<()> {
    let info = file.control(ControlCall { code: ioctl::INFO, internal: false, input: &[], output: 1 << 20 }, &|| false);
    let is_address = |word: u64| {
        let image = driver.image.base() as u64..(driver.image.base() + driver.image.size()) as u64;
        image.contains(&word) || heap::describe(word as usize).is_some()
    };
    for chunk in info.output.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into()?);
        ensure!(!is_address(word), "INFO gives {word:#x} away");
    }
    Ok(())
}

fn marks(stage: &Stage) -> Result<()> {
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let (first, second) = (open()?, open()?);
        let mut session = Session::new(FileSource(&first));
        for number in 0..200 {
            session.mark(Level::Info, &format!("mark {number}"))?;
        }
        for file in [&first, &second] {
            let texts = texts(&read_all(file)?);
            let marks: Vec<_> = texts.iter().filter(|text| text.starts_with("mark ")).collect();
            ensure!(
                marks.len() == 200 && marks.iter().enumerate().all(|(n, text)| **text == format!("mark {n}")),
                "{texts:?}"
            );
        }
        session.clear()?;
        let left = texts(&read_all(&second)?);
        ensure!(left == ["cleared"], "{left:?}");
        // One that is not written is no success.
        session.configure(Settings { level: Some(Level::Warn), ..Settings::default() })?;
        let filtered = session.mark(Level::Info, "filtered");
        ensure!(matches!(filtered, Err(SessionError::NotWritten(why)) if why.contains("level")), "{filtered:?}");
        session.mark(Level::Warn, "not filtered")?;
        session.configure(Settings { paused: Some(true), ..Settings::default() })?;
        let paused = session.mark(Level::Error, "paused");
        ensure!(matches!(paused, Err(SessionError::NotWritten(why)) if why.contains("paused")), "{paused:?}");
        session.configure(Settings { paused: Some(false), policy: Some(Policy::Keep), ..Settings::default() })?;
        let full = (0..100_000).find_map(|_| session.mark(Level::Error, &"full ".repeat(100)).err());
        ensure!(matches!(full, Some(SessionError::NotWritten(why)) if why.contains("keep")), "{full:?}");
        close(first);
        close(second);
        stop_last(&driver)
    })
}

/// Sends WAIT on a thread of its own.
pub fn waiting(file: Arc<File>, seen: u64, cancel: Arc<AtomicBool>) -> std::thread::JoinHandle<Answer> {
    std::thread::spawn(move || {
        as_process(|| {
            let seen = seen.to_le_bytes();
            let control = ControlCall { code: ioctl::WAIT, internal: false, input: &seen, output: 8 };
            file.control(control, &|| cancel.load(Ordering::SeqCst))
        })
    })
}

/// The records that were written until now.
///
/// # Errors
/// What the driver says.
pub fn written(file: &File) -> Result<u64> {
    let answer = file
        .control(ControlCall { code: ioctl::WAIT, internal: false, input: u64::MAX.as_bytes(), output: 8 }, &|| false);
    ensure!(answer.status == STATUS_SUCCESS, "{answer:?}");
    Ok(u64::from_le_bytes(answer.output[..].try_into()?))
}

fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(60));
}

fn wait(stage: &Stage) -> Result<()> {
    let driver = as_process(|| stage.start_irqlog())?;
    let file = Arc::new(as_process(open)?);
    let seen = as_process(|| written(&file))?;
    let never = Arc::new(AtomicBool::new(false));
    // Several at once, with different counts: those that have seen everything wait, the other one does not.
    let pended: Vec<_> = (0..3).map(|_| waiting(Arc::clone(&file), seen, Arc::clone(&never))).collect();
    let behind = waiting(Arc::clone(&file), seen - 1, Arc::clone(&never)).join().expect("joined");
    ensure!(behind.status == STATUS_SUCCESS, "{behind:?}");
    pause();
    ensure!(pended.iter().all(|thread| !thread.is_finished()), "WAIT ended although nothing was written");
    as_process(|| Session::new(FileSource(&file)).mark(Level::Info, "wake up"))?;
    for thread in pended {
        let answer = thread.join().expect("joined");
        ensure!(answer.status == STATUS_SUCCESS && answer.output == (seen + 1).to_le_bytes(), "{answer:?}");
    }
    as_process(|| waits_are_limited(&file, seen + 1))?;
    nobody_starves(&file, seen + 1)?;
    let seen = seen + 1;
    // Cancelled, many times, at whatever moment.
    for round in 0..50 {
        let cancel = Arc::new(AtomicBool::new(false));
        let thread = waiting(Arc::clone(&file), seen + 1, Arc::clone(&cancel));
        std::thread::sleep(std::time::Duration::from_micros(round * 100));
        cancel.store(true, Ordering::SeqCst);
        let answer = thread.join().expect("joined");
        ensure!(answer.status == STATUS_CANCELLED, "{answer:?}");
    }
    let pended = waiting(Arc::clone(&file), seen + 1, never);
    pause();
    as_process(|| file.cleanup());
    ensure!(pended.join().expect("joined").status == STATUS_CANCELLED, "WAIT did not end at cleanup");
    let late = waiting(Arc::clone(&file), seen + 1, Arc::default());
    for _ in 0..50 {
        pause();
        if late.is_finished() {
            break;
        }
    }
    ensure!(late.is_finished(), "a WAIT that comes after the cleanup of its handle is pended");
    let answer = late.join().expect("joined");
    ensure!(answer.status == STATUS_CANCELLED, "a WAIT that comes after the cleanup of its handle: {answer:?}");
    as_process(|| Arc::into_inner(file).context("still in use").map(File::close))?;
    as_process(|| stop_last(&driver))
}

/// A handle has at most `MAX_WAITS_OF_A_HANDLE` WAITs pended; another handle has its own.
fn waits_are_limited(file: &Arc<File>, seen: u64) -> Result<()> {
    let cancel = Arc::new(AtomicBool::new(false));
    let pended: Vec<_> =
        (0..ioctl::MAX_WAITS_OF_A_HANDLE).map(|_| waiting(Arc::clone(file), seen, Arc::clone(&cancel))).collect();
    pause();
    ensure!(pended.iter().all(|thread| !thread.is_finished()), "WAIT ended although nothing was written");
    let one_more = waiting(Arc::clone(file), seen, Arc::clone(&cancel)).join().expect("joined");
    ensure!(one_more.status.cast_unsigned() == ioctl::TOO_MANY_WAITS, "one WAIT too many: {one_more:?}");
    let other = Arc::new(open()?);
    let of_the_other = waiting(Arc::clone(&other), seen, Arc::clone(&cancel));
    pause();
    ensure!(!of_the_other.is_finished(), "another handle has no WAIT");
    cancel.store(true, Ordering::SeqCst);
    for thread in pended.into_iter().chain([of_the_other]) {
        let answer = thread.join().expect("joined");
        ensure!(answer.status == STATUS_CANCELLED, "{answer:?}");
    }
    Arc::into_inner(other).context("still in use").map(close)
}

/// A client that pends a WAIT every 3 ms does not keep another one waiting. Writes one record.
fn nobody_starves(file: &Arc<File>, seen: u64) -> Result<()> {
    let (over, patient) = (AtomicBool::new(false), waiting(Arc::clone(file), seen, Arc::default()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut hasty = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let cancel = Arc::new(AtomicBool::new(false));
                // Pended from the moment when there is something for the patient one; before that it is behind.
                hasty.push((waiting(Arc::clone(file), seen + 1, Arc::clone(&cancel)), cancel));
                std::thread::sleep(std::time::Duration::from_millis(3));
                if hasty.len() > 4 {
                    let (thread, cancel) = hasty.remove(0);
                    cancel.store(true, Ordering::SeqCst);
                    let _ = thread.join();
                }
            }
            for (thread, cancel) in hasty {
                cancel.store(true, Ordering::SeqCst);
                let _ = thread.join();
            }
        });
        let result = (|| {
            pause();
            as_process(|| Session::new(FileSource(file)).mark(Level::Info, "for the patient one"))?;
            // The timer has 10 ms; a loaded machine gets far more.
            for _ in 0..50 {
                if patient.is_finished() {
                    return Ok(());
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            anyhow::bail!("a WAIT starves while another client pends one every 3 ms")
        })();
        over.store(true, Ordering::SeqCst);
        result
    })?;
    let answer = patient.join().expect("joined");
    ensure!(answer.status == STATUS_SUCCESS, "{answer:?}");
    Ok(())
}

fn stop_pending(stage: &Stage) -> Result<()> {
    let driver = as_process(|| stage.start_irqlog())?;
    let file = Arc::new(as_process(open)?);
    let seen = as_process(|| written(&file))?;
    let pended = waiting(Arc::clone(&file), seen, Arc::default());
    pause();
    ensure!(!as_process(|| driver.stop())?, "it stopped with a handle open");
    ensure!(driver.is_stopping() && !pended.is_finished());
    as_process(|| file.cleanup());
    ensure!(pended.join().expect("joined").status == STATUS_CANCELLED);
    ensure!(!as_process(|| driver.stop())?, "it stopped before the file object was closed");
    as_process(|| Arc::into_inner(file).context("still in use").map(File::close))?;
    as_process(|| stop_last(&driver))
}

fn parameters(stage: &Stage) -> Result<()> {
    let set = |name, value| registry::set_parameter("irqlog", name, value);
    set("RingKiB", RegistryValue::Number(64));
    set("Policy", RegistryValue::Text("keep".into()));
    set("Lock", RegistryValue::Text("turnstile".into()));
    set("NmiLaneKiB", RegistryValue::Text("16".into()));
    set("Level", RegistryValue::Text("x".repeat(100)));
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let file = open()?;
        let tables = Session::new(FileSource(&file)).info()?;
        ensure!(tables.lanes[0].data_words.get() == 64 * 1024 / 8, "RingKiB was not taken");
        ensure!(tables.header.policy.get() == 1, "Policy was not taken");
        let texts = texts(&read_all(&file)?);
        let complaints: Vec<_> =
            texts.iter().filter_map(|text| text.strip_prefix("parameter ")?.split(' ').next()).collect();
        ensure!(complaints == ["Lock", "Level", "NmiLaneKiB"], "{texts:?}");
        close(file);
        stop_last(&driver)
    })
}

fn selftest(stage: &Stage) -> Result<()> {
    as_process(|| {
        let driver = stage.start_irqlog()?;
        let file = open()?;
        let answer = Session::new(FileSource(&file)).selftest()?;
        let processors = answer.processors.get();
        ensure!(processors as usize == crate::nt::machine::machine().active());
        for (name, context) in ioctl::SELFTEST_CONTEXTS.iter().zip(answer.contexts) {
            let calls = if *name == "dirql" { processors * 10 } else { processors };
            let seen = (context.called.get(), context.written.get(), context.dropped.get(), context.found.get());
            ensure!(seen == (calls, calls, 0, calls), "{name}: {seen:?}, expected {calls}");
        }
        close(file);
        stop_last(&driver)
    })
}
