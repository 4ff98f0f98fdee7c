//! Devices, links, files and interrupts: the I/O manager, but for [IRPs](super::irp).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ffi::c_void,
    sync::{Mutex, atomic::Ordering},
};

use irqlog_nt::{
    DO_DEVICE_INITIALIZING, DeviceObject, DriverObject, FileObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IoConnectInterruptParameters, NtStatus,
    STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS, UnicodeString,
};

pub use super::irp::{Answer, ControlCall};
use super::{
    import::routines,
    irp,
    machine::{Vector, machine},
    ps,
    registry::text,
    report,
    wait::spin_until,
};
use crate::mutex::lock;

/// The opener of a device, or the sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requestor {
    /// A driver.
    Kernel,
    /// A process of an administrator.
    Administrator,
    /// A process of a user without administrator rights.
    User,
}

struct Device {
    object: usize,
    name: String,
    sddl: String,
    /// File objects that exist.
    files: usize,
    _memory: Box<[u64]>,
}

#[derive(Default)]
struct Io {
    devices: Vec<Device>,
    links: BTreeMap<String, String>,
}

static IO: Mutex<Io> = Mutex::new(Io { devices: Vec::new(), links: BTreeMap::new() });
/// An open file object.
#[derive(Debug)]
pub struct File {
    object: *mut FileObject,
    device: *mut DeviceObject,
    requestor: Requestor,
}

// SAFETY: the object is only handed to drivers, which are made to be called from all threads.
unsafe impl Send for File {}
// SAFETY: as above.
unsafe impl Sync for File {}

