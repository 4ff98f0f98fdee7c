//! A broken rule: what is said about it, and the end of the run.
//!
//! The process ends with [`EXIT_BROKEN`], at once and without unwinding: the state after a broken rule is worth nothing.

use std::{fmt::Write as _, sync::atomic::Ordering};

use super::{heap, machine::current};
use crate::{
    arch::{self, ImportFrame},
    images,
};

/// Exit status of a run that broke a rule.
pub const EXIT_BROKEN: i32 = 70;

/// A driver broke a rule in the routine that it called last.
pub fn broken(what: &str) -> ! {
    stop(what, None)
}

/// Ends the run. `pc` is where it happened, if that is not the last import.
pub fn stop(what: &str, pc: Option<usize>) -> ! {
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
    // SAFETY: ends the process without running anything of it any more.
    unsafe { libc::_exit(EXIT_BROKEN) }
}

/// Who called the routine that runs, innermost first, as far as images are concerned.
pub fn callers() -> Vec<usize> {
    frames(arch::import_frame())
}

/// Who called: the return address if it is in a register, and words on the stack that point behind a call instruction of
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

/// A fault: by a driver it breaks a rule, by the rig it is a defect of the rig.
pub fn fault(signal: i32, pc: usize, address: usize) -> ! {
    // SAFETY: the name of a signal is static.
    let name = unsafe { std::ffi::CStr::from_ptr(libc::strsignal(signal)) }.to_string_lossy().into_owned();
    let who = if images::is_code(pc) { "a driver" } else { "the rig, or a routine that a driver called," };
    // Bug check 0xCE, DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS.
    if let Some(where_it_was) = images::unloaded(pc) {
        stop(&format!("bug check 0xce: {where_it_was} was called after it was unloaded"), None);
    }
    let about = heap::describe(address).unwrap_or_else(|| "no memory of the simulated machine".to_owned());
    stop(&format!("{name}: {who} touched {address:#x}: {about}"), Some(pc))
}
