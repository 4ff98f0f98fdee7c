/* mycdrv: a WDM driver in C as somebody else writes it, who has read docs/provider.md and logs out of habit, mistakes
 * included. `cargo xtask test --only your-driver` builds and runs it. */
#include <ntddk.h>
#include "irqlog.h"
#ifndef STATUS_OBJECT_NAME_NOT_FOUND
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034L)
#endif
void FromOther(unsigned Count);
static PVOID Nmi; static KDPC Dpc;
typedef enum _DEVSTATE { DevIdle, DevBusy } DEVSTATE;
static BOOLEAN NTAPI OnNmi(PVOID C, BOOLEAN H){ (void)C; IRQLOG_ERROR_NEVER_WAITS("NMI on cpu {} handled {}", KeGetCurrentProcessorNumberEx(NULL), H); return H; }
static ULONG_PTR NTAPI OnIpi(ULONG_PTR A){ IRQLOG_WARN("ipi {:#x} irql {}", A, KeGetCurrentIrql()); return 0; }
static VOID NTAPI Unload(PDRIVER_OBJECT D){ (void)D; if (Nmi) KeDeregisterNmiCallback(Nmi); KeFlushQueuedDpcs(); IRQLOG_INFO("bye"); IrqlogDisconnect(); }
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path) {
    static const UCHAR Cdb[10] = {0x28,0,0,0x12,0x34,0x56,0,0,8,0};
    static const GUID G = {0x53f56307,0xb6bf,0x11d0,{0x94,0xf2,0,0xa0,0xc9,0x1e,0xfb,0x8b}};
    static WCHAR Wide[] = L"\\??\\C:\\f\x00fcr\\x";
    PCWSTR W = Wide; BOOLEAN B = TRUE; HANDLE H = (HANDLE)(ULONG_PTR)0x8000123c; LARGE_INTEGER L; DEVSTATE S = DevBusy; float F = 1.5f; double D = 3.14159;
    const char *Null = NULL; NTSTATUS St; int i; struct { unsigned a:3; unsigned b:5; } Bf = {5, 17};
    L.QuadPart = 0x123456789abLL; Driver->DriverUnload = Unload;
    St = IrqlogConnect("mycdrv");
    IRQLOG_INFO("DriverEntry {:p} {} connect {}", Driver, Path, IrqlogStatus(St));
    IRQLOG_ERROR("{} failed: {}", "ZwCreateFile", IrqlogStatus(STATUS_OBJECT_NAME_NOT_FOUND));
    IRQLOG_ERROR("raw status {:#x} {}", St, STATUS_OBJECT_NAME_NOT_FOUND);
    IRQLOG_INFO("wide {}", W);                  /* like %ws */
    IRQLOG_INFO("wide {}", Wide);
    IRQLOG_INFO("wide utf16 {}", IrqlogUtf16(Wide, sizeof(Wide)-2));
    IRQLOG_INFO("BOOLEAN {} {} bool {}", B, (BOOLEAN)FALSE, (_Bool)1);
    IRQLOG_INFO("handle {} {:#x} {}", H, (ULONG_PTR)H, PsGetCurrentProcessId());
    IRQLOG_INFO("large {} ({:#x})", L.QuadPart, L.QuadPart);
    IRQLOG_INFO("enum {} bits {} {}", S, Bf.a, Bf.b);
    IRQLOG_INFO("float {:.2} {:.4} {:e}", F, D, D);
    IRQLOG_INFO("null {} char {} {}", Null, 'A', (char)'A');
    IRQLOG_DEBUG("cdb {:02x?}", IrqlogBytes(Cdb, sizeof(Cdb)));
    IRQLOG_INFO("guid {} {}", &G, "literal");
    IRQLOG_INFO("unsigned char string {}", (unsigned char*)"hello");
    IRQLOG_INFO("by helpers {} {:#x} {} {}", IrqlogBool(B), IrqlogHandle(H), IrqlogText("hello"), IrqlogPointer(NULL));
    IRQLOG_INFO("too few holes {}", 1, 2, 3);
    IRQLOG_INFO("too many holes {} {} {}", 1);
    IRQLOG_INFO("printf habit %d %s", 1, "x");
    IRQLOG_INFO("bad spec {:q} {", 1);
    IRQLOG_INFO("no args");
    for (i = 0; i < 3; i++) FromOther((unsigned)i);
    Nmi = KeRegisterNmiCallback(OnNmi, NULL);
    KeIpiGenericCall(OnIpi, 0x77);
    return STATUS_SUCCESS;
}
