//! A request of the framework: its buffers, its owner, and its completion.
//!
//! A request flows one way: [`queue`](crate::queue) -> [`dispatch`](crate::dispatch) -> [`handler`](crate::handler) ->
//! here, with [`wait`](crate::wait) between the last two for a request that is pended.

use irqlog_recorder::request::Refusal;
use wdk_sys::{NTSTATUS, PVOID, WDFFILEOBJECT, WDFREQUEST, call_unsafe_wdf_function_binding};

use crate::status::{self, check};

/// Completes a request. IRQL: at most DISPATCH_LEVEL.
pub fn complete(request: WDFREQUEST, status: NTSTATUS, bytes: usize) {
    // SAFETY: the request is ours and completed once: every caller gives it away with this call.
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestCompleteWithInformation, request, status, bytes as u64) }
}

/// Whether kernel mode sent the request. IRQL: at most DISPATCH_LEVEL.
pub fn is_from_kernel(request: WDFREQUEST) -> bool {
    // SAFETY: the request was just handed to us. KernelMode is 0 (wdm.h MODE).
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestGetRequestorMode, request) == 0 }
}

/// The file object of the handle through which the request was made. IRQL: at most DISPATCH_LEVEL.
pub fn file(request: WDFREQUEST) -> WDFFILEOBJECT {
    // SAFETY: the request is ours.
    unsafe { call_unsafe_wdf_function_binding!(WdfRequestGetFileObject, request) }
}

/// Copies an answer into the request's output buffer. IRQL: any that the buffer allows.
///
/// # Errors
/// STATUS_BUFFER_TOO_SMALL.
pub fn store(output: &mut [u8], answer: &[u8]) -> Result<usize, NTSTATUS> {
    let target = output.get_mut(..answer.len()).ok_or_else(|| status::of(Refusal::BufferTooSmall))?;
    target.copy_from_slice(answer);
    Ok(answer.len())
}

/// Asks the framework for start and length of a request's buffer, by the function with this name.
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

/// The input buffer. It is the system's copy for both methods that irqlog uses, so the caller cannot change it any
/// more. IRQL: at most DISPATCH_LEVEL.
///
/// # Errors
/// The status of the framework.
pub fn input_buffer<'r>(request: WDFREQUEST, length: usize) -> Result<&'r [u8], NTSTATUS> {
    if length == 0 {
        return Ok(&[]);
    }
    let (buffer, found) = retrieve!(WdfRequestRetrieveInputBuffer, request, length)?;
    // SAFETY: the framework says that it is valid for `found` bytes until the request is completed.
    Ok(unsafe { core::slice::from_raw_parts(buffer, found) })
}

/// The output buffer: the system's buffer (buffered) or the caller's own pages (READ). The caller may change its own
/// pages meanwhile, so the driver never reads back what it stored. With METHOD_BUFFERED the input lies in the same
/// buffer, so the driver takes the output after the input was parsed into values. IRQL: at most DISPATCH_LEVEL.
///
/// # Errors
/// The status of the framework.
pub fn output_buffer<'r>(request: WDFREQUEST, length: usize) -> Result<&'r mut [u8], NTSTATUS> {
    let (buffer, found) = retrieve!(WdfRequestRetrieveOutputBuffer, request, length)?;
    // SAFETY: the framework says that it is valid for `found` bytes until the request is completed.
    Ok(unsafe { core::slice::from_raw_parts_mut(buffer, found) })
}