/// `\\.\Global\irqlog` and `\DosDevices\Global\irqlog` are the same link.
fn nt_name(name: &str) -> String {
    name.strip_prefix(r"\\.\").map_or_else(|| name.to_owned(), |rest| format!(r"\DosDevices\{rest}")).to_lowercase()
}

/// Whether a device's SDDL allows a user who is neither the system (SY) nor an administrator (BA).
///
/// An access control entry ends in its trustee ("ACE Strings", Win32 documentation); any other trustee counts as such a
/// user.
fn admits_users(sddl: &str) -> bool {
    let trustees = sddl.split(')').filter_map(|entry| entry.rsplit_once(';')).map(|(_, trustee)| trustee);
    trustees.into_iter().any(|trustee| !matches!(trustee, "SY" | "BA"))
}

fn find_device(name: &str, requestor: Requestor) -> Result<*mut DeviceObject, NtStatus> {
    let io = lock(&IO);
    let name = nt_name(name);
    let name = io.links.get(&name).cloned().unwrap_or(name);
    let device = io.devices.iter().find(|device| device.name == name).ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
    let object = device.object as *mut DeviceObject;
    // SAFETY: a device that exists.
    if unsafe { (*object).Flags } & DO_DEVICE_INITIALIZING != 0 {
        return Err(STATUS_OBJECT_NAME_NOT_FOUND);
    }
    match requestor {
        Requestor::User if !admits_users(&device.sddl) => Err(STATUS_ACCESS_DENIED),
        _ => Ok(object),
    }
}

/// File objects that exist over all devices of a driver.
pub fn open_files(driver: *const DriverObject) -> usize {
    let io = lock(&IO);
    // SAFETY: devices that exist.
    io.devices
        .iter()
        .filter(|device| unsafe { (*(device.object as *const DeviceObject)).DriverObject }.cast_const() == driver)
        .map(|device| device.files)
        .sum()
}

/// Devices and links that exist, by name.
pub fn leftovers() -> Vec<String> {
    let io = lock(&IO);
    let devices = io.devices.iter().map(|device| format!("device {}", device.name));
    devices.chain(io.links.keys().map(|link| format!("link {link}"))).collect()
}

fn count_file(device: *mut DeviceObject, change: isize) {
    let mut io = lock(&IO);
    if let Some(device) = io.devices.iter_mut().find(|entry| entry.object == device as usize) {
        device.files = device.files.wrapping_add_signed(change);
    }
}

impl File {
    /// Opens a device by name.
    ///
    /// # Errors
    /// STATUS_OBJECT_NAME_NOT_FOUND, STATUS_ACCESS_DENIED, or what the driver says.
    pub fn open(name: &str, requestor: Requestor) -> Result<Self, NtStatus> {
        let device = find_device(name, requestor)?;
        // SAFETY: all-zero is a valid file object.
        let mut object: Box<FileObject> = Box::new(unsafe { std::mem::zeroed() });
        object.Type = 5;
        object.DeviceObject = device;
        let file = Self { object: Box::into_raw(object), device, requestor };
        count_file(device, 1);
        let answer = file.send(IRP_MJ_CREATE, None, &|| false);
        if answer.status < 0 {
            count_file(device, -1);
            return Err(answer.status);
        }
        Ok(file)
    }

    /// Sends a control request and waits for its end; `should_cancel` is asked every few milliseconds meanwhile.
    pub fn control(&self, control: ControlCall<'_>, should_cancel: &dyn Fn() -> bool) -> Answer {
        // The I/O manager checks the access bits of the code; our handles are open for reading and writing.
        let major = if control.internal { IRP_MJ_INTERNAL_DEVICE_CONTROL } else { IRP_MJ_DEVICE_CONTROL };
        self.send(major, Some(control), should_cancel)
    }

    /// The handle is closed.
    pub fn cleanup(&self) {
        self.send(IRP_MJ_CLEANUP, None, &|| false);
    }

    /// The last reference is gone. After [`cleanup`](Self::cleanup).
    pub fn close(self) {
        self.send(IRP_MJ_CLOSE, None, &|| false);
        count_file(self.device, -1);
        // The object stays: a driver that still looks at it shall not find another one there.
    }

    /// The file object's address, as drivers see it.
    pub fn address(&self) -> usize {
        self.object as usize
    }

    fn send(&self, major: u8, control: Option<ControlCall<'_>>, should_cancel: &dyn Fn() -> bool) -> Answer {
        let mode = i8::from(self.requestor != Requestor::Kernel);
        irp::send(self.device, self.object, major, control, mode, should_cancel)
    }
}

fn create_device(
    driver: *mut DriverObject,
    extension: u32,
    name: String,
    sddl: String,
    out: *mut *mut DeviceObject,
) -> NtStatus {
    let mut io = lock(&IO);
    if io.devices.iter().any(|device| device.name == name) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    let words = (size_of::<DeviceObject>() + extension as usize).div_ceil(8) + 2;
    let mut memory = vec![0_u64; words].into_boxed_slice();
    let object = (memory.as_mut_ptr() as usize).next_multiple_of(16) as *mut DeviceObject;
    // SAFETY: memory of at least that size; the driver object is the caller's.
    unsafe {
        (*object).Type = 3;
        (*object).Size = size_of::<DeviceObject>() as u16;
        (*object).DriverObject = driver;
        (*object).NextDevice = (*driver).DeviceObject;
        (*object).Flags = DO_DEVICE_INITIALIZING;
        (*object).DeviceExtension = object.add(1).cast();
        (*object).StackSize = 1;
        (*driver).DeviceObject = object;
        out.write(object);
    }
    io.devices.push(Device { object: object as usize, name, sddl, files: 0, _memory: memory });
    STATUS_SUCCESS
}

/// The I/O manager does this for every device that DriverEntry made.
pub fn finish_initializing(driver: *mut DriverObject) {
    // SAFETY: the driver's own list of devices.
    unsafe {
        let mut device = (*driver).DeviceObject;
        while !device.is_null() {
            (*device).Flags &= !DO_DEVICE_INITIALIZING;
            device = (*device).NextDevice;
        }
    }
}

/// Kernel references to file objects that `IoGetDeviceObjectPointer` made, by address.
static REFERENCED: Mutex<Vec<File>> = Mutex::new(Vec::new());

routines! {
    fn IoCreateDevice(driver: *mut DriverObject, extension: u32, name: *const UnicodeString, _kind: u32, _characteristics: u32, _exclusive: u8, out: *mut *mut DeviceObject) -> NtStatus {
        create_device(driver, extension, text(name).to_lowercase(), String::new(), out)
    }

    fn IoCreateDeviceSecure(driver: *mut DriverObject, extension: u32, name: *const UnicodeString, _kind: u32, _characteristics: u32, _exclusive: u8, sddl: *const UnicodeString, _class: usize, out: *mut *mut DeviceObject) -> NtStatus {
        create_device(driver, extension, text(name).to_lowercase(), text(sddl), out)
    }

    fn IoDeleteDevice(device: *mut DeviceObject) {
        let mut io = lock(&IO);
        let Some(index) = io.devices.iter().position(|entry| entry.object == device as usize) else {
            report::broken("IoDeleteDevice of a device that is not there");
        };
        if io.devices[index].files != 0 {
            report::broken("IoDeleteDevice while files are open");
        }
        // SAFETY: the driver's own list of devices.
        unsafe {
            let driver = (*device).DriverObject;
            let mut link = &raw mut (*driver).DeviceObject;
            while !(*link).is_null() && *link != device {
                link = &raw mut (**link).NextDevice;
            }
            if !(*link).is_null() {
                *link = (*device).NextDevice;
            }
        }
        io.devices.remove(index);
    }

    fn IoCreateSymbolicLink(link: *const UnicodeString, target: *const UnicodeString) -> NtStatus {
        let (link, target) = (text(link).to_lowercase(), text(target).to_lowercase());
        let mut io = lock(&IO);
        match io.links.entry(link) {
            Entry::Occupied(_) => STATUS_OBJECT_NAME_COLLISION,
            Entry::Vacant(place) => {
                place.insert(target);
                STATUS_SUCCESS
            }
        }
    }

    fn IoDeleteSymbolicLink(link: *const UnicodeString) -> NtStatus {
        let removed = lock(&IO).links.remove(&text(link).to_lowercase());
        if removed.is_some() { STATUS_SUCCESS } else { STATUS_OBJECT_NAME_NOT_FOUND }
    }

    fn IoGetDeviceObjectPointer(name: *const UnicodeString, _access: u32, file_out: *mut *mut FileObject, device_out: *mut *mut DeviceObject) -> NtStatus {
        match File::open(&text(name), Requestor::Kernel) {
            Err(status) => status,
            Ok(file) => {
                // SAFETY: memory of the driver's.
                unsafe {
                    file_out.write(file.object);
                    device_out.write(file.device);
                }
                // The handle is closed at once; what stays is a reference to the file object.
                file.cleanup();
                lock(&REFERENCED).push(file);
                STATUS_SUCCESS
            }
        }
    }

    fn ObfDereferenceObject(object: usize) -> isize {
        if ps::dereference_thread(object) {
            return 0;
        }
        let mut referenced = lock(&REFERENCED);
        let found = referenced.iter().position(|file| file.address() == object).map(|index| referenced.remove(index));
        drop(referenced);
        match found {
            Some(file) => file.close(),
            None => report::broken("ObfDereferenceObject of something that IoGetDeviceObjectPointer did not give"),
        }
        0
    }

    fn IoConnectInterruptEx(parameters: *mut IoConnectInterruptParameters) -> NtStatus {
        // SAFETY: memory of the driver's.
        let parameters = unsafe { &mut *parameters };
        match parameters.ServiceRoutine {
            // On x64 the level of a vector is its upper four bits.
            Some(routine)
                if parameters.Version == irqlog_nt::CONNECT_FULLY_SPECIFIED
                    && (3..=12).contains(&parameters.Irql)
                    && parameters.Vector >> 4 == u32::from(parameters.Irql) =>
            {
                let mut vectors = lock(&machine().vectors);
                let object = vectors.iter().map(|vector| vector.object).max().unwrap_or(0x2000) + 16;
                vectors.push(Vector { object, routine, context: parameters.ServiceContext as usize, irql: parameters.Irql });
                // SAFETY: memory of the driver's.
                unsafe { parameters.InterruptObject.write(object as *mut c_void) };
                STATUS_SUCCESS
            }
            _ => STATUS_INVALID_PARAMETER,
        }
    }

    /// IO_DISCONNECT_INTERRUPT_PARAMETERS: version, then the object.
    fn IoDisconnectInterruptEx(parameters: *const [usize; 2]) {
        // SAFETY: memory of the driver's.
        let object = unsafe { (*parameters)[1] };
        lock(&machine().vectors).retain(|vector| vector.object != object);
        // Microsoft's page does not say that a routine that runs elsewhere has returned. A driver has no other documented
        // way to know before it unloads, so every driver relies on it.
        let mut running: Vec<_> = machine().processors.iter().collect();
        spin_until("interrupt routines to return", || {
            running.retain(|processor| processor.in_interrupts.load(Ordering::SeqCst) != 0);
            running.is_empty()
        });
    }
}
