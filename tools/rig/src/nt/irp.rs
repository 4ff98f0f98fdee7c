//! IRPs: made, sent, cancelled and completed, with buffers that fault when they are overrun.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::c_void,
    ptr::null_mut,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use irqlog_nt::irql::DISPATCH_LEVEL;
use irqlog_nt::{
    DeviceObject, FileObject, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IoStackLocation, IoStatusBlock,
    Irp, Kevent, ListEntry, MDL_IS_MAPPED, METHOD_BUFFERED, METHOD_OUT_DIRECT, Mdl, NtStatus,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_PENDING, method,
};

use super::{import::routines, machine::current, report, time, validator, wait::spin_until};
use crate::{memory::Region, mutex::lock};

/// The arguments of a device control call.
#[derive(Clone, Copy, Debug)]
pub struct ControlCall<'a> {
    /// The control code.
    pub code: u32,
    /// Sent as an internal request.
    pub internal: bool,
    /// Input bytes.
    pub input: &'a [u8],
    /// Room for output.
    pub output: usize,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Final status.
    pub status: NtStatus,
    /// The bytes of output that the driver says it wrote.
    pub output: Vec<u8>,
}

/// The end of a request: how a completed IRP tells its sender.
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

/// IRPs that are not completed.
static IRPS: Mutex<BTreeMap<usize, Completion>> = Mutex::new(BTreeMap::new());
/// The cancel spin lock's word.
static CANCEL: AtomicUsize = AtomicUsize::new(0);
/// IRPs and buffers that are done with stay where they are, so that a late touch hits no other IRP.
static GRAVEYARD: Mutex<VecDeque<Packet>> = Mutex::new(VecDeque::new());
/// The number of freed packets that are kept; the host's mappings have a limit. Their buffers take addresses, and no memory
/// (`Region::forbid`).
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

/// Sends an IRP to a device and waits for its end; `should_cancel` is asked every few milliseconds meanwhile.
pub fn send(
    device: *mut DeviceObject,
    file: *mut FileObject,
    major: u8,
    control: Option<ControlCall<'_>>,
    mode: i8,
    should_cancel: &dyn Fn() -> bool,
) -> Answer {
    let mut packet = Packet::new(device, file, major, control, mode);
    let done = Arc::new(Done::default());
    let irp: *mut Irp = &raw mut *packet.irp;
    lock(&IRPS).insert(irp as usize, Completion::Host(Arc::clone(&done)));
    let status = call_driver(device, irp);
    if status != STATUS_PENDING && lock(&done.result).is_none() {
        report::broken(&format!("a dispatch routine returned {status:#x} and did not complete its IRP"));
    }
    let (status, information) = wait(&done, irp, should_cancel);
    let output = packet.take_output(status, information);
    bury(packet);
    Answer { status, output }
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
            let routine: extern "efiapi" fn(*mut DeviceObject, *mut Irp) = std::mem::transmute(routine);
            routine(device, irp);
        }
    }
}

fn acquire_cancel() -> u8 {
    let thread = current().expect("checked on entry");
    let old = thread.processor().irql.swap(DISPATCH_LEVEL, Ordering::Relaxed);
    validator::acquires(CANCEL.as_ptr() as usize);
    spin_until("the cancel spin lock", || CANCEL.swap(1, Ordering::Acquire) == 0);
    old
}

fn release_cancel(old: u8) {
    validator::releases(CANCEL.as_ptr() as usize);
    CANCEL.store(0, Ordering::Release);
    let thread = current().expect("checked on entry");
    thread.processor().irql.store(old, Ordering::Relaxed);
}

impl Packet {
    fn new(
        device: *mut DeviceObject,
        file: *mut FileObject,
        major: u8,
        control: Option<ControlCall<'_>>,
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

    /// Takes the output that the driver says it wrote; then the buffers become inaccessible.
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
            let dispatch: extern "efiapi" fn(*mut DeviceObject, *mut Irp) -> NtStatus = std::mem::transmute(dispatch);
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
    let Some(completion) = lock(&IRPS).remove(&(irp as usize)) else {
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
            time::set_event(event as *mut Kevent);
        }
    }
}

routines! {
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
        let control = ControlCall { code, internal: internal != 0, input, output: output_length as usize };
        let major = if control.internal { IRP_MJ_INTERNAL_DEVICE_CONTROL } else { IRP_MJ_DEVICE_CONTROL };
        let mut packet = Packet::new(device, null_mut(), major, Some(control), 0);
        // The current location belongs to no driver yet: IofCallDriver goes on to the next one, below it, which the sender
        // may change until then (IoGetNextIrpStackLocation).
        packet.irp.CurrentStackLocation = packet.irp.CurrentStackLocation.wrapping_add(1);
        packet.irp.CurrentLocation += 1;
        let irp = &raw mut *packet.irp;
        let completion = Completion::Driver { event, status, output: output as usize };
        lock(&IRPS).insert(irp as usize, completion);
        bury(packet);
        irp
    }

    fn IofCallDriver(device: *mut DeviceObject, irp: *mut Irp) -> NtStatus {
        // SAFETY: an IRP that IoBuildDeviceIoControlRequest made, whose next location is its only one.
        unsafe {
            (*irp).CurrentStackLocation = (*irp).CurrentStackLocation.wrapping_sub(1);
            (*irp).CurrentLocation -= 1;
            (*(*irp).CurrentStackLocation).DeviceObject = device;
        }
        call_driver(device, irp)
    }
}
