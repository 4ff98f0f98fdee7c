/*
 * irqlog kit: the part of KMDF 1.31 that irqlog, wdk-sys and wdk use.
 *
 * Clean-room: written from the public documentation (learn.microsoft.com, DDI reference of the header named with each
 * function). Indexes, sizes, offsets and signatures are compared with testdata/kmdf-abi.json by a test of tools/kit, on
 * what bindgen makes of this file. On Windows the real wdf.h is used instead.
 */
#ifndef IRQLOG_KIT_WDF_H
#define IRQLOG_KIT_WDF_H

#include "ntddk.h"

#if KMDF_VERSION_MAJOR != 1 || KMDF_VERSION_MINOR != 31
#error irqlog kit: describes KMDF 1.31 only
#endif

typedef PVOID WDFOBJECT;
typedef PVOID WDFDRIVER, WDFDEVICE, WDFQUEUE, WDFREQUEST, WDFFILEOBJECT, WDFTIMER, WDFKEY, WDFSPINLOCK, WDFWAITLOCK;
typedef struct WDFDEVICE_INIT WDFDEVICE_INIT, *PWDFDEVICE_INIT;

typedef enum _WDF_TRI_STATE { WdfFalse = 0, WdfTrue = 1, WdfUseDefault = 2 } WDF_TRI_STATE;

typedef enum _WDF_EXECUTION_LEVEL {
    WdfExecutionLevelInvalid = 0,
    WdfExecutionLevelInheritFromParent,
    WdfExecutionLevelPassive,
    WdfExecutionLevelDispatch
} WDF_EXECUTION_LEVEL;

typedef enum _WDF_SYNCHRONIZATION_SCOPE {
    WdfSynchronizationScopeInvalid = 0,
    WdfSynchronizationScopeInheritFromParent,
    WdfSynchronizationScopeDevice,
    WdfSynchronizationScopeQueue,
    WdfSynchronizationScopeNone
} WDF_SYNCHRONIZATION_SCOPE;

typedef enum _WDF_IO_QUEUE_DISPATCH_TYPE {
    WdfIoQueueDispatchInvalid = 0,
    WdfIoQueueDispatchSequential,
    WdfIoQueueDispatchParallel,
    WdfIoQueueDispatchManual,
    WdfIoQueueDispatchMax
} WDF_IO_QUEUE_DISPATCH_TYPE;

typedef enum _WDF_FILEOBJECT_CLASS {
    WdfFileObjectInvalid = 0,
    WdfFileObjectNotRequired = 1,
    WdfFileObjectWdfCanUseFsContext = 2,
    WdfFileObjectWdfCanUseFsContext2 = 3,
    WdfFileObjectWdfCannotUseFsContexts = 4,
    WdfFileObjectCanBeOptional = 0x80000000
} WDF_FILEOBJECT_CLASS;

typedef enum _WDF_DRIVER_INIT_FLAGS {
    WdfDriverInitNonPnpDriver = 0x00000001,
    WdfDriverInitNoDispatchOverride = 0x00000002,
    WdfVerifyOn = 0x00000004,
    WdfVerifierOn = 0x00000008,
    WdfDriverInitCompanion = 0x00000010
} WDF_DRIVER_INIT_FLAGS;

/* --- Driver and objects ------------------------------------------------------------------------------------------ */

typedef struct _WDF_DRIVER_GLOBALS {
    WDFDRIVER Driver;
    ULONG DriverFlags;
    ULONG DriverTag;
    CHAR DriverName[32];
    BOOLEAN DisplaceDriverUnload;
} WDF_DRIVER_GLOBALS, *PWDF_DRIVER_GLOBALS;

typedef NTSTATUS(NTAPI EVT_WDF_DRIVER_DEVICE_ADD)(WDFDRIVER Driver, PWDFDEVICE_INIT DeviceInit);
typedef EVT_WDF_DRIVER_DEVICE_ADD *PFN_WDF_DRIVER_DEVICE_ADD;
typedef VOID(NTAPI EVT_WDF_DRIVER_UNLOAD)(WDFDRIVER Driver);
typedef EVT_WDF_DRIVER_UNLOAD *PFN_WDF_DRIVER_UNLOAD;

