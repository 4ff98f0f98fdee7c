//! IRQL, processor, clock and ids: the recorder's [`Platform`] on Windows.

use irqlog_recorder::Platform;
use irqlog_ring::{clock::Clock, lock::Irql};
#[cfg(target_arch = "x86_64")]
use wdk_sys::ntddk::KeLowerIrql as lower_irql;
// On ARM64 KeLowerIrql is a macro over this export (wdm.h).
#[cfg(target_arch = "aarch64")]
use wdk_sys::ntddk::KfLowerIrql as lower_irql;
use wdk_sys::ntddk::{
    KeGetCurrentIrql, KeGetCurrentProcessorNumberEx, KeQueryPerformanceCounter, KeQuerySystemTimePrecise, KfRaiseIrql,
    PsGetCurrentProcessId, PsGetCurrentThreadId,
};

/// The running system, as the recorder's platform.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// HIGH_LEVEL of wdm.h.
const HIGH_LEVEL: u8 = irqlog_wire::irql::HIGH_LEVEL;

/// Raises to `level`, which is not below the current IRQL, and answers the IRQL before. IRQL: any.
pub fn raise(level: u8) -> u8 {
    // SAFETY: the caller raises; KeRaiseIrql, a macro over this export, may be called at any IRQL up to the new one.
    unsafe { KfRaiseIrql(level) }
}

/// Lowers to the IRQL that the matching raise answered. IRQL: at least `old`.
///
/// # Safety
/// `old` is the answer of the matching [`raise`] on this processor.
pub unsafe fn lower(old: u8) {
    // SAFETY: as the caller promises.
    unsafe { lower_irql(old) }
}

// SAFETY: KfRaiseIrql(HIGH_LEVEL) masks everything but NMI and machine check, and `lower` restores what it is given
// (DDI wdm/nf-wdm-keraiseirql, wdm/nf-wdm-kelowerirql).
unsafe impl Irql for System {
    fn raise(&self) -> u8 {
        raise(HIGH_LEVEL)
    }

    unsafe fn lower(&self, old: u8) {
        // SAFETY: as the caller promises.
        unsafe { lower(old) }
    }
}

impl Clock for System {
    fn now(&self) -> u64 {
        // SAFETY: any IRQL; the optional frequency is not wanted.
        let counter = unsafe { KeQueryPerformanceCounter(core::ptr::null_mut()) };
        // SAFETY: both members of LARGE_INTEGER cover the same eight bytes.
        unsafe { counter.QuadPart as u64 }
    }
}

impl Platform for System {
    fn irql(&self) -> u8 {
        // SAFETY: any IRQL.
        unsafe { KeGetCurrentIrql() }
    }

    fn processor(&self) -> u32 {
        // SAFETY: any IRQL; the optional result is not wanted.
        unsafe { KeGetCurrentProcessorNumberEx(core::ptr::null_mut()) }
    }

    fn thread_and_process(&self) -> (u32, u32) {
        // SAFETY: the trait promises at most DISPATCH_LEVEL, which is this function's limit (ntddk.h).
        let thread = unsafe { PsGetCurrentThreadId() };
        // SAFETY: any IRQL.
        let process = unsafe { PsGetCurrentProcessId() };
        // Ids are handles of a table that has fewer than 2^32 entries.
        (thread as usize as u32, process as usize as u32)
    }
}

/// Frequency of the performance counter, in ticks per second. IRQL: any.
pub fn tick_frequency() -> u64 {
    let mut frequency = wdk_sys::LARGE_INTEGER::default();
    // SAFETY: any IRQL; the frequency is written to our stack.
    unsafe { KeQueryPerformanceCounter(&raw mut frequency) };
    // SAFETY: both members of LARGE_INTEGER cover the same eight bytes.
    unsafe { frequency.QuadPart as u64 }
}

/// The current system time, in units of 100 ns since 1601, UTC. IRQL: any.
pub fn time() -> u64 {
    let mut time = wdk_sys::LARGE_INTEGER::default();
    // SAFETY: any IRQL; the time is written to our stack.
    unsafe { KeQuerySystemTimePrecise(&raw mut time) };
    // SAFETY: both members of LARGE_INTEGER cover the same eight bytes.
    unsafe { time.QuadPart as u64 }
}
