//! What the control device's requests do. Each is parsed whole by `irqlog_recorder::request` before anything happens.

use irqlog_recorder::request::{Refusal, Request, parse};
use irqlog_wire::{
    interface::{Interface, MIN_INTERFACE},
    record::Level,
};
use wdk_sys::{
    NTSTATUS, PVOID, STATUS_DEVICE_NOT_READY, STATUS_SUCCESS, WDFQUEUE, WDFREQUEST, call_unsafe_wdf_function_binding,
};
use zerocopy::IntoBytes;

use crate::{
    interface, recorder, selftest,
    status::{self, check},
    wait,
};

/// What a handler did with its request.
enum Done {
    /// Complete it with so many bytes of answer.
    Answered(usize),
    /// It is not ours any more.
    Pended,
}

/// IRQL: PASSIVE_LEVEL (the queue's execution level).
pub unsafe extern "C" fn device_control(_: WDFQUEUE, request: WDFREQUEST, output: usize64, input: usize64, code: u32) {
    serve(request, code, false, input as usize, output as usize);
}

/// IRQL: PASSIVE_LEVEL (the queue's execution level).
pub unsafe extern "C" fn internal_device_control(
    _: WDFQUEUE,
    request: WDFREQUEST,
    output: usize64,
    input: usize64,
    code: u32,
) {
    let internal = is_from_kernel(request);
    serve(request, code, internal, input as usize, output as usize);
}

/// SIZE_T, which bindgen makes a u64 on both architectures.
#[allow(non_camel_case_types, reason = "stands for a C type")]
type usize64 = wdk_sys::SIZE_T;

/// IRQL: at most DISPATCH_LEVEL.
fn is_from_kernel(request: WDFREQUEST) -> bool {
    // SAFETY: the request was just handed to us. KernelMode is 0 (wdm.h MODE).
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestGetRequestorMode, request) == 0 }
}

/// IRQL: PASSIVE_LEVEL.
fn serve(request: WDFREQUEST, code: u32, internal: bool, input: usize, output: usize) {
    match handle(request, code, internal, input, output) {
        Ok(Done::Pended) => {}
        Ok(Done::Answered(bytes)) => complete(request, STATUS_SUCCESS, bytes),
        Err(status) => complete(request, status, 0),
    }
}

/// Completes a request. IRQL: at most DISPATCH_LEVEL.
pub fn complete(request: WDFREQUEST, status: NTSTATUS, bytes: usize) {
    // SAFETY: the request is ours and completed once: every caller gives it away with this call.
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestCompleteWithInformation, request, status, bytes as u64) }
}

/// IRQL: PASSIVE_LEVEL.
fn handle(request: WDFREQUEST, code: u32, internal: bool, input: usize, output: usize) -> Result<Done, NTSTATUS> {
    let (recorder, providers) = recorder::with_providers().ok_or(STATUS_DEVICE_NOT_READY)?;
    let input = input_buffer(request, input)?;
    let parsed = parse(code, internal, input, output).map_err(status::of)?;
    let answered = |bytes| Ok(Done::Answered(bytes));
    match parsed {
        Request::Info => answered(recorder.info(output_buffer(request, output)?)),
        Request::Read(read) => {
            let buffer = output_buffer(request, output)?;
            recorder.read(&read, buffer).map(Done::Answered).map_err(status::of)
        }
        Request::Wait { seen } => wait::wait(recorder, request, seen).map(|()| Done::Pended),
        Request::Configure(configure) => {
            // Both sides of a pause are worth a record, so it is made while writing is on.
            if configure.paused == Some(true) {
                recorder.log_own(Level::Info, b"configured: paused");
            }
            recorder.configure(&configure);
            if configure.level.is_some() {
                providers.pass_levels_on(recorder);
            }
            if configure.paused != Some(true) {
                recorder.log_own(Level::Info, b"configured");
            }
            answered(0)
        }
        Request::Clear => {
            recorder.clear();
            recorder.log_own(Level::Info, b"cleared");
            answered(0)
        }
        Request::Mark { level, text } => {
            recorder.mark(level, text).map_err(status::of)?;
            answered(0)
        }
        Request::Selftest => {
            let answer = selftest::run(recorder)?;
            store(output_buffer(request, output)?, answer.as_bytes()).map(Done::Answered)
        }
        Request::Sites { offset } => {
            let buffer = output_buffer(request, output)?;
            recorder.sites(offset, buffer).map(Done::Answered).map_err(status::of)
        }
        Request::ProviderLevel(change) => {
            providers.set_level(recorder, &change)?;
            recorder.log_own(Level::Info, b"configured: the level of a provider");
            answered(0)
        }
        Request::Connect => {
            let buffer = output_buffer(request, output)?;
            connect(buffer).map(Done::Answered)
        }
    }
}

/// IRQL: any.
fn connect(output: &mut [u8]) -> Result<usize, NTSTATUS> {
    let table = interface::table();
    // SAFETY: a structure without padding, as its asserted size says.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const table).cast::<u8>(), size_of::<Interface>()) };
    // A driver that knows less gets what it knows; `size` in it says that there is more.
    let length = output.len().min(bytes.len());
    match (output.get_mut(..length), bytes.get(..length)) {
        (Some(target), Some(known)) if length >= MIN_INTERFACE => {
            target.copy_from_slice(known);
            Ok(length)
        }
        _ => Err(status::of(Refusal::BufferTooSmall)),
    }
}

/// Copies an answer out. IRQL: any that the buffer allows.
pub fn store(output: &mut [u8], answer: &[u8]) -> Result<usize, NTSTATUS> {
    let target = output.get_mut(..answer.len()).ok_or_else(|| status::of(Refusal::BufferTooSmall))?;
    target.copy_from_slice(answer);
    Ok(answer.len())
}

/// Asks the framework for a buffer of a request, by the function of that name: start and length.
macro_rules! retrieve {
    ($function:ident, $request:expr, $length:expr) => {{
        let mut buffer: PVOID = core::ptr::null_mut();
        let mut found = 0;
        // SAFETY: the request is ours; pointer and length are written to our stack.
        let status = unsafe {
            call_unsafe_wdf_function_binding!($function, $request, $length as u64, &raw mut buffer, &raw mut found)
        };
        check(status).map(|()| (buffer.cast::<u8>(), found as usize))
    }};
}

/// The input: the system's copy for both methods that we use, so the caller cannot change it any more.
/// IRQL: at most DISPATCH_LEVEL.
fn input_buffer<'r>(request: WDFREQUEST, length: usize) -> Result<&'r [u8], NTSTATUS> {
    if length == 0 {
        return Ok(&[]);
    }
    let (buffer, found) = retrieve!(WdfRequestRetrieveInputBuffer, request, length)?;
    // SAFETY: the framework says that it is valid for `found` bytes until the request is completed.
    Ok(unsafe { core::slice::from_raw_parts(buffer, found) })
}

/// The output: the system's buffer (buffered) or the caller's own pages (READ). In the latter case the caller may
/// change it meanwhile, so nobody reads back what was stored. With METHOD_BUFFERED it is also where the input lies, so
/// it is taken after the input was parsed into values. IRQL: at most DISPATCH_LEVEL.
pub fn output_buffer<'r>(request: WDFREQUEST, length: usize) -> Result<&'r mut [u8], NTSTATUS> {
    let (buffer, found) = retrieve!(WdfRequestRetrieveOutputBuffer, request, length)?;
    // SAFETY: the framework says that it is valid for `found` bytes until the request is completed.
    Ok(unsafe { core::slice::from_raw_parts_mut(buffer, found) })
}
