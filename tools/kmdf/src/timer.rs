//! Timers: a KTIMER with a DPC.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::MaybeUninit,
    sync::atomic::{AtomicU32, Ordering},
};

use irqlog_nt::{Kdpc, Ktimer, NtStatus, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use crate::{
    check, nt,
    object::{self, Attributes, Body, Callback, ObjectKind, RawHandle},
};

/// The fields of WDF_TIMER_CONFIG.
#[repr(C)]
pub struct TimerConfig {
    size: u32,
    callback: Option<Callback>,
    period: u32,
    automatic_serialization: u8,
    tolerable_delay: u32,
    high_resolution: u64,
}

/// WDFTIMER. The kernel's objects lie in it: the body of an object does not move.
pub struct WdfTimer {
    ktimer: UnsafeCell<MaybeUninit<Ktimer>>,
    dpc: UnsafeCell<MaybeUninit<Kdpc>>,
    callback: Callback,
    period: i32,
    /// Stops that wait; a start is ignored meanwhile (shared/core/fxtimer.cpp, FxTimer::Start).
    stops: AtomicU32,
}

impl Body for WdfTimer {
    const KIND: ObjectKind = ObjectKind::Timer;

    /// Stops it for good: afterwards the kernel knows neither the timer nor the DPC.
    fn dispose(&self) {
        self.cancel();
        flush();
    }
}

impl WdfTimer {
    const fn ktimer(&self) -> *mut Ktimer {
        self.ktimer.get().cast()
    }

    /// KeCancelTimer. IRQL: <= DISPATCH_LEVEL.
    fn cancel(&self) -> u8 {
        // SAFETY: `timer_create` initialised it before there was a handle; the kernel's lock guards what is in it.
        unsafe { nt::KeCancelTimer(self.ktimer()) }
    }
}

/// Waits until DPCs that are queued have run. IRQL: PASSIVE_LEVEL.
fn flush() {
    // SAFETY: it takes nothing; the DDIs that come here, WdfObjectDelete and WdfTimerStop with Wait, are for
    // PASSIVE_LEVEL, and no lock is held.
    unsafe { nt::KeFlushQueuedDpcs() };
}

pub unsafe extern "system" fn timer_create(
    _: *const c_void,
    config: &TimerConfig,
    attributes: Option<&Attributes>,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    check::attributes(attributes, check::OF_TIMERS);
    check::size::<TimerConfig>(config.size);
    let (Some(callback), Some(attributes)) = (config.callback, attributes) else {
        return STATUS_INVALID_PARAMETER;
    };
    // Serialising its callback with others is not implemented.
    if config.automatic_serialization != 0 {
        return STATUS_INVALID_PARAMETER;
    }
    let timer = WdfTimer {
        ktimer: UnsafeCell::new(MaybeUninit::zeroed()),
        dpc: UnsafeCell::new(MaybeUninit::zeroed()),
        callback,
        period: config.period as i32,
        stops: AtomicU32::new(0),
    };
    let timer = object::create(timer, None, Some(attributes));
    // SAFETY: memory for a KTIMER that stays where it is until the object is freed; the driver has no handle yet.
    unsafe { nt::KeInitializeTimerEx(timer.ktimer(), 0) };
    // SAFETY: the same for the KDPC; `fired` has a DPC routine's type and gets the handle.
    unsafe { nt::KeInitializeDpc(timer.dpc.get().cast(), fired, timer.raw().as_ptr()) };
    out.write(timer.raw());
    STATUS_SUCCESS
}

unsafe extern "system" fn fired(_: *mut Kdpc, context: *mut c_void, _: *mut c_void, _: *mut c_void) {
    // SAFETY: what `timer_create` gave. The object lives: `dispose` cancels the timer and flushes DPCs before it can be
    // freed.
    let timer = unsafe { RawHandle::from_ptr(context) }.of::<WdfTimer>();
    // SAFETY: EvtTimerFunc as the driver gave it; `timer` keeps the object alive.
    unsafe { (timer.callback)(timer.raw()) };
}

pub unsafe extern "system" fn timer_start(_: *const c_void, timer: RawHandle, due: i64) -> u8 {
    let timer = timer.of::<WdfTimer>();
    if timer.stops.load(Ordering::Acquire) != 0 {
        return 0;
    }
    // SAFETY: both were initialised by `timer_create` and stay where they are; the kernel's lock guards what is in them.
    unsafe { nt::KeSetTimerEx(timer.ktimer(), due, timer.period, timer.dpc.get().cast()) }
}

pub unsafe extern "system" fn timer_stop(_: *const c_void, timer: RawHandle, wait: u8) -> u8 {
    let timer = timer.of::<WdfTimer>();
    if wait == 0 {
        return timer.cancel();
    }
    check::passive();
    timer.stops.fetch_add(1, Ordering::AcqRel);
    let was_queued = timer.cancel();
    flush();
    // The callback may have looked at the count before, and have started it again.
    timer.cancel();
    timer.stops.fetch_sub(1, Ordering::AcqRel);
    was_queued
}
