/*
 * sample_c.sys: a WDM driver in C that logs from a thread, a DPC, an ISR, an IPI and an NMI callback.
 *
 * Its service parameters `Vector` and `Irql` name an interrupt, if it shall connect one: a real driver gets them from the
 * plug and play manager. `PlantRace` turns a defect on, which is in race.h alone.
 */
#include <ntddk.h>

#define IRQLOG_MODULE "sample_c"
#include "irqlog.h"
#include "race.h"

typedef struct _SAMPLE {
    PVOID Thread;
    KEVENT Stop;
    PVOID Nmi;
    PKINTERRUPT Interrupt;
    KDPC Dpc;
    volatile LONG Interrupts;
    volatile LONG Nmis;
} SAMPLE;

static SAMPLE Sample;

/* A counter that interrupts of different levels share. */
static LONG Next(volatile LONG *Counter) {
#if defined(__clang__)
    return __atomic_add_fetch(Counter, 1, __ATOMIC_RELAXED);
#else
    return InterlockedIncrement(Counter);
#endif
}

/* IRQL: the interrupt's device level. */
static BOOLEAN NTAPI OnInterrupt(PKINTERRUPT Interrupt, PVOID Context) {
    const LONG Count = Next(&Sample.Interrupts);
    (void)Context;
    IRQLOG_DEBUG("interrupt {} of object {:p} at level {}", Count, Interrupt, KeGetCurrentIrql());
    if (Race.IsOn) {
        RaceOnInterrupt(Count);
    }
    KeInsertQueueDpc(&Sample.Dpc, NULL, NULL);
    return TRUE;
}

/* IRQL: DISPATCH_LEVEL. */
static VOID NTAPI OnDpc(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second) {
    (void)Dpc, (void)Context, (void)First, (void)Second;
    IRQLOG_INFO("DPC on processor {} after {:>4} interrupts", KeGetCurrentProcessorNumberEx(NULL), Sample.Interrupts);
    if (Race.IsOn) {
        RaceOnDpc();
    }
}

/* IRQL: IPI_LEVEL, on every processor at once. */
static ULONG_PTR NTAPI OnIpi(ULONG_PTR Round) {
    IRQLOG_TRACE("IPI of round {:#x}", Round);
    return 0;
}

/* IRQL: whatever an NMI interrupts, or HIGH_LEVEL. */
static BOOLEAN NTAPI OnNmi(PVOID Context, BOOLEAN Handled) {
    (void)Context;
    IRQLOG_WARN_NEVER_WAITS("NMI {}, handled: {}", Next(&Sample.Nmis), Handled);
    return Handled;
}

/* IRQL: PASSIVE_LEVEL. */
static VOID NTAPI Work(PVOID Context) {
    LARGE_INTEGER Interval;
    ULONG Round = 0;
    NTSTATUS Status;
    (void)Context;
    Interval.QuadPart = -20000; /* 2 ms */
    do {
        Round++;
        IRQLOG_INFO("round {} of {}: {}", Round, "work", IrqlogStatus(Round % 2 ? STATUS_SUCCESS : STATUS_PENDING));
        KeInsertQueueDpc(&Sample.Dpc, NULL, NULL);
        KeIpiGenericCall(OnIpi, Round);
        if (Race.IsOn) {
            RaceWatch();
        }
        Status = KeWaitForSingleObject(&Sample.Stop, Executive, KernelMode, FALSE, &Interval);
    } while (Status != STATUS_SUCCESS);
}

/* A DWORD of the service's parameters; 0 if it is not there. IRQL: PASSIVE_LEVEL. */
static ULONG Parameter(PUNICODE_STRING RegistryPath, PWSTR Name, USHORT Bytes) {
    static const WCHAR Folder[] = L"\\Parameters";
    static WCHAR Path[256];
    OBJECT_ATTRIBUTES Attributes = {0};
    UNICODE_STRING Key, Value;
    union {
        KEY_VALUE_PARTIAL_INFORMATION Information;
        UCHAR Room[32];
    } Answer = {{0}};
    ULONG Length, Index, Result = 0;
    const ULONG Before = RegistryPath->Length / sizeof(WCHAR), Behind = sizeof(Folder) / sizeof(WCHAR) - 1;
    HANDLE Handle;

    if (Before + Behind > sizeof(Path) / sizeof(WCHAR)) {
        return 0;
    }
    for (Index = 0; Index < Before + Behind; Index++) {
        Path[Index] = Index < Before ? RegistryPath->Buffer[Index] : Folder[Index - Before];
    }
    Key.Buffer = Path;
    Key.Length = Key.MaximumLength = (USHORT)((Before + Behind) * sizeof(WCHAR));
    Attributes.Length = sizeof(Attributes);
    Attributes.ObjectName = &Key;
    Attributes.Attributes = OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE;
    if (!NT_SUCCESS(ZwOpenKey(&Handle, KEY_QUERY_VALUE, &Attributes))) {
        return 0;
    }
    Value.Buffer = Name;
    Value.Length = Value.MaximumLength = Bytes;
    if (NT_SUCCESS(ZwQueryValueKey(Handle, &Value, KeyValuePartialInformation, &Answer, sizeof(Answer), &Length))
        && Answer.Information.DataLength == sizeof(ULONG)) {
        Result = *(ULONG *)Answer.Information.Data;
    }
    ZwClose(Handle);
    return Result;
}

