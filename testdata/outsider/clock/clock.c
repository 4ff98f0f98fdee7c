/* clock: a driver that calls what irqlog's kit lacks, and adds it in its folder `kit`. */
#include <ntddk.h>
#include "irqlog.h"

static VOID NTAPI Unload(PDRIVER_OBJECT Driver) {
    (void)Driver;
    IrqlogDisconnect();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path) {
    (void)Path;
    Driver->DriverUnload = Unload;
    IrqlogConnect("clock");
    IRQLOG_INFO("{} units of 100 ns since the start", KeQueryInterruptTime());
    return STATUS_SUCCESS;
}
