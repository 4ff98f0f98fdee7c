//! `service`: installs, starts, stops and removes the driver as a service, without an INF.
//!
//! A non-PnP KMDF driver needs no INF (Microsoft Learn, "Installing a Non-PnP Driver"): a program can create its service
//! directly. That suits testers, who try one build after another.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow, bail};
use irqlog_reader::untrusted::Untrusted;
use irqlog_upkeep::holders;
use windows_service::{
    service::{Service, ServiceAccess, ServiceErrorControl, ServiceInfo, ServiceStartType, ServiceState, ServiceType},
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_IMAGE_HASH, ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_DOES_NOT_EXIST,
    ERROR_SERVICE_EXISTS, ERROR_SERVICE_MARKED_FOR_DELETE, ERROR_SERVICE_NOT_ACTIVE,
};

use super::saver;
use crate::{
    args::{Form, ServiceAction, StartType},
    exit::Exit,
    output::Printer,
    source,
};

/// Name of the service; the INF has the same.
const NAME: &str = "irqlog";
/// The longest time that a start or stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs one action on the service, and tells on standard output that it is done.
pub fn run(action: &ServiceAction) -> Result<Exit> {
    let done = match action {
        ServiceAction::Install { image, start } => install(image.as_deref(), *start),
        ServiceAction::Start => start(),
        ServiceAction::Stop => stop(),
        ServiceAction::Remove => remove(),
        ServiceAction::InstallSaver { saver } => saver::install(saver),
        ServiceAction::RemoveSaver => saver::remove(),
        ServiceAction::RunSaver { saver } => saver::run(saver),
    }?;
    Printer::new(Form::Text).line(&Untrusted::new(done).to_string())?;
    Ok(Exit::Done)
}

fn install(image: Option<&Path>, start: StartType) -> Result<String> {
    let image = match image {
        Some(image) => std::path::absolute(image)?,
        None => beside_this_program()?,
    };
    if !image.is_file() {
        bail!("{} does not exist; name the driver's file with `--image FILE`", image.display());
    }
    let info = ServiceInfo {
        name: OsString::from(NAME),
        display_name: OsString::from("irqlog flight recorder"),
        service_type: ServiceType::KERNEL_DRIVER,
        start_type: match start {
            StartType::Boot => ServiceStartType::BootStart,
            StartType::System => ServiceStartType::SystemStart,
            StartType::Auto => ServiceStartType::AutoStart,
            StartType::Demand => ServiceStartType::OnDemand,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: image.clone(),
        launch_arguments: Vec::new(),
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    };
    let created = manager(ServiceManagerAccess::CREATE_SERVICE)?.create_service(&info, ServiceAccess::QUERY_STATUS);
    created.map_err(|error| explain("the service cannot be created", error))?;
    Ok(format!("service {NAME} installed: {}", image.display()))
}

fn start() -> Result<String> {
    let service = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    service.start::<&OsStr>(&[]).map_err(|error| explain("the driver does not start", error))?;
    wait_for(&service, ServiceState::Running).context("the driver does not start")?;
    Ok(format!("service {NAME} started"))
}

fn stop() -> Result<String> {
    let service = open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    // Whoever cannot ask the driver learns nothing here, and what Windows says of the stop.
    let tables = source::open_driver(None).and_then(|mut session| session.info());
    if let Some(refusal) = tables.ok().as_ref().and_then(holders::refusal) {
        bail!("{refusal}");
    }
    service.stop().map_err(|error| explain("the driver does not stop", error))?;
    wait_for(&service, ServiceState::Stopped)
        .context("the driver stops only when the last program or driver that uses it has closed it: another irqlog.exe, or a driver that logs")?;
    Ok(format!("service {NAME} stopped"))
}

fn remove() -> Result<String> {
    let service = open(ServiceAccess::DELETE | ServiceAccess::QUERY_STATUS)?;
    let state = service.query_status().map_err(|error| explain("the service's state cannot be read", error))?;
    if state.current_state != ServiceState::Stopped {
        bail!("the driver is running; stop it first, with `irqlog service stop`");
    }
    service.delete().map_err(|error| explain("the service cannot be removed", error))?;
    Ok(format!("service {NAME} removed"))
}

/// The path of irqlog.sys in the folder of this program.
fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe().context("looking for irqlog.sys beside this program")?;
    Ok(program.with_file_name("irqlog.sys"))
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager> {
    ServiceManager::local_computer(None::<&OsStr>, ServiceManagerAccess::CONNECT | access)
        .map_err(|error| explain("the service manager cannot be reached", error))
}

fn open(access: ServiceAccess) -> Result<Service> {
    manager(ServiceManagerAccess::CONNECT)?
        .open_service(NAME, access)
        .map_err(|error| explain("the service cannot be opened", error))
}

fn wait_for(service: &Service, wanted: ServiceState) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let state = service.query_status().map_err(|error| explain("the service's state cannot be read", error))?;
        if state.current_state == wanted {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!("the service is still {:?} after {} s", state.current_state, PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An error that says what failed, in Windows' words why, and what the user can do.
fn explain(what: &str, error: windows_service::Error) -> Error {
    let windows_service::Error::Winapi(error) = error else { return anyhow!("{what}: {error}") };
    let code = error.raw_os_error().map(i32::cast_unsigned);
    let advice = match code {
        Some(ERROR_ACCESS_DENIED) => "; run the command as administrator",
        Some(ERROR_SERVICE_DOES_NOT_EXIST) => "; `irqlog service install` creates the service",
        Some(ERROR_SERVICE_EXISTS) => {
            "; to install another build, remove the service first, with `irqlog service remove`"
        }
        Some(ERROR_SERVICE_MARKED_FOR_DELETE) => {
            "; Windows deletes the service when the last program that has it open, such as services.msc, has ended"
        }
        Some(ERROR_SERVICE_NOT_ACTIVE) => "; the driver is stopped already",
        Some(ERROR_SERVICE_ALREADY_RUNNING) => "; the driver runs already, and `irqlog info` shows it",
        // Microsoft Learn, "The TESTSIGNING boot configuration option".
        Some(ERROR_INVALID_IMAGE_HASH) => {
            "; for a test-signed driver, run `bcdedit /set testsigning on` and restart Windows"
        }
        _ => "",
    };
    anyhow!("{what}: {error}{advice}")
}
