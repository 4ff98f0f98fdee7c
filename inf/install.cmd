@echo off
rem Installs irqlog from this folder. Run it as administrator, on a test machine: README.txt says what else it needs.
setlocal
rem Not cd: the folder may be on a share.
pushd "%~dp0"

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
rem 259: it was there already. 3010: it is installed, after a restart. (Microsoft Learn, "PnPUtil return values")
set result=%errorlevel%
if not %result%==0 if not %result%==259 if not %result%==3010 goto failed
if %result%==3010 (
    echo Windows wants a restart before the driver runs: shutdown /r /t 0, and then irqlog doctor.
    exit /b 3010
)

rem The INF has it started when it is new; after `irqlog service stop` somebody has to. sc's words are the same in all
rem languages. The whole path, since another find may come first in PATH.
sc query irqlog | "%SystemRoot%\System32\find.exe" "RUNNING" >nul || irqlog service start

irqlog doctor
if errorlevel 1 goto failed
irqlog info
exit /b

:failed
echo.
echo irqlog is not installed, or does not run. What this machine lacks, and what mends it:
irqlog doctor
exit /b 1
