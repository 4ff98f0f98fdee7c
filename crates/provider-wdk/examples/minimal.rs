//! A driver that logs: it connects in DriverEntry, logs from a DPC, and disconnects when everything is quiet.

#![no_std]

extern crate wdk_panic;

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::{from_mut, null_mut},
};

use irqlog_provider_wdk::{self as irqlog, info};
use wdk_sys::{
    DRIVER_OBJECT, KDPC, NTSTATUS, PCUNICODE_STRING, PKDPC, PVOID, STATUS_SUCCESS,
    ntddk::{KeFlushQueuedDpcs, KeInitializeDpc, KeInsertQueueDpc},
};

/// The system's DPC object.
struct Dpc(UnsafeCell<MaybeUninit<KDPC>>);

// SAFETY: only the system looks into the object, and it synchronises itself.
unsafe impl Sync for Dpc {}

static DPC: Dpc = Dpc(UnsafeCell::new(MaybeUninit::zeroed()));

/// IRQL: PASSIVE_LEVEL.
// SAFETY: no other symbol of that name is linked; the system calls it with this signature.
#[unsafe(export_name = "DriverEntry")]
extern "system" fn driver_entry(driver: &mut DRIVER_OBJECT, _: PCUNICODE_STRING) -> NTSTATUS {
    // Without irqlog the driver runs just as well: nothing is logged until a later call succeeds.
    let _without = irqlog::connect("minimal");
    info!("driver object at {:p}", from_mut(driver));
    driver.DriverUnload = Some(unload);
    let dpc = DPC.0.get().cast();
    // SAFETY: the object is static; the routine is in this driver, which flushes the queue before it goes.
    unsafe { KeInitializeDpc(dpc, Some(on_dpc), null_mut()) };
    // SAFETY: initialised above. Any IRQL.
    unsafe { KeInsertQueueDpc(dpc, null_mut(), null_mut()) };
    STATUS_SUCCESS
}

/// IRQL: DISPATCH_LEVEL.
unsafe extern "C" fn on_dpc(dpc: PKDPC, _: PVOID, _: PVOID, _: PVOID) {
    info!("DPC {dpc:p} runs");
}

/// IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn unload(_: *mut DRIVER_OBJECT) {
    // First everything that logs is quiet; that is the contract of `disconnect`.
    // SAFETY: PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
    irqlog::disconnect();
}
