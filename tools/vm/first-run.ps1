<#
.SYNOPSIS
Tries irqlog on a Windows test machine, and writes one report.

.DESCRIPTION
Goes through what docs/windows.md lists as not yet seen on Windows: signatures and catalog, the INF, the modules that
irqlog.sys imports from, installation, every command, every engine and lock, stopping with readers open, the sample
drivers. A step that fails is written down, and the next one begins. The report is on the disk after each step, so a
machine that crashes leaves what was seen until then.

Run it as often as you like. It puts back the service parameters that it changes, and leaves irqlog installed unless you
ask for the removal.

Run it in an elevated PowerShell, on a machine that may crash:

    powershell -ExecutionPolicy Bypass -File first-run.ps1
    powershell -ExecutionPolicy Bypass -File first-run.ps1 -Verifier    # then restart, and run it again without
    powershell -ExecutionPolicy Bypass -File first-run.ps1 -Uninstall   # removes irqlog at the end
    powershell -ExecutionPolicy Bypass -File first-run.ps1 -AfterCrash  # after a crash that you asked for, and a restart

The report can be attached to an issue. It names the version of Windows, the processor, and certificates; it has no
other names of the machine or of people in it but those in paths.

.PARAMETER Package
The folder of the package; the one above this script's if it is not given.

.PARAMETER Report
The file to write.

.PARAMETER Verifier
Turns Driver Verifier on for irqlog.sys with its standard settings, and does nothing else.

.PARAMETER Uninstall
Tries uninstall.cmd at the end. Without it the script asks if it was this run that installed irqlog, and an irqlog that
was there before stays.

