// irqlog under WinDbg: the log of a running target, of a crash dump, or of an address.
//
//     .scriptload irqlog.js
//     !irqlog                                   the last lines, and what there is to look at
//     dx @$irqlog().Records.Where(r => r.Irql == "HIGH")
//     dx @$irqlog(0xfffff80212340000)           the log whose image or anchor lies at that address
//
// This file is put together from debugger/src by `IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger`; change it there.
// docs/windbg.md shows how to use it.
//
// The text of each record, the losses between them, and the sentences about what is missing are those of irqlog.exe:
// the tests compare the two. Bytes of a log are never trusted: each count is clamped to what is there.
//
// The language is ECMAScript 2017 without BigInt, which both engines of WinDbg's script provider know (Chakra, and V8
// from WinDbg 1.2407 on). 64-bit numbers are pairs of 32 bits (U64) in here, and host.Int64 outside.
//
// Facts about the host are from "Native Debugger Objects in JavaScript Extensions", "Debugger Data Model Function
// Aliases" and "File Objects" (learn.microsoft.com/windows-hardware/drivers/debugger).

"use strict";