/* IRQL: PASSIVE_LEVEL. */
static VOID ConnectInterrupt(PUNICODE_STRING RegistryPath) {
    static WCHAR Vector[] = L"Vector", Irql[] = L"Irql", PlantRace[] = L"PlantRace";
    IO_CONNECT_INTERRUPT_PARAMETERS Parameters = {0};
    const ULONG Level = Parameter(RegistryPath, Irql, sizeof(Irql) - sizeof(WCHAR));
    NTSTATUS Status;
    if (Level == 0) {
        return;
    }
    Race.IsOn = Parameter(RegistryPath, PlantRace, sizeof(PlantRace) - sizeof(WCHAR)) != 0;
    Parameters.Version = CONNECT_FULLY_SPECIFIED;
    Parameters.FullySpecified.InterruptObject = &Sample.Interrupt;
    Parameters.FullySpecified.ServiceRoutine = OnInterrupt;
    Parameters.FullySpecified.SynchronizeIrql = (KIRQL)Level;
    Parameters.FullySpecified.Irql = (KIRQL)Level;
    Parameters.FullySpecified.Vector = Parameter(RegistryPath, Vector, sizeof(Vector) - sizeof(WCHAR));
    Parameters.FullySpecified.InterruptMode = Latched;
    Parameters.FullySpecified.ProcessorEnableMask = (KAFFINITY)-1;
    Status = IoConnectInterruptEx(&Parameters);
    IRQLOG_INFO("interrupt at level {}: {}", Level, IrqlogStatus(Status));
}

/* IRQL: PASSIVE_LEVEL. */
static VOID NTAPI Unload(PDRIVER_OBJECT Driver) {
    IO_DISCONNECT_INTERRUPT_PARAMETERS Parameters = {0};
    (void)Driver;
    /* First everything becomes quiet: that is the contract of IrqlogDisconnect. */
    KeSetEvent(&Sample.Stop, 0, FALSE);
    if (Sample.Thread != NULL) {
        KeWaitForSingleObject(Sample.Thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(Sample.Thread);
    }
    if (Sample.Interrupt != NULL) {
        Parameters.Version = CONNECT_FULLY_SPECIFIED;
        Parameters.ConnectionContext.InterruptObject = Sample.Interrupt;
        IoDisconnectInterruptEx(&Parameters);
    }
    if (Sample.Nmi != NULL) {
        KeDeregisterNmiCallback(Sample.Nmi);
    }
    KeFlushQueuedDpcs();
    IRQLOG_INFO("unloading after {} interrupts and {} NMIs", Sample.Interrupts, Sample.Nmis);
    IrqlogDisconnect();
}

DRIVER_INITIALIZE DriverEntry;

/* IRQL: PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath) {
    HANDLE Handle;
    NTSTATUS Status;

    Driver->DriverUnload = Unload;
    /* A driver never fails to load for want of irqlog. */
    IrqlogConnect("sample_c");
    IRQLOG_INFO("loading {} as {}", &Driver->DriverName, RegistryPath);
    /* A tag says what the bytes are: here "path", in UTF-16. */
    IRQLOG_BLOB(IRQLOG_LEVEL_DEBUG, 0x68746170, RegistryPath->Buffer, RegistryPath->Length);
    KeInitializeEvent(&Sample.Stop, NotificationEvent, FALSE);
    KeInitializeDpc(&Sample.Dpc, OnDpc, NULL);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Work, NULL);
    if (!NT_SUCCESS(Status)) {
        IrqlogDisconnect();
        return Status;
    }
    /* A kernel handle with all access: it does not fail. */
    ObReferenceObjectByHandle(Handle, SYNCHRONIZE, NULL, KernelMode, &Sample.Thread, NULL);
    ZwClose(Handle);
    Sample.Nmi = KeRegisterNmiCallback(OnNmi, NULL);
    ConnectInterrupt(RegistryPath);
    return STATUS_SUCCESS;
}
