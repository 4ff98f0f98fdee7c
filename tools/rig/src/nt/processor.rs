//! Processor numbers, affinity, and processors that are added.

use std::sync::atomic::Ordering;

use irqlog_nt::{GroupAffinity, NtStatus, ProcessorNumber, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use super::{
    import::routines,
    machine::{ProcessorCallback, machine, thread},
    report,
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
        let number = ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 };
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
            0 => thread().processor_index(),
            claimed => claimed,
        };
        if !out.is_null() {
            // SAFETY: memory of the driver's.
            unsafe { out.write(ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 }) };
        }
        index as u32
    }

    fn KeQueryActiveProcessorCountEx(_group: u16) -> u32 {
        machine().active() as u32
    }

    fn KeQueryMaximumProcessorCountEx(_group: u16) -> u32 {
        machine().processors.len() as u32
    }

    fn KeGetProcessorNumberFromIndex(index: u32, out: *mut ProcessorNumber) -> NtStatus {
        if index as usize >= machine().active() {
            STATUS_INVALID_PARAMETER
        } else {
            // SAFETY: memory of the driver's.
            unsafe { out.write(ProcessorNumber { Group: 0, Number: index as u8, Reserved: 0 }) };
            STATUS_SUCCESS
        }
    }

    fn KeSetSystemGroupAffinityThread(new: *const GroupAffinity, previous: *mut GroupAffinity) {
        let thread = thread();
        // SAFETY: memory of the driver's.
        let mask = unsafe { (*new).Mask } as u64;
        let old = thread.affinity.replace(mask);
        if !previous.is_null() {
            // SAFETY: memory of the driver's.
            unsafe { previous.write(GroupAffinity { Mask: old as usize, Group: 0, Reserved: [0; 3] }) };
        }
        if mask & (1 << thread.processor_index()) == 0 {
            thread.wait(|| {});
        }
    }

    fn KeRevertToUserGroupAffinityThread(previous: *const GroupAffinity) {
        // SAFETY: memory of the driver's.
        thread().affinity.set(unsafe { (*previous).Mask } as u64);
    }

    fn KeRegisterProcessorChangeCallback(routine: usize, context: usize, flags: u32) -> usize {
        let handle = {
            let mut callbacks = lock(&machine().processor_callbacks);
            let handle = callbacks.iter().map(|callback| callback.handle).max().unwrap_or(0x2000) + 1;
            callbacks.push(ProcessorCallback { routine, context, handle });
            handle
        };
        if flags & ADD_EXISTING != 0 {
            for index in 0..machine().active() {
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
