<#
.SYNOPSIS
Tries irqlog on a Windows test machine, and writes one report.

.DESCRIPTION
Goes through what docs/windows.md lists as not yet seen on Windows: signatures and catalog, the INF, the modules that
irqlog.sys imports from, installation, every command, every engine and lock, stopping with readers open, the sample
drivers, and removal. A step that fails is written down, and the next one begins. The report is on the disk after each
step, so a machine that crashes leaves what was seen until then.

Run it in an elevated PowerShell, on a machine that may crash:

    powershell -ExecutionPolicy Bypass -File first-run.ps1
    powershell -ExecutionPolicy Bypass -File first-run.ps1 -Verifier    # then restart, and run it again without

The report can be attached to an issue. It names the version of Windows, the processor, and certificates; it has no
other names of the machine or of people in it but those in paths.

.PARAMETER Package
The folder of the package; the one above this script's if it is not given.

.PARAMETER Report
The file to write.

.PARAMETER Verifier
Turns Driver Verifier on for irqlog.sys with its standard settings, and does nothing else.

.PARAMETER Keep
Leaves irqlog installed.
#>
[CmdletBinding()]
param(
    [string] $Package = (Split-Path -Parent $PSScriptRoot),
    [string] $Report = (Join-Path (Get-Location) ('irqlog-first-run-{0:yyyyMMdd-HHmmss}.md' -f (Get-Date))),
    [switch] $Verifier,
    [switch] $Keep
)

$ErrorActionPreference = 'Continue'
$Parameters = 'HKLM:\SYSTEM\CurrentControlSet\Services\irqlog\Parameters'
$Failed = New-Object System.Collections.Generic.List[string]

# Output of programs is UTF-8: irqlog's is, and code pages would spoil it.
[Console]::OutputEncoding = [Text.Encoding]::UTF8
$OutputEncoding = [Text.Encoding]::UTF8

function Write-Report([string[]] $Lines) {
    [IO.File]::AppendAllLines($Report, $Lines, (New-Object Text.UTF8Encoding $false))
}

# Runs a block, and writes down what it prints and whether it worked: it did if the last program exited with 0 and nothing
# was thrown. With -Anyway it is to be read by a person, whatever it says. No closures: they would not see our functions.
function Step([string] $Name, [scriptblock] $Block, [switch] $Anyway) {
    Write-Host "==> $Name"
    $fence = '```'
    $text = $Block.ToString().Trim()
    Write-Report '', "## $Name", '', "${fence}powershell", $text, $fence
    $global:LASTEXITCODE = 0
    $clock = [Diagnostics.Stopwatch]::StartNew()
    try {
        $output = (& $Block 2>&1 | Out-String -Width 200).TrimEnd()
        $good = $LASTEXITCODE -eq 0
        $result = "exit code $LASTEXITCODE"
    } catch {
        $output = ($_ | Out-String).TrimEnd()
        $good = $false
        $result = 'an error'
    }
    $seconds = '{0:n1}' -f $clock.Elapsed.TotalSeconds
    $verdict = if ($Anyway) { 'for a person to read' } elseif ($good) { 'as expected' } else { '**NOT AS EXPECTED**' }
    Write-Report "${fence}text", $output, $fence, "${verdict}: $result, $seconds s"
    if (-not ($good -or $Anyway)) {
        $Failed.Add($Name)
        Write-Host "    not as expected: $result"
    }
}

function Wait-State([string] $State, [int] $Seconds = 30) {
    for ($i = 0; $i -lt $Seconds * 10; $i++) {
        if ((Get-Service irqlog).Status -eq $State) { return }
        Start-Sleep -Milliseconds 100
    }
    throw "irqlog is $((Get-Service irqlog).Status) after $Seconds seconds, and not $State"
}

function Set-Parameter([string] $Name, $Value) {
    New-Item -Force -Path $Parameters | Out-Null
    Set-ItemProperty -Path $Parameters -Name $Name -Value $Value
}

$principal = New-Object Security.Principal.WindowsPrincipal ([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Write-Error 'This needs an elevated PowerShell: right-click, Run as administrator.'
    exit 1
}
foreach ($file in 'irqlog.sys', 'irqlog.inf', 'irqlog.cat', 'irqlog.exe', 'install.cmd', 'uninstall.cmd') {
    if (-not (Test-Path (Join-Path $Package $file))) {
        Write-Error "$Package has no $file. Name the folder of a package: -Package FOLDER"
        exit 1
    }
}
if ($Verifier) {
    verifier /standard /driver irqlog.sys
    Write-Host 'Restart the machine, and run this again without -Verifier. `verifier /reset` and a restart turn it off.'
    exit
}

$Package = (Resolve-Path $Package).Path
$Irqlog = Join-Path $Package 'irqlog.exe'
$Report = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Report)
Set-Location $Package
$now = '{0:u}' -f (Get-Date).ToUniversalTime()
Write-Report '# irqlog: first run', '', $now

