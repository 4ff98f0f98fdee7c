//! Shows that each guard of the drivers' memory works: a child process breaks the rule, and the rig has to end it.

use std::io::{Read, Seek};

use anyhow::{Context, Result, ensure};

use irqlog_nt::STATUS_SUCCESS;
use irqlog_storm::{DEVICE_NAME, LEAVE, LOCK_ADDRESS, MISUSE, Misuse};
use irqlog_wire::{bugcheck::LOCK_VIOLATION, irql::DIRQL_MIN};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, stop_last};
use crate::{
    nt::{
        dump, exports, interrupt,
        io::{ControlCall, File, Requestor},
        machine::{raise, run_thread},
        report::EXIT_BROKEN,
    },
    service::check_nothing_is_left,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "guards",
        processors: DEFAULT_PROCESSORS,
        about: "overrun, use after free, double free, wrong tag and a leak each end the run",
        run: guards,
    },
    Scenario {
        name: "checked-locks",
        processors: DEFAULT_PROCESSORS,
        about: "recursion, a wrong release, and an exhausted budget each end in their bug check",
        run: checked_locks,
    },
    Scenario {
        name: "broken-disconnect",
        processors: DEFAULT_PROCESSORS,
        about: "a driver that lets irqlog go while its interrupts still log ends in a bug check that says so",
        run: broken_disconnect,
    },
];

/// The first, third and fourth parameter of the bug check for a misuse of a lock. The
/// second is the lock's address.
const VERDICTS: [(Misuse, u8, u64, u64); 4] = [
    (Misuse::Recursion, 1, 1, 0),
    (Misuse::NotHeld, 2, 0, 0),
    (Misuse::WrongProcessor, 3, 1, 1),
    (Misuse::Budget, 4, 1, 1),
];

fn checked_locks(stage: &Stage) -> Result<()> {
    let irqlog = as_process(|| stage.start_irqlog())?;
    let testdrv = as_process(|| stage.start_testdrv())?;
    let ask = |file: &File, code: u32, words: &[u64]| {
        let input: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        file.control(ControlCall { code, internal: false, input: &input, output: 8 }, &|| false)
    };
    // On processor 0, as long as the driver does not say otherwise.
    run_thread(0x2000, 1, true, |thread| -> Result<()> {
        let file = File::open(DEVICE_NAME, Requestor::Administrator)
            .map_err(|status| anyhow::anyhow!("opening the test driver: {status:#010x}"))?;
        for queued in [0, 1] {
            let address = ask(&file, LOCK_ADDRESS, &[queued]).output;
            let address = u64::from_le_bytes(address.try_into().map_err(|_| anyhow::anyhow!("no address"))?);
            let status = ask(&file, MISUSE, &[Misuse::None as u64, queued]).status;
            ensure!(status == STATUS_SUCCESS, "proper use of lock {queued}: {status:#010x}");
            thread.affinity.set(1);
            thread.wait(|| ());
            for (misuse, kind, owner, current) in VERDICTS {
                let left = std::env::temp_dir().join(format!("irqlog-rig-{}.dmp", std::process::id()));
                let (status, said) = in_child(|| {
                    dump::leave_at(&left);
                    ask(&file, MISUSE, &[misuse as u64, queued]);
                })?;
                let verdict =
                    format!("bug check {LOCK_VIOLATION:#x} ({kind:#x}, {address:#x}, {owner:#x}, {current:#x})");
                ensure!(
                    status == EXIT_BROKEN && said.contains(&verdict),
                    "{misuse:?} of lock {queued}: exit status {status}, wanted {verdict}, got {said}"
                );
                let bytes = std::fs::read(&left).with_context(|| format!("no dump was left: {said}"))?;
                std::fs::remove_file(&left)?;
                let (header, _) = irqlog_dump::find(&bytes, |_, _| {})?;
                let parameters = [kind.into(), address, owner, current];
                ensure!((header.code, header.parameters) == (LOCK_VIOLATION, parameters), "the dump says {header:x?}");
            }
        }
        file.cleanup();
        file.close();
        Ok(())
    })?;
    as_process(|| {
        ensure!(testdrv.stop()?, "the test driver does not stop");
        stop_last(&irqlog)
    })
}

