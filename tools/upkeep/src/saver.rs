//! The service that keeps the logs: it saves the log when Windows shuts down, and after a crash the one in the dump.
//!
//! It is told of a shutdown by SERVICE_CONTROL_PRESHUTDOWN, which comes before other services and drivers are stopped, and
//! for which the service manager waits up to the service's own timeout (Microsoft Learn, "SERVICE_PRESHUTDOWN_INFO
//! structure"; "Service Control Handler Function").

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::{OnceLock, mpsc},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use windows_registry::LOCAL_MACHINE;
use windows_service::{
    define_windows_service,
    service::{
        ServiceAccess, ServiceControl, ServiceControlAccept, ServiceErrorControl, ServiceExitCode, ServiceInfo,
        ServiceStartType, ServiceState, ServiceStatus, ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
    service_manager::{ServiceManager, ServiceManagerAccess},
};

/// Name of the service.
pub const NAME: &str = "irqlog-saver";

/// The longest time that a save at the shutdown may take: the largest ring is 1 GiB.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_mins(3);

/// When the service has work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaverMoment {
    /// The service starts: the last start of Windows may have ended with a crash.
    Start,
    /// Windows is about to shut down.
    Shutdown,
}

/// What the service does at a moment. It tells the person of a failure itself: a service has no standard error.
pub type SaverWork = Box<dyn Fn(SaverMoment) + Send + Sync>;

static WORK: OnceLock<SaverWork> = OnceLock::new();

define_windows_service!(service_entry, service_main);

/// Runs as the service, until it is stopped.
///
/// # Errors
/// If the process was not started by the service manager.
pub fn run(work: SaverWork) -> Result<()> {
    // A process is one service.
    let _ = WORK.set(work);
    service_dispatcher::start(NAME, service_entry)
        .map_err(|error| anyhow!("only the service manager runs this command: {error}"))
}

fn service_main(_: Vec<OsString>) {
    // The service manager sees a service that ends without a status as one that failed, which is what it is.
    let _ = serve();
}

fn serve() -> windows_service::Result<()> {
    let Some(work) = WORK.get() else { return Ok(()) };
    let (tell, told) = mpsc::channel();
    let handler = move |control| match control {
        ServiceControl::Preshutdown | ServiceControl::Stop => {
            // Nobody listens any more if the service is about to end.
            let _ = tell.send(control);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let handle = service_control_handler::register(NAME, handler)?;
    let accepted = ServiceControlAccept::PRESHUTDOWN | ServiceControlAccept::STOP;
    handle.set_service_status(status(ServiceState::Running, accepted))?;
    work(SaverMoment::Start);
    if matches!(told.recv(), Ok(ServiceControl::Preshutdown)) {
        handle.set_service_status(status(ServiceState::StopPending, ServiceControlAccept::empty()))?;
        work(SaverMoment::Shutdown);
    }
    stopped(handle)
}

fn stopped(handle: ServiceStatusHandle) -> windows_service::Result<()> {
    handle.set_service_status(status(ServiceState::Stopped, ServiceControlAccept::empty()))
}

fn status(state: ServiceState, accepted: ServiceControlAccept) -> ServiceStatus {
    let is_pending = state == ServiceState::StopPending;
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepted,
        exit_code: ServiceExitCode::Win32(0),
        checkpoint: u32::from(is_pending),
        wait_hint: if is_pending { SHUTDOWN_TIMEOUT } else { Duration::ZERO },
        process_id: None,
    }
}

/// Registers the service, which runs this program with these arguments, and starts it.
///
/// # Errors
/// If the service manager refuses.
pub fn install(arguments: Vec<OsString>) -> Result<()> {
    let info = ServiceInfo {
        name: OsString::from(NAME),
        display_name: OsString::from("irqlog: keeps the log of each start"),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: std::env::current_exe().context("the path of this program")?,
        launch_arguments: arguments,
        dependencies: Vec::new(),
        // LocalSystem, which may open irqlog's device.
        account_name: None,
        account_password: None,
    };
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = manager(ServiceManagerAccess::CREATE_SERVICE)?
        .create_service(&info, access)
        .map_err(|error| explained("the service cannot be created", &error))?;
    service
        .set_preshutdown_timeout(SHUTDOWN_TIMEOUT)
        .map_err(|error| explained("the service's time at a shutdown cannot be set", &error))?;
    service.start::<&OsStr>(&[]).map_err(|error| explained("the service does not start", &error))
}

/// Stops the service, and removes it from the service manager.
///
/// # Errors
/// If it is not there, or the service manager refuses.
pub fn remove() -> Result<()> {
    let service = manager(ServiceManagerAccess::CONNECT)?
        .open_service(NAME, ServiceAccess::STOP | ServiceAccess::DELETE)
        .map_err(|error| explained("the service cannot be opened", &error))?;
    // It may be stopped already.
    let _ = service.stop();
    service.delete().map_err(|error| explained("the service cannot be removed", &error))
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager> {
    ServiceManager::local_computer(None::<&OsStr>, ServiceManagerAccess::CONNECT | access)
        .map_err(|error| explained("the service manager cannot be reached", &error))
}

fn explained(what: &str, error: &windows_service::Error) -> anyhow::Error {
    match error {
        windows_service::Error::Winapi(cause) => anyhow!("{what}: {cause}; it takes an administrator"),
        _ => anyhow!("{what}: {error}"),
    }
}

/// Where Windows writes the dump of a crash (`DumpFile` of CrashControl; Microsoft Learn, "Varieties of Kernel-Mode Dump
/// Files"), if a file is there.
#[must_use]
pub fn crash_dump() -> Option<PathBuf> {
    let root = std::env::var("SystemRoot").ok()?;
    let configured = LOCAL_MACHINE
        .open(r"SYSTEM\CurrentControlSet\Control\CrashControl")
        .and_then(|key| key.get_string("DumpFile"))
        .unwrap_or_else(|_| r"%SystemRoot%\MEMORY.DMP".to_owned());
    let lower = configured.to_ascii_lowercase();
    let path = match lower.strip_prefix("%systemroot%") {
        Some(rest) => format!("{root}{}", &configured[configured.len() - rest.len()..]),
        None => configured,
    };
    let path = PathBuf::from(path);
    Path::is_file(&path).then_some(path)
}
