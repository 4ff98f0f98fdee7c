//! What Driver Verifier's rules say of irqlog.sys, by engine and lock.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use anyhow::{Result, ensure};
use irqlog_nt::{irql::APC_LEVEL, routines::row_of};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, guards::in_child, stop_last, storm};
use crate::{
    nt::{
        registry::{self, RegistryValue},
        report::EXIT_BROKEN,
        verifier,
    },
    planted,
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "verifier",
    processors: DEFAULT_PROCESSORS,
    about: "lock kernel breaks the named rules of Driver Verifier; every other lock, and percpu, breaks none",
    run,
}];

/// Calls of a storm: enough for an NMI in a write.
const CALLS: u64 = 4000;

/// Tries that fail as if another processor had the lock: those of NMIs, which do not wait, are among them.
const BUSY: usize = 200;

/// An engine, a lock, and whether the rules that are expected to be broken are.
const CASES: [(&str, &str, bool); 5] = [
    ("percpu", "kernel", false),
    ("shared", "swap", false),
    ("shared", "queued", false),
    ("shared", "os-queued", false),
    ("shared", "kernel", true),
];

fn run(stage: &Stage) -> Result<()> {
    verifier::turn_on();
    for (engine, lock, is_broken) in CASES {
        registry::set_parameter("irqlog", "Engine", RegistryValue::Text(engine.to_owned()));
        registry::set_parameter("irqlog", "Lock", RegistryValue::Text(lock.to_owned()));
        registry::set_parameter("irqlog", "LockBudget", RegistryValue::Number(1_000_000));
        let driver = as_process(|| stage.start_irqlog())?;
        // A writer tries the lock first, and acquires it only if that fails.
        planted::BUSY_TRIES.store(BUSY, Ordering::SeqCst);
        storm::blow(stage, CALLS)?;
        planted::BUSY_TRIES.store(0, Ordering::SeqCst);
        as_process(|| stop_last(&driver))?;
        let broken = verifier::take();
        let expected: BTreeSet<_> =
            if is_broken { verifier::EXPECTED.iter().copied().collect() } else { BTreeSet::new() };
        ensure!(broken == expected, "engine {engine}, lock {lock}: {broken:?} is broken, and not {expected:?}");
        println!("engine {engine}, lock {lock}: {} rules broken", broken.len());
    }
    let row = row_of("IoCreateDevice");
    ensure!(row.rule.allows(APC_LEVEL), "the page of the routine allows what its compliance rule does not");
    let (status, said) = as_process(|| in_child(|| verifier::judge(row, APC_LEVEL)))?;
    ensure!(status == EXIT_BROKEN, "a rule that is not expected to be broken: exit status {status}");
    ensure!(said.contains("Driver Verifier's rule IrqlIoPassive1 (0xC4, 0x2000a): IoCreateDevice"), "{said}");
    Ok(())
}
