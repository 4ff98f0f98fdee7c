/*
 * irqlog kit: the part of the Windows kernel interface that irqlog, wdk-sys and wdk use.
 *
 * Clean-room: written from the public documentation (learn.microsoft.com, DDI reference), only so much as is needed to
 * build the driver where no WDK can be installed. On Windows the real WDK's headers are used instead, and driver code
 * has to compile with both. Every function carries its IRQL rule as documented; the rig checks it (tools/rig/src/nt).
 */
#ifndef IRQLOG_KIT_NTDDK_H
#define IRQLOG_KIT_NTDDK_H

#if !defined(_AMD64_) && !defined(_ARM64_)
#error irqlog kit: only x64 and ARM64
#endif

#define NTAPI __stdcall
#define FASTCALL __fastcall
#define NTKERNELAPI __declspec(dllimport)

typedef void VOID, *PVOID;
typedef char CHAR, CCHAR, KPROCESSOR_MODE, *PCHAR;
typedef const char *PCSTR;
typedef unsigned char UCHAR, BOOLEAN, KIRQL, *PUCHAR, *PBOOLEAN, *PKIRQL;
typedef short SHORT, CSHORT;
typedef unsigned short USHORT, WCHAR, *PUSHORT, *PWSTR;
typedef const WCHAR *PCWSTR;
typedef long LONG, NTSTATUS, *PLONG, *PNTSTATUS;
typedef unsigned long ULONG, *PULONG, ACCESS_MASK;
typedef long long LONGLONG, LONG64;
typedef unsigned long long ULONGLONG, ULONG64, ULONG_PTR, SIZE_T, KAFFINITY, POOL_FLAGS, KSPIN_LOCK, *PSIZE_T, *PKSPIN_LOCK;
typedef long long LONG_PTR;
typedef PVOID HANDLE, *PHANDLE;

typedef union _LARGE_INTEGER {
    struct {
        ULONG LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID;
typedef const GUID *LPCGUID;

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _SINGLE_LIST_ENTRY {
    struct _SINGLE_LIST_ENTRY *Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

/* Opaque here: the driver reaches these objects through KMDF only. */
typedef struct _DRIVER_OBJECT DRIVER_OBJECT, *PDRIVER_OBJECT;
typedef struct _DEVICE_OBJECT DEVICE_OBJECT, *PDEVICE_OBJECT;
typedef struct _MDL MDL, *PMDL;
typedef struct _IRP IRP, *PIRP;

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2
#define HIGH_LEVEL 15


/* Device type and IOCTL parts: DDI "Defining I/O Control Codes". */
#define FILE_DEVICE_UNKNOWN 0x00000022

/* --- IRQL -------------------------------------------------------------------------------------------------------- */

/* IRQL: any. DDI wdm/nf-wdm-kegetcurrentirql */
NTKERNELAPI KIRQL NTAPI KeGetCurrentIrql(VOID);
/* IRQL: any, at most HIGH_LEVEL, never below the current one. wdm.h: KeRaiseIrql is a macro over it. */
NTKERNELAPI KIRQL NTAPI KfRaiseIrql(KIRQL NewIrql);
#if defined(_AMD64_)
/* IRQL: any, only to the level the matching raise gave. DDI wdm/nf-wdm-kelowerirql */
NTKERNELAPI VOID NTAPI KeLowerIrql(KIRQL NewIrql);
#else
/* On ARM64 KeLowerIrql is a macro over this export. */
NTKERNELAPI VOID NTAPI KfLowerIrql(KIRQL NewIrql);
#endif

/* --- Spin locks -------------------------------------------------------------------------------------------------- */

/* IRQL: any. DDI wdm/nf-wdm-keinitializespinlock */
NTKERNELAPI VOID NTAPI KeInitializeSpinLock(PKSPIN_LOCK SpinLock);
/* IRQL: at least DISPATCH_LEVEL. DDI wdm/nf-wdm-keacquirespinlockatdpclevel */
NTKERNELAPI VOID NTAPI KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock);
/* IRQL: at least DISPATCH_LEVEL (wdm.h _IRQL_requires_min_; the page says DISPATCH_LEVEL). */
NTKERNELAPI BOOLEAN FASTCALL KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock);
/* IRQL: at least DISPATCH_LEVEL (wdm.h _IRQL_requires_min_; the page says DISPATCH_LEVEL). */
NTKERNELAPI VOID NTAPI KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock);