typedef struct _WDF_DRIVER_CONFIG {
    ULONG Size;
    PFN_WDF_DRIVER_DEVICE_ADD EvtDriverDeviceAdd;
    PFN_WDF_DRIVER_UNLOAD EvtDriverUnload;
    ULONG DriverInitFlags;
    ULONG DriverPoolTag;
} WDF_DRIVER_CONFIG, *PWDF_DRIVER_CONFIG;

struct _WDF_OBJECT_CONTEXT_TYPE_INFO;
typedef const struct _WDF_OBJECT_CONTEXT_TYPE_INFO *PCWDF_OBJECT_CONTEXT_TYPE_INFO;
typedef PCWDF_OBJECT_CONTEXT_TYPE_INFO(NTAPI *PFN_GET_UNIQUE_CONTEXT_TYPE)(VOID);

typedef struct _WDF_OBJECT_CONTEXT_TYPE_INFO {
    ULONG Size;
    PCSTR ContextName;
    SIZE_T ContextSize;
    PCWDF_OBJECT_CONTEXT_TYPE_INFO UniqueType;
    PFN_GET_UNIQUE_CONTEXT_TYPE EvtDriverGetUniqueContextType;
} WDF_OBJECT_CONTEXT_TYPE_INFO, *PWDF_OBJECT_CONTEXT_TYPE_INFO;

typedef VOID(NTAPI EVT_WDF_OBJECT_CONTEXT_CLEANUP)(WDFOBJECT Object);
typedef EVT_WDF_OBJECT_CONTEXT_CLEANUP *PFN_WDF_OBJECT_CONTEXT_CLEANUP;
typedef VOID(NTAPI EVT_WDF_OBJECT_CONTEXT_DESTROY)(WDFOBJECT Object);
typedef EVT_WDF_OBJECT_CONTEXT_DESTROY *PFN_WDF_OBJECT_CONTEXT_DESTROY;

typedef struct _WDF_OBJECT_ATTRIBUTES {
    ULONG Size;
    PFN_WDF_OBJECT_CONTEXT_CLEANUP EvtCleanupCallback;
    PFN_WDF_OBJECT_CONTEXT_DESTROY EvtDestroyCallback;
    WDF_EXECUTION_LEVEL ExecutionLevel;
    WDF_SYNCHRONIZATION_SCOPE SynchronizationScope;
    WDFOBJECT ParentObject;
    SIZE_T ContextSizeOverride;
    PCWDF_OBJECT_CONTEXT_TYPE_INFO ContextTypeInfo;
} WDF_OBJECT_ATTRIBUTES, *PWDF_OBJECT_ATTRIBUTES;

/* --- Files, queues, requests, timers ----------------------------------------------------------------------------- */

typedef VOID(NTAPI EVT_WDF_DEVICE_FILE_CREATE)(WDFDEVICE Device, WDFREQUEST Request, WDFFILEOBJECT FileObject);
typedef EVT_WDF_DEVICE_FILE_CREATE *PFN_WDF_DEVICE_FILE_CREATE;
typedef VOID(NTAPI EVT_WDF_FILE_CLOSE)(WDFFILEOBJECT FileObject);
typedef EVT_WDF_FILE_CLOSE *PFN_WDF_FILE_CLOSE;
typedef VOID(NTAPI EVT_WDF_FILE_CLEANUP)(WDFFILEOBJECT FileObject);
typedef EVT_WDF_FILE_CLEANUP *PFN_WDF_FILE_CLEANUP;

typedef struct _WDF_FILEOBJECT_CONFIG {
    ULONG Size;
    PFN_WDF_DEVICE_FILE_CREATE EvtDeviceFileCreate;
    PFN_WDF_FILE_CLOSE EvtFileClose;
    PFN_WDF_FILE_CLEANUP EvtFileCleanup;
    WDF_TRI_STATE AutoForwardCleanupClose;
    WDF_FILEOBJECT_CLASS FileObjectClass;
} WDF_FILEOBJECT_CONFIG, *PWDF_FILEOBJECT_CONFIG;

typedef VOID(NTAPI EVT_WDF_IO_QUEUE_IO_DEFAULT)(WDFQUEUE Queue, WDFREQUEST Request);
typedef EVT_WDF_IO_QUEUE_IO_DEFAULT *PFN_WDF_IO_QUEUE_IO_DEFAULT;
typedef VOID(NTAPI EVT_WDF_IO_QUEUE_IO_READ)(WDFQUEUE Queue, WDFREQUEST Request, SIZE_T Length);
typedef EVT_WDF_IO_QUEUE_IO_READ *PFN_WDF_IO_QUEUE_IO_READ;
typedef EVT_WDF_IO_QUEUE_IO_READ *PFN_WDF_IO_QUEUE_IO_WRITE;
typedef VOID(NTAPI EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL)(
    WDFQUEUE Queue, WDFREQUEST Request, SIZE_T OutputBufferLength, SIZE_T InputBufferLength, ULONG IoControlCode);
