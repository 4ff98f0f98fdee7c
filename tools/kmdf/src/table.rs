//! Binding, and the function table: what is implemented, and a refusal by name for the rest.

use core::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};

use irqlog_nt::{
    DriverObject, NtStatus, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, UnicodeString,
    framework::{BINDING, RELEASED},
};

use crate::{
    device,
    driver::{self, delete_driver},
    globals::{Globals, globals, set_registry_path, text},
    object, queue, registry, request, stop, timer, waitlock,
};

/// The table as the driver sees it: an array of functions, of which each has its own type.
type Table = [AtomicPtr<c_void>; generated::ENTRIES];

mod generated {
    use core::{ffi::c_void, sync::atomic::AtomicPtr};

    use super::{Table, refuse};
    include!(concat!(env!("OUT_DIR"), "/table.rs"));
}

/// Stands at every index that is not implemented.
unsafe extern "system" fn refuse<const INDEX: usize>() {
    stop::not_implemented(INDEX, generated::NAMES[INDEX])
}

/// The bind structure of `WdfDriverEntry.lib`; see `testdata/kmdf-abi.json`.
#[repr(C)]
pub struct BindInfo {
    size: u32,
    component: *const u16,
    major: u32,
    minor: u32,
    build: u32,
    function_count: u32,
    function_table: Option<NonNull<*const Table>>,
    module: *mut c_void,
}

fn fill() {
    macro_rules! implement {
        ($($index:ident = $function:path,)+) => { $(generated::TABLE[generated::$index].store($function as *mut c_void, Ordering::Relaxed);)+ };
    }
    implement! {
        WDFCONTROLDEVICEINITALLOCATE = device::control_device_init_allocate,
        WDFCONTROLFINISHINITIALIZING = device::control_finish_initializing,
        WDFDEVICEINITFREE = device::device_init_free,
        WDFDEVICEINITASSIGNNAME = device::device_init_assign_name,
        WDFDEVICEINITSETFILEOBJECTCONFIG = device::device_init_set_file_object_config,
        WDFDEVICEINITSETREQUESTATTRIBUTES = device::device_init_set_request_attributes,
        WDFDEVICECREATE = device::device_create,
        WDFDEVICECREATESYMBOLICLINK = device::device_create_symbolic_link,
        WDFDRIVERCREATE = driver::driver_create,
        WDFDRIVEROPENPARAMETERSREGISTRYKEY = registry::driver_open_parameters_registry_key,
        WDFIOQUEUECREATE = queue::io_queue_create,
        WDFIOQUEUERETRIEVENEXTREQUEST = queue::io_queue_retrieve_next_request,
        WDFIOQUEUERETRIEVEREQUESTBYFILEOBJECT = queue::io_queue_retrieve_request_by_file_object,
        WDFIOQUEUEFINDREQUEST = queue::io_queue_find_request,
        WDFIOQUEUERETRIEVEFOUNDREQUEST = queue::io_queue_retrieve_found_request,
        WDFOBJECTGETTYPEDCONTEXTWORKER = object::object_get_typed_context_worker,
        WDFOBJECTREFERENCEACTUAL = object::object_reference_actual,
        WDFOBJECTDEREFERENCEACTUAL = object::object_dereference_actual,
        WDFOBJECTDELETE = object::object_delete,
        WDFREGISTRYCLOSE = registry::registry_close,
        WDFREGISTRYQUERYUNICODESTRING = registry::registry_query_unicode_string,
        WDFREGISTRYQUERYULONG = registry::registry_query_ulong,
        WDFREQUESTCOMPLETE = request::request_complete,
        WDFREQUESTCOMPLETEWITHINFORMATION = request::request_complete_with_information,
        WDFREQUESTRETRIEVEINPUTBUFFER = request::request_retrieve_input_buffer,
        WDFREQUESTRETRIEVEOUTPUTBUFFER = request::request_retrieve_output_buffer,
        WDFREQUESTGETFILEOBJECT = request::request_get_file_object,
        WDFREQUESTGETREQUESTORMODE = request::request_get_requestor_mode,
        WDFREQUESTFORWARDTOIOQUEUE = queue::request_forward_to_io_queue,
        WDFWAITLOCKCREATE = waitlock::wait_lock_create,
        WDFWAITLOCKACQUIRE = waitlock::wait_lock_acquire,
        WDFWAITLOCKRELEASE = waitlock::wait_lock_release,
        WDFTIMERCREATE = timer::timer_create,
        WDFTIMERSTART = timer::timer_start,
        WDFTIMERSTOP = timer::timer_stop,
    }
}

/// Binds a driver to the framework: KMDF 1.31 or older of major version 1.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WdfVersionBind(
    _driver: *mut DriverObject,
    registry_path: Option<&UnicodeString>,
    bind: &BindInfo,
    globals_out: &mut MaybeUninit<*const Globals>,
) -> NtStatus {
    let is_ours = bind.size as usize == size_of::<BindInfo>() && bind.major == 1 && bind.minor <= 31;
    if !is_ours {
        return STATUS_INVALID_PARAMETER;
    }
    stop::require(RELEASED.contains(&(bind.minor, bind.function_count)), &BINDING);
    let Some(function_table) = bind.function_table else { stop::broken(&BINDING) };
    fill();
    set_registry_path(text(registry_path));
    // SAFETY: the bind structure's size and version are ours, so the field is the address of the driver's own variable
    // for the table, which nothing else uses before this function has returned.
    unsafe { function_table.write(&raw const generated::TABLE) };
    globals_out.write(globals());
    STATUS_SUCCESS
}

/// The driver has unloaded, or its DriverEntry failed: whatever is left of it is deleted.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WdfVersionUnbind(
    _: *const UnicodeString,
    _: *mut BindInfo,
    _: *const Globals,
) -> NtStatus {
    delete_driver();
    STATUS_SUCCESS
}
