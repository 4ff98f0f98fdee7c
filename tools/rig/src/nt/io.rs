//! Devices, links, files, IRPs, interrupts: the I/O manager.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    ffi::c_void,
    ptr::null_mut,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use irqlog_irql::DISPATCH;
use irqlog_ntabi::{
    ConnectInterrupt, DO_DEVICE_INITIALIZING, DeviceObject, DriverObject, FileObject, IRP_MJ_CLEANUP, IRP_MJ_CLOSE,
    IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IoStackLocation, IoStatusBlock, Irp, Kevent,
    ListEntry, MDL_IS_MAPPED, METHOD_BUFFERED, METHOD_OUT_DIRECT, Mdl, NtStatus, STATUS_ACCESS_DENIED,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_PENDING, STATUS_SUCCESS, UnicodeString, method,
};

use super::{
    exports::routines,
    ke,
    machine::{Vector, current, lock, machine},
    registry::text,
    report,
};
use crate::memory::Region;

/// Who opens or asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requestor {
    /// A driver.
    Kernel,
    /// A process of an administrator.
    Administrator,
    /// A process of somebody else.
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

/// What a completed IRP does.
enum Completion {
    /// The rig waits for it.
    Host(Arc<Done>),
    /// A driver waits for its event; where its output and its status go.
    Driver { event: usize, status: usize, output: usize },
}

/// An IRP of the rig's own: what came of it.
#[derive(Default)]
struct Done {
    result: Mutex<Option<(NtStatus, usize)>>,
    changed: Condvar,
}

#[derive(Default)]
struct Io {
    devices: Vec<Device>,
    links: BTreeMap<String, String>,
    irps: BTreeMap<usize, Completion>,
}

static IO: Mutex<Io> = Mutex::new(Io { devices: Vec::new(), links: BTreeMap::new(), irps: BTreeMap::new() });
/// The cancel spin lock's word.
static CANCEL: AtomicUsize = AtomicUsize::new(0);
/// IRPs and buffers that are done with stay where they are, so that a late touch hits no other IRP.
static GRAVEYARD: Mutex<VecDeque<Packet>> = Mutex::new(VecDeque::new());
/// So many of them; the host's mappings are not without end.
const GRAVES: usize = 4096;

fn bury(packet: Packet) {
    let mut graveyard = lock(&GRAVEYARD);
    graveyard.push_back(packet);
    if graveyard.len() > GRAVES {
        graveyard.pop_front();
    }
}

/// An IRP with everything that belongs to it.
struct Packet {
    irp: Box<Irp>,
    _location: Box<IoStackLocation>,
    system_buffer: Option<Region>,
    output: Option<(Region, Box<Mdl>)>,
}

#[expect(clippy::non_send_fields_in_send_ty, reason = "see below")]
// SAFETY: the pointers in it lead to its own boxes and to objects that outlive it.
unsafe impl Send for Packet {}

