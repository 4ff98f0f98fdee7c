//! WAIT: a request that ends when a new record was written.
//!
//! A record path that may run at HIGH_LEVEL cannot wake a waiter (KeSetEvent is for at most DISPATCH_LEVEL), and a DPC
//! for each record would cost more than the record. So WAIT requests lie in a manual queue. While there are any, a
//! timer checks every few milliseconds whether the count of written records has grown.
//!
//! *No wake-up is lost or delayed:* the handler first puts a request into the queue, then starts the timer if it does
//! not run: see [`TimerState`]. The timer's callback looks at the queue and starts the timer again if a request is
//! left.
//!
//! *There is a limit*, for each handle and in all: a handler counts its request under a lock that only handlers of WAIT
//! and cleanup acquire, so between look and addition the count can only fall. A request that is cancelled leaves by
//! itself.
//!
//! *A closed handle has no request left:* cleanup marks the file under the same lock before it takes the requests out,
//! and a handler that finds the mark refuses. Without it a request that races the last CloseHandle could be queued
//! behind the cleanup, and would keep the file, and with it the driver's unload, until a record comes.
//!
//! *Every request ends once:* only code that has taken a request out of the queue completes it, and taking out is
//! atomic in the framework. That code is the timer's callback, the cleanup of the handle, or the framework itself when
//! the request is cancelled.

use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use irqlog_recorder::{
    request::Refusal,
    waiting::{Allowance, Pended, TimerState},
};
use irqlog_wire::ioctl::WaitAnswer;
use wdk_sys::{
    NTSTATUS, PCWDF_OBJECT_CONTEXT_TYPE_INFO, STATUS_CANCELLED, STATUS_NOT_FOUND, STATUS_SUCCESS,
    WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_TIMER_CONFIG, WDFDEVICE, WDFFILEOBJECT, WDFQUEUE, WDFREQUEST, WDFTIMER,
    WDFWAITLOCK, call_unsafe_wdf_function_binding,
};
use zerocopy::IntoBytes;

use crate::{
    instance, queue,
    recorder::DriverRecorder,
    request::{complete, file, output_buffer, store},
    status::{self, check},
    wdf::{attributes, size_field},
};

/// How often the timer looks: 10 ms in units of 100 ns, negative for "from now" (DDI
/// wdftimer/nf-wdftimer-wdftimerstart).
const INTERVAL: i64 = -10 * 10_000;

/// The queue of pended requests and the timer; null while there is no device. A WDFHANDLE is a pointer.
static QUEUE: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(core::ptr::null_mut());
static TIMER: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(core::ptr::null_mut());
/// Whether the timer runs.
static STATE: TimerState = TimerState::new();
/// Held while a request is counted and pended, and while a file is marked as closed.
static ADMISSION: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(core::ptr::null_mut());

/// What every request carries: the count that its caller has seen, and its handle.
#[repr(C)]
struct Context {
    seen: u64,
    file: WDFFILEOBJECT,
}

/// WDF_OBJECT_CONTEXT_TYPE_INFO holds pointers, which are only ever read.
#[repr(transparent)]
struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: nobody writes it, and what it points to is static.
unsafe impl Sync for ContextType {}

static CONTEXT_TYPE: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size_field::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"irqlog wait".as_ptr().cast(),
    ContextSize: size_of::<Context>() as u64,
    UniqueType: &raw const CONTEXT_TYPE.0,
    EvtDriverGetUniqueContextType: None,
});

/// What every file carries: whether its last handle is closed.
static FILE_CONTEXT_TYPE: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size_field::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"irqlog file".as_ptr().cast(),
    ContextSize: size_of::<AtomicBool>() as u64,
    UniqueType: &raw const FILE_CONTEXT_TYPE.0,
    EvtDriverGetUniqueContextType: None,
});

/// The type of the requests' context. IRQL: any.
pub const fn context_type() -> PCWDF_OBJECT_CONTEXT_TYPE_INFO {
    &raw const CONTEXT_TYPE.0
}

/// The type of the files' context. IRQL: any.
pub const fn file_context_type() -> PCWDF_OBJECT_CONTEXT_TYPE_INFO {
    &raw const FILE_CONTEXT_TYPE.0
}

/// Creates queue and timer. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of the framework.
pub fn create(device: WDFDEVICE) -> Result<(), NTSTATUS> {
    let queue = queue::create_manual(device)?;
    let mut config = WDF_TIMER_CONFIG {
        Size: size_field::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(tick),
        // The callback only touches the queue, which has its own lock.
        AutomaticSerialization: 0,
        ..WDF_TIMER_CONFIG::default()
    };
    let mut attributes = attributes();
    attributes.ParentObject = device.cast();
    let mut timer: WDFTIMER = core::ptr::null_mut();
    // SAFETY: the structures are initialised with their sizes, the handle goes to our stack; the parent is a device, as
    // WdfTimerCreate asks.
    check(unsafe {
        call_unsafe_wdf_function_binding!(WdfTimerCreate, &raw mut config, &raw mut attributes, &raw mut timer)
    })?;
    let mut attributes = self::attributes();
    attributes.ParentObject = device.cast();
    let mut lock: WDFWAITLOCK = core::ptr::null_mut();
    // SAFETY: the attributes are initialised with their size, the handle goes to our stack.
    check(unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockCreate, &raw mut attributes, &raw mut lock) })?;
    ADMISSION.store(lock.cast(), Ordering::Release);
    QUEUE.store(queue.cast(), Ordering::Release);
    TIMER.store(timer.cast(), Ordering::Release);
    Ok(())
}

