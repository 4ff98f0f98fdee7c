//! The framework's callbacks for requests: each passes the request to its handler, and completes it with the result.

use wdk_sys::{STATUS_SUCCESS, WDFQUEUE, WDFREQUEST};

use crate::{
    handler::{Done, handle},
    request::{complete, is_from_kernel},
};

/// SIZE_T, which bindgen makes a u64 on both architectures.
#[allow(non_camel_case_types, reason = "stands for a C type")]
type usize64 = wdk_sys::SIZE_T;

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

/// IRQL: PASSIVE_LEVEL.
fn serve(request: WDFREQUEST, code: u32, internal: bool, input: usize, output: usize) {
    match handle(request, code, internal, input, output) {
        Ok(Done::Pended) => {}
        Ok(Done::Answered(bytes)) => complete(request, STATUS_SUCCESS, bytes),
        Err(status) => complete(request, status, 0),
    }
}
