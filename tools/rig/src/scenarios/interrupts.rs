//! The guarantees for a driver that disconnects its interrupt routine.

use std::{
    ffi::c_void,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use irqlog_nt::{CONNECT_FULLY_SPECIFIED, IoConnectInterruptParameters, NtStatus, STATUS_SUCCESS, ServiceRoutine};

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process};
use crate::nt::{
    exports, interrupt,
    machine::{raise, run_thread},
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[Scenario {
    name: "disconnect-waits",
    processors: DEFAULT_PROCESSORS,
    about: "IoDisconnectInterruptEx returns only after the interrupt routine that runs on another processor has",
    run: disconnect_waits,
}];

/// The vector of the interrupt; its level is the upper four bits.
const VECTOR: u32 = 0x51;
const LEVEL: u8 = (VECTOR >> 4) as u8;

/// The interrupt routine runs.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// The interrupt routine may return.
static RELEASED: AtomicBool = AtomicBool::new(false);
/// The interrupt routine is about to return.
static LEFT: AtomicBool = AtomicBool::new(false);

extern "efiapi" fn slow_routine(_interrupt: *mut c_void, _context: *mut c_void) -> u8 {
    ENTERED.store(true, Ordering::SeqCst);
    until(&RELEASED);
    LEFT.store(true, Ordering::SeqCst);
    1
}

fn until(flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn disconnect_waits(_: &Stage) -> Result<()> {
    let object = as_process(connect)?;
    let interrupted = thread::spawn(|| {
        run_thread(0x3000, 0b10, true, |_| {
            raise(1, 1 << LEVEL);
            interrupt::deliver(None);
        });
    });
    until(&ENTERED);
    // Whether the routine had returned when IoDisconnectInterruptEx did.
    let disconnected = thread::spawn(move || {
        run_thread(0x3004, 0b1, true, |_| -> Result<bool> {
            disconnect(object)?;
            Ok(LEFT.load(Ordering::SeqCst))
        })
    });
    // Long enough for a routine that does not wait; a shorter sleep could only hide the defect, never report a false one.
    thread::sleep(Duration::from_millis(50));
    RELEASED.store(true, Ordering::SeqCst);
    let waited = disconnected.join().map_err(|_| anyhow::anyhow!("the disconnecting thread panicked"))??;
    interrupted.join().map_err(|_| anyhow::anyhow!("the interrupted thread panicked"))?;
    ensure!(waited, "IoDisconnectInterruptEx returned while the interrupt routine ran");
    Ok(())
}

/// Connects the routine; the address of its interrupt object.
fn connect() -> Result<usize> {
    let mut object: *mut c_void = std::ptr::null_mut();
    // SAFETY: same arguments and result; the rig calls routines by the Windows convention, whatever the type says.
    let routine = unsafe {
        std::mem::transmute::<extern "efiapi" fn(*mut c_void, *mut c_void) -> u8, ServiceRoutine>(slow_routine)
    };
    let mut parameters = IoConnectInterruptParameters {
        Version: CONNECT_FULLY_SPECIFIED,
        PhysicalDeviceObject: std::ptr::null_mut(),
        InterruptObject: &raw mut object,
        ServiceRoutine: Some(routine),
        ServiceContext: std::ptr::null_mut(),
        SpinLock: std::ptr::null_mut(),
        SynchronizeIrql: LEVEL,
        FloatingSave: 0,
        ShareVector: 0,
        Vector: VECTOR,
        Irql: LEVEL,
        InterruptMode: 0,
        ProcessorEnableMask: 0b10,
        Group: 0,
    };
    let address = exports::find("IoConnectInterruptEx").context("IoConnectInterruptEx")?;
    // SAFETY: the routine has this signature; the parameters outlive the call.
    let status = unsafe {
        let connect: extern "efiapi" fn(*mut IoConnectInterruptParameters) -> NtStatus = std::mem::transmute(address);
        connect(&raw mut parameters)
    };
    ensure!(status == STATUS_SUCCESS, "IoConnectInterruptEx: {status:#010x}");
    Ok(object as usize)
}

fn disconnect(object: usize) -> Result<()> {
    let parameters = [CONNECT_FULLY_SPECIFIED as usize, object];
    let address = exports::find("IoDisconnectInterruptEx").context("IoDisconnectInterruptEx")?;
    // SAFETY: the routine has this signature; the parameters outlive the call.
    unsafe {
        let disconnect: extern "efiapi" fn(*const [usize; 2]) = std::mem::transmute(address);
        disconnect(&raw const parameters);
    }
    Ok(())
}