/// Stops the timer and waits for its callback. Called before the device is deleted. IRQL: PASSIVE_LEVEL.
pub fn stop() {
    let timer = TIMER.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !timer.is_null() {
        // SAFETY: the timer exists until its device is deleted. PASSIVE_LEVEL, so waiting is allowed.
        let _was_queued = unsafe { call_unsafe_wdf_function_binding!(WdfTimerStop, timer.cast(), 1) };
    }
    QUEUE.store(core::ptr::null_mut(), Ordering::Release);
    // It does not run any more, and the next device begins anew.
    STATE.tick();
}

/// Something is in the queue: starts the timer, unless it runs. IRQL: at most DISPATCH_LEVEL.
fn start_timer() {
    if !STATE.needs_start() {
        return;
    }
    let timer = TIMER.load(Ordering::Acquire);
    if !timer.is_null() {
        // SAFETY: the timer exists: `stop` runs when no request can come any more, and waits for the callback.
        let _was_queued = unsafe { call_unsafe_wdf_function_binding!(WdfTimerStart, timer.cast(), INTERVAL) };
    }
}

/// Ends the request at once if something is new, else pends it. On success it is not the caller's any more.
/// IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// STATUS_QUOTA_EXCEEDED if as many as may be are pended already, STATUS_CANCELLED if the handle is closed, or what the
/// framework says when it does not take the request; it is the caller's still.
pub fn wait(recorder: &DriverRecorder, request: WDFREQUEST, seen: u64) -> Result<(), NTSTATUS> {
    if recorder.written() != seen {
        answer(recorder, request);
        return Ok(());
    }
    let file = file(request);
    if let Some(context) = context(request) {
        *context = Context { seen, file };
    }
    let queue: WDFQUEUE = QUEUE.load(Ordering::Acquire).cast();
    {
        let _admission = Admission::lock();
        if closed(file).is_some_and(|closed| closed.load(Ordering::Relaxed)) {
            return Err(STATUS_CANCELLED);
        }
        pended(queue, file)?.admit().map_err(status::of)?;
        // SAFETY: the request is ours and the queue exists as long as requests come.
        check(unsafe { call_unsafe_wdf_function_binding!(WdfRequestForwardToIoQueue, request, queue) })?;
    }
    start_timer();
    Ok(())
}

/// What is pended, all of it and through that handle. IRQL: at most DISPATCH_LEVEL.
///
/// # Errors
/// STATUS_QUOTA_EXCEEDED if requests leave the queue so fast that they cannot be counted.
fn pended(queue: WDFQUEUE, file: WDFFILEOBJECT) -> Result<Pended, NTSTATUS> {
    const ATTEMPTS: usize = 32;
    for _ in 0..ATTEMPTS {
        let (mut pended, mut previous) = (Pended::default(), core::ptr::null_mut());
        let end = loop {
            let found = find(queue, previous);
            dereference(previous);
            match found {
                Ok(found) => {
                    pended.count(context(found).is_some_and(|context| context.file == file));
                    previous = found;
                }
                Err(end) => break end,
            }
        };
        // The one behind which was looked has left the queue: what came after it is not counted.
        if end != STATUS_NOT_FOUND {
            return Ok(pended);
        }
    }
    Err(status::of(Refusal::TooManyWaits))
}

/// The mark of a file, which cleanup sets; `None` without a file. IRQL: any.
fn closed<'f>(file: WDFFILEOBJECT) -> Option<&'f AtomicBool> {
    if file.is_null() {
        return None;
    }
    // SAFETY: every file of the device has this context (`WdfDeviceInitSetFileObjectConfig`), and lives while a request
    // of it, or its cleanup, is handled.
    let context =
        unsafe { call_unsafe_wdf_function_binding!(WdfObjectGetTypedContextWorker, file.cast(), file_context_type()) };
    // SAFETY: zeroed memory of that type, or null, which is only ever borrowed shared.
    unsafe { context.cast::<AtomicBool>().as_ref() }
}

/// The lock of those who pend a request, held. Dropping it gives it back.
struct Admission(WDFWAITLOCK);

impl Admission {
    /// IRQL: PASSIVE_LEVEL.
    fn lock() -> Self {
        let lock: WDFWAITLOCK = ADMISSION.load(Ordering::Acquire).cast();
        // SAFETY: created before the first request, and deleted with the device; PASSIVE_LEVEL. Without a timeout it
        // always succeeds.
        let _status = unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockAcquire, lock, core::ptr::null_mut()) };
        Self(lock)
    }
}

