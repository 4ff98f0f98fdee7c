//! The control device: allocated, named, created, and found open files of.

use alloc::{boxed::Box, vec::Vec};
use core::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{NonNull, null, null_mut},
    sync::atomic::{AtomicBool, Ordering},
};

use irqlog_nt::{
    DO_DEVICE_INITIALIZING, DeviceObject, FileObject, NtStatus, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS,
    UnicodeString,
};

use crate::{
    check,
    file::WdfFile,
    globals::{self, text, unicode_string},
    lock::{Guarded, Locked},
    nt,
    object::{self, Attributes, Body, Callback, Handle, ObjectKind, RawHandle, Reference},
};

/// The fields of WDF_FILEOBJECT_CONFIG.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct FileConfig {
    size: u32,
    create: Option<unsafe extern "system" fn(RawHandle, RawHandle, RawHandle)>,
    pub close: Option<Callback>,
    pub cleanup: Option<Callback>,
    auto_forward: i32,
    class: i32,
}

/// WDFDEVICE_INIT.
pub struct DeviceInit {
    sddl: Vec<u16>,
    name: Vec<u16>,
    files: Option<FileConfig>,
    of_files: Option<Attributes>,
    requests: Option<Attributes>,
}

/// WDFDEVICE.
pub struct WdfDevice {
    pub wdm: NonNull<DeviceObject>,
    name: Vec<u16>,
    link: Guarded<Vec<u16>>,
    pub files: Option<FileConfig>,
    pub of_files: Option<Attributes>,
    pub requests: Option<Attributes>,
    pub default_queue: Guarded<Option<Reference>>,
    open: Guarded<Vec<Handle<WdfFile>>>,
    is_finished: AtomicBool,
}

impl Body for WdfDevice {
    const KIND: ObjectKind = ObjectKind::Device;

    /// The link and the WDM device go with the object.
    fn dispose(&self) {
        let link = core::mem::take(self.link.get(&mut Locked::new()));
        if !link.is_empty() {
            let mut link = unicode_string(&link);
            // SAFETY: a counted string whose text lives during the call.
            let _status = unsafe { nt::IoDeleteSymbolicLink(&raw mut link) };
        }
        // SAFETY: IoCreateDeviceSecure made it, and the object is disposed of once.
        unsafe { nt::IoDeleteDevice(self.wdm.as_ptr()) };
    }
}

impl WdfDevice {
    /// Whether requests cannot come yet: WdfControlFinishInitializing was not called. (Wine does not keep the WDM device's
    /// flag.)
    pub fn is_initializing(&self) -> bool {
        !self.is_finished.load(Ordering::Relaxed)
    }

    /// A file was opened.
    pub fn add_file(&self, file: Handle<WdfFile>) {
        self.open.get(&mut Locked::new()).push(file);
    }

    /// The open file of a WDM file object.
    pub fn file(&self, wdm: *mut FileObject) -> Option<Handle<WdfFile>> {
        self.open.get(&mut Locked::new()).iter().find(|file| file.wdm == wdm).cloned()
    }

    /// A file is closed: it is no longer found.
    pub fn remove_file(&self, wdm: *mut FileObject) -> Option<Handle<WdfFile>> {
        let mut locked = Locked::new();
        let open = self.open.get(&mut locked);
        let index = open.iter().position(|file| file.wdm == wdm)?;
        Some(open.remove(index))
    }
}

pub unsafe extern "system" fn control_device_init_allocate(
    _: *const c_void,
    _: RawHandle,
    sddl: Option<&UnicodeString>,
) -> Box<DeviceInit> {
    check::passive();
    if let Some(sddl) = sddl {
        check::string(sddl);
    }
    Box::new(DeviceInit { sddl: text(sddl), name: Vec::new(), files: None, of_files: None, requests: None })
}

pub unsafe extern "system" fn device_init_free(_: *const c_void, init: Box<DeviceInit>) {
    drop(init);
}

pub unsafe extern "system" fn device_init_assign_name(
    _: *const c_void,
    init: &mut DeviceInit,
    name: Option<&UnicodeString>,
) -> NtStatus {
    check::passive();
    if let Some(name) = name {
        check::string(name);
    }
    init.name = text(name);
    STATUS_SUCCESS
}

