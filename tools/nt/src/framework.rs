//! The rules of KMDF that the small framework of `tools/kmdf` checks, as strictly as Microsoft's.
//!
//! A driver that breaks one has a defect, whatever the real framework answers: a status, a break under its verifier, or
//! a configuration that it drops without a word. So the small one ends the run, and names rule and source. What the real
//! one checks in its verifier mode alone (`VerifierOn`, `TrackHandles`, `EnhancedVerifierOptions`), the small one checks
//! always. [`BEHAVIOURS`] are no rules of the driver's, but what the framework does; the small one does the same. The rig's
//! scenario `kmdf-rules` breaks each rule once, and shows each behaviour.
//!
//! Sources are files below `src/framework/` of microsoft/Windows-Driver-Frameworks at b6191d95.

use core::ffi::CStr;

/// A rule of the framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameworkRule {
    /// A word for it.
    pub name: &'static CStr,
    /// What the driver owes.
    pub text: &'static CStr,
    /// Who states it.
    pub source: &'static CStr,
}

macro_rules! rules {
    ($(#[$all_doc:meta])* $all:ident: $($(#[$doc:meta])* $constant:ident = $name:literal, $text:literal, $source:literal;)+) => {
        $($(#[$doc])* pub const $constant: FrameworkRule =
            FrameworkRule { name: $name, text: $text, source: $source };)+

        $(#[$all_doc])*
        pub const $all: &[FrameworkRule] = &[$($constant),+];
    };
}

rules! {
    /// All rules.
    RULES:
    /// WDF_DRIVER_CONFIG, WDF_OBJECT_ATTRIBUTES, WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_FILEOBJECT_CONFIG,
    /// WDF_IO_QUEUE_CONFIG, WDF_TIMER_CONFIG.
    STRUCTURE_SIZE = c"structure-size", c"the Size field of a structure is its size",
        c"shared/core/fxdriverapi.cpp, fxdeviceinitapi.cpp, fxtimerapi.cpp, shared/irphandlers/io/fxioqueueapi.cpp";
    /// Zero is neither an execution level nor a synchronization scope.
    ATTRIBUTES_RANGE = c"attributes-range",
        c"ExecutionLevel and SynchronizationScope are in their range, which 0 is not",
        c"shared/object/fxvalidatefunctions.cpp";
    /// Requests and files have their device as parent, a driver has none, a timer needs one.
    ATTRIBUTES_PARENT = c"attributes-parent", c"the type of object takes, or needs, a ParentObject",
        c"shared/object/fxvalidatefunctions.cpp";
    /// Drivers, queues, files and timers take an execution level.
    ATTRIBUTES_LEVEL = c"attributes-level", c"the type of object takes an ExecutionLevel",
        c"shared/object/fxvalidatefunctions.cpp";
    /// Drivers, queues and files take a synchronization scope.
    ATTRIBUTES_SCOPE = c"attributes-scope", c"the type of object takes a SynchronizationScope",
        c"shared/object/fxvalidatefunctions.cpp";
    /// A context has a name, and an override that is no smaller than its type.
    CONTEXT_TYPE = c"context-type", c"a context has a type with a name, and an override no smaller than the type",
        c"shared/object/fxvalidatefunctions.cpp";
    /// One call for each binding.
    ONE_DRIVER = c"one-driver", c"WdfDriverCreate is called once", c"shared/core/fxdriverapi.cpp";
    /// A non-PnP driver has no EvtDriverDeviceAdd.
    NO_DEVICE_ADD = c"no-device-add", c"a driver with WdfDriverInitNonPnpDriver has no EvtDriverDeviceAdd",
        c"shared/core/fxdriverapi.cpp";
    /// DriverInitFlags are known bits.
    DRIVER_FLAGS = c"driver-flags", c"DriverInitFlags has no unknown bit", c"shared/core/fxdriverapi.cpp";
    /// A control device's default queue is there before requests can come.
    DEFAULT_QUEUE_BEFORE = c"default-queue-before",
        c"the default queue of a control device is created before WdfControlFinishInitializing",
        c"shared/irphandlers/io/fxioqueueapi.cpp";
    /// A device has one default queue.
    ONE_DEFAULT_QUEUE = c"one-default-queue", c"a device has one default queue",
        c"shared/irphandlers/io/fxpkgio.cpp, InitializeDefaultQueue";
    /// A queue that is no default queue is of use to nobody without its handle.
    QUEUE_HANDLE = c"queue-handle", c"the handle of a queue that is not the default queue is taken",
        c"shared/irphandlers/io/fxioqueueapi.cpp";
    /// A manual queue calls nobody.
    MANUAL_QUEUE = c"manual-queue", c"a manual queue has no callbacks for I/O, and NumberOfPresentedRequests is 0",
        c"shared/irphandlers/io/fxioqueue.cpp, FxIoQueue::Initialize";
    /// Any other queue calls somebody.
    QUEUE_CALLBACK = c"queue-callback", c"a queue that is not manual has a callback for I/O",
        c"shared/irphandlers/io/fxioqueue.cpp, FxIoQueue::Initialize";
    /// WdfIoQueueFindRequest and WdfIoQueueRetrieveFoundRequest.
    FIND_IN_MANUAL = c"find-in-manual", c"requests are found, and taken out, in manual queues alone",
        c"shared/irphandlers/io/fxioqueue.cpp, PeekRequest and VerifyGetRequestUpdateFlags";
    /// Lengths are even, no larger than MaximumLength, and have a buffer.
    UNICODE_STRING = c"unicode-string", c"a UNICODE_STRING is even, fits its MaximumLength, and has a buffer",
        c"shared/inc/private/common/fxvalidatefunctions.hpp, FxValidateUnicodeString";
    /// The functions whose first line asks for it.
    PASSIVE_LEVEL = c"passive-level", c"the function is called at PASSIVE_LEVEL",
        c"shared/inc/private/common/fxverifier.h, FxVerifierCheckIrqlLevel";
    /// A string for a value has room.
    VALUE_ROOM = c"value-room", c"the UNICODE_STRING for a value has a MaximumLength",
        c"shared/support/fxregistryapi.cpp";
    /// The I/O manager copies Information bytes back to the caller.
    INFORMATION = c"information", c"Information is no more than the caller's output buffer holds",
        c"shared/core/fxrequest.cpp, VerifyCompleteInternal";
    /// A reference is given back under the tag under which it was taken; no tag is the tag null. (With `TrackHandles`.)
    REFERENCE_TAG = c"reference-tag", c"a reference is given back with the tag with which it was taken",
        c"shared/object/fxtagtracker.cpp, UpdateTagHistory";
    /// A callback of a queue leaves the IRQL as it found it. (With `EnhancedVerifierOptions`.)
    CALLBACK_IRQL = c"callback-irql", c"a callback returns at the IRQL at which it was called",
        c"shared/enhancedverif/km/vfprivkm.hpp, VerifyIrqlExit";
    /// A callback of a queue leaves as many critical regions as it enters. (With `EnhancedVerifierOptions`.)
    CALLBACK_REGION = c"callback-region", c"a callback leaves the critical regions that it enters, and no other",
        c"shared/enhancedverif/km/vfprivkm.hpp, VerifyCriticalRegionExit";
    /// Of a version that was released, with a place for the table.
    BINDING = c"binding", c"a driver binds to a released version, with its number of functions and a table",
        c"kmdf/src/librarycommon/fxlibrarycommon.cpp";
}

rules! {
    /// What the framework does with a driver that keeps the rules, as far as a driver can notice.
    BEHAVIOURS:
    /// The driver asked for PASSIVE_LEVEL; whoever sends the request may run above it.
    PASSIVE_QUEUE = c"passive-queue", c"a request above PASSIVE_LEVEL for a passive queue is presented by a work item",
        c"shared/irphandlers/io/fxioqueue.cpp, CanThreadDispatchEventsLocked";
    /// No suspension of the thread while it has a request.
    CRITICAL_REGION = c"critical-region", c"a request is presented inside a critical region",
        c"shared/irphandlers/io/fxpkgio.cpp, DispatchStep2";
    /// The next request waits until the driver has completed, or forwarded, one that it has.
    PRESENTED_REQUESTS = c"presented-requests", c"a parallel queue presents NumberOfPresentedRequests requests at once",
        c"shared/irphandlers/io/fxioqueue.cpp, Initialize and GetRequest";
    /// Otherwise the stop would never end.
    START_WHILE_STOPPING = c"start-while-stopping", c"WdfTimerStart does nothing while a WdfTimerStop waits",
        c"shared/core/fxtimer.cpp, FxTimer::Start";
    /// Although the terminator does not count in the string's Length.
    VALUE_TERMINATOR = c"value-terminator", c"a value is given if it fits with its terminator",
        c"shared/support/fxregistryapi.cpp, WdfRegistryQueryUnicodeString";
}

/// The number of functions in the table of each released minor version of KMDF 1.
pub const RELEASED: [(u32, u32); 16] = [
    (0, 383),
    (1, 386),
    (5, 387),
    (7, 387),
    (9, 396),
    (11, 432),
    (13, 438),
    (15, 444),
    (17, 444),
    (19, 446),
    (21, 448),
    (23, 451),
    (25, 453),
    (27, 453),
    (29, 454),
    (31, 458),
];