/* wdm.h. The lock word is the same; a lock is used with one family of routines only. */
typedef struct _KSPIN_LOCK_QUEUE {
    struct _KSPIN_LOCK_QUEUE *volatile Next;
    PKSPIN_LOCK volatile Lock;
} KSPIN_LOCK_QUEUE, *PKSPIN_LOCK_QUEUE;

typedef struct _KLOCK_QUEUE_HANDLE {
    KSPIN_LOCK_QUEUE LockQueue;
    KIRQL OldIrql;
} KLOCK_QUEUE_HANDLE, *PKLOCK_QUEUE_HANDLE;

/* IRQL: at least DISPATCH_LEVEL. DDI wdm/nf-wdm-keacquireinstackqueuedspinlockatdpclevel */
NTKERNELAPI VOID FASTCALL
KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle);
/* IRQL: DISPATCH_LEVEL (wdm.h _IRQL_requires_, exactly; see docs/adr/0006). */
NTKERNELAPI VOID FASTCALL KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle);

/* --- Time, processors, ids --------------------------------------------------------------------------------------- */

/* IRQL: any. DDI wdm/nf-wdm-kequeryperformancecounter */
NTKERNELAPI LARGE_INTEGER NTAPI KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency);
/* IRQL: any. DDI wdm/nf-wdm-kequerysystemtimeprecise */
NTKERNELAPI VOID NTAPI KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime);

typedef struct _PROCESSOR_NUMBER {
    USHORT Group;
    UCHAR Number;
    UCHAR Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;

typedef struct _GROUP_AFFINITY {
    KAFFINITY Mask;
    USHORT Group;
    USHORT Reserved[3];
} GROUP_AFFINITY, *PGROUP_AFFINITY;

#define ALL_PROCESSOR_GROUPS 0xffff

/* IRQL: any. DDI wdm/nf-wdm-kegetcurrentprocessornumberex */
NTKERNELAPI ULONG NTAPI KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber);
/* IRQL: any. DDI wdm/nf-wdm-kequeryactiveprocessorcountex */
NTKERNELAPI ULONG NTAPI KeQueryActiveProcessorCountEx(USHORT GroupNumber);
/* IRQL: any. DDI wdm/nf-wdm-kequerymaximumprocessorcountex */
NTKERNELAPI ULONG NTAPI KeQueryMaximumProcessorCountEx(USHORT GroupNumber);
/* IRQL: any. DDI wdm/nf-wdm-kegetprocessornumberfromindex */
NTKERNELAPI NTSTATUS NTAPI KeGetProcessorNumberFromIndex(ULONG ProcIndex, PPROCESSOR_NUMBER ProcNumber);
/* IRQL: at most APC_LEVEL for the raised affinity to take effect at once. DDI wdm/nf-wdm-kesetsystemgroupaffinitythread */
NTKERNELAPI VOID NTAPI KeSetSystemGroupAffinityThread(PGROUP_AFFINITY Affinity, PGROUP_AFFINITY PreviousAffinity);
/* IRQL: at most APC_LEVEL. DDI wdm/nf-wdm-kereverttousergroupaffinitythread */
NTKERNELAPI VOID NTAPI KeRevertToUserGroupAffinityThread(PGROUP_AFFINITY PreviousAffinity);
/* IRQL: at most DISPATCH_LEVEL (ntddk.h _IRQL_requires_max_; the page says any). */
NTKERNELAPI HANDLE NTAPI PsGetCurrentThreadId(VOID);
/* IRQL: any. DDI ntddk/nf-ntddk-psgetcurrentprocessid */
NTKERNELAPI HANDLE NTAPI PsGetCurrentProcessId(VOID);

/* --- DPCs, IPIs -------------------------------------------------------------------------------------------------- */

struct _KDPC;
typedef VOID(NTAPI KDEFERRED_ROUTINE)(struct _KDPC *Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2);
typedef KDEFERRED_ROUTINE *PKDEFERRED_ROUTINE;

/* 64 bytes on 64-bit Windows, opaque by its documentation (DDI "KDPC: an opaque structure"). */
typedef struct _KDPC {
    ULONG64 Opaque[8];
} KDPC, *PKDPC, *PRKDPC;

