//! Binding, and the function table: what is implemented, and a refusal by name for the rest.

use core::ffi::c_void;

use irqlog_nt::{DriverObject, NtStatus, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, UnicodeString};

use crate::{device, nt, object, queue, registry, request, timer, waitlock};

pub type Function = unsafe extern "system" fn();

/// WDF_VIOLATION.
pub const WDF_VIOLATION: u32 = 0x10d;

mod generated {
    use super::{Function, refuse};
    include!(concat!(env!("OUT_DIR"), "/table.rs"));
}

/// Stands at every index that is not implemented.
unsafe extern "system" fn refuse<const INDEX: usize>() {
    let name = generated::NAMES[INDEX].as_ptr();
    unsafe {
        nt::DbgPrint(c"WDFLDR (test framework): %s is not implemented\n".as_ptr(), name);
        nt::KeBugCheckEx(WDF_VIOLATION, INDEX, name as usize, 0, 0)
    }
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
    function_table: *mut *const Function,
    module: *mut c_void,
}

/// The first field of every table call; the driver sees WDF_DRIVER_GLOBALS.
#[repr(C)]
pub struct Globals {
    pub driver: *mut c_void,
    pub flags: u32,
    pub tag: u32,
    pub name: [u8; 32],
    pub displace_driver_unload: u8,
}

static mut GLOBALS: Globals =
    Globals { driver: core::ptr::null_mut(), flags: 0, tag: 0, name: [0; 32], displace_driver_unload: 1 };

/// The globals of the one driver that is bound. A second driver may be loaded only if it is no KMDF driver.
pub fn globals() -> *mut Globals {
    &raw mut GLOBALS
}

fn fill() {
    let set = |index: usize, function: *const c_void| unsafe {
        let slot = (&raw mut generated::TABLE).cast::<Function>().add(index);
        slot.write(core::mem::transmute::<*const c_void, Function>(function));
    };
    macro_rules! implement {
        ($($index:ident = $function:path,)+) => { $(set(generated::$index, $function as *const c_void);)+ };
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
        WDFDRIVERCREATE = device::driver_create,
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
    registry_path: *const UnicodeString,
    bind: *mut BindInfo,
    globals_out: *mut *mut Globals,
) -> NtStatus {
    unsafe {
        let bind = &*bind;
        let is_ours = bind.size as usize == size_of::<BindInfo>()
            && bind.major == 1
            && bind.minor <= 31
            && bind.function_count as usize <= generated::ENTRIES;
        if !is_ours {
            return STATUS_INVALID_PARAMETER;
        }
        fill();
        device::remember_registry_path(registry_path);
        *bind.function_table = (&raw const generated::TABLE).cast();
        *globals_out = globals();
    }
    STATUS_SUCCESS
}

/// The driver has unloaded, or its DriverEntry failed: whatever is left of it is deleted.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn WdfVersionUnbind(_: *const UnicodeString, _: *mut BindInfo, _: *mut Globals) -> NtStatus {
    device::delete_driver();
    STATUS_SUCCESS
}
