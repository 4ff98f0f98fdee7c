//! A buffered request of the test driver's device, from dispatch to completion.

use core::ptr;

use irqlog_nt::{IRP_MJ_DEVICE_CONTROL, IoStackLocation, IoStatusBlock, Irp, NtStatus};

use crate::nt;

/// A request that the I/O manager has sent and that is not completed yet.
pub struct StormRequest {
    irp: *mut Irp,
    code: Option<u32>,
    input: usize,
    output: usize,
}

impl StormRequest {
    /// Takes over a request. IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Safety
    /// `irp` is the argument of the caller's dispatch routine, which uses it only through this value from now on. All
    /// control codes of the device are METHOD_BUFFERED.
    pub unsafe fn new(irp: *mut Irp) -> Self {
        // SAFETY: a request in a dispatch routine is the driver's until it is completed.
        let location: *const IoStackLocation = unsafe { (*irp).CurrentStackLocation };
        // SAFETY: the current stack location of such a request is the driver's, and stays as long.
        let location = unsafe { &*location };
        let is_control = location.MajorFunction == IRP_MJ_DEVICE_CONTROL;
        Self {
            irp,
            code: is_control.then_some(location.IoControlCode as u32),
            input: if is_control { location.InputBufferLength } else { 0 },
            output: if is_control { location.OutputBufferLength } else { 0 },
        }
    }

    /// The control code; `None` for create, cleanup and close.
    pub const fn code(&self) -> Option<u32> {
        self.code
    }

    /// The input; `None` if its length is not `N` bytes.
    pub fn input<const N: usize>(&self) -> Option<[u8; N]> {
        let start = self.buffer().filter(|_| self.input == N)?;
        // SAFETY: the buffer has `N` bytes of input, and an array of bytes needs no alignment.
        Some(unsafe { start.cast::<[u8; N]>().read() })
    }

    /// Stores the output; `None` if the output buffer is smaller. The input is gone afterwards.
    pub fn answer(&self, bytes: &[u8]) -> Option<usize> {
        let start = self.buffer().filter(|_| bytes.len() <= self.output)?;
        // SAFETY: the buffer has room for that many bytes, and `bytes` lies elsewhere: the caller cannot borrow the buffer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        Some(bytes.len())
    }

    /// Start of the system buffer; `None` if the request has none. It has the larger of both lengths (Microsoft Learn,
    /// "Buffer Descriptions for I/O Control Codes": METHOD_BUFFERED).
    fn buffer(&self) -> Option<*mut u8> {
        // SAFETY: the request is not completed yet.
        let start = unsafe { (*self.irp).SystemBuffer };
        (!start.is_null()).then_some(start.cast())
    }

    /// Completes the request. IRQL: at most DISPATCH_LEVEL.
    pub fn complete(self, status: NtStatus, information: usize) -> NtStatus {
        // SAFETY: the request is the driver's until the call below.
        unsafe { (*self.irp).IoStatus = IoStatusBlock { Status: status, Information: information } };
        // SAFETY: the request is completed once, since this takes the value.
        unsafe { nt::IofCompleteRequest(self.irp, 0) };
        status
    }
}
