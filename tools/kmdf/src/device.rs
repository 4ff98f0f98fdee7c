//! Driver object, control device and file objects; the driver's dispatch routine.

use alloc::{boxed::Box, vec::Vec};
use core::{
    ffi::c_void,
    ptr::{null, null_mut},
};

use irqlog_nt::{
    DO_DEVICE_INITIALIZING, DeviceObject, DriverObject, FileObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, Irp, NtStatus, SL_PENDING_RETURNED,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_PENDING, STATUS_SUCCESS, UnicodeString,
};

use crate::{
    nt,
    object::{self, Attributes, Body, Locked, Object},
    queue,
    table::{Globals, WDF_VIOLATION, globals},
};

/// The fields of WDF_DRIVER_CONFIG.
#[repr(C)]
pub struct DriverConfig {
    size: u32,
    device_add: *const c_void,
    unload: Option<unsafe extern "system" fn(*mut Object)>,
    flags: u32,
    pool_tag: u32,
}

/// The fields of WDF_FILEOBJECT_CONFIG.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct FileConfig {
    size: u32,
    create: Option<unsafe extern "system" fn(*mut Object, *mut Object, *mut Object)>,
    close: Option<unsafe extern "system" fn(*mut Object)>,
    cleanup: Option<unsafe extern "system" fn(*mut Object)>,
    auto_forward: i32,
    class: i32,
}

/// WDFDEVICE_INIT.
pub struct DeviceInit {
    sddl: Vec<u16>,
    name: Vec<u16>,
    files: Option<FileConfig>,
    requests: Option<Attributes>,
}

pub struct Device {
    wdm: *mut DeviceObject,
    name: Vec<u16>,
    link: Vec<u16>,
    files: Option<FileConfig>,
    pub requests: Option<Attributes>,
    pub default_queue: *mut Object,
    open: Vec<*mut Object>,
}

/// WDFFILEOBJECT: the driver asked for no FsContext, so it is found by its address.
pub struct File {
    pub wdm: *mut FileObject,
}

static mut DRIVER_OBJECT: *mut DriverObject = null_mut();
static mut UNLOAD: Option<unsafe extern "system" fn(*mut Object)> = None;
static mut REGISTRY_PATH: Vec<u16> = Vec::new();

fn copy(text: *const UnicodeString) -> Vec<u16> {
    match unsafe { text.as_ref() } {
        Some(text) if !text.Buffer.is_null() => {
            unsafe { core::slice::from_raw_parts(text.Buffer, usize::from(text.Length) / 2) }.to_vec()
        }
        _ => Vec::new(),
    }
}

pub fn unicode_string(text: &[u16]) -> UnicodeString {
    let bytes = size_of_val(text) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: text.as_ptr().cast_mut() }
}

pub fn remember_registry_path(path: *const UnicodeString) {
    unsafe { (&raw mut REGISTRY_PATH).write(copy(path)) };
}

pub fn registry_path() -> Vec<u16> {
    let path = &raw const REGISTRY_PATH;
    unsafe { (*path).clone() }
}

pub unsafe extern "system" fn driver_create(
    globals: *mut Globals,
    wdm: *mut DriverObject,
    _: *const UnicodeString,
    attributes: *const Attributes,
    config: *const DriverConfig,
    out: *mut *mut Object,
) -> NtStatus {
    unsafe {
        let driver = object::create(Body::Driver, null_mut(), attributes);
        (*globals).driver = driver.cast();
        DRIVER_OBJECT = wdm;
        UNLOAD = (*config).unload;
        for major in
            [IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_CLEANUP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL]
        {
            (*wdm).MajorFunction[usize::from(major)] = Some(dispatch);
        }
        (*wdm).DriverUnload = Some(unload);
        if !out.is_null() {
            *out = driver;
        }
    }
    STATUS_SUCCESS
}

unsafe extern "system" fn unload(_: *mut DriverObject) {
    unsafe {
        if let Some(callback) = UNLOAD {
            callback((*globals()).driver.cast());
        }
        // "Unload: delete the control device" is the driver's part (Microsoft Learn, "Using Control Device Objects").
        // Here it would go with the driver object, and nobody would see that it was forgotten.
        if !(*DRIVER_OBJECT).DeviceObject.is_null() {
            nt::DbgPrint(c"WDFLDR (test framework): EvtDriverUnload left the control device behind\n".as_ptr());
            nt::KeBugCheckEx(WDF_VIOLATION, 0, DRIVER_OBJECT as usize, 0, 0)
        }
    }
}

pub fn delete_driver() {
    unsafe {
        let driver = core::mem::replace(&mut (*globals()).driver, null_mut());
        if !driver.is_null() {
            object::delete(driver.cast());
        }
        UNLOAD = None;
        (&raw mut REGISTRY_PATH).replace(Vec::new());
    }
}

pub unsafe extern "system" fn control_device_init_allocate(
    _: *mut Globals,
    _: *mut Object,
    sddl: *const UnicodeString,
) -> *mut DeviceInit {
    Box::into_raw(Box::new(DeviceInit { sddl: copy(sddl), name: Vec::new(), files: None, requests: None }))
}

pub unsafe extern "system" fn device_init_free(_: *mut Globals, init: *mut DeviceInit) {
    drop(unsafe { Box::from_raw(init) });
}

