//! The IRQL rules themselves: every routine that has a limit is called just outside it, and has to stop the run; every
//! routine that has none is called at HIGH_LEVEL, and has to return.
//!
//! Each call is made by a child process, because a broken rule ends the process.

use anyhow::{Result, ensure};
use irqlog_nt::{irql::HIGH_LEVEL, routines::EXPORTS};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process};
use crate::{
    memory::{PAGE, Region},
    nt::{exports, import::Routine, machine::current, report::EXIT_BROKEN},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "rules",
    processors: DEFAULT_PROCESSORS,
    about: "every export is called outside its IRQL rule, or at HIGH_LEVEL if it has none",
    run: rules,
}];

/// Calls a routine in a child process at an IRQL, with two pages of zeros as arguments; gives the child's exit status.
fn call_in_child(routine: Routine, irql: u8) -> Result<i32> {
    let (first, second) = (Region::reserve(PAGE)?, Region::reserve(PAGE)?);
    // Pages start at multiples of 256, so as an IRQL they are 0; raising wants 15.
    let first_argument = if routine.row.name == "KfRaiseIrql" { usize::from(HIGH_LEVEL) } else { first.start() };
    // Here it is the size of what the first one points at.
    let second_argument = if routine.row.name == "KeInitializeTriageDumpDataArray" { PAGE } else { second.start() };
    // SAFETY: the child has this thread alone; it calls one routine and ends without returning.
    let child = unsafe { libc::fork() };
    ensure!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: as above; the routine has the Windows calling convention, and ignores arguments it does not have.
        unsafe {
            libc::close(2);
            let thread = current().expect("a simulated thread");
            thread.processor().irql.store(irql, std::sync::atomic::Ordering::SeqCst);
            let function: extern "efiapi" fn(usize, usize, usize, usize) -> usize =
                std::mem::transmute(routine.address);
            function(first_argument, second_argument, 0, 0);
            libc::_exit(0);
        }
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) })
}

fn rules(_: &Stage) -> Result<()> {
    as_process(|| {
        let routines = exports::all();
        let missing: Vec<_> = EXPORTS
            .iter()
            .filter(|export| export.worlds.rig && !routines.iter().any(|routine| routine.row.name == export.name))
            .map(|export| export.name)
            .collect();
        ensure!(missing.is_empty(), "the table says that the rig gives {}", missing.join(", "));
        let (mut limited, mut unlimited) = (0, 0);
        for routine in routines {
            let name = routine.row.name;
            if let Some(irql) = routine.row.rule.broken_at() {
                let status = call_in_child(routine, irql)?;
                ensure!(status == EXIT_BROKEN, "{name} at IRQL {irql} was not stopped (exit status {status})");
                limited += 1;
            } else {
                // KeBugCheckEx ends the run by itself, at any level.
                let expected = if name == "KeBugCheckEx" { EXIT_BROKEN } else { 0 };
                let status = call_in_child(routine, HIGH_LEVEL)?;
                ensure!(status == expected, "{name} at HIGH_LEVEL: exit status {status}");
                unlimited += 1;
            }
        }
        println!("{limited} routines were stopped outside their limits, {unlimited} without one ran at HIGH_LEVEL");
        Ok(())
    })
}
