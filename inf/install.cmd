@echo off
rem Installs irqlog from this folder. Run it as administrator, on a test machine: README.txt says what else it needs.
setlocal
cd /d "%~dp0"

fltmc >nul 2>&1
if errorlevel 1 (
    echo This needs an elevated command prompt: right-click, Run as administrator.
    exit /b 1
)

rem A package that is signed with a certificate of a public authority has none to trust.
if exist irqlog-test.cer (
    certutil -f -addstore Root irqlog-test.cer >nul || goto failed
    certutil -f -addstore TrustedPublisher irqlog-test.cer >nul || goto failed
)

pnputil /add-driver irqlog.inf /install
rem 3010: it is installed, and wants a restart.
if not errorlevel 3010 if errorlevel 1 goto failed

irqlog doctor
if errorlevel 1 goto failed
irqlog info
exit /b

:failed
echo.
echo irqlog is not installed, or does not run. What this machine lacks, and what mends it:
irqlog doctor
exit /b 1
