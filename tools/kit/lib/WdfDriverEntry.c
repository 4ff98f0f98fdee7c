/*
 * irqlog kit: WdfDriverEntry.lib, the entry point of a KMDF driver built off Windows.
 *
 * Does what the documentation says that the framework's entry code does: binds to the framework's loader with the
 * version the driver was built for, calls DriverEntry, and unbinds when DriverEntry fails or the driver has unloaded.
 * On Windows the WDK's own library is linked instead.
 */
#include "wdf.h"


typedef struct _WDF_BIND_INFO {
    ULONG Size;
    PWSTR Component;
    struct {
        ULONG Major;
        ULONG Minor;
        ULONG Build;
    } Version;
    ULONG FuncCount;
    const WDFFUNC **FuncTable;
    PVOID Module;
} WDF_BIND_INFO, *PWDF_BIND_INFO;

_Static_assert(sizeof(WDF_BIND_INFO) == 48, "WDF_BIND_INFO as in testdata/kmdf-abi.json");

NTSTATUS NTAPI WdfVersionBind(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath, PWDF_BIND_INFO BindInfo,
                              PVOID *ComponentGlobals);
NTSTATUS NTAPI WdfVersionUnbind(PUNICODE_STRING RegistryPath, PWDF_BIND_INFO BindInfo, PVOID ComponentGlobals);
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath);

/* The one field of DRIVER_OBJECT that is needed: DriverUnload, 0x68 on 64-bit Windows (wdm.h). */
typedef VOID(NTAPI *PDRIVER_UNLOAD)(PDRIVER_OBJECT DriverObject);
#define DRIVER_UNLOAD_OF(object) (*(PDRIVER_UNLOAD *)((UCHAR *)(object) + 0x68))

#define REGISTRY_PATH_CHARS 512

const WDFFUNC *WdfFunctions_01031;
PWDF_DRIVER_GLOBALS WdfDriverGlobals;

static WDF_BIND_INFO BindInfo = {
    sizeof(WDF_BIND_INFO),      L"KmdfLibrary", {KMDF_VERSION_MAJOR, KMDF_VERSION_MINOR, 0}, WdfFunctionTableNumEntries,
    &WdfFunctions_01031,        0,
};
static WCHAR RegistryPathBuffer[REGISTRY_PATH_CHARS];
static UNICODE_STRING SavedRegistryPath;
static PDRIVER_UNLOAD DriverUnload;

static VOID NTAPI FxStubDriverUnload(PDRIVER_OBJECT DriverObject) {
    if (DriverUnload) {
        DriverUnload(DriverObject);
    }
    (VOID)WdfVersionUnbind(&SavedRegistryPath, &BindInfo, WdfDriverGlobals);
}

NTSTATUS NTAPI FxDriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
    NTSTATUS status;
    USHORT i, chars = RegistryPath->Length / sizeof(WCHAR);

    if (chars > REGISTRY_PATH_CHARS) {
        chars = REGISTRY_PATH_CHARS;
    }
    for (i = 0; i < chars; i++) {
        RegistryPathBuffer[i] = RegistryPath->Buffer[i];
    }
    SavedRegistryPath.Buffer = RegistryPathBuffer;
    SavedRegistryPath.Length = chars * sizeof(WCHAR);
    SavedRegistryPath.MaximumLength = sizeof(RegistryPathBuffer);

    status = WdfVersionBind(DriverObject, &SavedRegistryPath, &BindInfo, (PVOID *)&WdfDriverGlobals);
    if (status != STATUS_SUCCESS) {
        return status;
    }
    status = DriverEntry(DriverObject, RegistryPath);
    if (status < 0) {
        (VOID)WdfVersionUnbind(&SavedRegistryPath, &BindInfo, WdfDriverGlobals);
        return status;
    }
    if (WdfDriverGlobals->DisplaceDriverUnload) {
        DriverUnload = DRIVER_UNLOAD_OF(DriverObject);
        DRIVER_UNLOAD_OF(DriverObject) = FxStubDriverUnload;
    }
    return status;
}
