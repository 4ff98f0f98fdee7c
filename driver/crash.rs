//! Bug-check callbacks: the log as secondary data of a crash dump.
//!
//! [`irqlog_recorder::crash`] decides what is handed out. This file registers the callbacks, and carries what they are
//! asked and what they answer.
//!
//! | Reason | Use |
//! |---|---|
//! | `KbCallbackSecondaryMultiPartDumpData` | parts of the log, in every kind of dump |
//! | `KbCallbackSecondaryDumpData` | one part, where the registration of the above fails |
//! | `KbCallbackTriageDumpData` | the memory of image and anchor in a small dump, so that a debugger finds it there |
//!
//! A callback runs "at IRQL = HIGH_LEVEL", with the other processors frozen; it may neither allocate nor touch pageable
//! memory nor use "any synchronization mechanisms" (DDI wdm/nc-wdm-kbugcheck_reason_callback_routine; "Writing a Bug
//! Check Reason Callback Routine"). It works in memory that [`instance::start`] has allocated, and `cargo xtask
//! verify-sys` follows every call from the roots below as it does for the record path.
//!
//! The callbacks are registered last at the start and removed first at unload. So what they use is there while they can
//! run.

use core::{
    cell::UnsafeCell,
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicBool, Ordering},
};

use irqlog_recorder::crash::{BugCheck, Given, Parts, Passes};
use irqlog_wire::{
    crash::{Anchor, GUID},
    record::{Level, WORD},
};
use wdk_sys::{
    _KBUGCHECK_CALLBACK_REASON::{
        KbCallbackSecondaryDumpData, KbCallbackSecondaryMultiPartDumpData, KbCallbackTriageDumpData,
    },
    BOOLEAN, KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA, KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS,
    KBUGCHECK_CALLBACK_REASON, KBUGCHECK_REASON_CALLBACK_RECORD, KBUGCHECK_SECONDARY_DUMP_DATA,
    KBUGCHECK_SECONDARY_DUMP_DATA_EX, KBUGCHECK_TRIAGE_DUMP_DATA, NTSTATUS, PKBUGCHECK_REASON_CALLBACK_ROUTINE, PVOID,
    ULONG,
    ntddk::{KeAddTriageDumpDataBlock, KeDeregisterBugCheckReasonCallback, KeRegisterBugCheckReasonCallback},
};

use crate::{
    crash_memory::{ANCHOR, CallbackMemory},
    instance,
    memory::ImageMemory,
};

/// A callback record, which the system links into its list while it is registered.
struct Record {
    inner: UnsafeCell<KBUGCHECK_REASON_CALLBACK_RECORD>,
    is_registered: AtomicBool,
}

// SAFETY: the record is the system's while it is registered; `is_registered` says when, and one thread starts and stops.
unsafe impl Sync for Record {}

impl Record {
    /// A record that is not registered. IRQL: any.
    const fn new() -> Self {
        // SAFETY: null pointers, zeros and no routine. KeInitializeCallbackRecord, a macro, stores the State of zero
        // (wdm.h, `BufferEmpty`).
        Self { inner: UnsafeCell::new(unsafe { core::mem::zeroed() }), is_registered: AtomicBool::new(false) }
    }

    /// IRQL: any.
    fn register(&self, routine: PKBUGCHECK_REASON_CALLBACK_ROUTINE, reason: KBUGCHECK_CALLBACK_REASON) -> bool {
        // SAFETY: an initialised record in non-paged memory that stays until it is removed, a routine of the driver, and
        // a text that lives as long as the driver; any IRQL (DDI wdm/nf-wdm-keregisterbugcheckreasoncallback).
        let is_registered = unsafe {
            KeRegisterBugCheckReasonCallback(self.inner.get(), routine, reason, c"irqlog".as_ptr().cast_mut().cast())
        };
        self.is_registered.store(is_registered != 0, Ordering::Release);
        is_registered != 0
    }

    /// IRQL: any.
    fn deregister(&self) {
        if self.is_registered.swap(false, Ordering::AcqRel) {
            // SAFETY: registered, and not removed yet.
            let _: BOOLEAN = unsafe { KeDeregisterBugCheckReasonCallback(self.inner.get()) };
        }
    }
}

