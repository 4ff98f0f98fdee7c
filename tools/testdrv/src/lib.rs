//! The test driver logs through irqlog's function table from every context that a driver has.
//!
//! It connects as any driver does, through `irqlog-provider-wdk`. Its ISRs, its NMI callback and, once started, its threads
//! with their DPCs and IPIs write records of the storm (`tools/storm`) and count the calls.
//!
//! Only the rig loads it. The rig stops it after all of its threads have ended.
//!
//! | Module | What |
//! |---|---|
//! | [`writers`] | writes the records, from each context |
//! | [`request`] | a request from dispatch to completion |
//! | [`locks`] | misuses irqlog's locks |
//! | [`system`] | kernel routines that several modules call |

#![no_std]

mod locks;
mod request;
mod system;
mod writers;

use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use irqlog_nt::{
    DeviceObject, DriverObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, Irp, NtStatus,
    STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, UnicodeString, routines::imports as nt,
};
use irqlog_storm::{COUNTS, DEVICE_NAME, LEAVE, LOCK_ADDRESS, MISUSE, Misuse, START, Start};

use crate::request::StormRequest;

/// FILE_DEVICE_UNKNOWN (winioctl.h).
const DEVICE_TYPE: u32 = 0x22;

static DEVICE: AtomicPtr<DeviceObject> = AtomicPtr::new(null_mut());

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    system::bug_check(u32::from_be_bytes(*b"STRM"), [0; 4])
}

/// Dispatches create, cleanup, close and device control. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// The I/O manager calls it with a request for the device.
unsafe extern "system" fn dispatch(_: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    // SAFETY: the argument of this dispatch routine; the codes in `tools/storm` are METHOD_BUFFERED.
    let request = unsafe { StormRequest::new(irp) };
    let answered = request.code().map_or(Ok(0), |code| control(&request, code));
    match answered {
        Ok(information) => request.complete(STATUS_SUCCESS, information),
        Err(status) => request.complete(status, 0),
    }
}

/// Serves a control request; gives the number of bytes of its output.
fn control(request: &StormRequest, code: u32) -> Result<usize, NtStatus> {
    match code {
        START => {
            let start = request.input().ok_or(STATUS_BUFFER_TOO_SMALL)?;
            writers::start(Start::from_bytes(start)).map(|()| 0)
        }
        COUNTS => {
            let counts = writers::counts().map(u64::to_le_bytes);
            request.answer(counts.as_flattened()).ok_or(STATUS_BUFFER_TOO_SMALL)
        }
        MISUSE => {
            let input: [u8; 16] = request.input().ok_or(STATUS_BUFFER_TOO_SMALL)?;
            let what = *Misuse::ALL.get(word(&input, 0) as usize).ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
            locks::misuse(what, word(&input, 1) != 0).map(|()| 0)
        }
        LOCK_ADDRESS => {
            let input: [u8; 8] = request.input().ok_or(STATUS_BUFFER_TOO_SMALL)?;
            let address = locks::address(word(&input, 0) != 0) as u64;
            request.answer(&address.to_le_bytes()).ok_or(STATUS_BUFFER_TOO_SMALL)
        }
        LEAVE => {
            // A breach of the contract of `disconnect`, as the scenario `broken-disconnect` wants it.
            irqlog_provider_wdk::disconnect();
            Ok(0)
        }
        _ => Err(STATUS_INVALID_DEVICE_REQUEST),
    }
}

/// A little-endian word of an input; zero if the input is shorter.
fn word(input: &[u8], index: usize) -> u64 {
    input.as_chunks().0.get(index).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Quiets all writers, disconnects from irqlog, and deletes the device. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// The I/O manager calls it once, after the last handle to the device was closed.
unsafe extern "system" fn unload(_: *mut DriverObject) {
    // SAFETY: the threads of the storm have ended, and this is the only call.
    unsafe { writers::disconnect() };
    // SAFETY: the device that DriverEntry created, deleted once.
    unsafe { nt::IoDeleteDevice(DEVICE.swap(null_mut(), Ordering::SeqCst)) };
}

/// Creates the device and connects to irqlog, and then the interrupts to the writers. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// The I/O manager calls it once, with the new driver object.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: *mut DriverObject, _: *const UnicodeString) -> NtStatus {
    let mut name: [u16; DEVICE_NAME.len()] = wide(DEVICE_NAME);
    let mut name = string(&mut name);
    let mut device = null_mut();
    // SAFETY: the driver object of this call, a name on this stack, and room for the result beside it.
    let status = unsafe { nt::IoCreateDevice(driver, 0, &raw mut name, DEVICE_TYPE, 0, 0, &raw mut device) };
    if status < 0 {
        return status;
    }
    DEVICE.store(device, Ordering::SeqCst);
    // SAFETY: nobody else uses the driver object until DriverEntry returns.
    let object = unsafe { &mut *driver };
    for major in [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_DEVICE_CONTROL] {
        object.MajorFunction[usize::from(major)] = Some(dispatch);
    }
    object.DriverUnload = Some(unload);
    // SAFETY: the only call, before any thread of the storm can be started.
    let connected = unsafe { writers::connect() };
    connected.map_or_else(
        |status| {
            // SAFETY: created above; a driver that fails to load leaves no device.
            unsafe { nt::IoDeleteDevice(device) };
            status
        },
        |()| STATUS_SUCCESS,
    )
}

/// ASCII as UTF-16.
fn wide<const N: usize>(text: &str) -> [u16; N] {
    let mut wide = [0; N];
    for (target, byte) in wide.iter_mut().zip(text.bytes()) {
        *target = byte.into();
    }
    wide
}

fn string(text: &mut [u16]) -> UnicodeString {
    let bytes = size_of_val(text) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: text.as_mut_ptr() }
}