impl Drop for Admission {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: acquired in `lock`, by this thread.
        unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockRelease, self.0) };
    }
}

/// IRQL: at most DISPATCH_LEVEL.
fn answer(recorder: &DriverRecorder, request: WDFREQUEST) {
    let answer = WaitAnswer { written: recorder.written().into() };
    let stored = output_buffer(request, size_of::<WaitAnswer>()).and_then(|output| store(output, answer.as_bytes()));
    match stored {
        Ok(bytes) => complete(request, STATUS_SUCCESS, bytes),
        Err(status) => complete(request, status, 0),
    }
}

/// IRQL: any.
fn context<'r>(request: WDFREQUEST) -> Option<&'r mut Context> {
    // SAFETY: every request of the device has this context (`WdfDeviceInitSetRequestAttributes`).
    let context =
        unsafe { call_unsafe_wdf_function_binding!(WdfObjectGetTypedContextWorker, request.cast(), context_type()) };
    // SAFETY: zeroed memory of that type or null; only who owns the request, or has found it in the queue, looks at it,
    // and it is written only before it goes there.
    unsafe { context.cast::<Context>().as_mut() }
}

/// The timer's callback: completes what has something to see, the oldest first, and no more than it may in one tick.
/// IRQL: DISPATCH_LEVEL.
unsafe extern "C" fn tick(_timer: WDFTIMER) {
    // Before the look at the queue: see `TimerState`.
    STATE.tick();
    let Some(recorder) = instance::get() else { return };
    let queue: WDFQUEUE = QUEUE.load(Ordering::Acquire).cast();
    if queue.is_null() {
        return;
    }
    let mut allowance = Allowance::new();
    // The last one that stays; the walk goes on behind it.
    let mut previous: WDFREQUEST = core::ptr::null_mut();
    while let Ok(found) = find(queue, previous) {
        let is_satisfied = context(found).is_some_and(|context| context.seen != recorder.written());
        if is_satisfied && !allowance.spend() {
            dereference(found);
            break;
        }
        if is_satisfied {
            if let Some(request) = take(queue, found) {
                answer(recorder, request);
            }
            // Whoever took it, it is gone from the queue.
            dereference(found);
        } else {
            dereference(previous);
            previous = found;
        }
    }
    let is_left =
        !previous.is_null() || find(queue, core::ptr::null_mut()).inspect(|&found| dereference(found)).is_ok();
    dereference(previous);
    if is_left {
        start_timer();
    }
}

/// The request behind `previous` in the queue, with a reference. IRQL: at most DISPATCH_LEVEL.
///
/// # Errors
/// STATUS_NO_MORE_ENTRIES at the end, STATUS_NOT_FOUND if `previous` is not in the queue any more.
fn find(queue: WDFQUEUE, previous: WDFREQUEST) -> Result<WDFREQUEST, NTSTATUS> {
    let mut found: WDFREQUEST = core::ptr::null_mut();
    // SAFETY: the queue exists; `previous` is null or one that this function found and that is referenced still. If it
    // has left the queue meanwhile the framework says STATUS_NOT_FOUND, and the walk ends until the next tick.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoQueueFindRequest,
            queue,
            previous,
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            &raw mut found
        )
    };
    check(status).map(|()| found)
}

/// Takes a found request out of the queue; `None` if it has left the queue already. IRQL: at most DISPATCH_LEVEL.
fn take(queue: WDFQUEUE, found: WDFREQUEST) -> Option<WDFREQUEST> {
    let mut request: WDFREQUEST = core::ptr::null_mut();
    // SAFETY: the queue exists and `found` is referenced.
    let status =
        unsafe { call_unsafe_wdf_function_binding!(WdfIoQueueRetrieveFoundRequest, queue, found, &raw mut request) };
    wdk::nt_success(status).then_some(request)
}

/// Drops a reference that `find` took. IRQL: at most DISPATCH_LEVEL.
fn dereference(found: WDFREQUEST) {
    if !found.is_null() {
        // SAFETY: `find` took the reference, and it is given back once. Tag, line and file are for debugging only.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectDereferenceActual,
                found.cast(),
                core::ptr::null_mut(),
                0,
                c"".as_ptr().cast()
            );
        }
    }
}

/// Ends the WAIT requests of a handle that is closed. IRQL: PASSIVE_LEVEL.
pub unsafe extern "C" fn file_cleanup(file: WDFFILEOBJECT) {
    {
        // From here on no handler adds a request of this file.
        let _admission = Admission::lock();
        if let Some(closed) = closed(file) {
            closed.store(true, Ordering::Relaxed);
        }
    }
    let queue: WDFQUEUE = QUEUE.load(Ordering::Acquire).cast();
    loop {
        let mut request: WDFREQUEST = core::ptr::null_mut();
        // SAFETY: the queue exists as long as handles do; the request is written to our stack.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(WdfIoQueueRetrieveRequestByFileObject, queue, file, &raw mut request)
        };
        if !wdk::nt_success(status) {
            return;
        }
        complete(request, STATUS_CANCELLED, 0);
    }
}
