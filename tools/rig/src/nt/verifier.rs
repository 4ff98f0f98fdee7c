//! Driver Verifier, as far as the rig has it: what the rules of DDI compliance checking say of irqlog.sys's calls.
//!
//! It is off unless asked for (`--verifier`). `verifier /driver irqlog.sys` checks what that image calls, so calls of the
//! framework and of test drivers count for nothing here. On Windows a broken rule is bug check 0xC4. Here a rule that is
//! [`EXPECTED`] to be broken is noted, and the run goes on; any other ends it. Whether a rule fires on Windows is not known
//! of any of them: what is checked is what their pages say.
//!
//! What `/standard` checks besides, the rig has in every run: special pool and pool tracking ([`heap`](super::heap)),
//! deadlock detection ([`validator`](super::validator)), I/O verification ([`irp`](super::irp)). Nothing here has pageable
//! memory, so there is no force IRQL checking; irqlog.sys does no DMA.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use irqlog_nt::{
    routines::{EXPORTS, Export},
    verifier::{ComplianceRule, IRQL_DISPATCH, SPIN_LOCK},
};

use super::report;
use crate::{images, mutex::lock};

/// A rule and the routine whose call breaks it.
pub type Breach = (&'static str, &'static str);

/// The rules that irqlog.sys breaks by intention, with the lock `kernel` alone: docs/adr/0004.
///
/// The lock `os-queued` breaks none: no rule names the routines for callers at DISPATCH_LEVEL of the queued lock.
pub const EXPECTED: &[Breach] = &[
    (IRQL_DISPATCH.name, "KeAcquireSpinLockAtDpcLevel"),
    (IRQL_DISPATCH.name, "KeReleaseSpinLockFromDpcLevel"),
    (SPIN_LOCK.name, "KeReleaseSpinLockFromDpcLevel"),
];

static ON: AtomicBool = AtomicBool::new(false);
/// The breaches of irqlog.sys that were noted, and of which routines' rows: these are looked at no more.
static NOTED: Mutex<BTreeSet<Breach>> = Mutex::new(BTreeSet::new());
static KNOWN: [AtomicBool; EXPORTS.len()] = [const { AtomicBool::new(false) }; EXPORTS.len()];
/// Locks that were acquired by KeTryToAcquireSpinLockAtDpcLevel and are held.
static TRIED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Checks from now on.
pub fn turn_on() {
    ON.store(true, Ordering::SeqCst);
}

/// Whether it checks.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The breaches until now, which are forgotten then.
pub fn take() -> BTreeSet<Breach> {
    for known in &KNOWN {
        known.store(false, Ordering::SeqCst);
    }
    std::mem::take(&mut *lock(&NOTED))
}

/// Prints the breaches until now.
pub fn summarize() {
    if !is_on() {
        return;
    }
    let noted = lock(&NOTED);
    if noted.is_empty() {
        println!("verifier: irqlog.sys breaks no rule");
    }
    for (rule, routine) in noted.iter() {
        println!("verifier: irqlog.sys breaks {rule} by a call of {routine}, as expected (docs/adr/0004)");
    }
}

fn index(row: &'static Export) -> usize {
    EXPORTS.iter().position(|export| export.name == row.name).expect("a row of the table")
}

/// A routine is called at an IRQL. Any IRQL.
pub fn enters(row: &'static Export, irql: u8) {
    if !is_on() || broken(row, irql).next().is_none() {
        return;
    }
    let known = &KNOWN[index(row)];
    if !known.load(Ordering::Relaxed) && is_watched() {
        known.store(true, Ordering::Relaxed);
        judge(row, irql);
    }
}

/// The rules that a call at an IRQL breaks.
fn broken(row: &'static Export, irql: u8) -> impl Iterator<Item = &'static ComplianceRule> {
    row.compliance.iter().filter(move |rule| rule.irql.is_some_and(|limit| !limit.allows(irql)))
}

/// irqlog.sys calls a routine at an IRQL: notes each rule that this breaks, or ends the run. Any IRQL.
pub fn judge(row: &'static Export, irql: u8) {
    for rule in broken(row, irql) {
        note(rule, row.name, &format!("at IRQL {irql} ({})", irqlog_wire::irql::name(irql)));
    }
}

/// Whether the routine that runs was called by irqlog.sys.
fn is_watched() -> bool {
    report::callers().first().is_some_and(|&caller| images::is_irqlog(caller))
}

/// A lock was tried, and is held. Any IRQL.
pub fn tried(address: usize) {
    if is_on() {
        lock(&TRIED).push(address);
    }
}

/// KeReleaseSpinLockFromDpcLevel releases a lock: rule SpinLock, which applies to the try, knows KeReleaseSpinLock as the
/// release and no other. Any IRQL.
pub fn releases_from_dpc_level(address: usize) {
    if !is_on() {
        return;
    }
    let mut tried = lock(&TRIED);
    let Some(index) = tried.iter().position(|&held| held == address) else { return };
    tried.remove(index);
    drop(tried);
    let is_new = !lock(&NOTED).contains(&(SPIN_LOCK.name, "KeReleaseSpinLockFromDpcLevel"));
    if is_new && is_watched() {
        note(&SPIN_LOCK, "KeReleaseSpinLockFromDpcLevel", "of a lock that KeTryToAcquireSpinLockAtDpcLevel acquired");
    }
}

fn note(rule: &ComplianceRule, routine: &'static str, how: &str) {
    let breach = (rule.name, routine);
    if !EXPECTED.contains(&breach) {
        report::broken(&format!(
            "Driver Verifier's rule {} (0xC4, {:#x}): {routine} was called {how} \
             [https://learn.microsoft.com/windows-hardware/drivers/devtest/{}]",
            rule.name, rule.code, rule.page
        ));
    }
    lock(&NOTED).insert(breach);
}
