//! Timers: a KTIMER with a DPC.

use alloc::boxed::Box;
use core::{ffi::c_void, ptr::null_mut};

use irqlog_nt::{Kdpc, Ktimer, NtStatus, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use crate::{
    nt,
    object::{self, Attributes, Body, Object},
    table::Globals,
};

/// The fields of WDF_TIMER_CONFIG.
#[repr(C)]
pub struct TimerConfig {
    size: u32,
    callback: Option<unsafe extern "system" fn(*mut Object)>,
    period: u32,
    automatic_serialization: u8,
    tolerable_delay: u32,
    high_resolution: u64,
}

/// The kernel's objects, at an address that stays.
struct Parts {
    timer: Ktimer,
    dpc: Kdpc,
    callback: unsafe extern "system" fn(*mut Object),
    handle: *mut Object,
}

pub struct Timer {
    parts: *mut Parts,
    period: i32,
}

pub unsafe extern "system" fn timer_create(
    _: *mut Globals,
    config: *const TimerConfig,
    attributes: *const Attributes,
    out: *mut *mut Object,
) -> NtStatus {
    unsafe {
        let (Some(callback), Some(attributes)) = ((*config).callback, attributes.as_ref()) else {
            return STATUS_INVALID_PARAMETER;
        };
        // A timer needs a parent, and serialising its callback with others is not implemented.
        if attributes.parent.is_null() || (*config).automatic_serialization != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let parts = Box::into_raw(Box::new(Parts {
            timer: core::mem::zeroed(),
            dpc: core::mem::zeroed(),
            callback,
            handle: null_mut(),
        }));
        nt::KeInitializeTimerEx(&raw mut (*parts).timer, 0);
        nt::KeInitializeDpc(&raw mut (*parts).dpc, fired, parts.cast());
        let timer = Timer { parts, period: (*config).period as i32 };
        let handle = object::create(Body::Timer(timer), null_mut(), attributes);
        (*parts).handle = handle;
        *out = handle;
    }
    STATUS_SUCCESS
}

unsafe extern "system" fn fired(_: *mut Kdpc, context: *mut c_void, _: *mut c_void, _: *mut c_void) {
    unsafe {
        let parts = context.cast::<Parts>();
        ((*parts).callback)((*parts).handle);
    }
}

pub unsafe extern "system" fn timer_start(_: *mut Globals, timer: *mut Object, due: i64) -> u8 {
    let timer = object::timer(timer);
    unsafe { nt::KeSetTimerEx(&raw mut (*timer.parts).timer, due, timer.period, &raw mut (*timer.parts).dpc) }
}

pub unsafe extern "system" fn timer_stop(_: *mut Globals, timer: *mut Object, wait: u8) -> u8 {
    let timer = object::timer(timer);
    unsafe {
        let was_queued = nt::KeCancelTimer(&raw mut (*timer.parts).timer);
        if wait != 0 {
            nt::KeFlushQueuedDpcs();
            // The callback may have started it again meanwhile.
            nt::KeCancelTimer(&raw mut (*timer.parts).timer);
        }
        was_queued
    }
}

impl Timer {
    /// Stops it for good and frees what the kernel knows of it.
    pub fn dispose(&mut self) {
        unsafe {
            nt::KeCancelTimer(&raw mut (*self.parts).timer);
            nt::KeFlushQueuedDpcs();
            drop(Box::from_raw(self.parts));
        }
    }
}
