//! A broken rule: what is said about it, and the end of the run.
//!
//! The process ends with [`EXIT_BROKEN`], at once and without unwinding: the state after a broken rule is worth nothing,
//! but for what was logged before ([`dump`](super::dump)).

use std::{
    fmt::Write as _,
    sync::{Mutex, OnceLock, atomic::Ordering},
};

use irqlog_nt::irql::DISPATCH_LEVEL;

use super::{freeze, heap, machine::current};
use crate::{
    arch::{self, ImportFrame},
    images,
    mutex::lock,
};

/// Exit status of a run that broke a rule.
pub const EXIT_BROKEN: i32 = 70;

/// Code and parameters of a bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BugCheckData {
    /// Its code.
    pub code: u32,
    /// Its parameters.
    pub parameters: [usize; 4],
}

/// DRIVER_VERIFIER_DETECTED_VIOLATION, with a first parameter that Windows does not use: the rules here are the rig's.
const VIOLATION: BugCheckData = BugCheckData { code: 0xc4, parameters: [0x1e49_5251, 0, 0, 0] };

/// What is done last with the bug check: it leaves a dump.
static LAST: OnceLock<fn(&BugCheckData)> = OnceLock::new();

/// Lets a run that ends badly do this last.
pub fn do_last(last: fn(&BugCheckData)) {
    // A second one would be the same.
    let _ = LAST.set(last);
}

/// A driver broke a rule in the routine that it called last.
pub fn broken(what: &str) -> ! {
    stop(what, None)
}

/// Ends the run. `pc` is where it happened, if that is not the last import.
pub fn stop(what: &str, pc: Option<usize>) -> ! {
    crashed(what, pc, &VIOLATION)
}

/// Ends the run by a bug check.
pub fn crashed(what: &str, pc: Option<usize>, bug_check: &BugCheckData) -> ! {
    match first(std::process::id()) {
        Entry::First => {}
        // The first one looks at what is frozen here, and ends the process.
        Entry::OtherThread => freeze::for_ever(),
        // What ends the run broke a rule itself.
        // SAFETY: ends the process without running anything of it any more.
        Entry::SameThread => unsafe { libc::_exit(EXIT_BROKEN) },
    }
    let mut text = format!("\n*** rule broken: {what}\n");
    if let Some(thread) = current() {
        if thread.holds_processor() {
            let irql = thread.processor().irql.load(Ordering::Relaxed);
            let name = irqlog_wire::irql::name(irql);
            let _ = writeln!(
                text,
                "    processor {}, IRQL {irql} ({name}), thread {:#x}",
                thread.processor_index(),
                thread.id
            );
        }
        let _ = writeln!(text, "    backtrace (return addresses found on the stack):");
        if let Some(pc) = pc {
            let _ = writeln!(text, "      {}", images::describe(pc));
        }
        for frame in frames(arch::import_frame()) {
            let _ = writeln!(text, "      {}", images::describe(frame));
        }
    }
    eprint!("{text}");
    if let Some(last) = LAST.get() {
        last(bug_check);
    }
    // SAFETY: ends the process without running anything of it any more.
    unsafe { libc::_exit(EXIT_BROKEN) }
}

/// Return addresses of the routine that runs and of its callers in images, innermost first.
pub fn callers() -> Vec<usize> {
    frames(arch::import_frame())
}

/// Which thread enters the end of a run.
enum Entry {
    First,
    OtherThread,
    SameThread,
}

/// Notes the first thread of this process that ends the run, and compares the caller with it. A child of a process that
/// ends is a process of its own.
fn first(process: u32) -> Entry {
    static FIRST: Mutex<(u32, i32)> = Mutex::new((0, 0));
    // SAFETY: no arguments.
    let thread = unsafe { libc::gettid() };
    // Held for a moment, and by no thread that is interrupted: this is no code of an image.
    let mut first = lock(&FIRST);
    if first.0 != process {
        *first = (process, thread);
        return Entry::First;
    }
    if first.1 == thread { Entry::SameThread } else { Entry::OtherThread }
}

