<#
.SYNOPSIS
Starts `irqlog first-run` of this package, which tries irqlog on a Windows test machine and writes one report.

.DESCRIPTION
Run it in an elevated PowerShell, on a machine that may crash:

    powershell -ExecutionPolicy Bypass -File first-run.ps1
    powershell -ExecutionPolicy Bypass -File first-run.ps1 --verifier --memory-integrity

All options are those of `irqlog first-run`; --help lists them. Where it asks for a restart, run the same line again
afterwards.
#>
$Irqlog = Join-Path (Split-Path -Parent $PSScriptRoot) 'irqlog.exe'
& $Irqlog first-run @args
exit $LASTEXITCODE