/// The test driver drops its reference, and an interrupt comes after irqlog.sys has gone.
fn broken_disconnect(stage: &Stage) -> Result<()> {
    let irqlog = as_process(|| stage.start_irqlog())?;
    let testdrv = as_process(|| stage.start_testdrv())?;
    let (status, said) = run_thread(0x2000, 1, true, |_| -> Result<_> {
        let file = File::open(DEVICE_NAME, Requestor::Administrator)
            .map_err(|status| anyhow::anyhow!("opening the test driver: {status:#010x}"))?;
        ensure!(!irqlog.stop()?, "irqlog.sys stops although a driver has a reference");
        let left = file.control(ControlCall { code: LEAVE, internal: false, input: &[], output: 0 }, &|| false);
        ensure!(left.status == STATUS_SUCCESS, "LEAVE: {:#010x}", left.status);
        file.cleanup();
        file.close();
        ensure!(irqlog.stop()?, "irqlog.sys does not stop");
        in_child(|| {
            // The first one logs an event, which does nothing any more: it was unregistered.
            for _ in 0..2 {
                raise(0, 1 << DIRQL_MIN);
                interrupt::deliver(None);
            }
        })
    })?;
    ensure!(status == EXIT_BROKEN, "exit status {status}: {said}");
    for words in ["bug check 0xce", "irqlog.sys!irqlog", "was called after it was unloaded"] {
        ensure!(said.contains(words), "the report does not say {words:?}:\n{said}");
    }
    as_process(|| stop_last(&testdrv))
}

/// Runs `misdeed` in a child; its exit status and what it said.
///
/// # Errors
/// If there can be no child.
pub fn in_child(misdeed: impl FnOnce()) -> Result<(i32, String)> {
    let mut said = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(std::env::temp_dir().join(format!("irqlog-rig-{}.said", std::process::id())))?;
    // SAFETY: the child has this thread alone and ends without returning.
    let child = unsafe { libc::fork() };
    ensure!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: standard error of the child goes to the file.
        unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&said), 2) };
        misdeed();
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    let mut text = String::new();
    said.rewind()?;
    said.read_to_string(&mut text)?;
    Ok((if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }, text))
}

type Allocate = extern "efiapi" fn(u64, usize, u32) -> *mut u8;
type Free = extern "efiapi" fn(*mut u8, u32);

/// Something that a driver must not do.
type Misdeed = Box<dyn FnOnce()>;

const TAG: u32 = u32::from_le_bytes(*b"TEST");
const NON_PAGED: u64 = 0x40;

fn pool() -> Result<(Allocate, Free)> {
    let find = |name| exports::find(name).context("an export");
    // SAFETY: the routines have these signatures.
    unsafe {
        Ok((
            std::mem::transmute::<usize, Allocate>(find("ExAllocatePool2")?),
            std::mem::transmute::<usize, Free>(find("ExFreePoolWithTag")?),
        ))
    }
}

/// Touches memory as a driver would.
fn touch(memory: *mut u8, offset: usize) {
    // SAFETY: it is not; that is the point, and the child ends here.
    unsafe { memory.add(offset).write_volatile(1) }
}

fn guards(_: &Stage) -> Result<()> {
    as_process(|| {
        let (allocate, free) = pool()?;
        let misdeeds: [(&str, &str, Misdeed); 7] = [
            (
                "one byte behind a small allocation",
                "tag TEST",
                Box::new(move || touch(allocate(NON_PAGED, 48, TAG), 48)),
            ),
            (
                "far before one",
                "pool",
                Box::new(move || {
                    let memory = allocate(NON_PAGED, 4096, TAG);
                    touch(memory.wrapping_sub(8), 0);
                }),
            ),
            (
                "behind a large one, seen when it is freed",
                "was written",
                Box::new(move || {
                    let memory = allocate(NON_PAGED, 5000, TAG);
                    touch(memory, 5000);
                    free(memory, TAG);
                }),
            ),
            (
                "use after free",
                "freed pool",
                Box::new(move || {
                    let memory = allocate(NON_PAGED, 64, TAG);
                    free(memory, TAG);
                    touch(memory, 0);
                }),
            ),
            (
                "double free",
                "freed twice",
                Box::new(move || {
                    let memory = allocate(NON_PAGED, 64, TAG);
                    free(memory, TAG);
                    free(memory, TAG);
                }),
            ),
            ("wrong tag", "another tag", Box::new(move || free(allocate(NON_PAGED, 64, TAG), TAG + 1))),
            (
                "a leak",
                "left behind: 64 bytes, tag TEST",
                Box::new(move || {
                    allocate(NON_PAGED, 64, TAG);
                    check_nothing_is_left();
                }),
            ),
        ];
        for (what, words, misdeed) in misdeeds {
            let (status, said) = in_child(misdeed)?;
            ensure!(status == EXIT_BROKEN, "{what}: exit status {status}");
            ensure!(said.contains(words), "{what}: the report does not say {words:?}:\n{said}");
        }
        Ok(())
    })
}