.PARAMETER AfterCrash
Collects what a crash has left, and does nothing else: DumpStack.log, what `irqlog crash` shows of each dump, and the tags
of its secondary data by kd.exe, if the Debugging Tools are there. It crashes nothing itself. docs/windows.md says how to
crash a test machine on purpose. The report then has the last lines of the log: look at it before you attach it.
#>
[CmdletBinding()]
param(
    [string] $Package = (Split-Path -Parent $PSScriptRoot),
    [string] $Report = (Join-Path (Get-Location) ('irqlog-first-run-{0:yyyyMMdd-HHmmss}.md' -f (Get-Date))),
    [switch] $Verifier,
    [switch] $Uninstall,
    [switch] $AfterCrash
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

# Runs a block, and writes down what it prints and whether it worked. It did if nothing was thrown and the last program
# exited with 0; and each step that is about what a program says checks that with Expect. With -Anyway it
# is to be read by a person, whatever it says. No closures: they would not see our functions.
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

# Runs irqlog, and gives what it prints; throws unless it ends with the exit code that is expected.
function Invoke-Irqlog([string[]] $Arguments, [int] $ExitCode = 0) {
    $said = (& $Irqlog @Arguments 2>&1 | Out-String -Width 400).TrimEnd()
    if ($LASTEXITCODE -ne $ExitCode) { throw "irqlog $Arguments ended with $LASTEXITCODE, and not with ${ExitCode}:`n$said" }
    $global:LASTEXITCODE = 0
    $said
}

# Passes a text on, and throws unless it has each of these.
function Expect([string] $Text, [string[]] $Parts) {
    foreach ($part in $Parts) {
        if (-not $Text.Contains($part)) { throw "'$part' is not in:`n$Text" }
    }
    $Text
}

# A parameter of the service; nothing if it is not set.
function Read-Parameter([string] $Name) {
    (Get-ItemProperty -Path $Parameters -ErrorAction SilentlyContinue).$Name
}

function Wait-State([string] $State, [int] $Seconds = 30) {
    for ($i = 0; $i -lt $Seconds * 10; $i++) {
        if ((Get-Service irqlog).Status -eq $State) { return }
        Start-Sleep -Milliseconds 100
    }
    throw "irqlog is $((Get-Service irqlog).Status) after $Seconds seconds, and not $State"
}

# Sets a parameter of the service, or takes it away if the value is nothing. The key is never made anew: that would empty it.
function Set-Parameter([string] $Name, $Value) {
    if (-not (Test-Path $Parameters)) { New-Item -Path $Parameters | Out-Null }
    if ($null -eq $Value) {
        Remove-ItemProperty -Path $Parameters -Name $Name -ErrorAction SilentlyContinue
    } else {
        Set-ItemProperty -Path $Parameters -Name $Name -Value $Value
    }
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

if ($AfterCrash) {
    $dumps = @(Get-ChildItem "$env:SystemRoot\MEMORY.DMP", "$env:SystemRoot\Minidump\*.dmp" -ErrorAction SilentlyContinue |
        Sort-Object LastWriteTime -Descending | Select-Object -First 2)
    Step -Anyway 'Windows' { Get-CimInstance Win32_OperatingSystem | Format-List Caption, Version, OSArchitecture }
    Step -Anyway 'Settings of the dump' { Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\CrashControl | Format-List }
    # Each callback by its component string, and its size. Which of these files a release writes is not documented.
    foreach ($log in Get-ChildItem "$env:SystemDrive\DumpStack.log*", "$env:SystemRoot\DumpStack.log*" -Force -ErrorAction SilentlyContinue) {
        Step -Anyway "$($log.FullName)" { Get-Content -LiteralPath $log.FullName }
    }
    Step 'A dump is there' { if (-not $dumps) { throw 'neither MEMORY.DMP nor a small dump: did the machine crash, and restart?' }; $dumps | Format-List FullName, Length, LastWriteTime }
    $kd = Get-ChildItem "${env:ProgramFiles(x86)}\Windows Kits\10\Debuggers\*\kd.exe" -ErrorAction SilentlyContinue |
        Where-Object { $_.Directory.Name -eq @{ AMD64 = 'x64'; ARM64 = 'arm64' }[$env:PROCESSOR_ARCHITECTURE] } | Select-Object -First 1
    foreach ($dump in $dumps) {
        Step "irqlog crash $($dump.FullName)" { Expect (Invoke-Irqlog 'crash', $dump.FullName) 'bug check', 'times are seconds after the crash' }
        if ($kd) {
            # -z opens a dump, -c runs commands ("KD Command-Line Options"); .enumtag lists the blocks with their GUIDs.
            Step -Anyway ".enumtag of $($dump.FullName)" { & $kd.FullName -z $dump.FullName -c '.enumtag; dq irqlog!IrqlogAnchor L7; q' }
        } else {
            Write-Report '', "## .enumtag of $($dump.FullName)", '', 'Not here: kd.exe. Install the Debugging Tools for Windows, or run `.enumtag` in WinDbg.'
        }
    }
    Write-Host "$($Failed.Count) steps not as expected. The report: $Report"
    exit [int] ($Failed.Count -gt 0)
}

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
    'memset', 'MmIsAddressValid', 'PsGetCurrentProcessId', 'PsGetCurrentThreadId', 'WdfVersionBind',
    'WdfVersionUnbind'
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

# Installing. What was set before is put back at the end.
$WasInstalled = [bool] (Get-Service irqlog -ErrorAction SilentlyContinue)
$Before = @{ Engine = Read-Parameter Engine; Lock = Read-Parameter Lock }
Step 'install.cmd' { cmd /c install.cmd }
Step -Anyway 'Signatures, with the certificate trusted' { Get-AuthenticodeSignature irqlog.sys, irqlog.exe, irqlog.cat | Format-List Path, Status, StatusMessage }
Step -Anyway 'The service' { sc.exe qc irqlog; sc.exe query irqlog; Get-ItemProperty $Parameters }
Step -Anyway 'The driver store' { Get-WindowsDriver -Online | Where-Object { $_.OriginalFileName -like '*irqlog.inf' } | Format-List }
Step -Anyway 'What the system says of it' { Get-WinEvent -ErrorAction SilentlyContinue -MaxEvents 20 -FilterHashtable @{ LogName = 'Microsoft-Windows-CodeIntegrity/Operational' } | Where-Object Message -like '*irqlog*' | Format-List TimeCreated, Id, Message; Select-String -Path "$env:SystemRoot\INF\setupapi.dev.log" -Pattern 'irqlog' | Select-Object -Last 30 }
Step 'What the doctor says, after' { & $Irqlog doctor }
Step -Anyway 'What the doctor is told, after' { & $Irqlog doctor --facts }

# The commands.
Step 'info' { Expect (Invoke-Irqlog 'info') 'engine', 'lane  kind', 'nmi' }
Step 'selftest' { Expect (Invoke-Irqlog 'selftest') 'selftest: every record arrived' }
Step 'selftest, paused: it says so, and ends with 4' {
    Invoke-Irqlog 'configure', '--pause'
    try { Expect (Invoke-Irqlog 'selftest' -ExitCode 4) 'writing is paused' } finally { Invoke-Irqlog 'configure', '--resume' }
}
Step 'mark, with letters of every kind' {
    $text = "gr$([char]0xFC)n $([char]::ConvertFromUtf32(0x1F980)) $([guid]::NewGuid())"
    Invoke-Irqlog 'mark', $text
    Expect (Invoke-Irqlog 'read', '--grep', ([regex]::Escape($text))) $text, '[user]'
}
Step 'read' { Expect (Invoke-Irqlog 'read', '--last', '200', '--irql', 'HIGH') 'selftest: HIGH_LEVEL' }
Step 'read, as JSON' {
    $objects = @((Invoke-Irqlog 'read', '--last', '5', '--json') -split "`n" | ForEach-Object { ConvertFrom-Json $_ } | Where-Object { $null -ne $_.seq })
    if ($objects.Count -ne 5) { throw "$($objects.Count) records, and not 5" }
    $objects | Select-Object seconds, cpu, irql_name, level, text
}
Step 'save beyond 260 characters, and not onto a file that is there' {
    $folder = Join-Path $env:TEMP ((1..12 | ForEach-Object { 'twenty-letters-each-' }) -join '\')
    New-Item -ItemType Directory -Force -Path "\\?\$folder" | Out-Null
    $file = Join-Path $folder "records-$([guid]::NewGuid()).irqlog"
    try {
        Invoke-Irqlog 'mark', 'the last one before the save'
        Invoke-Irqlog 'save', $file
        Expect (Invoke-Irqlog 'decode', $file, '--grep', 'before the save', '--last', '1') 'the last one before the save'
        Expect (Invoke-Irqlog 'save', $file -ExitCode 1) 'the file exists'
    } finally {
        Remove-Item -LiteralPath "\\?\$file" -ErrorAction SilentlyContinue
    }
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
    $state = (Get-Service irqlog).Status
    "with a reader: $state"
    Stop-Process -Id $reader.Id -Force -ErrorAction SilentlyContinue
    Wait-State Stopped
    sc.exe start irqlog
    Wait-State Running
    if ($state -ne 'StopPending') { throw "with a reader open the service was $state, and not StopPending" }
}

# Every engine and lock.
foreach ($case in @(@('shared', 'kernel'), @('shared', 'os-queued'), @('shared', 'swap'), @('shared', 'queued'), @('percpu', 'kernel'))) {
    $engine, $lock = $case
    Step "engine $engine, lock $lock" {
        Set-Parameter Engine $engine
        Set-Parameter Lock $lock
        Invoke-Irqlog 'service', 'stop'
        Invoke-Irqlog 'service', 'start'
        # percpu has no lock, whatever the parameter says.
        $shown = if ($engine -eq 'percpu') { 'none' } else { $lock }
        Expect (Invoke-Irqlog 'info') "engine $engine, lock $shown"
        Expect (Invoke-Irqlog 'selftest') 'selftest: every record arrived'
    }
}
Step 'Engine and Lock as they were before' {
    foreach ($name in $Before.Keys) { Set-Parameter $name $Before[$name] }
    Invoke-Irqlog 'service', 'stop'
    Invoke-Irqlog 'service', 'start'
    foreach ($name in $Before.Keys) {
        if ((Read-Parameter $name) -ne $Before[$name]) { throw "$name is $(Read-Parameter $name), and was $($Before[$name])" }
    }
}

# Drivers that log through it.
foreach ($name in 'sample_rust', 'sample_c') {
    $image = Join-Path $PSScriptRoot "$name.sys"
    if (-not (Test-Path $image)) {
        Write-Report '', "## $name", '', "Not here: $image"
        continue
    }
    Step "$name connects and logs" {
        # Left over from a run that was ended.
        if (Get-Service $name -ErrorAction SilentlyContinue) { sc.exe stop $name; sc.exe delete $name }
        sc.exe create $name type= kernel binPath= $image
        if ($LASTEXITCODE -ne 0) { throw "sc create ended with $LASTEXITCODE" }
        try {
            sc.exe start $name
            if ($LASTEXITCODE -ne 0) { throw "sc start ended with $LASTEXITCODE" }
            Start-Sleep -Seconds 2
            Expect (Invoke-Irqlog 'providers', '--sites') $name
            Expect (Invoke-Irqlog 'read', '--provider', $name, '--last', '20') "${name}: "
            Invoke-Irqlog 'configure', '--provider', $name, '--level', 'warn'
            Expect (Invoke-Irqlog 'providers') "$name", 'warn'
            Invoke-Irqlog 'configure', '--provider', $name, '--level', 'trace'
        } finally {
            sc.exe stop $name
            sc.exe delete $name
        }
        # Its records stay readable without it.
        Expect (Invoke-Irqlog 'read', '--provider', $name, '--last', '20') "${name}: "
    }
}

if (-not $Uninstall -and -not $WasInstalled -and [Environment]::UserInteractive) {
    $Uninstall = (Read-Host 'This run installed irqlog. Try uninstall.cmd too, which removes it? [y/N]') -match '^[yY]'
}
if ($Uninstall) {
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
