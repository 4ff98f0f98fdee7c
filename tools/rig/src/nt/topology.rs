//! A machine with many processors in groups, as far as numbers go: each processor of the rig stands for several.
//!
//! A processor of the rig claims to be one of those that it stands for: the one that a thread's affinity names, the target
//! of a DPC, and in a broadcast each of them in turn. Processor `n` of the many is the rig's `n` modulo the rig's number, so
//! two processors of the rig never claim to be the same one.

use std::sync::{Mutex, atomic::Ordering};

use irqlog_nt::ProcessorNumber;

use super::machine::{machine, thread};
use crate::mutex::lock;

/// ALL_PROCESSOR_GROUPS (ntdef.h).
const ALL_GROUPS: u16 = 0xffff;

/// Processors of each group; empty if the machine is as it is.
static GROUPS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Lets the machine have groups of these sizes, at most 64 each; an empty slice makes it what it is again.
pub fn simulate(groups: &[u8]) {
    assert!(groups.iter().all(|size| (1..=64).contains(size)), "a group has 1 to 64 processors");
    *lock(&GROUPS) = groups.to_vec();
}

fn total(groups: &[u8]) -> usize {
    groups.iter().map(|&size| usize::from(size)).sum()
}

/// The processors that the machine claims to have; `None` if it is as it is.
pub fn claimed() -> Option<usize> {
    let groups = lock(&GROUPS);
    (!groups.is_empty()).then(|| total(&groups))
}

/// The processors of a group, or of all, where `real` are there.
pub fn count(group: u16, real: usize) -> usize {
    let groups = lock(&GROUPS);
    match usize::from(group) {
        _ if groups.is_empty() => real,
        _ if group == ALL_GROUPS => total(&groups),
        group => groups.get(group).copied().unwrap_or_default().into(),
    }
}

/// Group and number of a processor.
pub fn number(index: usize) -> ProcessorNumber {
    let groups = lock(&GROUPS);
    let mut rest = index;
    for (group, &size) in groups.iter().enumerate() {
        if rest < usize::from(size) {
            return ProcessorNumber { Group: group as u16, Number: rest as u8, Reserved: 0 };
        }
        rest -= usize::from(size);
    }
    ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 }
}

/// The index of a processor that a group and a number name; `None` if there is none.
pub fn index(number: ProcessorNumber) -> Option<usize> {
    let groups = lock(&GROUPS);
    if groups.is_empty() {
        return (usize::from(number.Number) < machine().active()).then_some(number.Number.into());
    }
    let size = *groups.get(usize::from(number.Group))?;
    (number.Number < size).then(|| total(&groups[..usize::from(number.Group)]) + usize::from(number.Number))
}

/// The processor of the rig that stands for one of many.
pub fn stands_for(index: usize) -> usize {
    if claimed().is_some() { index % machine().active() } else { index }
}

/// The index that the current processor claims.
pub fn current() -> usize {
    let thread = thread();
    match thread.processor().claim.load(Ordering::Relaxed) {
        0 => thread.processor_index(),
        claim => claim - 1,
    }
}

/// Runs `work` with the current processor claiming to be one of those that it stands for.
pub fn as_processor<T>(index: usize, work: impl FnOnce() -> T) -> T {
    let processor = thread().processor();
    let before = processor.claim.swap(index + 1, Ordering::Relaxed);
    let result = work();
    processor.claim.store(before, Ordering::Relaxed);
    result
}

/// The processors of many for which one of the rig stands: itself, if the machine is as it is.
pub fn stood_for(real: usize) -> Vec<usize> {
    claimed().map_or_else(|| vec![real], |total| (real..total).step_by(machine().active()).collect())
}
