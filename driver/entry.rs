//! DriverEntry and unload.
//!
//! Start in this order: framework driver object, parameters, recorder, device. The recorder works before there is a
//! device that reads it, and ends last.

use irqlog_wire::record::Level;
use wdk_sys::{
    _WDF_DRIVER_INIT_FLAGS::WdfDriverInitNonPnpDriver, DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, STATUS_SUCCESS,
    WDF_DRIVER_CONFIG, WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, call_unsafe_wdf_function_binding,
};

use crate::{control_device, crash, instance, parameters, pool::tag, processors, text::Text, wdf::size_field};

/// Entry point of the driver, which the system calls first.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// Called once by the system, with the driver's object and the path of its service key.
// SAFETY: no other symbol of that name is linked; the framework's entry code calls it with this signature.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> NTSTATUS {
    match start(driver, registry_path) {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => {
            instance::stop();
            status
        }
    }
}

/// IRQL: PASSIVE_LEVEL.
fn start(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> Result<(), NTSTATUS> {
    let driver = create_driver(driver, registry_path)?;
    let parameters = parameters::read(driver);
    instance::start(&parameters.config)?;
    announce(&parameters);
    control_device::create(driver)?;
    // Last: these cannot fail, so nothing that follows has to undo them.
    processors::listen();
    crash::listen();
    Ok(())
}

/// IRQL: PASSIVE_LEVEL.
fn create_driver(driver: &mut DRIVER_OBJECT, registry_path: PCUNICODE_STRING) -> Result<WDFDRIVER, NTSTATUS> {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size_field::<WDF_DRIVER_CONFIG>(),
        EvtDriverUnload: Some(unload),
        DriverInitFlags: WdfDriverInitNonPnpDriver as u32,
        DriverPoolTag: tag::FRAMEWORK,
        ..WDF_DRIVER_CONFIG::default()
    };
    let mut handle: WDFDRIVER = core::ptr::null_mut();
    // SAFETY: the object and the path are those that DriverEntry got, the config is initialised with its size, and the
    // handle is written to our stack. PASSIVE_LEVEL, as WdfDriverCreate asks.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            &raw mut handle
        )
    };
    if wdk::nt_success(status) { Ok(handle) } else { Err(status) }
}

/// Logs the start, and each parameter that had a bad value.
///
/// IRQL: any.
fn announce(parameters: &parameters::Parameters) {
    let Some(recorder) = instance::get() else { return };
    let mut text = Text::new();
    text.push("irqlog ").push(env!("CARGO_PKG_VERSION")).push(" started");
    recorder.log_own(Level::Info, text.bytes());
    for parameter in parameters.bad() {
        let mut text = Text::new();
        text.push("parameter ")
            .push(parameter.name())
            .push(" is no good, using the default: it takes ")
            .push(parameter.takes());
        recorder.log_own(Level::Error, text.bytes());
    }
}

/// Unload routine. The framework calls it when the last handle and reference are gone and the service is stopped.
///
/// IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn unload(_driver: WDFDRIVER) {
    crash::stop_listening();
    processors::stop_listening();
    control_device::delete();
    instance::stop();
}