static SECONDARY: Record = Record::new();
static TRIAGE: Record = Record::new();

/// Registers the callbacks. Without them a dump has the log only if it has the memory. IRQL: any.
pub fn listen() {
    let is_registered = SECONDARY.register(Some(irqlog_on_secondary_parts), KbCallbackSecondaryMultiPartDumpData)
        || SECONDARY.register(Some(irqlog_on_secondary), KbCallbackSecondaryDumpData);
    TRIAGE.register(Some(irqlog_on_triage), KbCallbackTriageDumpData);
    if !is_registered && let Some(recorder) = instance::get() {
        recorder.log_own(Level::Error, b"no bug-check callback: a small dump will not have the log");
    }
}

/// Removes the callbacks. IRQL: any.
pub fn stop_listening() {
    TRIAGE.deregister();
    SECONDARY.deregister();
}

/// The structure that the system gives to a callback, if it is large enough.
///
/// IRQL: any.
///
/// # Safety
/// `data` is valid for `length` bytes and nobody else uses it, and `T` is the structure of the callback's reason.
#[inline]
unsafe fn given<'d, T>(data: PVOID, length: ULONG) -> Option<&'d mut T> {
    if data.is_null() || (length as usize) < size_of::<T>() {
        return None;
    }
    // SAFETY: as the caller promises; not null, and large enough.
    Some(unsafe { &mut *data.cast::<T>() })
}

/// The recorder with the memory of the callbacks.
///
/// IRQL: any.
///
/// # Safety
/// A callback of the bug check asks, on the one processor that runs, and keeps the result for one call.
#[inline]
unsafe fn inner<'i>() -> Option<(&'static crate::recorder::DriverRecorder, &'static ImageMemory, &'i mut CallbackMemory)>
{
    let (recorder, image, memory) = instance::crash()?;
    // SAFETY: as the caller promises: nobody else is inside.
    Some((recorder, image, unsafe { memory.inside() }))
}

/// The bug check that a structure of the system tells of. Two structures do, by fields of the same names.
macro_rules! bug_check {
    ($data:ident) => {
        BugCheck {
            code: $data.BugCheckCode,
            parameters: [
                $data.BugCheckParameter1,
                $data.BugCheckParameter2,
                $data.BugCheckParameter3,
                $data.BugCheckParameter4,
            ],
        }
    };
}

/// `KbCallbackSecondaryMultiPartDumpData`. IRQL: HIGH_LEVEL.
///
/// # Safety
/// Called by the system.
#[inline(never)]
unsafe extern "C" fn irqlog_on_secondary_parts(
    _: KBUGCHECK_CALLBACK_REASON,
    _: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    data: PVOID,
    length: ULONG,
) {
    // SAFETY: the system's structure for this reason.
    let Some(data) = (unsafe { given::<KBUGCHECK_SECONDARY_DUMP_DATA_EX>(data, length) }) else { return };
    // SAFETY: we are such a callback.
    let Some((recorder, image, inner)) = (unsafe { inner() }) else { return };
    recorder.note_crash(&bug_check!(data));
    let allowed = u64::from(data.MaximumAllowed);
    // "Before the initial call to the callback routine, Context is NULL": a pass begins.
    if data.Context.is_null() {
        recorder.begin_pass(&mut inner.passes, &mut inner.scratch, allowed, Parts::Many, inner.part.len());
    }
    let given = recorder.next_part(&mut inner.passes, &mut inner.scratch, allowed, inner.part);
    let more = matches!(given, Given::Part { more: true, .. });
    data.Guid = guid();
    (data.OutBuffer, data.OutBufferLength) = handed(given, image, inner.part);
    data.Flags =
        KB_SECONDARY_DATA_FLAG_NO_DEVICE_ACCESS | if more { KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA } else { 0 };
    data.Context = if more { inner.part.as_mut_ptr().cast() } else { null_mut() };
}

