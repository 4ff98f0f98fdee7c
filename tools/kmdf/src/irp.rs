//! An IRP that the kernel gave to the dispatch routine.

use core::{
    ffi::c_void,
    ptr::{NonNull, null_mut},
    sync::atomic::Ordering,
};

use irqlog_nt::{DeviceObject, FileObject, IoStackLocation, Irp, MDL_IS_MAPPED, NtStatus, SL_PENDING_RETURNED};

use crate::{nt, object::RawHandle};

/// A WDM cancel routine.
pub type Cancel = unsafe extern "system" fn(*mut DeviceObject, *mut Irp);

/// An IRP that is ours until it is completed, which happens once: [`WdfRequest`](crate::request::WdfRequest) sees to that.
///
/// The kernel writes `Cancel`, `CancelIrql` and `CancelRoutine` of it meanwhile, so no reference to the whole IRP is
/// ever made: each field is reached by itself.
pub struct PendingIrp(NonNull<Irp>);

/// The parameters of a control request.
#[derive(Clone, Copy)]
pub struct ControlParameters {
    pub major: u8,
    pub code: u32,
    pub input_length: usize,
    pub output_length: usize,
}

impl PendingIrp {
    /// An IRP that the kernel gave.
    ///
    /// # Safety
    /// The dispatch routine of this driver, or the cancel routine that [`arm`](Self::arm) set, was called with it, and it
    /// was not completed.
    pub const unsafe fn new(irp: NonNull<Irp>) -> Self {
        Self(irp)
    }

    const fn location(&self) -> *mut IoStackLocation {
        // SAFETY: the IRP is ours, so it lives; only we move its current location, and we do not.
        unsafe { (*self.0.as_ptr()).CurrentStackLocation }
    }

    /// The request's control code, and the lengths of its buffers.
    pub const fn parameters(&self) -> ControlParameters {
        // SAFETY: an IRP that was dispatched has a current location, which only its owner, we, would change.
        let location = unsafe { &*self.location() };
        ControlParameters {
            major: location.MajorFunction,
            code: location.IoControlCode as u32,
            input_length: location.InputBufferLength as u32 as usize,
            output_length: location.OutputBufferLength as u32 as usize,
        }
    }

    /// The file object, or null.
    pub const fn file(&self) -> *mut FileObject {
        // SAFETY: as in `parameters`.
        unsafe { (*self.location()).FileObject }
    }

    /// IoMarkIrpPending.
    pub fn mark_pending(&self) {
        // SAFETY: the location is ours, and nothing else looks at it before the dispatch routine returns.
        unsafe { (*self.location()).Control |= SL_PENDING_RETURNED };
    }

    /// The mode that the request was made in.
    pub const fn requestor_mode(&self) -> i8 {
        // SAFETY: the IRP is ours; the field is written before it is sent.
        unsafe { (*self.0.as_ptr()).RequestorMode }
    }

    /// The value of `Information` that was stored last.
    pub const fn information(&self) -> usize {
        // SAFETY: the IRP is ours, so only we write its status block.
        unsafe { (*self.0.as_ptr()).IoStatus.Information }
    }

    /// The buffer of METHOD_BUFFERED, and the input of the direct methods; null if there is none.
    pub const fn system_buffer(&self) -> *mut c_void {
        // SAFETY: the IRP is ours; the field is written before it is sent.
        unsafe { (*self.0.as_ptr()).SystemBuffer }
    }

    /// The mapped output of the direct methods; null if there is none or it cannot be mapped. IRQL: <= DISPATCH_LEVEL.
    pub fn direct_buffer(&self) -> *mut c_void {
        const KERNEL_MODE: i8 = 0;
        const MM_CACHED: u32 = 1;
        const NORMAL_PAGE_PRIORITY_NO_EXECUTE: u32 = 16 | 0x4000_0000;
        // SAFETY: the IRP is ours; the field is written before it is sent.
        let mdl = unsafe { (*self.0.as_ptr()).MdlAddress };
        if mdl.is_null() {
            return null_mut();
        }
        // SAFETY: the MDL belongs to the IRP, which is not completed.
        let flags = unsafe { (*mdl).MdlFlags };
        if flags & MDL_IS_MAPPED != 0 {
            // SAFETY: as above.
            return unsafe { (*mdl).MappedSystemVa };
        }
        // SAFETY: an MDL of locked pages, as the I/O manager builds it for direct methods, that is not mapped yet;
        // failure is a null result and no bug check (the fifth argument is FALSE).
        unsafe {
            nt::MmMapLockedPagesSpecifyCache(
                mdl,
                KERNEL_MODE,
                MM_CACHED,
                null_mut(),
                0,
                NORMAL_PAGE_PRIORITY_NO_EXECUTE,
            )
        }
    }

    /// Sets the cancel routine, and what [`cancelled_request`] will give it. True if the IRP was cancelled before and no
    /// canceller has the routine, which is taken back then: the end is the caller's.
    pub fn arm(&self, request: RawHandle, routine: Cancel) -> bool {
        // SAFETY: `DriverContext` is the owner's, and we own the IRP. The canceller looks at it only once it has the
        // routine, which is stored below.
        unsafe { (*self.0.as_ptr()).DriverContext[0] = request.as_ptr() };
        // SAFETY: an atomic field of an IRP that is ours.
        let cancel_routine = unsafe { &(*self.0.as_ptr()).CancelRoutine };
        cancel_routine.store(routine as *mut c_void, Ordering::SeqCst);
        // SAFETY: as above.
        let is_cancelled = unsafe { &(*self.0.as_ptr()).Cancel };
        is_cancelled.load(Ordering::SeqCst) != 0 && self.disarm()
    }

    /// Takes the cancel routine back; false if a canceller has it.
    pub fn disarm(&self) -> bool {
        // SAFETY: an atomic field of an IRP that is not completed: whoever holds the request sees to it.
        let cancel_routine = unsafe { &(*self.0.as_ptr()).CancelRoutine };
        !cancel_routine.swap(null_mut(), Ordering::SeqCst).is_null()
    }

    /// Completes the IRP, which is not ours afterwards: it is not to be touched again. IRQL: <= DISPATCH_LEVEL.
    pub fn complete(&self, status: NtStatus, information: usize) {
        // SAFETY: the IRP is ours, so only we write its status block.
        let block = unsafe { &mut (*self.0.as_ptr()).IoStatus };
        block.Status = status;
        block.Information = information;
        // SAFETY: an IRP that was given to our dispatch routine and was not completed, without a cancel routine: it was
        // never armed, or was disarmed, or the canceller took the routine.
        unsafe { nt::IofCompleteRequest(self.0.as_ptr(), 0) };
    }
}

/// In a cancel routine: releases the cancel spin lock, and gives the request that [`PendingIrp::arm`] was told.
///
/// # Safety
/// The kernel called the routine that `arm` set with this IRP, and this is the first thing that the routine does.
pub unsafe fn cancelled_request(irp: *mut Irp) -> RawHandle {
    // SAFETY: the caller's routine was given the IRP with the cancel spin lock held; the kernel stored the level.
    let irql = unsafe { (*irp).CancelIrql };
    // SAFETY: `arm` stored it before it set the routine; only its owner, the caller, changes it.
    let request = unsafe { (*irp).DriverContext[0] };
    // SAFETY: the kernel acquired the lock for this call, and leaves its release, once, to the routine.
    unsafe { nt::IoReleaseCancelSpinLock(irql) };
    // SAFETY: the handle that `arm` got; the request is completed by this cancel routine's caller, so it has not been.
    unsafe { RawHandle::from_ptr(request) }
}