# The machine.
Step -Anyway 'Windows' { Get-CimInstance Win32_OperatingSystem | Format-List Caption, Version, OSArchitecture }
Step -Anyway 'Processor' { Get-CimInstance Win32_Processor | Format-List Name, Architecture, NumberOfCores, NumberOfLogicalProcessors }
Step -Anyway 'Boot entry' { bcdedit /enum '{current}' }
Step -Anyway 'Secure Boot' { Confirm-SecureBootUEFI }
Step -Anyway 'Memory integrity' { Get-CimInstance -Namespace root\Microsoft\Windows\DeviceGuard Win32_DeviceGuard }
Step -Anyway 'Driver Verifier' { verifier /querysettings }
Step -Anyway 'Crashes until now' { Get-ChildItem "$env:SystemRoot\Minidump" -ErrorAction SilentlyContinue; Get-WinEvent -ErrorAction SilentlyContinue -MaxEvents 5 -FilterHashtable @{ LogName = 'System'; Id = 1001 } | Format-List TimeCreated, Message }
Step -Anyway 'What the doctor is told, before' { & $Irqlog doctor --facts }
Step -Anyway 'What the doctor says, before' { & $Irqlog doctor }

# The package.
Step -Anyway 'Versions and digests' { & $Irqlog --version; Get-FileHash -Algorithm SHA256 irqlog.* }
Step -Anyway 'Signatures, before the certificate is trusted' { Get-AuthenticodeSignature irqlog.sys, irqlog.exe, irqlog.cat | Format-List Path, Status, StatusMessage, SignerCertificate }
Step -Anyway 'The catalog as certutil reads it' { certutil -v -dump irqlog.cat }
if (Get-Command infverif -ErrorAction SilentlyContinue) {
    Step 'InfVerif' { infverif /v /w irqlog.inf }
} else {
    Write-Report '', '## InfVerif', '', 'Not here: it comes with the WDK.'
}

# Where what irqlog.sys imports is exported: the loader of the kernel looks there.
Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;
public static class Exports {
    [DllImport("kernel32", CharSet = CharSet.Unicode, SetLastError = true)]
    static extern IntPtr LoadLibraryEx(string file, IntPtr reserved, uint flags);
    [DllImport("kernel32", CharSet = CharSet.Ansi, ExactSpelling = true)]
    static extern IntPtr GetProcAddress(IntPtr module, string name);
    // DONT_RESOLVE_DLL_REFERENCES: mapped, and nothing of it is run.
    public static IntPtr Map(string file) { return LoadLibraryEx(file, IntPtr.Zero, 1); }
    public static bool Has(IntPtr module, string name) { return GetProcAddress(module, name) != IntPtr.Zero; }
}
'@
# Imports: made from tools/nt/src/routines.rs.
$Modules = @(
    'HAL.dll', 'WDFLDR.SYS', 'cng.sys', 'ntoskrnl.exe'
)
$Imports = @(
    'BCryptGenRandom', 'ExAllocatePool2', 'ExFreePool', 'ExFreePoolWithTag',
    'KeAcquireInStackQueuedSpinLockAtDpcLevel', 'KeAcquireSpinLockAtDpcLevel', 'KeAddTriageDumpDataBlock',
    'KeDeregisterBugCheckReasonCallback', 'KeDeregisterProcessorChangeCallback', 'KeFlushQueuedDpcs',
    'KeGetCurrentIrql', 'KeGetCurrentProcessorNumberEx', 'KeGetProcessorNumberFromIndex', 'KeInitializeDpc',
    'KeInitializeTriageDumpDataArray', 'KeInsertQueueDpc', 'KeIpiGenericCall', 'KeLowerIrql',
    'KeQueryActiveProcessorCountEx', 'KeQueryMaximumProcessorCountEx', 'KeQueryPerformanceCounter',
    'KeQuerySystemTimePrecise', 'KeRegisterBugCheckReasonCallback', 'KeRegisterProcessorChangeCallback',
    'KeReleaseInStackQueuedSpinLockFromDpcLevel', 'KeReleaseSpinLockFromDpcLevel',
    'KeRevertToUserGroupAffinityThread', 'KeSetSystemGroupAffinityThread', 'KeSetTargetProcessorDpcEx',
    'KeTryToAcquireSpinLockAtDpcLevel', 'KfLowerIrql', 'KfRaiseIrql', 'memcmp', 'memcpy', 'memmove',
    'memset', 'PsGetCurrentProcessId', 'PsGetCurrentThreadId', 'WdfVersionBind', 'WdfVersionUnbind'
)
# Imports: end.
Step -Anyway 'Exports of the modules that irqlog.sys imports from' {
    $system = "$env:SystemRoot\System32"
    foreach ($module in $Modules) {
        $file = if ($module -like '*.sys') { "$system\drivers\$module" } else { "$system\$module" }
        $mapped = [Exports]::Map($file)
        if ($mapped -eq [IntPtr]::Zero) { "$file cannot be mapped"; continue }
        $has = $Imports | Where-Object { [Exports]::Has($mapped, $_) }
        "$file exports $($has -join ', ')"
    }
}