typedef EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL *PFN_WDF_IO_QUEUE_IO_DEVICE_CONTROL;
typedef EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL *PFN_WDF_IO_QUEUE_IO_INTERNAL_DEVICE_CONTROL;
typedef VOID(NTAPI EVT_WDF_IO_QUEUE_IO_STOP)(WDFQUEUE Queue, WDFREQUEST Request, ULONG ActionFlags);
typedef EVT_WDF_IO_QUEUE_IO_STOP *PFN_WDF_IO_QUEUE_IO_STOP;
typedef EVT_WDF_IO_QUEUE_IO_DEFAULT *PFN_WDF_IO_QUEUE_IO_RESUME;
typedef EVT_WDF_IO_QUEUE_IO_DEFAULT *PFN_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE;

typedef struct _WDF_IO_QUEUE_CONFIG {
    ULONG Size;
    WDF_IO_QUEUE_DISPATCH_TYPE DispatchType;
    WDF_TRI_STATE PowerManaged;
    BOOLEAN AllowZeroLengthRequests;
    BOOLEAN DefaultQueue;
    PFN_WDF_IO_QUEUE_IO_DEFAULT EvtIoDefault;
    PFN_WDF_IO_QUEUE_IO_READ EvtIoRead;
    PFN_WDF_IO_QUEUE_IO_WRITE EvtIoWrite;
    PFN_WDF_IO_QUEUE_IO_DEVICE_CONTROL EvtIoDeviceControl;
    PFN_WDF_IO_QUEUE_IO_INTERNAL_DEVICE_CONTROL EvtIoInternalDeviceControl;
    PFN_WDF_IO_QUEUE_IO_STOP EvtIoStop;
    PFN_WDF_IO_QUEUE_IO_RESUME EvtIoResume;
    PFN_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE EvtIoCanceledOnQueue;
    union {
        struct {
            ULONG NumberOfPresentedRequests;
        } Parallel;
    } Settings;
    WDFDRIVER Driver;
} WDF_IO_QUEUE_CONFIG, *PWDF_IO_QUEUE_CONFIG;

/* Only ever passed as NULL by irqlog: the size matters, the members of Parameters do not. */
typedef struct _WDF_REQUEST_PARAMETERS {
    USHORT Size;
    UCHAR MinorFunction;
    ULONG Type;
    ULONG_PTR Parameters[4];
} WDF_REQUEST_PARAMETERS, *PWDF_REQUEST_PARAMETERS;

typedef VOID(NTAPI EVT_WDF_TIMER)(WDFTIMER Timer);
typedef EVT_WDF_TIMER *PFN_WDF_TIMER;

typedef struct _WDF_TIMER_CONFIG {
    ULONG Size;
    PFN_WDF_TIMER EvtTimerFunc;
    ULONG Period;
    BOOLEAN AutomaticSerialization;
    ULONG TolerableDelay;
    __declspec(align(8)) BOOLEAN UseHighResolutionTimer;
} WDF_TIMER_CONFIG, *PWDF_TIMER_CONFIG;

/* --- The function table ------------------------------------------------------------------------------------------ */

typedef VOID (*WDFFUNC)(VOID);