/* IRQL: any. DDI wdm/nf-wdm-keinitializedpc */
NTKERNELAPI VOID NTAPI KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext);
/* IRQL: any. DDI wdm/nf-wdm-kesettargetprocessordpcex */
NTKERNELAPI NTSTATUS NTAPI KeSetTargetProcessorDpcEx(PKDPC Dpc, PPROCESSOR_NUMBER ProcNumber);
/* IRQL: any (wdm.h: at most HIGH_LEVEL). DDI wdm/nf-wdm-keinsertqueuedpc */
NTKERNELAPI BOOLEAN NTAPI KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2);
/* IRQL: PASSIVE_LEVEL. DDI wdm/nf-wdm-keflushqueueddpcs */
NTKERNELAPI VOID NTAPI KeFlushQueuedDpcs(VOID);

typedef ULONG_PTR(NTAPI KIPI_BROADCAST_WORKER)(ULONG_PTR Argument);
typedef KIPI_BROADCAST_WORKER *PKIPI_BROADCAST_WORKER;
/* IRQL: below IPI_LEVEL. DDI wdm/nf-wdm-keipigenericcall */
NTKERNELAPI ULONG_PTR NTAPI KeIpiGenericCall(PKIPI_BROADCAST_WORKER BroadcastFunction, ULONG_PTR Context);

/* wdm.h */
typedef enum {
    KeProcessorAddStartNotify = 0,
    KeProcessorAddCompleteNotify,
    KeProcessorAddFailureNotify
} KE_PROCESSOR_CHANGE_NOTIFY_STATE;

typedef struct _KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT {
    KE_PROCESSOR_CHANGE_NOTIFY_STATE State;
    ULONG NtNumber;
    NTSTATUS Status;
    PROCESSOR_NUMBER ProcNumber;
} KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT, *PKE_PROCESSOR_CHANGE_NOTIFY_CONTEXT;

typedef VOID NTAPI PROCESSOR_CALLBACK_FUNCTION(PVOID CallbackContext, PKE_PROCESSOR_CHANGE_NOTIFY_CONTEXT ChangeContext, PNTSTATUS OperationStatus);
typedef PROCESSOR_CALLBACK_FUNCTION *PPROCESSOR_CALLBACK_FUNCTION;

#define KE_PROCESSOR_CHANGE_ADD_EXISTING 1

/* IRQL: at most APC_LEVEL. DDI wdm/nf-wdm-keregisterprocessorchangecallback */
NTKERNELAPI PVOID NTAPI
KeRegisterProcessorChangeCallback(PPROCESSOR_CALLBACK_FUNCTION CallbackFunction, PVOID CallbackContext, ULONG Flags);
/* IRQL: at most APC_LEVEL. DDI wdm/nf-wdm-kederegisterprocessorchangecallback */
NTKERNELAPI VOID NTAPI KeDeregisterProcessorChangeCallback(PVOID CallbackHandle);

/* --- Pool, debugging --------------------------------------------------------------------------------------------- */

/* IRQL: at most DISPATCH_LEVEL for non-paged pool, APC_LEVEL for paged. DDI wdm/nf-wdm-exallocatepool2 */
NTKERNELAPI PVOID NTAPI ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);
/* IRQL: at most DISPATCH_LEVEL for non-paged pool. DDI ntddk/nf-ntddk-exfreepool */
NTKERNELAPI VOID NTAPI ExFreePool(PVOID P);
/* IRQL: at most DISPATCH_LEVEL for non-paged pool. DDI wdm/nf-wdm-exfreepoolwithtag */
NTKERNELAPI VOID NTAPI ExFreePoolWithTag(PVOID P, ULONG Tag);
/* IRQL: any. DDI wdm/nf-wdm-kebugcheckex */
NTKERNELAPI __declspec(noreturn) VOID NTAPI
KeBugCheckEx(ULONG Code, ULONG_PTR Parameter1, ULONG_PTR Parameter2, ULONG_PTR Parameter3, ULONG_PTR Parameter4);
/* IRQL: at most DIRQL. DDI wdm/nf-wdm-dbgprint */
NTKERNELAPI ULONG __cdecl DbgPrint(PCSTR Format, ...);

typedef enum _POOL_TYPE { NonPagedPool = 0, PagedPool = 1, NonPagedPoolNx = 512 } POOL_TYPE;

typedef NTSTATUS(NTAPI DRIVER_INITIALIZE)(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath);

#endif