/// `KbCallbackSecondaryDumpData`: each call is a pass. IRQL: HIGH_LEVEL.
///
/// # Safety
/// Called by the system.
#[inline(never)]
unsafe extern "C" fn irqlog_on_secondary(
    _: KBUGCHECK_CALLBACK_REASON,
    _: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    data: PVOID,
    length: ULONG,
) {
    // SAFETY: the system's structure for this reason.
    let Some(data) = (unsafe { given::<KBUGCHECK_SECONDARY_DUMP_DATA>(data, length) }) else { return };
    // SAFETY: we are such a callback.
    let Some((recorder, image, inner)) = (unsafe { inner() }) else { return };
    // This structure does not say which bug check it is.
    recorder.note_crash(&BugCheck::default());
    let allowed = u64::from(data.MaximumAllowed);
    recorder.begin_pass(&mut inner.passes, &mut inner.scratch, allowed, Parts::One, inner.part.len());
    let given = recorder.next_part(&mut inner.passes, &mut inner.scratch, allowed, inner.part);
    data.Guid = guid();
    (data.OutBuffer, data.OutBufferLength) = handed(given, image, inner.part);
}

/// `KbCallbackTriageDumpData`. IRQL: HIGH_LEVEL.
///
/// # Safety
/// Called by the system.
#[inline(never)]
unsafe extern "C" fn irqlog_on_triage(
    _: KBUGCHECK_CALLBACK_REASON,
    _: *mut KBUGCHECK_REASON_CALLBACK_RECORD,
    data: PVOID,
    length: ULONG,
) {
    // SAFETY: the system's structure for this reason.
    let Some(data) = (unsafe { given::<KBUGCHECK_TRIAGE_DUMP_DATA>(data, length) }) else { return };
    // SAFETY: we are such a callback.
    let Some((recorder, image, inner)) = (unsafe { inner() }) else { return };
    recorder.note_crash(&bug_check!(data));
    let Some(room) = u64::from(data.MaxVirtMemSize).checked_sub(size_of::<Anchor>() as u64) else { return };
    if !inner.has_array {
        return;
    }
    if !inner.is_added {
        inner.is_added = true;
        add(inner.array, (&raw const ANCHOR).cast(), size_of::<Anchor>());
        let [start, size, table, pieces, piece_size] = image.places();
        let whole = size.saturating_add(pieces.saturating_mul(piece_size.saturating_add(WORD as u64)));
        if whole <= room {
            add(inner.array, start as *const c_void, size as usize);
            if pieces != 0 {
                add(inner.array, table as *const c_void, (pieces as usize).saturating_mul(WORD));
            }
            for piece in image.pieces() {
                add(inner.array, piece, piece_size as usize);
            }
        } else {
            let mut passes = Passes::new();
            let length = inner.triage_part.len();
            recorder.begin_pass(&mut passes, &mut inner.scratch, room, Parts::One, length);
            if let Given::Part { words, .. } =
                recorder.next_part(&mut passes, &mut inner.scratch, room, inner.triage_part)
            {
                add(inner.array, inner.triage_part.as_ptr().cast(), words * WORD);
            }
        }
    }
    data.DataArray = inner.array.as_mut_ptr().cast();
}

/// Adds a block to the array of a small dump; one that the system refuses is not there. IRQL: any.
fn add(array: &mut [u64], address: *const c_void, size: usize) {
    // SAFETY: an initialised array, and memory of the driver's. It is called from such callbacks (DDI
    // wdm/ns-wdm-_kbugcheck_triage_dump_data).
    let _: NTSTATUS = unsafe { KeAddTriageDumpDataBlock(array.as_mut_ptr().cast(), address.cast_mut(), size as u64) };
}

/// The buffer that the system is to write, and its length in bytes. IRQL: any.
fn handed(given: Given, image: &ImageMemory, part: &mut [u64]) -> (PVOID, ULONG) {
    match given {
        Given::Nothing => (null_mut(), 0),
        Given::Image => {
            let [start, size, ..] = image.places();
            (start as PVOID, size as ULONG)
        }
        Given::Part { words, .. } => (part.as_mut_ptr().cast(), (words * WORD) as ULONG),
    }
}

/// The GUID of our secondary data. IRQL: any.
const fn guid() -> wdk_sys::GUID {
    let (first, second, third, rest) = GUID;
    wdk_sys::GUID { Data1: first, Data2: second, Data3: third, Data4: rest }
}
