//! NTSTATUS: failures as errors, and the status for each refusal of a request.

use irqlog_recorder::request::Refusal;
use wdk_sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_LOG_FILE_FULL,
    STATUS_QUOTA_EXCEEDED, STATUS_REQUEST_NOT_ACCEPTED,
};

// The recorder names the numbers, so that its tests see them; the kit's headers name them too.
const _: () = {
    assert!(of(Refusal::UnknownCode) == STATUS_INVALID_DEVICE_REQUEST);
    assert!(of(Refusal::InvalidParameter) == STATUS_INVALID_PARAMETER);
    assert!(of(Refusal::BufferTooSmall) == STATUS_BUFFER_TOO_SMALL);
    assert!(of(Refusal::KernelModeOnly) == STATUS_ACCESS_DENIED);
    assert!(of(Refusal::TooManyWaits) == STATUS_QUOTA_EXCEEDED);
    assert!(of(Refusal::MarkFiltered) == STATUS_REQUEST_NOT_ACCEPTED);
    assert!(of(Refusal::MarkPaused) == STATUS_INVALID_DEVICE_STATE);
    assert!(of(Refusal::MarkFull) == STATUS_LOG_FILE_FULL);
    assert!(of(Refusal::MarkDropped) == STATUS_INSUFFICIENT_RESOURCES);
};

/// The status with which a refused request is completed. IRQL: any.
pub const fn of(refusal: Refusal) -> NTSTATUS {
    refusal.status().cast_signed()
}

/// Turns a failure status into an error. IRQL: any.
pub const fn check(status: NTSTATUS) -> Result<(), NTSTATUS> {
    if wdk::nt_success(status) { Ok(()) } else { Err(status) }
}
