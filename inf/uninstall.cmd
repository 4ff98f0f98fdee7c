@echo off
rem Removes irqlog, and the trust in its test certificate. Run it as administrator.
setlocal
rem Not cd: the folder may be on a share.
pushd "%~dp0"

fltmc >nul 2>&1
if errorlevel 1 (
    echo This needs an elevated command prompt: right-click, Run as administrator.
    exit /b 1
)

rem No page says that `pnputil /delete-driver /uninstall` stops the service of a primitive driver.
sc query irqlog | "%SystemRoot%\System32\find.exe" "RUNNING" >nul
if not errorlevel 1 (
    irqlog service stop
    if errorlevel 1 goto held
)

rem pnputil knows a package by the name that it was published under, oemN.inf.
powershell -NoProfile -ExecutionPolicy Bypass -Command ^
    "$ErrorActionPreference = 'Stop';" ^
    "$found = @(Get-WindowsDriver -Online | Where-Object { (Split-Path -Leaf $_.OriginalFileName) -eq 'irqlog.inf' });" ^
    "if (-not $found) { Write-Host 'irqlog is not in the driver store.' }" ^
    "$restart = $false;" ^
    "foreach ($driver in $found) { pnputil /delete-driver $driver.Driver /uninstall; if ($LASTEXITCODE -eq 3010) { $restart = $true } elseif ($LASTEXITCODE) { exit 1 } }" ^
    "if (Test-Path irqlog-test.cer) {" ^
    "    $thumbprint = (New-Object Security.Cryptography.X509Certificates.X509Certificate2 (Resolve-Path irqlog-test.cer).Path).Thumbprint;" ^
    "    foreach ($store in 'Root', 'TrustedPublisher') { Remove-Item -ErrorAction SilentlyContinue Cert:\LocalMachine\$store\$thumbprint }" ^
    "}" ^
    "if ($restart) { exit 3010 }"
set result=%errorlevel%
if %result%==3010 (
    echo irqlog is removed after a restart: shutdown /r /t 0
    exit /b 3010
)
if not %result%==0 goto held
echo irqlog is removed.
exit /b 0

:held
echo irqlog could not be removed. Close what reads it, `irqlog follow` for one, stop the drivers that log, and try again.
exit /b 1
