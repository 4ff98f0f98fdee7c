/* From wdm.h, as Microsoft Learn shows it: irqlog does not use it, so its kit lacks it. */
NTKERNELAPI ULONGLONG NTAPI KeQueryInterruptTime(VOID);