/// The callers: the return address if it is in a register, and words on the stack that point behind a call instruction of
/// an image, from the stack pointer upwards.
fn frames(ImportFrame { stack, link }: ImportFrame) -> Vec<usize> {
    const WORDS: usize = 256;
    const MOST: usize = 12;
    if stack == 0 {
        return Vec::new();
    }
    let in_memory = (0..WORDS)
        .map(|word| stack + word * size_of::<usize>())
        .take_while(|&address| address / 4096 == stack / 4096 || address % 4096 != 0 || is_readable(address))
        // SAFETY: on the same page as a stack pointer that was in use, or checked to be readable.
        .map(|address| unsafe { (address as *const usize).read_volatile() });
    std::iter::once(link)
        .chain(in_memory)
        .filter(|&value| images::is_code(value) && arch::is_behind_call(value))
        .take(MOST)
        .collect()
}

fn is_readable(address: usize) -> bool {
    let mut vector = 0_u8;
    let page = (address / 4096 * 4096) as *mut libc::c_void;
    // SAFETY: mincore fails on a page that is not mapped; it writes one byte.
    unsafe { libc::mincore(page, 4096, &raw mut vector) == 0 }
}

/// The bug check that Windows makes of a driver's fault at an address.
///
/// A page fault at DISPATCH_LEVEL or above cannot be resolved, and is 0xD1; below, an address without a page is 0x50
/// ("Bug Check 0xD1", "Bug Check 0x50"). Another exception has no handler here: 0x1E, with its code (ntstatus.h).
fn bug_check_of(signal: i32, pc: usize, address: usize, is_write: bool) -> BugCheckData {
    const ILLEGAL_INSTRUCTION: usize = 0xc000_001d;
    const INTEGER_DIVIDE_BY_ZERO: usize = 0xc000_0094;
    let irql = current().filter(|thread| thread.holds_processor());
    let irql = irql.map_or(0, |thread| thread.processor().irql.load(Ordering::Relaxed));
    let access = usize::from(is_write);
    match signal {
        libc::SIGSEGV | libc::SIGBUS if irql >= DISPATCH_LEVEL => {
            BugCheckData { code: 0xd1, parameters: [address, irql.into(), access, pc] }
        }
        // On x64 a write is 2 there.
        libc::SIGSEGV | libc::SIGBUS => {
            let access = if arch::NAME == "x64" { access * 2 } else { access };
            BugCheckData { code: 0x50, parameters: [address, access, pc, 2] }
        }
        libc::SIGFPE => BugCheckData { code: 0x1e, parameters: [INTEGER_DIVIDE_BY_ZERO, pc, 0, 0] },
        _ => BugCheckData { code: 0x1e, parameters: [ILLEGAL_INSTRUCTION, pc, 0, 0] },
    }
}

/// A fault: by a driver it is a bug check, by the rig it is a defect of the rig.
pub fn fault(signal: i32, pc: usize, address: usize, is_write: bool, crash: fn(&BugCheckData)) -> ! {
    // SAFETY: the name of a signal is static.
    let name = unsafe { std::ffi::CStr::from_ptr(libc::strsignal(signal)) }.to_string_lossy().into_owned();
    let is_driver = images::is_code(pc);
    let who = if is_driver { "a driver" } else { "the rig, or a routine that a driver called," };
    let bug_check = bug_check_of(signal, pc, address, is_write);
    if is_driver {
        crash(&bug_check);
    }
    // Bug check 0xCE, DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS.
    if let Some(where_it_was) = images::unloaded(pc) {
        let bug_check = BugCheckData { code: 0xce, parameters: [address, 8, pc, 0] };
        crashed(&format!("bug check 0xce: {where_it_was} was called after it was unloaded"), None, &bug_check);
    }
    let about = heap::describe(address).unwrap_or_else(|| "no memory of the simulated machine".to_owned());
    crashed(&format!("{name}: {who} touched {address:#x}: {about}"), Some(pc), &bug_check)
}
