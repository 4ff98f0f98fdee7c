@echo off
rem Removes irqlog, and the trust in its test certificate. Run it as administrator.
setlocal
cd /d "%~dp0"

fltmc >nul 2>&1
if errorlevel 1 (
    echo This needs an elevated command prompt: right-click, Run as administrator.
    exit /b 1
)

rem pnputil knows a package by the name that it was published under, oemN.inf.
powershell -NoProfile -ExecutionPolicy Bypass -Command ^
    "$ErrorActionPreference = 'Stop';" ^
    "$found = @(Get-WindowsDriver -Online | Where-Object { (Split-Path -Leaf $_.OriginalFileName) -eq 'irqlog.inf' });" ^
    "if (-not $found) { Write-Host 'irqlog is not in the driver store.' }" ^
    "foreach ($driver in $found) { pnputil /delete-driver $driver.Driver /uninstall; if ($LASTEXITCODE -notin 0, 3010) { exit 1 } }" ^
    "if (Test-Path irqlog-test.cer) {" ^
    "    $thumbprint = (New-Object Security.Cryptography.X509Certificates.X509Certificate2 (Resolve-Path irqlog-test.cer).Path).Thumbprint;" ^
    "    foreach ($store in 'Root', 'TrustedPublisher') { Remove-Item -ErrorAction SilentlyContinue Cert:\LocalMachine\$store\$thumbprint }" ^
    "}"
if errorlevel 1 (
    echo irqlog could not be removed. Close what reads it, `irqlog follow` for one, and try again.
    exit /b 1
)
echo irqlog is removed.