# Installing.
Step 'install.cmd' { cmd /c install.cmd }
Step -Anyway 'Signatures, with the certificate trusted' { Get-AuthenticodeSignature irqlog.sys, irqlog.exe, irqlog.cat | Format-List Path, Status, StatusMessage }
Step -Anyway 'The service' { sc.exe qc irqlog; sc.exe query irqlog; Get-ItemProperty $Parameters }
Step -Anyway 'The driver store' { Get-WindowsDriver -Online | Where-Object { $_.OriginalFileName -like '*irqlog.inf' } | Format-List }
Step -Anyway 'What the system says of it' { Get-WinEvent -ErrorAction SilentlyContinue -MaxEvents 20 -FilterHashtable @{ LogName = 'Microsoft-Windows-CodeIntegrity/Operational' } | Where-Object Message -like '*irqlog*' | Format-List TimeCreated, Id, Message; Select-String -Path "$env:SystemRoot\INF\setupapi.dev.log" -Pattern 'irqlog' | Select-Object -Last 30 }
Step 'What the doctor says, after' { & $Irqlog doctor }
Step -Anyway 'What the doctor is told, after' { & $Irqlog doctor --facts }

# The commands.
Step 'info' { & $Irqlog info }
Step 'selftest' { & $Irqlog selftest }
Step 'mark, with letters of every kind' { & $Irqlog mark "gr$([char]0xFC)n $([char]::ConvertFromUtf32(0x1F980))"; & $Irqlog read --last 1 }
Step 'read' { & $Irqlog read --last 20 }
Step 'read, as JSON' { & $Irqlog read --last 5 --json }
Step 'save beyond 260 characters' {
    $folder = Join-Path $env:TEMP ((1..12 | ForEach-Object { 'twenty-letters-each-' }) -join '\')
    New-Item -ItemType Directory -Force -Path "\\?\$folder" | Out-Null
    & $Irqlog save (Join-Path $folder 'records.irqlog')
    if ($LASTEXITCODE -eq 0) { & $Irqlog decode (Join-Path $folder 'records.irqlog') --last 1 }
}

# A reader that is killed while it waits, and a stop while one is open.
Step 'stop after a reader was killed' {
    $reader = Start-Process -PassThru -WindowStyle Hidden -FilePath $Irqlog -ArgumentList 'follow'
    Start-Sleep -Seconds 2
    Stop-Process -Id $reader.Id -Force
    sc.exe stop irqlog
    Wait-State Stopped
    sc.exe start irqlog
    Wait-State Running
}
Step 'stop while a reader is open: pending, then stopped' {
    $reader = Start-Process -PassThru -WindowStyle Hidden -FilePath $Irqlog -ArgumentList 'follow'
    Start-Sleep -Seconds 2
    sc.exe stop irqlog
    "with a reader: $((Get-Service irqlog).Status)"
    Stop-Process -Id $reader.Id -Force -ErrorAction SilentlyContinue
    Wait-State Stopped
    sc.exe start irqlog
    Wait-State Running
}

# Every engine and lock.
foreach ($case in @(@('shared', 'kernel'), @('shared', 'os-queued'), @('shared', 'swap'), @('shared', 'queued'), @('percpu', 'kernel'))) {
    $engine, $lock = $case
    Step "engine $engine, lock $lock" {
        Set-Parameter Engine $engine
        Set-Parameter Lock $lock
        & $Irqlog service stop
        & $Irqlog service start
        & $Irqlog info
        & $Irqlog selftest
    }
}
Set-Parameter Engine 'shared'
Set-Parameter Lock 'kernel'
Step 'back to the defaults' { & $Irqlog service stop; & $Irqlog service start }

# Drivers that log through it.
foreach ($name in 'sample_rust', 'sample_c') {
    $image = Join-Path $PSScriptRoot "$name.sys"
    if (-not (Test-Path $image)) {
        Write-Report '', "## $name", '', "Not here: $image"
        continue
    }
    Step "$name connects and logs" {
        sc.exe create $name type= kernel binPath= $image
        sc.exe start $name
        Start-Sleep -Seconds 2
        & $Irqlog providers --sites
        & $Irqlog configure --provider $name --level warn
        sc.exe stop $name
        sc.exe delete $name
        & $Irqlog read --provider $name --last 20
    }
}

if (-not $Keep) {
    Step 'uninstall.cmd' { cmd /c uninstall.cmd }
    Step 'nothing is left' {
        if (Get-Service irqlog -ErrorAction SilentlyContinue) { throw 'the service is still there' }
        if (Get-WindowsDriver -Online | Where-Object { $_.OriginalFileName -like '*irqlog.inf' }) { throw 'the package is still in the driver store' }
    }
}

Write-Report '', '# Summary', ''
if ($Failed.Count) {
    Write-Report "$($Failed.Count) steps were not as expected:", ''
    $Failed | ForEach-Object { Write-Report "- $_" }
} else {
    Write-Report 'Every step was as expected.'
}
Write-Report '', 'Not tried here: an NMI, Ctrl-C in irqlog follow, processors added while it runs, kernel debugging (docs/windows.md).'
Write-Host "$($Failed.Count) steps not as expected. The report: $Report"
exit [int] ($Failed.Count -gt 0)
