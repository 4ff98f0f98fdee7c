//! The one table from refusals to NTSTATUS.

use irqlog_recorder::request::Refusal;
use wdk_sys::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
};

/// IRQL: any.
pub const fn of(refusal: Refusal) -> NTSTATUS {
    match refusal {
        Refusal::UnknownCode => STATUS_INVALID_DEVICE_REQUEST,
        Refusal::InvalidParameter => STATUS_INVALID_PARAMETER,
        Refusal::BufferTooSmall => STATUS_BUFFER_TOO_SMALL,
        Refusal::KernelModeOnly => STATUS_ACCESS_DENIED,
    }
}
