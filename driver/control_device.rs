//! The control device and its symbolic link: creation and deletion.
//!
//! The order is that of "Using Control Device Objects" (learn.microsoft.com, KMDF): allocate the init structure with
//! the SDDL string, name the device, set file-object callbacks, create the device, link and queues, and call
//! WdfControlFinishInitializing last.

use core::sync::atomic::{AtomicPtr, Ordering};

use irqlog_wire::ioctl::{DEVICE_NAME, LINK_NAME, SDDL};
use wdk_sys::{
    _WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts, _WDF_TRI_STATE::WdfUseDefault, NTSTATUS,
    PWDFDEVICE_INIT, STATUS_INSUFFICIENT_RESOURCES, WDF_FILEOBJECT_CONFIG, WDF_NO_OBJECT_ATTRIBUTES, WDFDEVICE,
    WDFDRIVER, call_unsafe_wdf_function_binding,
};

use crate::{
    dispatch, queue,
    status::check,
    wait,
    wdf::{attributes, size_field, wide},
};

/// The device, for unload; null if there is none.
static DEVICE: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Creates the device with its link, queues and timer. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of the framework call that failed; nothing is left behind then.
pub fn create(driver: WDFDRIVER) -> Result<(), NTSTATUS> {
    let device = create_device(driver)?;
    let result = furnish(device);
    if result.is_err() {
        delete_device(device);
        return result;
    }
    DEVICE.store(device.cast(), Ordering::Release);
    // SAFETY: the device is ready for requests. PASSIVE_LEVEL.
    unsafe { call_unsafe_wdf_function_binding!(WdfControlFinishInitializing, device) };
    Ok(())
}

/// Deletes the device if there is one, and with it its queues, timer and link. IRQL: PASSIVE_LEVEL.
pub fn delete() {
    let device = DEVICE.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !device.is_null() {
        wait::stop();
        delete_device(device.cast());
    }
}

/// IRQL: PASSIVE_LEVEL.
fn delete_device(device: WDFDEVICE) {
    // SAFETY: created by `create_device` and not yet deleted; the driver deletes its control device itself.
    // PASSIVE_LEVEL.
    unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, device.cast()) }
}

/// IRQL: PASSIVE_LEVEL.
fn create_device(driver: WDFDRIVER) -> Result<WDFDEVICE, NTSTATUS> {
    let sddl = wide!(SDDL);
    // SAFETY: the driver object exists; the string is static. PASSIVE_LEVEL.
    let mut init: PWDFDEVICE_INIT =
        unsafe { call_unsafe_wdf_function_binding!(WdfControlDeviceInitAllocate, driver, &raw const sddl) };
    if init.is_null() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let name = wide!(DEVICE_NAME);
    // SAFETY: `init` is ours until WdfDeviceCreate takes it; the string is static. PASSIVE_LEVEL.
    let named = unsafe { call_unsafe_wdf_function_binding!(WdfDeviceInitAssignName, init, &raw const name) };
    if let Err(status) = check(named) {
        free_init(init);
        return Err(status);
    }
    prepare(init);
    let mut device: WDFDEVICE = core::ptr::null_mut();
    // SAFETY: `init` is ready; the framework takes it and clears our pointer; the handle is written to our stack.
    let created = unsafe {
        call_unsafe_wdf_function_binding!(WdfDeviceCreate, &raw mut init, WDF_NO_OBJECT_ATTRIBUTES, &raw mut device)
    };
    if let Err(status) = check(created) {
        free_init(init);
        return Err(status);
    }
    Ok(device)
}

/// Frees an init structure that no device was created from. IRQL: PASSIVE_LEVEL.
fn free_init(init: PWDFDEVICE_INIT) {
    if !init.is_null() {
        // SAFETY: not taken by WdfDeviceCreate, which clears the pointer when it does.
        unsafe { call_unsafe_wdf_function_binding!(WdfDeviceInitFree, init) }
    }
}

/// Sets the file-object callbacks, and the contexts of files and requests. IRQL: PASSIVE_LEVEL.
fn prepare(init: PWDFDEVICE_INIT) {
    let mut files = WDF_FILEOBJECT_CONFIG {
        Size: size_field::<WDF_FILEOBJECT_CONFIG>(),
        EvtFileCleanup: Some(wait::file_cleanup),
        AutoForwardCleanupClose: WdfUseDefault,
        // What we keep of a file is in its context.
        FileObjectClass: WdfFileObjectWdfCannotUseFsContexts,
        ..WDF_FILEOBJECT_CONFIG::default()
    };
    let mut of_files = attributes();
    of_files.ContextTypeInfo = wait::file_context_type();
    // SAFETY: `init` is ours, both structures are initialised with their sizes and the type is static. PASSIVE_LEVEL.
    unsafe {
        call_unsafe_wdf_function_binding!(WdfDeviceInitSetFileObjectConfig, init, &raw mut files, &raw mut of_files);
    };
    let mut requests = attributes();
    requests.ContextTypeInfo = wait::context_type();
    // SAFETY: `init` is ours, the attributes are initialised and the type is static.
    unsafe { call_unsafe_wdf_function_binding!(WdfDeviceInitSetRequestAttributes, init, &raw mut requests) };
}

/// Creates link, queues and timer. IRQL: PASSIVE_LEVEL.
fn furnish(device: WDFDEVICE) -> Result<(), NTSTATUS> {
    let link = wide!(LINK_NAME);
    // SAFETY: the device exists; the string is static. PASSIVE_LEVEL.
    check(unsafe { call_unsafe_wdf_function_binding!(WdfDeviceCreateSymbolicLink, device, &raw const link) })?;
    wait::create(device)?;
    queue::create_default(device, dispatch::device_control, dispatch::internal_device_control)
}