/// What a device control call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Control<'a> {
    /// The control code.
    pub code: u32,
    /// Sent as an internal request.
    pub internal: bool,
    /// Input bytes.
    pub input: &'a [u8],
    /// Room for output.
    pub output: usize,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Final status.
    pub status: NtStatus,
    /// The bytes of output that the driver says it wrote.
    pub output: Vec<u8>,
}

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
    // What the device's SDDL gives: SY and BA are in it or not, WD and BU would be everybody.
    let everybody = device.sddl.contains(";;;WD)") || device.sddl.contains(";;;BU)");
    match requestor {
        Requestor::User if !everybody => Err(STATUS_ACCESS_DENIED),
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
    pub fn control(&self, control: Control<'_>, should_cancel: &dyn Fn() -> bool) -> Answer {
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

    fn send(&self, major: u8, control: Option<Control<'_>>, should_cancel: &dyn Fn() -> bool) -> Answer {
        let mode = i8::from(self.requestor != Requestor::Kernel);
        let mut packet = Packet::new(self.device, self.object, major, control, mode);
        let done = Arc::new(Done::default());
        let irp: *mut Irp = &raw mut *packet.irp;
        lock(&IO).irps.insert(irp as usize, Completion::Host(Arc::clone(&done)));
        let status = call_driver(self.device, irp);
        if status != STATUS_PENDING && lock(&done.result).is_none() {
            report::broken(&format!("a dispatch routine returned {status:#x} and did not complete its IRP"));
        }
        let (status, information) = wait(&done, irp, should_cancel);
        let output = packet.take_output(status, information);
        bury(packet);
        Answer { status, output }
    }
}

fn wait(done: &Done, irp: *mut Irp, should_cancel: &dyn Fn() -> bool) -> (NtStatus, usize) {
    let mut cancelled = false;
    loop {
        let result = *lock(&done.result);
        if let Some(result) = result {
            return result;
        }
        if !cancelled && should_cancel() {
            cancelled = true;
            cancel(irp);
            continue;
        }
        let thread = current().expect("IRPs are sent by simulated threads");
        thread.wait(|| {
            let result = lock(&done.result);
            if result.is_none() {
                drop(done.changed.wait_timeout(result, std::time::Duration::from_millis(5)));
            }
        });
    }
}

/// IoCancelIrp.
fn cancel(irp: *mut Irp) {
    let old = acquire_cancel();
    // SAFETY: an IRP that is not completed: its packet is still ours.
    let (routine, device) = unsafe {
        (*irp).Cancel.store(1, Ordering::SeqCst);
        (*irp).CancelIrql = old;
        ((*irp).CancelRoutine.swap(null_mut(), Ordering::SeqCst), (*(*irp).CurrentStackLocation).DeviceObject)
    };
    if routine.is_null() {
        release_cancel(old);
    } else {
        // SAFETY: a cancel routine of a loaded driver; it releases the cancel spin lock.
        unsafe {
            let routine: extern "win64" fn(*mut DeviceObject, *mut Irp) = std::mem::transmute(routine);
            routine(device, irp);
        }
    }
}

fn acquire_cancel() -> u8 {
    let thread = current().expect("checked on entry");
    let old = thread.processor().irql.swap(DISPATCH, Ordering::Relaxed);
    ke::spin_until("the cancel spin lock", || CANCEL.swap(1, Ordering::Acquire) == 0);
    old
}

fn release_cancel(old: u8) {
    CANCEL.store(0, Ordering::Release);
    let thread = current().expect("checked on entry");
    thread.processor().irql.store(old, Ordering::Relaxed);
}

impl Packet {
    fn new(
        device: *mut DeviceObject,
        file: *mut FileObject,
        major: u8,
        control: Option<Control<'_>>,
        mode: i8,
    ) -> Self {
        // SAFETY: all-zero is a valid IRP and a valid stack location.
        let (mut irp, mut location): (Box<Irp>, Box<IoStackLocation>) =
            unsafe { (Box::new(std::mem::zeroed()), Box::new(std::mem::zeroed())) };
        irp.Type = 6;
        irp.Size = size_of::<Irp>() as u16;
        irp.RequestorMode = mode;
        irp.StackCount = 1;
        irp.CurrentLocation = 1;
        irp.OriginalFileObject = file;
        location.MajorFunction = major;
        location.DeviceObject = device;
        location.FileObject = file;
        let (mut system_buffer, mut output) = (None, None);
        if let Some(control) = control {
            location.IoControlCode = control.code as usize;
            location.InputBufferLength = control.input.len();
            location.OutputBufferLength = control.output;
            let is_direct = method(control.code) == METHOD_OUT_DIRECT;
            let size = if is_direct { control.input.len() } else { control.input.len().max(control.output) };
            system_buffer = ending_at_page(size, control.input);
            irp.SystemBuffer = start_of(system_buffer.as_ref(), size);
            if is_direct && control.output != 0 {
                let region = Region::reserve(control.output).expect("memory for a request");
                let mut mdl: Box<Mdl> = Box::new(Mdl {
                    Next: null_mut(),
                    Size: size_of::<Mdl>() as i16,
                    MdlFlags: MDL_IS_MAPPED,
                    AllocationProcessorNumber: 0,
                    Reserved: 0,
                    Process: null_mut(),
                    MappedSystemVa: (region.start() + region.size() - control.output) as *mut c_void,
                    StartVa: null_mut(),
                    ByteCount: control.output as u32,
                    ByteOffset: 0,
                });
                irp.MdlAddress = &raw mut *mdl;
                output = Some((region, mdl));
            }
        }
        irp.CurrentStackLocation = &raw mut *location;
        irp.ThreadListEntry = ListEntry { Flink: null_mut(), Blink: null_mut() };
        Self { irp, _location: location, system_buffer, output }
    }

    /// What the driver says it wrote; then the buffers become inaccessible.
    fn take_output(&mut self, status: NtStatus, information: usize) -> Vec<u8> {
        let (region, length) = match (&self.output, &self.system_buffer) {
            (Some((region, mdl)), _) => (region, mdl.ByteCount as usize),
            (None, Some(region)) => (region, region.size()),
            (None, None) => {
                if information != 0 && status >= 0 {
                    report::broken("an IRP without a buffer was completed with bytes of output");
                }
                return Vec::new();
            }
        };
        let is_direct = self.output.is_some();
        let start = if is_direct { region.start() + region.size() - length } else { self.irp.SystemBuffer as usize };
        let room = region.start() + region.size() - start;
        // SAFETY: the stack location is in the packet.
        let asked = unsafe { (*self.irp.CurrentStackLocation).OutputBufferLength };
        // Errors (severity 3) give no output; warnings do.
        let length = if (status as u32) >> 30 == 3 { 0 } else { information };
        if length > asked || length > room {
            report::broken(&format!(
                "an IRP was completed with {information} bytes of output where {asked} were asked for"
            ));
        }
        // SAFETY: inside the buffer, which the driver has given back.
        let output = unsafe { std::slice::from_raw_parts(start as *const u8, length) }.to_vec();
        for region in
            [self.system_buffer.as_ref(), self.output.as_ref().map(|(region, _)| region)].into_iter().flatten()
        {
            region.forbid().expect("own pages");
        }
        output
    }
}

/// A buffer whose end is the end of a page, so that an overrun faults.
fn ending_at_page(size: usize, input: &[u8]) -> Option<Region> {
    if size == 0 {
        return None;
    }
    let mut region = Region::reserve(size).expect("memory for a request");
    let start = region.size() - size.next_multiple_of(16);
    region.write(start, input);
    Some(region)
}

fn start_of(region: Option<&Region>, size: usize) -> *mut c_void {
    region.map_or(null_mut(), |region| (region.start() + region.size() - size.next_multiple_of(16)) as *mut c_void)
}

/// IoCallDriver, with the device's own stack location current.
fn call_driver(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
    // SAFETY: a device that exists, of a driver that is loaded, and an IRP whose packet lives until it is completed.
    unsafe {
        let major = (*(*irp).CurrentStackLocation).MajorFunction;
        let driver = (*device).DriverObject;
        if let Some(dispatch) = (*driver).MajorFunction[usize::from(major)] {
            let dispatch: extern "win64" fn(*mut DeviceObject, *mut Irp) -> NtStatus = std::mem::transmute(dispatch);
            dispatch(device, irp)
        } else {
            // What the I/O manager's default routine does.
            (*irp).IoStatus = IoStatusBlock { Status: STATUS_INVALID_DEVICE_REQUEST, Information: 0 };
            complete(irp);
            STATUS_INVALID_DEVICE_REQUEST
        }
    }
}

fn complete(irp: *mut Irp) {
    let Some(completion) = lock(&IO).irps.remove(&(irp as usize)) else {
        report::broken(&format!("IRP {irp:p} was completed, which is none or was completed before"));
    };
    // SAFETY: an IRP that was not completed yet.
    let (status, information, has_routine) = unsafe {
        let block = (*irp).IoStatus;
        (block.Status, block.Information, !(*irp).CancelRoutine.load(Ordering::SeqCst).is_null())
    };
    if status == STATUS_PENDING {
        report::broken("an IRP was completed with STATUS_PENDING");
    }
    if has_routine {
        report::broken("an IRP was completed with its cancel routine still set");
    }
    match completion {
        Completion::Host(done) => {
            *lock(&done.result) = Some((status, information));
            done.changed.notify_all();
        }
        Completion::Driver { event, status: block, output } => {
            // SAFETY: what the driver gave to IoBuildDeviceIoControlRequest: it waits for the event.
            unsafe {
                if status >= 0 && output != 0 {
                    std::ptr::copy_nonoverlapping((*irp).SystemBuffer.cast::<u8>(), output as *mut u8, information);
                }
                (block as *mut IoStatusBlock).write(IoStatusBlock { Status: status, Information: information });
            }
            ke::set_event(event as *mut Kevent);
        }
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

    fn IofCompleteRequest(irp: *mut Irp, _boost: i8) {
        complete(irp);
    }

    fn IoAcquireCancelSpinLock(out: *mut u8) {
        let old = acquire_cancel();
        // SAFETY: memory of the driver's.
        unsafe { out.write(old) };
    }

    fn IoReleaseCancelSpinLock(old: u8) {
        release_cancel(old);
    }

    fn MmMapLockedPagesSpecifyCache(mdl: *mut Mdl, _mode: i8, _cache: u32, _address: usize, _bug_check: u32, _priority: u32) -> *mut c_void {
        // SAFETY: an MDL of an IRP; they come mapped.
        unsafe { (*mdl).MappedSystemVa }
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
        let mut referenced = lock(&REFERENCED);
        let found = referenced.iter().position(|file| file.address() == object).map(|index| referenced.remove(index));
        drop(referenced);
        match found {
            Some(file) => file.close(),
            None => report::broken("ObfDereferenceObject of something that IoGetDeviceObjectPointer did not give"),
        }
        0
    }

    fn IoBuildDeviceIoControlRequest(code: u32, device: *mut DeviceObject, input: *const u8, input_length: u32, output: *mut u8, output_length: u32, internal: u8, event: usize, status: usize) -> *mut Irp {
        if method(code) != METHOD_BUFFERED {
            report::broken("IoBuildDeviceIoControlRequest: only METHOD_BUFFERED is supported by the rig");
        }
        let input = if input_length == 0 {
            &[][..]
        } else {
            // SAFETY: memory of the driver's, of the length it gives.
            unsafe { std::slice::from_raw_parts(input, input_length as usize) }
        };
        let control = Control { code, internal: internal != 0, input, output: output_length as usize };
        let major = if control.internal { IRP_MJ_INTERNAL_DEVICE_CONTROL } else { IRP_MJ_DEVICE_CONTROL };
        let mut packet = Packet::new(device, null_mut(), major, Some(control), 0);
        let irp = &raw mut *packet.irp;
        let completion = Completion::Driver { event, status, output: output as usize };
        lock(&IO).irps.insert(irp as usize, completion);
        bury(packet);
        irp
    }

    fn IofCallDriver(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
        call_driver(device, irp)
    }

    fn IoConnectInterruptEx(parameters: *mut ConnectInterrupt) -> NtStatus {
        // SAFETY: memory of the driver's.
        let parameters = unsafe { &mut *parameters };
        match parameters.ServiceRoutine {
            Some(routine) if parameters.Version == irqlog_ntabi::CONNECT_FULLY_SPECIFIED && (3..=12).contains(&parameters.Irql) => {
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
    }
}
