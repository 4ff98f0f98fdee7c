//! DPCs: initialised, queued, flushed. [`interrupt`](super::interrupt) runs them.

use std::{ffi::c_void, sync::atomic::Ordering};

use irqlog_nt::{Kdpc, NtStatus, ProcessorNumber, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use super::{
    import::routines,
    machine::{self, DPC, current, machine, raise},
    topology,
    wait::spin_until,
};
use crate::mutex::lock;

/// Puts a DPC into a processor's queue; false if it was in one.
pub fn insert_dpc(dpc: *mut Kdpc, arguments: Option<(*mut c_void, *mut c_void)>) -> bool {
    let machine = machine();
    // SAFETY: an initialised KDPC of the driver's.
    let dpc_ref = unsafe { &mut *dpc };
    let target = match usize::from(dpc_ref.Number) {
        0 => current().map_or(0, machine::Thread::processor_index),
        number => topology::stands_for(number - 1),
    };
    {
        let mut queue = lock(&machine.processors[target].dpcs);
        if !dpc_ref.DpcData.is_null() {
            return false;
        }
        if let Some((first, second)) = arguments {
            dpc_ref.SystemArgument1 = first;
            dpc_ref.SystemArgument2 = second;
        }
        dpc_ref.DpcData = dpc.cast();
        machine.dpcs_outstanding.fetch_add(1, Ordering::SeqCst);
        queue.push_back(dpc as usize);
    }
    raise(target, DPC);
    true
}

routines! {
    fn KeInitializeDpc(dpc: *mut Kdpc, routine: irqlog_nt::DeferredRoutine, context: *mut c_void) {
        let new = Kdpc {
            Type: 19,
            Importance: 1,
            Number: 0,
            DpcListEntry: std::ptr::null_mut(),
            ProcessorHistory: 0,
            DeferredRoutine: Some(routine),
            DeferredContext: context,
            SystemArgument1: std::ptr::null_mut(),
            SystemArgument2: std::ptr::null_mut(),
            DpcData: std::ptr::null_mut(),
        };
        // SAFETY: memory of the driver's.
        unsafe { dpc.write(new) };
    }

    fn KeSetTargetProcessorDpcEx(dpc: *mut Kdpc, number: *const ProcessorNumber) -> NtStatus {
        // SAFETY: memory of the driver's.
        match topology::index(unsafe { *number }) {
            None => STATUS_INVALID_PARAMETER,
            Some(index) => {
                // SAFETY: an initialised DPC.
                unsafe { (*dpc).Number = index as u16 + 1 };
                STATUS_SUCCESS
            }
        }
    }

    fn KeInsertQueueDpc(dpc: *mut Kdpc, first: *mut c_void, second: *mut c_void) -> u8 {
        u8::from(insert_dpc(dpc, Some((first, second))))
    }

    fn KeFlushQueuedDpcs() {
        spin_until("DPCs to be done", || machine().dpcs_outstanding.load(Ordering::SeqCst) == 0);
    }
}
