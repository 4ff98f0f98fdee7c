//! The driver object: created by the driver, unloaded by the kernel, deleted when the binding ends.

use core::{ffi::c_void, mem::MaybeUninit};

use irqlog_nt::{
    DriverObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL,
    NtStatus, STATUS_SUCCESS, UnicodeString,
    framework::{DRIVER_FLAGS, NO_DEVICE_ADD, ONE_DRIVER},
};

use crate::{
    check,
    dispatch::dispatch,
    globals::{self, Bound, set_registry_path},
    object::{self, Attributes, Body, Callback, ObjectKind, RawHandle},
    stop::{self, DEVICE_LEFT},
};

/// The fields of WDF_DRIVER_CONFIG.
#[repr(C)]
pub struct DriverConfig {
    size: u32,
    device_add: *const c_void,
    unload: Option<Callback>,
    flags: u32,
    pool_tag: u32,
}

/// WDFDRIVER: all that is known of it is in [`globals`].
struct WdfDriver;

impl Body for WdfDriver {
    const KIND: ObjectKind = ObjectKind::Driver;
}

pub unsafe extern "system" fn driver_create(
    _: *const c_void,
    wdm: &mut DriverObject,
    registry_path: &UnicodeString,
    attributes: Option<&Attributes>,
    config: &DriverConfig,
    out: Option<&mut MaybeUninit<RawHandle>>,
) -> NtStatus {
    /// WDF_DRIVER_INIT_FLAGS.
    const NON_PNP: u32 = 1;
    const KNOWN_FLAGS: u32 = 7;
    check::size::<DriverConfig>(config.size);
    stop::require(config.flags & !KNOWN_FLAGS == 0, &DRIVER_FLAGS);
    check::passive();
    check::string(registry_path);
    stop::require(globals::bound().is_none(), &ONE_DRIVER);
    stop::require(config.flags & NON_PNP == 0 || config.device_add.is_null(), &NO_DEVICE_ADD);
    check::attributes(attributes, check::LEVEL_AND_SCOPE);
    let driver = object::create(WdfDriver, None, attributes).into_object();
    let raw = driver.raw();
    for major in [IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_CLEANUP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL] {
        wdm.MajorFunction[usize::from(major)] = Some(dispatch);
    }
    wdm.DriverUnload = Some(unload);
    globals::set_bound(Some(Bound { object: driver, wdm, unload: config.unload }));
    if let Some(out) = out {
        out.write(raw);
    }
    STATUS_SUCCESS
}

unsafe extern "system" fn unload(wdm: *mut DriverObject) {
    if let Some(bound) = globals::bound()
        && let Some(callback) = bound.unload
    {
        // SAFETY: EvtDriverUnload as the driver gave it; `bound` keeps the driver object alive.
        unsafe { callback(bound.object.raw()) };
    }
    // "Unload: delete the control device" is the driver's part (Microsoft Learn, "Using Control Device Objects").
    // The driver object would delete it here, and no test would see that the driver forgot to.
    // SAFETY: the kernel calls DriverUnload with the driver object, which lives until that has returned.
    if unsafe { !(*wdm).DeviceObject.is_null() } {
        stop::violation(DEVICE_LEFT, c"EvtDriverUnload left the control device behind", wdm.cast());
    }
}

/// The binding ends: deletes the driver object and what still hangs on it. IRQL: PASSIVE_LEVEL.
pub fn delete_driver() {
    if let Some(bound) = globals::set_bound(None) {
        object::delete(&bound.object);
    }
    set_registry_path(alloc::vec::Vec::new());
}