/* Indexes into the function table, in its order; only the functions that are used have a name here. */
typedef enum _WDFFUNCENUM {
    WdfControlDeviceInitAllocateTableIndex = 25,
    WdfControlFinishInitializingTableIndex = 27,
    WdfDeviceInitFreeTableIndex = 54,
    WdfDeviceInitAssignNameTableIndex = 67,
    WdfDeviceInitSetFileObjectConfigTableIndex = 71,
    WdfDeviceInitSetRequestAttributesTableIndex = 72,
    WdfDeviceCreateTableIndex = 75,
    WdfDeviceCreateSymbolicLinkTableIndex = 80,
    WdfDriverCreateTableIndex = 116,
    WdfDriverOpenParametersRegistryKeyTableIndex = 119,
    WdfIoQueueCreateTableIndex = 152,
    WdfIoQueueRetrieveNextRequestTableIndex = 158,
    WdfIoQueueRetrieveRequestByFileObjectTableIndex = 159,
    WdfIoQueueFindRequestTableIndex = 160,
    WdfIoQueueRetrieveFoundRequestTableIndex = 161,
    WdfObjectGetTypedContextWorkerTableIndex = 202,
    WdfObjectReferenceActualTableIndex = 205,
    WdfObjectDereferenceActualTableIndex = 206,
    WdfObjectDeleteTableIndex = 208,
    WdfRegistryCloseTableIndex = 231,
    WdfRegistryQueryUnicodeStringTableIndex = 238,
    WdfRegistryQueryULongTableIndex = 240,
    WdfRequestCompleteTableIndex = 263,
    WdfRequestCompleteWithInformationTableIndex = 265,
    WdfRequestRetrieveInputBufferTableIndex = 269,
    WdfRequestRetrieveOutputBufferTableIndex = 270,
    WdfRequestGetFileObjectTableIndex = 277,
    WdfRequestGetRequestorModeTableIndex = 280,
    WdfRequestForwardToIoQueueTableIndex = 281,
    WdfWaitLockCreateTableIndex = 312,
    WdfWaitLockAcquireTableIndex = 313,
    WdfWaitLockReleaseTableIndex = 314,
    WdfSpinLockCreateTableIndex = 315,
    WdfSpinLockAcquireTableIndex = 316,
    WdfSpinLockReleaseTableIndex = 317,
    WdfTimerCreateTableIndex = 318,
    WdfTimerStartTableIndex = 319,
    WdfTimerStopTableIndex = 320,
    WdfFunctionTableNumEntries = 458
} WDFFUNCENUM;