pub unsafe extern "system" fn device_init_set_file_object_config(
    _: *const c_void,
    init: &mut DeviceInit,
    config: &FileConfig,
    attributes: Option<&Attributes>,
) {
    check::size::<FileConfig>(config.size);
    check::attributes(attributes, check::LEVEL_AND_SCOPE);
    init.files = Some(*config);
    init.of_files = attributes.copied();
}

pub unsafe extern "system" fn device_init_set_request_attributes(
    _: *const c_void,
    init: &mut DeviceInit,
    attributes: &Attributes,
) {
    check::attributes(Some(attributes), check::OF_REQUESTS);
    init.requests = Some(*attributes);
}

pub unsafe extern "system" fn device_create(
    _: *const c_void,
    init: &mut Option<Box<DeviceInit>>,
    attributes: Option<&Attributes>,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    const FILE_DEVICE_UNKNOWN: u32 = 0x22;
    const FILE_DEVICE_SECURE_OPEN: u32 = 0x100;
    check::passive();
    check::attributes(attributes, check::OF_QUEUES);
    let (Some(driver), Some(parts)) = (globals::bound(), init.as_ref()) else { return STATUS_INVALID_DEVICE_REQUEST };
    let (mut name, sddl) = (unicode_string(&parts.name), unicode_string(&parts.sddl));
    let mut wdm: *mut DeviceObject = null_mut();
    // SAFETY: the driver object is the one that WdfDriverCreate got, and lives until the driver has unloaded; the
    // strings' texts and `wdm` live during the call; no class GUID is allowed.
    let status = unsafe {
        nt::IoCreateDeviceSecure(
            driver.wdm,
            size_of::<RawHandle>() as u32,
            &raw mut name,
            FILE_DEVICE_UNKNOWN,
            FILE_DEVICE_SECURE_OPEN,
            0,
            &raw const sddl,
            null(),
            &raw mut wdm,
        )
    };
    let Some(wdm) = NonNull::new(wdm).filter(|_| status >= 0) else { return status };
    // It is there: seen above. The driver's pointer becomes null.
    let Some(parts) = init.take() else { return STATUS_INVALID_DEVICE_REQUEST };
    let device = WdfDevice {
        wdm,
        name: parts.name,
        link: Guarded::new(Vec::new()),
        files: parts.files,
        of_files: parts.of_files,
        requests: parts.requests,
        default_queue: Guarded::new(None),
        open: Guarded::new(Vec::new()),
        is_finished: AtomicBool::new(false),
    };
    let device = object::create(device, Some(driver.object), attributes);
    // SAFETY: the device was created just now; no request comes before DO_DEVICE_INITIALIZING is cleared.
    let extension = unsafe { (*wdm.as_ptr()).DeviceExtension };
    // SAFETY: the extension has the size asked for above, that of a handle, and the alignment of pool.
    unsafe { extension.cast::<RawHandle>().write(device.raw()) };
    out.write(device.raw());
    STATUS_SUCCESS
}

/// The device object of a WDM device.
///
/// # Safety
/// The kernel gave the device to a dispatch routine of ours.
pub unsafe fn of_wdm(wdm: *mut DeviceObject) -> Handle<WdfDevice> {
    // SAFETY: the device lives while a request of it is dispatched.
    let extension = unsafe { (*wdm).DeviceExtension };
    // SAFETY: `device_create` stored the handle there before requests could come. Its object lives until it is disposed
    // of, which deletes the WDM device.
    let device = unsafe { extension.cast::<RawHandle>().read() };
    device.of()
}

pub unsafe extern "system" fn device_create_symbolic_link(
    _: *const c_void,
    device: RawHandle,
    link: &UnicodeString,
) -> NtStatus {
    check::passive();
    check::string(link);
    let device = device.of::<WdfDevice>();
    let mut name = unicode_string(&device.name);
    // SAFETY: two counted strings that live during the call, and are only read.
    let status = unsafe { nt::IoCreateSymbolicLink((&raw const *link).cast_mut(), &raw mut name) };
    if status >= 0 {
        *device.link.get(&mut Locked::new()) = text(Some(link));
    }
    status
}

pub unsafe extern "system" fn control_finish_initializing(_: *const c_void, device: RawHandle) {
    let device = device.of::<WdfDevice>();
    device.is_finished.store(true, Ordering::Relaxed);
    // SAFETY: the WDM device lives as long as its object is not disposed of. The driver calls this once, before the
    // first request, so nothing else changes the flags.
    unsafe { (*device.wdm.as_ptr()).Flags &= !DO_DEVICE_INITIALIZING };
}