pub unsafe extern "system" fn device_init_assign_name(
    _: *mut Globals,
    init: *mut DeviceInit,
    name: *const UnicodeString,
) -> NtStatus {
    unsafe { (*init).name = copy(name) };
    STATUS_SUCCESS
}

pub unsafe extern "system" fn device_init_set_file_object_config(
    _: *mut Globals,
    init: *mut DeviceInit,
    config: *const FileConfig,
    _: *const Attributes,
) {
    unsafe { (*init).files = Some(*config) };
}

pub unsafe extern "system" fn device_init_set_request_attributes(
    _: *mut Globals,
    init: *mut DeviceInit,
    attributes: *const Attributes,
) {
    unsafe { (*init).requests = Some(*attributes) };
}

pub unsafe extern "system" fn device_create(
    globals: *mut Globals,
    init: *mut *mut DeviceInit,
    attributes: *const Attributes,
    out: *mut *mut Object,
) -> NtStatus {
    const FILE_DEVICE_UNKNOWN: u32 = 0x22;
    const FILE_DEVICE_SECURE_OPEN: u32 = 0x100;
    unsafe {
        let parts = &**init;
        let (name, sddl) = (unicode_string(&parts.name), unicode_string(&parts.sddl));
        let mut wdm: *mut DeviceObject = null_mut();
        let status = nt::IoCreateDeviceSecure(
            DRIVER_OBJECT,
            size_of::<*mut Object>() as u32,
            &raw const name,
            FILE_DEVICE_UNKNOWN,
            FILE_DEVICE_SECURE_OPEN,
            0,
            &raw const sddl,
            null(),
            &raw mut wdm,
        );
        if status < 0 {
            return status;
        }
        let parts = *Box::from_raw(*init);
        *init = null_mut();
        let device = Device {
            wdm,
            name: parts.name,
            link: Vec::new(),
            files: parts.files,
            requests: parts.requests,
            default_queue: null_mut(),
            open: Vec::new(),
        };
        let object = object::create(Body::Device(device), (*globals).driver.cast(), attributes);
        (*wdm).DeviceExtension.cast::<*mut Object>().write(object);
        *out = object;
    }
    STATUS_SUCCESS
}

pub unsafe extern "system" fn device_create_symbolic_link(
    _: *mut Globals,
    device: *mut Object,
    link: *const UnicodeString,
) -> NtStatus {
    let device = object::device(device);
    let name = unicode_string(&device.name);
    let status = unsafe { nt::IoCreateSymbolicLink(link, &raw const name) };
    if status >= 0 {
        device.link = copy(link);
    }
    status
}

pub unsafe extern "system" fn control_finish_initializing(_: *mut Globals, device: *mut Object) {
    unsafe { (*object::device(device).wdm).Flags &= !DO_DEVICE_INITIALIZING };
}

impl Device {
    /// The link and the WDM device go with the object.
    pub fn dispose(&mut self) {
        if !self.link.is_empty() {
            let link = unicode_string(&self.link);
            let _status = unsafe { nt::IoDeleteSymbolicLink(&raw const link) };
        }
        unsafe { nt::IoDeleteDevice(self.wdm) };
    }

    fn file(&self, wdm: *mut FileObject) -> *mut Object {
        let _locked = Locked::new();
        self.open.iter().copied().find(|&file| object::file(file).wdm == wdm).unwrap_or(null_mut())
    }
}

/// Completes an IRP that never became a request of the driver.
unsafe fn finish(irp: *mut Irp, status: NtStatus) -> NtStatus {
    unsafe {
        (*irp).IoStatus.Status = status;
        (*irp).IoStatus.Information = 0;
        nt::IofCompleteRequest(irp, 0);
    }
    status
}

unsafe extern "system" fn dispatch(wdm: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    unsafe {
        let object = *(*wdm).DeviceExtension.cast::<*mut Object>();
        let location = (*irp).CurrentStackLocation;
        let file_wdm = (*location).FileObject;
        match (*location).MajorFunction {
            IRP_MJ_CREATE => {
                let file = object::create(Body::File(File { wdm: file_wdm }), object, null());
                {
                    let _locked = Locked::new();
                    object::device(object).open.push(file);
                }
                finish(irp, STATUS_SUCCESS)
            }
            IRP_MJ_CLEANUP => {
                let device = object::device(object);
                let file = device.file(file_wdm);
                if let Some(cleanup) = device.files.and_then(|files| files.cleanup) {
                    cleanup(file);
                }
                finish(irp, STATUS_SUCCESS)
            }
            IRP_MJ_CLOSE => {
                let device = object::device(object);
                let file = device.file(file_wdm);
                if let Some(close) = device.files.and_then(|files| files.close) {
                    close(file);
                }
                {
                    let _locked = Locked::new();
                    device.open.retain(|&open| open != file);
                }
                object::delete(file);
                finish(irp, STATUS_SUCCESS)
            }
            // Stricter than KMDF, whose dispatch does not look for a file object (fxpkgio.cpp, DispatchStep1 and
            // DispatchStep2): a driver that does not say which file its request belongs to is noticed here. A request
            // that IoBuildDeviceIoControlRequest made has no file until its sender stores it.
            _ if file_wdm.is_null() => finish(irp, STATUS_INVALID_DEVICE_REQUEST),
            _ => {
                let file = object::device(object).file(file_wdm);
                (*location).Control |= SL_PENDING_RETURNED;
                queue::present(object, file, irp);
                STATUS_PENDING
            }
        }
    }
}
