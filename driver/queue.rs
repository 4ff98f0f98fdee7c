//! The queues of the control device: the default queue, and the queue that holds pended requests.

use wdk_sys::{
    _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
    _WDF_IO_QUEUE_DISPATCH_TYPE::{WdfIoQueueDispatchManual, WdfIoQueueDispatchParallel},
    _WDF_TRI_STATE::WdfFalse,
    NTSTATUS, SIZE_T, WDF_IO_QUEUE_CONFIG, WDF_OBJECT_ATTRIBUTES, WDFDEVICE, WDFQUEUE, WDFREQUEST,
    call_unsafe_wdf_function_binding,
};

use crate::{
    status::check,
    wdf::{attributes, size_field},
};

/// The framework's callback for requests. IRQL: PASSIVE_LEVEL (the queue's execution level).
pub type RequestCallback = unsafe extern "C" fn(WDFQUEUE, WDFREQUEST, SIZE_T, SIZE_T, u32);

/// Makes the default queue: requests are handled in parallel, in the caller's thread at PASSIVE_LEVEL. The callbacks take
/// those of user mode, and those of drivers. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of the framework.
pub fn create_default(
    device: WDFDEVICE,
    of_users: RequestCallback,
    of_drivers: RequestCallback,
) -> Result<(), NTSTATUS> {
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: size_field::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: WdfIoQueueDispatchParallel,
        // A control device has no power state.
        PowerManaged: WdfFalse,
        DefaultQueue: 1,
        EvtIoDeviceControl: Some(of_users),
        EvtIoInternalDeviceControl: Some(of_drivers),
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    config.Settings.Parallel.NumberOfPresentedRequests = u32::MAX;
    let mut attributes = attributes();
    attributes.ExecutionLevel = WdfExecutionLevelPassive;
    create(device, &mut config, &mut attributes).map(drop)
}

/// Makes a queue whose requests stay in it until the driver takes them out. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of the framework.
pub fn create_manual(device: WDFDEVICE) -> Result<WDFQUEUE, NTSTATUS> {
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: size_field::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: WdfIoQueueDispatchManual,
        PowerManaged: WdfFalse,
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    create(device, &mut config, &mut attributes())
}

/// IRQL: PASSIVE_LEVEL.
fn create(
    device: WDFDEVICE,
    config: &mut WDF_IO_QUEUE_CONFIG,
    attributes: &mut WDF_OBJECT_ATTRIBUTES,
) -> Result<WDFQUEUE, NTSTATUS> {
    let mut queue: WDFQUEUE = core::ptr::null_mut();
    // SAFETY: the device exists, both structures are initialised with their sizes, the handle goes to our stack.
    check(unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoQueueCreate,
            device,
            &raw mut *config,
            &raw mut *attributes,
            &raw mut queue
        )
    })?;
    Ok(queue)
}