/* IRQL: PASSIVE_LEVEL. DDI wdfcontrol/nf-wdfcontrol-wdfcontroldeviceinitallocate */
typedef PWDFDEVICE_INIT(NTAPI *PFN_WDFCONTROLDEVICEINITALLOCATE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFDRIVER Driver, PCUNICODE_STRING SDDLString);
/* IRQL: PASSIVE_LEVEL. DDI wdfcontrol/nf-wdfcontrol-wdfcontrolfinishinitializing */
typedef VOID(NTAPI *PFN_WDFCONTROLFINISHINITIALIZING)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFDEVICE Device);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfdevice/nf-wdfdevice-wdfdeviceinitfree */
typedef VOID(NTAPI *PFN_WDFDEVICEINITFREE)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDFDEVICE_INIT DeviceInit);
/* IRQL: PASSIVE_LEVEL. DDI wdfdevice/nf-wdfdevice-wdfdeviceinitassignname */
typedef NTSTATUS(NTAPI *PFN_WDFDEVICEINITASSIGNNAME)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDFDEVICE_INIT DeviceInit, PCUNICODE_STRING DeviceName);
/* IRQL: PASSIVE_LEVEL. DDI wdfdevice/nf-wdfdevice-wdfdeviceinitsetfileobjectconfig */
typedef VOID(NTAPI *PFN_WDFDEVICEINITSETFILEOBJECTCONFIG)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDFDEVICE_INIT DeviceInit, PWDF_FILEOBJECT_CONFIG FileObjectConfig, PWDF_OBJECT_ATTRIBUTES FileObjectAttributes);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfdevice/nf-wdfdevice-wdfdeviceinitsetrequestattributes */
typedef VOID(NTAPI *PFN_WDFDEVICEINITSETREQUESTATTRIBUTES)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDFDEVICE_INIT DeviceInit, PWDF_OBJECT_ATTRIBUTES RequestAttributes);
/* IRQL: PASSIVE_LEVEL. DDI wdfdevice/nf-wdfdevice-wdfdevicecreate */
typedef NTSTATUS(NTAPI *PFN_WDFDEVICECREATE)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDFDEVICE_INIT *DeviceInit, PWDF_OBJECT_ATTRIBUTES DeviceAttributes, WDFDEVICE *Device);
/* IRQL: PASSIVE_LEVEL. DDI wdfdevice/nf-wdfdevice-wdfdevicecreatesymboliclink */
typedef NTSTATUS(NTAPI *PFN_WDFDEVICECREATESYMBOLICLINK)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFDEVICE Device, PCUNICODE_STRING SymbolicLinkName);
/* IRQL: PASSIVE_LEVEL. DDI wdfdriver/nf-wdfdriver-wdfdrivercreate */
typedef NTSTATUS(NTAPI *PFN_WDFDRIVERCREATE)(PWDF_DRIVER_GLOBALS DriverGlobals, PDRIVER_OBJECT DriverObject, PCUNICODE_STRING RegistryPath, PWDF_OBJECT_ATTRIBUTES DriverAttributes, PWDF_DRIVER_CONFIG DriverConfig, WDFDRIVER *Driver);
/* IRQL: PASSIVE_LEVEL. DDI wdfdriver/nf-wdfdriver-wdfdriveropenparametersregistrykey */
typedef NTSTATUS(NTAPI *PFN_WDFDRIVEROPENPARAMETERSREGISTRYKEY)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFDRIVER Driver, ACCESS_MASK DesiredAccess, PWDF_OBJECT_ATTRIBUTES KeyAttributes, WDFKEY *Key);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfio/nf-wdfio-wdfioqueuecreate */
typedef NTSTATUS(NTAPI *PFN_WDFIOQUEUECREATE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFDEVICE Device, PWDF_IO_QUEUE_CONFIG Config, PWDF_OBJECT_ATTRIBUTES QueueAttributes, WDFQUEUE *Queue);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfio/nf-wdfio-wdfioqueueretrievenextrequest */
typedef NTSTATUS(NTAPI *PFN_WDFIOQUEUERETRIEVENEXTREQUEST)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFQUEUE Queue, WDFREQUEST *OutRequest);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfio/nf-wdfio-wdfioqueueretrieverequestbyfileobject */
typedef NTSTATUS(NTAPI *PFN_WDFIOQUEUERETRIEVEREQUESTBYFILEOBJECT)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFQUEUE Queue, WDFFILEOBJECT FileObject, WDFREQUEST *OutRequest);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfio/nf-wdfio-wdfioqueuefindrequest */
typedef NTSTATUS(NTAPI *PFN_WDFIOQUEUEFINDREQUEST)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFQUEUE Queue, WDFREQUEST FoundRequest, WDFFILEOBJECT FileObject, PWDF_REQUEST_PARAMETERS Parameters, WDFREQUEST *OutRequest);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfio/nf-wdfio-wdfioqueueretrievefoundrequest */
typedef NTSTATUS(NTAPI *PFN_WDFIOQUEUERETRIEVEFOUNDREQUEST)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFQUEUE Queue, WDFREQUEST FoundRequest, WDFREQUEST *OutRequest);
/* IRQL: any. DDI wdfobject/nf-wdfobject-wdfobjectgettypedcontext */
typedef PVOID(NTAPI *PFN_WDFOBJECTGETTYPEDCONTEXTWORKER)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFOBJECT Handle, PCWDF_OBJECT_CONTEXT_TYPE_INFO TypeInfo);
/* IRQL: any. DDI wdfobject/nf-wdfobject-wdfobjectreference */
typedef VOID(NTAPI *PFN_WDFOBJECTREFERENCEACTUAL)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFOBJECT Handle, PVOID Tag, LONG Line, PCSTR File);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfobject/nf-wdfobject-wdfobjectdereference */
typedef VOID(NTAPI *PFN_WDFOBJECTDEREFERENCEACTUAL)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFOBJECT Handle, PVOID Tag, LONG Line, PCSTR File);
/* IRQL: at most DISPATCH_LEVEL, PASSIVE_LEVEL for a control device. DDI wdfobject/nf-wdfobject-wdfobjectdelete */
typedef VOID(NTAPI *PFN_WDFOBJECTDELETE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFOBJECT Object);
/* IRQL: PASSIVE_LEVEL. DDI wdfregistry/nf-wdfregistry-wdfregistryclose */
typedef VOID(NTAPI *PFN_WDFREGISTRYCLOSE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFKEY Key);
/* IRQL: PASSIVE_LEVEL. DDI wdfregistry/nf-wdfregistry-wdfregistryqueryunicodestring */
typedef NTSTATUS(NTAPI *PFN_WDFREGISTRYQUERYUNICODESTRING)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFKEY Key, PCUNICODE_STRING ValueName, PUSHORT ValueByteLength, PUNICODE_STRING Value);
/* IRQL: PASSIVE_LEVEL. DDI wdfregistry/nf-wdfregistry-wdfregistryqueryulong */
typedef NTSTATUS(NTAPI *PFN_WDFREGISTRYQUERYULONG)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFKEY Key, PCUNICODE_STRING ValueName, PULONG Value);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestcomplete */
typedef VOID(NTAPI *PFN_WDFREQUESTCOMPLETE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request, NTSTATUS Status);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestcompletewithinformation */
typedef VOID(NTAPI *PFN_WDFREQUESTCOMPLETEWITHINFORMATION)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request, NTSTATUS Status, ULONG_PTR Information);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestretrieveinputbuffer */
typedef NTSTATUS(NTAPI *PFN_WDFREQUESTRETRIEVEINPUTBUFFER)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request, SIZE_T MinimumRequiredLength, PVOID *Buffer, PSIZE_T Length);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestretrieveoutputbuffer */
typedef NTSTATUS(NTAPI *PFN_WDFREQUESTRETRIEVEOUTPUTBUFFER)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request, SIZE_T MinimumRequiredSize, PVOID *Buffer, PSIZE_T Length);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestgetfileobject */
typedef WDFFILEOBJECT(NTAPI *PFN_WDFREQUESTGETFILEOBJECT)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestgetrequestormode */
typedef KPROCESSOR_MODE(NTAPI *PFN_WDFREQUESTGETREQUESTORMODE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfrequest/nf-wdfrequest-wdfrequestforwardtoioqueue */
typedef NTSTATUS(NTAPI *PFN_WDFREQUESTFORWARDTOIOQUEUE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFREQUEST Request, WDFQUEUE DestinationQueue);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfsync/nf-wdfsync-wdfwaitlockcreate */
typedef NTSTATUS(NTAPI *PFN_WDFWAITLOCKCREATE)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDF_OBJECT_ATTRIBUTES LockAttributes, WDFWAITLOCK *Lock);
/* IRQL: PASSIVE_LEVEL without a timeout. DDI wdfsync/nf-wdfsync-wdfwaitlockacquire */
typedef NTSTATUS(NTAPI *PFN_WDFWAITLOCKACQUIRE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFWAITLOCK Lock, LONGLONG *Timeout);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfsync/nf-wdfsync-wdfwaitlockrelease */
typedef VOID(NTAPI *PFN_WDFWAITLOCKRELEASE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFWAITLOCK Lock);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfsync/nf-wdfsync-wdfspinlockcreate */
typedef NTSTATUS(NTAPI *PFN_WDFSPINLOCKCREATE)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDF_OBJECT_ATTRIBUTES SpinLockAttributes, WDFSPINLOCK *SpinLock);
/* IRQL: at most DISPATCH_LEVEL. DDI wdfsync/nf-wdfsync-wdfspinlockacquire */
typedef VOID(NTAPI *PFN_WDFSPINLOCKACQUIRE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFSPINLOCK SpinLock);
/* IRQL: DISPATCH_LEVEL. DDI wdfsync/nf-wdfsync-wdfspinlockrelease */
typedef VOID(NTAPI *PFN_WDFSPINLOCKRELEASE)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFSPINLOCK SpinLock);
/* IRQL: at most DISPATCH_LEVEL. DDI wdftimer/nf-wdftimer-wdftimercreate */
typedef NTSTATUS(NTAPI *PFN_WDFTIMERCREATE)(PWDF_DRIVER_GLOBALS DriverGlobals, PWDF_TIMER_CONFIG Config, PWDF_OBJECT_ATTRIBUTES Attributes, WDFTIMER *Timer);
/* IRQL: at most DISPATCH_LEVEL. DDI wdftimer/nf-wdftimer-wdftimerstart */
typedef BOOLEAN(NTAPI *PFN_WDFTIMERSTART)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFTIMER Timer, LONGLONG DueTime);
/* IRQL: at most DISPATCH_LEVEL, PASSIVE_LEVEL if Wait. DDI wdftimer/nf-wdftimer-wdftimerstop */
typedef BOOLEAN(NTAPI *PFN_WDFTIMERSTOP)(PWDF_DRIVER_GLOBALS DriverGlobals, WDFTIMER Timer, BOOLEAN Wait);

/*
 * Set by the entry code of WdfDriverEntry.lib when it binds to the framework. `selectany` as in the real wdf.h, where
 * each translation unit may define them.
 */
extern const WDFFUNC *WdfFunctions_01031;
extern PWDF_DRIVER_GLOBALS WdfDriverGlobals;
__declspec(selectany) ULONG WdfFunctionCount = WdfFunctionTableNumEntries;

#endif
