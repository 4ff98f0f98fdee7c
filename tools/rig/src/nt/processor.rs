//! Processor numbers, affinity, and processors that are added.

use std::sync::atomic::Ordering;

use irqlog_nt::{GroupAffinity, NtStatus, ProcessorNumber, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use super::{
    import::routines,
    machine::{ProcessorCallback, machine, thread},
    report, topology,
};
use crate::{mutex::lock, planted};

/// KE_PROCESSOR_CHANGE_NOTIFY_STATE (wdm.h).
pub const ADD_START: u32 = 0;
/// The processor runs.
pub const ADD_COMPLETE: u32 = 1;
/// KE_PROCESSOR_CHANGE_ADD_EXISTING (wdm.h).
const ADD_EXISTING: u32 = 1;

/// KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT (wdm.h).
#[repr(C)]
struct ProcessorChange {
    state: u32,
    nt_number: u32,
    status: NtStatus,
    number: ProcessorNumber,
}

/// Tells every driver that registered for it of a processor.
pub fn notify_processor(index: usize, state: u32) {
    let callbacks = lock(&machine().processor_callbacks).clone();
    for callback in callbacks {
        let number = topology::number(index);
        let mut change = ProcessorChange { state, nt_number: index as u32, status: STATUS_SUCCESS, number };
        let mut status = STATUS_SUCCESS;
        // SAFETY: a routine of a loaded driver, with this signature.
        let routine: extern "efiapi" fn(usize, *mut ProcessorChange, *mut NtStatus) =
            unsafe { std::mem::transmute(callback.routine) };
        routine(callback.context, &raw mut change, &raw mut status);
        if status != STATUS_SUCCESS {
            report::broken(&format!("a driver does not let processor {index} come: {status:#010x}"));
        }
    }
}

routines! {
    fn KeGetCurrentProcessorNumberEx(out: *mut ProcessorNumber) -> u32 {
        let index = match planted::CLAIMED_PROCESSOR.load(Ordering::Relaxed) {
            0 => topology::current(),
            claimed => claimed,
        };
        if !out.is_null() {
            // SAFETY: memory of the driver's.
            unsafe { out.write(topology::number(index)) };
        }
        index as u32
    }

    fn KeQueryActiveProcessorCountEx(group: u16) -> u32 {
        topology::count(group, machine().active()) as u32
    }

    fn KeQueryMaximumProcessorCountEx(group: u16) -> u32 {
        topology::count(group, machine().processors.len()) as u32
    }

    fn KeGetProcessorNumberFromIndex(index: u32, out: *mut ProcessorNumber) -> NtStatus {
        if index as usize >= topology::claimed().unwrap_or_else(|| machine().active()) {
            STATUS_INVALID_PARAMETER
        } else {
            // SAFETY: memory of the driver's.
            unsafe { out.write(topology::number(index as usize)) };
            STATUS_SUCCESS
        }
    }

    fn KeSetSystemGroupAffinityThread(new: *const GroupAffinity, previous: *mut GroupAffinity) {
        let thread = thread();
        // SAFETY: memory of the driver's.
        let GroupAffinity { Mask: mask, Group: group, .. } = unsafe { *new };
        let (mut mask, mut claim) = (mask as u64, 0);
        if topology::claimed().is_some() {
            let number = ProcessorNumber { Group: group, Number: mask.trailing_zeros() as u8, Reserved: 0 };
            let Some(index) = topology::index(number).filter(|_| mask.is_power_of_two()) else {
                report::broken("KeSetSystemGroupAffinityThread to no processor, or to more than one of many");
            };
            (mask, claim) = (1 << topology::stands_for(index), index + 1);
        }
        let (old, old_claim) = (thread.affinity.replace(mask), thread.claim.replace(claim));
        if !previous.is_null() {
            // What is in it is the kernel's matter.
            let before = GroupAffinity { Mask: old as usize, Group: 0, Reserved: [old_claim as u16, 0, 0] };
            // SAFETY: memory of the driver's.
            unsafe { previous.write(before) };
        }
        if mask & (1 << thread.processor_index()) == 0 || old_claim != claim {
            thread.wait(|| {});
        }
    }

    fn KeRevertToUserGroupAffinityThread(previous: *const GroupAffinity) {
        // SAFETY: memory of the driver's.
        let GroupAffinity { Mask: mask, Reserved: [claim, ..], .. } = unsafe { *previous };
        let thread = thread();
        thread.affinity.set(mask as u64);
        thread.claim.set(claim.into());
        thread.processor().claim.store(claim.into(), Ordering::Relaxed);
    }

    fn KeRegisterProcessorChangeCallback(routine: usize, context: usize, flags: u32) -> usize {
        let handle = {
            let mut callbacks = lock(&machine().processor_callbacks);
            let handle = callbacks.iter().map(|callback| callback.handle).max().unwrap_or(0x2000) + 1;
            callbacks.push(ProcessorCallback { routine, context, handle });
            handle
        };
        if flags & ADD_EXISTING != 0 {
            for index in 0..topology::claimed().unwrap_or_else(|| machine().active()) {
                notify_processor(index, ADD_START);
                notify_processor(index, ADD_COMPLETE);
            }
        }
        handle
    }

    fn KeDeregisterProcessorChangeCallback(handle: usize) {
        lock(&machine().processor_callbacks).retain(|callback| callback.handle != handle);
    }
}
